"""From expressions over strided views to the text of kernels.

A kernel's text depends on the structure alone - the expression, the number of axes that are left after joining those
that lie one behind the other in every view, which strides are 0 or 1 - and takes sizes, strides, addresses and scalars
as arguments. So layers of different sizes share kernels, and a new batch size compiles nothing.
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from symgraph.backends.gpu.calls import THREADS, Address, Argument, Arguments, Bits, Number, bits_of
from symgraph.backends.gpu.prelude import COMPUTE, STORAGE
from symgraph.backends.gpu.table import ELEMENTWISE
from symgraph.compiler.program import View, contiguous_strides
from symgraph.graph.type import DimLike, Shape, size_of
from symgraph.ops.fused import Expression, Instruction

#: Operations that need to know the place of an element in the whole shape.
PLACED = ("iota", "random_uniform", "random_normal")

#: Scalars that are written into the text, because knowing them saves instructions; others are arguments.
PLAIN = (0.0, 1.0, -1.0, 2.0, 0.5)


# --------------------------------------------------------------------------------------------------- axes, offsets


def joined(sizes: Sequence[DimLike], strides: Sequence[Sequence[DimLike]]) -> tuple[list[DimLike], list[list[DimLike]]]:
    """Join neighbouring axes that every view walks through without a jump; drop axes of size 1.

    Args:
        sizes: the size of each axis.
        strides: for each view the stride of each axis.

    Returns:
        (sizes, strides) of the axes that are left, in the same order.
    """
    kept = [axis for axis, size in enumerate(sizes) if size != 1]
    new_sizes: list[DimLike] = []
    new_strides: list[list[DimLike]] = [[] for _ in strides]
    for axis in kept:
        size = sizes[axis]
        if new_sizes and all(new[-1] == old[axis] * size for new, old in zip(new_strides, strides, strict=True)):
            new_sizes[-1] = new_sizes[-1] * size
            for new, old in zip(new_strides, strides, strict=True):
                new[-1] = old[axis]
        else:
            new_sizes.append(size)
            for new, old in zip(new_strides, strides, strict=True):
                new.append(old[axis])
    return new_sizes, new_strides


@dataclass
class Writer:
    """Collects the lines of a kernel and its arguments."""

    arguments: Arguments = field(default_factory=Arguments)
    names: dict[tuple[str, str], str] = field(default_factory=dict)
    before: list[str] = field(default_factory=list)  # declarations at the start of the kernel

    def argument(self, argument: Argument, type: str = "position") -> str:
        """Return the name of a constant of this C type that holds an argument."""
        word = self.arguments.add(argument)
        name = self.names.get((word, type))
        if name is None:
            name = self.names[word, type] = f"a{len(self.names)}"
            if type in ("float", "double"):
                bits = f"bits_to_float((u32){word})" if type == "float" else f"bits_to_double((u64){word})"
                self.before.append(f"const {type} {name} = {bits};")
            else:
                self.before.append(f"const {type} {name} = ({type}){word};")
        return name

    def size(self, count: Any, type: str = "count") -> str:
        """Return the C expression of a size or stride: a literal for 0 and 1, else an argument."""
        if isinstance(count, int) and count in (0, 1):
            return str(count)
        return self.argument(Number(count), type)

    def pointer(self, view: View, name: str, write: bool = False) -> None:
        """Declare a pointer to the first element of a view."""
        type = STORAGE[view.dtype] if write else f"const {STORAGE[view.dtype]}"
        word = self.arguments.add(Address(view))
        self.before.append(f"{type}* {name} = ({type}*){word};")


def coordinates(number: str, sizes: Sequence[DimLike], prefix: str, writer: Writer) -> tuple[list[str], list[str]]:
    """Return (names, lines) of the coordinates of the element of this number in row-major order."""
    if len(sizes) <= 1:
        return [number] * len(sizes), []
    lines = [f"count {prefix}r = {number};"]
    names = [f"{prefix}{axis}" for axis in range(len(sizes))]
    for axis in range(len(sizes) - 1, 0, -1):
        size = writer.size(sizes[axis])
        lines.append(f"const count {names[axis]} = {prefix}r % {size}; {prefix}r /= {size};")
    lines.append(f"const count {names[0]} = {prefix}r;")
    return names, lines


def offset(names: Sequence[str], strides: Sequence[DimLike], writer: Writer, whole: Sequence[DimLike] = ()) -> str:
    """Return the C expression of an offset, from coordinates and strides.

    Args:
        names, strides: of each axis.
        writer: gets the strides as arguments.
        whole: the sizes, where the number of the element is called `i`; a view without gaps needs no coordinates then.
    """
    if len(whole) > 1 and tuple(strides) == contiguous_strides(whole):
        return "(position)i"
    parts = []
    for name, stride in zip(names, strides, strict=True):
        if stride == 1:
            parts.append(f"(position){name}")
        elif stride != 0:
            parts.append(f"(position){name} * {writer.size(stride, 'position')}")
    return " + ".join(parts) or "0"


# ---------------------------------------------------------------------------------------------------- expressions


class ExpressionText:
    """The scalar code of an expression.

    Args:
        expression: what to compute.
        writer: gets the arguments and the declarations.
        steady: for each operand, whether it has the same value at every place; such values are computed once.
        place: the C expression of the number of the element in the whole shape.
        tables: for operands that are read by row number: the C expressions of the pointer, of the distance between
            rows, and of the offset within a row.
    """

    def __init__(
        self,
        expression: Expression,
        writer: Writer,
        steady: Sequence[bool],
        place: str,
        tables: Mapping[int, tuple[str, str, str]] | None = None,
    ) -> None:
        self.expression, self.writer, self.place, self.tables = expression, writer, place, tables or {}
        self.once: list[str] = []
        self.each: list[str] = []
        count = len(expression.operands)
        self.values = [f"v{k}" for k in range(count)]
        self.steady = list(steady)
        for instruction in expression.instructions:
            self._emit(instruction)

    @property
    def results(self) -> list[str]:
        return [self.values[number] for number in self.expression.results]

    def load(self, operand: int, pointer: str, place: str) -> str:
        """Return the line that loads an operand."""
        type = COMPUTE[self.expression.operands[operand]]
        return f"const {type} v{operand} = load({pointer}, {place});"

    def _emit(self, instruction: Instruction) -> None:
        number = len(self.values)
        type = COMPUTE[instruction.dtype]
        arguments = [self.values[argument] for argument in instruction.arguments]
        steady = instruction.op not in (*PLACED, "rows_at") and all(
            self.steady[argument] for argument in instruction.arguments
        )
        self.steady.append(steady)
        if instruction.op == "constant":
            value = instruction.attrs["value"].value.reshape(())
            scalar = value.item() if value.dtype.kind in "biuf" else float(value)  # bfloat16 is of kind "V"
            self.values.append(self.scalar(scalar, instruction.dtype))
            return
        template = ELEMENTWISE[instruction.op]
        if isinstance(template, str):
            text = template.format(*arguments)
        else:
            text = template(instruction, arguments, self)
        self.values.append(f"v{number}")
        (self.once if steady else self.each).append(f"const {type} v{number} = {text};")

    def scalar(self, value: Any, dtype: str) -> str:
        """Return the C expression of a scalar: a literal, or an argument."""
        type = COMPUTE[dtype]
        if dtype == "bool":
            return "true" if value else "false"
        if value in PLAIN and not (value == 0 and math.copysign(1, value) < 0):
            if type in ("float", "double"):
                return f"{float(value)}{'f' if type == 'float' else ''}"
            return f"(({type}){int(value)})"
        return self.writer.argument(bits_of(value, dtype), type)

    def word(self, value: int) -> str:
        """Return an unsigned 32-bit argument."""
        return self.writer.argument(Bits(int(value)), "u32")

    def dtype_of(self, argument: int) -> str:
        """Return the element type of a value number."""
        return self.expression.dtype(argument)


def needs_place(expression: Expression) -> bool:
    """Return whether a value depends on the place of the element."""
    return any(instruction.op in PLACED for instruction in expression.instructions)


def operand_strides(views: Sequence[View], shape: Shape, tables: Container[int] = frozenset()) -> list[list[DimLike]]:
    """Return the strides of views broadcast to a shape; along the rows of `tables` it is the slots that move."""
    return [
        [0, *view.strides[1:]] if number in tables else list(view.broadcast_to(shape).strides)
        for number, view in enumerate(views)
    ]


def domain_view(shape: Shape) -> View:
    """Return a contiguous view of a shape, for counting places; it has no buffer."""
    return View(-1, "uint8", shape, contiguous_strides(shape))


def table_texts(
    expression: Expression, views: Sequence[View], offsets: Sequence[str], writer: Writer
) -> dict[int, tuple[str, str, str]]:
    """Return what `ExpressionText` must know of the operands that are read by row number."""
    return {
        number: (f"p{number}", writer.size(views[number].strides[0], "position"), offsets[number])
        for number in sorted(expression.tables)
    }


def fused_body(
    expression: Expression, shape: Shape, inputs: Sequence[View], outputs: Sequence[View], rows: View | None = None
) -> tuple[str, Arguments]:
    """Return the text of the kernel that computes an expression at every place, and its arguments.

    Args:
        expression: what to compute.
        shape: at the places of this shape.
        inputs, outputs: what is read and written.
        rows: compute only the rows (of the first axis) that this vector lists; negative numbers are skipped.
    """
    writer = Writer()
    places = [domain_view(shape)] if needs_place(expression) else []
    strides = operand_strides([*inputs, *outputs, *places], shape, expression.tables)
    if rows is None:
        domain = shape
        sizes, strides = joined(shape, strides)
    else:
        domain = (rows.size, *shape[1:])
        firsts = [each[0] for each in strides]
        sizes, strides = joined(shape[1:], [each[1:] for each in strides])
        sizes = [rows.size, *sizes]
        strides = [[first, *each] for first, each in zip(firsts, strides, strict=True)]
    reading, writing = strides[: len(inputs)], strides[len(inputs) : len(inputs) + len(outputs)]
    total = writer.size(size_of(domain))
    names, lines = coordinates("i", sizes, "c", writer)
    place, whole = "i", sizes
    if rows is not None:
        writer.pointer(rows, "rows")
        lines += [f"const i64 named = (i64)load(rows, (position){names[0]});", "if (named < 0) continue;"]
        names, whole = ["named", *names[1:]], []
        if places:
            place = "place"
            lines.append(f"const count place = (count)({offset(names, strides[-1], writer)});")
    offsets = [offset(names, each, writer, whole) for each in reading]
    steady = [all(stride == 0 for stride in each) for each in reading]
    text = ExpressionText(expression, writer, steady, place, table_texts(expression, inputs, offsets, writer))
    for number, view in enumerate(inputs):
        writer.pointer(view, f"p{number}")
    for number, view in enumerate(outputs):
        writer.pointer(view, f"q{number}", write=True)
    once: list[str] = []
    each = list(lines)
    for number, is_steady in enumerate(steady):
        if number not in text.tables:
            (once if is_steady else each).append(text.load(number, f"p{number}", offsets[number]))
    each += text.each
    each += [
        f"store(q{number}, {offset(names, writing[number], writer, whole)}, {result});"
        for number, result in enumerate(text.results)
    ]
    body = "\n".join(
        [
            f'extern "C" __global__ void __launch_bounds__({THREADS}) NAME(const Arguments a) {{',
            *("  " + line for line in (*writer.before, *once, *text.once)),
            f"  for (count i = blockIdx.x * (count)blockDim.x + threadIdx.x; i < {total};"
            " i += (count)gridDim.x * blockDim.x) {",
            *("    " + line for line in each),
            "  }",
            "}",
            "",
        ]
    )
    return body, writer.arguments
