"""Padding, cropping and upsampling of sequences, images and volumes."""

from __future__ import annotations

from typing import Any

from symgraph import backend as K
from symgraph.engine.input_spec import InputSpec
from symgraph.engine.layer import Layer
from symgraph.utils.conv_utils import normalize_data_format, normalize_tuple

__all__ = [
    "Cropping1D", "Cropping2D", "Cropping3D", "UpSampling1D", "UpSampling2D", "UpSampling3D", "ZeroPadding1D",
    "ZeroPadding2D", "ZeroPadding3D",
]


def _pairs(value: Any, axes: int, name: str) -> tuple:
    """Padding or cropping as ((before, after), ...), one pair for each axis."""
    if hasattr(value, "__index__"):
        value = (int(value),) * axes
    if not hasattr(value, "__len__") or len(value) != axes:
        raise ValueError(f"`{name}` must be an integer, or a tuple of {axes} integers or pairs of integers, got "
                         f"{value!r}.")
    pairs = tuple(normalize_tuple(item, 2, name) for item in value)
    if any(number < 0 for pair in pairs for number in pair):
        raise ValueError(f"`{name}` must not be negative, got {value!r}.")
    return pairs


def _cropped(layer: Layer, inputs: Any, cropping: tuple, first: bool) -> Any:
    """The inputs without what is cut off from each spatial axis."""
    for axis, (before, after) in enumerate(cropping, start=2 if first else 1):
        size = K.int_shape(inputs)[axis]
        if size is not None and before + after >= size:
            raise ValueError(f"{type(layer).__name__} {layer.name!r}: cropping {(before, after)} leaves nothing of "
                             f"axis "
                             f"{axis} of an input of shape {K.int_shape(inputs)}.")
    inner = [slice(before, -after if after else None) for before, after in cropping]
    return inputs[(slice(None), slice(None), *inner)] if first else inputs[(slice(None), *inner)]


class ZeroPadding1D(Layer):
    """Adds zeros before and after sequences.

    # Arguments
        padding: integer, or (before, after).

    # Input
        (batch, steps, channels)
    """

    def __init__(self, padding: Any = 1, **kwargs: Any):
        super().__init__(**kwargs)
        self.padding = normalize_tuple(padding, 2, "padding")
        self.input_spec = InputSpec(ndim=3)

    def call(self, inputs):
        return K.temporal_padding(inputs, padding=self.padding)

    def get_config(self):
        return {**super().get_config(), "padding": self.padding}


class ZeroPadding2D(Layer):
    """Adds rows and columns of zeros around images.

    # Arguments
        padding: integer, (rows, columns) or ((top, bottom), (left, right)).
        data_format: 'channels_last' or 'channels_first'.
    """

    def __init__(self, padding: Any = (1, 1), data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.data_format = normalize_data_format(data_format)
        self.padding = _pairs(padding, 2, "padding")
        self.input_spec = InputSpec(ndim=4)

    def call(self, inputs):
        return K.spatial_2d_padding(inputs, padding=self.padding, data_format=self.data_format)

    def get_config(self):
        return {**super().get_config(), "padding": self.padding, "data_format": self.data_format}


class ZeroPadding3D(Layer):
    """Adds zeros around volumes.

    # Arguments
        padding: integer, three integers, or ((before, after), (before, after), (before, after)).
        data_format: 'channels_last' or 'channels_first'.
    """

    def __init__(self, padding: Any = (1, 1, 1), data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.data_format = normalize_data_format(data_format)
        self.padding = _pairs(padding, 3, "padding")
        self.input_spec = InputSpec(ndim=5)

    def call(self, inputs):
        return K.spatial_3d_padding(inputs, padding=self.padding, data_format=self.data_format)

    def get_config(self):
        return {**super().get_config(), "padding": self.padding, "data_format": self.data_format}


class Cropping1D(Layer):
    """Cuts steps off the ends of sequences.

    # Arguments
        cropping: integer, or (before, after).

    # Input
        (batch, steps, channels)
    """

    def __init__(self, cropping: Any = (1, 1), **kwargs: Any):
        super().__init__(**kwargs)
        self.cropping = normalize_tuple(cropping, 2, "cropping")
        self.input_spec = InputSpec(ndim=3)

    def call(self, inputs):
        return _cropped(self, inputs, (self.cropping,), False)

    def get_config(self):
        return {**super().get_config(), "cropping": self.cropping}


class Cropping2D(Layer):
    """Cuts rows and columns off the edges of images.

    # Arguments
        cropping: integer, (rows, columns) or ((top, bottom), (left, right)).
        data_format: 'channels_last' or 'channels_first'.
    """

    def __init__(self, cropping: Any = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.data_format = normalize_data_format(data_format)
        self.cropping = _pairs(cropping, 2, "cropping")
        self.input_spec = InputSpec(ndim=4)

    def call(self, inputs):
        return _cropped(self, inputs, self.cropping, self.data_format == "channels_first")

    def get_config(self):
        return {**super().get_config(), "cropping": self.cropping, "data_format": self.data_format}


class Cropping3D(Layer):
    """Cuts the edges off volumes.

    # Arguments
        cropping: integer, three integers, or ((before, after), (before, after), (before, after)).
        data_format: 'channels_last' or 'channels_first'.
    """

    def __init__(self, cropping: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.data_format = normalize_data_format(data_format)
        self.cropping = _pairs(cropping, 3, "cropping")
        self.input_spec = InputSpec(ndim=5)

    def call(self, inputs):
        return _cropped(self, inputs, self.cropping, self.data_format == "channels_first")

    def get_config(self):
        return {**super().get_config(), "cropping": self.cropping, "data_format": self.data_format}


class UpSampling1D(Layer):
    """Repeats each step of sequences.

    # Arguments
        size: number of repetitions.

    # Input
        (batch, steps, channels)
    """

    def __init__(self, size: int = 2, **kwargs: Any):
        super().__init__(**kwargs)
        self.size = normalize_tuple(size, 1, "size")[0]
        self.input_spec = InputSpec(ndim=3)

    def call(self, inputs):
        return K.repeat_elements(inputs, self.size, axis=1)

    def get_config(self):
        return {**super().get_config(), "size": self.size}


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


class UpSampling3D(Layer):
    """Repeats the elements of volumes along each axis.

    # Arguments
        size: integer or three integers.
        data_format: 'channels_last' or 'channels_first'.
    """

    def __init__(self, size: Any = (2, 2, 2), data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.data_format = normalize_data_format(data_format)
        self.size = normalize_tuple(size, 3, "size")
        self.input_spec = InputSpec(ndim=5)

    def call(self, inputs):
        return K.resize_volumes(inputs, *self.size, self.data_format)

    def get_config(self):
        return {**super().get_config(), "size": self.size, "data_format": self.data_format}
