"""Runs of batches: what several batches in one native call give, beside the same training batch by batch."""

from __future__ import annotations

import numpy as np
import pytest

from symgraph import backend as K
from symgraph import config
from symgraph.callbacks import Callback, LambdaCallback
from symgraph.engine.data import ArraySource
from symgraph.layers import (
    LSTM,
    BatchNormalization,
    Concatenate,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GaussianNoise,
    Input,
)
from symgraph.models import Model, Sequential
from symgraph.optimizers import SGD, Adam
from symgraph.runtime.function import Function, InputError


class EachBatch(Callback):
    """Listens to every batch, and remembers what it hears."""

    def __init__(self):
        super().__init__()
        self.heard = []

    def on_train_batch_end(self, batch, logs=None):
        self.heard.append((batch, logs["size"]))

    on_test_batch_end = on_predict_batch_end = on_train_batch_end


@pytest.fixture
def done(monkeypatch):
    """The numbers of batches that were done together."""
    found = []
    whole = Function.batches

    def batches(self, inputs, size, count):
        for now, outputs in whole(self, inputs, size, count):
            found.append(now)
            yield now, outputs

    monkeypatch.setattr(Function, "batches", batches)
    return found


def images():
    layers = [Conv2D(4, 3, activation="relu", input_shape=(6, 6, 1)), BatchNormalization(), Flatten(), Dropout(0.4)]
    return Sequential([*layers, GaussianNoise(0.1), Dense(3, activation="softmax")])


def compiled(layers, loss="mse", optimizer="adam", **more):
    model = layers if isinstance(layers, Model) else Sequential(layers)
    model.compile(loss=loss, optimizer=optimizer, **more)
    return model


def two_by_two():
    a, b = Input((4,), name="a"), Input((3,), name="b")
    joined = Concatenate()([a, b])
    model = Model([a, b], [Dense(2, name="c")(joined), Dense(1, activation="sigmoid", name="d")(joined)])
    return compiled(model, ["mse", "binary_crossentropy"], "rmsprop", loss_weights=[0.3, 2.0],
                    metrics={"c": "mae", "d": "accuracy"})


def numbers(*shape):
    return np.random.default_rng(len(shape)).standard_normal(shape).astype("float32")


def classes(rows, count=3):
    return np.eye(count, dtype="float32")[np.arange(rows) * 7 % count]


DENSE = {"x": numbers(50, 4), "y": numbers(50, 2)}
MODELS = {
    "dense": (lambda: compiled([Dense(8, activation="tanh", input_dim=4), Dense(2)]), DENSE, {}),
    "whole batches": (lambda: compiled([Dense(2, input_dim=4)]), DENSE, {"batch_size": 5}),
    "one large batch": (lambda: compiled([Dense(2, input_dim=4)]), DENSE, {"batch_size": 64}),
    "order": (lambda: compiled([Dense(2, input_dim=4)]), DENSE, {"shuffle": False}),
    "blocks": (lambda: compiled([Dense(2, input_dim=4)]), DENSE, {"shuffle": "batch"}),
    "steps": (lambda: compiled([Dense(2, input_dim=4)]), DENSE, {"steps_per_epoch": 9}),
    "decay": (lambda: compiled([Dense(2, input_dim=4)], optimizer=SGD(0.1, momentum=0.9, decay=0.05)), DENSE, {}),
    "lazy": (lambda: compiled([Dense(2, input_dim=4)], optimizer=Adam(clipnorm=0.1)), DENSE, {"batch_size": 1}),
    "large inputs": (
        lambda: compiled([Dense(2, input_dim=1500)]), {"x": numbers(50, 1500), "y": numbers(50, 2)}, {},
    ),
    "images": (
        lambda: compiled(images(), "categorical_crossentropy", metrics=["accuracy"]),
        {"x": numbers(50, 6, 6, 1), "y": classes(50)}, {"class_weight": {0: 1.0, 1: 2.0, 2: 0.5}},
    ),
    "weights and validation": (
        lambda: compiled([Dense(2, input_dim=4)], metrics=["mae"], weighted_metrics=["mse"]), DENSE,
        {"sample_weight": np.linspace(0, 2, 50), "validation_split": 0.3},
    ),
    "several": (
        two_by_two, {"x": [numbers(50, 4), numbers(50, 3)], "y": [numbers(50, 2), np.ones((50, 1))]},
        {"validation_data": ([numbers(20, 4), numbers(20, 3)], [numbers(20, 2), np.ones((20, 1))])},
    ),
    "words": (
        lambda: compiled([Embedding(30, 4, input_length=5), LSTM(6, dropout=0.2), Dense(1)], metrics=["mse"]),
        {"x": np.arange(250).reshape(50, 5) % 30, "y": numbers(50, 1)}, {},
    ),
    "stateful": (
        lambda: compiled([LSTM(3, stateful=True, batch_input_shape=(5, 4, 2)), Dense(1)]),
        {"x": numbers(50, 4, 2), "y": numbers(50, 1)}, {"batch_size": 5, "shuffle": False},
    ),
}


def trained(make, data, arguments, callbacks, verbose=0):
    np.random.seed(3)
    model = make()
    arguments = {"batch_size": 8, **arguments}
    history = model.fit(**data, epochs=3, verbose=verbose, callbacks=callbacks, **arguments).history
    return model, history


def assert_same(first, second):
    assert set(first) == set(second)
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


@pytest.mark.parametrize("name", MODELS)
def test_fit_gives_the_bits_of_a_fit_batch_by_batch(name, done):
    """The other one has a callback that listens to batches."""
    make, data, arguments = MODELS[name]
    listener = EachBatch()
    model, history = trained(make, data, arguments, [listener])
    assert not done
    other, runs = trained(make, data, arguments, [])
    if name != "one large batch" and config.executor_name() == "numba":
        assert max(done) > 1
    assert sum(done) == len(listener.heard) > 0
    assert_same(history, runs)
    for mine, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for mine, theirs in zip(model.optimizer.get_weights(), other.optimizer.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_evaluate_and_predict_give_the_bits_of_batches(done):
    make, data, _ = MODELS["images"]
    model = make()
    listener = EachBatch()
    np.testing.assert_array_equal(model.evaluate(**data, batch_size=8, verbose=0, callbacks=[listener]),
                                  model.evaluate(**data, batch_size=8, verbose=0))
    one_by_one = model.predict(data["x"], batch_size=8, callbacks=[listener])
    assert len(listener.heard) == 14 and sum(done) == 7
    np.testing.assert_array_equal(model.predict(data["x"], batch_size=8), one_by_one)
    assert sum(done) == 14 and (max(done) > 1 or config.executor_name() != "numba")
    np.testing.assert_array_equal(model.predict(data["x"], batch_size=8, steps=3), one_by_one[:24])
    assert model.predict(data["x"][:48], batch_size=8).flags.writeable


def test_outputs_without_a_row_for_each_sample():
    """They are given batch by batch, as ever."""
    x = Input((3,))
    model = Model(x, [Dense(2)(x)])
    model.outputs.append(K.sum(x, axis=0))
    first, sums = model.predict(DENSE["x"][:12, :3], batch_size=4)
    assert first.shape == (12, 2) and sums.shape == (9,)
    np.testing.assert_allclose(sums, DENSE["x"][:12, :3].reshape(3, 4, 3).sum(axis=1).ravel(), rtol=1e-5)


@pytest.mark.parametrize("bad", [0, 3, 11])
def test_a_bad_index_leaves_the_batches_before_it_done(bad):
    x = np.arange(96).reshape(48, 2) % 10
    x[4 * bad + 1, 1] = 10
    results = []
    for callbacks in ([EachBatch()], []):
        np.random.seed(1)
        model = compiled([Embedding(10, 3, input_length=2), Dropout(0.2), Flatten(), Dense(1)])
        model.train_on_batch(x[44:] % 10, np.ones((4, 1)))
        model.predict(x[:40] % 10, batch_size=4)
        with pytest.raises(IndexError) as caught:
            model.fit(x, np.ones((48, 1)), batch_size=4, verbose=0, shuffle=False, callbacks=callbacks, epochs=5)
        results.append((str(caught.value), *model.get_weights(), *model.optimizer.get_weights()))
        x[4 * bad + 1, 1] %= 10  # it goes on
        results[-1] += (*model.fit(x, np.ones((48, 1)), batch_size=4, verbose=0).history["loss"], *model.get_weights())
        x[4 * bad + 1, 1] = 10
    for first, second in zip(*results, strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_progress_bar_is_told_after_several_batches(done, capsys):
    make, data, _ = MODELS["dense"]
    _, history = trained(make, data, {}, [], verbose=1)
    _, again = trained(make, data, {}, [EachBatch()], verbose=1)
    assert_same(history, again)
    assert sum(done) == 21 and (max(done) > 1 or config.executor_name() != "numba")
    lines = [line.split(" - ") for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 12
    assert [(line[0], line[2:]) for line in lines[:6]] == [(line[0], line[2:]) for line in lines[6:]]


@pytest.mark.parametrize("verbose", [0, 1])
def test_training_that_is_stopped_before_it_begins(verbose):
    """With a progress bar `stop_training` is asked for after the first batch, as it ever was."""
    model = compiled([Dense(2, input_dim=4)])
    stop = LambdaCallback(on_epoch_begin=lambda *_: setattr(model, "stop_training", True))
    model.fit(**DENSE, batch_size=5, epochs=2, verbose=verbose, callbacks=[stop])
    assert K.get_value(model.optimizer.iterations) == (1 if verbose else 10)


def test_batches_of_a_function():
    x, y = K.placeholder((None, 2)), K.placeholder((None,), dtype="int32")
    total = K.variable(0.0)
    function = K.function([x, y], [K.sum(x, axis=1), K.sum(y), total], updates=[(total, total * 0.5 + K.sum(x))])
    rows, more = numbers(21, 2), np.arange(21, dtype="int32")
    expected = [function([rows[k:k + 3], more[k:k + 3]]) for k in range(0, 21, 3)]
    last = K.get_value(total)
    for given in ([rows, more], [rows[:, ::-1][:, ::-1], more], [rows.astype("float64"), more.tolist()]):
        K.set_value(total, 0.0)
        parts = list(function.batches(given, 3, 7))
        assert sum(count for count, _ in parts) == 7
        for k, results in enumerate(zip(*[outputs for _, outputs in parts], strict=True)):
            np.testing.assert_array_equal(np.concatenate(results), [each[k] for each in expected])
        assert K.get_value(total) == last
    with pytest.raises(InputError, match="7 batches of 3 rows, 21 in all, got shape \\(20, 2\\)"):
        next(function.batches([rows[:20], more], 3, 7))
    with pytest.raises(InputError, match="expected 2 inputs"):
        next(function.batches([rows], 3, 7))
    with pytest.raises(InputError, match="expected size 2 along axis 1"):
        next(function.batches([numbers(21, 3), more], 3, 7))


def test_batches_of_a_function_that_prints(capsys):
    x = K.placeholder((None, 1))
    function = K.function([x], [K.print_tensor(K.sum(x), "sum")])
    assert [float(outputs[0][0]) for _, outputs in function.batches([np.ones((6, 1), "float32")], 2, 3)] == [2.0] * 3
    assert capsys.readouterr().err.count("sum") == 3


def test_batches_of_a_function_with_a_learning_phase():
    x = K.placeholder((None, 1))
    function = K.function([x, K.learning_phase()], [K.in_train_phase(x, 2 * x)])
    assert function([np.ones((2, 1)), 1])[0].tolist() == [[1], [1]]
    with pytest.raises(InputError, match="input 1 should have 3 batches"):
        next(function.batches([np.ones((6, 1), "float32"), 1], 2, 3))


@pytest.mark.parametrize("limit", [0, 1 << 25])
@pytest.mark.parametrize("shuffle", [False, True, "batch"])
def test_runs_are_the_batches_of_an_epoch(monkeypatch, shuffle, limit):
    monkeypatch.setattr("symgraph.engine.data._GATHER_WHOLE_BYTES", limit)
    monkeypatch.setattr("symgraph.engine.data._GATHER_RUN_BYTES", 3 * 4 * 16)
    rows = np.arange(30.0)[:, None]
    for steps in (None, 5, 11):
        found = []
        for most in (1, 1000):
            np.random.seed(0)
            source = ArraySource([rows, -rows], 4, shuffle, steps=steps)
            batches = []
            for _ in range(3):
                for size, count, (first, second) in source.runs(most):
                    assert len(first) == len(second) == size * count and count <= most
                    np.testing.assert_array_equal(first, -second)
                    batches += [part.tolist() for part in first.reshape(count, size)]
                batches.append("end")
            found.append(batches)
        assert found[0] == found[1]
