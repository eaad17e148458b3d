"""A run that was interrupted goes on bit by bit as if nothing had happened."""

import random

import numpy as np
import pytest

from symgraph import backend as K
from symgraph import callbacks
from symgraph.engine import Sequential
from symgraph.layers import BatchNormalization, Dense, Dropout

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(24, 5)).astype("float32"), RNG.normal(size=(24, 2)).astype("float32")


class Crash(callbacks.Callback):
    """Interrupts in the middle of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.at = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_batch_end(self, batch, logs=None):
        if self.now == self.at and batch == 1:
            raise KeyboardInterrupt


def run(path, crash=None, log=None, epochs=6):
    """The program: as a user would write it, started again as it was."""
    np.random.seed(1)
    random.seed(1)
    model = Sequential([Dense(8, activation="relu", input_shape=(5,)), BatchNormalization(), Dropout(0.4), Dense(2)])
    model.compile("adam", "mse", metrics=["mae"])
    given = [callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=0.5), Crash(crash),
             callbacks.EarlyStopping("val_loss", patience=50, restore_best_weights=False)]
    if path is not None:
        given.append(callbacks.BackupAndResume(path))
    else:
        given.append(callbacks.LambdaCallback())
    if log is not None:
        given.append(callbacks.CSVLogger(log))
    try:
        model.fit(X, Y, batch_size=7, epochs=epochs, validation_split=0.2, verbose=0, callbacks=given)
    except KeyboardInterrupt:
        pass
    return model, given


def state(model, given):
    arrays = [*model.get_weights(), *model.optimizer.get_weights(), K.get_value(model.optimizer.lr)]
    return arrays, dict(model.history.history), model.history.epoch, given[2].wait, given[0].wait


@pytest.mark.parametrize("crashes", [[0], [3], [2, 4], [5]])
def test_it_goes_on_bit_by_bit(tmp_path, crashes):
    arrays, *rest = state(*run(None))
    path, log = tmp_path / "backup.npz", tmp_path / "log.csv"
    for crash in crashes:
        run(path, crash, log)
    assert path.exists() is (crashes != [0])
    got, *more = state(*run(path, None, log))
    for a, b in zip(got, arrays):
        np.testing.assert_array_equal(a, b)
    assert more == rest
    assert not path.exists()  # the run has ended by itself
    epochs = [line.split(",")[0] for line in log.read_text().splitlines()]
    assert epochs == ["epoch", *map(str, range(6))]


def test_a_run_without_crash_is_not_changed_by_it(tmp_path):
    arrays, *rest = state(*run(None))
    got, *more = state(*run(tmp_path / "backup"))
    for a, b in zip(got, arrays):
        np.testing.assert_array_equal(a, b)
    assert more == rest and list(tmp_path.iterdir()) == []


def test_what_does_not_belong_is_refused(tmp_path):
    path = tmp_path / "backup.npz"
    run(path, crash=3)
    model = Sequential([Dense(3, input_shape=(5,))])
    model.compile("adam", "mse")
    with pytest.raises(ValueError, match="belongs to another model"):
        model.fit(X, Y[:, :1].repeat(3, 1), verbose=0, callbacks=[callbacks.BackupAndResume(path)])
    model = Sequential([Dense(8, input_shape=(5,)), BatchNormalization(), Dropout(0.4), Dense(2)])
    model.compile("adam", "mse", metrics=["mae"])
    with pytest.raises(ValueError, match="written with the callbacks.*ReduceLROnPlateau"):
        model.fit(X, Y, verbose=0, callbacks=[callbacks.BackupAndResume(path)])
    assert path.exists()
