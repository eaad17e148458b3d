"""Data in HDF5 files: read batch by batch, written by name; and asking before a file is replaced."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

__all__ = ["H5Dict", "HDF5Matrix", "HDF5_OBJECT_HEADER_LIMIT", "ask_to_proceed_with_overwrite", "h5dict",
           "load_array", "load_from_binary_h5py", "save_array", "save_to_binary_h5py"]

#: The longest attribute in bytes: an object header of HDF5 holds 64 kB.
HDF5_OBJECT_HEADER_LIMIT = 64512


class HDF5Matrix:
    """Rows of an HDF5 dataset, as data for `fit`, `evaluate` and `predict`; only what is asked for is read.

    # Arguments
        datapath: the file.
        dataset: name of the dataset in it.
        start, end: the rows to use; default: all.
        normalizer: function that is called on each piece that was read, such as `lambda x: x / 255.0`.

    # Raises
        KeyError: there is no such dataset.
        ValueError: `start` and `end` are no part of the dataset.
    """

    def __init__(self, datapath: Any, dataset: str, start: int = 0, end: int | None = None,
                 normalizer: Callable | None = None):
        import h5py

        self.file = h5py.File(datapath, "r")
        if dataset not in self.file:
            raise KeyError(f"HDF5Matrix: {datapath} has no dataset {dataset!r}; it has {', '.join(self.file)}.")
        self.data = self.file[dataset]
        self.start = start
        self.end = self.data.shape[0] if end is None else end
        if not 0 <= self.start <= self.end <= self.data.shape[0]:
            raise ValueError(f"HDF5Matrix: rows {start} to {end} are not in {dataset!r}, which has "
                             f"{self.data.shape[0]} rows.")
        self.normalizer = normalizer
        #: Shape of a row and dtype, as the normalizer makes them.
        self._row: tuple = tuple(self.data.shape[1:])
        self._dtype = self.data.dtype
        if normalizer is not None and len(self):
            sample = np.asarray(normalizer(self.data[self.start:self.start + 1]))
            self._row, self._dtype = sample.shape[1:], sample.dtype

    def __len__(self) -> int:
        return self.end - self.start

    def __getitem__(self, key: Any) -> Any:
        """Rows by number, slice, or a list or array of numbers in any order."""
        count = len(self)
        if isinstance(key, slice):
            first, last, step = key.indices(count)
            if step > 0:
                values = self.data[slice(first + self.start, max(first, last) + self.start, step)]
            else:
                rows = np.arange(first, last, step)
                values = self.data[(rows + self.start)[::-1]][::-1]
        elif isinstance(key, (int, np.integer)):
            values = self.data[self._checked(np.asarray([key]))[0] + self.start]
        elif isinstance(key, (list, np.ndarray)):
            rows = np.asarray(key)
            if rows.dtype == bool:
                rows = np.flatnonzero(rows)
            # HDF5 wants increasing numbers, each once.
            distinct, places = np.unique(self._checked(rows), return_inverse=True)
            values = self.data[distinct + self.start][places.reshape(-1)]
        else:
            raise IndexError(f"HDF5Matrix: rows are chosen by numbers, a slice or a list, got {type(key).__name__}.")
        return values if self.normalizer is None else self.normalizer(values)

    def _checked(self, rows: np.ndarray) -> np.ndarray:
        count = len(self)
        if rows.size and (rows.min() < -count or rows.max() >= count):
            raise IndexError(f"HDF5Matrix: row {rows.max() if rows.max() >= count else rows.min()} of {count} rows.")
        return np.where(rows < 0, rows + count, rows).astype("int64")

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self[:], dtype=dtype)

    @property
    def shape(self) -> tuple:
        """The shape: number of rows, then that of a row."""
        return (len(self), *self._row)

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the numbers."""
        return self._dtype

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return int(np.prod(self.shape, dtype="int64"))


class H5Dict:
    """A file, a group of a file, or a dictionary, used as a dictionary of arrays, texts, numbers and such dictionaries.

    Arrays become datasets, other values attributes; a key that is not there yet makes a group. A list of texts that is
    too long for one attribute is stored in pieces.

    # Arguments
        path: name of a file, an open `h5py.File` or `h5py.Group`, or a dictionary.
        mode: of a file that is opened: 'r', 'a', 'w' ...

    # Raises
        TypeError: another kind of `path`.
    """

    def __init__(self, path: Any, mode: str = "a"):
        self.data: Any = path
        self._is_file = isinstance(path, (str, os.PathLike))
        self.read_only = self._is_file and mode == "r"
        if self._is_file:
            import h5py

            self.data = h5py.File(path, mode=mode)
        elif isinstance(path, dict):
            self.data["_is_group"] = True
        elif not self.is_supported_type(path):
            raise TypeError(f"Required Group, str or dict. Received: {type(path)}.")
        else:
            self.read_only = path.file.mode == "r"

    @staticmethod
    def is_supported_type(path: Any) -> bool:
        """Whether `H5Dict(path)` is possible."""
        if isinstance(path, (str, os.PathLike, dict)):
            return True
        return hasattr(path, "create_group") and hasattr(path, "attrs")  # of h5py

    def __setitem__(self, attr: Any, val: Any) -> None:
        if self.read_only:
            raise ValueError("Cannot set item in read-only mode.")
        attr = _text(attr)
        if isinstance(self.data, dict):
            self.data[attr] = val.copy() if isinstance(val, np.ndarray) else val
            return
        if attr in self.data:
            raise KeyError(f'Cannot set attribute. Group with name "{attr}" exists.')
        if isinstance(val, (np.ndarray, np.generic)):
            self.data.create_dataset(attr, data=val)
        elif isinstance(val, (list, tuple)) and any(isinstance(item, (str, bytes)) for item in val):
            _write_texts(self.data, attr, [_text(item) for item in val])
        else:
            self.data.attrs[attr] = val

    def __getitem__(self, attr: Any) -> Any:
        attr = _text(attr)
        found, value = self._find(attr)
        if found:
            return value
        if self.read_only:
            raise ValueError("Cannot create group in read-only mode.")
        return H5Dict(self.data.setdefault(attr, {}) if isinstance(self.data, dict) else self.data.create_group(attr))

    def _find(self, attr: str) -> tuple[bool, Any]:
        """Whether there is something under a name, and what."""
        data = self.data
        if isinstance(data, dict):
            value = data.get(attr)
            return attr in data, H5Dict(value) if isinstance(value, dict) and value.get("_is_group") else value
        if attr in data.attrs:
            value = data.attrs[attr]
            is_text = isinstance(value, np.ndarray) and value.dtype.kind in "SO"
            return True, value.tolist() if is_text else value
        if attr in data:
            value = data[attr]
            return True, H5Dict(value) if hasattr(value, "keys") else np.asarray(value)
        pieces: list[list] = []
        while f"{attr}{len(pieces)}" in data.attrs:
            pieces.append(data.attrs[f"{attr}{len(pieces)}"].tolist())
        return bool(pieces), [item for piece in pieces for item in piece]

    def _keys(self) -> list[str]:
        return [key for key in self.data if key != "_is_group"]

    def __len__(self) -> int:
        return len(self._keys())

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys())

    def iter(self) -> Iterator[str]:
        """The names of groups and arrays."""
        return iter(self)

    def __getattr__(self, attr: str) -> Any:
        if attr == "data":  # not made yet
            raise AttributeError(attr)
        return getattr(self.data, attr)

    def __contains__(self, key: Any) -> bool:
        return self._find(_text(key))[0]

    def get(self, key: Any, default: Any = None) -> Any:
        """What stands under a key, or `default`."""
        found, value = self._find(_text(key))
        return value if found else default

    def update(self, *args: Any) -> None:
        """Not possible: which values become groups would be a guess."""
        raise NotImplementedError("H5Dict has no `update`: set each item by its name.")

    def close(self) -> None:
        """Close the file, if it was opened here."""
        if self._is_file:
            self.data.close()

    def __enter__(self) -> H5Dict:
        return self

    def __exit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        self.close()


h5dict = H5Dict


def _text(key: Any) -> str:
    return key.decode("utf-8") if isinstance(key, bytes) else key


def _write_texts(group: Any, name: str, texts: list[str]) -> None:
    """Store texts under a name, in pieces `name0`, `name1`, ... where they are too long for one attribute."""
    from symgraph.engine.hdf5_writer import write_names  # here: the engine reads data with this module's help

    longest = max(len(text.encode("utf-8")) for text in texts)
    if longest > HDF5_OBJECT_HEADER_LIMIT:
        raise RuntimeError(f"The following attributes cannot be saved to HDF5 file because they are larger than "
                           f"{HDF5_OBJECT_HEADER_LIMIT} bytes: {name} (one text has {longest} bytes).")
    write_names(group, name, texts)


def ask_to_proceed_with_overwrite(filepath: Any) -> bool:
    """Ask the user whether a file may be replaced.

    # Raises
        FileExistsError: nobody can be asked.
    """
    question = f"[WARNING] {os.fspath(filepath)} already exists - overwrite? [y/n]"
    try:
        answer = input(question).strip().lower()
        while answer not in {"y", "n"}:
            answer = input('Enter "y" (overwrite) or "n" (cancel).').strip().lower()
    except (EOFError, OSError):
        raise FileExistsError(f"{os.fspath(filepath)} exists already. Pass overwrite=True to replace it.") from None
    if answer == "y":
        print("[TIP] Next time specify overwrite=True!")
    return answer == "y"


def load_from_binary_h5py(load_function: Callable, stream: Any) -> Any:
    """What a function gives for the open `h5py.File` that a binary stream holds."""
    import h5py

    with h5py.File(io.BytesIO(stream.read()), "r") as file:
        return load_function(file)


def save_to_binary_h5py(save_function: Callable, stream: Any) -> None:
    """Write to a binary stream the file that a function fills: it is called with an open `h5py.File`."""
    from symgraph.engine.hdf5_writer import hdf5_target  # here: the engine reads data with this module's help

    if not hasattr(stream, "write"):
        raise TypeError(f"save_to_binary_h5py: expected an open binary file, got {type(stream).__name__}.")
    with hdf5_target(stream) as file:
        save_function(file)


def save_array(array: Any, name: Any) -> None:
    """Write an array to an HDF5 file, under the name 'data'."""
    import h5py

    with h5py.File(name, "w") as file:
        file.create_dataset("data", data=np.asarray(array))


def load_array(name: Any) -> np.ndarray:
    """The array that `save_array` wrote."""
    import h5py

    with h5py.File(name, "r") as file:
        if "data" not in file:
            raise KeyError(f"{name} has no array 'data'; it has {', '.join(file)}.")
        return file["data"][()]
