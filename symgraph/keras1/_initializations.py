"""`keras.initializations` of Keras 1: functions that make variables, and how its layers use them."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgraph import backend as K
from symgraph import initializers
from symgraph.utils.generic_utils import has_arg

__all__ = ["INITIALIZATIONS", "OldInitializer", "get", "get_fans", "glorot_normal", "glorot_uniform", "he_normal",
           "he_uniform", "identity",
           "lecun_uniform", "normal", "one", "orthogonal", "uniform", "zero"]


def get_fans(shape: tuple, dim_ordering: str = "th") -> tuple[float, float]:
    """How many inputs and outputs a weight of this shape has.

    # Raises
        ValueError: an unknown ordering.
    """
    if len(shape) == 2:
        return shape[0], shape[1]
    if len(shape) in {4, 5}:
        if dim_ordering == "th":
            field = np.prod(shape[2:])
            return shape[1] * field, shape[0] * field
        if dim_ordering == "tf":
            field = np.prod(shape[:-2])
            return shape[-2] * field, shape[-1] * field
        raise ValueError(f"get_fans: `dim_ordering` must be 'th' or 'tf', got {dim_ordering!r}")
    size = np.sqrt(np.prod(shape))
    return size, size


def _scaled(distribution: str, numerator: float, fans: str) -> Any:
    def init(shape, name=None, dim_ordering="th"):
        fan_in, fan_out = get_fans(shape, dim_ordering)
        scale = np.sqrt(numerator / (fan_in if fans == "in" else fan_in + fan_out))
        return (uniform if distribution == "uniform" else normal)(shape, scale, name=name)

    return init


def uniform(shape, scale=0.05, name=None):
    """Uniform between minus and plus `scale`."""
    return K.variable(np.random.uniform(-scale, scale, size=shape), name=name)


def normal(shape, scale=0.05, name=None):
    """Normal with deviation `scale`."""
    return K.variable(np.random.normal(0.0, scale, size=shape), name=name)


lecun_uniform = _scaled("uniform", 3.0, "in")
glorot_normal = _scaled("normal", 2.0, "both")
glorot_uniform = _scaled("uniform", 6.0, "both")
he_normal = _scaled("normal", 2.0, "in")
he_uniform = _scaled("uniform", 6.0, "in")
for _name, _what in (("lecun_uniform", "LeCun 1998: uniform, scale sqrt(3 / inputs)."),
                     ("glorot_normal", "Glorot & Bengio 2010: normal, deviation sqrt(2 / (inputs + outputs))."),
                     ("glorot_uniform", "Glorot & Bengio 2010: uniform, scale sqrt(6 / (inputs + outputs))."),
                     ("he_normal", "He et al. 2015: normal, deviation sqrt(2 / inputs)."),
                     ("he_uniform", "He et al. 2015: uniform, scale sqrt(6 / inputs).")):
    globals()[_name].__name__ = globals()[_name].__qualname__ = _name
    globals()[_name].__doc__ = _what


def orthogonal(shape, scale=1.1, name=None):
    """A random orthogonal matrix (Saxe et al. 2013) times `scale`."""
    flat = (shape[0], int(np.prod(shape[1:])))
    u, _, v = np.linalg.svd(np.random.normal(0.0, 1.0, flat), full_matrices=False)
    return K.variable(scale * (u if u.shape == flat else v).reshape(shape), name=name)


def identity(shape, scale=1, name=None):
    """The identity matrix times `scale`.

    # Raises
        ValueError: a shape that is no square matrix.
    """
    if len(shape) != 2 or shape[0] != shape[1]:
        raise ValueError(f"Identity matrix initialization can only be used for 2D square matrices, got the shape "
                         f"{shape}.")
    return K.variable(scale * np.identity(shape[0]), name=name)


def zero(shape, name=None):
    """Zeros."""
    return K.zeros(shape, name=name)


def one(shape, name=None):
    """Ones."""
    return K.ones(shape, name=name)


INITIALIZATIONS = {f.__name__: f for f in (uniform, normal, lecun_uniform, glorot_normal, glorot_uniform, he_normal,
                                           he_uniform,
                                      orthogonal, identity, zero, one)}


def get(identifier, **kwargs):
    """The function of a name; a function is given back.

    # Raises
        ValueError: an unknown name.
    """
    if isinstance(identifier, str):
        if identifier not in INITIALIZATIONS:
            raise ValueError(f"Invalid initialization: {identifier!r}. Known: {', '.join(sorted(INITIALIZATIONS))}.")
        return INITIALIZATIONS[identifier]
    return identifier


class OldInitializer(initializers.Initializer):
    """A Keras-1 initialization, as the layers here call one.

    # Arguments
        identifier: name, or a function `(shape, name=...)`.
        first: whether kernels are (outputs, inputs, *window) for the function, as Keras 1 has them for 'th'.
    """

    def __init__(self, identifier: Any, first: bool = False):
        self.identifier, self.first = identifier, first
        self.function = get(identifier)
        self.__name__ = getattr(self.function, "__name__", type(self.function).__name__)

    def __call__(self, shape, dtype=None):
        turned = self.first and len(shape) in {4, 5}
        wanted = (shape[-1], shape[-2], *shape[:-2]) if turned else tuple(shape)
        arguments: dict[str, Any] = {}
        if has_arg(self.function, "dim_ordering"):
            arguments["dim_ordering"] = "th" if turned else "tf"
        if has_arg(self.function, "name"):
            arguments["name"] = "weight"
        value = self.function(wanted, **arguments)
        if K.is_tensor(value):
            value = K.get_value(value) if K.is_variable(value) else K.eval(value)
        value = np.asarray(value, dtype=dtype or K.floatx())
        return value.transpose((*range(2, value.ndim), 1, 0)) if turned else value

    def get_config(self):
        return {"identifier": self.__name__, "first": self.first}
