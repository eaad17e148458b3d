"""`BackupAndResume`: a training that was killed goes on where it was, with the same numbers."""

from __future__ import annotations

import json
import os
import random
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from symgraph import backend as K
from symgraph.callbacks.base import Callback
from symgraph.callbacks.stored_state import digest, restored, state_of, stored

__all__ = ["BackupAndResume", "Done"]

_VERSION = 3
#: Attributes of callbacks that belong to the run, not to its state.
_NOT_STATE = frozenset({"model", "params", "validation_data", "resuming"})


class Done(NamedTuple):
    """How much of an epoch is done.

    # Attributes
        batches: number of batches.
        total: sum of their losses, each times its samples.
        samples: number of samples.
        values: the loss and the metrics after the last batch.
    """

    batches: int = 0
    total: float = 0.0
    samples: int = 0
    values: tuple = ()


class BackupAndResume(Callback):
    """Writes again and again what a run needs to go on; a run that is started again finds it and goes on.

    # Arguments
        path: the file. It is replaced in one step, so a kill while it is written leaves the one before.
        delete: whether the file goes when training ends by itself (not when it is interrupted).
        save_freq: 'epoch': the file is written after each epoch; a number: also after every so many batches of an
            epoch.

    The program is started again as it was: it seeds NumPy, makes the model, compiles and calls `fit` with the same
    arguments. Weights, optimizer, learning rate, random numbers, the order of the data, the metrics, the history and
    the state of the other callbacks are those of the moment when the file was written; on the CPU all that follows is
    equal bit by bit to an uninterrupted run, whenever that was killed.

    Of data that are no arrays: a `Sequence` (or other iterable) gets back those of its attributes that are numbers,
    texts, arrays of up to 16 MB, random generators or lists and dictionaries of them, `on_epoch_end` is called for each
    epoch that is done, and of an epoch that was begun its batches are read again and left out. A generator gives all
    its batches again, which are left out. (Where several threads or processes draw random numbers to make batches, no
    two runs are equal.)
    """

    def __init__(self, path: Any, delete: bool = True, save_freq: Any = "epoch"):
        super().__init__()
        self.path = Path(path)
        self.delete = delete
        if save_freq != "epoch" and (not isinstance(save_freq, int) or save_freq < 1):
            raise ValueError(f"BackupAndResume: `save_freq` is 'epoch' or a number of batches, got {save_freq!r}.")
        self.save_freq = save_freq
        #: What the attributes of callbacks, and of what gives the data, were like when training began.
        self._digests: list[dict] = []
        self._source_digests: list[dict] = []
        self._epoch_start: dict[str, Any] = {}
        self._epoch_arrays: dict[str, np.ndarray] = {}

    # ------------------------------------------------------------------------------------------ what `fit` calls
    def can_resume(self) -> bool:
        """Whether there is something to go on from."""
        return self.path.exists()

    def started(self, callbacks: list, sources: Any = ()) -> None:
        """Training begins: note what callbacks and data are like now. Only what changes later is their state."""
        for left in self.path.parent.glob(f"{self.path.name}.*.tmp"):  # by a process that was killed while it wrote
            left.unlink(missing_ok=True)
        self._digests = [_digests(callback, _NOT_STATE, False) for callback in callbacks]
        self._source_digests = [_digests(source.owner, frozenset(), True) for source in sources]

    def epoch_started(self, sources: Any) -> None:
        """An epoch begins, before any of its data were read: an epoch that is resumed is read from here on again."""
        if self.save_freq != "epoch":
            self._epoch_arrays = {}
            self._epoch_start = self._data(sources, "epoch", self._epoch_arrays)
            self._epoch_arrays = {key: np.array(value) for key, value in self._epoch_arrays.items()}

    def batch_done(self, epoch: int, done: Done, callbacks: list, sources: Any = ()) -> None:
        """A batch is done, and every other callback has had its say."""
        if self.save_freq != "epoch" and done.batches % self.save_freq == 0:
            self._write(epoch, done, callbacks, sources)

    def backup(self, epoch: int, callbacks: list, sources: Any = ()) -> None:
        """Write the state after an epoch."""
        self._write(epoch, None, callbacks, sources)

    def _write(self, epoch: int, done: Done | None, callbacks: list, sources: Any) -> None:
        arrays: dict[str, np.ndarray] = {}
        for kind, variables in _variables(self.model).items():
            for number, variable in enumerate(variables):
                arrays[f"{kind}/{number}"] = K.get_value(variable)
        about: dict[str, Any] = {"version": _VERSION, "epoch": epoch, "callbacks": [],
                                 "data": self._data(sources, "data", arrays)}
        if done is not None:
            about["done"] = stored(tuple(done), "done", arrays)
            about["epoch_start"] = self._epoch_start
            arrays.update(self._epoch_arrays)
        for number, (callback, start) in enumerate(zip(callbacks, self._digests)):
            if callback is self:
                continue
            state = _changed(callback, f"callback/{number}", arrays, _NOT_STATE, False, start)
            about["callbacks"].append({"class_name": type(callback).__name__, "state": state})
        about["sources"] = [stored(source.state(done.batches if done and not number else 0), f"source/{number}", arrays)
                            for number, source in enumerate(sources)]
        arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
        _replace(self.path, arrays)

    def resume(self) -> Any:
        """Read the file.

        # Returns
            The epoch that it is of, whether that was done, and a function: given the callbacks and the sources of the
            data it sets the state and gives what is `Done` of the epoch.

        # Raises
            ValueError: the file is of another version; by the function: it belongs to another model, optimizer or set
            of callbacks.
        """
        with np.load(self.path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        about = json.loads(arrays["about"].tobytes())
        if about["version"] != _VERSION:
            raise ValueError(f"{self.path}: a backup of version {about['version']}, expected {_VERSION}. Delete the "
                             "file to start anew.")
        done = Done(*restored(about["done"], None, arrays)) if "done" in about else Done()

        def restore(callbacks: list, sources: Any) -> Done:
            self.model._make_train_function()  # makes the optimizer's state
            self._set_variables(arrays)
            self._set_data(about, arrays, sources)
            self._set_callbacks(about, arrays, callbacks)
            return done

        return about["epoch"], "done" not in about, restore

    def _data(self, sources: Any, place: str, arrays: dict) -> dict[str, Any]:
        """The random numbers of NumPy and Python, and the attributes of what gives the data."""
        return {"numpy": stored(np.random.get_state(legacy=False), f"{place}/numpy", arrays),
                "python": stored(random.getstate(), f"{place}/python", arrays),
                "sources": [_changed(source.owner, f"{place}/{number}", arrays, frozenset(), True, start)
                            for number, (source, start) in enumerate(zip(sources, self._source_digests))]}

    def _set_data(self, about: dict, arrays: dict, sources: Any) -> None:
        """Set random numbers and sources. A source that draws random numbers is at its place with them."""
        states = [restored(state, None, arrays) for state in about["sources"]]
        placed = [source.restore(state) for source, state in zip(sources, states)]
        start = about.get("epoch_start") or about["data"]
        _set_attributes(start, arrays, sources)
        if all(placed):
            _set_random(start, arrays)
        if "epoch_start" in about:
            self.epoch_started(sources)  # for the files that are written later in this epoch
            placed += [source.read_again(state) for source, state in zip(sources, states)]
        if all(placed):
            _set_random(about["data"], arrays)

    def _set_callbacks(self, about: dict, arrays: dict, callbacks: list) -> None:
        others = [callback for callback in callbacks if callback is not self]
        found = [entry["class_name"] for entry in about["callbacks"]]
        if found != [type(callback).__name__ for callback in others]:
            raise ValueError(f"{self.path} was written with the callbacks {found}; now they are "
                             f"{[type(callback).__name__ for callback in others]}. Delete the file to start anew.")
        for callback, entry in zip(others, about["callbacks"]):
            for key, value in entry["state"].items():
                setattr(callback, key, restored(value, getattr(callback, key, None), arrays))

    def _set_variables(self, arrays: dict) -> None:
        for kind, variables in _variables(self.model).items():
            values: list[np.ndarray] = []
            while f"{kind}/{len(values)}" in arrays:
                values.append(arrays[f"{kind}/{len(values)}"])
            same = len(values) == len(variables) and all(
                K.int_shape(variable) == value.shape for variable, value in zip(variables, values))
            if not same:
                raise ValueError(
                    f"{self.path} belongs to another model: it holds {len(values)} {kind} of the shapes "
                    f"{[value.shape for value in values][:6]}, the model has {len(variables)} of the shapes "
                    f"{[K.int_shape(variable) for variable in variables][:6]}. Delete the file to start anew."
                )
            K.batch_set_value(list(zip(variables, values)))

    def finish(self) -> None:
        """Training has ended by itself."""
        if self.delete:
            self.path.unlink(missing_ok=True)


def _variables(model: Any) -> dict[str, list]:
    """The variables that a run goes on from, by kind."""
    optimizer, objective = model.optimizer, model._compiled
    states: dict[int, Any] = {}
    pending = [model]
    while pending:  # also the layers in wrappers and inner models
        layer = pending.pop()
        pending += layer._layers
        held = getattr(layer, "states", None)
        states.update((id(state), state) for state in (held if isinstance(held, (list, tuple)) else [])
                      if K.is_variable(state))
    rates = [getattr(optimizer, name) for name in getattr(optimizer, "_hyperparameters", ())]
    metrics = [variable for metric in (*objective.loss_trackers, *objective.metrics) for variable in metric.weights]
    return {
        "weights": model.weights, "optimizer": [*optimizer.weights, *rates], "states": list(states.values()),
        "metrics": metrics,
        "random": [model._random_step(mode) for mode in ("train", "test", "predict")],
    }


def _digests(item: Any, leave_out: frozenset[str], private: bool) -> dict[str, bytes]:
    """A digest of each attribute of an object that is state."""
    arrays: dict[str, np.ndarray] = {}
    state = state_of(item, "", arrays, leave_out, private)
    return {key: digest(value, arrays) for key, value in state.items()}


def _changed(item: Any, place: str, arrays: dict, leave_out: frozenset[str], private: bool, start: dict) -> dict:
    """The attributes of an object that are state and not as they were at the start."""
    kept = {}
    for key in state_of(item, place, {}, leave_out, private):
        own: dict[str, np.ndarray] = {}
        value = stored(getattr(item, key), f"{place}/{key}", own)
        if digest(value, own) != start.get(key):
            kept[key] = value
            arrays.update(own)
    return kept


def _set_random(state: dict, arrays: dict) -> None:
    np.random.set_state(restored(state["numpy"], None, arrays))
    random.setstate(restored(state["python"], None, arrays))


def _set_attributes(state: dict, arrays: dict, sources: Any) -> None:
    for source, attributes in zip(sources, state["sources"]):
        for key, value in attributes.items():
            setattr(source.owner, key, restored(value, getattr(source.owner, key, None), arrays))


def _replace(path: Path, arrays: dict) -> None:
    """Write a file beside the old one and put it in its place, on the disk and not only in memory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    if hasattr(os, "O_DIRECTORY"):
        folder = os.open(path.parent, os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
