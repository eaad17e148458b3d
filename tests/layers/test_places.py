"""Locally connected layers, convolutional loops and pooling against the layers and loops they generalise."""

import numpy as np
import pytest

from symgraph import backend as K
from symgraph.engine import Input, Model, Sequential
from symgraph.layers import (
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    ConvLSTM2D,
    ConvLSTM2DCell,
    ConvRNN2D,
    Cropping1D,
    Cropping3D,
    Dense,
    Dot,
    LocallyConnected1D,
    LocallyConnected2D,
    ZeroPadding2D,
    dot,
)
from symgraph.runtime import executor

RNG = np.random.default_rng(4)
IMAGES = RNG.normal(size=(2, 6, 5, 3)).astype("float32")


@pytest.fixture(autouse=True)
def on_the_reference_executor():
    with executor.use("numpy"):
        yield


def predict(layer, x):
    inputs = Input(x.shape[1:])
    return Model(inputs, layer(inputs)).predict(x)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("strides", [1, (2, 1)])
def test_one_kernel_at_all_places_is_a_convolution(strides, first):
    layout = "channels_first" if first else "channels_last"
    images = np.moveaxis(IMAGES, -1, 1) if first else IMAGES
    conv = Conv2D(4, (3, 2), strides=strides, data_format=layout)
    want = predict(conv, images)
    kernel, _ = conv.get_weights()
    window = np.moveaxis(kernel, 2, 0) if first else kernel
    places = want.shape[2:] if first else want.shape[1:3]
    local = LocallyConnected2D(4, (3, 2), strides=strides, data_format=layout)
    local.build((None, *images.shape[1:]))
    local.set_weights([np.broadcast_to(window.reshape(-1, 4), (places[0] * places[1], 18, 4)), np.zeros((*places, 4))])
    np.testing.assert_allclose(predict(local, images), want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("first", [False, True])
def test_the_dense_form_of_a_local_layer(first, padding):
    """Implementation 2 with the kernel of a convolution spread over all places."""
    layout = "channels_first" if first else "channels_last"
    x = RNG.normal(size=(2, 3, 7) if first else (2, 7, 3)).astype("float32")
    conv = Conv1D(4, 3, strides=2, padding=padding, data_format=layout)
    want = predict(conv, x)
    kernel, _ = conv.get_weights()
    length = want.shape[2] if first else want.shape[1]
    before = 1 if padding == "same" else 0
    spread = np.full((7, 3, length, 4), 5.0)  # what lies outside the windows does not count
    for place in range(length):
        for k in range(3):
            at = 2 * place - before + k
            if 0 <= at < 7:
                spread[at, :, place] = kernel[k]
    local = LocallyConnected1D(4, 3, strides=2, padding=padding, data_format=layout, implementation=2)
    local.build((None, *x.shape[1:]))
    local.set_weights([spread.transpose(1, 0, 3, 2) if first else spread, np.zeros((length, 4))])
    np.testing.assert_allclose(predict(local, x), want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("length, size, stride, windows", [
    (6, 2, 1, [(0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6)]),
    (6, 4, 1, [(0, 2), (0, 3), (0, 4), (1, 5), (2, 6), (3, 6)]),
    (6, 3, 2, [(0, 2), (1, 4), (3, 6)]), (6, 2, 2, [(0, 1), (1, 3), (3, 5)]), (7, 5, 3, [(0, 3), (1, 6), (4, 7)])])
def test_windows_of_a_local_layer_with_padding(length, size, stride, windows):
    """The places that each output sees, as tf.keras has them: found with one impulse a place."""
    local = LocallyConnected1D(1, size, strides=stride, padding="same", implementation=2, use_bias=False)
    local.build((None, length, 1))
    local.set_weights([np.ones((length, 1, len(windows), 1))])
    seen = predict(local, np.eye(length)[:, :, None].astype("float32"))[:, :, 0]
    want = [[float(first <= at < last) for first, last in windows] for at in range(length)]
    np.testing.assert_array_equal(seen, want)


def test_local_layers_need_to_know_their_input():
    with pytest.raises(ValueError, match="must be known in full"):
        LocallyConnected1D(2, 3)(Input((None, 3)))
    with pytest.raises(ValueError, match="padding 'same' is not supported with implementation 1"):
        LocallyConnected2D(2, 3, padding="same")
    with pytest.raises(ValueError, match="does not fit"):
        LocallyConnected1D(2, 9)(Input((5, 3)))


# ------------------------------------------------------------------------------------------------ ConvLSTM2D


MOVIES = RNG.normal(size=(2, 3, 5, 4, 2)).astype("float32")


def same_conv(x, kernel):
    """Correlation with a kernel (3, 3, channels, filters), zeros around."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    out = np.zeros((*x.shape[:3], kernel.shape[3]))
    for r in range(3):
        for c in range(3):
            out += padded[:, r:r + x.shape[1], c:c + x.shape[2]] @ kernel[r, c]
    return out


def movie_loop(movies, weights, filters, mask=None):
    kernel, recurrent, bias = weights
    hidden = carry = np.zeros((*movies[:, 0].shape[:3], filters))
    gate = lambda x: np.clip(0.2 * x + 0.5, 0, 1)  # noqa: E731
    outputs = []
    for t in range(movies.shape[1]):
        i, f, c, o = np.split(same_conv(movies[:, t], kernel) + same_conv(hidden, recurrent) + bias, 4, -1)
        new_carry = gate(f) * carry + gate(i) * np.tanh(c)
        new_hidden = gate(o) * np.tanh(new_carry)
        kept = np.ones((2, 1, 1, 1), bool) if mask is None else mask[:, t, None, None, None]
        hidden, carry = np.where(kept, new_hidden, hidden), np.where(kept, new_carry, carry)
        outputs.append(hidden)
    return np.stack(outputs, 1)


def test_conv_lstm():
    layer = ConvLSTM2D(2, 3, padding="same", return_sequences=True)
    x = Input((None, 5, 4, 2))
    model = Model(x, layer(x))
    assert model.output_shape == (None, None, 5, 4, 2)
    want = movie_loop(MOVIES, layer.get_weights(), 2)
    np.testing.assert_allclose(model.predict(MOVIES), want, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(layer.get_weights()[2], [0, 0, 1, 1, 0, 0, 0, 0])
    mask = np.array([[1, 0, 1], [1, 1, 0]], bool)
    m = Input((3,), dtype="bool")
    movie = Input((3, 5, 4, 2))
    masked = K.function([movie, m], [layer(movie, mask=m)])([MOVIES, mask])[0]
    np.testing.assert_allclose(masked, movie_loop(MOVIES, layer.get_weights(), 2, mask), rtol=1e-4, atol=1e-5)


def test_stateful_conv_lstm():
    layer = ConvLSTM2D(2, 3, padding="same", stateful=True, batch_input_shape=(2, 3, 5, 4, 2))
    model = Sequential([layer])
    want = movie_loop(np.concatenate([MOVIES, MOVIES], 1), layer.get_weights(), 2)
    np.testing.assert_allclose(model.predict(MOVIES, batch_size=2), want[:, 2], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.predict(MOVIES, batch_size=2), want[:, 5], rtol=1e-4, atol=1e-5)
    model.reset_states()
    np.testing.assert_allclose(model.predict(MOVIES, batch_size=2), want[:, 2], rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="rows and columns of its input must be known"):
        ConvLSTM2D(2, 3, stateful=True)(Input(batch_shape=(2, 3, None, 4, 2)))


def test_conv_rnn_takes_one_cell():
    with pytest.raises(TypeError, match="stacked cells are not supported"):
        ConvRNN2D([ConvLSTM2DCell(2, 3), ConvLSTM2DCell(2, 3)])


# ---------------------------------------------------------------------------------------------- other images


def test_transposed_convolution_is_the_way_back():
    """<conv(x), y> = <x, transposed(y)> with one kernel."""
    conv = Conv2D(4, 3, strides=2, padding="same", use_bias=False)
    y = predict(conv, IMAGES)
    back = Conv2DTranspose(3, 3, strides=2, padding="same", use_bias=False, output_padding=(1, 0))
    cotangent = RNG.normal(size=y.shape).astype("float32")
    inputs = Input(y.shape[1:])
    back(inputs)
    back.set_weights(conv.get_weights())
    got = Model(inputs, back(inputs)).predict(cotangent)
    assert got.shape == IMAGES.shape
    assert (y * cotangent).sum() == pytest.approx((IMAGES * got).sum(), rel=1e-4)
    with pytest.raises(ValueError, match="must be greater than output padding"):
        Conv2DTranspose(2, 3, strides=2, output_padding=2)


def test_transposed_convolution_of_images_of_any_size():
    layer = Conv2DTranspose(2, 3, strides=2, padding="same")
    x = Input((None, None, 3))
    model = Model(x, layer(x))
    assert model.predict(IMAGES).shape == (2, 12, 10, 2)
    np.testing.assert_allclose(model.predict(IMAGES), predict(layer, IMAGES), rtol=1e-5, atol=1e-6)


def test_causal_convolution_does_not_see_what_follows():
    layer = Conv1D(4, 3, padding="causal", dilation_rate=2)
    x = RNG.normal(size=(1, 9, 2)).astype("float32")
    changed = x.copy()
    changed[:, 5:] += 1
    a, b = predict(layer, x), predict(layer, changed)
    assert a.shape == (1, 9, 4)
    np.testing.assert_array_equal(a[:, :5], b[:, :5])
    assert not np.allclose(a[:, 5], b[:, 5])
    with pytest.raises(ValueError, match="'causal' is for one-dimensional convolutions"):
        Conv2D(2, 3, padding="causal")


def test_wrong_crops_and_paddings():
    with pytest.raises(ValueError, match="leaves nothing of axis 1"):
        Cropping1D(3)(Input((5, 2)))
    with pytest.raises(ValueError, match="`cropping` must be an integer"):
        Cropping3D((1, 2))
    with pytest.raises(ValueError, match="must not be negative"):
        ZeroPadding2D((-1, 2))


def test_dot():
    a, b = Input((4,)), Input((4,))
    x, y = RNG.normal(size=(2, 3, 4)).astype("float32")
    cosine = Model([a, b], dot([a, b], 1, normalize=True)).predict([x, y])
    want = (x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)
    np.testing.assert_allclose(cosine[:, 0], want, rtol=1e-5)
    with pytest.raises(ValueError, match="Dimension incompatibility: 4 != 3"):
        Dot(1)([a, Dense(3)(b)])
    with pytest.raises(ValueError, match="`axes` must be an integer or two integers"):
        Dot((1, 2, 3))
