"""Activations, crossentropies and what layers are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from symgraph import config
from symgraph.graph.convert import as_float, as_node, operands
from symgraph.graph.node import Node
from symgraph.graph.tensor import Tensor
from symgraph.ops import elementwise as e
from symgraph.ops import nn
from symgraph.ops import reduction as r
from symgraph.ops.leaf import constant
from symgraph.ops.op import ShapeError
from symgraph.ops.shape import reshape, transpose

__all__ = [
    "batch_normalization", "bias_add", "binary_crossentropy", "categorical_crossentropy", "elu", "gelu", "hard_sigmoid",
    "in_top_k", "moments", "normalize_batch_in_training", "normalize_data_format", "relu", "sigmoid", "softmax",
    "softplus", "softsign", "sparse_categorical_crossentropy", "swish", "tanh",
]  # fmt: skip


# --------------------------------------------------------------------------------------------------- activations


def relu(x: Any, alpha: Any = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Tensor:
    """Rectify: max_value where x >= max_value, x where x >= threshold, alpha * (x - threshold) below.

    Args:
        x: a tensor or array of any shape.
        alpha: slope below the threshold.
        max_value: upper limit, or None.
        threshold: below this value the slope is alpha.
    """
    node = as_node(x)
    if isinstance(alpha, (int, float)) and alpha == 0:
        if threshold == 0:
            result = e.relu(node)
        else:
            result = e.where(e.greater_equal(node, constant(threshold, node.dtype)), node, e.zero(node))
        if max_value is not None:
            result = e.minimum(result, constant(max_value, node.dtype))
        return Tensor(result, "relu")
    node = as_float(node)
    limit = constant(threshold, node.dtype)
    above = e.greater(node, limit) if threshold == 0 else e.greater_equal(node, limit)
    upper = node if max_value is None else e.minimum(node, constant(max_value, node.dtype))
    slope = e.cast(as_node(alpha), node.dtype)
    return Tensor(e.where(above, upper, slope * (node if threshold == 0 else node - limit)), "relu")


def elu(x: Any, alpha: float = 1.0) -> Tensor:
    """Return x where it is positive, alpha * (exp(x) - 1) elsewhere (Clevert et al. 2015)."""
    node = as_float(x)
    slope = e.cast(as_node(alpha), node.dtype)
    below = slope * e.expm1(e.minimum(node, e.zero(node)))
    return Tensor(e.where(e.greater(node, e.zero(node)), node, below), "elu")


def softmax(x: Any, axis: int = -1) -> Tensor:
    """Return exp(x) / sum(exp(x)) along an axis, without overflow."""
    node = as_float(x)
    (place,) = _axis("softmax", axis, node)
    return Tensor(_along_last(nn.softmax, node, place), "softmax")


def _axis(function: str, axis: int, node: Node) -> tuple[int]:
    if isinstance(axis, bool) or not isinstance(axis, int) or not -node.rank <= axis < node.rank:
        raise ShapeError(
            f"{function}: axis must be a number from {-node.rank} to {node.rank - 1} for a tensor of shape "
            f"{node.tensor_type.static_shape}, got {axis!r}"
        )
    return (axis % node.rank,)


def _swapped(node: Node, axis: int) -> Node:
    """Exchange an axis and the last one."""
    order = list(range(node.rank))
    order[axis], order[-1] = order[-1], order[axis]
    return transpose(node, order)


def _along_last(op: Any, node: Node, axis: int) -> Node:
    """Apply an operation that works along the last axis along another one."""
    return _swapped(op(_swapped(node, axis)), axis)


def softplus(x: Any) -> Tensor:
    """Return log(1 + exp(x)), without overflow."""
    return Tensor(e.softplus(as_float(x)), "softplus")


def softsign(x: Any) -> Tensor:
    """Return x / (1 + |x|)."""
    node = as_float(x)
    return Tensor(node / (e.abs(node) + 1), "softsign")


def tanh(x: Any) -> Tensor:
    """Return the hyperbolic tangent."""
    return Tensor(e.tanh(as_float(x)), "tanh")


def sigmoid(x: Any) -> Tensor:
    """Return 1 / (1 + exp(-x))."""
    return Tensor(e.sigmoid(as_float(x)), "sigmoid")


def hard_sigmoid(x: Any) -> Tensor:
    """Return 0.2 * x + 0.5 limited to [0, 1]."""
    node = as_float(x)
    return Tensor(e.maximum(e.minimum(node * 0.2 + 0.5, e.one(node)), e.zero(node)), "hard_sigmoid")


def gelu(x: Any) -> Tensor:
    """Return x times the normal distribution function of x (Hendrycks and Gimpel 2016), by the error function."""
    node = as_float(x)
    return Tensor(node * 0.5 * (e.erf(node * math.sqrt(0.5)) + 1), "gelu")


def swish(x: Any) -> Tensor:
    """Return x * sigmoid(x) (Ramachandran et al. 2017)."""
    node = as_float(x)
    return Tensor(node * e.sigmoid(node), "swish")


# ------------------------------------------------------------------------------------------------ crossentropies


def _loss_operands(target: Any, output: Any) -> tuple[Node, Node]:
    prediction = as_float(output)
    return e.cast(as_node(target), prediction.dtype), prediction


def _clipped(node: Node) -> Node:
    """Probabilities kept off 0 and 1 by epsilon."""
    low = constant(config.epsilon(), node.dtype)
    return e.maximum(e.minimum(node, e.one(node) - low), low)


def _logits_of(node: Node, op: Any) -> Node | None:
    """Return what an activation was computed from, if the node is that activation."""
    return node.inputs[0] if node.op is op else None


def _softmax_logits(node: Node, axis: int) -> Node | None:
    """Return the logits, the class axis last, if the node is a softmax along this axis."""
    return _logits_of(_swapped(node, axis) if node.op.name != "transpose" else _undone(node, axis), nn.softmax)


def _undone(node: Node, axis: int) -> Node:
    """Exchange an axis and the last one, dropping the exchange where that is what the node itself did."""
    swapped = list(range(node.rank))
    swapped[axis], swapped[-1] = swapped[-1], swapped[axis]
    return node.inputs[0] if node.attrs["axes"] == tuple(swapped) else _swapped(node, axis)


def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Tensor:
    """Return -sum(target * log(output)) along the class axis.

    Where `output` is the result of K.softmax along that axis, the loss is computed from what went into it: equal, but
    right - in value and gradient - for logits of any size. Other probabilities are scaled to the sum 1 and kept off 0
    and 1 by K.epsilon().

    Args:
        target: probabilities, of the shape of the output.
        output: probabilities, or logits.
        from_logits: whether the output is logits.
        axis: the class axis.

    Returns:
        The shape of the output without the class axis.

    Raises:
        ShapeError: the shapes differ or there is no such axis.
    """
    wanted, prediction = _loss_operands(target, output)
    (place,) = _axis("categorical_crossentropy", axis, prediction)
    if wanted.rank != prediction.rank:
        shapes = f"{wanted.tensor_type.static_shape} and {prediction.tensor_type.static_shape}"
        raise ShapeError(f"categorical_crossentropy: target and output must have the same shape, got {shapes}")
    wanted = _swapped(wanted, place)
    logits = _swapped(prediction, place) if from_logits else _softmax_logits(prediction, place)
    if logits is not None:
        loss = nn.softmax_cross_entropy(logits, wanted)
    else:
        rows = _swapped(prediction, place)
        rows = _clipped(rows / r.sum_(rows, -1, True))
        loss = -r.sum_(wanted * e.log(rows), -1)
    if place != prediction.rank - 1:  # what was the last axis now stands at the place of the class axis
        order = list(range(loss.rank))
        order.append(order.pop(place))
        loss = transpose(loss, order)
    return Tensor(loss, "categorical_crossentropy")


def sparse_categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Tensor:
    """Return -log(output)[target] along the class axis.

    Computed from the logits where `output` is the result of K.softmax (see categorical_crossentropy).

    Args:
        target: class numbers, of any shape with as many elements as the output has rows; floats are cut to integers. A
            number that is no class gives NaN.
        output: probabilities, or logits.
        from_logits: whether the output is logits.
        axis: the class axis.

    Returns:
        The shape of the output without the class axis.
    """
    prediction = as_float(output)
    (place,) = _axis("sparse_categorical_crossentropy", axis, prediction)
    logits = prediction if from_logits else None
    order = [k for k in range(prediction.rank) if k != place] + [place]
    if logits is None and place == prediction.rank - 1:
        logits = _logits_of(prediction, nn.softmax)
    elif logits is None and (swapped := _softmax_logits(prediction, place)) is not None:
        logits = _swapped(swapped, place)
    if logits is None:
        logits = e.log(_clipped(prediction))
    logits = transpose(logits, order)
    numbers = as_node(target)
    if not numbers.dtype.startswith(("int", "uint")):
        numbers = e.cast(numbers, "int64")
    rows = logits.shape[:-1]
    if numbers.shape != rows:
        try:
            numbers = reshape(numbers, rows)
        except ShapeError as error:
            raise ShapeError(
                f"sparse_categorical_crossentropy: {numbers.tensor_type.static_shape} class numbers do not fit an "
                f"output of shape {prediction.tensor_type.static_shape}"
            ) from error
    return Tensor(nn.sparse_softmax_cross_entropy(logits, numbers), "sparse_categorical_crossentropy")


def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Tensor:
    """Return -target * log(output) - (1 - target) * log(1 - output), element by element.

    Where `output` is the result of K.sigmoid, the loss is computed from what went into it: equal, but right - in value
    and gradient - for logits of any size. Other probabilities are kept off 0 and 1 by K.epsilon().

    Args:
        target: probabilities of the class 1, of the shape of the output.
        output: probabilities, or logits.
        from_logits: whether the output is logits.
    """
    wanted, prediction = _loss_operands(target, output)
    logits = prediction if from_logits else _logits_of(prediction, e.sigmoid)
    if logits is not None:
        return Tensor(nn.sigmoid_cross_entropy(logits, wanted), "binary_crossentropy")
    kept = _clipped(prediction)
    loss = -(wanted * e.log(kept) + (1 - wanted) * e.log(1 - kept))
    return Tensor(loss, "binary_crossentropy")


# ------------------------------------------------------------------------------------------------ parts of layers


def channels_first(function: str, data_format: str | None, dim_ordering: str | None = None) -> bool:
    """Return whether channels stand at axis 1, given the layout by its name in Keras 2 or Keras 1.

    Raises:
        ValueError: an unknown name; says which are known.
    """
    name = data_format if data_format is not None else dim_ordering
    if name is None or name == "default":
        name = config.image_data_format()
    if isinstance(name, str):
        name = name.lower()
    if name not in ("channels_first", "channels_last", "th", "tf"):
        raise ValueError(
            f"{function}: data_format must be 'channels_last' or 'channels_first' ('tf' or 'th' in Keras 1), "
            f"got {name!r}"
        )
    return name in ("channels_first", "th")


def bias_add(x: Any, bias: Any, data_format: str | None = None, dim_ordering: str | None = None) -> Tensor:
    """Add a bias to the channels of a batch.

    Args:
        x: (batch, ..., channels), or (batch, channels, ...) with channels_first.
        bias: (channels,), or all axes but the batch: (..., channels), in both layouts. With channels_first such a bias
            is taken in its order in memory as (channels, ...), as Keras does, so that saved weights mean the same.
        data_format: "channels_last" or "channels_first"; by default that of the configuration.

    Raises:
        ValueError: the bias has neither one dimension nor one less than x, or an unknown data_format.
    """
    first = channels_first("bias_add", data_format, dim_ordering)
    node, add = operands(x, bias)
    if add.rank not in (1, node.rank - 1):
        raise ValueError(
            f"bias_add: the bias must have 1 or {node.rank - 1} dimensions for x of shape "
            f"{node.tensor_type.static_shape}, got shape {add.tensor_type.static_shape}"
        )
    if first and node.rank > 2:
        if add.rank == 1:
            add = reshape(add, (add.shape[0], *(1,) * (node.rank - 2)))
        else:
            add = reshape(add, (add.shape[-1], *add.shape[:-1]))
    return Tensor(e.add(node, add), "bias_add")


def in_top_k(predictions: Any, targets: Any, k: int) -> Tensor:
    """Return, for each row, whether fewer than k classes have a larger prediction than the target.

    Args:
        predictions: (batch, classes).
        targets: (batch,) class numbers; a number that is no class is in no top k.
        k: how many.

    Returns:
        (batch,) bool.
    """
    rows, numbers = as_node(predictions), as_node(targets)
    if rows.rank != 2 or numbers.rank != 1:
        shapes = f"{rows.tensor_type.static_shape} and {numbers.tensor_type.static_shape}"
        raise ShapeError(f"in_top_k: expected predictions (batch, classes) and targets (batch,), got {shapes}")
    there = nn.places_of(numbers, rows)
    value = r.sum_(e.where(there, rows, e.zero(rows)), -1, True)
    larger = r.sum_(e.cast(e.greater(rows, value), "int64"), -1)
    found = e.logical_and(r.any_(there, -1), e.less(larger, constant(int(k), "int64")))
    return Tensor(e.logical_and(found, r.any_(e.equal(value, value), -1)), "in_top_k")


def batch_normalization(
    x: Any, mean: Any, var: Any, beta: Any, gamma: Any, axis: int = -1, epsilon: float = 1e-3
) -> Tensor:
    """Return gamma * (x - mean) / sqrt(var + epsilon) + beta (Ioffe and Szegedy 2015).

    Args:
        x: a tensor.
        mean, var, beta, gamma: vectors along `axis`, or tensors that broadcast to x; beta and gamma may be None.
        axis: the axis of the vectors.
        epsilon: added to the variance.
    """
    node = as_float(x)
    (place,) = _axis("batch_normalization", axis, node)

    def along(value: Any) -> Node | None:
        if value is None:
            return None
        part = e.cast(as_node(value), node.dtype)
        if part.rank == 1 and node.rank > 1:
            part = reshape(part, tuple(part.shape[0] if k == place else 1 for k in range(node.rank)))
        return part

    scale = e.rsqrt(along(var) + epsilon)  # type: ignore[operator,arg-type]
    factor, shift = along(gamma), along(beta)
    if factor is not None:
        scale = scale * factor
    result = (node - along(mean)) * scale  # type: ignore[operator]
    return Tensor(result if shift is None else result + shift, "batch_normalization")


def moments(x: Any, axis: Any) -> tuple[Tensor, Tensor]:
    """Return mean and variance over axes, which are kept with size 1 (see `symgraph.ops.reduction.moments`).

    Args:
        x: a tensor.
        axis: the axis or axes to take them over.
    """
    mean, variance = r.moments(as_float(x), axis)
    return Tensor(mean, "mean"), Tensor(variance, "variance")


def normalize_batch_in_training(
    x: Any, gamma: Any, beta: Any, reduction_axes: Sequence[int], epsilon: float = 1e-3
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise a batch by its own mean and variance.

    Args:
        x: a tensor.
        gamma, beta: scale and shift of the axes that are kept, or None.
        reduction_axes: the axes to take mean and variance over.
        epsilon: added to the variance.

    Returns:
        (normalised x, mean, variance); the last two have the axes that are kept.
    """
    node = as_float(x)
    axes = r.normalise_axes(reduction_axes, node.rank)
    kept = tuple(1 if k in axes else dim for k, dim in enumerate(node.shape))
    mean, var = r.moments(node, axes)
    factor, shift = (
        None if value is None else reshape(e.cast(as_node(value), node.dtype), kept) for value in (gamma, beta)
    )
    normed = batch_normalization(Tensor(node), Tensor(mean), Tensor(var), shift, factor, -1, epsilon)
    flat = r.reduced_shape(node.shape, axes, False)
    return normed, Tensor(reshape(mean, flat), "mean"), Tensor(reshape(var, flat), "variance")


def normalize_data_format(value: str | None) -> str:
    """Return "channels_first" or "channels_last", the configured one for None.

    Raises:
        ValueError: another name.
    """
    return "channels_first" if channels_first("normalize_data_format", value) else "channels_last"
