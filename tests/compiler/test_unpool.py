"""What follows the gradient of a maximum is done before it."""

import numpy as np
import pytest

from symgraph import backend as K
from symgraph import config
from symgraph.autodiff import gradients
from symgraph.compiler.graph import Graph
from symgraph.compiler.unpool import unpool
from symgraph.graph.traverse import topological_order
from symgraph.ops import elementwise as e
from symgraph.ops import reduction
from symgraph.ops.leaf import placeholder
from symgraph.ops.pool import max_pool, max_pool_gradient
from symgraph.runtime.executor import use

HOW = {"window": (2, 2), "strides": (2, 2), "padding": ((0, 0), (0, 0))}


@pytest.fixture
def x():
    return placeholder((3, 8, 8, 4), "float32")


def unpooled(*outputs):
    return unpool(Graph((), outputs)).outputs


def choices(*nodes):
    return [node.shape for node in topological_order(nodes) if node.op is e.where]


def test_the_gradient_of_a_relu_is_chosen_by_window(x):
    pooled = max_pool(e.relu(x), **HOW)
    grad = gradients(reduction.sum_(pooled * pooled), [x])[0]
    assert choices(grad) == [(3, 8, 8, 4)]
    assert choices(*unpooled(pooled, grad)) == [(3, 4, 4, 4)]


def test_a_maximum_that_nobody_needs_is_not_made(x):
    given = placeholder((3, 4, 4, 4), "float32")
    y = e.relu(x)
    grad = e.where(e.greater(y, e.zero(y)), max_pool_gradient(y, given, **HOW), e.zero(y))
    assert unpooled(grad) == (grad,)


def test_other_conditions_stay(x):
    y = e.relu(x)
    pooled = max_pool(y, **HOW)
    back = max_pool_gradient(y, pooled, **HOW)
    for condition in (e.greater(x, e.zero(x)), e.less(y, e.zero(y))):
        grad = e.where(condition, back, e.zero(y))
        assert unpooled(pooled, grad)[1] is grad
    grad = e.where(e.greater(y, e.zero(y)), back, y)
    assert unpooled(pooled, grad)[1] is grad


def test_sums_over_all_places(x):
    given = placeholder((3, 4, 4, 4), "float32")
    grad = max_pool_gradient(x, given, **HOW)
    padded = HOW | {"padding": ((1, 1), (0, 0))}
    assert unpooled(reduction.sum_(max_pool_gradient(x, max_pool(x, **padded), **padded)))[0].inputs[0].op is max_pool
    for axes in ((0, 1, 2), (1, 2), (0, 1, 2, 3)):
        (made,) = unpooled(reduction.sum_(grad, axes))
        assert made.inputs == (given,) and made.attrs["axes"] == axes
    for axes in ((1,), (0, 3), (0, 2, 3)):
        total = reduction.sum_(grad, axes)
        assert unpooled(total) == (total,)


@pytest.mark.parametrize(
    ("size", "stride", "padding"),
    [(2, 2, "valid"), (2, 3, "valid"), (3, 2, "same"), (3, 1, "valid"), (5, 2, "same"), (5, 3, "valid")],
)
def test_values_and_gradients(size, stride, padding):
    """With negative maxima, ties and NaN, as without the pass: against the gradient made by hand."""
    random = np.random.RandomState(1)
    array = np.round(random.standard_normal((2, 9, 8, 3)) - 0.7, 1).astype("float32")
    array[0, 4, 4, 0] = np.nan
    with use("numba"):
        x, b = K.placeholder(shape=(None, 9, 8, 3)), K.variable(np.full(3, 0.25))
        y = K.relu(K.bias_add(x, b))
        pooled = K.pool2d(y, (size, size), strides=(stride, stride), padding=padding)
        weights = K.placeholder(shape=(None, None, None, 3))
        results = K.function([x, weights], [pooled, *K.gradients(K.sum(pooled * weights), [x, b])])
        shape = K.function([x], [pooled])([array])[0].shape
        w = random.standard_normal(shape).astype("float32")
        got = results([array, w])
    y = array + np.float32(0.25)
    y = np.where(y < 0, 0, y)
    want = np.zeros_like(y)
    counts = shape[1:3]
    before = [
        max(0, ((m - 1) * stride + size - n)) // 2 if padding == "same" else 0
        for m, n in zip(counts, (9, 8), strict=True)
    ]
    for n, i, j, c in np.ndindex(*shape):
        rows, columns = (
            range(max(at * stride - low, 0), min(at * stride - low + size, end))
            for at, low, end in zip((i, j), before, (9, 8), strict=True)
        )
        window = [(y[n, r, s, c], r, s) for r in rows for s in columns]
        nans = [one for one in window if np.isnan(one[0])]
        value, r, s = nans[0] if nans else max(window, key=lambda one: (one[0], -one[1], -one[2]))
        assert value == got[0][n, i, j, c] or np.isnan(value)
        want[n, r, s, c] += w[n, i, j, c] if value > 0 else 0
    np.testing.assert_allclose(got[1], want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got[2], want.sum((0, 1, 2)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("threads", [1, 2, 3, 4])
@pytest.mark.parametrize("images", [0, 1, 2])
def test_threads_share_the_lines_of_few_images(images, threads):
    """Gradients of windows that overlap, of maxima, means and depthwise convolutions, against the reference."""
    random = np.random.RandomState(2)
    array, kernel = random.standard_normal((images, 11, 9, 4)), random.standard_normal((3, 3, 4, 2))
    before, results = config.threads(), []
    try:
        config.set_threads(threads)
        for name, dtype in (("numpy", "float64"), ("numba", "float32")):
            with use(name):
                x, w = K.placeholder(shape=(None, 11, 9, 4), dtype=dtype), K.variable(kernel, dtype=dtype)
                parts = [K.pool2d(x, (3, 3), (2, 2), "same", pool_mode=mode) for mode in ("max", "avg")]
                parts.append(K.depthwise_conv2d(x, w, strides=(2, 2), padding="same"))
                grads = [K.gradients(K.sum(K.square(part)), [x])[0] for part in parts]
                results.append(K.function([x], grads)([array.astype("float32").astype(dtype)]))
    finally:
        config.set_threads(before)
    for want, got in zip(*results, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
