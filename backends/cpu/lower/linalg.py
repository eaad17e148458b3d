"""Matrix products on one thread each, and what is computed from them; the threads share rows, columns or the batch."""

from __future__ import annotations

from collections.abc import Sequence

from symgraph.backends.cpu.loops import FEWEST
from symgraph.backends.cpu.lower.fused import work_of
from symgraph.backends.cpu.microkernels import panel_width
from symgraph.backends.cpu.nest import ExpressionCode, Operand, declare_strides, located, merge_rows, place
from symgraph.backends.cpu.table import Arguments, KernelCall, compute_type, kernel_source, register
from symgraph.compiler.program import Buffer, Step
from symgraph.graph.type import DimLike, Shape, size_of
from symgraph.ops.fused import Expression

#: Results of a product that are computed before the expression over them: they stay in the cache. At most so many rows
#: of them, which is a block of product.py; fewer rows are longer ones.
TILE, HIGH = 144 * 512, 144
#: Below so many columns (or rows) a thread's part is too narrow for products to be fast.
_BLOCK = 16

#: A right matrix with fewer numbers is not worth bringing into panels.
_LEAST_IN_PANELS = 1024


def _shares(in_loop: bool, block: int, is_any_way: bool, part: str = "thread, threads") -> list[str]:
    """Share rows or columns (in whole blocks) among threads; the last part has what is left.

    No part is so narrow that product.py would take another way than for the whole: bits do not depend on the threads.
    In the body of a loop threads share rows, so that nobody waits for what another one makes (see `loops`).

    Args:
        in_loop: whether the product stands in the body of a loop.
        block: columns of a whole block.
        is_any_way: whether products of any number of rows are made in the same way.
        part: the number of the part, and how many there are.
    """
    one, all_ = part.split(", ")

    def blocks(low: str, high: str, size: str, whole: int) -> list[str]:
        share = f"    {low}, {high} = span({size} // {whole}, {part})"
        ends = f"    {low}, {high} = {low} * {whole}, {high} * {whole}"
        return [share, ends, f"    if {one} + 1 == {all_}:", f"        {high} = {size}"]

    by_rows = ["if rows >= columns:", *blocks("r0", "r1", "rows", _BLOCK // 2)]
    if in_loop:
        least = all_ if is_any_way else f"{FEWEST} * {all_}"
        by_rows = [f"if rows >= {least}:", f"    r0, r1 = span(rows, {part})"]
    return ["r0, r1 = 0, rows", "c0, c1 = 0, columns", *by_rows, "else:", *blocks("c0", "c1", "columns", block)]


def _panel(step: Step) -> int:
    """How many columns of the right matrix a panel has; 0 where product.py takes none."""
    x, y = step.inputs[-2:]
    size = y.size
    is_worth_it = not isinstance(size, int) or size >= _LEAST_IN_PANELS
    return panel_width() if x.dtype == y.dtype == "float32" and not step.attrs["transpose_x"] and is_worth_it else 0


def _gemm(step: Step, kind: str, sizes: tuple[str, str], places: tuple[str, str], target: tuple[str, str]) -> list[str]:
    """Return the call of a product.

    Args:
        step: has the matrices.
        kind: the word for their element type.
        sizes: rows and columns.
        places: of the first elements of the left and the right matrix.
        target: where the product goes, and how long a row is there.
    """
    x, y = f"shift(x, {places[0]}), x_line", f"shift(y, {places[1]})"
    if "panel" in step.attrs:
        return [f"gemm_panels_{kind}({', '.join(sizes)}, summed, {x}, {y}, {', '.join(target)})"]
    return [
        f"gemm_{kind}(turned_x != 0, turned_y != 0, {', '.join(sizes)}, summed, {kind}(1),",
        f"    {x},",
        f"    {y}, y_line,",
        f"    {kind}(0), {', '.join(target)})",
    ]


def _name_matrices(arguments: Arguments, step: Step, shape: Shape, buffers: Sequence[Buffer]) -> DimLike:
    """Name the matrices, the sizes and how the matrices lie; returns how many products each result is the sum of."""
    rows, columns = shape
    x, y = step.inputs[-2:]
    transpose_x, transpose_y = step.attrs["transpose_x"], step.attrs["transpose_y"]
    summed = x.shape[-2] if transpose_x else x.shape[-1]
    for name, view in (("x", x), ("y", y)):
        arguments.pointer(name, view, buffers[view.buffer].size)
        arguments.named(f"{name}_0", view.offset)
    if "panel" in step.attrs:
        for name, value in (("rows", rows), ("columns", columns), ("summed", summed), ("x_line", summed),
                            ("row_step", summed), ("column_step", summed)):  # fmt: skip
            arguments.named(name, value)
        return summed
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


@register("matmul", panel=_panel)
def matmul(step: Step, buffers: Sequence[Buffer]) -> list[KernelCall]:
    (target,) = step.outputs
    arguments = Arguments()
    summed = _name_matrices(arguments, step, target.shape[-2:], buffers)
    arguments.pointer("z", target, buffers[target.buffer].size)
    arguments.named("z_0", target.offset)
    arguments.named("batch", size_of(target.shape[:-2]))
    by_rows = step.in_loop and len(target.shape) == 2
    kind = target.dtype
    places = "x_0 + b * rows * summed + r0 * row_step", "y_0 + b * summed * columns + c0 * column_step"
    call = _gemm(step, kind, ("r1 - r0", "c1 - c0"), places, ("shift(z, z_place)", "columns"))
    body = [
        "b0, b1 = 0, batch",
        "share, shares = thread, threads",
        "if batch >= threads:",
        "    b0, b1 = span(batch, thread, threads)",
        "    share, shares = 0, 1",
        *_shares(by_rows, step.attrs.get("panel", _BLOCK), "panel" in step.attrs, "share, shares"),
        "if r1 > r0 and c1 > c0:",
        "    for b in range(b0, b1):",
        "        z_place = z_0 + (b * rows + r0) * columns + c0",
        "        if summed > 0:",
        *(f"            {line}" for line in call),
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
        nest = merge_rows(view.shape, [Operand("", view.strides, 0, view)])
        plain = view.dtype == kind and view.strides[-1] == 1 and len(nest) == 2
        if plain and all(one.buffer != view.buffer for one in others):
            return number
    return None


@register("fused_matmul", strided=True, contiguous=2, panel=_panel)
def fused_matmul(step: Step, buffers: Sequence[Buffer]) -> list[KernelCall]:
    """A tile of the product at a time, then the expression over the tile while it is in the cache.

    The tile is made where a result will be, unless the expression reads what lies there.
    """
    expression: Expression = step.attrs["expression"]
    shape = step.attrs["shape"]
    views = step.inputs[:-2]
    arguments = Arguments()
    kind = expression.operands[-1]
    rows = size_of(shape[:-1])
    summed = _name_matrices(arguments, step, (rows, shape[-1]), buffers)
    # Operands are named x0, x1 ...: no clash with the matrices.
    code = ExpressionCode(expression, views, shape, arguments, "tile[(i - first) * line + j - left]")
    targets = [Operand(f"z{k}", view.strides, view.offset, view) for k, view in enumerate(step.outputs)]
    nest = code.shape = merge_rows(shape, [*code.all_operands, *targets])
    code.declare(buffers, independent=True)
    for operand, view in zip(targets, step.outputs, strict=True):
        arguments.pointer(operand.name, view, buffers[view.buffer].size, independent=True)
        declare_strides(operand, arguments)
    place_of_tile = ""
    free = _free_target(step, kind)
    if free is not None:
        arguments.named("line", step.outputs[free].strides[-2])
        place_of_tile = f"shift(z{free}, {arguments.named('tile_0', step.outputs[free].offset)} + first * line + left)"
    index = ["i"]
    if len(nest) > 2:  # an operand lies in another way than rows after rows
        index = [f"i{axis}" for axis in range(len(nest) - 1)]
        for axis, dim in enumerate(nest[:-1]):
            arguments.named(f"size{axis}", dim)
    lines = code.lines([*index, "j"])
    block = step.attrs.get("panel", _BLOCK)
    places = "x_0 + first * row_step", "y_0 + left * column_step"
    by_rows = step.in_loop and len(shape) == 2
    body = [
        *_shares(by_rows, block, "panel" in step.attrs),
        "if r1 <= r0 or c1 <= c0:",
        "    return",
        f"high = (r1 - r0 + {HIGH - 1}) // {HIGH}",
        "high = (r1 - r0 + high - 1) // high",
        f"wide = {TILE} // high // {block} * {block}",
        *(line.text for line in lines if line.level == 0),
        *([] if place_of_tile else [f"tile = workspace_{kind}_{TILE}()", "line = wide"]),
        "for first in range(r0, r1, high):",
        "    last = select(r1 - first < high, r1, first + high)",
        "    for left in range(c0, c1, wide):",
        "        right = select(c1 - left < wide, c1, left + wide)",
        *([f"        tile = {place_of_tile}"] if place_of_tile else []),
        "        if summed > 0:",
        *(
            f"            {line}"
            for line in _gemm(step, kind, ("last - first", "right - left"), places, ("tile", "line"))
        ),
        "        else:",
        "            for i in range(last - first):",
        "                for j in range(right - left):",
        f"                    tile[i * line + j] = {kind}(0)",
        "        for i in range(first, last):",
        *("            " + line for line in located("i", index)),
        *("            " + line.text for line in lines if 0 < line.level < len(nest)),
        "            for j in range(left, right):",
        *("                " + line.text for line in lines if line.level == len(nest)),
    ]
    for operand, result in zip(targets, expression.results, strict=True):
        body.append(f"                {operand.name}[{place(operand, [*index, 'j'])}] = v{result}")
    size = size_of(shape)
    work = _product_work(compute_type(kind), size, summed) + work_of(expression, len(views), size)
    name = "_".join(["matmul", *(each.op for each in expression.instructions[:4])])
    source = kernel_source(arguments, body)
    return [KernelCall(name, source, tuple(arguments.entries), work, calls_blas=True, by_rows=by_rows)]
