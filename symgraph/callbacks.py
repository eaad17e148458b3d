"""Callbacks: what a training run tells while it goes on."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from symgraph import backend as K
from symgraph.legacy.accept import accept_functions
from symgraph.utils.progress import Progbar

__all__ = [
    "BaseLogger", "CSVLogger", "Callback", "CallbackList", "EarlyStopping", "History", "LambdaCallback",
    "LearningRateScheduler", "ModelCheckpoint", "ProgbarLogger", "ReduceLROnPlateau", "RemoteMonitor",
    "TerminateOnNaN",
]

_MODES = ("train", "test", "predict")


class Callback:
    """Base of the callbacks; override what you want to hear of.

    # Attributes
        params: dictionary: batch_size, epochs, steps, samples, verbose, do_validation, metrics.
        model: the model that is trained.
        validation_data: the validation arrays, if there are any.

    The logs of a batch hold `batch`, `size`, `loss` and the metrics; those of an epoch the values over the epoch, with
    `val_` before those of the validation data.
    """

    def __init__(self) -> None:
        self.validation_data: Any = None
        self.model: Any = None
        self.params: dict = {}

    def set_params(self, params: dict) -> None:
        self.params = params

    def set_model(self, model: Any) -> None:
        self.model = model

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Called before each epoch of training."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Called after each epoch of training (and its validation)."""

    def on_batch_begin(self, batch: int, logs: Any = None) -> None:
        """An older name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """An older name of `on_train_batch_end`."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Called before each batch of training."""
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Called after each batch of training."""
        self.on_batch_end(batch, logs=logs)

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Called before each batch of `evaluate`, and of validation."""

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Called after each batch of `evaluate`, and of validation."""

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Called before each batch of `predict`."""

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """Called after each batch of `predict`."""

    def on_train_begin(self, logs: Any = None) -> None:
        """Called once before training."""

    def on_train_end(self, logs: Any = None) -> None:
        """Called once after training."""

    def on_test_begin(self, logs: Any = None) -> None:
        """Called once before `evaluate` or a validation."""

    def on_test_end(self, logs: Any = None) -> None:
        """Called once after `evaluate` or a validation."""

    def on_predict_begin(self, logs: Any = None) -> None:
        """Called once before `predict`."""

    def on_predict_end(self, logs: Any = None) -> None:
        """Called once after `predict`."""


def _listens(callback: Any, names: tuple[str, ...]) -> bool:
    """Whether a callback does anything under one of the names."""
    for name in names:
        method = getattr(callback, name, None)
        if method is not None and getattr(method, "__func__", method) is not getattr(Callback, name):
            return True
    return False


class CallbackList:
    """Passes each event to several callbacks."""

    def __init__(self, callbacks: list | None = None, queue_length: int = 10):
        self.callbacks = list(callbacks or [])
        self.queue_length = queue_length
        self.params: dict = {}
        self.model: Any = None

    def append(self, callback: Callback) -> None:
        self.callbacks.append(callback)

    def set_params(self, params: dict) -> None:
        self.params = params
        for callback in self.callbacks:
            callback.set_params(params)

    def set_model(self, model: Any) -> None:
        self.model = model
        for callback in self.callbacks:
            callback.set_model(model)

    def __iter__(self) -> Iterator:
        return iter(self.callbacks)

    def batch_hooks(self, mode: str) -> tuple[Callable | None, Callable | None]:
        """What to call before and after each batch; None where no callback listens."""
        hooks = []
        for moment in ("begin", "end"):
            name = f"on_{mode}_batch_{moment}"
            names = (name, f"on_batch_{moment}") if mode == "train" else (name,)
            methods = [getattr(c, name, None) or getattr(c, names[-1]) for c in self.callbacks if _listens(c, names)]
            hooks.append(_chain(methods))
        return hooks[0], hooks[1]

    def _tell(self, event: str, *arguments: Any) -> None:
        for callback in self.callbacks:
            method = getattr(callback, event, None)
            if method is not None:
                method(*arguments)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._tell("on_epoch_begin", epoch, logs or {})

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._tell("on_epoch_end", epoch, logs if logs is not None else {})

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._tell("on_train_batch_begin", batch, logs or {})

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._tell("on_train_batch_end", batch, logs or {})

    on_batch_begin = on_train_batch_begin
    on_batch_end = on_train_batch_end

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._tell("on_test_batch_begin", batch, logs or {})

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self._tell("on_test_batch_end", batch, logs or {})

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._tell("on_predict_batch_begin", batch, logs or {})

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        self._tell("on_predict_batch_end", batch, logs or {})

    def on_train_begin(self, logs: Any = None) -> None:
        self._tell("on_train_begin", logs or {})

    def on_train_end(self, logs: Any = None) -> None:
        self._tell("on_train_end", logs or {})

    def interrupt(self) -> None:
        """Tell every callback that training is over, though by an error: files are closed, best weights restored."""
        for callback in self.callbacks:
            try:
                callback.on_train_end({})
            except Exception as error:  # noqa: BLE001 - the error that ended training is the one to be seen
                warnings.warn(f"{type(callback).__name__}.on_train_end failed too: {error!r}", stacklevel=2)

    def on_test_begin(self, logs: Any = None) -> None:
        self._tell("on_test_begin", logs or {})

    def on_test_end(self, logs: Any = None) -> None:
        self._tell("on_test_end", logs or {})

    def on_predict_begin(self, logs: Any = None) -> None:
        self._tell("on_predict_begin", logs or {})

    def on_predict_end(self, logs: Any = None) -> None:
        self._tell("on_predict_end", logs or {})


def _chain(methods: list) -> Callable | None:
    if not methods:
        return None
    if len(methods) == 1:
        return methods[0]

    def call(batch: int, logs: dict) -> None:
        for method in methods:
            method(batch, logs)

    return call


class BaseLogger(Callback):
    """Averages the values of the batches over an epoch, weighted by their size.

    Training does so by itself; this class is for loops of one's own.
    """

    def __init__(self, stateful_metrics: Any = None):
        super().__init__()
        self.stateful_metrics = set(stateful_metrics or [])
        self.seen = 0
        self.totals: dict[str, float] = {}

    def on_epoch_begin(self, epoch, logs=None):
        self.seen, self.totals = 0, {}

    def on_batch_end(self, batch, logs=None):
        logs = logs or {}
        size = logs.get("size", 0)
        self.seen += size
        for name, value in logs.items():
            if name in self.stateful_metrics:
                self.totals[name] = value
            else:
                self.totals[name] = self.totals.get(name, 0) + value * size

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            for name in self.params.get("metrics", []):
                if name in self.totals:
                    total = self.totals[name]
                    logs[name] = total if name in self.stateful_metrics else total / self.seen


class TerminateOnNaN(Callback):
    """Stops training when the loss is not a number or infinite."""

    def on_batch_end(self, batch, logs=None):
        loss = (logs or {}).get("loss")
        if loss is not None and not np.isfinite(loss):
            print(f"Batch {batch}: Invalid loss, terminating training")
            self.model.stop_training = True


class ProgbarLogger(Callback):
    """Shows the progress of training on stdout.

    # Arguments
        count_mode: 'samples' or 'steps': what the bar counts.
        stateful_metrics: names that are running values already and are not averaged.
    """

    def __init__(self, count_mode: str = "samples", stateful_metrics: Any = None):
        super().__init__()
        if count_mode not in {"samples", "steps"}:
            raise ValueError(f"Unknown `count_mode`: {count_mode!r}. It is 'samples' or 'steps'.")
        self.use_steps = count_mode == "steps"
        self.stateful_metrics = set(stateful_metrics or [])
        self.seen = 0

    def on_train_begin(self, logs=None):
        self.verbose = self.params.get("verbose", 1)
        self.epochs = self.params.get("epochs", 1)
        samples, validation = self.params.get("samples"), self.params.get("validation_samples")
        if self.verbose and samples is not None and validation:
            print(f"Train on {samples} samples, validate on {validation} samples")

    def on_epoch_begin(self, epoch, logs=None):
        self.seen = 0
        if self.verbose:
            print(f"Epoch {epoch + 1}/{self.epochs}", flush=True)
        self.target = self.params.get("steps" if self.use_steps else "samples")
        self.progbar = Progbar(self.target, verbose=self.verbose, stateful_metrics=self.stateful_metrics)

    def on_batch_end(self, batch, logs=None):
        logs = logs or {}
        self.seen += 1 if self.use_steps else logs.get("size", 0)
        values = [(name, logs[name]) for name in self.params["metrics"] if name in logs]
        # The last step is shown by `on_epoch_end`, with the values of the validation.
        if self.verbose and (self.target is None or self.seen < self.target):
            self.progbar.update(self.seen, values)

    def on_epoch_end(self, epoch, logs=None):
        if not self.verbose:
            return
        logs = logs or {}
        names = [name for name in self.params["metrics"] if name in logs]
        self.progbar.stateful_metrics |= set(names)  # the logs of an epoch are averages already
        values = [(name, logs[name]) for name in names]
        self.progbar.update(self.seen, values)
        self.progbar.close()

    def on_train_end(self, logs=None):
        if self.verbose and hasattr(self, "progbar"):
            self.progbar.close()  # a line that was interrupted


class _Records(dict):
    """The history's values by name; `acc` and `accuracy` are one name."""

    @staticmethod
    def _other(name: Any) -> Any:
        if not isinstance(name, str):
            return None
        head, underscore, last = name.rpartition("_")
        twin = {"acc": "accuracy", "accuracy": "acc"}.get(last)
        return None if twin is None else head + underscore + twin

    def __missing__(self, name: str) -> list:
        other = self._other(name)
        if other is not None and dict.__contains__(self, other):
            return dict.__getitem__(self, other)
        raise KeyError(f"{name!r} was not recorded; recorded are: {', '.join(self)}")

    def __contains__(self, name: object) -> bool:
        return dict.__contains__(self, name) or dict.__contains__(self, self._other(name))

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self else default  # noqa: SIM401 - that would be this method itself


class History(Callback):
    """Records the logs of each epoch; `fit` returns it.

    # Attributes
        epoch: the epochs, from 0.
        history: dictionary from a name to the list of its values. `acc` and `accuracy` are the same.
    """

    def __init__(self) -> None:
        super().__init__()
        self.epoch: list[int] = []
        self.history: dict[str, list] = _Records()

    def on_train_begin(self, logs=None):
        self.epoch, self.history = [], _Records()

    def on_epoch_end(self, epoch, logs=None):
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            if not dict.__contains__(self.history, name):
                dict.__setitem__(self.history, name, [])
            dict.__getitem__(self.history, name).append(value)


class _Monitor(Callback):
    """Common part of the callbacks that follow one value of the logs."""

    monitor: str
    mode: str

    def _set_direction(self, mode: str) -> None:
        if mode not in {"auto", "min", "max"}:
            warnings.warn(f"{type(self).__name__}: mode {mode!r} is unknown, using 'auto'.", stacklevel=3)
            mode = "auto"
        if mode == "auto":
            rising = "acc" in self.monitor or self.monitor.startswith("fmeasure") or "auc" in self.monitor.lower()
            mode = "max" if rising else "min"
        self.mode = mode
        self.monitor_op = np.greater if mode == "max" else np.less

    def _worst(self) -> float:
        return -np.inf if self.mode == "max" else np.inf

    def _value(self, logs: Any) -> Any:
        logs = logs or {}
        value = logs.get(self.monitor)
        if value is None:
            value = _Records(logs).get(self.monitor)
        if value is None:
            warnings.warn(f"{type(self).__name__} needs `{self.monitor}`, which is not available. Available metrics "
                          "are: "
                          f"{', '.join(logs)}.", RuntimeWarning, stacklevel=3)
        return value


class ModelCheckpoint(_Monitor):
    """Saves the model after epochs.

    # Arguments
        filepath: name of the file; `{epoch}` and the names of logged values are filled in, e.g.
            "weights.{epoch:02d}-{val_loss:.2f}.hdf5".
        monitor: name of the value that decides what is best.
        verbose: 1: say so.
        save_best_only: save only when the value is better than ever before.
        save_weights_only: save the weights alone instead of the whole model.
        mode: 'min', 'max' or 'auto' (by the name).
        period: save every so many epochs.
    """

    def __init__(self, filepath: Any, monitor: str = "val_loss", verbose: int = 0, save_best_only: bool = False,
                 save_weights_only: bool = False, mode: str = "auto", period: int = 1):
        super().__init__()
        self.filepath, self.monitor, self.verbose, self.period = filepath, monitor, verbose, period
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        self._set_direction(mode)
        self.best = self._worst()
        self.epochs_since_last_save = 0

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        self.epochs_since_last_save += 1
        if self.epochs_since_last_save < self.period:
            return
        self.epochs_since_last_save = 0
        path = self._path(epoch, logs)
        if self.save_best_only:
            current = self._value(logs)
            if current is None:
                return
            if not self.monitor_op(current, self.best):
                if self.verbose > 0:
                    print(f"\nEpoch {epoch + 1:05d}: {self.monitor} did not improve from {self.best:0.5f}")
                return
            if self.verbose > 0:
                print(f"\nEpoch {epoch + 1:05d}: {self.monitor} improved from {self.best:0.5f} to {current:0.5f}, "
                      f"saving model to {path}")
            self.best = current
        elif self.verbose > 0:
            print(f"\nEpoch {epoch + 1:05d}: saving model to {path}")
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)

    def _path(self, epoch: int, logs: dict) -> str:
        try:
            return str(self.filepath).format(epoch=epoch + 1, **_Records(logs))
        except KeyError as error:
            raise KeyError(f"ModelCheckpoint: the file name {str(self.filepath)!r} asks for {error}, which is not "
                           f"among the logged values: {', '.join(['epoch', *logs])}.") from error


class EarlyStopping(_Monitor):
    """Stops training when a value no longer improves.

    # Arguments
        monitor: name of the value.
        min_delta: smaller changes are no improvement.
        patience: epochs without improvement to wait.
        verbose: 1: say so.
        mode: 'min', 'max' or 'auto' (by the name).
        baseline: value to be better than.
        restore_best_weights: whether the model gets the weights of its best epoch back, also where training ends
            without being stopped.
    """

    def __init__(self, monitor: str = "val_loss", min_delta: float = 0, patience: int = 0, verbose: int = 0,
                 mode: str = "auto", baseline: float | None = None, restore_best_weights: bool = False):
        super().__init__()
        self.monitor, self.patience, self.verbose, self.baseline = monitor, patience, verbose, baseline
        self.restore_best_weights = restore_best_weights
        self._set_direction(mode)
        self.min_delta = abs(min_delta) if self.mode == "max" else -abs(min_delta)
        self.wait, self.stopped_epoch = 0, 0
        self.best_weights: Any = None
        self.best: float = self._worst()

    def on_train_begin(self, logs=None):
        self.wait, self.stopped_epoch, self.best_weights = 0, 0, None
        self.best = self._worst() if self.baseline is None else self.baseline

    def on_epoch_end(self, epoch, logs=None):
        current = self.get_monitor_value(logs)
        if current is None:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights = self.model.get_weights()
        if self.monitor_op(current - self.min_delta, self.best):
            self.best, self.wait = current, 0
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            return
        self.wait += 1
        if self.wait >= self.patience:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        if self.stopped_epoch > 0 and self.verbose > 0:
            print(f"Epoch {self.stopped_epoch + 1:05d}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose > 0:
                print("Restoring model weights from the end of the best epoch")
            self.model.set_weights(self.best_weights)

    def get_monitor_value(self, logs: Any) -> Any:
        """The monitored value in the logs, None (with a warning) if it is not there."""
        return self._value(logs)


class LearningRateScheduler(Callback):
    """Sets the learning rate at the start of each epoch.

    # Arguments
        schedule: function of the epoch (from 0), or of epoch and current rate, that gives the new rate.
        verbose: 1: print it.
    """

    def __init__(self, schedule: Callable, verbose: int = 0):
        super().__init__()
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch, logs=None):
        if not hasattr(self.model.optimizer, "lr"):
            raise ValueError('Optimizer must have a "lr" attribute.')
        from symgraph.utils.generic_utils import parameter_names

        names, _ = parameter_names(self.schedule)
        rate = float(K.get_value(self.model.optimizer.lr))
        new = self.schedule(epoch, rate) if len(names) >= 2 else self.schedule(epoch)
        if not isinstance(new, (float, np.floating)):
            raise ValueError(f'The output of the "schedule" function should be float, got {new!r}.')
        K.set_value(self.model.optimizer.lr, new)
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1:05d}: LearningRateScheduler setting learning rate to {new}.")

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            logs["lr"] = float(K.get_value(self.model.optimizer.lr))


class ReduceLROnPlateau(_Monitor):
    """Reduces the learning rate when a value no longer improves.

    # Arguments
        monitor: name of the value.
        factor: the rate is multiplied by it.
        patience: epochs without improvement to wait.
        verbose: 1: say so.
        mode: 'min', 'max' or 'auto' (by the name).
        min_delta: smaller changes are no improvement.
        cooldown: epochs to wait after a reduction.
        min_lr: the rate never goes below.
    """

    def __init__(self, monitor: str = "val_loss", factor: float = 0.1, patience: int = 10, verbose: int = 0,
                 mode: str = "auto", min_delta: float = 1e-4, cooldown: int = 0, min_lr: float = 0, **kwargs: Any):
        super().__init__()
        if factor >= 1.0:
            raise ValueError(f"ReduceLROnPlateau does not support a factor >= 1.0, got {factor}.")
        min_delta = kwargs.pop("epsilon", min_delta)  # its name before Keras 2.1
        if kwargs:
            raise TypeError(f"ReduceLROnPlateau: unknown arguments {list(kwargs)}.")
        self.monitor, self.factor, self.patience, self.verbose = monitor, factor, patience, verbose
        self.min_delta, self.cooldown, self.min_lr = min_delta, cooldown, min_lr
        self._set_direction(mode)
        self._reset()

    def _reset(self) -> None:
        self.best, self.wait, self.cooldown_counter = self._worst(), 0, 0

    def in_cooldown(self) -> bool:
        return self.cooldown_counter > 0

    def on_train_begin(self, logs=None):
        self._reset()

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            logs["lr"] = float(K.get_value(self.model.optimizer.lr))
        current = self._value(logs)
        if current is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        margin = self.min_delta if self.mode == "max" else -self.min_delta
        if self.monitor_op(current, self.best + margin):
            self.best, self.wait = current, 0
        elif not self.in_cooldown():
            self.wait += 1
            rate = float(K.get_value(self.model.optimizer.lr))
            if self.wait >= self.patience and rate > self.min_lr:
                new = max(rate * self.factor, self.min_lr)
                K.set_value(self.model.optimizer.lr, new)
                if self.verbose > 0:
                    print(f"\nEpoch {epoch + 1:05d}: ReduceLROnPlateau reducing learning rate to {new}.")
                self.cooldown_counter, self.wait = self.cooldown, 0


class CSVLogger(Callback):
    """Writes the logs of each epoch as a line of a CSV file.

    # Arguments
        filename: the file.
        separator: between two columns.
        append: whether an existing file is continued.
    """

    def __init__(self, filename: Any, separator: str = ",", append: bool = False):
        super().__init__()
        self.filename, self.sep, self.append = filename, separator, append
        self.keys: list[str] | None = None
        self._file: Any = None
        self._writer: Any = None
        self._write_header = True

    def on_train_begin(self, logs=None):
        if self.append:
            try:
                with open(self.filename, newline="") as existing:
                    self._write_header = not existing.readline()
            except FileNotFoundError:
                self._write_header = True
        self._file = open(self.filename, "a" if self.append else "w", newline="")  # noqa: SIM115 - closed at the end
        self._writer = None

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        if self._writer is None:
            self.keys = self.keys or sorted(logs)
            self._writer = csv.DictWriter(self._file, fieldnames=["epoch", *self.keys], delimiter=self.sep)
            if self._write_header:
                self._writer.writeheader()
        row: dict[str, Any] = {"epoch": epoch}
        for key in self.keys or []:
            value = logs.get(key, "NA")
            row[key] = f'"[{", ".join(map(str, value))}]"' if isinstance(value, (list, tuple, np.ndarray)) else value
        self._writer.writerow(row)
        self._file.flush()

    def on_train_end(self, logs=None):
        self._file.close()
        self._file = self._writer = None
        self.append = True  # a second fit with this callback goes on in the same file


class RemoteMonitor(Callback):
    """Sends the logs of each epoch to a server, as JSON by HTTP POST.

    # Arguments
        root: address of the server.
        path: path on it.
        field: name of the form field that holds the JSON, where it is sent as a form.
        headers: further HTTP headers.
        send_as_json: send the JSON as the body instead of as a form field.

    A server that does not answer is a warning; training goes on.
    """

    def __init__(self, root: str = "http://localhost:9000", path: str = "/publish/epoch/end/", field: str = "data",
                 headers: dict | None = None, send_as_json: bool = False):
        super().__init__()
        self.root, self.path, self.field = root, path, field
        self.headers, self.send_as_json = headers, send_as_json

    def on_epoch_end(self, epoch, logs=None):
        import json
        import urllib.error
        import urllib.parse
        import urllib.request

        send = {"epoch": epoch, **{name: float(value) for name, value in (logs or {}).items()}}
        headers = dict(self.headers or {})
        if self.send_as_json:
            body = json.dumps(send).encode()
            headers.setdefault("Content-Type", "application/json")
        else:
            body = urllib.parse.urlencode({self.field: json.dumps(send)}).encode()
        request = urllib.request.Request(self.root + self.path, data=body, headers=headers, method="POST")
        try:
            urllib.request.urlopen(request, timeout=10).close()
        except (urllib.error.URLError, OSError) as error:
            warnings.warn(f"Could not reach RemoteMonitor root server at {self.root}: {error}", stacklevel=2)


class LambdaCallback(Callback):
    """A callback from functions.

    # Arguments
        on_epoch_begin, on_epoch_end, on_batch_begin, on_batch_end, on_train_begin, on_train_end: functions with the
            arguments of the methods of the same name.
    """

    def __init__(self, on_epoch_begin: Any = None, on_epoch_end: Any = None, on_batch_begin: Any = None,
                 on_batch_end: Any = None, on_train_begin: Any = None, on_train_end: Any = None, **kwargs: Any):
        super().__init__()
        given = {"on_epoch_begin": on_epoch_begin, "on_epoch_end": on_epoch_end, "on_batch_begin": on_batch_begin,
                 "on_batch_end": on_batch_end, "on_train_begin": on_train_begin, "on_train_end": on_train_end}
        for name, function in given.items():
            if function is not None:
                object.__setattr__(self, name, _with_logs(function) if "batch" in name else function)
        self.__dict__.update(kwargs)


def _with_logs(function: Callable) -> Callable:
    def call(batch: int, logs: Any = None) -> Any:
        return function(batch, logs)

    return call


accept_functions(globals())  # the arguments that Keras 1 named otherwise
