"""Winograd's minimal filtering F(4x4, 3x3) for convolutions with 3x3 windows: a quarter of the multiplications.

Tiles of 4x4 results are computed from tiles of 6x6 inputs: both tile and kernel are transformed, multiplied place by
place - 36 matrix products over the channels of many tiles - and the products transformed back (Lavin & Gray: "Fast
algorithms for convolutional neural networks", 2016). The interpolation points are 0, ±1/√2, ±√2 and infinity, whose
rounding errors are about a quarter of those of the usual 0, ±1, ±2 and infinity. The gradient of the kernel is the
same algorithm transposed.

Errors are a few times those of a direct sum; `symgraph.config.set_exact(True)` chooses the direct sum.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from symgraph import config
from symgraph.backends.cpu.lower.window import Geometry, indented, kernel_call
from symgraph.backends.cpu.table import Arguments, KernelCall
from symgraph.compiler.program import Buffer, View
from symgraph.graph.type import DimLike, size_of

#: Fewer channels or filters do not repay the transformations.
FEWEST_CHANNELS = 32
#: Transformed tiles that a thread works on at a time should stay in its second-level cache: this many numbers.
CACHE = 1 << 18
FEWEST_TILES, MOST_TILES = 16, 96
#: The places of a transformed tile.
PLACES = 36
#: Numbers between planes of transformed tiles, so that they do not fall on the same lines of the cache.
GAP = 16
#: Images of fewer tiles do not repay the transformation of the kernel.
FEWEST_TILES_OF_AN_IMAGE = 9
#: The gradient of the kernel is summed in this many parts of the batch, whatever the number of threads; in fewer where
#: one part takes more numbers than LARGE.
PARTS, FEW_PARTS, LARGE = 4, 2, 1 << 19

_A, _B = math.sqrt(0.5), math.sqrt(2.0)


def fits(geometry: Geometry, groups: int, channels: DimLike, filters: DimLike, kind: str) -> bool:
    """Return whether a convolution is of the kind that this module computes, and large enough to gain by it."""
    plain = tuple(geometry.window) == (3, 3) and tuple(geometry.strides) == tuple(geometry.dilation) == (1, 1)
    wide = all(isinstance(n, int) and n >= FEWEST_CHANNELS for n in (channels, filters))
    tiles = size_of((count + 3) // 4 for count in geometry.counts)
    many = not isinstance(tiles, int) or tiles >= FEWEST_TILES_OF_AN_IMAGE
    return plain and wide and many and groups == 1 and kind == "float32" and not config.exact()


def _parts(channels: int, filters: int) -> int:
    return PARTS if PLACES * channels * filters <= LARGE else FEW_PARTS


# ------------------------------------------------------------------------------------------------ transformations

Formula = Callable[[Sequence[str], Sequence[str]], list[str]]


def _number(value: float) -> str:
    return f"float32({value!r})"


def _of_input(d: Sequence[str], o: Sequence[str]) -> list[str]:
    """B^T d: six inputs to six values."""
    return [
        f"{o[0]} = {d[0]} - {_number(2.5)} * {d[2]} + {d[4]}",
        f"even = {d[4]} - {_number(2.0)} * {d[2]}",
        f"odd = {_number(_A)} * ({d[3]} - {_number(2.0)} * {d[1]})",
        f"{o[1]} = even + odd",
        f"{o[2]} = even - odd",
        f"even = {d[4]} - {_number(0.5)} * {d[2]}",
        f"odd = {_number(_B)} * ({d[3]} - {_number(0.5)} * {d[1]})",
        f"{o[3]} = even + odd",
        f"{o[4]} = even - odd",
        f"{o[5]} = {d[1]} - {_number(2.5)} * {d[3]} + {d[5]}",
    ]


def _of_result(m: Sequence[str], o: Sequence[str]) -> list[str]:
    """A^T m: six products to four results."""
    return [
        f"sum1 = {m[1]} + {m[2]}",
        f"dif1 = {m[1]} - {m[2]}",
        f"sum2 = {m[3]} + {m[4]}",
        f"dif2 = {m[3]} - {m[4]}",
        f"{o[0]} = {m[0]} + sum1 + sum2",
        f"{o[1]} = {_number(_A)} * dif1 + {_number(_B)} * dif2",
        f"{o[2]} = {_number(0.5)} * sum1 + {_number(2.0)} * sum2",
        f"{o[3]} = {_number(_A / 2)} * dif1 + {_number(2 * _B)} * dif2 + {m[5]}",
    ]


def _of_gradient(d: Sequence[str], o: Sequence[str]) -> list[str]:
    """A d: four gradients of results to six values."""
    return [
        f"{o[0]} = {d[0]}",
        f"even = {d[0]} + {_number(0.5)} * {d[2]}",
        f"odd = {_number(_A)} * ({d[1]} + {_number(0.5)} * {d[3]})",
        f"{o[1]} = even + odd",
        f"{o[2]} = even - odd",
        f"even = {d[0]} + {_number(2.0)} * {d[2]}",
        f"odd = {_number(_B)} * ({d[1]} + {_number(2.0)} * {d[3]})",
        f"{o[3]} = even + odd",
        f"{o[4]} = even - odd",
        f"{o[5]} = {d[3]}",
    ]


def _of_kernel(g: Sequence[str], o: Sequence[str]) -> list[str]:
    """G g: three weights to six values."""
    return [
        f"{o[0]} = {g[0]}",
        f"even = {_number(-2 / 3)} * {g[0]} + {_number(-1 / 3)} * {g[2]}",
        f"odd = {_number(-2 / 3 * _A)} * {g[1]}",
        f"{o[1]} = even + odd",
        f"{o[2]} = even - odd",
        f"even = {_number(1 / 6)} * {g[0]} + {_number(1 / 3)} * {g[2]}",
        f"odd = {_number(_B / 6)} * {g[1]}",
        f"{o[3]} = even + odd",
        f"{o[4]} = even - odd",
        f"{o[5]} = {g[2]}",
    ]


def _of_kernel_gradient(u: Sequence[str], o: Sequence[str]) -> list[str]:
    """G^T u: six values to the gradients of three weights."""
    return [
        f"sum1 = {u[1]} + {u[2]}",
        f"sum2 = {u[3]} + {u[4]}",
        f"{o[0]} = {u[0]} + {_number(-2 / 3)} * sum1 + {_number(1 / 6)} * sum2",
        f"{o[1]} = {_number(-2 / 3 * _A)} * ({u[1]} - {u[2]}) + {_number(_B / 6)} * ({u[3]} - {u[4]})",
        f"{o[2]} = {_number(-1 / 3)} * sum1 + {_number(1 / 3)} * sum2 + {u[5]}",
    ]


def _both_axes(formula: Formula, size: int, result: int, read: str, write: str) -> list[str]:
    """Apply a transformation along columns, then along rows.

    Args:
        formula: the transformation of one line.
        size, result: numbers in a line before and after.
        read: the expression of element {i}, {j}.
        write: the target of element {i}, {j}.
    """
    lines = []
    for j in range(size):
        lines += [f"d{i} = {read.format(i=i, j=j)}" for i in range(size)]
        lines += formula([f"d{i}" for i in range(size)], [f"t{i}_{j}" for i in range(result)])
    for i in range(result):
        lines += formula([f"t{i}_{j}" for j in range(size)], [f"o{j}" for j in range(result)])
        lines += [f"{write.format(i=i, j=j)} = o{j}" for j in range(result)]
    return lines


# ----------------------------------------------------------------------------------------------------------- tiles


def _most_tiles(channels: int, filters: int) -> int:
    return max(FEWEST_TILES, min(MOST_TILES, CACHE // (PLACES * (channels + filters)) // 8 * 8))


def working_memory(channels: int, filters: int) -> tuple[str, DimLike]:
    """Scratch memory for the tiles of all threads."""
    tiles = _most_tiles(channels, filters)
    each = PLACES * (max(channels, filters) + tiles * (channels + filters) + 2 * GAP)
    return "float32", each * config.threads()


def kernel_memory(channels: int, filters: int) -> tuple[str, DimLike]:
    """Scratch memory for the transformed kernel."""
    return "float32", PLACES * channels * filters


def gradient_memory(channels: int, filters: int) -> tuple[str, DimLike]:
    """Scratch memory for the parts of the gradient of the transformed kernel."""
    return "float32", PLACES * channels * filters * _parts(channels, filters)


_SHARE = [  # this thread's part of the scratch memory, and the tiles it holds; at least 8 each
    "wide = channels if channels > filters else filters",
    "workers = scratch_size // (36 * (wide + 8 * (channels + filters) + 2 * gap))",
    "if workers > threads:",
    "    workers = threads",
    "room = scratch_size // workers",
    "block = (room - 36 * (wide + 2 * gap)) // (36 * (channels + filters))",
    "if block > most:",
    "    block = most",
    "patch = scratch_0 + thread * room",
    "first_plane = block * channels + gap",
    "second_plane = block * filters + gap",
    "planes = patch + 36 * wide",
    "others = planes + 36 * first_plane",
    "lines = (m0 + 3) // 4",
    "across = (m1 + 3) // 4",
    "tiles = batch * lines * across",
]

_LOCATE = [
    "tile = first + q",
    "column = tile % across * 4",
    "row = tile // across % lines * 4",
    "image = tile // (across * lines)",
]


def _window(name: str, size: int, top: str, left: str, rows: str, columns: str, depth: str) -> list[str]:
    """Lines that point `source` at a window: in the array where it lies inside, else at a copy with zeros around."""
    return [
        f"top = {top}",
        f"left = {left}",
        f"if top >= 0 and left >= 0 and top + {size} <= {rows} and left + {size} <= {columns}:",
        f"    source = {name}",
        f"    at = {name}_0 + ((image * {rows} + top) * {columns} + left) * {depth}",
        f"    line = {columns} * {depth}",
        "else:",
        "    source = scratch",
        "    at = patch",
        f"    line = {size} * {depth}",
        f"    for i in range({size}):",
        f"        for j in range({size}):",
        f"            to = patch + (i * {size} + j) * {depth}",
        "            y_row = top + i",
        "            x_column = left + j",
        f"            if y_row >= 0 and y_row < {rows} and x_column >= 0 and x_column < {columns}:",
        f"                place = {name}_0 + ((image * {rows} + y_row) * {columns} + x_column) * {depth}",
        f"                for e in range({depth}):",
        f"                    scratch[to + e] = {name}[place + e]",
        "            else:",
        f"                for e in range({depth}):",
        "                    scratch[to + e] = float32(0)",
    ]


def _transformed(formula: Formula, size: int, depth: str, base: str, plane: str) -> list[str]:
    """Lines that transform the window at `source` into plane after plane of the scratch memory."""
    return [
        f"to = {base} + q * {depth}",
        f"for e in range({depth}):",
        *indented(
            _both_axes(
                formula,
                size,
                6,
                f"source[at + {{i}} * line + {{j}} * {depth} + e]",
                f"scratch[to + ({{i}} * 6 + {{j}}) * {plane} + e]",
            )
        ),
    ]


def _declare(arguments: Arguments, geometry: Geometry, scratch: View, channels: int, filters: int) -> None:
    for name, value in (
        ("scratch_size", scratch.size), ("channels", channels), ("filters", filters), ("gap", GAP),
        ("most", _most_tiles(channels, filters)),
    ):  # fmt: skip
        arguments.named(name, value)
    geometry.declare(arguments)


def _independent(arguments: Arguments, buffers: Sequence[Buffer], **views: View) -> None:
    """Name the pointers of views; no loop over channels writes what another iteration reads."""
    for name, view in views.items():
        arguments.pointer(name, view, buffers[view.buffer].size, independent=True)
        arguments.named(f"{name}_0", view.offset)


def _per_block(body: list[str]) -> list[str]:
    return [
        "for first in range(start, stop, block):",
        "    count = stop - first",
        "    if count > block:",
        "        count = block",
        *indented(body),
    ]


# --------------------------------------------------------------------------------------------------------- kernels


def transform_kernel(buffers: Sequence[Buffer], kernel: View, transformed: View) -> KernelCall:
    """Return the call that transforms a kernel (3, 3, channels, filters) to (36, channels, filters)."""
    arguments = Arguments()
    _independent(arguments, buffers, w=kernel, u=transformed)
    arguments.named("channels", kernel.shape[2])
    arguments.named("filters", kernel.shape[3])
    read, write = "w[at + ({i} * 3 + {j}) * size + e]", "u[to + ({i} * 6 + {j}) * size + e]"
    transformed_lines = _both_axes(_of_kernel, 3, 6, read, write)
    body = [
        "size = channels * filters",
        "start, stop = span(channels, thread, threads)",
        "for c in range(start, stop):",
        "    at = w_0 + c * filters",
        "    to = u_0 + c * filters",
        "    for e in range(filters):",
        *indented(transformed_lines, 2),
    ]
    return kernel_call("winograd_kernel", arguments, body, kernel.size)


def forward(
    buffers: Sequence[Buffer], x: View, transformed: View, target: View, scratch: View, geometry: Geometry
) -> KernelCall:
    """Return the call that convolves x with a transformed kernel."""
    channels, filters = x.shape[-1], target.shape[-1]
    assert isinstance(channels, int) and isinstance(filters, int)
    arguments = Arguments()
    _independent(arguments, buffers, x=x, u=transformed, y=target, scratch=scratch)
    arguments.named("batch", x.shape[0])
    _declare(arguments, geometry, scratch, channels, filters)
    multiply = [
        "for place in range(36):",
        "    gemm_float32(False, False, count, filters, channels, float32(1),",
        "        shift(scratch, planes + place * first_plane), channels,",
        "        shift(u, u_0 + place * channels * filters), filters,",
        "        float32(0), shift(scratch, others + place * second_plane), filters)",
    ]
    back = [
        *_LOCATE,
        "from_here = others + q * filters",
        "whole = row + 4 <= m0 and column + 4 <= m1",
        "if whole:",
        "    goal = y",
        "    at = y_0 + ((image * m0 + row) * m1 + column) * filters",
        "    line = m1 * filters",
        "else:",
        "    goal = scratch",
        "    at = patch",
        "    line = 4 * filters",
        "for e in range(filters):",
        *indented(
            _both_axes(
                _of_result,
                6,
                4,
                "scratch[from_here + ({i} * 6 + {j}) * second_plane + e]",
                "goal[at + {i} * line + {j} * filters + e]",
            )
        ),
        "if not whole:",
        "    for i in range(4):",
        "        for j in range(4):",
        "            if row + i < m0 and column + j < m1:",
        "                to = y_0 + ((image * m0 + row + i) * m1 + column + j) * filters",
        "                place = patch + (i * 4 + j) * filters",
        "                for e in range(filters):",
        "                    y[to + e] = scratch[place + e]",
    ]
    body = [
        *_SHARE,
        "start, stop = 0, 0",
        "if thread < workers:",
        "    start, stop = span(tiles, thread, workers)",
        *_per_block(
            [
                "for q in range(count):",
                *indented(_LOCATE),
                *indented(_window("x", 6, "row - p0", "column - p1", "n0", "n1", "channels")),
                *indented(_transformed(_of_input, 6, "channels", "planes", "first_plane")),
                *multiply,
                "for q in range(count):",
                *indented(back),
            ]
        ),
    ]
    work = size_of(target.shape[:-1]) * channels * filters * 9 // 100
    return kernel_call("winograd", arguments, body, work, blas=True)


def kernel_gradient(
    buffers: Sequence[Buffer], x: View, grad: View, target: View, parts: View, scratch: View, geometry: Geometry
) -> list[KernelCall]:
    """Return the calls that sum the gradient of the kernel over all tiles and transform it back."""
    channels, filters = x.shape[-1], grad.shape[-1]
    assert isinstance(channels, int) and isinstance(filters, int)
    arguments = Arguments()
    _independent(arguments, buffers, x=x, g=grad, u=parts, scratch=scratch)
    arguments.named("batch", x.shape[0])
    arguments.named("parts", _parts(channels, filters))
    _declare(arguments, geometry, scratch, channels, filters)
    body = [
        *_SHARE,
        "size = 36 * channels * filters",
        "part_start, part_stop = 0, 0",
        "if thread < workers:",
        "    part_start, part_stop = span(parts, thread, workers)",
        "for part in range(part_start, part_stop):",
        "    total = u_0 + part * size",
        "    for e in range(size):",
        "        u[total + e] = float32(0)",
        "    start, stop = span(tiles, part, parts)",
        *indented(
            _per_block(
                [
                    "for q in range(count):",
                    *indented(_LOCATE),
                    *indented(_window("x", 6, "row - p0", "column - p1", "n0", "n1", "channels")),
                    *indented(_transformed(_of_input, 6, "channels", "planes", "first_plane")),
                    *indented(_window("g", 4, "row", "column", "m0", "m1", "filters")),
                    *indented(_transformed(_of_gradient, 4, "filters", "others", "second_plane")),
                    "for place in range(36):",
                    "    gemm_float32(True, False, channels, filters, count, float32(1),",
                    "        shift(scratch, planes + place * first_plane), channels,",
                    "        shift(scratch, others + place * second_plane), filters,",
                    "        float32(1), shift(u, total + place * channels * filters), filters)",
                ]
            )
        ),
    ]
    work = size_of(grad.shape[:-1]) * channels * filters * 9 // 100
    summed = kernel_call("winograd_kernel_gradient", arguments, body, work, blas=True)

    arguments = Arguments()
    _independent(arguments, buffers, u=parts, w=target)
    for name, value in (("channels", channels), ("filters", filters), ("parts", _parts(channels, filters))):
        arguments.named(name, value)
    body = [
        "size = channels * filters",
        "start, stop = span(channels, thread, threads)",
        "for c in range(start, stop):",
        "    for place in range(36):",
        "        at = u_0 + place * size + c * filters",
        "        for part in range(1, parts):",
        "            for e in range(filters):",
        "                u[at + e] = u[at + e] + u[at + part * 36 * size + e]",
        "    at = u_0 + c * filters",
        "    to = w_0 + c * filters",
        "    for e in range(filters):",
        *indented(
            _both_axes(
                _of_kernel_gradient,
                6,
                3,
                "u[at + ({i} * 6 + {j}) * size + e]",
                "w[to + ({i} * 3 + {j}) * size + e]",
            ),
            2,
        ),
    ]
    back = kernel_call("winograd_kernel_back", arguments, body, parts.size // 8)
    return [summed, back]
