"""Shapes: the same elements in another arrangement. Most of these are views and move nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from symgraph.graph.node import Node
from symgraph.graph.type import DimLike, Shape, TensorType, broadcast_dims, equal, require_size, size_of
from symgraph.ops.leaf import constant
from symgraph.ops.op import Op, ShapeError, declare, define, static

if TYPE_CHECKING:
    from symgraph.compiler.program import View


# ------------------------------------------------------------------------------------------------------- reshape


def _infer_reshape(x: TensorType, shape: Shape) -> TensorType:
    if not equal(x.size, size_of(shape)):
        new = TensorType(x.dtype, shape).static_shape
        raise ShapeError(
            f"cannot reshape {x.static_shape} to {new}: {x.size} elements do not fit into {size_of(shape)}"
        )
    return TensorType(x.dtype, shape)


def _view_reshape(view: View, shape: Shape) -> View | None:
    if view.is_contiguous:
        return view.contiguous_as(shape)
    kept = [(dim, stride) for dim, stride in zip(view.shape, view.strides, strict=True) if dim != 1]
    if [dim for dim, _ in kept] != [dim for dim in shape if dim != 1]:
        return None
    strides = iter(kept)
    return view.with_layout(shape, tuple(0 if dim == 1 else next(strides)[1] for dim in shape))


@define("reshape", kind="view", infer=_infer_reshape, view=_view_reshape)
def reshape_op(node, grad):
    return (reshape(grad, node.inputs[0].shape),)


def reshape(x: Node, shape: Iterable[DimLike]) -> Node:
    """Return x with another shape; one size may be -1 and is then computed from the others."""
    wanted = tuple(shape)
    unknown = [axis for axis, dim in enumerate(wanted) if isinstance(dim, int) and dim < 0]
    if len(unknown) > 1 or any(wanted[axis] != -1 for axis in unknown):
        raise ShapeError(f"cannot reshape to {wanted}: at most one size may be -1, none may be another negative number")
    if unknown:
        rest = size_of(dim for axis, dim in enumerate(wanted) if axis != unknown[0])
        size = x.tensor_type.size
        if isinstance(size, int) and isinstance(rest, int) and (rest == 0 or size % rest):
            old = x.tensor_type.static_shape
            raise ShapeError(f"cannot reshape {old} to {wanted}: {size} is no multiple of {rest}")
        wanted = (*wanted[: unknown[0]], size // rest, *wanted[unknown[0] + 1 :])
    if wanted == x.shape:
        return x
    return reshape_op(x, shape=wanted)


def expand(x: Node, axes: Iterable[int]) -> Node:
    """Insert axes of size 1 at these places of the result."""
    shape = list(x.shape)
    for axis in sorted(axes):
        shape.insert(axis, 1)
    return reshape(x, shape)


def squeeze(x: Node, axis: int) -> Node:
    """Drop an axis of size 1."""
    if not equal(x.shape[axis], 1):
        raise ShapeError(f"cannot squeeze axis {axis} of shape {x.tensor_type.static_shape}: its size is not 1")
    return reshape(x, (*x.shape[:axis], *x.shape[axis + 1 :]))


# ----------------------------------------------------------------------------------------------------- transpose


def _infer_transpose(x: TensorType, axes: tuple[int, ...]) -> TensorType:
    if sorted(axes) != list(range(x.rank)):
        raise ShapeError(f"cannot permute the axes of {x.static_shape} by {axes}: each of 0..{x.rank - 1} once")
    return TensorType(x.dtype, tuple(x.shape[axis] for axis in axes))


def _view_transpose(view: View, axes: tuple[int, ...]) -> View:
    return view.with_layout(tuple(view.shape[axis] for axis in axes), tuple(view.strides[axis] for axis in axes))


@define("transpose", kind="view", infer=_infer_transpose, view=_view_transpose)
def transpose_op(node, grad):
    axes = node.attrs["axes"]
    return (transpose(grad, tuple(axes.index(axis) for axis in range(len(axes)))),)


def transpose(x: Node, axes: Sequence[int] | None = None) -> Node:
    """Permute the axes; without axes, reverse them."""
    order = tuple(range(x.rank))[::-1] if axes is None else tuple(int(axis) % x.rank for axis in axes)
    return x if order == tuple(range(x.rank)) else transpose_op(x, axes=order)


# ----------------------------------------------------------------------------------------------------- broadcast


def _infer_broadcast(x: TensorType, shape: Shape) -> TensorType:
    if x.rank > len(shape) or any(
        broadcast_dims(dim, target) is None or (target == 1 and dim != 1)
        for dim, target in zip(x.shape, shape[len(shape) - x.rank :], strict=True)
    ):
        raise ShapeError(f"cannot broadcast {x.static_shape} to {TensorType(x.dtype, shape).static_shape}")
    return TensorType(x.dtype, shape)


def _view_broadcast(view: View, shape: Shape) -> View:
    return view.broadcast_to(shape)


@define("broadcast_to", kind="view", infer=_infer_broadcast, view=_view_broadcast)
def broadcast_op(node, grad):
    from symgraph.ops.reduction import sum_to

    return (sum_to(grad, node.inputs[0].shape),)


def broadcast_to(x: Node, shape: Shape) -> Node:
    """Repeat x, without copying, to a shape it broadcasts to."""
    return x if x.shape == shape else broadcast_op(x, shape=shape)


def full(shape: Shape, value: float, dtype: str) -> Node:
    """Return an array of one value."""
    return broadcast_to(constant(value, dtype), shape)


def _view_assume(view: View, shape: Shape) -> View:
    return view.with_layout(shape, view.strides)


#: The compiler's note that sizes have turned out to be these (see `symgraph.compiler.specialise`).
assume = declare(
    "assume", kind="view", infer=lambda x, shape: TensorType(x.dtype, shape), view=_view_assume, has_gradient=False
)

# --------------------------------------------------------------------------------------------------------- slice


def _infer_slice(x: TensorType, starts: tuple[DimLike, ...], sizes: Shape, steps: tuple[int, ...]) -> TensorType:
    for axis, (start, size, step, dim) in enumerate(zip(starts, sizes, steps, x.shape, strict=True)):
        if all(isinstance(number, int) for number in (start, size, dim)) and size:
            last = start + (size - 1) * step  # type: ignore[operator]
            if not (0 <= start < dim and 0 <= last < dim):  # type: ignore[operator]
                raise ShapeError(f"slice {start}, size {size}, step {step} leaves axis {axis} of {x.static_shape}")
        require_size(size)
    return TensorType(x.dtype, sizes)


def _view_slice(view: View, starts: tuple[DimLike, ...], sizes: Shape, steps: tuple[int, ...]) -> View:
    offset = view.offset
    for start, stride in zip(starts, view.strides, strict=True):
        offset = offset + start * stride
    strides = tuple(stride * step for stride, step in zip(view.strides, steps, strict=True))
    return view.with_layout(sizes, strides, offset)


@define("slice", kind="view", infer=_infer_slice, view=_view_slice)
def slice_op(node, grad):
    starts, steps = node.attrs["starts"], node.attrs["steps"]
    return (embed(grad, node.inputs[0].shape, starts, steps),)


def slice_(x: Node, starts: Sequence[DimLike], sizes: Shape, steps: Sequence[int] | None = None) -> Node:
    """Return sizes[k] elements of axis k, from starts[k] on, steps[k] apart (steps may be negative)."""
    steps = tuple(steps or (1,) * x.rank)
    if tuple(sizes) == x.shape and all(start == 0 for start in starts) and all(step == 1 for step in steps):
        return x
    return slice_op(x, starts=tuple(starts), sizes=tuple(sizes), steps=steps)


def slice_axis(x: Node, axis: int, start: DimLike, size: DimLike, step: int = 1) -> Node:
    """Slice along one axis."""
    starts: list[DimLike] = [0] * x.rank
    sizes, steps = list(x.shape), [1] * x.rank
    starts[axis], sizes[axis], steps[axis] = start, size, step
    return slice_(x, starts, tuple(sizes), steps)


def reverse(x: Node, axes: Iterable[int]) -> Node:
    """Reverse the order along axes."""
    for axis in axes:
        x = slice_axis(x, axis, x.shape[axis] - 1, x.shape[axis], -1)
    return x


def is_reversed(node: Node) -> bool:
    """Return whether a node is another with its first axis from the end to the beginning."""
    if node.op is not slice_op or node.rank == 0 or node.shape != node.inputs[0].shape:
        return False
    places = zip(node.attrs["starts"], node.attrs["steps"], strict=True)
    return next(places) == (node.shape[0] - 1, -1) and all(place == (0, 1) for place in places)


def _infer_embed(
    x: TensorType, shape: Shape, starts: tuple[DimLike, ...], steps: tuple[int, ...], value: float
) -> TensorType:
    if len(shape) != x.rank:
        raise ShapeError(f"cannot place {x.static_shape} into an array of {len(shape)} dimensions")
    return TensorType(x.dtype, shape)


@define("embed", kind="structure", infer=_infer_embed)
def embed_op(node, grad):
    return (slice_(grad, node.attrs["starts"], node.inputs[0].shape, node.attrs["steps"]),)


def embed(x: Node, shape: Shape, starts: Sequence[DimLike], steps: Sequence[int], value: float = 0.0) -> Node:
    """Return an array of `shape` filled with `value`, with x in the place that `slice_` would read."""
    return embed_op(x, shape=shape, starts=tuple(starts), steps=tuple(steps), value=value)


def pad(x: Node, padding: Sequence[tuple[DimLike, DimLike]], value: float = 0.0) -> Node:
    """Add padding[k] = (before, after) elements of one value around axis k."""
    if all(before == 0 and after == 0 for before, after in padding):
        return x
    shape = tuple(before + dim + after for (before, after), dim in zip(padding, x.shape, strict=True))
    return embed(x, shape, [before for before, _ in padding], [1] * x.rank, value)


# --------------------------------------------------------------------------------------------------- concatenate


def _infer_concatenate(*types: TensorType, axis: int) -> TensorType:
    first = types[0]
    if not 0 <= axis < first.rank:
        raise ShapeError(f"cannot concatenate along axis {axis} of {first.static_shape}")
    total: DimLike = 0
    for type in types:
        others = [k for k in range(first.rank) if k != axis]
        if type.rank != first.rank or not all(equal(type.shape[k], first.shape[k]) for k in others):
            shapes = ", ".join(str(each.static_shape) for each in types)
            raise ShapeError(f"cannot concatenate along axis {axis}: the other sizes of {shapes} differ")
        if type.dtype != first.dtype:
            raise TypeError(f"cannot concatenate different element types: {static(types)}")
        total = total + type.shape[axis]
    return TensorType(first.dtype, (*first.shape[:axis], total, *first.shape[axis + 1 :]))


@define("concatenate", kind="structure", infer=_infer_concatenate)
def concatenate_op(node, grad):
    axis, start, parts = node.attrs["axis"], 0, []
    for part in node.inputs:
        parts.append(slice_axis(grad, axis, start, part.shape[axis]))
        start = start + part.shape[axis]
    return tuple(parts)


def concatenate(parts: Sequence[Node], axis: int) -> Node:
    """Join arrays along an axis."""
    return parts[0] if len(parts) == 1 else concatenate_op(*parts, axis=axis % max(parts[0].rank, 1))


def stack(parts: Sequence[Node], axis: int = 0) -> Node:
    """Join arrays along a new axis."""
    return concatenate([expand(part, (axis,)) for part in parts], axis)


# --------------------------------------------------------------------------------------------- values from places


def _infer_iota(shape: Shape, axis: int, dtype: str) -> TensorType:
    return TensorType(dtype, shape)


#: The index along an axis at each place.
iota: Op = declare("iota", kind="generator", infer=_infer_iota)

#: A size as a number in the graph.
dim_value: Op = declare("dim_value", kind="generator", infer=lambda size: TensorType("int64", ()))


def dims(sizes: Shape, scalar: bool = False) -> Node:
    """Return sizes as an int64 vector, or as a scalar when there is one and `scalar` is set."""
    values = [constant(size, "int64") if isinstance(size, int) else dim_value(size=size) for size in sizes]
    if scalar:
        (value,) = values
        return value
    return stack(values) if values else constant([], "int64")
