"""What a step becomes: calls of kernels and of libraries, first with symbols in their arguments, then bound.

A kernel takes one argument: a struct of 64-bit words (addresses, sizes, strides, bits of scalars), passed by value.
Binding evaluates the words; in a loop each iteration adds fixed increments to them, so nothing is evaluated again.
"""

from __future__ import annotations

import functools
import hashlib
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

import numpy as np

from symgraph.backends.gpu.prelude import PRELUDE
from symgraph.compiler.program import View
from symgraph.graph.type import Atom, Dim, DimLike, evaluate, numpy_dtype

Sizes = Mapping[Atom, int]

#: Threads of a block in every kernel; a power of 2.
THREADS = 256

#: Blocks of a grid at most; kernels stride over the rest. Enough to fill the largest devices several times.
BLOCKS = 4096

#: Indices are 32-bit integers up to this many elements; the margin keeps the last stride of a loop from wrapping.
NARROW_LIMIT = 2**31 - THREADS * BLOCKS * 2

#: A number known when the program is bound: a size, or a function of the sizes.
Count = Union[DimLike, Callable[[Sizes], int]]


def count_value(count: Count, sizes: Sizes) -> int:
    """Return the value of a count."""
    return evaluate(count, sizes) if isinstance(count, (int, Dim)) else count(sizes)


# ------------------------------------------------------------------------------------------------------ arguments


@dataclass(frozen=True)
class Address:
    """The address of the first element of a view."""

    view: View


@dataclass(frozen=True)
class Number:
    """A size, a stride, or anything that follows from sizes."""

    count: Count


@dataclass(frozen=True)
class Bits:
    """A scalar: its bits in the lower end of the word."""

    word: int


@dataclass(frozen=True)
class Report:
    """Where a kernel leaves its number when something is wrong with the data, and what that means.

    The kernel stores the word `Report.number` gets when the program is loaded at the address of the error cell; the
    executor looks there when results are fetched and raises `IndexError` with the message.
    """

    message: str


@dataclass(frozen=True)
class ErrorCell:
    """The address of the error cell."""


Argument = Union[Address, Number, Bits, Report, ErrorCell]


def bits_of(value: Any, dtype: str) -> Bits:
    """Return a scalar of a graph element type as a word."""
    if dtype in ("float16", "bfloat16", "float32"):
        return Bits(struct.unpack("<i", struct.pack("<f", float(value)))[0])
    if dtype == "float64":
        return Bits(struct.unpack("<q", struct.pack("<d", float(value)))[0])
    number = int(value)
    return Bits(number - 2**64 if number >= 2**63 else number)


class Arguments:
    """Collects the words of a kernel's argument; equal ones are kept once."""

    def __init__(self) -> None:
        self.words: list[Argument] = []
        self.places: dict[Any, int] = {}

    def add(self, argument: Argument) -> str:
        """Return the C expression of a word."""
        key: Any = argument
        if isinstance(argument, Number) and not isinstance(argument.count, (int, Dim)):
            key = id(argument.count)
        place = self.places.get(key)
        if place is None:
            place = self.places[key] = len(self.words)
            self.words.append(argument)
        return f"a.v[{place}]"


# ---------------------------------------------------------------------------------------------------------- calls


@dataclass(frozen=True)
class Kernel:
    """A launch of a generated kernel.

    Attributes:
        family: what the kernel does, in a word; the beginning of its name.
        body: its text after the prelude, with NAME for its name, and `position` and `count` for its index types.
        arguments: the words of its argument.
        blocks: the number of blocks along x; no launch where it is 0.
        splits: the number of blocks along y.
        views: what it touches; decides whether 32-bit indices will do.
        when: launched only where this holds; None means always.
    """

    family: str
    body: str
    arguments: tuple[Argument, ...]
    blocks: Count
    views: tuple[View, ...]
    splits: Count = 1
    when: Callable[[Sizes], bool] | None = None

    def text(self, wide: bool = False) -> tuple[str, str]:
        """Return the name of the kernel and its text without the prelude, with 64-bit indices if `wide`.

        The text is a namespace, so that those of many kernels make one module.
        """
        return _text(self.family, self.body, max(len(self.arguments), 1), wide)

    def is_wide(self, sizes: Sizes) -> bool:
        """Return whether an index into one of the views may not fit 32 bits."""
        return any(_reach(view, sizes) >= NARROW_LIMIT for view in self.views)


@functools.lru_cache(maxsize=4096)
def _text(family: str, body: str, words: int, wide: bool) -> tuple[str, str]:
    types = ("i64", "u64") if wide else ("int", "u32")
    inside = f"typedef {types[0]} position;\ntypedef {types[1]} count;\nstruct Arguments {{ i64 v[{words}]; }};\n{body}"
    name = f"{family}_{hashlib.sha256((PRELUDE + inside).encode()).hexdigest()[:12]}"
    return name, f"namespace of_{name} {{\n{inside.replace('NAME', name)}}}\n"


def _reach(view: View, sizes: Sizes) -> int:
    """The larger of the number of elements of a view and the distance between its first and last element."""
    elements, distance = 1, 0
    for dim, stride in zip(view.shape, view.strides, strict=True):
        size = evaluate(dim, sizes)
        elements *= size
        distance += max(size - 1, 0) * abs(evaluate(stride, sizes))
    return max(elements, distance)


@dataclass(frozen=True)
class Fill:
    """Set the bytes of a contiguous view to zero."""

    view: View


@dataclass(frozen=True)
class Product:
    """Matrix products by cuBLAS: out[b] = op(x[b]) @ op(y[b]), with `out` contiguous and row-major.

    Attributes:
        x, y, out: the arrays; x and y are rows by inner and inner by columns after the transpositions. `out` may be
            float32 where the others are half floats.
        rows, inner, columns, batch: sizes.
        transpose_x, transpose_y: whether the last two axes are swapped before.
        add: True adds to `out` instead of overwriting it.
        leads: the distance of neighbouring rows of x and of y in memory; None where they follow each other.
        apart: likewise of neighbouring matrices.
    """

    x: View
    y: View
    out: View
    rows: DimLike
    inner: DimLike
    columns: DimLike
    batch: DimLike = 1
    transpose_x: bool = False
    transpose_y: bool = False
    add: bool = False
    leads: tuple[DimLike, DimLike] | None = None
    apart: tuple[DimLike, DimLike] | None = None


@dataclass(frozen=True)
class OnHost:
    """A function of NumPy arrays, for what a GPU is no good at: its inputs are fetched and its results sent back.

    Attributes:
        name: for messages.
        function: (sizes, *arrays) -> a tuple of arrays.
        inputs, outputs: contiguous views.
    """

    name: str
    function: Callable[..., tuple[np.ndarray, ...]]
    inputs: tuple[View, ...]
    outputs: tuple[View, ...]


@dataclass(frozen=True)
class Repeat:
    """Calls to repeat; the words of those inside may depend on the iteration, linearly."""

    index: Atom
    length: DimLike
    calls: tuple[Call, ...]


@dataclass(frozen=True)
class Choice:
    """Calls whose number depends on sizes.

    Attributes:
        kernels: every kernel that may be among them (its text is compiled when the program is loaded).
        choose: gives the calls for the sizes of a binding.
    """

    kernels: tuple[Kernel, ...]
    choose: Callable[[Sizes], Sequence[Call]]


Simple = Union[Kernel, Fill, Product, OnHost]
Call = Union[Simple, Repeat, Choice]


def kernels_in(calls: Sequence[Call]) -> list[Kernel]:
    """Return every kernel at any depth."""
    found: list[Kernel] = []
    for call in calls:
        if isinstance(call, Kernel):
            found.append(call)
        elif isinstance(call, Repeat):
            found += kernels_in(call.calls)
        elif isinstance(call, Choice):
            found += call.kernels
    return found


def blocks_for(elements: Count, each: int = THREADS) -> Callable[[Sizes], int]:
    """Return the number of blocks for so many elements, `each` of them a block (fewer blocks where that is many)."""
    return lambda sizes: min(-(-count_value(elements, sizes) // each), BLOCKS)


# --------------------------------------------------------------------------------------------------------- binding


class Binder:
    """Turns calls into bound ones: for given sizes and addresses.

    Args:
        sizes: the value of each symbol.
        address: gives the address of a buffer.
        error_cell: the address of the error cell.
        reports: messages; the number of one is its place here plus 1.
        device: makes the bound calls (see `symgraph.backends.gpu.executor`).
    """

    def __init__(
        self,
        sizes: Sizes,
        address: Callable[[int], int],
        error_cell: int,
        reports: list[str],
        device: Any,
    ) -> None:
        self.sizes, self.address, self.error_cell = dict(sizes), address, error_cell
        self.reports, self.device = reports, device

    def bind(self, calls: Sequence[Call]) -> list[Callable[[], None]]:
        """Return the calls as functions without arguments."""
        return [function for function, _ in self._bound(calls, ())]

    def _bound(self, calls: Sequence[Call], loops: tuple[Atom, ...]) -> list[tuple[Callable[[], None], Any]]:
        """Return bound calls, each with (words, increments of each enclosing loop) pairs of what is inside."""
        result: list[tuple[Callable[[], None], Any]] = []
        for call in calls:
            if isinstance(call, Repeat):
                length = evaluate(call.length, self.sizes)
                if length == 0:
                    continue
                self.sizes[call.index] = 0
                inner = self._bound(call.calls, (*loops, call.index))
                moving = [pair for _, pairs in inner for pair in pairs]
                depth = len(loops)
                moves = [(words, steps[depth]) for words, steps in moving if steps[depth].any()]
                function = _repeated([each for each, _ in inner], length, moves)
                result.append((function, moving))
                continue
            if isinstance(call, Choice):
                result += self._bound(call.choose(self.sizes), loops)
                continue
            words = self._words(call)
            if words is None:
                continue
            row = np.array(words, np.int64)
            steps = []
            for loop in loops:
                self.sizes[loop] = 1
                steps.append(np.array(self._words(call), np.int64) - row)
                self.sizes[loop] = 0
            result.append((self._function(call, row), [(row, steps)]))
        return result

    def _words(self, call: Simple) -> list[int] | None:
        """Return the words of a call, or None where there is nothing to do."""
        sizes = self.sizes
        if isinstance(call, Kernel):
            if (call.when is not None and not call.when(sizes)) or count_value(call.blocks, sizes) == 0:
                return None
            return [self._word(argument) for argument in call.arguments]
        if isinstance(call, Fill):
            return [self._word(Address(call.view))] if evaluate(call.view.size, sizes) else None
        if isinstance(call, OnHost):
            return [self._word(Address(view)) for view in (*call.inputs, *call.outputs)]
        if any(evaluate(size, sizes) == 0 for size in (call.rows, call.columns, call.batch)):
            return None
        return [self._word(Address(view)) for view in (call.x, call.y, call.out)]

    def _word(self, argument: Argument) -> int:
        if isinstance(argument, Address):
            view = argument.view
            offset = evaluate(view.offset, self.sizes) * numpy_dtype(view.dtype).itemsize
            return self.address(view.buffer) + offset
        if isinstance(argument, Number):
            return count_value(argument.count, self.sizes)
        if isinstance(argument, Bits):
            return argument.word
        if isinstance(argument, ErrorCell):
            return self.error_cell
        if argument.message not in self.reports:
            self.reports.append(argument.message)
        return self.reports.index(argument.message) + 1

    def _function(self, call: Simple, row: np.ndarray) -> Callable[[], None]:
        sizes = self.sizes
        if isinstance(call, Kernel):
            grid = (count_value(call.blocks, sizes), count_value(call.splits, sizes))
            name, text = call.text(call.is_wide(sizes))
            return self.device.launch(self.device.function(name, text), grid, row)
        if isinstance(call, Fill):
            nbytes = evaluate(call.view.size, sizes) * numpy_dtype(call.view.dtype).itemsize
            return self.device.fill(nbytes, row)
        if isinstance(call, OnHost):
            arrays = [
                np.empty([evaluate(dim, sizes) for dim in view.shape], numpy_dtype(view.dtype)) for view in call.inputs
            ]
            held = dict(sizes)
            return self.device.on_host(lambda: call.function(held, *arrays), arrays, row)
        rows, inner, columns, batch = (
            evaluate(size, sizes) for size in (call.rows, call.inner, call.columns, call.batch)
        )
        if inner == 0 and not call.add:  # nothing to sum
            return self.device.fill(rows * columns * batch * numpy_dtype(call.out.dtype).itemsize, row[2:])
        leads = call.leads or (rows if call.transpose_x else inner, inner if call.transpose_y else columns)
        apart = call.apart or (rows * inner, inner * columns)
        strides = tuple((evaluate(lead, sizes), evaluate(far, sizes)) for lead, far in zip(leads, apart, strict=True))
        dtypes, shape = (call.x.dtype, call.out.dtype), (rows, inner, columns, batch)
        return self.device.product(dtypes, shape, (call.transpose_x, call.transpose_y), strides, call.add, row)


def _repeated(
    functions: Sequence[Callable[[], None]], length: int, moves: Sequence[tuple[np.ndarray, np.ndarray]]
) -> Callable[[], None]:
    """Return a function that does all of `length` times, moving words on after each iteration and back at the end."""
    back = [(words, step * length) for words, step in moves]

    def repeat() -> None:
        for _ in range(length):
            for function in functions:
                function()
            for words, step in moves:
                words += step
        for words, way in back:
            words -= way

    return repeat
