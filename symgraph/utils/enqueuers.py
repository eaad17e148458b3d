"""Queues that read batches ahead, as objects: for programs that feed themselves. (`fit` reads ahead by itself.)"""

from __future__ import annotations

import multiprocessing
import os
import queue
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, TimeoutError
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from symgraph.engine.readers import Processes, Threads

__all__ = ["GeneratorEnqueuer", "OrderedEnqueuer", "SequenceEnqueuer"]

#: Seconds after which a process that has not made its batch is taken to be lost.
_PATIENCE = 30.0


class SequenceEnqueuer:
    """Base of the queues.

    # Arguments
        sequence: what gives the batches.
        use_multiprocessing: whether processes make them instead of threads.

    A thread hands out work and waits where `max_queue_size` batches are ahead; `get()` gives them.

        enqueuer = OrderedEnqueuer(sequence)
        enqueuer.start(workers=4, max_queue_size=8)
        batches = enqueuer.get()
        batch = next(batches)
        enqueuer.stop()
    """

    def __init__(self, sequence: Any, use_multiprocessing: bool = False):
        self.sequence, self.use_multiprocessing = sequence, use_multiprocessing
        self.workers = 0
        self.queue: queue.Queue | None = None
        self.run_thread: threading.Thread | None = None
        self.stop_signal: threading.Event | None = None
        self._pool: Threads | Processes | None = None

    def is_running(self) -> bool:
        """Whether it was started and not stopped."""
        return self.stop_signal is not None and not self.stop_signal.is_set()

    def start(self, workers: int = 1, max_queue_size: int = 10) -> None:
        """Begin to read ahead.

        # Arguments
            workers: number of threads or processes.
            max_queue_size: batches that are ahead at most.
        """
        if self.is_running():
            raise RuntimeError(f"{type(self).__name__} runs already: `stop()` it first.")
        self.workers = max(1, workers)
        self.queue = queue.Queue(max(1, max_queue_size))
        self.stop_signal = threading.Event()
        self.run_thread = threading.Thread(target=self._run, args=(self.queue, self.stop_signal), daemon=True,
                                           name="symgraph-enqueuer")
        self.run_thread.start()

    def stop(self, timeout: float | None = None) -> None:
        """End the workers.

        # Arguments
            timeout: seconds to wait for the thread that hands out the work; None: until it ends.
        """
        if self.stop_signal is None or self.queue is None or self.run_thread is None:
            return
        self.stop_signal.set()
        deadline = timeout
        while self.run_thread.is_alive() and self.run_thread is not threading.current_thread():
            try:  # whoever waits for room finds it, and then sees the signal
                while True:
                    self.queue.get_nowait()
            except queue.Empty:
                pass
            self.run_thread.join(0.05)
            if deadline is not None:
                deadline -= 0.05
                if deadline <= 0:
                    break

    def get(self) -> Iterator[Any]:
        """The batches, as an iterator."""
        raise NotImplementedError(f"{type(self).__name__} must define `get()`.")

    def _run(self, waiting: queue.Queue, stopped: threading.Event) -> None:
        """Hand out the work; runs in a thread."""
        from symgraph.engine.readers import Processes, Threads  # here: the engine reads data with this package's help

        def restart() -> Threads | Processes:
            if self._pool is not None:
                self._pool.close()
            self._pool = Processes(self.workers, self._shared()) if self.use_multiprocessing else Threads(self._threads)
            return self._pool

        try:
            self._hand_out(restart, lambda item: self._put(waiting, stopped, item), stopped)
        except BaseException as error:  # noqa: BLE001 - handed to whoever takes the batch
            future: Future = Future()
            future.set_exception(error)
            self._put(waiting, stopped, (None, future))
        finally:
            if self._pool is not None:
                self._pool.close()
                self._pool = None

    @staticmethod
    def _put(waiting: queue.Queue, stopped: threading.Event, item: Any) -> bool:
        while not stopped.is_set():
            try:
                waiting.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    @property
    def _threads(self) -> int:
        return self.workers

    def _shared(self) -> Any:
        """What each process has a copy of."""
        return self.sequence

    def _hand_out(self, restart: Callable[[], Any], put: Callable[[Any], bool], stopped: threading.Event) -> None:
        raise NotImplementedError(f"{type(self).__name__} must define `_hand_out`: it fills the queue.")

    def _take(self) -> tuple[Any, Future] | None:
        """The next piece of work in the queue; None once the queue is stopped."""
        if self.queue is None:
            raise RuntimeError(f"{type(self).__name__} was not started: call `start()` before `get()`.")
        while self.is_running():
            try:
                return self.queue.get(timeout=0.1)
            except queue.Empty:
                continue
        return None

    @property
    def _patience(self) -> float | None:
        return _PATIENCE if self.use_multiprocessing else None


class OrderedEnqueuer(SequenceEnqueuer):
    """Reads a `Sequence` ahead and gives its batches in order, epoch after epoch, without end.

    # Arguments
        sequence: a `Sequence`. Its `on_epoch_end` is called between two epochs, when all their batches were taken.
        use_multiprocessing: whether processes make the batches instead of threads.
        shuffle: whether each epoch has an order of its own.
    """

    def __init__(self, sequence: Any, use_multiprocessing: bool = False, shuffle: bool = False):
        super().__init__(sequence, use_multiprocessing)
        self.shuffle = shuffle
        self.end_of_epoch_signal = threading.Event()
        self._untaken = threading.Condition()
        self._open = 0

    def join_end_of_epoch(self) -> None:
        """Wait until an epoch has ended."""
        self.end_of_epoch_signal.wait(timeout=30)

    def _hand_out(self, restart: Callable[[], Any], put: Callable[[Any], bool], stopped: threading.Event) -> None:
        pool = restart()
        while not stopped.is_set():
            order = np.arange(len(self.sequence))
            if self.shuffle:
                np.random.shuffle(order)
            for index in order.tolist():
                with self._untaken:
                    self._open += 1
                try:
                    future = pool.submit(self.sequence.__getitem__, index)
                except BrokenProcessPool:  # a process has died, and took the others with it
                    pool = restart()
                    future = pool.submit(self.sequence.__getitem__, index)
                if not put((index, future)):
                    return
            with self._untaken:
                while self._open and not stopped.is_set():
                    self._untaken.wait(0.1)
            if stopped.is_set():
                return
            self.sequence.on_epoch_end()
            self.end_of_epoch_signal.set()
            self.end_of_epoch_signal.clear()
            if self.use_multiprocessing:  # the copies do not know of the new epoch
                pool = restart()

    def start(self, workers: int = 1, max_queue_size: int = 10) -> None:
        """Begin to read ahead; see `SequenceEnqueuer.start`."""
        self._open = 0
        super().start(workers, max_queue_size)

    def get(self) -> Iterator[Any]:
        """The batches in order, without end; an error of the `Sequence` is raised here.

        What a process has not made in 30 seconds, or had not made when one died, is made here instead, with a warning.
        """
        try:
            while (task := self._take()) is not None:
                index, future = task
                try:
                    batch = future.result(self._patience)
                except (TimeoutError, BrokenProcessPool) as error:
                    if future.done() and not isinstance(error, BrokenProcessPool):
                        raise  # the sequence's own TimeoutError
                    warnings.warn(f"The input {index} could not be retrieved. It could be because a worker has died.",
                                  stacklevel=2)
                    batch = self.sequence[index]
                with self._untaken:
                    self._open -= 1
                    self._untaken.notify_all()
                if batch is not None:
                    yield batch
        except Exception:
            self.stop()
            raise


class GeneratorEnqueuer(SequenceEnqueuer):
    """Reads a generator ahead.

    # Arguments
        sequence: the generator.
        use_multiprocessing: whether processes read it. Each has a copy of the generator, so a batch comes once from
            each of them.
        wait_time: not used; Keras asked for it once.
        random_seed: seed of NumPy's random numbers in the first process, one more in the next, and so on.

    # Raises
        ValueError: processes are asked for on a system that cannot fork.

    Without processes one thread reads it, however many `workers` are asked for: its batches come in its order.
    """

    def __init__(self, sequence: Any, use_multiprocessing: bool = False, wait_time: float | None = None,
                 random_seed: int | None = None):
        super().__init__(sequence, use_multiprocessing)
        if use_multiprocessing and "fork" not in multiprocessing.get_all_start_methods():
            raise ValueError("GeneratorEnqueuer: a generator cannot be sent to another process on this system. Use "
                             "`use_multiprocessing=False`, or a `Sequence`.")
        if wait_time is not None:
            warnings.warn("GeneratorEnqueuer: `wait_time` has no effect: nothing here waits by sleeping.", stacklevel=2)
        self.random_seed = random_seed

    @property
    def _threads(self) -> int:
        return 1  # a generator is one stream

    def _shared(self) -> Any:
        return _Stream(self.sequence, self.random_seed)

    def _hand_out(self, restart: Callable[[], Any], put: Callable[[Any], bool], stopped: threading.Event) -> None:
        pool = restart()
        read = _Stream(self.sequence).__getitem__
        number = 0
        while put((number, pool.submit(read, number))):
            number += 1

    def get(self) -> Iterator[Any]:
        """The batches, until the generator ends (for processes: until each copy has ended).

        A batch that a process has not made in 30 seconds is left out, with a warning.
        """
        ended: set[int] = set()
        try:
            while (task := self._take()) is not None:
                try:
                    reader, found = task[1].result(self._patience)
                except (TimeoutError, BrokenProcessPool) as error:
                    if task[1].done() and not isinstance(error, BrokenProcessPool):
                        raise
                    warnings.warn("An input could not be retrieved. It could be because a worker has died. We do not "
                                  "have any information on the lost sample.", stacklevel=2)
                    continue
                if found:
                    yield found[0]
                    continue
                ended.add(reader)
                pool = self._pool
                if not self.use_multiprocessing or pool is None or ended.issuperset(pool.numbers()):  # type: ignore[union-attr]
                    self.stop()
        except Exception:
            self.stop()
            raise


class _Stream:
    """A generator, read by whoever asks.

    Gives `(number of the process, batches)`: a tuple of one batch, or of none where the generator has ended.
    """

    def __init__(self, generator: Any, random_seed: int | None = None):
        self._generator, self._random_seed = generator, random_seed
        self._seeded = False

    def __getitem__(self, index: int) -> tuple[int, tuple]:
        if self._random_seed is not None and not self._seeded:
            place = multiprocessing.current_process()._identity
            np.random.seed(self._random_seed + (place[-1] if place else 0))
            self._seeded = True
        try:
            return os.getpid(), (next(self._generator),)
        except StopIteration:
            return os.getpid(), ()
