"""Matrix products by microkernels, against float64: every way through the function, odd sizes, what is not a number."""

from __future__ import annotations

import re

import llvmlite.binding as llvm
import numpy as np
import pytest
from kernel_runner import call

from symgraph.backends.cpu import microkernels, native_vector, product, vector

BOTH = pytest.mark.parametrize("checked", [False, True], ids=["native", "checked"])
EPSILON = np.finfo(np.float32).eps


def padded(rng, rows, columns, padding):
    """A matrix with so many more columns in memory, which hold NaN: nobody may read them."""
    memory = np.full((rows, columns + padding), np.nan, np.float32)
    memory[:, :columns] = rng.standard_normal((rows, columns))
    return memory


def run(m, n, k, turned_a=False, turned_b=False, beta=0.0, alpha=1.0, padding=3, checked=False, seed=0, change=None,
        name="product"):  # fmt: skip
    """The product, the truth and the bound of its error, number by number."""
    rng = np.random.default_rng(seed)
    a = padded(rng, *((k, m) if turned_a else (m, k)), padding)
    b = padded(rng, *((n, k) if turned_b else (k, n)), padding)
    c = padded(rng, m, n, padding)
    if change is not None:
        change(a, b)
    left = (a[:, :m].T if turned_a else a[:, :k]).astype(float)
    right = (b[:, :k].T if turned_b else b[:, :n]).astype(float)
    with np.errstate(all="ignore"):
        truth = alpha * (left @ right) + (beta * c[:, :n].astype(float) if beta else 0)
        bound = EPSILON * (4 + np.sqrt(k)) * (abs(alpha) * (abs(left) @ abs(right)) + abs(beta * c[:, :n]) + 1e-30)
    if not beta:
        c[:, :n] = np.nan
    call(
        product.kernel(), turned_a, turned_b, m, n, k, alpha, a, a.shape[1], b, b.shape[1], beta, c, c.shape[1],
        checked=checked, name=name,
    )  # fmt: skip
    assert np.isnan(c[:, n:]).all(), "written beyond the columns"
    return c[:, :n], truth, bound


#: m, n, k: around the widths of vectors, strips and panels, around blocks, and for every way of one row or column.
SIZES = [
    (1, 1, 1), (1, 37, 19), (2, 64, 33), (3, 5, 70), (1, 1300, 40), (3, 1100, 37), (4, 16, 8), (5, 17, 9), (7, 31, 13),
    (12, 33, 20), (13, 8, 65), (25, 129, 50), (40, 10, 37), (33, 1, 21), (6, 160, 900), (150, 35, 330), (300, 18, 7),
    (2, 2100, 20), (3, 30, 1100), (1, 20, 1030), (4, 2100, 1000),
]  # fmt: skip


@pytest.mark.parametrize("turned_a", [False, True])
@pytest.mark.parametrize("turned_b", [False, True])
def test_products_of_odd_sizes(turned_a, turned_b):
    for m, n, k in SIZES:
        for beta in (0.0, 1.0):
            got, truth, bound = run(m, n, k, turned_a, turned_b, beta)
            assert (abs(got - truth) <= bound).all(), (m, n, k, beta)


@pytest.mark.parametrize("turned_a", [False, True])
@pytest.mark.parametrize("turned_b", [False, True])
def test_the_same_with_every_access_checked(turned_a, turned_b):
    for m, n, k in [(1, 11, 10), (2, 18, 9), (4, 2, 3), (9, 1, 6), (13, 18, 9), (26, 35, 5)]:
        for beta in (0.0, 1.0):
            got, truth, bound = run(m, n, k, turned_a, turned_b, beta, checked=True)
            assert (abs(got - truth) <= bound).all(), (m, n, k, beta)


def test_random_sizes():
    rng = np.random.default_rng(5)
    for seed in range(60):
        m, n, k = (int(2 ** rng.uniform(0, top)) for top in (7.5, 8, 9.5))
        turned_a, turned_b, beta = rng.integers(0, 2, 3)
        got, truth, bound = run(m, n, k, turned_a, turned_b, float(beta), padding=int(rng.integers(0, 5)), seed=seed)
        assert (abs(got - truth) <= bound).all(), (m, n, k, turned_a, turned_b, beta)


def run_in_panels(m, n, k, checked=False, name="product"):
    """The same for a right matrix in panels; with it the numbers of the first row by itself."""
    rng, width = np.random.default_rng(7), microkernels.panel_width()
    a, right, c = padded(rng, m, k, 3), rng.standard_normal((k, n)).astype(np.float32), padded(rng, m, n, 3)
    b = np.ascontiguousarray(right.reshape(k, n // width, width).transpose(1, 0, 2))
    first = np.full((1, n), np.nan, np.float32)
    for rows, target in ((m, c), (1, first)):
        target[:, :n] = np.nan
        call(
            product.kernel(), 0, product.IN_PANELS, rows, n, k, 1.0, a, k + 3, b, width, 0.0, target, target.shape[1],
            checked=checked, name=name,
        )  # fmt: skip
    assert np.isnan(c[:, n:]).all(), "written beyond the columns"
    left = a[:, :k].astype(float)
    return c[:, :n], first, left @ right, EPSILON * (4 + np.sqrt(k)) * (abs(left) @ abs(right))


@BOTH
def test_panels_give_a_row_the_same_numbers_whatever_stands_below_it(checked):
    """Threads share rows: how many one has must not be seen in the numbers."""
    width = microkernels.panel_width()
    sizes = [(1, width, 3), (2, 3 * width, 9), (7, 5 * width, 10)]
    if not checked:
        sizes += [(16, 8 * width, 130), (33, 9 * width, 330), (150, 4 * width, 700), (301, width, 40)]
    for m, n, k in sizes:
        got, first, truth, bound = run_in_panels(m, n, k, checked)
        assert (abs(got - truth) <= bound).all(), (m, n, k)
        np.testing.assert_array_equal(first[0], got[0])


@BOTH
def test_panels_without_anything_to_sum_or_to_write(checked):
    np.testing.assert_array_equal(run_in_panels(3, microkernels.panel_width(), 0, checked)[0], 0)
    assert run_in_panels(1, 0, 4, checked)[0].size == 0


@BOTH
def test_the_word_for_panels(checked):
    text = """
def kernel(thread, threads, args):
    m, n, k = load(args, 0), load(args, 1), load(args, 2)
    a = pointer_float32(load(args, 3), m * k)
    b = pointer_float32(load(args, 4), n * k)
    c = pointer_float32(load(args, 5), m * n)
    gemm_panels_float32(m, n, k, a, k, b, c, n)
"""
    rng, width = np.random.default_rng(3), microkernels.panel_width()
    m, n, k = 5, 2 * width, 11
    a, right = (rng.standard_normal(shape).astype(np.float32) for shape in ((m, k), (k, n)))
    b = np.ascontiguousarray(right.reshape(k, 2, width).transpose(1, 0, 2))
    c = np.full((m, n), np.nan, np.float32)
    call(text, m, n, k, a, b, c, checked=checked)
    np.testing.assert_allclose(c, a @ right, rtol=1e-5, atol=1e-5)
    if checked:
        with pytest.raises(IndexError, match="no whole number of panels"):
            call(text, m, n - 1, k, a, b, c, checked=True)


@BOTH
def test_nothing_to_sum_and_nothing_to_write(checked):
    for beta in (0.0, 1.0):
        got, truth, _ = run(3, 5, 0, beta=beta, checked=checked)
        np.testing.assert_array_equal(got, truth.astype(np.float32))
        for m, n in ((0, 4), (4, 0)):
            assert run(m, n, 3, beta=beta, checked=checked)[0].size == 0


@BOTH
def test_other_factors_go_to_the_library(checked):
    got, truth, bound = run(5, 7, 6, alpha=2.0, beta=-0.5, checked=checked)
    assert (abs(got - truth) <= bound).all()


@pytest.mark.parametrize("sizes", [(1, 20, 30), (3, 20, 30), (30, 1, 20), (8, 33, 12), (40, 33, 12)])
@pytest.mark.parametrize("turned_b", [False, True])
def test_what_is_no_number_stays_in_its_row_and_column(sizes, turned_b):
    m, n, k = sizes

    def change(a, b):
        a[m // 2, 1] = np.nan
        b[(n - 1, k // 2) if turned_b else (k // 2, n - 1)] = np.inf

    got, truth, bound = run(m, n, k, turned_b=turned_b, change=change)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(truth))
    np.testing.assert_array_equal(np.isposinf(got), np.isposinf(truth))
    good = np.isfinite(truth)
    assert (abs(got[good] - truth[good]) <= bound[good]).all()


def test_denormals_and_the_greatest_numbers():
    def change(a, b):
        a *= np.float32(1e-30)
        b *= np.float32(1e-12)
        a[0] *= np.float32(1e38)

    for m in (1, 3, 20):
        got, truth, bound = run(m, 40, 16, change=change)
        assert (abs(got - truth) <= bound + 16 * np.finfo(np.float32).smallest_subnormal).all()
        assert np.any((got != 0) & (abs(got) < np.finfo(np.float32).tiny)) or m == 1


@pytest.mark.parametrize(
    "target", [vector.SSE2, vector.NEON, vector.AVX512], ids=lambda one: f"{one.bits}x{one.registers}"
)
def test_vectors_of_other_widths(target, monkeypatch):
    """What is generated for other processors, in the instructions of this one: LLVM cuts or widens the vectors."""
    monkeypatch.setattr(vector, "host", lambda: target)
    monkeypatch.setattr(product, "host", lambda: target)
    name = f"product_{target.bits}_{target.registers}"
    for m, n, k in [(1, 37, 19), (3, 1100, 37), (13, 8, 65), (25, 129, 50), (150, 35, 330), (8, 64, 32)]:
        for turned_a, turned_b, beta in (
            (False, False, 0.0),
            (True, False, 1.0),
            (False, True, 0.0),
            (True, True, 1.0),
        ):
            got, truth, bound = run(m, n, k, turned_a, turned_b, beta, name=name)
            assert (abs(got - truth) <= bound).all(), (m, n, k, turned_a, turned_b)
    for m in (1, 13):
        got, first, truth, bound = run_in_panels(m, 5 * microkernels.panel_width(), 33, name=name)
        assert (abs(got - truth) <= bound).all(), m
        np.testing.assert_array_equal(first[0], got[0])


#: triple, processor, target, product instruction, register
MACHINES = [
    ("x86_64-unknown-linux-gnu", "x86-64", vector.SSE2, "mulps", "%xmm"),
    ("x86_64-unknown-linux-gnu", "x86-64-v3", vector.AVX2, "vfmadd", "%ymm"),
    ("x86_64-unknown-linux-gnu", "x86-64-v4", vector.AVX512, "vfmadd", "%zmm"),
    ("aarch64-unknown-linux-gnu", "generic", vector.NEON, "fmla", ".4s"),
]


@pytest.mark.parametrize("triple, processor, target, instruction, register", MACHINES, ids=[one[1] for one in MACHINES])
def test_the_inner_loop_stays_in_registers_on_every_processor(triple, processor, target, instruction, register):
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=processor, opt=3)
    made = llvm.parse_assembly(str(native_vector.module_of(["multiply_windows"], target)))
    made.triple, made.data_layout = triple, str(machine.target_data)
    made.verify()
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=3))
    builder.getModulePassManager().run(made, builder)
    blocks = machine.emit_assembly(made).split("\n.L")
    most = 2 * microkernels.strip_rows(target)
    # The block with the products of a whole strip: as many as there are sums, and none of the sums goes to memory.
    inner = [block for block in blocks if block.count(instruction) >= most and block.count(register) >= most]
    assert inner
    stores = re.compile(r"mov[au]ps\t%[xyz]mm\d+, [^%\n]*\(|\bst[rp]\tq")
    assert any(not stores.search(block) for block in inner)
