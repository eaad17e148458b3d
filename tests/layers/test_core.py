"""Values of the core layers against NumPy."""

import re

import numpy as np
import pytest
import scipy.special

import symgraph
from symgraph import backend as K
from symgraph.engine import Input, Model, Sequential
from symgraph.layers import (
    Activation,
    ActivityRegularization,
    Dense,
    Dropout,
    Flatten,
    Lambda,
    Masking,
    Permute,
    RepeatVector,
    Reshape,
)
from symgraph.runtime import executor

RNG = np.random.default_rng(0)


def through(layer, x):
    return Sequential([layer]).predict(x) if hasattr(layer, "batch_input_shape") else _wrapped(layer, x)


def _wrapped(layer, x):
    inputs = Input(x.shape[1:])
    return Model(inputs, layer(inputs)).predict(x)


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4)])
def test_dense(shape):
    layer = Dense(5, activation="tanh")
    x = RNG.normal(size=(6, *shape))
    got = _wrapped(layer, x)
    kernel, bias = layer.get_weights()
    np.testing.assert_allclose(got, np.tanh(x @ kernel + bias), rtol=1e-5, atol=1e-6)


def test_dense_refuses():
    with pytest.raises(ValueError, match="`units` must be a positive integer, got 0"):
        Dense(0)
    with pytest.raises(ValueError, match="last dimension of the input must be known"):
        Dense(3)(Input((None,)))


@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_dropout_in_training(rate):
    x = Input((1000,))
    function = K.function([x, K.learning_phase()], [Dropout(rate)(x)])
    ones = np.ones((50, 1000))
    np.testing.assert_array_equal(function([ones, 0])[0], ones)
    dropped = function([ones, 1])[0]
    kept = dropped != 0
    np.testing.assert_allclose(dropped[kept], 1 / (1 - rate), rtol=1e-6)
    assert abs(kept.mean() - (1 - rate)) < 4 * np.sqrt(rate * (1 - rate) / ones.size)
    assert not np.array_equal(function([ones, 1])[0], dropped)  # another mask at each call


def test_dropout_with_a_noise_shape():
    x = Input((5, 7))
    function = K.function([x, K.learning_phase()], [Dropout(0.5, noise_shape=(None, 1, 7))(x)])
    dropped = function([np.ones((20, 5, 7)), 1])[0]
    assert (dropped == dropped[:, :1]).all() and 0.2 < (dropped == 0).mean() < 0.8


def test_two_dropouts_have_two_masks():
    x = Input((200,))
    a, b = Dropout(0.5)(x), Dropout(0.5)(x)
    first, second = K.function([x, K.learning_phase()], [a, b])([np.ones((2, 200)), 1])
    assert not np.array_equal(first, second)


def test_flatten_channels_first_reads_like_channels_last():
    x = RNG.normal(size=(2, 3, 4, 5)).astype("float32")
    np.testing.assert_array_equal(_wrapped(Flatten(), x), x.reshape(2, -1))
    np.testing.assert_array_equal(_wrapped(Flatten(data_format="channels_first"), np.moveaxis(x, -1, 1)),
                                  x.reshape(2, -1))


def test_flatten_takes_the_configured_layout_and_old_configurations_keep_the_order():
    from symgraph.keras1.layers import Flatten as Flatten1

    x = np.arange(24, dtype="float32").reshape(2, 3, 2, 2)
    before = K.image_data_format()
    K.set_image_data_format("channels_first")
    try:
        layers = Flatten(), Flatten.from_config({"name": "flatten"}), Flatten1(name="old")
    finally:
        K.set_image_data_format(before)
    assert layers[0].data_format == "channels_first"
    np.testing.assert_array_equal(_wrapped(layers[0], x), np.moveaxis(x, 1, -1).reshape(2, -1))
    for layer in layers[1:]:
        np.testing.assert_array_equal(_wrapped(layer, x), x.reshape(2, -1))


def test_reshape():
    x = RNG.normal(size=(2, 3, 4)).astype("float32")
    np.testing.assert_array_equal(_wrapped(Reshape((4, 3)), x), x.reshape(2, 4, 3))
    np.testing.assert_array_equal(_wrapped(Reshape((-1,)), x), x.reshape(2, 12))
    with pytest.raises(ValueError, match="total size of new array must be unchanged"):
        Reshape((5, 3))(Input((3, 4)))
    with pytest.raises(ValueError, match="only one size"):
        Reshape((-1, -1))(Input((3, 4)))


def test_reshape_of_a_free_dimension():
    x = Input((None, 4))
    model = Model(x, Reshape((-1, 2))(x))
    assert model.output_shape == (None, None, 2)
    assert model.predict(np.zeros((2, 3, 4))).shape == (2, 6, 2)


def test_permute_and_repeat():
    x = RNG.normal(size=(2, 3, 4, 5)).astype("float32")
    np.testing.assert_array_equal(_wrapped(Permute((3, 1, 2)), x), x.transpose(0, 3, 1, 2))
    with pytest.raises(ValueError, match="permutation of 1..2"):
        Permute((0, 1))
    v = x[:, :, 0, 0]
    np.testing.assert_array_equal(_wrapped(RepeatVector(4), v), np.repeat(v[:, None], 4, axis=1))


def test_masking_zeroes_what_it_masks():
    x = np.array([[[1.0, 2.0], [5.0, 5.0], [5.0, 1.0]]], "float32")
    np.testing.assert_array_equal(_wrapped(Masking(5.0), x), [[[1, 2], [0, 0], [5, 1]]])


def test_lambda():
    x = RNG.normal(size=(3, 4)).astype("float32")
    np.testing.assert_allclose(_wrapped(Lambda(lambda t, k: t * k, arguments={"k": 3.0}), x), 3 * x, rtol=1e-6)
    a, b = Input((4,)), Input((4,))
    model = Model([a, b], Lambda(lambda pair: pair[0] - pair[1])([a, b]))
    np.testing.assert_allclose(model.predict([x, 2 * x]), -x, rtol=1e-6)
    with pytest.raises(TypeError, match="must be callable"):
        Lambda("relu")


def test_a_named_function_in_a_lambda():
    def double(t):
        return t * 2.0

    layer = Lambda(double)
    config = layer.get_config()
    assert config["function"] == "double" and config["function_type"] == "function"
    np.testing.assert_array_equal(_wrapped(Lambda.from_config(config), np.ones((1, 2))), [[2, 2]])
    with pytest.raises(ValueError, match="'unheard_of' is not known.*custom_objects"):
        Lambda.from_config({**config, "function": "unheard_of"})
    again = Lambda.from_config({**config, "function": "other"}, custom_objects={"other": lambda t: t + 1.0})
    np.testing.assert_array_equal(_wrapped(again, np.ones((1, 2))), [[2, 2]])


def test_activity_regularization():
    model = Sequential([ActivityRegularization(l1=0.5, l2=0.25, input_shape=(3,))])
    model.compile("sgd", "mse")
    x = np.array([[1.0, -2.0, 3.0]])
    assert model.evaluate(x, x, verbose=0) == pytest.approx(0.5 * 6 + 0.25 * 14)


@pytest.mark.parametrize("name, formula", [
    ("relu", lambda x: np.maximum(x, 0)), ("tanh", np.tanh), ("sigmoid", lambda x: 1 / (1 + np.exp(-x))),
    ("hard_sigmoid", lambda x: np.clip(0.2 * x + 0.5, 0, 1)), ("softplus", lambda x: np.log1p(np.exp(x))),
    ("softsign", lambda x: x / (1 + np.abs(x))), ("linear", lambda x: x), ("exponential", np.exp),
    ("elu", lambda x: np.where(x > 0, x, np.expm1(x))),
    ("selu", lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x))),
    ("gelu", lambda x: x * 0.5 * (1 + scipy.special.erf(x / np.sqrt(2)))), ("swish", lambda x: x / (1 + np.exp(-x))),
    ("silu", lambda x: x / (1 + np.exp(-x))), ("mish", lambda x: x * np.tanh(np.log1p(np.exp(x)))),
    ("softmax", lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True)),
])
def test_activations(name, formula):
    x = RNG.normal(size=(5, 6)) * 3
    np.testing.assert_allclose(_wrapped(Activation(name), x), formula(x), rtol=2e-5, atol=1e-6)


def test_softmax_needs_two_dimensions():
    with pytest.raises(ValueError, match="at least two dimensions"):
        from symgraph import activations

        activations.softmax(K.placeholder((3,)))


@pytest.mark.parametrize("name", ["gelu", "swish", "mish", "selu", "elu", "softsign", "hard_sigmoid"])
def test_an_activation_is_one_kernel(name):
    x = Input((4,))
    function = K.function([x], [Activation(name)(x)])
    with executor.use("numba"):
        function([np.ones((2, 4))])
        program = symgraph.explain(function).split("program\n")[1].split("total:")[0]
    assert len(re.findall(r"^ +[0-9]+  ", program, re.M)) == 1, program
