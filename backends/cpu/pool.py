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
_BLOCKS, _BLOCK = 80, 64
_TICKET, _SLEEPING, _HANDLE, _STACK, _SEMAPHORE = 0, 1, 2, 8, 48

_WAIT = """
{indent}{variable} = 0
{indent}while {condition}:
{indent}    {variable} += 1
{indent}    if {variable} < spins:
{indent}        relax()
{indent}    elif {variable} < yields:
{indent}        system_yield()
{indent}    else:
{indent}        system_sleep(nap)
"""

# Whoever arrives last patches (where the barrier ends an iteration) and lets the others go.
_BARRIER = """
{indent}generation = atomic_load(context + 8 * {GENERATION})
{indent}if atomic_add(context + 8 * {ARRIVED}, 1) == threads - 1:
{patch}
{indent}    atomic_store(context + 8 * {ARRIVED}, 0)
{indent}    atomic_store(context + 8 * {GENERATION}, generation + 1)
{indent}else:{wait}
"""

_PATCH = """
{indent}k = 0
{indent}while k < patch_count:
{indent}    place = load(patches, 2 * k)
{indent}    store(place, 0, load(place, 0) + factor * load(patches, 2 * k + 1))
{indent}    k += 1
"""

_WALK_SOURCE = """
def walk(thread, threads, context):
    tape = load(context, {TAPE})
    end = load(context, {ROWS})
    spins = load(context, {SPINS})
    yields = load(context, {YIELDS})
    nap = load(context, {NAP})
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
{row_barrier}
                if mode >= 2:
                    stopped = load(load(entry, 6), 0)
                    if threads > 1:
{stop_barrier}
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
            patches = load(entry, 6)
            patch_count = load(entry, 7)
            factor = 1
            if left == 0:
                factor = 1 - load(entry, 4)
            if threads > 1:
{loop_barrier}
            else:
{loop_patch}
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
    spins = load(context, {SPINS})
    yields = load(context, {YIELDS})
    nap = load(context, {NAP})
{lock}
    if load(context, {FORKED}) != 0:
        threads = 1
    store(context, {TAPE}, tape)
    store(context, {ROWS}, packed & 0xFFFFFFFF)
    if threads == 1:
        call_kernel(load(context, {WALK}), 0, 1, context)
    else:
        store(context, {THREADS}, threads)
        atomic_store(context + 8 * {DONE}, 0)
        worker = 1
        while worker < threads:
            block = context + 8 * ({BLOCKS} + {BLOCK} * worker)
            atomic_add(block, 1)
            if atomic_load(block + 8 * {SLEEPING}) == 1 and atomic_exchange(block + 8 * {SLEEPING}, 0) == 1:
                system_post(load(block, {HANDLE}), 1, 0)
            worker += 1
        call_kernel(load(context, {WALK}), 0, threads, context)
{done}
    atomic_store(context + 8 * {LOCK}, 0)
"""


def _sources() -> list[tuple[str, str]]:
    """The three kernels of the pool: ``(name, source)``."""
    numbers = {
        name[1:]: value
        for name, value in globals().items()
        if name.startswith("_") and name[1:].isupper() and isinstance(value, int)
    } | {"ROWBYTES": 8 * ROW}

    def wait(spaces: int, condition: str) -> str:
        return _WAIT.format(indent=" " * spaces, variable="waited", condition=condition.format(**numbers))

    def barrier(spaces: int, patch: str) -> str:
        condition = "atomic_load(context + 8 * {GENERATION}) == generation"
        return _BARRIER.format(indent=" " * spaces, patch=patch, wait=wait(spaces + 4, condition), **numbers)

    walk = _WALK_SOURCE.format(
        row_barrier=barrier(20, ""),
        stop_barrier=barrier(24, ""),
        loop_barrier=barrier(16, _PATCH.format(indent=" " * 20)),
        loop_patch=_PATCH.format(indent=" " * 16),
        **numbers,
    )
    run = _RUN_SOURCE.format(
        lock=wait(4, "atomic_exchange(context + 8 * {LOCK}, 1) != 0"),
        done=wait(8, "atomic_load(context + 8 * {DONE}) < threads - 1"),
        **numbers,
    )
    return [("walk", walk), ("work", _WORK_SOURCE.format(**numbers)), ("run", run)]


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

    def __init__(self, threads: int, walk: int, work: int) -> None:
        self.memory = np.zeros(_BLOCKS + _BLOCK * threads + 16, np.int64)
        self.context = -(-self.memory.ctypes.data // 128) * 128
        self.words = (ctypes.c_int64 * (_BLOCKS + _BLOCK * threads)).from_address(self.context)
        self.function = _Native(work)
        self.number = threads
        self.words[_WALK] = walk
        self.start()

    def start(self) -> None:
        """Start the threads, over a context in its first state (also in a forked child, which has none of them)."""
        words = self.words
        self.process = os.getpid()
        walk = words[_WALK]
        ctypes.memset(self.context, 0, ctypes.sizeof(words))
        words[_WALK], words[_SPINS], words[_YIELDS], words[_IDLE_YIELDS] = walk, 400, 2400, 2400
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
        walk, work, run = objects.compile_kernels(_sources())
        self._native = _Native(run)
        self._workers = _Workers(threads, walk, work)
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
