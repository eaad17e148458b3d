"""Metrics from counts of right and wrong decisions: precision, recall, areas under curves, intersection over union.

They are offered by `symgraph.metrics`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symgraph import backend as K
from symgraph.metrics import Metric
from symgraph.utils.losses_utils import align_weights
from symgraph.utils.metrics_utils import (
    NEG_INF,
    AUCCurve,
    AUCSummationMethod,
    ConfusionMatrix,
    parse_init_thresholds,
    update_confusion_matrix_variables,
)

__all__ = [
    "AUC", "BaseMeanIoU", "FalseNegatives", "FalsePositives", "MeanIoU", "Precision", "Recall",
    "SensitivityAtSpecificity", "SensitivitySpecificityBase", "SpecificityAtSensitivity", "TrueNegatives",
    "TruePositives",
]


def _ratio(part: Any, whole: Any) -> Any:
    """`part / whole`, 0 where `whole` is 0."""
    empty = K.equal(whole, 0.0)
    return K.switch(empty, K.zeros_like(part), part / K.switch(empty, K.ones_like(whole), whole))


class _Counts(Metric):
    """Counts of true and false, positive and negative decisions, for each threshold.

    `kept` names the counts that the metric needs; each is an attribute, a vector with an entry for each threshold.
    """

    kept: tuple[str, ...] = ()

    def _count_for(self, thresholds: list[float]) -> None:
        self.thresholds = thresholds
        for name in self.kept:
            setattr(self, name, self.add_weight(name=name, shape=(len(thresholds),)))

    def _counting(self, y_true: Any, y_pred: Any, sample_weight: Any, top_k: int | None = None,
                 class_id: int | None = None) -> list:
        counts = {ConfusionMatrix[name.upper()]: getattr(self, name) for name in self.kept}
        return update_confusion_matrix_variables(counts, y_true, y_pred, self.thresholds, top_k, class_id,
                                                 sample_weight)

    def _values(self, *names: str) -> list:
        return [getattr(self, name) for name in names]

    def _shown(self, values: Any) -> Any:
        """A number for one threshold, a vector for several."""
        return values[0] if len(self.thresholds) == 1 else values


class _ConditionCount(_Counts):
    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: str | None = None):
        super().__init__(name=name, dtype=dtype)
        self.init_thresholds = thresholds
        self._count_for(parse_init_thresholds(thresholds, 0.5))

    def update_state(self, y_true, y_pred, sample_weight=None):  # type: ignore[override]
        return self._counting(y_true, y_pred, sample_weight)

    def result(self):
        return self._shown(self._values(*self.kept)[0])

    def get_config(self):
        return {**super().get_config(), "thresholds": self.init_thresholds}


class TruePositives(_ConditionCount):
    """Number of positives that score above each threshold."""

    kept = ("true_positives",)


class FalsePositives(_ConditionCount):
    """Number of negatives that score above each threshold."""

    kept = ("false_positives",)


class TrueNegatives(_ConditionCount):
    """Number of negatives that do not score above each threshold."""

    kept = ("true_negatives",)


class FalseNegatives(_ConditionCount):
    """Number of positives that do not score above each threshold."""

    kept = ("false_negatives",)


class _Rate(_Counts):
    def __init__(self, thresholds: Any = None, top_k: int | None = None, class_id: int | None = None,
                 name: str | None = None, dtype: str | None = None):
        super().__init__(name=name, dtype=dtype)
        self.init_thresholds, self.top_k, self.class_id = thresholds, top_k, class_id
        self._count_for(parse_init_thresholds(thresholds, 0.5 if top_k is None else NEG_INF))

    def update_state(self, y_true, y_pred, sample_weight=None):  # type: ignore[override]
        return self._counting(y_true, y_pred, sample_weight, self.top_k, self.class_id)

    def result(self):
        hits, misses = self._values(*self.kept)
        return self._shown(_ratio(hits, hits + misses))

    def get_config(self):
        return {**super().get_config(), "thresholds": self.init_thresholds, "top_k": self.top_k,
                "class_id": self.class_id}


class Precision(_Rate):
    """Part of the positive decisions that is right.

    # Arguments
        thresholds: one or several, 0.5 by default.
        top_k: only the `k` largest scores of a sample count as positive decisions.
        class_id: only this class counts.
    """

    kept = ("true_positives", "false_positives")


class Recall(_Rate):
    """Part of the positives that is found.

    # Arguments
        thresholds: one or several, 0.5 by default.
        top_k: only the `k` largest scores of a sample count as positive decisions.
        class_id: only this class counts.
    """

    kept = ("true_positives", "false_negatives")


_ALL = ("true_positives", "true_negatives", "false_positives", "false_negatives")


class SensitivitySpecificityBase(_Counts):
    """Base of the metrics that give one rate where another one has a given value.

    A subclass gives `result()`, a tensor made of `true_positives`, `true_negatives`, `false_positives` and
    `false_negatives` (vectors with an entry for each threshold), e.g. by `self._at_closest(constrained, wanted)`.

    # Arguments
        value: the value of the rate that is constrained, in [0, 1].
        num_thresholds: number of thresholds, evenly spaced from 0 to 1.
    """

    kept = _ALL
    #: What the value is called in messages.
    _constrained = "value"

    def __init__(self, value: float, num_thresholds: int = 200, name: str | None = None, dtype: str | None = None):
        super().__init__(name=name, dtype=dtype)
        if not 0 <= value <= 1:
            raise ValueError(f"`{self._constrained}` must be in the range [0, 1], got {value}.")
        if num_thresholds <= 0:
            raise ValueError(f"`num_thresholds` must be > 0, got {num_thresholds}.")
        self.value, self.num_thresholds = value, num_thresholds
        inner = [0.5] if num_thresholds == 1 else [k / (num_thresholds - 1) for k in range(1, num_thresholds - 1)]
        self._count_for([0.0, *inner, 1.0] if num_thresholds > 1 else inner)

    def update_state(self, y_true, y_pred, sample_weight=None):  # type: ignore[override]
        return self._counting(y_true, y_pred, sample_weight)

    def _at_closest(self, constrained: Any, wanted: Any) -> Any:
        """`wanted` at the first threshold where `constrained` is closest to the constraint."""
        index = K.argmin(K.abs(constrained - self.value), axis=0)
        return K.gather(wanted, index)


class SensitivityAtSpecificity(SensitivitySpecificityBase):
    """Sensitivity at the threshold whose specificity is closest to a given one."""

    _constrained = "specificity"

    def __init__(self, specificity: float, num_thresholds: int = 200, name: str | None = None,
                 dtype: str | None = None):
        super().__init__(specificity, num_thresholds, name, dtype)
        self.specificity = specificity

    def result(self):
        tp, tn, fp, fn = self._values(*_ALL)
        return self._at_closest(_ratio(tn, tn + fp), _ratio(tp, tp + fn))

    def get_config(self):
        return {**super().get_config(), "num_thresholds": self.num_thresholds, "specificity": self.specificity}


class SpecificityAtSensitivity(SensitivitySpecificityBase):
    """Specificity at the threshold whose sensitivity is closest to a given one."""

    _constrained = "sensitivity"

    def __init__(self, sensitivity: float, num_thresholds: int = 200, name: str | None = None,
                 dtype: str | None = None):
        super().__init__(sensitivity, num_thresholds, name, dtype)
        self.sensitivity = sensitivity

    def result(self):
        tp, tn, fp, fn = self._values(*_ALL)
        return self._at_closest(_ratio(tp, tp + fn), _ratio(tn, tn + fp))

    def get_config(self):
        return {**super().get_config(), "num_thresholds": self.num_thresholds, "sensitivity": self.sensitivity}


def _given(kind: Any, value: Any) -> str:
    """The name of a curve or method that was given by its name or as a member."""
    return value.value if isinstance(value, kind) else kind.from_str(value).value


class AUC(_Counts):
    """Area under the ROC or the precision-recall curve, from counts at thresholds.

    # Arguments
        num_thresholds: number of thresholds, evenly spaced.
        curve: 'ROC' or 'PR'.
        summation_method: 'interpolation' (trapezoids; for 'PR' the interpolation of Davis & Goadrich 2006), 'majoring'
            or 'minoring'.
        thresholds: thresholds of one's own in (0, 1), instead of `num_thresholds`.
    """

    kept = _ALL

    def __init__(self, num_thresholds: int = 200, curve: str = "ROC", summation_method: str = "interpolation",
                 name: str | None = None, dtype: str | None = None, thresholds: Any = None):
        super().__init__(name=name, dtype=dtype)
        self.curve = _given(AUCCurve, curve)
        self.summation_method = _given(AUCSummationMethod, summation_method)
        if thresholds is not None:
            inner = sorted(parse_init_thresholds(thresholds, 0.5))
            num_thresholds = len(inner) + 2
        else:
            if num_thresholds <= 1:
                raise ValueError(f"`num_thresholds` must be > 1, got {num_thresholds}.")
            inner = [k / (num_thresholds - 1) for k in range(1, num_thresholds - 1)]
        self.num_thresholds = num_thresholds
        # The ends lie a little outside: every score is above the first and none above the last.
        self._count_for([-K.epsilon(), *inner, 1.0 + K.epsilon()])

    def update_state(self, y_true, y_pred, sample_weight=None):  # type: ignore[override]
        return self._counting(y_true, y_pred, sample_weight)

    def result(self):
        tp, tn, fp, fn = self._values(*_ALL)
        if self.curve == "PR" and self.summation_method == "interpolation":
            return self._interpolated(tp, fp, fn)
        recall = _ratio(tp, tp + fn)
        if self.curve == "ROC":
            x, y = _ratio(fp, fp + tn), recall
        else:
            x, y = recall, _ratio(tp, tp + fp)
        first, second = y[:-1], y[1:]
        heights = {"interpolation": lambda: (first + second) / 2.0, "minoring": lambda: K.minimum(first, second),
                   "majoring": lambda: K.maximum(first, second)}[self.summation_method]()
        return K.sum((x[:-1] - x[1:]) * heights)

    @staticmethod
    def _interpolated(tp: Any, fp: Any, fn: Any) -> Any:
        """Between two thresholds true positives are taken as linear in the number of positive decisions."""
        gained = tp[:-1] - tp[1:]
        decisions = tp + fp
        slope = _ratio(gained, K.maximum(decisions[:-1] - decisions[1:], 0.0))
        intercept = tp[1:] - slope * decisions[1:]
        both = K.greater(decisions[:-1], 0.0) & K.greater(decisions[1:], 0.0)
        growth = K.switch(both, _ratio(decisions[:-1], K.maximum(decisions[1:], 0.0)), K.ones_like(gained))
        return K.sum(_ratio(slope * (gained + intercept * K.log(growth)), K.maximum(tp[1:] + fn[1:], 0.0)))

    def get_config(self):
        config = {**super().get_config(), "num_thresholds": self.num_thresholds, "curve": self.curve,
                  "summation_method": self.summation_method}
        inner = self.thresholds[1:-1]
        even = [k / (self.num_thresholds - 1) for k in range(1, self.num_thresholds - 1)]
        return {**config, "thresholds": None if inner == even else inner}


class BaseMeanIoU(Metric):
    """Base of metrics made of a confusion matrix: `total_cm`, rows for the targets, columns for the predictions.

    # Arguments
        num_classes: number of classes; targets and predictions are class numbers below it.
    """

    def __init__(self, num_classes: int, name: str | None = None, dtype: str | None = None):
        super().__init__(name=name, dtype=dtype)
        self.num_classes = num_classes
        self.total_cm = self.add_weight(name="total_confusion_matrix", shape=(num_classes, num_classes))

    def update_state(self, y_true, y_pred, sample_weight=None):  # type: ignore[override]
        weights = None
        if sample_weight is not None:
            weights = K.reshape(align_weights(K.cast(y_pred, self.dtype), sample_weight)
                                * K.ones_like(K.cast(y_pred, self.dtype)), (-1, 1))
        classes = K.constant(np.arange(self.num_classes)[None], dtype=self.dtype)
        rows = K.cast(K.equal(K.reshape(K.cast(y_true, self.dtype), (-1, 1)), classes), self.dtype)
        columns = K.cast(K.equal(K.reshape(K.cast(y_pred, self.dtype), (-1, 1)), classes), self.dtype)
        if weights is not None:
            columns = columns * weights
        return [K.update_add(self.total_cm, K.dot(K.transpose(rows), columns))]

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes}


class MeanIoU(BaseMeanIoU):
    """Mean over the classes of intersection over union, from class numbers.

    # Arguments
        num_classes: number of classes.
    """

    def __init__(self, num_classes: int, name: str | None = None, dtype: str | None = None):
        super().__init__(num_classes, name, dtype)

    def result(self):
        diagonal = K.sum(self.total_cm * K.constant(np.eye(self.num_classes), dtype=self.dtype), axis=0)
        union = K.sum(self.total_cm, axis=0) + K.sum(self.total_cm, axis=1) - diagonal
        present = K.sum(K.cast(K.not_equal(union, 0.0), self.dtype))
        return _ratio(K.sum(_ratio(diagonal, union)), present)
