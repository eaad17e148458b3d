"""Matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symgraph.graph.convert import as_float, operands
from symgraph.graph.node import Node
from symgraph.graph.tensor import Tensor
from symgraph.graph.type import equal, size_of
from symgraph.ops import linalg
from symgraph.ops.op import ShapeError
from symgraph.ops.shape import reshape, transpose

__all__ = ["batch_dot", "dot", "l2_normalize"]


def dot(x: Any, y: Any) -> Tensor:
    """Return the product over the last axis of x and the last but one of y: (2, 3) . (4, 3, 5) -> (2, 4, 5)."""
    return Tensor(linalg.dot(*map(as_float, operands(x, y))))


def batch_dot(x: Any, y: Any, axes: int | Sequence[int] | None = None) -> Tensor:
    """Return the products of the samples of two batches.

    Args:
        x: (batch, ...), at least two dimensions.
        y: (batch, ...), at least two dimensions.
        axes: the axis of x and the axis of y to sum over, or one for both; by default the last of x and the last but
            one of y (the last, if y has two dimensions).

    Returns:
        (batch, rest of x, rest of y); (batch, 1) where both have two dimensions.

    Raises:
        ShapeError: fewer than two dimensions, the batch axis among `axes`, or sizes that differ.
    """
    a, b = map(as_float, operands(x, y))
    if a.rank < 2 or b.rank < 2:
        raise ShapeError(f"batch_dot: both need 2 dimensions or more, got {Tensor(a).shape} and {Tensor(b).shape}")
    if axes is None:
        axes = (a.rank - 1, b.rank - 1 if b.rank == 2 else b.rank - 2)
    first, second = (axes, axes) if isinstance(axes, int) else (int(axes[0]), int(axes[1]))
    for axis, node in ((first, a), (second, b)):
        if not -node.rank <= axis < node.rank or axis % node.rank == 0:
            raise ShapeError(f"batch_dot: cannot sum over axis {axis} of shape {Tensor(node).shape}")
    first, second = first % a.rank, second % b.rank
    if not equal(a.shape[first], b.shape[second]) or not equal(a.shape[0], b.shape[0]):
        raise ShapeError(
            f"batch_dot: axis {first} of {Tensor(a).shape} and axis {second} of {Tensor(b).shape} must have equal "
            "sizes, and so must the batches"
        )
    rows = [k for k in range(1, a.rank) if k != first]
    columns = [k for k in range(1, b.rank) if k != second]
    left = _matrices(a, rows, first)
    right = transpose(_matrices(b, columns, second), (0, 2, 1))
    product = linalg.matmul(left, right)
    shape = (a.shape[0], *(a.shape[k] for k in rows), *(b.shape[k] for k in columns))
    return Tensor(reshape(product, shape if len(shape) > 1 else (*shape, 1)))


def _matrices(node: Node, kept: list[int], summed: int) -> Node:
    """Arrange a batch as (batch, kept axes in one, summed axis)."""
    moved = transpose(node, (0, *kept, summed))
    return reshape(moved, (node.shape[0], size_of(node.shape[k] for k in kept), node.shape[summed]))


def l2_normalize(x: Any, axis: int | Sequence[int] | None = None) -> Tensor:
    """Return x divided by its Euclidean norm along axes: x / sqrt(max(sum(x²), 1e-12))."""
    from symgraph.ops import elementwise as e
    from symgraph.ops.leaf import constant
    from symgraph.ops.reduction import sum_

    node = as_float(x)
    total = sum_(e.square(node), axis, True)
    return Tensor(node * e.rsqrt(e.maximum(total, constant(1e-12, node.dtype))))
