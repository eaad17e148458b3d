"""Matrix products: what cuBLAS is asked for gives the product of row-major arrays."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from compare import node_input, run
from host_kernels import needs_compiler

from symgraph.graph.type import new_symbol, numpy_dtype
from symgraph.ops.linalg import dot, matmul
from symgraph.ops.shape import slice_, transpose

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


def test_views_are_copied_where_strides_are_needed(gpu):
    rng = np.random.RandomState(1)
    x, y = rng.randn(3, 8, 5), rng.randn(6, 12)
    a, b = node_input(x.shape, "float64"), node_input(y.shape, "float64")
    turned = transpose(a, (1, 0, 2))
    part = slice_(b, (0, 3), (5, 4))
    (got,) = run([dot(turned, part)], [(a, x), (b, y)], gpu)
    np.testing.assert_allclose(got, np.dot(x.transpose(1, 0, 2), y[:5, 3:7]), rtol=1e-12)
