"""Networks: functional models, sharing, nesting, configurations, summaries."""

import json

import numpy as np
import pytest

from symgraph import backend as K
from symgraph.engine import Input, Model, Sequential, get_source_inputs
from symgraph.layers import (
    Activation,
    Add,
    BatchNormalization,
    Concatenate,
    Dense,
    Dropout,
    Flatten,
    Lambda,
    Reshape,
    add,
)
from symgraph.models import clone_model, model_from_json, model_from_yaml


def branched():
    a, b = Input((4,), name="a"), Input((3,), name="b")
    shared = Dense(5, activation="tanh", name="shared")
    left = shared(a)
    right = shared(Dense(4, name="adapt")(b))
    joined = Concatenate(name="joined")([left, right])
    first = Dense(2, name="first")(joined)
    second = Dense(1, name="second")(Add(name="sum")([left, right]))
    return Model([a, b], [first, second], name="branched")


def data(rows=6):
    rng = np.random.default_rng(0)
    return [rng.normal(size=(rows, 4)), rng.normal(size=(rows, 3))]


def by_hand(model, a, b):
    weights = {layer.name: [w.astype("float64") for w in layer.get_weights()] for layer in model.layers}

    def dense(name, x):
        kernel, bias = weights[name]
        return x @ kernel + bias

    left = np.tanh(dense("shared", a))
    right = np.tanh(dense("shared", dense("adapt", b)))
    return dense("first", np.concatenate([left, right], -1)), dense("second", left + right)


def test_a_branched_model_computes_what_it_says():
    model = branched()
    x = data()
    for got, want in zip(model.predict(x), by_hand(model, *x)):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    assert model.input_names == ["a", "b"] and model.output_names == ["first", "second"]
    assert model.input_shape == [(None, 4), (None, 3)] and model.output_shape == [(None, 2), (None, 1)]
    assert model.count_params() == 4 * 5 + 5 + 3 * 4 + 4 + 10 * 2 + 2 + 5 + 1


def test_layer_order_is_from_inputs_to_outputs():
    names = [layer.name for layer in branched().layers]
    assert names == ["b", "a", "adapt", "shared", "joined", "sum", "first", "second"]


def test_get_layer():
    model = branched()
    assert model.get_layer("shared") is model.get_layer(index=3)
    with pytest.raises(ValueError, match="No such layer: nope.*shared"):
        model.get_layer("nope")
    with pytest.raises(ValueError, match="index 99.*8 layers"):
        model.get_layer(index=99)
    with pytest.raises(ValueError, match="name or layer index"):
        model.get_layer()


@pytest.mark.parametrize("through", ["config", "json", "yaml", "clone"])
def test_round_trips(through):
    model = branched()
    again = {
        "config": lambda: Model.from_config(model.get_config()),
        "json": lambda: model_from_json(model.to_json()),
        "yaml": lambda: model_from_yaml(model.to_yaml()),
        "clone": lambda: clone_model(model),
    }[through]()
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
    assert json.dumps(again.get_config(), default=str) == json.dumps(model.get_config(), default=str)
    again.set_weights(model.get_weights())
    for got, want in zip(again.predict(data()), model.predict(data())):
        np.testing.assert_array_equal(got, want)
    assert not any(a is b for a in again.weights for b in model.weights)


def test_a_model_is_a_layer():
    inner = Sequential([Dense(3, input_shape=(4,), name="d1"), Dropout(0.5), Dense(2, name="d2")], name="inner")
    a, b = Input((4,)), Input((4,))
    outer = Model([a, b], add([inner(a), inner(b)]))
    x, y = np.random.default_rng(1).normal(size=(2, 5, 4))
    want = inner.predict(x) + inner.predict(y)
    np.testing.assert_allclose(outer.predict([x, y]), want, rtol=1e-5, atol=1e-6)
    assert len(outer.trainable_weights) == 4 and outer.count_params() == inner.count_params()
    again = Model.from_config(outer.get_config())
    again.set_weights(outer.get_weights())
    np.testing.assert_allclose(again.predict([x, y]), want, rtol=1e-5, atol=1e-6)
    nested = outer.get_config()["layers"]
    calls = next(entry["inbound_nodes"] for entry in nested if entry["name"] == "inner")
    assert len(calls) == 2
    origin = next(entry["inbound_nodes"] for entry in nested if entry["class_name"] == "Add")
    assert [source[1] for source in origin[0]] == [1, 2]  # a network's own node is its number 0


def test_training_through_a_shared_model_changes_it():
    inner = Sequential([Dense(2, input_shape=(4,))])
    x = Input((4,))
    outer = Model(x, Dense(1)(inner(x)))
    outer.compile("sgd", "mse")
    before = inner.get_weights()[0]
    outer.train_on_batch(np.ones((3, 4)), np.ones((3, 1)))
    assert np.abs(inner.get_weights()[0] - before).max() > 0


def test_updates_belong_to_the_calls_of_the_model():
    shared = BatchNormalization(momentum=0.5)
    a, b = Input((2,)), Input((2,))
    one = Model(a, shared(a))
    both = Model([a, b], add([shared(a), shared(b)]))
    assert len(one.updates) == 2 and len(both.updates) == 4  # the two calls on `a` are one computation
    x, y = np.random.default_rng(2).normal(size=(2, 8, 2)) + 3
    one.compile("sgd", "mse")
    shared.set_weights([np.ones(2), np.zeros(2), np.zeros(2), np.ones(2)])
    one.train_on_batch(x, x)
    np.testing.assert_allclose(shared.get_weights()[2], 0.5 * x.mean(0), rtol=1e-4)
    both.compile("sgd", "mse")
    shared.set_weights([np.ones(2), np.zeros(2), np.zeros(2), np.ones(2)])
    both.train_on_batch([x, y], x)
    means = shared.get_weights()[2]
    orders = [0.25 * x.mean(0) + 0.5 * y.mean(0), 0.25 * y.mean(0) + 0.5 * x.mean(0)]  # one after the other
    assert any(np.allclose(means, want, rtol=1e-4) for want in orders)


def test_a_nested_batch_normalization_learns_its_statistics():
    inner = Sequential([BatchNormalization(momentum=0.5, input_shape=(2,))])
    x = Input((2,))
    outer = Model(x, inner(x))
    outer.compile("sgd", "mse")
    values = np.random.default_rng(3).normal(size=(8, 2)) + 2
    outer.train_on_batch(values, values)
    np.testing.assert_allclose(inner.layers[0].get_weights()[2], 0.5 * values.mean(0), rtol=1e-4)
    inner.layers[0].trainable = False
    outer.compile("sgd", "mse")
    before = inner.get_weights()
    outer.train_on_batch(values, values)
    for a, b in zip(before, inner.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_freezing_keeps_the_order_of_weights():
    inner = Sequential([Dense(2, input_shape=(3,), name="x"), BatchNormalization(name="y"), Dense(2, name="z")])
    names = [w.name for w in inner.weights]
    inner.layers[0].trainable = False
    assert [w.name for w in inner.weights] == names
    assert [w.name for w in inner.trainable_weights] == ["y/gamma:0", "y/beta:0", "z/kernel:0", "z/bias:0"]
    inner.trainable = False
    assert inner.trainable_weights == [] and len(inner.non_trainable_weights) == 8


def test_disconnected_graphs():
    a, b = Input((3,), name="a"), Input((3,), name="b")
    out = add([a, b])
    with pytest.raises(ValueError, match="Graph disconnected.*'b'.*Add it"):
        Model(a, out)
    with pytest.raises(ValueError, match="must be the output of a layer.*Lambda"):
        Model(a, K.square(Dense(2)(a)))
    with pytest.raises(ValueError, match="must come from `Input`"):
        hidden = Dense(2)(a)
        Model(hidden, Dense(1)(hidden))
    with pytest.raises(ValueError, match="redundant"):
        Model([a, a], Dense(2)(a))
    with pytest.raises(ValueError, match="'same' is used 2 times"):
        Model(a, Dense(2, name="same")(Dense(2, name="same")(a)))


def test_intermediate_outputs_share_their_layers():
    x = Input((4,))
    hidden = Dense(3, activation="relu")(x)
    full = Model(x, Dense(1)(hidden))
    encoder = Model(x, hidden)
    values = np.random.default_rng(4).normal(size=(5, 4))
    kernel, bias = full.layers[1].get_weights()
    np.testing.assert_allclose(encoder.predict(values), np.maximum(values @ kernel + bias, 0), rtol=1e-5, atol=1e-6)
    assert get_source_inputs(full.outputs[0]) == [x]


def test_a_very_deep_model():
    x = Input((2,))
    y = x
    for _ in range(1500):  # deeper than Python's own stack
        y = Activation("linear")(y)
    model = Model(x, y)
    assert len(model.layers) == 1501


def test_an_input_tensor_of_ones_own():
    tensor = K.placeholder((None, 3))
    x = Input(tensor=tensor)
    model = Model(x, Dense(2)(x))
    assert model.input_shape == (None, 3)


def test_lambda_in_a_configuration():
    x = Input((3,))
    model = Model(x, Lambda(lambda t: t * 2.0)(x))
    again = Model.from_config(model.get_config())  # made in this process: the function is known
    np.testing.assert_array_equal(again.predict(np.ones((1, 3))), [[2, 2, 2]])
    text = model.to_json().replace('"function": ["', '"function": ["AAAA')
    with pytest.raises(ValueError, match="byte code.*refused"):
        model_from_json(text)


def test_custom_objects():
    class Mine(Dense):
        pass

    model = Sequential([Mine(2, input_shape=(3,))])
    with pytest.raises(ValueError, match="(?s)Mine.*custom_objects={'Mine'"):
        model_from_json(model.to_json())
    assert isinstance(model_from_json(model.to_json(), {"Mine": Mine}).layers[0], Mine)


def test_summary():
    lines = []
    branched().summary(print_fn=lines.append)
    text = "\n".join(lines)
    assert "Connected to" in text and "shared[1][0]" in text
    assert lines[0] == 'Model: "branched"' and "Total params: 69" in text
    assert max(map(len, lines)) == 98
    lines.clear()
    Sequential([Flatten(input_shape=(2, 3)), Dense(4)]).summary(line_length=80, print_fn=lines.append)
    assert max(map(len, lines)) == 80 and "Connected to" not in "\n".join(lines)
    assert "Trainable params: 28" in "\n".join(lines)


def test_reshape_between_calls_of_other_batch_sizes():
    x = Input((6,))
    model = Model(x, Reshape((2, 3))(x))
    for rows in (1, 4, 7):
        assert model.predict(np.zeros((rows, 6))).shape == (rows, 2, 3)


def test_a_model_that_is_called_elsewhere_keeps_its_own_ends():
    x = Input((3,))
    y = Dense(2)(x)
    model = Model(x, y)
    model(Input((3,)))
    assert model.input is x and model.output is y and len(model._inbound_nodes) == 2
