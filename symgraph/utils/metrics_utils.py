"""Counts of right and wrong decisions, from which metrics are made."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np

from symgraph import backend as K
from symgraph.utils.losses_utils import align_weights

__all__ = ["AUCCurve", "AUCSummationMethod", "ConfusionMatrix", "NEG_INF", "Reduction", "assert_thresholds_range",
           "filter_top_k", "parse_init_thresholds", "to_list", "update_confusion_matrix_variables",
           "weighted_assign_add"]

#: What stands for a score that is not among the k largest.
NEG_INF = -1e10


class Reduction:
    """How the values of the samples become one number."""

    SUM = "sum"
    SUM_OVER_BATCH_SIZE = "sum_over_batch_size"
    WEIGHTED_MEAN = "weighted_mean"


class ConfusionMatrix(Enum):
    """The four counts."""

    TRUE_POSITIVES = "tp"
    FALSE_POSITIVES = "fp"
    TRUE_NEGATIVES = "tn"
    FALSE_NEGATIVES = "fn"


class AUCCurve(Enum):
    """The curves whose areas are known."""

    ROC = "ROC"
    PR = "PR"

    @staticmethod
    def from_str(key: str) -> AUCCurve:
        """The curve of a name.

        # Raises
            ValueError: another name.
        """
        if str(key).upper() not in {"ROC", "PR"}:
            raise ValueError(f"Invalid AUC curve value {key!r}: it is 'ROC' or 'PR'.")
        return AUCCurve(str(key).upper())


class AUCSummationMethod(Enum):
    """How the area is summed: by trapezoids, or with the larger or smaller of two heights."""

    INTERPOLATION = "interpolation"
    MAJORING = "majoring"
    MINORING = "minoring"

    @staticmethod
    def from_str(key: str) -> AUCSummationMethod:
        """The method of a name.

        # Raises
            ValueError: another name.
        """
        if str(key).lower() not in {"interpolation", "majoring", "minoring"}:
            raise ValueError(f"Invalid AUC summation method value {key!r}: it is 'interpolation', 'majoring' or "
                             "'minoring'.")
        return AUCSummationMethod(str(key).lower())


def to_list(x: Any) -> list:
    """`x` itself if it is a list, else a list of one."""
    return x if isinstance(x, list) else [x]


def assert_thresholds_range(thresholds: Any) -> None:
    """Raises ValueError for thresholds that are not in [0, 1]."""
    values = [] if thresholds is None else np.ravel(thresholds).tolist()
    bad = [value for value in values if value is None or not 0 <= value <= 1]
    if bad:
        raise ValueError(f"Threshold values must be in [0, 1]. Invalid values: {bad}")


def parse_init_thresholds(thresholds: Any, default_threshold: float = 0.5) -> list[float]:
    """The thresholds as a list, the default without any.

    # Raises
        ValueError: thresholds that are not in [0, 1].
    """
    if thresholds is None:
        return [default_threshold]
    assert_thresholds_range(thresholds)
    return [float(value) for value in np.ravel(thresholds)]


def filter_top_k(x: Any, k: int) -> Any:
    """The `k` largest scores along the last axis as they are, the others very small; of equals the first counts."""
    classes = K.int_shape(x)[-1]
    one, other = K.expand_dims(x, -1), K.expand_dims(x, -2)
    earlier = K.constant(np.tril(np.ones((classes, classes)), -1), dtype=K.dtype(x))
    ahead = K.cast(K.greater(other, one), K.dtype(x)) + K.cast(K.equal(other, one), K.dtype(x)) * earlier
    return K.switch(K.less(K.sum(ahead, axis=-1), float(k)), x, K.zeros_like(x) + NEG_INF)


def weighted_assign_add(label: Any, pred: Any, weights: Any, var: Any) -> Any:
    """The update of counts by the samples for which both `label` and `pred` hold.

    # Arguments
        label, pred: tensors (thresholds, samples) of 0 and 1, or of truth values.
        weights: of the samples, or None.
        var: variable with an entry for each threshold.
    """
    dtype = K.dtype(var)
    counted = K.cast(label, dtype) * K.cast(pred, dtype)
    if weights is not None:
        counted = counted * K.cast(weights, dtype)
    return K.update_add(var, K.sum(counted, axis=1))


def update_confusion_matrix_variables(variables_to_update: Mapping, y_true: Any, y_pred: Any, thresholds: Any = 0.5,
                                      top_k: int | None = None, class_id: int | None = None, sample_weight: Any = None
                                      ) -> list:
    """The updates of counts by a batch.

    # Arguments
        variables_to_update: `ConfusionMatrix` -> variable with an entry for each threshold.
        y_true: targets; what is not 0 is a positive.
        y_pred: scores; those above the threshold are positive decisions.
        thresholds: one or several.
        top_k: only the `k` largest scores of a sample count as positive decisions.
        class_id: only this class counts.
        sample_weight: weights.

    # Raises
        ValueError: no variables, or one under another key.
    """
    unknown = [key for key in variables_to_update if key not in list(ConfusionMatrix)]
    if unknown or not variables_to_update:
        raise ValueError("Please provide at least one valid confusion matrix variable to update. Valid variable key "
                         f'options are: "{list(ConfusionMatrix)}". Received: "{list(variables_to_update)}"')
    dtype = K.dtype(next(iter(variables_to_update.values())))
    y_pred, y_true = K.cast(y_pred, dtype), K.cast(y_true, dtype)
    if K.ndim(y_true) == K.ndim(y_pred) - 1 and K.int_shape(y_pred)[-1] == 1:
        y_true = K.expand_dims(y_true, -1)
    if top_k is not None:
        y_pred = filter_top_k(y_pred, top_k)
    weights = None
    if sample_weight is not None:
        weights = align_weights(y_pred, K.cast(sample_weight, dtype)) * K.ones_like(y_pred)
    if class_id is not None:
        y_true, y_pred = y_true[..., class_id], y_pred[..., class_id]
        weights = None if weights is None else weights[..., class_id]
    limits = K.constant(np.reshape(thresholds, (-1, 1)), dtype=dtype)
    decided = K.cast(K.greater(K.reshape(y_pred, (1, -1)), limits), dtype)
    positive = K.cast(K.reshape(K.not_equal(y_true, 0.0), (1, -1)), dtype)
    weights = None if weights is None else K.reshape(weights, (1, -1))
    of_positives = {ConfusionMatrix.TRUE_POSITIVES, ConfusionMatrix.FALSE_NEGATIVES}
    of_decided = {ConfusionMatrix.TRUE_POSITIVES, ConfusionMatrix.FALSE_POSITIVES}
    return [weighted_assign_add(positive if kind in of_positives else 1.0 - positive,
                                decided if kind in of_decided else 1.0 - decided, weights, variable)
            for kind, variable in variables_to_update.items()]
