"""Reading and adding to rows by number."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from symgraph.graph.node import Node
from symgraph.graph.type import INTEGERS, DimLike, Shape, TensorType, equal, maximum, minimum, size_of
from symgraph.ops import elementwise
from symgraph.ops.leaf import constant
from symgraph.ops.op import ShapeError, define
from symgraph.ops.shape import dims, expand, iota, reshape, slice_, transpose


def _infer_gather(x: TensorType, indices: TensorType) -> TensorType:
    if indices.dtype not in INTEGERS:
        raise TypeError(f"expected integer indices, got {indices}")
    if x.rank < 1:
        raise ShapeError("cannot gather rows of a scalar")
    return TensorType(x.dtype, (*indices.shape, *x.shape[1:]))


@define("gather", infer=_infer_gather, reads=("indices",), checks=True)
def gather(node, grad):
    """x[indices] along the first axis. An index out of range is an error on the CPU executors; negative ones count
    from the end."""
    x, indices = node.inputs
    return scatter_add(grad, indices, shape=x.shape), None


def _infer_scatter_add(values: TensorType, indices: TensorType, shape: Shape) -> TensorType:
    if indices.dtype not in INTEGERS:
        raise TypeError(f"expected integer indices, got {indices}")
    expected = (*indices.shape, *shape[1:])
    if len(expected) != values.rank or not all(equal(a, b) for a, b in zip(values.shape, expected, strict=True)):
        raise ShapeError(f"values {values} do not fit rows of {shape} chosen by {indices}")
    return TensorType(values.dtype, shape)


@define("scatter_add", infer=_infer_scatter_add, reads=("indices",))
def scatter_add(node, grad):
    """Zeros of `shape`, with each row of the values added to the row its index names (the gradient of gather)."""
    return gather(grad, node.inputs[1]), None


def one_hot(indices: Node, classes: int, dtype: str) -> Node:
    """Return 1 where the index along a new last axis equals the given index, else 0."""
    places = iota(shape=(classes,), axis=0, dtype="int64")
    wanted = expand(elementwise.cast(indices, "int64"), (indices.rank,))
    return elementwise.cast(elementwise.equal(wanted, places), dtype)


# ------------------------------------------------------------------------------------------- x[key], as in NumPy


def getitem(x: Node, key: Any) -> Node:
    """Return x[key] for integers, slices, None, Ellipsis, and arrays or tensors of integers.

    Raises:
        IndexError: too many indices, or an index out of range.
        TypeError: a boolean mask (its result would have a size that depends on values), or another kind of key.
    """
    entries = list(key) if isinstance(key, tuple) else [key]
    entries = [getattr(entry, "node", entry) for entry in entries]
    entries = [np.asarray(entry) if isinstance(entry, (list, np.ndarray)) else entry for entry in entries]
    used = sum(entry is not None and entry is not Ellipsis for entry in entries)
    if used > x.rank:
        raise IndexError(f"{used} indices for a tensor of {x.rank} dimensions, shape {x.tensor_type.static_shape}")
    at = next((k for k, entry in enumerate(entries) if entry is Ellipsis), len(entries))
    entries[at : at + 1] = [slice(None)] * (x.rank - used)

    starts: list[DimLike] = []
    sizes: list[DimLike] = []
    steps: list[int] = []
    shape: list[DimLike] = []
    advanced: dict[int, Node] = {}  # axis of the result of slicing -> indices
    axis = 0
    start: DimLike
    size: DimLike
    for entry in entries:
        if entry is None:
            shape.append(1)
            continue
        dim = x.shape[axis]
        if isinstance(entry, (Node, np.ndarray)):
            indices = entry if isinstance(entry, Node) else constant(entry)
            if indices.dtype not in INTEGERS:
                raise TypeError(f"index {axis} has the type {indices.dtype}: expected integers; for masks use K.switch")
            advanced[len(shape)] = indices
            start, size, step = 0, dim, 1
        elif isinstance(entry, slice):
            start, size, step = slice_bounds(entry, dim)
        elif isinstance(entry, (int, np.integer)) and not isinstance(entry, bool):
            start, size, step = _position(int(entry), dim, axis), 1, 1
        else:
            raise TypeError(f"cannot index a tensor with {type(entry).__name__} {entry!r}")
        starts.append(start)
        sizes.append(size)
        steps.append(step)
        if not isinstance(entry, (int, np.integer)):
            shape.append(size)
        axis += 1
    result = reshape(slice_(x, starts, tuple(sizes), steps), shape)
    return _take(result, advanced) if advanced else result


def _position(index: int, dim: DimLike, axis: int) -> DimLike:
    if isinstance(dim, int) and not -dim <= index < dim:
        raise IndexError(f"index {index} is out of range for axis {axis} of size {dim}")
    return index if index >= 0 else dim + index


def slice_bounds(entry: slice, dim: DimLike) -> tuple[DimLike, DimLike, int]:
    """Return (start, size, step) of a slice of an axis; bounds beyond the axis are cut, as in Python."""
    step = 1 if entry.step is None else operator.index(entry.step)
    if step == 0:
        raise ValueError("the step of a slice must not be 0")
    if isinstance(dim, int):
        first, last, step = entry.indices(dim)
        return first, len(range(first, last, step)), step

    def bound(value: Any, default: DimLike) -> DimLike:
        if value is None:
            return default
        number = operator.index(value)
        if number < 0:
            return maximum(0, dim + number) if number < -1 else dim + number
        return number if number in (0, 1) else minimum(number, dim)

    if step > 0:
        start, stop = bound(entry.start, 0), bound(entry.stop, dim)
        return start, (stop - start + step - 1) // step, step
    if entry.stop is not None or entry.start is not None:
        raise TypeError("a slice with a negative step over a size that is not known must be [::-step]")
    return dim - 1, (dim - step - 1) // -step, step


def _take(x: Node, advanced: dict[int, Node]) -> Node:
    """Index by arrays along one or more axes; they are broadcast together, as in NumPy."""
    axes = sorted(advanced)
    rest = [axis for axis in range(x.rank) if axis not in advanced]
    moved = transpose(x, (*axes, *rest))
    flat: Node | None = None
    for axis in axes:
        dim = (
            constant(x.shape[axis], "int64") if isinstance(x.shape[axis], int) else dims((x.shape[axis],), scalar=True)
        )
        index = elementwise.cast(advanced[axis], "int64")
        index = elementwise.where(elementwise.less(index, elementwise.zero(index)), index + dim, index)
        flat = index if flat is None else flat * dim + index
    assert flat is not None
    rows = reshape(moved, (size_of(x.shape[axis] for axis in axes), *(x.shape[axis] for axis in rest)))
    taken = gather(rows, flat)
    first = axes[0] if axes == list(range(axes[0], axes[0] + len(axes))) else 0
    order = (
        list(range(flat.rank, flat.rank + first)) + list(range(flat.rank)) + list(range(flat.rank + first, taken.rank))
    )
    return transpose(taken, order)
