"""What a model makes of the data that it is given: checked lists of arrays, and sources of batches."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from symgraph.engine.data import (
    ArraySource,
    as_dense,
    check_lengths,
    check_targets,
    standardize_arrays,
    standardize_sample_weights,
)
from symgraph.engine.generators import GeneratorSource, is_sequence
from symgraph.graph.type import numpy_dtype

__all__ = ["Feeding"]


class Feeding:
    """The data side of `Model`."""

    name: str
    stateful: bool
    build: Any
    _compiled: Any
    _feed_inputs: list
    _feed_input_names: list
    _feed_input_shapes: list

    # ------------------------------------------------------------------------------------------ inputs
    def _standardize_inputs(self, x: Any) -> list:
        self._build_for(x)
        dtypes = [_numpy_dtype(tensor) for tensor in self._feed_inputs]
        inputs = standardize_arrays(x, self._feed_input_names, self._feed_input_shapes, dtypes, "input")
        missing = [name for name, array in zip(self._feed_input_names, inputs) if array is None]
        if missing:
            raise ValueError(f"No input data `x` for {', '.join(map(repr, missing))} of the model {self.name!r}.")
        return inputs

    def _build_for(self, x: Any) -> None:
        """Build a model that waits for its first data."""
        if self.__dict__.get("inputs") is not None:
            return
        arrays = x if isinstance(x, (list, tuple)) and x and hasattr(x[0], "shape") else [x]
        if isinstance(x, dict):
            arrays = list(x.values())
        shapes = [(None, *np.shape(array)[1:]) for array in arrays]
        self.build(shapes[0] if len(shapes) == 1 else shapes)

    def _build_for_batches(self, generator: Any) -> Any:
        """Build a model that waits for its first data by its first batch; the batches, with that one."""
        if self.__dict__.get("inputs") is not None:
            return generator
        if is_sequence(generator):
            batch = generator[0]
        elif hasattr(generator, "__next__"):
            batch = next(generator, None)
            generator = itertools.chain([batch], generator)
        else:
            batch = next(iter(generator), None)
        if batch is None:
            raise ValueError(f"The model {self.name!r} needs a batch to know its input, but the generator gave none.")
        self._build_for(batch[0] if isinstance(batch, tuple) else batch)
        return generator

    # ------------------------------------------------------------------------------------------ inputs and targets
    def _standardize_user_data(self, x: Any, y: Any, sample_weight: Any = None, class_weight: Any = None
                               ) -> tuple[list, list, list]:
        """Inputs, targets and sample weights as checked lists of arrays."""
        inputs = self._standardize_inputs(x)
        objective = self._compiled
        fed = [output for output in objective.trained if not output.given_target]
        if y is None and fed:
            raise ValueError(f"The model was compiled with a loss for {[output.name for output in fed]}: targets `y` "
                             "are needed.")
        if isinstance(y, dict) and len(objective.trained) < len(objective.outputs):
            y = {name: value for name, value in y.items() if name in {output.name for output in fed}}
        dtypes = [_numpy_dtype(output.output) for output in fed]
        targets = standardize_arrays(y, [output.name for output in fed], None, dtypes, "target")
        missing = [output.name for output, array in zip(fed, targets) if array is None]
        if missing:
            raise ValueError(f"No target data for {missing}.")
        check_targets(targets, fed)
        targets = [_with_last_axis(array, output) for array, output in zip(targets, fed)]
        check_lengths([("input", inputs), ("target", targets)])
        weights: list = []
        if sample_weight is not None or class_weight is not None:
            weights = standardize_sample_weights(sample_weight, class_weight, targets, fed)
        if all(weight is None for weight in weights):
            weights = [None] * len(objective.trained)
        if len(fed) == len(objective.trained):
            objective.prepare([array.shape[1:] for array in targets])
        return inputs, targets, weights

    @staticmethod
    def _split_weights(weights: list) -> tuple[tuple[bool, ...], list]:
        return tuple(weight is not None for weight in weights), [weight for weight in weights if weight is not None]

    def _array_source(self, arrays: list, batch_size: int | None, shuffle: Any = False, steps: int | None = None
                      ) -> ArraySource:
        size = self._size_of_batches(arrays, batch_size, steps)
        return ArraySource(arrays, size, shuffle, [_numpy_dtype(t) for t in self._feed_inputs] + [None] * len(arrays),
                           steps)

    def _size_of_batches(self, arrays: list, batch_size: int | None, steps: int | None) -> int:
        """The batch size, by default 32, if the arrays can be cut into batches of it."""
        size = 32 if batch_size is None else int(batch_size)
        if not arrays and steps is None:
            raise ValueError(f"The model {self.name!r} gets its data from tensors, not from arrays: say how many "
                             "batches with `steps_per_epoch` (`fit`) or `steps` (`evaluate`, `predict`).")
        if size < 1:
            raise ValueError(f"`batch_size` must be a positive number, got {batch_size!r}.")
        if arrays and arrays[0].shape[0] % size and self.stateful:
            raise ValueError(
                "In a stateful network, you should only pass inputs with a number of samples that can be divided by "
                "the "
                f"batch size. Found: {arrays[0].shape[0]} samples. Batch size: {size}."
            )
        return size

    def _batch_size(self, batch_size: int | None) -> int | None:
        """The batch size, which a model with a fixed one prescribes."""
        fixed = {shape[0] for shape in self._feed_input_shapes if shape and shape[0] is not None}
        if not fixed:
            return batch_size
        size = fixed.pop()
        if batch_size is not None and batch_size != size:
            raise ValueError(f"The `batch_size` argument value {batch_size} is incompatible with the batch size "
                             f"{size} of "
                             "the model's input.")
        return size

    # ------------------------------------------------------------------------------------------ generators
    @staticmethod
    def _refuse_with_generator(**given: Any) -> None:
        for name, value in given.items():
            if value is not None:
                raise ValueError(f"`{name}` cannot be given with a generator or Sequence: its batches say it.")

    def _generator_source(self, generator: Any, steps: int | None, max_queue_size: int, workers: int, steps_name: str,
                          shuffle: bool = False, class_weight: Any = None, with_targets: bool = True,
                          use_multiprocessing: bool = False) -> GeneratorSource:
        def arrays_of(batch: Any) -> tuple[int, Any]:
            if not with_targets:
                x = batch[0] if isinstance(batch, tuple) else batch
                inputs = self._standardize_inputs(x)
                return int(inputs[0].shape[0]), list(map(as_dense, inputs))
            if not isinstance(batch, (tuple, list)) or len(batch) not in {2, 3}:
                raise ValueError("Output of generator should be a tuple `(x, y, sample_weight)` or `(x, y)`. Found: "
                                 f"{type(batch).__name__}" + (f" of {len(batch)} items" if hasattr(batch, "__len__")
                                                              else ""))
            weight = batch[2] if len(batch) == 3 else None
            inputs, targets, weights = self._standardize_user_data(batch[0], batch[1], weight, class_weight)
            weighted, fed = self._split_weights(weights)
            arrays = [*map(as_dense, inputs), *map(as_dense, targets), *fed]
            return int(inputs[0].shape[0]), (weighted, arrays)

        return GeneratorSource(generator, arrays_of, steps=steps, max_queue_size=max_queue_size, workers=workers,
                               shuffle=shuffle, steps_name=steps_name, use_multiprocessing=use_multiprocessing)


# ---------------------------------------------------------------------------------------------- helpers
def _numpy_dtype(tensor: Any) -> np.dtype:
    return numpy_dtype(tensor.dtype)


def _with_last_axis(array: Any, output: Any) -> Any:
    """Class numbers of shape `(samples, time)` with the last axis of 1 that the target placeholder has."""
    expected = output.expected_target_shape
    if output.is_sparse and expected is not None and array.ndim == len(expected) - 1:
        return array[..., None]
    return array
