"""Random numbers: the bits of the reference executor, at every place and in every launch geometry."""

from __future__ import annotations

import numpy as np
import pytest
from compare import node_input, run
from host_kernels import needs_compiler

from symgraph.graph.type import FLOATS, new_symbol
from symgraph.ops import elementwise, reduction, shape
from symgraph.ops.random import random_normal, random_uniform

pytestmark = needs_compiler


@pytest.mark.parametrize("dtype", FLOATS)
def test_uniform_numbers_have_the_same_bits(gpu, dtype):
    step = node_input((), "uint32")
    node = random_uniform(step, seed=2**32 - 3, stream=17, shape=(7, 300), dtype=dtype)
    for value in (0, 5, 2**32 - 1):
        feeds = [(step, np.array(value, np.uint32))]
        (expected,), (got,) = run([node], feeds, "numpy"), run([node], feeds, gpu)
        assert got.tobytes() == expected.tobytes()
        assert float(got.min()) >= 0 and float(got.max()) < 1


@pytest.mark.parametrize("dtype", FLOATS)
def test_normal_numbers(gpu, dtype):
    step = node_input((), "uint32")
    node = random_normal(step, seed=3, stream=4, shape=(5000,), dtype=dtype)
    feeds = [(step, np.array(9, np.uint32))]
    (expected,), (got,) = run([node], feeds, "numpy"), run([node], feeds, gpu)
    rtol = {"float16": 1e-3, "bfloat16": 8e-3, "float32": 1e-5, "float64": 1e-12}[dtype]
    np.testing.assert_allclose(got.astype(np.float64), expected.astype(np.float64), rtol=rtol, atol=rtol)


def test_a_mask_is_the_same_in_a_reduction_and_beside_a_transposed_view(gpu):
    step = node_input((), "uint32")
    x = np.random.RandomState(0).randn(6, 9)
    a = node_input((9, 6), "float64")
    uniform = random_uniform(step, seed=1, stream=2, shape=(6, 9), dtype="float64")
    mask = elementwise.cast(elementwise.greater(uniform, elementwise.zero(uniform) + 0.5), "float64")
    nodes = [mask * shape.transpose(a), reduction.sum_(mask * shape.transpose(a), (0,)), mask]
    feeds = [(step, np.array(1, np.uint32)), (a, np.ascontiguousarray(x.T))]
    product, total, plain = run(nodes, feeds, gpu)
    np.testing.assert_array_equal(product, plain * x)
    np.testing.assert_allclose(total, product.sum(0), rtol=1e-12)
    assert 10 < plain.sum() < 44


def test_places_and_sizes(gpu):
    size = new_symbol()
    a = node_input((size, 3), "float32")
    nodes = [
        elementwise.cast(a, "float64") * shape.iota(shape=(size, 3), axis=0, dtype="float64"),
        shape.iota(shape=(2, size, 5), axis=1, dtype="float16"),
        shape.iota(shape=(4, 3), axis=1, dtype="uint8"),
        shape.dims((size, size * 2 + 1)),
    ]
    for rows in (1, 4):
        scaled, middle, last, sizes = run(nodes, [(a, np.ones((rows, 3), np.float32))], gpu)
        np.testing.assert_array_equal(scaled, np.tile(np.arange(rows)[:, None], (1, 3)))
        np.testing.assert_array_equal(middle, np.broadcast_to(np.arange(rows)[None, :, None], (2, rows, 5)))
        np.testing.assert_array_equal(last, np.tile(np.arange(3), (4, 1)))
        assert sizes.tolist() == [rows, 2 * rows + 1]
