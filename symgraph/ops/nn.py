"""Softmax and the crossentropies of logits: formulas that neither overflow nor cancel, nor do their gradients.

All of them work along the last axis. An executor without a lowering for one of them computes its decomposition.
"""

from __future__ import annotations

import math

from symgraph.graph.node import Node
from symgraph.graph.type import FLOATS, INTEGERS, TensorType, equal
from symgraph.ops import elementwise as e
from symgraph.ops.leaf import constant
from symgraph.ops.op import ShapeError, define, static
from symgraph.ops.reduction import max_, sum_, sum_to
from symgraph.ops.shape import broadcast_to, expand, iota


def _infer_rows(x: TensorType) -> TensorType:
    if x.dtype not in FLOATS:
        raise TypeError(f"expected a floating-point array, got {x}")
    if x.rank < 1:
        raise ShapeError("softmax needs at least one axis, got a scalar")
    return x


def _shifted(x: Node) -> Node:
    """x less the largest value of its row, which may be infinite."""
    top = max_(x, -1, keepdims=True)
    return x - e.stop_gradient(e.where(e.is_finite(top), top, e.zero(top)))


def _softmax(x: Node) -> Node:
    powers = e.exp(_shifted(x))
    return powers / sum_(powers, -1, keepdims=True)


def _log_softmax(x: Node) -> Node:
    shifted = _shifted(x)
    return shifted - e.log(sum_(e.exp(shifted), -1, keepdims=True))


@define("softmax", infer=_infer_rows, reads=("output",), decompose=_softmax)
def softmax(node, grad):
    """exp(x) / sum(exp(x)) along the last axis."""
    weighted = grad * node
    return (weighted - node * sum_(weighted, -1, keepdims=True),)


@define("log_softmax", infer=_infer_rows, reads=("output",), decompose=_log_softmax)
def log_softmax(node, grad):
    """log(softmax(x)) along the last axis."""
    return (grad - e.exp(node) * sum_(grad, -1, keepdims=True),)


# ------------------------------------------------------------------------------------------------ crossentropies


def _infer_softmax_cross_entropy(logits: TensorType, target: TensorType) -> TensorType:
    _infer_rows(logits)
    if target.dtype != logits.dtype:
        raise TypeError(f"expected logits and target of one element type, got {static((logits, target))}")
    if target.rank != logits.rank or not all(equal(a, b) for a, b in zip(logits.shape, target.shape, strict=True)):
        raise ShapeError(f"the target {target.static_shape} must have the shape of the output, {logits.static_shape}")
    return TensorType(logits.dtype, logits.shape[:-1])


@define(
    "softmax_cross_entropy",
    infer=_infer_softmax_cross_entropy,
    reads=("logits", "target"),
    decompose=lambda logits, target: -sum_(target * log_softmax(logits), -1),
)
def softmax_cross_entropy(node, grad):
    """-sum(target * log(softmax(logits))) along the last axis."""
    logits, target = node.inputs
    grad = expand(grad, (logits.rank - 1,))
    return grad * (softmax(logits) * sum_(target, -1, keepdims=True) - target), -grad * log_softmax(logits)


def _infer_sparse_softmax_cross_entropy(logits: TensorType, target: TensorType) -> TensorType:
    _infer_rows(logits)
    if target.dtype not in INTEGERS:
        raise TypeError(f"expected integer class numbers, got {target}")
    rows = logits.shape[:-1]
    if target.rank != len(rows) or not all(equal(a, b) for a, b in zip(rows, target.shape, strict=True)):
        raise ShapeError(
            f"class numbers of shape {target.static_shape} do not fit an output of shape {logits.static_shape}: "
            f"expected {TensorType('int64', rows).static_shape}"
        )
    return TensorType(logits.dtype, rows)


def places_of(target: Node, classes: Node) -> Node:
    """Return whether each place of the last axis of `classes` is the one that the target names."""
    wanted = expand(e.cast(target, "int64"), (target.rank,))
    size = classes.shape[-1]
    return e.equal(wanted, iota(shape=(size,), axis=0, dtype="int64"))


def _sparse_softmax_cross_entropy(logits: Node, target: Node) -> Node:
    there = e.cast(places_of(target, logits), "bool")
    total = sum_(e.where(there, log_softmax(logits), e.zero(logits)), -1)
    named = sum_(e.cast(there, logits.dtype), -1)
    return e.where(e.greater(named, e.zero(named)), -total, constant(math.nan, logits.dtype))


@define(
    "sparse_softmax_cross_entropy",
    infer=_infer_sparse_softmax_cross_entropy,
    reads=("logits", "target"),
    decompose=_sparse_softmax_cross_entropy,
)
def sparse_softmax_cross_entropy(node, grad):
    """-log(softmax(logits))[target] along the last axis; NaN where the target is no class number."""
    logits, target = node.inputs
    hot = e.cast(places_of(target, logits), logits.dtype)
    return expand(grad, (target.rank,)) * (softmax(logits) - hot), None


def _infer_sigmoid_cross_entropy(logits: TensorType, target: TensorType) -> TensorType:
    return e.floating(logits, target)


@define(
    "sigmoid_cross_entropy",
    infer=_infer_sigmoid_cross_entropy,
    reads=("logits", "target"),
    decompose=lambda logits, target: e.maximum(logits, e.zero(logits)) - logits * target + e.softplus(-e.abs(logits)),
)
def sigmoid_cross_entropy(node, grad):
    """-target * log(sigmoid(logits)) - (1 - target) * log(1 - sigmoid(logits)), element by element."""
    logits, target = node.inputs
    return (
        sum_to(broadcast_to(grad * (e.sigmoid(logits) - target), node.shape), logits.shape),
        sum_to(broadcast_to(-grad * logits, node.shape), target.shape),
    )
