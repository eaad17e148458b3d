"""Queues of batches: order, epochs, ends, errors, lost workers - with threads and with processes."""

import os
import time
import warnings

import numpy as np
import pytest

from symgraph.utils import GeneratorEnqueuer, OrderedEnqueuer, Sequence
from symgraph.utils import enqueuers as module
from symgraph.utils.data_utils import SequenceEnqueuer


class Numbers(Sequence):
    """Batches of their own number, plus 100 for each epoch that has ended."""

    def __init__(self, count=12, fails_at=None, hangs_at=None, dies_at=None, hangs_for=60.0):
        self.count, self.epoch, self.home = count, 0, os.getpid()
        self.fails_at, self.hangs_at, self.dies_at, self.hangs_for = fails_at, hangs_at, dies_at, hangs_for

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if index == self.fails_at:
            raise IndexError(f"{index} is not present")
        if os.getpid() != self.home:
            if index == self.hangs_at:
                time.sleep(self.hangs_for)
            if index == self.dies_at:
                os._exit(1)
        time.sleep(0.002 * (index % 3))
        return np.full(2, index + 100 * self.epoch)

    def on_epoch_end(self):
        self.epoch += 1


def _take(enqueuer, count, workers=3):
    enqueuer.start(workers, 10)
    assert enqueuer.is_running()
    batches = enqueuer.get()
    found = [int(np.ravel(next(batches))[0]) for _ in range(count)]
    enqueuer.stop()
    assert not enqueuer.is_running()
    return found


@pytest.mark.parametrize("processes", [False, True])
def test_a_sequence_comes_in_order_and_knows_of_its_epochs(processes):
    found = _take(OrderedEnqueuer(Numbers(), use_multiprocessing=processes), 30)
    assert found == [*range(12), *range(100, 112), *range(200, 206)]


def test_a_shuffled_sequence_comes_whole():
    found = _take(OrderedEnqueuer(Numbers(40), shuffle=True), 80)
    assert sorted(found[:40]) == list(range(40)) != found[:40]
    assert sorted(found[40:]) == list(range(100, 140)) != found[40:]


def test_threads_read_a_generator_in_order_and_to_its_end():
    def counting():
        yield from range(50)

    enqueuer = GeneratorEnqueuer(counting())
    enqueuer.start(4, 10)
    assert list(enqueuer.get()) == list(range(50))
    assert not enqueuer.is_running()


def test_each_process_has_a_copy_of_the_generator():
    def counting():
        for number in range(20):
            time.sleep(0.002)
            yield number

    enqueuer = GeneratorEnqueuer(counting(), use_multiprocessing=True, random_seed=3)
    enqueuer.start(3, 10)
    found = list(enqueuer.get())
    copies = len(found) // 20
    assert 1 <= copies <= 3 and sorted(found) == sorted([*range(20)] * copies)


@pytest.mark.parametrize("processes", [False, True])
@pytest.mark.parametrize("kind", ["sequence", "generator"])
def test_errors_are_raised_where_the_batch_is_taken(kind, processes):
    data = Numbers(fails_at=4)
    enqueuer = (OrderedEnqueuer(data, use_multiprocessing=processes) if kind == "sequence"
                else GeneratorEnqueuer(iter(data), use_multiprocessing=processes))
    with pytest.raises(IndexError, match="is not present"):
        _take(enqueuer, 20)
    assert not enqueuer.is_running()


@pytest.mark.parametrize("trouble", ["hangs_at", "dies_at"])
def test_lost_batches_are_made_here_with_a_warning(trouble, monkeypatch):
    monkeypatch.setattr(module, "_PATIENCE", 2.5)
    enqueuer = OrderedEnqueuer(Numbers(40, **{trouble: 3}), use_multiprocessing=True)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert _take(enqueuer, 35, workers=2) == list(range(35))
    texts = [str(one.message) for one in seen]
    assert any("The input 3 could not be retrieved" in text for text in texts)
    assert all("could not be retrieved" in text for text in texts)


def test_a_lost_batch_of_a_generator_is_left_out_with_a_warning(monkeypatch):
    monkeypatch.setattr(module, "_PATIENCE", 0.8)
    enqueuer = GeneratorEnqueuer(iter(Numbers(hangs_at=3, hangs_for=4.0)), use_multiprocessing=True)
    with pytest.warns(UserWarning, match="An input could not be retrieved"):
        enqueuer.start(1, 10)  # here: it may set the filters of warnings for a moment
        found = [int(batch[0]) for batch in enqueuer.get()]
    assert 3 not in found and found == sorted(set(found)) and set(found) <= set(range(12))


def test_it_is_started_once_and_before_it_is_read():
    enqueuer = OrderedEnqueuer(Numbers())
    with pytest.raises(RuntimeError, match="was not started"):
        next(enqueuer.get())
    enqueuer.stop()  # nothing to stop
    enqueuer.start()
    with pytest.raises(RuntimeError, match="runs already"):
        enqueuer.start()
    enqueuer.stop()
    assert _take(enqueuer, 2) == [0, 1]
    with pytest.raises(NotImplementedError, match="get"):
        SequenceEnqueuer(Numbers()).get()
    with pytest.warns(UserWarning, match="wait_time"):
        GeneratorEnqueuer(iter([]), wait_time=0.1)
