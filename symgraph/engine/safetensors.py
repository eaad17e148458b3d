"""Weights in the safetensors format: names, element types, shapes and numbers, and nothing else.

The format is frozen and fits on a page - eight bytes of length, a JSON header, the numbers - so it is read and written
here, without a dependency, and with the checks that a hostile file calls for: every offset is inside the file, no two
arrays overlap, and each size agrees with its shape before anything is read.
Source: the format description of the safetensors project, https://github.com/huggingface/safetensors.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ml_dtypes
import numpy as np

from symgraph.engine.hdf5_reader import ModelFileError
from symgraph.engine.hdf5_writer import atomic_file

__all__ = ["StoredTensor", "open_tensors", "save_tensors"]

#: The format's own limit for the header.
MAX_HEADER = 100_000_000

_TYPES: dict[str, np.dtype] = {
    "F64": np.dtype("<f8"), "F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype(ml_dtypes.bfloat16),
    "I64": np.dtype("<i8"), "I32": np.dtype("<i4"), "I16": np.dtype("<i2"), "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"), "U32": np.dtype("<u4"), "U16": np.dtype("<u2"), "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
_NAMES = {dtype: name for name, dtype in _TYPES.items()}


class StoredTensor:
    """An array in a safetensors file, not yet read.

    # Attributes
        shape: its shape.
        dtype: its element type.
        size: the number of elements.
    """

    def __init__(self, stream: Any, start: int, dtype: np.dtype, shape: tuple[int, ...]):
        self._stream, self._start = stream, start
        self.dtype, self.shape, self.size = dtype, shape, math.prod(shape)

    def read(self) -> np.ndarray:
        """Read the numbers."""
        self._stream.seek(self._start)
        values = np.empty(self.size, self.dtype)
        if self.size and self._stream.readinto(values.view(np.uint8)) != values.nbytes:
            raise ModelFileError("The safetensors file ends too early.")
        return values.reshape(self.shape)


def save_tensors(path: Any, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> None:
    """Write arrays by name; an old file of that name is replaced as a whole or not at all.

    # Arguments
        path: name of the file.
        tensors: arrays by name.
        metadata: texts that go into the header.

    # Raises
        ValueError: an element type that the format does not have.
        OSError: the file cannot be written.
    """
    arrays = {name: np.ascontiguousarray(array).reshape(np.shape(array)) for name, array in tensors.items()}
    # The widest elements first: so each array is aligned to its element.
    order = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    position = 0
    for name in order:
        array = arrays[name] = arrays[name].astype(arrays[name].dtype.newbyteorder("<"), copy=False)
        if array.dtype not in _NAMES:
            raise ValueError(f"The safetensors format has no element type {array.dtype} (of {name!r}).")
        header[name] = {"dtype": _NAMES[array.dtype], "shape": list(array.shape),
                        "data_offsets": [position, position + array.nbytes]}
        position += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    with atomic_file(path) as stream:
        stream.write(len(text).to_bytes(8, "little"))
        stream.write(text)
        for name in order:
            stream.write(arrays[name].reshape(-1).view(np.uint8).data)


@contextmanager
def open_tensors(path: Any) -> Iterator[dict[str, StoredTensor]]:
    """The arrays of a file by name, for the length of a `with` block.

    # Raises
        ModelFileError: not a safetensors file, or a damaged one.
    """
    name = os.path.expanduser(os.fspath(path))
    with open(name, "rb") as stream:
        total = os.fstat(stream.fileno()).st_size
        length = int.from_bytes(stream.read(8), "little")
        if total < 8 or length > min(MAX_HEADER, total - 8):
            raise ModelFileError(f"{name} is not a safetensors file: it claims a header of {length} bytes and has "
                                 f"{total}.")
        try:
            header = json.loads(stream.read(length).decode("utf-8"))
            entries = sorted(((key, entry) for key, entry in header.items() if key != "__metadata__"),
                             key=lambda item: item[1]["data_offsets"])
            found, position = {}, 0
            for key, entry in entries:
                start, end = entry["data_offsets"]
                dtype, shape = _TYPES[entry["dtype"]], tuple(entry["shape"])
                if not all(type(size) is int and size >= 0 for size in (start, end, *shape)):
                    raise ValueError(f"{key!r} has a size that is no number")
                if start != position or end - start != math.prod(shape) * dtype.itemsize or 8 + length + end > total:
                    raise ValueError(f"{key!r} of shape {shape} does not lie where the header says")
                found[key] = StoredTensor(stream, 8 + length + start, dtype, shape)
                position = end
            if 8 + length + position != total:
                raise ValueError("the file is longer than its arrays")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ModelFileError(f"{name} is damaged: {error!r}.") from error
        yield found
