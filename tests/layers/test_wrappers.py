"""TimeDistributed, Bidirectional and Embedding against what they stand for."""

import numpy as np
import pytest

from symgraph import backend as K
from symgraph.engine import Input, Model, Sequential
from symgraph.layers import (
    GRU,
    LSTM,
    RNN,
    Add,
    BatchNormalization,
    Bidirectional,
    Concatenate,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePooling1D,
    Lambda,
    LSTMCell,
    Masking,
    MultiHeadAttention,
    SimpleRNN,
    TimeDistributed,
)
from symgraph.runtime import executor

RNG = np.random.default_rng(1)
X = RNG.normal(size=(3, 5, 4)).astype("float32")
MASK = np.array([[1, 1, 1, 0, 0], [0, 0, 1, 1, 1], [1, 0, 1, 1, 0]], bool)


@pytest.fixture(autouse=True)
def on_the_reference_executor():
    with executor.use("numpy"):
        yield


# ------------------------------------------------------------------------------------------- TimeDistributed


def test_dense_at_each_step():
    layer = TimeDistributed(Dense(8, activation="tanh"), input_shape=(5, 4))
    model = Sequential([layer])
    assert model.output_shape == (None, 5, 8)
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(model.predict(X), np.tanh(X @ kernel + bias), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(None, 10, 7, 6, 3), (None, None, 7, 6, 3), (2, 10, 7, 6, 3)])
def test_convolution_of_each_image(shape):
    inner = Conv2D(2, 3)
    x = Input(batch_shape=shape)
    model = Model(x, TimeDistributed(inner)(x))
    data = RNG.normal(size=(2, 10, 7, 6, 3)).astype("float32")
    single = Input((7, 6, 3))
    each = Model(single, inner(single))
    want = np.stack([each.predict(data[:, t]) for t in range(10)], 1)
    np.testing.assert_allclose(model.predict(data), want, rtol=1e-5, atol=1e-6)


def test_a_whole_model_at_each_step():
    image = Input((3, 2))
    encoder = Model(image, Dense(4)(Flatten()(image)))
    x = Input((None, 3, 2))
    model = Model(x, TimeDistributed(encoder)(x))
    assert model.output_shape == (None, None, 4)
    data = RNG.normal(size=(2, 5, 3, 2)).astype("float32")
    want = np.stack([encoder.predict(data[:, t]) for t in range(5)], 1)
    np.testing.assert_allclose(model.predict(data), want, rtol=1e-5, atol=1e-6)
    assert len(model.trainable_weights) == 2


def test_what_the_inner_layer_adds_counts():
    layer = TimeDistributed(BatchNormalization(), input_shape=(5, 4))
    model = Sequential([layer])
    assert len(model.updates) == 2
    model.compile("sgd", "mse")
    model.train_on_batch(X, X)
    mean = model.get_weights()[2]
    np.testing.assert_allclose(mean, 0.01 * X.mean((0, 1)), rtol=1e-4, atol=1e-6)
    model = Sequential([TimeDistributed(Dense(2, kernel_regularizer="l2", activity_regularizer="l1"),
                                        input_shape=(5, 4))])
    model.compile("sgd", "mse")
    kernel, _ = model.get_weights()
    y = model.predict(X)
    want = (y ** 2).mean() + 0.01 * (kernel ** 2).sum() + 0.01 * np.abs(y).sum()
    assert model.evaluate(X, np.zeros_like(y), batch_size=3, verbose=0) == pytest.approx(want, rel=1e-5)


def test_dropout_in_time_distributed_knows_the_phase():
    x = Input((5, 40))
    function = K.function([x, K.learning_phase()], [TimeDistributed(Dropout(0.5))(x)])
    ones = np.ones((2, 5, 40))
    np.testing.assert_array_equal(function([ones, 0])[0], ones)
    assert set(np.unique(function([ones, 1])[0])) == {0, 2}


def test_masks_through_time_distributed():
    words = Input((3, 2))
    inner = TimeDistributed(Embedding(6, 4, mask_zero=True))
    embedded = inner(words)
    mask = inner.get_output_mask_at(0)
    data = np.array([[[1, 0], [0, 0], [2, 3]]])
    np.testing.assert_array_equal(K.function([words], [mask])([data])[0], data != 0)
    assert K.int_shape(embedded) == (None, 3, 2, 4)
    outer = TimeDistributed(Dense(2))
    outer(Masking()(Input((5, 4))))
    assert outer.get_output_mask_at(0) is not None


def test_several_inputs_at_each_step():
    """A model of two inputs and two outputs, and layers that take lists, step by step."""
    image, word = Input((3, 2)), Input((4,))
    joined = Concatenate()([Flatten()(image), word])
    encoder = Model([image, word], [Dense(3)(joined), Dense(2)(word)])
    images, words = Input((None, 3, 2)), Input((5, 4))
    both = TimeDistributed(encoder)([images, words])
    model = Model([images, words], both)
    assert model.output_shape == [(None, None, 3), (None, None, 2)]
    data = [RNG.normal(size=(2, 5, 3, 2)).astype("float32"), RNG.normal(size=(2, 5, 4)).astype("float32")]
    found = model.predict(data)
    for t in range(5):
        for got, want in zip(found, encoder.predict([one[:, t] for one in data])):
            np.testing.assert_allclose(got[:, t], want, rtol=1e-5, atol=1e-6)
    again = Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(data)[0], found[0])
    layer = TimeDistributed(Add())
    masked = layer([Masking()(words), words])
    assert layer.compute_output_shape([(None, 5, 4), (None, 5, 4)]) == (None, 5, 4)
    data[1][0, 2] = 0
    mask = K.function([words], [layer.get_output_mask_at(0)])([data[1]])[0]
    np.testing.assert_array_equal(mask, (data[1] != 0).any(-1))
    np.testing.assert_allclose(Model(words, masked).predict(data[1]), 2 * data[1], rtol=1e-6)
    attention = TimeDistributed(MultiHeadAttention(2, 3))([Input((5, 3, 4)), Input((5, 6, 4))])
    assert K.int_shape(attention) == (None, 5, 3, 4)
    with pytest.raises(ValueError, match="the inputs have different numbers of time steps"):
        TimeDistributed(Add())([Input((5, 4)), Input((6, 4))])


def test_constraints_of_both_directions():
    layer = Bidirectional(LSTM(2, kernel_constraint="max_norm", recurrent_constraint="unit_norm"))
    layer(Input((5, 4)))
    assert len(layer.constraints) == 4
    assert {type(one).__name__ for one in layer.constraints.values()} == {"MaxNorm", "UnitNorm"}
    assert Bidirectional(LSTM(2)).constraints == {}


def test_refusals():
    with pytest.raises(TypeError, match="expected a layer"):
        TimeDistributed(Dense(2)(Input((4,))))
    with pytest.raises(ValueError, match="at least 3 dimensions"):
        TimeDistributed(Dense(2))(Input((4,)))
    with pytest.raises(ValueError, match="`merge_mode` must be"):
        Bidirectional(LSTM(2), merge_mode="max")
    with pytest.raises(ValueError, match="is not recurrent"):
        Bidirectional(Dense(2))


# --------------------------------------------------------------------------------------------- Bidirectional


def two_layers(kind, weights, sequences=True, mask=None, **arguments):
    """What a forward and a backward layer give, and their states."""
    x, m = Input((5, 4)), Input((5,), dtype="bool")
    results = []
    for half, backwards in ((weights[:len(weights) // 2], False), (weights[len(weights) // 2:], True)):
        layer = kind(6, return_sequences=sequences, return_state=True, go_backwards=backwards, **arguments)
        out = layer(x, mask=m) if mask is not None else layer(x)
        layer.set_weights(half)
        results.append(K.function([x, m], out)([X, MASK if mask is None else mask]))
    forward, backward = results
    return forward[0], backward[0][:, ::-1] if sequences else backward[0], [*forward[1:], *backward[1:]]


MERGES = {"concat": lambda a, b: np.concatenate([a, b], -1), "sum": lambda a, b: a + b, "mul": lambda a, b: a * b,
          "ave": lambda a, b: (a + b) / 2}


@pytest.mark.parametrize("sequences", [True, False])
@pytest.mark.parametrize("mode", sorted(MERGES))
def test_merge_modes(mode, sequences):
    layer = Bidirectional(GRU(6, return_sequences=sequences), merge_mode=mode)
    x = Input((5, 4))
    model = Model(x, layer(x))
    forward, backward, _ = two_layers(GRU, layer.get_weights(), sequences)
    np.testing.assert_allclose(model.predict(X), MERGES[mode](forward, backward), rtol=1e-5, atol=1e-6)


def test_both_outputs_and_states():
    x = Input((5, 4))
    layer = Bidirectional(LSTM(6, return_sequences=True, return_state=True), merge_mode=None)
    outputs = layer(x)
    forward, backward, states = two_layers(LSTM, layer.get_weights())
    for got, want in zip(K.function([x], outputs)([X]), [forward, backward, *states]):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_masks_of_both_directions():
    x = Input((5, 4))
    layer = Bidirectional(LSTM(6, return_sequences=True))
    model = Model(x, layer(Masking(9.0)(x)))
    assert layer.get_output_mask_at(0) is not None
    forward, backward, _ = two_layers(LSTM, layer.get_weights(), mask=MASK)
    got = model.predict(np.where(MASK[:, :, None], X, 9.0))
    np.testing.assert_allclose(got, np.concatenate([forward, backward], -1), rtol=1e-5, atol=1e-6)


def test_initial_states_of_both_directions():
    x = Input((5, 4))
    starts = [Input((6,)) for _ in range(4)]
    layer = Bidirectional(LSTM(6, return_state=True))
    model = Model([x, *starts], layer(x, initial_state=starts)[0])
    values = [RNG.normal(size=(3, 6)).astype("float32") for _ in range(4)]
    weights = layer.get_weights()
    halves = []
    for half, states, backwards in ((weights[:3], values[:2], False), (weights[3:], values[2:], True)):
        one = LSTM(6, go_backwards=backwards)
        output = one([x, *starts[:2]])
        one.set_weights(half)
        halves.append(K.function([x, *starts[:2]], [output])([X, *states])[0])
    np.testing.assert_allclose(model.predict([X, *values]), np.concatenate(halves, -1), rtol=1e-5, atol=1e-6)
    again = Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_allclose(again.predict([X, *values]), np.concatenate(halves, -1), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="even number of initial states"):
        Bidirectional(LSTM(6))(x, initial_state=starts[:3])


def test_stateful_in_both_directions():
    layer = Bidirectional(SimpleRNN(6, stateful=True), batch_input_shape=(3, 5, 4))
    model = Sequential([layer])
    first, second = model.predict(X, batch_size=3), model.predict(X, batch_size=3)
    assert not np.allclose(first, second)
    model.reset_states()
    np.testing.assert_array_equal(model.predict(X, batch_size=3), first)
    assert model.stateful


def test_layers_of_both_directions_have_names_and_weights():
    layer = Bidirectional(LSTM(6, name="memory"), weights=[np.full(s, v) for v in (1.0, 2.0)
                                                           for s in ((4, 24), (6, 24), (24,))])
    layer(Input((5, 4)))
    assert [layer.forward_layer.name, layer.backward_layer.name] == ["forward_memory", "backward_memory"]
    assert [float(w.max()) for w in layer.get_weights()] == [1, 1, 1, 2, 2, 2]
    layer.trainable = False
    assert not layer.trainable_weights and len(layer.non_trainable_weights) == 6


def test_a_stack_of_cells_in_both_directions():
    class Own(LSTMCell):
        pass

    x = Input((5, 4))
    model = Model(x, Bidirectional(RNN([Own(3), Own(2)]))(x))
    assert model.output_shape == (None, 4)
    assert len(model.weights) == 12


# ------------------------------------------------------------------------------------------------ Embedding


def test_embedding():
    layer = Embedding(7, 3, input_length=4)
    model = Sequential([layer, Flatten()])
    assert model.output_shape == (None, 12)
    data = RNG.integers(0, 7, (5, 4))
    np.testing.assert_array_equal(model.predict(data), layer.get_weights()[0][data].reshape(5, 12))
    model.compile("sgd", "mse")
    before = layer.get_weights()[0]
    model.train_on_batch(np.zeros((1, 4)), np.zeros((1, 12)))
    after = layer.get_weights()[0]
    np.testing.assert_array_equal(before[1:], after[1:])
    np.testing.assert_allclose(after[0], before[0] - 0.01 * 4 * 2 * before[0] / 12, rtol=1e-5)


def test_embedding_of_tables_and_errors():
    x = Input((2, 3), dtype="int32")
    model = Model(x, Embedding(5, 4)(x))
    assert model.output_shape == (None, 2, 3, 4)
    with pytest.raises(Exception, match="5"):
        model.predict(np.full((1, 2, 3), 5))
    with pytest.raises(ValueError, match="`input_length` is 10, but received input has shape"):
        Embedding(5, 4, input_length=10)(Input((4,)))
    with pytest.raises(ValueError, match="`input_dim` must be a positive integer"):
        Embedding(0, 4)


def test_average_of_the_steps_that_count():
    model = Sequential([Embedding(6, 3, mask_zero=True), GlobalAveragePooling1D()])
    data = np.array([[1, 2, 0, 0], [5, 4, 3, 0]])
    got = model.predict(data)
    table = model.get_weights()[0]
    want = np.stack([table[row[row > 0]].mean(0) for row in data])
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-7)
    with pytest.raises(TypeError, match="does not support masking"):
        Flatten()(Embedding(6, 3, mask_zero=True)(Input((4,))))
    assert K.int_shape(Flatten()(Lambda(lambda t: t)(Embedding(6, 3, mask_zero=True)(Input((4,)))))) == (None, 12)
