"""Batches from generators and `Sequence`s, read ahead by threads."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import numpy as np

from symgraph.engine.readers import PATIENCE, Processes, Threads, await_batch, places_of

__all__ = ["GeneratorSource", "is_generator"]


def is_generator(value: Any) -> bool:
    """Whether `value` gives batches: an iterator, a `Sequence`, or another iterable that is no data itself."""
    if isinstance(value, (np.ndarray, list, tuple, dict, str)) or value is None or hasattr(value, "shape"):
        return False
    return is_sequence(value) or hasattr(value, "__iter__")


def is_sequence(seq: Any) -> bool:
    """Whether something is a `Sequence`."""
    return bool(getattr(seq, "use_sequence_api", False))


class GeneratorSource:
    """Batches from a generator or `Sequence`.

    # Arguments
        generator: gives batches.
        arrays_of: turns a batch into `(number of samples, arrays)`; runs in the calling thread.
        steps: batches an epoch; for a `Sequence` its length by default.
        max_queue_size: batches read ahead.
        workers: threads that read ahead (one for a generator); 0: none, the caller reads.
        shuffle: whether the batches of a `Sequence` come in another order each epoch.
        steps_name: name of the steps argument, for messages.
        use_multiprocessing: whether the batches of a `Sequence` are made by processes instead of threads. (A generator
            is one stream: it is read by a thread in any case.)

    An error in a reader is raised where the batch is taken; nothing waits for a thread or process that has died, and
    not for ever for one that hangs (data may say how long with an attribute `timeout`, in seconds).
    """

    def __init__(self, generator: Any, arrays_of: Callable[[Any], tuple[int, Any]], steps: int | None = None,
                 max_queue_size: int = 10, workers: int = 1, shuffle: bool = False, steps_name: str = "steps",
                 use_multiprocessing: bool = False):
        self.generator, self.arrays_of = generator, arrays_of
        self.sequence = is_sequence(generator)
        #: Something that can be iterated over again and again, such as a data loader of another library.
        self.iterable = not self.sequence and not hasattr(generator, "__next__")
        if steps is None:
            if not self.sequence and not self.iterable:
                raise ValueError(f"`{steps_name}` must be given for a generator that is no `Sequence`: it could go on "
                                 "for ever.")
            steps = len(generator) if hasattr(generator, "__len__") else None
        if steps is not None and steps < 1:
            raise ValueError(f"`{steps_name}` must be at least 1, got {steps}.")
        self.samples: int | None = None
        #: Batches an epoch; None where an epoch is one pass over an iterable of unknown length.
        self.steps = self.batches = None if steps is None else int(steps)
        self._endless: Iterator[Any] | None = None
        self.max_queue_size, self.workers, self.shuffle = max(1, max_queue_size), workers, shuffle
        self.use_multiprocessing = use_multiprocessing
        #: Seconds without a batch after which the readers are taken to hang; None: never.
        self.timeout: float | None = getattr(generator, "timeout", PATIENCE)
        self._pool: Threads | Processes | None = None
        self._queue: queue.Queue | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        #: Batches and whole epochs that were taken.
        self._taken = self._epochs = 0
        #: Of an epoch that was resumed: how many of its batches are done, its order, and what goes on giving it.
        self._inside = 0
        self._begun_order: np.ndarray | None = None
        self._begun: Iterator[Any] | None = None

    def __enter__(self) -> GeneratorSource:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def close(self) -> None:
        """Stop the reading threads and processes."""
        self._stop.set()
        if self._pool is not None:
            self._pool.close()
            self._pool = None
        if self._thread is not None:
            deadline = time.monotonic() + 2.0  # a generator that hangs is left behind
            while self._thread.is_alive() and time.monotonic() < deadline:
                try:  # a reader that waits for room finds it, and then sees the flag
                    self._queue.get_nowait()  # type: ignore[union-attr]
                except queue.Empty:
                    self._thread.join(0.05)
            self._thread = None

    def on_epoch_end(self) -> None:
        """Tell the `Sequence` that an epoch is over."""
        self._epochs += 1
        if self.sequence and hasattr(self.generator, "on_epoch_end"):
            self.generator.on_epoch_end()
        if isinstance(self._pool, Processes):  # their copies of the sequence do not know of it
            self._pool.close()
            self._pool = None

    def epoch(self) -> Iterator[tuple[int, Any]]:
        """The batches of one epoch; of one that was resumed, the rest."""
        inside, self._inside = self._inside, 0
        if self.steps is None:
            begun, self._begun = self._begun, None
            yield from map(self.arrays_of, self.generator if begun is None else begun)
            return
        batches = self._of_sequence(inside) if self.sequence else self._stream()
        for _ in range(inside, self.steps):
            batch = next(batches)
            self._taken += 1
            yield self.arrays_of(batch)

    def _stream(self) -> Iterator[Any]:
        """The batches of what is no `Sequence`, from where the last epoch ended."""
        if not self.iterable:
            return self._of_generator()
        if self._endless is None:
            self._endless = self._around()
        return self._checked(self._endless)

    @property
    def owner(self) -> Any:
        """The object whose attributes are part of the state; None for an iterator, which is read again."""
        return self.generator if self.sequence or self.iterable else None

    def state(self, inside: int = 0) -> dict[str, Any]:
        """How far the data were read; `inside`: how many batches of an epoch are done that is not at its end."""
        return {"taken": self._taken, "epochs": self._epochs, "inside": inside}

    def restore(self, state: dict[str, Any]) -> bool:
        """Go to the place of a `state`, from the start of the data.

        A `Sequence` is told of the ends of its epochs. A generator gives its batches again, and they are left out; its
        random numbers, if it draws any, are then those that it drew before.

        # Returns
            Whether NumPy's random numbers go on from those of the state, too.
        """
        self._taken, self._epochs = state["taken"], state["epochs"]
        if self.sequence:
            for _ in range(self._epochs):
                if self.shuffle:
                    self._order()
                if hasattr(self.generator, "on_epoch_end"):
                    self.generator.on_epoch_end()
            return True
        if self.steps is None:
            return True
        self._inside = state["inside"]
        batches = self._stream()
        for _ in range(self._taken):
            next(batches)
        return not self._taken

    def read_again(self, state: dict[str, Any]) -> bool:
        """Read the batches of an epoch that are done again and leave them out, from the start of the epoch.

        # Returns
            Whether that left NumPy's random numbers alone.
        """
        inside = state["inside"]
        if not inside or not (self.sequence or self.steps is None):
            return True
        if self.sequence:
            self._inside, self._begun_order = inside, self._order()
            if self.use_multiprocessing and self.workers > 0:
                self._open_pool()  # the processes read them, with random numbers of their own
                return True
        before = np.random.get_state(legacy=False)["state"]
        if self.sequence:
            assert self._begun_order is not None
            for index in self._begun_order[:inside]:
                self.generator[int(index)]
        else:
            self._begun = iter(self.generator)
            for _ in range(inside):
                next(self._begun)
        after = np.random.get_state(legacy=False)["state"]
        return before["pos"] == after["pos"] and bool((before["key"] == after["key"]).all())

    def _around(self) -> Iterator[Any]:
        """The batches of an iterable, over and over."""
        while True:
            count = 0
            for batch in self.generator:
                count += 1
                yield batch
            if not count:
                return

    def _order(self) -> np.ndarray:
        """The numbers of the batches of an epoch."""
        order = np.resize(np.arange(len(self.generator)), self.steps or 0)
        if self.shuffle:
            np.random.shuffle(order)
        return order

    def _open_pool(self) -> Threads | Processes:
        if self._pool is None:
            self._pool = Processes(self.workers, self.generator) if self.use_multiprocessing else Threads(self.workers)
        return self._pool

    def _of_sequence(self, done: int) -> Iterator[Any]:
        """The batches of an epoch from the number `done` on."""
        order, self._begun_order = self._order() if self._begun_order is None else self._begun_order, None
        if self.workers < 1:
            for index in order[done:]:
                yield self.generator[int(index)]
            return
        pool, read = self._open_pool(), self.generator.__getitem__
        dropped = done if isinstance(pool, Processes) else 0
        pending: list = []

        def first() -> Any:
            future = pending.pop(0)
            await_batch(lambda seconds: bool(wait([future], seconds).done), self.timeout, pool.places)
            return future.result()

        try:
            for index in order[done - dropped:]:
                pending.append(pool.submit(read, int(index)))
                if len(pending) > self.max_queue_size:
                    batch = first()
                    if not dropped:
                        yield batch
                    dropped = max(0, dropped - 1)
            while pending:
                batch = first()
                if not dropped:
                    yield batch
                dropped = max(0, dropped - 1)
        except BrokenProcessPool as error:
            raise RuntimeError("A worker process that makes batches has died (killed, or out of memory). Fewer "
                               "`workers` need less memory; `use_multiprocessing=False` reads in threads.") from error
        finally:
            for future in pending:
                future.cancel()

    def _of_generator(self) -> Iterator[Any]:
        if self.workers < 1:
            return self._checked(iter(self.generator))
        if self._thread is None:
            self._queue = queue.Queue(self.max_queue_size)
            self._stop.clear()
            self._thread = threading.Thread(target=self._read, daemon=True, name="symgraph-data")
            self._thread.start()
        return self._checked(self._from_queue())

    def _read(self) -> None:
        waiting = self._queue
        assert waiting is not None
        try:
            for batch in self.generator:
                waiting.put((batch, None))
                if self._stop.is_set():
                    return
            waiting.put((None, StopIteration()))
        except BaseException as error:  # noqa: BLE001 - handed to the thread that takes the batch
            waiting.put((None, error))

    def _from_queue(self) -> Iterator[Any]:
        assert self._queue is not None
        waiting = self._queue
        taken: list = []

        def ready(seconds: float) -> bool:
            try:
                taken.append(waiting.get(timeout=seconds))
            except queue.Empty:
                return False
            return True

        while True:
            await_batch(ready, self.timeout, lambda: places_of([self._thread] if self._thread else []))
            batch, error = taken.pop()
            if isinstance(error, StopIteration):
                self._queue.put((None, error))
                return
            if error is not None:
                raise error
            yield batch

    def _checked(self, batches: Iterator[Any]) -> Iterator[Any]:
        # No `yield from`: the end of an epoch must not close the user's generator.
        for batch in batches:  # noqa: UP028
            yield batch
        raise ValueError(
            "The generator ended before an epoch was complete. It must give at least `steps * epochs` batches: let it "
            "loop for ever, or ask for fewer steps."
        )
