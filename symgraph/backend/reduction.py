"""Reductions over axes."""

from __future__ import annotations

from typing import Any

from symgraph import config
from symgraph.graph.convert import as_float, as_node
from symgraph.graph.node import Node
from symgraph.graph.tensor import Tensor
from symgraph.ops import elementwise as e
from symgraph.ops import reduction as r
from symgraph.ops.shape import reshape

__all__ = ["all", "any", "argmax", "argmin", "logsumexp", "max", "mean", "min", "prod", "std", "sum", "var"]


def _numeric(x: Any) -> Node:
    node = as_node(x)
    return e.cast(node, config.floatx()) if node.dtype == "bool" else node


def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Return the sum over an axis, several axes, or all of them."""
    return Tensor(r.sum_(_numeric(x), axis, keepdims))


def prod(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Return the product over axes."""
    return Tensor(r.prod(_numeric(x), axis, keepdims))


def max(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Return the largest value over axes."""
    return Tensor(r.max_(_numeric(x), axis, keepdims))


def min(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Return the smallest value over axes."""
    return Tensor(r.min_(_numeric(x), axis, keepdims))


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Return the mean over axes; integers and bools are cast to floatx."""
    return Tensor(r.mean(as_float(x), axis, keepdims))


def var(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Return the variance over axes (of the values themselves, not an estimate; see `moments` of ops/reduction.py)."""
    return Tensor(_variance(as_float(x), axis, keepdims))


def _variance(node: Node, axis: Any, keepdims: bool) -> Node:
    _, variance = r.moments(node, axis)
    axes = r.normalise_axes(axis, node.rank)
    return variance if keepdims else reshape(variance, r.reduced_shape(node.shape, axes, False))


def std(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Return the standard deviation over axes."""
    return Tensor(e.sqrt(_variance(as_float(x), axis, keepdims)))


def any(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Return whether any element is true (not zero), as bool."""
    return Tensor(r.any_(_truth(x), axis, keepdims))


def all(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Return whether all elements are true (not zero), as bool."""
    return Tensor(r.all_(_truth(x), axis, keepdims))


def _truth(x: Any) -> Node:
    node = as_node(x)
    return node if node.dtype == "bool" else e.not_equal(node, e.zero(node))


def argmax(x: Any, axis: int = -1) -> Tensor:
    """Return the place of the first largest value along an axis, as int64."""
    node = _numeric(x)
    return Tensor(r.argmax_op(node, axis=r.normalise_axes(axis, node.rank)[0]))


def argmin(x: Any, axis: int = -1) -> Tensor:
    """Return the place of the first smallest value along an axis, as int64."""
    node = _numeric(x)
    return Tensor(r.argmin_op(node, axis=r.normalise_axes(axis, node.rank)[0]))


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Return log(sum(exp(x))) over axes, without overflow."""
    node = as_float(x)
    top = e.stop_gradient(r.max_(node, axis, True))
    top = e.where(e.is_finite(top), top, e.zero(top))
    total = e.log(r.sum_(e.exp(node - top), axis, True)) + top
    if not keepdims:
        from symgraph.ops.shape import reshape

        total = reshape(total, r.reduced_shape(node.shape, r.normalise_axes(axis, node.rank), False))
    return Tensor(total)
