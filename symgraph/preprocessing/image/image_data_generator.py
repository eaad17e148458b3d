"""Pictures changed at random and standardised."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from symgraph import backend as K
from symgraph.legacy.accept import accept_functions
from symgraph.preprocessing.image.affine_transformations import (
    apply_affine_transform,
    apply_brightness_shift,
    apply_channel_shift,
    flip_axis,
)
from symgraph.preprocessing.image.dataframe_iterator import DataFrameIterator
from symgraph.preprocessing.image.directory_iterator import DirectoryIterator
from symgraph.preprocessing.image.numpy_array_iterator import NumpyArrayIterator
from symgraph.preprocessing.image.utils import check_channels, checked_format

__all__ = ["ImageDataGenerator"]

#: Arguments of `flow_from_dataframe` that Keras no longer has, and what to do instead.
_GONE = {
    "has_ext": "filenames in the dataframe have to match the exact filenames in disk.",
    "sort": "batches will be created in the same order than the filenames provided if `shuffle` is set to `False`.",
    "drop_duplicates": "you can drop duplicates by using the pandas.DataFrame.drop_duplicates method.",
}


def _tell(what: str) -> None:
    warnings.warn(f"This ImageDataGenerator specifies {what}.", stacklevel=3)


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
        if zca_whitening and featurewise_std_normalization:
            _tell("`zca_whitening`, which overrides setting of `featurewise_std_normalization`")
            featurewise_std_normalization = False
        for needs, name in ((zca_whitening, "zca_whitening"),
                            (featurewise_std_normalization, "featurewise_std_normalization")):
            if needs and not featurewise_center:
                _tell(f"`{name}`, which overrides setting of `featurewise_center`")
                featurewise_center = True
        if samplewise_std_normalization and not samplewise_center:
            _tell("`samplewise_std_normalization`, which overrides setting of `samplewise_center`")
            samplewise_center = True
        self.featurewise_center, self.samplewise_center = featurewise_center, samplewise_center
        self.featurewise_std_normalization = featurewise_std_normalization
        self.samplewise_std_normalization = samplewise_std_normalization
        self.zca_whitening, self.zca_epsilon = zca_whitening, zca_epsilon
        self.rotation_range, self.shear_range = rotation_range, shear_range
        self.channel_shift_range = channel_shift_range
        self.width_shift_range, self.height_shift_range = width_shift_range, height_shift_range
        self.brightness_range, self.fill_mode, self.cval = brightness_range, fill_mode, cval
        self.horizontal_flip, self.vertical_flip = horizontal_flip, vertical_flip
        self.rescale, self.preprocessing_function = rescale, preprocessing_function
        self.data_format, self.dtype = checked_format(data_format), dtype or K.floatx()
        self.interpolation_order = interpolation_order
        first = self.data_format == "channels_first"
        self.channel_axis, self.row_axis, self.col_axis = (1, 2, 3) if first else (3, 1, 2)
        if validation_split and not 0 < validation_split < 1:
            raise ValueError(f"`validation_split` must be strictly between 0 and 1. Received: {validation_split}")
        self._validation_split = validation_split
        if not hasattr(zoom_range, "__len__"):
            zoom_range = (1 - zoom_range, 1 + zoom_range)
        if len(zoom_range) != 2:
            raise ValueError(f"`zoom_range` should be a float or a tuple or list of two floats. Received: {zoom_range}")
        self.zoom_range: Any = tuple(zoom_range)
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

    def flow_from_dataframe(self, dataframe, directory=None, x_col="filename", y_col="class", weight_col=None,
                            target_size=(256, 256), color_mode="rgb", classes=None, class_mode="categorical",
                            batch_size=32, shuffle=True, seed=None, save_to_dir=None, save_prefix="", save_format="png",
                            subset=None, interpolation="nearest", validate_filenames=True, **kwargs):
        """Changed pictures of the files in a table, in batches, without end.

        # Arguments
            dataframe: a pandas DataFrame.
            directory: folder that the names of the files are in; None: they are whole paths.
            x_col: column of the names.
            y_col: column of the targets, or a list of columns.
            weight_col: column of the weights, None for none.
            classes: names of the classes; default: all that there are.
            class_mode: 'categorical' (one-hot; a target may be a list of classes), 'binary' or 'sparse' (numbers),
                'raw' (the values as they are), 'multi_output' (a list of the columns), 'input' (the pictures) or None.
            validate_filenames: whether names of no picture are left out, with a warning.

        The other arguments are those of `flow_from_directory`.

        # Raises
            TypeError: columns that do not fit `class_mode`, or an unknown argument.
            ValueError: an unknown mode, or no two classes for 'binary'.
        """
        for name, instead in _GONE.items():
            if kwargs.pop(name, None) is not None:
                warnings.warn(f"`{name}` is deprecated, {instead}", DeprecationWarning, stacklevel=2)
        if kwargs:
            raise TypeError(f"flow_from_dataframe: unknown arguments {', '.join(map(repr, kwargs))}.")
        if class_mode == "other":
            warnings.warn('`class_mode` "other" is deprecated, please use `class_mode` "raw".', DeprecationWarning,
                          stacklevel=2)
            class_mode = "raw"
        return DataFrameIterator(dataframe, directory, self, x_col=x_col, y_col=y_col, weight_col=weight_col,
                                 target_size=target_size, color_mode=color_mode, classes=classes, class_mode=class_mode,
                                 data_format=self.data_format, batch_size=batch_size, shuffle=shuffle, seed=seed,
                                 save_to_dir=save_to_dir, save_prefix=save_prefix, save_format=save_format,
                                 subset=subset, interpolation=interpolation, dtype=self.dtype,
                                 validate_filenames=validate_filenames)

    def standardize(self, x):
        """A picture after `preprocessing_function`, `rescale` and the normalisations.

        Statistics that are asked for, where `fit` was not called, are left out with a warning.
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
                warnings.warn(f"This ImageDataGenerator specifies `{name}`, but it hasn't been fit on any training "
                              "data. Fit it first by calling `.fit(numpy_data)`.", stacklevel=2)
        if self.featurewise_center and self.mean is not None:
            x = x - self.mean
        if self.featurewise_std_normalization and self.std is not None:
            x = x / (self.std + 1e-6)
        if self.zca_whitening and self.principal_components is not None:
            x = (np.ravel(x) @ self.principal_components).reshape(x.shape)
        return x

    def _shift(self, amount: Any, size: int) -> float:
        if hasattr(amount, "__len__"):
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
        check_channels(x.shape, self.data_format, "ImageDataGenerator.fit")
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
