"""The loops of training under the names that Keras gives them: thin functions over the one loop.

`fit_loop`, `test_loop` and `predict_loop` run any function of a list of arrays; those on generators are the methods of
the model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symgraph.engine import loop
from symgraph.engine.data import ArraySource
from symgraph.engine.training_utils import check_num_samples
from symgraph.utils.generic_utils import unpack_singleton

__all__ = ["evaluate_generator", "fit_generator", "fit_loop", "predict_generator", "predict_loop", "test_loop"]


def _batches(inputs: list | None, batch_size: int | None, steps: int | None, steps_name: str, shuffle: Any = False
             ) -> tuple[ArraySource, list]:
    """The arrays as a source of batches, and the numbers (a learning phase) that stand at the end of the list."""
    arrays = list(inputs or [])
    numbers: list = []
    while arrays and not np.ndim(arrays[-1]):
        numbers.insert(0, arrays.pop())
    if arrays:
        check_num_samples(arrays, batch_size, steps, steps_name)
    elif steps is None:
        raise ValueError(f"There are no arrays: say how many batches with `{steps_name}`.")
    return ArraySource(arrays, batch_size or 32, shuffle, [None] * len(arrays), steps), numbers


def _with(function: Callable, numbers: list) -> Callable:
    """The function for the arrays of a batch; what does not change between batches follows them."""
    return (lambda arrays: list(function([*arrays, *numbers]))) if numbers else lambda arrays: list(function(arrays))


def fit_loop(model: Any, fit_function: Callable, fit_inputs: list, out_labels: list[str] | None = None,
             batch_size: int | None = None, epochs: int = 100, verbose: int = 1, callbacks: list | None = None,
             val_function: Callable | None = None, val_inputs: list | None = None, shuffle: Any = True,
             initial_epoch: int = 0, steps_per_epoch: int | None = None, validation_steps: int | None = None,
             validation_freq: Any = 1) -> Any:
    """Train with a function of a list of arrays.

    # Arguments
        model: a compiled model.
        fit_function: gets the arrays of a batch, gives `[loss, metrics...]`.
        fit_inputs: the arrays; a learning phase may stand at the end.
        out_labels: names of what the function gives: those of the model.
        batch_size, epochs, verbose, callbacks, shuffle, initial_epoch, steps_per_epoch, validation_steps,
            validation_freq: as in `Model.fit`.
        val_function, val_inputs: the same for validation, or None.

    # Returns
        A `History`.

    # Raises
        ValueError: labels other than the model's names, or no number of samples or steps.
    """
    if out_labels is not None and list(out_labels) != list(model.metrics_names):
        raise ValueError(f"`out_labels` should be the names of the model's results, {model.metrics_names}, got "
                         f"{list(out_labels)}.")
    source, numbers = _batches(fit_inputs, batch_size, steps_per_epoch, "steps_per_epoch", shuffle)
    validate = None
    if val_function is not None and (val_inputs or validation_steps):
        held, constants = _batches(val_inputs, batch_size if validation_steps is None else None, validation_steps,
                                   "validation_steps")
        evaluation = _with(val_function, constants)

        def validate(hooks: Any) -> list:
            return loop.evaluate(model, evaluation, held, callbacks=hooks)

    names = list(model.metrics_names)
    params = {
        "batch_size": batch_size, "epochs": epochs, "steps": steps_per_epoch or source.batches,
        "samples": source.samples if steps_per_epoch is None else None, "verbose": verbose,
        "do_validation": validate is not None,
        "metrics": names + ([f"val_{name}" for name in names] if validate is not None else []),
    }
    return loop.fit(model, _with(fit_function, numbers), source, epochs=epochs, initial_epoch=initial_epoch,
                    verbose=verbose, callbacks=callbacks, validate=validate, validation_freq=validation_freq,
                    params=params, validation_data=val_inputs)


def test_loop(model: Any, f: Callable, ins: list, batch_size: int | None = None, verbose: int = 0,
              steps: int | None = None, callbacks: Any = None) -> Any:
    """`[loss, metrics...]` (a number if there is one) of a function over all batches of arrays; see `fit_loop`."""
    source, numbers = _batches(ins, batch_size, steps, "steps")
    params = {"batch_size": batch_size, "steps": steps or source.batches, "samples": source.samples,
              "verbose": verbose}
    return unpack_singleton(loop.evaluate(model, _with(f, numbers), source, verbose=verbose, callbacks=callbacks,
                                          params=params))


def predict_loop(model: Any, f: Callable, ins: list, batch_size: int = 32, verbose: int = 0, steps: int | None = None,
                 callbacks: list | None = None) -> Any:
    """The outputs of a function for all batches of arrays: an array, or a list of them; see `fit_loop`."""
    source, numbers = _batches(ins, None if steps is not None else batch_size, steps, "steps")
    params = {"batch_size": batch_size, "steps": steps or source.batches, "samples": source.samples,
              "verbose": verbose}
    return unpack_singleton(loop.predict(model, _with(f, numbers), source, verbose=verbose, callbacks=callbacks,
                                         params=params))


test_loop.__test__ = False  # type: ignore[attr-defined] # no test, whatever its name looks like to pytest


def fit_generator(model: Any, generator: Any, steps_per_epoch: int | None = None, epochs: int = 1, verbose: int = 1,
                  callbacks: list | None = None, validation_data: Any = None, validation_steps: int | None = None,
                  validation_freq: Any = 1, class_weight: Any = None, max_queue_size: int = 10, workers: int = 1,
                  use_multiprocessing: bool = False, shuffle: bool = True, initial_epoch: int = 0) -> Any:
    """`model.fit_generator`."""
    return model.fit_generator(
        generator, steps_per_epoch=steps_per_epoch, epochs=epochs, verbose=verbose, callbacks=callbacks,
        validation_data=validation_data, validation_steps=validation_steps, validation_freq=validation_freq,
        class_weight=class_weight, max_queue_size=max_queue_size, workers=workers,
        use_multiprocessing=use_multiprocessing, shuffle=shuffle, initial_epoch=initial_epoch)


def evaluate_generator(model: Any, generator: Any, steps: int | None = None, callbacks: list | None = None,
                       max_queue_size: int = 10, workers: int = 1, use_multiprocessing: bool = False,
                       verbose: int = 0) -> Any:
    """`model.evaluate_generator`."""
    return model.evaluate_generator(generator, steps=steps, callbacks=callbacks, max_queue_size=max_queue_size,
                                    workers=workers, use_multiprocessing=use_multiprocessing, verbose=verbose)


def predict_generator(model: Any, generator: Any, steps: int | None = None, callbacks: list | None = None,
                      max_queue_size: int = 10, workers: int = 1, use_multiprocessing: bool = False,
                      verbose: int = 0) -> Any:
    """`model.predict_generator`."""
    return model.predict_generator(generator, steps=steps, callbacks=callbacks, max_queue_size=max_queue_size,
                                   workers=workers, use_multiprocessing=use_multiprocessing, verbose=verbose)
