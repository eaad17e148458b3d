"""Kernels that are compiled while the program goes on: a thread that waits for helper processes.

A process can end, fork and be interrupted meanwhile.  At its end the helpers are ended too, and nobody waits for the
kernels; a child that was forked compiles for itself, for it has no threads of its parent; helpers are sessions of
their own, so that Ctrl-C in a terminal ends the step and not the compiling.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref

from symgraph.backends.cpu import helpers, objects

__all__ = ["Compilation"]

_PATIENCE = 30.0  # seconds that the end of the process waits for a kernel that this process compiles by itself

_running: weakref.WeakSet[Compilation] = weakref.WeakSet()


class Compilation:
    """The compiling of some kernels, ``(name, source)`` each."""

    def __init__(self, kernels: list[tuple[str, str]]) -> None:
        self.kernels = kernels
        self._addresses: list[int] | None = None
        self._error: BaseException | None = None
        self._process = 0
        if objects.are_compiled(kernels):
            self._addresses = objects.compile_kernels(kernels)

    def addresses(self) -> list[int] | None:
        """The addresses of the kernels in their order; None while they are being compiled, which begins here.

        Raises build.KernelError, each time, where one does not compile.
        """
        if self._addresses is None and self._error is None and self._process != os.getpid():
            self._begin()
        if self._error is not None:
            raise self._error
        return self._addresses

    def wait(self) -> None:
        """Wait until the kernels are there, or one has failed."""
        if self.addresses() is None:
            self._thread.join()

    def _begin(self) -> None:
        self._process = os.getpid()
        if not _running:
            atexit.unregister(_end)
            atexit.register(_end)
        _running.add(self)
        self._thread = threading.Thread(target=self._compile, daemon=True, name="symgraph-background")
        self._thread.start()

    def _compile(self) -> None:
        try:
            self._addresses = objects.compile_kernels(self.kernels, background=True)
        except BaseException as error:  # the next call raises it
            self._error = error
        finally:
            _running.discard(self)


def _end() -> None:
    """The process ends: native code must not run on while it is taken apart."""
    helpers.stop()
    for one in list(_running):
        if one._process == os.getpid():
            one._thread.join(_PATIENCE)
