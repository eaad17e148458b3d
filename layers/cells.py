"""Cells: one time step of SimpleRNN, GRU and LSTM.

A cell has `state_size`, `output_size`, `build(input_shape)` and `call(inputs, states) -> (output, new states)`. The
cells here are made of two parts: `project`, which depends on the input alone and is therefore computed for all time
steps at once, as one matrix product before the loop; and `step`, which reads the states.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symgraph import activations, constraints, initializers, regularizers
from symgraph import backend as K
from symgraph.engine.layer import Layer
from symgraph.engine.old_attributes import Derived, named_gates
from symgraph.utils.generic_utils import has_arg

__all__ = ["GRUCell", "LSTMCell", "SimpleRNNCell"]


class _Cell(Layer):
    """Common part of the cells: weights, dropout masks, configuration.

    # Arguments
        units: size of the output and of each state.
        activation: of the new values; None: linear.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: starting values.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties.
        kernel_constraint, recurrent_constraint, bias_constraint: constraints.
        dropout: part of the inputs that is dropped in training; the same elements at each time step.
        recurrent_dropout: part of the state that is dropped in training where it meets the recurrent kernel.
    """

    #: Number of blocks of `units` columns in the kernels: one for each gate.
    gates = 1
    #: Number of states.
    states = 1

    def __init__(self, units: int, activation: Any = "tanh", use_bias: bool = True,
                 kernel_initializer: Any = "glorot_uniform", recurrent_initializer: Any = "orthogonal",
                 bias_initializer: Any = "zeros", kernel_regularizer: Any = None, recurrent_regularizer: Any = None,
                 bias_regularizer: Any = None, kernel_constraint: Any = None, recurrent_constraint: Any = None,
                 bias_constraint: Any = None, dropout: float = 0.0, recurrent_dropout: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        if not hasattr(units, "__index__") or units < 1:
            raise ValueError(f"{type(self).__name__}: `units` must be a positive integer, got {units!r}.")
        self.units = int(units)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.recurrent_constraint = constraints.get(recurrent_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.dropout = _rate(self, "dropout", dropout)
        self.recurrent_dropout = _rate(self, "recurrent_dropout", recurrent_dropout)
        self.implementation = 2
        self.state_size = self.units if self.states == 1 else [self.units] * self.states
        self.output_size = self.units
        self._masks: tuple[list, list] | None = None

    # ------------------------------------------------------------------------------------------ weights
    def build(self, input_shape):
        features = input_shape[-1]
        if features is None:
            raise ValueError(f"{type(self).__name__} {self.name!r}: the last dimension of the input must be known, got "
                             f"the shape {tuple(input_shape)}.")
        columns = self.units * self.gates
        self.kernel = self.add_weight(name="kernel", shape=(features, columns), initializer=self.kernel_initializer,
                                      regularizer=self.kernel_regularizer, constraint=self.kernel_constraint)
        self.recurrent_kernel = self.add_weight(name="recurrent_kernel", shape=(self.units, columns),
                                                initializer=self.recurrent_initializer,
                                                regularizer=self.recurrent_regularizer,
                                                constraint=self.recurrent_constraint)
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=self._bias_shape(), initializer=self._bias_start(),
                                        regularizer=self.bias_regularizer, constraint=self.bias_constraint)
        self.built = True

    def _bias_shape(self) -> tuple:
        return (self.units * self.gates,)

    def _bias_start(self) -> Any:
        return self.bias_initializer

    def _input_bias(self) -> Any:
        """The bias that goes with the kernel, or None."""
        return self.bias

    # ------------------------------------------------------------------------------------------ dropout
    def prepare(self, batch: Any, features: int, training: Any = None) -> None:
        """Draw the dropout masks of one sequence: they stay the same at all its time steps.

        # Arguments
            batch: a tensor whose first axis is the batch.
            features: size of the input.
            training: overrides the learning phase.
        """
        count = 1 if self.implementation == 2 else self.gates
        self._masks = (dropout_masks(batch, features, self.dropout, count, training),
                       dropout_masks(batch, self.units, self.recurrent_dropout, count, training))

    def release(self) -> None:
        """Forget the dropout masks."""
        self._masks = None

    # ------------------------------------------------------------------------------------------ computation
    def project(self, inputs: Any) -> Any:
        """What the inputs contribute to all gates: ([time,] batch, features) -> ([time,] batch, gates * units)."""
        masks = self._masks[0] if self._masks is not None else []
        bias = self._input_bias()
        if not masks or self.implementation == 2:
            result = K.dot(inputs * masks[0] if masks else inputs, self.kernel)
            return result if bias is None else result + bias
        parts = [K.dot(inputs * mask, columns) for mask, columns in zip(masks, self._split(self.kernel))]
        result = K.concatenate(parts, axis=-1)
        return result if bias is None else result + bias

    def step(self, projected: Any, states: list) -> tuple[Any, list]:
        """One time step, given what `project` made of its input."""
        raise TypeError(f"{type(self).__name__} must define `step`.")

    def call(self, inputs, states, training=None):
        drops = 0.0 < self.dropout < 1.0 or 0.0 < self.recurrent_dropout < 1.0
        if drops and self._masks is None:
            self.prepare(inputs, K.int_shape(inputs)[-1], training)
            try:
                return self.step(self.project(inputs), states)
            finally:
                self.release()
        return self.step(self.project(inputs), states)

    def _split(self, tensor: Any) -> list:
        """The blocks of columns, one for each gate."""
        return [tensor[..., k * self.units:(k + 1) * self.units] for k in range(self.gates)]

    def _dropped(self, state: Any) -> Any:
        """The state without what dropout takes from it, where all gates share a mask."""
        shared = self._masks is not None and self._masks[1] and self.implementation == 2
        return state * self._masks[1][0] if shared else state

    def _recurrent(self, state: Any, first: int = 0, last: int | None = None) -> Any:
        """The product of the state and the columns of the gates from `first` to before `last`."""
        last = self.gates if last is None else last
        masks = self._masks[1] if self._masks is not None else []
        if masks and self.implementation == 1:
            columns = self._split(self.recurrent_kernel)
            return K.concatenate([K.dot(state * masks[k], columns[k]) for k in range(first, last)], axis=-1)
        if (first, last) == (0, self.gates):
            return K.dot(state, self.recurrent_kernel)
        return K.dot(state, self.recurrent_kernel[:, first * self.units:last * self.units])

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "recurrent_initializer": initializers.serialize(self.recurrent_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "recurrent_regularizer": regularizers.serialize(self.recurrent_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "recurrent_constraint": constraints.serialize(self.recurrent_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
        }


def _rate(layer: Layer, name: str, value: Any) -> float:
    if not 0.0 <= float(value) <= 1.0:
        raise ValueError(f"{type(layer).__name__}: `{name}` is a part from 0 to 1, got {value!r}.")
    return float(value)


def check_implementation(layer: Any, value: Any) -> int:
    """`implementation` as 1 (one product a gate under dropout) or 2 (one for all); 0 is the old name of 1."""
    if value not in (0, 1, 2):
        raise ValueError(f"{type(layer).__name__}: `implementation` must be 1 or 2, got {value!r}.")
    return max(int(value), 1)


def dropout_masks(batch: Any, features: int, rate: float, count: int, training: Any = None) -> list:
    """`count` masks (batch, features) that drop a part `rate` in training; none where nothing is dropped."""
    if not 0.0 < rate < 1.0:
        return []
    ones = K.ones_like(K.tile(first_column(batch), (1, features)))
    return [K.in_train_phase(K.dropout(ones, rate), ones, training=training) for _ in range(count)]


def first_column(tensor: Any) -> Any:
    """A (batch, 1) tensor with the batch size (and dtype) of another; its values do not matter."""
    rank = K.ndim(tensor)
    return K.expand_dims(tensor[(slice(None), *(0,) * (rank - 1))])


class SimpleRNNCell(_Cell):
    """One step of SimpleRNN: `output = activation(inputs . kernel + state . recurrent_kernel + bias)`.

    # Arguments
        units: size of the output and of the state.
        activation, use_bias, dropout, recurrent_dropout: see `SimpleRNN`.
        kernel_initializer, recurrent_initializer, bias_initializer: starting values.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties.
        kernel_constraint, recurrent_constraint, bias_constraint: constraints.
    """

    def step(self, projected, states):
        output = self.activation(projected + self._recurrent(self._dropped(states[0])))
        return output, [output]


@named_gates("zrh", kernel="kernel", recurrent_kernel="recurrent_kernel", input_bias="input_bias",
             recurrent_bias="recurrent_bias")
class GRUCell(_Cell):
    """One step of GRU (Cho et al. 2014).

    # Arguments
        units: size of the output and of the state.
        recurrent_activation: of the gates.
        implementation: 2: one product for all gates; 1: under dropout, one for each gate with a mask of its own.
        reset_after: whether the reset gate is applied after the product with the recurrent kernel (as cuDNN does).
        activation, use_bias, dropout, recurrent_dropout: see `GRU`.
        kernel_initializer, recurrent_initializer, bias_initializer: starting values.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties.
        kernel_constraint, recurrent_constraint, bias_constraint: constraints.
    """

    gates = 3  # update, reset, new

    def __init__(self, units: int, activation: Any = "tanh", recurrent_activation: Any = "sigmoid",
                 use_bias: bool = True, kernel_initializer: Any = "glorot_uniform",
                 recurrent_initializer: Any = "orthogonal", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, recurrent_regularizer: Any = None, bias_regularizer: Any = None,
                 kernel_constraint: Any = None, recurrent_constraint: Any = None, bias_constraint: Any = None,
                 dropout: float = 0.0, recurrent_dropout: float = 0.0, implementation: int = 2,
                 reset_after: bool = False, **kwargs: Any):
        super().__init__(units, activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer,
                         kernel_regularizer, recurrent_regularizer, bias_regularizer, kernel_constraint,
                         recurrent_constraint, bias_constraint, dropout, recurrent_dropout, **kwargs)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.implementation = check_implementation(self, implementation)
        self.reset_after = reset_after

    #: The part of the bias that goes with the inputs; and the one that goes with the state, where there is one.
    input_bias = Derived(lambda cell: cell._input_bias())
    recurrent_bias = Derived(lambda cell: cell.bias[1] if cell.bias is not None and cell.reset_after else None)

    def _bias_shape(self) -> tuple:
        columns = self.units * self.gates
        return (2, columns) if self.reset_after else (columns,)

    def _input_bias(self) -> Any:
        return self.bias[0] if self.bias is not None and self.reset_after else self.bias

    def step(self, projected, states):
        state = states[0]
        state = self._dropped(state)  # as in Keras, what is dropped here is not carried on either
        update, reset, new = self._split(projected)
        if self.reset_after:
            inner = self._recurrent(state)
            if self.bias is not None:
                inner = inner + self.bias[1]
            inner_update, inner_reset, inner_new = self._split(inner)
            update, reset = update + inner_update, self.recurrent_activation(reset + inner_reset)
            new = self.activation(new + reset * inner_new)
        else:
            both = projected[:, :2 * self.units] + self._recurrent(state, 0, 2)
            update, reset = both[:, :self.units], self.recurrent_activation(both[:, self.units:])
            new = self.activation(new + self._recurrent(reset * state, 2, 3))
        update = self.recurrent_activation(update)
        output = update * state + (1 - update) * new
        return output, [output]

    def get_config(self):
        return {**super().get_config(), "recurrent_activation": activations.serialize(self.recurrent_activation),
                "implementation": self.implementation, "reset_after": self.reset_after}


@named_gates("ifco", kernel="kernel", recurrent_kernel="recurrent_kernel", bias="bias")
class LSTMCell(_Cell):
    """One step of LSTM (Hochreiter & Schmidhuber 1997).

    # Arguments
        units: size of the output and of both states.
        recurrent_activation: of the gates.
        unit_forget_bias: whether the bias of the forget gate starts at 1 (Jozefowicz et al. 2015).
        implementation: 2: one product for all gates; 1: under dropout, one for each gate with a mask of its own.
        activation, use_bias, dropout, recurrent_dropout: see `LSTM`.
        kernel_initializer, recurrent_initializer, bias_initializer: starting values.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties.
        kernel_constraint, recurrent_constraint, bias_constraint: constraints.
    """

    gates = 4  # input, forget, new, output
    states = 2

    def __init__(self, units: int, activation: Any = "tanh", recurrent_activation: Any = "sigmoid",
                 use_bias: bool = True, kernel_initializer: Any = "glorot_uniform",
                 recurrent_initializer: Any = "orthogonal", bias_initializer: Any = "zeros",
                 unit_forget_bias: bool = True, kernel_regularizer: Any = None, recurrent_regularizer: Any = None,
                 bias_regularizer: Any = None, kernel_constraint: Any = None, recurrent_constraint: Any = None,
                 bias_constraint: Any = None, dropout: float = 0.0, recurrent_dropout: float = 0.0,
                 implementation: int = 2, **kwargs: Any):
        super().__init__(units, activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer,
                         kernel_regularizer, recurrent_regularizer, bias_regularizer, kernel_constraint,
                         recurrent_constraint, bias_constraint, dropout, recurrent_dropout, **kwargs)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias
        self.implementation = check_implementation(self, implementation)

    def _bias_start(self) -> Any:
        if not self.unit_forget_bias:
            return self.bias_initializer
        return forget_bias_of_one(self.bias_initializer, self.units, 1, 2)

    def step(self, projected, states):
        hidden, carry = states
        take_in, forget, new, give_out = self._split(projected + self._recurrent(self._dropped(hidden)))
        carry = (self.recurrent_activation(forget) * carry
                 + self.recurrent_activation(take_in) * self.activation(new))
        output = self.recurrent_activation(give_out) * self.activation(carry)
        return output, [output, carry]

    def get_config(self):
        return {**super().get_config(), "recurrent_activation": activations.serialize(self.recurrent_activation),
                "unit_forget_bias": self.unit_forget_bias, "implementation": self.implementation}


def forget_bias_of_one(initializer: Any, units: int, before: int, after: int) -> Any:
    """An initializer of a bias in blocks of `units`: `before` blocks, one block of ones, `after` blocks."""

    def start(shape: tuple, dtype: str | None = None) -> Any:
        kind = dtype or K.floatx()

        def block(count: int) -> Any:
            size = (units * count,)
            value = initializer(size, dtype=kind) if has_arg(initializer, "dtype", True) else initializer(size)
            return K.eval(value) if K.is_tensor(value) else np.asarray(value)

        return np.concatenate([block(before), np.ones(units), block(after)]).astype(kind)

    return start
