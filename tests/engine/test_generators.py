"""Data from generators and Sequences."""

import os
import threading
import time

import numpy as np
import pytest

from symgraph.engine import Sequential
from symgraph.layers import Dense
from symgraph.utils import Sequence

PARENT = os.getpid()
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(20, 4)).astype("float32"), RNG.normal(size=(20, 2)).astype("float32")


class Batches(Sequence):
    def __init__(self, size=6):
        self.size, self.epochs = size, 0

    def __len__(self):
        return -(-len(X) // self.size)

    def __getitem__(self, index):
        rows = slice(index * self.size, (index + 1) * self.size)
        return X[rows], Y[rows]

    def on_epoch_end(self):
        self.epochs += 1


def endless(size=6):
    while True:
        for start in range(0, len(X), size):
            yield X[start:start + size], Y[start:start + size]


def pair():
    model, other = (Sequential([Dense(2, input_shape=(4,))]) for _ in range(2))
    other.set_weights(model.get_weights())
    for each in (model, other):
        each.compile("sgd", "mse", metrics=["mae"])
    return model, other


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("kind", ["sequence", "generator"])
def test_the_same_as_arrays(workers, kind):
    model, other = pair()
    data = Batches() if kind == "sequence" else endless()
    history = model.fit(data, steps_per_epoch=4, epochs=3, shuffle=False, verbose=0, workers=workers)
    wanted = other.fit(X, Y, batch_size=6, epochs=3, shuffle=False, verbose=0)
    for a, b in zip(model.get_weights(), other.get_weights()):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(history.history["loss"], wanted.history["loss"], rtol=1e-6)
    if kind == "sequence":
        assert data.epochs == 3
    np.testing.assert_allclose(model.evaluate(Batches(), verbose=0), model.evaluate(X, Y, verbose=0), rtol=1e-5)
    np.testing.assert_allclose(model.predict(Batches()), model.predict(X), rtol=1e-6)


def test_no_thread_is_left():
    model, _ = pair()
    model.fit_generator(endless(), steps_per_epoch=3, epochs=2, verbose=0, validation_data=Batches())
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("symgraph-data")]


def test_validation_data_may_be_a_sequence_or_arrays():
    model, _ = pair()
    history = model.fit(Batches(), verbose=0, validation_data=Batches())
    assert history.history["val_loss"][0] == pytest.approx(model.evaluate(X, Y, verbose=0)[0], rel=1e-5)
    history = model.fit_generator(Batches(), verbose=0, validation_data=(X, Y))
    assert history.history["val_loss"][0] == pytest.approx(model.evaluate(X, Y, verbose=0)[0], rel=1e-5)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_errors_come_through(workers):
    def breaks():
        yield X, Y
        raise OSError("the disk is gone")

    class Breaks(Batches):
        def __getitem__(self, index):
            raise TimeoutError("the disk is gone")

    for data in (breaks(), Breaks()):
        model, _ = pair()
        with pytest.raises(OSError, match="the disk is gone"):
            model.fit(data, steps_per_epoch=3, verbose=0, workers=workers)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_generator_that_ends_early(workers):
    model, _ = pair()
    with pytest.raises(ValueError, match="ended before an epoch was complete"):
        model.fit(iter([(X, Y)]), steps_per_epoch=3, verbose=0, workers=workers)


def test_what_is_refused():
    model, _ = pair()
    with pytest.raises(ValueError, match="`steps_per_epoch` must be given"):
        model.fit(endless(), verbose=0)
    with pytest.raises(ValueError, match="`y` cannot be given"):
        model.fit(Batches(), Y)
    with pytest.raises(ValueError, match=r"tuple `\(x, y, sample_weight\)`"):
        model.fit(iter([X]), steps_per_epoch=1, verbose=0)


def test_weights_from_a_generator():
    model, other = pair()
    weights = RNG.uniform(size=20).astype("float32")
    model.fit(iter([(X, Y, weights)]), steps_per_epoch=1, verbose=0)
    other.train_on_batch(X, Y, sample_weight=weights)
    for a, b in zip(model.get_weights(), other.get_weights()):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("sized", [False, True])
def test_any_iterable_of_batches(sized):
    class Loader:
        def __iter__(self):
            for start in range(0, 20, 6):
                yield X[start:start + 6], Y[start:start + 6]

    if sized:
        Loader.__len__ = lambda self: 4
    model, other = pair()
    history = model.fit(Loader(), epochs=3, verbose=0)
    wanted = other.fit(X, Y, batch_size=6, epochs=3, shuffle=False, verbose=0)
    np.testing.assert_allclose(history.history["loss"], wanted.history["loss"], rtol=1e-6)
    np.testing.assert_allclose(model.predict(Loader()), other.predict(X), rtol=1e-6)
    model.fit(Loader(), steps_per_epoch=3, epochs=3, verbose=0)  # goes on from epoch to epoch, and around


def test_worker_processes():
    class Marked(Batches):
        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            return x, y, np.full(len(x), float(os.getpid() != PARENT))  # weight 0 where made by the parent

    model, other = pair()
    history = model.fit(Marked(), epochs=2, shuffle=False, verbose=0, workers=2, use_multiprocessing=True)
    wanted = other.fit(X, Y, batch_size=6, epochs=2, shuffle=False, verbose=0)
    np.testing.assert_allclose(history.history["loss"], wanted.history["loss"], rtol=1e-6)
    got = model.predict(Batches(), workers=2, use_multiprocessing=True)
    np.testing.assert_allclose(got, other.predict(X), rtol=1e-6)


def test_errors_of_worker_processes():
    class Breaks(Batches):
        def __getitem__(self, index):
            if index == 1:
                raise OSError("the disk is gone")
            return super().__getitem__(index)

    class Dies(Batches):
        def __getitem__(self, index):
            os._exit(3)

    model, _ = pair()
    with pytest.raises(OSError, match="the disk is gone") as caught:
        model.fit(Breaks(), verbose=0, shuffle=False, workers=2, use_multiprocessing=True)
    assert "__getitem__" in str(caught.value.__cause__)  # the worker's own traceback
    with pytest.raises(RuntimeError, match="worker process .* has died"):
        model.fit(Dies(), verbose=0, workers=2, use_multiprocessing=True)


@pytest.mark.parametrize("processes", [False, True])
def test_workers_that_hang(processes):
    class Hangs(Batches):
        timeout = 0.5

        def __getitem__(self, index):
            if index == 2:
                time.sleep(60)
            return super().__getitem__(index)

    model, _ = pair()
    start = time.monotonic()
    with pytest.raises(RuntimeError, match="no batch for .* seconds") as caught:
        model.fit(Hangs(), verbose=0, shuffle=False, workers=2, use_multiprocessing=processes)
    assert "__getitem__" in str(caught.value)  # where the worker is
    assert time.monotonic() - start < 20


def test_a_generator_that_hangs():
    class Hangs:
        timeout = 0.3

        def __iter__(self):
            return self

        def __next__(self):
            time.sleep(30)

    model, _ = pair()
    start = time.monotonic()
    with pytest.raises(RuntimeError, match="(?s)no batch for.*__next__"):
        model.fit(Hangs(), steps_per_epoch=2, verbose=0)
    assert time.monotonic() - start < 10


def test_a_slow_worker_is_a_warning_first(monkeypatch):
    monkeypatch.setattr("symgraph.engine.readers.WARNING_AFTER", 0.1)

    class Slow(Batches):
        def __getitem__(self, index):
            if index == 1:
                time.sleep(0.4)
            return super().__getitem__(index)

    model, _ = pair()
    with pytest.warns(UserWarning, match="(?s)no batch for.*__getitem__"):
        model.fit(Slow(), verbose=0, shuffle=False)


def test_an_error_that_cannot_be_sent():
    class Odd(Exception):
        def __init__(self, one, two):
            super().__init__(f"{one} and {two}")

    class Breaks(Batches):
        def __getitem__(self, index):
            raise Odd("this", "that")

    model, _ = pair()
    with pytest.raises(RuntimeError, match="(?s)Odd: this and that.*__getitem__"):
        model.fit(Breaks(), verbose=0, workers=1, use_multiprocessing=True)
