"""`Callback`, and the list that passes events on."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["Callback", "CallbackList"]


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
        if not self.callbacks:
            return None, None
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
