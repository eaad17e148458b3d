"""Pooling: loops over the channels, which lie next to each other."""

from __future__ import annotations

from collections.abc import Sequence

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
from symgraph.backends.cpu.table import Arguments, KernelCall, register
from symgraph.compiler.program import Buffer, Step, View
from symgraph.graph.type import DimLike, size_of


def _geometry(step: Step, x: View, y: View) -> Geometry:
    window = step.attrs["window"]
    before = tuple(low for low, _ in step.attrs["padding"])
    return Geometry(x.shape[1:-1], y.shape[1:-1], window, step.attrs["strides"], (1,) * len(window), before)


def _work(step: Step, size: DimLike) -> DimLike:
    return size * size_of(step.attrs["window"]) // 4


def _arguments(
    geometry: Geometry, channels: DimLike, rows: DimLike, buffers: Sequence[Buffer], **views: View
) -> Arguments:
    arguments = Arguments()
    name_views(arguments, buffers, **views)
    arguments.named("channels", channels)
    arguments.named("rows", rows)
    geometry.declare(arguments)
    return arguments


def _lowest(kind: str) -> str:
    return f"{kind}(-1e400)"


def _elements(geometry: Geometry, inside: list[str]) -> list[str]:
    """Lines that do something for each element of the window that is in the array; it begins at `a` in x."""
    last = geometry.axes - 1
    return geometry.each_element([f"a = {geometry.line(f'j{last}')} * channels", *inside], [])


def _independent(arguments: Arguments, buffers: Sequence[Buffer], **views: View) -> None:
    """Name pointers once more, for loops in which no element is touched twice."""
    for name, view in views.items():
        arguments.pointer(name, view, buffers[view.buffer].size, independent=True)


def _apart(geometry: Geometry) -> bool:
    """Whether no element is in two windows."""
    return all(isinstance(k, int) and s >= k for k, s in zip(geometry.window, geometry.strides, strict=True))


def _is_tiling(geometry: Geometry) -> bool:
    """Whether every element is in exactly one window, as far as can be known before sizes are."""
    sizes = zip(geometry.sizes, geometry.counts, geometry.window, geometry.strides, geometry.before, strict=True)
    return all(k == s and p == 0 and n == m * k for n, m, k, s, p in sizes)


def _give(arguments: Arguments, buffers: Sequence[Buffer], y: View, geometry: Geometry, values: list[str]) -> list[str]:
    """Lines that add values to the elements of a window, or write them where windows are apart."""
    apart = _apart(geometry)
    arguments.pointer("target", y, buffers[y.buffer].size, independent=apart)
    places = [f"target[y_0 + a{k} + c]" for k in range(len(values))]
    return [
        f"{place} = {value}" if apart else f"{place} = {place} + {value}"
        for place, value in zip(places, values, strict=True)
    ]


def _shared(geometry: Geometry, step: Step, kind: str, walk: list[str], written: bool) -> list[str]:
    """Lines of a gradient, with zeros first unless all is written.

    Threads share the lines of windows where windows along the first axis are apart and all of them lie inside, else the
    images, since windows may overlap.
    """
    window, stride = geometry.window[0], geometry.strides[0]
    inside = written and all(low == 0 and high == 0 for low, high in step.attrs["padding"])
    each = ["for row in range(start * rows, stop * rows):", *indented(["place = row", *geometry.locate(), *walk])]
    if not (inside and isinstance(window, int) and stride >= window):
        zeros = ["for e in range(start * size, stop * size):", f"    y[y_0 + e] = {kind}(0)"]
        every = [] if written and _is_tiling(geometry) else zeros
        return ["start, stop = span(batch, thread, threads)", *every, *each]
    line = " * ".join(["channels", *(f"n{axis}" for axis in range(1, geometry.axes))])
    zeros = [  # what belongs to a line of windows reaches to the next one; to the last belongs the rest
        "for item in range(start, stop):",
        f"    low = (item // lines * n0 + item % lines * s0) * {line}",
        f"    high = low + s0 * {line}",
        "    if item % lines == lines - 1:",
        "        high = (item // lines + 1) * size",
        "    for e in range(low, high):",
        f"        y[y_0 + e] = {kind}(0)",
    ]
    return [
        "lines = m0",
        "if lines == 0:",
        "    lines = 1",
        "rows = rows // lines",
        "start, stop = span(batch * lines, thread, threads)",
        *([] if _is_tiling(geometry) else zeros),
        *each,
    ]


def _written_out(geometry: Geometry) -> list[str]:
    """Lines that name the places of the elements of a window: a0, a1, ..."""
    lines = [f"first = {first_element(geometry)}"]
    for k, place in enumerate(places_of(geometry)):
        lines.append(f"a{k} = (first + {offset_of(geometry, place)}) * channels")
    return lines


def winner(elements: Sequence[str]) -> list[str]:
    """Lines that find the number of the first of the largest elements, `winner`, and the element itself, `largest`."""
    lines = [*(f"e{k} = {element}" for k, element in enumerate(elements)), "largest = e0", "winner = int32(0)"]
    for k in range(1, len(elements)):
        lines += [
            f"better = (e{k} > largest) | ((e{k} != e{k}) & (largest == largest))",
            f"largest = select(better, e{k}, largest)",
            f"winner = select(better, int32({k}), winner)",
        ]
    return lines


def _elements_of(count: int) -> list[str]:
    """The elements of a window that are written out, as texts."""
    return [f"source[x_0 + a{k} + c]" for k in range(count)]


@register("max_pool")
def max_pool(step: Step, buffers: Sequence[Buffer]) -> list[KernelCall]:
    (x,), (y,) = step.inputs, step.outputs
    geometry = _geometry(step, x, y)
    arguments = _arguments(geometry, x.shape[-1], size_of(y.shape[:-1]), buffers, x=x, y=y)
    kind = y.dtype
    larger = [  # a NaN stays, as no comparison with it is true
        "for c in range(channels):",
        "    value = x[x_0 + a + c]",
        "    best = y[to + c]",
        "    y[to + c] = select(value > best or value != value, value, best)",
    ]
    walk = ["for c in range(channels):", f"    y[to + c] = {_lowest(kind)}", *_elements(geometry, larger)]
    count = len(places_of(geometry))
    if count:
        _independent(arguments, buffers, source=x, target=y)
        take = ["best = source[x_0 + a0 + c]"]
        for k in range(1, count):
            take += [f"value = source[x_0 + a{k} + c]", "best = select((value > best) | (value != value), value, best)"]
        whole = [*_written_out(geometry), "for c in range(channels):", *indented([*take, "target[to + c] = best"])]
        walk = whole_or_cut(geometry, step.attrs["padding"], whole, walk)
    body = [
        "start, stop = span(rows, thread, threads)",
        "for row in range(start, stop):",
        *indented(["place = row", *geometry.locate(), "to = y_0 + row * channels", *walk]),
    ]
    return [kernel_call("max_pool", arguments, body, _work(step, y.size))]


@register("max_pool_places")
def max_pool_places(step: Step, buffers: Sequence[Buffer]) -> list[KernelCall]:
    (x,), (y, places) = step.inputs, step.outputs
    geometry = _geometry(step, x, y)
    arguments = _arguments(geometry, x.shape[-1], size_of(y.shape[:-1]), buffers, x=x, y=y, places=places)
    take = [
        f"number = {_number(geometry)}",
        "for c in range(channels):",
        "    value = x[x_0 + a + c]",
        "    known = y[to + c]",
        "    better = (value > known) | ((value != value) & (known == known)) | (seen == 0)",
        "    y[to + c] = select(better, value, known)",
        "    places[to_place + c] = uint8(select(better, number, int64(places[to_place + c])))",
        "seen = 1",
    ]
    walk = ["seen = 0", "for c in range(channels):", "    y[to + c] = x[x_0]", *_elements(geometry, take)]
    count = len(places_of(geometry))
    if count:
        _independent(arguments, buffers, source=x, target=y, chosen=places)
        store = ["target[to + c] = largest", "chosen[to_place + c] = uint8(winner)"]
        each = [*winner(_elements_of(count)), *store]
        whole = [*_written_out(geometry), "for c in range(channels):", *indented(each)]
        walk = whole_or_cut(geometry, step.attrs["padding"], whole, walk)
    body = [
        "start, stop = span(rows, thread, threads)",
        "for row in range(start, stop):",
        "    place = row",
        *indented([*geometry.locate(), "to = y_0 + row * channels", "to_place = places_0 + row * channels", *walk]),
    ]
    return [kernel_call("max_pool_places", arguments, body, 2 * _work(step, y.size))]


def _number(geometry: Geometry) -> str:
    """The number of an element in its window, from t0, t1, ..."""
    text = "t0"
    for axis in range(1, geometry.axes):
        text = f"({text} * k{axis} + t{axis})"
    return text


@register("max_pool_places_gradient")
def max_pool_places_gradient(step: Step, buffers: Sequence[Buffer]) -> list[KernelCall]:
    """Where windows are apart and inside, their elements are written; else threads add to lines of their own."""
    places, grad = step.inputs
    (y,) = step.outputs
    geometry = _geometry(step, y, grad)
    arguments = _arguments(geometry, y.shape[-1], size_of(geometry.counts), buffers, g=grad, y=y, places=places)
    arguments.named("batch", y.shape[0])
    arguments.named("size", size_of(y.shape[1:]))
    kind, count = y.dtype, len(places_of(geometry))
    inside = all(low == 0 and high == 0 for low, high in step.attrs["padding"])
    if count and inside and _apart(geometry):
        _independent(arguments, buffers, chosen=places)
        values = [f"select(winner == int32({k}), given, {kind}(0))" for k in range(count)]
        give = _give(arguments, buffers, y, geometry, values)
        which = "winner = int32(chosen[places_0 + row * channels + c])"
        take = ["given = g[g_0 + row * channels + c]", which]
        walk = [*_written_out(geometry), "for c in range(channels):", *indented([*take, *give])]
        body = _shared(geometry, step, kind, walk, True)
    else:
        _independent(arguments, buffers, target=y, chosen=places)
        window = ["from_ = g_0 + row * channels", "from_place = places_0 + row * channels"]
        element = [
            f"number = int32({_number(geometry)})",
            "to = y_0 + pixel * channels",
            "for c in range(channels):",
            f"    given = select(int32(chosen[from_place + c]) == number, g[from_ + c], {kind}(0))",
            "    target[to + c] = target[to + c] + given",
        ]
        body = sent_to_lines(geometry, kind, window, element)
    return [kernel_call("max_pool_places_gradient", arguments, body, 2 * _work(step, grad.size))]


def _winner_scratch(step: Step) -> list[tuple[str, DimLike]]:
    """The largest value so far, and where it stands, for each channel; images have places of their own."""
    x = step.inputs[0]
    size = x.shape[0] * x.shape[-1]
    return [(x.dtype, size), ("int32", size)]


def _winners(geometry: Geometry, kind: str) -> list[str]:
    """Lines that find, for each channel, which element of the window is the first of the largest: `which`."""
    return [
        "mark = image * channels",
        "for c in range(channels):",
        f"    best[best_0 + mark + c] = {_lowest(kind)}",
        "    which[which_0 + mark + c] = int32(-1)",
        "number = 0",
        *_elements(
            geometry,
            [
                "for c in range(channels):",
                "    value = x[x_0 + a + c]",
                "    known = best[best_0 + mark + c]",
                "    old = which[which_0 + mark + c]",
                "    better = value > known or (value != value and known == known) or old < 0",
                "    best[best_0 + mark + c] = select(better, value, known)",
                "    which[which_0 + mark + c] = select(better, int32(number), old)",
                "number += 1",
            ],
        ),
        "number = 0",
    ]


@register("max_pool_gradient", scratch=_winner_scratch)
def max_pool_gradient(step: Step, buffers: Sequence[Buffer]) -> list[KernelCall]:
    x, grad = step.inputs
    (y,), (best, which) = step.outputs, step.scratch
    geometry = _geometry(step, x, grad)
    arguments = _arguments(
        geometry, x.shape[-1], size_of(geometry.counts), buffers, x=x, g=grad, y=y, best=best, which=which
    )
    arguments.named("batch", x.shape[0])
    arguments.named("size", size_of(x.shape[1:]))
    kind = y.dtype
    add = [
        "for c in range(channels):",
        "    old = y[y_0 + a + c]",
        "    more = old + g[g_0 + row * channels + c]",
        "    y[y_0 + a + c] = select(which[which_0 + mark + c] == int32(number), more, old)",
        "number += 1",
    ]
    walk = [*_winners(geometry, kind), *_elements(geometry, add)]
    count = len(places_of(geometry))
    if count:
        _independent(arguments, buffers, source=x)
        values = [f"select(winner == int32({k}), given, {kind}(0))" for k in range(count)]
        give = _give(arguments, buffers, y, geometry, values)
        given = "given = g[g_0 + row * channels + c]"
        each = [*winner(_elements_of(count)), given, *give]
        whole = [*_written_out(geometry), "for c in range(channels):", *indented(each)]
        walk = whole_or_cut(geometry, step.attrs["padding"], whole, walk)
    body = _shared(geometry, step, kind, walk, bool(count))
    return [kernel_call("max_pool_gradient", arguments, body, 3 * _work(step, grad.size))]


@register("max_pool_select", scratch=_winner_scratch)
def max_pool_select(step: Step, buffers: Sequence[Buffer]) -> list[KernelCall]:
    x, values = step.inputs
    (y,), (best, which) = step.outputs, step.scratch
    geometry = _geometry(step, x, y)
    arguments = _arguments(
        geometry, x.shape[-1], size_of(geometry.counts), buffers, x=x, g=values, y=y, best=best, which=which
    )
    arguments.named("batch", x.shape[0])
    kind = y.dtype
    take = [
        "for c in range(channels):",
        "    old = y[y_0 + row * channels + c]",
        "    chosen = which[which_0 + mark + c] == int32(number)",
        "    y[y_0 + row * channels + c] = select(chosen, g[g_0 + a + c], old)",
        "number += 1",
    ]
    body = [
        "start, stop = span(batch, thread, threads)",
        "for row in range(start * rows, stop * rows):",
        *indented(
            [
                "place = row",
                *geometry.locate(),
                *_winners(geometry, kind),
                "for c in range(channels):",
                f"    y[y_0 + row * channels + c] = {kind}(0)",
                *_elements(geometry, take),
            ]
        ),
    ]
    return [kernel_call("max_pool_select", arguments, body, 3 * _work(step, y.size))]


def _share(geometry: Geometry, kind: str) -> list[str]:
    """Lines that count the elements of the window that are in the array, and make `share` the reciprocal."""
    lines = ["elements = 1"]
    for axis in range(geometry.axes):
        lines += [
            f"low = i{axis}",
            "if low < 0:",
            "    low = 0",
            f"high = i{axis} + k{axis}",
            f"if high > n{axis}:",
            f"    high = n{axis}",
            "elements *= high - low",
        ]
    return [*lines, f"share = {kind}(1) / {kind}(elements)"]


@register("average_pool")
def average_pool(step: Step, buffers: Sequence[Buffer]) -> list[KernelCall]:
    (x,), (y,) = step.inputs, step.outputs
    geometry = _geometry(step, x, y)
    arguments = _arguments(geometry, x.shape[-1], size_of(y.shape[:-1]), buffers, x=x, y=y)
    kind = y.dtype
    add = ["for c in range(channels):", "    y[to + c] = y[to + c] + x[x_0 + a + c]"]
    walk = [
        "for c in range(channels):",
        f"    y[to + c] = {kind}(0)",
        *_elements(geometry, add),
        *_share(geometry, kind),
        "for c in range(channels):",
        "    y[to + c] = y[to + c] * share",
    ]
    count = len(places_of(geometry))
    if count:
        _independent(arguments, buffers, source=x, target=y)
        total = " + ".join(f"source[x_0 + a{k} + c]" for k in range(count))
        each = f"target[to + c] = ({total}) * {kind}({1 / count!r})"
        whole = [*_written_out(geometry), "for c in range(channels):", f"    {each}"]
        walk = whole_or_cut(geometry, step.attrs["padding"], whole, walk)
    body = [
        "start, stop = span(rows, thread, threads)",
        "for row in range(start, stop):",
        *indented(
            [
                "place = row",
                *geometry.locate(),
                "to = y_0 + row * channels",
                *walk,
            ]
        ),
    ]
    return [kernel_call("average_pool", arguments, body, _work(step, y.size))]


@register("average_pool_gradient")
def average_pool_gradient(step: Step, buffers: Sequence[Buffer]) -> list[KernelCall]:
    (grad,), (y,) = step.inputs, step.outputs
    geometry = _geometry(step, y, grad)
    arguments = _arguments(geometry, y.shape[-1], size_of(geometry.counts), buffers, g=grad, y=y)
    arguments.named("batch", y.shape[0])
    arguments.named("size", size_of(y.shape[1:]))
    kind = y.dtype
    count = len(places_of(geometry))
    inside = all(low == 0 and high == 0 for low, high in step.attrs["padding"])
    if count and inside and _apart(geometry):
        given = f"given = g[g_0 + row * channels + c] * {kind}({1 / count!r})"
        give = _give(arguments, buffers, y, geometry, ["given"] * count)
        walk = [*_written_out(geometry), "for c in range(channels):", *indented([given, *give])]
        body = _shared(geometry, step, kind, walk, True)
    else:
        _independent(arguments, buffers, target=y)
        element = [
            "to = y_0 + pixel * channels",
            "for c in range(channels):",
            "    target[to + c] = target[to + c] + g[from_ + c] * share",
        ]
        window = ["from_ = g_0 + row * channels", *_share(geometry, kind)]
        body = sent_to_lines(geometry, kind, window, element)
    return [kernel_call("average_pool_gradient", arguments, body, _work(step, grad.size))]
