"""Fused elementwise groups, and reductions over them, as loop nests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from symgraph.backends.cpu.nest import ExpressionCode, Operand, collapse, declare_strides, place
from symgraph.backends.cpu.table import REDUCTIONS, Arguments, KernelCall, compute_type, kernel_source, register
from symgraph.compiler.program import Buffer, Step, View, contiguous_strides
from symgraph.graph.type import DimLike, maximum, minimum, size_of
from symgraph.ops.fused import Expression, fused_reduce

#: Estimated nanoseconds for one element of one instruction, vectorised; transcendental functions cost more.
_COST = {"exp": 0.5, "log": 0.7, "tanh": 0.5, "sigmoid": 0.5, "softplus": 1.2, "erf": 0.5, "pow": 3.0, "sin": 1.0,
         "cos": 1.0, "random_uniform": 2.0, "random_normal": 4.0, "mod": 1.0, "floordiv": 1.0, "div": 0.2}  # fmt: skip


def work_of(expression: Expression, operands: int, size: DimLike) -> DimLike:
    """Estimate nanoseconds: a tenth of one for each element loaded or computed, more for functions."""
    tenths = 1 + operands + sum(max(1, round(10 * _COST.get(each.op, 0.1))) for each in expression.instructions)
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


# ----------------------------------------------------------------------------------------------------- reductions

#: Rows summed at a time: long sums are cut into blocks, which are summed in parallel and then together. It keeps the
#: rounding error of a sum of n numbers near that of a sum of n / BLOCK, and the result independent of the threads.
BLOCK = 256
MOST_BLOCKS = 64


def _layout(step: Step) -> tuple[list[int], list[int], int | None, DimLike]:
    """Return (outer kept axes, reduced axes, innermost kept axis if the last axis is kept, number of blocks)."""
    shape, axes = step.attrs["shape"], step.attrs["axes"]
    kept = [k for k in range(len(shape)) if k not in axes]
    reduced = [k for k in range(len(shape)) if k in axes]
    innermost = kept.pop() if kept and kept[-1] == len(shape) - 1 else None
    return kept, reduced, innermost, _blocks(step)


def _blocks(step: Step) -> DimLike:
    shape, axes = step.attrs["shape"], step.attrs["axes"]
    rows = size_of(shape[k] for k in axes)
    kept = size_of(shape[k] for k in range(len(shape)) if k not in axes)
    if step.attrs["reduce"] not in ("sum", "prod", "max", "min"):
        return 1
    wanted = minimum(MOST_BLOCKS, maximum(1, (rows + BLOCK - 1) // BLOCK))
    # Many results share the work by themselves, and would need much memory for the blocks.
    return minimum(wanted, maximum(1, (1 << 16) // maximum(1, kept))) if kept != 1 else wanted


def _scratch(step: Step) -> Iterable[tuple[str, DimLike]]:
    blocks = _blocks(step)
    if blocks == 1:
        return []
    kind = compute_type(step.outputs[0].dtype)
    return [(kind, blocks * step.outputs[0].size)]


@register("fused_reduce", strided=True, scratch=_scratch)
def fused_reduction(step: Step, buffers: Sequence[Buffer]) -> list[KernelCall]:
    """Partial results of blocks of rows, then of those; one pass where there is one block."""
    (target,) = step.outputs
    blocks = _blocks(step)
    if blocks == 1:
        return [_reduce(step, buffers, target, target.offset, 1, 1)]
    (partial,) = step.scratch
    one = minimum(1, maximum(0, blocks - 1))  # 1 where there are several blocks
    direct = _reduce(step, buffers, target, target.offset, 1, 1 - one)
    several = _reduce(step, buffers, partial, partial.offset, blocks, one)
    shape = (blocks, target.size)
    attrs = {"expression": Expression((partial.dtype,), (), (0,)), "shape": shape, "axes": (0,), "keepdims": False}
    stacked = View(partial.buffer, partial.dtype, shape, contiguous_strides(shape), partial.offset)
    together = Step(fused_reduce, type(step.attrs)({**attrs, "reduce": step.attrs["reduce"]}), (stacked,), (target,))
    final = _reduce(together, buffers, target, target.offset, 1, one)
    return [direct, several, final]


def _reduce(
    step: Step, buffers: Sequence[Buffer], target: View, offset: DimLike, blocks: DimLike, active: DimLike
) -> KernelCall:
    """Reduce to `blocks` partial results for each kept place."""
    expression: Expression = step.attrs["expression"]
    shape = step.attrs["shape"]
    kept, reduced, innermost, _ = _layout(step)
    order = [*kept, *reduced, *([innermost] if innermost is not None else [])]
    arguments = Arguments()
    code = ExpressionCode(expression, step.inputs, shape, arguments)
    for operand in code.all_operands:
        operand.strides = tuple(operand.strides[axis] for axis in order)
    flags: list = ["kept"] * len(kept) + ["reduced"] * len(reduced) + (["inner"] if innermost is not None else [])
    shape = collapse(tuple(shape[axis] for axis in order), code.all_operands, flags)
    index = loop_indices(len(shape))
    code.declare(buffers, independent=False)
    arguments.pointer("y", target, buffers[target.buffer].size)
    arguments.named("y_0", offset)
    arguments.named("blocks", blocks)
    for axis, dim in enumerate(shape):
        arguments.named(f"size{axis}", dim)
    outer = [axis for axis, flag in enumerate(flags) if flag == "kept"]
    rows = [axis for axis, flag in enumerate(flags) if flag == "reduced"]
    inner = next((axis for axis, flag in enumerate(flags) if flag == "inner"), None)
    kind = compute_type(target.dtype)
    start_value, combine = REDUCTIONS[step.attrs["reduce"]](kind)
    lines = code.lines(index)
    product = " * ".join(f"size{axis}" for axis in outer) or "1"
    width = f"size{inner}" if inner is not None else "1"
    body = [f"width = {width}", f"places = {product}", "items = places * blocks"]
    if inner is not None:
        body += [
            "if items >= threads:",
            "    first, last = span(items, thread, threads)",
            "    inner_start, inner_stop = 0, width",
            "else:",
            "    first, last = 0, items",
            "    inner_start, inner_stop = span(width, thread, threads)",
        ]
    else:
        body.append("first, last = span(items, thread, threads)")
    body.extend(line.text for line in lines if line.level == 0)
    body += ["for item in range(first, last):", "    block = item // places", "    rest = item % places"]
    for axis in reversed(outer):
        body += [f"    {index[axis]} = rest % size{axis}", f"    rest = rest // size{axis}"]
    body.append("    base = y_0 + item * width")
    indent = 1
    body.extend("    " + line.text for line in lines if 0 < line.level <= len(outer))
    if inner is not None:
        body += [
            f"    for {index[inner]} in range(inner_start, inner_stop):",
            f"        y[base + {index[inner]}] = {start_value}",
        ]
    else:
        body.append(f"    total = {start_value}")
    for position, axis in enumerate(rows):
        if position == 0:
            body += [
                f"    row_start = size{axis} * block // blocks",
                f"    row_stop = size{axis} * (block + 1) // blocks",
            ]
            body.append(f"    for {index[axis]} in range(row_start, row_stop):")
        else:
            body.append("    " * indent + f"for {index[axis]} in range(size{axis}):")
        indent += 1
        level = len(outer) + position + 1
        body.extend("    " * indent + line.text for line in lines if line.level == level)
    value = f"v{expression.results[0]}"
    if inner is not None:
        body.append("    " * indent + f"for {index[inner]} in range(inner_start, inner_stop):")
        indent += 1
        body.extend("    " * indent + line.text for line in lines if line.level == len(shape))
        there = f"y[base + {index[inner]}]"
        body.append("    " * indent + f"{there} = {combine.format(there, value)}")
    else:
        body.append("    " * indent + f"total = {combine.format('total', value)}")
        body.append("    y[base] = total")
    work = work_of(expression, len(step.inputs), size_of(step.attrs["shape"]))
    source = kernel_source(arguments, body)
    return KernelCall(step.attrs["reduce"], source, tuple(arguments.entries), work, active=active)
