"""Convolutions: the windows laid out as the rows of a matrix, and one product by cuBLAS; grouped ones directly.

Laying out takes memory, so a batch goes through in chunks of so many images that the matrix stays below
`MOST_ELEMENTS` (Chellapilla, Puri, Simard 2006). A convolution with a window of one element needs no layout. Grouped
and depthwise convolutions, whose products would be small, are computed by one thread an element.

Nothing depends on the order in which threads run: gradients are gathered, and split sums are joined in a fixed order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from symgraph.backends.gpu.calls import Call, Choice, Fill, Kernel, Number, Product, Sizes, blocks_for
from symgraph.backends.gpu.lower.reduction import Extent, Reduction, accumulator
from symgraph.backends.gpu.lower.window import Windows
from symgraph.backends.gpu.prelude import COMPUTE
from symgraph.backends.gpu.table import register
from symgraph.compiler.program import Step, View, contiguous_strides
from symgraph.graph.type import DimLike, Shape, evaluate, minimum, size_of
from symgraph.ops.fused import Expression

#: Elements of the matrix of windows, about, before a batch is cut into chunks.
MOST_ELEMENTS = 2**25


@dataclass(frozen=True)
class _Geometry:
    """A convolution, whichever of its three arrays is the result.

    Attributes:
        x, kernel, out: the shapes of the input, the kernel and the output.
        attrs: strides, padding, dilation, groups.
    """

    x: Shape
    kernel: Shape
    out: Shape
    attrs: Any

    @property
    def groups(self) -> int:
        return self.attrs["groups"]

    @property
    def windows(self) -> DimLike:
        """The number of windows of an image."""
        return size_of(self.out[1:-1])

    @property
    def width(self) -> DimLike:
        """The number of elements of a window: the columns of the matrix."""
        return size_of(self.kernel[:-1])

    @property
    def is_plain(self) -> bool:
        """True where the windows are the elements of the input, one by one."""
        flat = all(size == 1 for size in self.kernel[:-2]) and all(stride == 1 for stride in self.attrs["strides"])
        return flat and all(before == 0 and after == 0 for before, after in self.attrs["padding"])

    @property
    def chunk(self) -> int | None:
        """How many images go through at once; None for all."""
        each = self.windows * self.width
        return max(1, MOST_ELEMENTS // max(each, 1)) if isinstance(each, int) else None

    def matrix_size(self) -> DimLike:
        """The number of elements of the matrix of windows."""
        images = self.x[0] if self.chunk is None else minimum(self.x[0], self.chunk)
        return images * self.windows * self.width

    def slices(self, sizes: Sizes) -> list[tuple[int, int]]:
        """The chunks of the batch: (first image, number of images)."""
        batch = evaluate(self.x[0], sizes)
        step = self.chunk or max(batch, 1)
        return [(start, min(step, batch - start)) for start in range(0, batch, step)]

    def names(self) -> Windows:
        attrs = self.attrs
        return Windows(
            self.x[1:-1], self.out[1:-1], self.kernel[:-2], attrs["strides"], attrs["padding"], attrs["dilation"]
        )


def _images(view: View, start: int, count: int) -> View:
    """The view of some images of a batch."""
    each = size_of(view.shape[1:])
    return view.with_layout((count, *view.shape[1:]), view.strides, view.offset + start * each)


def _rows(view: View, rows: DimLike, columns: DimLike) -> View:
    return view.with_layout((rows, columns), contiguous_strides((rows, columns)))


def _lay_out(how: _Geometry, x: View, matrix: View, images: DimLike) -> Kernel:
    """The kernel that writes each window of some images as a row of the matrix, zeros where it is outside."""
    names = how.names()
    total = names.number(images * how.windows * how.width, "count")
    channels = names.number(how.x[-1])
    names.pointer(x, "p")
    names.pointer(matrix, "q", write=True)
    parts = [("n", ""), *names.places("o", names.count), *names.places("k", names.window), ("c", channels)]
    lines = names.decode("i", parts)
    inside = []
    for axis in names.axes:
        lines.append(
            f"const position x{axis} = o{axis} * {names.stride[axis]} - {names.before[axis]}"
            f" + k{axis} * {names.dilation[axis]};"
        )
        inside.append(f"x{axis} >= 0 && x{axis} < {names.size[axis]}")
    type = COMPUTE[x.dtype]
    place = names.at("n", "x", names.size, "c", channels)
    lines.append(f"store(q, (position)i, ({' && '.join(inside)}) ? load(p, {place}) : ({type})0);")
    views = (x, matrix.with_layout((how.matrix_size(),), (1,)))
    body = names.kernel(total, lines)
    return Kernel("windows", body, tuple(names.arguments.words), blocks_for(images * how.windows * how.width), views)


def _collect(how: _Geometry, matrix: View, target: View, images: DimLike) -> Kernel:
    """The kernel that sums, for each element of some images, what the windows that cover it hold for it."""
    names = how.names()
    elements = images * size_of(how.x[1:])
    total = names.number(elements, "count")
    channels, width = names.number(how.x[-1]), names.number(how.width)
    names.pointer(matrix, "p")
    names.pointer(target, "q", write=True)
    type = COMPUTE[matrix.dtype]
    row = names.at("n", "o", names.count, "0", width)
    lines = [
        *names.decode("i", [("n", ""), *names.places("x", names.size), ("c", channels)]),
        f"{type} sum = ({type})0;",
        *names.over_covering([f"sum += load(p, {row} + {names.place_in_window()} * {channels} + c);"]),
        "store(q, (position)i, sum);",
    ]
    views = (target, matrix.with_layout((how.matrix_size(),), (1,)))
    return Kernel("collect", names.kernel(total, lines), tuple(names.arguments.words), blocks_for(elements), views)


# --------------------------------------------------------------------------------------------------- the operations


def _forward(step: Step) -> _Geometry:
    return _Geometry(step.inputs[0].shape, step.inputs[1].shape, step.outputs[0].shape, step.attrs)


def _of_input(step: Step) -> _Geometry:
    return _Geometry(step.outputs[0].shape, step.inputs[1].shape, step.inputs[0].shape, step.attrs)


def _of_kernel(step: Step) -> _Geometry:
    return _Geometry(step.inputs[0].shape, step.outputs[0].shape, step.inputs[1].shape, step.attrs)


def _needs_matrix(how: _Geometry) -> bool:
    return how.groups == 1 and not how.is_plain


def _forward_scratch(step: Step) -> Iterable[tuple[str, DimLike]]:
    how = _forward(step)
    return [(step.inputs[0].dtype, how.matrix_size())] if _needs_matrix(how) else []


@register("conv", scratch=_forward_scratch)
def conv(step: Step) -> list[Call]:
    (x, kernel), (target,), how = step.inputs, step.outputs, _forward(step)
    if how.groups > 1:
        return [_direct(how, x, kernel, target)]
    filters = how.kernel[-1]
    weights = _rows(kernel, how.width, filters)
    if how.is_plain:
        rows = how.x[0] * how.windows
        return [Product(_rows(x, rows, how.width), weights, _rows(target, rows, filters), rows, how.width, filters)]
    (matrix,) = step.scratch

    def chunks(sizes: Sizes) -> list[Call]:
        calls: list[Call] = []
        for start, count in how.slices(sizes):
            rows = count * how.windows
            calls += [
                _lay_out(how, _images(x, start, count), matrix, count),
                Product(matrix, weights, _images(target, start, count), rows, how.width, filters),
            ]
        return calls

    return [Choice((_lay_out(how, x, matrix, how.x[0]),), chunks)]


def _input_scratch(step: Step) -> Iterable[tuple[str, DimLike]]:
    how = _of_input(step)
    return [(accumulator(step.outputs[0].dtype), how.matrix_size())] if _needs_matrix(how) else []


@register("conv_input_gradient", scratch=_input_scratch)
def conv_input_gradient(step: Step) -> list[Call]:
    (grad, kernel), (target,), how = step.inputs, step.outputs, _of_input(step)
    if how.groups > 1:
        return [_direct_input(how, grad, kernel, target)]
    filters = how.kernel[-1]
    if how.is_plain:
        rows = how.x[0] * how.windows
        return [Product(grad, kernel, target, rows, filters, how.width, transpose_y=True)]
    (matrix,) = step.scratch

    def chunks(sizes: Sizes) -> list[Call]:
        calls: list[Call] = []
        for start, count in how.slices(sizes):
            rows = count * how.windows
            calls += [
                Product(_images(grad, start, count), kernel, matrix, rows, filters, how.width, transpose_y=True),
                _collect(how, matrix, _images(target, start, count), count),
            ]
        return calls

    return [Choice((_collect(how, matrix, target, how.x[0]),), chunks)]


def _sum_extent(how: _Geometry) -> Extent:
    """The sums of a direct kernel gradient: one for each element of the kernel, over all windows."""
    return Extent(size_of(how.kernel), how.out[0] * how.windows)


def _kernel_scratch(step: Step) -> Iterable[tuple[str, DimLike]]:
    how = _of_kernel(step)
    if how.groups > 1:
        extent = _sum_extent(how)
        return [(accumulator(step.outputs[0].dtype), extent.outer * extent.most_parts)]
    return [(step.inputs[0].dtype, how.matrix_size())] if _needs_matrix(how) else []


@register("conv_kernel_gradient", scratch=_kernel_scratch)
def conv_kernel_gradient(step: Step) -> list[Call]:
    (x, grad), (target,), how = step.inputs, step.outputs, _of_kernel(step)
    if how.groups > 1:
        return _direct_kernel(how, x, grad, target, step.scratch[0])
    filters = how.kernel[-1]
    if how.is_plain:
        rows = how.x[0] * how.windows
        return [Fill(target), Product(x, grad, target, how.width, rows, filters, transpose_x=True)]
    (matrix,) = step.scratch

    def chunks(sizes: Sizes) -> list[Call]:
        calls: list[Call] = []
        for start, count in how.slices(sizes):
            rows = count * how.windows
            given = _images(grad, start, count)
            calls += [
                _lay_out(how, _images(x, start, count), matrix, count),
                Product(matrix, given, target, how.width, rows, filters, transpose_x=True, add=start > 0),
            ]
        return calls or [Fill(target)]

    return [Choice((_lay_out(how, x, matrix, how.x[0]),), chunks)]


# ---------------------------------------------------------------------------------- grouped convolutions, directly


def _direct(how: _Geometry, x: View, kernel: View, target: View) -> Kernel:
    """A thread an element of the output."""
    names = how.names()
    total = names.number(target.size, "count")
    channels, filters = names.number(how.x[-1]), names.number(how.kernel[-1])
    run, group_filters = names.number(how.kernel[-2]), names.number(how.kernel[-1] // how.groups)
    names.pointer(x, "p")
    names.pointer(kernel, "w")
    names.pointer(target, "q", write=True)
    type = COMPUTE[accumulator(x.dtype)]
    inside = [
        f"const position from = {names.at('n', 'x', names.size, 'first', channels)};",
        f"const position at = {names.place_in_window()} * {run} * {filters} + f;",
        f"for (position c = 0; c < {run}; ++c)",
        f"  sum += ({type})load(p, from + c) * ({type})load(w, at + c * {filters});",
    ]
    lines = [
        *names.decode("i", [("n", ""), *names.places("o", names.count), ("f", filters)]),
        f"const position first = f / {group_filters} * {run};",
        f"{type} sum = ({type})0;",
        *names.over_window(inside),
        "store(q, (position)i, sum);",
    ]
    body = names.kernel(total, lines)
    return Kernel("conv", body, tuple(names.arguments.words), blocks_for(target.size), (x, kernel, target))


def _direct_input(how: _Geometry, grad: View, kernel: View, target: View) -> Kernel:
    """A thread an element of the input."""
    names = how.names()
    total = names.number(target.size, "count")
    channels, filters = names.number(how.x[-1]), names.number(how.kernel[-1])
    run, group_filters = names.number(how.kernel[-2]), names.number(how.kernel[-1] // how.groups)
    names.pointer(grad, "p")
    names.pointer(kernel, "w")
    names.pointer(target, "q", write=True)
    type = COMPUTE[accumulator(grad.dtype)]
    covering = [
        f"const position from = {names.at('n', 'o', names.count, 'first', filters)};",
        f"const position at = ({names.place_in_window()} * {run} + c % {run}) * {filters} + first;",
        f"for (position f = 0; f < {group_filters}; ++f)",
        f"  sum += ({type})load(p, from + f) * ({type})load(w, at + f);",
    ]
    lines = [
        *names.decode("i", [("n", ""), *names.places("x", names.size), ("c", channels)]),
        f"const position first = c / {run} * {group_filters};",
        f"{type} sum = ({type})0;",
        *names.over_covering(covering),
        "store(q, (position)i, sum);",
    ]
    body = names.kernel(total, lines)
    return Kernel("conv_input", body, tuple(names.arguments.words), blocks_for(target.size), (grad, kernel, target))


def _direct_kernel(how: _Geometry, x: View, grad: View, target: View, partial: View) -> list[Call]:
    """A thread an element of the kernel and a part of the windows; a second launch joins the parts."""
    extent = _sum_extent(how)
    names = how.names()
    outer = names.number(extent.outer, "count")
    rows = names.number(extent.inner, "count")
    each = names.writer.argument(Number(extent.part), "count")
    channels, filters = names.number(how.x[-1]), names.number(how.kernel[-1])
    run, group_filters = names.number(how.kernel[-2]), names.number(how.kernel[-1] // how.groups)
    names.pointer(x, "p")
    names.pointer(grad, "given")
    names.pointer(partial, "q", write=True)
    type = COMPUTE[partial.dtype]
    checks, places = [], []
    for axis in names.axes:
        places.append(
            f"const position x{axis} = o{axis} * {names.stride[axis]} - {names.before[axis]}"
            f" + k{axis} * {names.dilation[axis]};"
        )
        checks.append(f"x{axis} >= 0 && x{axis} < {names.size[axis]}")
    from_x = names.at("n", "x", names.size, "channel", channels)
    lines = [
        *names.decode("i", [*names.places("k", names.window), ("c", run), ("f", filters)]),
        f"const position channel = f / {group_filters} * {run} + c;",
        f"{type} sum = ({type})0;",
        f"const count start = blockIdx.y * {each}, end = start + {each}, last = end < {rows} ? end : {rows};",
        "for (count row = start; row < last; ++row) {",
        *names.decode("row", [("n", ""), *names.places("o", names.count)]),
        *places,
        f"if ({' && '.join(checks)})",
        f"  sum += ({type})load(p, {from_x}) * ({type})load(given, (position)row * {filters} + f);",
        "}",
        f"store(q, (position)(blockIdx.y * {outer} + i), sum);",
    ]
    views = (x, grad, target, partial)
    words = names.arguments.words
    first = Kernel(
        "conv_kernel", names.kernel(outer, lines), tuple(words), blocks_for(extent.outer), views, splits=extent.parts
    )
    shape = (extent.most_parts, extent.outer)
    source = partial.with_layout(shape, contiguous_strides(shape))
    flat = target.with_layout((extent.outer,), (1,))
    copy = Expression((partial.dtype,), (), (0,))
    return [first, Reduction("sum", copy, shape, (0,), (source,), flat, inner=extent.parts).kernel()]
