"""The one training loop: `fit`, `evaluate`, `predict` and their generator forms all pass through `run_pass`.

A pass takes batches from a source (`epoch()` gives `(number of samples, arrays)`) and calls one compiled function a
batch. Where nobody listens to batches, a function that can do several at once (`Function.batches`) gets them as they
lie in the arrays (`ArraySource.runs`): losses, metrics and variables have the same bits, and Python has less to do. A
progress bar is no listener: it is told after several batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from symgraph.callbacks import CallbackList, History, ProgbarLogger
from symgraph.callbacks.backup import Done

__all__ = ["evaluate", "fit", "predict", "run_pass"]

_NOTHING = Done()


def reported(value: Any) -> Any:
    """The value of a loss or metric as callers get it: a number, or an array where the metric gives several (counts at
    a list of thresholds)."""
    return float(value) if np.ndim(value) == 0 else np.array(value)


def _results(function: Callable[[list], list], source: Any, begin: Callable | None, several: bool, first: int = 0
             ) -> Iterator[tuple[int, int, list]]:
    """What a function gives for the batches of an epoch.

    # Arguments
        function: gives a list of results for the arrays of a batch.
        source: where the batches come from.
        begin: called before each batch with its index, from `first` on, and logs; or None.
        several: whether several batches may be computed at once, where function and source can do that.

    # Returns
        An iterator over `(samples of a batch, number of batches, results)`; results have these batches along a new
        first axis.
    """
    if several and begin is None and hasattr(function, "batches") and hasattr(source, "runs"):
        for size, count, arrays in source.runs():
            for now, values in function.batches(arrays, size, count):
                yield size, now, values
        return
    for index, (size, arrays) in enumerate(source.epoch(), first):
        if begin is not None:
            begin(index, {"batch": index, "size": size})
        yield size, 1, [np.asarray(value)[None] for value in function(arrays)]


def run_pass(function: Callable[[list], list], source: Any, names: list[str], begin: Callable | None,
             end: Callable | None, stopped: Callable[[], bool] | None = None,
             after: Callable[[Done], None] | None = None, done: Done = _NOTHING,
             progress: Callable | None = None) -> list:
    """Run a function over the batches of an epoch.

    # Arguments
        function: gives `[loss, metrics...]` for the arrays of a batch; the metrics are running values.
        source: where the batches come from.
        names: names of the results.
        begin, end: called around each batch with its index and logs, or None.
        stopped: asked after each call of `end` or `progress` whether to stop, or None.
        after: told after each batch, when everybody else has had their say, what is done; or None.
        done: what is done of a pass that is resumed; the source gives the other batches.
        progress: called like `end`, but after one or several batches: with the index of the last of them, the number
            of samples of all, their mean loss; or None.

    # Returns
        The loss, averaged over the samples, and the last values of the metrics.
    """
    index, total, count, known = done
    last: Sequence = known
    several = end is None and after is None and not (stopped is not None and stopped())
    for size, batches, values in _results(function, source, begin, several, index):
        losses = np.asarray(values[0], np.float64).reshape(batches).tolist()
        for loss in losses:
            total += loss * size
        count += size * batches
        index += batches
        last = [value[-1] for value in values]
        for tell in (end, progress):
            if tell is not None:
                logs = {"batch": index - 1, "size": size * batches, names[0]: sum(losses) / batches}
                logs.update(zip(names[1:], map(reported, last[1:])))
                tell(index - 1, logs)
        if (end is not None or progress is not None) and stopped is not None and stopped():
            break
        if after is not None:
            after(Done(index, total, count, tuple(map(reported, last))))
    if not count:
        raise ValueError("There were no batches: the data are empty.")
    return [total / count, *map(reported, last[1:])]


def fit(model: Any, function: Callable, source: Any, *, epochs: int, initial_epoch: int, verbose: int,
        callbacks: list | None, validate: Callable[[CallbackList], list] | None, validation_freq: Any, params: dict,
        validation_data: list | None = None) -> History:
    """Train.

    # Arguments
        model: the model; `stop_training` is read from it, `reset_metrics` called on it.
        function: the train function.
        source: where the batches come from.
        epochs, initial_epoch, verbose: as in `Model.fit`.
        callbacks: the user's.
        validate: evaluates the validation data, telling the callbacks that it is given, and gives
            `[loss, metrics...]`; or None.
        validation_freq: an integer (every so many epochs) or the epochs (from 1) after which to validate.
        params: what callbacks find in `self.params`.
        validation_data: what callbacks find in `self.validation_data`.

    # Returns
        The history.
    """
    names = model.metrics_names
    history = History()
    bar = ProgbarLogger("steps" if params.get("samples") is None else "samples", stateful_metrics=names[1:])
    hooks = CallbackList([*([bar] if verbose else []), *(callbacks or []), history])
    hooks.set_model(model._callback_model())
    hooks.set_params(params)
    for callback in hooks:
        callback.validation_data = validation_data
    model.stop_training = False
    model.history = history
    begin, end = hooks.batch_hooks("train")
    progress = None
    if verbose and CallbackList(callbacks).batch_hooks("train") == (None, None):
        end, progress = None, bar.on_train_batch_end
    owner = model._callback_model()

    def stopped() -> bool:
        return owner.stop_training or model.stop_training

    sources = [one for one in (source, getattr(validate, "source", None)) if one is not None]
    backups = [callback for callback in hooks if hasattr(callback, "backup") and hasattr(callback, "resume")]
    resumed = [callback for callback in backups if callback.can_resume()]
    for callback in hooks:
        callback.resuming = bool(resumed)
    hooks.on_train_begin()
    try:
        for callback in backups:
            callback.started(hooks.callbacks, sources)
        restore = None
        for callback in resumed:  # after `on_train_begin`, which sets the other callbacks to their start
            initial_epoch, whole, restore = callback.resume()
            if whole:
                restore(hooks.callbacks, sources)
                initial_epoch, restore = initial_epoch + 1, None
        for epoch in range(initial_epoch, epochs):
            model.reset_metrics()
            model._metrics_in_use = True
            hooks.on_epoch_begin(epoch)
            done = _NOTHING
            if restore is not None:  # after `on_epoch_begin`, for the same reason
                done, restore = restore(hooks.callbacks, sources), None
            else:
                for callback in backups:
                    callback.epoch_started(sources)

            def after(now: Done, epoch: int = epoch) -> None:
                for callback in backups:
                    callback.batch_done(epoch, now, hooks.callbacks, sources)

            values = run_pass(function, source, names, begin, end, stopped,
                              after if any(callback.save_freq != "epoch" for callback in backups) else None, done,
                              progress)
            logs = dict(zip(names, values))
            if validate is not None and _is_validation_epoch(validation_freq, epoch):
                logs.update(zip([f"val_{name}" for name in names], validate(hooks)))
            if hasattr(source, "on_epoch_end"):
                source.on_epoch_end()
            hooks.on_epoch_end(epoch, logs)
            if stopped():
                break
            for callback in backups:  # when every other callback has had its say
                callback.backup(epoch, hooks.callbacks, sources)
    except BaseException:  # also Ctrl-C; what is known so far is in `model.history`
        hooks.interrupt()
        raise
    hooks.on_train_end()
    for callback in backups:
        callback.finish()
    return history


def _is_validation_epoch(freq: Any, epoch: int) -> bool:
    if isinstance(freq, int):
        if freq < 1:
            raise ValueError(f"`validation_freq` cannot be less than 1, got {freq}.")
        return (epoch + 1) % freq == 0
    try:
        return epoch + 1 in freq
    except TypeError:
        raise ValueError(f"`validation_freq` must be an integer or a list of epochs, got {freq!r}.") from None


def evaluate(model: Any, function: Callable, source: Any, *, verbose: int = 0, callbacks: Any = None,
             params: dict | None = None) -> list[float]:
    """`[loss, metrics...]` over all batches of a source.

    Callbacks that are a `CallbackList` are those of a training, and know model and parameters already.
    """
    model.reset_metrics()
    model._metrics_in_use = True
    if isinstance(callbacks, CallbackList):
        hooks = callbacks
    else:
        hooks = CallbackList(list(callbacks or []))
        hooks.set_model(model._callback_model())
        hooks.set_params(params or {})
    begin, end = hooks.batch_hooks("test")
    with _progress(source, verbose) as step:
        hooks.on_test_begin()
        values = run_pass(function, source, model.metrics_names, begin, end, progress=step)
        hooks.on_test_end()
    return values


def predict(model: Any, function: Callable, source: Any, *, verbose: int = 0, callbacks: list | None = None,
            params: dict | None = None) -> list[np.ndarray]:
    """The outputs for all batches of a source, one array an output."""
    hooks = CallbackList(list(callbacks or []))
    hooks.set_model(model._callback_model())
    hooks.set_params(params or {})
    begin, end = hooks.batch_hooks("predict")
    samples = source.samples if source.steps is None else None  # so many steps may be fewer samples, or more
    whole: list[np.ndarray] | None = None
    parts: list[list[np.ndarray]] = []
    done = index = 0
    with _progress(source, verbose) as step:
        hooks.on_predict_begin()
        for size, count, values in _results(function, source, begin, end is None):
            for rows, outputs in _joined(values, size, count):
                if done == 0 and rows == samples:
                    whole = outputs
                else:
                    if done == 0 and samples:
                        whole = _room(outputs, rows, samples)
                    if whole is not None and not _store(whole, outputs, done, rows):
                        parts, whole = [[room[:done] for room in whole]], None  # sizes that differ between batches
                        parts.append(outputs)
                    elif whole is None:
                        parts.append(outputs)
                done += rows
            index += count
            for tell in (end, step):
                if tell is not None:
                    tell(index - 1, {"batch": index - 1, "size": size * count})
        hooks.on_predict_end()
    if whole is not None:
        return whole
    if not parts:
        return []
    return [column[0] if len(column) == 1 else np.concatenate(column) for column in zip(*parts)]


def _joined(values: list[np.ndarray], size: int, count: int) -> list[tuple[int, list[np.ndarray]]]:
    """`(number of samples, outputs)` of several batches: all in one, if the outputs have a row for each sample."""
    if all(value.shape[1:2] == (size,) for value in values):
        return [(size * count, [value.reshape(size * count, *value.shape[2:]) for value in values])]
    return [(size, [value[k] for value in values]) for k in range(count)]


def _room(outputs: list[np.ndarray], size: int, samples: int) -> list[np.ndarray] | None:
    if any(output.ndim == 0 or output.shape[0] != size for output in outputs):
        return None
    return [np.empty((samples, *output.shape[1:]), output.dtype) for output in outputs]


def _store(whole: list[np.ndarray], outputs: list[np.ndarray], start: int, size: int) -> bool:
    if any(room.shape[1:] != output.shape[1:] or output.shape[0] != size for room, output in zip(whole, outputs)):
        return False
    for room, output in zip(whole, outputs):
        room[start:start + size] = output
    return True


class _progress:  # noqa: N801
    """A progress bar for a pass, for `verbose=1`; gives the function to call after one or several batches, or None."""

    def __init__(self, source: Any, verbose: int):
        self.verbose, self.source = verbose, source
        self.bar: Any = None

    def __enter__(self) -> Callable | None:
        if self.verbose != 1:
            return None
        from symgraph.utils.progress import Progbar

        samples = self.source.samples if self.source.steps is None else None
        self.bar = Progbar(samples if samples is not None else self.source.batches)
        seen = 0

        def step(index: int, logs: dict) -> None:
            nonlocal seen
            seen = seen + logs["size"] if samples is not None else index + 1
            self.bar.update(seen)

        return step

    def __exit__(self, *error: Any) -> None:
        if self.bar is not None:
            self.bar.close()
