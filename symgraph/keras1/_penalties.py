"""`keras.regularizers` and `keras.constraints` of Keras 1: they are told their parameter and change the loss."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgraph import backend as K
from symgraph import constraints as new_constraints
from symgraph import regularizers as new_regularizers

__all__ = ["ActivityRegularizer", "EigenvalueRegularizer", "OldConstraint", "Regularizer", "WeightRegularizer",
           "activity_l1", "activity_l1l2", "activity_l2", "as_activity_penalty", "as_penalty", "get_constraint",
           "get_regularizer", "l1", "l1l2", "l2"]


class Regularizer:
    """Base: `set_param(p)` or `set_layer(layer)`, then a call on a loss gives the loss with the penalty in training."""

    def set_param(self, p):
        self.p = p

    def set_layer(self, layer):
        self.layer = layer

    def __call__(self, loss):
        return loss

    def get_config(self):
        return {"name": type(self).__name__}


class _Penalty(Regularizer):
    """A regularizer whose penalty is a formula of one tensor."""

    def penalty(self, x: Any) -> Any:
        """The number to add to the loss."""
        raise TypeError(f"{type(self).__name__} must define `penalty(x)`.")

    def __call__(self, loss):
        if "p" in self.__dict__:
            return K.in_train_phase(loss + self.penalty(self.p), loss)
        if "layer" in self.__dict__:
            total = loss
            for index in range(len(self.layer._inbound_nodes)):
                total = total + self.penalty(self.layer.get_output_at(index))
            return K.in_train_phase(total, loss)
        raise Exception(f"Need to call `set_param` or `set_layer` on a {type(self).__name__} before calling it.")


class _SumOfPowers(_Penalty):
    """`l1 * sum(|x|) + l2 * sum(x**2)`."""

    def __init__(self, l1=0.0, l2=0.0):
        self.l1, self.l2 = float(l1), float(l2)

    def penalty(self, x):
        return new_regularizers.L1L2(self.l1, self.l2)(x)

    def get_config(self):
        return {"name": type(self).__name__, "l1": self.l1, "l2": self.l2}


class WeightRegularizer(_SumOfPowers):
    """`l1 * sum(|p|) + l2 * sum(p**2)` of a weight."""

    def set_layer(self, layer):
        raise Exception("A WeightRegularizer belongs to a weight; for the output of a layer use an "
                        "ActivityRegularizer.")


class ActivityRegularizer(_SumOfPowers):
    """`l1 * sum(|output|) + l2 * sum(output**2)`, the sums over the whole batch."""

    def set_param(self, p):
        raise Exception("An ActivityRegularizer belongs to the output of a layer; for a weight use a "
                        "WeightRegularizer.")


class EigenvalueRegularizer(_Penalty):
    """`k` times the largest eigenvalue of the square of a weight, found by power iteration."""

    def __init__(self, k):
        self.k = k

    def penalty(self, x):
        if K.ndim(x) > 2:
            raise Exception(f"EigenvalueRegularizer: the weight must have at most 2 dimensions, got {K.ndim(x)}.")
        square = K.dot(K.transpose(x), x)
        size = K.int_shape(square)[0]
        found = K.constant(np.ones((size, 1)))
        for _ in range(9):
            found = K.dot(square, found)
        times = K.dot(square, found)
        largest = K.dot(K.transpose(times), found) / K.dot(K.transpose(found), found)
        return self.k * K.sum(K.sqrt(largest))

    def get_config(self):
        return {"name": type(self).__name__, "k": self.k}


def l1(l=0.01):
    """`l * sum(|p|)`."""
    return WeightRegularizer(l1=l)


def l2(l=0.01):
    """`l * sum(p**2)`."""
    return WeightRegularizer(l2=l)


def l1l2(l1=0.01, l2=0.01):
    """Both penalties."""
    return WeightRegularizer(l1=l1, l2=l2)


def activity_l1(l=0.01):
    """`l * sum(|output|)`, over the whole batch."""
    return ActivityRegularizer(l1=l)


def activity_l2(l=0.01):
    """`l * sum(output**2)`, over the whole batch."""
    return ActivityRegularizer(l2=l)


def activity_l1l2(l1=0.01, l2=0.01):
    """Both penalties."""
    return ActivityRegularizer(l1=l1, l2=l2)


_REGULARIZERS = {name: globals()[name] for name in (
    "Regularizer", "WeightRegularizer", "ActivityRegularizer", "EigenvalueRegularizer", "l1", "l2", "l1l2",
    "activity_l1", "activity_l2", "activity_l1l2")}


def _from_table(identifier: Any, table: dict, kwargs: dict | None, what: str) -> Any:
    """An object of a name, or of a configuration that holds its class under `name` (or as Keras 2 writes it)."""
    if isinstance(identifier, dict):
        if identifier.get("class_name") == "OldPenalty":
            identifier = identifier["config"]
        if "class_name" in identifier:
            name, arguments = identifier["class_name"], dict(identifier["config"])
        else:
            arguments = dict(identifier)
            name = arguments.pop("name")
        if name not in table:
            raise ValueError(f"Invalid {what}: {name!r}. Known: {', '.join(sorted(table))}.")
        return table[name](**arguments)
    if isinstance(identifier, str):
        if identifier not in table:
            raise ValueError(f"Invalid {what}: {identifier!r}. Known: {', '.join(sorted(table))}.")
        return table[identifier](**(kwargs or {}))
    return identifier


def get_regularizer(identifier, kwargs=None):
    """A regularizer of a name or configuration; an object is given back."""
    return _from_table(identifier, {**_REGULARIZERS, "L1L2": WeightRegularizer}, kwargs, "regularizer")


class OldPenalty:
    """A Keras-1 regularizer, as the layers here call one: a tensor in, the number to add to the loss out."""

    def __init__(self, regularizer: Any):
        self.regularizer = regularizer
        self.__name__ = type(regularizer).__name__

    def __call__(self, x: Any) -> Any:
        if isinstance(self.regularizer, _Penalty):
            return self.regularizer.penalty(x)
        self.regularizer.set_param(x)  # a class of the user's own
        zero = K.constant(0.0)
        return self.regularizer(zero)

    def get_config(self) -> dict:
        return self.regularizer.get_config()


def as_penalty(identifier: Any) -> Any:
    """A regularizer in any of its spellings as a function of one tensor; None stays."""
    found = get_regularizer(identifier)
    if found is None or not hasattr(found, "set_param"):
        return found
    return OldPenalty(found)


class _OneOutput:
    """Stands for a layer with one output, before a regularizer that asks for the outputs of its layer."""

    def __init__(self, output: Any):
        self.output = output
        self.inbound_nodes = self._inbound_nodes = [None]

    def get_output_at(self, index: int) -> Any:
        return self.output


def as_activity_penalty(regularizer: Any) -> Any:
    """A Keras-1 regularizer of a layer's output as a function of that output."""
    if isinstance(regularizer, _Penalty):
        return regularizer.penalty

    def penalty(output: Any) -> Any:  # a class of the user's own
        layer = regularizer.layer
        regularizer.set_layer(_OneOutput(output))
        try:
            return regularizer(K.constant(0.0))
        finally:
            regularizer.set_layer(layer)

    return penalty


class OldConstraint:
    """Marks what a constraint of Keras 1 writes into a configuration: its class is under `name`."""

    def get_config(self):
        return {"name": type(self).__name__, **self._numbers()}

    def _numbers(self) -> dict:
        return {}


class Constraint(OldConstraint, new_constraints.Constraint):
    """Base: a call on a weight gives the weight it may have."""

    def __call__(self, p):
        return p


class MaxNorm(Constraint):
    """Norms of at most `m`."""

    def __init__(self, m=2, axis=0):
        self.m, self.axis = m, axis

    def __call__(self, p):
        return new_constraints.MaxNorm(self.m, self.axis)(p)

    def _numbers(self):
        return {"m": self.m, "axis": self.axis}


class NonNeg(Constraint):
    """No number below zero."""

    def __call__(self, p):
        return new_constraints.NonNeg()(p)


class UnitNorm(Constraint):
    """Norms of 1."""

    def __init__(self, axis=0):
        self.axis = axis

    def __call__(self, p):
        return new_constraints.UnitNorm(self.axis)(p)

    def _numbers(self):
        return {"axis": self.axis}


maxnorm, nonneg, unitnorm = MaxNorm, NonNeg, UnitNorm
_CONSTRAINTS = {"Constraint": Constraint, "MaxNorm": MaxNorm, "NonNeg": NonNeg, "UnitNorm": UnitNorm,
                "maxnorm": MaxNorm,
                "nonneg": NonNeg, "unitnorm": UnitNorm}


def get_constraint(identifier, kwargs=None):
    """A constraint of a name or configuration; an object is given back."""
    return _from_table(identifier, _CONSTRAINTS, kwargs, "constraint")
