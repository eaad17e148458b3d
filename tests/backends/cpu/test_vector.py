"""Explicit vectors: words and microkernels natively, in checked mode and for other processors."""

from __future__ import annotations

import llvmlite.binding as llvm
import numpy as np
import pytest
from accuracy import LEAST_SIGMOID, TRUTHS, floats, wide_floats, worst_ulp
from kernel_runner import call

from symgraph.backends.cpu import build, mathematics, native, native_vector, objects, vector

BOTH = pytest.mark.parametrize("checked", [False, True], ids=["native", "checked"])
LANES = vector.host().lanes("float32")


@pytest.fixture(params=[vector.SSE2, vector.AVX2, vector.AVX512], ids=lambda one: str(one.bits))
def target(request, monkeypatch):
    """Vectors of 4, 8 and 16 numbers of float32: this processor's instructions cut or widen those not its own."""
    monkeypatch.setattr(vector, "host", lambda: request.param)
    monkeypatch.setattr(native, "_made", {})  # the types of words depend on the width
    monkeypatch.setitem(build._state, "signatures", {})
    return request.param


WORDS = """
def kernel(thread, threads, args):
    n = load(args, 0)
    x = pointer_{dtype}(load(args, 1), n)
    y = pointer_{dtype}(load(args, 2), n)
    s = pointer_{dtype}(load(args, 3), 3)
    room = workspace_{dtype}_64()
    two = vector_spread({dtype}(2))
    total = two - two
    high = vector_repeated(x, 0)
    low = high
    for i in range(0, n, lanes_{dtype}()):
        v = vector_load_first(x, i, n - i)
        vector_store(room, 0, v)
        w = vector_multiply_add(vector_load(room, 0), two, -two)
        w = vector_select(w > two, vector_relu(w) / two, vector_maximum(w, vector_minimum(two, w * two)))
        total = total + v
        high = vector_maximum(high, v)
        low = vector_minimum(low, v)
        vector_store_first(y, i, w, n - i)
    s[0] = vector_sum(total)
    s[1] = vector_greatest(high)
    s[2] = vector_least(low)
"""


@BOTH
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_words_and_tails(dtype, checked, target):
    lanes = target.lanes(dtype)
    rng = np.random.default_rng(3)
    source = WORDS.format(dtype=dtype)
    for n in (1, 3, lanes - 1, lanes, lanes + 1, 5 * lanes + 2):
        x = rng.standard_normal(n).astype(dtype) * 3
        padded = np.full(n + lanes, -7, dtype)  # what lies behind the end stays as it is
        sums = np.zeros(3, dtype)
        call(source, n, x, padded, sums, checked=checked, name=f"words_{target.bits}")
        w = x * 2 - 2
        expected = np.where(w > 2, np.maximum(w, 0) / 2, np.maximum(w, np.minimum(2, w * 2)))
        np.testing.assert_allclose(padded[:n], expected, rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(padded[n:], -7)
        tail = n % lanes != 0  # the lanes that are not read are 0
        np.testing.assert_allclose(sums[0], x.sum(), rtol=1e-5, atol=1e-5)
        assert sums[1] == max(x.max(), 0 if tail else -np.inf)
        assert sums[2] == min(x.min(), 0 if tail else np.inf)


@BOTH
def test_extremes_and_relu_pass_nan_on(checked, target):
    source = """
def kernel(thread, threads, args):
    x = pointer_float32(load(args, 0), 64)
    y = pointer_float32(load(args, 1), 64)
    v = vector_load(x, 0)
    zero = vector_spread(float32(0))
    vector_store(y, 0, vector_relu(v))
    vector_store(y, 16, vector_maximum(v, zero))
    vector_store(y, 32, vector_minimum(zero, v))
    y[48] = vector_greatest(v)
    y[49] = vector_least(v)
    y[50] = vector_sum(v)
"""
    x = np.zeros(64, np.float32)
    x[:4] = [np.nan, -1, np.inf, -0.0]
    y = np.zeros(64, np.float32)
    call(source, x, y, checked=checked, name=f"extremes_{target.bits}")
    np.testing.assert_array_equal(y[:4], [np.nan, 0, np.inf, 0])
    np.testing.assert_array_equal(y[16:20], [np.nan, 0, np.inf, 0])
    np.testing.assert_array_equal(y[32:36], [np.nan, -1, 0, 0])
    assert np.isnan(y[48:51]).all()


def apply(names, arrays: list[np.ndarray], dtype: str, target: vector.Target, checked: bool = False) -> np.ndarray:
    """Functions over arrays, a vector of ``target`` at a time, by one kernel: a row of results for each."""
    pointers = "".join(f"    x{k} = pointer_{dtype}(load(args, {k + 2}), n)\n" for k in range(len(arrays)))
    loads = "".join(f"        v{k} = vector_load_first(x{k}, i, n - i)\n" for k in range(len(arrays)))
    given = ", ".join(f"v{k}" for k in range(len(arrays)))
    stores = "".join(
        f"        vector_store_first(y, {row} * n + i, vector_{name}_{dtype}({given}), n - i)\n"
        for row, name in enumerate(names)
    )
    source = (
        f"def kernel(thread, threads, args):\n    n = load(args, 0)\n    y = pointer_{dtype}(load(args, 1), "
        f"{len(names)} * n)\n{pointers}    for i in range(0, n, lanes_{dtype}()):\n{loads}{stores}"
    )
    y = np.empty((len(names), arrays[0].size), dtype)
    call(source, arrays[0].size, y, *arrays, checked=checked, name=f"functions_{target.bits}")
    return y


NAMES = ("exp", "expm1", "log", "log1p", "sigmoid", "tanh", "softplus", "erf", "sin", "cos")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_vectors_of_functions_are_as_exact_as_documented(target, dtype):
    column = ("float32", "float64").index(dtype)
    wide = np.float64 if dtype == "float32" else np.longdouble
    if np.finfo(wide).nmant < (50 if dtype == "float32" else 60):
        pytest.skip("NumPy has no floats of more digits here")
    x = floats(20_000) if dtype == "float32" else wide_floats(5_000)
    results = apply(NAMES, [x], dtype, target)
    for name, got in zip(NAMES, results, strict=True):
        good = x >= LEAST_SIGMOID[dtype] if name == "sigmoid" else np.ones(x.size, bool)
        with np.errstate(all="ignore"):
            true = TRUTHS[name](x[good].astype(wide))
        assert worst_ulp(got[good], true, np.dtype(dtype).type) <= mathematics.ULP[name][column], name
    part = x[-45:].copy()  # special numbers among them
    with np.errstate(all="ignore"):
        checked = apply(NAMES, [part], dtype, target, checked=True)
    np.testing.assert_allclose(checked, results[:, -45:], rtol=3e-7 if dtype == "float32" else 2e-15)


@pytest.mark.parametrize("checked", [False, True], ids=["native", "checked"])
def test_powers_of_vectors(target, checked):
    special = np.array([0, -0.0, 1, -1, np.inf, -np.inf, np.nan, -8, 2, 0.5, 3, 1e-42, 3e38], np.float32)
    x, y = (one.ravel() for one in np.meshgrid(special, special))
    for dtype, column, wide in (("float32", 0, np.float64), ("float64", 1, np.longdouble)):
        a, b = x.astype(dtype), y.astype(dtype)
        if not checked:
            many = np.linspace(-80, 80, 10_001)
            a, b = np.concatenate([a, abs(many) + 0.01]).astype(dtype), np.concatenate([b, many / 40]).astype(dtype)
        with np.errstate(all="ignore"):
            true = np.power(a.astype(wide), b.astype(wide))
            got = apply(["pow"], [a, b], dtype, target, checked)[0]
        assert worst_ulp(got, true, np.dtype(dtype).type) <= mathematics.ULP["pow"][column]


@vector.microkernel("pointer_float32", "pointer_float32", "int64", name="test_turn")
def turn(m, x, y, repeats):
    """Exchange rows and columns of a square of vectors; write a choice and a sum of products after it."""
    lanes = m.lanes("float32")
    for k, row in enumerate(m.transposed([m.load(x, lanes * k) for k in range(lanes)])):
        m.store(y, lanes * k, row)
    m.fetch(x, 0)

    def twice(k, total):
        def once(j, inner):
            return inner + 1

        (total,) = m.repeat(2, once, total)
        return total

    (count,) = m.repeat(repeats, twice, 0)

    def fused(k, *totals):
        return tuple(m.multiply_add(m.repeated(x, k), m.load(x, lanes * j), one) for j, one in enumerate(totals))

    totals = m.repeat(repeats, fused, *[m.zero("float32")] * 4)
    m.store(y, lanes * lanes + 1, totals[0] + totals[1] + totals[2] + totals[3])
    m.either(count > 4, lambda: m.put(y, lanes * lanes, m.element(x, 1)), lambda: m.put(y, lanes * lanes, m.sum(row)))


@BOTH
def test_a_microkernel_repeats_chooses_and_exchanges(checked):
    source = """
def kernel(thread, threads, args):
    x = pointer_float32(load(args, 0), load(args, 3))
    y = pointer_float32(load(args, 1), load(args, 3))
    test_turn(x, y, load(args, 2))
"""
    x = np.arange(LANES * (LANES + 4) + 1, dtype=np.float32)
    for repeats in (-1, 0, 2, 3):
        y = np.zeros_like(x)
        call(source, x, y, repeats, x.size, checked=checked)
        square = x[: LANES * LANES].reshape(LANES, LANES)
        np.testing.assert_array_equal(y[: LANES * LANES].reshape(LANES, LANES), square.T)
        assert y[LANES * LANES] == (1.0 if repeats == 3 else square[:, -1].sum())
        total = sum(x[: max(repeats, 0)]) * x[: 4 * LANES].reshape(4, LANES).sum(axis=0)
        np.testing.assert_array_equal(y[LANES * LANES + 1 :][:LANES], total)


@vector.microkernel("pointer_float32", "pointer_float32", "int64", name="test_choose", shared=True)
def choose(m, x, y, n):
    """Copies through memory of its own, pointers and values that are chosen, numbers that shape what is done."""
    room = m.room("float32", 24)
    m.clear(room, 24)
    m.copy(x, room, n)
    source = m.select(n > 2, room, m.shift(x, 1))
    first, second = m.either(n > 3, lambda: (m.element(source, 0), 7), lambda: (m.element(source, 1), n + 1))
    m.put(y, 0, first)
    m.put(y, 1, m.convert("float32", second))
    m.among(n, 2, 4, lambda k: [m.put(y, 2 + j, m.element(source, j)) for j in range(k)] and None)
    m.copy(room, m.shift(y, 8), 24)


@BOTH
def test_a_shared_microkernel_chooses_and_copies(checked, tmp_path):
    """In a cache of its own: the key of a microkernel of a test does not change with its formula."""
    source = """
def kernel(thread, threads, args):
    x = pointer_float32(load(args, 0), 24)
    y = pointer_float32(load(args, 1), 32)
    test_choose(x, y, load(args, 2))
"""
    x = np.arange(10, 34, dtype=np.float32)
    objects.set_cache_directory(tmp_path / "kernels")
    try:
        for n in (0, 2, 3, 4, 5, 24):
            y = np.full(32, -1, np.float32)
            call(source, x, y, n, checked=checked)
            room = np.where(np.arange(24) < n, x, 0)
            chosen = room if n > 2 else x[1:]
            expected = np.full(32, -1, np.float32)
            expected[:2] = (chosen[0], 7) if n > 3 else (chosen[1], n + 1)
            if 2 <= n <= 4:
                expected[2 : 2 + n] = chosen[:n]
            expected[8:] = room
            np.testing.assert_array_equal(y, expected)
    finally:
        objects.set_cache_directory(None)
    kept = [path.read_bytes() for path in (tmp_path / "kernels").glob("*.kernel")] if not checked else []
    assert checked or sum(vector.shared_symbol("test_choose").encode() in one for one in kept) == 1
    assert checked or len(kept) == 2


def test_checked_mode_finds_what_a_microkernel_reads_outside():
    source = """
def kernel(thread, threads, args):
    x = pointer_float32(load(args, 0), load(args, 1))
    vector_store_first(x, 2, vector_load(x, 0), 3)
"""
    x = np.zeros(64, np.float32)
    call(source, x, LANES + 5, checked=True)
    with pytest.raises(IndexError, match="kernel 'kernel'"):
        call(source, x, LANES - 1, checked=True)
    with pytest.raises(IndexError, match="index 4 is outside the 4 elements"):
        call(source.replace("vector_load(x, 0)", "vector_spread(float32(1))"), x, 4, checked=True)


def test_words_refuse_what_does_not_fit():
    mixed = """
def kernel(thread, threads, args):
    x = pointer_float32(load(args, 0), 64)
    y = pointer_float64(load(args, 0), 64)
    vector_store(x, 0, vector_load(y, 0))
"""
    with pytest.raises(build.KernelError):
        call(mixed, np.zeros(64))
    with pytest.raises(ValueError, match="two microkernels"):
        vector.microkernel("int64", name="test_turn")(turn)


@pytest.mark.parametrize(
    "triple, features, target",
    [
        ("x86_64-unknown-linux-gnu", {}, vector.SSE2),
        ("x86_64-apple-darwin", {"avx": True}, vector.AVX),
        ("x86_64-pc-windows-msvc", {"avx": True, "avx2": True, "fma": True}, vector.AVX2),
        ("x86_64-pc-linux-gnu", {"avx": True, "avx2": True, "avx512f": True}, vector.AVX),
        (
            "x86_64-pc-linux-gnu",
            dict.fromkeys(("avx", "avx2", "fma", "avx512f", "avx512vl", "avx512dq", "avx512bw"), True),
            vector.AVX512,
        ),
        ("aarch64-unknown-linux-gnu", {"neon": True}, vector.NEON),
        ("arm64-apple-macosx", {}, vector.NEON),
        ("riscv64-unknown-linux-gnu", {}, vector.PLAIN),
    ],
)
def test_targets_are_told_by_what_the_processor_says(triple, features, target):
    assert vector.target_of(triple, features) is target
    assert target.lanes("float32") == 2 * target.lanes("float64") == target.bits // 32


#: triple, processor, features, target, what its product instructions look like
MACHINES = [
    ("x86_64-unknown-linux-gnu", "x86-64", "", vector.SSE2, "mulps", "%xmm"),
    ("x86_64-unknown-linux-gnu", "x86-64-v3", "", vector.AVX2, "vfmadd", "%ymm"),
    ("x86_64-unknown-linux-gnu", "x86-64-v4", "", vector.AVX512, "vfmadd", "%zmm"),
    ("aarch64-unknown-linux-gnu", "generic", "", vector.NEON, "fmla", ".4s"),
]


@pytest.mark.parametrize("triple, processor, features, target, instruction, register", MACHINES,
                         ids=[one[1] for one in MACHINES])  # fmt: skip
def test_a_microkernel_is_made_for_every_processor(triple, processor, features, target, instruction, register):
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=processor, features=features, opt=2)
    names = [name for name in vector.MICROKERNELS if name.startswith("test_")]
    made = llvm.parse_assembly(str(native_vector.module_of(names, target)))
    made.triple, made.data_layout = triple, str(machine.target_data)
    made.verify()
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=2))
    builder.getModulePassManager().run(made, builder)
    text = machine.emit_assembly(made)
    assert all(name in text for name in names)
    assert text.count(instruction) > 3 and text.count(register) > 5
    assert machine.emit_object(made)
