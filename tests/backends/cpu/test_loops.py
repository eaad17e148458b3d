"""Loops that threads go through by rows: when they may, and that the numbers are the same for any number of threads."""

import numpy as np
import pytest

from symgraph import backend as K
from symgraph import config
from symgraph.compiler.verify import verify
from symgraph.layers import GRU, LSTM, Dense, Embedding, Input, Masking, SimpleRNN
from symgraph.models import Model
from symgraph.runtime import function as functions
from symgraph.runtime.executor import use

UNITS = 128


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    """Check every pass; give the threads back."""
    monkeypatch.setattr(functions, "CHECK", verify)
    number = config.threads()
    yield
    config.set_threads(number)


def loops_by_rows(function):
    """For each loop of a program that has run: whether its iterations have no barrier in them."""
    bound = function.bound()
    tape, found = bound.tape, []
    for at, row in enumerate(tape):
        if row[0] == 0:
            body = tape[at + 1 : at + 1 + row[5]]
            found.append(len(body) > 0 and not body[:, 3].any() and bool((body[:, 2] == 1).all()))
    return found


def run(step, feeds, states=1, threads=4, executor="numba"):
    """Compute an RNN of the K functions and its gradients; returns the function and its results."""
    config.set_threads(threads)
    rng = np.random.RandomState(1)
    with use(executor):
        x = K.placeholder((None, None, UNITS))
        weights = K.variable(rng.normal(size=(UNITS, UNITS)) * 0.2)
        last, outputs, _ = K.rnn(lambda inputs, held: step(inputs, held, weights), x, [K.zeros_like(x[:, 0])] * states)
        grads = K.gradients(K.sum(K.square(outputs)) + K.sum(last), [weights, x])
        function = K.function([x], [last, outputs, *grads])
        return function, function(feeds)


def plain(inputs, held, weights):
    h = K.tanh(inputs + K.dot(held[0], weights))
    return h, [h]


def two_products(inputs, held, weights):
    gate = K.sigmoid(inputs + K.dot(held[0], weights))
    h = K.tanh(K.dot(gate * held[0], K.transpose(weights)) + inputs) * gate + held[0]
    return h, [h]


def parts_of_rows(inputs, held, weights):
    half = UNITS // 2
    both = inputs + K.dot(held[0], weights)
    h = K.concatenate([K.tanh(both[:, half:]) * held[0][:, :half], K.sigmoid(both[:, :half])])
    return h, [h]


def over_the_batch(inputs, held, weights):
    h = K.tanh(inputs + K.dot(held[0], weights))
    return h, [h - K.mean(h, axis=0, keepdims=True)]


def turned_batch(inputs, held, weights):
    h = K.tanh(inputs + K.dot(K.reverse(held[0], 0), weights))
    return h, [h]


def batch_as_weights(inputs, held, weights):
    h = K.tanh(inputs + K.dot(held[0], weights))
    return h, [K.dot(K.dot(h, K.transpose(h)), h) * 0.01]


def rows_seen_by_all(inputs, held, weights):
    h = K.tanh(inputs + K.dot(held[0], weights))
    return h, [h + 0.1 * held[0][:1]]


BY_ROWS = (plain, two_products, parts_of_rows)
APART = (over_the_batch, turned_batch, batch_as_weights, rows_seen_by_all)


@pytest.mark.parametrize("step", [*BY_ROWS, *APART], ids=lambda step: step.__name__)
@pytest.mark.parametrize("batch", [33, 5])
def test_the_numbers_are_those_of_the_reference(step, batch):
    feeds = [np.random.RandomState(0).normal(size=(batch, 6, UNITS)).astype("float32")]
    _, expected = run(step, feeds, executor="numpy")
    for threads in (1, 4):
        function, found = run(step, feeds, threads=threads)
        for got, wanted in zip(found, expected, strict=True):
            np.testing.assert_allclose(got, wanted, rtol=2e-4, atol=2e-4 * np.abs(wanted).max())
        if batch == 33 and threads > 1:
            assert loops_by_rows(function)[0] == (step in BY_ROWS)


@pytest.mark.parametrize("layer", [SimpleRNN, GRU, LSTM, lambda units, **more: GRU(units, reset_after=True, **more)])
@pytest.mark.parametrize("options", [{}, {"recurrent_dropout": 0.3, "dropout": 0.2, "go_backwards": True}])
def test_training_is_the_same_to_the_bit_for_any_number_of_threads(layer, options):
    rng = np.random.RandomState(0)
    x = rng.normal(size=(33, 7, 20)).astype("float32")
    x[::3, 4:] = 0  # masked
    y = rng.rand(33, 1)
    found = []
    for threads in (1, 2, 3):
        config.set_threads(threads)
        np.random.seed(0)
        inputs = Input((7, 20))
        hidden = layer(UNITS, return_sequences=True, **options)(Masking()(inputs))
        model = Model(inputs, Dense(1)(layer(UNITS, **options)(hidden)))
        model.compile("sgd", "mse")
        model.train_on_batch(x, y)
        model.train_on_batch(x[:2], y[:2])  # fewer rows than threads
        model.train_on_batch(x[:1], y[:1])
        found.append(model.get_weights())
    for other in found[1:]:
        for got, wanted in zip(other, found[0], strict=True):
            np.testing.assert_array_equal(got, wanted)


def test_recurrent_layers_go_by_rows():
    config.set_threads(2)
    inputs = Input((7, 20))
    for layer in (SimpleRNN, GRU, LSTM):
        model = Model(inputs, layer(UNITS)(inputs))
        model.compile("adam", "mse")
        model.train_on_batch(np.zeros((64, 7, 20)), np.zeros((64, UNITS)))
        assert loops_by_rows(model._function("train", (False,))) == [True, True], layer.__name__


@pytest.mark.parametrize("dtype, in_panels", [("float32", True), ("float64", False)])
def test_matrices_that_stay_the_same_are_brought_into_panels_before_a_loop(dtype, in_panels):
    """For products of float32, forwards and (transposed) backwards, where the columns make whole panels."""
    for units, expected in ((UNITS, in_panels), (UNITS - 1, False)):
        inputs = Input((5, 8), dtype=dtype)
        model = Model(inputs, LSTM(units, dtype=dtype)(inputs))
        model.compile("sgd", "mse")
        model.train_on_batch(np.zeros((4, 5, 8), dtype), np.zeros((4, units), dtype))
        program = model._function("train", (False,)).example()[0].program
        loops = [step for step in program.steps if step.loop]
        assert len(loops) == 2
        for step in loops:
            products = [inner for inner in step.loop.steps if "matmul" in inner.name]
            assert products
            for inner in products:
                assert ("panel" in inner.attrs and len(inner.inputs[-1].shape) == 3) == expected, inner
                assert inner.inputs[-1] in step.inputs or not expected, "the panels must live as long as the loop"


def test_copies_of_weights_are_made_before_a_loop():
    """A slice of a kernel is brought together once, not in each iteration; the copy lives as long as the loop."""
    inputs = Input((5, UNITS))
    model = Model(inputs, GRU(UNITS)(inputs))
    model.compile("adam", "mse")
    model.train_on_batch(np.zeros((4, 5, UNITS)), np.zeros((4, UNITS)))
    program = model._function("train", (False,)).example()[0].program
    for step in program.steps:
        for inner in step.loop.steps if step.loop else ():
            assert not (inner.name == "fused" and (UNITS, UNITS) in [view.shape for view in inner.outputs])


@pytest.mark.parametrize("more", [{}, {"return_sequences": True}, {"go_backwards": True}])
@pytest.mark.parametrize("layer", [SimpleRNN, GRU, LSTM])
def test_nothing_is_copied_between_loops_and_products(layer, more):
    """Two layers over words: projections, gradients of gates, and lookups lie in the order of the loops."""
    inputs = Input((6,), dtype="int32")
    hidden = layer(UNITS, return_sequences=True)(Embedding(1000, UNITS)(inputs))
    model = Model(inputs, layer(UNITS, **more)(hidden))
    model.compile("sgd", "mse")
    shape = (4, 6, UNITS) if more.get("return_sequences") else (4, UNITS)
    model.train_on_batch(np.zeros((4, 6), "int32"), np.zeros(shape))
    program = model._function("train", (False,)).example()[0].program
    for step in program.steps:
        is_copy = step.name == "fused" and not step.attrs["expression"].instructions
        target = step.outputs[0]
        large = len(target.shape) == 3 and target.shape[0] == 6 and target.shape[-1] >= UNITS
        assert not (is_copy and large), step


def test_functions_of_gates_are_computed_once():
    """The backward loop reads the gates that the forward loop has computed."""
    inputs = Input((5, UNITS))
    model = Model(inputs, LSTM(UNITS)(inputs))
    model.compile("sgd", "mse")
    model.train_on_batch(np.zeros((4, 5, UNITS)), np.zeros((4, UNITS)))
    program = model._function("train", (False,)).example()[0].program
    forward, backward = (step.loop.steps for step in program.steps if step.loop)

    def functions_of(steps):
        made = [one.op for step in steps if step.is_loop_nest for one in step.attrs["expression"].instructions]
        return sorted(name for name in made if name in ("sigmoid", "tanh"))

    assert functions_of(forward) == ["sigmoid"] * 3 + ["tanh"] * 2
    assert functions_of(backward) == []


@pytest.mark.parametrize("executor", ["numpy", "numba"])
def test_no_time_steps(executor):
    """A loop of no iterations: the last state is the first, and gradients are zeros."""
    with use(executor):
        x, start = K.placeholder((None, None, 3)), K.placeholder((None, 3))
        weights = K.variable(np.eye(3))
        _, outputs, (state,) = K.rnn(lambda inputs, held: plain(inputs, held, weights), x, [start])
        grads = K.gradients(K.sum(state * 2) + K.sum(outputs), [start, weights])
        function = K.function([x, start], [state, outputs, *grads])
        found = function([np.zeros((2, 0, 3)), np.ones((2, 3))])
    for got, wanted in zip(found, (np.ones((2, 3)), np.zeros((2, 0, 3)), np.full((2, 3), 2), np.zeros((3, 3)))):
        np.testing.assert_array_equal(got, wanted)
