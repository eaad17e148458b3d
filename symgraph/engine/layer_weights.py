"""The weights of a layer: making them, what training changes and what not, their values."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from symgraph import backend as K
from symgraph import initializers
from symgraph.engine.allowance import weights_allowed
from symgraph.graph.tensor import Variable
from symgraph.ops import leaf
from symgraph.utils.generic_utils import has_arg

__all__ = ["WeightOwner", "contains", "unique", "weights_without_values"]

#: True while shapes are inferred.
_WITHOUT_VALUES: ContextVar[bool] = ContextVar("weights_without_values", default=False)


@contextmanager
def weights_without_values() -> Iterator[None]:
    """For the length of a `with` block `add_weight` makes variables without values: nothing is initialised or kept."""
    token = _WITHOUT_VALUES.set(True)
    try:
        yield
    finally:
        _WITHOUT_VALUES.reset(token)


#: The order of the arguments of `add_weight` in Keras 1.
_OLD_ORDER = ("shape", "initializer", "name", "trainable", "regularizer", "constraint")


def _either_order(method: Callable) -> Callable:
    """`add_weight` that also takes its arguments as Keras 1 has them, the shape first."""

    @functools.wraps(method)
    def add_weight(self: Any, *arguments: Any, **options: Any) -> Any:
        if arguments and isinstance(arguments[0], (tuple, list)):
            given = dict(zip(_OLD_ORDER, arguments))
            if twice := given.keys() & options.keys():
                raise TypeError(f"add_weight: {sorted(twice)} given twice, by position and by name.")
            return method(self, **given, **options)
        return method(self, *arguments, **options)

    return add_weight


class WeightOwner:
    """What a layer can do with its weights, and with those of the layers in it."""

    name: str
    built: bool
    dtype: str | None
    trainable: bool
    build: Any
    add_loss: Any
    _layers: list
    _trainable_weights: list
    _non_trainable_weights: list

    @_either_order
    def add_weight(self, name: Any = None, shape: Any = None, dtype: str | None = None, initializer: Any = None,
                   regularizer: Any = None, trainable: bool = True, constraint: Any = None) -> Any:
        """Make a weight of this layer.

        # Arguments
            name: name of the weight; its full name is `layer/name`.
            shape: shape, without None.
            dtype: dtype; default: the layer's.
            initializer: name, configuration or callable; default 'glorot_uniform' for floats.
            regularizer: callable that gives a penalty for the weight.
            trainable: whether training changes it.
            constraint: callable that is applied after each update.

        # Returns
            The variable.
        """
        shape = () if shape is None else tuple(shape)
        if any(size is None for size in shape):
            raise ValueError(
                f"Layer {self.name!r}: the weight {name!r} cannot have the shape {shape}; every size must be known. "
                "Give the input shape in full."
            )
        dtype = dtype or self.dtype or K.floatx()
        number = len(self._trainable_weights) + len(self._non_trainable_weights) + 1
        full_name = f"{self.name}/{name or f'weight_{number}'}:0"
        if _WITHOUT_VALUES.get():
            weight = Variable(leaf.variable(shape, dtype), full_name)  # a variable without a value
        elif (allowance := weights_allowed()) is not None:
            allowance.take(self, full_name, shape)
            weight = K.variable(np.zeros(shape), dtype=dtype, name=full_name, constraint=constraint)
        else:
            initializer = initializers.get(initializer if initializer is not None else "glorot_uniform")
            value = initializer(shape, dtype=dtype) if has_arg(initializer, "dtype", True) else initializer(shape)
            if K.is_variable(value):
                weight = value
            else:
                if K.is_tensor(value):
                    value = K.eval(value)
                weight = K.variable(value, dtype=dtype, name=full_name, constraint=constraint)
        if regularizer is not None and not _WITHOUT_VALUES.get():
            self.add_loss(regularizer(weight))
        weight.name = full_name  # whatever scope it was made in
        weight.trainable = trainable
        weight.constraint = constraint
        (self._trainable_weights if trainable else self._non_trainable_weights).append(weight)
        return weight

    def _declared(self, trainable: bool) -> list:
        """Own and inner weights that were declared (non-)trainable, whatever `trainable` says now."""
        found = list(self._trainable_weights if trainable else self._non_trainable_weights)
        for layer in self._layers:
            found += layer._declared(trainable)
        return unique(found)

    @property
    def trainable_weights(self) -> list:
        """The weights that training changes."""
        if not self.trainable:
            return []
        found = list(self._trainable_weights)
        for layer in self._layers:
            found += layer.trainable_weights
        return unique(found)

    @trainable_weights.setter
    def trainable_weights(self, weights: list) -> None:
        object.__setattr__(self, "_trainable_weights", list(weights))
        rest = [w for w in self._non_trainable_weights if not contains(weights, w)]
        object.__setattr__(self, "_non_trainable_weights", rest)

    @property
    def non_trainable_weights(self) -> list:
        """The weights that training leaves alone (moving averages, frozen weights)."""
        trained = self.trainable_weights
        return [weight for weight in self._declared(True) + self._declared(False) if not contains(trained, weight)]

    @non_trainable_weights.setter
    def non_trainable_weights(self, weights: list) -> None:
        object.__setattr__(self, "_non_trainable_weights", list(weights))
        rest = [w for w in self._trainable_weights if not contains(weights, w)]
        object.__setattr__(self, "_trainable_weights", rest)

    @property
    def weights(self) -> list:
        """All weights: those declared trainable, then the others. The order does not depend on `trainable`."""
        return unique(self._declared(True) + self._declared(False) + self.trainable_weights)

    def get_weights(self) -> list[np.ndarray]:
        """The values of the weights, as arrays."""
        return K.batch_get_value(self.weights)

    def set_weights(self, weights: list) -> None:
        """Set the values of the weights.

        # Raises
            ValueError: the wrong number of arrays, or an array of another shape than its weight.
        """
        variables = self.weights
        if len(variables) != len(weights):
            raise ValueError(
                f"You called `set_weights(weights)` on layer {self.name!r} with a list of {len(weights)} arrays, but "
                f"the layer expects {len(variables)} weights: {_listing(variables)}. "
                f"Provided shapes: {[np.shape(value) for value in weights][:8]}."
            )
        for variable, value in zip(variables, weights):
            if K.int_shape(variable) != np.shape(value):
                raise ValueError(
                    f"Layer {self.name!r}: the weight {variable.name!r} has shape {K.int_shape(variable)}, "
                    f"the array given for it has shape {np.shape(value)}."
                )
        K.batch_set_value(list(zip(variables, weights)))

    def count_params(self) -> int:
        """The number of numbers in the weights."""
        if not self.built:
            if type(self).__name__ == "Sequential":
                self.build()
            else:
                raise RuntimeError(
                    f"You tried to call `count_params` on {self.name}, but the layer isn't built. "
                    f"You can build it manually via: `{self.name}.build(batch_input_shape)`."
                )
        return sum(int(np.prod(K.int_shape(weight), dtype="int64")) for weight in self.weights)


def contains(items: list, item: Any) -> bool:
    return any(item is known for known in items)


def unique(items: list) -> list:
    seen: set[int] = set()
    return [item for item in items if not (id(item) in seen or seen.add(id(item)))]  # type: ignore[func-returns-value]


def _listing(variables: list) -> str:
    return ", ".join(f"{v.name} {K.int_shape(v)}" for v in variables[:8]) + (" ..." if len(variables) > 8 else "")
