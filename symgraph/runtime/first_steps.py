"""The first steps of a function, interpreted while its kernels are compiled."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from symgraph.graph.type import Atom
from symgraph.runtime.executor import Bound, Runner

__all__ = ["FirstSteps"]

_told: set[str] = set()


def _tell_once() -> None:
    if not _told:
        _told.add("told")
        print("Interpreting the first steps with NumPy while their kernels are compiled.", file=sys.stderr)


class FirstSteps:
    """Two readings of one function: interpreted until the compiled one is ready, then that one.

    Args:
        compiled: the runner that is being made ready in the background.
        interpreted: gives a runner that computes the same at once, with the same variables and random streams.
        lock: held by steps of either, so that no variable is read while the other writes it.
    """

    def __init__(self, compiled: Any, interpreted: Callable[[], Runner], lock: Any) -> None:
        self.compiled, self.lock = compiled, lock
        self._interpreted = interpreted
        self._other: Runner | None = None

    def interpreted(self) -> Runner:
        """Return the runner that needs no kernels."""
        if self._other is None:
            self._other = self._interpreted()
        return self._other

    def bind(self, sizes: Mapping[Atom, int]) -> Bound:
        """Return the program for these sizes, compiled if it is ready."""
        return self.compiled.bind(sizes) if self.compiled.ready() else _Bound(self, dict(sizes))

    def describe(self, sizes: Mapping[Atom, int]) -> list[str]:
        """Return a line for each step of the reading that the next call will use."""
        return (self.compiled if self.compiled.ready() else self.interpreted()).describe(sizes)


class _Bound:
    """A program for certain sizes, which changes from the one reading to the other between two calls."""

    def __init__(self, runner: FirstSteps, sizes: dict[Atom, int]) -> None:
        self.runner, self.sizes = runner, sizes
        self._compiled: Any = None
        self._interpreted: Bound | None = None

    def compiled(self) -> Any:
        """Return the compiled program once it is ready, None before; raise what has gone wrong."""
        if self._compiled is None and self.runner.compiled.ready():
            self._compiled = self.runner.compiled.bind(self.sizes)
        return self._compiled

    def __call__(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        compiled = self.compiled()
        if compiled is not None:
            return compiled(arrays)
        if self._interpreted is None:
            _tell_once()
            self._interpreted = self.runner.interpreted().bind(self.sizes)
        with self.runner.lock:
            return self._interpreted(arrays)

    @property
    def batches(self) -> Any:
        """The way to run several batches at once, which only the compiled program may have."""
        return getattr(self.compiled(), "batches", None)
