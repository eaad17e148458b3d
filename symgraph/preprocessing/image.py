"""Pictures: reading and writing them, changing them at random, and batches of them.

Pillow reads and writes files, SciPy turns and shifts; both are loaded when they are first needed.
"""

from __future__ import annotations

import os
import re
import threading
from typing import Any

import numpy as np

from symgraph import backend as K
from symgraph.legacy.accept import accept_functions
from symgraph.utils.data_utils import Sequence

__all__ = [
    "DirectoryIterator", "ImageDataGenerator", "Iterator", "NumpyArrayIterator", "apply_affine_transform",
    "apply_brightness_shift", "apply_channel_shift", "array_to_img", "flip_axis", "img_to_array", "list_pictures",
    "load_img", "random_brightness", "random_channel_shift", "random_rotation", "random_shear", "random_shift",
    "random_zoom", "save_img", "transform_matrix_offset_center",
]

_ENDINGS = ("png", "jpg", "jpeg", "bmp", "ppm", "tif", "tiff")
_FILTERS = {"nearest": "NEAREST", "bilinear": "BILINEAR", "bicubic": "BICUBIC", "hamming": "HAMMING", "box": "BOX",
            "lanczos": "LANCZOS"}


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("Reading and writing pictures needs Pillow: pip install 'symgraph[image]'") from error
    return Image


def _format(data_format: str | None) -> str:
    known = ("channels_first", "channels_last")
    chosen = K.image_data_format() if data_format is None else data_format
    if chosen not in known:
        raise ValueError(f"Invalid data_format: {data_format!r}. Expected one of {known}.")
    return chosen


# ---------------------------------------------------------------------------------------------- changing pictures
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
    from scipy import ndimage

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
    channels = np.moveaxis(x, (channel_axis, row_axis, col_axis), (0, 1, 2))
    changed = np.stack([ndimage.affine_transform(channel, matrix[:2, :2], matrix[:2, 2], order=order, mode=fill_mode,
                                                 cval=cval) for channel in channels])
    return np.moveaxis(changed, (0, 1, 2), (channel_axis, row_axis, col_axis))


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
    _pillow()
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


# ---------------------------------------------------------------------------------------------- files
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
    image = _pillow()
    x = np.asarray(x, dtype=dtype or K.floatx())
    if x.ndim != 3:
        raise ValueError(f"Expected image array to have rank 3 (single image). Got array with shape: {x.shape}")
    if _format(data_format) == "channels_first":
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
    return x.transpose(2, 0, 1) if _format(data_format) == "channels_first" else x


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
    image = _pillow()
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


# ---------------------------------------------------------------------------------------------- batches
class Iterator(Sequence):
    """Base of the batches of pictures, over and over: an iterator and a `Sequence`.

    # Arguments
        n: number of samples.
        batch_size: samples a batch.
        shuffle: whether their order changes with each pass.
        seed: of the order.
    """

    def __init__(self, n, batch_size, shuffle, seed):
        self.n, self.batch_size, self.shuffle, self.seed = n, batch_size, shuffle, seed
        self.batch_index = self.total_batches_seen = 0
        self.index_array: np.ndarray | None = None
        self.lock = threading.Lock()

    def reset(self):
        """Begin a pass again."""
        self.batch_index = 0

    def _set_order(self) -> None:
        self.index_array = np.random.permutation(self.n) if self.shuffle else np.arange(self.n)

    def on_epoch_end(self):
        """Choose the order of the next pass."""
        self._set_order()

    def __len__(self):
        return (self.n + self.batch_size - 1) // self.batch_size

    def __getitem__(self, idx):
        if idx >= len(self):
            raise ValueError(f"Asked to retrieve element {idx}, but the Sequence has length {len(self)}")
        if self.seed is not None:
            np.random.seed(self.seed + self.total_batches_seen)
        self.total_batches_seen += 1
        if self.index_array is None:
            self._set_order()
        return self._get_batches_of_transformed_samples(
            self.index_array[self.batch_size * idx:self.batch_size * (idx + 1)])

    def __iter__(self):
        return self

    def __next__(self, *args, **kwargs):
        with self.lock:
            if self.n == 0:
                raise ValueError("There are no samples to give.")
            if self.batch_index == 0 or self.index_array is None:
                if self.seed is not None:
                    np.random.seed(self.seed + self.total_batches_seen)
                self._set_order()
            self.total_batches_seen += 1
            start = self.batch_size * self.batch_index
            self.batch_index = 0 if start + self.batch_size >= self.n else self.batch_index + 1
            rows = self.index_array[start:start + self.batch_size]
        return self._get_batches_of_transformed_samples(rows)

    def next(self):
        """The next batch."""
        return self.__next__()

    def _get_batches_of_transformed_samples(self, index_array):
        raise TypeError(f"{type(self).__name__} must define `_get_batches_of_transformed_samples(index_array)`.")

    def _save(self, batch: np.ndarray, rows: Any) -> None:
        if not getattr(self, "save_to_dir", None):
            return
        for row, picture in zip(rows, batch):
            name = f"{self.save_prefix}_{row}_{np.random.randint(10**7)}.{self.save_format}"
            save_img(os.path.join(self.save_to_dir, name), picture, self.data_format, self.save_format)


class NumpyArrayIterator(Iterator):
    """Changed pictures of an array, in batches; see `ImageDataGenerator.flow`."""

    def __init__(self, x, y, image_data_generator, batch_size=32, shuffle=False, sample_weight=None, seed=None,
                 data_format=None, save_to_dir=None, save_prefix="", save_format="png", subset=None, dtype=None):
        self.dtype = dtype or K.floatx()
        self.data_format = _format(data_format)
        extra: list = []
        if isinstance(x, (tuple, list)):
            x, *extra = x
            extra = [np.asarray(one) for one in (extra[0] if extra and isinstance(extra[0], (list, tuple)) else extra)]
        x = np.asarray(x, dtype=self.dtype)
        for what, values in (("labels", y), ("sample_weight", sample_weight), *(("x", one) for one in extra)):
            if values is not None and len(values) != len(x):
                raise ValueError(f"`x` (images tensor) and `{what}` should have the same length. Found: x.shape = "
                                 f"{x.shape}, {what}.shape = {np.shape(values)}")
        if x.ndim != 4:
            raise ValueError(f"Input data in `NumpyArrayIterator` should have rank 4. You passed an array with shape "
                             f"{x.shape}")
        rows = image_data_generator._part(len(x), subset)
        self.x, self.extra = x[rows], [one[rows] for one in extra]
        self.y = None if y is None else np.asarray(y)[rows]
        self.sample_weight = None if sample_weight is None else np.asarray(sample_weight)[rows]
        self.image_data_generator = image_data_generator
        self.save_to_dir, self.save_prefix, self.save_format = save_to_dir, save_prefix, save_format
        super().__init__(len(self.x), batch_size, shuffle, seed)

    def _get_batches_of_transformed_samples(self, index_array):
        generator = self.image_data_generator
        batch = np.stack([generator.standardize(generator.random_transform(self.x[row])) for row in index_array]
                         ).astype(self.dtype)
        self._save(batch, index_array)
        given = [batch, *(one[index_array] for one in self.extra)] if self.extra else batch
        if self.y is None:
            return given
        if self.sample_weight is None:
            return given, self.y[index_array]
        return given, self.y[index_array], self.sample_weight[index_array]


class DirectoryIterator(Iterator):
    """Changed pictures of the folders of a folder, one a class, in batches; see `flow_from_directory`."""

    def __init__(self, directory, image_data_generator, target_size=(256, 256), color_mode="rgb", classes=None,
                 class_mode="categorical", batch_size=32, shuffle=True, seed=None, data_format=None, save_to_dir=None,
                 save_prefix="", save_format="png", follow_links=False, subset=None, interpolation="nearest",
                 dtype=None):
        if color_mode not in {"rgb", "rgba", "grayscale"}:
            raise ValueError(f'Invalid color mode: {color_mode}; expected "rgb", "rgba", or "grayscale".')
        if class_mode not in {"categorical", "binary", "sparse", "input", None}:
            raise ValueError(f'Invalid class_mode: {class_mode}; expected one of "categorical", "binary", "sparse", '
                             '"input" or None.')
        self.directory, self.image_data_generator = directory, image_data_generator
        self.target_size, self.color_mode, self.class_mode = tuple(target_size), color_mode, class_mode
        self.data_format, self.dtype, self.interpolation = _format(data_format), dtype or K.floatx(), interpolation
        self.save_to_dir, self.save_prefix, self.save_format = save_to_dir, save_prefix, save_format
        channels = {"rgb": 3, "rgba": 4, "grayscale": 1}[color_mode]
        self.image_shape = ((channels, *self.target_size) if self.data_format == "channels_first"
                            else (*self.target_size, channels))
        names = list(classes) if classes else sorted(
            name for name in os.listdir(directory) if os.path.isdir(os.path.join(directory, name)))
        self.class_indices = {name: number for number, name in enumerate(names)}
        self.num_classes = self.nb_class = len(names)
        found: list[tuple[str, int]] = []
        for name in names:
            inside = []
            for root, _, files in os.walk(os.path.join(directory, name), followlinks=follow_links):
                inside += [os.path.relpath(os.path.join(root, file), directory) for file in files
                           if file.lower().endswith(tuple(f".{ending}" for ending in _ENDINGS))]
            inside.sort()
            rows = image_data_generator._part(len(inside), subset)
            found += [(file, self.class_indices[name]) for file in inside[rows]]
        self.filenames = [file for file, _ in found]
        self.classes = np.array([number for _, number in found], dtype="int32")
        self.samples = self.nb_sample = len(found)
        print(f"Found {self.samples} images belonging to {self.num_classes} classes.")
        super().__init__(self.samples, batch_size, shuffle, seed)

    @property
    def filepaths(self):
        """The files with their folder."""
        return [os.path.join(self.directory, name) for name in self.filenames]

    @property
    def labels(self):
        """The class number of each file."""
        return self.classes

    def _get_batches_of_transformed_samples(self, index_array):
        generator = self.image_data_generator
        batch = np.empty((len(index_array), *self.image_shape), dtype=self.dtype)
        for place, row in enumerate(index_array):
            picture = load_img(os.path.join(self.directory, self.filenames[row]), color_mode=self.color_mode,
                               target_size=self.target_size, interpolation=self.interpolation)
            values = img_to_array(picture, self.data_format, self.dtype)
            batch[place] = generator.standardize(generator.random_transform(values))
        self._save(batch, index_array)
        if self.class_mode is None:
            return batch
        if self.class_mode == "input":
            return batch, batch.copy()
        numbers = self.classes[index_array]
        if self.class_mode == "categorical":
            return batch, np.eye(self.num_classes, dtype=self.dtype)[numbers]
        return batch, numbers.astype(self.dtype)


class ImageDataGenerator:
    """Gives pictures that are changed at random and standardised.

    # Arguments
        featurewise_center, featurewise_std_normalization: take away the mean of the data, divide by their deviation
            (both need `fit`).
        samplewise_center, samplewise_std_normalization: the same for each picture by itself.
        zca_whitening, zca_epsilon: whether the pictures are decorrelated (needs `fit`), and what keeps it stable.
        rotation_range: degrees.
        width_shift_range, height_shift_range: part of the size (below 1), pixels (from 1), or a list of them.
        brightness_range: pair of factors.
        shear_range: degrees.
        zoom_range: a pair of factors, or how far they lie from 1.
        channel_shift_range: what may be added to all channels.
        fill_mode, cval: what stands outside the picture, see `apply_affine_transform`.
        horizontal_flip, vertical_flip: whether half of the pictures are mirrored.
        rescale: factor for all values, applied last of the changes.
        preprocessing_function: applied to each changed picture.
        data_format: where the channels stand; None: as configured.
        validation_split: the part of the data that `subset='validation'` gives.
        interpolation_order: of the turned pictures.
        dtype: of the arrays; None: floatx.
    """

    def __init__(self, featurewise_center=False, samplewise_center=False, featurewise_std_normalization=False,
                 samplewise_std_normalization=False, zca_whitening=False, zca_epsilon=1e-06, rotation_range=0,
                 width_shift_range=0.0, height_shift_range=0.0, brightness_range=None, shear_range=0.0, zoom_range=0.0,
                 channel_shift_range=0.0, fill_mode="nearest", cval=0.0, horizontal_flip=False, vertical_flip=False,
                 rescale=None, preprocessing_function=None, data_format=None, validation_split=0.0,
                 interpolation_order=1, dtype=None):
        self.featurewise_center = featurewise_center or zca_whitening
        self.featurewise_std_normalization = featurewise_std_normalization and not zca_whitening
        self.samplewise_center = samplewise_center or samplewise_std_normalization
        self.samplewise_std_normalization = samplewise_std_normalization
        self.zca_whitening, self.zca_epsilon = zca_whitening, zca_epsilon
        self.rotation_range, self.shear_range = rotation_range, shear_range
        self.channel_shift_range = channel_shift_range
        self.width_shift_range, self.height_shift_range = width_shift_range, height_shift_range
        self.brightness_range, self.fill_mode, self.cval = brightness_range, fill_mode, cval
        self.horizontal_flip, self.vertical_flip = horizontal_flip, vertical_flip
        self.rescale, self.preprocessing_function = rescale, preprocessing_function
        self.data_format, self.dtype = _format(data_format), dtype or K.floatx()
        self.interpolation_order = interpolation_order
        first = self.data_format == "channels_first"
        self.channel_axis, self.row_axis, self.col_axis = (1, 2, 3) if first else (3, 1, 2)
        if validation_split and not 0 < validation_split < 1:
            raise ValueError(f"`validation_split` must be strictly between 0 and 1. Received: {validation_split}")
        self._validation_split = validation_split
        if np.isscalar(zoom_range):
            zoom_range = (1 - zoom_range, 1 + zoom_range)
        if len(zoom_range) != 2:
            raise ValueError(f"`zoom_range` should be a float or a tuple or list of two floats. Received: {zoom_range}")
        self.zoom_range = tuple(zoom_range)
        if brightness_range is not None and len(brightness_range) != 2:
            raise ValueError("`brightness_range` should be None or a tuple or list of two floats. Received: "
                             f"{brightness_range}")
        self.mean: Any = None
        self.std: Any = None
        self.principal_components: Any = None

    def _part(self, count: int, subset: str | None) -> slice:
        """The rows of a subset: validation is the first part."""
        if subset is None:
            return slice(None)
        if subset not in {"training", "validation"}:
            raise ValueError(f'Invalid subset name: {subset}; expected "training" or "validation".')
        split = int(count * self._validation_split)
        return slice(None, split) if subset == "validation" else slice(split, None)

    def flow(self, x, y=None, batch_size=32, shuffle=True, sample_weight=None, seed=None, save_to_dir=None,
             save_prefix="", save_format="png", subset=None):
        """Changed pictures of an array, in batches, without end.

        # Arguments
            x: pictures (samples, ...), or a pair of them and further arrays.
            y, sample_weight: targets and weights.
            save_to_dir, save_prefix, save_format: where the pictures are written, if anywhere.
            subset: 'training' or 'validation'.
        """
        return NumpyArrayIterator(x, y, self, batch_size=batch_size, shuffle=shuffle, sample_weight=sample_weight,
                                  seed=seed, data_format=self.data_format, save_to_dir=save_to_dir,
                                  save_prefix=save_prefix, save_format=save_format, subset=subset, dtype=self.dtype)

    def flow_from_directory(self, directory, target_size=(256, 256), color_mode="rgb", classes=None,
                            class_mode="categorical", batch_size=32, shuffle=True, seed=None, save_to_dir=None,
                            save_prefix="", save_format="png", follow_links=False, subset=None,
                            interpolation="nearest"):
        """Changed pictures from a folder that has one folder for each class, in batches, without end.

        # Arguments
            directory: the folder.
            target_size: (height, width) of the pictures given.
            color_mode: 'rgb', 'rgba' or 'grayscale'.
            classes: names of the folders; default: all, in alphabetical order.
            class_mode: 'categorical' (one-hot), 'binary' or 'sparse' (numbers), 'input' (the pictures) or None.
        """
        return DirectoryIterator(directory, self, target_size=target_size, color_mode=color_mode, classes=classes,
                                 class_mode=class_mode, batch_size=batch_size, shuffle=shuffle, seed=seed,
                                 data_format=self.data_format, save_to_dir=save_to_dir, save_prefix=save_prefix,
                                 save_format=save_format, follow_links=follow_links, subset=subset,
                                 interpolation=interpolation, dtype=self.dtype)

    def standardize(self, x):
        """A picture after `preprocessing_function`, `rescale` and the normalisations.

        # Raises
            ValueError: statistics are asked for, and `fit` was not called.
        """
        if self.preprocessing_function:
            x = self.preprocessing_function(x)
        if self.rescale:
            x = x * self.rescale
        if self.samplewise_center:
            x = x - np.mean(x, keepdims=True)
        if self.samplewise_std_normalization:
            x = x / (np.std(x, keepdims=True) + 1e-6)
        for wanted, value, name in ((self.featurewise_center, self.mean, "featurewise_center"),
                                    (self.featurewise_std_normalization, self.std, "featurewise_std_normalization"),
                                    (self.zca_whitening, self.principal_components, "zca_whitening")):
            if wanted and value is None:
                raise ValueError(f"This ImageDataGenerator specifies `{name}`, but it hasn't been fit on any training "
                                 "data. Fit it first by calling `.fit(numpy_data)`.")
        if self.featurewise_center:
            x = x - self.mean
        if self.featurewise_std_normalization:
            x = x / (self.std + 1e-6)
        if self.zca_whitening:
            x = (np.ravel(x) @ self.principal_components).reshape(x.shape)
        return x

    def _shift(self, amount: Any, size: int) -> float:
        if not np.isscalar(amount):
            return float(np.random.choice(amount)) * (size if np.max(np.abs(amount)) < 1 else 1)
        if not amount:
            return 0.0
        if isinstance(amount, (int, np.integer)) or amount >= 1:
            return float(np.random.randint(-int(amount), int(amount) + 1))
        return float(np.random.uniform(-amount, amount) * size)

    def get_random_transform(self, img_shape, seed=None):
        """Choose the changes of a picture of a shape.

        # Returns
            A dictionary for `apply_transform`.
        """
        if seed is not None:
            np.random.seed(seed)
        rows, columns = img_shape[self.row_axis - 1], img_shape[self.col_axis - 1]

        def between(limit: Any) -> float:
            return float(np.random.uniform(-limit, limit)) if limit else 0.0

        zx, zy = (1.0, 1.0) if self.zoom_range == (1, 1) else np.random.uniform(*self.zoom_range, 2)
        return {"theta": between(self.rotation_range), "tx": self._shift(self.height_shift_range, rows),
                "ty": self._shift(self.width_shift_range, columns), "shear": between(self.shear_range), "zx": zx,
                "zy": zy,
                "flip_horizontal": bool(self.horizontal_flip and np.random.random() < 0.5),
                "flip_vertical": bool(self.vertical_flip and np.random.random() < 0.5),
                "channel_shift_intensity": between(self.channel_shift_range) if self.channel_shift_range else None,
                "brightness": np.random.uniform(*self.brightness_range) if self.brightness_range else None}

    def apply_transform(self, x, transform_parameters):
        """A picture, changed as a dictionary of `get_random_transform` says."""
        given = transform_parameters
        axes = self.row_axis - 1, self.col_axis - 1, self.channel_axis - 1
        x = apply_affine_transform(x, given.get("theta", 0), given.get("tx", 0), given.get("ty", 0),
                                   given.get("shear", 0),
                                   given.get("zx", 1), given.get("zy", 1), *axes, fill_mode=self.fill_mode,
                                   cval=self.cval, order=self.interpolation_order)
        if given.get("channel_shift_intensity") is not None:
            x = apply_channel_shift(x, given["channel_shift_intensity"], axes[2])
        if given.get("flip_horizontal"):
            x = flip_axis(x, axes[1])
        if given.get("flip_vertical"):
            x = flip_axis(x, axes[0])
        if given.get("brightness") is not None:
            last = np.moveaxis(x, axes[2], 2)
            x = np.moveaxis(apply_brightness_shift(last, given["brightness"]), 2, axes[2])
        return x

    def random_transform(self, x, seed=None):
        """A picture, changed at random."""
        return self.apply_transform(x, self.get_random_transform(x.shape, seed))

    def fit(self, x, augment=False, rounds=1, seed=None):
        """Find the statistics that the featurewise normalisations and the whitening need.

        # Arguments
            x: pictures (samples, ...).
            augment: whether they are of changed pictures, `rounds` of them for each.

        # Raises
            ValueError: no four dimensions.
        """
        x = np.asarray(x, dtype=self.dtype)
        if x.ndim != 4:
            raise ValueError(f"Input to `.fit()` should have rank 4. Got array with shape: {x.shape}")
        if seed is not None:
            np.random.seed(seed)
        if augment:
            x = np.stack([self.random_transform(one) for _ in range(rounds) for one in x])
        x = x * self.rescale if self.rescale else x
        shape = [1, 1, 1]
        shape[self.channel_axis - 1] = x.shape[self.channel_axis]
        if self.featurewise_center:
            self.mean = np.mean(x, axis=(0, self.row_axis, self.col_axis)).reshape(shape)
            x = x - self.mean
        if self.featurewise_std_normalization:
            self.std = np.std(x, axis=(0, self.row_axis, self.col_axis)).reshape(shape)
            x = x / (self.std + 1e-6)
        if self.zca_whitening:
            flat = x.reshape(len(x), -1)
            u, s, _ = np.linalg.svd(flat.T @ flat / len(flat))
            self.principal_components = (u / np.sqrt(s + self.zca_epsilon)) @ u.T


accept_functions(globals())  # the arguments that Keras 1 named otherwise
