"""Reads the files of data sets: NumPy archives, pickles and IDX files, none of which can run code here.

The published files hold lists in object arrays, and pickles of Python 2. A pickle may name any function to be called;
here only those that put arrays together are known, and any other name is an error.
"""

from __future__ import annotations

import codecs
import gzip
import io
import pickle
import zipfile
from typing import Any

import numpy as np

__all__ = ["load_idx", "load_npz", "load_pickle"]


def _parts() -> dict[tuple[str, str], Any]:
    """What arrays are made of in pickles: (module, name) -> object."""
    reconstruct = np.empty(0).__reduce__()[0]
    scalar = np.float64(0).__reduce__()[0]
    found: dict[tuple[str, str], Any] = {("_codecs", "encode"): codecs.encode}
    for module in ("numpy", "numpy.core.multiarray", "numpy._core.multiarray"):
        found |= {(module, "_reconstruct"): reconstruct, (module, "scalar"): scalar, (module, "ndarray"): np.ndarray,
                  (module, "dtype"): np.dtype}
    return found


class _ArraysOnly(pickle.Unpickler):
    """Builds numbers, texts, lists, dictionaries and arrays; knows no other names."""

    known = _parts()

    def find_class(self, module: str, name: str) -> Any:
        """The object of a name, if it is one of arrays."""
        try:
            return self.known[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"the pickle asks for {module}.{name}; a data set holds numbers, texts, lists and arrays only. This is "
                "not the published file: delete it and load again."
            ) from None


def load_pickle(path: Any, encoding: str = "bytes") -> Any:
    """What a pickle (compressed with gzip, if its name says so) holds.

    # Raises
        pickle.UnpicklingError: it asks for something else than numbers, texts, lists and arrays, or is damaged.
    """
    with (gzip.open(path, "rb") if str(path).endswith(".gz") else open(path, "rb")) as file:
        return _ArraysOnly(file, encoding=encoding).load()


def load_npz(path: Any, *names: str) -> list[np.ndarray]:
    """Arrays of a NumPy archive, also those of Python lists.

    # Raises
        KeyError: the archive has no array of that name.
    """
    arrays = []
    with zipfile.ZipFile(path) as archive:
        known = archive.namelist()
        for name in names:
            if f"{name}.npy" not in known:
                raise KeyError(f"{path} has no array {name!r}; it has {', '.join(known)}.")
            arrays.append(_array(archive.read(f"{name}.npy")))
    return arrays


def _array(data: bytes) -> np.ndarray:
    """An array in NumPy's file format."""
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if not dtype.hasobject:
        file.seek(0)
        return np.lib.format.read_array(file, allow_pickle=False)
    values = _ArraysOnly(file, encoding="latin1").load()
    return np.asarray(values, dtype=object).reshape(shape) if np.shape(values) != shape else values


def load_idx(path: Any) -> np.ndarray:
    """An array of bytes in the IDX format of MNIST's authors, compressed with gzip.

    # Raises
        ValueError: it is not of that format, or not whole.
    """
    with gzip.open(path, "rb") as file:
        data = file.read()
    rank = data[3] if data[:3] == b"\0\0\x08" else -1
    shape = np.frombuffer(data, ">i4", rank, 4).astype(int) if 0 < rank <= (len(data) - 4) // 4 else np.zeros(0, int)
    if rank < 1 or shape.prod() != len(data) - 4 - 4 * rank:
        raise ValueError(f"{path} is no whole IDX file of bytes: delete it and load again.")
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)
