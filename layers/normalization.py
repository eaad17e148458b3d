"""Batch normalisation."""

from __future__ import annotations

from typing import Any

from symgraph import backend as K
from symgraph import constraints, initializers, regularizers
from symgraph.engine.input_spec import InputSpec
from symgraph.engine.layer import Layer

__all__ = ["BatchNormalization"]


class BatchNormalization(Layer):
    """Gives each feature mean 0 and variance 1 over the batch, then scales and shifts it (Ioffe & Szegedy 2015).

    # Arguments
        axis: the axis of the features.
        momentum: how slowly the moving statistics, which are used outside training, follow.
        epsilon: added to the variance.
        center, scale: whether there is a shift `beta` and a factor `gamma`.
        beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer: starting values.
        beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint: penalties and constraints.

    With `trainable=False` the moving statistics stay as they are; in training the batch's statistics are still used.
    """

    def __init__(self, axis: int = -1, momentum: float = 0.99, epsilon: float = 1e-3, center: bool = True,
                 scale: bool = True, beta_initializer: Any = "zeros", gamma_initializer: Any = "ones",
                 moving_mean_initializer: Any = "zeros", moving_variance_initializer: Any = "ones",
                 beta_regularizer: Any = None, gamma_regularizer: Any = None, beta_constraint: Any = None,
                 gamma_constraint: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True
        # tf.keras writes the axis as a list.
        self.axis = axis[0] if isinstance(axis, (list, tuple)) and len(axis) == 1 else axis
        self.momentum, self.epsilon, self.center, self.scale = momentum, epsilon, center, scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)

    def build(self, input_shape):
        features = input_shape[self.axis]
        if features is None:
            raise ValueError(f"BatchNormalization {self.name!r}: axis {self.axis} of the input must have a known "
                             "size, got "
                             f"the shape {tuple(input_shape)}.")
        shape = (features,)
        self.gamma = self.beta = None
        if self.scale:
            self.gamma = self.add_weight(name="gamma", shape=shape, initializer=self.gamma_initializer,
                                         regularizer=self.gamma_regularizer, constraint=self.gamma_constraint)
        if self.center:
            self.beta = self.add_weight(name="beta", shape=shape, initializer=self.beta_initializer,
                                        regularizer=self.beta_regularizer, constraint=self.beta_constraint)
        self.moving_mean = self.add_weight(name="moving_mean", shape=shape, trainable=False,
                                           initializer=self.moving_mean_initializer)
        self.moving_variance = self.add_weight(name="moving_variance", shape=shape, trainable=False,
                                               initializer=self.moving_variance_initializer)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: features})
        self.built = True

    def _normalized(self, inputs: Any, mean: Any, variance: Any) -> Any:
        rank = K.ndim(inputs)
        axis = self.axis % rank

        def spread(vector: Any) -> Any:
            if axis == rank - 1:
                return vector
            shape = [1] * rank
            shape[axis] = K.int_shape(self.moving_mean)[0]
            return K.reshape(vector, shape)

        factor = 1.0 / K.sqrt(variance + self.epsilon)
        if self.gamma is not None:
            factor = factor * self.gamma
        output = (inputs - spread(mean)) * spread(factor)
        return output if self.beta is None else output + spread(self.beta)

    def call(self, inputs, training=None):
        def test() -> Any:
            return self._normalized(inputs, self.moving_mean, self.moving_variance)

        if training in {0}:
            return test()
        rank = K.ndim(inputs)
        axes = [axis for axis in range(rank) if axis != self.axis % rank]
        mean = K.mean(inputs, axis=axes)
        variance = K.var(inputs, axis=axes)
        trained = self._normalized(inputs, mean, variance)
        # The moving variance estimates that of the population: Bessel's correction.
        count = _count(inputs, axes)
        unbiased = variance * (count / (count - (1.0 + self.epsilon)))
        self.add_update([K.moving_average_update(self.moving_mean, mean, self.momentum),
                         K.moving_average_update(self.moving_variance, unbiased, self.momentum)], inputs)
        return K.in_train_phase(trained, test, training=training)

    def get_config(self):
        return {
            **super().get_config(),
            "axis": self.axis,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "beta_initializer": initializers.serialize(self.beta_initializer),
            "gamma_initializer": initializers.serialize(self.gamma_initializer),
            "moving_mean_initializer": initializers.serialize(self.moving_mean_initializer),
            "moving_variance_initializer": initializers.serialize(self.moving_variance_initializer),
            "beta_regularizer": regularizers.serialize(self.beta_regularizer),
            "gamma_regularizer": regularizers.serialize(self.gamma_regularizer),
            "beta_constraint": constraints.serialize(self.beta_constraint),
            "gamma_constraint": constraints.serialize(self.gamma_constraint),
        }


def _count(inputs: Any, axes: list[int]) -> Any:
    """The number of values that one mean is over, as a float tensor or a number."""
    sizes = K.int_shape(inputs)
    fixed = 1.0
    count: Any = None
    for axis in axes:
        if sizes[axis] is not None:
            fixed *= sizes[axis]
        else:
            size = K.cast(K.shape(inputs)[axis], K.dtype(inputs))
            count = size if count is None else count * size
    return fixed if count is None else count * fixed
