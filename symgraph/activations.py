"""Activation functions: tensor in, tensor of the same shape out."""

from __future__ import annotations

from typing import Any

from symgraph import backend as K
from symgraph.utils.generic_utils import deserialize_keras_object

__all__ = [
    "deserialize", "elu", "exponential", "gelu", "get", "hard_sigmoid", "linear", "mish", "relu", "selu", "serialize",
    "sigmoid", "silu", "softmax", "softplus", "softsign", "swish", "tanh",
]

#: Constants of the fixed point with mean 0 and variance 1 (Klambauer et al. 2017).
_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


def softmax(x: Any, axis: int = -1) -> Any:
    """`exp(x) / sum(exp(x))` along `axis`; for tensors of at least two dimensions."""
    if K.ndim(x) < 2:
        raise ValueError(f"softmax needs a tensor of at least two dimensions, got one of shape {K.int_shape(x)}.")
    return K.softmax(x, axis=axis)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """`x` where positive, `alpha * (exp(x) - 1)` elsewhere (Clevert et al. 2015)."""
    return K.elu(x, alpha)


def selu(x: Any) -> Any:
    """Scaled exponential linear unit (Klambauer et al. 2017)."""
    return _SELU_SCALE * K.elu(x, _SELU_ALPHA)


def softplus(x: Any) -> Any:
    """`log(exp(x) + 1)`."""
    return K.softplus(x)


def softsign(x: Any) -> Any:
    """`x / (|x| + 1)`."""
    return K.softsign(x)


def relu(x: Any, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """`max_value` above `max_value`, `x` above `threshold`, `alpha * (x - threshold)` below."""
    return K.relu(x, alpha=alpha, max_value=max_value, threshold=threshold)


def tanh(x: Any) -> Any:
    """Hyperbolic tangent."""
    return K.tanh(x)


def sigmoid(x: Any) -> Any:
    """`1 / (1 + exp(-x))`."""
    return K.sigmoid(x)


def hard_sigmoid(x: Any) -> Any:
    """`clip(0.2 * x + 0.5, 0, 1)`."""
    return K.hard_sigmoid(x)


def exponential(x: Any) -> Any:
    """`exp(x)`."""
    return K.exp(x)


def linear(x: Any) -> Any:
    """The identity."""
    return x


def gelu(x: Any, approximate: bool = False) -> Any:
    """`x` times the normal distribution function of `x` (Hendrycks & Gimpel 2016); `approximate`: by a tanh."""
    if approximate:
        return 0.5 * x * (1.0 + K.tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)))
    return K.gelu(x)


def swish(x: Any) -> Any:
    """`x * sigmoid(x)` (Ramachandran et al. 2017)."""
    return K.swish(x)


def silu(x: Any) -> Any:
    """`x * sigmoid(x)`, another name of swish."""
    return K.swish(x)


def mish(x: Any) -> Any:
    """`x * tanh(softplus(x))` (Misra 2019)."""
    return x * K.tanh(K.softplus(x))


_OBJECTS = {name: globals()[name] for name in __all__ if name not in {"deserialize", "get", "serialize"}}


def serialize(activation: Any) -> Any:
    """The name (or, for a layer, the configuration) of an activation."""
    if hasattr(activation, "get_config"):
        return {"class_name": type(activation).__name__, "config": activation.get_config()}
    return activation.__name__


def deserialize(name: Any, custom_objects: dict | None = None) -> Any:
    """The activation function of a name."""
    return deserialize_keras_object(name, _OBJECTS, custom_objects, "activation function")


def get(identifier: Any) -> Any:
    """An activation from a name, a configuration or a callable; None is the identity."""
    if identifier is None:
        return linear
    if isinstance(identifier, str):
        return deserialize(identifier)
    if isinstance(identifier, dict):
        from symgraph import layers

        return layers.deserialize(identifier)
    if callable(identifier):
        return identifier
    raise ValueError(f"Could not interpret activation function identifier: {identifier!r}. Give a name or a function.")
