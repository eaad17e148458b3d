"""What happens to the results of a convolution while they are in the cache: an expression of them, and pooling.

A bias and a relu are added while results are in registers. Any other expression - with other arrays, broadcast or as
large as the results - is computed pixel by pixel over results just written, where they will stay, or in a small tile of
memory that each thread has where nobody reads the results themselves. Windows next to each other are pooled from there.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

from symgraph import config
from symgraph.backends.cpu.lower.pool import winner
from symgraph.backends.cpu.lower.window import indented, name_independent
from symgraph.backends.cpu.microkernels import BIAS, RELU
from symgraph.backends.cpu.nest import ExpressionCode, Operand, declare_strides, place
from symgraph.backends.cpu.table import Arguments
from symgraph.compiler.program import Buffer, Step, View
from symgraph.graph.node import Attributes
from symgraph.graph.type import DimLike, Shape, equal, size_of
from symgraph.ops.conv import Pool
from symgraph.ops.fused import Expression, fused


class Finish:
    """How the results of a step are finished.

    Args:
        step: a convolution or what it sends back to its input, with an expression or without.
        registers: whether the convolution adds a bias and a relu in registers.

    Attributes:
        shape: of the results of the convolution.
        flags, bias: what happens in registers (see `symgraph.backends.cpu.microkernels`).
        target: where results are made; None where each thread makes them in a tile of its own.
        pool: what is pooled, or None.
    """

    def __init__(self, step: Step, registers: bool = True) -> None:
        self.step = step
        self.kind = step.inputs[-1].dtype
        self.pool: Pool | None = step.attrs.get("pool")
        self.flags = 0
        self.bias: View | None = None
        self.expression: Expression | None = step.attrs.get("expression")
        self.target: View | None
        expression = self.expression
        if expression is None:
            (self.target,) = step.outputs
            self.shape = self.target.shape
            return
        self.shape = step.attrs["shape"]
        self.operands = step.inputs[:-2]
        self.kept = step.outputs[: len(expression.results)]
        number = self._free()
        self.target = None if number is None else self.kept[number]
        if registers:
            self._in_registers()

    def _free(self) -> int | None:
        """Return the number of a result in whose memory the convolution's results can be made, or None."""
        assert self.expression is not None
        for number, view in enumerate(self.kept):
            others = (*self.step.inputs, *self.kept[:number], *self.kept[number + 1 :])
            pooled = self.pool is None or self.pool.value == self.expression.results[number]
            apart = all(one.buffer != view.buffer for one in others)
            if pooled and apart and view.dtype == self.kind and view.is_contiguous:
                return number
        return None

    def _in_registers(self) -> None:
        """Take a bias and a relu out of the expression, where there is nothing else in it."""
        expression = self.expression
        assert expression is not None
        wanted = {*expression.results, *([self.pool.value] if self.pool else [])}
        product, flags, bias = len(expression.operands) - 1, 0, None
        steps = list(expression.instructions)
        value, number = product, product + 1
        if steps and steps[0].op == "add" and value in steps[0].arguments and steps[0].arguments != (value, value):
            other = sum(steps[0].arguments) - value
            if other < product and self._is_bias(self.operands[other]):
                flags, bias, value, number, steps = BIAS, self.operands[other], number, number + 1, steps[1:]
        if steps and steps[0].op == "relu" and steps[0].arguments == (value,):
            flags, value, number, steps = flags + RELU, number, number + 1, steps[1:]
        if not steps and wanted == {value} and self.kind == "float32":
            self.flags, self.bias, self.expression = flags, bias, None

    def _is_bias(self, view: View) -> bool:
        """Whether a view holds one number for each filter, next to each other."""
        one_each = bool(view.shape) and equal(view.shape[-1], self.shape[-1]) and view.strides[-1] == 1
        return one_each and view.dtype == self.kind and all(dim == 1 for dim in view.shape[:-1])

    @property
    def window(self) -> tuple[int, int]:
        """Down and across: the last two sizes of the windows that are pooled."""
        if self.pool is None:
            return 1, 1
        down, across = (1, *self.pool.window)[-2:]
        return down, across

    @property
    def does_something(self) -> bool:
        """Whether anything is left to do after what happens in registers."""
        return self.expression is not None or self.pool is not None

    def tile_memory(self, rows: int) -> list[tuple[str, DimLike]]:
        """Scratch memory of all threads for tiles of so many results of each filter, if they are needed."""
        if self.target is not None:
            return []
        filters = self.shape[-1]
        return [(self.kind, rows * filters * config.threads())]

    def whole_memory(self) -> list[tuple[str, DimLike]]:
        """Scratch memory for all results, if they have no other place, where there are no tiles."""
        return [] if self.target is not None else [(self.kind, size_of(self.shape))]

    def whole(self, scratch: Sequence[View]) -> View:
        """Where all results are made: the target, or what `whole_memory` asked for as the last scratch memory."""
        return self.target if self.target is not None else scratch[-1].contiguous_as(self.shape)

    # --------------------------------------------------------------------------------------------- pieces of text

    def declare(self, arguments: Arguments, buffers: Sequence[Buffer], rows: bool = False) -> list[str]:
        """Name what is needed - for `row` too, if it is wanted; the lines that stand before all loops."""
        before: list[str] = []
        if self.expression is not None:
            code = ExpressionCode(self.expression, self.operands, self.shape, arguments, "made[c]")
            code.declare(buffers, independent=True)
            self.results = [Operand(f"z{k}", view.strides, view.offset, view) for k, view in enumerate(self.kept)]
            for operand, view in zip(self.results, self.kept, strict=True):
                arguments.pointer(operand.name, view, buffers[view.buffer].size, independent=True)
                declare_strides(operand, arguments)
            self.lines = code.lines([*self.places, "c"])
            before += [line.text for line in self.lines if line.level == 0]
            if rows and self.target is not None:  # a name by which loops need not ask whether a result lies there too
                name_independent(arguments, buffers, results=self.target)
        if self.pool is not None:
            pooled, *places = self.step.outputs[len(self.kept) :]
            name_independent(arguments, buffers, pooled=pooled)
            if places:
                name_independent(arguments, buffers, places=places[0])
            for letter, size in zip(("down", "across"), ((1,) + pooled.shape[1:-1])[-2:], strict=True):
                arguments.named(f"pooled_{letter}", size)
        return before

    @property
    def places(self) -> list[str]:
        """The names of an image's number and of a pixel's place along each axis of the results."""
        return ["image", *(f"place{axis}" for axis in range(len(self.shape) - 2))]

    def pixel(self) -> list[str]:
        """Lines for the results of the pixel at `places`, for filters `low` to `high`; `made` points to filter 0."""
        if self.expression is None:
            return []
        rank = len(self.shape)
        stores = [
            f"{operand.name}[{place(operand, [*self.places, 'c'])}] = v{value}"
            for operand, value in zip(self.results, self.expression.results, strict=True)
        ]
        if self.target is None and self.pool is not None:
            stores.append(f"made[c] = v{self.pool.value}")
        return [
            *(line.text for line in self.lines if 0 < line.level < rank),
            "for c in range(low, high):",
            *indented([line.text for line in self.lines if line.level == rank]),
            *indented(stores),
        ]

    def row(self, row: str, sizes: Sequence[str]) -> list[str]:
        """Lines for the results of the pixel with a number in the target, whose sizes along each axis have names."""
        if self.target is None or self.expression is None:
            return []
        lines = [f"rest = {row}"]
        for axis, size in reversed([*enumerate(sizes)]):
            lines += [f"place{axis} = rest % {size}", f"rest = rest // {size}"]
        start = ["image = rest", f"made = shift(results, results_0 + ({row}) * filters)", "low, high = 0, filters"]
        return [*lines, *start, *self.pixel()]

    def pooling(self, windows: tuple[str, str], top: str, left: str, line: str, step: str) -> list[str]:
        """Lines that pool windows of image `image`, whose first result of filter 0 `made` points to.

        Args:
            windows: how many there are down and across.
            top, left: the place of the first among the pooled numbers.
            line, step: the distance of results down and across.
        """
        if self.pool is None:
            return []
        down, across = self.window
        offsets = [f"{i} * {line} + {j} * {step}" for i, j in itertools.product(range(down), range(across))]
        count = len(offsets)
        if self.pool.mode == "average":
            total = " + ".join(f"made[a{k} + c]" for k in range(count))
            each = [f"pooled[to + c] = ({total}) * {self.kind}({1 / count!r})"]
        elif self.pool.places:
            each = [
                *winner([f"made[a{k} + c]" for k in range(count)]),
                "pooled[to + c] = largest",
                "places[to_place + c] = uint8(winner)",
            ]
        else:
            each = ["best = made[a0 + c]"]
            for k in range(1, count):
                each += [f"value = made[a{k} + c]", "best = select((value > best) | (value != value), value, best)"]
            each.append("pooled[to + c] = best")
        return [
            f"for window1 in range({windows[0]}):",
            f"    for window2 in range({windows[1]}):",
            f"        at = window1 * {down} * {line} + window2 * {across} * {step}",
            *(f"        a{k} = at + {offset}" for k, offset in enumerate(offsets)),
            f"        to = ((image * pooled_down + {top} + window1) * pooled_across + {left} + window2) * filters",
            *(["        to_place = places_0 + to"] if self.pool.places else []),
            "        to = pooled_0 + to",
            "        for c in range(low, high):",
            *indented(each, 3),
        ]


def can_pool(shape: Shape, window: tuple[int, ...]) -> bool:
    """Return whether windows over results of a shape are of a kind that `Finish` pools."""
    flat = len(window) <= 2
    return flat and math.prod(window) <= MOST_POOLED and max(window) <= MOST_ACROSS and isinstance(shape[-1], int)


#: Windows of up to so many elements, and so many across, are pooled while they are in the cache.
MOST_POOLED, MOST_ACROSS = 16, 8


def afterwards(step: Step, results: View) -> Step:
    """Return the step that computes the expression of a step over results that lie in memory."""
    expression = step.attrs["expression"]
    attrs = Attributes({"expression": expression, "shape": step.attrs["shape"]})
    return replace(step, op=fused, attrs=attrs, inputs=(*step.inputs[:-2], results), scratch=())
