"""Elementwise mathematics and comparisons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symgraph.graph.convert import as_float, as_node, operands
from symgraph.graph.node import Node
from symgraph.graph.tensor import Tensor
from symgraph.graph.type import is_float
from symgraph.ops import cumulate
from symgraph.ops import elementwise as e

__all__ = [
    "abs", "clip", "cos", "cumprod", "cumsum", "equal", "exp", "greater", "greater_equal", "less", "less_equal",
    "lesser", "lesser_equal", "log", "logical_and", "logical_not", "logical_or", "maximum", "minimum", "not_equal",
    "pow", "round", "sign", "sin", "sqrt", "square",
]  # fmt: skip


def _unary(op: Callable[[Node], Node], x: Any) -> Tensor:
    return Tensor(op(as_node(x)))


def _floating(op: Callable[[Node], Node], x: Any) -> Tensor:
    return Tensor(op(as_float(x)))


def _binary(op: Callable[[Node, Node], Node], x: Any, y: Any) -> Tensor:
    return Tensor(op(*operands(x, y)))


def abs(x: Any) -> Tensor:
    """Return the absolute value."""
    return _unary(e.abs, x)


def square(x: Any) -> Tensor:
    """Return x * x."""
    return _unary(e.square, x)


def sign(x: Any) -> Tensor:
    """Return -1, 0 or 1."""
    return _unary(e.sign, x)


def exp(x: Any) -> Tensor:
    """Return e to the power of x."""
    return _floating(e.exp, x)


def log(x: Any) -> Tensor:
    """Return the natural logarithm."""
    return _floating(e.log, x)


def sqrt(x: Any) -> Tensor:
    """Return the square root; 0 for negative numbers, as Keras does."""
    node = as_float(x)
    return Tensor(e.sqrt(e.maximum(node, e.zero(node))))


def sin(x: Any) -> Tensor:
    """Return the sine."""
    return _floating(e.sin, x)


def cos(x: Any) -> Tensor:
    """Return the cosine."""
    return _floating(e.cos, x)


def round(x: Any) -> Tensor:
    """Return the nearest whole number, halves to the even one."""
    node = as_node(x)
    return Tensor(e.round_half_even(node) if is_float(node.dtype) else node)


def pow(x: Any, a: Any) -> Tensor:
    """Return x to the power of a."""
    return _binary(e.pow, x, a)


def _running(name: str, build: Callable[[Node, int], Node], x: Any, axis: int) -> Tensor:
    node = as_node(x)
    if not -node.rank <= axis < node.rank:
        raise ValueError(f"{name}: axis {axis} is out of range for shape {node.tensor_type.static_shape}")
    return Tensor(build(node, axis % node.rank), name)


def cumsum(x: Any, axis: int = 0) -> Tensor:
    """Return the sums of each element and all before it along an axis."""
    return _running("cumsum", lambda node, place: cumulate.cumsum(node, axis=place, reverse=False), x, axis)


def cumprod(x: Any, axis: int = 0) -> Tensor:
    """Return the products of each element and all before it along an axis."""
    return _running("cumprod", cumulate.cumprod, x, axis)


def clip(x: Any, min_value: Any, max_value: Any) -> Tensor:
    """Return x limited to [min_value, max_value]; None means no limit, and a maximum below the minimum is raised."""
    node = as_node(x)
    if isinstance(min_value, (int, float)) and isinstance(max_value, (int, float)) and max_value < min_value:
        max_value = min_value
    if max_value is not None:
        node = e.minimum(*operands(Tensor(node), max_value))
    if min_value is not None:
        node = e.maximum(*operands(Tensor(node), min_value))
    return Tensor(node)


def maximum(x: Any, y: Any) -> Tensor:
    """Return the larger of two values, element by element."""
    return _binary(e.maximum, x, y)


def minimum(x: Any, y: Any) -> Tensor:
    """Return the smaller of two values, element by element."""
    return _binary(e.minimum, x, y)


def equal(x: Any, y: Any) -> Tensor:
    """Return whether elements are equal, as bool."""
    return _binary(e.equal, x, y)


def not_equal(x: Any, y: Any) -> Tensor:
    """Return whether elements differ, as bool."""
    return _binary(e.not_equal, x, y)


def less(x: Any, y: Any) -> Tensor:
    """Return x < y, as bool."""
    return _binary(e.less, x, y)


def less_equal(x: Any, y: Any) -> Tensor:
    """Return x <= y, as bool."""
    return _binary(e.less_equal, x, y)


def greater(x: Any, y: Any) -> Tensor:
    """Return x > y, as bool."""
    return _binary(e.greater, x, y)


def greater_equal(x: Any, y: Any) -> Tensor:
    """Return x >= y, as bool."""
    return _binary(e.greater_equal, x, y)


#: The names of Keras 1.
lesser, lesser_equal = less, less_equal


def _as_bool(x: Any) -> Node:
    node = as_node(x)
    return node if node.dtype == "bool" else e.not_equal(node, e.zero(node))


def logical_and(x: Any, y: Any) -> Tensor:
    """Return whether both are true (not zero)."""
    return Tensor(e.logical_and(_as_bool(x), _as_bool(y)))


def logical_or(x: Any, y: Any) -> Tensor:
    """Return whether one of them is true (not zero)."""
    return Tensor(e.logical_or(_as_bool(x), _as_bool(y)))


def logical_not(x: Any) -> Tensor:
    """Return whether it is false (zero)."""
    return Tensor(e.logical_not(_as_bool(x)))
