"""From what users write - numbers, lists, arrays, tensors - to nodes of matching element types."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgraph import config
from symgraph.graph.node import Node
from symgraph.graph.tensor import Tensor
from symgraph.graph.type import dtype_name, is_float, promote
from symgraph.ops import elementwise
from symgraph.ops.leaf import constant


def as_node(value: Any, dtype: str | None = None) -> Node:
    """Return the node of a tensor, or a constant node.

    Args:
        value: a tensor, a node, a number, or anything NumPy makes an array of.
        dtype: element type of a constant; by default that of the array, and floatx for Python floats.

    Raises:
        TypeError: the value has no element type that a graph can hold; what it is and what to do is said.
    """
    if isinstance(value, Tensor):
        return value.node
    if isinstance(value, Node):
        return value
    try:
        array = np.asarray(value)
        if dtype is None:
            plain = not isinstance(value, (np.ndarray, np.generic))
            dtype = config.floatx() if plain and array.dtype == np.float64 else dtype_name(array.dtype)
            if plain and array.dtype == np.int64 and isinstance(value, int):
                dtype = "int32" if -(2**31) <= value < 2**31 else "int64"
        return constant(array, dtype)
    except (TypeError, ValueError) as error:
        kind = type(value).__name__
        raise TypeError(f"cannot make a tensor of {kind} {value!r}: expected a tensor, a number or an array") from error


def operands(*values: Any) -> list[Node]:
    """Return the nodes of operands that meet in one operation, cast to one element type.

    NumPy's promotion holds between tensors, and between arrays and integer tensors. An array or a list that meets
    floating-point tensors takes their type: `x - np.array([103.9, 116.8, 123.7])` stays float32. So does a plain number
    with tensors of any type, but a float that meets integers makes everything floatx.
    """
    floating = [each.dtype for each in values if isinstance(each, (Tensor, Node)) and is_float(each.dtype)]
    common = promote(*(each.dtype for each in values if isinstance(each, (Tensor, Node)))) if floating else None
    nodes: list[Node | None] = []
    for value in values:
        plain = isinstance(value, (bool, int, float))  # np.float64 is a float: np.sqrt(2) does not widen a tensor
        nodes.append(None if plain else as_node(value, common))
    known = [node.dtype for node in nodes if node is not None]
    if not known:
        return operands(*(as_node(value) for value in values))
    dtype = promote(*known)
    numbers = [value for value, node in zip(values, nodes, strict=True) if node is None]
    if any(isinstance(number, float) for number in numbers) and not is_float(dtype):
        dtype = config.floatx()
    if dtype == "bool" and any(not isinstance(number, bool) for number in numbers):
        dtype = "int32"
    result = []
    for value, node in zip(values, nodes, strict=True):
        result.append(constant(value, dtype) if node is None else elementwise.cast(node, dtype))
    return result


def as_float(value: Any) -> Node:
    """Return the node of a value, integers cast to floatx."""
    node = as_node(value)
    return node if is_float(node.dtype) else elementwise.cast(node, config.floatx())
