"""Learning rates that change with the number of updates; they are offered as `symgraph.optimizers.schedules`.

A schedule is part of the training step's graph: it is called with the number of updates so far, a scalar float tensor.
"""

from __future__ import annotations

import math
from typing import Any

from symgraph import backend as K
from symgraph.utils.generic_utils import deserialize_keras_object, serialize_keras_object

__all__ = [
    "CosineDecay", "ExponentialDecay", "InverseTimeDecay", "LearningRateSchedule", "PiecewiseConstantDecay",
    "PolynomialDecay", "deserialize", "serialize",
]


class LearningRateSchedule:
    """Base of the schedules: `__call__(step)` gives the rate, `get_config()` the arguments."""

    def __call__(self, step: Any) -> Any:
        raise TypeError(f"{type(self).__name__} must define `__call__(self, step)`.")

    def get_config(self) -> dict:
        return {}

    @classmethod
    def from_config(cls, config: dict) -> LearningRateSchedule:
        return cls(**{key: value for key, value in config.items() if key != "name"})


class ExponentialDecay(LearningRateSchedule):
    """`initial * decay_rate ** (step / decay_steps)`; with `staircase` the exponent is a whole number."""

    def __init__(self, initial_learning_rate: float, decay_steps: float, decay_rate: float, staircase: bool = False):
        self.initial_learning_rate, self.decay_steps = initial_learning_rate, decay_steps
        self.decay_rate, self.staircase = decay_rate, staircase

    def __call__(self, step):
        return self.initial_learning_rate * K.pow(self.decay_rate, _steps(step, self.decay_steps, self.staircase))

    def get_config(self):
        return {"initial_learning_rate": self.initial_learning_rate, "decay_steps": self.decay_steps,
                "decay_rate": self.decay_rate, "staircase": self.staircase}


class InverseTimeDecay(ExponentialDecay):
    """`initial / (1 + decay_rate * step / decay_steps)`."""

    def __call__(self, step):
        return self.initial_learning_rate / (1.0 + self.decay_rate * _steps(step, self.decay_steps, self.staircase))


class PolynomialDecay(LearningRateSchedule):
    """From `initial` to `end` in `decay_steps`, along `(1 - step / decay_steps) ** power`; `cycle` starts anew."""

    def __init__(self, initial_learning_rate: float, decay_steps: float, end_learning_rate: float = 0.0001,
                 power: float = 1.0, cycle: bool = False):
        self.initial_learning_rate, self.decay_steps = initial_learning_rate, decay_steps
        self.end_learning_rate, self.power, self.cycle = end_learning_rate, power, cycle

    def __call__(self, step):
        length: Any = float(self.decay_steps)
        if self.cycle:
            length = K.maximum(_whole(step / length + (1.0 - 1e-6)), 1.0) * length
            done = step / length
        else:
            done = K.minimum(step, length) / length
        return (self.initial_learning_rate - self.end_learning_rate) * K.pow(1.0 - done, self.power) + (
            self.end_learning_rate)

    def get_config(self):
        return {"initial_learning_rate": self.initial_learning_rate, "decay_steps": self.decay_steps,
                "end_learning_rate": self.end_learning_rate, "power": self.power, "cycle": self.cycle}


class CosineDecay(LearningRateSchedule):
    """From `initial` down to `alpha * initial` along half a cosine in `decay_steps` (Loshchilov & Hutter 2016)."""

    def __init__(self, initial_learning_rate: float, decay_steps: float, alpha: float = 0.0):
        self.initial_learning_rate, self.decay_steps, self.alpha = initial_learning_rate, decay_steps, alpha

    def __call__(self, step):
        done = K.minimum(step, float(self.decay_steps)) / float(self.decay_steps)
        wave = 0.5 * (1.0 + K.cos(math.pi * done))
        return self.initial_learning_rate * ((1.0 - self.alpha) * wave + self.alpha)

    def get_config(self):
        return {"initial_learning_rate": self.initial_learning_rate, "decay_steps": self.decay_steps,
                "alpha": self.alpha}


class PiecewiseConstantDecay(LearningRateSchedule):
    """`values[0]` up to step `boundaries[0]`, then `values[1]` up to `boundaries[1]`, and so on."""

    def __init__(self, boundaries: list, values: list):
        if len(boundaries) != len(values) - 1:
            raise ValueError(f"PiecewiseConstantDecay: {len(boundaries)} boundaries need {len(boundaries) + 1} values, "
                             f"got {len(values)}.")
        self.boundaries, self.values = list(boundaries), list(values)

    def __call__(self, step):
        rate: Any = K.zeros_like(step) + self.values[0]
        for boundary, value in zip(self.boundaries, self.values[1:]):
            rate = K.switch(K.greater(step, float(boundary)), K.zeros_like(step) + value, rate)
        return rate

    def get_config(self):
        return {"boundaries": self.boundaries, "values": self.values}


def _whole(x: Any) -> Any:
    """The largest whole number that is not above a tensor that is not negative."""
    return K.cast(K.cast(x, "int64"), K.dtype(x))


def _steps(step: Any, decay_steps: float, staircase: bool) -> Any:
    exponent = step / float(decay_steps)
    return _whole(exponent) if staircase else exponent


_OBJECTS = {name: globals()[name] for name in __all__ if name not in {"deserialize", "serialize"}}


def serialize(schedule: Any) -> Any:
    """The configuration of a schedule."""
    return serialize_keras_object(schedule)


def deserialize(config: Any, custom_objects: dict | None = None) -> Any:
    """The schedule of a configuration."""
    return deserialize_keras_object(config, _OBJECTS, custom_objects, "learning rate schedule")
