"""Data in HDF5 files, read batch by batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["HDF5Matrix"]


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
