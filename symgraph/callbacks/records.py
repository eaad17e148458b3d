"""Callbacks that show and write down what training gives."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from symgraph.callbacks.base import Callback
from symgraph.utils.progress import Progbar

__all__ = ["BaseLogger", "CSVLogger", "History", "LambdaCallback", "ProgbarLogger", "RemoteMonitor", "TerminateOnNaN"]


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
        # `fit` may tell it after several batches, with the samples of all and their mean loss.
        self.seen = batch + 1 if self.use_steps else self.seen + logs.get("size", 0)
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


class Records(dict):
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
        self.history: dict[str, list] = Records()

    def on_train_begin(self, logs=None):
        self.epoch, self.history = [], Records()

    def on_epoch_end(self, epoch, logs=None):
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            if not dict.__contains__(self.history, name):
                dict.__setitem__(self.history, name, [])
            dict.__getitem__(self.history, name).append(value)


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
        append = self.append or getattr(self, "resuming", False)
        if append:
            try:
                with open(self.filename, newline="") as existing:
                    self._write_header = not existing.readline()
            except FileNotFoundError:
                self._write_header = True
        self._file = open(self.filename, "a" if append else "w", newline="")  # noqa: SIM115 - closed at the end
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
