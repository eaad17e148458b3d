"""The kernel language's functions against NumPy and SciPy in float64; the greatest errors, in ulp, are asserted."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
from accuracy import LEAST_SIGMOID, SPECIAL, TRUTHS, floats, wide_floats, worst_ulp
from kernel_runner import elementwise

from symgraph.backends.cpu import build, elementary, mathematics

RNG = np.random.default_rng(7)


@pytest.fixture(autouse=True)
def _same_numbers_in_any_order():
    global RNG
    RNG = np.random.default_rng(7)


def worst(name, x, dtype):
    """The greatest error of a function in ulp."""
    if name == "sigmoid":
        small = x < LEAST_SIGMOID[dtype]
        assert np.all(np.abs(elementwise(f"sigmoid_{dtype}", x[small])) <= 2 * np.finfo(dtype).tiny)
        x = x[~small]
    with np.errstate(all="ignore"):
        true = TRUTHS[name](x.astype(np.float64 if dtype == "float32" else np.longdouble))
    return worst_ulp(elementwise(f"{name}_{dtype}", x), true, np.dtype(dtype).type)


@pytest.mark.parametrize("name", TRUTHS)
def test_float32_is_as_exact_as_documented(name):
    assert worst(name, floats(), "float32") <= mathematics.ULP[name][0]


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 60, reason="NumPy has no floats of more digits here")
@pytest.mark.parametrize("name", [name for name in TRUTHS if name != "erfc"])
def test_float64_is_as_exact_as_documented(name):
    assert worst(name, wide_floats(), "float64") <= mathematics.ULP[name][1]


def test_every_documented_function_is_tested():
    assert mathematics.ULP.keys() == TRUTHS.keys() | {"pow"}


@pytest.mark.parametrize("name", ["erf", "erfc", "lgamma"])
def test_float64_library_functions(name):
    x = np.concatenate([RNG.standard_normal(20_000) * 3, [0.5, -0.5, np.inf, np.nan]])
    truth = {"erf": scipy.special.erf, "erfc": scipy.special.erfc, "lgamma": scipy.special.gammaln}[name]
    np.testing.assert_allclose(elementwise(name + "_float64", x), truth(x), rtol=1e-13, atol=1e-14)


def test_large_angles_against_exact_reduction():
    from fractions import Fraction

    circle = Fraction(elementary._circle_numerator(), 1 << 320)
    x = np.array([1e4, 8388609, 1e8, 1e10, 1e20, 3e38, 2.0**100, 1.5 * 2.0**127, -7e33], np.float32)
    true = np.sin([float(Fraction(float(one)) % circle) for one in x])
    np.testing.assert_allclose(elementwise("sin_float32", x), true, rtol=6e-8, atol=1e-9)
    assert abs(float(circle) - 2 * np.pi) == 0


def test_pow_float32_with_special_cases():
    special = np.array([0, -0.0, 1, -1, 2, -2, 0.5, -0.5, 3, -3, np.inf, -np.inf, np.nan, 1e-40, 3e38], np.float32)
    x, y = (one.ravel() for one in np.meshgrid(special, special))
    x = np.concatenate([x, np.abs(RNG.standard_normal(50_000)) * 5, RNG.integers(-30, 30, 20_000)]).astype(np.float32)
    y = np.concatenate([y, RNG.standard_normal(50_000) * 8, RNG.integers(-20, 20, 20_000)]).astype(np.float32)
    with np.errstate(all="ignore"):
        true = np.power(x.astype(np.float64), y.astype(np.float64))
        got = elementwise("pow_float32", x, y)
        assert worst_ulp(got, true) <= mathematics.ULP["pow"][0]
        zero = true == 0
        np.testing.assert_array_equal(np.signbit(got[zero]), np.signbit(true[zero]))
        np.testing.assert_allclose(elementwise("pow_float64", x, y), true, rtol=1e-15)


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 60, reason="NumPy has no floats of more digits here")
def test_pow_float64_is_as_exact_as_documented():
    x = np.exp(RNG.uniform(-700, 700, 50_000))
    x = np.concatenate([np.abs(RNG.standard_normal(50_000)) * 5, x, [5e-324, 1e308]])
    y = np.concatenate([RNG.standard_normal(50_000) * 100, RNG.uniform(-1.05, 1.05, 50_000), [0.5, -1.0]])
    with np.errstate(all="ignore"):
        true = np.power(x.astype(np.longdouble), y.astype(np.longdouble))
        assert worst_ulp(elementwise("pow_float64", x, y), true, np.float64) <= mathematics.ULP["pow"][1]


@pytest.mark.parametrize("dtype, tolerance", [("float32", 5e-7), ("float64", 1e-15)])
def test_erfinv(dtype, tolerance):
    x = np.concatenate([RNG.uniform(-1, 1, 20_000), 1 - 10.0 ** RNG.uniform(-7, -1, 5000), [1, -1, 1.5, np.nan, 0]])
    x = x.astype(dtype)
    np.testing.assert_allclose(elementwise("erfinv_" + dtype, x), scipy.special.erfinv(x.astype(float)), rtol=tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "word, truth",
    [
        ("floor_divide", np.floor_divide),
        ("modulo", np.mod),
        ("maximum", np.maximum),
        ("minimum", np.minimum),
        ("copysign", np.copysign),
    ],
)
def test_binary_float_functions_are_numpys(word, truth, dtype):
    a, b = (one.ravel() for one in np.meshgrid(SPECIAL, SPECIAL))
    a = np.concatenate([a, RNG.standard_normal(20_000) * 1e4, RNG.integers(-50, 50, 5000)]).astype(dtype)
    b = np.concatenate([b, RNG.standard_normal(20_000), RNG.integers(-9, 9, 5000)]).astype(dtype)
    with np.errstate(all="ignore"):
        true = truth(a, b)
    got = elementwise(f"{word}_{dtype}", a, b)
    np.testing.assert_array_equal(got, true)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "word, truth",
    [
        ("floor", np.floor),
        ("ceil", np.ceil),
        ("truncate", np.trunc),
        ("round", np.round),
        ("absolute", np.abs),
        ("sign", np.sign),
    ],
)
def test_rounding_is_numpys(word, truth, dtype):
    x = np.concatenate([SPECIAL, [1.5, 2.5, -0.5, -1.5, 1e30], RNG.standard_normal(1000) * 10]).astype(dtype)
    np.testing.assert_array_equal(elementwise(f"{word}_{dtype}", x), truth(x))


INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integer_functions_are_numpys(dtype):
    limits = np.iinfo(dtype)
    a = RNG.integers(limits.min, limits.max, 4000, dtype=dtype, endpoint=True)
    b = RNG.integers(limits.min, limits.max, 4000, dtype=dtype, endpoint=True)
    b[::2] = RNG.integers(0, 5, 2000).astype(dtype)
    a[:40], b[:20], b[20:40] = limits.min, 0, np.array(-1).astype(dtype)
    with np.errstate(all="ignore"):
        for word, truth in (
            ("floor_divide", np.floor_divide),
            ("modulo", np.mod),
            ("maximum", np.maximum),
            ("minimum", np.minimum),
        ):
            np.testing.assert_array_equal(elementwise(f"{word}_{dtype}", a, b), truth(a, b), err_msg=word)
        for word, truth in (("sign", np.sign), ("absolute", np.abs)):
            np.testing.assert_array_equal(elementwise(f"{word}_{dtype}", a), truth(a), err_msg=word)
        exponent = np.abs(b >> 1) % 70
        np.testing.assert_array_equal(elementwise(f"pow_{dtype}", a, exponent), np.power(a, exponent))


def test_negative_integer_powers_truncate():
    a = np.array([1, -1, -1, 2, -3, 5], np.int32)
    b = np.array([-3, -3, -2, -1, -2, -7], np.int32)
    np.testing.assert_array_equal(elementwise("pow_int32", a, b), [1, -1, 1, 0, 0, 0])


def test_threefry_gives_the_published_words():
    keys = np.array([[0, 0, 0, 0], [0xFFFFFFFF] * 4, [0x13198A2E, 0x03707344, 0x243F6A88, 0x85A308D3]], np.uint32)
    first, second = elementwise("threefry2x32", *keys.T)
    assert [hex(one) for one in first] == ["0x6b200159", "0x1cb996fc", "0xc4923a9c"]
    assert [hex(one) for one in second] == ["0x99ba4efe", "0xbb002be7", "0x483df7a0"]


def test_uniform_and_normal_follow_their_formulas():
    w0, w1 = RNG.integers(0, 2**32, (2, 100_000), dtype=np.uint32)
    w0[:2], w1[:2] = (0, 0xFFFFFFFF), (0, 0xFFFFFFFF)
    np.testing.assert_array_equal(elementwise("uniform_float32", w0), (w0 >> 8) * np.float32(2**-24))
    wide = ((w0 >> 5).astype(float) * 2**26 + (w1 >> 6)) * 2.0**-53
    np.testing.assert_array_equal(elementwise("uniform_float64", w0, w1), wide)
    u, v = ((w0 >> 8) + 1.0) * 2.0**-24, (w1 >> 8) * 2.0**-24
    true = np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * v)
    got = elementwise("normal_float32", w0, w1)
    np.testing.assert_allclose(got, true, rtol=3e-7, atol=1e-7)
    assert abs(got.mean()) < 0.02 and abs(got.std() - 1) < 0.02
    u, v = (w0 + 1.0) * 2.0**-32, w1 * 2.0**-32
    true = np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * v)
    np.testing.assert_allclose(elementwise("normal_float64", w0, w1), true, rtol=1e-13, atol=1e-15)


def _arguments(name: str, count: int) -> list[np.ndarray]:
    made = []
    for place, dtype in enumerate(mathematics.FUNCTIONS[name].arguments):
        values = np.linspace(0.3, 0.9, count) + 0.05 * place if "float" in dtype else np.arange(1, count + 1) + place
        made.append(values.astype(dtype))
    return made


@pytest.mark.parametrize("name", sorted(mathematics.FUNCTIONS))
def test_every_function_gives_the_same_in_checked_mode(name):
    arguments = _arguments(name, 3)
    native, checked = (elementwise(name, *arguments, checked=mode) for mode in (False, True))
    np.testing.assert_allclose(np.array(checked, float), np.array(native, float), rtol=1e-6 if "32" in name else 1e-13)


def test_loops_over_formulas_take_several_vectors_at_a_time():
    """Innermost loops that call a long formula are marked; those around them, and others, are left to LLVM."""
    from symgraph.backends.cpu.native import ACCESS_GROUP

    call = '  %v = call float @"symgraph.mathematics.{}_float32"(float %x)\n'

    def marked(body):
        text = "\n".join([
            'define void @"k"() {', "outer:", "  br label %inner",
            "inner:", f"{body}  br i1 %c, label %inner, label %then",
            "then:", f"  store i8 0, ptr %p, !{ACCESS_GROUP} !1", "  br i1 %d, label %outer, label %end",
            "end:", "  ret void", "}",
        ])  # fmt: skip
        lines = build.annotate_loops(text).splitlines()
        count = next(line.split(" ")[0] for line in lines if "llvm.loop.interleave.count" in line)
        loops = [line.split("!llvm.loop ")[1] for line in lines if "!llvm.loop " in line]
        assert len(loops) == 2
        return [count in next(line for line in lines if line.startswith(loop + " =")) for loop in loops]

    assert marked(call.format("sigmoid")) == [True, False]
    assert marked(call.format("exp") + call.format("pow")) == [True, False]
    assert marked(call.format("sqrt") + call.format("rsqrt")) == [False, False]
    assert marked(call.format("erf") * 9) == [False, False]
    assert marked("") == [False, False]
