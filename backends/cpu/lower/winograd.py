"""Winograd's minimal filtering F(4x4, 3x3) for convolutions with 3x3 windows: a quarter of the multiplications.

Tiles of 4x4 results are computed from tiles of 6x6 inputs: both tile and kernel are transformed, multiplied place by
place - 36 matrix products over the channels of many tiles - and the products transformed back (Lavin & Gray: "Fast
algorithms for convolutional neural networks", 2016). The interpolation points are 0, ±1/√2, ±√2 and infinity, whose
rounding errors are about a quarter of those of the usual 0, ±1, ±2 and infinity. The gradient of the kernel is the
same algorithm transposed. The transformations are words of `symgraph.backends.cpu.winograd`, the
products of `symgraph.backends.cpu.microkernels`.

Errors are a few times those of a direct sum; `symgraph.config.set_exact(True)` chooses the direct sum.
"""

from __future__ import annotations

from collections.abc import Sequence

from symgraph import config
from symgraph.backends.cpu.lower.finish import Finish
from symgraph.backends.cpu.lower.window import Geometry, indented, kernel_call, name_independent
from symgraph.backends.cpu.microkernels import ADD, panel_width
from symgraph.backends.cpu.table import Arguments, KernelCall
from symgraph.compiler.program import Buffer, View
from symgraph.graph.type import DimLike, minimum, size_of

#: Fewer channels or filters do not repay the transformations. Measured with AVX2 on one thread, eight images of 56x56,
#: forward and one gradient, direct sums and Winograd: 16 to 16 channels 2.7 and 2.1 ms, 16 to 32 5.6 and 3.9, 24 to 24
#: 10 and 5.8, 32 to 32 11 and 6.4.
FEWEST_CHANNELS = 16
#: Tiles that a thread transforms and multiplies at a time: in multiples of UNIT, at least FEWEST_TILES, at most TILES.
#: Where there are fewer for each thread, threads share the filters too, so that a large kernel is read once by all and
#: not once by each.
UNIT, FEWEST_TILES, TILES = 12, 36, 96
#: Filters of which a thread has the products of these tiles at a time.
BREADTH = 64
#: The places of a transformed tile.
PLACES = 36
#: Numbers between planes of transformed tiles, which should not fall on the same lines of the cache; rows are multiples
#: of it.
GAP = 16
#: Images of fewer tiles (of 4x4) or results do not repay the transformation of the kernel. Images of MANY_TILES do it
#: alone, others as a batch of so many tiles. Measured with AVX2, 512 to 512 channels, images of 7x7, forward and both
#: gradients, direct sums and Winograd: eight images 46, 58, 55 and 28, 35, 34 ms, one image 25, 16, 16 and 24, 35, 34.
FEWEST_TILES_OF_AN_IMAGE, FEWEST_RESULTS, MANY_TILES, FEWEST_TILES_OF_A_BATCH = 4, 49, 9, 24
#: The gradient of the kernel is summed in this many parts of the batch, whatever the number of threads; in fewer where
#: one part takes more numbers than LARGE.
PARTS, FEW_PARTS, LARGE = 4, 2, 1 << 19


def fits(geometry: Geometry, groups: int, channels: DimLike, filters: DimLike, kind: str) -> bool:
    """Return whether a convolution is of the kind that this module computes, and may be large enough to gain by it."""
    plain = tuple(geometry.window) == (3, 3) and tuple(geometry.strides) == tuple(geometry.dilation) == (1, 1)
    wide = all(isinstance(n, int) and n >= FEWEST_CHANNELS for n in (channels, filters))
    tiles, results = _tiles_of(geometry), size_of(geometry.counts)
    if isinstance(tiles, int) and isinstance(results, int):
        many = tiles >= MANY_TILES or (tiles >= FEWEST_TILES_OF_AN_IMAGE and results >= FEWEST_RESULTS)
    else:
        many = True
    return plain and wide and many and groups == 1 and kind == "float32" and not config.exact()


def pays(geometry: Geometry, batch: DimLike) -> DimLike:
    """Return 1 where a batch of what `fits` is large enough to gain by it, 0 where it is not."""
    tiles = _tiles_of(geometry)
    if not isinstance(tiles, int) or tiles >= MANY_TILES:
        return 1
    return minimum(1, batch * tiles // FEWEST_TILES_OF_A_BATCH)


def _tiles_of(geometry: Geometry) -> DimLike:
    """The tiles of an image."""
    return size_of((count + 3) // 4 for count in geometry.counts)


def _parts(channels: int, filters: int) -> int:
    return PARTS if PLACES * channels * filters <= LARGE else FEW_PARTS


def _panels(filters: int) -> int:
    return -(-filters // panel_width())


# ---------------------------------------------------------------------------------------------------------- memory


def tiles_at_once(channels: int, filters: int) -> int:
    """Return how many tiles a thread works on at a time.

    With more of them the transformed kernel is read less often, with fewer the transformed tiles stay in the second
    cache: about as many numbers should come from the one as from the other.
    """
    balanced = channels * filters // (channels + filters) // UNIT * UNIT
    return min(max(balanced, FEWEST_TILES), TILES)


def _row(count: int) -> int:
    """Numbers from one transformed tile to the next in a plane of so many channels."""
    return -(-count // GAP) * GAP


def _margin(channels: int, filters: int) -> int:
    """Numbers of zeros that are read around an array, and as many that are written around one and lost."""
    return _row(max(channels, filters, panel_width()))


def _breadth(filters: int) -> int:
    """How many filters' products a thread has at a time: whole panels."""
    panel = panel_width()
    return min(max(BREADTH // panel, 1), _panels(filters)) * panel


def _room(channels: int, filters: int, second: int) -> int:
    """Numbers of a thread's scratch memory: margins, transformed tiles of `channels`, others of rows of `second`."""
    tiles = tiles_at_once(channels, filters)
    return 2 * _margin(channels, filters) + PLACES * (tiles * (_row(channels) + second) + 2 * GAP)


def working_memory(channels: int, filters: int) -> tuple[str, DimLike]:
    """Scratch memory of all threads for tiles of a convolution: transformed inputs and products."""
    return "float32", _room(channels, filters, _breadth(filters)) * config.threads()


def kernel_memory(channels: int, filters: int) -> tuple[str, DimLike]:
    """Scratch memory for the transformed kernel, in panels of filters."""
    return "float32", PLACES * channels * _panels(filters) * panel_width()


def gradient_working_memory(channels: int, filters: int) -> tuple[str, DimLike]:
    """Scratch memory of all threads for tiles of a kernel's gradient: transformed inputs and gradients."""
    return "float32", _room(channels, filters, _row(filters)) * config.threads()


def gradient_memory(channels: int, filters: int) -> tuple[str, DimLike]:
    """Scratch memory for the parts of the gradient of the transformed kernel."""
    return "float32", PLACES * channels * filters * _parts(channels, filters)


# --------------------------------------------------------------------------------------------------- pieces of text

_LOCATE = [  # where tile `first` lies; `_NEXT` goes on to the next
    "column = first % across * 4",
    "row = first // across % lines * 4",
    "image = first // (across * lines)",
]
_NEXT = [
    "column += 4",
    "if column >= m1:",
    "    column = 0",
    "    row += 4",
    "    if row >= m0:",
    "        row = 0",
    "        image += 1",
]


#: Lines that give each thread its part of the scratch memory; there may be more threads than it was made for.
_SHARE = [
    f"first_plane, second_plane = most * first_row + {GAP}, most * second_row + {GAP}",
    "room = 2 * margin + 36 * (first_plane + second_plane)",
    "workers = scratch_size // room",
    "if workers > threads:",
    "    workers = threads",
    "zeros = scratch_0 + thread * room",
    "spare = zeros + margin",
    "planes = spare + margin",
    "others = planes + 36 * first_plane",
    "if thread < workers:",
    "    for e in range(margin):",
    "        scratch[zeros + e] = float32(0)",
    "lines = (m0 + 3) // 4",
    "across = (m1 + 3) // 4",
    "tiles = batch * lines * across",
]


def _transformed(word: str, name: str, sizes: tuple[str, str, str], base: str, rows: str) -> list[str]:
    """Lines that transform the window of an array at `top` and `left` of an image into row q of plane after plane.

    Args:
        word: what transforms it.
        name, sizes: the array; the names of its sizes but for the batch.
        base, rows: where the planes begin in the scratch memory, and the first half of the names of their sizes.
    """
    height, width, depth = sizes
    return [
        f"source = shift({name}, {name}_0 + ((image * {height} + top) * {width} + left) * {depth})",
        f"{word}(source, {width} * {depth}, {depth}, shift(scratch, {base} + q * {rows}_row), 6 * {rows}_plane,",
        f"    {rows}_plane, {depth}, -top, -left, {height} - top, {width} - left, shift(scratch, zeros))",
    ]


_TRANSFORMED_INPUT = [
    "top, left = row - p0, column - p1",
    *_transformed("winograd_input", "x", ("n0", "n1", "channels"), "planes", "first"),
]
_TRANSFORMED_GRADIENT = [
    "top, left = row, column",
    *_transformed("winograd_gradient", "g", ("m0", "m1", "filters"), "others", "second"),
]


def _declare(
    arguments: Arguments, geometry: Geometry, scratch: View, channels: int, filters: int, second: int
) -> None:
    for name, value in (
        ("scratch_size", scratch.size), ("channels", channels), ("filters", filters), ("panel", panel_width()),
        ("margin", _margin(channels, filters)), ("most", tiles_at_once(channels, filters)),
        ("first_row", _row(channels)), ("second_row", second),
    ):  # fmt: skip
        arguments.named(name, value)
    geometry.declare(arguments)


def _per_block(body: list[str]) -> list[str]:
    """Lines for even blocks of the tiles from `start` to `stop`: `count` from `first` on."""
    return [
        "blocks = (stop - start + most - 1) // most",
        "for block in range(blocks):",
        "    first, end = span(stop - start, block, blocks)",
        "    first, count = first + start, end - first",
        *indented(body),
    ]


def _per_tile(body: list[str]) -> list[str]:
    return [*_LOCATE, "for q in range(count):", *indented([*body, *_NEXT])]


# --------------------------------------------------------------------------------------------------------- kernels


def transform_kernel(buffers: Sequence[Buffer], kernel: View, transformed: View) -> KernelCall:
    """Return the call that transforms a kernel (3, 3, channels, filters) to (36, panels, channels, panel width).

    What a last panel has too much is left as it is: nothing is made of it.
    """
    arguments = Arguments()
    name_independent(arguments, buffers, w=kernel, u=transformed)
    channels, filters = kernel.shape[2:]
    for name, value in (("channels", channels), ("filters", filters), ("panel", panel_width())):
        arguments.named(name, value)
    body = [
        "size = channels * filters",
        "panels = (filters + panel - 1) // panel",
        "plane = panels * channels * panel",
        "start, stop = span(panels * channels, thread, threads)",
        "for item in range(start, stop):",
        "    first = item // channels * panel",
        "    wide = filters - first",
        "    if wide > panel:",
        "        wide = panel",
        "    source = shift(w, w_0 + item % channels * filters + first)",
        "    winograd_kernel(source, 3 * size, size, shift(u, u_0 + item * panel), 6 * plane, plane, wide)",
    ]
    return kernel_call("winograd_kernel", arguments, body, kernel.size)


def forward(
    buffers: Sequence[Buffer],
    x: View,
    transformed: View,
    target: View,
    scratch: View,
    geometry: Geometry,
    finish: Finish,
) -> KernelCall:
    """Return the call that convolves x with a transformed kernel.

    Args:
        target: where the results are made, or memory for tiles of `tile_rows` results of each filter.
        finish: what happens to the results.
    """
    channels, filters = x.shape[-1], finish.shape[-1]
    assert isinstance(channels, int) and isinstance(filters, int)
    arguments = Arguments()
    name_independent(
        arguments,
        buffers,
        x=x,
        u=transformed,
        y=target,
        scratch=scratch,
        bias=x if finish.bias is None else finish.bias,
    )
    arguments.named("batch", x.shape[0])
    arguments.named("flags", finish.flags)
    before = finish.declare(arguments, buffers)
    _declare(arguments, geometry, scratch, channels, filters, _breadth(filters))
    multiply = [
        "for place in range(36):",
        "    multiply_windows(count, wide, shift(scratch, planes + place * first_plane), first_row,",
        "        shift(u, u_0 + (place * panels + part) * channels * panel), channels * panel,",
        "        shift(scratch, others + place * second_plane), second_row,",
        "        channels, 1, panel, 1, 0, 0, 1, 0, 0, scratch, 0)",
    ]
    base, line = "((image * m0 + row) * m1 + column) * filters", "m1 * filters"
    height, width = "m0 - row", "m1 - column"
    if finish.target is None:
        arguments.named("tiles_size", target.size)
        before += [
            "tile = 16 * filters",
            "if workers > tiles_size // (most * tile):",
            "    workers = tiles_size // (most * tile)",
        ]
        base, line = "(thread * most + q) * tile", "4 * filters"
        height = width = "4"
    back = [
        "winograd_result(shift(scratch, others + q * second_row), 6 * second_plane, second_plane,",
        f"    shift(y, y_0 + {base} + part * panel), {line}, filters, wide, {height}, {width},",
        "    shift(scratch, spare), shift(bias, bias_0 + part * panel), flags)",
    ]
    body = [
        *_SHARE,
        *before,
        "panels = (filters + panel - 1) // panel",
        "across_tiles = tiles // most",  # how many threads share the tiles; the others share the panels
        "if across_tiles > workers or panels < 2 * workers:",
        "    across_tiles = workers",
        "if across_tiles < 1:",
        "    across_tiles = 1",
        "while workers % across_tiles != 0:",
        "    across_tiles -= 1",
        "start, stop = 0, 0",
        "if thread < workers:",
        "    start, stop = span(tiles, thread % across_tiles, across_tiles)",
        "part_start, part_stop = span(panels, thread // across_tiles, workers // across_tiles)",
        *_per_block(
            [
                *_per_tile(_TRANSFORMED_INPUT),
                "for part in range(part_start, part_stop, second_row // panel):",
                "    wide = filters - part * panel",
                "    if wide > second_row:",
                "        wide = second_row",
                "    if wide > (part_stop - part) * panel:",
                "        wide = (part_stop - part) * panel",
                *indented([*multiply, *_per_tile(back)]),
                *(_finished(finish, base, line) if finish.does_something else []),
            ]
        ),
    ]
    work = size_of(finish.shape[:-1]) * channels * filters * 9 // 100
    return kernel_call("winograd", arguments, body, work)


def _finished(finish: Finish, base: str, line: str) -> list[str]:
    """Lines that finish the results of a block of tiles.

    Args:
        finish: what happens to them.
        base, line: where the first result of tile `q` is, and how far it is to the next line.
    """
    pixel = finish.pixel()
    down, across = finish.window
    tile = [
        "lines_here = select(m0 - row < 4, m0 - row, 4)",
        "columns_here = select(m1 - column < 4, m1 - column, 4)",
        f"base = y_0 + {base}",
    ]
    if pixel:
        tile += [
            "for i in range(lines_here):",
            "    for j in range(columns_here):",
            f"        made = shift(y, base + i * {line} + j * filters)",
            "        place0 = row + i",
            "        place1 = column + j",
            *indented(pixel, 2),
        ]
    pooling = finish.pooling(
        (f"lines_here // {down}", f"columns_here // {across}"), f"row // {down}", f"column // {across}", line, "filters"
    )
    if pooling:
        tile += ["made = shift(y, base)", *pooling]
    return [
        "low, high = part_start * panel, select(part_stop < panels, part_stop * panel, filters)",
        *_per_tile(tile),
    ]


def can_pool(window: tuple[int, ...]) -> bool:
    """Return whether windows, each beside the next, do not reach from one tile of results into another."""
    return len(window) == 2 and all(4 % size == 0 for size in window)


def tile_rows(channels: int, filters: int) -> int:
    """Return how many results of each filter a thread makes before they are finished."""
    return 16 * tiles_at_once(channels, filters)


def kernel_gradient(
    buffers: Sequence[Buffer], x: View, grad: View, target: View, parts: View, scratch: View, geometry: Geometry
) -> list[KernelCall]:
    """Return the calls that sum the gradient of the kernel over all tiles and transform it back."""
    channels, filters = x.shape[-1], grad.shape[-1]
    assert isinstance(channels, int) and isinstance(filters, int)
    arguments = Arguments()
    name_independent(arguments, buffers, x=x, g=grad, u=parts, scratch=scratch)
    arguments.named("batch", x.shape[0])
    arguments.named("parts", _parts(channels, filters))
    _declare(arguments, geometry, scratch, channels, filters, _row(filters))
    body = [
        *_SHARE,
        "size = 36 * channels * filters",
        "part_start, part_stop = 0, 0",
        "if thread < workers:",
        "    part_start, part_stop = span(parts, thread, workers)",
        "for part in range(part_start, part_stop):",
        "    total = u_0 + part * size",
        "    start, stop = span(tiles, part, parts)",
        "    if start == stop:",
        "        for e in range(size):",
        "            u[total + e] = float32(0)",
        *indented(
            _per_block(
                [
                    *_per_tile([*_TRANSFORMED_INPUT, *_TRANSFORMED_GRADIENT]),
                    "flags = 0",
                    "if first > start:",
                    f"    flags = {ADD}",
                    "for place in range(36):",
                    "    multiply_windows(channels, filters, shift(scratch, planes + place * first_plane), 1,",
                    "        shift(scratch, others + place * second_plane), panel,",
                    "        shift(u, total + place * channels * filters), filters,",
                    "        count, first_row, second_row, 1, 0, 0, 1, 0, 0, scratch, flags)",
                ]
            )
        ),
    ]
    work = size_of(grad.shape[:-1]) * channels * filters * 9 // 100
    summed = kernel_call("winograd_kernel_gradient", arguments, body, work)

    arguments = Arguments()
    name_independent(arguments, buffers, u=parts, w=target)
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
        "    source = shift(u, u_0 + c * filters)",
        "    winograd_kernel_gradient(source, 6 * size, size, shift(w, w_0 + c * filters), 3 * size, size, filters)",
    ]
    back = kernel_call("winograd_kernel_back", arguments, body, parts.size // 8)
    return [summed, back]
