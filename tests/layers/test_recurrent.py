"""Recurrent layers against loops in NumPy, and what goes around them: states, masks, constants, cells of one's own."""

import numpy as np
import pytest

from symgraph import backend as K
from symgraph.engine import Input, Layer, Model, Sequential
from symgraph.layers import (
    GRU,
    LSTM,
    RNN,
    CuDNNGRU,
    CuDNNLSTM,
    Dense,
    Embedding,
    GRUCell,
    LSTMCell,
    Masking,
    SimpleRNN,
    SimpleRNNCell,
    StackedRNNCells,
)
from symgraph.runtime import executor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 5, 4)).astype("float32")
#: Steps that count: one sample is padded at the end, one at the front, one has a hole.
MASK = np.array([[1, 1, 1, 0, 0], [0, 0, 1, 1, 1], [1, 0, 1, 1, 0]], bool)


@pytest.fixture(autouse=True)
def on_the_reference_executor():
    """The values are the same on every executor (see the contract); these tests need no compilation."""
    with executor.use("numpy"):
        yield


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def simple(x, states, w, units):
    h = np.tanh(x @ w[0] + states[0] @ w[1] + w[2])
    return h, [h]


def gru(x, states, w, units):
    h = states[0]
    px = x @ w[0] + w[2]
    ph = h @ w[1][:, :2 * units]
    z, r = (sigmoid(px[:, k * units:(k + 1) * units] + ph[:, k * units:(k + 1) * units]) for k in (0, 1))
    new = np.tanh(px[:, 2 * units:] + (r * h) @ w[1][:, 2 * units:])
    h = z * h + (1 - z) * new
    return h, [h]


def gru_reset_after(x, states, w, units):
    h = states[0]
    px, ph = x @ w[0] + w[2][0], h @ w[1] + w[2][1]
    z, r = (sigmoid(px[:, k * units:(k + 1) * units] + ph[:, k * units:(k + 1) * units]) for k in (0, 1))
    h = z * h + (1 - z) * np.tanh(px[:, 2 * units:] + r * ph[:, 2 * units:])
    return h, [h]


def lstm(x, states, w, units):
    i, f, c, o = np.split(x @ w[0] + states[0] @ w[1] + w[2], 4, axis=1)
    c = sigmoid(f) * states[1] + sigmoid(i) * np.tanh(c)
    h = sigmoid(o) * np.tanh(c)
    return h, [h, c]


def loop(step, x, weights, units, count, states=None, mask=None, backwards=False):
    """All outputs (in the order in which they are computed) and the final states."""
    x = x.astype("float64")
    states = [np.zeros((len(x), units))] * count if states is None else states
    output, outputs = np.zeros((len(x), units)), []
    for t in list(range(x.shape[1]))[::-1 if backwards else 1]:
        new, new_states = step(x[:, t], states, weights, units)
        kept = np.ones((len(x), 1), bool) if mask is None else mask[:, t, None]
        output = np.where(kept, new, output)
        states = [np.where(kept, a, b) for a, b in zip(new_states, states)]
        outputs.append(output)
    return np.stack(outputs, 1), states


KINDS = [(SimpleRNN, {}, simple, 1), (GRU, {}, gru, 1), (GRU, {"reset_after": True}, gru_reset_after, 1),
         (LSTM, {}, lstm, 2)]


def randomised(layer):
    layer.set_weights([RNG.normal(size=w.shape) * 0.5 for w in layer.get_weights()])
    return layer.get_weights()


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("kind, arguments, step, count", KINDS)
def test_against_a_loop(kind, arguments, step, count, masked, backwards):
    x, mask = Input((5, 4)), Input((5,), dtype="bool")
    layer = kind(6, return_sequences=True, return_state=True, go_backwards=backwards, **arguments)
    results = layer(x, mask=mask) if masked else layer(x)
    function = K.function([x, mask], results)
    weights = randomised(layer)
    sequence, *states = function([X, MASK])
    want, want_states = loop(step, X, weights, 6, count, mask=MASK if masked else None, backwards=backwards)
    np.testing.assert_allclose(sequence, want, rtol=1e-4, atol=1e-5)
    for got, expected in zip(states, want_states):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    last = kind(6, go_backwards=backwards, **arguments)
    output = last(x, mask=mask) if masked else last(x)
    last.set_weights(weights)
    np.testing.assert_allclose(K.function([x, mask], [output])([X, MASK])[0], want[:, -1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind, arguments, step, count", KINDS)
def test_time_of_any_length(kind, arguments, step, count):
    layer = kind(6, **arguments)
    model = Sequential([layer])
    model.build((None, None, 4))
    weights = randomised(layer)
    for length in (1, 5, 3):
        want = loop(step, X[:, :length], weights, 6, count)[0][:, -1]
        np.testing.assert_allclose(model.predict(X[:, :length]), want, rtol=1e-4, atol=1e-5)


def test_weights_have_the_shapes_and_names_of_keras():
    layer = LSTM(6, name="memory")
    layer(Input((5, 4)))
    assert [(w.name, K.int_shape(w)) for w in layer.weights] == [
        ("memory/kernel:0", (4, 24)), ("memory/recurrent_kernel:0", (6, 24)), ("memory/bias:0", (24,))]
    np.testing.assert_array_equal(layer.get_weights()[2], [0] * 6 + [1] * 6 + [0] * 12)
    layer = GRU(6, reset_after=True)
    layer(Input((5, 4)))
    assert [w.shape for w in layer.get_weights()] == [(4, 18), (6, 18), (2, 18)]
    assert LSTM(3).get_config()["recurrent_activation"] == GRU(3).get_config()["recurrent_activation"] == "sigmoid"


# --------------------------------------------------------------------------------------------------- dropout


@pytest.mark.parametrize("implementation", [1, 2])
@pytest.mark.parametrize("kind", [GRU, LSTM])
def test_dropout_drops_the_same_at_each_step(kind, implementation):
    x = Input((6, 20))
    layer = kind(20, dropout=0.5, implementation=implementation, use_bias=False)
    layer(x)
    kernel, recurrent = layer.get_weights()
    gates = kernel.shape[1] // 20
    layer.set_weights([np.hstack([np.eye(20)] * gates), recurrent])  # each gate then sees the input as it was left
    layer.cell.prepare(x, 20)
    projected = layer.cell.project(K.permute_dimensions(x, (1, 0, 2)))
    function = K.function([x, K.learning_phase()], [K.permute_dimensions(projected, (1, 0, 2))])
    layer.cell.release()
    data = np.ones((3, 6, 20), "float32")
    trained = function([data, 1])[0]
    np.testing.assert_array_equal(trained, np.repeat(trained[:, :1], 6, axis=1))
    assert set(np.unique(trained)) == {0.0, 2.0}
    blocks = np.split(trained, gates, axis=-1)
    assert all(np.array_equal(block, blocks[0]) for block in blocks) == (implementation == 2)
    assert not np.array_equal(trained, function([data, 1])[0])  # another mask at each call
    np.testing.assert_array_equal(function([data, 0])[0], 1.0)


@pytest.mark.parametrize("implementation", [1, 2])
@pytest.mark.parametrize("kind", [SimpleRNN, GRU, LSTM])
def test_dropout_only_in_training(kind, implementation):
    more = {} if kind is SimpleRNN else {"implementation": implementation}
    x = Input((5, 4))
    layer = kind(6, dropout=0.4, recurrent_dropout=0.4, **more)
    function = K.function([x, K.learning_phase()], [layer(x)])
    plain = kind(6)
    reference = K.function([x], [plain(x)])
    plain.set_weights(layer.get_weights())
    np.testing.assert_allclose(function([X, 0])[0], reference([X])[0], rtol=1e-5, atol=1e-6)
    first, second = function([X, 1])[0], function([X, 1])[0]
    assert not np.allclose(first, reference([X])[0]) and not np.allclose(first, second)


def test_recurrent_dropout_of_a_simple_rnn():
    """With an identity as recurrent kernel the state doubles at each step, or is forgotten: nothing between."""
    x = Input((4, 1))
    layer = SimpleRNN(50, activation="linear", recurrent_dropout=0.5, kernel_initializer="ones",
                      recurrent_initializer="identity")
    output = K.function([x, K.learning_phase()], [layer(x)])([np.ones((2, 4, 1)), 1])[0]
    assert set(np.unique(output)) == {1.0, 15.0}  # 1 + 2 * (1 + 2 * (1 + 2))


def test_dropout_in_a_cell_of_a_stack():
    x = Input((5, 4))
    layer = RNN([LSTMCell(3, dropout=0.5), GRUCell(2, recurrent_dropout=0.5)])
    function = K.function([x, K.learning_phase()], [layer(x)])
    np.testing.assert_array_equal(function([X, 0])[0], function([X, 0])[0])
    assert not np.allclose(function([X, 1])[0], function([X, 1])[0])


def test_bad_arguments():
    with pytest.raises(ValueError, match="`units` must be a positive integer, got 0"):
        LSTM(0)
    with pytest.raises(ValueError, match="`dropout` is a part from 0 to 1, got 3"):
        GRU(2, dropout=3)
    with pytest.raises(ValueError, match="`implementation` must be 1 or 2, got 5"):
        LSTM(2, implementation=5)
    with pytest.raises(ValueError, match="last dimension of the input must be known"):
        GRU(2)(Input((5, None)))
    with pytest.raises(ValueError, match="expected ndim=3, found ndim=2"):
        LSTM(2)(Input((5,)))
    with pytest.raises(ValueError, match="cannot unroll"):
        LSTM(2, unroll=True)(Input((None, 4)))
    with pytest.raises(TypeError, match="unknown keyword argument 'unit'"):
        LSTM(2, unit=3)


# ---------------------------------------------------------------------------------------------------- states


@pytest.mark.parametrize("kind, arguments, step, count", KINDS)
def test_stateful(kind, arguments, step, count):
    layer = kind(6, stateful=True, batch_input_shape=(3, 5, 4), **arguments)
    model = Sequential([layer])
    weights = randomised(layer)
    first, states = loop(step, X, weights, 6, count)
    second, _ = loop(step, X, weights, 6, count, states=states)
    np.testing.assert_allclose(model.predict(X, batch_size=3), first[:, -1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.predict(X, batch_size=3), second[:, -1], rtol=1e-4, atol=1e-5)
    model.reset_states()
    np.testing.assert_allclose(model.predict(X, batch_size=3), first[:, -1], rtol=1e-4, atol=1e-5)
    given = [RNG.normal(size=(3, 6)) for _ in range(count)]
    layer.reset_states(given if count > 1 else given[0])
    third, _ = loop(step, X, weights, 6, count, states=given)
    np.testing.assert_allclose(model.predict(X, batch_size=3), third[:, -1], rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match=r"State 0 of layer .* has the shape \(3, 6\).*\(3, 7\)"):
        layer.reset_states([np.zeros((3, 7))] * count)
    with pytest.raises(ValueError, match=f"has {count} states, but `reset_states` got {count + 1}"):
        layer.reset_states([np.zeros((3, 6))] * (count + 1))


def test_stateful_training_advances_the_state():
    model = Sequential([LSTM(2, stateful=True, batch_input_shape=(3, 5, 4)), Dense(1)])
    model.compile("sgd", "mse")
    model.train_on_batch(X, np.zeros((3, 1)))
    assert all(np.abs(K.get_value(state)).max() > 0 for state in model.layers[0].states)
    weights = model.get_weights()
    assert len(weights) == 5  # the states are no weights


def test_stateful_needs_a_batch_size():
    with pytest.raises(ValueError, match="needs to know its batch size"):
        LSTM(2, stateful=True)(Input((5, 4)))
    with pytest.raises(AttributeError, match="must be stateful"):
        LSTM(2).reset_states()
    model = Sequential([LSTM(2, stateful=True, batch_input_shape=(2, 5, 4))])
    with pytest.raises(ValueError, match="divided by the batch size"):
        model.predict(X, batch_size=2)


@pytest.mark.parametrize("kind, arguments, step, count", KINDS)
def test_initial_state_from_layers(kind, arguments, step, count):
    x, starts = Input((5, 4)), [Input((6,)) for _ in range(count)]
    layer = kind(6, **arguments)
    model = Model([x, *starts], layer(x, initial_state=starts))
    weights = randomised(layer)
    given = [RNG.normal(size=(3, 6)).astype("float32") for _ in range(count)]
    want = loop(step, X, weights, 6, count, states=given)[0][:, -1]
    np.testing.assert_allclose(model.predict([X, *given]), want, rtol=1e-4, atol=1e-5)
    again = Model.from_config(model.get_config())
    again.set_weights(weights)
    np.testing.assert_allclose(again.predict([X, *given]), want, rtol=1e-4, atol=1e-5)
    listed = kind(6, **arguments)
    model = Model([x, *starts], listed([x, *starts]))
    listed.set_weights(weights)
    np.testing.assert_allclose(model.predict([X, *given]), want, rtol=1e-4, atol=1e-5)


def test_initial_state_from_a_variable():
    x = Input((5, 4))
    layer = SimpleRNN(6)
    start = RNG.normal(size=(3, 6)).astype("float32")
    output = layer(x, initial_state=K.variable(start))
    want = loop(simple, X, layer.get_weights(), 6, 1, states=[start])[0][:, -1]
    np.testing.assert_allclose(K.function([x], [output])([X])[0], want, rtol=1e-4, atol=1e-5)


def test_encoder_and_decoder():
    source, target = Input((5, 4)), Input((None, 3))
    _, *states = LSTM(6, return_state=True)(source)
    output = LSTM(6, return_sequences=True)(target, initial_state=states)
    model = Model([source, target], output)
    assert model.output_shape == (None, None, 6)
    assert model.predict([X, np.zeros((3, 2, 3))]).shape == (3, 2, 6)


def test_wrong_initial_states():
    x = Input((5, 4))
    with pytest.raises(ValueError, match="not compatible with `cell.state_size`"):
        LSTM(6)(x, initial_state=[Input((6,)), Input((5,))])
    with pytest.raises(ValueError, match="not compatible with `cell.state_size`"):
        LSTM(6)(x, initial_state=[Input((6,))])
    with pytest.raises(ValueError, match="cannot mix them"):
        LSTM(6)(x, initial_state=[Input((6,)), K.variable(np.zeros((3, 6)))])


# ----------------------------------------------------------------------------------------------------- masks


def test_masking_and_embedding_send_masks():
    model = Sequential([Masking(9.0, input_shape=(5, 4)), LSTM(6, return_sequences=True), GRU(3)])
    padded = np.where(MASK[:, :, None], X, 9.0)
    lstm_weights, gru_weights = (layer.get_weights() for layer in model.layers[1:])
    hidden = loop(lstm, np.where(MASK[:, :, None], X, 0), lstm_weights, 6, 2, mask=MASK)[0]
    want = loop(gru, hidden, gru_weights, 3, 1, mask=MASK)[0][:, -1]
    np.testing.assert_allclose(model.predict(padded), want, rtol=1e-4, atol=1e-5)

    numbers = np.array([[3, 1, 2, 0, 0], [1, 2, 0, 0, 0]])
    model = Sequential([Embedding(5, 4, mask_zero=True), SimpleRNN(3)])
    got = model.predict(numbers)
    table, *weights = model.get_weights()
    want = loop(simple, table[numbers], weights, 3, 1, mask=numbers != 0)[0][:, -1]
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_a_lost_mask_raises():
    class Blind(Layer):
        def call(self, inputs):
            return inputs * 2.0

    with pytest.raises(TypeError, match="does not support masking"):
        Blind()(Masking()(Input((5, 4))))
    with pytest.raises(ValueError, match="masking is not supported for CuDNN RNNs"):
        CuDNNLSTM(2)(Masking()(Input((5, 4))))


# ------------------------------------------------------------------------------------------- cells of one's own


class MinimalRNNCell(Layer):
    """The cell of the documentation."""

    def __init__(self, units, **kwargs):
        self.units = units
        self.state_size = units
        super().__init__(**kwargs)

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), initializer="uniform", name="kernel")
        self.recurrent_kernel = self.add_weight(shape=(self.units, self.units), initializer="uniform",
                                                name="recurrent_kernel")
        self.built = True

    def call(self, inputs, states):
        output = K.dot(inputs, self.kernel) + K.dot(states[0], self.recurrent_kernel)
        return output, [output]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def linear(x, states, w, units):
    h = x @ w[0] + states[0] @ w[1]
    return h, [h]


def test_the_cell_of_the_documentation():
    x = Input((None, 4))
    layer = RNN(MinimalRNNCell(6))
    model = Model(x, layer(x))
    want = loop(linear, X, layer.get_weights(), 6, 1)[0][:, -1]
    np.testing.assert_allclose(model.predict(X), want, rtol=1e-4, atol=1e-6)
    again = Model.from_config(model.get_config(), custom_objects={"MinimalRNNCell": MinimalRNNCell})
    again.set_weights(model.get_weights())
    np.testing.assert_allclose(again.predict(X), want, rtol=1e-4, atol=1e-6)
    stacked = RNN([MinimalRNNCell(6), MinimalRNNCell(2)])
    model = Model(x, stacked(x))
    weights = stacked.get_weights()
    hidden = loop(linear, X, weights[:2], 6, 1)[0]
    np.testing.assert_allclose(model.predict(X), loop(linear, hidden, weights[2:], 2, 1)[0][:, -1], rtol=1e-4,
                               atol=1e-6)


def test_a_changed_call_is_what_runs():
    class Doubled(LSTMCell):
        def call(self, inputs, states, training=None):
            return super().call(inputs * 2.0, states, training=training)

    x = Input((5, 4))
    layer = RNN(Doubled(6))
    output = K.function([x], [layer(x)])([X])[0]
    want = loop(lstm, 2 * X, layer.get_weights(), 6, 2)[0][:, -1]
    np.testing.assert_allclose(output, want, rtol=1e-4, atol=1e-5)


class AddingCell(Layer):
    """A cell that reads a constant."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units

    def build(self, input_shape):
        step, constant = input_shape
        self.kernel = self.add_weight(name="kernel", shape=(step[-1], self.units), initializer="uniform")
        self.mix = self.add_weight(name="mix", shape=(constant[-1], self.units), initializer="uniform")
        self.built = True

    def call(self, inputs, states, constants):
        output = K.dot(inputs, self.kernel) + K.dot(constants[0], self.mix) + states[0]
        return output, [output]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def test_constants():
    x, constant = Input((5, 4)), Input((2,))
    layer = RNN(AddingCell(3))
    model = Model([x, constant], layer(x, constants=constant))
    value = RNG.normal(size=(3, 2)).astype("float32")
    kernel, mix = layer.get_weights()
    want = X.sum(1) @ kernel + 5 * value @ mix
    np.testing.assert_allclose(model.predict([X, value]), want, rtol=1e-4, atol=1e-5)
    assert layer.get_config()["num_constants"] == 1
    again = Model.from_config(model.get_config(), custom_objects={"AddingCell": AddingCell})
    again.set_weights([kernel, mix])
    np.testing.assert_allclose(again.predict([X, value]), want, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="does not take constants"):
        SimpleRNN(3)(x, constants=[constant])


def test_what_is_no_cell():
    with pytest.raises(ValueError, match="A cell must have a `state_size`"):
        RNN(Dense(3))
    with pytest.raises(ValueError, match="A cell must have a `call`"):
        RNN(3)


def test_stacked_cells():
    x = Input((5, 4))
    layer = RNN([LSTMCell(6), GRUCell(2), SimpleRNNCell(3)], return_sequences=True, return_state=True)
    sequence, *states = K.function([x], layer(x))([X])
    w = layer.get_weights()
    a, sa = loop(lstm, X, w[:3], 6, 2)
    b, sb = loop(gru, a, w[3:6], 2, 1)
    c, sc = loop(simple, b, w[6:], 3, 1)
    for got, want in zip([sequence, *states], [c, *sa, *sb, *sc]):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
    assert layer.cell.state_size == (6, 6, 2, 3)
    backwards = StackedRNNCells([LSTMCell(6), GRUCell(2)], reverse_state_order=True)
    assert backwards.state_size == (2, 6, 6)
    reverse = RNN(backwards, return_state=True)
    _, *states = K.function([x], reverse(x))([X])
    reverse_weights = reverse.get_weights()
    assert [state.shape for state in states] == [(3, 2), (3, 6), (3, 6)]
    np.testing.assert_allclose(states[1], loop(lstm, X, reverse_weights[:3], 6, 2)[1][0], rtol=1e-4, atol=1e-5)


# ----------------------------------------------------------------------------------------------------- cuDNN


def cudnn_weights(weights, gates):
    """The weights of GRU(reset_after) or LSTM in the order of cuDNN."""
    kernel, recurrent, bias = weights
    features, units = kernel.shape[0], recurrent.shape[0]
    kernel = np.hstack([k.T.reshape(features, units) for k in np.hsplit(kernel, gates)])
    recurrent = np.hstack([k.T for k in np.hsplit(recurrent, gates)])
    bias = bias.reshape(-1) if bias.ndim == 2 else np.concatenate([bias, np.zeros_like(bias)])
    return [kernel, recurrent, bias]


@pytest.mark.parametrize("fast, plain, gates", [(CuDNNGRU, lambda: GRU(6, reset_after=True), 3),
                                                (CuDNNLSTM, lambda: LSTM(6), 4)])
def test_cudnn_layers(fast, plain, gates):
    x = Input((5, 4))
    ours, theirs = plain(), fast(6)
    first, second = ours(x), theirs(x)
    weights = randomised(ours)
    assert [w.shape for w in theirs.get_weights()] == [(4, 6 * gates), (6, 6 * gates), (12 * gates,)]
    theirs.set_weights(cudnn_weights(weights, gates))
    left, right = K.function([x], [first, second])([X])
    np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-6)


def test_a_training_step_against_torch():
    """LSTM over a batch of sequences: the loss of three steps of SGD."""
    torch = pytest.importorskip("torch")
    layer = LSTM(6, input_shape=(5, 4))
    model = Sequential([layer])
    model.compile("sgd", "mse")
    other = torch.nn.LSTM(4, 6, batch_first=True)
    kernel, recurrent, bias = layer.get_weights()
    with torch.no_grad():
        other.weight_ih_l0.copy_(torch.tensor(kernel.T.copy()))
        other.weight_hh_l0.copy_(torch.tensor(recurrent.T.copy()))
        other.bias_ih_l0.copy_(torch.tensor(bias))
        other.bias_hh_l0.zero_()
    other.bias_hh_l0.requires_grad_(False)
    optimizer = torch.optim.SGD([p for p in other.parameters() if p.requires_grad], lr=0.01)
    y = RNG.normal(size=(3, 6)).astype("float32")
    for _ in range(3):
        loss = ((other(torch.tensor(X))[0][:, -1] - torch.tensor(y)) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert model.train_on_batch(X, y) == pytest.approx(loss.item(), rel=1e-5)
    np.testing.assert_allclose(layer.get_weights()[1], other.weight_hh_l0.detach().numpy().T, rtol=1e-5, atol=1e-6)


def test_two_loops_that_get_the_same_gradient():
    """Each begins with a copy of it: the sum of two layers hands the same tensor to both."""
    first, second = SimpleRNN(2, activation="linear", use_bias=False), SimpleRNN(2, activation="linear", use_bias=False)
    x = Input((5, 4))
    first_result, second_result = first(x), second(x)
    loss = K.sum(K.square(first_result + second_result))
    found = K.function([x], K.gradients(loss, [first.weights[0], second.weights[0]]))([X])

    def powers(matrix):
        return [np.linalg.matrix_power(matrix, 4 - t) for t in range(5)]

    weights = [layer.get_weights() for layer in (first, second)]
    total = sum(X[:, t] @ kernel @ power for kernel, recurrent in weights for t, power in enumerate(powers(recurrent)))
    for (_, recurrent), got in zip(weights, found, strict=True):
        wanted = sum(X[:, t].T @ (2 * total @ power.T) for t, power in enumerate(powers(recurrent)))
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4)


def test_gradients_where_batches_are_known_to_agree_only_at_the_call():
    """The same layer on two inputs, whose numbers of samples are two unknowns."""
    layer, one, other = SimpleRNN(2), Input((5, 4)), Input((5, 4))
    loss = K.sum(K.square(K.concatenate([layer(one), layer(other)])))
    gradient = K.function([one, other], K.gradients(loss, layer.weights))([X, X])
    alone = K.function([one], K.gradients(2 * K.sum(K.square(layer(one))), layer.weights))([X])
    for got, wanted in zip(gradient, alone, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


def test_stateful_inside_another_model():
    """A layer that is called in two models keeps one state, which each model advances by its own call only."""
    source = Input(batch_shape=(3, 5, 4))
    layer = SimpleRNN(6, stateful=True)
    inner = Model(source, layer(source))
    other = Input(batch_shape=(3, 5, 4))
    outer = Model(other, inner(other))
    first, states = loop(simple, X, layer.get_weights(), 6, 1)
    second, states = loop(simple, X, layer.get_weights(), 6, 1, states=states)
    third, _ = loop(simple, X, layer.get_weights(), 6, 1, states=states)
    for model, want in ((outer, first), (inner, second), (outer, third)):
        np.testing.assert_allclose(model.predict(X, batch_size=3), want[:, -1], rtol=1e-4, atol=1e-5)
    outer.reset_states()
    np.testing.assert_allclose(inner.predict(X, batch_size=3), first[:, -1], rtol=1e-4, atol=1e-5)


def test_penalties_of_cells_count_once():
    model = Sequential([LSTM(3, kernel_regularizer="l2", recurrent_regularizer="l2", bias_regularizer="l2",
                             activity_regularizer="l2", input_shape=(5, 4))])
    assert len(model.losses) == 4
    model = Sequential([RNN([LSTMCell(3, kernel_regularizer="l2"), GRUCell(2, bias_regularizer="l1")],
                            input_shape=(5, 4))])
    assert len(model.losses) == 2


def test_the_training_argument_of_a_call():
    x = Input((5, 4))
    layer = LSTM(6, dropout=0.5, recurrent_dropout=0.5)
    always, never = K.function([x], [layer(x, training=True)]), K.function([x, K.learning_phase()],
                                                                         [layer(x, training=False)])
    assert not np.allclose(always([X])[0], always([X])[0])
    np.testing.assert_array_equal(never([X, 1])[0], never([X, 0])[0])


def test_the_weights_of_the_gates_have_names():
    lstm = LSTM(3)
    lstm.build((None, 5, 2))
    for name, joined in (("kernel", lstm.cell.kernel), ("recurrent_kernel", lstm.cell.recurrent_kernel),
                         ("bias", lstm.cell.bias)):
        parts = [K.eval(getattr(lstm.cell, f"{name}_{gate}")) for gate in "ifco"]
        np.testing.assert_array_equal(np.concatenate(parts, axis=-1), K.get_value(joined))
    for reset_after in (False, True):
        cell = GRUCell(3, reset_after=reset_after)
        cell.build((None, 2))
        assert K.int_shape(cell.kernel_h) == (2, 3) and K.int_shape(cell.input_bias_z) == (3,)
        assert (cell.recurrent_bias_r is None) == (not reset_after)
    assert LSTMCell(3, use_bias=False).build((None, 2)) is None
    fast = CuDNNLSTM(3)
    fast.build((None, 5, 2))
    assert fast.kernel is fast.cell.kernel
