"""The thread pool and the tape driver: a whole program as one native call.

A *tape* is an int64 array of rows of eight entries, walked by all threads side by side:

=====  ===============  ==============================================================================================
entry  name             meaning
=====  ===============  ==============================================================================================
0      kernel           address of a native function ``void(int64 thread, int64 threads, int64 args)``; 0 for a loop row
1      args             address of its argument table
2      mode             ``ALONE`` (0): thread 0 calls it as thread 0 of 1; ``SHARED`` (1): every thread calls it;
                        plus ``CHECKED`` (2): the tape ends after it if the int64 at the address in entry 6 is not 0
3      barrier          1: all threads wait for each other after this row, as a later row reads what it wrote elsewhere
4      count            loop row: number of iterations, 0 skips the body
5      rows             loop row: number of rows of its body, which follow it
6      patches          loop row: address of pairs ``(address of an int64, increment)``, or 0; ``CHECKED`` row: see mode
7      patch_count      loop row: number of pairs
=====  ===============  ==============================================================================================

A loop row repeats its body ``count`` times.  Between iterations all threads meet, and each patch address is increased
by its increment; after the last iteration the patched numbers are what they were before the loop, so that the tape can
run again.  Loops nest up to ``DEPTH`` deep.  A barrier is implied at the end of each iteration and of the tape.

The driver and the workers' waiting loop are kernels themselves (compiled once, cached like any other).  A waiting
thread spins for some hundred pauses, then gives its time slice away, then sleeps: a contended machine is not held up,
and idle workers use no processor time.  A tape on one thread touches no atomic operation.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from symgraph.backends.cpu import objects, symbols

__all__ = ["ALONE", "CHECKED", "DEPTH", "ROW", "SHARED", "Pool", "row"]

ALONE, SHARED, CHECKED = 0, 1, 2
ROW = 8
DEPTH = 12

# The context, in int64 entries: the job, counters on cache lines of their own, limits, then a block per thread.
_TAPE, _ROWS, _THREADS, _STOP, _WALK, _FORKED = range(6)
_ARRIVED, _GENERATION, _DONE, _LOCK = 16, 32, 48, 64
_SPINS, _YIELDS, _NAP, _IDLE_YIELDS = 8, 9, 10, 11
_AWAIT, _MEET, _PATCH = 12, 13, 14
_BLOCKS, _BLOCK = 80, 64
_TICKET, _SLEEPING, _HANDLE, _STACK, _SEMAPHORE = 0, 1, 2, 8, 48

# Small kernels that call each other by address compile in half the time of one big kernel.
_AWAIT_SOURCE = """
def await_change(place, value, context):
    spins = load(context, {SPINS})
    yields = load(context, {YIELDS})
    waited = 0
    while atomic_load(place) == value:
        waited += 1
        if waited < spins:
            relax()
        elif waited < yields:
            system_yield()
        else:
            system_sleep(load(context, {NAP}))
"""

# After an iteration that another one follows, patches count once; after the last one (``loop`` is the negative address
# of the loop's row) all that came before is taken back.
_PATCH_SOURCE = """
def patch(unused, loop, context):
    entry = abs(loop)
    factor = 1
    if loop < 0:
        factor = 1 - load(entry, 4)
    patches = load(entry, 6)
    for k in range(load(entry, 7)):
        place = load(patches, 2 * k)
        store(place, 0, load(place, 0) + factor * load(patches, 2 * k + 1))
"""

# Whoever arrives last patches (where the meeting ends an iteration) and lets the others go.
_MEET_SOURCE = """
def meet(threads, loop, context):
    generation = atomic_load(context + 8 * {GENERATION})
    if atomic_add(context + 8 * {ARRIVED}, 1) == threads - 1:
        if loop != 0:
            call_kernel(load(context, {PATCH}), 0, loop, context)
        atomic_store(context + 8 * {ARRIVED}, 0)
        atomic_store(context + 8 * {GENERATION}, generation + 1)
    else:
        call_kernel(load(context, {AWAIT}), context + 8 * {GENERATION}, generation, context)
"""

_WALK_SOURCE = """
def walk(thread, threads, context):
    tape = load(context, {TAPE})
    end = load(context, {ROWS})
    meet = load(context, {MEET})
    stack = context + 8 * ({BLOCKS} + {BLOCK} * thread + {STACK})
    depth = 0
    index = 0
    while True:
        if index < end:
            entry = tape + {ROWBYTES} * index
            index += 1
            kernel = load(entry, 0)
            if kernel != 0:
                mode = load(entry, 2)
                if mode & 1 != 0:
                    call_kernel(kernel, thread, threads, load(entry, 1))
                elif thread == 0:
                    call_kernel(kernel, 0, 1, load(entry, 1))
                if threads > 1 and (mode >= 2 or load(entry, 3) != 0 and index < end):
                    call_kernel(meet, threads, 0, context)
                if mode >= 2:
                    stopped = load(load(entry, 6), 0)
                    if threads > 1:  # nobody goes on to write there before all have read it
                        call_kernel(meet, threads, 0, context)
                    if stopped != 0:
                        return
            elif load(entry, 4) > 0:
                store(stack, 3 * depth, index - 1)
                store(stack, 3 * depth + 1, load(entry, 4))
                store(stack, 3 * depth + 2, end)
                depth += 1
                end = index + load(entry, 5)
            else:
                index += load(entry, 5)
        elif depth == 0:
            return
        else:
            loop = load(stack, 3 * depth - 3)
            left = load(stack, 3 * depth - 2) - 1
            entry = tape + {ROWBYTES} * loop
            if left == 0:
                entry = -entry
            if threads > 1:
                call_kernel(meet, threads, entry, context)
            else:
                call_kernel(load(context, {PATCH}), 0, entry, context)
            if left > 0:
                store(stack, 3 * depth - 2, left)
                index = loop + 1
            else:
                depth -= 1
                index = end
                end = load(stack, 3 * depth + 2)
"""

_WORK_SOURCE = """
def work(thread, unused, context):
    block = context + 8 * ({BLOCKS} + {BLOCK} * thread)
    spins = load(context, {SPINS})
    yields = load(context, {IDLE_YIELDS})
    ticket = 0
    while True:
        waited = 0
        while atomic_load(block) == ticket:
            waited += 1
            if waited < spins:
                relax()
            elif waited < yields:
                system_yield()
            else:
                atomic_store(block + 8 * {SLEEPING}, 1)
                if atomic_load(block) == ticket or atomic_exchange(block + 8 * {SLEEPING}, 0) == 0:
                    system_wait(load(block, {HANDLE}), -1)
        ticket += 1
        if atomic_load(context + 8 * {STOP}) != 0:
            return
        call_kernel(load(context, {WALK}), thread, load(context, {THREADS}), context)
        atomic_add(context + 8 * {DONE}, 1)
"""

_RUN_SOURCE = """
def run(tape, packed, context):
    threads = packed >> 32
    wait = load(context, {AWAIT})
    while atomic_exchange(context + 8 * {LOCK}, 1) != 0:
        call_kernel(wait, context + 8 * {LOCK}, 1, context)
    if load(context, {FORKED}) != 0:
        threads = 1
    store(context, {TAPE}, tape)
    store(context, {ROWS}, packed & 0xFFFFFFFF)
    if threads == 1:
        call_kernel(load(context, {WALK}), 0, 1, context)
    else:
        store(context, {THREADS}, threads)
        atomic_store(context + 8 * {DONE}, 0)
        for worker in range(1, threads):
            block = context + 8 * ({BLOCKS} + {BLOCK} * worker)
            atomic_add(block, 1)
            if atomic_load(block + 8 * {SLEEPING}) == 1 and atomic_exchange(block + 8 * {SLEEPING}, 0) == 1:
                system_post(load(block, {HANDLE}), 1, 0)
        call_kernel(load(context, {WALK}), 0, threads, context)
        done = atomic_load(context + 8 * {DONE})
        while done < threads - 1:
            call_kernel(wait, context + 8 * {DONE}, done, context)
            done = atomic_load(context + 8 * {DONE})
    atomic_store(context + 8 * {LOCK}, 0)
"""

#: The kernels of the pool, by name, and the entries of the context that hold the addresses of those called by others.
_SOURCES = {
    "run": _RUN_SOURCE,
    "work": _WORK_SOURCE,
    "walk": _WALK_SOURCE,
    "await_change": _AWAIT_SOURCE,
    "meet": _MEET_SOURCE,
    "patch": _PATCH_SOURCE,
}
_CALLED = {_WALK: "walk", _AWAIT: "await_change", _MEET: "meet", _PATCH: "patch"}


def _kernels() -> dict[str, int]:
    """The addresses of the kernels of the pool."""
    numbers = {
        name[1:]: value
        for name, value in globals().items()
        if name.startswith("_") and name[1:].isupper() and isinstance(value, int)
    }
    numbers["ROWBYTES"] = 8 * ROW
    texts = [(name, source.format(**numbers)) for name, source in _SOURCES.items()]
    return dict(zip(_SOURCES, objects.compile_kernels(texts), strict=True))


_Native = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)


def row(
    kernel: int = 0,
    args: int = 0,
    mode: int = SHARED,
    barrier: int = 1,
    count: int = 0,
    rows: int = 0,
    patches: int = 0,
    patch_count: int = 0,
) -> list[int]:
    """One row of a tape; see the table at the head of this module."""
    return [kernel, args, mode, barrier, count, rows, patches, patch_count]


class _Workers:
    """The context and the worker threads of a pool; lives until :meth:`stop`, whoever forgets the pool."""

    def __init__(self, threads: int, kernels: dict[str, int]) -> None:
        self.memory = np.zeros(_BLOCKS + _BLOCK * threads + 16, np.int64)
        self.context = -(-self.memory.ctypes.data // 128) * 128
        self.words = (ctypes.c_int64 * (_BLOCKS + _BLOCK * threads)).from_address(self.context)
        self.kernels = kernels
        self.function = _Native(kernels["work"])
        self.number = threads
        self.start()

    def start(self) -> None:
        """Start the threads, over a context in its first state (also in a forked child, which has none of them)."""
        words = self.words
        self.process = os.getpid()
        ctypes.memset(self.context, 0, ctypes.sizeof(words))
        for place, name in _CALLED.items():
            words[place] = self.kernels[name]
        words[_SPINS], words[_YIELDS], words[_IDLE_YIELDS] = 400, 2400, 2400
        words[_NAP] = 1 if sys.platform == "win32" else 50  # milliseconds there, microseconds elsewhere
        for worker in range(1, self.number):
            start = _BLOCKS + _BLOCK * worker
            words[start + _HANDLE] = symbols.new_semaphore(self.context + 8 * (start + _SEMAPHORE))
        self.threads = [
            threading.Thread(
                target=self.function, args=(worker, 0, self.context), daemon=True, name=f"symgraph-worker-{worker}"
            )
            for worker in range(1, self.number)
        ]
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        """End the threads (in the process that started them; a forked child has none)."""
        if os.getpid() != self.process or not self.threads:
            return
        self.words[_STOP] = 1
        handles = [self.words[_BLOCKS + _BLOCK * worker + _HANDLE] for worker in range(1, self.number)]
        for worker, handle in enumerate(handles, 1):
            self.words[_BLOCKS + _BLOCK * worker + _TICKET] += 1
            symbols.post_semaphore(handle)
        self.words[_FORKED] = 1  # whoever still runs a tape runs it alone
        for thread in self.threads:
            thread.join(5.0)
        if any(thread.is_alive() for thread in self.threads):
            _abandoned.append(self)  # its memory must outlive the thread that still reads it
        else:
            for handle in handles:
                symbols.free_semaphore(handle)
        self.threads = []


_abandoned: list[_Workers] = []
_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


class Pool:
    """``threads`` threads (the caller is one of them) that run tapes.

    Several Python threads may run tapes at once: one tape runs at a time, the others wait without the GIL.  A forked
    child has none of the workers: there, tapes run on the calling thread until :meth:`revive`, which :meth:`run` calls.
    """

    def __init__(self, threads: int) -> None:
        if threads < 1:
            raise ValueError(f"a pool needs at least one thread, got {threads}")
        self.threads = threads
        #: True in a forked child that has not called :meth:`revive` yet.
        self.forked = False
        self._closed = False
        self._lock = threading.Lock()
        kernels = _kernels()
        self._native = _Native(kernels["run"])
        self._workers = _Workers(threads, kernels)
        self._context = self._workers.context
        self._finalizer = weakref.finalize(self, self._workers.stop)
        _pools.add(self)

    def _packed(self, rows: int, threads: int | None) -> int:
        number = self.threads if threads is None else threads
        if not 1 <= number <= self.threads:
            raise ValueError(f"a tape runs on 1 to {self.threads} threads of this pool, got {number}")
        if self._closed:
            raise RuntimeError("this thread pool has been closed")
        return number << 32 | rows

    def run(self, tape_address: int, rows: int, threads: int | None = None) -> None:
        """Run the tape of ``rows`` rows at ``tape_address`` on ``threads`` threads (all of the pool by default).

        Returns when every row is done.  The GIL is released meanwhile.  Raises ValueError for more threads than the
        pool has, and RuntimeError after :meth:`close`.
        """
        packed = self._packed(rows, threads)
        if self.forked:
            self.revive()
        self._native(tape_address, packed, self._context)

    def prepare(self, tape_address: int, rows: int, threads: int | None = None) -> Callable[[], None]:
        """The same call made ready: a function without arguments, at a fraction of :meth:`run`'s overhead.

        It holds for as long as the pool is open; ask :attr:`forked` before it where a fork may have happened.
        """
        packed = self._packed(rows, threads)
        job = functools.partial(self._native, *map(ctypes.c_int64, (tape_address, packed, self._context)))
        job.workers = self._workers  # type: ignore[attr-defined]  # keeps the context's memory
        return job

    def revive(self) -> None:
        """Start workers in a forked child; nothing happens elsewhere."""
        with self._lock:
            if self.forked and not self._closed:
                self._workers.start()
                self._finalizer = weakref.finalize(self, self._workers.stop)
                self.forked = False

    def close(self) -> None:
        """End the workers; a closed pool runs nothing any more."""
        self._closed = True
        self._finalizer()

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        self._finalizer.detach()
        # The lock of the context may be held by a thread that the child does not have.
        self._workers.words[_FORKED], self._workers.words[_LOCK] = 1, 0
        self.forked = True


def _after_fork() -> None:
    for pool in list(_pools):
        pool._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def describe(pool: Pool) -> dict[str, Any]:
    """For ``symgraph doctor``: the number of threads and the way workers wait."""
    return {"threads": pool.threads, "waiting": "spin, then yield, then sleep"}
