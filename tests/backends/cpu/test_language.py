"""The kernel language: the same source natively and in checked mode, element types, bounds, vector code."""

from __future__ import annotations

import platform
import re

import llvmlite.binding
import ml_dtypes
import numpy as np
import pytest
from kernel_runner import call

from symgraph.backends.cpu import build, language

BOTH = pytest.mark.parametrize("checked", [False, True], ids=["native", "checked"])

COPY = """
def kernel(thread, threads, args):
    n = load(args, 0)
    x = pointer_{source}(load(args, 1), n)
    y = pointer_{target}(load(args, 2), n)
    for i in range(n):
        y[i] = x[i]
"""


@BOTH
@pytest.mark.parametrize("dtype", [one for one in language.DTYPES if one != "bfloat16"])
def test_elements_of_every_dtype_are_read_and_written(dtype, checked):
    x = np.array([0, 1, 1, 0, 1], dtype) if dtype == "bool" else np.array([0, 1, 100, 7, 3]).astype(dtype)
    y = np.zeros_like(x)
    call(COPY.format(source=dtype, target=dtype), len(x), x, y, checked=checked)
    np.testing.assert_array_equal(y, x)


@BOTH
def test_extreme_integers_survive(checked):
    for dtype in ("int8", "int64", "uint64", "uint8"):
        x = np.array([np.iinfo(dtype).min, np.iinfo(dtype).max], dtype)
        y = np.zeros_like(x)
        call(COPY.format(source=dtype, target=dtype), 2, x, y, checked=checked)
        np.testing.assert_array_equal(y, x)


@BOTH
def test_float16_and_bfloat16_round_to_nearest_even(checked):
    rng = np.random.default_rng(3)
    x = np.concatenate(
        [rng.standard_normal(500) * 10.0 ** rng.integers(-9, 6, 500), [np.inf, -np.inf, np.nan, 0, 65520]]
    )
    x = np.concatenate(
        [x.astype(np.float32), np.array([0x3F808000, 0x3F818000, 0x7F7FFFFF], np.uint32).view(np.float32)]
    )
    half, brain = np.zeros(len(x), np.float16), np.zeros(len(x), ml_dtypes.bfloat16)
    back = np.zeros((2, len(x)), np.float32)
    call(COPY.format(source="float32", target="float16"), len(x), x, half, checked=checked)
    call(COPY.format(source="float32", target="bfloat16"), len(x), x, brain, checked=checked)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(half, x.astype(np.float16))
    np.testing.assert_array_equal(brain.astype(np.float32), x.astype(ml_dtypes.bfloat16).astype(np.float32))
    call(COPY.format(source="float16", target="float32"), len(x), half, back[0], checked=checked)
    call(COPY.format(source="bfloat16", target="float32"), len(x), brain, back[1], checked=checked)
    np.testing.assert_array_equal(back[0], half.astype(np.float32))
    np.testing.assert_array_equal(back[1], brain.astype(np.float32))


@BOTH
def test_words(checked):
    source = """
def kernel(thread, threads, args):
    x = pointer_float64(load(args, 0), 4)
    y = pointer_float32(load(args, 1), 8)
    a = load_float64(args, 2)
    second = shift(x, 2)
    y[0] = float32(second[1])
    y[1] = select(a > 2.0, float32(1), float32(2))
    y[2] = round_float16(float32(0.1))
    y[3] = round_bfloat16(float32(0.1))
    start, stop = span(10, 1, 3)
    y[4] = float32(start * 100 + stop)
    first, last = span_blocks(37, 16, 1, 2)
    y[5] = float32(first * 100 + last)
    y[6] = float32(a)
    y[7] = float32(int64(float64(a) * 3.0) // 2)
"""
    x, y = np.array([1.0, 2.0, 3.0, 4.5]), np.zeros(8, np.float32)
    call(source, x, y, 2.25, checked=checked)
    brain = float(np.float32(0.1).astype(ml_dtypes.bfloat16))
    np.testing.assert_array_equal(y, np.array([4.5, 1, np.float16(0.1), brain, 306, 1637, 2.25, 3], np.float32))


@pytest.mark.parametrize("n", [0, 1, 7, 64, 1000])
@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_spans_cover_everything_once(n, threads):
    source = """
def kernel(thread, threads, args):
    n = load(args, 0)
    out = pointer_int64(load(args, 1), 4)
    out[0], out[1] = span(n, thread, threads)
    out[2], out[3] = span_blocks(n, 16, thread, threads)
"""
    ends = [0, 0]
    for thread in range(threads):
        out = np.zeros(4, np.int64)
        call(
            source.replace("out[0], out[1]", "a, b").replace("out[2], out[3]", "c, d")
            + "    out[0] = a\n    out[1] = b\n    out[2] = c\n    out[3] = d\n",
            n,
            out,
            thread=thread,
            threads=threads,
        )
        assert tuple(out) == language.span(n, thread, threads) + language.span_blocks(n, 16, thread, threads)
        assert [out[0], out[2]] == ends
        assert out[2] % 16 == 0 or out[2] == n
        ends = [out[1], out[3]]
    assert ends == [n, n]


@pytest.mark.parametrize(
    "index, message",
    [("n", "index 5 is outside the 5 elements"), ("-1", "index -1 is outside"), ("0.5", "an integer was expected")],
)
def test_checked_mode_names_the_kernel_and_the_index(index, message):
    source = f"""
def kernel(thread, threads, args):
    n = load(args, 0)
    x = pointer_float32(load(args, 1), n)
    x[{index}] = float32(1)
"""
    with pytest.raises(IndexError, match=message) as caught:
        call(source, 5, np.zeros(5, np.float32), checked=True, name="faulty")
    assert "'faulty'" in str(caught.value)


def test_checked_mode_sees_through_shifts_and_shows_the_generated_line():
    source = """
def kernel(thread, threads, args):
    x = pointer_int32(load(args, 0), 4)
    y = shift(x, 3)
    y[0] = 1
    y[1] = 2
"""
    with pytest.raises(IndexError, match=r"index 1 \(pointer shifted by 3\)") as caught:
        call(source, np.zeros(4, np.int32), checked=True)
    assert any("y[1] = 2" in str(entry.statement) for entry in caught.traceback)


def test_checked_mode_refuses_a_null_pointer():
    with pytest.raises(ValueError, match="null address"):
        call("def kernel(thread, threads, args):\n    x = pointer_float32(0, 3)\n", checked=True)


def fused(pointers: int, kind: str) -> str:
    lines = ["def kernel(thread, threads, args):", "    n = load(args, 0)"]
    lines += [f"    p{i} = {kind}_float32(load(args, {i + 1}), n)" for i in range(pointers)]
    lines += ["    start, stop = span(n, thread, threads)", "    for i in range(start, stop):"]
    return "\n".join([*lines, f"        p{pointers - 1}[i] = " + " + ".join(f"p{i}[i]" for i in range(pointers - 1))])


VECTOR = {
    "x86_64": r"\bv?addps\b",
    "AMD64": r"\bv?addps\b",
    "aarch64": r"\bfadd\s+v\d+\.4s|\bfadd\.4s",
    "arm64": r"\bfadd\s+v\d+\.4s|\bfadd\.4s",
}
vector_code = pytest.mark.skipif(platform.machine() not in VECTOR, reason="only x86 and ARM assembly is known here")


@vector_code
@pytest.mark.parametrize("kind", ["pointer", "independent"])
def test_a_fused_loop_over_twelve_buffers_becomes_vectors(kind):
    assert re.search(VECTOR[platform.machine()], build.assembly(fused(12, kind), "fused"))


@vector_code
def test_a_sum_and_a_maximum_become_vectors():
    source = """
def kernel(thread, threads, args):
    n = load(args, 0)
    x = pointer_float32(load(args, 1), n)
    y = pointer_float32(load(args, 2), 2)
    total = float32(0)
    greatest = x[0]
    for i in range(n):
        total = accumulate(total, x[i])
        greatest = maximum_float32(greatest, x[i])
    y[0] = total
    y[1] = greatest
"""
    if llvmlite.binding.llvm_version_info[0] >= 18:  # older ones do not know a maximum that keeps NaN as a reduction
        assert re.search(VECTOR[platform.machine()], build.assembly(source, "reduce"))
    x, y = np.random.default_rng(0).standard_normal(1001).astype(np.float32), np.zeros(2, np.float32)
    call(source, len(x), x, y)
    np.testing.assert_allclose(y, [x.sum(dtype=float), x.max()], rtol=1e-5)
    x[500] = np.nan
    call(source, len(x), x, y)
    assert np.isnan(y).all()


@vector_code
def test_an_exponential_becomes_vectors():
    source = """
def kernel(thread, threads, args):
    n = load(args, 0)
    x = independent_float32(load(args, 1), n)
    for i in range(n):
        x[i] = exp_float32(x[i]) + x[i]
"""
    assert re.search(VECTOR[platform.machine()], build.assembly(source, "exponential"))


def test_independent_pointers_may_be_one_buffer():
    x = np.arange(1003, dtype=np.float32)
    call(fused(4, "independent"), len(x), x, x, x, x)
    np.testing.assert_array_equal(x, 3 * np.arange(1003, dtype=np.float32))


def test_plain_pointers_may_overlap_in_any_way():
    source = """
def kernel(thread, threads, args):
    n = load(args, 0)
    x = pointer_float32(load(args, 1), n)
    y = pointer_float32(load(args, 1), n)
    for i in range(1, n):
        y[i] = x[i - 1] + x[i]
"""
    x = np.ones(500, np.float32)
    call(source, len(x), x)
    np.testing.assert_array_equal(x, np.arange(1, 501))


def test_nan_and_infinity_survive_the_arithmetic_of_kernels():
    source = """
def kernel(thread, threads, args):
    x = pointer_float32(load(args, 0), 3)
    y = pointer_float32(load(args, 1), 6)
    for i in range(3):
        v = x[i]
        y[i] = v * float32(0)
        y[i + 3] = float32(1) if v != v else (float32(2) if v > float32(1e38) else float32(3))
"""
    x, y = np.array([np.nan, np.inf, 1], np.float32), np.zeros(6, np.float32)
    call(source, x, y)
    np.testing.assert_array_equal(y, np.array([np.nan, np.nan, 0, 1, 2, 3], np.float32))


def test_arithmetic_is_not_rearranged():
    """Fused multiply-add is allowed, nothing else: (a + b) - b, division by a constant and -0.0 are what they say."""
    source = """
def kernel(thread, threads, args):
    n = load(args, 0)
    x = pointer_float32(load(args, 1), n)
    y = pointer_float32(load(args, 2), n)
    z = pointer_float32(load(args, 3), n)
    w = pointer_float32(load(args, 4), n)
    for i in range(n):
        y[i] = (x[i] + float32(1e8)) - float32(1e8)
        z[i] = x[i] / float32(3)
        w[i] = x[i] * float32(-1) + float32(-0.0)
"""
    x = np.linspace(0, 20, 101).astype(np.float32)
    y, z, w = (np.zeros_like(x) for _ in range(3))
    call(source, len(x), x, y, z, w)
    np.testing.assert_array_equal(y, (x + np.float32(1e8)) - np.float32(1e8))
    np.testing.assert_array_equal(z, x / np.float32(3))
    assert np.signbit(w[0])
