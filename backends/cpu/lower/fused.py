"""Fused elementwise groups as loop nests."""

from __future__ import annotations

from collections.abc import Sequence

from symgraph.backends.cpu.nest import ExpressionCode, Operand, collapse, declare_strides, place
from symgraph.backends.cpu.table import Arguments, KernelCall, kernel_source, register
from symgraph.compiler.program import Buffer, Step
from symgraph.graph.type import DimLike, size_of
from symgraph.ops.fused import Expression

#: Estimated nanoseconds for one element of one instruction, vectorised; transcendental functions cost more.
COST = {"exp": 0.5, "log": 0.7, "tanh": 0.5, "sigmoid": 0.5, "softplus": 1.2, "erf": 0.5, "pow": 3.0, "sin": 1.0,
         "cos": 1.0, "random_uniform": 2.0, "random_normal": 4.0, "mod": 1.0, "floordiv": 1.0, "div": 0.2}  # fmt: skip


def work_of(expression: Expression, operands: int, size: DimLike) -> DimLike:
    """Estimate nanoseconds: a tenth of one for each element loaded or computed, more for functions."""
    tenths = 1 + operands + sum(max(1, round(10 * COST.get(each.op, 0.1))) for each in expression.instructions)
    return size * tenths // 10


_AXES = "ijklmnopqr"


def loop_indices(rank: int) -> list[str]:
    return [f"{_AXES[k % len(_AXES)]}{k // len(_AXES) or ''}" for k in range(rank)]


@register("fused", strided=True)
def fused(step: Step, buffers: Sequence[Buffer]) -> list[KernelCall]:
    """One loop nest; the first axis is shared between threads, or the last where the first is shorter than they are."""
    expression: Expression = step.attrs["expression"]
    shape = step.attrs["shape"]
    arguments = Arguments()
    code = ExpressionCode(expression, step.inputs, shape, arguments)
    targets = [Operand(f"y{k}", view.strides, view.offset, view) for k, view in enumerate(step.outputs)]
    # In the body of a loop threads share rows, so that nobody waits for what another one makes (see `loops`).
    by_rows = step.in_loop and len(shape) > 1
    shape = collapse(shape, [*code.all_operands, *targets], [by_rows] + [False] * (len(shape) - 1) if shape else None)
    index = loop_indices(len(shape))
    code.declare(buffers, independent=True)
    for operand, view in zip(targets, step.outputs, strict=True):
        arguments.pointer(operand.name, view, buffers[view.buffer].size, independent=True)
        declare_strides(operand, arguments)
    for axis, dim in enumerate(shape):
        arguments.named(f"size{axis}", dim)
    lines = code.lines(index)
    body: list[str] = []

    def put(level: int, indent: int) -> None:
        body.extend("    " * indent + line.text for line in lines if line.level == level)

    rank = len(shape)
    put(0, 0)
    if rank:
        last = rank - 1
        if rank == 1:
            body.append("start, stop = span(size0, thread, threads)")
            bounds = {0: "start, stop"}
        else:
            body += [
                "if size0 >= threads:",
                "    start, stop = span(size0, thread, threads)",
                f"    inner_start, inner_stop = 0, size{last}",
                "else:",
                "    start, stop = 0, size0",
                f"    inner_start, inner_stop = span(size{last}, thread, threads)",
            ]
            bounds = {0: "start, stop", last: "inner_start, inner_stop"}
        for axis in range(rank):
            body.append("    " * axis + f"for {index[axis]} in range({bounds.get(axis, f'0, size{axis}')}):")
            put(axis + 1, axis + 1)
    for operand, value in zip(targets, expression.results, strict=True):
        body.append("    " * rank + f"{operand.name}[{place(operand, index)}] = v{value}")
    name = "copy" if not expression.instructions else "_".join(each.op for each in expression.instructions[:4])
    work = work_of(expression, len(step.inputs), size_of(step.attrs["shape"]))
    source = kernel_source(arguments, body)
    return [KernelCall(name, source, tuple(arguments.entries), work, shared=rank > 0, by_rows=by_rows)]
