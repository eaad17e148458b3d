"""`Recurrent` and `ConvRecurrent2D`: the abstract loops of Keras before cells, for layers that users derive from them.

A derived layer gives `build`, which sets `self.units` (or the constructor does) and `self.states = [None, ...]`, and
`step(inputs, states)`, which gives `(output, new states)` for one time step; it may give `get_constants`, tensors that
each step finds behind the states, and `preprocess_input`, work on the input of all time steps at once.
"""

from __future__ import annotations

from abc import ABCMeta
from typing import Any

import numpy as np

from symgraph import backend as K
from symgraph.engine.input_spec import InputSpec
from symgraph.engine.layer import Layer
from symgraph.graph.tensor import Tensor
from symgraph.layers import RNN, ConvRNN2D
from symgraph.ops.shape import full
from symgraph.utils.conv_utils import conv_output_length, normalize_data_format, normalize_padding, normalize_tuple
from symgraph.utils.generic_utils import has_arg, to_list

__all__ = ["ConvRecurrent2D", "Recurrent", "blank_pictures", "blank_rows", "run_steps"]


def run_steps(layer: Any, inputs: Any, sequence: Any, states: list, constants: list, mask: Any) -> Any:
    """Run `layer.step` over time; note the new states of a stateful layer.

    # Arguments
        layer: has `step`, `states` and the flags of a recurrent layer.
        inputs: the input of the layer.
        sequence: what `step` reads: the input after `preprocess_input`.
        states: the initial states.
        constants: what `step` finds behind the states.
        mask: (batch, time), or None.

    # Returns
        The output, or with `return_state` a list of it and the final states.

    # Raises
        ValueError: another number of states than the layer has; `unroll` over an unknown number of steps.
    """
    if len(states) != len(layer.states):
        raise ValueError(f"Layer {layer.name!r} has {len(layer.states)} states but was passed {len(states)} initial "
                         f"states.")
    steps = K.int_shape(inputs)[1]
    if layer.unroll and steps is None:
        raise ValueError(f"Layer {layer.name!r}: cannot unroll over a time dimension of unknown size; give the number "
                         "of time steps in the input shape, or leave `unroll=False`.")
    last, outputs, final = K.rnn(layer.step, sequence, states, go_backwards=layer.go_backwards,
                                 mask=mask[0] if isinstance(mask, list) else mask, constants=constants or None,
                                 unroll=layer.unroll, input_length=steps)
    if layer.stateful:
        layer.add_update([K.update(old, new) for old, new in zip(layer.states, final)], inputs)
    output = outputs if layer.return_sequences else last
    return [output, *final] if getattr(layer, "return_state", False) else output


def blank_rows(inputs: Any, size: int, count: int) -> list:
    """States of zeros, (batch, size), for the batch of the inputs."""
    node = inputs.node
    return [Tensor(full((node.shape[0], int(size)), 0, node.dtype), "initial_state") for _ in range(count)]


def blank_pictures(inputs: Any, filters: int, window: tuple, strides: Any, padding: str, data_format: str, count: int,
                   dilation: Any = (1, 1)) -> list:
    """States of zeros, of the shape that a convolution makes of one time step of the inputs."""
    first = inputs[:, 0]
    channels = K.int_shape(first)[1 if data_format == "channels_first" else -1]
    kernel = K.constant(np.zeros((*window, channels, filters)), dtype=K.dtype(inputs))
    blank = K.zeros_like(K.conv2d(first, kernel, strides=strides, padding=padding, data_format=data_format,
                                  dilation_rate=dilation))
    return [blank] * count


class Recurrent(Layer, metaclass=ABCMeta):
    """Abstract: derive from it and give `build` and `step`; see the module. (`RNN` with a cell is today's way.)

    # Arguments
        return_sequences: whether to give the outputs of all time steps, or the last one.
        return_state: whether to give the final states after the output.
        go_backwards: whether to begin with the last time step.
        stateful: whether the final state of each sample starts the sample at the same place in the next batch.
        unroll: accepted; the loop is compiled in either case.
        implementation: for the derived layer to read.

    # Input
        (batch, time, features); further inputs, or `initial_state=` of the call: initial states.
    # Output
        (batch, units), or (batch, time, units) with `return_sequences`; with `return_state` a list.
    """

    def __init__(self, return_sequences: bool = False, return_state: bool = False, go_backwards: bool = False,
                 stateful: bool = False, unroll: bool = False, implementation: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        self.return_sequences, self.return_state, self.go_backwards = return_sequences, return_state, go_backwards
        self.stateful, self.unroll, self.implementation = stateful, unroll, implementation
        self.supports_masking = True
        self.input_spec = [InputSpec(ndim=3)]
        self.state_spec: Any = None
        self.dropout = self.recurrent_dropout = 0.0
        self.states: list = [None]

    # ------------------------------------------------------------------------------------------ to be given
    def step(self, inputs: Any, states: list) -> tuple[Any, list]:
        """One time step: the output and the new states. `states` holds the constants after the states."""
        raise NotImplementedError(f"{type(self).__name__} must define `step(inputs, states)`, which gives (output, "
                                  "new states).")

    def get_constants(self, inputs: Any, training: Any = None) -> list:
        """Tensors that each step finds behind the states."""
        return []

    def preprocess_input(self, inputs: Any, training: Any = None) -> Any:
        """What `step` reads, for all time steps at once."""
        return inputs

    def get_initial_state(self, inputs: Any) -> list:
        """States of zeros for the batch of the inputs."""
        return blank_rows(inputs, self.units, len(self.states))

    # ------------------------------------------------------------------------------------------ shapes, masks
    def _output_of(self, batch: Any, time: Any) -> tuple:
        return (batch, time, self.units) if self.return_sequences else (batch, self.units)

    def _state_shape(self, batch: Any) -> tuple:
        return (batch, self.units)

    def compute_output_shape(self, input_shape):
        shape = input_shape[0] if isinstance(input_shape, list) else input_shape
        output = self._output_of(shape[0], shape[1])
        return [output, *[self._state_shape(shape[0])] * len(self.states)] if self.return_state else output

    def compute_mask(self, inputs, mask=None):
        mask = mask[0] if isinstance(mask, list) else mask
        output = mask if self.return_sequences else None
        return [output, *[None] * len(self.states)] if self.return_state else output

    # ------------------------------------------------------------------------------------------ the call
    def assert_input_compatibility(self, inputs):
        super().assert_input_compatibility(to_list(inputs, allow_tuple=True)[:1])

    def __call__(self, inputs, initial_state=None, **kwargs):
        if isinstance(inputs, (list, tuple)) and initial_state is None:
            inputs, initial_state = inputs[0], list(inputs[1:]) or None
        if initial_state is None:
            return super().__call__(inputs, **kwargs)
        states = to_list(initial_state, allow_tuple=True)
        made_by_layers = [getattr(tensor, "_keras_history", None) is not None for tensor in states]
        if all(made_by_layers):
            return super().__call__([inputs, *states], **kwargs)
        if any(made_by_layers):
            raise ValueError(f"Layer {self.name!r}: the initial states must either all be outputs of layers or all be "
                             "other tensors; you cannot mix them.")
        return super().__call__(inputs, initial_state=states, **kwargs)

    def call(self, inputs, mask=None, training=None, initial_state=None):
        if isinstance(inputs, list):
            inputs, initial_state = inputs[0], inputs[1:]
        if initial_state is None:
            initial_state = self.states if self.stateful else self.get_initial_state(inputs)

        def asked(method: Any) -> Any:
            return method(inputs, training=training) if has_arg(method, "training") else method(inputs)

        return run_steps(self, inputs, asked(self.preprocess_input), list(initial_state), asked(self.get_constants),
                         mask)

    # ------------------------------------------------------------------------------------------ states
    def reset_states(self, states: Any = None) -> None:
        """Set the states of a stateful layer: zeros, or an array (a list of arrays) of their shape.

        # Raises
            AttributeError: the layer is not stateful.
            ValueError: the batch size is not known, or arrays of another number or shape.
        """
        if not self.stateful:
            raise AttributeError(f"Layer {self.name!r} must be stateful (`stateful=True`) for its states to be reset.")
        spec = self.input_spec[0] if isinstance(self.input_spec, (list, tuple)) else self.input_spec
        batch = spec.shape[0] if spec is not None and spec.shape else None
        if not batch:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} is stateful, so it needs to know its batch size: in a Sequential "
                "model give the first layer `batch_input_shape=(batch, ...)`, in a functional one "
                "`Input(batch_shape=(batch, ...))`, and let `build` set `input_spec` to the whole shape.")
        shape = self._state_shape(batch)
        if self.states[0] is None:
            self.states = [K.zeros(shape, name=f"{self.name}/state_{number}") for number in range(len(self.states))]
        values = [np.zeros(shape)] * len(self.states) if states is None else to_list(states, allow_tuple=True)
        if len(values) != len(self.states):
            raise ValueError(f"Layer {self.name!r} has {len(self.states)} states, but `reset_states` got "
                             f"{len(values)} values.")
        for index, value in enumerate(values):
            if np.shape(value) != shape:
                raise ValueError(f"State {index} of layer {self.name!r} has the shape {shape}, the value for it has "
                                 f"the shape {np.shape(value)}.")
        K.batch_set_value(list(zip(self.states, values)))

    def get_config(self):
        return {**super().get_config(), "return_sequences": self.return_sequences, "return_state": self.return_state,
                "go_backwards": self.go_backwards, "stateful": self.stateful, "unroll": self.unroll,
                "implementation": self.implementation}


class ConvRecurrent2D(Recurrent):
    """Abstract: a `Recurrent` whose steps are pictures and whose states are what a convolution makes of them.

    # Arguments
        filters: channels of the output.
        kernel_size, strides, padding, data_format, dilation_rate: of the convolution of the input, see `Conv2D`.
        return_sequences, go_backwards, stateful: see `Recurrent`.

    # Input
        (batch, time, rows, columns, channels), or with 'channels_first' (batch, time, channels, rows, columns)
    # Output
        the same with `filters` channels and the picture that the convolution makes; one step without
        `return_sequences`
    """

    def __init__(self, filters: int, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid",
                 data_format: str | None = None, dilation_rate: Any = (1, 1), return_sequences: bool = False,
                 go_backwards: bool = False, stateful: bool = False, **kwargs: Any):
        super().__init__(return_sequences=return_sequences, go_backwards=go_backwards, stateful=stateful, **kwargs)
        self.filters = filters
        self.kernel_size = normalize_tuple(kernel_size, 2, "kernel_size")
        self.strides = normalize_tuple(strides, 2, "strides")
        self.padding = normalize_padding(padding)
        self.data_format = normalize_data_format(data_format)
        self.dilation_rate = normalize_tuple(dilation_rate, 2, "dilation_rate")
        self.input_spec = [InputSpec(ndim=5)]

    def get_initial_state(self, inputs):
        return blank_pictures(inputs, self.filters, self.kernel_size, self.strides, self.padding, self.data_format,
                              len(self.states), self.dilation_rate)

    def compute_output_shape(self, input_shape):
        shape = input_shape[0] if isinstance(input_shape, list) else input_shape
        output = self._picture(shape)
        with_time = (shape[0], shape[1], *output) if self.return_sequences else (shape[0], *output)
        return [with_time, *[(shape[0], *output)] * len(self.states)] if self.return_state else with_time

    def _picture(self, shape: tuple) -> tuple:
        """The shape of a state, without the batch, for the shape of the input."""
        first = self.data_format == "channels_first"
        sizes = tuple(
            conv_output_length(size, window, self.padding, stride, dilation) for size, window, stride, dilation in zip(
                shape[3:] if first else shape[2:4], self.kernel_size, self.strides, self.dilation_rate))
        return (self.filters, *sizes) if first else (*sizes, self.filters)

    def _state_shape(self, batch):
        return (batch, *self._picture(self.input_spec[0].shape))

    def get_config(self):
        config = super().get_config()
        return {**config, "filters": self.filters, "kernel_size": self.kernel_size, "strides": self.strides,
                "padding": self.padding, "data_format": self.data_format, "dilation_rate": self.dilation_rate}


# Today's loops are recurrent layers too, for code that asks.
Recurrent.register(RNN)
ConvRecurrent2D.register(ConvRNN2D)
