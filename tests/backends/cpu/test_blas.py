"""Matrix products from native kernels, by each interface, against NumPy in float64."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from kernel_runner import call, table

from symgraph.backends.cpu import blas, objects
from symgraph.backends.cpu.pool import Pool, row

GEMM = """
def kernel(thread, threads, args):
    m = load(args, 0)
    n = load(args, 1)
    k = load(args, 2)
    a = pointer_{dtype}(load(args, 3), load(args, 8))
    b = pointer_{dtype}(load(args, 4), load(args, 9))
    c = pointer_{dtype}(load(args, 5), load(args, 10))
    gemm_{dtype}({ta}, {tb}, m, n, k, load_float64(args, 6), a, load(args, 11), b, load(args, 12),
                 load_float64(args, 7), c, load(args, 13))
"""
GEMV = """
def kernel(thread, threads, args):
    m = load(args, 0)
    n = load(args, 1)
    a = pointer_{dtype}(load(args, 2), m * (n + 3))
    x = pointer_{dtype}(load(args, 3), 2 * (m if {turn} else n))
    y = pointer_{dtype}(load(args, 4), n if {turn} else m)
    gemv_{dtype}({turn}, m, n, 2.0, a, n + 3, x, 2, load_float64(args, 5), y, 1)
"""


def product(dtype, ta, tb, m, n, k, alpha=1.0, beta=0.0, padding=2, checked=False):
    """Run gemm on padded matrices; returns what it gave and the truth."""
    rng = np.random.default_rng(m + 10 * n + 100 * k)
    a = rng.standard_normal((k, m + padding) if ta else (m, k + padding)).astype(dtype)
    b = rng.standard_normal((n, k + padding) if tb else (k, n + padding)).astype(dtype)
    c = rng.standard_normal((m, n + padding)).astype(dtype)
    left = a[:, :m].T if ta else a[:, :k]
    right = b[:, :k].T if tb else b[:, :n]
    truth = c.astype(float)
    truth[:, :n] = alpha * (left.astype(float) @ right.astype(float)) + (beta * truth[:, :n] if beta else 0)
    if beta == 0:
        c[:, :n] = np.nan  # must not be read
    source = GEMM.format(dtype=dtype, ta=ta, tb=tb)
    call(
        source,
        m,
        n,
        k,
        a,
        b,
        c,
        alpha,
        beta,
        a.size,
        b.size,
        c.size,
        a.shape[1],
        b.shape[1],
        c.shape[1],
        checked=checked,
    )
    return c, truth


@pytest.mark.parametrize("checked", [False, True], ids=["native", "checked"])
@pytest.mark.parametrize("dtype, tolerance", [("float32", 2e-5), ("float64", 1e-12)])
@pytest.mark.parametrize("ta", [False, True])
@pytest.mark.parametrize("tb", [False, True])
def test_gemm(dtype, tolerance, ta, tb, checked):
    for sizes in ((5, 7, 3), (1, 1, 1), (17, 33, 20)):
        for alpha, beta in ((1.0, 0.0), (0.5, 1.0), (2.0, -1.5)):
            got, truth = product(dtype, ta, tb, *sizes, alpha=alpha, beta=beta, checked=checked)
            np.testing.assert_allclose(got, truth, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("sizes", [(0, 4, 3), (4, 0, 3), (4, 3, 0)])
def test_empty_products(sizes, capfd):
    got, truth = product("float32", False, False, *sizes, padding=0)
    np.testing.assert_array_equal(got, truth)
    assert capfd.readouterr() == ("", "")  # the library complains about row lengths of 0


@pytest.mark.parametrize("checked", [False, True], ids=["native", "checked"])
@pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-5), ("float64", 1e-13)])
@pytest.mark.parametrize("turn", [False, True])
@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_gemv(dtype, tolerance, turn, beta, checked):
    rng = np.random.default_rng(5)
    m, n = 9, 14
    a = rng.standard_normal((m, n + 3)).astype(dtype)
    x = rng.standard_normal(2 * (m if turn else n)).astype(dtype)
    y = rng.standard_normal(n if turn else m).astype(dtype)
    matrix = a[:, :n].astype(float)
    truth = 2 * ((matrix.T if turn else matrix) @ x[::2].astype(float)) + beta * y
    call(GEMV.format(dtype=dtype, turn=turn), m, n, a, x, y, beta, checked=checked)
    np.testing.assert_allclose(y, truth, rtol=tolerance, atol=tolerance)


def test_checked_mode_refuses_a_matrix_that_does_not_fit():
    source = GEMM.format(dtype="float32", ta=False, tb=False)
    a = np.zeros((3, 4), np.float32)
    with pytest.raises(IndexError, match="outside the 11 elements"):
        call(source, 3, 4, 4, a, np.zeros((4, 4), np.float32), a, 1.0, 0.0, 11, 16, 12, 4, 4, 4, checked=True)
    with pytest.raises(IndexError, match="does not fit a row length"):
        call(source, 3, 4, 4, a, np.zeros((4, 4), np.float32), a, 1.0, 0.0, 12, 16, 12, 3, 4, 4, checked=True)


def test_the_fortran_interface_of_scipy(monkeypatch):
    """What NumPy without a C BLAS gets: the same words over SciPy's pointers."""
    fortran = blas._fortran_interface()
    assert fortran.interface == "fortran" and fortran.bits == 32
    monkeypatch.setattr(blas, "library", lambda: fortran)
    for ta in (False, True):
        for tb in (False, True):
            got, truth = product("float64", ta, tb, 6, 5, 4, alpha=1.5, beta=0.5)
            np.testing.assert_allclose(got, truth, rtol=1e-12)
    for turn in (False, True):
        test_gemv("float32", 1e-5, turn, 0.5, False)


def test_the_library_uses_one_thread_inside_and_its_own_outside():
    before = blas.threads()
    if before is None:
        pytest.skip("this BLAS cannot be asked for its threads")
    blas.enter()
    blas.enter()
    assert blas.threads() == 1
    blas.leave()
    assert blas.threads() == 1
    blas.leave()
    assert blas.threads() == before

    def many():
        for _ in range(200):
            blas.enter()
            assert blas.threads() == 1
            blas.leave()

    callers = [threading.Thread(target=many) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert blas.threads() == before and blas._guard[1] == 0


def test_a_guarded_tape_splits_a_product_over_threads():
    source = """
def kernel(thread, threads, args):
    m = load(args, 0)
    n = load(args, 1)
    k = load(args, 2)
    a = pointer_float32(load(args, 3), m * k)
    b = pointer_float32(load(args, 4), k * n)
    c = pointer_float32(load(args, 5), m * n)
    seen = pointer_int64(load(args, 6), threads)
    start, stop = span(m, thread, threads)
    gemm_float32(False, False, stop - start, n, k, 1.0, shift(a, start * k), k, b, n, 0.0, shift(c, start * n), n)
"""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((65, 30)).astype(np.float32), rng.standard_normal((30, 40)).astype(np.float32)
    c = np.zeros((65, 40), np.float32)
    arguments = table(65, 40, 30, a, b, c, np.zeros(2, np.int64))
    rows = [row(objects.compile_kernel(source, "product"), arguments.ctypes.data)]
    guard = blas.guard_rows()
    if guard is not None:
        rows = [guard[0], *rows, guard[1]]
    tape = np.array(rows, np.int64)
    before = blas.threads()
    pool = Pool(2)
    for _ in range(20):
        c[:] = 0
        pool.run(tape.ctypes.data, len(tape))
        np.testing.assert_allclose(c, a @ b, rtol=1e-4, atol=1e-5)
    pool.close()
    assert blas.threads() == before


def test_describe_names_the_library():
    told = blas.describe()
    assert told["origin"] and "bit integers" in told["interface"]
