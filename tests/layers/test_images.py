"""Convolution, pooling, padding and normalisation of images against plain loops in NumPy."""

import numpy as np
import pytest

from symgraph import backend as K
from symgraph.engine import Input, Model, Sequential
from symgraph.layers import (
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Cropping2D,
    Dense,
    Flatten,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    MaxPooling2D,
    UpSampling2D,
    ZeroPadding2D,
)

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(2, 7, 6, 3)).astype("float32")


def predict(layer, x):
    inputs = Input(x.shape[1:])
    return Model(inputs, layer(inputs)).predict(x)


def same_padding(size, window, stride):
    total = max((-(-size // stride) - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


def windows(x, size, stride, padding, fill):
    """Each window of an image as (row, column, pixels of the window)."""
    if padding == "same":
        pads = [same_padding(n, w, s) for n, w, s in zip(x.shape[1:3], size, stride)]
        x = np.pad(x, [(0, 0), *pads, (0, 0)], constant_values=fill)
    rows = (x.shape[1] - size[0]) // stride[0] + 1
    columns = (x.shape[2] - size[1]) // stride[1] + 1
    for r in range(rows):
        for c in range(columns):
            top, left = r * stride[0], c * stride[1]
            yield r, c, x[:, top:top + size[0], left:left + size[1]], (rows, columns)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("strides", [(1, 1), (2, 3)])
@pytest.mark.parametrize("size", [(3, 3), (2, 4), (1, 1)])
def test_conv2d(size, strides, padding):
    layer = Conv2D(4, size, strides=strides, padding=padding)
    got = predict(layer, IMAGES)
    kernel, bias = layer.get_weights()
    want = np.zeros(got.shape)
    for r, c, patch, shape in windows(IMAGES.astype("float64"), size, strides, padding, 0):
        assert shape == got.shape[1:3]
        want[:, r, c] = np.einsum("nijk,ijkf->nf", patch, kernel) + bias
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_conv2d_dilated():
    layer = Conv2D(2, 3, dilation_rate=2, use_bias=False)
    got = predict(layer, IMAGES)
    spread = np.zeros((5, 5, 3, 2))
    spread[::2, ::2] = layer.get_weights()[0]
    want = np.zeros(got.shape)
    for r, c, patch, _ in windows(IMAGES.astype("float64"), (5, 5), (1, 1), "valid", 0):
        want[:, r, c] = np.einsum("nijk,ijkf->nf", patch, spread)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", [
    lambda layout: Conv2D(4, 3, padding="same", data_format=layout),
    lambda layout: MaxPooling2D((2, 3), data_format=layout),
    lambda layout: AveragePooling2D(3, strides=2, padding="same", data_format=layout),
    lambda layout: GlobalAveragePooling2D(data_format=layout),
    lambda layout: ZeroPadding2D(((1, 0), (2, 1)), data_format=layout),
    lambda layout: Cropping2D(((1, 0), (2, 1)), data_format=layout),
    lambda layout: UpSampling2D((2, 3), data_format=layout),
])
def test_both_layouts_agree(make):
    last, first = make("channels_last"), make("channels_first")
    want = predict(last, IMAGES)
    x = Input((3, 7, 6))
    model = Model(x, first(x))
    first.set_weights(last.get_weights())
    got = model.predict(np.ascontiguousarray(np.moveaxis(IMAGES, -1, 1)))
    np.testing.assert_allclose(np.moveaxis(got, 1, -1) if got.ndim == 4 else got, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("size, strides", [((2, 2), None), ((3, 2), (2, 1)), ((2, 3), (1, 3))])
def test_pooling(size, strides, padding):
    step = strides or size
    peak = predict(MaxPooling2D(size, strides, padding), IMAGES)
    mean = predict(AveragePooling2D(size, strides, padding), IMAGES)
    want_peak, want_mean = np.zeros(peak.shape), np.zeros(mean.shape)
    for r, c, patch, _ in windows(IMAGES, size, step, padding, -np.inf):
        want_peak[:, r, c] = patch.max((1, 2))
    for r, c, patch, _ in windows(IMAGES, size, step, padding, np.nan):
        want_mean[:, r, c] = np.nanmean(patch, (1, 2))  # what lies outside does not count
    np.testing.assert_array_equal(peak, want_peak)
    np.testing.assert_allclose(mean, want_mean, rtol=1e-5, atol=1e-6)


def test_global_pooling():
    np.testing.assert_array_equal(predict(GlobalMaxPooling2D(), IMAGES), IMAGES.max((1, 2)))
    np.testing.assert_allclose(predict(GlobalAveragePooling2D(), IMAGES), IMAGES.mean((1, 2)), rtol=1e-5, atol=1e-6)


def test_padding_cropping_upsampling():
    np.testing.assert_array_equal(predict(ZeroPadding2D(((1, 2), (0, 3))), IMAGES),
                                  np.pad(IMAGES, [(0, 0), (1, 2), (0, 3), (0, 0)]))
    np.testing.assert_array_equal(predict(Cropping2D(((1, 2), (0, 3))), IMAGES), IMAGES[:, 1:-2, :-3])
    np.testing.assert_array_equal(predict(UpSampling2D((2, 3)), IMAGES), IMAGES.repeat(2, 1).repeat(3, 2))
    with pytest.raises(ValueError, match="`padding` must be"):
        ZeroPadding2D((1, 2, 3))


@pytest.mark.parametrize("axis, shape", [(-1, (5, 3)), (1, (3, 5)), (-1, (4, 5, 3))])
def test_batch_normalization(axis, shape):
    layer = BatchNormalization(axis=axis, momentum=0.9)
    x = (RNG.normal(size=(8, *shape)) * 2 + 3).astype("float32")
    inputs = Input(shape)
    model = Model(inputs, layer(inputs))
    features = shape[axis] if axis == -1 else shape[axis - 1]
    axes = tuple(a for a in range(x.ndim) if a != axis % x.ndim)
    mean, variance = x.mean(axes, dtype="float64"), x.var(axes, dtype="float64")
    along = [1] * x.ndim
    along[axis] = features
    gamma, beta = RNG.uniform(1, 2, features), RNG.normal(size=features)
    layer.set_weights([gamma, beta, np.zeros(features), np.ones(features)])

    def spread(v):
        return np.reshape(v, along)

    training = K.function([inputs, K.learning_phase()], [model.outputs[0]])
    want = (x - spread(mean)) / np.sqrt(spread(variance) + 1e-3) * spread(gamma) + spread(beta)
    np.testing.assert_allclose(training([x, 1])[0], want, rtol=1e-3, atol=1e-4)
    want = x / np.sqrt(1 + 1e-3) * spread(gamma) + spread(beta)
    np.testing.assert_allclose(model.predict(x), want, rtol=1e-4, atol=1e-4)
    model.compile("sgd", "mse")
    model.train_on_batch(x, x)
    count = x.size // features
    _, _, moving_mean, moving_variance = layer.get_weights()
    np.testing.assert_allclose(moving_mean, 0.1 * mean, rtol=1e-4)
    np.testing.assert_allclose(moving_variance, 0.9 + 0.1 * variance * count / (count - 1 - 1e-3), rtol=1e-4)


def test_what_is_refused():
    with pytest.raises(ValueError, match="`kernel_size` argument must be an integer or a tuple of 2"):
        Conv2D(3, (3, 3, 3))
    with pytest.raises(ValueError, match="one of 'valid', 'same'"):
        Conv2D(3, 3, padding="some")
    with pytest.raises(ValueError, match="'causal' is for one-dimensional"):
        Conv2D(3, 3, padding="causal")
    with pytest.raises(ValueError, match="channels .* must be known"):
        Conv2D(3, 3)(Input((5, 5, None)))
    with pytest.raises(ValueError, match="data_format"):
        MaxPooling2D(data_format="last")


def test_a_small_network_learns_to_tell_bars():
    np.random.seed(0)
    x = np.zeros((64, 8, 8, 1), "float32")
    labels = np.arange(64) % 2
    for index, label in enumerate(labels):
        at = index // 2 % 8
        if label:
            x[index, at] = 1
        else:
            x[index, :, at] = 1
    model = Sequential([Conv2D(8, 3, padding="same", activation="relu", input_shape=(8, 8, 1)), MaxPooling2D(),
                        Flatten(), Dense(1)])
    model.compile("adam", "mse")
    model.optimizer.lr = 0.02
    model.fit(x, labels, epochs=30, batch_size=16, verbose=0)
    assert ((model.predict(x)[:, 0] > 0.5) == labels).mean() > 0.95
