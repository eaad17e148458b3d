"""Starting values of weights.

An initializer is called with a shape (and a dtype) and returns a NumPy array. With `seed=None` the seed is drawn from
`np.random`, so that `np.random.seed` alone makes a run reproducible, on each executor the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symgraph import config as _config
from symgraph.utils.generic_utils import deserialize_keras_object, serialize_keras_object

__all__ = [
    "Constant", "Identity", "Initializer", "Ones", "Orthogonal", "RandomNormal", "RandomUniform", "TruncatedNormal",
    "VarianceScaling", "Zeros", "constant", "deserialize", "get", "glorot_normal", "glorot_uniform", "he_normal",
    "he_uniform", "identity", "lecun_normal", "lecun_uniform", "normal", "one", "ones", "orthogonal", "random_normal",
    "random_uniform", "serialize", "truncated_normal", "uniform", "zero", "zeros",
]

#: A normal distribution cut at two standard deviations has this standard deviation.
_TRUNCATED_STANDARD_DEVIATION = 0.87962566103423978


def _dtype(dtype: Any) -> np.dtype:
    name = dtype or _config.floatx()
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)


def _generator(seed: int | None) -> np.random.Generator:
    if seed is None:
        seed = int(np.random.randint(0, 2**31 - 1))
    return np.random.Generator(np.random.PCG64(seed))


def _uniform(shape: tuple, low: float, high: float, dtype: Any, seed: int | None) -> np.ndarray:
    dtype = _dtype(dtype)
    draw = np.dtype("float64") if dtype == np.float64 else np.dtype("float32")
    values: Any = np.asarray(_generator(seed).random(shape, dtype=draw))
    values *= draw.type(high - low)  # in place: a weight may have a hundred million numbers
    values += draw.type(low)
    return np.asarray(values, dtype=dtype)


def _normal(shape: tuple, mean: float, stddev: float, dtype: Any, seed: int | None,
            truncated: bool = False) -> np.ndarray:
    dtype = _dtype(dtype)
    draw = np.dtype("float64") if dtype == np.float64 else np.dtype("float32")
    generator = _generator(seed)
    values = np.asarray(generator.standard_normal(shape, dtype=draw))
    if truncated:
        outside = np.abs(values) > 2
        while outside.any():
            values[outside] = generator.standard_normal(int(outside.sum()), dtype=draw)
            outside = np.abs(values) > 2
    values *= draw.type(stddev)
    values += draw.type(mean)
    return np.asarray(values, dtype=dtype)


class Initializer:
    """Base of the initializers: call it with `(shape, dtype=None)` to get an array."""

    def __call__(self, shape: tuple, dtype: Any = None) -> np.ndarray:
        raise TypeError(f"{type(self).__name__} must define `__call__(self, shape, dtype=None)`.")

    def get_config(self) -> dict:
        return {}

    @classmethod
    def from_config(cls, config: dict) -> Initializer:
        # `dtype` is written by tf.keras; the weight's own dtype decides here.
        return cls(**{key: value for key, value in config.items() if key != "dtype"})


class Zeros(Initializer):
    """All zeros."""

    def __call__(self, shape, dtype=None):
        return np.zeros(shape, _dtype(dtype))


class Ones(Initializer):
    """All ones."""

    def __call__(self, shape, dtype=None):
        return np.ones(shape, _dtype(dtype))


class Constant(Initializer):
    """One value, or an array that is broadcast to the shape."""

    def __init__(self, value: Any = 0):
        self.value = value

    def __call__(self, shape, dtype=None):
        return np.array(np.broadcast_to(np.asarray(self.value, _dtype(dtype)), shape))

    def get_config(self):
        return {"value": self.value}


class RandomNormal(Initializer):
    """Normally distributed values."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None):
        self.mean, self.stddev, self.seed = mean, stddev, seed

    def __call__(self, shape, dtype=None):
        return _normal(shape, self.mean, self.stddev, dtype, self.seed)

    def get_config(self):
        return {"mean": self.mean, "stddev": self.stddev, "seed": self.seed}


class RandomUniform(Initializer):
    """Uniformly distributed values in `[minval, maxval)`."""

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None):
        self.minval, self.maxval, self.seed = minval, maxval, seed

    def __call__(self, shape, dtype=None):
        return _uniform(shape, self.minval, self.maxval, dtype, self.seed)

    def get_config(self):
        return {"minval": self.minval, "maxval": self.maxval, "seed": self.seed}


class TruncatedNormal(Initializer):
    """Normally distributed values; those more than two standard deviations from the mean are drawn again."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None):
        self.mean, self.stddev, self.seed = mean, stddev, seed

    def __call__(self, shape, dtype=None):
        return _normal(shape, self.mean, self.stddev, dtype, self.seed, truncated=True)

    def get_config(self):
        return {"mean": self.mean, "stddev": self.stddev, "seed": self.seed}


class VarianceScaling(Initializer):
    """Values whose variance is `scale / n`, with n the fan-in, fan-out or their average.

    # Arguments
        scale: positive factor.
        mode: 'fan_in', 'fan_out' or 'fan_avg'.
        distribution: 'normal' (truncated at two standard deviations, which are corrected for it) or 'uniform'.
        seed: integer, or None to draw one from `np.random`.

    # References
        Glorot & Bengio 2010 (fan_avg), He et al. 2015 (fan_in, scale 2), LeCun et al. 1998 (fan_in).
    """

    def __init__(self, scale: float = 1.0, mode: str = "fan_in", distribution: str = "normal",
                 seed: int | None = None):
        if scale <= 0:
            raise ValueError(f"`scale` must be a positive number, got {scale!r}.")
        mode, distribution = mode.lower(), distribution.lower()
        if mode not in {"fan_in", "fan_out", "fan_avg"}:
            raise ValueError(f"`mode` must be 'fan_in', 'fan_out' or 'fan_avg', got {mode!r}.")
        if distribution == "truncated_normal":  # tf.keras' name of the same distribution
            distribution = "normal"
        if distribution not in {"normal", "uniform"}:
            raise ValueError(f"`distribution` must be 'normal' or 'uniform', got {distribution!r}.")
        self.scale, self.mode, self.distribution, self.seed = scale, mode, distribution, seed

    def __call__(self, shape, dtype=None):
        fan_in, fan_out = _compute_fans(shape)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, fan)
        if self.distribution == "normal":
            stddev = np.sqrt(variance) / _TRUNCATED_STANDARD_DEVIATION
            return _normal(shape, 0.0, stddev, dtype, self.seed, truncated=True)
        limit = np.sqrt(3 * variance)
        return _uniform(shape, -limit, limit, dtype, self.seed)

    def get_config(self):
        return {"scale": self.scale, "mode": self.mode, "distribution": self.distribution, "seed": self.seed}


class Orthogonal(Initializer):
    """A matrix with orthonormal rows or columns times `gain` (Saxe et al. 2013); more axes are flattened to two."""

    def __init__(self, gain: float = 1.0, seed: int | None = None):
        self.gain, self.seed = gain, seed

    def __call__(self, shape, dtype=None):
        if len(shape) < 2:
            raise ValueError(f"Orthogonal needs a shape of at least two dimensions, got {tuple(shape)}.")
        rows, columns = int(np.prod(shape[:-1])), int(shape[-1])
        square = _generator(self.seed).standard_normal((max(rows, columns), min(rows, columns)))
        q, r = np.linalg.qr(square)
        q *= np.where(np.diag(r) < 0, -1.0, 1.0)  # without this the distribution is not uniform
        if rows < columns:
            q = q.T
        return np.ascontiguousarray(self.gain * q.reshape(shape), dtype=_dtype(dtype))

    def get_config(self):
        return {"gain": self.gain, "seed": self.seed}


class Identity(Initializer):
    """The identity matrix times `gain`; zeros fill the further rows or columns of a matrix that is not square."""

    def __init__(self, gain: float = 1.0):
        self.gain = gain

    def __call__(self, shape, dtype=None):
        if len(shape) != 2:
            raise ValueError(f"Identity is for matrices only, got the shape {tuple(shape)}.")
        return np.asarray(self.gain * np.eye(shape[0], shape[1]), _dtype(dtype))

    def get_config(self):
        return {"gain": self.gain}


def lecun_uniform(seed: int | None = None) -> VarianceScaling:
    """Uniform in +-sqrt(3 / fan_in)."""
    return VarianceScaling(1.0, "fan_in", "uniform", seed)


def glorot_normal(seed: int | None = None) -> VarianceScaling:
    """Truncated normal with standard deviation sqrt(2 / (fan_in + fan_out))."""
    return VarianceScaling(1.0, "fan_avg", "normal", seed)


def glorot_uniform(seed: int | None = None) -> VarianceScaling:
    """Uniform in +-sqrt(6 / (fan_in + fan_out))."""
    return VarianceScaling(1.0, "fan_avg", "uniform", seed)


def he_normal(seed: int | None = None) -> VarianceScaling:
    """Truncated normal with standard deviation sqrt(2 / fan_in)."""
    return VarianceScaling(2.0, "fan_in", "normal", seed)


def lecun_normal(seed: int | None = None) -> VarianceScaling:
    """Truncated normal with standard deviation sqrt(1 / fan_in)."""
    return VarianceScaling(1.0, "fan_in", "normal", seed)


def he_uniform(seed: int | None = None) -> VarianceScaling:
    """Uniform in +-sqrt(6 / fan_in)."""
    return VarianceScaling(2.0, "fan_in", "uniform", seed)


def _compute_fans(shape: tuple, data_format: str = "channels_last") -> tuple[float, float]:
    """Fan-in and fan-out of a weight shape: a matrix, or a convolution kernel with its channels last or first."""
    shape = tuple(shape)
    if data_format not in {"channels_last", "channels_first"}:
        raise ValueError(f"`data_format` must be 'channels_last' or 'channels_first', got {data_format!r}.")
    if len(shape) == 2:
        return shape[0], shape[1]
    if len(shape) in {3, 4, 5}:
        if data_format == "channels_first":
            field = int(np.prod(shape[2:]))
            return shape[1] * field, shape[0] * field
        field = int(np.prod(shape[:-2]))
        return shape[-2] * field, shape[-1] * field
    root = float(np.sqrt(np.prod(shape)))
    return root, root


zero = zeros = Zeros
one = ones = Ones
constant = Constant
uniform = random_uniform = RandomUniform
normal = random_normal = RandomNormal
truncated_normal = TruncatedNormal
identity = Identity
orthogonal = Orthogonal

_OBJECTS = {name: globals()[name] for name in __all__ if name not in {"deserialize", "get", "serialize"}}
# tf.keras names these classes; Keras 2.3.1 writes VarianceScaling.
_OBJECTS.update(LecunUniform=lecun_uniform, GlorotNormal=glorot_normal, GlorotUniform=glorot_uniform,
                HeNormal=he_normal, LecunNormal=lecun_normal, HeUniform=he_uniform)


def serialize(initializer: Any) -> Any:
    """The configuration of an initializer."""
    return serialize_keras_object(initializer)


def deserialize(config: Any, custom_objects: dict | None = None) -> Any:
    """The initializer of a configuration."""
    return deserialize_keras_object(config, _OBJECTS, custom_objects, "initializer")


def get(identifier: Any) -> Any:
    """An initializer from a name, a configuration, an instance, a class or a function (None gives None)."""
    if identifier is None:
        return None
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, str):
        return deserialize({"class_name": identifier, "config": {}})
    if isinstance(identifier, type) and issubclass(identifier, Initializer):
        return identifier()
    if callable(identifier):
        return identifier
    raise ValueError(f"Could not interpret initializer identifier: {identifier!r}. Give a name, an instance or a "
                     "function.")
