"""Batches of pictures in folders, one a class."""

from __future__ import annotations

import os

import numpy as np

from symgraph import backend as K
from symgraph.legacy.accept import accept_functions
from symgraph.preprocessing.image.iterator import BatchFromFilesMixin, Iterator
from symgraph.preprocessing.image.utils import ENDINGS

__all__ = ["DirectoryIterator"]


class DirectoryIterator(BatchFromFilesMixin, Iterator):
    """Changed pictures of the folders of a folder, one a class, in batches; see `flow_from_directory`."""

    allowed_class_modes = frozenset({"categorical", "binary", "sparse", "input", None})

    def __init__(self, directory, image_data_generator, target_size=(256, 256), color_mode="rgb", classes=None,
                 class_mode="categorical", batch_size=32, shuffle=True, seed=None, data_format=None, save_to_dir=None,
                 save_prefix="", save_format="png", follow_links=False, subset=None, interpolation="nearest",
                 dtype=None):
        self.set_processing_attrs(image_data_generator, target_size, color_mode, data_format, save_to_dir, save_prefix,
                                  save_format, subset, interpolation)
        if class_mode not in self.allowed_class_modes:
            raise ValueError(f'Invalid class_mode: {class_mode}; expected one of "categorical", "binary", "sparse", '
                             '"input" or None.')
        self.directory, self.class_mode, self.dtype = directory, class_mode, dtype or K.floatx()
        names = list(classes) if classes else sorted(
            name for name in os.listdir(directory) if os.path.isdir(os.path.join(directory, name)))
        self.class_indices = {name: number for number, name in enumerate(names)}
        self.num_classes = self.nb_class = len(names)
        found: list[tuple[str, int]] = []
        for name in names:
            inside = []
            for root, _, files in os.walk(os.path.join(directory, name), followlinks=follow_links):
                inside += [os.path.relpath(os.path.join(root, file), directory) for file in files
                           if file.lower().endswith(tuple(f".{ending}" for ending in ENDINGS))]
            inside.sort()
            rows = image_data_generator._part(len(inside), subset)
            found += [(file, self.class_indices[name]) for file in inside[rows]]
        self.filenames = [file for file, _ in found]
        self.classes = np.array([number for _, number in found], dtype="int32")
        self._filepaths = [os.path.join(directory, file) for file in self.filenames]
        self.samples = self.nb_sample = len(found)
        print(f"Found {self.samples} images belonging to {self.num_classes} classes.")
        super().__init__(self.samples, batch_size, shuffle, seed)

    @property
    def filepaths(self):
        """The files with their folder."""
        return self._filepaths

    @property
    def labels(self):
        """The class number of each file."""
        return self.classes

    @property
    def sample_weight(self):
        """None: files in folders have no weights."""
        return None


accept_functions(globals())  # the arguments that Keras 1 named otherwise
