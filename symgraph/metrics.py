"""Metrics: functions `(y_true, y_pred) -> value of each sample`, and classes that keep a running value.

A metric class holds its state in variables. `update_state` returns the updates, `result` is a tensor of the state; in
a training step both are part of the step's one function, and the reported result is that after the update.
"""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import numpy as np

from symgraph import backend as K
from symgraph import losses
from symgraph.engine.layer import Layer, as_updates
from symgraph.losses import (
    MAE,
    MAPE,
    MSE,
    MSLE,
    _pair,
    binary_crossentropy,
    categorical_crossentropy,
    categorical_hinge,
    hinge,
    kullback_leibler_divergence,
    logcosh,
    mae,
    mape,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    mse,
    msle,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from symgraph.utils.generic_utils import deserialize_keras_object, serialize_keras_object
from symgraph.utils.losses_utils import align_weights

__all__ = [
    "MAE", "MAPE", "MSE", "MSLE", "Accuracy", "BinaryAccuracy", "BinaryCrossentropy", "CategoricalAccuracy",
    "CategoricalCrossentropy", "CategoricalHinge", "CosineSimilarity", "Hinge", "KLDivergence", "LogCoshError", "Mean",
    "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanMetricWrapper", "MeanSquaredError",
    "MeanSquaredLogarithmicError", "Metric", "Poisson", "Reduce", "RootMeanSquaredError",
    "SparseCategoricalAccuracy", "SparseCategoricalCrossentropy", "SparseTopKCategoricalAccuracy", "SquaredHinge",
    "Sum", "TopKCategoricalAccuracy", "accuracy", "binary_accuracy", "binary_crossentropy", "categorical_accuracy",
    "categorical_crossentropy", "categorical_hinge", "clone_metric", "clone_metrics", "cosine", "cosine_proximity",
    "cosine_similarity", "deserialize", "get", "hinge", "kullback_leibler_divergence", "logcosh", "mae", "mape",
    "mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_error", "mean_squared_logarithmic_error",
    "mse", "msle", "poisson", "serialize", "sparse_categorical_accuracy", "sparse_categorical_crossentropy",
    "sparse_top_k_categorical_accuracy", "squared_hinge", "top_k_categorical_accuracy",
]


# ---------------------------------------------------------------------------------------------- functions
def accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where target and prediction are equal."""
    y_true, y_pred = _pair(y_true, y_pred)
    return K.cast(K.equal(y_true, y_pred), K.floatx())


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Any:
    """How many of the outputs are on the right side of the threshold, over the last axis."""
    y_true, y_pred = _pair(y_true, y_pred)
    if threshold == 0.5:
        decided = K.round(y_pred)
    else:
        decided = K.cast(K.greater(y_pred, threshold), K.dtype(y_pred))
    return K.mean(K.cast(K.equal(y_true, decided), K.floatx()), axis=-1)


def categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest output is at the largest target."""
    y_true, y_pred = _pair(y_true, y_pred)
    return K.cast(K.equal(K.argmax(y_true, axis=-1), K.argmax(y_pred, axis=-1)), K.floatx())


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest output is at the integer target."""
    y_true, y_pred = _pair(y_true, y_pred)
    if K.ndim(y_true) == K.ndim(y_pred):
        y_true = K.squeeze(y_true, -1)
    return K.cast(K.equal(y_true, K.cast(K.argmax(y_pred, axis=-1), K.dtype(y_true))), K.floatx())


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """1 where the largest target is among the `k` largest outputs."""
    y_true, y_pred = _pair(y_true, y_pred)
    return K.cast(K.in_top_k(y_pred, K.argmax(y_true, axis=-1), k), K.floatx())


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """1 where the integer target is among the `k` largest outputs."""
    y_true, y_pred = _pair(y_true, y_pred)
    return K.cast(K.in_top_k(y_pred, K.cast(K.flatten(y_true), "int32"), k), K.floatx())


def cosine_proximity(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """The cosine of the angle between target and prediction (the loss of this name is minus it)."""
    return -losses.cosine_proximity(y_true, y_pred, axis=axis)


cosine = cosine_similarity = cosine_proximity


# ---------------------------------------------------------------------------------------------- classes
class Metric(Layer):
    """Base of the metric classes.

    A subclass makes its state with `add_weight` in `__init__` and gives `update_state(y_true, y_pred,
    sample_weight=None)`, which returns updates (`K.update`, `K.update_add`), and `result()`, a scalar tensor.

    # Arguments
        name: name in the logs.
        dtype: dtype of the state; default: floatx, but at least float32.
    """

    _is_metric = True

    def __init__(self, name: str | None = None, dtype: str | None = None, **kwargs: Any):
        if dtype is None and K.floatx() in {"float16", "bfloat16"}:
            dtype = "float32"  # a count in 16 bits stops at 2048
        super().__init__(name=name, dtype=dtype, **kwargs)
        self.stateful = True
        self.built = True

    def add_weight(self, name=None, shape=(), initializer=None, dtype=None):  # type: ignore[override]
        """A variable of the state; starts at zero unless `initializer` says otherwise."""
        return super().add_weight(name=name, shape=shape, dtype=dtype or self.dtype, trainable=False,
                                  initializer="zeros" if initializer is None else initializer)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The result after an update of the state with new values.

        The updates are in `metric.updates`, for the function of a training step; `K.eval` of the result makes them.
        """
        result, updates = self.step(*args, **kwargs)
        self.add_update(updates)
        result = K.identity(result)
        result._updates = updates
        return result

    def step(self, *args: Any, **kwargs: Any) -> tuple[Any, list]:
        """The result after an update of the state with these values, and the updates."""
        from symgraph.engine.substitution import after_updates

        updates = as_updates(self.update_state(*args, **kwargs))
        return after_updates([self.result()], updates)[0], updates

    def update_state(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"{type(self).__name__} must define `update_state`.")

    def result(self) -> Any:
        raise TypeError(f"{type(self).__name__} must define `result`.")

    def reset_states(self) -> None:
        """Set the state back to zero."""
        K.batch_set_value([(variable, np.zeros(K.int_shape(variable))) for variable in self.weights])

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype}


class Reduce(Metric):
    """A running sum or mean of values; each may have a weight."""

    def __init__(self, reduction: str, name: str, dtype: str | None = None):
        super().__init__(name=name, dtype=dtype)
        self.reduction = reduction
        self.total = self.add_weight(name="total")
        if reduction != "sum":
            self.count = self.add_weight(name="count")

    def update_state(self, values: Any, sample_weight: Any = None) -> list:
        if not K.is_tensor(values):
            values = K.constant(values, dtype=self.dtype)
        if K.dtype(values) != self.dtype:
            values = K.cast(values, self.dtype)
        weights = None
        if sample_weight is not None:
            weights = align_weights(values, sample_weight)
            values = values * weights
        updates = [K.update_add(self.total, K.sum(values))]
        if self.reduction == "sum":
            return updates
        if self.reduction == "weighted_mean" and weights is not None:
            count = K.sum(weights * K.ones_like(values))
        else:
            count = _size(values, self.dtype)
        return [*updates, K.update_add(self.count, count)]

    def result(self) -> Any:
        if self.reduction == "sum":
            return self.total
        # Nothing seen yet: 0, not 0 / 0.
        return self.total / K.switch(K.equal(self.count, 0.0), K.ones_like(self.count), self.count)


def _size(values: Any, dtype: str) -> Any:
    """The number of elements of a tensor, as a scalar tensor (or number, where it is known)."""
    known = K.int_shape(values)
    if None not in known:
        return float(np.prod(known))
    free = [axis for axis, size in enumerate(known) if size is None]
    size = K.cast(K.shape(values)[free[0]], dtype)
    for axis in free[1:]:
        size = size * K.cast(K.shape(values)[axis], dtype)
    fixed = float(np.prod([size_ for size_ in known if size_ is not None]))
    return size if fixed == 1 else size * fixed


class Sum(Reduce):
    """The weighted sum of the values."""

    def __init__(self, name="sum", dtype=None):
        super().__init__("sum", name, dtype)


class Mean(Reduce):
    """The weighted mean of the values."""

    def __init__(self, name="mean", dtype=None):
        super().__init__("weighted_mean", name, dtype)


class MeanMetricWrapper(Mean):
    """The mean of a metric function over all samples."""

    def __init__(self, fn: Any, name: str | None = None, dtype: str | None = None, **kwargs: Any):
        super().__init__(name=name or getattr(fn, "__name__", "metric"), dtype=dtype)
        self._fn = fn
        self._fn_kwargs = kwargs

    def update_state(self, y_true, y_pred, sample_weight=None):  # type: ignore[override]
        return super().update_state(self._fn(y_true, y_pred, **self._fn_kwargs), sample_weight)

    def get_config(self):
        return {**super().get_config(), **self._fn_kwargs}


def _wrapper(fn: Any, class_name: str, default_name: str, documentation: str, **defaults: Any) -> type:
    """A `MeanMetricWrapper` class for a function; `defaults` are the function's further arguments."""
    def __init__(self, *args, **kwargs):  # noqa: N807
        order = [*defaults, "name", "dtype"] if "k" in defaults else ["name", "dtype", *defaults]
        if len(args) > len(order):
            raise TypeError(f"{class_name} takes at most {len(order)} arguments: {', '.join(order)}.")
        given = {**dict(zip(order, args)), **kwargs}
        unknown = [key for key in given if key not in order]
        if unknown:
            raise TypeError(f"{class_name}: unknown arguments {unknown}. Known: {', '.join(order)}.")
        MeanMetricWrapper.__init__(self, fn, given.pop("name", None) or default_name, given.pop("dtype", None),
                                   **{**defaults, **given})

    order = [*defaults, "name", "dtype"] if "k" in defaults else ["name", "dtype", *defaults]
    __init__.__signature__ = inspect.Signature([  # type: ignore[attr-defined]
        inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD),
        *(inspect.Parameter(key, inspect.Parameter.POSITIONAL_OR_KEYWORD,
                            default={"name": default_name, "dtype": None, **defaults}[key]) for key in order)])
    return type(class_name, (MeanMetricWrapper,), {"__init__": __init__, "__doc__": documentation,
                                                   "__module__": __name__})


Accuracy = _wrapper(accuracy, "Accuracy", "accuracy", "How often predictions equal targets.")
BinaryAccuracy = _wrapper(binary_accuracy, "BinaryAccuracy", "binary_accuracy",
                          "How often outputs are on the right side of `threshold`.", threshold=0.5)
CategoricalAccuracy = _wrapper(categorical_accuracy, "CategoricalAccuracy", "categorical_accuracy",
                               "How often the largest output is at the one-hot target.")
SparseCategoricalAccuracy = _wrapper(sparse_categorical_accuracy, "SparseCategoricalAccuracy",
                                     "sparse_categorical_accuracy",
                                     "How often the largest output is at the integer target.")
TopKCategoricalAccuracy = _wrapper(top_k_categorical_accuracy, "TopKCategoricalAccuracy",
                                   "top_k_categorical_accuracy",
                                   "How often the one-hot target is among the `k` largest outputs.", k=5)
SparseTopKCategoricalAccuracy = _wrapper(sparse_top_k_categorical_accuracy, "SparseTopKCategoricalAccuracy",
                                         "sparse_top_k_categorical_accuracy",
                                         "How often the integer target is among the `k` largest outputs.", k=5)
LogCoshError = _wrapper(logcosh, "LogCoshError", "logcosh", "Mean of log(cosh(error)).")
Poisson = _wrapper(poisson, "Poisson", "poisson", "Mean Poisson loss.")
KLDivergence = _wrapper(kullback_leibler_divergence, "KLDivergence", "kullback_leibler_divergence",
                        "Mean Kullback-Leibler divergence.")
CosineSimilarity = _wrapper(cosine_proximity, "CosineSimilarity", "cosine_similarity",
                            "Mean cosine between target and prediction along `axis`.", axis=-1)
MeanAbsoluteError = _wrapper(mean_absolute_error, "MeanAbsoluteError", "mean_absolute_error", "Mean absolute error.")
MeanAbsolutePercentageError = _wrapper(mean_absolute_percentage_error, "MeanAbsolutePercentageError",
                                       "mean_absolute_percentage_error", "Mean relative error, in percent.")
MeanSquaredError = _wrapper(mean_squared_error, "MeanSquaredError", "mean_squared_error", "Mean squared error.")
MeanSquaredLogarithmicError = _wrapper(mean_squared_logarithmic_error, "MeanSquaredLogarithmicError",
                                       "mean_squared_logarithmic_error", "Mean squared error of log(1 + y).")
Hinge = _wrapper(hinge, "Hinge", "hinge", "Mean hinge loss.")
SquaredHinge = _wrapper(squared_hinge, "SquaredHinge", "squared_hinge", "Mean squared hinge loss.")
CategoricalHinge = _wrapper(categorical_hinge, "CategoricalHinge", "categorical_hinge", "Mean categorical hinge loss.")
BinaryCrossentropy = _wrapper(binary_crossentropy, "BinaryCrossentropy", "binary_crossentropy",
                              "Mean binary crossentropy.", from_logits=False, label_smoothing=0)
CategoricalCrossentropy = _wrapper(categorical_crossentropy, "CategoricalCrossentropy", "categorical_crossentropy",
                                   "Mean categorical crossentropy.", from_logits=False, label_smoothing=0)
SparseCategoricalCrossentropy = _wrapper(sparse_categorical_crossentropy, "SparseCategoricalCrossentropy",
                                         "sparse_categorical_crossentropy", "Mean sparse categorical crossentropy.",
                                         from_logits=False, axis=-1)


class RootMeanSquaredError(Mean):
    """The root of the mean squared error over all samples."""

    def __init__(self, name="root_mean_squared_error", dtype=None):
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true, y_pred, sample_weight=None):  # type: ignore[override]
        y_true, y_pred = _pair(y_true, y_pred)
        return super().update_state(K.square(y_pred - y_true), sample_weight)

    def result(self):
        return K.sqrt(super().result())


_CONFUSION = ("AUC", "FalseNegatives", "FalsePositives", "MeanIoU", "Precision", "Recall", "SensitivityAtSpecificity",
              "SpecificityAtSensitivity", "TrueNegatives", "TruePositives")
_OF_KERAS1 = ("fbeta_score", "fmeasure", "matthews_correlation", "precision", "recall")
#: Name -> module of what stands on this one in a file of its own.
_ELSEWHERE = {**dict.fromkeys((*_CONFUSION, "BaseMeanIoU", "SensitivitySpecificityBase"), "symgraph.confusion"),
              **dict.fromkeys(_OF_KERAS1, "symgraph.legacy.metrics")}


def __getattr__(name: str) -> Any:
    if name in _ELSEWHERE:
        return getattr(importlib.import_module(_ELSEWHERE[name]), name)
    raise AttributeError(f"module 'symgraph.metrics' has no attribute {name!r}")


def clone_metric(metric: Any) -> Any:
    """A metric like this one with a state of its own (a function stays itself)."""
    return type(metric).from_config(metric.get_config()) if isinstance(metric, Metric) else metric


def clone_metrics(metrics: Any) -> Any:
    """`clone_metric` of each metric of a list or dictionary."""
    if isinstance(metrics, dict):
        return {key: clone_metrics(value) for key, value in metrics.items()}
    if isinstance(metrics, (list, tuple)):
        return [clone_metrics(metric) for metric in metrics]
    return clone_metric(metrics)


_OBJECTS = {name: globals()[name] for name in __all__
            if name not in {"deserialize", "get", "serialize", "clone_metric", "clone_metrics"}}
#: How tf.keras names some functions in files.
_OBJECTS |= {"kl_divergence": kullback_leibler_divergence, "log_cosh": logcosh}


def serialize(metric: Any) -> Any:
    """The configuration of a metric class, or the name of a metric function."""
    return serialize_keras_object(metric)


def deserialize(config: Any, custom_objects: dict | None = None) -> Any:
    """The metric of a name or configuration."""
    known = {**_OBJECTS, **{name: __getattr__(name) for name in (*_CONFUSION, *_OF_KERAS1)}}
    return deserialize_keras_object(config, known, custom_objects, "metric function")


def get(identifier: Any) -> Any:
    """A metric from a name, a configuration, a class, an instance or a function."""
    if isinstance(identifier, (str, dict)):
        return deserialize(identifier)
    if isinstance(identifier, type) and issubclass(identifier, Metric):
        return identifier()
    if callable(identifier):
        return identifier
    raise ValueError(f"Could not interpret metric function identifier: {identifier!r}. Give a name, a `Metric` or a "
                     "function.")
