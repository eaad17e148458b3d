"""Convolutions of float32 by direct sums: few channels, strides, large windows, dilation, groups, one to three axes.

No window is gathered: the sums run over lines of the input as they lie in memory, with the kernel packed in panels of
filters (the word `multiply_windows` of `symgraph.backends.cpu.microkernels`). Where windows reach over the border, the
lines they need are first copied with zeros around. A convolution over fewer than three axes has axes of size 1 before
them, so that all share two kernels: one for the convolution and for what it sends back to its input - which is a
convolution of the gradient with the kernel turned round, one for each remainder of places by strides - and one for the
gradient of the kernel. Results do not depend on the number of threads.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from symgraph import config
from symgraph.backends.cpu.lower.finish import Finish
from symgraph.backends.cpu.lower.window import Geometry, indented, kernel_call, name_independent
from symgraph.backends.cpu.microkernels import ADD, panel_width
from symgraph.backends.cpu.table import Arguments, KernelCall
from symgraph.compiler.program import Buffer, View
from symgraph.graph.type import DimLike, Shape, size_of

AXES = 3
#: Numbers of the input that a thread works on at a time: they should stay in its second-level cache.
BAND = 1 << 16
#: Windows of a line that are computed at a time.
LEAST_PIECE, MOST_PIECE = 8, 512
#: Lines and columns of results that belong together: those of a window that is pooled.
Unit = tuple[int, int]
ONE_BY_ONE: Unit = (1, 1)
#: Images that the gradient of a kernel takes at a time.
MOST_IMAGES = 8
#: The gradient of a kernel is summed in parts of the batch, so many for kernels of up to so many numbers.
PARTS = ((1 << 14, 16), (1 << 18, 4))
FEWEST_PARTS = 2


def fits(kernel: Shape, kind: str) -> bool:
    """Return whether this module computes convolutions with a kernel of such a shape."""
    return kind == "float32" and all(isinstance(size, int) for size in kernel)


class Taps(NamedTuple):
    """How the windows of one call lie, along one axis.

    Attributes:
        size: elements of the source.
        target: elements of the target.
        first, every: the first place in the target that is computed, and the step from one to the next.
        elements: of a window.
        apart: the distance of its elements in the source.
        stride: the distance of windows in the source.
        before: how far before the source the first window begins.
        tap: the element of the kernel that belongs to the window's first element.
        tap_step: and how far it is to the next.
    """

    size: DimLike
    target: DimLike
    first: int
    every: int
    elements: int
    apart: int
    stride: int
    before: DimLike
    tap: int
    tap_step: int


_ONE = Taps(1, 1, 0, 1, 1, 1, 1, 0, 0, 1)


def forward_taps(geometry: Geometry) -> list[Taps]:
    """Return how windows lie in a convolution."""
    taps = [
        Taps(n, m, 0, 1, k, d, s, p, 0, 1)
        for n, m, k, s, d, p in zip(
            geometry.sizes, geometry.counts, geometry.window, geometry.strides, geometry.dilation, geometry.before,
            strict=True,
        )
        if isinstance(k, int)
    ]  # fmt: skip
    return [_ONE] * (AXES - len(taps)) + taps


def can_send_back(geometry: Geometry) -> bool:
    """Return whether `backward_taps` can describe the gradient of the input."""
    return all(
        s == 1 or (d == 1 and isinstance(p, int))
        for s, d, p in zip(geometry.strides, geometry.dilation, geometry.before, strict=True)
    )


def backward_taps(geometry: Geometry) -> list[list[Taps]]:
    """Return how windows lie in the gradient of the input: one description for each remainder of places by strides.

    Place i gets what window o sent it through element t, where i + before = o * stride + t * dilation.
    """
    axes: list[list[Taps]] = []
    for n, m, k, s, d, p in zip(
        geometry.sizes, geometry.counts, geometry.window, geometry.strides, geometry.dilation, geometry.before,
        strict=True,
    ):  # fmt: skip
        assert isinstance(k, int)
        if s == 1:
            axes.append([Taps(m, n, 0, 1, k, d, 1, (k - 1) * d - p, k - 1, -1)])
            continue
        assert isinstance(p, int)
        phases = []
        for phase in range(s):
            count = max(0, -(-(k - phase) // s))
            first = (phase - p) % s
            before = max(count, 1) - 1 - (first + p - phase) // s
            phases.append(Taps(m, n, first, s, count, 1, 1, before, phase + s * (max(count, 1) - 1), -s))
        axes.append(phases)
    found = []
    for taps in itertools.product(*[[_ONE]] * (AXES - len(axes)), *axes):
        if any(one.elements == 0 for one in taps):  # nothing was sent there: zeros
            taps = tuple(one._replace(elements=int(axis == 0), tap=0) for axis, one in enumerate(taps))
        found.append(list(taps))
    return found


# ---------------------------------------------------------------------------------------------------------- memory


def _most_piece(taps: Sequence[Taps], channels: int, unit: Unit = ONE_BY_ONE) -> int:
    """How many windows of a line are computed at a time, so that all they need is small: a multiple of the unit."""
    last = taps[-1]
    each = taps[0].elements * _lines(taps, unit) * last.stride * channels
    most = max(LEAST_PIECE, min(MOST_PIECE, BAND // max(each, 1)))
    count = last.target
    most = max(1, min(most, count)) if isinstance(count, int) else most
    return -(-most // unit[1]) * unit[1]


def _lines(taps: Sequence[Taps], unit: Unit) -> int:
    """Lines of the source that the lines of a unit need."""
    return _reach(taps[1]) + (unit[0] - 1) * taps[1].stride


def _reach(one: Taps) -> int:
    return (max(one.elements, 1) - 1) * one.apart + 1


def _region(taps: Sequence[Taps], channels: int, unit: Unit = ONE_BY_ONE) -> int:
    """Numbers that the lines of one unit need at most."""
    last = taps[-1]
    columns = (_most_piece(taps, channels, unit) - 1) * last.stride + _reach(last)
    return taps[0].elements * _lines(taps, unit) * columns * channels


def border_memory(
    taps: Sequence[Sequence[Taps]], channels: DimLike, unit: Unit = ONE_BY_ONE
) -> tuple[str, DimLike]:
    """Scratch memory of all threads for lines with zeros around them, for any of some calls."""
    assert isinstance(channels, int)
    return "float32", max(BAND, *(_region(one, channels, unit) for one in taps)) * config.threads()


def tile_rows(taps: Sequence[Taps], channels: DimLike, unit: Unit) -> int:
    """Results of each filter that a thread makes before they are finished."""
    assert isinstance(channels, int)
    return unit[0] * _most_piece(taps, channels, unit)


def _panels(filters: int) -> int:
    return -(-filters // panel_width())


def packed_memory(kernel: Shape, groups: int, turned: bool) -> tuple[str, DimLike]:
    """Scratch memory for a packed kernel; `turned` where its channels take the place of its filters."""
    *window, channels, filters = kernel
    depth, width = (filters // groups, channels) if turned else (channels, filters // groups)
    assert isinstance(width, int)
    return "float32", size_of(window) * depth * _panels(width) * panel_width() * groups


# --------------------------------------------------------------------------------------------------- pieces of text


def _declare_taps(arguments: Arguments, taps: Sequence[Taps]) -> list[str]:
    """Name all sizes; the lines that follow from them."""
    lines = []
    for axis, one in enumerate(taps):
        for letter, value in (
            ("n", one.size), ("target", one.target), ("first", one.first), ("every", one.every), ("k", one.elements),
            ("d", one.apart), ("s", one.stride), ("p", one.before), ("reach", _reach(one)),
        ):  # fmt: skip
            arguments.named(f"{letter}{axis}", value)
        lines.append(f"m{axis} = (target{axis} - first{axis} + every{axis} - 1) // every{axis}")
    return lines


_ROOM = [  # this thread's part of the scratch memory; there may be more threads than it was made for
    "workers = threads",
    "room = scratch_size // workers",
    "if borders and room < region:",
    "    workers = scratch_size // region",
    "    room = scratch_size // workers",
    "piece = most_piece",
    "if piece > m2:",
    "    piece = (m2 + unit2 - 1) // unit2 * unit2",
    "if piece < unit2:",
    "    piece = unit2",
    "wide_line = k0 * ((piece - 1) * s2 + reach2) * all_channels",
    f"block = ({BAND} // wide_line - reach1) // s1 + 1",
    "block = block // unit1 * unit1",
    "if block > m1:",
    "    block = (m1 + unit1 - 1) // unit1 * unit1",
    "if block < unit1:",
    "    block = unit1",
]

#: Lines that point `source` at what windows need - `count1` lines from `first_line` on, `count2` windows in each, from
#: `first_window` on - with `line` numbers from one line to the next and `plane` from one element along axis 0.
_REGION = [
    "at0, at1, at2 = o0 * s0 - p0, first_line * s1 - p1, first_window * s2 - p2",
    "high, wide = (count1 - 1) * s1 + reach1, (count2 - 1) * s2 + reach2",
    "source = shift(x, x_0 + (((image * n0 + at0) * n1 + at1) * n2 + at2) * all_channels)",
    "line = n2 * all_channels",
    "plane = n1 * line * d0",
    "inside = at0 >= 0 and at0 + reach0 <= n0 and at1 >= 0 and at1 + high <= n1 and at2 >= 0 and at2 + wide <= n2",
    "if not inside:",
    "    line = wide * all_channels",
    "    plane = high * line",
    "    source = shift(scratch, to)",
    "    whole = shift(x, x_0 + image * n0 * n1 * n2 * all_channels)",
    "    copy_lines(whole, at0, at1, at2, n0, n1, n2, k0, d0, high, wide, all_channels, source)",
    "    to += k0 * plane",
]


def _declare_source(
    arguments: Arguments,
    buffers: Sequence[Buffer],
    x: View,
    scratch: View | None,
    taps: Sequence[Taps],
    unit: Unit = ONE_BY_ONE,
) -> None:
    channels = x.shape[-1]
    assert isinstance(channels, int)
    name_independent(arguments, buffers, x=x, scratch=x if scratch is None else scratch)
    for name, value in (
        ("scratch_size", 0 if scratch is None else scratch.size), ("borders", int(scratch is not None)),
        ("region", _region(taps, channels, unit)), ("most_piece", _most_piece(taps, channels, unit)),
        ("all_channels", channels), ("batch", x.shape[0]), ("panel", panel_width()), ("unit1", unit[0]),
        ("unit2", unit[1]),
    ):  # fmt: skip
        arguments.named(name, value)


# --------------------------------------------------------------------------------------------------------- kernels


def pack(buffers: Sequence[Buffer], kernel: View, packed: View, groups: int, turned: bool) -> KernelCall:
    """Return the call that packs a kernel (window, channels, filters): for each group panel after panel of filters.

    Args:
        turned: make panels of channels instead.
    """
    arguments = Arguments()
    name_independent(arguments, buffers, w=kernel, u=packed)
    channels, filters = kernel.shape[-2:]
    for name, value in (
        ("window", size_of(kernel.shape[:-2])), ("channels", channels), ("filters", filters), ("groups", groups),
        ("panel", panel_width()), ("turned", int(turned)),
    ):  # fmt: skip
        arguments.named(name, value)
    body = [
        "inner, outer = channels, filters // groups",
        "step, across = filters, 1",
        "if turned:",
        "    inner, outer = outer, inner",
        "    step, across = across, step",
        "panels = (outer + panel - 1) // panel",
        "depth = window * inner",
        "start, stop = span(groups * panels * window, thread, threads)",
        "for item in range(start, stop):",
        "    part = item // window",
        "    first = part % panels * panel",
        "    wide = outer - first",
        "    if wide > panel:",
        "        wide = panel",
        "    place = w_0 + item % window * channels * filters + part // panels * (filters // groups) + first * across",
        "    to = u_0 + item * inner * panel",
        "    for k in range(inner):",
        "        if wide < panel:",
        "            for e in range(panel):",
        "                u[to + e] = float32(0)",
        "        if across == 1:",
        "            for e in range(wide):",
        "                u[to + e] = w[place + e]",
        "        else:",
        "            for e in range(wide):",
        "                u[to + e] = w[place + e * across]",
        "        place += step",
        "        to += panel",
    ]
    return kernel_call("conv_pack", arguments, body, kernel.size)


def convolution(
    buffers: Sequence[Buffer],
    x: View,
    packed: View,
    target: View,
    scratch: View | None,
    taps: Sequence[Taps],
    window: Sequence[int],
    groups: int,
    finish: Finish,
) -> KernelCall:
    """Return the call that sums windows of x times a packed kernel.

    Args:
        packed: the kernel, from `pack`.
        target: where the results are made, or memory for tiles of `tile_rows` results of each filter.
        scratch: memory for borders; None where no window reaches over one.
        taps: how the windows lie.
        window: the kernel's window.
        finish: what happens to the results.
    """
    arguments = Arguments()
    _declare_source(arguments, buffers, x, scratch, taps, finish.window)
    name_independent(arguments, buffers, w=packed, y=target, bias=x if finish.bias is None else finish.bias)
    derived = _declare_taps(arguments, taps)
    axes = len(window)
    window = (1,) * (AXES - axes) + tuple(window)
    filters = finish.shape[-1]
    inner, outer = x.shape[-1] // groups, filters // groups
    assert isinstance(inner, int) and isinstance(outer, int)
    each = inner * panel_width()  # numbers of the packed kernel for one element of the window
    steps = [window[1] * window[2] * each, window[2] * each, each]
    # Neighbours in a line of a window lie next to each other, in the input as in the kernel: one sum over both.
    merged = taps[2].apart == 1 and taps[2].tap_step == 1 and groups == 1
    for name, value in (
        ("inner", inner), ("outer", outer), ("filters", filters), ("groups", groups), ("flags", finish.flags),
        ("panel_size", size_of(window) * each), ("group_size", size_of(window) * each * _panels(outer)),
        ("tap", sum(one.tap * step for one, step in zip(taps, steps, strict=True))),
        *((f"tap{axis}", one.tap_step * step) for axis, (one, step) in enumerate(zip(taps, steps, strict=True))),
        ("together", taps[2].elements if merged else 1),
    ):  # fmt: skip
        arguments.named(name, value)
    before = finish.declare(arguments, buffers)
    body = [
        *derived,
        *_ROOM,
        "blocks = (m1 + block - 1) // block",
        "pieces = (m2 + piece - 1) // piece",
        "while block > unit1 and batch * m0 * blocks * pieces < 4 * workers:",
        "    block = (block // unit1 + 1) // 2 * unit1",
        "    blocks = (m1 + block - 1) // block",
        "while piece > 32 and batch * m0 * blocks * pieces < 2 * workers:",
        "    piece = (piece // unit2 + 1) // 2 * unit2",
        "    pieces = (m2 + piece - 1) // piece",
        *_results(arguments, target, finish),
        *before,
        "start, stop = 0, 0",
        "if thread < workers and m0 > 0 and m1 > 0 and m2 > 0:",
        "    start, stop = span(batch * m0 * blocks * pieces, thread, workers)",
        "for item in range(start, stop):",
        "    first_window = item % pieces * piece",
        "    rest = item // pieces",
        "    first_line = rest % blocks * block",
        "    rest = rest // blocks",
        "    o0 = rest % m0",
        "    image = rest // m0",
        "    count1 = m1 - first_line",
        "    if count1 > block:",
        "        count1 = block",
        "    count2 = m2 - first_window",
        "    if count2 > piece:",
        "        count2 = piece",
        "    to = scratch_0 + thread * room",
        *indented(_REGION),
        "    for group in range(groups):",
        "        for row in range(count1):",
        *indented(_goal(finish), 3),
        "            for t in range(k0):",
        "                how = 0",
        "                if t > 0:",
        f"                    how = {ADD}",
        "                if t == k0 - 1:",
        "                    how += flags",
        "                multiply_windows(count2, outer,",
        "                    shift(source, row * s1 * line + t * plane + group * inner), s2 * all_channels,",
        "                    shift(w, w_0 + tap + group * group_size + t * tap0), panel_size,",
        "                    shift(y, goal + group * outer), goal_step, inner * together, 1, panel,",
        "                    k2 // together, d2 * all_channels, tap2, k1, d1 * line, tap1,",
        "                    shift(bias, bias_0 + group * outer), how)",
        *indented(_finished(finish, axes), 3),
    ]
    work = size_of(finish.shape[:-1]) * size_of(window) * inner * filters // 40
    return kernel_call("conv_direct", arguments, body, work)


def _results(arguments: Arguments, target: View, finish: Finish) -> list[str]:
    """Lines that say how results lie where they are made: in the target, or in a tile of each thread."""
    if finish.target is not None:
        return ["goal_step, goal_line = every2 * filters, target2 * filters"]
    arguments.named("tiles_size", target.size)
    return [
        "goal_step, goal_line = filters, piece * filters",
        "tile = unit1 * goal_line",
        "if workers > tiles_size // tile:",
        "    workers = tiles_size // tile",
    ]


def _goal(finish: Finish) -> list[str]:
    """Lines that find the place where the results of a line of windows are made: `goal`, that of filter 0."""
    if finish.target is None:
        return ["goal = y_0 + thread * tile + row % unit1 * goal_line"]
    return [
        "goal = (image * target0 + first0 + o0 * every0) * target1 + first1 + (first_line + row) * every1",
        "goal = y_0 + (goal * target2 + first2 + first_window * every2) * filters",
    ]


def _finished(finish: Finish, axes: int) -> list[str]:
    """Lines that finish a line of results, and pool the windows whose last line it is."""
    places = ["first0 + o0 * every0", "first1 + (first_line + row) * every1", "first2 + (first_window + q) * every2"]
    pixel = finish.pixel()
    lines = ["low, high = group * outer, (group + 1) * outer"] if finish.does_something else []
    if pixel:
        lines += [
            "for q in range(count2):",
            "    made = shift(y, goal + q * goal_step)",
            *(f"    place{axis} = {text}" for axis, text in enumerate(places[AXES - axes :])),
            *indented(pixel),
        ]
    pooling = finish.pooling(
        ("1", "count2 // unit2"), "(first_line + row) // unit1", "first_window // unit2", "goal_line", "goal_step"
    )
    if pooling:
        lines += [
            "if row % unit1 == unit1 - 1:",
            "    made = shift(y, goal - (unit1 - 1) * goal_line)",
            *indented(pooling),
        ]
    return lines


def parts_of(kernel: Shape) -> int:
    """Return into how many parts of the batch the gradient of a kernel is summed."""
    size = size_of(kernel)
    assert isinstance(size, int)
    return next((parts for most, parts in PARTS if size <= most), FEWEST_PARTS)


def kernel_gradient(
    buffers: Sequence[Buffer],
    x: View,
    grad: View,
    parts: View,
    scratch: View | None,
    taps: Sequence[Taps],
    kernel: Shape,
    groups: int,
) -> KernelCall:
    """Return the call that sums the gradient of a kernel over parts of the batch (to be added together).

    Args:
        parts: memory for `parts_of` gradients.
        scratch: memory for borders; None where no window reaches over one.
        taps: how the windows lie in the convolution.
    """
    arguments = Arguments()
    _declare_source(arguments, buffers, x, scratch, taps)
    name_independent(arguments, buffers, g=grad, y=parts)
    derived = _declare_taps(arguments, taps)
    inner, filters = kernel[-2:]
    merged = taps[2].apart == 1 and groups == 1
    for name, value in (
        ("inner", inner), ("outer", filters // groups), ("filters", filters), ("groups", groups),
        ("parts", parts_of(kernel)), ("size", size_of(kernel)), ("together", taps[2].elements if merged else 1),
    ):  # fmt: skip
        arguments.named(name, value)
    body = [
        *derived,
        *_ROOM,
        f"most = {BAND} // (piece * filters)",
        "if block > most:",
        "    block = most",
        "if block < 1:",
        "    block = 1",
        "shares = workers // parts",  # threads that share the filters of one part
        "part_start, part_stop = 0, 0",
        "low_filter, high_filter = 0, outer",
        "if shares < 1:",
        "    if thread < workers:",
        "        part_start, part_stop = span(parts, thread, workers)",
        "elif thread < shares * parts:",
        "    part_start, part_stop = thread // shares, thread // shares + 1",
        "    low_filter, high_filter = span_blocks(outer, panel, thread % shares, shares)",
        "for part in range(part_start, part_stop):",
        "    total = y_0 + part * size",
        "    for row in range(k0 * k1 * k2 * inner):",
        "        for group in range(groups):",
        "            place = total + row * filters + group * outer",
        "            for e in range(low_filter, high_filter):",
        "                y[place + e] = float32(0)",
        "    position, stop = span(batch * m0 * m1, part, parts)",
        "    while position < stop:",
        "        first_line = position % m1",
        "        o0 = position // m1 % m0",
        "        image = position // (m1 * m0)",
        "        count1 = m1 - first_line",
        "        if count1 > stop - position:",
        "            count1 = stop - position",
        "        if count1 > block:",
        "            count1 = block",
        "        images = 1",  # small images are taken several at a time: each sum is then read and written less often
        "        if count1 == m1 and piece >= m2 and m0 * k0 == 1:",
        "            images = room // (((m1 - 1) * s1 + reach1) * wide_line)",
        "            if borders == 0:",
        f"                images = {BAND} // (m1 * m2 * filters)",
        f"            if images > {MOST_IMAGES}:",
        f"                images = {MOST_IMAGES}",
        "            if images > (stop - position) // m1:",
        "                images = (stop - position) // m1",
        "            if images < 1:",
        "                images = 1",
        "        first_image = image",
        "        for first_window in range(0, m2, piece):",
        "            count2 = m2 - first_window",
        "            if count2 > piece:",
        "                count2 = piece",
        "            to = scratch_0 + thread * room",
        "            for each in range(images):",
        "                image = first_image + images - 1 - each",  # the last one is that of the first image
        *indented(_REGION, 4),
        "            apart = n0 * n1 * n2 * all_channels",
        "            if not inside:",
        "                apart = -high * line",
        "            given = g_0 + (position * m2 + first_window) * filters + low_filter",
        "            for tap in range(k0 * k1 * (k2 // together)):",
        "                t2 = tap % (k2 // together)",
        "                t1 = tap // (k2 // together) % k1",
        "                t0 = tap // (k2 // together) // k1",
        "                for group in range(groups):",
        "                    multiply_windows(inner * together, high_filter - low_filter,",
        "                        shift(source, t0 * plane + t1 * d1 * line + t2 * d2 * all_channels + group * inner),",
        "                        1, shift(g, given + group * outer), panel,",
        "                        shift(y, total + tap * together * inner * filters + group * outer + low_filter),",
        "                        filters, count2, s2 * all_channels, filters, count1, s1 * line, m2 * filters,",
        f"                        images, apart, m1 * m2 * filters, x, {ADD})",
        "        position += count1 * images",
    ]
    work = size_of(grad.shape[:-1]) * size_of(kernel[:-1]) * filters // 40
    return kernel_call("conv_direct_gradient", arguments, body, work)
