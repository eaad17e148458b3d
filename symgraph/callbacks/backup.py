"""`BackupAndResume`: a training that was killed goes on where it was, with the same numbers."""

from __future__ import annotations

import json
import os
import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from symgraph import backend as K
from symgraph.callbacks.base import Callback

__all__ = ["BackupAndResume"]

_VERSION = 2
#: Attributes of callbacks that belong to the run, not to its state.
_NOT_STATE = {"model", "params", "validation_data", "resuming"}


class BackupAndResume(Callback):
    """Writes after each epoch what a run needs to go on; a run that is started again finds it and goes on.

    # Arguments
        path: the file. It is replaced in one step, so a kill while it is written leaves the one before.
        delete: whether the file goes when training ends by itself (not when it is interrupted).

    The program is started again as it was: it seeds NumPy, makes the model, compiles and calls `fit` with the same
    arguments. Weights, optimizer, learning rate, random numbers, the order of the data, the history and the state of
    the other callbacks are those of the end of the last whole epoch; on the CPU all that follows is equal bit by bit to
    an uninterrupted run. Of a generator the batches of the epochs that are done are taken again and left out; of a
    `Sequence`, `on_epoch_end` is called for each of them (with its batches read by number, this costs nothing).
    """

    def __init__(self, path: Any, delete: bool = True):
        super().__init__()
        self.path = Path(path)
        self.delete = delete
        self._start: list[dict] = []

    # ------------------------------------------------------------------------------------------ what `fit` calls
    def can_resume(self) -> bool:
        """Whether there is something to go on from."""
        return self.path.exists()

    def started(self, callbacks: list) -> None:
        """Training begins: note what the callbacks are like now. Only what changes later is their state."""
        for left in self.path.parent.glob(f"{self.path.name}.*.tmp"):  # by a process that was killed while it wrote
            left.unlink(missing_ok=True)
        self._start = [_state(callback, "", {}) for callback in callbacks]

    def backup(self, epoch: int, callbacks: list, sources: Any = ()) -> None:
        """Write the state after an epoch."""
        arrays: dict[str, np.ndarray] = {}
        model = self.model
        for kind, variables in _variables(model).items():
            for number, variable in enumerate(variables):
                arrays[f"{kind}/{number}"] = K.get_value(variable)
        name, keys, *numbers = np.random.get_state()
        arrays["numpy"] = np.asarray(keys)
        about: dict[str, Any] = {
            "version": _VERSION, "epoch": epoch, "numpy": [name, *numbers], "python": random.getstate(),
            "callbacks": [],
        }
        for number, (callback, start) in enumerate(zip(callbacks, self._start)):
            if callback is self:
                continue
            state = _state(callback, f"callback/{number}", arrays)
            changed = {key: value for key, value in state.items() if key not in start or value != start[key]}
            about["callbacks"].append({"class_name": type(callback).__name__, "state": changed})
        about["sources"] = [_stored(source.state(), f"source/{number}", arrays)
                            for number, source in enumerate(sources)]
        arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
        _replace(self.path, arrays)

    def resume(self, callbacks: list, sources: Any = ()) -> int:
        """Set the state of the file and give the epoch to start at.

        # Raises
            ValueError: the file belongs to another model, optimizer or set of callbacks.
        """
        with np.load(self.path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        about = json.loads(arrays["about"].tobytes())
        if about["version"] != _VERSION:
            raise ValueError(f"{self.path}: a backup of version {about['version']}, expected {_VERSION}.")
        self.model._make_train_function()  # makes the optimizer's state
        self._set_variables(arrays)
        states = [_restored(state, None, arrays) for state in about["sources"]]
        # A generator that draws random numbers is at its place with them.
        at_their_place = [source.restore(state) for source, state in zip(sources, states)]
        if all(at_their_place):
            name, *numbers = about["numpy"]
            np.random.set_state((name, arrays["numpy"], *numbers))
        version, words, gauss = about["python"]
        random.setstate((version, tuple(words), gauss))
        others = [callback for callback in callbacks if callback is not self]
        found = [entry["class_name"] for entry in about["callbacks"]]
        if found != [type(callback).__name__ for callback in others]:
            raise ValueError(f"{self.path} was written with the callbacks {found}; now they are "
                             f"{[type(callback).__name__ for callback in others]}. Delete the file to start anew.")
        for callback, entry in zip(others, about["callbacks"]):
            for key, value in entry["state"].items():
                setattr(callback, key, _restored(value, getattr(callback, key, None), arrays))
        return about["epoch"] + 1

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
    optimizer = model.optimizer
    states = [state for layer in model.layers for state in getattr(layer, "states", None) or [] if K.is_variable(state)]
    rates = [getattr(optimizer, name) for name in getattr(optimizer, "_hyperparameters", ())]
    return {
        "weights": model.weights, "optimizer": [*optimizer.weights, *rates], "states": states,
        "random": [model._random_step(mode) for mode in ("train", "test", "predict")],
    }


def _state(callback: Any, place: str, arrays: dict) -> dict:
    """The attributes of a callback that are numbers, texts, arrays, or lists and dictionaries of them."""
    kept = {}
    for key, value in vars(callback).items():
        if key in _NOT_STATE or key.startswith("_"):
            continue
        try:
            kept[key] = _stored(value, f"{place}/{key}", arrays)
        except TypeError:
            continue  # a function, an open file, a model: made anew by the program
    return kept


def _stored(value: Any, place: str, arrays: dict) -> Any:
    if isinstance(value, np.ndarray):
        arrays[place] = value
        return {"array": place}
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple, set)):
        kind = type(value).__name__
        return {kind: [_stored(item, f"{place}/{number}", arrays) for number, item in enumerate(value)]}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: _stored(item, f"{place}/{key}", arrays) for key, item in dict.items(value)}}
    raise TypeError(f"no state: {type(value).__name__}")


def _restored(value: Any, current: Any, arrays: dict) -> Any:
    if not isinstance(value, dict):
        return value
    (kind, content), = value.items()
    if kind == "array":
        return arrays[content]
    if kind == "dict":
        items = {key: _restored(item, None, arrays) for key, item in content.items()}
        # A dictionary of a class of its own (the history's) stays one.
        return type(current)(items) if isinstance(current, dict) else items
    return {"list": list, "tuple": tuple, "set": set}[kind](_restored(item, None, arrays) for item in content)


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
