"""`Model`: a network with a loss, metrics and an optimizer - `compile`, `fit`, `evaluate`, `predict`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np

from symgraph import backend as K
from symgraph import optimizers
from symgraph.backend.random import with_own_step
from symgraph.engine import loop
from symgraph.engine.data import (
    as_dense,
    check_lengths,
    split_arrays,
)
from symgraph.engine.feeding import Feeding
from symgraph.engine.generators import is_generator
from symgraph.engine.input_layer import Input
from symgraph.engine.network import Network
from symgraph.engine.objective import Objective
from symgraph.engine.old_attributes import ModelAttributes
from symgraph.engine.substitution import after_updates
from symgraph.utils.generic_utils import unpack_singleton

__all__ = ["Model"]


class Model(Feeding, ModelAttributes, Network):
    """A network that can be trained.

    # Arguments
        inputs: an `Input` tensor or a list of them.
        outputs: a tensor or a list of them.
        name: name of the model.
    """

    #: What `compile` makes of losses and metrics; a dialect has its own.
    _objective_class: type[Objective] = Objective

    # ------------------------------------------------------------------------------------------ compile
    def compile(self, optimizer: Any, loss: Any = None, metrics: Any = None, loss_weights: Any = None,
                sample_weight_mode: Any = None, weighted_metrics: Any = None, target_tensors: Any = None,
                **kwargs: Any) -> None:
        """Set what training minimises and how.

        # Arguments
            optimizer: name or instance.
            loss: name, function or `Loss`; with several outputs a list or a dictionary by output name (None: the
                output is not trained).
            metrics: list of names, functions or `Metric`s; with several outputs also a dictionary or a list of lists.
                'accuracy' is chosen by the loss and the shape of the output.
            loss_weights: list or dictionary of factors of the outputs' losses.
            sample_weight_mode: 'temporal' for one weight a time step, None for one a sample.
            weighted_metrics: metrics that take the sample weights.
            target_tensors: tensors to use as targets in place of placeholders.

        # Raises
            ValueError: unknown names, or lists that do not fit the outputs.
        """
        if kwargs:
            raise TypeError(f"compile: unknown arguments {list(kwargs)}. Known: optimizer, loss, metrics, "
                            "loss_weights, "
                            "sample_weight_mode, weighted_metrics, target_tensors.")
        self.optimizer = optimizers.get(optimizer)
        self.__dict__.pop("_waiting_compile", None)
        if self.__dict__.get("inputs") is None:
            # The outputs are known once there are inputs: with the first data, or by `build`.
            self._waiting_compile = {
                "optimizer": self.optimizer, "loss": loss, "metrics": metrics, "loss_weights": loss_weights,
                "sample_weight_mode": sample_weight_mode, "weighted_metrics": weighted_metrics,
                "target_tensors": target_tensors,
            }
            return
        if not self.losses and all(one is None for one in (
                loss.values() if isinstance(loss, dict) else loss if isinstance(loss, (list, tuple)) else [loss])):
            raise ValueError("The model cannot be compiled because it has no loss to optimize: give `loss=` for at "
                             "least one output, or add one with `add_loss`.")
        self.loss = [] if loss is None else loss
        self._compile_metrics = metrics or []
        self._compile_weighted_metrics = weighted_metrics
        self.loss_weights = loss_weights
        self.sample_weight_mode = sample_weight_mode
        self._objective = self._objective_class(self, loss, metrics, loss_weights, sample_weight_mode, weighted_metrics,
                                                target_tensors)
        self._collected_trainable_weights = list(self.trainable_weights)
        self._collected_flags = self._trainable_flags()
        self._functions: dict = {}
        self._random_steps: dict = {}
        self._metrics_in_use = False

    @property
    def _compiled(self) -> Objective:
        objective = self.__dict__.get("_objective")
        if objective is None and "_waiting_compile" in self.__dict__:
            raise RuntimeError(f"The model {self.name!r} does not know its input yet: call `model.build(input_shape)` "
                               "first.")
        if objective is None:
            raise RuntimeError("You must compile your model before using it for training or testing. "
                               "Use `model.compile(optimizer, loss)`.")
        return objective

    def _forget_functions(self) -> None:
        """Drop the compiled functions, after a change of the graph."""
        self.__dict__["_functions"] = {}

    def _metrics_of_layers(self) -> list:
        found: list = list(self._metrics)
        for layer in self.layers:
            found += [metric for metric in layer._metrics_of_layers() if metric not in found]
        return found

    @property
    def metrics(self) -> list:
        """The metric objects."""
        objective = self.__dict__.get("_objective")
        return objective.metrics if objective else self._metrics_of_layers()

    @property
    def metrics_names(self) -> list[str]:
        """The names of what `evaluate` and `train_on_batch` give; metrics that give dictionaries are asked for them."""
        self._compiled.expand()
        return self._compiled.metrics_names

    def reset_metrics(self) -> None:
        """Set the metrics back to their start."""
        self._metrics_in_use = False
        self._compiled.reset()

    @property
    def targets(self) -> list:
        """The placeholders of the targets."""
        self._compiled.prepare()
        return [output.target for output in self._compiled.trained]

    @property
    def sample_weights(self) -> list:
        """The placeholders of the sample weights."""
        self._compiled.prepare()
        return [output.weights for output in self._compiled.trained]

    @property
    def total_loss(self) -> Any:
        """The scalar that training minimises, as a tensor of inputs, targets and sample weights."""
        objective = self._compiled
        return objective.graph((True,) * len(objective.trained))[0]

    @property
    def _feed_output_names(self) -> list[str]:
        return [output.name for output in self._compiled.trained if not output.given_target]

    # ------------------------------------------------------------------------------------------ functions
    def _function(self, mode: str, weighted: tuple[bool, ...] = ()) -> Callable[[list], list]:
        """The compiled function of a mode; `weighted`: which outputs get sample weights."""
        functions = self.__dict__.setdefault("_functions", {})
        key = (mode, weighted)
        if key not in functions:
            functions[key] = self._make_function(mode, weighted)
        return functions[key]

    def _make_function(self, mode: str, weighted: tuple[bool, ...]) -> Callable[[list], list]:
        if mode == "predict":
            return self._compiled_function(mode, self._feed_inputs, self.outputs, self.state_updates)
        objective = self._compiled
        total, results, updates = objective.graph(weighted)
        inputs = self._feed_inputs + objective.feeds()
        inputs += [output.weights for output, used in zip(objective.trained, weighted) if used]
        if mode == "test":
            updates = [*self.state_updates, *updates]
            return self._compiled_function(mode, inputs, [total, *results], updates)
        params = self._collected_trainable_weights
        with K.name_scope("training"):
            steps = self._optimizer_steps(total, params) if params else []
        updates = _in_sequence([*self.updates, *steps, *updates])
        return self._compiled_function(mode, inputs, [total, *results], updates)

    def _compiled_function(self, mode: str, inputs: list, outputs: list, updates: list) -> Callable[[list], list]:
        """A function with the learning phase built in; its random numbers depend on seeds and its own past alone."""
        outputs, updates = with_own_step(outputs, updates, self._random_step(mode))
        return K.function(inputs, outputs, updates=updates, name=f"{self.name}_{mode}",
                          learning_phase=1 if mode == "train" else 0)

    def _random_step(self, mode: str) -> Any:
        """The counter of the random numbers of a mode: how many batches there were since `compile`."""
        steps = self.__dict__.setdefault("_random_steps", {})
        if mode not in steps:
            steps[mode] = K.variable(0, dtype="uint32", name=f"{self.name}/{mode}_random_step")
        return steps[mode]

    def _optimizer_steps(self, total: Any, params: list) -> list:
        """The optimizer's updates of a training step."""
        return self.optimizer.get_updates(loss=total, params=params)

    def _make_train_function(self) -> None:
        """Make the train function, and with it the state of the optimizer."""
        self._function("train", (False,) * len(self._compiled.trained))

    def _trainable_flags(self) -> list[bool]:
        flags, pending = [], [self]
        while pending:
            layer = pending.pop()
            flags.append(layer.trainable)
            pending += layer._layers
        return flags

    def _make_test_function(self) -> None:
        """Make the test function."""
        self._function("test", (False,) * len(self._compiled.trained))

    def _make_predict_function(self) -> None:
        """Make the predict function."""
        self._function("predict")

    def _check_trainable_weights(self) -> None:
        if "_collected_flags" not in self.__dict__ or self._collected_flags == self._trainable_flags():
            return
        collected = self._collected_trainable_weights
        now = self.trainable_weights
        if len(now) != len(collected) or any(a is not b for a, b in zip(now, collected)):
            warnings.warn("Discrepancy between trainable weights and collected trainable weights, did you set "
                          "`model.trainable` without calling `model.compile` after ?", stacklevel=4)
        self._collected_flags = self._trainable_flags()

    # ------------------------------------------------------------------------------------------ building
    def build(self, input_shape: Any = None) -> None:
        """Make inputs of this shape (or these shapes), batch included, and call the model on them.

        Only a model with a `call` of its own needs it, and only to be complete before it sees data.
        """
        if not self._is_subclassed or self.__dict__.get("inputs") is not None:
            super().build(input_shape)
            return
        if input_shape is None:
            raise ValueError(f"The model {self.name!r} does not know its input: call `build(input_shape)`, or feed "
                             "data.")
        shapes = input_shape if isinstance(input_shape, list) else [input_shape]
        inputs = [Input(batch_shape=tuple(shape)) for shape in shapes]
        self.built = True
        outputs = self(inputs if isinstance(input_shape, list) else inputs[0])
        self.inputs, self.outputs = inputs, outputs if isinstance(outputs, list) else [outputs]
        self._gives_list = isinstance(outputs, list)
        self.input_names = [tensor._keras_history[0].name for tensor in inputs]
        self.output_names = [f"output_{number}" for number in range(1, len(self.outputs) + 1)]
        self._feed_inputs, self._feed_input_names = self.inputs, self.input_names
        self._feed_input_shapes = [tensor._keras_shape for tensor in inputs]
        self._compile_waiting()

    def _compile_waiting(self) -> None:
        """Do the `compile` that came before the inputs were known."""
        waiting = self.__dict__.pop("_waiting_compile", None)
        if waiting is not None:
            self.compile(**waiting)

    def _callback_model(self) -> Any:
        return self.__dict__.get("callback_model") or self

    # ------------------------------------------------------------------------------------------ fit
    def fit(self, x: Any = None, y: Any = None, batch_size: int | None = None, epochs: int = 1, verbose: int = 1,
            callbacks: list | None = None, validation_split: float = 0.0, validation_data: Any = None,
            shuffle: Any = True, class_weight: Any = None, sample_weight: Any = None, initial_epoch: int = 0,
            steps_per_epoch: int | None = None, validation_steps: int | None = None, validation_freq: Any = 1,
            max_queue_size: int = 10, workers: int = 1, use_multiprocessing: bool = False, **kwargs: Any) -> Any:
        """Train for a number of epochs.

        # Arguments
            x, y: arrays (lists or dictionaries of them for several inputs or outputs); or a generator or `Sequence` of
                `(inputs, targets)` or `(inputs, targets, sample weights)` batches, and no `y`.
            batch_size: samples a batch, 32 by default.
            epochs: the epoch (from 1) to train up to.
            verbose: 0: silent, 1: a progress bar, 2: one line an epoch.
            callbacks: list of `Callback`s.
            validation_split: this part of the data, taken from the end before any shuffling, is for validation.
            validation_data: `(x, y)` or `(x, y, sample_weight)`, or a generator of batches.
            shuffle: True: another order each epoch; 'batch': whole batches are shuffled; False.
            class_weight: dictionary from a class number to its weight, in training alone.
            sample_weight: array of weights, one a sample (or one a time step, see `compile`).
            initial_epoch: the epoch (from 0) to start at.
            steps_per_epoch, validation_steps: batches an epoch, and in a validation.
            validation_freq: validate every so many epochs, or after the epochs of a list.
            max_queue_size, workers: how many batches of a generator are read ahead, and by how many threads.
            use_multiprocessing: whether processes make the batches of a `Sequence`, in place of threads. (A generator
                is one stream: one thread reads it, so that no batch comes twice.)

        # Returns
            A `History`; `history.history` holds the values of each epoch.
        """
        if "nb_epoch" in kwargs:
            epochs = kwargs.pop("nb_epoch")
        if kwargs:
            raise TypeError(f"fit: unknown arguments {list(kwargs)}.")
        if is_generator(x):
            self._refuse_with_generator(y=y, batch_size=batch_size, sample_weight=sample_weight,
                                        validation_split=validation_split or None)
            return self.fit_generator(
                x, steps_per_epoch=steps_per_epoch, epochs=epochs, verbose=verbose, callbacks=callbacks,
                validation_data=validation_data, validation_steps=validation_steps, validation_freq=validation_freq,
                class_weight=class_weight, max_queue_size=max_queue_size, workers=workers,
                use_multiprocessing=use_multiprocessing, shuffle=shuffle, initial_epoch=initial_epoch)
        self._build_for(x)
        batch_size = self._batch_size(batch_size)
        inputs, targets, weights = self._standardize_user_data(x, y, sample_weight, class_weight)
        validate, held_out = None, None
        opened = ExitStack()
        if validation_data is not None:
            validate, held_out, count = self._validation(validation_data, batch_size, validation_steps, max_queue_size,
                                                         workers, opened)
        elif validation_split and 0.0 < validation_split < 1.0:
            samples = check_lengths([("input", inputs)]) or 0
            split = int(samples * (1.0 - validation_split))
            if split == 0 or split == samples:
                raise ValueError(f"validation_split={validation_split} of {samples} samples leaves no samples for "
                                 f"{'training' if split == 0 else 'validation'}.")
            # What is held out is weighted by the samples' weights alone: those of classes are for training.
            plain = weights if class_weight is None else self._standardize_user_data(x, y, sample_weight)[2]
            groups = [split_arrays(group, split, None) for group in (inputs, targets, plain)]
            inputs, targets, weights = (split_arrays(group, 0, split) for group in (inputs, targets, weights))
            validate, held_out = self._validate_arrays(groups[0], groups[1], groups[2], batch_size, validation_steps)
            count = samples - split
        elif validation_split:
            raise ValueError(f"`validation_split` must lie between 0 and 1, got {validation_split}.")
        else:
            count = None
        weighted, fed_weights = self._split_weights(weights)
        source = self._array_source([*inputs, *targets, *fed_weights], batch_size, shuffle, steps_per_epoch)
        self._check_trainable_weights()
        params = {"batch_size": source.batch_size, "epochs": epochs, "steps": source.batches,
                  "samples": None if steps_per_epoch else source.samples, "verbose": verbose,
                  "do_validation": validate is not None, "metrics": self._reported_names(validate is not None),
                  "validation_samples": count}
        with opened:
            return loop.fit(self, self._function("train", weighted), source, epochs=epochs, initial_epoch=initial_epoch,
                            verbose=verbose, callbacks=callbacks, validate=validate, validation_freq=validation_freq,
                            params=params, validation_data=held_out)

    def _reported_names(self, with_validation: bool) -> list[str]:
        names = self.metrics_names
        return names + [f"val_{name}" for name in names] if with_validation else list(names)

    def _validation(self, data: Any, batch_size: int | None, steps: int | None, max_queue_size: int, workers: int,
                    opened: ExitStack) -> tuple[Callable, list | None, int | None]:
        """What evaluates the validation data; the arrays; the number of samples. `opened` closes what reads ahead."""
        if is_generator(data):
            source = opened.enter_context(self._generator_source(data, steps, max_queue_size, workers,
                                                                 "validation_steps"))

            def validate(hooks: Any) -> list:
                return self._evaluate_source(source, callbacks=hooks)

            validate.source = source  # type: ignore[attr-defined]  # where in the data it is belongs to a backup
            return validate, None, None
        if not isinstance(data, (list, tuple)) or len(data) not in {2, 3}:
            raise ValueError("When passing `validation_data`, it must contain 2 (x_val, y_val) or 3 (x_val, y_val, "
                             f"val_sample_weights) items, or be a generator; got {type(data).__name__}"
                             + (f" of {len(data)} items." if hasattr(data, "__len__") else "."))
        inputs, targets, weights = self._standardize_user_data(data[0], data[1], data[2] if len(data) == 3 else None)
        function, arrays = self._validate_arrays(inputs, targets, weights, batch_size, steps)
        return function, arrays, check_lengths([("input", inputs)])

    def _validate_arrays(self, inputs: list, targets: list, weights: list, batch_size: int | None, steps: int | None
                         ) -> tuple[Callable, list]:
        weighted, fed = self._split_weights(weights)
        source = self._array_source([*inputs, *targets, *fed], batch_size, False, steps)

        def validate(hooks: Any) -> list:
            return loop.evaluate(self, self._function("test", weighted), source, callbacks=hooks)

        validate.source = source  # type: ignore[attr-defined]
        samples = check_lengths([("input", inputs)]) or 0
        shown = [np.ones((samples,), "float32") if weight is None else weight for weight in weights]
        return validate, [*inputs, *targets, *shown]

    # ------------------------------------------------------------------------------------------ evaluate, predict
    def evaluate(self, x: Any = None, y: Any = None, batch_size: int | None = None, verbose: int = 1,
                 sample_weight: Any = None, steps: int | None = None, callbacks: list | None = None,
                 max_queue_size: int = 10, workers: int = 1, use_multiprocessing: bool = False) -> Any:
        """The loss and the metrics on data, in test mode.

        # Arguments
            x, y, batch_size, sample_weight: as in `fit`.
            verbose: 1: a progress bar.
            steps: number of batches.
            callbacks: list of `Callback`s.

        # Returns
            The loss, or a list of the loss and the metrics (`metrics_names` names them).
        """
        if is_generator(x):
            self._refuse_with_generator(y=y, batch_size=batch_size, sample_weight=sample_weight)
            return self.evaluate_generator(x, steps=steps, callbacks=callbacks, max_queue_size=max_queue_size,
                                           workers=workers, use_multiprocessing=use_multiprocessing, verbose=verbose)
        inputs, targets, weights = self._standardize_user_data(x, y, sample_weight)
        weighted, fed = self._split_weights(weights)
        source = self._array_source([*inputs, *targets, *fed], self._batch_size(batch_size), False, steps)
        values = loop.evaluate(self, self._function("test", weighted), source, verbose=verbose, callbacks=callbacks,
                               params={"batch_size": source.batch_size, "steps": source.batches,
                                       "samples": source.samples, "verbose": verbose, "epochs": 1,
                                       "do_validation": False, "metrics": self.metrics_names})
        return unpack_singleton(values)

    def _evaluate_source(self, source: Any, verbose: int = 0, callbacks: Any = None) -> list:
        def function(arrays: Any) -> list:
            weighted, fed = arrays
            return self._function("test", weighted)(fed)

        return loop.evaluate(self, function, source, verbose=verbose, callbacks=callbacks,
                             params={"steps": source.batches, "verbose": verbose, "metrics": self.metrics_names})

    def predict(self, x: Any, batch_size: int | None = None, verbose: int = 0, steps: int | None = None,
                callbacks: list | None = None, max_queue_size: int = 10, workers: int = 1,
                use_multiprocessing: bool = False) -> Any:
        """The outputs for data, in test mode.

        # Arguments
            x, batch_size: as in `fit`.
            verbose: 1: a progress bar.
            steps: number of batches.

        # Returns
            An array, or a list of arrays for several outputs.
        """
        if is_generator(x):
            return self.predict_generator(x, steps=steps, callbacks=callbacks, max_queue_size=max_queue_size,
                                          workers=workers, use_multiprocessing=use_multiprocessing, verbose=verbose)
        inputs = self._standardize_inputs(x)
        rows = check_lengths([("input", inputs)])
        batch_size = self._batch_size(batch_size)
        if rows == 0:
            return self._on_inputs(inputs)  # no rows, of the shape and dtype that rows would have
        if not (verbose or callbacks or steps) and rows and rows <= self._size_of_batches(inputs, batch_size, steps):
            return self._on_inputs(inputs)  # one batch, and nobody to be told of it
        source = self._array_source(inputs, batch_size, False, steps)
        outputs = loop.predict(self, self._function("predict"), source, verbose=verbose, callbacks=callbacks,
                               params={"batch_size": source.batch_size, "steps": source.batches,
                                       "samples": source.samples, "verbose": verbose})
        return unpack_singleton(outputs)

    # ------------------------------------------------------------------------------------------ single batches
    def train_on_batch(self, x: Any, y: Any, sample_weight: Any = None, class_weight: Any = None,
                       reset_metrics: bool = True) -> Any:
        """One update on one batch.

        # Arguments
            x, y, sample_weight, class_weight: as in `fit`.
            reset_metrics: whether the metrics are of this batch alone.

        # Returns
            The loss before the update, or a list of the loss and the metrics.
        """
        inputs, targets, weights = self._standardize_user_data(x, y, sample_weight, class_weight)
        self._check_trainable_weights()
        return self._on_batch("train", inputs, targets, weights, reset_metrics)

    def test_on_batch(self, x: Any, y: Any, sample_weight: Any = None, reset_metrics: bool = True) -> Any:
        """The loss, or a list of the loss and the metrics, on one batch in test mode."""
        inputs, targets, weights = self._standardize_user_data(x, y, sample_weight)
        return self._on_batch("test", inputs, targets, weights, reset_metrics)

    def _on_batch(self, mode: str, inputs: list, targets: list, weights: list, reset_metrics: bool) -> Any:
        if check_lengths([("input", inputs)]) == 0:
            raise ValueError(f"{mode}_on_batch: the batch is empty; a mean over no samples would be NaN.")
        weighted, fed = self._split_weights(weights)
        if self._metrics_in_use:  # what `fit` or `evaluate` left
            self.reset_metrics()
        values = self._function(mode, weighted)([*map(as_dense, inputs), *map(as_dense, targets), *fed])
        if reset_metrics:
            self.reset_metrics()
        return unpack_singleton([value[()] for value in values])

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch."""
        return self._on_inputs(self._standardize_inputs(x))

    def _on_inputs(self, inputs: list) -> Any:
        return unpack_singleton(self._function("predict")(list(map(as_dense, inputs))))

    # ------------------------------------------------------------------------------------------ generators
    def fit_generator(self, generator: Any, steps_per_epoch: int | None = None, epochs: int = 1, verbose: int = 1,
                      callbacks: list | None = None, validation_data: Any = None, validation_steps: int | None = None,
                      validation_freq: Any = 1, class_weight: Any = None, max_queue_size: int = 10, workers: int = 1,
                      use_multiprocessing: bool = False, shuffle: Any = True, initial_epoch: int = 0) -> Any:
        """Train on the batches of a generator or `Sequence`; see `fit`."""
        generator = self._build_for_batches(generator)
        self._compiled  # noqa: B018 - the error of a model that is not compiled comes before any data are read
        source = self._generator_source(generator, steps_per_epoch, max_queue_size, workers, "steps_per_epoch",
                                        bool(shuffle), class_weight, use_multiprocessing=use_multiprocessing)
        validate, held_out = None, None
        opened = ExitStack()
        opened.enter_context(source)
        if validation_data is not None:
            validate, held_out, _ = self._validation(validation_data, None, validation_steps, max_queue_size, workers,
                                                     opened)
        self._check_trainable_weights()

        def function(arrays: Any) -> list:
            weighted, fed = arrays
            return self._function("train", weighted)(fed)

        params = {"epochs": epochs, "steps": source.batches, "samples": None, "verbose": verbose,
                  "do_validation": validate is not None, "metrics": self._reported_names(validate is not None)}
        with opened:
            return loop.fit(self, function, source, epochs=epochs, initial_epoch=initial_epoch, verbose=verbose,
                            callbacks=callbacks, validate=validate, validation_freq=validation_freq, params=params,
                            validation_data=held_out)

    def evaluate_generator(self, generator: Any, steps: int | None = None, callbacks: list | None = None,
                           max_queue_size: int = 10, workers: int = 1, use_multiprocessing: bool = False,
                           verbose: int = 0) -> Any:
        """`evaluate` on the batches of a generator or `Sequence`."""
        generator = self._build_for_batches(generator)
        source = self._generator_source(generator, steps, max_queue_size, workers, "steps",
                                        use_multiprocessing=use_multiprocessing)
        with source:
            return unpack_singleton(self._evaluate_source(source, verbose, callbacks))

    def predict_generator(self, generator: Any, steps: int | None = None, callbacks: list | None = None,
                          max_queue_size: int = 10, workers: int = 1, use_multiprocessing: bool = False,
                          verbose: int = 0) -> Any:
        """`predict` on the batches of a generator or `Sequence`."""
        generator = self._build_for_batches(generator)
        source = self._generator_source(generator, steps, max_queue_size, workers, "steps", with_targets=False,
                                        use_multiprocessing=use_multiprocessing)
        with source:
            return unpack_singleton(loop.predict(self, self._function("predict"), source, verbose=verbose,
                                                 callbacks=callbacks, params={"steps": source.batches}))


# ---------------------------------------------------------------------------------------------- helpers
def _in_sequence(updates: list) -> list:
    """Updates in which each variable occurs once: what comes later builds on what came before.

    A shared BatchNormalization, for one, updates its moving mean once for each of its calls.
    """
    seen: dict[int, int] = {}
    kept: list = []
    for update in updates:
        variable, value = update
        position = seen.get(id(variable))
        if position is None:
            seen[id(variable)] = len(kept)
            kept.append(update)
        elif kept[position] is not update:
            kept[position] = (variable, after_updates([value], [kept[position]])[0])
    return kept
