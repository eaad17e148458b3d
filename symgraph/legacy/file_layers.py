"""Layers that compute what Keras 1 computed, where the layer of the same name computes something else now.

Files of Keras 1 are read as models of these and of the ordinary layers; they are not meant for new models.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from symgraph import backend as K
from symgraph import layers
from symgraph.legacy.layers import SReLU

__all__ = ["BatchNormalizationFused", "BatchNormalizationKeras1", "CLASSES", "Conv1DTheano", "Conv2DTheano",
           "Conv3DTheano", "SReLUTheano"]


class BatchNormalizationKeras1(layers.BatchNormalization):
    """Batch normalisation whose moving variance is that of the batches, without Bessel's correction.

    # Arguments
        epsilon, axis, momentum: as in BatchNormalization.
        mode: 0: by feature, with moving statistics outside training; 1: each sample by itself, along `axis`; 2: by
            feature, by the batch's statistics always.
        gamma_regularizer, beta_regularizer: penalties.
    """

    def __init__(self, epsilon: float = 1e-3, mode: int = 0, axis: int = -1, momentum: float = 0.99,
                 gamma_regularizer: Any = None, beta_regularizer: Any = None, **kwargs: Any):
        super().__init__(epsilon=epsilon, axis=axis, momentum=momentum, gamma_regularizer=gamma_regularizer,
                         beta_regularizer=beta_regularizer, **kwargs)
        if mode not in {0, 1, 2}:
            raise ValueError(f"BatchNormalizationKeras1: `mode` must be 0, 1 or 2, got {mode!r}.")
        self.mode = mode

    # A frozen layer of Keras 1 went on with its moving statistics.
    def get_updates_for(self, inputs):
        with self._thawed():
            return super().get_updates_for(inputs)

    @property
    def updates(self):
        with self._thawed():
            return super().updates

    @contextmanager
    def _thawed(self) -> Iterator[None]:
        frozen, self.trainable = not self.trainable, True
        try:
            yield
        finally:
            self.trainable = not frozen

    def call(self, inputs, training=None):
        rank = K.ndim(inputs)
        if self.mode == 1:
            mean = K.mean(inputs, axis=self.axis, keepdims=True)
            deviation = K.sqrt(K.var(inputs, axis=self.axis, keepdims=True) + self.epsilon) + self.epsilon
            shape = [1] * rank
            shape[self.axis % rank] = K.int_shape(self.gamma)[0]
            return K.reshape(self.gamma, shape) * ((inputs - mean) / deviation) + K.reshape(self.beta, shape)
        axes = [axis for axis in range(rank) if axis != self.axis % rank]
        mean, variance = K.mean(inputs, axis=axes), K.var(inputs, axis=axes)
        trained = self._by(mean, variance, inputs)
        if self.mode == 2:
            return trained
        self.add_update([K.moving_average_update(self.moving_mean, mean, self.momentum),
                         K.moving_average_update(self.moving_variance, variance, self.momentum)], inputs)
        return K.in_train_phase(trained, lambda: self._by(self.moving_mean, self.moving_variance, inputs),
                                training=training)

    def _by(self, mean: Any, variance: Any, inputs: Any) -> Any:
        """The inputs, centred and scaled by these statistics."""
        return K.batch_normalization(inputs, mean, variance, self.beta, self.gamma, axis=self.axis,
                                     epsilon=self.epsilon)

    def get_config(self):
        config = super().get_config()
        kept = {"name", "trainable", "batch_input_shape", "dtype", "epsilon", "axis", "momentum", "gamma_regularizer",
                "beta_regularizer"}
        return {**{key: value for key, value in config.items() if key in kept}, "mode": self.mode}


class BatchNormalizationFused(layers.BatchNormalization):
    """BatchNormalization as Keras 2 had it on TensorFlow: for images with the channels last the variance came from a
    fused operation that had applied Bessel's correction already, and was corrected once more.

    It is stored under the name of the ordinary layer, which corrects once.
    """

    def add_update(self, updates, inputs=None):
        shape = K.int_shape(inputs) if inputs is not None else ()
        if len(shape) == 4 and isinstance(updates, list) and len(updates) == 2:
            (mean, new_mean), (variance, new_variance) = updates
            count = K.cast(K.prod(K.shape(inputs)[:-1]), K.dtype(inputs))
            # What the update adds to the decayed old value is larger by n / (n - 1).
            kept = variance * self.momentum
            updates = [(mean, new_mean), (variance, kept + (new_variance - kept) * (count / (count - 1.0)))]
        super().add_update(updates, inputs)


class _CentredPadding:
    """Padding 'same' as Theano has it: half a window on both sides, and the output cut at its end."""

    def call(self, inputs):
        if self.padding != "same":
            return super().call(inputs)
        spans = [(size - 1) * dilation + 1 for size, dilation in zip(self.kernel_size, self.dilation_rate)]
        lengths = [-(-size // stride) if size is not None else None
                   for size, stride in zip(self._space(K.int_shape(inputs)), self.strides)]
        sides = tuple((span // 2, span // 2) for span in spans)
        if self.rank == 1:
            padded = K.temporal_padding(inputs, sides[0])
        elif self.rank == 2:
            padded = K.spatial_2d_padding(inputs, sides, self.data_format)
        else:
            padded = K.spatial_3d_padding(inputs, sides, self.data_format)
        self.padding = "valid"
        try:
            output = super().call(padded)
        finally:
            self.padding = "same"
        found = self._space(K.int_shape(output))
        for axis, (length, span) in enumerate(zip(lengths, spans)):
            if length is None:
                # Only an even window gives more than is wanted, by one.
                length = None if span % 2 or self.strides[axis] != 1 else -1
            elif found[axis] == length:
                continue
            if length is not None:
                cut = [slice(None)] * (self.rank + 2)
                cut[axis + (2 if self.data_format == "channels_first" else 1)] = slice(None, length)
                output = output[tuple(cut)]
        return output

    def _space(self, shape: tuple) -> tuple:
        return shape[2:] if self.data_format == "channels_first" else shape[1:-1]


class Conv1DTheano(_CentredPadding, layers.Conv1D):
    """Conv1D with Theano's padding."""


class Conv2DTheano(_CentredPadding, layers.Conv2D):
    """Conv2D with Theano's padding."""


class Conv3DTheano(_CentredPadding, layers.Conv3D):
    """Conv3D with Theano's padding."""


class SReLUTheano(SReLU):
    """SReLU as it was on Theano: nothing below the right threshold rises above it, whatever its left slope."""

    def call(self, inputs):
        right = self.t_left + K.abs(self.t_right)
        offset = inputs - self.t_left
        left = K.minimum(K.switch(K.greater(offset, 0.0), offset, self.a_left * offset), right - self.t_left)
        return self.t_left + left + self.a_right * K.relu(inputs - right)


#: What a configuration may name.
CLASSES: dict[str, type] = {name: globals()[name] for name in __all__ if name != "CLASSES"}
BatchNormalizationFused.__name__ = "BatchNormalization"
