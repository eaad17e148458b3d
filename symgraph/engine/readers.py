"""What reads batches ahead: threads, or processes with a copy of the data each; and what is done when they hang.

Every wait here has an end: a reader that dies, or makes nothing for a long time, is an error where the batch is taken,
with the place where the reader is.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import pickle
import queue
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any

__all__ = ["PATIENCE", "WARNING_AFTER", "Processes", "Threads", "await_batch", "places_of"]

#: Seconds without any new batch after which a warning says where the readers are, and after which it is an error. The
#: second can be set by the data: an attribute `timeout` in seconds, None to wait for ever.
WARNING_AFTER, PATIENCE = 30.0, 120.0


def await_batch(ready: Callable[[float], bool], timeout: float | None, places: Callable[[], str]) -> None:
    """Wait for a batch.

    # Arguments
        ready: waits at most so many seconds and says whether there is a batch (or an error in its place).
        timeout: seconds after which it is an error; None to wait for ever.
        places: says where the readers are.

    # Raises
        RuntimeError: there was no batch in time.
    """
    start, warned = time.monotonic(), False
    while True:
        waited = time.monotonic() - start
        limit = WARNING_AFTER if not warned else float("inf")
        if timeout is not None:
            limit = min(limit, timeout)
        if ready(max(0.01, min(limit - waited, 3600.0))):
            return
        waited = time.monotonic() - start
        if timeout is not None and waited >= timeout:
            raise RuntimeError(
                f"There has been no batch for {waited:.0f} seconds: what reads the data hangs. Where it is:\n"
                f"{places()}\n"
                "If a batch may take so long, give the data an attribute `timeout` in seconds (None: wait for ever)."
            )
        if not warned and waited >= WARNING_AFTER:
            warned = True
            warnings.warn(f"There has been no batch for {waited:.0f} seconds. Where the readers are:\n{places()}",
                          stacklevel=4)


def places_of(threads: list[threading.Thread]) -> str:
    """The stacks of threads."""
    frames = sys._current_frames()
    return "\n".join(f"Thread {thread.name}:\n" + "".join(traceback.format_stack(frames[thread.ident]))
                     for thread in threads if thread.ident in frames)


class Threads:
    """Threads that make batches. One that hangs does not keep the program from ending."""

    def __init__(self, count: int):
        self._tasks: queue.SimpleQueue = queue.SimpleQueue()
        self._closed = threading.Event()
        self._threads = [threading.Thread(target=self._work, daemon=True, name=f"symgraph-data-{number}")
                         for number in range(count)]
        for thread in self._threads:
            thread.start()

    def submit(self, read: Callable[[int], Any], index: int) -> Future:
        """Have a batch made."""
        future: Future = Future()
        self._tasks.put((future, read, index))
        return future

    def _work(self) -> None:
        while not self._closed.is_set():
            task = self._tasks.get()
            if task is None:
                return
            future, read, index = task
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(read(index))
            except BaseException as error:  # noqa: BLE001 - handed to the thread that takes the batch
                future.set_exception(error)

    def places(self) -> str:
        """Where the threads are."""
        return places_of(self._threads)

    def close(self) -> None:
        """End the threads; one that hangs is left behind."""
        self._closed.set()
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join(2.0)


class Processes:
    """Processes that make batches, each with a copy of the data."""

    def __init__(self, count: int, sequence: Any):
        # A forked process has the data as they are, also where they cannot be pickled; elsewhere they are sent.
        method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
        self._folder = tempfile.mkdtemp(prefix="symgraph-data-")
        self._pool = ProcessPoolExecutor(count, multiprocessing.get_context(method), _begin,
                                         (sequence, os.getpid(), self._folder))
        if sys.version_info < (3, 12):
            self._pool.submit(int).result()
            return
        # Python warns of a fork beside threads: the workers make batches only, and take no lock of ours. The filters
        # are the whole process's, so that older versions, which do not warn, leave them alone.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            self._pool.submit(int).result()

    def submit(self, read: Any, index: int) -> Future:
        """Have a batch made; the workers read from their own copy of the data."""
        return self._pool.submit(_item, index)

    def numbers(self) -> set[int]:
        """The numbers (PID) of the processes."""
        return set(self._pool._processes or {})

    def places(self) -> str:
        """Where the processes are, told by themselves."""
        if not hasattr(faulthandler, "register"):
            return "(this system cannot tell)"
        texts = []
        for worker in list((self._pool._processes or {}).values()):
            path = Path(self._folder) / str(worker.pid)
            if worker.pid is None or not worker.is_alive() or not path.exists():
                continue
            os.kill(worker.pid, signal.SIGUSR1)
            deadline = time.monotonic() + 2.0
            while not path.read_text() and time.monotonic() < deadline:
                time.sleep(0.02)
            time.sleep(0.05)  # the rest of the text
            texts.append(f"Worker process {worker.pid}:\n{path.read_text()}")
        return "\n".join(texts)

    def close(self) -> None:
        """End the processes; one that does not end by itself is killed."""
        workers = list((self._pool._processes or {}).values())
        self._pool.shutdown(wait=False, cancel_futures=True)
        deadline = time.monotonic() + 2.0
        for worker in workers:
            worker.join(max(0.0, deadline - time.monotonic()))
            if worker.is_alive():
                worker.kill()
                worker.join(5.0)
        self._pool.shutdown(wait=True)
        shutil.rmtree(self._folder, ignore_errors=True)


# ---------------------------------------------------------------------------------------------- in a worker process
_SEQUENCE: list = []
_REPORT: list = []


def _begin(sequence: Any, parent: int, folder: str) -> None:
    _SEQUENCE[:] = [sequence]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for the parent, which ends the workers
    if hasattr(faulthandler, "register"):
        _REPORT[:] = [open(Path(folder) / str(os.getpid()), "w")]  # noqa: SIM115 - written to until the process ends
        faulthandler.register(signal.SIGUSR1, file=_REPORT[0], all_threads=False)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process when its parent was killed: nobody would take its batches."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _item(index: int) -> Any:
    try:
        return _SEQUENCE[0][index]
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
        except Exception:  # noqa: BLE001 - whatever keeps it from being sent
            raise RuntimeError(f"Batch {index} could not be made: {type(error).__name__}: {error}\n"
                               f"{traceback.format_exc()}") from None
        raise
