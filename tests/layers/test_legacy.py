"""The layers that only Keras 1 has, against their formulas; custom layers in the way of both generations."""

import numpy as np
import pytest

from symgraph import backend as K
from symgraph.engine import Input, Layer, Model, Sequential
from symgraph.layers import Dense
from symgraph.legacy.layers import (
    AtrousConvolution1D,
    AtrousConvolution2D,
    Highway,
    MaxoutDense,
    Merge,
    ParametricSoftplus,
    SReLU,
    TimeDistributedDense,
    merge,
)
from symgraph.runtime import executor

RNG = np.random.default_rng(6)
X = RNG.normal(size=(5, 4)).astype("float32")
Y = RNG.normal(size=(5, 4)).astype("float32")


@pytest.fixture(autouse=True)
def on_the_reference_executor():
    with executor.use("numpy"):
        yield


def randomised(layer, x):
    inputs = Input(x.shape[1:])
    model = Model(inputs, layer(inputs))
    model.set_weights([RNG.normal(size=w.shape).astype("float32") for w in model.get_weights()])
    return model.predict(x), model.get_weights()


def test_highway():
    layer = Highway(activation="tanh", input_dim=4)
    layer(Input((4,)))
    assert [w.shape for w in layer.get_weights()] == [(4, 4), (4,), (4, 4), (4,)]
    np.testing.assert_array_equal(layer.get_weights()[3], -2)
    got, (w, b, carry, carry_b) = randomised(Highway(activation="tanh"), X)
    gate = 1 / (1 + np.exp(-(X @ carry + carry_b)))
    np.testing.assert_allclose(got, gate * np.tanh(X @ w + b) + (1 - gate) * X, rtol=1e-5, atol=1e-5)


def test_maxout_dense():
    got, (w, b) = randomised(MaxoutDense(3, nb_feature=5), X)
    assert w.shape == (5, 4, 3) and b.shape == (5, 3)
    np.testing.assert_allclose(got, (np.einsum("ni,fio->nfo", X, w) + b).max(1), rtol=1e-5, atol=1e-5)


def test_time_distributed_dense():
    x = RNG.normal(size=(5, 3, 4)).astype("float32")
    got, (w, b) = randomised(TimeDistributedDense(2, activation="tanh"), x)
    np.testing.assert_allclose(got, np.tanh(x @ w + b), rtol=1e-5, atol=1e-5)
    assert Sequential([TimeDistributedDense(2, input_dim=4, input_length=3)]).output_shape == (None, 3, 2)


def test_parametric_softplus():
    got, (alpha, beta) = randomised(ParametricSoftplus(), X)
    np.testing.assert_allclose(got, alpha * np.log1p(np.exp(beta * X)), rtol=1e-5, atol=1e-5)


def test_srelu():
    got, (left, below, width, above) = randomised(SReLU(), X)
    right = left + np.abs(width)
    want = np.where(left > X, left + below * (X - left), np.where(right <= X, right + above * (X - right), X))
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("mode, want", [
    ("sum", X + Y), ("mul", X * Y), ("ave", (X + Y) / 2), ("max", np.maximum(X, Y)),
    ("concat", np.concatenate([X, Y], 1)), ("dot", (X * Y).sum(1, keepdims=True)),
    ("cos", ((X * Y).sum(1) / np.linalg.norm(X, axis=1) / np.linalg.norm(Y, axis=1))[:, None, None]),
    (lambda x: x[0] - x[1], X - Y),
])
def test_merge(mode, want):
    a, b = Input((4,)), Input((4,))
    model = Model([a, b], merge([a, b], mode=mode))
    np.testing.assert_allclose(model.predict([X, Y]), want, rtol=1e-5, atol=1e-6)


def test_merge_of_models():
    left, right = Sequential([Dense(3, input_dim=4)]), Sequential([Dense(3, input_dim=4)])
    joined = Merge([left, right], mode="concat")
    model = Model([left.input, right.input], Dense(2)(joined.output))
    assert model.predict([X, Y]).shape == (5, 2)
    (w, b), (v, c) = left.get_weights(), right.get_weights()
    inner = K.function([left.input, right.input], [joined.output])([X, Y])[0]
    np.testing.assert_allclose(inner, np.concatenate([X @ w + b, Y @ v + c], 1), rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="`mode` must be one of 'sum'"):
        Merge([left, right], mode="minus")
    with pytest.raises(ValueError, match="at least two layers"):
        Merge([left])


def test_atrous_convolutions():
    one, two = AtrousConvolution1D(2, 3, atrous_rate=2), AtrousConvolution2D(2, 3, atrous_rate=(2, 3))
    assert (one.dilation_rate, two.dilation_rate) == ((2,), (2, 3))


# ------------------------------------------------------------------------------------------ layers of one's own


class MyLayer(Layer):
    """The layer of the Keras-2 documentation."""

    def __init__(self, output_dim, **kwargs):
        self.output_dim = output_dim
        super().__init__(**kwargs)

    def build(self, input_shape):
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[1], self.output_dim), initializer="uniform",
                                      trainable=True)
        super().build(input_shape)

    def call(self, x):
        return K.dot(x, self.kernel)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.output_dim)


class MyPair(Layer):
    """The layer of the Keras-2 documentation with two inputs and two outputs."""

    def __init__(self, output_dim, **kwargs):
        self.output_dim = output_dim
        super().__init__(**kwargs)

    def build(self, input_shape):
        assert isinstance(input_shape, list)
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[0][1], self.output_dim),
                                      initializer="uniform", trainable=True)
        super().build(input_shape)

    def call(self, x):
        assert isinstance(x, list)
        a, b = x
        return [K.dot(a, self.kernel) + b, K.mean(b, axis=-1)]

    def compute_output_shape(self, input_shape):
        shape_a, shape_b = input_shape
        return [(shape_a[0], self.output_dim), shape_b[:-1]]


def test_a_layer_of_the_second_generation():
    model = Sequential([MyLayer(3, input_shape=(4,)), Dense(1)])
    kernel, w, b = model.get_weights()
    np.testing.assert_allclose(model.predict(X), X @ kernel @ w + b, rtol=1e-5, atol=1e-6)
    model.compile("sgd", "mse")
    model.fit(X, np.zeros((5, 1)), epochs=1, verbose=0)
    assert np.abs(model.get_weights()[0] - kernel).max() > 0
    assert model.output_shape == (None, 1) and model.count_params() == 4 * 3 + 3 + 1


def test_a_layer_with_two_inputs_and_outputs():
    a, b = Input((4,)), Input((3,))
    first, second = MyPair(3)([a, b])
    model = Model([a, b], [first, second])
    kernel, = model.get_weights()
    got = model.predict([X, Y[:, :3]])
    np.testing.assert_allclose(got[0], X @ kernel + Y[:, :3], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got[1], Y[:, :3].mean(-1), rtol=1e-5, atol=1e-6)
    assert model.output_shape == [(None, 3), (None,)]


class OldLayer(Layer):
    """A layer in the way of Keras 1: weights set by hand, the shape from `get_output_shape_for`."""

    def __init__(self, output_dim, **kwargs):
        self.output_dim = output_dim
        super().__init__(**kwargs)

    def build(self, input_shape):
        value = np.random.default_rng(0).normal(size=(input_shape[1], self.output_dim))
        self.W = K.variable(value)
        self.trainable_weights = [self.W]

    def call(self, x, mask=None):
        return K.dot(x, self.W)

    def get_output_shape_for(self, input_shape):
        return (input_shape[0], self.output_dim)


def test_a_layer_of_the_first_generation():
    model = Sequential([OldLayer(3, input_shape=(4,))])
    kernel, = model.get_weights()
    np.testing.assert_allclose(model.predict(X), X @ kernel, rtol=1e-5, atol=1e-6)
    assert model.output_shape == (None, 3)
    model.compile("sgd", "mse")
    model.train_on_batch(X, np.zeros((5, 3)))
    assert np.abs(model.get_weights()[0] - kernel).max() > 0
