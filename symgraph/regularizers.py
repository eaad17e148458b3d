"""Penalties on weights and activations that are added to the loss."""

from __future__ import annotations

from typing import Any

from symgraph import backend as K
from symgraph.legacy.old_objects import modern_object
from symgraph.utils.generic_utils import deserialize_keras_object, serialize_keras_object

__all__ = ["L1L2", "Regularizer", "deserialize", "get", "l1", "l1_l2", "l2", "serialize"]


class Regularizer:
    """Base of the regularizers: called with a tensor, returns a scalar tensor."""

    def __call__(self, x: Any) -> Any:
        return 0.0

    def get_config(self) -> dict:
        return {}

    @classmethod
    def from_config(cls, config: dict) -> Regularizer:
        return cls(**config)


class L1L2(Regularizer):
    """`l1 * sum(|x|) + l2 * sum(x**2)`."""

    def __init__(self, l1: float = 0.0, l2: float = 0.0):
        self.l1, self.l2 = float(l1), float(l2)

    def __call__(self, x):
        penalty = 0.0
        if self.l1:
            penalty = penalty + self.l1 * K.sum(K.abs(x))
        if self.l2:
            penalty = penalty + self.l2 * K.sum(K.square(x))
        return penalty

    def get_config(self):
        return {"l1": self.l1, "l2": self.l2}


def l1(l: float = 0.01) -> L1L2:
    """`l * sum(|x|)`."""
    return L1L2(l1=l)


def l2(l: float = 0.01) -> L1L2:
    """`l * sum(x**2)`."""
    return L1L2(l2=l)


def l1_l2(l1: float = 0.01, l2: float = 0.01) -> L1L2:
    """Both penalties."""
    return L1L2(l1=l1, l2=l2)



#: The last ones are names of Keras 1.
_OBJECTS = {"Regularizer": Regularizer, "L1L2": L1L2, "L1": L1L2, "L2": L1L2, "l1": l1, "l2": l2, "l1_l2": l1_l2,
            "l1l2": l1_l2, "activity_l1": l1, "activity_l2": l2, "activity_l1l2": l1_l2}


def serialize(regularizer: Any) -> Any:
    """The configuration of a regularizer."""
    return serialize_keras_object(regularizer)


def deserialize(config: Any, custom_objects: dict | None = None) -> Any:
    """The regularizer of a configuration."""
    return deserialize_keras_object(modern_object(config), _OBJECTS, custom_objects, "regularizer")


def get(identifier: Any) -> Any:
    """A regularizer from a name, a configuration or a callable (None gives None)."""
    if identifier is None:
        return None
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, str):
        return deserialize({"class_name": identifier, "config": {}})
    if callable(identifier):
        return identifier
    raise ValueError(f"Could not interpret regularizer identifier: {identifier!r}. Give a name, an instance or a "
                     "function.")
