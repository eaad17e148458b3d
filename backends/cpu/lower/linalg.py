"""Matrix products, through BLAS on one thread each; the threads share rows, columns or the batch."""

from __future__ import annotations

from collections.abc import Sequence

from symgraph.backends.cpu.table import Arguments, KernelCall, kernel_source, register
from symgraph.compiler.program import Buffer, Step
from symgraph.graph.type import size_of


@register("matmul")
def matmul(step: Step, buffers: Sequence[Buffer]) -> list[KernelCall]:
    x, y = step.inputs
    (target,) = step.outputs
    transpose_x, transpose_y = step.attrs["transpose_x"], step.attrs["transpose_y"]
    rows, columns = target.shape[-2:]
    summed = x.shape[-2] if transpose_x else x.shape[-1]
    arguments = Arguments()
    for name, view in (("x", x), ("y", y), ("z", target)):
        arguments.pointer(name, view, buffers[view.buffer].size)
        arguments.named(f"{name}_0", view.offset)
    arguments.named("batch", size_of(target.shape[:-2]))
    arguments.named("rows", rows)
    arguments.named("columns", columns)
    arguments.named("summed", summed)
    # What differs between transposed and plain operands are numbers too, so that there is one kernel for all.
    for name, value in (
        ("turned_x", int(transpose_x)), ("x_line", rows if transpose_x else summed),
        ("row_step", 1 if transpose_x else summed), ("turned_y", int(transpose_y)),
        ("y_line", summed if transpose_y else columns), ("column_step", summed if transpose_y else 1),
    ):  # fmt: skip
        arguments.named(name, value)
    kind = target.dtype
    body = [
        "b0, b1 = 0, batch",
        "r0, r1 = 0, rows",
        "c0, c1 = 0, columns",
        "if batch >= threads:",
        "    b0, b1 = span(batch, thread, threads)",
        "elif rows >= columns:",
        "    r0, r1 = span_blocks(rows, 8, thread, threads)",
        "else:",
        "    c0, c1 = span_blocks(columns, 16, thread, threads)",
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
    per_nanosecond = 50 if kind == "float32" else 25
    work = target.size * summed // per_nanosecond
    return [KernelCall("matmul", kernel_source(arguments, body), tuple(arguments.entries), work, calls_blas=True)]
