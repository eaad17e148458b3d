"""Callbacks that follow a value and act on it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from symgraph import backend as K
from symgraph.callbacks.base import Callback
from symgraph.callbacks.records import Records

__all__ = ["EarlyStopping", "LearningRateScheduler", "ModelCheckpoint", "ReduceLROnPlateau"]


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
            value = Records(logs).get(self.monitor)
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
        save_freq: 'epoch', or a number of samples: save after the batch that reaches it (its logs are the values that
            `monitor` and the name of the file then see).
    """

    def __init__(self, filepath: Any, monitor: str = "val_loss", verbose: int = 0, save_best_only: bool = False,
                 save_weights_only: bool = False, mode: str = "auto", period: int = 1, save_freq: Any = "epoch"):
        super().__init__()
        if save_freq != "epoch" and (isinstance(save_freq, (bool, str)) or save_freq < 1):
            raise ValueError(f"ModelCheckpoint: save_freq must be 'epoch' or a number of samples, got {save_freq!r}.")
        self.save_freq, self.samples_since_last_save, self.current_epoch = save_freq, 0, 0
        if save_freq != "epoch":  # only then does this callback listen to batches, for which logs must be made
            object.__setattr__(self, "on_batch_end", self._count_samples)
        self.filepath, self.monitor, self.verbose, self.period = filepath, monitor, verbose, period
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        self._set_direction(mode)
        self.best = self._worst()
        self.epochs_since_last_save = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.current_epoch = epoch

    def _count_samples(self, batch: int, logs: Any = None) -> None:
        logs = logs or {}
        self.samples_since_last_save += logs.get("size", 1)
        if self.samples_since_last_save >= self.save_freq:
            self.samples_since_last_save = 0
            self._save(self.current_epoch, logs)

    def on_epoch_end(self, epoch, logs=None):
        self.epochs_since_last_save += 1
        if self.save_freq != "epoch" or self.epochs_since_last_save < self.period:
            return
        self.epochs_since_last_save = 0
        self._save(epoch, logs or {})

    def _save(self, epoch: int, logs: dict) -> None:
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
            return str(self.filepath).format_map(Records({**logs, "epoch": epoch + 1}))
        except KeyError as error:
            raise KeyError(f"ModelCheckpoint: the file name {str(self.filepath)!r} asks for what is not among the "
                           f"logged values: {error.args[0]}") from error


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
            self._restore()

    def on_train_end(self, logs=None):
        if self.stopped_epoch > 0 and self.verbose > 0:
            print(f"Epoch {self.stopped_epoch + 1:05d}: early stopping")
        self._restore()

    def _restore(self) -> None:
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose > 0:
                print("Restoring model weights from the end of the best epoch")
            self.model.set_weights(self.best_weights)
            self.best_weights = None  # given back

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
