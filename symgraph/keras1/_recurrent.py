"""`Recurrent` and `ConvRecurrent2D` of Keras 1: the abstract loops that users derive their own layers from."""

from __future__ import annotations

from abc import ABCMeta
from typing import Any

from symgraph import layers as new_layers
from symgraph.engine.input_spec import InputSpec
from symgraph.keras1._layers import OldLayer, _is_first
from symgraph.legacy.recurrent import blank_pictures, blank_rows, run_steps
from symgraph.utils.conv_utils import conv_output_length

__all__ = ["ConvRecurrent2D", "Recurrent"]


class _Loop(OldLayer, metaclass=ABCMeta):
    """What both loops share."""

    return_sequences: bool
    stateful: bool
    unroll = False
    states: list

    def step(self, x, states):
        """One time step: the output and the new states. `states` holds the constants after the states."""
        raise NotImplementedError(f"{type(self).__name__} must define `step(x, states)`, which gives (output, new "
                                  "states).")

    def preprocess_input(self, x):
        """What `step` reads, for all time steps at once."""
        return x

    def compute_mask(self, input, mask=None):
        return mask if self.return_sequences else None

    def call(self, x, mask=None):
        states = self.states if self.stateful else self.get_initial_states(x)
        return run_steps(self, x, self.preprocess_input(x), list(states), list(self.get_constants(x)), mask)

    def _ensure_built(self, inputs: Any, shapes: list) -> None:
        super()._ensure_built(inputs, shapes)
        given = self.__dict__.pop("initial_weights", None)  # a `build` of Keras 1 may have set and deleted them
        if given is not None:
            self.set_weights(given)

    def _given_shape(self) -> dict:
        return {"batch_input_shape": self.input_spec[0].shape} if self.stateful and self.built else {}


class Recurrent(_Loop):
    """Abstract: derive from it and give `build`, `step(x, states)`, and for stateful layers `reset_states()`.

    # Arguments
        weights: list of arrays, the starting values.
        return_sequences: whether to give the outputs of all time steps, or the last one.
        go_backwards: whether to begin with the last time step.
        stateful: whether the final state of each sample starts the sample at the same place in the next batch.
        unroll: accepted; the loop is compiled in either case.
        consume_less: for the derived layer to read.
        input_dim, input_length: features and steps of the input, for the first layer.

    The derived layer sets `self.output_dim`, and in `build` `self.states = [None, ...]`. Each step finds what
    `get_constants(x)` gives behind the states, and reads its part of `preprocess_input(x)`.
    """

    __module__ = "symgraph.keras1.layers.recurrent"

    def __init__(self, weights=None, return_sequences=False, go_backwards=False, stateful=False, unroll=False,
                 consume_less="cpu", input_dim=None, input_length=None, **kwargs):
        if input_dim and "input_shape" not in kwargs and "batch_input_shape" not in kwargs:
            kwargs["input_shape"] = (input_length, input_dim)
        super().__init__(**kwargs)
        self.initial_weights = weights
        self.return_sequences, self.go_backwards, self.stateful = return_sequences, go_backwards, stateful
        self.unroll, self.consume_less = unroll, consume_less
        self.input_dim, self.input_length = input_dim, input_length
        self.supports_masking = True
        self.input_spec = [InputSpec(ndim=3)]

    def get_constants(self, x):
        """Tensors that each step finds behind the states."""
        return []

    def get_initial_states(self, x):
        """States of zeros for the batch of `x`."""
        return blank_rows(x, self.output_dim, len(self.states))

    def get_output_shape_for(self, input_shape):
        """The shape of the output for an input shape."""
        if self.return_sequences:
            return (input_shape[0], input_shape[1], self.output_dim)
        return (input_shape[0], self.output_dim)

    compute_output_shape = get_output_shape_for

    def get_config(self):
        config = {**super().get_config(), "return_sequences": self.return_sequences,
                  "go_backwards": self.go_backwards, "stateful": self.stateful, "unroll": self.unroll,
                  "consume_less": self.consume_less}
        if self.stateful:
            return {**config, **self._given_shape()}
        return {**config, "input_dim": self.input_dim, "input_length": self.input_length}


class ConvRecurrent2D(_Loop):
    """Abstract: a loop whose steps are pictures and whose states are what a convolution makes of them.

    # Arguments
        weights: list of arrays, the starting values.
        nb_row, nb_col: size of the window.
        nb_filter: channels of the output.
        return_sequences, go_backwards, stateful: see `Recurrent`.
        dim_ordering: 'th' or 'tf'; None: the configured one.

    The derived layer may set `self.border_mode` and `self.subsample` ('valid' and (1, 1) otherwise).
    """

    __module__ = "symgraph.keras1.layers.convolutional_recurrent"

    border_mode = "valid"
    subsample = (1, 1)

    def __init__(self, weights=None, nb_row=None, nb_col=None, nb_filter=None, return_sequences=False,
                 go_backwards=False, stateful=False, dim_ordering=None, **kwargs):
        super().__init__(**kwargs)
        self.initial_weights = weights
        self.nb_row, self.nb_col, self.nb_filter = nb_row, nb_col, nb_filter
        self.return_sequences, self.go_backwards, self.stateful = return_sequences, go_backwards, stateful
        self.dim_ordering = "th" if _is_first({"dim_ordering": dim_ordering}) else "tf"
        self.supports_masking = True
        self.input_spec = [InputSpec(ndim=5)]

    def get_constants(self, X, train=False):
        """Tensors that each step finds behind the states."""
        return []

    def get_initial_states(self, X):
        """States of zeros for the batch of `X`."""
        layout = "channels_first" if self.dim_ordering == "th" else "channels_last"
        return blank_pictures(X, self.nb_filter, (self.nb_row, self.nb_col), tuple(self.subsample), self.border_mode,
                              layout, len(self.states))

    def get_output_shape_for(self, input_shape):
        """The shape of the output for an input shape."""
        first = self.dim_ordering == "th"
        sizes = [conv_output_length(size, window, self.border_mode, stride) for size, window, stride in zip(
            input_shape[3:] if first else input_shape[2:4], (self.nb_row, self.nb_col), self.subsample)]
        picture = (self.nb_filter, *sizes) if first else (*sizes, self.nb_filter)
        return (*input_shape[:2], *picture) if self.return_sequences else (input_shape[0], *picture)

    compute_output_shape = get_output_shape_for

    def get_config(self):
        return {**super().get_config(), "return_sequences": self.return_sequences, "go_backwards": self.go_backwards,
                "stateful": self.stateful, **self._given_shape()}


# The layers that are there are recurrent too, for code that asks.
Recurrent.register(new_layers.RNN)
ConvRecurrent2D.register(new_layers.ConvRNN2D)
