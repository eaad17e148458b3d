"""The one reader of HDF5 model files. A file is treated as hostile input.

What it refuses: links that are not plain (external and soft links lead into other files or in circles), datasets whose
numbers lie outside the file (virtual datasets, external storage), element types other than numbers, compression filters
other than the common ones, and anything larger than the caller said to expect. Names are followed one component at a
time, so that nothing is opened that a file merely points to. No part of a file is ever executed.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np

__all__ = ["ModelFileError", "StoredArray", "StoredGroup", "open_model_file"]

#: The longest text an attribute may hold (a model's configuration), and the most names.
MAX_TEXT = 256 * 2**20
MAX_NAMES = 1_000_000

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF}
_LAYOUTS = {h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED}
#: What h5py raises for a file that it cannot read; all of it is reported as one kind of error.
_LIBRARY_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, AttributeError, MemoryError,
                   SystemError, NotImplementedError, EOFError, IndexError)


class ModelFileError(OSError, ValueError):
    """A model file that is damaged, hostile, or not of a known format."""


@contextmanager
def _reporting(what: str) -> Iterator[None]:
    """Report what the library says of a damaged file as a `ModelFileError`."""
    try:
        yield
    except ModelFileError:
        raise
    except _LIBRARY_ERRORS as error:
        reason = str(error).strip().strip("'\"").splitlines()
        raise ModelFileError(f"{what}: the file is damaged or not of this format ({reason[0] if reason else error!r})."
                             ) from error


class StoredArray:
    """An array in a file, not yet read.

    # Attributes
        name: its full name in the file.
        shape: its shape.
        dtype: its element type.
    """

    def __init__(self, name: str, dataset: Any):
        self.name = name
        self._dataset = dataset
        with _reporting(f"Dataset {name!r}"):
            self.shape: tuple[int, ...] = tuple(int(size) for size in dataset.shape)
            self.dtype = self._element_type()
            self._check_storage()

    @property
    def size(self) -> int:
        """The number of elements, by what the file says."""
        count = 1
        for length in self.shape:
            count *= length
        return count

    def _element_type(self) -> np.dtype:
        kind = self._dataset.get_type().get_class()
        if kind not in (h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.ENUM):
            raise ModelFileError(f"Dataset {self.name!r} holds elements that are not numbers; a weight must be an array "
                                 "of integers or floats.")
        dtype = self._dataset.dtype
        if dtype.hasobject or dtype.kind not in "biuf" or dtype.itemsize > 16:
            raise ModelFileError(f"Dataset {self.name!r} has the element type {dtype}, which no weight has.")
        return dtype

    def _check_storage(self) -> None:
        properties = self._dataset.get_create_plist()
        if properties.get_layout() not in _LAYOUTS:
            raise ModelFileError(f"Dataset {self.name!r} is virtual: it would read other files. Refused.")
        if properties.get_external_count():
            raise ModelFileError(f"Dataset {self.name!r} keeps its numbers in another file. Refused.")
        for index in range(properties.get_nfilters()):
            if properties.get_filter(index)[0] not in _FILTERS:
                raise ModelFileError(f"Dataset {self.name!r} uses a compression filter other than gzip, lzf, shuffle and "
                                     "fletcher32. Refused: such a filter is code from a plug-in.")
        if properties.get_layout() != h5py.h5d.CHUNKED:
            stored, wanted = self._dataset.get_storage_size(), self.size * self.dtype.itemsize
            if stored != wanted:
                raise ModelFileError(f"Dataset {self.name!r} claims the shape {self.shape}, {wanted} bytes, but the file "
                                     f"holds {stored} bytes for it.")

    def read(self, shape: tuple[int, ...] | None = None, limit: int | None = None) -> np.ndarray:
        """Read the numbers.

        # Arguments
            shape: the shape that is expected; checked before anything is read.
            limit: the most elements that are expected, where the shape may differ.

        # Raises
            ModelFileError: another shape, too many elements, or a damaged file.
        """
        if shape is not None and tuple(shape) != self.shape:
            raise ModelFileError(f"Dataset {self.name!r} has shape {self.shape}, expected {tuple(shape)}.")
        if limit is not None and self.size > limit:
            raise ModelFileError(f"Dataset {self.name!r} has shape {self.shape}: {self.size} elements, where at most "
                                 f"{limit} are expected.")
        if shape is None and limit is None:
            raise TypeError("StoredArray.read: say what is expected: `shape` or `limit`.")
        with _reporting(f"Dataset {self.name!r}"):
            values = np.empty(self.shape, self.dtype)
            if values.size:
                self._dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
        return values

    def __repr__(self) -> str:
        return f"<StoredArray {self.name} {self.shape} {self.dtype}>"


class StoredGroup:
    """A group of a file: its attributes, its groups and its arrays.

    # Arguments
        group: the h5py group.
        name: its full name, for messages.
    """

    def __init__(self, group: Any, name: str = ""):
        self._group = group
        self.name = name

    # ------------------------------------------------------------------------------------------ members
    def _child(self, path: str) -> Any:
        """The object at a path, followed link by link; None where there is none."""
        current = self._group.id
        for part in path.split("/"):
            if part in ("", "."):
                continue
            key = part.encode("utf-8", "surrogateescape")
            with _reporting(f"Group {self.name or '/'!r}"):
                if not isinstance(current, h5py.h5g.GroupID) or not current.links.exists(key):
                    return None
                kind = current.links.get_info(key).type
                if kind != h5py.h5l.TYPE_HARD:
                    word = {h5py.h5l.TYPE_SOFT: "a soft", h5py.h5l.TYPE_EXTERNAL: "an external"}.get(kind, "a user-defined")
                    raise ModelFileError(f"{self._full(path)!r} in the file is {word} link. Refused: a model file holds "
                                         "its own groups and arrays only.")
                current = h5py.h5o.open(current, key)
        return current

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
        if not isinstance(found, h5py.h5g.GroupID):
            raise ModelFileError(f"The file has no group {self._full(path)!r}.")
        return StoredGroup(h5py.Group(found), self._full(path))

    def array(self, path: str) -> StoredArray:
        """The array at a path below this group.

        # Raises
            ModelFileError: there is none, or it is not a plain array of numbers.
        """
        found = self._child(path)
        if not isinstance(found, h5py.h5d.DatasetID):
            raise ModelFileError(f"The file has no array {self._full(path)!r}.")
        return StoredArray(self._full(path), found)

    # ------------------------------------------------------------------------------------------ attributes
    def _attribute(self, name: str) -> Any:
        """The value of an attribute: a number, bytes, str, or a list of them; None where there is none."""
        with _reporting(f"Attribute {name!r} of {self.name or 'the file'!r}"):
            key = name.encode("utf-8")
            if not h5py.h5a.exists(self._group.id, key):
                return None
            attribute = h5py.h5a.open(self._group.id, key)
            kind = attribute.get_type().get_class()
            if kind not in (h5py.h5t.STRING, h5py.h5t.INTEGER, h5py.h5t.FLOAT):
                raise ModelFileError(f"Attribute {name!r} of {self.name or 'the file'!r} is neither text nor a number.")
            count = 1
            for length in attribute.shape:
                count *= int(length)
            width = attribute.get_type().get_size()
            if count > MAX_NAMES or count * width > MAX_TEXT:
                raise ModelFileError(f"Attribute {name!r} of {self.name or 'the file'!r} claims {count} values of {width} "
                                     "bytes: too many.")
            value = self._group.attrs[name]
        return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value

    def text(self, name: str) -> str | None:
        """An attribute that holds one text, None where there is none; bytes and str are the same to it."""
        value = self._attribute(name)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, bytes):
            with _reporting(f"Attribute {name!r} of {self.name or 'the file'!r}"):
                return value.decode("utf-8")
        raise ModelFileError(f"Attribute {name!r} of {self.name or 'the file'!r} should be a text.")

    def names(self, name: str) -> list[str] | None:
        """An attribute that holds a list of names, None where there is none.

        A list too long for one attribute is stored in pieces `name0`, `name1`, ...
        """
        value = self._attribute(name)
        if value is None:
            pieces: list = []
            while (piece := self._attribute(f"{name}{len(pieces)}")) is not None:
                pieces.append(piece if isinstance(piece, list) else [piece])
            if not pieces:
                return None
            value = [item for piece in pieces for item in piece]
        items = value if isinstance(value, list) else [value]
        found = []
        for item in items:
            if isinstance(item, bytes):
                with _reporting(f"Attribute {name!r} of {self.name or 'the file'!r}"):
                    item = item.decode("utf-8")
            if not isinstance(item, str):
                raise ModelFileError(f"Attribute {name!r} of {self.name or 'the file'!r} should be a list of names.")
            found.append(item)
        return found

    def number(self, name: str) -> int | None:
        """An attribute that holds one integer, None where there is none."""
        value = self._attribute(name)
        if value is None or isinstance(value, int):
            return value
        raise ModelFileError(f"Attribute {name!r} of {self.name or 'the file'!r} should be an integer.")


@contextmanager
def open_model_file(source: Any) -> Iterator[StoredGroup]:
    """The root group of a model file, for the length of a `with` block.

    # Arguments
        source: path, an open binary file, bytes, or an open `h5py.File` or `h5py.Group` (which stays open).

    # Raises
        FileNotFoundError: no such file.
        ModelFileError: not an HDF5 file, or a damaged one.
    """
    if isinstance(source, h5py.Group):
        yield StoredGroup(source)
        return
    if isinstance(source, (bytes, bytearray, memoryview)):
        source = io.BytesIO(source)
    if isinstance(source, (str, os.PathLike)):
        path = os.path.expanduser(os.fspath(source))
        if os.path.isdir(path):
            raise ModelFileError(f"{path} is a directory; expected a model file in HDF5 format.")
        with open(path, "rb") as stream, _opened(stream, path) as root:
            yield root
    elif hasattr(source, "read"):
        with _opened(io.BytesIO(source.read()), "The open file") as root:
            yield root
    else:
        raise TypeError(f"Cannot read a model from {source!r}: expected a path, an open binary file, bytes or an "
                        "h5py.File.")


@contextmanager
def _opened(stream: Any, name: str) -> Iterator[StoredGroup]:
    head = stream.read(8)
    if head != _SIGNATURE:
        stream.seek(512)  # a user block may stand before the signature
        head = head if not head else stream.read(8)
    if head != _SIGNATURE:
        what = "is empty" if not head else "does not begin as an HDF5 file does"
        raise ModelFileError(f"{name} is not an HDF5 model file: it {what}."
                             + (" It is a zip archive: the .keras format is another one."
                                if _begins_with(stream, b"PK") else ""))
    stream.seek(0)
    with _reporting(name):
        file = h5py.File(stream, "r")
    try:
        yield StoredGroup(file)
    finally:
        file.close()


def _begins_with(stream: Any, text: bytes) -> bool:
    stream.seek(0)
    return stream.read(len(text)) == text
