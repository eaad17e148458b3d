"""Windows over the spatial axes of an array, for the kernels of convolution and pooling."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

from symgraph.backends.cpu.table import Arguments, KernelCall, kernel_source
from symgraph.compiler.program import Buffer, Step, View
from symgraph.graph.node import Node
from symgraph.graph.type import DimLike, Shape


class Geometry:
    """Where windows lie: the sizes of a convolution, and the lines of a kernel that walk over them.

    Args:
        sizes: the spatial sizes of what windows are read from.
        counts: the number of windows along each axis.
        window, strides, dilation: of the convolution.
        before: padding before the first element of each axis.
    """

    def __init__(
        self,
        sizes: Shape,
        counts: Shape,
        window: Shape,
        strides: Sequence[int],
        dilation: Sequence[int],
        before: Shape,
    ) -> None:
        self.axes = len(window)
        self.sizes, self.counts, self.window = sizes, counts, window
        self.strides, self.dilation, self.before = strides, dilation, before

    def declare(self, arguments: Arguments) -> None:
        """Name all sizes: n (elements), m (windows), k (window), s, d, p (stride, dilation, padding before)."""
        for axis in range(self.axes):
            for letter, values in (
                ("n", self.sizes), ("m", self.counts), ("k", self.window), ("s", self.strides), ("d", self.dilation),
                ("p", self.before),
            ):  # fmt: skip
                arguments.named(f"{letter}{axis}", values[axis])

    def locate(self) -> list[str]:
        """Lines that turn the number of a window, `place`, into its image and its first element along each axis."""
        lines = []
        for axis in reversed(range(self.axes)):
            lines += [
                f"i{axis} = (place % m{axis}) * s{axis} - p{axis}",
                f"place = place // m{axis}",
            ]
        return [*lines, "image = place"]

    def line(self, last: str) -> str:
        """The number of an element among all of its array, from `image`, j0, j1, ... and the last index."""
        text = "image"
        for axis in range(self.axes):
            text = f"({text} * n{axis} + {last if axis == self.axes - 1 else f'j{axis}'})"
        return text

    def each_line(self, inside: list[str], outside: list[str]) -> list[str]:
        """Lines that walk over the window but for its last axis; `inside` and `outside` of the array."""
        lines: list[str] = []
        for axis in range(self.axes - 1):
            lines += [
                "    " * axis + f"for t{axis} in range(k{axis}):",
                "    " * axis + f"    j{axis} = i{axis} + t{axis} * d{axis}",
            ]
        tests = " and ".join(f"j{axis} >= 0 and j{axis} < n{axis}" for axis in range(self.axes - 1))
        body = inside
        if tests:
            body = [f"if {tests}:", *indented(inside), *(["else:", *indented(outside)] if outside else [])]
        return lines + indented(body, self.axes - 1)

    def each_element(self, inside: list[str], outside: list[str]) -> list[str]:
        """Lines that walk over the whole window."""
        last = self.axes - 1
        head = [f"for t{last} in range(k{last}):"]
        walk = [
            *head,
            f"    j{last} = i{last} + t{last} * d{last}",
            f"    if j{last} >= 0 and j{last} < n{last}:",
            *indented(inside, 2),
            *(["    else:", *indented(outside, 2)] if outside else []),
        ]
        return self.each_line(walk, [*head, *indented(outside)] if outside else [])


def indented(lines: Iterable[str], levels: int = 1) -> list[str]:
    """Return lines further to the right."""
    return ["    " * levels + line for line in lines]


def geometry_of(step: Step | Node, sizes: Shape, counts: Shape, window: Shape) -> Geometry:
    """Return the geometry of a step - or a node - of this family."""
    attrs = step.attrs
    return Geometry(
        sizes, counts, window, attrs["strides"], attrs["dilation"], tuple(low for low, _ in attrs["padding"])
    )


def name_views(arguments: Arguments, buffers: Sequence[Buffer], **views: View) -> None:
    """Name the pointers of views, and their offsets with _0 behind the name."""
    for name, view in views.items():
        arguments.pointer(name, view, buffers[view.buffer].size)
        arguments.named(f"{name}_0", view.offset)


def name_independent(arguments: Arguments, buffers: Sequence[Buffer], **views: View) -> None:
    """The same with a promise: no loop writes what another iteration touches (`symgraph.backends.cpu.language`)."""
    for name, view in views.items():
        arguments.pointer(name, view, buffers[view.buffer].size, independent=True)
        arguments.named(f"{name}_0", view.offset)


def kernel_call(
    name: str, arguments: Arguments, body: list[str], work: DimLike, blas: bool = False, shared: bool = True
) -> KernelCall:
    return KernelCall(
        name, kernel_source(arguments, body), tuple(arguments.entries), work, shared=shared, calls_blas=blas
    )


#: Windows of up to this many elements are written out one by one, so that values stay in registers.
MOST_WRITTEN_OUT = 16


def places_of(geometry: Geometry) -> list[tuple[int, ...]]:
    """Return the places in the window, if there are few enough to write them out, else nothing."""
    sizes = [size for size in geometry.window if isinstance(size, int)]
    if len(sizes) < geometry.axes or math.prod(sizes) > MOST_WRITTEN_OUT:
        return []
    return list(itertools.product(*map(range, sizes)))


def first_element(geometry: Geometry) -> str:
    """The number of the first element of a window among all of its array, from `image`, i0, i1, ..."""
    text = "image"
    for axis in range(geometry.axes):
        text = f"({text} * n{axis} + i{axis})"
    return text


def offset_of(geometry: Geometry, place: tuple[int, ...]) -> str:
    """How many elements lie between the first element of a window and the one at a place."""
    text = "0"
    for axis, at in enumerate(place):
        text = f"({text} * n{axis} + {at} * d{axis})"
    return text


def whole_or_cut(
    geometry: Geometry, padding: Sequence[tuple[DimLike, DimLike]], whole: list[str], cut: list[str]
) -> list[str]:
    """Lines for windows that lie in the array as a whole, and for others where padding makes some."""
    if all(low == 0 and high == 0 for low, high in padding):
        return whole
    tests = " and ".join(
        f"i{axis} >= 0 and i{axis} + (k{axis} - 1) * d{axis} < n{axis}" for axis in range(geometry.axes)
    )
    return [f"if {tests}:", *indented(whole), "else:", *indented(cut)]


def sent_to_lines(geometry: Geometry, kind: str, window: list[str], element: list[str]) -> list[str]:
    """Lines that add to an array y what windows send to its elements, for windows that may overlap.

    Threads share the lines of y along its first axis: each adds to lines of its own, whatever windows reach into them.
    The kernel names `batch`, and `size`, the numbers of an image.

    Args:
        geometry: where the windows lie.
        kind: the element type.
        window: lines for one line of elements of a window: `row` is the window's number, i0, i1, ... its first element,
            t0 the element along the first axis.
        element: lines for one element, whose pixel is number `pixel` of y, with t0, t1, ...
    """
    axes, inner = range(geometry.axes), range(1, geometry.axes)
    rows, pixel, nest = "(image * m0 + o0)", "(image * n0 + j0)", 0
    lines: list[str] = []
    for axis in inner:
        rows, pixel = f"({rows} * m{axis} + o{axis})", f"({pixel} * n{axis} + j{axis})"
        lines += indented([f"for o{axis} in range(m{axis}):", f"    i{axis} = o{axis} * s{axis} - p{axis}"], nest)
        nest += 1
    lines += indented([f"row = {rows}", *window], nest)
    for axis in inner:
        lines += indented([f"for t{axis} in range(k{axis}):", f"    j{axis} = i{axis} + t{axis} * d{axis}"], nest)
        nest += 1
    inside = " and ".join(f"j{axis} >= 0 and j{axis} < n{axis}" for axis in axes[1:])
    element = [f"pixel = {pixel}", *element]
    lines += indented([f"if {inside}:", *indented(element)] if inside else element, nest)
    return [
        "lines = select(n0 > 0, n0, 1)",
        "line_size = size // lines",
        "start, stop = span(batch * n0, thread, threads)",
        "for item in range(start, stop):",
        "    image = item // lines",
        "    j0 = item % lines",
        "    for e in range(item * line_size, (item + 1) * line_size):",
        f"        y[y_0 + e] = {kind}(0)",
        "    begin = j0 + p0 - (k0 - 1) * d0",
        "    begin = select(begin > 0, (begin + s0 - 1) // s0, 0)",
        "    end = (j0 + p0) // s0 + 1",
        "    end = select(end < m0, end, m0)",
        "    for o0 in range(begin, end):",
        "        i0 = o0 * s0 - p0",
        "        t0 = (j0 - i0) // d0",
        "        if i0 + t0 * d0 == j0:",
        *indented(lines, 3),
    ]
