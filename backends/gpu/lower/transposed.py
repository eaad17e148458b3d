"""Copies that turn axes around: tiles through shared memory, so that both sides are read and written in whole lines.

A plain kernel would touch one element of each line of memory on one of the sides. A tile of 32 x 32 elements is read
along the axis on which the input is dense, and written along the one on which the output is (the method of the CUDA
programming guides); the padding of one element keeps the columns of a tile in different banks.
"""

from __future__ import annotations

from dataclasses import dataclass

from symgraph.backends.gpu.calls import BLOCKS, THREADS, Kernel, Number, Sizes
from symgraph.backends.gpu.codegen import (
    ExpressionText,
    Writer,
    coordinates,
    joined,
    needs_place,
    offset,
    operand_strides,
)
from symgraph.backends.gpu.prelude import COMPUTE
from symgraph.compiler.program import Step, View
from symgraph.graph.type import DimLike, evaluate, size_of
from symgraph.ops.fused import Expression

#: Elements along each side of a tile.
SIDE = 32

#: Axes shorter than this leave tiles so empty that the plain kernel is the better one.
LEAST = 8


@dataclass(frozen=True)
class Turned:
    """A fused step that reads one operand along another axis than it writes.

    Attributes:
        expression: of one operand, with one result.
        sizes: of the joined axes; the last is dense in the output.
        reading, writing: the strides of both sides.
        axis: the one on which the input is dense.
    """

    expression: Expression
    sizes: tuple[DimLike, ...]
    reading: tuple[DimLike, ...]
    writing: tuple[DimLike, ...]
    axis: int

    @property
    def sides(self) -> tuple[DimLike, DimLike]:
        return self.sizes[self.axis], self.sizes[-1]

    @property
    def fits(self) -> bool | None:
        """Whether tiles are worth it; None where only the sizes of a call can tell."""
        if any(isinstance(side, int) and side < LEAST for side in self.sides):
            return False
        return True if all(isinstance(side, int) for side in self.sides) else None

    def fits_at(self, sizes: Sizes) -> bool:
        """Whether tiles are worth it for these sizes."""
        return all(evaluate(side, sizes) >= LEAST for side in self.sides)


def turned(step: Step) -> Turned | None:
    """Return how a fused step turns axes around, or None where it does not."""
    expression = step.attrs["expression"]
    if len(step.inputs) != 1 or len(step.outputs) != 1 or needs_place(expression):
        return None
    shape = step.attrs["shape"]
    sizes, (reading, writing) = joined(shape, operand_strides([*step.inputs, *step.outputs], shape))
    if len(sizes) < 2 or writing[-1] != 1 or reading[-1] in (0, 1) or 1 not in reading[:-1]:
        return None
    return Turned(expression, tuple(sizes), tuple(reading), tuple(writing), reading.index(1))


def turned_kernel(how: Turned, source: View, target: View) -> Kernel:
    """Return the launch; it is for sizes at which tiles are worth it."""
    writer = Writer()
    text = ExpressionText(how.expression, writer, [False], "0")
    writer.pointer(source, "p")
    writer.pointer(target, "q", write=True)
    rows, columns = (writer.argument(Number(side), "count") for side in how.sides)
    outer = [axis for axis in range(len(how.sizes) - 1) if axis != how.axis]
    names, lines = coordinates("rest", [how.sizes[axis] for axis in outer], "c", writer)
    read = offset(names, [how.reading[axis] for axis in outer], writer)
    write = offset(names, [how.writing[axis] for axis in outer], writer)
    across = writer.size(how.reading[-1], "position")
    down = writer.size(how.writing[how.axis], "position")
    images = size_of(how.sizes[axis] for axis in outer)

    def tiles(sizes: Sizes) -> int:
        first, second = (-(-evaluate(side, sizes) // SIDE) for side in how.sides)
        return first * second * evaluate(images, sizes)

    total = writer.argument(Number(tiles), "count")
    type = COMPUTE[how.expression.operands[0]]
    body = "\n".join(
        [
            f'extern "C" __global__ void __launch_bounds__({THREADS}) NAME(const Arguments a) {{',
            f"  __shared__ {type} shared[{SIDE}][{SIDE + 1}];",
            *("  " + line for line in (*writer.before, *text.once)),
            f"  const count x = threadIdx.x % {SIDE}, y = threadIdx.x / {SIDE};",
            f"  const count down = ({rows} + {SIDE - 1}) / {SIDE}, across = ({columns} + {SIDE - 1}) / {SIDE};",
            f"  for (count tile = blockIdx.x; tile < {total}; tile += gridDim.x) {{",
            f"    const count left = tile % across * {SIDE}, top = tile / across % down * {SIDE};",
            "    const count rest = tile / across / down;",
            *("    " + line for line in lines),
            f"    const position from = {read}, to = {write};",
            f"    for (count k = y; k < {SIDE}; k += {THREADS // SIDE})",
            f"      if (top + x < {rows} && left + k < {columns})",
            f"        shared[k][x] = load(p, from + (position)(top + x) + (position)(left + k) * {across});",
            "    __syncthreads();",
            f"    for (count k = y; k < {SIDE}; k += {THREADS // SIDE}) {{",
            f"      if (top + k >= {rows} || left + x >= {columns}) continue;",
            f"      const {type} v0 = shared[x][k];",
            *("      " + line for line in text.each),
            f"      store(q, to + (position)(top + k) * {down} + (position)(left + x), {text.results[0]});",
            "    }",
            "    __syncthreads();",
            "  }",
            "}",
            "",
        ]
    )
    return Kernel(
        "turned",
        body,
        tuple(writer.arguments.words),
        lambda sizes: min(tiles(sizes), BLOCKS),
        (source, target),
        when=None if how.fits else how.fits_at,
    )
