"""Noise in training."""

from __future__ import annotations

from typing import Any

from symgraph import backend as K
from symgraph.engine.layer import Layer

__all__ = ["AlphaDropout", "GaussianDropout", "GaussianNoise"]


class GaussianNoise(Layer):
    """Adds normally distributed noise in training.

    # Arguments
        stddev: its standard deviation.
    """

    def __init__(self, stddev: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.stddev = stddev

    def call(self, inputs, training=None):
        def noised() -> Any:
            return inputs + K.random_normal(K.shape(inputs), 0.0, self.stddev, dtype=K.dtype(inputs))

        return K.in_train_phase(noised, inputs, training=training)

    def get_config(self):
        return {**super().get_config(), "stddev": self.stddev}


class GaussianDropout(Layer):
    """Multiplies by normally distributed numbers around 1 in training (Srivastava et al. 2014).

    # Arguments
        rate: the standard deviation is `sqrt(rate / (1 - rate))`, that of dropout with this rate.
    """

    def __init__(self, rate: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.rate = rate

    def call(self, inputs, training=None):
        if not 0.0 < self.rate < 1.0:
            return inputs

        def noised() -> Any:
            deviation = (self.rate / (1.0 - self.rate)) ** 0.5
            return inputs * K.random_normal(K.shape(inputs), 1.0, deviation, dtype=K.dtype(inputs))

        return K.in_train_phase(noised, inputs, training=training)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate}


class AlphaDropout(Layer):
    """Dropout that keeps the mean and variance of its input, for networks with `selu` (Klambauer et al. 2017).

    # Arguments
        rate: part that is dropped, as in Dropout.
        noise_shape: shape of the mask, 1 where it is shared along an axis, None for the input's size.
        seed: seed of the mask.
    """

    #: What a dropped unit becomes: the value that selu tends to, -scale * alpha.
    _DROPPED = -1.0507009873554804934193349852946 * 1.6732632423543772848170429916717

    def __init__(self, rate: float, noise_shape: tuple | None = None, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.rate = rate
        self.noise_shape = noise_shape
        self.seed = seed
        self.supports_masking = True

    def _noise_shape(self, inputs: Any) -> Any:
        sizes = K.shape(inputs)
        if self.noise_shape is None:
            return sizes
        return tuple(sizes[axis] if size is None else size for axis, size in enumerate(self.noise_shape))

    def call(self, inputs, training=None):
        if not 0.0 < self.rate < 1.0:
            return inputs

        def dropped() -> Any:
            uniform = K.random_uniform(self._noise_shape(inputs), dtype=K.dtype(inputs), seed=self.seed)
            kept = K.cast(K.greater_equal(uniform, self.rate), K.dtype(inputs))
            # An affine map brings mean and variance back to 0 and 1.
            scale = ((1.0 - self.rate) * (1.0 + self.rate * self._DROPPED**2)) ** -0.5
            shift = -scale * self._DROPPED * self.rate
            return scale * (inputs * kept + self._DROPPED * (1.0 - kept)) + shift

        return K.in_train_phase(dropped, inputs, training=training)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "noise_shape": self.noise_shape, "seed": self.seed}
