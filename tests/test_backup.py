"""A run that was interrupted goes on bit by bit as if nothing had happened."""

import json
import os
import random
import signal
import subprocess
import sys

import numpy as np
import pytest

from symgraph import backend as K
from symgraph import callbacks
from symgraph.engine import Input, Model, Sequential
from symgraph.layers import GRU, BatchNormalization, Bidirectional, Dense, Dropout, SimpleRNN
from symgraph.utils import Sequence

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


def run(path, crash=None, log=None, epochs=6, save_freq="epoch"):
    """The program: as a user would write it, started again as it was."""
    np.random.seed(1)
    random.seed(1)
    model = Sequential([Dense(8, activation="relu", input_shape=(5,)), BatchNormalization(), Dropout(0.4), Dense(2)])
    model.compile("adam", "mse", metrics=["mae"])
    given = [callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=0.5), Crash(crash),
             callbacks.EarlyStopping("val_loss", patience=50, restore_best_weights=False)]
    if path is not None:
        given.append(callbacks.BackupAndResume(path, save_freq=save_freq))
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


@pytest.mark.parametrize("save_freq", [1, 2])
def test_it_goes_on_in_the_middle_of_an_epoch(tmp_path, save_freq):
    """Crashed in the second batch of two epochs of three batches, it begins with the batch after the last backup."""
    arrays, *rest = state(*run(None))
    path = tmp_path / "backup.npz"
    for crash in (0, 3):
        run(path, crash, save_freq=save_freq)
    with np.load(path) as file:
        about = json.loads(file["about"].tobytes())
    assert (about["epoch"], "done" in about) == ((3, True) if save_freq == 1 else (2, False))
    got, *more = state(*run(path, save_freq=save_freq))
    for a, b in zip(got, arrays):
        np.testing.assert_array_equal(a, b)
    assert more == rest and not path.exists()


def test_a_number_of_batches_is_asked_for():
    with pytest.raises(ValueError, match="`save_freq` is 'epoch' or a number of batches, got 0"):
        callbacks.BackupAndResume("path", save_freq=0)


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


class Shuffled(Sequence):
    """Batches in an order of its own that changes after each epoch."""

    def __init__(self):
        self.order = np.arange(24)

    def __len__(self):
        return 4

    def __getitem__(self, index):
        rows = self.order[6 * index:6 * index + 6]
        return X[rows], Y[rows]

    def on_epoch_end(self):
        np.random.shuffle(self.order)


class Restless(Sequence):
    """Batches that are other ones each time: by numbers of its own, by those of NumPy, by what it counted."""

    def __init__(self):
        self._own = np.random.RandomState(4)
        self._new = np.random.default_rng(5)
        self.seen = np.zeros(24)
        self.count = {"batches": 0}

    def __len__(self):
        return 4

    def __getitem__(self, index):
        rows = self._own.permutation(24)[:6]
        self.seen[rows] += 1
        self.count["batches"] += 1
        noise = np.random.normal(size=(6, 5)) + self._new.normal(size=(6, 5))
        return X[rows] + noise, Y[rows] * self.seen[rows, None] + self.count["batches"]


def drawn(draw=np.random):
    """Endless batches of random rows."""
    while True:
        rows = draw.permutation(24)[:6]
        yield X[rows], Y[rows]


def feeds(kind):
    if kind == "steps":
        return {"x": X, "y": Y, "batch_size": 7, "steps_per_epoch": 3, "validation_data": (X, Y), "validation_steps": 2}
    if kind == "sequence":
        return {"x": Shuffled(), "validation_data": drawn(np.random.RandomState(2)), "validation_steps": 1}
    if kind == "generator":
        return {"x": drawn(), "steps_per_epoch": 3}
    if kind == "pass":
        return {"x": Loader()}
    if kind == "restless":
        return {"x": Restless(), "validation_data": Restless()}
    if kind == "alone":
        return {"x": Restless(), "workers": 0}
    if kind == "process":
        return {"x": Restless(), "workers": 1, "use_multiprocessing": True}
    return {"x": Loader(), "steps_per_epoch": 3}


class Loader:
    def __iter__(self):
        for start in range(0, 24, 5):
            yield X[start:start + 5], Y[start:start + 5]


@pytest.mark.parametrize("save_freq", ["epoch", 1])
@pytest.mark.parametrize("kind", ["steps", "sequence", "generator", "loader", "pass", "restless", "alone", "process"])
def test_the_place_in_the_data(tmp_path, kind, save_freq):
    def program(path, crash=None):
        np.random.seed(3)
        model = Sequential([Dense(4, activation="relu", input_shape=(5,)), Dropout(0.3), Dense(2)])
        model.compile("adam", "mse")
        given = [Crash(crash), *([callbacks.BackupAndResume(path, save_freq=save_freq)] if path else [])]
        try:
            model.fit(**feeds(kind), epochs=5, verbose=0, callbacks=given)
        except KeyboardInterrupt:
            return None
        return model.get_weights(), dict(model.history.history)

    want = program(None)
    path = tmp_path / "backup"
    for crash in (2, 3):
        assert program(path, crash) is None and path.exists()
    got = program(path)
    for a, b in zip(got[0], want[0]):
        np.testing.assert_array_equal(a, b)
    assert got[1] == want[1]


@pytest.mark.parametrize("save_freq", ["epoch", 1])
def test_the_states_of_inner_layers(tmp_path, save_freq):
    """Stateful loops in a wrapper and in an inner model, several outputs, several callbacks of metrics."""
    data = RNG.normal(size=(8, 3, 2)).astype("float32")
    targets = [RNG.normal(size=(8, 4)).astype("float32"), RNG.normal(size=(8, 3)).astype("float32")]

    def program(path, crash=None):
        np.random.seed(8)
        inner = Sequential([SimpleRNN(3, stateful=True, batch_input_shape=(2, 3, 2))], name="inner")
        x = Input(batch_shape=(2, 3, 2))
        model = Model(x, [Bidirectional(GRU(2, stateful=True), name="both")(x), inner(x)])
        model.compile("adam", "mse", metrics=["mae"])
        given = [Crash(crash), *([callbacks.BackupAndResume(path, save_freq=save_freq)] if path else [])]
        try:
            model.fit(data, targets, batch_size=2, epochs=3, verbose=0, shuffle=False, callbacks=given)
        except KeyboardInterrupt:
            return None
        return model.get_weights(), dict(model.history.history)

    want = program(None)
    assert program(tmp_path / "backup", 1) is None
    got = program(tmp_path / "backup")
    for a, b in zip(got[0], want[0]):
        np.testing.assert_array_equal(a, b)
    assert got[1] == want[1]


PROGRAM = """
import os, signal, sys
import numpy as np
from symgraph import callbacks
from symgraph.models import Sequential
from symgraph.layers import Dense, Dropout

kill, path, result, freq = sys.argv[1:]

class Kill(callbacks.Callback):
    seen = 0

    def on_batch_end(self, batch, logs=None):
        self.seen += 1
        if kill == f"batch{self.seen}":
            os.kill(os.getpid(), signal.SIGKILL)

replace = os.replace

def dying(*names):  # killed when the new file is written and the old one is still in place
    dying.count += 1
    if kill == f"write{dying.count}":
        os.kill(os.getpid(), signal.SIGKILL)
    replace(*names)

dying.count = 0
os.replace = dying
np.random.seed(5)
x, y = np.random.normal(size=(30, 3)), np.random.normal(size=(30, 1))
model = Sequential([Dense(4, input_shape=(3,)), Dropout(0.5), Dense(1)])
model.compile("rmsprop", "mse")
backup = callbacks.BackupAndResume(path, save_freq=int(freq) if freq else "epoch")
model.fit(x, y, batch_size=8, epochs=6, verbose=0, callbacks=[Kill(), backup])
np.savez(result, *model.get_weights(), *model.optimizer.get_weights(), model.history.history["loss"])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="SIGKILL is of POSIX systems")
@pytest.mark.parametrize("freq", ["", "1"])
def test_a_killed_process(tmp_path, freq):
    def start(kill, name):
        command = [sys.executable, "-c", PROGRAM, kill, str(tmp_path / name), str(tmp_path / f"{name}.npz"), freq]
        return subprocess.run(command, env={**os.environ, "KERAS_BACKEND": "numpy"}, capture_output=True, text=True,
                              timeout=120)

    done = start("", "whole")
    assert done.returncode == 0, done.stderr
    for kill in ("batch9", "write2"):
        assert start(kill, "killed").returncode == -signal.SIGKILL
        assert not (tmp_path / "killed.npz").exists()
    done = start("", "killed")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["killed.npz", "whole.npz"]
    with np.load(tmp_path / "whole.npz") as want, np.load(tmp_path / "killed.npz") as got:
        assert len(want.files) == len(got.files) > 8
        for name in want.files:
            np.testing.assert_array_equal(got[name], want[name])
