"""Batches of pictures, over and over."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from symgraph.preprocessing.image.utils import checked_format, img_to_array, load_img, save_img
from symgraph.utils.data_utils import Sequence

__all__ = ["BatchFromFilesMixin", "Iterator", "IteratorType"]

IteratorType = Sequence


class Iterator(Sequence):
    """Base of the batches of pictures, over and over: an iterator and a `Sequence`.

    # Arguments
        n: number of samples.
        batch_size: samples a batch.
        shuffle: whether their order changes with each pass.
        seed: of the order.
    """

    #: Where pictures are written, if anywhere, and how.
    save_to_dir: Any = None
    save_prefix: str
    save_format: str
    data_format: str

    def __init__(self, n, batch_size, shuffle, seed):
        self.n, self.batch_size, self.shuffle, self.seed = n, batch_size, shuffle, seed
        self.batch_index = self.total_batches_seen = 0
        self.index_array: Any = None
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
        raise NotImplementedError(f"{type(self).__name__} must define "
                                  "`_get_batches_of_transformed_samples(index_array)`.")

    def _save(self, batch: np.ndarray, rows: Any) -> None:
        if not self.save_to_dir:
            return
        for row, picture in zip(rows, batch):
            name = f"{self.save_prefix}_{row}_{np.random.randint(10**7)}.{self.save_format}"
            save_img(os.path.join(self.save_to_dir, name), picture, self.data_format, self.save_format)


class BatchFromFilesMixin:
    """What the batches of pictures from files have in common; stands before `Iterator`.

    A class gives `filepaths`, `labels` and `sample_weight`, and has `class_mode`, `class_indices` and `dtype`.
    """

    class_mode: str | None
    class_indices: dict
    dtype: Any
    _save: Callable[[np.ndarray, Any], None]

    def set_processing_attrs(self, image_data_generator, target_size, color_mode, data_format, save_to_dir, save_prefix,
                             save_format, subset, interpolation):
        """Set how the pictures are read and changed.

        # Raises
            ValueError: an unknown mode or subset.
        """
        if color_mode not in {"rgb", "rgba", "grayscale"}:
            raise ValueError(f'Invalid color mode: {color_mode}; expected "rgb", "rgba", or "grayscale".')
        self.image_data_generator, self.target_size = image_data_generator, tuple(target_size)
        self.color_mode, self.interpolation, self.subset = color_mode, interpolation, subset
        self.data_format = checked_format(data_format)
        channels = {"rgb": 3, "rgba": 4, "grayscale": 1}[color_mode]
        self.image_shape = ((channels, *self.target_size) if self.data_format == "channels_first"
                            else (*self.target_size, channels))
        self.save_to_dir, self.save_prefix, self.save_format = save_to_dir, save_prefix, save_format
        image_data_generator._part(0, subset)  # an unknown subset is an error

    @property
    def filepaths(self) -> list:
        """The files."""
        raise NotImplementedError(f"{type(self).__name__} must define `filepaths`.")

    @property
    def labels(self) -> Any:
        """The class number, or whatever the targets are, of each file."""
        raise NotImplementedError(f"{type(self).__name__} must define `labels`.")

    @property
    def sample_weight(self) -> Any:
        """The weight of each file, or None."""
        raise NotImplementedError(f"{type(self).__name__} must define `sample_weight`.")

    def _get_batches_of_transformed_samples(self, index_array):
        generator, paths = self.image_data_generator, self.filepaths
        batch = np.empty((len(index_array), *self.image_shape), dtype=self.dtype)
        for place, row in enumerate(index_array):
            picture = load_img(paths[row], color_mode=self.color_mode, target_size=self.target_size,
                               interpolation=self.interpolation)
            values = img_to_array(picture, self.data_format, self.dtype)
            batch[place] = generator.standardize(generator.random_transform(values))
        self._save(batch, index_array)
        if self.class_mode is None:
            return batch
        targets = self._targets(batch, index_array)
        weights = self.sample_weight
        return (batch, targets) if weights is None else (batch, targets, np.asarray(weights)[index_array])

    def _targets(self, batch: np.ndarray, rows: Any) -> Any:
        """The targets of a batch, as `class_mode` says."""
        if self.class_mode == "input":
            return batch.copy()
        if self.class_mode == "multi_output":
            return [np.asarray(output)[rows] for output in self.labels]
        if self.class_mode == "raw":
            return np.asarray(self.labels)[rows]
        if self.class_mode == "categorical":
            targets = np.zeros((len(batch), len(self.class_indices)), dtype=self.dtype)
            for place, row in enumerate(rows):
                targets[place, self.labels[row]] = 1  # a file may be of several classes
            return targets
        return np.asarray([self.labels[row] for row in rows], dtype=self.dtype)
