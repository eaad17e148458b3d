"""Pictures as arrays and files (Pillow is loaded when it is first needed)."""

from __future__ import annotations

import os
import re
import warnings
from typing import Any

import numpy as np

from symgraph import backend as K
from symgraph.legacy.accept import accept_functions

__all__ = ["ENDINGS", "array_to_img", "check_channels", "checked_format", "img_to_array", "list_pictures", "load_img",
           "pillow", "save_img", "validate_filename"]

ENDINGS = ("png", "jpg", "jpeg", "bmp", "ppm", "tif", "tiff")
_FILTERS = {"nearest": "NEAREST", "bilinear": "BILINEAR", "bicubic": "BICUBIC", "hamming": "HAMMING", "box": "BOX",
            "lanczos": "LANCZOS"}


def pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("Reading and writing pictures needs Pillow: pip install 'symgraph[image]'") from error
    return Image


def checked_format(data_format: str | None) -> str:
    """The layout, the configured one for None; ValueError for another."""
    known = ("channels_first", "channels_last")
    chosen = K.image_data_format() if data_format is None else data_format
    if chosen not in known:
        raise ValueError(f"Invalid data_format: {data_format!r}. Expected one of {known}.")
    return chosen


def check_channels(shape: tuple, data_format: str, what: str) -> None:
    """Warn of pictures that have neither 1, 3 nor 4 channels: they may be of the other layout."""
    axis = 1 if data_format == "channels_first" else 3
    if shape[axis] not in {1, 3, 4}:
        warnings.warn(f'{what} is set to use the data format convention "{data_format}" (channels on axis {axis}), '
                      f"i.e. expected either 1, 3, or 4 channels on axis {axis}. However, it was passed an array with "
                      f"shape {shape} ({shape[axis]} channels).", stacklevel=5)


def array_to_img(x, data_format=None, scale=True, dtype=None):
    """An array as a Pillow picture.

    # Arguments
        x: array of three dimensions with 1, 3 or 4 channels.
        data_format: where the channels stand; None: as configured.
        scale: whether the values are spread over 0 to 255.
        dtype: dtype to compute in; None: floatx.

    # Raises
        ValueError: another number of dimensions or channels.
    """
    image = pillow()
    x = np.asarray(x, dtype=dtype or K.floatx())
    if x.ndim != 3:
        raise ValueError(f"Expected image array to have rank 3 (single image). Got array with shape: {x.shape}")
    if checked_format(data_format) == "channels_first":
        x = x.transpose(1, 2, 0)
    if scale:
        x = x - x.min()
        top = x.max()
        x = x * (255.0 / top) if top else x
    if x.shape[2] not in {1, 3, 4}:
        raise ValueError(f"Unsupported channel number: {x.shape[2]}; expected 1, 3 or 4.")
    values = x.astype("uint8")
    return image.fromarray(values[:, :, 0] if values.shape[2] == 1 else values)


def img_to_array(img, data_format=None, dtype=None):
    """A Pillow picture as an array of three dimensions.

    # Raises
        ValueError: an array that is no picture.
    """
    x = np.asarray(img, dtype=dtype or K.floatx())
    if x.ndim == 2:
        x = x[:, :, None]
    elif x.ndim != 3:
        raise ValueError(f"Unsupported image shape: {x.shape}")
    return x.transpose(2, 0, 1) if checked_format(data_format) == "channels_first" else x


def load_img(path, grayscale=False, color_mode="rgb", target_size=None, interpolation="nearest"):
    """Read a picture.

    # Arguments
        path: the file.
        grayscale: Keras 1's way to say `color_mode='grayscale'`.
        color_mode: 'rgb', 'rgba' or 'grayscale'.
        target_size: (height, width), or None for its own.
        interpolation: 'nearest', 'bilinear', 'bicubic', 'hamming', 'box' or 'lanczos'.

    # Raises
        ValueError: an unknown mode or interpolation.
    """
    modes = {"rgb": "RGB", "rgba": "RGBA", "grayscale": "L"}
    color_mode = "grayscale" if grayscale is True else color_mode
    if color_mode not in modes:
        raise ValueError('color_mode must be "grayscale", "rgb", or "rgba"')
    image = pillow()
    with image.open(path) as opened:
        picture = opened.convert(modes[color_mode])
    if target_size is not None and picture.size != (target_size[1], target_size[0]):
        if interpolation not in _FILTERS:
            raise ValueError(f"Invalid interpolation method {interpolation} specified. Supported methods are "
                             f"{', '.join(_FILTERS)}")
        picture = picture.resize((target_size[1], target_size[0]), getattr(image.Resampling, _FILTERS[interpolation]))
    return picture


def save_img(path, x, data_format=None, file_format=None, scale=True, **kwargs):
    """Write an array as a picture; see `array_to_img`."""
    picture = array_to_img(x, data_format=data_format, scale=scale)
    if picture.mode == "RGBA" and file_format in {"jpg", "jpeg"}:
        picture = picture.convert("RGB")
    picture.save(path, format="jpeg" if file_format == "jpg" else file_format, **kwargs)


def list_pictures(directory, ext=("jpg", "jpeg", "bmp", "png", "ppm", "tif", "tiff")):
    """The pictures in a folder and the folders in it."""
    endings = tuple(ext.split("|")) if isinstance(ext, str) else tuple(ext)
    pattern = re.compile(r"[\w-]+\.(?:" + "|".join(endings) + ")$", re.IGNORECASE)
    return [os.path.join(root, name) for root, _, names in os.walk(directory) for name in names if pattern.match(name)]


def validate_filename(filename: Any, white_list_formats: Any = ENDINGS) -> bool:
    """Whether a file is there and its name has one of the endings."""
    endings = tuple(f".{ending}" for ending in white_list_formats)
    return str(filename).lower().endswith(endings) and os.path.isfile(filename)


accept_functions(globals())  # the arguments that Keras 1 named otherwise
