"""Weighting and reducing the losses of samples."""

from __future__ import annotations

from typing import Any

from symgraph import backend as K

__all__ = ["Reduction", "align_weights", "compute_weighted_loss"]


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


def compute_weighted_loss(losses: Any, sample_weight: Any = None,
                          reduction: str = Reduction.SUM_OVER_BATCH_SIZE) -> Any:
    """The losses times their weights, reduced: the mean divides by the number of losses, not by the weights."""
    if sample_weight is not None:
        losses = losses * align_weights(losses, sample_weight)
    reduction = Reduction.validate(reduction)
    if reduction == Reduction.NONE or K.ndim(losses) == 0:
        return losses
    return K.sum(losses) if reduction == Reduction.SUM else K.mean(losses)
