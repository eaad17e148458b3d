"""Weighting and reducing the losses of samples."""

from __future__ import annotations

from typing import Any

from symgraph import backend as K

__all__ = ["Reduction", "align_weights", "broadcast_weights", "compute_weighted_loss", "reduce_weighted_loss",
           "squeeze_or_expand_dimensions"]


class Reduction:
    """How the losses of the samples become one number."""

    NONE = "none"
    SUM = "sum"
    SUM_OVER_BATCH_SIZE = "sum_over_batch_size"

    @classmethod
    def all(cls) -> tuple:
        return (cls.NONE, cls.SUM, cls.SUM_OVER_BATCH_SIZE)

    @classmethod
    def validate(cls, key: str) -> str:
        """The reduction of this name ('auto' is the mean); ValueError for another."""
        if key == "auto":
            return cls.SUM_OVER_BATCH_SIZE
        if key not in cls.all():
            raise ValueError(f"Invalid reduction {key!r}. Known: {', '.join(map(repr, cls.all()))}.")
        return key


def align_weights(values: Any, weights: Any) -> Any:
    """Weights with as many axes as the values: axes of size 1 are dropped from, or added at, the end.

    # Raises
        ValueError: weights that cannot be aligned with the values.
    """
    if not K.is_tensor(weights):
        weights = K.constant(weights, dtype=K.dtype(values))
    if K.dtype(weights) != K.dtype(values):
        weights = K.cast(weights, K.dtype(values))
    rank, own = K.ndim(values), K.ndim(weights)
    if rank == 0:
        return K.mean(weights) if own else weights
    while own > rank and K.int_shape(weights)[-1] in {1, None}:
        weights, own = K.squeeze(weights, -1), own - 1
    while 0 < own < rank:
        weights, own = K.expand_dims(weights, -1), own + 1
    if own > rank:
        raise ValueError(
            f"Sample weights of shape {K.int_shape(weights)} do not fit losses of shape {K.int_shape(values)}."
        )
    return weights


def broadcast_weights(values: Any, sample_weight: Any) -> Any:
    """Weights of the shape of the values.

    # Raises
        ValueError: weights that do not fit the values.
    """
    return align_weights(values, sample_weight) * K.ones_like(values)


def squeeze_or_expand_dimensions(y_pred: Any, y_true: Any = None, sample_weight: Any = None) -> tuple:
    """Predictions, targets and weights with numbers of axes that fit each other.

    Of predictions and targets, the one with one axis more loses it, if its size is 1; weights lose or get a last axis
    where they have one more or one less than the predictions.

    # Returns
        `(y_pred, y_true)`, and the weights if there are any.
    """
    if y_true is not None:
        more = K.ndim(y_pred) - K.ndim(y_true)
        if more == 1 and K.int_shape(y_pred)[-1] == 1:
            y_pred = K.squeeze(y_pred, -1)
        elif more == -1 and K.int_shape(y_true)[-1] == 1:
            y_true = K.squeeze(y_true, -1)
    if sample_weight is None:
        return y_pred, y_true
    own = K.ndim(sample_weight)
    if own:
        if own - K.ndim(y_pred) == 1:
            sample_weight = K.squeeze(sample_weight, -1)
        elif K.ndim(y_pred) - own == 1:
            sample_weight = K.expand_dims(sample_weight, -1)
    return y_pred, y_true, sample_weight


def reduce_weighted_loss(weighted_losses: Any, reduction: str = Reduction.SUM_OVER_BATCH_SIZE) -> Any:
    """The losses as one number (or as they are, for `Reduction.NONE`)."""
    reduction = Reduction.validate(reduction)
    if reduction == Reduction.NONE or K.ndim(weighted_losses) == 0:
        return weighted_losses
    return K.sum(weighted_losses) if reduction == Reduction.SUM else K.mean(weighted_losses)


def compute_weighted_loss(losses: Any, sample_weight: Any = None,
                          reduction: str = Reduction.SUM_OVER_BATCH_SIZE) -> Any:
    """The losses times their weights, reduced: the mean divides by the number of losses, not by the weights."""
    if sample_weight is not None:
        losses = losses * align_weights(losses, sample_weight)
    return reduce_weighted_loss(losses, reduction)
