"""Matrix products on one thread each, and what is computed from them; the threads share rows, columns or the batch."""

from __future__ import annotations

from collections.abc import Sequence

from symgraph.backends.cpu.lower.fused import work_of
from symgraph.backends.cpu.nest import ExpressionCode, Operand, declare_strides, place
from symgraph.backends.cpu.table import Arguments, KernelCall, compute_type, kernel_source, register
from symgraph.compiler.program import Buffer, Step, View
from symgraph.graph.type import DimLike, Shape, size_of
from symgraph.ops.fused import Expression

#: Results of a product that are computed before the expression over them: they stay in the cache. At most so many rows
#: of them, which is a block of product.py; fewer rows are longer ones.
TILE, HIGH = 144 * 512, 144
#: Below so many columns (or rows) a thread's part is too narrow for products to be fast.
_BLOCK = 16
_SHARES = [
    "r0, r1 = 0, rows",
    "c0, c1 = 0, columns",
    "if rows >= columns:",
    f"    r0, r1 = span_blocks(rows, {_BLOCK // 2}, thread, threads)",
    "else:",
    f"    c0, c1 = span_blocks(columns, {_BLOCK}, thread, threads)",
]
#: In the body of a loop threads share rows, so that nobody waits for what another one makes (see `loops`).
_SHARES_IN_LOOPS = [
    *_SHARES[:2],
    "if rows >= threads:",
    "    r0, r1 = span(rows, thread, threads)",
    *_SHARES[-2:],
]


def _name_matrices(
    arguments: Arguments, x: View, y: View, transposes: tuple[bool, bool], shape: Shape, buffers: Sequence[Buffer]
) -> DimLike:
    """Name the matrices, the sizes and how the matrices lie; returns how many products each result is the sum of."""
    rows, columns = shape[-2:]
    transpose_x, transpose_y = transposes
    summed = x.shape[-2] if transpose_x else x.shape[-1]
    for name, view in (("x", x), ("y", y)):
        arguments.pointer(name, view, buffers[view.buffer].size)
        arguments.named(f"{name}_0", view.offset)
    # What differs between transposed and plain operands are numbers too, so that there is one kernel for all.
    for name, value in (
        ("rows", rows), ("columns", columns), ("summed", summed),
        ("turned_x", int(transpose_x)), ("x_line", rows if transpose_x else summed),
        ("row_step", 1 if transpose_x else summed), ("turned_y", int(transpose_y)),
        ("y_line", summed if transpose_y else columns), ("column_step", summed if transpose_y else 1),
    ):  # fmt: skip
        arguments.named(name, value)
    return summed


def _product_work(kind: str, size: DimLike, summed: DimLike) -> DimLike:
    """Estimate the nanoseconds of a product."""
    return size * summed // (50 if kind == "float32" else 25)


@register("matmul")
def matmul(step: Step, buffers: Sequence[Buffer]) -> list[KernelCall]:
    x, y = step.inputs
    (target,) = step.outputs
    arguments = Arguments()
    transposes = (step.attrs["transpose_x"], step.attrs["transpose_y"])
    summed = _name_matrices(arguments, x, y, transposes, target.shape, buffers)
    arguments.pointer("z", target, buffers[target.buffer].size)
    arguments.named("z_0", target.offset)
    arguments.named("batch", size_of(target.shape[:-2]))
    by_rows = step.in_loop and len(target.shape) == 2
    shares = _SHARES_IN_LOOPS if by_rows else _SHARES
    kind = target.dtype
    body = [
        "b0, b1 = 0, batch",
        "share, shares = thread, threads",
        "if batch >= threads:",
        "    b0, b1 = span(batch, thread, threads)",
        "    share, shares = 0, 1",
        *(line.replace("thread, threads", "share, shares") for line in shares),
        "if r1 > r0 and c1 > c0:",
        "    for b in range(b0, b1):",
        "        z_place = z_0 + (b * rows + r0) * columns + c0",
        "        if summed > 0:",
        f"            gemm_{kind}(turned_x != 0, turned_y != 0, r1 - r0, c1 - c0, summed, {kind}(1),",
        "                shift(x, x_0 + b * rows * summed + r0 * row_step), x_line,",
        "                shift(y, y_0 + b * summed * columns + c0 * column_step), y_line,",
        f"                {kind}(0), shift(z, z_place), columns)",
        "        else:",
        "            for r in range(r1 - r0):",
        "                for c in range(c1 - c0):",
        f"                    z[z_place + r * columns + c] = {kind}(0)",
    ]
    work = _product_work(kind, target.size, summed)
    source = kernel_source(arguments, body)
    return [KernelCall("matmul", source, tuple(arguments.entries), work, calls_blas=True, by_rows=by_rows)]


def _free_target(step: Step, kind: str) -> int | None:
    """Return the number of a result whose memory can hold the product meanwhile, or None if there is none.

    (The plan of memory gives results of this operation no memory that its inputs are in.)
    """
    for number, view in enumerate(step.outputs):
        others = (*step.inputs, *step.outputs[:number], *step.outputs[number + 1 :])
        if view.dtype == kind and view.strides[1] == 1 and all(one.buffer != view.buffer for one in others):
            return number
    return None


@register("fused_matmul", strided=True, contiguous=2)
def fused_matmul(step: Step, buffers: Sequence[Buffer]) -> list[KernelCall]:
    """A tile of the product at a time, then the expression over the tile while it is in the cache.

    The tile is made where a result will be, unless the expression reads what lies there.
    """
    expression: Expression = step.attrs["expression"]
    shape = step.attrs["shape"]
    *views, x, y = step.inputs
    arguments = Arguments()
    transposes = (step.attrs["transpose_x"], step.attrs["transpose_y"])
    kind = expression.operands[-1]
    summed = _name_matrices(arguments, x, y, transposes, shape, buffers)
    # Operands are named x0, x1 ...: no clash with the matrices.
    code = ExpressionCode(expression, views, shape, arguments, "tile[(i - first) * line + j - left]")
    targets = [Operand(f"z{k}", view.strides, view.offset, view) for k, view in enumerate(step.outputs)]
    code.declare(buffers, independent=True)
    for operand, view in zip(targets, step.outputs, strict=True):
        arguments.pointer(operand.name, view, buffers[view.buffer].size, independent=True)
        declare_strides(operand, arguments)
    place_of_tile = ""
    free = _free_target(step, kind)
    if free is not None:
        arguments.named("line", step.outputs[free].strides[0])
        place_of_tile = f"shift(z{free}, {arguments.named('tile_0', step.outputs[free].offset)} + first * line + left)"
    lines = code.lines(["i", "j"])
    body = [
        *(_SHARES_IN_LOOPS if step.in_loop else _SHARES),
        "if r1 <= r0:",
        "    return",
        f"high = select(r1 - r0 < {HIGH}, r1 - r0, {HIGH})",
        f"wide = {TILE} // high // {_BLOCK} * {_BLOCK}",
        *(line.text for line in lines if line.level == 0),
        *([] if place_of_tile else [f"tile = workspace_{kind}_{TILE}()", "line = wide"]),
        "for first in range(r0, r1, high):",
        "    last = select(r1 - first < high, r1, first + high)",
        "    for left in range(c0, c1, wide):",
        "        right = select(c1 - left < wide, c1, left + wide)",
        *([f"        tile = {place_of_tile}"] if place_of_tile else []),
        "        if summed > 0:",
        f"            gemm_{kind}(turned_x != 0, turned_y != 0, last - first, right - left, summed, {kind}(1),",
        "                shift(x, x_0 + first * row_step), x_line,",
        "                shift(y, y_0 + left * column_step), y_line,",
        f"                {kind}(0), tile, line)",
        "        else:",
        "            for i in range(last - first):",
        "                for j in range(right - left):",
        f"                    tile[i * line + j] = {kind}(0)",
        "        for i in range(first, last):",
        *("            " + line.text for line in lines if line.level == 1),
        "            for j in range(left, right):",
        *("                " + line.text for line in lines if line.level == 2),
    ]
    for operand, result in zip(targets, expression.results, strict=True):
        body.append(f"                {operand.name}[{place(operand, ['i', 'j'])}] = v{result}")
    size = size_of(shape)
    work = _product_work(compute_type(kind), size, summed) + work_of(expression, len(views), size)
    name = "_".join(["matmul", *(each.op for each in expression.instructions[:4])])
    source = kernel_source(arguments, body)
    return [KernelCall(name, source, tuple(arguments.entries), work, calls_blas=True, by_rows=step.in_loop)]
