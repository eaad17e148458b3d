"""Metrics that only Keras 1 has: of binary labels, one number for a batch."""

from __future__ import annotations

from typing import Any

from symgraph import backend as K

__all__ = ["fbeta_score", "fmeasure", "matthews_correlation", "precision", "recall"]


def _counts(y_true: Any, y_pred: Any) -> tuple:
    predicted, actual = K.round(K.clip(y_pred, 0, 1)), K.round(K.clip(y_true, 0, 1))
    return K.sum(predicted * actual), K.sum(predicted), K.sum(actual)


def matthews_correlation(y_true, y_pred):
    """Matthews' correlation of binary labels and rounded predictions (Matthews 1975)."""
    predicted, actual = K.round(K.clip(y_pred, 0, 1)), K.round(K.clip(y_true, 0, 1))
    true_yes, true_no = K.sum(actual * predicted), K.sum((1 - actual) * (1 - predicted))
    false_yes, false_no = K.sum((1 - actual) * predicted), K.sum(actual * (1 - predicted))
    scale = K.sqrt((true_yes + false_yes) * (true_yes + false_no) * (true_no + false_yes) * (true_no + false_no))
    return (true_yes * true_no - false_yes * false_no) / (scale + K.epsilon())


def precision(y_true, y_pred):
    """The share of the positive predictions that are right."""
    hits, predicted, _ = _counts(y_true, y_pred)
    return hits / (predicted + K.epsilon())


def recall(y_true, y_pred):
    """The share of the positive labels that are found."""
    hits, _, actual = _counts(y_true, y_pred)
    return hits / (actual + K.epsilon())


def fbeta_score(y_true, y_pred, beta=1):
    """The weighted harmonic mean of precision and recall; 0 where there are no positive labels.

    # Raises
        ValueError: a negative beta.
    """
    if beta < 0:
        raise ValueError(f"The lowest choosable beta is zero (only precision), got {beta}.")
    p, r = precision(y_true, y_pred), recall(y_true, y_pred)
    score = (1 + beta**2) * (p * r) / (beta**2 * p + r + K.epsilon())
    some = K.cast(K.greater(_counts(y_true, y_pred)[2], 0.0), K.dtype(score))
    return score * some


def fmeasure(y_true, y_pred):
    """The harmonic mean of precision and recall."""
    return fbeta_score(y_true, y_pred, beta=1)
