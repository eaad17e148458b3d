"""Reading and adding to rows in NumPy."""

from __future__ import annotations

import numpy as np

from symgraph.backends.reference.table import register


def _checked(indices: np.ndarray, rows: int) -> np.ndarray:
    """Return indices counted from the start, or complain about the first that is out of range."""
    indices = indices.astype(np.int64)
    wrong = (indices < -rows) | (indices >= rows)
    if wrong.any():
        raise IndexError(f"index {indices[wrong].flat[0]} is out of range for {rows} rows")
    return np.where(indices < 0, indices + rows, indices)


@register("gather")
def gather(attrs, x, indices):
    return x[_checked(indices, x.shape[0])]


@register("scatter_add")
def scatter_add(attrs, values, indices):
    result = np.zeros(attrs["shape"], np.float32 if values.dtype.itemsize == 2 else values.dtype)
    np.add.at(result, _checked(indices, result.shape[0]), values)
    return result.astype(values.dtype)


@register("first_rows")
def first_rows(attrs, indices):
    flat = _checked(indices, attrs["rows"]).reshape(-1)
    named, places = np.unique(flat, return_index=True)
    slots = np.full(attrs["rows"], flat.size, np.int32)
    slots[named] = places
    firsts = np.full(flat.size, -1, np.int32)
    firsts[places] = named
    return slots, firsts


@register("sum_rows")
def sum_rows(attrs, values, indices, slots):
    width = values.shape[indices.ndim :]
    wide = np.float32 if values.dtype.itemsize == 2 else values.dtype
    result = np.zeros((indices.size + 1, *width), wide)
    np.add.at(result, slots[_checked(indices, slots.size).reshape(-1)], values.reshape((indices.size, *width)))
    return result.astype(values.dtype)


@register("rows_used")
def rows_used(attrs, indices):
    result = np.zeros(attrs["rows"], bool)
    result[_checked(indices, attrs["rows"])] = True
    return result
