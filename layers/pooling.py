"""Pooling of images."""

from __future__ import annotations

from typing import Any

from symgraph import backend as K
from symgraph.engine.input_spec import InputSpec
from symgraph.engine.layer import Layer
from symgraph.utils.conv_utils import normalize_data_format, normalize_padding, normalize_tuple

__all__ = ["AveragePooling2D", "GlobalAveragePooling2D", "GlobalMaxPooling2D", "MaxPooling2D"]


class _Pooling2D(Layer):
    """Common part of pooling over windows of images.

    # Arguments
        pool_size: integer or (rows, columns).
        strides: integer or (rows, columns); default: `pool_size`.
        padding: 'valid' or 'same'.
        data_format: 'channels_last' or 'channels_first'; default: the configured layout.
    """

    pool_mode: str

    def __init__(self, pool_size: Any = (2, 2), strides: Any = None, padding: str = "valid",
                 data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.pool_size = normalize_tuple(pool_size, 2, "pool_size")
        self.strides = self.pool_size if strides is None else normalize_tuple(strides, 2, "strides")
        self.padding = normalize_padding(padding)
        self.data_format = normalize_data_format(data_format)
        self.input_spec = InputSpec(ndim=4)

    def call(self, inputs):
        return K.pool2d(inputs, self.pool_size, strides=self.strides, padding=self.padding,
                        data_format=self.data_format, pool_mode=self.pool_mode)

    def get_config(self):
        return {**super().get_config(), "pool_size": self.pool_size, "padding": self.padding, "strides": self.strides,
                "data_format": self.data_format}


class MaxPooling2D(_Pooling2D):
    """The largest value of each window of an image.

    # Arguments
        pool_size: integer or (rows, columns).
        strides: integer or (rows, columns); default: `pool_size`.
        padding: 'valid' or 'same'.
        data_format: 'channels_last' or 'channels_first'; default: the configured layout.
    """

    pool_mode = "max"


class AveragePooling2D(_Pooling2D):
    """The mean of each window of an image; with 'same' padding only the values inside the image count.

    # Arguments
        pool_size: integer or (rows, columns).
        strides: integer or (rows, columns); default: `pool_size`.
        padding: 'valid' or 'same'.
        data_format: 'channels_last' or 'channels_first'; default: the configured layout.
    """

    pool_mode = "avg"


class _GlobalPooling2D(Layer):
    def __init__(self, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.data_format = normalize_data_format(data_format)
        self.input_spec = InputSpec(ndim=4)

    @property
    def _axes(self) -> list[int]:
        return [1, 2] if self.data_format == "channels_last" else [2, 3]

    def get_config(self):
        return {**super().get_config(), "data_format": self.data_format}


class GlobalMaxPooling2D(_GlobalPooling2D):
    """The largest value of each channel of an image: (batch, channels).

    # Arguments
        data_format: 'channels_last' or 'channels_first'; default: the configured layout.
    """

    def call(self, inputs):
        return K.max(inputs, axis=self._axes)


class GlobalAveragePooling2D(_GlobalPooling2D):
    """The mean of each channel of an image: (batch, channels).

    # Arguments
        data_format: 'channels_last' or 'channels_first'; default: the configured layout.
    """

    def call(self, inputs):
        return K.mean(inputs, axis=self._axes)
