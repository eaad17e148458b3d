"""Simplify: fold constants, drop operations that do nothing, and use simpler ones that give the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from symgraph.compiler.graph import Graph, rebuild
from symgraph.graph.node import Node
from symgraph.graph.type import broadcast_shapes, is_float
from symgraph.ops import elementwise, indexing, linalg, reduction, shape
from symgraph.ops.leaf import constant

#: Results larger than this are not computed in advance: they would only fill memory.
LARGEST_FOLDED = 4096


def simplify(graph: Graph, evaluate: Callable[[Node, tuple[np.ndarray, ...]], np.ndarray]) -> Graph:
    """Return a graph with the same values and less to do.

    Args:
        graph: the graph.
        evaluate: computes an elementwise node from the values of its inputs; used to fold constants.
    """

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        node = rebuild(node, inputs)
        for _ in range(8):  # each rule makes the node simpler; a chain of them is short
            simpler = _RULES.get(node.op.name, _same)(node)
            if node.op.kind == "elementwise" and simpler is node:
                simpler = _strip_broadcasts(_fold(node, evaluate))
            if simpler is node:
                break
            if simpler.source is None:
                simpler.source = node.source
            node = simpler
        return node

    return graph.rewritten(rule)


def scalar_of(node: Node) -> float | int | bool | None:
    """Return the one value that a node has everywhere, if it is known."""
    while node.op is shape.broadcast_op or node.op is shape.reshape_op:
        node = node.inputs[0]
    value = node.constant
    return value.reshape(-1)[0].item() if value is not None and value.size == 1 else None


def _same(node: Node) -> Node:
    return node


def _fold(node: Node, evaluate: Callable[[Node, tuple[np.ndarray, ...]], np.ndarray]) -> Node:
    values = tuple(read.constant for read in node.inputs if read.constant is not None)
    if len(values) < len(node.inputs) or sum(value.size for value in values) > LARGEST_FOLDED:
        return node
    return constant(evaluate(node, values), node.dtype)


def _strip_broadcasts(node: Node) -> Node:
    """An operand need not be broadcast by hand where the operation does it."""
    if node.op.kind != "elementwise":
        return node
    stripped = [read.inputs[0] if read.op is shape.broadcast_op else read for read in node.inputs]
    if tuple(stripped) == node.inputs:
        return node
    if broadcast_shapes(*(read.shape for read in stripped)) == node.shape:
        return rebuild(node, tuple(stripped))
    for k, read in enumerate(node.inputs):
        kept = [*node.inputs[:k], stripped[k], *node.inputs[k + 1 :]]
        if stripped[k] is not read and broadcast_shapes(*(each.shape for each in kept)) == node.shape:
            return rebuild(node, tuple(kept))
    smaller = node.op(*stripped, **node.attrs)  # all operands were broadcast: compute first, then broadcast
    return shape.broadcast_to(smaller, node.shape)


def _as(node: Node, value: Node) -> Node:
    """Return a value in the shape of the node it replaces."""
    return shape.broadcast_to(value, node.shape) if value.shape != node.shape else value


def _add(node: Node) -> Node:
    x, y = node.inputs
    if scalar_of(x) == 0:
        return _as(node, y)
    return _as(node, x) if scalar_of(y) == 0 else _tiled(node)


def _tiled(node: Node) -> Node:
    """Join a sum of blocks that lie side by side in zeros: the gradient of a tensor that was read in slices."""
    blocks: list[tuple[int, int, Node]] = []  # first element along the axis, one after the last, block
    axes: set[int] = set()
    pending = [node]
    while pending:
        term = pending.pop()
        if term.op is elementwise.add and term.type == node.type:
            pending += term.inputs
            continue
        if term.op is not shape.embed_op or term.type != node.type or len(blocks) == 64 or term.attrs["value"] != 0:
            return node
        block, starts = term.inputs[0], term.attrs["starts"]
        placed = [k for k in range(term.rank) if block.shape[k] != term.shape[k]]
        if len(placed) != 1 or set(term.attrs["steps"]) != {1}:
            return node
        axis = placed[0]
        start, size = starts[axis], block.shape[axis]
        known = isinstance(start, int) and isinstance(size, int)
        if not known or any(starts[k] != 0 for k in range(term.rank) if k != axis):
            return node
        axes.add(axis)
        blocks.append((start, start + size, block))
    blocks.sort(key=lambda each: each[:2])
    edges = [0, *(end for _, end, _ in blocks)]
    if len(axes) != 1 or [start for start, _, _ in blocks] != edges[:-1] or node.shape[min(axes)] != edges[-1]:
        return node
    return shape.concatenate([block for _, _, block in blocks], min(axes))


def _sub(node: Node) -> Node:
    x, y = node.inputs
    if scalar_of(y) == 0:
        return _as(node, x)
    if scalar_of(x) == 0:
        return _as(node, -y)
    return elementwise.add(x, y.inputs[0]) if y.op is elementwise.neg else node


def _mul(node: Node) -> Node:
    x, y = node.inputs
    if scalar_of(x) == 1:
        return _as(node, y)
    if scalar_of(y) == 1:
        return _as(node, x)
    for one, other in ((x, y), (y, x)):
        if scalar_of(one) == -1:
            return _as(node, -other)
    return elementwise.square(x) if x is y else node


def _div(node: Node) -> Node:
    x, y = node.inputs
    return _as(node, x) if scalar_of(y) == 1 else node


def _pow(node: Node) -> Node:
    x, y = node.inputs
    exponent = scalar_of(y)
    if exponent is None or x.shape != node.shape:
        return node
    if exponent == 2:
        return elementwise.square(x)
    if exponent == 1:
        return x
    if exponent == 3:
        return elementwise.mul(elementwise.square(x), x)
    if is_float(x.dtype):
        if exponent == 0:
            return shape.broadcast_to(elementwise.one(x), x.shape)
        if exponent == -1:
            return elementwise.div(elementwise.one(x), x)
    return node


def _neg(node: Node) -> Node:
    (x,) = node.inputs
    return x.inputs[0] if x.op is elementwise.neg else node


def _cast(node: Node) -> Node:
    (x,) = node.inputs
    if x.dtype == node.dtype:
        return x
    if x.op is elementwise.cast_op:
        (origin,) = x.inputs
        if np.can_cast(_numpy_name(origin.dtype), _numpy_name(x.dtype), "safe"):
            return elementwise.cast(origin, node.dtype)
    if x.op is shape.broadcast_op:
        return shape.broadcast_to(elementwise.cast(x.inputs[0], node.dtype), node.shape)
    return node


def _numpy_name(dtype: str) -> str:
    return "float32" if dtype == "bfloat16" else dtype  # for the question whether values survive


def _where(node: Node) -> Node:
    condition, x, y = node.inputs
    known = scalar_of(condition)
    if known is not None:
        return _as(node, x if known else y)
    return _as(node, x) if x is y else node


def _stop_gradient(node: Node) -> Node:
    return node.inputs[0]


def _reshape(node: Node) -> Node:
    (x,) = node.inputs
    if x.shape == node.shape:
        return x
    if x.constant is not None:
        return constant(x.constant.reshape(node.shape)) if _static(node) else node
    return shape.reshape(x.inputs[0], node.shape) if x.op is shape.reshape_op else node


def _static(node: Node) -> bool:
    return all(isinstance(dim, int) for dim in node.shape)


def _transpose(node: Node) -> Node:
    (x,) = node.inputs
    axes = node.attrs["axes"]
    if x.op is shape.transpose_op:
        return shape.transpose(x.inputs[0], tuple(x.attrs["axes"][axis] for axis in axes))
    if axes == tuple(range(len(axes))):
        return x
    if x.op is indexing.gather and (order := _order_of_rows(axes, x.inputs[1])):
        return indexing.gather(x.inputs[0], shape.transpose(x.inputs[1], order))
    return node


def _order_of_rows(axes: Sequence[int], indices: Node) -> Sequence[int] | None:
    """How indices are to be transposed for what they choose to come in another order; None if axes of rows move."""
    rank = indices.rank
    return axes[:rank] if tuple(axes[rank:]) == tuple(range(rank, len(axes))) else None


def _scatter_add(node: Node) -> Node:
    """Rows are added in the order in which they lie."""
    values, indices = node.inputs
    if values.op is shape.transpose_op and (order := _order_of_rows(values.attrs["axes"], indices)):
        back = sorted(range(len(order)), key=order.__getitem__)
        return indexing.scatter_add(values.inputs[0], shape.transpose(indices, back), **node.attrs)
    return node


def _broadcast(node: Node) -> Node:
    (x,) = node.inputs
    if x.shape == node.shape:
        return x
    return shape.broadcast_to(x.inputs[0], node.shape) if x.op is shape.broadcast_op else node


def _slice(node: Node) -> Node:
    """Reversing twice is doing nothing."""
    (x,) = node.inputs
    if x.op is shape.slice_op and x.inputs[0].shape == node.shape and x.shape == node.shape:
        both = zip(
            node.attrs["steps"], x.attrs["steps"], node.attrs["starts"], x.attrs["starts"], node.shape, strict=True
        )
        undone = all((a == b == 1 and s == t == 0) or (a == b == -1 and s == t == dim - 1) for a, b, s, t, dim in both)
        if undone:
            return x.inputs[0]
    return node


def _embed(node: Node) -> Node:
    """What fills an array lies in it in this order or the other."""
    (x,) = node.inputs
    places = zip(zip(node.attrs["starts"], node.attrs["steps"], strict=True), node.shape, strict=True)
    if x.shape == node.shape and all(place in ((0, 1), (dim - 1, -1)) for place, dim in places):
        return shape.slice_(x, node.attrs["starts"], node.shape, node.attrs["steps"])
    return node


def _matmul(node: Node) -> Node:
    """A transposed operand is read in place."""
    x, y = node.inputs
    flags = dict(node.attrs)
    last_two = (*range(node.rank - 2), node.rank - 1, node.rank - 2)
    if x.op is shape.transpose_op and x.attrs["axes"] == last_two:
        x, flags["transpose_x"] = x.inputs[0], not flags["transpose_x"]
    if y.op is shape.transpose_op and y.attrs["axes"] == last_two:
        y, flags["transpose_y"] = y.inputs[0], not flags["transpose_y"]
    return node if (x, y) == node.inputs else linalg.matmul_op(x, y, **flags)


def _reduction(node: Node) -> Node:
    (x,) = node.inputs
    if node.attrs["axes"]:
        return node
    return x


def _sum(node: Node) -> Node:
    """A sum over axes along which a value repeats is the value times their size."""
    (x,) = node.inputs
    if not node.attrs["axes"]:
        return x
    if x.op is shape.broadcast_op and is_float(x.dtype) and x.inputs[0].tensor_type.size == 1:
        total = reduction.count(x.shape, node.attrs["axes"], x.dtype) * shape.reshape(x.inputs[0], ())
        return shape.broadcast_to(total, node.shape)
    if x.op is elementwise.neg:
        return -reduction.sum_(x.inputs[0], node.attrs["axes"], node.attrs["keepdims"])
    return _sum_of_products(node) or _sum_in_order(node)


def _sum_of_products(node: Node) -> Node | None:
    """A sum of products with factors that are the same in each sum as the product with the sum, else None.

    The gradients of a scale and of a shift then come from the same sums. (In half floats the sum could overflow.)
    """
    (x,) = node.inputs
    axes, keepdims = node.attrs["axes"], node.attrs["keepdims"]
    if x.op is not elementwise.mul or x.dtype not in ("float32", "float64"):
        return None
    for one, factor in (x.inputs, x.inputs[::-1]):
        sizes = (1,) * (x.rank - factor.rank) + factor.shape
        if one.shape != x.shape or factor.tensor_type.size == 1 or any(sizes[axis] != 1 for axis in axes):
            continue
        if not keepdims:
            factor = shape.reshape(factor, reduction.reduced_shape(sizes, axes, False))
        return reduction.sum_(one, axes, keepdims) * factor
    return None


def _sum_in_order(node: Node) -> Node:
    """What is summed is read in the order in which it lies, rather than along exchanged or reversed axes."""
    (x,) = node.inputs
    axes, keepdims = node.attrs["axes"], node.attrs["keepdims"]
    if x.op is shape.transpose_op:
        order = x.attrs["axes"]
        kept = [order[axis] for axis in range(x.rank) if axis not in axes]
        stays = all(order[axis] == axis for axis in range(x.rank) if axis not in axes)
        if stays or (not keepdims and kept == sorted(kept)):
            return reduction.sum_(x.inputs[0], [order[axis] for axis in axes], keepdims)
    if x.op is shape.slice_op and x.inputs[0].shape == x.shape:
        numbers = zip(x.attrs["starts"], x.attrs["steps"], x.shape, strict=True)
        if all(
            (step == 1 and start == 0) or (step == -1 and start == dim - 1 and axis in axes)
            for axis, (start, step, dim) in enumerate(numbers)
        ):
            return reduction.sum_(x.inputs[0], axes, keepdims)
    return node


_RULES: dict[str, Callable[[Node], Node]] = {
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "pow": _pow,
    "neg": _neg,
    "cast": _cast,
    "where": _where,
    "stop_gradient": _stop_gradient,
    "reshape": _reshape,
    "transpose": _transpose,
    "broadcast_to": _broadcast,
    "slice": _slice,
    "embed": _embed,
    "matmul": _matmul,
    "scatter_add": _scatter_add,
    "sum": _sum,
    "prod": _reduction,
    "max": _reduction,
    "min": _reduction,
    "any": _reduction,
    "all": _reduction,
}
