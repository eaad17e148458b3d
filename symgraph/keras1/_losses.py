"""`keras.objectives` and `keras.metrics` of Keras 1."""

from __future__ import annotations

from typing import Any

from symgraph import backend as K
from symgraph import losses as new_losses
from symgraph import metrics as new_metrics
from symgraph.legacy.metrics import fbeta_score, fmeasure, matthews_correlation, precision, recall

__all__ = ["METRICS", "OBJECTIVES", "get_metric", "get_objective"]

_ALIASES = {"mse": "mean_squared_error", "mae": "mean_absolute_error", "mape": "mean_absolute_percentage_error",
            "msle": "mean_squared_logarithmic_error", "kld": "kullback_leibler_divergence",
            "cosine": "cosine_proximity"}
_NAMES = ("mean_squared_error", "mean_absolute_error", "mean_absolute_percentage_error",
          "mean_squared_logarithmic_error",
          "squared_hinge", "hinge", "categorical_crossentropy", "sparse_categorical_crossentropy",
          "binary_crossentropy",
          "kullback_leibler_divergence", "poisson", "cosine_proximity")


def _hinge(y_true, y_pred):
    """Mean of `max(1 - y_true * y_pred, 0)`; labels are -1 and 1."""
    return K.mean(K.maximum(1.0 - y_true * y_pred, 0.0), axis=-1)


def _squared_hinge(y_true, y_pred):
    """Mean of `max(1 - y_true * y_pred, 0) ** 2`; labels are -1 and 1."""
    return K.mean(K.square(K.maximum(1.0 - y_true * y_pred, 0.0)), axis=-1)


def _cosine_proximity(y_true, y_pred):
    """Minus the mean of the products of the normalised targets and predictions."""
    return -K.mean(K.l2_normalize(y_true, axis=-1) * K.l2_normalize(y_pred, axis=-1), axis=-1)


OBJECTIVES: dict[str, Any] = {name: getattr(new_losses, name) for name in _NAMES}
for _own, _name in ((_hinge, "hinge"), (_squared_hinge, "squared_hinge"), (_cosine_proximity, "cosine_proximity")):
    _own.__name__ = _own.__qualname__ = _name
    OBJECTIVES[_name] = _own
for _short, _long in _ALIASES.items():
    OBJECTIVES[_short] = OBJECTIVES[_short.upper()] = OBJECTIVES[_long]


def get_objective(identifier):
    """The objective of a name; a function is given back.

    # Raises
        ValueError: an unknown name.
    """
    return _get(identifier, OBJECTIVES, "objective")


def _get(identifier: Any, table: dict, what: str) -> Any:
    if not isinstance(identifier, str):
        return identifier
    from symgraph.utils.generic_utils import get_custom_objects

    custom = get_custom_objects()
    if identifier in custom:
        return custom[identifier]
    if identifier not in table:
        raise ValueError(f"Invalid {what}: {identifier!r}. Known: {', '.join(sorted(table))}.")
    return table[identifier]


# --------------------------------------------------------------------------------------------- metrics: one number each
def _mean_of(function: Any, name: str) -> Any:
    def metric(y_true, y_pred):
        return K.mean(function(y_true, y_pred))

    metric.__name__ = metric.__qualname__ = name
    metric.__doc__ = f"The mean of `{name}` over the batch."
    return metric


def top_k_categorical_accuracy(y_true, y_pred, k=5):
    """How often the right class is among the `k` largest."""
    return K.mean(new_metrics.top_k_categorical_accuracy(y_true, y_pred, k))


METRICS: dict[str, Any] = {name: _mean_of(OBJECTIVES[name], name) for name in _NAMES}
METRICS.update({name: _mean_of(getattr(new_metrics, name), name)
                for name in ("binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy")})
METRICS.update({f.__name__: f for f in (top_k_categorical_accuracy, matthews_correlation, precision, recall,
                                        fbeta_score,
                                        fmeasure)})
METRICS.update(fscore=fmeasure, f1score=fmeasure)
for _short, _long in _ALIASES.items():
    METRICS[_short] = METRICS[_short.upper()] = METRICS[_long]


def get_metric(identifier):
    """The metric of a name; a function is given back.

    # Raises
        ValueError: an unknown name.
    """
    return _get(identifier, METRICS, "metric")
