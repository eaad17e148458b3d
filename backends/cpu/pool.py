"""The thread pool and the tape driver: a whole program as one native call.

A *tape* is an int64 array of rows of eight entries, walked by all threads side by side:

=====  ===============  ==============================================================================================
entry  name             meaning
=====  ===============  ==============================================================================================
0      kernel           address of a native function ``void(int64 part, int64 parts, int64 args)``; 0 for a loop row
1      args             address of its argument table
2      mode             ``ALONE`` (0): called once, as part 0 of 1; ``SHARED`` (1): called once for each part;
                        plus ``CHECKED`` (2): the tape ends after it if the int64 at the address in entry 6 is not 0
3      barrier          1: every part is done before the next row begins, as that reads what another part wrote
4      count            loop row: number of iterations, 0 skips the body
5      rows             loop row: number of rows of its body, which follow it
6      patches          loop row: address of pairs ``(address of an int64, increment)``, or 0; ``CHECKED`` row: see mode
7      patch_count      loop row: number of pairs
=====  ===============  ==============================================================================================

A loop row repeats its body ``count`` times.  Between iterations each patch address is increased by its increment;
after the last iteration the patched numbers are what they were before the loop, so that the tape can run again.  Loops
nest up to ``DEPTH`` deep.  A barrier is implied at the end of each iteration and of the tape.

Rows up to a barrier are a *phase*, and have as many parts as the tape has threads.  A thread takes its own part of a
phase, and then whatever parts nobody has begun: a worker that the system does not let run is not waited for, the others
do its parts, with the same results to the last bit.  So the parts of a row may run one after another on one thread,
and must not wait for each other.  Whoever finishes the last part opens the next phase; only the caller waits for the
end of the tape, and a worker that comes late finds that nothing is left to do.

The driver and the workers' waiting loop are kernels themselves (compiled once, cached like any other).  A waiting
thread spins for some hundred pauses, then gives its time slice away, then sleeps: a contended machine is not held up,
and idle workers use no processor time.  A tape on one thread touches no atomic operation.

While a tape runs, denormal numbers (of float32 those below 1.2e-38) count as 0, unless it was made ready with
``denormals=True``. Averages that an optimizer lets decay would else come to rest at such numbers, which many processors
compute with at a fraction of their speed. The caller's own floating-point state is what it was when the tape is over.
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

# The context, in int64 entries: the run, what changes on cache lines of its own, limits, addresses of kernels, then a
# block per thread.
_TAPE, _ROWS, _THREADS, _STOP, _FORKED, _RUN, _DENORMALS = range(7)
_CURRENT, _FINISHED, _LOCK = 16, 32, 48
_SPINS, _YIELDS, _NAP, _IDLE_YIELDS = 8, 9, 10, 11
_AWAIT, _PHASE, _PATCH, _WALK = 12, 13, 14, 15
_BLOCKS, _BLOCK = 64, 80
# In a block: what others write, on lines of their own; what the thread keeps for itself; its semaphore.
_TICKET, _SLEEPING, _HANDLE, _CLAIM = 0, 1, 2, 8
_NUMBER, _BATON, _MY_TAPE, _MY_ROWS, _MY_THREADS, _INSIDE = 16, 17, 18, 19, 20, 21
_SEMAPHORE, _STACK = 24, 32
# In the rows of a prepared tape: how many rows the phase has that a row begins, and whether one of them is shared.
_GROUP, _DIVIDED = 4, 7
_COUNT = 4  # in a loop row

# CURRENT holds the number of the run, times 2**32, plus that of the phase which is open; OVER once the run is over.  It
# only grows.  So does the claim on each part: the last phase in which somebody has taken it.
_OVER = 0xFFFFFFFF

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

# Take part in the phase that begins with the row at ``entry``: wait until it is open, then do what nobody else has
# begun.  A phase can only have been closed after each of its parts was claimed, so a thread that comes late claims
# nothing.  The baton goes to whoever finishes last.
_PHASE_SOURCE = """
def phase(entry, thread, context):
    block = context + 8 * ({BLOCKS} + {BLOCK} * thread)
    number = load(block, {NUMBER})
    place = context + 8 * {CURRENT}
    current = atomic_load(place)
    while current < number:
        call_kernel(load(context, {AWAIT}), place, current, context)
        current = atomic_load(place)
    if current > number:
        return
    rows = load(entry, {GROUP})
    if load(entry, {DIVIDED}) == 0:
        if thread == 0:
            for k in range(rows):
                row = entry + {ROWBYTES} * k
                call_kernel(load(row, 0), 0, 1, load(row, 1))
            store(block, {BATON}, 1)
        return
    parts = load(block, {MY_THREADS})
    part = thread
    for _ in range(parts):
        claim = context + 8 * ({BLOCKS} + {BLOCK} * part + {CLAIM})
        before = atomic_load(claim)
        if before < number and atomic_replace(claim, before, number) != 0:
            for k in range(rows):
                row = entry + {ROWBYTES} * k
                if load(row, 2) & 1 != 0:
                    call_kernel(load(row, 0), part, parts, load(row, 1))
                elif part == 0:
                    call_kernel(load(row, 0), 0, 1, load(row, 1))
            if atomic_add(context + 8 * {FINISHED}, 1) == parts - 1:
                atomic_store(context + 8 * {FINISHED}, 0)
                store(block, {BATON}, 1)
        part += 1
        if part == parts:
            part = 0
"""

# All threads walk the same rows.  The one that has the baton patches after iterations, opens the next phase, or ends
# the run; the others find out by the number of the phase that is open.
_WALK_SOURCE = """
def walk(thread, base, context):
    block = context + 8 * ({BLOCKS} + {BLOCK} * thread)
    place = context + 8 * {CURRENT}
    tape = load(block, {MY_TAPE})
    end = load(block, {MY_ROWS})
    threads = load(block, {MY_THREADS})
    stack = block + 8 * {STACK}
    number = base
    baton = 1
    if thread != 0:
        baton = 0
    depth = 0
    index = 0
    stopped = 0
    while stopped == 0:
        if index < end:
            entry = tape + {ROWBYTES} * index
            if load(entry, 0) != 0:
                rows = load(entry, {GROUP})
                if threads == 1:
                    for k in range(rows):
                        row = entry + {ROWBYTES} * k
                        call_kernel(load(row, 0), 0, 1, load(row, 1))
                else:
                    number += 1
                    store(block, {NUMBER}, number)
                    store(block, {BATON}, 0)
                    if baton != 0:
                        atomic_store(place, number)
                    call_kernel(load(context, {PHASE}), entry, thread, context)
                    baton = load(block, {BATON})
                    if baton == 0 and atomic_load(place) >= base + {OVER}:
                        return
                index += rows
                last = tape + {ROWBYTES} * (index - 1)
                if baton != 0 and load(last, 2) >= 2:
                    stopped = load(load(last, 6), 0)
            elif load(entry, 4) > 0:
                store(stack, 3 * depth, index)
                store(stack, 3 * depth + 1, load(entry, 4))
                store(stack, 3 * depth + 2, end)
                depth += 1
                index += 1
                end = index + load(entry, 5)
            else:
                index += 1 + load(entry, 5)
        elif depth == 0:
            stopped = 1
        else:
            loop = load(stack, 3 * depth - 3)
            left = load(stack, 3 * depth - 2) - 1
            entry = tape + {ROWBYTES} * loop
            if left == 0:
                entry = -entry
            if baton != 0:
                call_kernel(load(context, {PATCH}), 0, entry, context)
            if left > 0:
                store(stack, 3 * depth - 2, left)
                index = loop + 1
            else:
                depth -= 1
                index = end
                end = load(stack, 3 * depth + 2)
    if threads > 1:
        if baton != 0:
            atomic_store(place, base + {OVER})
        elif thread == 0:
            current = atomic_load(place)
            while current < base + {OVER}:
                call_kernel(load(context, {AWAIT}), place, current, context)
                current = atomic_load(place)
"""

# What a worker reads of the run is one run's only if that run is not over when it has read all of it.
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
        ticket = atomic_load(block)
        if atomic_load(context + 8 * {STOP}) != 0:
            return
        atomic_store(block + 8 * {INSIDE}, 1)
        base = atomic_load(context + 8 * {CURRENT}) >> 32 << 32
        store(block, {MY_TAPE}, atomic_load(context + 8 * {TAPE}))
        store(block, {MY_ROWS}, atomic_load(context + 8 * {ROWS}))
        threads = atomic_load(context + 8 * {THREADS})
        store(block, {MY_THREADS}, threads)
        denormals = atomic_load(context + 8 * {DENORMALS})
        if atomic_load(context + 8 * {CURRENT}) < base + {OVER} and thread < threads:
            set_denormals(denormals)
            call_kernel(load(context, {WALK}), thread, base, context)
        atomic_store(block + 8 * {INSIDE}, 0)
"""

_RUN_SOURCE = """
def run(tape, packed, context):
    denormals = packed >> 62
    threads = packed >> 32 & 0x3FFFFFFF
    rows = packed & 0xFFFFFFFF
    while atomic_exchange(context + 8 * {LOCK}, 1) != 0:
        call_kernel(load(context, {AWAIT}), context + 8 * {LOCK}, 1, context)
    number = load(context, {RUN}) + 1
    store(context, {RUN}, number)
    state = set_denormals(denormals)
    base = number << 32
    mine = context + 8 * {BLOCKS}
    store(mine, {MY_TAPE}, tape)
    store(mine, {MY_ROWS}, rows)
    store(mine, {MY_THREADS}, threads)
    if threads > 1:
        atomic_store(context + 8 * {TAPE}, tape)
        atomic_store(context + 8 * {ROWS}, rows)
        atomic_store(context + 8 * {THREADS}, threads)
        atomic_store(context + 8 * {DENORMALS}, denormals)
        atomic_store(context + 8 * {CURRENT}, base)
        if load(context, {FORKED}) == 0:
            for worker in range(1, threads):
                block = context + 8 * ({BLOCKS} + {BLOCK} * worker)
                atomic_add(block, 1)
                if atomic_load(block + 8 * {SLEEPING}) == 1 and atomic_exchange(block + 8 * {SLEEPING}, 0) == 1:
                    system_post(load(block, {HANDLE}), 1, 0)
    call_kernel(load(context, {WALK}), 0, base, context)
    restore_denormals(state)
    atomic_store(context + 8 * {LOCK}, 0)
"""

#: The kernels of the pool, by name, and the entries of the context that hold the addresses of those called by others.
_SOURCES = {
    "run": _RUN_SOURCE,
    "work": _WORK_SOURCE,
    "walk": _WALK_SOURCE,
    "phase": _PHASE_SOURCE,
    "await_change": _AWAIT_SOURCE,
    "patch": _PATCH_SOURCE,
}
_CALLED = {_WALK: "walk", _AWAIT: "await_change", _PHASE: "phase", _PATCH: "patch"}


def kernels() -> list[tuple[str, str]]:
    """The name and the source of each kernel of the pool."""
    numbers = {
        name[1:]: value
        for name, value in globals().items()
        if name.startswith("_") and name[1:].isupper() and isinstance(value, int)
    }
    numbers["ROWBYTES"] = 8 * ROW
    return [(name, source.format(**numbers)) for name, source in _SOURCES.items()]


def _addresses() -> dict[str, int]:
    """The addresses of the kernels of the pool."""
    return dict(zip(_SOURCES, objects.compile_kernels(kernels()), strict=True))


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


def _with_phases(address: int, rows: int) -> np.ndarray:
    """A copy of a tape in which the first row of each phase says how many rows it has, and whether one is shared."""
    tape = np.zeros((rows, ROW), np.int64)
    ctypes.memmove(tape.ctypes.data, address, tape.nbytes)
    entries = tape.tolist()
    edges = {index for at, each in enumerate(entries) if not each[0] for index in (at, at + 1 + each[5])}
    start = 0
    while start < rows:
        end = start + 1
        if entries[start][0]:
            while end < rows and end not in edges and not entries[end - 1][3] and entries[end - 1][2] < CHECKED:
                end += 1
            tape[start, _GROUP] = end - start
            tape[start, _DIVIDED] = any(each[2] & SHARED for each in entries[start:end])
        start = end
    return tape


class _Workers:
    """The context and the worker threads of a pool; lives until :meth:`stop`, whoever forgets the pool."""

    def __init__(self, threads: int, kernels: dict[str, int]) -> None:
        self.memory = np.zeros(_BLOCKS + _BLOCK * threads + 16, np.int64)
        self.context = -(-self.memory.ctypes.data // 128) * 128
        self.words = (ctypes.c_int64 * (_BLOCKS + _BLOCK * threads)).from_address(self.context)
        self.kernels = kernels
        self.function = _Native(kernels["work"])
        self.number = threads
        self._retired: list[np.ndarray] = []
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

    def retire(self, tape: np.ndarray) -> None:
        """Keep a tape that will not run again until no late worker can be reading it."""
        self._retired.append(tape)
        inside = (self.words[_BLOCKS + _BLOCK * worker + _INSIDE] for worker in range(1, self.number))
        if not any(inside):
            self._retired.clear()


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
        kernels = _addresses()
        self._native = _Native(kernels["run"])
        self._workers = _Workers(threads, kernels)
        self._context = self._workers.context
        self._finalizer = weakref.finalize(self, self._workers.stop)
        _pools.add(self)

    def _packed(self, rows: int, threads: int | None, denormals: bool) -> int:
        number = self.threads if threads is None else threads
        if not 1 <= number <= self.threads:
            raise ValueError(f"a tape runs on 1 to {self.threads} threads of this pool, got {number}")
        if self._closed:
            raise RuntimeError("this thread pool has been closed")
        return denormals << 62 | number << 32 | rows

    def run(self, tape_address: int, rows: int, threads: int | None = None) -> None:
        """Run the tape of ``rows`` rows at ``tape_address`` on ``threads`` threads (all of the pool by default).

        Returns when every row is done.  The GIL is released meanwhile.  Raises ValueError for more threads than the
        pool has, and RuntimeError after :meth:`close`.
        """
        job = self.prepare(tape_address, rows, threads)
        if self.forked:
            self.revive()
        job()

    def prepare(
        self, tape_address: int, rows: int, threads: int | None = None, denormals: bool = False
    ) -> Callable[[], None]:
        """The same call made ready: a function without arguments, at a fraction of :meth:`run`'s overhead.

        The rows are copied. It holds for as long as the pool is open; ask :attr:`forked` before it where a fork may
        have happened.  With ``denormals`` the tape computes with denormal numbers instead of taking them for 0.
        """
        return self._ready(_with_phases(tape_address, rows), self._packed(rows, threads, denormals))

    def prepare_loop(
        self, tape: np.ndarray, patches: np.ndarray, threads: int | None = None, denormals: bool = False
    ) -> Callable[[int], None]:
        """A tape as the body of a loop, made ready: a function of the number of iterations, 1 or more.

        Like :meth:`prepare`; one Python thread at a time may call it.

        Args:
            tape: the rows, of shape (rows, ``ROW``); they are copied.
            patches: pairs (address of an int64, increment), of shape (pairs, 2); what a loop row does with them is said
                at the head of this module. They must stay alive.
            threads: as for :meth:`run`.
            denormals: as for :meth:`prepare`.
        """
        head = row(rows=len(tape), patches=patches.ctypes.data, patch_count=len(patches))
        rows = np.array([head, *tape], np.int64)
        loop = _with_phases(rows.ctypes.data, len(rows))
        job = self._ready(loop, self._packed(len(rows), threads, denormals))

        def repeat(count: int) -> None:
            # A worker that comes late may still be reading the rows: it finds that the phases of its run are over,
            # whatever the count is now.
            loop[0, _COUNT] = count
            job()

        return repeat

    def _ready(self, tape: np.ndarray, packed: int) -> Callable[[], None]:
        """The call for a tape with phases, which lives for as long as the call and a while longer."""
        job = functools.partial(self._native, *map(ctypes.c_int64, (tape.ctypes.data, packed, self._context)))
        weakref.finalize(job, self._workers.retire, tape).atexit = False
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
