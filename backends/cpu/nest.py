"""Loop nests over strided operands: which axes can be one, and what can be computed outside inner loops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from symgraph.backends.cpu.table import ELEMENTWISE, Arguments, compute_type, converter
from symgraph.compiler.program import Buffer, View, contiguous_strides
from symgraph.graph.node import Attributes
from symgraph.graph.type import DimLike, Shape, size_of
from symgraph.ops.fused import Expression, Instruction


@dataclass
class Operand:
    """Something with a place in memory - or just a number - for each point of the nest.

    Attributes:
        name: in the kernel.
        strides: distance between neighbours along each axis of the nest, in elements.
        offset: the place of the first element.
        view: what it points to; None where the place itself is the value.
    """

    name: str
    strides: tuple[DimLike, ...]
    offset: DimLike
    view: View | None


def collapse(shape: Shape, operands: Sequence[Operand], keep_apart: Sequence[bool] | None = None) -> Shape:
    """Drop axes of size 1 and join neighbouring axes that every operand walks evenly; changes the operands.

    Args:
        shape: sizes of the nest.
        operands: all of them.
        keep_apart: one flag an axis; axes with different flags are not joined.

    Returns:
        The new shape; strides of the operands are changed to match. The flags of the new axes are those of the old.
    """
    flags = list(keep_apart or [False] * len(shape))
    axes = [k for k, dim in enumerate(shape) if dim != 1]
    groups: list[list[int]] = []
    for axis in axes:
        if groups:
            last = groups[-1][-1]
            even = all(each.strides[last] == each.strides[axis] * shape[axis] for each in operands)
            if even and flags[last] == flags[axis]:
                groups[-1].append(axis)
                continue
        groups.append([axis])
    for each in operands:
        each.strides = tuple(each.strides[group[-1]] for group in groups)
    result = []
    for group in groups:
        size: DimLike = 1
        for axis in group:
            size = size * shape[axis]
        result.append(size)
    if keep_apart is not None and isinstance(keep_apart, list):
        keep_apart[:] = [flags[group[0]] for group in groups]
    return tuple(result)


def merge_rows(shape: Shape, operands: Sequence[Operand]) -> Shape:
    """Join all axes but the last where every operand walks them evenly; changes the operands.

    Returns:
        The new shape: of two axes where they were joined, else the old one.
    """
    last = len(shape) - 2
    axes = [axis for axis in range(last + 1) if shape[axis] != 1] or [last]
    for each in operands:
        if any(each.strides[a] != each.strides[b] * shape[b] for a, b in zip(axes, axes[1:], strict=False)):
            return shape
    for each in operands:
        each.strides = (each.strides[axes[-1]], each.strides[-1])
    return size_of(shape[:-1]), shape[-1]


def located(row: str, index: Sequence[str]) -> list[str]:
    """Lines that turn the number of a row into its indices along several axes, whose sizes are `size0`, `size1`, ..."""
    if len(index) == 1:
        return []
    lines = [f"rest = {row}"]
    for axis in reversed(range(1, len(index))):
        lines += [f"{index[axis]} = rest % size{axis}", f"rest = rest // size{axis}"]
    return [*lines, f"{index[0]} = rest"]


def broadcast_operand(name: str, view: View, shape: Shape) -> Operand:
    """Return the operand of a view that is repeated to the shape of a nest."""
    full = view.broadcast_to(shape)
    return Operand(name, full.strides, full.offset, view)


@dataclass
class _Line:
    """One assignment of the kernel and the loop depth at which it can stand."""

    text: str
    level: int


class ExpressionCode:
    """The lines that compute an expression, each as far out in the nest as it can be.

    Args:
        expression: what to compute.
        views: the views of its operands.
        shape: the domain.
        arguments: collects what the kernel must be given.
        value: the text of the last operand where the kernel has it already; then there is no view of it.
    """

    def __init__(
        self, expression: Expression, views: Sequence[View], shape: Shape, arguments: Arguments, value: str = ""
    ) -> None:
        self.expression, self.arguments, self.shape, self.value = expression, arguments, shape, value
        self.operands = [broadcast_operand(f"x{k}", view, shape) for k, view in enumerate(views)]
        #: The distance between rows of the operands that are read by row number, known by their own number.
        self.rows = {k: views[k].strides[0] for k in expression.tables}
        for k in self.rows:
            self.operands[k] = Operand(f"x{k}", (0, *views[k].strides[1:]), views[k].offset, views[k])
        self.places: dict[int, Operand] = {}
        count = len(expression.operands)
        for k, instruction in enumerate(expression.instructions):
            strides = _place_strides(instruction, shape)
            if strides is not None:
                self.places[count + k] = Operand(f"p{count + k}", strides, 0, None)

    @property
    def all_operands(self) -> list[Operand]:
        return [*self.operands, *self.places.values()]

    def declare(self, buffers: Sequence[Buffer], independent: bool) -> None:
        """Read addresses and strides from the argument table."""
        for operand in self.operands:
            assert operand.view is not None
            self.arguments.pointer(operand.name, operand.view, buffers[operand.view.buffer].size, independent)
        for operand in self.all_operands:
            declare_strides(operand, self.arguments)
        for k, stride in self.rows.items():
            self.arguments.named(f"x{k}_row", stride)

    def lines(self, index: Sequence[str]) -> list[_Line]:
        """Return the assignments; `index` names the loop variable of each axis."""
        found: list[_Line] = []
        levels: list[int] = []
        for k, operand in enumerate(self.operands):
            level = depth(operand)
            if k not in self.rows:
                found.append(_Line(f"v{k} = {operand.name}[{place(operand, index)}]", level))
            levels.append(level)
        if self.value:
            found.append(_Line(f"v{len(levels)} = {self.value}", len(self.shape)))
            levels.append(len(self.shape))
        for position, instruction in enumerate(self.expression.instructions):
            number = len(self.expression.operands) + position
            level = max((levels[a] for a in instruction.arguments), default=0)
            text = self.text(instruction, number, index)
            if number in self.places:
                level = max(level, depth(self.places[number]))
            found.append(_Line(f"v{number} = {text}", level))
            levels.append(level)
        return found

    def text(self, instruction: Instruction, number: int, index: Sequence[str]) -> str:
        """The right side of the assignment of an instruction's result, whose value number is `number`."""
        kinds = tuple(self.expression.dtype(a) for a in instruction.arguments)
        if instruction.op == "constant":
            return literal(instruction.attrs["value"].value, instruction.dtype)
        template = ELEMENTWISE[instruction.op](instruction.dtype, kinds)
        attrs = instruction.attrs
        extra: dict[str, str] = {}
        if number in self.places:
            extra["place"] = place(self.places[number], index)
        if instruction.op == "rows_at":
            table, slots = instruction.arguments
            extra["table"] = f"x{table}"
            extra["place"] = f"int64(v{slots}) * x{table}_row + {place(self.operands[table], index)}"
        if instruction.op == "dim_value":
            extra["size"] = self.arguments.named(f"dim{number}", attrs["size"])
        if "seed" in attrs:
            extra["seed"] = self.arguments.named(f"seed{number}", attrs["seed"])
            extra["stream"] = self.arguments.named(f"stream{number}", attrs["stream"])
        return template.format(*(f"v{a}" for a in instruction.arguments), **extra)


def _place_strides(instruction: Instruction, shape: Shape) -> Shape | None:
    """The strides that make the place of an element from its indices, for instructions that need it."""
    attrs: Attributes = instruction.attrs
    if instruction.op == "iota":
        return tuple(1 if axis == attrs["axis"] else 0 for axis in range(len(shape)))
    return contiguous_strides(shape) if "seed" in attrs else None


def declare_strides(operand: Operand, arguments: Arguments) -> None:
    """Name the strides and the offset of an operand that are not 0 or 1."""
    named: list[DimLike] = []
    for axis, stride in enumerate(operand.strides):
        if not (isinstance(stride, int) and stride in (0, 1)):
            arguments.named(f"{operand.name}_s{axis}", stride)
            stride = -1  # only its name counts from here on
        named.append(stride)
    operand.strides = tuple(named)
    if operand.offset != 0:
        arguments.named(f"{operand.name}_0", operand.offset)


def place(operand: Operand, index: Sequence[str]) -> str:
    """Return the expression of the place of an operand, from the loop variables."""
    terms = [f"{operand.name}_0"] if operand.offset != 0 else []
    for axis, stride in enumerate(operand.strides):
        if stride == 1:
            terms.append(index[axis])
        elif stride != 0:
            terms.append(f"{index[axis]} * {operand.name}_s{axis}")
    return " + ".join(terms) or "0"


def depth(operand: Operand) -> int:
    """Return how many loops must be open before the operand can be read."""
    return max((axis + 1 for axis, stride in enumerate(operand.strides) if stride != 0), default=0)


def literal(value: object, dtype: str) -> str:
    """Return a number as text of the kernel language."""
    number = value.reshape(-1)[0].item()  # type: ignore[attr-defined]
    kind = compute_type(dtype)
    if isinstance(number, float):
        text = repr(number)
        if number != number:
            text = "1e400 - 1e400"
        elif number in (float("inf"), float("-inf")):
            text = "1e400" if number > 0 else "-1e400"
        return f"{converter(kind)}({text})"
    return f"{converter(kind)}({int(number)})"
