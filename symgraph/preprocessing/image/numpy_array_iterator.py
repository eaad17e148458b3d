"""Batches of pictures in an array."""

from __future__ import annotations

import numpy as np

from symgraph import backend as K
from symgraph.legacy.accept import accept_functions
from symgraph.preprocessing.image.iterator import Iterator
from symgraph.preprocessing.image.utils import check_channels, checked_format

__all__ = ["NumpyArrayIterator"]


class NumpyArrayIterator(Iterator):
    """Changed pictures of an array, in batches; see `ImageDataGenerator.flow`."""

    def __init__(self, x, y, image_data_generator, batch_size=32, shuffle=False, sample_weight=None, seed=None,
                 data_format=None, save_to_dir=None, save_prefix="", save_format="png", subset=None, dtype=None):
        self.dtype = dtype or K.floatx()
        self.data_format = checked_format(data_format)
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
        check_channels(x.shape, self.data_format, "NumpyArrayIterator")
        rows = image_data_generator._part(len(x), subset)
        if subset is not None and y is not None:
            split = int(len(x) * image_data_generator._validation_split)
            if not np.array_equal(np.unique(np.asarray(y)[:split]), np.unique(np.asarray(y)[split:])):
                raise ValueError("Training and validation subsets have different number of classes after the split. If "
                                 "your numpy arrays are sorted by the label, you might want to shuffle them.")
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


accept_functions(globals())  # the arguments that Keras 1 named otherwise
