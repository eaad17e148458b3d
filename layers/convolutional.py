"""Convolutions of sequences, images and volumes."""

from __future__ import annotations

from typing import Any

from symgraph import activations, constraints, initializers, regularizers
from symgraph import backend as K
from symgraph.engine.input_spec import InputSpec
from symgraph.engine.layer import Layer
from symgraph.layers.spatial import (
    Cropping1D,
    Cropping2D,
    Cropping3D,
    UpSampling1D,
    UpSampling2D,
    UpSampling3D,
    ZeroPadding1D,
    ZeroPadding2D,
    ZeroPadding3D,
)
from symgraph.utils.conv_utils import deconv_length, normalize_data_format, normalize_padding, normalize_tuple

__all__ = [
    "Conv1D", "Conv2D", "Conv2DTranspose", "Conv3D", "Conv3DTranspose", "Cropping1D", "Cropping2D", "Cropping3D",
    "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D", "UpSampling1D", "UpSampling2D", "UpSampling3D",
    "ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D",
]


class _Conv(Layer):
    """Common part of the convolutions over `rank` spatial axes.

    # Arguments
        filters: number of output channels.
        kernel_size: integer or one for each spatial axis.
        strides, dilation_rate: integer or one for each spatial axis; one of the two is 1.
        padding: 'valid' or 'same' (in one dimension also 'causal').
        data_format: 'channels_last' or 'channels_first'; default: the configured layout.
        activation, use_bias: as in Dense.
        kernel_initializer, bias_initializer: starting values.
        kernel_regularizer, bias_regularizer, activity_regularizer: penalties.
        kernel_constraint, bias_constraint: constraints.
    """

    def __init__(self, rank: int, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid",
                 data_format: str | None = None, dilation_rate: Any = 1, activation: Any = None, use_bias: bool = True,
                 kernel_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 kernel_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        if not hasattr(filters, "__index__") or filters < 1:
            raise ValueError(f"{type(self).__name__}: `filters` must be a positive integer, got {filters!r}.")
        self.rank = rank
        self.filters = int(filters)
        self.kernel_size = normalize_tuple(kernel_size, rank, "kernel_size")
        self.strides = normalize_tuple(strides, rank, "strides")
        self.padding = normalize_padding(padding)
        self.data_format = normalize_data_format(data_format)
        self.dilation_rate = normalize_tuple(dilation_rate, rank, "dilation_rate")
        if self.padding == "causal" and (rank != 1 or self.data_format != "channels_last"):
            raise ValueError(f"{type(self).__name__}: padding 'causal' is for one-dimensional convolutions with "
                             "data_format 'channels_last' only.")
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
        convolve = {1: K.conv1d, 2: K.conv2d, 3: K.conv3d}[self.rank]
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


class Conv1D(_Conv):
    """One-dimensional convolution (cross-correlation) of sequences.

    # Arguments
        filters: number of output channels.
        kernel_size: length of the window.
        strides, dilation_rate: integers; one of the two is 1.
        padding: 'valid', 'same', or 'causal': the output does not depend on later steps.
        data_format: 'channels_last' or 'channels_first'.
        activation, use_bias: as in Dense.
        kernel_initializer, bias_initializer: starting values.
        kernel_regularizer, bias_regularizer, activity_regularizer: penalties.
        kernel_constraint, bias_constraint: constraints.

    # Input
        (batch, steps, channels), or (batch, channels, steps) for channels_first.
    # Output
        The same with `filters` channels.
    """

    def __init__(self, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid",
                 data_format: str | None = "channels_last", dilation_rate: Any = 1, activation: Any = None,
                 use_bias: bool = True, kernel_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 kernel_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any):
        super().__init__(1, filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                         kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
                         activity_regularizer, kernel_constraint, bias_constraint, **kwargs)


class Conv2D(_Conv):
    """Two-dimensional convolution (cross-correlation) of images.

    # Arguments
        filters: number of output channels.
        kernel_size: integer or (rows, columns).
        strides, dilation_rate: integer or (rows, columns); one of the two is 1.
        padding: 'valid' or 'same'.
        data_format: 'channels_last' or 'channels_first'; default: the configured layout.
        activation, use_bias: as in Dense.
        kernel_initializer, bias_initializer: starting values.
        kernel_regularizer, bias_regularizer, activity_regularizer: penalties.
        kernel_constraint, bias_constraint: constraints.

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


class Conv3D(_Conv):
    """Three-dimensional convolution (cross-correlation) of volumes.

    # Arguments
        filters: number of output channels.
        kernel_size: integer or (depth, rows, columns).
        strides, dilation_rate: integer or (depth, rows, columns); one of the two is 1.
        padding: 'valid' or 'same'.
        data_format: 'channels_last' or 'channels_first'; default: the configured layout.
        activation, use_bias: as in Dense.
        kernel_initializer, bias_initializer: starting values.
        kernel_regularizer, bias_regularizer, activity_regularizer: penalties.
        kernel_constraint, bias_constraint: constraints.

    # Input
        (batch, depth, rows, columns, channels), or (batch, channels, depth, rows, columns) for channels_first.
    # Output
        The same with `filters` channels.
    """

    def __init__(self, filters: int, kernel_size: Any, strides: Any = (1, 1, 1), padding: str = "valid",
                 data_format: str | None = None, dilation_rate: Any = (1, 1, 1), activation: Any = None,
                 use_bias: bool = True, kernel_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 kernel_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any):
        super().__init__(3, filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                         kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
                         activity_regularizer, kernel_constraint, bias_constraint, **kwargs)


# ------------------------------------------------------------------------------------------------- transposed


class _Transposed(_Conv):
    """Common part of the transposed convolutions: the way back from the output of a convolution to its input.

    # Arguments
        output_padding: integer or one for each spatial axis, added to the size of the output along one side; None: the
            smallest size that a convolution brings to the input's.
    """

    output_padding: tuple | None

    def _set_output_padding(self, output_padding: Any) -> None:
        self.output_padding = None
        if output_padding is not None:
            self.output_padding = normalize_tuple(output_padding, self.rank, "output_padding")
            if any(step <= extra for step, extra in zip(self.strides, self.output_padding)):
                raise ValueError(f"{type(self).__name__}: strides {self.strides} must be greater than output padding "
                                 f"{self.output_padding}.")
        if self.padding not in {"valid", "same"}:
            raise ValueError(f"{type(self).__name__}: `padding` must be 'valid' or 'same', got {self.padding!r}.")

    def build(self, input_shape):
        channels = self._channels(input_shape)
        self.kernel = self.add_weight(name="kernel", shape=(*self.kernel_size, self.filters, channels),
                                      initializer=self.kernel_initializer, regularizer=self.kernel_regularizer,
                                      constraint=self.kernel_constraint)
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer=self.bias_initializer,
                                        regularizer=self.bias_regularizer, constraint=self.bias_constraint)
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={self._channel_axis: channels})
        self.built = True

    def _output_sizes(self, inputs: Any) -> tuple:
        """The shape of the output: numbers, and tensors where only the run knows."""
        known, sizes = K.int_shape(inputs), K.shape(inputs)
        first = self.data_format == "channels_first"
        lengths = []
        for k, (window, step, apart) in enumerate(zip(self.kernel_size, self.strides, self.dilation_rate)):
            axis = k + (2 if first else 1)
            extra = None if self.output_padding is None else self.output_padding[k]
            size = known[axis] if known[axis] is not None else sizes[axis]
            lengths.append(deconv_length(size, step, window, self.padding, extra, apart))
        return (None, self.filters, *lengths) if first else (None, *lengths, self.filters)

    def _transposed(self, inputs: Any, shape: tuple) -> Any:
        raise TypeError(f"{type(self).__name__} must define `_transposed`.")

    def call(self, inputs):
        output = self._transposed(inputs, self._output_sizes(inputs))
        if self.bias is not None:
            output = K.bias_add(output, self.bias, data_format=self.data_format)
        return self.activation(output)

    def get_config(self):
        return {**super().get_config(), "output_padding": self.output_padding}


class Conv2DTranspose(_Transposed):
    """Transposed convolution of images ("deconvolution").

    # Arguments
        filters: number of output channels.
        kernel_size: integer or (rows, columns).
        strides, dilation_rate: integer or (rows, columns), of the convolution whose way back this is.
        padding: 'valid' or 'same'.
        output_padding: integer or (rows, columns), added to the size of the output; less than the stride.
        data_format: 'channels_last' or 'channels_first'; default: the configured layout.
        activation, use_bias: as in Dense.
        kernel_initializer, bias_initializer: starting values.
        kernel_regularizer, bias_regularizer, activity_regularizer: penalties.
        kernel_constraint, bias_constraint: constraints.

    The kernel is (rows, columns, filters, channels).
    """

    def __init__(self, filters: int, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid",
                 output_padding: Any = None, data_format: str | None = None, dilation_rate: Any = (1, 1),
                 activation: Any = None, use_bias: bool = True, kernel_initializer: Any = "glorot_uniform",
                 bias_initializer: Any = "zeros", kernel_regularizer: Any = None, bias_regularizer: Any = None,
                 activity_regularizer: Any = None, kernel_constraint: Any = None, bias_constraint: Any = None,
                 **kwargs: Any):
        super().__init__(2, filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                         kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
                         activity_regularizer, kernel_constraint, bias_constraint, **kwargs)
        self._set_output_padding(output_padding)

    def _transposed(self, inputs, shape):
        return K.conv2d_transpose(inputs, self.kernel, shape, self.strides, padding=self.padding,
                                  data_format=self.data_format, dilation_rate=self.dilation_rate)


class Conv3DTranspose(_Transposed):
    """Transposed convolution of volumes.

    # Arguments
        filters: number of output channels.
        kernel_size: integer or (depth, rows, columns).
        strides: integer or (depth, rows, columns), of the convolution whose way back this is.
        padding: 'valid' or 'same'.
        output_padding: integer or (depth, rows, columns), added to the size of the output; less than the stride.
        data_format: 'channels_last' or 'channels_first'; default: the configured layout.
        activation, use_bias: as in Dense.
        kernel_initializer, bias_initializer: starting values.
        kernel_regularizer, bias_regularizer, activity_regularizer: penalties.
        kernel_constraint, bias_constraint: constraints.

    The kernel is (depth, rows, columns, filters, channels).
    """

    def __init__(self, filters: int, kernel_size: Any, strides: Any = (1, 1, 1), padding: str = "valid",
                 output_padding: Any = None, data_format: str | None = None, activation: Any = None,
                 use_bias: bool = True, kernel_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 kernel_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any):
        super().__init__(3, filters, kernel_size, strides, padding, data_format, 1, activation, use_bias,
                         kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
                         activity_regularizer, kernel_constraint, bias_constraint, **kwargs)
        self._set_output_padding(output_padding)

    def _transposed(self, inputs, shape):
        return K.conv3d_transpose(inputs, self.kernel, shape, self.strides, padding=self.padding,
                                  data_format=self.data_format)

    def get_config(self):
        config = super().get_config()
        del config["dilation_rate"]
        return config

    @classmethod
    def from_config(cls, config):
        return cls(**{key: value for key, value in config.items() if key != "dilation_rate"})


# ------------------------------------------------------------------------------------- channel by channel


class _Depthwise(_Conv):
    """Common part of the convolutions that begin channel by channel.

    # Arguments
        depth_multiplier: number of filters of each channel.
        depthwise_initializer, depthwise_regularizer, depthwise_constraint: of their kernel.
    """

    def _set_depthwise(self, depth_multiplier: int, initializer: Any, regularizer: Any, constraint: Any) -> None:
        if not hasattr(depth_multiplier, "__index__") or depth_multiplier < 1:
            raise ValueError(f"{type(self).__name__}: `depth_multiplier` must be a positive integer, got "
                             f"{depth_multiplier!r}.")
        self.depth_multiplier = int(depth_multiplier)
        self.depthwise_initializer = initializers.get(initializer)
        self.depthwise_regularizer = regularizers.get(regularizer)
        self.depthwise_constraint = constraints.get(constraint)

    def _add_depthwise(self, channels: int) -> None:
        self.depthwise_kernel = self.add_weight(name="depthwise_kernel",
                                                shape=(*self.kernel_size, channels, self.depth_multiplier),
                                                initializer=self.depthwise_initializer,
                                                regularizer=self.depthwise_regularizer,
                                                constraint=self.depthwise_constraint)

    def _add_bias(self, size: int) -> None:
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(size,), initializer=self.bias_initializer,
                                        regularizer=self.bias_regularizer, constraint=self.bias_constraint)

    def _finish(self, output: Any) -> Any:
        if self.bias is not None:
            output = K.bias_add(output, self.bias, data_format=self.data_format)
        return self.activation(output)

    def get_config(self):
        config = super().get_config()
        for name in ("kernel_initializer", "kernel_regularizer", "kernel_constraint"):
            del config[name]
        return {**config, "depth_multiplier": self.depth_multiplier,
                "depthwise_initializer": initializers.serialize(self.depthwise_initializer),
                "depthwise_regularizer": regularizers.serialize(self.depthwise_regularizer),
                "depthwise_constraint": constraints.serialize(self.depthwise_constraint)}


class DepthwiseConv2D(_Depthwise):
    """Convolution of each channel of images by itself.

    # Arguments
        kernel_size: integer or (rows, columns).
        strides, dilation_rate: integer or (rows, columns); one of the two is 1.
        padding: 'valid' or 'same'.
        depth_multiplier: number of filters of each channel.
        data_format: 'channels_last' or 'channels_first'; default: the configured layout.
        depthwise_initializer, depthwise_regularizer, depthwise_constraint: of the kernel (rows, columns, channels,
            depth_multiplier).
        activation, use_bias, bias_initializer, bias_regularizer, activity_regularizer, bias_constraint: as in Dense.

    # Output
        channels * depth_multiplier channels; those of one input channel stand together.
    """

    def __init__(self, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid", depth_multiplier: int = 1,
                 data_format: str | None = None, dilation_rate: Any = (1, 1), activation: Any = None,
                 use_bias: bool = True, depthwise_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 depthwise_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 depthwise_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any):
        super().__init__(2, 1, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                         bias_initializer=bias_initializer, bias_regularizer=bias_regularizer,
                         activity_regularizer=activity_regularizer, bias_constraint=bias_constraint, **kwargs)
        self._set_depthwise(depth_multiplier, depthwise_initializer, depthwise_regularizer, depthwise_constraint)

    def build(self, input_shape):
        channels = self._channels(input_shape)
        self._add_depthwise(channels)
        self._add_bias(channels * self.depth_multiplier)
        self.input_spec = InputSpec(ndim=4, axes={self._channel_axis: channels})
        self.built = True

    def call(self, inputs):
        return self._finish(K.depthwise_conv2d(inputs, self.depthwise_kernel, strides=self.strides,
                                               padding=self.padding, data_format=self.data_format,
                                               dilation_rate=self.dilation_rate))

    def get_config(self):
        config = super().get_config()
        del config["filters"]
        return config


class _Separable(_Depthwise):
    """Common part of the separable convolutions: each channel by itself, then a mix of the channels."""

    def _set_pointwise(self, initializer: Any, regularizer: Any, constraint: Any) -> None:
        self.pointwise_initializer = initializers.get(initializer)
        self.pointwise_regularizer = regularizers.get(regularizer)
        self.pointwise_constraint = constraints.get(constraint)

    def build(self, input_shape):
        channels = self._channels(input_shape)
        self._add_depthwise(channels)
        self.pointwise_kernel = self.add_weight(
            name="pointwise_kernel", shape=(*(1,) * self.rank, channels * self.depth_multiplier, self.filters),
            initializer=self.pointwise_initializer, regularizer=self.pointwise_regularizer,
            constraint=self.pointwise_constraint)
        self._add_bias(self.filters)
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={self._channel_axis: channels})
        self.built = True

    def call(self, inputs):
        convolve, one = {1: (K.separable_conv1d, True), 2: (K.separable_conv2d, False)}[self.rank]
        return self._finish(convolve(inputs, self.depthwise_kernel, self.pointwise_kernel,
                                     strides=self.strides[0] if one else self.strides, padding=self.padding,
                                     data_format=self.data_format,
                                     dilation_rate=self.dilation_rate[0] if one else self.dilation_rate))

    def get_config(self):
        return {**super().get_config(),
                "pointwise_initializer": initializers.serialize(self.pointwise_initializer),
                "pointwise_regularizer": regularizers.serialize(self.pointwise_regularizer),
                "pointwise_constraint": constraints.serialize(self.pointwise_constraint)}


class SeparableConv1D(_Separable):
    """Separable convolution of sequences: each channel by itself, then a mix of the channels (Chollet 2016).

    # Arguments
        filters: number of output channels.
        kernel_size: integer.
        strides, dilation_rate: integer; one of the two is 1.
        padding: 'valid', 'same' or 'causal'.
        data_format: 'channels_last' or 'channels_first'.
        depth_multiplier: number of filters of each channel before the mix.
        depthwise_initializer, depthwise_regularizer, depthwise_constraint: of the kernel (window, channels,
        depth_multiplier) of the first part.
        pointwise_initializer, pointwise_regularizer, pointwise_constraint: of the kernel of the mix.
        activation, use_bias, bias_initializer, bias_regularizer, activity_regularizer, bias_constraint: as in Dense.
    """

    def __init__(self, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid",
                 data_format: str | None = "channels_last", dilation_rate: Any = 1, depth_multiplier: int = 1,
                 activation: Any = None, use_bias: bool = True, depthwise_initializer: Any = "glorot_uniform",
                 pointwise_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 depthwise_regularizer: Any = None, pointwise_regularizer: Any = None, bias_regularizer: Any = None,
                 activity_regularizer: Any = None, depthwise_constraint: Any = None, pointwise_constraint: Any = None,
                 bias_constraint: Any = None, **kwargs: Any):
        super().__init__(1, filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                         bias_initializer=bias_initializer, bias_regularizer=bias_regularizer,
                         activity_regularizer=activity_regularizer, bias_constraint=bias_constraint, **kwargs)
        self._set_depthwise(depth_multiplier, depthwise_initializer, depthwise_regularizer, depthwise_constraint)
        self._set_pointwise(pointwise_initializer, pointwise_regularizer, pointwise_constraint)


class SeparableConv2D(_Separable):
    """Separable convolution of images: each channel by itself, then a mix of the channels (Chollet 2016).

    # Arguments
        filters: number of output channels.
        kernel_size: integer or (rows, columns).
        strides, dilation_rate: integer or (rows, columns); one of the two is 1.
        padding: 'valid' or 'same'.
        data_format: 'channels_last' or 'channels_first'; default: the configured layout.
        depth_multiplier: number of filters of each channel before the mix.
        depthwise_initializer, depthwise_regularizer, depthwise_constraint: of the kernel (rows, columns, channels,
        multiplier) of the first part.
        pointwise_initializer, pointwise_regularizer, pointwise_constraint: of the kernel of the mix.
        activation, use_bias, bias_initializer, bias_regularizer, activity_regularizer, bias_constraint: as in Dense.
    """

    def __init__(self, filters: int, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid",
                 data_format: str | None = None, dilation_rate: Any = (1, 1), depth_multiplier: int = 1,
                 activation: Any = None, use_bias: bool = True, depthwise_initializer: Any = "glorot_uniform",
                 pointwise_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 depthwise_regularizer: Any = None, pointwise_regularizer: Any = None, bias_regularizer: Any = None,
                 activity_regularizer: Any = None, depthwise_constraint: Any = None, pointwise_constraint: Any = None,
                 bias_constraint: Any = None, **kwargs: Any):
        super().__init__(2, filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                         bias_initializer=bias_initializer, bias_regularizer=bias_regularizer,
                         activity_regularizer=activity_regularizer, bias_constraint=bias_constraint, **kwargs)
        self._set_depthwise(depth_multiplier, depthwise_initializer, depthwise_regularizer, depthwise_constraint)
        self._set_pointwise(pointwise_initializer, pointwise_regularizer, pointwise_constraint)
