"""Sequential: adding, popping, building late."""

import numpy as np
import pytest

from symgraph import backend as K
from symgraph.engine import Input, InputLayer, Sequential
from symgraph.layers import Activation, Dense


def test_add_and_list_give_the_same():
    model = Sequential([Dense(4, input_dim=3, name="a"), Activation("relu"), Dense(2, name="b")])
    other = Sequential()
    other.add(Dense(4, input_dim=3, name="a"))
    other.add(Activation("relu"))
    other.add(Dense(2, name="b"))
    assert [layer.output_shape for layer in model.layers] == [layer.output_shape for layer in other.layers]
    other.set_weights(model.get_weights())
    x = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_array_equal(model.predict(x), other.predict(x))


def test_an_input_layer_first():
    model = Sequential([InputLayer(input_shape=(3,)), Dense(2)])
    assert len(model.layers) == 1 and model.input_shape == (None, 3)


def test_pop():
    model = Sequential([Dense(4, input_dim=3), Dense(2)])
    first = model.layers[0]
    model.compile("sgd", "mse")
    assert model.predict(np.zeros((1, 3))).shape == (1, 2)
    model.pop()
    assert model.layers == [first] and model.output_shape == (None, 4)
    assert model.predict(np.zeros((1, 3))).shape == (1, 4)
    model.add(Dense(5))
    model.compile("sgd", "mse")
    assert model.predict(np.zeros((1, 3))).shape == (1, 5)
    model.pop()
    model.pop()
    with pytest.raises(TypeError, match="no layers"):
        model.pop()


def test_late_building():
    model = Sequential([Dense(4), Activation("relu"), Dense(2)])
    assert not model.built and len(model.layers) == 3
    with pytest.raises(ValueError, match="not yet been built"):
        model.summary()
    with pytest.raises(ValueError, match="input_shape"):
        model.build()
    model.build((None, 3))
    assert model.output_shape == (None, 2) and len(model.get_weights()) == 4
    again = Sequential.from_config(model.get_config())
    assert again.output_shape == (None, 2)


def test_compile_before_the_input_is_known():
    model = Sequential([Dense(4), Dense(2)])
    model.compile("sgd", "mse", metrics=["mae"])
    x, y = np.ones((6, 3)), np.zeros((6, 2))
    history = model.fit(x, y, validation_split=0.5, epochs=2, verbose=0)
    assert list(history.history) == ["loss", "mae", "val_loss", "val_mae"] and model.input_shape == (None, 3)
    other = Sequential([Dense(2)])
    other.compile("sgd", "mse")
    assert np.isfinite(other.train_on_batch(x, y)) and other.built


def test_late_building_by_data_and_by_call():
    model = Sequential([Dense(4)])
    assert model.predict(np.zeros((2, 3))).shape == (2, 4)
    other = Sequential([Dense(4)])
    y = other(Input((6,)))
    assert y._keras_shape == (None, 4) and other.input_shape == (None, 6)


def test_what_cannot_be_added():
    model = Sequential()
    with pytest.raises(TypeError, match="instance of class Layer.*not the class"):
        model.add(Dense)
    model.add(Dense(2, input_dim=3, name="d"))
    with pytest.raises(ValueError, match="already has a layer named 'd'"):
        model.add(Dense(2, name="d"))


def test_predict_classes_and_proba():
    model = Sequential([Dense(3, activation="softmax", input_dim=4)])
    x = np.random.default_rng(0).normal(size=(7, 4))
    proba = model.predict_proba(x)
    np.testing.assert_allclose(proba.sum(1), 1, rtol=1e-5)
    np.testing.assert_array_equal(model.predict_classes(x), proba.argmax(1))
    binary = Sequential([Dense(1, activation="sigmoid", input_dim=4)])
    np.testing.assert_array_equal(binary.predict_classes(x), (binary.predict(x) > 0.5).astype("int32"))
    linear = Sequential([Dense(1, weights=[np.ones((4, 1)), [5.0]], input_dim=4)])
    with pytest.warns(UserWarning, match="invalid probability"):
        linear.predict_proba(np.ones((2, 4)))


def test_a_config_that_is_a_bare_list():
    model = Sequential([Dense(4, input_dim=3), Dense(2)])
    again = Sequential.from_config(model.get_config()["layers"])
    assert again.output_shape == (None, 2)


def test_nested_sequential():
    inner = Sequential([Dense(4, input_dim=3)])
    model = Sequential([inner, Dense(2)])
    assert model.input_shape == (None, 3) and model.output_shape == (None, 2)
    x = np.random.default_rng(0).normal(size=(5, 3))
    kernel, bias = model.layers[1].get_weights()
    np.testing.assert_allclose(model.predict(x), inner.predict(x) @ kernel + bias, rtol=1e-5, atol=1e-6)
    again = Sequential.from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


@pytest.mark.parametrize("kind", ["placeholder", "variable", "input"])
def test_set_input_of_the_first_layer(kind):
    data = np.arange(12, dtype="float32").reshape(3, 4)
    tensor = {"placeholder": lambda: K.placeholder((None, 4)), "variable": lambda: K.variable(data),
              "input": lambda: Input((4,))}[kind]()
    first = Dense(3, activation="tanh")
    first.set_input(tensor)
    model = Sequential([first, Dense(2)])
    hidden = np.tanh(data @ first.get_weights()[0] + first.get_weights()[1])
    want = hidden @ model.layers[1].get_weights()[0] + model.layers[1].get_weights()[1]
    got = model.predict(None, steps=1) if kind == "variable" else model.predict(data)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)  # sums of numbers near 1 may cancel
    run = K.function([] if kind == "variable" else [tensor], [model.output])
    np.testing.assert_allclose(run([] if kind == "variable" else [data])[0], want, rtol=1e-5)
    with pytest.raises(RuntimeError, match="has an input already"):
        first.set_input(tensor)
