"""Where the chunks of a chunked array lie: in a tree, or in one of the indexes that HDF5 1.10 added.

Indexes of arrays that may grow (extensible arrays, trees of version 2) are not read: weights have a fixed size.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

from symgraph.engine.hdf5_format import UNDEFINED, DatasetLayout, Fields, FormatError, Source, tree_entries

__all__ = ["Chunk", "chunks_of"]


class Chunk(NamedTuple):
    """A stored piece of an array.

    # Attributes
        corner: where in the array it begins.
        address, size: where in the file it lies, and how many bytes are stored.
        skipped: a bit for each filter that was not applied to it.
    """

    corner: tuple[int, ...]
    address: int
    size: int
    skipped: int


def chunks_of(source: Source, layout: DatasetLayout, shape: tuple[int, ...], raw: int, filtered: bool
              ) -> Iterator[Chunk]:
    """The chunks of an array that are stored; the numbers of others are zero.

    # Arguments
        source: the file.
        layout: of the array; its `chunk` has as many sizes as the shape.
        shape: of the array.
        raw: bytes of a chunk before any filter.
        filtered: whether there are filters.

    # Raises
        FormatError: a damaged index, chunks outside the shape, or more of them than it has.
    """
    counts = [-(-length // step) for length, step in zip(shape, layout.chunk)]
    if layout.index == "tree":
        found = _in_tree(source, layout, len(shape))
    else:
        corners = (tuple(place * step for place, step in zip(places, layout.chunk))
                   for places in itertools.product(*map(range, counts)))
        found = _in_order(source, layout, corners, math.prod(counts), raw, filtered)
    for seen, chunk in enumerate(found):
        inside = all(start < length for start, length in zip(chunk.corner, shape))
        if not inside or any(start % step for start, step in zip(chunk.corner, layout.chunk)):
            raise FormatError("a chunk of it lies outside its shape")
        if seen >= math.prod(counts):
            raise FormatError("it has more chunks than its shape")
        cut = any(start + step > length for start, step, length in zip(chunk.corner, layout.chunk, shape))
        yield chunk._replace(skipped=0xFFFFFFFF) if cut and layout.flags & 1 else chunk  # such are stored as they are


def _in_tree(source: Source, layout: DatasetLayout, rank: int) -> Iterator[Chunk]:
    for key, address in tree_entries(source, layout.address, 1, 8 + 8 * (rank + 1)):
        corner = tuple(int.from_bytes(key[8 + 8 * axis:16 + 8 * axis], "little") for axis in range(rank))
        yield Chunk(corner, address, int.from_bytes(key[:4], "little"), int.from_bytes(key[4:8], "little"))


def _in_order(source: Source, layout: DatasetLayout, corners: Iterator[tuple], count: int, raw: int, filtered: bool
              ) -> Iterator[Chunk]:
    """Chunks that are indexed by their number, in the order of rows."""
    if layout.address == UNDEFINED or not count:
        return
    if layout.index == "single":
        size, skipped = layout.single or (raw, 0)
        yield Chunk(next(corners), layout.address, size, skipped)
    elif layout.index == "implicit":
        for number, corner in enumerate(corners):
            yield Chunk(corner, layout.address + number * raw, raw, 0)
    else:
        for corner, entry in zip(corners, _array_entries(source, layout.address, count, filtered)):
            address = entry.number(8)
            if address == UNDEFINED:
                continue
            size = entry.number(len(entry.data) - 12) if filtered else raw
            yield Chunk(corner, address, size, entry.number(4) if filtered else 0)


def _array_entries(source: Source, address: int, count: int, filtered: bool) -> Iterator[Fields]:
    """The entries of a fixed array: its header, then one block, in pages where there are many."""
    head = Fields(source.read(address, 28))
    head.expect(b"FAHD", "index of chunks")
    version, client, width, page_bits = (head.number(1) for _ in range(4))
    total, block = head.number(8), head.number(8)
    if version or client != filtered or total != count or page_bits > 32 or not (
            (13 <= width <= 20) if filtered else width == 8):
        raise FormatError("its index of chunks is damaged")
    if block == UNDEFINED:
        return
    start = Fields(source.read(block, 14))
    start.expect(b"FADB", "block of an index of chunks")
    position, page = block + 14, 1 << page_bits
    if count <= page:
        yield from _split(source.read(position, count * width), width)
        return
    pages = -(-count // page)
    bits = source.read(position, -(-pages // 8))
    position += len(bits) + 4  # a checksum
    for number in range(pages):
        entries = min(page, count - number * page)
        if bits[number // 8] >> (7 - number % 8) & 1:
            yield from _split(source.read(position, entries * width), width)
        else:  # never written
            yield from _split(b"\xff" * 8 * entries if not filtered else (b"\xff" * 8 + bytes(width - 8)) * entries,
                              width)
        position += page * width + 4


def _split(data: bytes, width: int) -> Iterator[Fields]:
    for start in range(0, len(data), width):
        yield Fields(data[start:start + width])
