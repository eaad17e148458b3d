"""Compile many kernels at once: helper processes share the work with the caller.

Numba holds the GIL while it compiles, so threads would not help.  A helper is ``python -m
symgraph.backends.cpu.helpers``: it reads one kernel a line (JSON: name, source, symbol) and answers each with a packed
result.  Helpers only ever save time: a kernel that none of them delivers is compiled by the caller, whose errors are
then the ones that are shown.

The first call waits for the kernels, unless the program asks for interpreted first steps
(`symgraph.config.set_first_steps`); then helpers alone compile, and the caller is a thread that waits for them.
"""

from __future__ import annotations

import collections
import contextlib
import json
import math
import os
import struct
import subprocess
import sys
import threading
from typing import IO, Any

from symgraph import config
from symgraph.backends.cpu import vector

__all__ = ["WORTHWHILE", "compile_together", "helpers_for", "stop"]

#: A helper needs about a second before its first kernel; it must have this many to do to be worth it.
WORTHWHILE = 10
_MOST = 8
_PATIENCE = 120.0  # seconds that the caller waits for kernels that helpers have begun

_stopped = threading.Event()
_processes: dict[subprocess.Popen, int] = {}  # helpers that run, and the process whose they are

Job = tuple[str, str, str]  # name, source, symbol
Built = tuple[bytes, list[str]]  # object file, names of outside functions


def helpers_for(kernels: int) -> int:
    """How many helper processes are worth starting for ``kernels`` kernels on this machine, as busy as it is."""
    if not sys.executable:
        return 0
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    busy = 0.0
    if hasattr(os, "getloadavg"):
        with contextlib.suppress(OSError):
            busy = os.getloadavg()[0]
    others = int(max(0.0, busy - 1.0))  # a program that has worked for a while is itself one of those that are busy
    return max(0, min(kernels // WORTHWHILE, processors - 1 - others, _MOST))


class _Helper:
    """One helper process and the thread that feeds it from the shared queue."""

    def __init__(
        self, jobs: list[Job], waiting: collections.deque[int], done: dict[int, Built], apart: bool = False
    ) -> None:
        self.jobs, self.waiting, self.done = jobs, waiting, done
        places = [os.path.abspath(place) for place in sys.path]
        environment = config.child_environment(PYTHONPATH=os.pathsep.join(places))
        self.process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=apart,  # Ctrl-C in a terminal is not for it then
        )
        _processes[self.process] = os.getpid()
        self.thread = threading.Thread(target=self._feed, daemon=True, name="symgraph-compiling")
        self.thread.start()

    def _feed(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        # A helper that dies closes its pipe: what it had begun stays undone, and the caller does it.
        with contextlib.suppress(OSError, ValueError, struct.error):
            if self.process.stdout.read(1) != b"!":  # ready
                return
            while True:
                try:
                    index = self.waiting.popleft()
                except IndexError:
                    return
                self.process.stdin.write(json.dumps(self.jobs[index]).encode() + b"\n")
                self.process.stdin.flush()
                answer = _read(self.process.stdout)
                if answer is not None:
                    self.done[index] = answer

    def end(self) -> None:
        """Wait for the kernel that was begun, then end the process."""
        if self.process.poll() is None and self.thread.is_alive():
            self.thread.join(_PATIENCE)
        self.process.kill()
        self.thread.join()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self.process.wait()
        _processes.pop(self.process, None)


def stop() -> None:
    """End all helpers; what they were to compile is given up."""
    _stopped.set()
    for process, owner in list(_processes.items()):
        if owner == os.getpid():
            process.kill()


def _write(stream: IO[bytes], built: Built | None) -> None:
    code, wanted = built or (b"", [])
    names = "\n".join(wanted).encode()
    stream.write(struct.pack("<II", len(code), len(names)) + code + names)
    stream.flush()


def _read(stream: IO[bytes]) -> Built | None:
    """One answer; None for a kernel that the helper could not compile.  Raises struct.error at the stream's end."""
    sizes = struct.unpack("<II", stream.read(8))
    code, names = (stream.read(size) for size in sizes)
    if (len(code), len(names)) != sizes:
        raise struct.error("the helper ended in the middle of an answer")
    return (code, [name for name in names.decode().split("\n") if name]) if code else None


def compile_together(jobs: list[Job], helpers: int, background: bool = False) -> list[Built]:
    """Compile ``jobs`` in this process and ``helpers`` others; results in order.

    In the ``background`` this process only does what no helper has done: it has other things to do.
    Raises build.KernelError for a kernel that does not compile, RuntimeError after :func:`stop`.
    """
    # The longest first, so that nobody is left with a long one when the others have finished; the text of a shared
    # microkernel is short, what it stands for is not.
    def length(index: int) -> float:
        source = jobs[index][1]
        return len(source) if vector.shared_word(source) is None else math.inf

    waiting = collections.deque(sorted(range(len(jobs)), key=length, reverse=True))
    done: dict[int, Built] = {}
    team: list[_Helper] = []
    try:
        with contextlib.suppress(OSError):  # no processes to be had: then alone
            for _ in range(helpers):
                team.append(_Helper(jobs, waiting, done, background))
        for helper in team if background else ():
            helper.thread.join()
        from symgraph.backends.cpu import build

        while waiting and not _stopped.is_set():
            with contextlib.suppress(IndexError):  # a helper took the last one
                index = waiting.popleft()
                name, source, symbol = jobs[index]
                done[index] = build.build(source, name, symbol)
    finally:
        waiting.clear()
        for helper in team:
            helper.end()
    for index, (name, source, symbol) in enumerate(jobs):
        if index not in done:
            if _stopped.is_set():
                raise RuntimeError("the process ends: kernels are compiled no more")
            done[index] = build.build(source, name, symbol)
    return [done[index] for index in range(len(jobs))]


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """The helper's life: compile what is asked for until the requests end."""
    from symgraph.backends.cpu import build

    build.prepare()
    answers.write(b"!")
    answers.flush()
    for line in requests:
        name, source, symbol = json.loads(line)
        built: Any = None
        with contextlib.suppress(build.KernelError):  # the caller compiles it again and shows the error
            built = build.build(source, name, symbol)
        _write(answers, built)


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
