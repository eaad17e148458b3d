"""Pictures turned, shifted, sheared, zoomed, lightened (SciPy is loaded when it is first needed)."""

from __future__ import annotations

import numpy as np

from symgraph.legacy.accept import accept_functions
from symgraph.preprocessing.image.utils import array_to_img, img_to_array, pillow

__all__ = [
    "apply_affine_transform", "apply_brightness_shift", "apply_channel_shift", "apply_matrix", "flip_axis",
    "random_brightness", "random_channel_shift", "random_rotation", "random_shear", "random_shift", "random_zoom",
    "transform_matrix_offset_center",
]


def flip_axis(x, axis):
    """`x` backwards along an axis."""
    return np.flip(x, axis)


def transform_matrix_offset_center(matrix, x, y):
    """A 3x3 transformation about the centre of `x` rows and `y` columns instead of the corner."""
    row, column = float(x) / 2 - 0.5, float(y) / 2 - 0.5
    there = np.array([[1, 0, row], [0, 1, column], [0, 0, 1]])
    back = np.array([[1, 0, -row], [0, 1, -column], [0, 0, 1]])
    return there @ matrix @ back


def apply_affine_transform(x, theta=0, tx=0, ty=0, shear=0, zx=1, zy=1, row_axis=0, col_axis=1, channel_axis=2,
                           fill_mode="nearest", cval=0.0, order=1):
    """Turn, shift, shear and zoom a picture about its centre.

    # Arguments
        x: array of three dimensions.
        theta, shear: degrees.
        tx, ty: shift in rows and columns.
        zx, zy: how many source pixels one pixel spans, in rows and columns.
        row_axis, col_axis, channel_axis: the places of the axes.
        fill_mode: 'nearest', 'constant', 'reflect' or 'wrap': what stands outside.
        cval: the value of 'constant'.
        order: of the interpolation.
    """
    angle, slant = np.deg2rad(theta), np.deg2rad(shear)
    matrix = np.eye(3)
    if theta:
        matrix = matrix @ np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    if tx or ty:
        matrix = matrix @ np.array([[1, 0, tx], [0, 1, ty], [0, 0, 1]])
    if shear:
        matrix = matrix @ np.array([[1, -np.sin(slant), 0], [0, np.cos(slant), 0], [0, 0, 1]])
    if zx != 1 or zy != 1:
        matrix = matrix @ np.array([[zx, 0, 0], [0, zy, 0], [0, 0, 1]])
    if np.array_equal(matrix, np.eye(3)):
        return x
    matrix = transform_matrix_offset_center(matrix, x.shape[row_axis], x.shape[col_axis])
    turned = np.moveaxis(x, (channel_axis, row_axis, col_axis), (0, 1, 2))
    return np.moveaxis(apply_matrix(turned, matrix, 0, fill_mode, cval, order), (0, 1, 2),
                       (channel_axis, row_axis, col_axis))


def apply_matrix(x, transform_matrix, channel_axis=0, fill_mode="nearest", cval=0.0, order=0):
    """A picture under a 3x3 transformation of its rows and columns, about the corner.

    # Arguments
        x: array of three dimensions.
        transform_matrix: where the source of a pixel lies; see `transform_matrix_offset_center`.
        channel_axis: the place of the channels.
        fill_mode, cval, order: see `apply_affine_transform`.
    """
    from scipy import ndimage

    matrix = np.asarray(transform_matrix)
    changed = [ndimage.affine_transform(channel, matrix[:2, :2], matrix[:2, 2], order=order, mode=fill_mode, cval=cval)
               for channel in np.moveaxis(x, channel_axis, 0)]
    return np.moveaxis(np.stack(changed), 0, channel_axis)


def random_rotation(x, rg, row_axis=1, col_axis=2, channel_axis=0, fill_mode="nearest", cval=0.0,
                    interpolation_order=1):
    """Turn a picture by up to `rg` degrees either way."""
    return apply_affine_transform(x, theta=np.random.uniform(-rg, rg), row_axis=row_axis, col_axis=col_axis,
                                  channel_axis=channel_axis, fill_mode=fill_mode, cval=cval, order=interpolation_order)


def random_shift(x, wrg, hrg, row_axis=1, col_axis=2, channel_axis=0, fill_mode="nearest", cval=0.0,
                 interpolation_order=1):
    """Shift a picture by up to a part `wrg` of its width and `hrg` of its height."""
    rows = np.random.uniform(-hrg, hrg) * x.shape[row_axis]
    columns = np.random.uniform(-wrg, wrg) * x.shape[col_axis]
    return apply_affine_transform(x, tx=rows, ty=columns, row_axis=row_axis, col_axis=col_axis,
                                  channel_axis=channel_axis, fill_mode=fill_mode, cval=cval, order=interpolation_order)


def random_shear(x, intensity, row_axis=1, col_axis=2, channel_axis=0, fill_mode="nearest", cval=0.0,
                 interpolation_order=1):
    """Shear a picture by up to `intensity` degrees either way."""
    return apply_affine_transform(x, shear=np.random.uniform(-intensity, intensity), row_axis=row_axis,
                                  col_axis=col_axis, channel_axis=channel_axis, fill_mode=fill_mode, cval=cval,
                                  order=interpolation_order)


def random_zoom(x, zoom_range, row_axis=1, col_axis=2, channel_axis=0, fill_mode="nearest", cval=0.0,
                interpolation_order=1):
    """Zoom a picture by factors from `zoom_range`, one for rows and one for columns.

    # Raises
        ValueError: `zoom_range` is no pair.
    """
    if len(zoom_range) != 2:
        raise ValueError(f"`zoom_range` should be a tuple or list of two floats. Received: {zoom_range}")
    zx, zy = (1, 1) if tuple(zoom_range) == (1, 1) else np.random.uniform(*zoom_range, 2)
    return apply_affine_transform(x, zx=zx, zy=zy, row_axis=row_axis, col_axis=col_axis, channel_axis=channel_axis,
                                  fill_mode=fill_mode, cval=cval, order=interpolation_order)


def apply_channel_shift(x, intensity, channel_axis=0):
    """Add a number to all channels, within the range of the picture."""
    return np.clip(x + intensity, np.min(x), np.max(x))


def random_channel_shift(x, intensity_range, channel_axis=0):
    """Add up to `intensity_range` to all channels, or take it away."""
    return apply_channel_shift(x, np.random.uniform(-intensity_range, intensity_range), channel_axis)


def apply_brightness_shift(x, brightness):
    """The picture with its brightness times a factor (channels last)."""
    pillow()
    from PIL import ImageEnhance

    picture = ImageEnhance.Brightness(array_to_img(x, data_format="channels_last")).enhance(brightness)
    return img_to_array(picture, data_format="channels_last")


def random_brightness(x, brightness_range):
    """The picture with its brightness times a factor from a range.

    # Raises
        ValueError: `brightness_range` is no pair.
    """
    if len(brightness_range) != 2:
        raise ValueError(f"`brightness_range` should be tuple or list of two floats. Received: {brightness_range}")
    return apply_brightness_shift(x, np.random.uniform(*brightness_range))


accept_functions(globals())  # the arguments that Keras 1 named otherwise
