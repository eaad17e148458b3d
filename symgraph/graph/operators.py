"""Python's operators on tensors: `x + 1`, `x @ w`, `x[:, 0]`."""

from __future__ import annotations

from typing import Any

from symgraph.graph.convert import as_float, operands
from symgraph.graph.node import Node
from symgraph.graph.tensor import Tensor
from symgraph.ops import elementwise, linalg
from symgraph.ops.indexing import getitem
from symgraph.ops.op import ShapeError


def operate(name: str, *values: Any) -> Tensor:
    """Return the result of an operator on tensors, numbers and arrays."""
    return Tensor(_OPERATORS.get(name, _arithmetic)(name, *values))


def _arithmetic(name: str, *values: Any) -> Node:
    nodes = operands(*values)
    if nodes[0].dtype == "bool" and name in ("add", "sub", "mul", "neg", "abs", "floordiv", "mod", "pow"):
        nodes = [elementwise.cast(node, "int32") for node in nodes]
    return getattr(elementwise, name)(*nodes)


def _divide(name: str, x: Any, y: Any) -> Node:
    return elementwise.div(*map(as_float, operands(x, y)))


def _logical(name: str, *values: Any) -> Node:
    nodes = operands(*values)
    if any(node.dtype != "bool" for node in nodes):
        kinds = ", ".join(node.dtype for node in nodes)
        raise TypeError(f"& | ~ are defined for bool tensors, got {kinds}; compare first, or use K.cast(x, 'bool')")
    return getattr(elementwise, name)(*nodes)


def _matmul(name: str, x: Any, y: Any) -> Node:
    left, right = operands(x, y)
    left, right = as_float(left), as_float(right)
    if left.rank > 2 and left.rank == right.rank:
        return linalg.matmul(left, right)
    if left.rank > 2 and right.rank > 2:
        raise ShapeError(f"x @ y of {left.rank} and {right.rank} dimensions: use K.dot or K.batch_dot")
    return linalg.dot(left, right)


def _getitem(name: str, x: Tensor, key: Any) -> Node:
    return getitem(x.node, key)


_OPERATORS = {
    "div": _divide,
    "matmul": _matmul,
    "getitem": _getitem,
    "logical_and": _logical,
    "logical_or": _logical,
    "logical_not": _logical,
}
