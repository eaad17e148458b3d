"""Pooling of sequences, images and volumes."""

from __future__ import annotations

from typing import Any

from symgraph import backend as K
from symgraph.engine.input_spec import InputSpec
from symgraph.engine.layer import Layer
from symgraph.utils.conv_utils import normalize_data_format, normalize_padding, normalize_tuple

__all__ = [
    "AveragePooling1D", "AveragePooling2D", "AveragePooling3D", "GlobalAveragePooling1D", "GlobalAveragePooling2D",
    "GlobalAveragePooling3D", "GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D", "MaxPooling1D",
    "MaxPooling2D", "MaxPooling3D",
]


class _Pooling(Layer):
    """Common part of pooling over windows."""

    rank: int
    pool_mode: str

    def _set_up(self, pool_size: Any, strides: Any, padding: str, data_format: str | None) -> None:
        self.pool_size = normalize_tuple(pool_size, self.rank, "pool_size")
        self.strides = self.pool_size if strides is None else normalize_tuple(strides, self.rank, "strides")
        self.padding = normalize_padding(padding)
        if self.padding not in {"valid", "same"}:
            raise ValueError(f"{type(self).__name__}: `padding` must be 'valid' or 'same', got {padding!r}.")
        self.data_format = normalize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs):
        pool = {1: K.pool1d, 2: K.pool2d, 3: K.pool3d}[self.rank]
        return pool(inputs, self.pool_size, strides=self.strides, padding=self.padding,
                    data_format=self.data_format, pool_mode=self.pool_mode)

    def get_config(self):
        return {**super().get_config(), "pool_size": self.pool_size, "padding": self.padding, "strides": self.strides,
                "data_format": self.data_format}


class _Pooling1D(_Pooling):
    rank = 1

    def __init__(self, pool_size: Any = 2, strides: Any = None, padding: str = "valid",
                 data_format: str | None = "channels_last", **kwargs: Any):
        super().__init__(**kwargs)
        self._set_up(pool_size, strides, padding, data_format)


class _Pooling2D(_Pooling):
    rank = 2

    def __init__(self, pool_size: Any = (2, 2), strides: Any = None, padding: str = "valid",
                 data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self._set_up(pool_size, strides, padding, data_format)


class _Pooling3D(_Pooling):
    rank = 3

    def __init__(self, pool_size: Any = (2, 2, 2), strides: Any = None, padding: str = "valid",
                 data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self._set_up(pool_size, strides, padding, data_format)


class MaxPooling1D(_Pooling1D):
    """The largest value of each window of a sequence.

    # Arguments
        pool_size: length of a window.
        strides: distance between windows; default: `pool_size`.
        padding: 'valid' or 'same'.
        data_format: 'channels_last': (batch, steps, channels), or 'channels_first'.
    """

    pool_mode = "max"


class AveragePooling1D(_Pooling1D):
    """The mean of each window of a sequence; with 'same' padding only the values inside it count.

    # Arguments
        pool_size: length of a window.
        strides: distance between windows; default: `pool_size`.
        padding: 'valid' or 'same'.
        data_format: 'channels_last': (batch, steps, channels), or 'channels_first'.
    """

    pool_mode = "avg"


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


class MaxPooling3D(_Pooling3D):
    """The largest value of each window of a volume.

    # Arguments
        pool_size: integer or (depth, rows, columns).
        strides: integer or (depth, rows, columns); default: `pool_size`.
        padding: 'valid' or 'same'.
        data_format: 'channels_last' or 'channels_first'; default: the configured layout.
    """

    pool_mode = "max"


class AveragePooling3D(_Pooling3D):
    """The mean of each window of a volume; with 'same' padding only the values inside it count.

    # Arguments
        pool_size: integer or (depth, rows, columns).
        strides: integer or (depth, rows, columns); default: `pool_size`.
        padding: 'valid' or 'same'.
        data_format: 'channels_last' or 'channels_first'; default: the configured layout.
    """

    pool_mode = "avg"


class _GlobalPooling(Layer):
    """Common part of pooling over everything but batch and channels."""

    rank: int

    def __init__(self, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.data_format = normalize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def _axes(self) -> list[int]:
        start = 1 if self.data_format == "channels_last" else 2
        return list(range(start, start + self.rank))

    def get_config(self):
        return {**super().get_config(), "data_format": self.data_format}


class GlobalMaxPooling1D(_GlobalPooling):
    """The largest value of each channel of a sequence: (batch, channels).

    # Arguments
        data_format: 'channels_last': (batch, steps, channels), or 'channels_first'.
    """

    rank = 1

    def __init__(self, data_format: str | None = "channels_last", **kwargs: Any):
        super().__init__(data_format, **kwargs)

    def call(self, inputs):
        return K.max(inputs, axis=self._axes)


class GlobalAveragePooling1D(_GlobalPooling):
    """The mean of each channel of a sequence: (batch, channels). Masked steps do not count.

    # Arguments
        data_format: 'channels_last': (batch, steps, channels), or 'channels_first'.
    """

    rank = 1

    def __init__(self, data_format: str | None = "channels_last", **kwargs: Any):
        super().__init__(data_format, **kwargs)
        self.supports_masking = True

    def call(self, inputs, mask=None):
        if mask is None:
            return K.mean(inputs, axis=self._axes)
        kept = K.expand_dims(K.cast(mask, K.dtype(inputs)), -1 if self.data_format == "channels_last" else 1)
        return K.sum(inputs * kept, axis=self._axes) / K.sum(kept, axis=self._axes)

    def compute_mask(self, inputs, mask=None):
        return None


class GlobalMaxPooling2D(_GlobalPooling):
    """The largest value of each channel of an image: (batch, channels).

    # Arguments
        data_format: 'channels_last' or 'channels_first'; default: the configured layout.
    """

    rank = 2

    def call(self, inputs):
        return K.max(inputs, axis=self._axes)


class GlobalAveragePooling2D(_GlobalPooling):
    """The mean of each channel of an image: (batch, channels).

    # Arguments
        data_format: 'channels_last' or 'channels_first'; default: the configured layout.
    """

    rank = 2

    def call(self, inputs):
        return K.mean(inputs, axis=self._axes)


class GlobalMaxPooling3D(_GlobalPooling):
    """The largest value of each channel of a volume: (batch, channels).

    # Arguments
        data_format: 'channels_last' or 'channels_first'; default: the configured layout.
    """

    rank = 3

    def call(self, inputs):
        return K.max(inputs, axis=self._axes)


class GlobalAveragePooling3D(_GlobalPooling):
    """The mean of each channel of a volume: (batch, channels).

    # Arguments
        data_format: 'channels_last' or 'channels_first'; default: the configured layout.
    """

    rank = 3

    def call(self, inputs):
        return K.mean(inputs, axis=self._axes)
