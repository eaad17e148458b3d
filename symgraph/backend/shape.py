"""Shapes, joining, padding, indexing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph.backend.creation import is_sparse, marked_sparse
from symgraph.graph.convert import as_node, operands
from symgraph.graph.node import Node
from symgraph.graph.tensor import Tensor
from symgraph.graph.type import Dim, DimLike, Shape, size_of
from symgraph.ops import elementwise as e
from symgraph.ops import indexing, reduction
from symgraph.ops import shape as s

__all__ = [
    "arange", "batch_flatten", "concatenate", "expand_dims", "flatten", "gather", "one_hot", "pack",
    "permute_dimensions", "repeat", "repeat_elements", "reshape", "reverse", "slice", "squeeze", "stack", "tile",
    "transpose",
]  # fmt: skip


def as_size(value: Any) -> DimLike:
    """Return a size given as a number, or as a scalar tensor computed from K.shape.

    Raises:
        TypeError: the size is a tensor that does not come from shapes, so it is not known before the call.
    """
    if isinstance(value, Dim):
        return value
    if isinstance(value, Tensor):
        value = value.node
    if not isinstance(value, Node):
        return int(value)
    known = _size_vector(value)
    if known is None or len(known) != 1:
        raise TypeError(f"a size must be a number or come from K.shape, got a tensor of type {value.type}")
    return known[0]


def as_sizes(shape: Any) -> Shape:
    """Return a shape given as numbers, tensors computed from K.shape, or one tensor with all sizes."""
    if isinstance(shape, Tensor):
        known = _size_vector(shape.node)
        if known is None:
            raise TypeError(f"a shape must be numbers or come from K.shape, got the tensor {shape.name!r}")
        return known
    if isinstance(shape, (int, np.integer)):
        return (int(shape),)
    return tuple(map(as_size, shape))


def _size_vector(node: Node) -> Shape | None:
    """Return the sizes that an integer node holds, if they follow from shapes."""
    name = node.op.name
    if node.constant is not None:
        return tuple(int(value) for value in node.constant.reshape(-1))
    if name == "dim_value":
        return (node.attrs["size"],)
    parts = [_size_vector(read) for read in node.inputs]
    if not parts or any(part is None for part in parts):
        return None
    if name in ("reshape", "cast", "broadcast_to"):
        return parts[0]
    if name == "concatenate":
        return tuple(size for part in parts for size in part or ())
    if name == "slice":
        (start,), (size,), (step,) = node.attrs["starts"], node.attrs["sizes"], node.attrs["steps"]
        return tuple((parts[0] or ())[start + k * step] for k in range(size))
    rules = {"add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b,
             "floordiv": lambda a, b: a // b, "mod": lambda a, b: a % b}  # fmt: skip
    if name in rules:
        left, right = (part or () for part in parts)
        count = max(len(left), len(right))
        left, right = (part * count if len(part) == 1 else part for part in (left, right))
        return tuple(rules[name](a, b) for a, b in zip(left, right, strict=True))
    if name == "prod":
        return (size_of(parts[0] or ()),)
    return None


def reshape(x: Any, shape: Any) -> Tensor:
    """Return x in another shape; one size may be -1. Sizes may come from K.shape."""
    sizes = tuple(-1 if size is None else size for size in shape) if not isinstance(shape, Tensor) else shape
    return Tensor(s.reshape(as_node(x), as_sizes(sizes)))


def permute_dimensions(x: Any, pattern: Sequence[int]) -> Tensor:
    """Return x with its axes in another order."""
    return Tensor(s.transpose(as_node(x), tuple(pattern)))


def transpose(x: Any) -> Tensor:
    """Return x with its axes reversed."""
    return Tensor(s.transpose(as_node(x)))


def expand_dims(x: Any, axis: int = -1) -> Tensor:
    """Insert an axis of size 1."""
    node = as_node(x)
    if not -node.rank - 1 <= axis <= node.rank:
        raise ValueError(f"expand_dims: axis {axis} is out of range for {node.rank} dimensions")
    return Tensor(s.expand(node, (axis % (node.rank + 1),)))


def squeeze(x: Any, axis: int) -> Tensor:
    """Drop an axis of size 1."""
    node = as_node(x)
    (number,) = reduction.normalise_axes(axis, node.rank)
    return Tensor(s.squeeze(node, number))


def flatten(x: Any) -> Tensor:
    """Return all elements in one axis."""
    return Tensor(s.reshape(as_node(x), (-1,)))


def batch_flatten(x: Any) -> Tensor:
    """Return (batch, all other elements)."""
    node = as_node(x)
    return Tensor(s.reshape(node, (node.shape[0], size_of(node.shape[1:]))))


def concatenate(tensors: Sequence[Any], axis: int = -1) -> Tensor:
    """Join tensors along an axis; the result of sparse ones is marked as sparse."""
    nodes = operands(*tensors)
    return marked_sparse(Tensor(s.concatenate(nodes, axis % nodes[0].rank)), all(map(is_sparse, tensors)))


def stack(x: Sequence[Any], axis: int = 0) -> Tensor:
    """Join tensors along a new axis."""
    nodes = operands(*x)
    return Tensor(s.stack(nodes, axis % (nodes[0].rank + 1)))


#: The name of Keras 1.
pack = stack


def slice(x: Any, start: Sequence[int], size: Sequence[int]) -> Tensor:
    """Return size[k] elements from start[k] on along each axis k; a size of -1 means up to the end."""
    node = as_node(x)
    starts, sizes = as_sizes(start), as_sizes(size)
    if len(starts) != node.rank or len(sizes) != node.rank:
        raise ValueError(f"slice: start {start} and size {size} need one number for each of {node.rank} axes")
    full = tuple(dim - b if n == -1 else n for b, n, dim in zip(starts, sizes, node.shape, strict=True))
    return Tensor(s.slice_(node, starts, full))


def reverse(x: Any, axes: int | Sequence[int]) -> Tensor:
    """Reverse the order along axes."""
    node = as_node(x)
    return Tensor(s.reverse(node, reduction.normalise_axes(axes, node.rank)))


def repeat_elements(x: Any, rep: int, axis: int) -> Tensor:
    """Repeat each element along an axis: [a, b] -> [a, a, b, b]."""
    node = as_node(x)
    (axis,) = reduction.normalise_axes(axis, node.rank)
    shape = (*node.shape[: axis + 1], rep, *node.shape[axis + 1 :])
    repeated = s.broadcast_to(s.expand(node, (axis + 1,)), shape)
    return Tensor(s.reshape(repeated, (*node.shape[:axis], node.shape[axis] * rep, *node.shape[axis + 1 :])))


def repeat(x: Any, n: int) -> Tensor:
    """Repeat a matrix along a new axis: (samples, features) -> (samples, n, features)."""
    node = as_node(x)
    if node.rank != 2:
        raise ValueError(f"repeat: expected 2 dimensions, got shape {Tensor(node).shape}")
    return Tensor(s.broadcast_to(s.expand(node, (1,)), (node.shape[0], n, node.shape[1])))


def tile(x: Any, n: int | Sequence[int]) -> Tensor:
    """Repeat the whole of x n[k] times along each axis k."""
    node = as_node(x)
    times = as_sizes((n,) if isinstance(n, (int, np.integer)) else n)
    if len(times) < node.rank:
        times = (1,) * (node.rank - len(times)) + times
    node = s.expand(node, range(len(times) - node.rank))
    shape = tuple(size for count, dim in zip(times, node.shape, strict=True) for size in (count, dim))
    repeated = s.broadcast_to(s.expand(node, range(0, 2 * node.rank, 2)), shape)
    return Tensor(s.reshape(repeated, tuple(count * dim for count, dim in zip(times, node.shape, strict=True))))


def arange(start: int, stop: int | None = None, step: int = 1, dtype: str = "int32") -> Tensor:
    """Return start, start + step, ... below stop (0, 1, ... below start, if stop is not given)."""
    from symgraph.ops.leaf import constant

    if stop is None:
        start, stop = 0, start
    return Tensor(constant(np.arange(start, stop, step), dtype))


def gather(reference: Any, indices: Any) -> Tensor:
    """Return the rows of `reference` with these numbers; a float tensor of indices is cut to whole numbers."""
    numbers = as_node(indices)
    if not numbers.dtype.startswith(("int", "uint")):
        numbers = e.cast(numbers, "int32")
    return Tensor(indexing.gather(as_node(reference), numbers))


def one_hot(indices: Any, num_classes: int | None = None, **kwargs: Any) -> Tensor:
    """Return 1 at the place of each index along a new last axis, 0 elsewhere, in floatx.

    Args:
        indices: integers of any shape.
        num_classes: the size of the new axis (nb_classes in Keras 1).
    """
    from symgraph import config

    classes = kwargs.pop("nb_classes", num_classes)
    if kwargs or classes is None:
        raise TypeError(f"one_hot: expected indices and num_classes, got {sorted(kwargs)}")
    node = as_node(indices)
    node = node if node.dtype.startswith(("int", "uint")) else e.cast(node, "int64")
    return Tensor(indexing.one_hot(node, classes, config.floatx()))
