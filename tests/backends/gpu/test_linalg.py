"""Matrix products: what cuBLAS is asked for gives the product of row-major arrays."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from compare import node_input, run
from host_kernels import needs_compiler

from symgraph.backends.gpu.lower.linalg import layout
from symgraph.compiler.program import View
from symgraph.graph.type import new_symbol, numpy_dtype
from symgraph.ops.linalg import matmul
from symgraph.ops.shape import broadcast_to, reshape, slice_, transpose

pytestmark = needs_compiler


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_products_with_transpositions(gpu, dtype, batch):
    rng = np.random.RandomState(0)
    x, y = rng.randn(*batch, 4, 5), rng.randn(*batch, 5, 6)
    x, y = x.astype(numpy_dtype(dtype)), y.astype(numpy_dtype(dtype))
    expected = np.matmul(x.astype(np.float64), y.astype(np.float64))
    rtol = {"float16": 2e-3, "bfloat16": 1e-2, "float32": 1e-5, "float64": 1e-13}[dtype]
    for first, second in itertools.product((False, True), repeat=2):
        left = np.ascontiguousarray(np.swapaxes(x, -1, -2)) if first else x
        right = np.ascontiguousarray(np.swapaxes(y, -1, -2)) if second else y
        a, b = node_input(left.shape, dtype), node_input(right.shape, dtype)
        (got,) = run([matmul(a, b, first, second)], [(a, left), (b, right)], gpu)
        np.testing.assert_allclose(got.astype(np.float64), expected, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("sizes", [(1, 1, 1), (0, 3, 2), (2, 0, 3), (2, 3, 0), (1, 7, 1)])
def test_sizes_of_one_and_nothing(gpu, sizes):
    rows, inner, columns = sizes
    x, y = np.ones((rows, inner), np.float32), np.ones((inner, columns), np.float32)
    a, b = node_input((new_symbol(), inner), "float32"), node_input((inner, columns), "float32")
    (got,) = run([matmul(a, b)], [(a, x), (b, y)], gpu)
    np.testing.assert_array_equal(got, x @ y)


def test_views_are_read_in_place(gpu, device):
    """Slices of columns, transposed views, a time step of an array, a stack of them: no copy."""
    rng = np.random.RandomState(1)
    arrays = [rng.randn(4, 9), rng.randn(5, 12), rng.randn(3, 8, 5), rng.randn(2, 3, 4, 6)]
    a, b, c, d = (node_input(array.shape, "float64") for array in arrays)
    w, x, y, z = arrays
    step = reshape(slice_(c, (0, 2, 0), (3, 1, 5)), (3, 5))
    stack = transpose(d, (0, 1, 3, 2))
    nodes = [
        matmul(slice_(a, (0, 2), (4, 5)), slice_(b, (0, 3), (5, 7))),
        matmul(transpose(slice_(b, (0, 0), (5, 4))), transpose(slice_(a, (0, 4), (4, 5)))),
        matmul(step, b),
        matmul(slice_(stack, (0, 0, 1, 0), (2, 3, 4, 4)), d),
    ]
    turned = np.swapaxes(z, -1, -2)
    expected = [w[:, 2:7] @ x[:, 3:10], x[:, :4].T @ w[:, 4:].T, y[:, 2] @ x, turned[:, :, 1:5] @ z]
    results = run(nodes, list(zip((a, b, c, d), arrays, strict=True)), gpu)
    for got, wanted in zip(results, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12)
    assert set(device.launches) == {"gemm"}


def test_what_cannot_be_read_in_place_is_copied(gpu, device):
    rng = np.random.RandomState(1)
    x, y, row = rng.randn(3, 8, 10), rng.randn(6, 4), rng.randn(6)
    a, b, c = (node_input(array.shape, "float64") for array in (x, y, row))
    nodes = [
        matmul(slice_(b, (5, 0), (6, 4), (-1, 1)), transpose(b)),
        matmul(slice_(a, (0, 0, 0), (3, 4, 5), (1, 2, 2)), slice_(a, (0, 0, 0), (3, 5, 5), (1, 1, 2))),
        matmul(broadcast_to(c, (3, 6)), b),
    ]
    expected = [y[::-1] @ y.T, x[:, ::2, ::2] @ x[:, :5, ::2], np.broadcast_to(row, (3, 6)) @ y]
    results = run(nodes, [(a, x), (b, y), (c, row)], gpu)
    for got, wanted in zip(results, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12)
    assert sum(name.startswith("fused") for name in device.launches) >= 3


def test_layouts():
    size, steps = new_symbol("n"), new_symbol("t")

    def of(shape, strides):
        found = layout(View(0, "float32", shape, strides))
        return found and (found.lead, found.apart, found.transposed)

    assert of((3, 4), (4, 1)) == (4, 0, False)
    assert of((3, 4), (1, 3)) == (3, 0, True)
    assert of((size, 4), (steps * 4, 1)) == (steps * 4, 0, False)  # a time step
    assert of((size, 4), (8, 1)) == (8, 0, False)
    assert of((3, 4), (0, 1)) is None  # rows that repeat
    assert of((3, 4), (-4, 1)) is None
    assert of((3, 4), (8, 2)) is None
    assert of((2, 3, 4), (12, 4, 1)) == (4, 12, False)
    assert of((2, 3, 4), (0, 4, 1)) == (4, 0, False)  # one matrix for all
    assert of((2, 5, 3, 4), (60, 12, 4, 1)) == (4, 12, False)
    assert of((2, 5, 3, 4), (12, 24, 4, 1)) is None
    assert of((size, 1), (7, 3)) == (7, 0, False)
    assert of((1, 4), (9, 1)) == (4, 0, False)
