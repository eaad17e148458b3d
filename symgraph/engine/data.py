"""Data on their way to a model: checking what the user gave, and cutting it into batches."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

__all__ = [
    "ArraySource", "as_dense", "check_lengths", "check_targets", "split_arrays", "standardize_arrays",
    "standardize_sample_weights",
]

#: Up to this size, shuffled data are gathered once an epoch; beyond, batch by batch.
_GATHER_WHOLE_BYTES = 1 << 25
#: Batches that are smaller than this are gathered several at a time.
_GATHER_RUN_BYTES = 1 << 20


def _as_array(value: Any) -> Any:
    """A value as an array; what is sliced like one (an HDF5 dataset) stays where it is."""
    if value is None or isinstance(value, np.ndarray):
        return value
    if hasattr(value, "iloc") or type(value).__module__.startswith("pandas"):
        return np.asarray(value)
    if hasattr(value, "tocsr"):  # a scipy.sparse matrix: rows become dense batch by batch
        return value.tocsr()
    if hasattr(value, "shape") and hasattr(value, "__getitem__") and hasattr(value, "dtype"):
        return value
    return np.asarray(value)


def as_dense(array: Any) -> np.ndarray:
    """Rows of what is sliced like an array - an HDF5 dataset, a sparse matrix - as an array."""
    if isinstance(array, np.ndarray):
        return array
    return array.toarray() if hasattr(array, "toarray") else np.asarray(array)


def standardize_arrays(data: Any, names: list[str], shapes: list | None, dtypes: list | None, what: str) -> list:
    """The user's arrays as a list in the order of `names`.

    # Arguments
        data: an array, a list of arrays or a dictionary by name.
        names: the names of the model's inputs or outputs.
        shapes: the expected shapes with the batch, None for a free dimension (or for no check).
        dtypes: the dtype to which an array is converted, once.
        what: 'input', 'target' ..., for messages.

    # Raises
        ValueError: missing or surplus data, or a wrong shape; the message names the input, both shapes and a way out.
    """
    if not names:
        if data is not None and not (hasattr(data, "__len__") and len(data) == 0):
            raise ValueError(f"The model expects no {what} data, but was given {type(data).__name__}.")
        return []
    if data is None:
        return [None] * len(names)
    if isinstance(data, Mapping):
        missing = [name for name in names if name not in data]
        if missing:
            raise ValueError(f"No data provided for {', '.join(map(repr, missing))}. Need {what} data for each of: "
                             f"{names}. Given keys: {list(data)}.")
        arrays = [_as_array(data[name]) for name in names]
    elif isinstance(data, (list, tuple)):
        if len(data) != len(names) and len(names) == 1 and all(np.ndim(item) == 0 or not hasattr(item, "shape")
                                                              for item in data):
            data = [data]
        elif len(names) == 1 and len(data) == 1 and not hasattr(data[0], "shape"):
            # A single sample as nested lists, or a list of one array that is a list: its depth tells.
            depth = np.ndim(data)
            if depth == 1 or (shapes is not None and depth == len(shapes[0])):
                data = [data]
        if len(data) != len(names):
            raise ValueError(
                f"Error when checking model {what}: the list of Numpy arrays that you are passing to your model is not "
                f"the size the model expected. Expected to see {len(names)} array(s), for {names}, but instead got a "
                f"list of {len(data)} items"
                + (f", the first of shape {np.shape(data[0])}." if len(data) else ".")
            )
        arrays = [_as_array(item) for item in data]
    else:
        if len(names) > 1:
            raise ValueError(f"Error when checking model {what}: expected a list of {len(names)} arrays, for {names}, "
                             f"but got one object of type {type(data).__name__} and shape {np.shape(data)}.")
        arrays = [_as_array(data)]
    return [
        _standardize_one(array, name, shapes[index] if shapes else None, dtypes[index] if dtypes else None, what)
        for index, (name, array) in enumerate(zip(names, arrays))
    ]


def _standardize_one(array: Any, name: str, shape: tuple | None, dtype: Any, what: str) -> Any:
    if array is None:
        return None
    if array.ndim == 1:
        array = np.asarray(array).reshape(-1, 1)
    if shape is not None:
        if array.ndim != len(shape):
            hint = ""
            if array.ndim == len(shape) - 1:
                hint = (" A single sample needs the batch dimension in front: `x[None]`; a missing channel dimension "
                        "goes last: `x[..., None]`.")
            raise ValueError(f"Error when checking {what}: expected {name} to have {len(shape)} dimensions, but got "
                             f"array with shape {tuple(array.shape)}.{hint}")
        for axis, (found, wanted) in enumerate(zip(array.shape, shape)):
            if wanted is not None and axis > 0 and found != wanted:
                raise ValueError(f"Error when checking {what}: expected {name} to have shape {tuple(shape[1:])} but "
                                 "got "
                                 f"array with shape {tuple(array.shape[1:])}.")
    if dtype is not None and isinstance(array, np.ndarray) and array.dtype != dtype:
        if isinstance(array, np.memmap):  # converted batch by batch: all of it may not fit into memory
            return array
        if array.dtype == object or array.dtype.kind in "US":
            raise ValueError(f"Error when checking {what}: {name} has dtype {array.dtype}, expected numbers. Rows of "
                             "different lengths make such arrays: pad them to one length.")
        array = array.astype(dtype)
    return array


def check_lengths(groups: list[tuple[str, list]]) -> int | None:
    """The number of samples, which all arrays must share.

    # Raises
        ValueError: arrays of different lengths.
    """
    found = {int(array.shape[0]) for _, arrays in groups for array in arrays if array is not None}
    if len(found) <= 1:
        return found.pop() if found else None
    counts = {what: {int(array.shape[0]) for array in arrays if array is not None} for what, arrays in groups}
    for what, sizes in counts.items():
        if len(sizes) > 1:
            raise ValueError(f"All {what} arrays should have the same number of samples. Got array shapes: "
                             f"{[array.shape for array in dict(groups)[what] if array is not None]}.")
    text = ", ".join(f"{min(sizes)} {what} samples" for what, sizes in counts.items() if sizes)
    raise ValueError(f"Input arrays should have the same number of samples as target arrays. Found {text}.")


def check_targets(arrays: list, outputs: list) -> None:
    """Targets against losses: class numbers where one-hot rows are needed are the usual mistake.

    # Raises
        ValueError: the targets cannot belong to the loss.
    """
    for array, output in zip(arrays, outputs):
        if array is None:
            continue
        name = getattr(output.loss_function, "__name__", "")
        if name == "categorical_crossentropy" and array.shape[-1] == 1 and output.shape[-1] != 1:
            raise ValueError(
                f"You are passing a target array of shape {array.shape} while using as loss "
                f"`categorical_crossentropy`, which expects one-hot rows of length {output.shape[-1]}. If your targets "
                "are integer classes, convert them with `symgraph.utils.to_categorical(y)`, or use the loss "
                "`sparse_categorical_crossentropy`, which takes them as they are."
            )
        expected = output.expected_target_shape
        if expected is None:
            continue
        wanted, found = tuple(expected[1:]), tuple(array.shape[1:])
        bad = len(found) != len(wanted) or any(w is not None and w != f for w, f in zip(wanted, found))
        if bad and output.is_sparse and found == wanted[:-1]:
            continue
        if bad:
            raise ValueError(
                f"A target array with shape {array.shape} was passed for an output of shape {output.shape} while using "
                f"as loss `{name}`. This loss expects targets of shape {('samples', *wanted)}."
            )


def standardize_sample_weights(sample_weight: Any, class_weight: Any, targets: list, outputs: list,
                               check_ndim: bool = True) -> list:
    """The weight of each sample for each trained output, or None where all are 1.

    # Arguments
        sample_weight, class_weight: as in `Model.fit`.
        targets: the target arrays.
        outputs: the trained outputs of the objective.
    """
    names = [output.name for output in outputs]
    given = _weights_per_output(sample_weight, names, "sample_weight")
    if isinstance(class_weight, Mapping) and class_weight and any(key in names for key in class_weight):
        classes = [class_weight.get(name) for name in names]
    elif isinstance(class_weight, (list, tuple)):
        classes = _weights_per_output(class_weight, names, "class_weight")
    else:
        if class_weight is not None and len(names) > 1:
            raise ValueError(f"The model has several outputs {names}: give `class_weight` as a dictionary by output "
                             "name, or a list.")
        classes = [class_weight] * len(names)
    return [_weights_of(weight, classes_, target, output) for weight, classes_, target, output
            in zip(given, classes, targets, outputs)]


def _weights_per_output(value: Any, names: list[str], what: str) -> list:
    if value is None or (isinstance(value, (list, tuple)) and len(value) == 0):
        return [None] * len(names)
    if isinstance(value, Mapping):
        unknown = [key for key in value if key not in names]
        if unknown:
            raise ValueError(f"`{what}` has entries for {unknown}, but the outputs with a loss are {names}.")
        return [value.get(name) for name in names]
    if len(names) == 1:
        if isinstance(value, (list, tuple)) and len(value) == 1 and np.ndim(value[0]) > 0:
            return [value[0]]
        return [value]
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"The model has several outputs {names}, so `{what}` should be a list or a dictionary by "
                        "output "
                        f"name, got {type(value).__name__}.")
    if len(value) != len(names):
        raise ValueError(f"`{what}` has {len(value)} items, but the model has {len(names)} outputs with a loss.")
    return list(value)


def _weights_of(weight: Any, classes: Any, target: Any, output: Any) -> Any:
    if weight is not None:
        weight = np.asarray(weight)
        if output.weight_mode == "temporal":
            if weight.ndim < 2:
                raise ValueError(f"Found a sample_weight array with shape {weight.shape} for the output "
                                 f"{output.name!r}. "
                                 "With sample_weight_mode='temporal' it should have shape (samples, timesteps).")
        elif weight.ndim != 1:
            if weight.ndim == 2 and weight.shape[1] == 1:
                weight = weight[:, 0]
            else:
                raise ValueError(
                    f"Found a sample_weight array with shape {weight.shape} for the output {output.name!r}. In order "
                    "to "
                    "use timestep-wise sample weights, compile the model with sample_weight_mode='temporal'; otherwise "
                    "give one weight a sample."
                )
        if target is not None and weight.shape[0] != target.shape[0]:
            raise ValueError(f"Found {weight.shape[0]} sample weights for {target.shape[0]} samples of "
                             f"{output.name!r}.")
        weight = weight.astype("float32", copy=False)
    if classes is None or target is None:
        return weight
    if target.ndim > 2:
        raise ValueError("`class_weight` is not supported for 3+ dimensional targets: use `sample_weight`.")
    target = as_dense(target)
    labels = target.argmax(axis=1) if target.ndim == 2 and target.shape[1] > 1 else target.reshape(-1)
    table = {int(key): float(value) for key, value in classes.items()} if isinstance(classes, Mapping) else dict(
        enumerate(classes))
    present = np.unique(labels)
    unknown = [int(label) for label in present if int(label) not in table]
    if unknown:
        raise ValueError(f"`class_weight` must contain all classes in the data. The classes {unknown} exist in the "
                         "data "
                         "but not in `class_weight`.")
    by_class = np.ones(labels.shape, "float32")
    for label in present:
        by_class[labels == label] = table[int(label)]
    return by_class if weight is None else (weight.T * by_class).T


def split_arrays(arrays: list, start: int | None, stop: int | None) -> list:
    """Rows `start:stop` of each array."""
    return [None if array is None else array[start:stop] for array in arrays]


class ArraySource:
    """Batches from arrays.

    # Arguments
        arrays: arrays of one length, in the order of the function's inputs.
        batch_size: number of samples in a batch; the last may be smaller.
        shuffle: True: another order each epoch; 'batch': whole batches are shuffled; False.
        dtypes: dtype of each input, for what is converted batch by batch.
        steps: batches an epoch; the data are read on from where the last epoch stopped.
    """

    def __init__(self, arrays: list, batch_size: int, shuffle: Any = False, dtypes: list | None = None,
                 steps: int | None = None):
        self.arrays = arrays
        #: None for a model that gets its data from tensors of its own.
        self.samples: int | None = int(arrays[0].shape[0]) if arrays else None
        self.batch_size = int(batch_size)
        self.shuffle = shuffle
        self.dtypes = dtypes
        self.steps = steps
        self.batches = steps or -(-(self.samples or 0) // self.batch_size)
        self._plain = all(isinstance(array, np.ndarray) for array in arrays)
        #: How many batches the next run may have, and how many where their rows have to be gathered first.
        self._most = 1
        row_bytes = sum(array[:1].nbytes for array in arrays) if self._plain else _GATHER_RUN_BYTES
        self._most_gathered = max(1, _GATHER_RUN_BYTES // max(row_bytes * self.batch_size, 1))
        self._gathered: list | None = None
        self._buffers: list | None = None
        #: With `steps`: the pass over the data that is going on, the batches taken of it, and its order.
        self._endless: Iterator | None = None
        self._place = 0
        self._current_order: np.ndarray | None = None
        #: Of an epoch that was resumed: how many of its batches are done.
        self._inside = 0

    def epoch(self) -> Iterator[tuple[int, list]]:
        """The batches of one epoch: `(number of samples, list of arrays)`; of one that was resumed, the rest."""
        return ((size, arrays) for size, _, arrays in self.runs(1))

    def runs(self, most: int = sys.maxsize) -> Iterator[tuple[int, int, list]]:
        """The batches of one epoch, up to `most` at a time where their rows lie one after the other.

        Each item is `(number of samples of a batch, number of batches, arrays with the rows of all of them)`. An item
        is to be used up before the next is asked for.
        """
        inside, self._inside = self._inside, 0
        if self.steps is not None:
            return self._steps(inside, most)
        if not inside:
            self._current_order = self._order()
        self._most = most
        return self._once(self._current_order, inside)

    def _steps(self, done: int, most: int) -> Iterator[tuple[int, int, list]]:
        steps = self.steps or 0
        while done < steps:
            self._most = min(most, steps - done)
            if self.samples is None:
                done += self._most
                yield 1, self._most, []
                continue
            run = next(self._endless, None) if self._endless is not None else None
            if run is None:
                self._place, self._current_order = 0, self._order()
                self._endless = self._once(self._current_order)
                run = next(self._endless, None)
                if run is None:
                    return
            self._place += run[1]
            done += run[1]
            yield run

    @property
    def owner(self) -> Any:
        """The object whose attributes are part of the state: arrays are data."""
        return None

    def state(self, inside: int = 0) -> dict[str, Any]:
        """Where in the data training is; `inside`: how many batches of an epoch are done that is not at its end."""
        if self._endless is None and not inside:
            return {}
        order = {} if self._current_order is None else {"order": self._current_order}
        return {"place": self._place, "inside": inside, **order}

    def restore(self, state: dict[str, Any]) -> bool:
        """Go to the place of a `state`; whether NumPy's random numbers go on from those of the state, too."""
        if state:
            self._place, self._current_order = state["place"], state.get("order")
            self._inside = state["inside"]
            if self.steps is not None and self.samples is not None:
                self._endless = self._once(self._current_order, self._place)
        return True

    def read_again(self, state: dict[str, Any]) -> bool:
        """Nothing: `restore` did it all."""
        return True

    def _order(self) -> np.ndarray | None:
        if not self.shuffle:
            return None
        order = np.arange(self.samples or 0)
        if self.shuffle == "batch":
            whole = len(order) // self.batch_size
            blocks = order[: whole * self.batch_size].reshape(whole, self.batch_size)
            np.random.shuffle(blocks)
            return np.concatenate([blocks.ravel(), order[whole * self.batch_size:]])
        np.random.shuffle(order)
        return order

    def _once(self, order: np.ndarray | None, first: int = 0) -> Iterator[tuple[int, int, list]]:
        """One pass over the data in this order, from the batch number `first` on, `self._most` batches at a time."""
        size, samples = self.batch_size, self.samples or 0
        arrays = self.arrays
        if order is not None and self._plain and sum(array.nbytes for array in arrays) <= _GATHER_WHOLE_BYTES:
            if self._gathered is None:
                self._gathered = [np.empty_like(array, order="C") for array in arrays]
            for array, into in zip(arrays, self._gathered):
                np.take(array, order, axis=0, out=into, mode="clip")
            arrays, order = self._gathered, None
        in_place = order is None and self._plain
        start = first * size
        while start < samples:
            count = 1
            if start + size <= samples:
                count = min(self._most, (samples - start) // size, sys.maxsize if in_place else self._most_gathered)
            stop = min(start + count * size, samples)
            if in_place:
                parts = [array[start:stop] for array in arrays]
            else:
                rows = slice(start, stop) if order is None else order[start:stop]
                parts = [self._take(index, rows, stop - start) for index in range(len(arrays))]
            yield (stop - start) // count, count, parts
            start = stop

    def _take(self, index: int, rows: Any, count: int) -> np.ndarray:
        array = self.arrays[index]
        if isinstance(array, np.ndarray) and isinstance(rows, slice):
            return array[rows]
        if isinstance(array, np.ndarray):
            if self._buffers is None:
                most = self.batch_size * self._most_gathered
                self._buffers = [
                    np.empty((min(most, len(a)), *a.shape[1:]), a.dtype) if isinstance(a, np.ndarray) else None
                    for a in self.arrays
                ]
            return np.take(array, rows, axis=0, out=self._buffers[index][:count], mode="clip")
        if not isinstance(rows, slice) and not hasattr(array, "toarray"):  # HDF5 wants increasing row numbers
            order = np.argsort(rows)
            values = np.empty((count, *array.shape[1:]), array.dtype)
            values[order] = array[list(rows[order])]
        else:
            values = as_dense(array[rows])
        dtype = self.dtypes[index] if self.dtypes else None
        return values if dtype is None else values.astype(dtype, copy=False)
