"""Running sums."""

from __future__ import annotations

from symgraph.graph.node import Node
from symgraph.graph.type import FLOATS, INTEGERS, TensorType
from symgraph.ops import elementwise as e
from symgraph.ops import scan
from symgraph.ops.op import ShapeError, define
from symgraph.ops.shape import full, transpose
from symgraph.ops.shape import reverse as reversed_along


def _infer_cumsum(x: TensorType, axis: int, reverse: bool) -> TensorType:
    if x.dtype not in FLOATS + INTEGERS:
        raise TypeError(f"cumsum: expected numbers, got {x}")
    if not 0 <= axis < x.rank:
        raise ShapeError(f"cumsum: axis {axis} is out of range for shape {x.static_shape}")
    return x


def running(op: e.Op, x: Node, axis: int, start: float, reverse: bool = False) -> Node:
    """Combine each element with all before it along an axis, step by step."""
    order = (axis, *(k for k in range(x.rank) if k != axis))
    moved = transpose(x, order)
    moved = reversed_along(moved, (0,)) if reverse else moved

    def step(slices: list[Node], states: list[Node]) -> tuple[list[Node], list[Node]]:
        new = op(states[0], slices[0])
        return [new], [new]

    _, (result,) = scan.scan(step, [moved], [full(moved.shape[1:], start, x.dtype)])
    result = reversed_along(result, (0,)) if reverse else result
    return transpose(result, tuple(order.index(k) for k in range(x.rank)))


@define("cumsum", infer=_infer_cumsum, decompose=lambda x, axis, reverse: running(e.add, x, axis, 0, reverse))
def cumsum(node, grad):
    """The sum of each element and all before it along an axis, or all after it."""
    return (cumsum(grad, axis=node.attrs["axis"], reverse=not node.attrs["reverse"]),)


def cumprod(x: Node, axis: int) -> Node:
    """Return the product of each element and all before it along an axis; right, with its gradient, for zeros."""
    return running(e.mul, x, axis, 1)
