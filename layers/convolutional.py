"""Convolutions in two dimensions, and padding, cropping and upsampling of images."""

from __future__ import annotations

from typing import Any

from symgraph import activations, constraints, initializers, regularizers
from symgraph import backend as K
from symgraph.engine.input_spec import InputSpec
from symgraph.engine.layer import Layer
from symgraph.utils.conv_utils import normalize_data_format, normalize_padding, normalize_tuple

__all__ = ["Conv2D", "Cropping2D", "UpSampling2D", "ZeroPadding2D"]


class _Conv(Layer):
    """Common part of the convolutions over `rank` spatial axes.

    # Arguments
        filters: number of output channels.
        kernel_size: integer or one for each spatial axis.
        strides, dilation_rate: integer or one for each spatial axis; one of the two is 1.
        padding: 'valid' or 'same' (in one dimension also 'causal').
        data_format: 'channels_last' or 'channels_first'; default: the configured layout.
        activation, use_bias, initializers, regularizers, constraints: as in Dense.
    """

    def __init__(self, rank: int, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid",
                 data_format: str | None = None, dilation_rate: Any = 1, activation: Any = None, use_bias: bool = True,
                 kernel_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 kernel_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.rank = rank
        self.filters = filters
        self.kernel_size = normalize_tuple(kernel_size, rank, "kernel_size")
        self.strides = normalize_tuple(strides, rank, "strides")
        self.padding = normalize_padding(padding)
        self.data_format = normalize_data_format(data_format)
        self.dilation_rate = normalize_tuple(dilation_rate, rank, "dilation_rate")
        if self.padding == "causal" and rank != 1:
            raise ValueError(f"{type(self).__name__}: padding 'causal' is for one-dimensional convolutions only.")
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.input_spec = InputSpec(ndim=rank + 2)

    @property
    def _channel_axis(self) -> int:
        return 1 if self.data_format == "channels_first" else -1

    def _channels(self, input_shape: tuple) -> int:
        channels = input_shape[self._channel_axis]
        if channels is None:
            raise ValueError(f"{type(self).__name__} {self.name!r}: the number of channels (axis "
                             f"{self._channel_axis} for "
                             f"{self.data_format}) must be known, got the input shape {tuple(input_shape)}.")
        return channels

    def build(self, input_shape):
        channels = self._channels(input_shape)
        self.kernel = self.add_weight(name="kernel", shape=(*self.kernel_size, channels, self.filters),
                                      initializer=self.kernel_initializer, regularizer=self.kernel_regularizer,
                                      constraint=self.kernel_constraint)
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer=self.bias_initializer,
                                        regularizer=self.bias_regularizer, constraint=self.bias_constraint)
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={self._channel_axis: channels})
        self.built = True

    def call(self, inputs):
        convolve = {1: K.conv1d, 2: K.conv2d, 3: K.conv3d}[self.rank] if self.rank != 2 else K.conv2d
        one = self.rank == 1
        output = convolve(inputs, self.kernel, strides=self.strides[0] if one else self.strides, padding=self.padding,
                          data_format=self.data_format,
                          dilation_rate=self.dilation_rate[0] if one else self.dilation_rate)
        if self.bias is not None:
            output = K.bias_add(output, self.bias, data_format=self.data_format)
        return self.activation(output)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
        }


class Conv2D(_Conv):
    """Two-dimensional convolution (cross-correlation) of images.

    # Arguments
        filters: number of output channels.
        kernel_size: integer or (rows, columns).
        strides, dilation_rate: integer or (rows, columns); one of the two is 1.
        padding: 'valid' or 'same'.
        data_format: 'channels_last' or 'channels_first'; default: the configured layout.
        activation, use_bias, initializers, regularizers, constraints: as in Dense.

    # Input
        (batch, rows, columns, channels), or (batch, channels, rows, columns) for channels_first.
    # Output
        The same with `filters` channels.
    """

    def __init__(self, filters: int, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid",
                 data_format: str | None = None, dilation_rate: Any = (1, 1), activation: Any = None,
                 use_bias: bool = True, kernel_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 kernel_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any):
        super().__init__(2, filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                         kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
                         activity_regularizer, kernel_constraint, bias_constraint, **kwargs)


def _pairs(value: Any, name: str) -> tuple:
    """Padding or cropping as ((top, bottom), (left, right))."""
    if hasattr(value, "__index__"):
        return ((int(value),) * 2,) * 2
    if not hasattr(value, "__len__") or len(value) != 2:
        raise ValueError(f"`{name}` must be an integer, a pair or a pair of pairs, got {value!r}.")
    return tuple(normalize_tuple(item, 2, name) for item in value)


class ZeroPadding2D(Layer):
    """Adds rows and columns of zeros around images.

    # Arguments
        padding: integer, (rows, columns) or ((top, bottom), (left, right)).
        data_format: 'channels_last' or 'channels_first'.
    """

    def __init__(self, padding: Any = (1, 1), data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.data_format = normalize_data_format(data_format)
        self.padding = _pairs(padding, "padding")
        self.input_spec = InputSpec(ndim=4)

    def call(self, inputs):
        return K.spatial_2d_padding(inputs, padding=self.padding, data_format=self.data_format)

    def get_config(self):
        return {**super().get_config(), "padding": self.padding, "data_format": self.data_format}


class Cropping2D(Layer):
    """Cuts rows and columns off the edges of images.

    # Arguments
        cropping: integer, (rows, columns) or ((top, bottom), (left, right)).
        data_format: 'channels_last' or 'channels_first'.
    """

    def __init__(self, cropping: Any = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.data_format = normalize_data_format(data_format)
        self.cropping = _pairs(cropping, "cropping")
        self.input_spec = InputSpec(ndim=4)

    def call(self, inputs):
        rows, columns = (slice(start, -stop if stop else None) for start, stop in self.cropping)
        if self.data_format == "channels_first":
            return inputs[:, :, rows, columns]
        return inputs[:, rows, columns, :]

    def get_config(self):
        return {**super().get_config(), "cropping": self.cropping, "data_format": self.data_format}


class UpSampling2D(Layer):
    """Repeats rows and columns of images.

    # Arguments
        size: integer or (rows, columns).
        data_format: 'channels_last' or 'channels_first'.
        interpolation: 'nearest' or 'bilinear'.
    """

    def __init__(self, size: Any = (2, 2), data_format: str | None = None, interpolation: str = "nearest",
                 **kwargs: Any):
        super().__init__(**kwargs)
        self.data_format = normalize_data_format(data_format)
        self.size = normalize_tuple(size, 2, "size")
        if interpolation not in {"nearest", "bilinear"}:
            raise ValueError(f"UpSampling2D: `interpolation` must be 'nearest' or 'bilinear', got {interpolation!r}.")
        self.interpolation = interpolation
        self.input_spec = InputSpec(ndim=4)

    def call(self, inputs):
        return K.resize_images(inputs, self.size[0], self.size[1], self.data_format, self.interpolation)

    def get_config(self):
        return {**super().get_config(), "size": self.size, "data_format": self.data_format,
                "interpolation": self.interpolation}
