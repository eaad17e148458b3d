"""Convolution, pooling, padding and resizing through K: layouts, spellings, unknown sizes, errors."""

from __future__ import annotations

import numpy as np
import pytest
from cases.windows import convolved, pooled, turned_back

from symgraph import backend as K
from symgraph.ops.op import ShapeError
from symgraph.runtime.executor import use

RNG = np.random.default_rng(1)


@pytest.fixture(autouse=True)
def reference():
    """What K builds is checked here; tests/ops checks the executors."""
    with use("numpy"):
        yield


def value(*tensors):
    results = K.function([], list(tensors))([])
    return results[0] if len(results) == 1 else results


def image(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype("float32")


def same(n: int, k: int, s: int, d: int = 1) -> tuple[int, int]:
    """TensorFlow's rule: as many windows as strides fit in, what must be added divided, the odd one behind."""
    total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
    return total // 2, total - total // 2


@pytest.mark.parametrize(("stride", "dilation", "size"), [(1, 1, 3), (2, 1, 3), (3, 1, 2), (1, 2, 3), (2, 1, 4)])
def test_same_padding_of_unknown_sizes(stride: int, dilation: int, size: int) -> None:
    """One function for images of every size: values, gradients, and the shape that was promised."""
    kernel = image(size, size, 2, 3)
    x = K.placeholder((None, None, None, 2))
    w = K.variable(kernel)
    y = K.conv2d(x, w, (stride, stride), "same", dilation_rate=(dilation, dilation))
    assert y.shape == (None, None, None, 3)
    function = K.function([x], [y, *K.gradients(K.sum(y), x)])
    for rows, columns in ((7, 6), (1, 9), (4, 4)):
        fed = image(2, rows, columns, 2)
        attrs = {
            "strides": (stride,) * 2, "dilation": (dilation,) * 2, "groups": 1,
            "padding": (same(rows, size, stride, dilation), same(columns, size, stride, dilation)),
        }  # fmt: skip
        result, grad = function([fed])
        wanted = convolved(fed.astype("float64"), kernel.astype("float64"), attrs)
        assert result.shape[1:3] == (-(-rows // stride), -(-columns // stride))
        np.testing.assert_allclose(result, wanted, rtol=1e-4, atol=1e-5)
        back = turned_back(np.ones(wanted.shape), kernel.astype("float64"), fed.shape, attrs)
        np.testing.assert_allclose(grad, back, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", ["max", "avg"])
def test_same_pooling_of_unknown_sizes(mode: str) -> None:
    x = K.placeholder((None, None, None, 2))
    y = K.pool2d(x, (3, 2), (2, 2), "same", pool_mode=mode)
    function = K.function([x], [y])
    for rows, columns in ((7, 6), (2, 5), (1, 1)):
        fed = image(2, rows, columns, 2)
        attrs = {"window": (3, 2), "strides": (2, 2), "padding": (same(rows, 3, 2), same(columns, 2, 2))}
        np.testing.assert_allclose(function([fed])[0], pooled(fed, attrs, mode == "avg"), rtol=1e-5, atol=1e-6)


def test_layouts_give_the_same() -> None:
    x, w, p = image(2, 6, 5, 3), image(3, 2, 3, 4), image(3, 2, 3, 2)
    last = K.constant(x)
    first = K.constant(np.moveaxis(x, -1, 1))
    pairs = [
        (lambda t, f: K.conv2d(t, K.constant(w), (2, 1), "same", f)),
        (lambda t, f: K.depthwise_conv2d(t, K.constant(p), (1, 1), "valid", f)),
        (lambda t, f: K.separable_conv2d(t, K.constant(p), K.constant(np.ones((1, 1, 6, 2))), padding="same",
                                         data_format=f)),
        (lambda t, f: K.pool2d(t, (2, 2), (2, 2), "same", f, "avg")),
        (lambda t, f: K.spatial_2d_padding(t, ((1, 2), (0, 3)), f)),
        (lambda t, f: K.resize_images(t, 2, 3, f)),
        (lambda t, f: K.resize_images(t, 2, 3, f, "bilinear")),
        (lambda t, f: K.bias_add(t, K.constant([1.0, 2.0, 3.0]), f)),
    ]  # fmt: skip
    for build in pairs:
        one, other = value(build(last, "channels_last"), build(first, "channels_first"))
        np.testing.assert_allclose(one, np.moveaxis(other, 1, -1), rtol=1e-5, atol=1e-6)


def test_spellings_of_keras_1() -> None:
    x, w = image(2, 6, 5, 3), image(3, 2, 3, 4)
    plain = K.conv2d(K.constant(x), K.constant(w), (1, 1), "same", dilation_rate=(2, 2))
    old = K.conv2d(
        K.constant(x), K.constant(w), strides=(1, 1), border_mode="same", dim_ordering="tf", filter_dilation=(2, 2),
        image_shape=None, filter_shape=None,
    )  # fmt: skip
    theano = K.conv2d(
        K.constant(np.moveaxis(x, -1, 1)), K.constant(np.transpose(w, (3, 2, 0, 1))), border_mode="same",
        dim_ordering="th", filter_dilation=(2, 2),
    )  # fmt: skip
    one, other, third = value(plain, old, theano)
    np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(one, np.moveaxis(third, 1, -1), rtol=1e-5, atol=1e-6)
    pool, old_pool = value(
        K.pool2d(K.constant(x), (2, 2), (2, 2), "same"),
        K.pool2d(K.constant(x), (2, 2), strides=(2, 2), border_mode="same", dim_ordering="tf"),
    )
    np.testing.assert_array_equal(pool, old_pool)


def test_conv2d_transpose_output_shapes() -> None:
    """The batch may be unknown; sizes may come from K.shape."""
    x = K.placeholder((None, None, 4, 3))
    w = K.variable(image(3, 3, 2, 3))
    shape = (K.shape(x)[0], K.shape(x)[1] * 2, 8, 2)
    y = K.conv2d_transpose(x, w, shape, (2, 2), "same")
    z = K.conv2d_transpose(x, w, (None, K.shape(x)[1] * 2, 8, 2), (2, 2), "same")
    fed = image(3, 5, 4, 3)
    first, second = K.function([x], [y, z])([fed])
    attrs = {"strides": (2, 2), "dilation": (1, 1), "groups": 1, "padding": (same(10, 3, 2), same(8, 3, 2))}
    np.testing.assert_allclose(first, turned_back(fed, K.get_value(w), (3, 10, 8, 2), attrs), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(first, second)


def test_bilinear_resizing() -> None:
    x = np.array([0.0, 2.0, 6.0], "float32").reshape(1, 3, 1, 1)
    result = value(K.resize_images(K.constant(x), 2, 1, "channels_last", "bilinear"))
    np.testing.assert_allclose(result.reshape(-1), [0, 1, 2, 4, 6, 6])
    nearest = value(K.resize_images(K.constant(x), 2, 1, "channels_last"))
    np.testing.assert_allclose(nearest.reshape(-1), [0, 0, 2, 2, 6, 6])


X = K.constant(np.ones((2, 6, 5, 3)))
W = K.constant(np.ones((3, 2, 3, 4)))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: K.conv2d(K.constant(np.ones((6, 5, 3))), W), ShapeError, r"x must have 4 dimensions.*\(6, 5, 3\)"),
        (lambda: K.conv2d(X, K.constant(np.ones((3, 3, 2, 4)))), ShapeError, "has 3 channels.*is for 2"),
        (lambda: K.conv2d(X, W, padding="full"), ValueError, "conv2d: padding must be 'valid' or 'same', got 'full'"),
        (lambda: K.conv2d(X, W, padding="causal"), ValueError, "padding must be"),
        (lambda: K.conv2d(X, W, strides=(0, 1)), ValueError, r"strides must be 2 positive whole numbers, got \(0, 1\)"),
        (lambda: K.conv2d(X, W, strides=(1, 1, 1)), ValueError, "strides must be 2"),
        (lambda: K.conv2d(X, W, data_format="nhwc"), ValueError, "data_format must be 'channels_last'.*got 'nhwc'"),
        (lambda: K.conv2d(X, K.constant(np.ones((7, 2, 3, 4)))), ShapeError, "window of 7 elements.*6 elements"),
        (lambda: K.conv2d(X, W, colour=1), TypeError, "colour"),
        (lambda: K.conv2d_transpose(X, W, (2, 3)), ValueError, "output_shape must have 4 sizes"),
        (lambda: K.conv2d_transpose(X, K.constant(np.ones((3, 2, 4, 3))), (2, 6, 5, 4)), ShapeError, "expected shape"),
        (lambda: K.pool2d(X, (2, 2), pool_mode="min"), ValueError, "pool_mode must be 'max' or 'avg', got 'min'"),
        (lambda: K.pool2d(X, (9, 2)), ShapeError, "window of 9 elements"),
        (lambda: K.pool3d(X, (2, 2, 2)), ShapeError, "pool3d: x must have 5 dimensions"),
        (lambda: K.local_conv1d(X, W, (2,), (1,)), ShapeError, "local_conv1d: x must have 3 dimensions"),
        (lambda: K.resize_images(X, 2, 2, "channels_last", "cubic"), ValueError, "'bilinear', got 'cubic'"),
        (lambda: K.resize_images(X, 1.5, 2, "channels_last"), ValueError, "whole numbers"),
        (lambda: K.spatial_2d_padding(X, ((1, 1),)), ValueError, "2 entries"),
        (lambda: K.temporal_padding(X), ShapeError, "temporal_padding: x must have 3 dimensions"),
    ],
)  # fmt: skip
def test_errors(call, error: type[Exception], message: str) -> None:
    """A mistake is named when the graph is built: function, argument, what came and what was expected."""
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("executor", ["numpy", "numba"])
@pytest.mark.parametrize("shape", [(1, 2, 2, 2), (1, 5, 1, 2), (1, 0, 0, 2)])
def test_images_that_turn_out_too_small(shape: tuple[int, ...], executor: str) -> None:
    """Where sizes are known only when the function is called, that is when it is said, with the user's line."""
    x = K.placeholder((None, None, None, 2))
    with use(executor):
        for output in (K.conv2d(x, K.variable(np.ones((3, 3, 2, 4)))), K.pool2d(x, (3, 3))):
            function = K.function([x], [output])
            assert function([np.ones((1, 3, 3, 2))])[0].shape[:3] == (1, 1, 1)
            with pytest.raises(ShapeError, match=r"test_images.py:\d+: an input is too small"):
                function([np.ones(shape)])
