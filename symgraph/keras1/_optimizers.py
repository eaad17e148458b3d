"""The optimizers of Keras 1: its arguments, epsilon 1e-8 and `get_updates(params, constraints, loss)`."""

from __future__ import annotations

import inspect
from typing import Any

from symgraph import backend as K
from symgraph import optimizers as new_optimizers
from symgraph.keras1 import _signatures

__all__ = ["Optimizer", "get", "known_optimizers", "optimizer_from_config"]


class Optimizer(new_optimizers.Optimizer):
    """Base of the Keras-1 optimizers.

    # Arguments
        clipnorm: the gradients are scaled together so that their norm is at most this.
        clipvalue: each number of a gradient is clipped to plus or minus this.

    A subclass gives `get_updates(params, constraints, loss)`, the list of updates of one step.
    """

    __module__ = "symgraph.keras1.optimizers"

    def __init__(self, **kwargs):
        new_optimizers.Optimizer.__init__(self, **kwargs)

    def get_updates(self, params, constraints, loss):
        """The updates of one training step.

        # Arguments
            params: the variables to train.
            constraints: variable -> constraint.
            loss: scalar tensor.
        """
        for parameter, constraint in (constraints or {}).items():
            parameter.constraint = constraint
        base = next(cls for cls in type(self).__mro__ if cls.__module__ == new_optimizers.__name__)
        return getattr(base.get_updates, "__wrapped__", base.get_updates)(self, loss, params)

    def get_config(self):
        """What `from_config` needs, under the names of Keras 1."""
        config = super().get_config()
        if "learning_rate" in config:
            config["lr"] = config.pop("learning_rate")
        known = type(self).__dict__.get("_arguments")
        return config if known is None else {key: value for key, value in config.items()
                                             if key in known or key in {"clipnorm", "clipvalue"}}


def _make(name: str) -> type:
    native = getattr(new_optimizers, name)
    old = _signatures.of("keras.optimizers", name)
    new_names = set(inspect.signature(native.__init__).parameters)

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        bound = old.bind(*args, **kwargs)
        bound.apply_defaults()
        words = {**bound.arguments, **bound.arguments.get("kwargs", {})}
        words.pop("kwargs", None)
        if "learning_rate" in words:  # a configuration of Keras 2
            words["lr"] = words.pop("learning_rate")
        for surplus in ("amsgrad", "initial_decay"):
            words.pop(surplus, None)
        native.__init__(self, **{("learning_rate" if key == "lr" and "lr" not in new_names else key): value
                                 for key, value in words.items()})

    __init__.__signature__ = _signatures.with_self(old)  # type: ignore[attr-defined]
    members = {"__init__": __init__, "__doc__": native.__doc__, "__module__": "symgraph.keras1.optimizers",
               "_arguments": frozenset(old.parameters) - {"kwargs"}}
    return type(name, (Optimizer, native), members)


SGD, RMSprop, Adagrad, Adadelta, Adam, Adamax, Nadam = map(_make, ("SGD", "RMSprop", "Adagrad", "Adadelta", "Adam",
                                                                     "Adamax", "Nadam"))
sgd, rmsprop, adagrad, adadelta, adam, adamax, nadam = SGD, RMSprop, Adagrad, Adadelta, Adam, Adamax, Nadam
clip_norm = new_optimizers.clip_norm


class TFOptimizer(Optimizer):
    """A TensorFlow optimizer: not offered, the message says what to use."""

    def __init__(self, optimizer):
        raise TypeError("TFOptimizer: symgraph runs without TensorFlow. Use an optimizer of `keras.optimizers`; "
                        f"{type(optimizer).__name__} cannot be used.")

    def get_updates(self, params, constraints, loss):
        """Not reached: the constructor refuses."""
        return []


def known_optimizers() -> dict[str, type]:
    """Name -> class, also in lower case."""
    classes = (SGD, RMSprop, Adagrad, Adadelta, Adam, Adamax, Nadam)
    return {**{cls.__name__: cls for cls in classes}, **{cls.__name__.lower(): cls for cls in classes}}


def optimizer_from_config(config, custom_objects={}):  # noqa: B006
    """The optimizer of `{'class_name': ..., 'config': ...}`."""
    known = {**known_optimizers(), **(custom_objects or {})}
    if config["class_name"] not in known:
        raise ValueError(f"Optimizer not found: {config['class_name']!r}. Known: {', '.join(sorted(known))}.")
    return known[config["class_name"]].from_config(dict(config["config"]))


def get(identifier, kwargs=None):
    """An optimizer of a name or configuration; an object is given back.

    # Raises
        ValueError: an unknown name.
    """
    if isinstance(identifier, dict):
        return optimizer_from_config(identifier)
    if isinstance(identifier, str):
        known = known_optimizers()
        if identifier.lower() not in known:
            raise ValueError(f"Invalid optimizer: {identifier!r}. Known: {', '.join(sorted(known))}.")
        return known[identifier.lower()](**(kwargs or {}))
    if hasattr(identifier, "get_updates"):
        return identifier
    return new_optimizers.get(identifier)


def learning_rate(optimizer: Any) -> float:
    """The learning rate as a number."""
    return float(K.get_value(optimizer.lr))
