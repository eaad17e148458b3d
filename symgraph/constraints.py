"""Projections that are applied to a weight after each update."""

from __future__ import annotations

from typing import Any

from symgraph import backend as K
from symgraph.legacy.old_objects import modern_object
from symgraph.utils.generic_utils import deserialize_keras_object, serialize_keras_object

__all__ = [
    "Constraint", "MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm", "deserialize", "get", "max_norm", "maxnorm",
    "min_max_norm", "non_neg", "nonneg", "serialize", "unit_norm", "unitnorm",
]


class Constraint:
    """Base of the constraints: called with a weight, returns the weight as it must be."""

    def __call__(self, w: Any) -> Any:
        return w

    def get_config(self) -> dict:
        return {}


def _norm(w: Any, axis: Any) -> Any:
    return K.sqrt(K.sum(K.square(w), axis=axis, keepdims=True))


class MaxNorm(Constraint):
    """Limits the norm of the incoming weights along `axis` to `max_value` (Srivastava et al. 2014)."""

    def __init__(self, max_value: float = 2, axis: Any = 0):
        self.max_value, self.axis = max_value, axis

    def __call__(self, w):
        norms = _norm(w, self.axis)
        return w * (K.clip(norms, 0, self.max_value) / (K.epsilon() + norms))

    def get_config(self):
        return {"max_value": self.max_value, "axis": self.axis}


class NonNeg(Constraint):
    """Sets negative weights to zero."""

    def __call__(self, w):
        return w * K.cast(K.greater_equal(w, 0.0), K.dtype(w))


class UnitNorm(Constraint):
    """Gives the incoming weights along `axis` unit norm."""

    def __init__(self, axis: Any = 0):
        self.axis = axis

    def __call__(self, w):
        return w / (K.epsilon() + _norm(w, self.axis))

    def get_config(self):
        return {"axis": self.axis}


class MinMaxNorm(Constraint):
    """Moves the norm along `axis` into `[min_value, max_value]`, all the way for `rate=1`, in part for less."""

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Any = 0):
        self.min_value, self.max_value, self.rate, self.axis = min_value, max_value, rate, axis

    def __call__(self, w):
        norms = _norm(w, self.axis)
        wanted = self.rate * K.clip(norms, self.min_value, self.max_value) + (1 - self.rate) * norms
        return w * (wanted / (K.epsilon() + norms))

    def get_config(self):
        return {"min_value": self.min_value, "max_value": self.max_value, "rate": self.rate, "axis": self.axis}


max_norm = maxnorm = MaxNorm
non_neg = nonneg = NonNeg
unit_norm = unitnorm = UnitNorm
min_max_norm = MinMaxNorm

_OBJECTS = {name: globals()[name] for name in __all__ if name not in {"deserialize", "get", "serialize"}}


def serialize(constraint: Any) -> Any:
    """The configuration of a constraint."""
    return serialize_keras_object(constraint)


def deserialize(config: Any, custom_objects: dict | None = None) -> Any:
    """The constraint of a configuration."""
    return deserialize_keras_object(modern_object(config), _OBJECTS, custom_objects, "constraint")


def get(identifier: Any) -> Any:
    """A constraint from a name, a configuration or a callable (None gives None)."""
    if identifier is None:
        return None
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, str):
        return deserialize({"class_name": identifier, "config": {}})
    if callable(identifier):
        return identifier
    raise ValueError(f"Could not interpret constraint identifier: {identifier!r}. Give a name, an instance or a "
                     "function.")
