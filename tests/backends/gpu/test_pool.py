"""Pooling, its gradients and theirs, against the reference executor."""

from __future__ import annotations

import numpy as np
import pytest
from compare import agree, node_input
from host_kernels import needs_compiler

from symgraph.graph.type import new_symbol, numpy_dtype
from symgraph.ops.pool import average_pool, average_pool_gradient, max_pool, max_pool_gradient, max_pool_select

pytestmark = needs_compiler

#: (input, window, strides, padding)
CASES = {
    "one axis": ((2, 9, 3), (3,), (2,), ((0, 1),)),
    "two axes": ((2, 6, 7, 3), (2, 2), (2, 2), ((0, 0), (0, 1))),
    "overlapping": ((2, 7, 6, 2), (3, 3), (2, 1), ((1, 1), (1, 1))),
    "gaps": ((1, 9, 8, 2), (2, 2), (3, 4), ((0, 0), (0, 0))),
    "three axes": ((1, 5, 4, 6, 2), (2, 3, 2), (1, 2, 2), ((1, 0), (0, 2), (0, 0))),
}


def _check(gpu, case, dtype, make, rtol, batch=None):
    shape, window, strides, padding = case
    how = {"window": window, "strides": strides, "padding": padding}
    x = node_input((shape[0] if batch is None else batch, *shape[1:]), dtype)
    out = max_pool(x, **how)
    grad = node_input(out.shape, dtype)
    nodes = [
        out,
        max_pool_gradient(x, grad, **how),
        max_pool_select(x, x * 2.0, **how),
        average_pool(x, **how),
        average_pool_gradient(grad, input_shape=x.shape, **how),
    ]
    given = make((shape[0], *out.shape[1:]))
    feeds = [(x, make(shape).astype(numpy_dtype(dtype))), (grad, given.astype(numpy_dtype(dtype)))]
    return agree(nodes, feeds, gpu, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-13), ("float32", 1e-6), ("float16", 2e-3)])
def test_pooling(gpu, name, dtype, rtol):
    _check(gpu, CASES[name], dtype, np.random.RandomState(0).standard_normal, rtol)


@pytest.mark.parametrize("name", ["two axes", "overlapping"])
def test_the_first_of_equal_elements_gets_the_gradient(gpu, name):
    rng = np.random.RandomState(0)
    _check(gpu, CASES[name], "float32", lambda shape: rng.randint(0, 3, shape).astype(float), 1e-6)


def test_nan_and_infinity(gpu):
    rng = np.random.RandomState(0)
    values = np.array([np.nan, -np.inf, 1.0, np.inf, 2.0])
    _check(gpu, CASES["overlapping"], "float32", lambda shape: rng.choice(values, shape), 1e-6)


def test_a_batch_of_unknown_size(gpu):
    for images in (3, 0):
        case = ((images, *CASES["two axes"][0][1:]), *CASES["two axes"][1:])
        _check(gpu, case, "float32", np.random.RandomState(0).standard_normal, 1e-6, new_symbol())
