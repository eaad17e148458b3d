"""What an executor is, and which one is used."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from typing import Any, Protocol

import numpy as np

from symgraph.compiler.lowerings import Lowerings
from symgraph.compiler.program import Program
from symgraph.graph.node import Node
from symgraph.graph.type import Atom, TensorType, numpy_dtype

#: A program bound to sizes: arrays in, arrays out.
Bound = Callable[[Sequence[np.ndarray]], list[np.ndarray]]


class Runner(Protocol):
    """A program that an executor has loaded."""

    def bind(self, sizes: Mapping[Atom, int]) -> Bound:
        """Return the program for these sizes. Compiles nothing; places buffers and fills in numbers."""
        ...

    def describe(self, sizes: Mapping[Atom, int]) -> list[str]:
        """Return one line of text for each step, for `symgraph.explain`."""
        ...


class Executor(Protocol):
    """What runs programs.

    One whose programs take long to load may have a method `begin(program)` too. It returns a runner at once, whose
    `ready()` says whether it can be bound yet and raises what went wrong; and the executor has a `lock`, which is held
    while a program runs. Then first steps can be interpreted meanwhile (`symgraph.config.set_first_steps`).

    Attributes:
        name: "numba", "cupy", "numpy" or the name of an entry point.
        space: the memory its buffers are in: "host", or the name of a device.
        lowerings: what it can lower; read by the compiler.
    """

    name: str
    space: str
    lowerings: Lowerings

    def load(self, program: Program) -> Runner:
        """Generate code for a program, or fetch it from a cache."""
        ...

    def empty(self, type: TensorType) -> Any:
        """Return an uninitialised buffer."""
        ...

    def put(self, host: np.ndarray, into: Any = None) -> Any:
        """Copy an array to a new buffer, or into an existing one."""
        ...

    def get(self, buffer: Any) -> np.ndarray:
        """Copy a buffer to a new array."""
        ...

    def synchronize(self) -> None:
        """Wait for all that was started."""
        ...


class HostMemory:
    """Buffers in the memory of the process: NumPy arrays that begin at a multiple of 64 bytes."""

    space = "host"

    def empty(self, type: TensorType) -> np.ndarray:
        shape = tuple(int(dim) for dim in type.shape)  # type: ignore[arg-type]
        return aligned(shape, numpy_dtype(type.dtype))

    def put(self, host: np.ndarray, into: np.ndarray | None = None) -> np.ndarray:
        if into is None:
            into = aligned(host.shape, host.dtype)
        np.copyto(into, host)
        return into

    def get(self, buffer: np.ndarray) -> np.ndarray:
        return buffer.copy()

    def synchronize(self) -> None:
        """Everything is done when a call returns."""


def aligned(shape: Sequence[int], dtype: np.dtype, alignment: int = 64) -> np.ndarray:
    """Return an uninitialised array that begins at a multiple of `alignment` bytes."""
    count = 1
    for dim in shape:
        count *= dim
    raw = np.empty(count * dtype.itemsize + alignment, np.uint8)
    start = -raw.__array_interface__["data"][0] % alignment
    return raw[start : start + count * dtype.itemsize].view(dtype).reshape(shape)


class ExecutorError(RuntimeError):
    """An executor cannot be used here; the message says what is missing."""


_BUILT_IN = {
    "numba": "symgraph.backends.cpu.executor",
    "cupy": "symgraph.backends.gpu.executor",
    "numpy": "symgraph.backends.reference.executor",
}
_LOADED: dict[str, Executor] = {}
_CHOSEN = threading.local()
_LOCK = threading.Lock()


def executor(name: str) -> Executor:
    """Return the executor of this name, loading it on first use.

    Raises:
        ExecutorError: it is unknown, or what it needs is not there (a GPU, a package).
    """
    loaded = _LOADED.get(name)
    if loaded is None:
        with _LOCK:
            loaded = _LOADED.get(name)
            if loaded is None:
                loaded = _LOADED[name] = _create(name)
    return loaded


def _create(name: str) -> Executor:
    if name in _BUILT_IN:
        return importlib.import_module(_BUILT_IN[name]).create()
    for entry in metadata.entry_points(group="symgraph.backends"):
        if entry.name == name:
            return entry.load()()
    known = ", ".join(sorted({*_BUILT_IN, *(e.name for e in metadata.entry_points(group="symgraph.backends"))}))
    raise ExecutorError(f"there is no executor {name!r}; known are {known}")


def current() -> Executor:
    """Return the executor that functions are compiled for: that of `use`, else the configured one."""
    chosen = getattr(_CHOSEN, "name", None)
    if chosen is None:
        from symgraph import config

        chosen = config.executor_name()
    return executor(chosen)


@contextmanager
def use(name: str):
    """Compile functions for another executor within a block (in this thread)."""
    executor(name)  # complain now rather than inside the block
    before = getattr(_CHOSEN, "name", None)
    _CHOSEN.name = name
    try:
        yield
    finally:
        _CHOSEN.name = before


def host() -> Executor:
    """Return an executor whose buffers are in the memory of the process."""
    return executor("numpy")


def evaluate(node: Node, values: tuple[np.ndarray, ...]) -> np.ndarray:
    """Compute an elementwise node on arrays, by the reference rules."""
    from symgraph.backends.reference.executor import evaluate_elementwise

    return evaluate_elementwise(node.op.name, node.attrs, values, node.dtype)
