"""Locally connected layers: convolutions whose weights differ from place to place."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from symgraph import activations, constraints, initializers, regularizers
from symgraph import backend as K
from symgraph.engine.input_spec import InputSpec
from symgraph.engine.layer import Layer
from symgraph.utils.conv_utils import conv_output_length, normalize_data_format, normalize_padding, normalize_tuple

__all__ = ["LocallyConnected1D", "LocallyConnected2D"]


class _LocallyConnected(Layer):
    """Common part of the locally connected layers."""

    rank: int

    def _set_up(self, filters: int, kernel_size: Any, strides: Any, padding: str, data_format: str | None,
                activation: Any, use_bias: bool, kernel_initializer: Any, bias_initializer: Any,
                kernel_regularizer: Any, bias_regularizer: Any, activity_regularizer: Any, kernel_constraint: Any,
                bias_constraint: Any, implementation: int) -> None:
        name = type(self).__name__
        if not hasattr(filters, "__index__") or filters < 1:
            raise ValueError(f"{name}: `filters` must be a positive integer, got {filters!r}.")
        self.filters = int(filters)
        self.kernel_size = normalize_tuple(kernel_size, self.rank, "kernel_size")
        self.strides = normalize_tuple(strides, self.rank, "strides")
        self.padding = normalize_padding(padding)
        if implementation not in (1, 2):
            raise ValueError(f"{name}: `implementation` must be 1 or 2, got {implementation!r}.")
        if self.padding not in (("valid",) if implementation == 1 else ("valid", "same")):
            raise ValueError(f"{name}: padding {padding!r} is not supported with implementation {implementation}; use "
                             "'valid'" + (", or implementation=2 for 'same'." if implementation == 1 else " or "
                                                                                                          "'same'."))
        self.implementation = implementation
        self.data_format = normalize_data_format(data_format)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def _first(self) -> bool:
        return self.data_format == "channels_first"

    def _sizes(self, input_shape: tuple) -> tuple[tuple, int]:
        """The spatial sizes and the number of channels of the input."""
        spatial = tuple(input_shape[2:] if self._first else input_shape[1:-1])
        channels = input_shape[1] if self._first else input_shape[-1]
        if None in spatial or channels is None:
            raise ValueError(f"{type(self).__name__} {self.name!r}: every place has weights of its own, so the input "
                             f"shape "
                             f"must be known in full, got {tuple(input_shape)}.")
        return spatial, channels

    def build(self, input_shape):
        spatial, channels = self._sizes(input_shape)
        self._output_sizes = tuple(conv_output_length(*each) for each in zip(
            spatial, self.kernel_size, itertools.repeat(self.padding), self.strides))
        if any(size is None or size < 1 for size in self._output_sizes):
            raise ValueError(f"{type(self).__name__} {self.name!r}: a window of {self.kernel_size} does not fit into "
                             f"an "
                             f"input of shape {tuple(input_shape)}.")
        places = self._output_sizes
        if self.implementation == 1:
            shape: tuple = (int(np.prod(places)), int(np.prod(self.kernel_size)) * channels, self.filters)
        elif self._first:
            shape = (channels, *spatial, self.filters, *places)
        else:
            shape = (*spatial, channels, *places, self.filters)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=self.kernel_initializer,
                                      regularizer=self.kernel_regularizer, constraint=self.kernel_constraint)
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(*places, self.filters), initializer=self.bias_initializer,
                                        regularizer=self.bias_regularizer, constraint=self.bias_constraint)
        if self.implementation == 2:
            self._connected = self._connections(spatial)
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={1 if self._first else -1: channels})
        self.built = True

    def _connections(self, spatial: tuple) -> np.ndarray:
        """1 where an input place lies in the window of an output place, in the layout of the dense kernel."""
        mask = np.zeros((*spatial, *self._output_sizes), "float32")
        for place in np.ndindex(*self._output_sizes):
            window = []
            for at, size, length, step in zip(place, self.kernel_size, spatial, self.strides):
                # Unlike that of a convolution, a window of 'same' has its middle at a multiple of the stride.
                start = at * step - (size // 2 if self.padding == "same" else 0)
                window.append(slice(max(start, 0), min(start + size, length)))
            mask[(*window, *place)] = 1.0
        rank = self.rank
        axes = (0, rank + 1) if self._first else (rank, 2 * rank + 1)
        return np.expand_dims(mask, axes)

    def _local(self, inputs: Any) -> Any:
        raise TypeError(f"{type(self).__name__} must define `_local`.")

    def _dense(self, inputs: Any) -> Any:
        """One product with a matrix that is zero outside the windows."""
        shape = K.int_shape(self.kernel)
        rows = int(np.prod(shape[:self.rank + 1]))
        matrix = K.reshape(self.kernel * K.constant(self._connected, K.dtype(self.kernel)), (rows, -1))
        return K.reshape(K.dot(K.batch_flatten(inputs), matrix), (-1, *shape[self.rank + 1:]))

    def call(self, inputs):
        output = self._local(inputs) if self.implementation == 1 else self._dense(inputs)
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
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            "implementation": self.implementation,
        }


class LocallyConnected1D(_LocallyConnected):
    """A one-dimensional convolution with other weights at each place.

    # Arguments
        filters: number of output channels.
        kernel_size: length of the window.
        strides: distance between windows.
        padding: 'valid'; with implementation 2 also 'same'.
        data_format: 'channels_last': (batch, steps, channels), or 'channels_first'; default: the configured layout.
        activation, use_bias: as in Dense.
        kernel_initializer, bias_initializer: starting values.
        kernel_regularizer, bias_regularizer, activity_regularizer: penalties.
        kernel_constraint, bias_constraint: constraints.
        implementation: 1: the kernel is (new steps, window * channels, filters); 2: one matrix product with a kernel
            (steps, channels, new steps, filters) of which only the windows count.
    """

    rank = 1

    def __init__(self, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid",
                 data_format: str | None = None, activation: Any = None, use_bias: bool = True,
                 kernel_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 kernel_constraint: Any = None, bias_constraint: Any = None, implementation: int = 1, **kwargs: Any):
        super().__init__(**kwargs)
        self._set_up(filters, kernel_size, strides, padding, data_format, activation, use_bias, kernel_initializer,
                     bias_initializer, kernel_regularizer, bias_regularizer, activity_regularizer, kernel_constraint,
                     bias_constraint, implementation)

    def _local(self, inputs):
        return K.local_conv1d(inputs, self.kernel, self.kernel_size, self.strides, self.data_format)


class LocallyConnected2D(_LocallyConnected):
    """A two-dimensional convolution with other weights at each place.

    # Arguments
        filters: number of output channels.
        kernel_size: integer or (rows, columns).
        strides: integer or (rows, columns).
        padding: 'valid'; with implementation 2 also 'same'.
        data_format: 'channels_last' or 'channels_first'; default: the configured layout.
        activation, use_bias: as in Dense.
        kernel_initializer, bias_initializer: starting values.
        kernel_regularizer, bias_regularizer, activity_regularizer: penalties.
        kernel_constraint, bias_constraint: constraints.
        implementation: 1: the kernel is (new rows * new columns, window * channels, filters); 2: one matrix product
        with
            a kernel (rows, columns, channels, new rows, new columns, filters) of which only the windows count.
    """

    rank = 2

    def __init__(self, filters: int, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid",
                 data_format: str | None = None, activation: Any = None, use_bias: bool = True,
                 kernel_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 kernel_constraint: Any = None, bias_constraint: Any = None, implementation: int = 1, **kwargs: Any):
        super().__init__(**kwargs)
        self._set_up(filters, kernel_size, strides, padding, data_format, activation, use_bias, kernel_initializer,
                     bias_initializer, kernel_regularizer, bias_regularizer, activity_regularizer, kernel_constraint,
                     bias_constraint, implementation)

    def _local(self, inputs):
        return K.local_conv2d(inputs, self.kernel, self.kernel_size, self.strides, self._output_sizes,
                              self.data_format)
