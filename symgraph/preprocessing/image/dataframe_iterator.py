"""Batches of pictures that a table (a pandas DataFrame) lists."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np

from symgraph import backend as K
from symgraph.legacy.accept import accept_functions
from symgraph.preprocessing.image.iterator import BatchFromFilesMixin, Iterator
from symgraph.preprocessing.image.utils import ENDINGS, validate_filename

__all__ = ["DataFrameIterator"]

#: Modes whose targets are no classes.
_NO_CLASSES = frozenset({"input", "multi_output", "raw", None})


class DataFrameIterator(BatchFromFilesMixin, Iterator):
    """Changed pictures of the files in a table, in batches; see `ImageDataGenerator.flow_from_dataframe`."""

    allowed_class_modes = frozenset({"binary", "categorical", "input", "multi_output", "raw", "sparse", None})

    def __init__(self, dataframe, directory=None, image_data_generator=None, x_col="filename", y_col="class",
                 weight_col=None, target_size=(256, 256), color_mode="rgb", classes=None, class_mode="categorical",
                 batch_size=32, shuffle=True, seed=None, data_format="channels_last", save_to_dir=None, save_prefix="",
                 save_format="png", subset=None, interpolation="nearest", dtype="float32", validate_filenames=True):
        if image_data_generator is None:
            from symgraph.preprocessing.image.image_data_generator import ImageDataGenerator

            image_data_generator = ImageDataGenerator(data_format=data_format)
        self.set_processing_attrs(image_data_generator, target_size, color_mode, data_format, save_to_dir, save_prefix,
                                  save_format, subset, interpolation)
        self.dtype, self.class_mode, self.directory = dtype or K.floatx(), class_mode, directory or ""
        files = self._column(dataframe, x_col)
        self._check(dataframe, files, x_col, y_col, weight_col, classes)
        rows = np.arange(len(files))
        if validate_filenames:
            rows = np.asarray([row for row in rows if validate_filename(os.path.join(self.directory, files[row]),
                                                                        ENDINGS)], dtype=int)
            if len(rows) < len(files):
                warnings.warn(f'Found {len(files) - len(rows)} invalid image filename(s) in x_col="{x_col}". These '
                              "filename(s) will be ignored.", stacklevel=3)
        marks: list = []
        if class_mode not in _NO_CLASSES:
            marks, rows, names = _of_classes(self._column(dataframe, y_col), rows, classes)
            self.class_indices = {name: number for number, name in enumerate(names)}
        part = image_data_generator._part(len(rows), subset)
        rows, marks = rows[part], marks[part]
        self.filenames = [files[row] for row in rows]
        self._filepaths = [os.path.join(self.directory, name) for name in self.filenames]
        self._sample_weight = None if weight_col is None else np.asarray(self._column(dataframe, weight_col))[rows]
        if class_mode == "multi_output":
            self._labels: Any = [np.asarray(self._column(dataframe, column))[rows] for column in y_col]
        elif class_mode == "raw":
            columns = [np.asarray(self._column(dataframe, column))[rows]
                       for column in (y_col if isinstance(y_col, list) else [y_col])]
            self._labels = np.stack(columns, axis=1) if isinstance(y_col, list) else columns[0]
        elif class_mode not in _NO_CLASSES:
            self._labels = self.classes = _numbered(marks, self.class_indices)
        else:
            self._labels = None
        self.samples = self.nb_sample = len(rows)
        text = f"Found {self.samples} {'validated' if validate_filenames else 'non-validated'} image filenames"
        print(f"{text}." if class_mode in _NO_CLASSES else f"{text} belonging to {len(self.class_indices)} classes.")
        super().__init__(self.samples, batch_size, shuffle, seed)

    @staticmethod
    def _column(dataframe: Any, name: Any) -> list:
        """A column of the table.

        # Raises
            ValueError: there is none of that name.
        """
        try:
            return dataframe[name].tolist()
        except KeyError:
            known = ", ".join(map(repr, dataframe))
            raise ValueError(f"The dataframe has no column {name!r}; it has {known}.") from None

    def _check(self, dataframe: Any, files: list, x_col: Any, y_col: Any, weight_col: Any, classes: Any) -> None:
        """Refuse columns that do not fit the mode."""
        mode = self.class_mode
        if mode not in self.allowed_class_modes:
            known = ", ".join(map(repr, sorted(self.allowed_class_modes, key=str)))
            raise ValueError(f"Invalid class_mode: {mode}; expected one of: {known}")
        if mode == "multi_output" and not isinstance(y_col, list):
            raise TypeError(f'If class_mode="{mode}", y_col must be a list. Received {type(y_col).__name__}.')
        if not all(isinstance(name, str) for name in files):
            raise TypeError(f"All values in column x_col={x_col} must be strings.")
        if mode in {"binary", "sparse"}:
            labels = self._column(dataframe, y_col)
            if not all(isinstance(label, str) for label in labels):
                raise TypeError(f'If class_mode="{mode}", y_col="{y_col}" column values must be strings.')
            if mode == "binary":
                given = set(classes) if classes else set(labels)
                if len(given) != 2:
                    raise ValueError('If class_mode="binary" there must be 2 classes. ' + (
                        f"{len(given)} class/es were given." if classes else f"Found {len(given)} classes."))
        elif mode == "categorical":
            if not all(isinstance(label, (str, list, tuple)) for label in self._column(dataframe, y_col)):
                raise TypeError(f'If class_mode="{mode}", y_col="{y_col}" column values must be type string, list or '
                                "tuple.")
        elif classes:
            warnings.warn(f'`classes` will be ignored given the class_mode="{mode}"', stacklevel=4)
        if weight_col is not None:
            weights = np.asarray(self._column(dataframe, weight_col))
            if not np.issubdtype(weights.dtype, np.number):
                raise TypeError(f"Column weight_col={weight_col} must be numeric.")

    def get_classes(self, df, y_col):
        """The class numbers of the rows of a table."""
        return _numbered(self._column(df, y_col), self.class_indices)

    @property
    def filepaths(self):
        """The files with their folder."""
        return self._filepaths

    @property
    def labels(self):
        """The class number (or numbers) of each file, or its targets."""
        return self._labels

    @property
    def sample_weight(self):
        """The weight of each file, or None."""
        return self._sample_weight


def _numbered(labels: list, numbers: dict) -> list:
    """The numbers of labels; a label that is a list has a list of them."""
    return [[numbers[name] for name in label] if isinstance(label, (list, tuple)) else numbers[label]
            for label in labels]


def _of_classes(labels: list, rows: np.ndarray, classes: Any) -> tuple[list, np.ndarray, list]:
    """The labels and rows that are of given classes (None: of any), and the names of the classes."""
    wanted = None if not classes else set(classes)
    marks, kept = [], []
    for row in rows:
        label = labels[row]
        if isinstance(label, (list, tuple)):
            label = [name for name in label if wanted is None or name in wanted]
            if not label:
                continue
        elif wanted is not None and label not in wanted:
            continue
        marks.append(label)
        kept.append(row)
    found = {name for mark in marks for name in (mark if isinstance(mark, list) else [mark])}
    names = [name for name in dict.fromkeys(classes) if name in found] if classes else sorted(found)
    return marks, np.asarray(kept, dtype=int), names


accept_functions(globals())  # the arguments that Keras 1 named otherwise
