"""The one reader of HDF5 model files. A file is treated as hostile input.

What it refuses: links that are not plain (external and soft links lead into other files or in circles), datasets whose
numbers lie outside the file (virtual datasets, external storage), element types other than numbers, compression filters
other than the common ones, and anything larger than the caller said to expect. No part of a file is ever executed.
"""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from symgraph.engine import hdf5_format as form
from symgraph.engine.hdf5_chunks import chunks_of
from symgraph.engine.hdf5_format import FormatError, Source

__all__ = ["ModelFileError", "StoredArray", "StoredGroup", "open_model_file"]

#: The most bytes that the texts of one attribute may have, and the most names in it.
MAX_TEXT = 256 * 2**20
MAX_NAMES = 1_000_000

_DEFLATE, _SHUFFLE, _FLETCHER32 = 1, 2, 3


class ModelFileError(OSError, ValueError):
    """A model file that is damaged, hostile, or not of a known format."""


@contextmanager
def _reporting(what: str) -> Iterator[None]:
    """Report damage as a `ModelFileError` that says where it is."""
    try:
        yield
    except (FormatError, UnicodeDecodeError, RecursionError, zlib.error) as error:
        raise ModelFileError(f"{what}: the file is damaged, or not a model file: {error}.") from error


class StoredArray:
    """An array in a file, not yet read.

    # Attributes
        name: its full name in the file.
        shape: its shape.
        dtype: its element type.
    """

    def __init__(self, name: str, source: Source, header: form.Header):
        self.name, self._source = name, source
        with _reporting(f"Dataset {name!r}"):
            space, element, layout = header.one(form.DATASPACE), header.one(form.DATATYPE), header.one(form.LAYOUT)
            if space is None or element is None or layout is None:
                raise FormatError("it is no array")
            self.shape: tuple[int, ...] = form.shape_of(space)
            found = form.element_of(element)
            if found.dtype is None:
                raise FormatError("it holds text; a weight must be an array of integers or floats")
            self.dtype: np.dtype = found.dtype
            if header.one(form.EXTERNAL) is not None:
                raise FormatError("it keeps its numbers in another file. Refused")
            self._layout = form.layout_of(layout)
            filters = header.one(form.FILTERS)
            self._filters = form.filters_of(filters) if filters is not None else []
            unknown = set(self._filters) - {_DEFLATE, _SHUFFLE, _FLETCHER32}
            if unknown or (self._filters and self._layout.kind != "chunked"):
                raise FormatError(f"it uses the compression filters {sorted(unknown)}; known are gzip, shuffle and "
                                  "fletcher32")
            self._check_size()

    @property
    def size(self) -> int:
        """The number of elements, by what the file says."""
        return math.prod(self.shape)

    def _check_size(self) -> None:
        """An array must have its numbers: a shape alone could ask for any amount of memory."""
        wanted, layout = self.size * self.dtype.itemsize, self._layout
        if layout.kind == "chunked":
            if len(layout.chunk) != len(self.shape) or 0 in layout.chunk or math.prod(layout.chunk) > 1 << 31:
                raise FormatError(f"its chunks of shape {layout.chunk} do not fit its shape {self.shape}")
            return
        stored = len(layout.data) if layout.kind == "compact" else layout.size
        if wanted and (stored != wanted or (layout.kind == "contiguous" and layout.address == form.UNDEFINED)):
            raise FormatError(f"it claims the shape {self.shape}, {wanted} bytes, but the file holds {stored} for it")

    def read(self, shape: tuple[int, ...] | None = None, limit: int | None = None) -> np.ndarray:
        """Read the numbers.

        # Arguments
            shape: the shape that is expected; checked before anything is read.
            limit: the most elements that are expected, where the shape may differ.

        # Raises
            ModelFileError: another shape, too many elements, or a damaged file.
        """
        if shape is None and limit is None:
            raise TypeError("StoredArray.read: say what is expected: `shape` or `limit`.")
        if shape is not None and tuple(shape) != self.shape:
            raise ModelFileError(f"Dataset {self.name!r} has shape {self.shape}, expected {tuple(shape)}.")
        if limit is not None and self.size > limit:
            raise ModelFileError(f"Dataset {self.name!r} has shape {self.shape}: {self.size} elements, where at most "
                                 f"{limit} are expected.")
        with _reporting(f"Dataset {self.name!r}"):
            if self._layout.kind == "contiguous" and self._layout.address + self.size > self._source.size and self.size:
                raise FormatError("its numbers lie beyond the end")
            values = np.zeros(self.shape, self.dtype)
            if self._layout.kind == "compact":
                data = np.frombuffer(self._layout.data, self.dtype, count=self.size)
                values = data.reshape(self.shape).copy()
            elif self._layout.kind == "contiguous" and values.size:
                self._source.fill(self._layout.address, values)
            elif self._layout.kind == "chunked":
                self._read_chunks(values)
        return values.astype(values.dtype.newbyteorder("="), copy=False)

    def _read_chunks(self, values: np.ndarray) -> None:
        chunk = self._layout.chunk
        raw = math.prod(chunk) * self.dtype.itemsize
        for corner, address, stored, skipped in chunks_of(self._source, self._layout, self.shape, raw,
                                                          bool(self._filters)):
            data = self._unfiltered(self._source.read(address, stored), skipped, raw)
            piece = np.frombuffer(data, self.dtype).reshape(chunk)
            place = tuple(slice(start, min(start + step, length))
                          for start, step, length in zip(corner, chunk, self.shape))
            values[place] = piece[tuple(slice(0, part.stop - part.start) for part in place)]

    def _unfiltered(self, data: bytes, skipped: int, raw: int) -> bytes:
        for position in reversed(range(len(self._filters))):
            if skipped >> position & 1:
                continue
            kind = self._filters[position]
            if kind == _DEFLATE:
                data = zlib.decompressobj().decompress(data, raw + 64)
            elif kind == _FLETCHER32:
                data = data[:-4]
            elif len(data) == raw:
                data = np.frombuffer(data, np.uint8).reshape(self.dtype.itemsize, -1).T.tobytes()
        if len(data) != raw:
            raise FormatError(f"a chunk of it has {len(data)} bytes, expected {raw}")
        return data

    def __repr__(self) -> str:
        return f"<StoredArray {self.name} {self.shape} {self.dtype}>"


class StoredGroup:
    """A group of a file: its attributes, its groups and its arrays.

    # Arguments
        source: the bytes of the file.
        header: the header of the group.
        name: its full name, for messages.
    """

    def __init__(self, source: Source, header: form.Header, name: str = ""):
        self._source, self._header, self.name = source, header, name
        self._links: dict[str, tuple[str, int]] | None = None
        self._attributes: dict[str, tuple] | None = None

    @property
    def _called(self) -> str:
        return f"Group {self.name!r}" if self.name else "The file"

    # ------------------------------------------------------------------------------------------ members
    def _child(self, path: str) -> form.Header | None:
        """The header of the object at a path, followed link by link; None where there is none."""
        current: StoredGroup = self
        header = self._header
        for part in path.split("/"):
            if part in ("", "."):
                continue
            with _reporting(self._called):
                if current._links is None:
                    current._links = form.links_of(self._source, current._header)
                if part not in current._links:
                    return None
                kind, address = current._links[part]
                if kind != "hard":
                    raise FormatError(f"{self._full(path)!r} is {'an' if kind[0] in 'eu' else 'a'} {kind} link. "
                                      "Refused: a model file holds its own groups and arrays only")
                header = form.header_at(self._source, address)
            current = StoredGroup(self._source, header, self._full(part))
        return header

    def _full(self, path: str) -> str:
        return f"{self.name}/{path}" if self.name else path

    def __contains__(self, path: str) -> bool:
        return self._child(path) is not None

    def group(self, path: str) -> StoredGroup:
        """The group at a path below this one.

        # Raises
            ModelFileError: there is none.
        """
        found = self._child(path)
        if found is None or found.one(form.LAYOUT) is not None:
            raise ModelFileError(f"The file has no group {self._full(path)!r}.")
        return StoredGroup(self._source, found, self._full(path))

    def array(self, path: str) -> StoredArray:
        """The array at a path below this group.

        # Raises
            ModelFileError: there is none, or it is not a plain array of numbers.
        """
        found = self._child(path)
        if found is None or found.one(form.DATATYPE) is None:
            raise ModelFileError(f"The file has no array {self._full(path)!r}.")
        return StoredArray(self._full(path), self._source, found)

    # ------------------------------------------------------------------------------------------ attributes
    def _attribute(self, name: str) -> list | None:
        """The values of an attribute, numbers or texts; None where there is none."""
        with _reporting(f"Attribute {name!r} of {self.name or 'the file'!r}"):
            if self._attributes is None:
                self._attributes = {entry[0]: entry[1:] for entry in form.attributes_of(self._source, self._header)}
            if name not in self._attributes:
                return None
            element, shape, data = self._attributes[name]
            count = math.prod(shape)
            if count > MAX_NAMES or count * element.width > min(MAX_TEXT, len(data)):
                raise FormatError(f"it claims {count} values of {element.width} bytes")
            if element.kind == "number":
                return np.frombuffer(data, element.dtype, count).tolist()
            pieces = [data[index * element.width:(index + 1) * element.width] for index in range(count)]
            if element.kind == "text":
                return [piece.rstrip(b"\0").decode("utf-8") for piece in pieces]
            known: dict[int, dict[int, tuple[int, int]]] = {}
            claimed = sum(int.from_bytes(piece[:4], "little") for piece in pieces)
            if claimed > min(MAX_TEXT, 4 * self._source.size + 1024):
                raise FormatError("it claims longer texts than the file can hold")
            return [form.heap_object(self._source, piece, known).decode("utf-8") for piece in pieces]

    def text(self, name: str) -> str | None:
        """An attribute that holds one text, None where there is none; bytes and str are the same to it."""
        value = self._attribute(name)
        if value is None:
            return None
        if len(value) == 1 and isinstance(value[0], str):
            return value[0]
        raise ModelFileError(f"Attribute {name!r} of {self.name or 'the file'!r} should be a text.")

    def names(self, name: str) -> list[str] | None:
        """An attribute that holds a list of names, None where there is none.

        A list too long for one attribute is stored in pieces `name0`, `name1`, ...
        """
        value = self._attribute(name)
        if value is None:
            number, found = 0, []
            while (piece := self._attribute(f"{name}{number}")) is not None:
                found += piece
                number += 1
            if not number:
                return None
            value = found
        if not all(isinstance(item, str) for item in value):
            raise ModelFileError(f"Attribute {name!r} of {self.name or 'the file'!r} should be a list of names.")
        return value

    def number(self, name: str) -> int | None:
        """An attribute that holds one integer, None where there is none."""
        value = self._attribute(name)
        if value is None:
            return None
        if len(value) == 1 and isinstance(value[0], int):
            return value[0]
        raise ModelFileError(f"Attribute {name!r} of {self.name or 'the file'!r} should be an integer.")


# ---------------------------------------------------------------------------------------------- opening
@contextmanager
def open_model_file(source: Any) -> Iterator[StoredGroup]:
    """The root group of a model file, for the length of a `with` block.

    # Arguments
        source: path, an open binary file, bytes, or an open `h5py.File` or `h5py.Group` (which stays open).

    # Raises
        FileNotFoundError: no such file.
        ModelFileError: not an HDF5 file, or a damaged one.
    """
    if isinstance(source, (str, os.PathLike)):
        path = os.path.expanduser(os.fspath(source))
        if os.path.isdir(path):
            raise ModelFileError(f"{path} is a directory; expected a model file in HDF5 format.")
        with open(path, "rb") as stream:
            yield _root(Source(stream), path)
    elif isinstance(source, (bytes, bytearray, memoryview)):
        yield _root(Source(source), "The data")
    elif hasattr(source, "id") and hasattr(source, "attrs") and hasattr(source, "file"):  # of h5py
        source.file.flush()
        root = _root(Source(source.file.id.get_file_image()), "The open file")
        yield root.group(source.name) if source.name != "/" else root
    elif hasattr(source, "read"):
        yield _root(Source(source.read()), "The open file")
    else:
        raise TypeError(f"Cannot read a model from {source!r}: expected a path, an open binary file, bytes or an "
                        "h5py.File.")


def _root(source: Source, name: str) -> StoredGroup:
    head = source.read(0, min(8, source.size))
    if not head:
        raise ModelFileError(f"{name} is not an HDF5 model file: it is empty.")
    if head[:2] == b"PK":
        raise ModelFileError(f"{name} is not an HDF5 model file but a zip archive (the .keras format is one). Save the "
                             "model as '.h5'.")
    if head != form.SIGNATURE and (source.size < 520 or source.read(512, 8) != form.SIGNATURE):
        raise ModelFileError(f"{name} is not an HDF5 model file: it does not begin as one does.")
    with _reporting(name):
        return StoredGroup(source, form.header_at(source, form.root_of(source)))
