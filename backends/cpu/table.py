"""The table of the CPU executor: what it can lower, and what a lowering gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Union

from symgraph.compiler.lowerings import Lowerings
from symgraph.compiler.program import View
from symgraph.graph.type import DimLike


@dataclass(frozen=True)
class Address:
    """An argument that is the address of the first element of a buffer (whose `view` it is)."""

    buffer: int


@dataclass(frozen=True)
class Bits:
    """An argument that is a float64, passed as its bits."""

    value: float


@dataclass(frozen=True)
class Status:
    """An argument that is the address of two int64: a kernel that finds bad data writes (1, the bad value) there."""


Argument = Union[Address, Bits, Status, DimLike]


@dataclass(frozen=True)
class KernelCall:
    """One call of a native kernel.

    Attributes:
        name: of the kernel, for people.
        source: its text (see `symgraph.backends.cpu.language`); equal texts are compiled once.
        arguments: the entries of its argument table.
        work: estimated nanoseconds on one thread; decides whether threads share it.
        shared: False where it must run on one thread.
        active: 0 for sizes with which the call is left out.
        calls_blas: True where BLAS must be held to one thread meanwhile.
        fails: what to say when it reports a bad value.
        by_rows: True where part p of parts makes just the rows `span(rows, p, parts)` of its results, if there are as
            many, and reads only these rows of what it reads place by place (see `symgraph.backends.cpu.loops`).
    """

    name: str
    source: str
    arguments: tuple[Argument, ...]
    work: DimLike
    shared: bool = True
    active: DimLike = 1
    calls_blas: bool = False
    fails: str = ""
    by_rows: bool = False


#: Templates of elementwise operations: name -> function(result type, argument types) giving a format string.
ELEMENTWISE: dict[str, Callable[[str, tuple[str, ...]], str]] = {}

#: Reductions: name -> function(type) giving (start value, format string that combines two values).
REDUCTIONS: dict[str, Callable[[str], tuple[str, str]]] = {}

LOWERINGS = Lowerings("numba", ELEMENTWISE, REDUCTIONS, dtypes=("float32", "float64"))

#: Enters a function(step, buffers) -> list of `KernelCall` as the lowering of an operation.
register = LOWERINGS.register


def compute_type(dtype: str) -> str:
    """Return the type in which kernels compute: half floats are read as float32."""
    return "float32" if dtype.endswith("float16") else dtype


def converter(dtype: str) -> str:
    """Return the word of the kernel language that converts to a type."""
    return "bool_" if dtype == "bool" else dtype


class Arguments:
    """Collects the argument table of a call, and the lines of the kernel that read it."""

    def __init__(self) -> None:
        self.entries: list[Argument] = []
        self.lines: list[str] = []

    def number(self, value: DimLike) -> str:
        """Return the expression for a size that is known when the program is bound."""
        self.entries.append(value)
        return f"load(args, {len(self.entries) - 1})"

    def named(self, name: str, value: DimLike) -> str:
        """Give a size a name in the kernel."""
        self.lines.append(f"{name} = {self.number(value)}")
        return name

    def pointer(self, name: str, view: View, size: DimLike, independent: bool = False) -> str:
        """Give the buffer of a view a name in the kernel; the pointer is that of the first element of the view.

        Args:
            name: of the pointer.
            view: what will be read or written; its offset is applied.
            size: number of elements of the buffer.
            independent: see `symgraph.backends.cpu.language`.
        """
        self.entries.append(Address(view.buffer))
        address = f"load(args, {len(self.entries) - 1})"
        word = "independent" if independent else "pointer"
        self.lines.append(f"{name} = {word}_{view.dtype}({address}, {self.number(size)})")
        return name

    def status(self) -> str:
        """Give the status words a name in the kernel."""
        self.entries.append(Status())
        self.lines.append(f"status = pointer_int64(load(args, {len(self.entries) - 1}), 2)")
        return "status"


def kernel_source(arguments: Arguments, body: list[str]) -> str:
    """Return the text of a kernel from its arguments and its body."""
    lines = ["def kernel(thread, threads, args):", *(f"    {line}" for line in (*arguments.lines, *body))]
    return "\n".join(lines) + "\n"
