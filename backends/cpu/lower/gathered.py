"""Convolutions by windows that are gathered into the rows of a matrix, multiplied while it is in the cache.

For what `symgraph.backends.cpu.lower.direct` does not compute: float64, and windows of one element, which are the
rows of the input themselves. Kernels are written for any number of spatial axes.
"""

from __future__ import annotations

from collections.abc import Sequence

from symgraph import config
from symgraph.backends.cpu.lower.finish import Finish
from symgraph.backends.cpu.lower.window import Geometry, indented, kernel_call, name_views
from symgraph.backends.cpu.table import Arguments, KernelCall
from symgraph.compiler.program import Buffer, View
from symgraph.graph.type import DimLike, Shape, size_of

#: Elements of gathered windows that a thread multiplies at a time: they should stay in its cache.
BLOCK = 1 << 16
FEWEST_ROWS, MOST_ROWS = 32, 512
#: Kernels of up to this many numbers get their gradient by parts of the batch, PARTS of them, which are then summed.
SMALL_KERNEL, PARTS = 1 << 14, 16


def most_rows(columns: DimLike) -> int:
    """How many windows a thread gathers at a time."""
    return max(FEWEST_ROWS, min(MOST_ROWS, BLOCK // max(columns, 1))) if isinstance(columns, int) else 128


def memory(columns: DimLike, kind: str) -> tuple[str, DimLike]:
    """The scratch memory for gathered windows: enough for every thread, and shared out when the kernel runs."""
    return kind, columns * most_rows(columns) * config.threads()


def is_plain(geometry: Geometry, groups: int) -> bool:
    """Whether windows are the rows of the input themselves."""
    return groups == 1 and all(
        k == 1 and s == 1 and p == 0 and n == m
        for k, s, p, n, m in zip(
            geometry.window, geometry.strides, geometry.before, geometry.sizes, geometry.counts, strict=True
        )
    )


_SHARE = [  # each thread's part of the scratch memory, and how many windows it holds
    "room = scratch_size // threads",
    "gathered = shift(scratch, scratch_0 + thread * room)",
    "block = room // columns",
    "if block > most:",
    "    block = most",
]


def _gather(geometry: Geometry, groups: int, kind: str) -> list[str]:
    """Lines that copy `count` windows from number `first` on into `gathered`, of group `group`."""
    last = geometry.axes - 1
    zero = f"{kind}(0)"
    if groups == 1 and geometry.dilation[last] == 1:  # a line of the window is one piece of memory, or none
        part = [
            f"a = x_0 + {geometry.line(f'i{last}')} * channels",
            f"if i{last} < 0:",
            f"    left = -i{last} * channels",
            f"right = (n{last} - i{last}) * channels",
            "if right > whole:",
            "    right = whole",
        ]
        heads, tests = [], []
        for axis in range(last):
            heads += indented([f"for t{axis} in range(k{axis}):", f"    j{axis} = i{axis} + t{axis} * d{axis}"], axis)
            tests.append(f"j{axis} >= 0 and j{axis} < n{axis}")
        lines = [
            f"whole = k{last} * channels",
            *heads,
            *indented(
                [
                    "left = 0",
                    "right = 0",
                    "a = x_0",
                    *([f"if {' and '.join(tests)}:", *indented(part)] if tests else part),
                    "if right - left < whole:",
                    "    for e in range(whole):",
                    f"        gathered[to + e] = {zero}",
                    "for e in range(left, right):",
                    "    gathered[to + e] = x[a + e]",
                    "to += whole",
                ],
                last,
            ),
        ]
    else:
        lines = geometry.each_element(
            [
                f"a = x_0 + {geometry.line(f'j{last}')} * all_channels + group * channels",
                "for e in range(channels):",
                "    gathered[to + e] = x[a + e]",
                "to += channels",
            ],
            ["for e in range(channels):", f"    gathered[to + e] = {zero}", "to += channels"],
        )
    body = ["place = first + row", *geometry.locate(), "to = row * columns", *lines]
    return ["for row in range(count):", *indented(body)]


def forward(
    buffers: Sequence[Buffer],
    x: View,
    kernel: View,
    target: View,
    scratch: View,
    geometry: Geometry,
    groups: int,
    finish: Finish,
) -> KernelCall:
    """Each window times the kernel. The kernel holds (window, channels of a group, filters) without gaps."""
    kind = target.dtype
    channels, filters = x.shape[-1] // groups, target.shape[-1]
    columns = size_of((*geometry.window, channels))
    arguments = Arguments()
    name_views(arguments, buffers, x=x, w=kernel, y=target)
    arguments.named("rows", size_of(target.shape[:-1]))
    for name, value in (("columns", columns), ("channels", channels), ("filters", filters)):
        arguments.named(name, value)
    work = size_of(target.shape[:-1]) * columns * filters // groups // (40 if kind == "float32" else 20)
    name_views(arguments, buffers, scratch=scratch)
    arguments.named("scratch_size", scratch.size)
    arguments.named("most", most_rows(columns))
    arguments.named("groups", groups)
    arguments.named("all_channels", x.shape[-1])
    geometry.declare(arguments)
    multiply = [
        f"gemm_{kind}(False, False, count, width, columns, {kind}(1), gathered, columns,",
        f"    shift(w, w_0 + group * width), filters, {kind}(0),",
        "    shift(y, y_0 + first * filters + group * width), filters)",
    ]
    sizes = [f"m{axis}" for axis in range(geometry.axes)]
    before = finish.declare(arguments, buffers, rows=True)
    finished = finish.row("first + row", sizes)
    body = [
        *_SHARE,
        *before,
        "start, stop = span(rows, thread, threads)",
        "width = filters // groups",
        "for first in range(start, stop, block):",
        "    count = stop - first",
        "    if count > block:",
        "        count = block",
        "    for group in range(groups):",
        *indented([*_gather(geometry, groups, kind), *multiply], 2),
        *(["    for row in range(count):", *indented(finished, 2)] if finished else []),
    ]
    return kernel_call("conv", arguments, body, work, blas=True)


def scattered(
    buffers: Sequence[Buffer],
    grad: View,
    kernel: View,
    target: View,
    scratch: View,
    geometry: Geometry,
    groups: int,
) -> KernelCall:
    """Each gradient times the transposed kernel, added to the elements of its window; threads share the images."""
    kind = target.dtype
    columns, filters = size_of(kernel.shape[:-1]), grad.shape[-1]
    arguments = Arguments()
    name_views(arguments, buffers, g=grad, w=kernel, y=target, scratch=scratch)
    for name, value in (
        ("columns", columns), ("channels", kernel.shape[-2]), ("filters", filters), ("groups", groups),
        ("scratch_size", scratch.size), ("most", most_rows(columns)), ("batch", grad.shape[0]),
        ("all_channels", target.shape[-1]), ("size", size_of(target.shape[1:])), ("windows", size_of(geometry.counts)),
    ):  # fmt: skip
        arguments.named(name, value)
    geometry.declare(arguments)
    last = geometry.axes - 1
    add = [
        f"a = y_0 + {geometry.line(f'j{last}')} * all_channels + group * channels",
        "for e in range(channels):",
        "    y[a + e] = y[a + e] + gathered[to + e]",
        "to += channels",
    ]
    skip_line = [f"to += k{last} * channels"]
    walk = [
        f"for t{last} in range(k{last}):",
        f"    j{last} = i{last} + t{last} * d{last}",
        f"    if j{last} >= 0 and j{last} < n{last}:",
        *indented(add, 2),
        "    else:",
        "        to += channels",
    ]
    body = [
        *_SHARE,
        "width = filters // groups",
        "start, stop = span(batch, thread, threads)",
        "for e in range(start * size, stop * size):",
        f"    y[y_0 + e] = {kind}(0)",
        "for first in range(start * windows, stop * windows, block):",
        "    count = stop * windows - first",
        "    if count > block:",
        "        count = block",
        "    for group in range(groups):",
        f"        gemm_{kind}(False, True, count, columns, width, {kind}(1),",
        "            shift(g, g_0 + first * filters + group * width), filters,",
        f"            shift(w, w_0 + group * width), filters, {kind}(0), gathered, columns)",
        "        for row in range(count):",
        *indented(["place = first + row", *geometry.locate(), "to = row * columns"], 3),
        *indented(geometry.each_line(walk, skip_line), 3),
    ]
    work = size_of(grad.shape[:-1]) * columns * filters // groups // (40 if kind == "float32" else 20)
    return kernel_call("conv_input_gradient", arguments, body, work, blas=True)


def kernel_sum(
    buffers: Sequence[Buffer],
    x: View,
    grad: View,
    target: View,
    scratch: View | None,
    geometry: Geometry,
    groups: int,
    shape: Shape,
    small: bool,
) -> KernelCall:
    kind = target.dtype
    filters, channels = shape[-1], shape[-2]
    columns = size_of(shape[:-1])
    arguments = Arguments()
    name_views(arguments, buffers, x=x, g=grad, y=target)
    for name, value in (
        ("rows", size_of(grad.shape[:-1])), ("columns", columns), ("channels", channels), ("filters", filters),
        ("groups", groups), ("all_channels", x.shape[-1]), ("most", most_rows(columns)),
        ("parts", PARTS if small else 1),
    ):  # fmt: skip
        arguments.named(name, value)
    body: list[str] = []
    if scratch is not None:
        name_views(arguments, buffers, scratch=scratch)
        arguments.named("scratch_size", scratch.size)
        geometry.declare(arguments)
        body += _SHARE
        windows, line = "gathered", "wide"
        gather = _gather(geometry, groups, kind) if small else _gather_columns(geometry, kind)
    else:
        body += ["block = most"]
        windows, line, gather = "shift(x, x_0 + first * columns + low)", "columns", []
    low_high = (
        ["low, high = 0, columns", "part_start, part_stop = span(parts, thread, threads)"]
        if small
        else ["low, high = span_blocks(columns, 4, thread, threads)", "part_start, part_stop = 0, 1"]
    )
    body += [
        "width = filters // groups",
        *low_high,
        "wide = high - low",
        "if wide > 0:",
        "    for part in range(part_start, part_stop):",
        "        to = y_0 + (part * columns + low) * filters",
        "        for e in range(wide * filters):",
        f"            y[to + e] = {kind}(0)",
        "        start, stop = span(rows, part, parts)",
        "        for first in range(start, stop, block):",
        "            count = stop - first",
        "            if count > block:",
        "                count = block",
        "            for group in range(groups):",
        *indented(gather, 4),
        f"                gemm_{kind}(True, False, wide, width, count, {kind}(1), {windows}, {line},",
        "                    shift(g, g_0 + first * filters + group * width), filters,",
        f"                    {kind}(1), shift(y, y_0 + (part * columns + low) * filters + group * width), filters)",
    ]
    work = size_of(grad.shape[:-1]) * columns * filters // groups // (40 if kind == "float32" else 20)
    return kernel_call("conv_kernel_gradient", arguments, body, work, blas=True)


def _gather_columns(geometry: Geometry, kind: str) -> list[str]:
    """Lines that copy the elements `low` to `high` of `count` windows into `gathered`."""
    last = geometry.axes - 1
    clip = [
        "head = low - at",
        "if head < 0:",
        "    head = 0",
        "tail = high - at",
        "if tail > channels:",
        "    tail = channels",
    ]
    inside = [
        *clip,
        f"a = x_0 + {geometry.line(f'j{last}')} * all_channels + group * channels",
        "for e in range(head, tail):",
        "    gathered[to + at + e] = x[a + e]",
        "at += channels",
    ]
    outside = [
        *clip,
        "for e in range(head, tail):",
        f"    gathered[to + at + e] = {kind}(0)",
        "at += channels",
    ]
    body = [
        "place = first + row",
        *geometry.locate(),
        "to = row * wide - low",
        "at = 0",
        *geometry.each_element(inside, outside),
    ]
    return ["for row in range(count):", *indented(body)]
