"""Depthwise convolutions: loops over the channels, which lie next to each other."""

from __future__ import annotations

from collections.abc import Sequence

from symgraph.backends.cpu.lower.finish import Finish
from symgraph.backends.cpu.lower.window import (
    Geometry,
    first_element,
    indented,
    kernel_call,
    name_views,
    offset_of,
    places_of,
    sent_to_lines,
    whole_or_cut,
)
from symgraph.backends.cpu.table import Arguments, KernelCall
from symgraph.compiler.program import Buffer, View
from symgraph.graph.type import DimLike, size_of
from symgraph.ops.window import Padding


def _arguments(
    buffers: Sequence[Buffer],
    x: View,
    target: View,
    channels: DimLike,
    filters: DimLike,
    geometry: Geometry,
    **more: View,
) -> Arguments:
    arguments = Arguments()
    name_views(arguments, buffers, x=x, y=target, **more)
    arguments.named("channels", channels)
    arguments.named("filters", filters)
    arguments.named("each", filters // channels)
    geometry.declare(arguments)
    return arguments


def _per_channel(one: str, several: str) -> list[str]:
    """Lines over channels c and filters f; with one filter a channel there is one loop."""
    return [
        "if each == 1:",
        "    for c in range(channels):",
        f"        {one}",
        "else:",
        "    for c in range(channels):",
        "        for f in range(c * each, (c + 1) * each):",
        f"            {several}",
    ]


def _places(geometry: Geometry) -> list[str]:
    """Lines that name where the elements of a window lie: a0, a1, ..."""
    lines = [f"first = {first_element(geometry)}"]
    for k, place in enumerate(places_of(geometry)):
        lines.append(f"a{k} = (first + {offset_of(geometry, place)}) * channels")
    return lines


def depthwise(
    buffers: Sequence[Buffer],
    x: View,
    kernel: View,
    target: View,
    geometry: Geometry,
    padding: Padding,
    finish: Finish,
) -> KernelCall:
    """Each filter's sum of products with its channel of the window; the results of a place are finished at once."""
    kind = target.dtype
    arguments = _arguments(buffers, x, target, x.shape[-1], target.shape[-1], geometry, w=kernel)
    arguments.named("rows", size_of(target.shape[:-1]))
    last = geometry.axes - 1
    inside = [
        f"a = x_0 + {geometry.line(f'j{last}')} * channels",
        *_per_channel("y[to + c] = y[to + c] + x[a + c] * w[b + c]", "y[to + f] = y[to + f] + x[a + c] * w[b + f]"),
        "b += filters",
    ]
    walk = [
        "b = w_0",
        "for f in range(filters):",
        f"    y[to + f] = {kind}(0)",
        *geometry.each_line(_line_walk(geometry, inside), [f"b += k{last} * filters"]),
    ]
    places = places_of(geometry)
    if places and target.shape[-1] == x.shape[-1]:  # one filter a channel: the sum stays in a register
        for name, view in (("source", x), ("weights", kernel), ("goal", target)):
            arguments.pointer(name, view, buffers[view.buffer].size, independent=True)
        total = " + ".join(f"source[x_0 + a{k} + c] * weights[w_0 + {k} * filters + c]" for k in range(len(places)))
        whole = [*_places(geometry), "for c in range(channels):", f"    goal[to + c] = {total}"]
        walk = whole_or_cut(geometry, padding, whole, walk)
    sizes = [f"m{axis}" for axis in range(geometry.axes)]
    body = [
        *finish.declare(arguments, buffers, rows=True),
        "start, stop = span(rows, thread, threads)",
        "for row in range(start, stop):",
        *indented(["place = row", *geometry.locate(), "to = y_0 + row * filters", *walk, *finish.row("row", sizes)]),
    ]
    work = target.size * size_of(geometry.window) // 4
    return kernel_call("conv_depthwise", arguments, body, work)


def _line_walk(geometry: Geometry, inside: list[str]) -> list[str]:
    """Lines over the last axis of the window; outside of the array the place in the kernel, b, moves on."""
    last = geometry.axes - 1
    return [
        f"for t{last} in range(k{last}):",
        f"    j{last} = i{last} + t{last} * d{last}",
        f"    if j{last} >= 0 and j{last} < n{last}:",
        *indented(inside, 2),
        "    else:",
        "        b += filters",
    ]


def depthwise_input(
    buffers: Sequence[Buffer], grad: View, kernel: View, target: View, geometry: Geometry
) -> KernelCall:
    """The gradients added to the elements of their windows; threads share lines."""
    kind = target.dtype
    channels, filters = target.shape[-1], grad.shape[-1]
    arguments = _arguments(buffers, target, target, channels, filters, geometry, g=grad, w=kernel)
    arguments.named("batch", target.shape[0])
    arguments.named("size", size_of(target.shape[1:]))
    tap = "t0"
    for axis in range(1, geometry.axes):
        tap = f"({tap} * k{axis} + t{axis})"
    element = [
        "a = y_0 + pixel * channels",
        f"b = w_0 + {tap} * filters",
        *_per_channel("y[a + c] = y[a + c] + g[from_ + c] * w[b + c]", "y[a + c] = y[a + c] + g[from_ + f] * w[b + f]"),
    ]
    body = sent_to_lines(geometry, kind, ["from_ = g_0 + row * filters"], element)
    return kernel_call("conv_depthwise_input", arguments, body, grad.size * size_of(geometry.window) // 4)


#: Channels whose sums are kept in registers along a line of windows.
LANES = 16


def _line_sums(geometry: Geometry) -> list[str]:
    """Lines that add, for image `one`, products along lines of windows to `part`, LANES channels at a time."""
    last = geometry.axes - 1
    windows, line, tap = "one", "one", "0"
    for axis in range(last):
        windows, line = f"({windows} * m{axis} + o{axis})", f"({line} * n{axis} + j{axis})"
    for axis in range(geometry.axes):
        tap = f"({tap} * k{axis} + t{axis})"
    lanes = range(LANES)
    sums = [
        f"beyond = p{last} - t{last} * d{last}",
        "begin = 0",
        "if beyond > 0:",
        f"    begin = (beyond + s{last} - 1) // s{last}",
        f"end = (n{last} - 1 + beyond) // s{last} + 1",
        f"if end > m{last}:",
        f"    end = m{last}",
        f"a = x_0 + ({line} * n{last} + begin * s{last} - beyond) * channels",
        f"b = g_0 + ({windows} * m{last} + begin) * channels",
        f"w = part_0 + {tap} * channels",
        f"even = low + (high - low) // {LANES} * {LANES}",
        f"for c in range(low, even, {LANES}):",
        *(f"    sum{k} = part[w + c + {k}]" for k in lanes),
        "    from_ = a + c",
        "    with_ = b + c",
        "    for o in range(begin, end):",
        *(f"        sum{k} += x[from_ + {k}] * g[with_ + {k}]" for k in lanes),
        f"        from_ += s{last} * channels",
        "        with_ += channels",
        *(f"    part[w + c + {k}] = sum{k}" for k in lanes),
        "for c in range(even, high):",
        "    total = part[w + c]",
        "    for o in range(end - begin):",
        f"        total += x[a + o * s{last} * channels + c] * g[b + o * channels + c]",
        "    part[w + c] = total",
    ]
    lines: list[str] = []
    for axis in range(last):
        lines.append("    " * axis + f"for o{axis} in range(m{axis}):")
    for axis in range(last):
        lines += indented(
            [f"for t{axis} in range(k{axis}):", f"    j{axis} = o{axis} * s{axis} - p{axis} + t{axis} * d{axis}"],
            last + axis,
        )
    inner = [f"for t{last} in range(k{last}):", *indented(sums)]
    tests = " and ".join(f"j{axis} >= 0 and j{axis} < n{axis}" for axis in range(last))
    return lines + indented([f"if {tests}:", *indented(inner)] if tests else inner, 2 * last)


def depthwise_kernel(
    buffers: Sequence[Buffer], x: View, grad: View, target: View, scratch: View, geometry: Geometry
) -> KernelCall:
    """Sums over all windows, image by image so that long sums stay exact; threads share the channels."""
    kind = target.dtype
    arguments = _arguments(buffers, x, target, x.shape[-1], grad.shape[-1], geometry, g=grad, part=scratch)
    arguments.named("batch", x.shape[0])
    arguments.named("windows", size_of(geometry.counts))
    arguments.named("places", size_of(geometry.window))
    last = geometry.axes - 1
    inside = [
        f"a = x_0 + {geometry.line(f'j{last}')} * channels",
        "if each == 1:",
        "    for c in range(low, high):",
        "        part[b + c] = part[b + c] + x[a + c] * g[from_ + c]",
        "else:",
        "    for c in range(low, high):",
        "        for f in range(c * each, (c + 1) * each):",
        "            part[b + f] = part[b + f] + x[a + c] * g[from_ + f]",
        "b += filters",
    ]
    walk = ["b = part_0", *geometry.each_line(_line_walk(geometry, inside), [f"b += k{last} * filters"])]
    each_row = ["place = row", *geometry.locate(), "from_ = g_0 + row * filters", *walk]
    sums = ["for row in range(one * windows, (one + 1) * windows):", *indented(each_row)]
    if grad.shape[-1] == x.shape[-1]:
        sums = _line_sums(geometry)
    over = ["for t in range(places):", "    for f in range(low * each, high * each):"]
    body = [
        "low, high = span_blocks(channels, 8, thread, threads)",
        *over,
        f"        y[y_0 + t * filters + f] = {kind}(0)",
        "for one in range(batch):",
        *indented(over),
        f"            part[part_0 + t * filters + f] = {kind}(0)",
        *indented(sums),
        *indented(over),
        "            y[y_0 + t * filters + f] = y[y_0 + t * filters + f] + part[part_0 + t * filters + f]",
    ]
    return kernel_call("conv_depthwise_kernel", arguments, body, grad.size * size_of(geometry.window) // 4)
