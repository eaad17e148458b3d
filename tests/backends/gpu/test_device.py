"""On a real GPU: the same programs as on the stand-in, and what only a device can show."""

from __future__ import annotations

import numpy as np
import pytest
from compare import agree, node_input, run

from symgraph import backend as K
from symgraph.graph.tensor import Tensor
from symgraph.graph.type import FLOATS, new_symbol
from symgraph.ops import conv, elementwise, indexing, linalg, pool, reduction, shape
from symgraph.ops.random import random_uniform
from symgraph.runtime.executor import executor
from symgraph.runtime.function import Function

pytestmark = pytest.mark.gpu


@pytest.fixture
def real():
    return executor("cupy")


@pytest.mark.parametrize("dtype", FLOATS)
def test_expressions_reductions_and_products(real, dtype):
    rng = np.random.RandomState(0)
    x, y = node_input((new_symbol(), 70), dtype), node_input((70, 30), dtype)
    product = linalg.matmul(x, y)
    shifted = elementwise.exp(product - reduction.max_(product, (1,), keepdims=True))
    nodes = [
        shifted / reduction.sum_(shifted, (1,), keepdims=True),
        reduction.sum_(elementwise.tanh(x), (0,)),
        reduction.sum_(elementwise.square(x)),
        shape.transpose(x) * 2.0,
    ]
    rtol = {"float16": 2e-2, "bfloat16": 1e-1, "float32": 1e-4, "float64": 1e-11}[dtype]
    from symgraph.graph.type import numpy_dtype

    arrays = [(rng.randn(*size) * 0.3).astype(numpy_dtype(dtype)) for size in ((500, 70), (70, 30))]
    agree(nodes, list(zip((x, y), arrays, strict=True)), real, rtol=rtol, atol=rtol)


def test_convolution_pooling_and_rows(real):
    rng = np.random.RandomState(0)
    x, kernel = node_input((new_symbol(), 9, 8, 3), "float32"), node_input((3, 3, 3, 5), "float32")
    how = {"strides": (2, 1), "padding": ((1, 1), (0, 1)), "dilation": (1, 1), "groups": 1}
    out = conv.conv(x, kernel, **how)
    pool_how = {"window": (2, 2), "strides": (2, 2), "padding": ((0, 0), (0, 0))}
    pooled = pool.max_pool(x, **pool_how)
    rows = node_input((40,), "int64")
    taken = indexing.gather(x, rows)
    nodes = [
        out,
        conv.conv_input_gradient(out, kernel, input_shape=x.shape, **how),
        conv.conv_kernel_gradient(x, out, kernel_shape=kernel.shape, **how),
        pooled,
        pool.max_pool_gradient(x, pooled, **pool_how),
        pool.average_pool(x, **pool_how),
        reduction.sum_(indexing.scatter_add(taken, rows, shape=x.shape), (1, 2, 3)),
        reduction.argmax_op(x, axis=3),
    ]
    feeds = [(x, rng.randn(6, 9, 8, 3)), (kernel, rng.randn(3, 3, 3, 5)), (rows, rng.randint(-6, 6, 40))]
    feeds = [(node, array.astype(node.dtype)) for node, array in feeds]
    agree(nodes, feeds, real, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", FLOATS)
def test_random_bits(real, dtype):
    step = node_input((), "uint32")
    node = random_uniform(step, seed=5, stream=6, shape=(300, 7), dtype=dtype)
    feeds = [(step, np.array(3, np.uint32))]
    assert run([node], feeds, real)[0].tobytes() == run([node], feeds, "numpy")[0].tobytes()


def test_an_index_out_of_range(real):
    x, rows = node_input((4,), "float32"), node_input((2,), "int64")
    with pytest.raises(IndexError, match="out of range for 4 rows"):
        run([indexing.gather(x, rows)], [(x, np.zeros(4, np.float32)), (rows, np.array([1, 9]))], real)


def test_training_gives_the_same_bits_twice(real):
    rng = np.random.RandomState(0)
    x, y = K.placeholder((None, 20)), K.placeholder((None, 4))
    weights = [K.variable(rng.randn(*size) * 0.3) for size in ((20, 64), (64, 4))]
    loss = K.mean(K.square(K.dot(K.tanh(K.dot(x, weights[0])), weights[1]) - y))
    updates = [(weight, weight - 0.1 * grad) for weight, grad in zip(weights, K.gradients(loss, weights), strict=True)]
    start = [K.get_value(weight) for weight in weights]
    arrays = [rng.randn(2000, 20).astype(np.float32), rng.randn(2000, 4).astype(np.float32)]
    found = []
    for _ in range(2):
        for weight, value in zip(weights, start, strict=True):
            K.set_value(weight, value)
        step = Function([x, y], [loss], updates, executor=real)
        losses = [float(step(arrays)[0]) for _ in range(20)]
        found.append((losses, [K.get_value(weight).tobytes() for weight in weights]))
    assert found[0] == found[1]
    assert found[0][0][-1] < found[0][0][0]


def test_more_than_two_to_the_31_elements(real):
    size = new_symbol()
    a = node_input((size, 2**16), "int8")
    free, _ = real.runtime.memGetInfo()
    rows = 2**15 + 3
    if free < 3 * rows * 2**16:
        pytest.skip(f"needs {3 * rows * 2**16 / 2**30:.0f} GiB of free GPU memory")
    array = np.ones((rows, 2**16), np.int8)
    (total,) = Function([Tensor(a)], [Tensor(reduction.sum_(elementwise.cast(a, "int64")))], executor=real)([array])
    assert total == rows * 2**16
