"""Reading and adding to rows by number."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from symgraph.graph.node import Node
from symgraph.graph.traverse import topological_order
from symgraph.graph.type import (
    INTEGERS,
    DimLike,
    Shape,
    TensorType,
    TupleType,
    equal,
    maximum,
    minimum,
    size_of,
)
from symgraph.ops import elementwise
from symgraph.ops.leaf import constant
from symgraph.ops.op import Op, ShapeError, declare, define
from symgraph.ops.shape import concatenate, dims, expand, iota, reshape, slice_, transpose


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


# ---------------------------------------------------------------------------------------- rows that are used
#
# The gradient of a large table of which few rows were read is zero almost everywhere. `symgraph.compiler.rows` keeps it
# as the sums of those rows and a number for each row of the table that says where its sum is; these are its words.


def _infer_first_rows(indices: TensorType, rows: DimLike) -> TupleType:
    if indices.dtype not in INTEGERS:
        raise TypeError(f"expected integer indices, got {indices}")
    return TupleType((TensorType("int32", (rows,)), TensorType("int32", (indices.size,))))


#: Who names a row first: (slots, firsts). `slots[row]` is the number of the first entry of the indices that names the
#: row, or the number of entries where none does; `firsts[entry]` is the row that the entry is the first to name, or -1.
first_rows: Op = declare("first_rows", infer=_infer_first_rows, has_gradient=False, checks=True)


def _infer_sum_rows(values: TensorType, indices: TensorType, slots: TensorType) -> TensorType:
    if indices.dtype not in INTEGERS or slots.dtype not in INTEGERS or slots.rank != 1:
        raise TypeError(f"expected integer indices and a vector of slots, got {indices} and {slots}")
    if values.rank < indices.rank or any(not equal(a, b) for a, b in zip(values.shape, indices.shape)):
        raise ShapeError(f"values {values} do not have a row for each of the indices {indices}")
    return TensorType(values.dtype, (indices.size + 1, *values.shape[indices.rank :]))


#: The sum of the values of all entries that name the same row, in their order, at the place of the first of them; the
#: other places, and one more at the end, are zero. Reads indices that `first_rows` has checked, and its slots.
sum_rows: Op = declare("sum_rows", infer=_infer_sum_rows, has_gradient=False)


def _infer_rows_at(table: TensorType, slots: TensorType) -> TensorType:
    if slots.dtype not in INTEGERS:
        raise TypeError(f"expected integer slots, got {slots}")
    if slots.rank != table.rank or any(dim != 1 for dim in slots.shape[1:]):
        raise ShapeError(f"slots {slots} are not one number for each row of the result, beside a table {table}")
    return TensorType(table.dtype, (slots.shape[0], *table.shape[1:]))


#: table[slots[row]] at each row, for slots of shape (rows, 1, ...). The slots are the compiler's own: unchecked.
rows_at: Op = declare("rows_at", kind="generator", infer=_infer_rows_at, has_gradient=False)


def _infer_rows_used(indices: TensorType, rows: DimLike) -> TensorType:
    if indices.dtype not in INTEGERS:
        raise TypeError(f"expected integer indices, got {indices}")
    return TensorType("bool", (rows,))


#: Whether each row of a table is among the indices.
rows_used: Op = declare("rows_used", infer=_infer_rows_used, checks=True)


def joined_indices(parts: list[Node]) -> Node:
    """Return the indices of several lookups as one vector; those of one lookup as they are."""
    if len(parts) == 1:
        return parts[0]
    return concatenate([reshape(elementwise.cast(part, "int64"), (part.tensor_type.size,)) for part in parts], 0)


def lookups(outputs: list[Node], table: Node) -> list[Node] | None:
    """Return the indices with which `table` is read on the way to the outputs.

    Returns:
        One node of indices for each `gather`; None where the table is also read in another way (or not at all), so
        that every row of it may matter.
    """
    found = []
    for node in topological_order(outputs):
        if table not in node.inputs:
            continue
        if node.op is not gather or node.inputs[0] is not table:
            return None
        found.append(node.inputs[1])
    return found or None


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
