"""Reverse-mode differentiation: from a graph to more of the same graph.

The walk knows no operation by name: each brings its own gradient (see `symgraph.ops.op`).
"""

from __future__ import annotations

from collections.abc import Sequence

from symgraph.graph.node import Node, items_of
from symgraph.graph.traverse import topological_order
from symgraph.graph.type import TensorType, is_float
from symgraph.ops.leaf import constant
from symgraph.ops.shape import broadcast_to


class GradientError(ValueError):
    """A gradient was asked for through an operation that has none."""


def gradients(loss: Node, wrt: Sequence[Node]) -> list[Node | None]:
    """Return the gradient of the sum of `loss` with respect to each node, None where it does not matter.

    Raises:
        GradientError: the way leads through an operation that has no gradient.
    """
    if not is_float(loss.dtype):
        raise GradientError(f"the gradient of a {loss.dtype} tensor is not defined: cast the loss to a float type")
    return backward([loss], [broadcast_to(constant(1, loss.dtype), loss.shape)], wrt)


def backward(outputs: Sequence[Node], output_grads: Sequence[Node], wrt: Sequence[Node]) -> list[Node | None]:
    """Return the gradient with respect to each of `wrt` of sum(outputs * output_grads).

    Args:
        outputs: nodes with one floating-point result.
        output_grads: one node of the same type for each.
        wrt: the nodes to differentiate by.
    """
    order = topological_order(outputs)
    targets = set(wrt)
    depends: set[Node] = set()
    for node in order:
        if node in targets or any(read in depends for read in node.inputs):
            depends.add(node)

    partial: dict[Node, list[Node | None]] = {}

    def accumulate(node: Node, index: int, grad: Node) -> None:
        slots = partial.setdefault(node, [None] * len(items_of(node.type)))
        known = slots[index]
        slots[index] = grad if known is None else known + grad

    for output, grad in zip(outputs, output_grads, strict=True):
        if output in depends:
            accumulate(output, 0, grad)

    for node in reversed(order):
        if node not in partial or node not in depends or not node.inputs:
            continue
        if not any(read in depends for read in node.inputs):
            continue
        grads = partial[node]
        if node.op.name == "item":
            (only,) = grads
            if only is not None:
                accumulate(node.inputs[0], node.attrs["index"], only)
            continue
        if node.op.gradient is None:
            if not node.op.has_gradient:
                raise GradientError(f"the operation {node.op.name}{_place(node, order)} has no gradient")
            continue
        single = isinstance(node.type, TensorType)
        parts = node.op.gradient(node, grads[0] if single else grads)
        for read, part in zip(node.inputs, parts, strict=True):
            if part is None or read not in depends or (isinstance(read.type, TensorType) and not is_float(read.dtype)):
                continue
            if part.source is None:
                part.source = node.source
            accumulate(read, 0, part)

    result: list[Node | None] = []
    for node in wrt:
        slots = partial.get(node)
        value = slots[0] if slots else None
        if value is not None and value.shape != node.shape:
            value = broadcast_to(value, node.shape)
        result.append(value)
    return result


def _place(node: Node, order: Sequence[Node]) -> str:
    """Where the user made a node: its line, or that of the first that is computed from it and has one."""
    after = {node}
    for each in order:
        if each in after or any(read in after for read in each.inputs):
            after.add(each)
            if each.source is not None:
                return f" (made at {each.source})"
    return ""
