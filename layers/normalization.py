"""Normalisation over the batch, and within samples."""

from __future__ import annotations

from typing import Any

from symgraph import backend as K
from symgraph import constraints, initializers, regularizers
from symgraph.engine.input_spec import InputSpec
from symgraph.engine.layer import Layer

__all__ = ["BatchNormalization", "GroupNormalization", "LayerNormalization"]


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
        """The inputs less a mean and scaled by a variance: vectors along the axis, or tensors that broadcast."""
        rank = K.ndim(inputs)
        axis = self.axis % rank

        def spread(value: Any) -> Any:
            if axis == rank - 1 or K.ndim(value) == rank:
                return value
            shape = [1] * rank
            shape[axis] = K.int_shape(self.moving_mean)[0]
            return K.reshape(value, shape)

        factor = 1.0 / K.sqrt(spread(variance) + self.epsilon)
        if self.gamma is not None:
            factor = factor * spread(self.gamma)
        output = (inputs - spread(mean)) * factor
        return output if self.beta is None else output + spread(self.beta)

    def call(self, inputs, training=None):
        def test() -> Any:
            return self._normalized(inputs, self.moving_mean, self.moving_variance)

        if training in {0}:
            return test()
        rank = K.ndim(inputs)
        axes = [axis for axis in range(rank) if axis != self.axis % rank]
        mean, variance = K.moments(inputs, axes)
        trained = self._normalized(inputs, mean, variance)
        mean, variance = K.flatten(mean), K.flatten(variance)
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


class _Scaled(Layer):
    """Common part of the normalisations within a sample: scale and shift."""

    def _set_scale(self, epsilon: float, center: bool, scale: bool, beta_initializer: Any, gamma_initializer: Any,
                   beta_regularizer: Any, gamma_regularizer: Any, beta_constraint: Any, gamma_constraint: Any) -> None:
        self.supports_masking = True
        self.epsilon, self.center, self.scale = epsilon, center, scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)

    def _add_scale(self, shape: tuple) -> None:
        self.gamma = self.beta = None
        if self.scale:
            self.gamma = self.add_weight(name="gamma", shape=shape, initializer=self.gamma_initializer,
                                         regularizer=self.gamma_regularizer, constraint=self.gamma_constraint)
        if self.center:
            self.beta = self.add_weight(name="beta", shape=shape, initializer=self.beta_initializer,
                                        regularizer=self.beta_regularizer, constraint=self.beta_constraint)

    def _finish(self, normal: Any, shape: list) -> Any:
        """Scale and shift, whose weights are spread to `shape`."""
        if self.gamma is not None:
            normal = normal * K.reshape(self.gamma, shape)
        return normal if self.beta is None else normal + K.reshape(self.beta, shape)

    def get_config(self):
        return {
            **super().get_config(),
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "beta_initializer": initializers.serialize(self.beta_initializer),
            "gamma_initializer": initializers.serialize(self.gamma_initializer),
            "beta_regularizer": regularizers.serialize(self.beta_regularizer),
            "gamma_regularizer": regularizers.serialize(self.gamma_regularizer),
            "beta_constraint": constraints.serialize(self.beta_constraint),
            "gamma_constraint": constraints.serialize(self.gamma_constraint),
        }


class LayerNormalization(_Scaled):
    """Gives the features of each sample mean 0 and variance 1, then scales and shifts them (Ba et al. 2016).

    # Arguments
        axis: the axis (or axes) of the features, over which mean and variance are taken.
        epsilon: added to the variance.
        center, scale: whether there is a shift `beta` and a factor `gamma`.
        beta_initializer, gamma_initializer: starting values.
        beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint: penalties and constraints.
    """

    def __init__(self, axis: Any = -1, epsilon: float = 1e-3, center: bool = True, scale: bool = True,
                 beta_initializer: Any = "zeros", gamma_initializer: Any = "ones", beta_regularizer: Any = None,
                 gamma_regularizer: Any = None, beta_constraint: Any = None, gamma_constraint: Any = None,
                 **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = list(axis) if isinstance(axis, (list, tuple)) else axis
        self._set_scale(epsilon, center, scale, beta_initializer, gamma_initializer, beta_regularizer,
                        gamma_regularizer, beta_constraint, gamma_constraint)

    def _axes(self, rank: int) -> list[int]:
        axes = self.axis if isinstance(self.axis, list) else [self.axis]
        if any(not -rank <= axis < rank or axis % rank == 0 for axis in axes):
            raise ValueError(f"LayerNormalization {self.name!r}: axis {self.axis} is not an axis of the features of "
                             f"an input "
                             f"of {rank} dimensions.")
        return sorted(axis % rank for axis in axes)

    def build(self, input_shape):
        axes = self._axes(len(input_shape))
        shape = tuple(input_shape[axis] for axis in axes)
        if None in shape:
            raise ValueError(f"LayerNormalization {self.name!r}: axis {self.axis} of the input must have a known "
                             f"size, got the "
                             f"shape {tuple(input_shape)}.")
        self._add_scale(shape)
        self.input_spec = InputSpec(ndim=len(input_shape), axes=dict(zip(axes, shape)))
        self.built = True

    def call(self, inputs):
        axes = self._axes(K.ndim(inputs))
        mean, variance = K.moments(inputs, axes)
        shape = [size if axis in axes else 1 for axis, size in enumerate(K.int_shape(inputs))]
        return self._finish((inputs - mean) / K.sqrt(variance + self.epsilon), shape)

    def get_config(self):
        return {**super().get_config(), "axis": self.axis}


class GroupNormalization(_Scaled):
    """Gives each group of channels of each sample mean 0 and variance 1, then scales and shifts (Wu & He 2018).

    # Arguments
        groups: number of groups; -1: one for each channel.
        axis: the axis of the channels.
        epsilon: added to the variance.
        center, scale: whether there is a shift `beta` and a factor `gamma`.
        beta_initializer, gamma_initializer: starting values.
        beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint: penalties and constraints.
    """

    def __init__(self, groups: int = 32, axis: int = -1, epsilon: float = 1e-3, center: bool = True,
                 scale: bool = True, beta_initializer: Any = "zeros", gamma_initializer: Any = "ones",
                 beta_regularizer: Any = None, gamma_regularizer: Any = None, beta_constraint: Any = None,
                 gamma_constraint: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.groups, self.axis = groups, axis
        self._set_scale(epsilon, center, scale, beta_initializer, gamma_initializer, beta_regularizer,
                        gamma_regularizer, beta_constraint, gamma_constraint)

    def build(self, input_shape):
        rank = len(input_shape)
        if rank < 2 or self.axis % rank == 0:
            raise ValueError(f"GroupNormalization {self.name!r}: axis {self.axis} is not an axis of the channels of "
                             f"an input "
                             f"of shape {tuple(input_shape)}.")
        channels = input_shape[self.axis]
        groups = channels if self.groups == -1 else self.groups
        if channels is None or groups < 1 or channels % groups:
            raise ValueError(f"GroupNormalization {self.name!r}: {self.groups} groups do not divide the {channels} "
                             f"channels of "
                             f"an input of shape {tuple(input_shape)}.")
        self._add_scale((channels,))
        self.input_spec = InputSpec(ndim=rank, axes={self.axis: channels})
        self.built = True

    def call(self, inputs):
        known, sizes = K.int_shape(inputs), K.shape(inputs)
        rank = len(known)
        axis = self.axis % rank
        channels = known[axis]
        groups = channels if self.groups == -1 else self.groups
        full = [sizes[k] if size is None else size for k, size in enumerate(known)]
        grouped = K.reshape(inputs, (*full[:axis], groups, channels // groups, *full[axis + 1:]))
        axes = [k for k in range(1, rank + 1) if k != axis]
        mean, variance = K.moments(grouped, axes)
        normal = K.reshape((grouped - mean) / K.sqrt(variance + self.epsilon), full)
        return self._finish(normal, [channels if k == axis else 1 for k in range(rank)])

    def get_config(self):
        return {**super().get_config(), "groups": self.groups, "axis": self.axis}
