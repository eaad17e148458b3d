"""The HDF5 file format, as far as model files use it, read in plain Python.

The HDF5 library is made for files that its owner trusts: damaged ones can make it loop for ever or crash. Model files
come from anywhere, so their structure is read here, where every offset is checked against the size of the file, every
chain against a budget of steps, and where nothing exists that could follow a link out of the file.
Source: the HDF5 File Format Specification, version 3.0 (The HDF Group).
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from symgraph.graph.type import numpy_dtype

__all__ = ["DatasetLayout", "Element", "Fields", "FormatError", "Header", "Source", "attributes_of", "element_of",
           "filters_of", "header_at", "heap_object", "layout_of", "links_of", "root_of", "shape_of", "tree_entries"]

UNDEFINED = 0xFFFFFFFFFFFFFFFF
SIGNATURE = b"\x89HDF\r\n\x1a\n"


class FormatError(ValueError):
    """The bytes are not what the format says, or use a part of it that model files do not."""


class Source:
    """The bytes of a file.

    # Arguments
        data: the bytes, or an open binary file that nobody else reads from meanwhile.

    # Attributes
        base: where addresses count from.
    """

    def __init__(self, data: Any):
        self._bytes = data if isinstance(data, (bytes, bytearray, memoryview)) else None
        self._file = None if self._bytes is not None else data
        self.size = len(data) if self._bytes is not None else os.fstat(data.fileno()).st_size
        self.base = 0
        #: How many pieces of structure may still be read: many times what a file of this size can hold.
        self.budget = 10_000 + self.size // 4

    def read(self, address: int, count: int) -> bytes:
        """So many bytes from an address; all of them or an error."""
        start = self.base + address
        if address < 0 or count < 0 or start + count > self.size:
            raise FormatError(f"it refers to {count} bytes at {address}, beyond its end")
        self.budget -= 1
        if self.budget < 0:
            raise FormatError("its structure goes in circles")
        if self._bytes is not None:
            return bytes(self._bytes[start:start + count])
        self._file.seek(start)  # type: ignore[union-attr]
        return self._file.read(count)  # type: ignore[union-attr]

    def fill(self, address: int, values: np.ndarray) -> None:
        """Read an array."""
        data = values.reshape(-1).view(np.uint8)
        step = 1 << 26
        for begin in range(0, data.size, step):
            piece = self.read(address + begin, min(step, data.size - begin))
            data[begin:begin + len(piece)] = np.frombuffer(piece, np.uint8)


class Fields:
    """Reads the fields of a structure one after the other."""

    def __init__(self, data: bytes):
        self.data, self.position = data, 0

    def take(self, count: int) -> bytes:
        if count < 0 or self.position + count > len(self.data):
            raise FormatError("a structure of it ends too early")
        self.position += count
        return self.data[self.position - count:self.position]

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "little")

    def rest(self) -> bytes:
        return self.data[self.position:]

    def expect(self, text: bytes, what: str) -> None:
        if self.take(len(text)) != text:
            raise FormatError(f"there is no {what} where it says one is")


class Element(NamedTuple):
    """The type of the elements of an array.

    # Attributes
        kind: 'number', 'text' (of fixed width) or 'long text' (of any length, kept in a heap).
        dtype: the NumPy type of a number.
        width: bytes of an element.
    """

    kind: str
    dtype: np.dtype | None
    width: int


class DatasetLayout(NamedTuple):
    """Where the numbers of an array lie.

    # Attributes
        kind: 'compact', 'contiguous' or 'chunked'.
        data: the numbers themselves, for a compact one.
        address, size: of the numbers, or of the index of chunks.
        chunk: the shape of a chunk.
        index: how chunks are found: 'tree', 'single', 'implicit' or 'array'.
        flags: of the index.
        single: of a single chunk that is filtered: its bytes, and the filters that were skipped.
    """

    kind: str
    data: bytes
    address: int
    size: int
    chunk: tuple[int, ...]
    index: str = "tree"
    flags: int = 0
    single: tuple[int, int] | None = None


class Header(NamedTuple):
    """The messages of an object: pairs of type and data."""

    messages: list[tuple[int, bytes]]

    def of(self, kind: int) -> list[bytes]:
        """The messages of one type."""
        return [data for found, data in self.messages if found == kind]

    def one(self, kind: int) -> bytes | None:
        """The message of a type, None where there is none."""
        found = self.of(kind)
        return found[0] if found else None


DATASPACE, LINK_INFO, DATATYPE, LINK, EXTERNAL, LAYOUT, FILTERS, ATTRIBUTE = 1, 2, 3, 6, 7, 8, 11, 12
CONTINUATION, SYMBOL_TABLE, ATTRIBUTE_INFO = 16, 17, 21


# ---------------------------------------------------------------------------------------------- superblock, headers
def root_of(source: Source) -> int:
    """The address of the root group.

    # Raises
        FormatError: no HDF5 file.
    """
    start = 0
    while source.read(start, 8) != SIGNATURE:  # a user block of 512 bytes, or twice that ..., may stand before
        start = max(512, 2 * start)
    version = source.read(start + 8, 1)[0]
    if version in {0, 1}:
        fields = Fields(source.read(start, 96 + 4 * version))
        fields.take(13)
        widths = fields.take(2)
        fields.take(1 + 4 + 4 + 4 * version)
        source.base = fields.number(8)
        fields.take(24)  # free space, end of file, driver
        fields.take(8)
        root = fields.number(8)
    elif version in {2, 3}:
        fields = Fields(source.read(start, 48))
        fields.take(9)
        widths = fields.take(2)
        fields.take(1)
        source.base = fields.number(8)
        fields.take(16)  # extension, end of file
        root = fields.number(8)
    else:
        raise FormatError(f"its superblock has the version {version}")
    if widths != b"\x08\x08":
        raise FormatError(f"it has addresses of {widths[0]} and lengths of {widths[1]} bytes")
    if source.base != start:
        if source.base:
            raise FormatError("it does not begin where it says")
        source.base = start
    return root


def header_at(source: Source, address: int) -> Header:
    """The header of the object at an address."""
    start = source.read(address, 4)
    messages: list[tuple[int, bytes]] = []
    if start == b"OHDR":
        _read_new(source, address, messages)
    elif start[0] == 1:
        _read_old(source, address, messages)
    else:
        raise FormatError("there is no object where it says one is")
    return Header(messages)


def _read_old(source: Source, address: int, messages: list[tuple[int, bytes]]) -> None:
    size = int.from_bytes(source.read(address + 8, 4), "little")
    blocks = [(address + 16, size)]
    while blocks:
        fields = Fields(source.read(*blocks.pop(0)))
        while len(fields.data) - fields.position >= 8:
            kind, length, flags = fields.number(2), fields.number(2), fields.number(1)
            fields.take(3)
            _message(source, kind, flags, fields.take(length), messages, blocks)


def _read_new(source: Source, address: int, messages: list[tuple[int, bytes]]) -> None:
    flags = source.read(address + 5, 1)[0]
    skipped = 6 + (16 if flags & 32 else 0) + (4 if flags & 16 else 0)
    width = 1 << (flags & 3)
    size = int.from_bytes(source.read(address + skipped, width), "little")
    blocks = [(address + skipped + width, size)]
    first = True
    while blocks:
        start, length = blocks.pop(0)
        fields = Fields(source.read(start, length))
        if not first:
            fields.expect(b"OCHK", "continued header")
            fields.data = fields.data[:-4]  # the checksum
        first = False
        least = 6 if flags & 4 else 4
        while len(fields.data) - fields.position >= least:
            kind, length, marks = fields.number(1), fields.number(2), fields.number(1)
            if flags & 4:
                fields.take(2)
            _message(source, kind, marks, fields.take(length), messages, blocks)


def _message(source: Source, kind: int, flags: int, data: bytes, messages: list, blocks: list) -> None:
    source.budget -= 1
    if kind == CONTINUATION:
        address, length = struct.unpack("<QQ", data[:16].ljust(16, b"\xff"))
        blocks.append((address, length))
        if len(blocks) > 1000 or len(messages) > 1_000_000 or source.budget < 0:
            raise FormatError("its structure goes in circles")
    elif flags & 2 and kind in {DATASPACE, DATATYPE, LAYOUT, FILTERS, ATTRIBUTE, LINK}:
        raise FormatError("it shares a type or an attribute between objects, which model files do not")
    else:
        messages.append((kind, data))


# ---------------------------------------------------------------------------------------------- types, shapes, layouts
def shape_of(data: bytes) -> tuple[int, ...]:
    """The shape that a dataspace message says; a null space is an empty array."""
    fields = Fields(data)
    version, rank, _ = fields.number(1), fields.number(1), fields.number(1)
    if version == 1:
        fields.take(5)
    elif version == 2:
        if fields.number(1) == 2:
            return (0,)
    else:
        raise FormatError(f"a shape of it has the version {version}")
    if rank > 32:
        raise FormatError(f"an array of it has {rank} dimensions")
    return tuple(fields.number(8) for _ in range(rank))


_FLOATS = {(2, 10, 5, 0, 10, 15): "f2", (4, 23, 8, 0, 23, 127): "f4", (8, 52, 11, 0, 52, 1023): "f8"}
_BFLOAT16 = (2, 7, 8, 0, 7, 127)


def element_of(data: bytes) -> Element:
    """The element type that a datatype message says."""
    fields = Fields(data)
    kind, bits, width = fields.number(1) & 15, fields.number(3), fields.number(4)
    order = ">" if bits & 1 else "<"
    if kind == 0 and width in {1, 2, 4, 8}:
        if (fields.number(2), fields.number(2)) != (0, 8 * width):
            raise FormatError("an array of it has integers of an odd size")
        return Element("number", np.dtype(f"{order}{'i' if bits & 8 else 'u'}{width}"), width)
    if kind == 1:
        offset, precision, exponent_at, exponent, mantissa_at, mantissa = (fields.number(n) for n in (2, 2, 1, 1, 1, 1))
        shape = (width, exponent_at, exponent, mantissa_at, mantissa, fields.number(4))
        if shape == _BFLOAT16 and order == "<" and (offset, precision, bits & 64) == (0, 16, 0):
            return Element("number", numpy_dtype("bfloat16"), width)
        name = _FLOATS.get(shape)
        if name is None or offset or precision != 8 * width or bits & 64:
            raise FormatError("an array of it has floats of an odd format")
        return Element("number", np.dtype(order + name), width)
    if kind == 3 and width > 0:
        return Element("text", None, width)
    if kind == 8 and width == 1:
        return Element("number", np.dtype("?"), 1)  # how NumPy's bool is stored
    if kind == 9 and bits & 15 == 1:
        return Element("long text", None, 16)
    raise FormatError("an array of it holds elements that are neither numbers nor text")


def layout_of(data: bytes) -> DatasetLayout:
    """The place that a layout message says."""
    fields = Fields(data)
    version, kind = fields.number(1), fields.number(1)
    if version not in {3, 4, 5}:
        raise FormatError(f"the place of an array has the version {version}")
    if kind == 0:
        return DatasetLayout("compact", fields.take(fields.number(2)), 0, 0, ())
    if kind == 1:
        return DatasetLayout("contiguous", b"", fields.number(8), fields.number(8), ())
    if kind == 2 and version == 3:
        rank, address = fields.number(1), fields.number(8)
        return DatasetLayout("chunked", b"", address, 0, tuple(fields.number(4) for _ in range(rank))[:-1])
    if kind == 2:
        return _indexed(fields)
    if kind == 3:
        raise FormatError("an array of it is virtual: its numbers are in other files. Refused")
    raise FormatError("an array of it is stored in a way that model files do not use")


def _indexed(fields: Fields) -> DatasetLayout:
    """The layout of a chunked array with an index of HDF5 1.10."""
    flags, rank, width = fields.number(1), fields.number(1), fields.number(1)
    chunk = tuple(fields.number(width) for _ in range(rank))[:-1]
    index = {1: "single", 2: "implicit", 3: "array"}.get(fields.number(1))
    if index is None:
        raise FormatError("an array of it may grow, and its chunks are indexed so. Weights have a fixed size: store "
                          "them without `maxshape`")
    single = None
    if index == "single" and flags & 2:
        single = fields.number(8), fields.number(4)
    elif index == "array":
        fields.take(1)
    return DatasetLayout("chunked", b"", fields.number(8), 0, chunk, index, flags, single)


def filters_of(data: bytes) -> list[int]:
    """The numbers of the filters of chunks, in the order in which they were applied."""
    fields = Fields(data)
    version, count = fields.number(1), fields.number(1)
    if version == 1:
        fields.take(6)
    found = []
    for _ in range(count):
        number = fields.number(2)
        name = fields.number(2) if version == 1 or number >= 256 else 0
        fields.take(2)
        values = fields.number(2)
        fields.take(-(-name // 8) * 8 if version == 1 else name)
        fields.take(4 * values + (4 if version == 1 and values % 2 else 0))
        found.append(number)
    return found


# ---------------------------------------------------------------------------------------------- links
def links_of(source: Source, header: Header) -> dict[str, tuple[str, int]]:
    """The links of a group: from each name to what the link is ('hard', 'soft', 'external') and an address."""
    found: dict[str, tuple[str, int]] = {}
    for data in header.of(LINK):
        _add_link(data, found)
    table = header.one(SYMBOL_TABLE)
    if table is not None:
        fields = Fields(table)
        _read_symbols(source, fields.number(8), fields.number(8), found)
    information = header.one(LINK_INFO)
    if information is not None:
        fields = Fields(information)
        fields.take(1)
        fields.take(8 if fields.number(1) & 1 else 0)
        heap, tree = fields.number(8), fields.number(8)
        if heap != UNDEFINED:
            for record in _records(source, tree, 5):
                _add_link(_heap_bytes(source, heap, record[4:]), found)
    return found


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _add_link(data: bytes, found: dict[str, tuple[str, int]]) -> None:
    fields = Fields(data)
    if fields.number(1) != 1:
        raise FormatError("a link of it has an unknown version")
    flags = fields.number(1)
    kind = fields.number(1) if flags & 8 else 0
    fields.take((8 if flags & 4 else 0) + (1 if flags & 16 else 0))
    name = _text(fields.take(fields.number(1 << (flags & 3))))
    found[name] = ("hard", fields.number(8)) if kind == 0 else ({1: "soft", 64: "external"}.get(kind, "unknown"), 0)


def _read_symbols(source: Source, tree: int, heap: int, found: dict[str, tuple[str, int]]) -> None:
    fields = Fields(source.read(heap, 32))
    fields.expect(b"HEAP", "heap of names")
    fields.take(4)
    size = fields.number(8)
    fields.take(8)
    names = source.read(fields.number(8), size)
    for child in _children(source, tree, 0, 8):
        head = source.read(child, 8)
        if head[:4] != b"SNOD":
            raise FormatError("there is no table of names where it says one is")
        count = int.from_bytes(head[6:8], "little")
        entries = Fields(source.read(child + 8, 40 * count))
        for _ in range(count):
            start, address, kind = entries.number(8), entries.number(8), entries.number(4)
            entries.take(20)
            end = names.find(b"\0", start)
            if start >= size or end < 0:
                raise FormatError("a name of it lies outside its heap")
            found[_text(names[start:end])] = ("soft", 0) if kind == 2 else ("hard", address)


def _children(source: Source, address: int, kind: int, key: int, depth: int = 0) -> Iterator[int]:
    """The leaves of a tree of version 1."""
    for _, child in tree_entries(source, address, kind, key, depth):
        yield child


def tree_entries(source: Source, address: int, kind: int, key: int, depth: int = 0) -> Iterator[tuple[bytes, int]]:
    """The keys and leaves of a tree of version 1."""
    if address == UNDEFINED:
        return
    fields = Fields(source.read(address, 24))
    fields.expect(b"TREE", "tree")
    found, level, count = fields.number(1), fields.number(1), fields.number(2)
    if found != kind or depth > 20 or (depth and level > 20 - depth):
        raise FormatError("a tree of it is damaged")
    entries = Fields(source.read(address + 24, count * (key + 8)))
    for _ in range(count):
        label, child = entries.take(key), entries.number(8)
        if level:
            yield from tree_entries(source, child, kind, key, depth + 1)
        else:
            yield label, child


# ---------------------------------------------------------------------------------------------- trees of version 2
def _width(number: int) -> int:
    return (number.bit_length() + 7) // 8


def _records(source: Source, address: int, kind: int) -> Iterator[bytes]:
    """The records of a tree of version 2."""
    fields = Fields(source.read(address, 38))
    fields.expect(b"BTHD", "tree")
    fields.take(1)
    found, node, size, depth = fields.number(1), fields.number(4), fields.number(2), fields.number(2)
    fields.take(2)
    root, count = fields.number(8), fields.number(2)
    if found != kind or not 0 < size < node or depth > 10 or node > 1 << 24:
        raise FormatError("a tree of it is damaged")
    most, total, pointers = [(node - 10) // size], [(node - 10) // size], [0]
    for level in range(1, depth + 1):
        pointers.append(8 + _width(most[level - 1]) + (_width(total[level - 1]) if level > 1 else 0))
        most.append((node - 10 - pointers[level]) // (size + pointers[level]))
        total.append((most[level] + 1) * total[level - 1] + most[level])
    if count:
        yield from _node_records(source, root, count, depth, node, size, most, pointers)


def _node_records(source: Source, address: int, count: int, level: int, node: int, size: int, most: list[int],
                  pointers: list[int]) -> Iterator[bytes]:
    if count > max(most[level], 0):
        raise FormatError("a tree of it is damaged")
    fields = Fields(source.read(address, node))
    fields.expect(b"BTIN" if level else b"BTLF", "node of a tree")
    fields.take(2)
    yield from [fields.take(size) for _ in range(count)]
    if level:
        for _ in range(count + 1):
            pointer = Fields(fields.take(pointers[level]))
            child, inner = pointer.number(8), pointer.number(_width(most[level - 1]))
            yield from _node_records(source, child, inner, level - 1, node, size, most, pointers)


# ---------------------------------------------------------------------------------------------- heaps
def heap_object(source: Source, reference: bytes, known: dict[int, dict[int, tuple[int, int]]]) -> bytes:
    """A text of any length: what 16 bytes of length, address of a collection and index refer to.

    # Arguments
        reference: the 16 bytes.
        known: the collections that were read already.
    """
    fields = Fields(reference)
    length, address, index = fields.number(4), fields.number(8), fields.number(4)
    if not length or address in {0, UNDEFINED}:
        return b""
    if address not in known:
        known[address] = _collection(source, address)
    if index not in known[address]:
        raise FormatError("a text of it is missing from its heap")
    start, size = known[address][index]
    if length > size:
        raise FormatError("a text of it is longer than its place in the heap")
    return source.read(start, length)


def _collection(source: Source, address: int) -> dict[int, tuple[int, int]]:
    """Where the objects of a global heap lie, by index."""
    fields = Fields(source.read(address, 16))
    fields.expect(b"GCOL", "heap of texts")
    fields.take(4)
    end = address + fields.number(8)
    found: dict[int, tuple[int, int]] = {}
    position = address + 16
    while position + 16 <= end:
        entry = Fields(source.read(position, 16))
        index = entry.number(2)
        entry.take(6)
        size = entry.number(8)
        if index == 0:
            break
        if position + 16 + size > end:
            raise FormatError("a heap of texts of it is damaged")
        found[index] = (position + 16, size)
        position += 16 + -(-size // 8) * 8
    return found


def _heap_bytes(source: Source, address: int, identifier: bytes) -> bytes:
    """An object of a fractal heap."""
    fields = Fields(source.read(address, 142))
    fields.expect(b"FRHP", "heap")
    fields.take(1)
    _, filters, _, largest = fields.number(2), fields.number(2), fields.number(1), fields.number(4)
    fields.take(12 * 8)
    table, first, most, bits = fields.number(2), fields.number(8), fields.number(8), fields.number(2)
    fields.take(2)
    root, rows = fields.number(8), fields.number(2)
    powers = all(number and not number & (number - 1) for number in (first, most, table))
    if filters or not powers or bits > 64 or most < first or not identifier:
        raise FormatError("a heap of it is damaged, or stored in a way that model files do not use")
    kind = identifier[0] >> 4 & 3
    if kind == 2:  # so short that it is in its own identifier
        return identifier[1:2 + (identifier[0] & 15)]
    if kind:
        raise FormatError("an attribute of it is longer than model files have")
    place = Fields(identifier[1:])
    width = (bits + 7) // 8
    offset = place.number(width)
    length = place.number(min((most.bit_length() + 6) // 8, _width(largest)))
    block, begin, size = _block_of(source, root, rows, offset, first, most, table, width)
    if offset - begin + length > size:
        raise FormatError("an object of it lies outside its heap")
    if source.read(block, 4) != b"FHDB":
        raise FormatError("there is no heap block where it says one is")
    return source.read(block + offset - begin, length)


def _block_of(source: Source, root: int, rows: int, offset: int, first: int, most: int, table: int, width: int
              ) -> tuple[int, int, int]:
    """The block that holds an offset of a fractal heap: its address, its own offset and its size."""
    if rows == 0:
        return root, 0, first
    direct = most.bit_length() - first.bit_length() + 2
    address, begin = root, 0
    for _ in range(64):
        start = begin
        for row in range(rows):
            size = first << max(0, row - 1)
            if offset < start + size * table:
                break
            start += size * table
        else:
            raise FormatError("an object of it lies outside its heap")
        if source.read(address, 4) != b"FHIB":
            raise FormatError("there is no heap block where it says one is")
        column = (offset - start) // size
        child = int.from_bytes(source.read(address + 13 + width + 8 * (row * table + column), 8), "little")
        if row < direct:
            return child, start + column * size, size
        address, begin = child, start + column * size
        rows = int(math.log2(size // first // table)) + 1 if size >= first * table else 0
    raise FormatError("a heap of it is damaged")


# ---------------------------------------------------------------------------------------------- attributes
def attributes_of(source: Source, header: Header) -> Iterator[tuple[str, Element, tuple[int, ...], bytes]]:
    """The attributes of an object: name, element type, shape and the bytes of the values."""
    stored = list(header.of(ATTRIBUTE))
    information = header.one(ATTRIBUTE_INFO)
    if information is not None:
        fields = Fields(information)
        fields.take(1)
        fields.take(2 if fields.number(1) & 1 else 0)
        heap, tree = fields.number(8), fields.number(8)
        if heap != UNDEFINED:
            stored += [_heap_bytes(source, heap, record[:8]) for record in _records(source, tree, 8)]
    for data in stored:
        fields = Fields(data)
        version, flags = fields.number(1), fields.number(1)
        if version not in {1, 2, 3} or (version > 1 and flags & 3):
            raise FormatError("an attribute of it is stored in a way that model files do not use")
        sizes = [fields.number(2) for _ in range(3)]
        if version == 3:
            fields.take(1)
        pieces = [fields.take(-(-size // 8) * 8 if version == 1 else size)[:size] for size in sizes]
        name = _text(pieces[0].split(b"\0")[0])
        try:
            element = element_of(pieces[1])
        except FormatError:
            continue  # of no use to a model; whoever asks for it finds it missing
        yield name, element, shape_of(pieces[2]), fields.rest()
