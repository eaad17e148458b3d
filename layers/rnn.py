"""`RNN`: a loop over time around a cell; `StackedRNNCells`: several cells as one."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgraph import backend as K
from symgraph.engine.input_spec import InputSpec
from symgraph.engine.layer import Layer
from symgraph.graph.tensor import Tensor
from symgraph.ops.shape import full
from symgraph.utils.generic_utils import has_arg, to_list

__all__ = ["RNN", "StackedRNNCells"]


def state_shapes(cell: Any) -> list[tuple]:
    """The shapes of the states of a cell, without the batch."""
    sizes = cell.state_size
    sizes = [sizes] if hasattr(sizes, "__index__") else list(sizes)
    return [(int(size),) if hasattr(size, "__index__") else tuple(size) for size in sizes]


class StackedRNNCells(Layer):
    """Several cells as one: each reads the output of the one before.

    # Arguments
        cells: list of cells.
        reverse_state_order: whether the states of the last cell come first (as they did before Keras 2.2).
    """

    def __init__(self, cells: list, reverse_state_order: bool = False, **kwargs: Any):
        for cell in cells:
            check_cell(cell)
        super().__init__(**kwargs)
        self.cells = list(cells)
        self.reverse_state_order = reverse_state_order

    def _in_state_order(self) -> list:
        return self.cells[::-1] if self.reverse_state_order else self.cells

    @property
    def state_size(self) -> tuple:
        """The sizes of all states: cell by cell."""
        found: list = []
        for cell in self._in_state_order():
            size = cell.state_size
            found += [size] if hasattr(size, "__index__") else list(size)
        return tuple(found)

    @property
    def output_size(self) -> Any:
        """The size of the output: that of the last cell."""
        return output_size(self.cells[-1])

    def build(self, input_shape):
        constants = []
        if isinstance(input_shape, list):
            input_shape, constants = input_shape[0], input_shape[1:]
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                takes = constants and has_arg(cell.call, "constants")
                cell.build([input_shape, *constants] if takes else input_shape)
                cell.built = True
            size = output_size(cell)
            input_shape = (input_shape[0], *(size if isinstance(size, tuple) else (size,)))
        self.built = True

    def prepare(self, batch: Any, features: int, training: Any = None) -> None:
        """Draw the dropout masks of the cells that have some."""
        for cell in self.cells:
            if hasattr(cell, "prepare"):
                cell.prepare(batch, features, training)
            features = output_size(cell)

    def release(self) -> None:
        """Forget the dropout masks."""
        for cell in self.cells:
            if hasattr(cell, "release"):
                cell.release()

    def call(self, inputs, states, constants=None, training=None):
        return self._advance(inputs, states, constants, training, False)

    def project(self, inputs: Any) -> Any:
        """What the first cell can do with its input, time first, for all time steps at once (see `hoists`)."""
        return self.cells[0].project(inputs)

    def step(self, projected: Any, states: list) -> tuple[Any, list]:
        """One time step, given what `project` made of its input."""
        return self._advance(projected, states, None, None, True)

    def _advance(self, inputs: Any, states: Any, constants: Any, training: Any, projected: bool) -> tuple[Any, list]:
        """One time step of each cell; with `projected` the first cell gets what `project` made of its input."""
        pieces, start = {}, 0
        for cell in self._in_state_order():
            count = len(state_shapes(cell))
            pieces[id(cell)] = list(states[start:start + count])
            start += count
        for cell in self.cells:
            if projected and cell is self.cells[0]:
                inputs, new = cell.step(inputs, pieces[id(cell)])
            else:
                arguments: dict[str, Any] = {}
                if constants and has_arg(cell.call, "constants"):
                    arguments["constants"] = constants
                if has_arg(cell.call, "training"):
                    arguments["training"] = training
                inputs, new = cell.call(inputs, pieces[id(cell)], **arguments)
            pieces[id(cell)] = list(new)
        return inputs, [state for cell in self._in_state_order() for state in pieces[id(cell)]]

    def get_config(self):
        from symgraph.layers import serialize

        return {**super().get_config(), "cells": [serialize(cell) for cell in self.cells],
                "reverse_state_order": self.reverse_state_order}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        from symgraph.layers import deserialize

        config = dict(config)
        cells = [deserialize(cell, custom_objects=custom_objects) for cell in config.pop("cells")]
        return cls(cells, **config)


def check_cell(cell: Any) -> None:
    """Raise unless the object can serve as a cell."""
    for name in ("call", "state_size"):
        if not hasattr(cell, name):
            raise ValueError(
                f"A cell must have a `{name}`: `call(inputs, states)` gives (output, new states), `state_size` is the "
                f"size of the state or a list of sizes. Got {cell!r}."
            )


def output_size(cell: Any) -> Any:
    """The size of the output of a cell: what it says, or the size of its first state."""
    size = getattr(cell, "output_size", None)
    if size is None:
        shape = state_shapes(cell)[0]
        return shape[0] if len(shape) == 1 else shape
    return int(size) if hasattr(size, "__index__") else tuple(size)


class RNN(Layer):
    """Runs a cell over the time axis of its input.

    # Arguments
        cell: a cell, or a list of cells that are stacked. A cell has `state_size` (an integer or a list of them), a
        method
            `call(inputs, states)` that gives `(output, new states)`, and may have `output_size`, `build`, and arguments
            `constants` and `training` of `call`.
        return_sequences: whether to give the outputs of all time steps, or the last one.
        return_state: whether to give the final states after the output.
        go_backwards: whether to begin with the last time step.
        stateful: whether the final state of each sample starts the sample at the same place in the next batch.
        unroll: accepted; the loop is compiled in either case.

    # Input
        (batch, time, features); further inputs: initial states, then constants. `initial_state=` and `constants=` of
        the
        call do the same.
    # Output
        (batch, units), or (batch, time, units) with `return_sequences`; with `return_state` a list: the output, then
        the
        states (batch, units).
    # Masks
        Where the mask (batch, time) is false, the states stay and the output of the step before is repeated.
    """

    def __init__(self, cell: Any, return_sequences: bool = False, return_state: bool = False,
                 go_backwards: bool = False, stateful: bool = False, unroll: bool = False, **kwargs: Any):
        constants = kwargs.pop("num_constants", None)
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(list(cell))
        check_cell(cell)
        super().__init__(**kwargs)
        self.cell = cell
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.unroll = unroll
        self.supports_masking = True
        self.input_spec = [InputSpec(ndim=3)]
        self._states: list | None = None
        self._num_constants = constants
        self._batch_size: int | None = None

    # ------------------------------------------------------------------------------------------ shapes
    @property
    def states(self) -> list:
        """The states that a stateful layer keeps between batches; None for each state of another layer."""
        return [None] * len(state_shapes(self.cell)) if self._states is None else self._states

    @states.setter
    def states(self, states: list) -> None:
        self._states = states

    def compute_output_shape(self, input_shape):
        if isinstance(input_shape, list):
            input_shape = input_shape[0]
        batch, time = input_shape[:2]
        size = output_size(self.cell)
        sizes = size if isinstance(size, tuple) else (size,)
        output = (batch, time, *sizes) if self.return_sequences else (batch, *sizes)
        return [output, *((batch, *shape) for shape in state_shapes(self.cell))] if self.return_state else output

    def compute_mask(self, inputs, mask=None):
        if isinstance(mask, list):
            mask = mask[0]
        output = mask if self.return_sequences else None
        return [output, *([None] * len(state_shapes(self.cell)))] if self.return_state else output

    # ------------------------------------------------------------------------------------------ weights, states
    def build(self, input_shape):
        constants: list = []
        if isinstance(input_shape, list):
            if self._num_constants:
                constants = input_shape[-self._num_constants:]
            input_shape = input_shape[0]
        self._batch_size = input_shape[0] if self.stateful else None
        self.input_spec = [InputSpec(shape=(self._batch_size, None, *input_shape[2:]))]
        if isinstance(self.cell, Layer) and not self.cell.built:
            shape = (input_shape[0], *input_shape[2:])
            self.cell.build([shape, *constants] if constants else shape)
            self.cell.built = True
            self._name_weights()
        if self.stateful:
            self.reset_states()
        self.built = True

    def _name_weights(self) -> None:
        """Call the weights of the cell after the layer, as `lstm_1/kernel:0`."""
        if isinstance(self.cell, StackedRNNCells):
            return
        for weight in self.cell.weights:
            weight.name = f"{self.name}/{weight.name.split('/', 1)[-1]}"

    def get_initial_state(self, inputs: Any) -> list:
        """States of zeros for the batch of the inputs."""
        node = inputs.node
        return [Tensor(full((node.shape[0], *shape), 0, node.dtype), "initial_state")
                for shape in self._state_shapes(inputs)]

    def _state_shapes(self, inputs: Any) -> list[tuple]:
        return state_shapes(self.cell)

    def _stored_shapes(self) -> list[tuple]:
        """The shapes of the states that a stateful layer keeps, with the batch."""
        return [(self._batch_size, *shape) for shape in state_shapes(self.cell)]

    def reset_states(self, states: Any = None) -> None:
        """Set the states of a stateful layer.

        # Arguments
            states: an array (a list of arrays) of the shape (batch, units), or None for zeros.

        # Raises
            AttributeError: the layer is not stateful.
            ValueError: the batch size is not known, or arrays of another number or shape.
        """
        if not self.stateful:
            raise AttributeError(f"Layer {self.name!r} must be stateful (`stateful=True`) for its states to be reset.")
        if self._batch_size is None:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} is stateful, so it needs to know its batch size: in a "
                f"Sequential model "
                "give the first layer `batch_input_shape=(batch, ...)`, in a functional one "
                "`Input(batch_shape=(batch, ...))`."
            )
        shapes = self._stored_shapes()
        if self._states is None:
            self._states = [K.zeros(shape, dtype=self.dtype, name=f"{self.name}/state_{k}")
                            for k, shape in enumerate(shapes)]
            for state in self._states:
                state.trainable = False
        if states is None:
            values = [np.zeros(shape) for shape in shapes]
        else:
            values = list(states) if isinstance(states, (list, tuple)) else [states]
        if len(values) != len(shapes):
            raise ValueError(f"Layer {self.name!r} has {len(shapes)} states, but `reset_states` got {len(values)} "
                             f"values.")
        for index, (value, shape) in enumerate(zip(values, shapes)):
            if np.shape(value) != shape:
                raise ValueError(f"State {index} of layer {self.name!r} has the shape {shape}, the value for it has "
                                 f"the "
                                 f"shape {np.shape(value)}.")
        K.batch_set_value(list(zip(self._states, values)))

    # ------------------------------------------------------------------------------------------ the call
    def _split_inputs(self, inputs: Any, initial_state: Any, constants: Any) -> tuple[Any, list | None, list | None]:
        """Input, initial states and constants, whether they come in one list or by name."""
        if isinstance(inputs, (list, tuple)):
            rest = list(inputs[1:])
            inputs = inputs[0]
            if rest and (initial_state is not None or constants is not None):
                raise ValueError(f"Layer {self.name!r}: give the initial states and constants either in the list of "
                                 f"inputs "
                                 "or by name, not both.")
            if self._num_constants:
                rest, constants = rest[:-self._num_constants], rest[-self._num_constants:]
            initial_state = rest or None
        states = None if initial_state is None else to_list(initial_state, allow_tuple=True)
        return inputs, states, None if constants is None else to_list(constants, allow_tuple=True)

    def assert_input_compatibility(self, inputs):
        tensors = to_list(inputs, allow_tuple=True)
        super().assert_input_compatibility(tensors[:1])
        states = tensors[1:len(tensors) - (self._num_constants or 0)]
        shapes = self._given_state_shapes()
        if states and shapes is not None:
            found = [K.int_shape(state)[1:] for state in states]
            if len(found) != len(shapes) or any(len(a) != len(b) or any(x is not None and y is not None and x != y
                                                for x, y in zip(a, b)) for a, b in zip(found, shapes)):
                raise ValueError(f"An `initial_state` was passed to layer {self.name!r} that is not compatible with "
                                 f"`cell.state_size`: expected states of the shapes {shapes} (without the batch), "
                                 f"found "
                                 f"{found}.")

    def _given_state_shapes(self) -> list[tuple] | None:
        return state_shapes(self.cell)

    def __call__(self, inputs, initial_state=None, constants=None, **kwargs):
        inputs, initial_state, constants = self._split_inputs(inputs, initial_state, constants)
        if initial_state is None and constants is None:
            return super().__call__(inputs, **kwargs)
        if constants is not None:
            self._num_constants = len(constants)
            self._check_constants()
        further = [*(initial_state or []), *(constants or [])]
        made_by_layers = [getattr(tensor, "_keras_history", None) is not None for tensor in further]
        if all(made_by_layers):
            return super().__call__([inputs, *further], **kwargs)
        if any(made_by_layers):
            raise ValueError(f"Layer {self.name!r}: the initial states and constants must either all be outputs of "
                             f"layers "
                             "or all be other tensors; you cannot mix them.")
        if initial_state is not None:
            kwargs["initial_state"] = initial_state
        if constants is not None:
            kwargs["constants"] = constants
        return super().__call__(inputs, **kwargs)

    def _check_constants(self) -> None:
        if not has_arg(self.cell.call, "constants"):
            raise ValueError(f"The cell {type(self.cell).__name__} of layer {self.name!r} does not take constants: its "
                             "`call` needs an argument `constants`.")

    def call(self, inputs, mask=None, training=None, initial_state=None, constants=None):
        inputs, initial_state, constants = self._split_inputs(inputs, initial_state, constants)
        if isinstance(mask, list):
            mask = mask[0]
        if initial_state is None:
            initial_state = self.states if self.stateful else self.get_initial_state(inputs)
        count = len(state_shapes(self.cell))
        if len(initial_state) != count:
            raise ValueError(f"Layer {self.name!r} has {count} states but was passed {len(initial_state)} initial "
                             f"states.")
        timesteps = K.int_shape(inputs)[1]
        if self.unroll and timesteps is None:
            raise ValueError(f"Layer {self.name!r}: cannot unroll over a time dimension of unknown size; give the "
                             "number of time steps in the input shape, or leave `unroll=False`.")
        if constants:
            self._check_constants()
        last, outputs, states = self._loop(inputs, initial_state, mask, training, constants or [], timesteps)
        if self.stateful:
            self.add_update([K.update(old, new) for old, new in zip(self.states, states)], inputs)
        output = outputs if self.return_sequences else last
        return [output, *states] if self.return_state else output

    def _loop(self, inputs: Any, initial_state: list, mask: Any, training: Any, constants: list,
              timesteps: int | None) -> tuple:
        cell = self.cell
        if hasattr(cell, "prepare"):
            self._prepare(inputs, training)
        try:
            sequence = inputs
            if hoists(cell):
                # Time first, as the loop reads it: what is projected is the larger side.
                sequence, step = _exchanged(cell.project(_exchanged(inputs))), cell.step
            else:
                arguments = {"training": training} if has_arg(cell.call, "training") else {}

                def step(x: Any, states: list) -> tuple:
                    if constants:
                        held, given = states[:-len(constants)], states[-len(constants):]
                        return cell.call(x, held, constants=given, **arguments)
                    return cell.call(x, states, **arguments)

            return K.rnn(step, sequence, initial_state, go_backwards=self.go_backwards, mask=mask,
                         constants=constants or None, unroll=self.unroll, input_length=timesteps)
        finally:
            if hasattr(cell, "release"):
                cell.release()

    def _prepare(self, inputs: Any, training: Any) -> None:
        self.cell.prepare(inputs, K.int_shape(inputs)[-1], training)

    # ------------------------------------------------------------------------------------------ configuration
    def get_config(self):
        from symgraph.layers import serialize

        config = {**super().get_config(), "return_sequences": self.return_sequences,
                  "return_state": self.return_state, "go_backwards": self.go_backwards, "stateful": self.stateful,
                  "unroll": self.unroll, "cell": serialize(self.cell)}
        if self._num_constants is not None:
            config["num_constants"] = self._num_constants
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None):
        from symgraph.layers import deserialize

        config = dict(config)
        cell = deserialize(config.pop("cell"), custom_objects=custom_objects)
        config.pop("time_major", None)  # written by tf.keras; False is all that a file can say
        return cls(cell, **config)


def _exchanged(tensor: Any) -> Any:
    """(batch, time, ...) as (time, batch, ...), or back."""
    return K.permute_dimensions(tensor, (1, 0, *range(2, K.ndim(tensor))))


def hoists(cell: Any) -> bool:
    """Whether the cell's work on its input can be done for all time steps at once."""
    kind = type(cell)
    if not hasattr(kind, "project"):
        return False
    if isinstance(cell, StackedRNNCells) and not all(hoists(one) for one in cell.cells):
        return False
    # A subclass with a `call` of its own means what it says: `call` runs at each step.
    owner = next(base for base in kind.__mro__ if "call" in vars(base))
    return "project" in vars(owner)
