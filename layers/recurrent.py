"""Recurrent layers: SimpleRNN, GRU, LSTM, and what they are made of."""

from __future__ import annotations

from typing import Any

from symgraph import regularizers
from symgraph.layers.cells import GRUCell, LSTMCell, SimpleRNNCell
from symgraph.layers.rnn import RNN, StackedRNNCells

__all__ = ["GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "SimpleRNN", "SimpleRNNCell", "StackedRNNCells"]

#: What the layers hand to their cell, and answer for it.
_CELL_ARGUMENTS = (
    "units", "activation", "use_bias", "kernel_initializer", "recurrent_initializer", "bias_initializer",
    "kernel_regularizer", "recurrent_regularizer", "bias_regularizer", "kernel_constraint", "recurrent_constraint",
    "bias_constraint", "dropout", "recurrent_dropout",
)


def _of_cell(name: str) -> Any:
    return property(lambda self: getattr(self.cell, name), doc=f"`{name}` of the cell.")


class _RNNOfCell(RNN):
    """Common part of the layers that make their own cell."""

    cell_class: type
    cell_arguments: tuple[str, ...] = _CELL_ARGUMENTS

    units = _of_cell("units")
    activation = _of_cell("activation")
    use_bias = _of_cell("use_bias")
    kernel_initializer = _of_cell("kernel_initializer")
    recurrent_initializer = _of_cell("recurrent_initializer")
    bias_initializer = _of_cell("bias_initializer")
    kernel_regularizer = _of_cell("kernel_regularizer")
    recurrent_regularizer = _of_cell("recurrent_regularizer")
    bias_regularizer = _of_cell("bias_regularizer")
    kernel_constraint = _of_cell("kernel_constraint")
    recurrent_constraint = _of_cell("recurrent_constraint")
    bias_constraint = _of_cell("bias_constraint")
    dropout = _of_cell("dropout")
    recurrent_dropout = _of_cell("recurrent_dropout")

    def _set_up(self, of_cell: dict, of_loop: dict, activity_regularizer: Any, kwargs: dict) -> None:
        """Make the cell, then the loop around it."""
        from symgraph import backend as K

        dtype = kwargs.get("dtype")
        prefix = self.cell_class.__name__
        name = f"{kwargs['name']}_cell" if kwargs.get("name") else f"{prefix.lower()}_{K.get_uid(prefix)}"
        cell = self.cell_class(**of_cell, name=name, **({"dtype": dtype} if dtype else {}))
        super().__init__(cell, **of_loop, **kwargs)
        self.activity_regularizer = regularizers.get(activity_regularizer)

    def get_config(self):
        config = super().get_config()
        del config["cell"]
        inner = self.cell.get_config()
        return {**config, **{name: inner[name] for name in self.cell_arguments},
                "activity_regularizer": regularizers.serialize(self.activity_regularizer)}

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        if config.get("implementation") == 0:
            config["implementation"] = 1
        # Written by tf.keras; they change nothing here.
        config.pop("time_major", None)
        return cls(**config)


class SimpleRNN(_RNNOfCell):
    """`output = activation(input . kernel + previous output . recurrent_kernel + bias)` at each time step.

    # Arguments
        units: size of the output.
        activation: name or function; None: linear.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: starting values.
        kernel_regularizer, recurrent_regularizer, bias_regularizer, activity_regularizer: penalties.
        kernel_constraint, recurrent_constraint, bias_constraint: constraints.
        dropout: part of the inputs that is dropped in training; the same elements at each time step.
        recurrent_dropout: part of the state that is dropped in training (Gal & Ghahramani 2016).
        return_sequences, return_state, go_backwards, stateful, unroll: see `RNN`.

    # Input
        (batch, time, features)
    # Output
        see `RNN`
    """

    cell_class = SimpleRNNCell

    def __init__(self, units: int, activation: Any = "tanh", use_bias: bool = True,
                 kernel_initializer: Any = "glorot_uniform", recurrent_initializer: Any = "orthogonal",
                 bias_initializer: Any = "zeros", kernel_regularizer: Any = None, recurrent_regularizer: Any = None,
                 bias_regularizer: Any = None, activity_regularizer: Any = None, kernel_constraint: Any = None,
                 recurrent_constraint: Any = None, bias_constraint: Any = None, dropout: float = 0.0,
                 recurrent_dropout: float = 0.0, return_sequences: bool = False, return_state: bool = False,
                 go_backwards: bool = False, stateful: bool = False, unroll: bool = False, **kwargs: Any):
        kwargs.pop("implementation", None)  # a SimpleRNN has one gate: there is nothing to choose
        self._set_up(
            {"units": units, "activation": activation, "use_bias": use_bias, "kernel_initializer": kernel_initializer,
             "recurrent_initializer": recurrent_initializer, "bias_initializer": bias_initializer,
             "kernel_regularizer": kernel_regularizer, "recurrent_regularizer": recurrent_regularizer,
             "bias_regularizer": bias_regularizer, "kernel_constraint": kernel_constraint,
             "recurrent_constraint": recurrent_constraint, "bias_constraint": bias_constraint, "dropout": dropout,
             "recurrent_dropout": recurrent_dropout},
            {"return_sequences": return_sequences, "return_state": return_state, "go_backwards": go_backwards,
             "stateful": stateful, "unroll": unroll},
            activity_regularizer, kwargs)


class GRU(_RNNOfCell):
    """Gated recurrent unit (Cho et al. 2014).

    `z = gate(update)`, `r = gate(reset)`, `output = z * previous + (1 - z) * new`. The kernels hold the columns of the
    update gate, the reset gate and the new value, in this order.

    # Arguments
        units: size of the output.
        activation: of the new value; None: linear.
        recurrent_activation: of the gates.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: starting values.
        kernel_regularizer, recurrent_regularizer, bias_regularizer, activity_regularizer: penalties.
        kernel_constraint, recurrent_constraint, bias_constraint: constraints.
        dropout: part of the inputs that is dropped in training; the same elements at each time step.
        recurrent_dropout: part of the state that is dropped in training.
        implementation: 2: one product for all gates; 1: under dropout, one for each gate with a mask of its own.
        return_sequences, return_state, go_backwards, stateful, unroll: see `RNN`.
        reset_after: whether the reset gate is applied after the product with the recurrent kernel (as cuDNN does); the
            bias then is (2, 3 * units).

    # Input
        (batch, time, features)
    # Output
        see `RNN`
    """

    cell_class = GRUCell
    cell_arguments = (*_CELL_ARGUMENTS, "recurrent_activation", "implementation", "reset_after")

    recurrent_activation = _of_cell("recurrent_activation")
    implementation = _of_cell("implementation")
    reset_after = _of_cell("reset_after")

    def __init__(self, units: int, activation: Any = "tanh", recurrent_activation: Any = "sigmoid",
                 use_bias: bool = True, kernel_initializer: Any = "glorot_uniform",
                 recurrent_initializer: Any = "orthogonal", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, recurrent_regularizer: Any = None, bias_regularizer: Any = None,
                 activity_regularizer: Any = None, kernel_constraint: Any = None, recurrent_constraint: Any = None,
                 bias_constraint: Any = None, dropout: float = 0.0, recurrent_dropout: float = 0.0,
                 implementation: int = 2, return_sequences: bool = False, return_state: bool = False,
                 go_backwards: bool = False, stateful: bool = False, unroll: bool = False, reset_after: bool = False,
                 **kwargs: Any):
        self._set_up(
            {"units": units, "activation": activation, "recurrent_activation": recurrent_activation,
             "use_bias": use_bias,
             "kernel_initializer": kernel_initializer, "recurrent_initializer": recurrent_initializer,
             "bias_initializer": bias_initializer, "kernel_regularizer": kernel_regularizer,
             "recurrent_regularizer": recurrent_regularizer, "bias_regularizer": bias_regularizer,
             "kernel_constraint": kernel_constraint, "recurrent_constraint": recurrent_constraint,
             "bias_constraint": bias_constraint, "dropout": dropout, "recurrent_dropout": recurrent_dropout,
             "implementation": implementation, "reset_after": reset_after},
            {"return_sequences": return_sequences, "return_state": return_state, "go_backwards": go_backwards,
             "stateful": stateful, "unroll": unroll},
            activity_regularizer, kwargs)


class LSTM(_RNNOfCell):
    """Long short-term memory (Hochreiter & Schmidhuber 1997).

    `carry = gate(forget) * carry + gate(input) * new`, `output = gate(output) * activation(carry)`. The kernels hold
    the
    columns of the input gate, the forget gate, the new value and the output gate, in this order; the states are the
    output and the carry.

    # Arguments
        units: size of the output.
        activation: of the new value and the carry; None: linear.
        recurrent_activation: of the gates.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: starting values.
        unit_forget_bias: whether the bias of the forget gate starts at 1 (Jozefowicz et al. 2015).
        kernel_regularizer, recurrent_regularizer, bias_regularizer, activity_regularizer: penalties.
        kernel_constraint, recurrent_constraint, bias_constraint: constraints.
        dropout: part of the inputs that is dropped in training; the same elements at each time step.
        recurrent_dropout: part of the state that is dropped in training.
        implementation: 2: one product for all gates; 1: under dropout, one for each gate with a mask of its own.
        return_sequences, return_state, go_backwards, stateful, unroll: see `RNN`.

    # Input
        (batch, time, features)
    # Output
        see `RNN`
    """

    cell_class = LSTMCell
    cell_arguments = (*_CELL_ARGUMENTS, "recurrent_activation", "unit_forget_bias", "implementation")

    recurrent_activation = _of_cell("recurrent_activation")
    unit_forget_bias = _of_cell("unit_forget_bias")
    implementation = _of_cell("implementation")

    def __init__(self, units: int, activation: Any = "tanh", recurrent_activation: Any = "sigmoid",
                 use_bias: bool = True, kernel_initializer: Any = "glorot_uniform",
                 recurrent_initializer: Any = "orthogonal", bias_initializer: Any = "zeros",
                 unit_forget_bias: bool = True, kernel_regularizer: Any = None, recurrent_regularizer: Any = None,
                 bias_regularizer: Any = None, activity_regularizer: Any = None, kernel_constraint: Any = None,
                 recurrent_constraint: Any = None, bias_constraint: Any = None, dropout: float = 0.0,
                 recurrent_dropout: float = 0.0, implementation: int = 2, return_sequences: bool = False,
                 return_state: bool = False, go_backwards: bool = False, stateful: bool = False, unroll: bool = False,
                 **kwargs: Any):
        self._set_up(
            {"units": units, "activation": activation, "recurrent_activation": recurrent_activation,
             "use_bias": use_bias,
             "kernel_initializer": kernel_initializer, "recurrent_initializer": recurrent_initializer,
             "bias_initializer": bias_initializer, "unit_forget_bias": unit_forget_bias,
             "kernel_regularizer": kernel_regularizer, "recurrent_regularizer": recurrent_regularizer,
             "bias_regularizer": bias_regularizer, "kernel_constraint": kernel_constraint,
             "recurrent_constraint": recurrent_constraint, "bias_constraint": bias_constraint, "dropout": dropout,
             "recurrent_dropout": recurrent_dropout, "implementation": implementation},
            {"return_sequences": return_sequences, "return_state": return_state, "go_backwards": go_backwards,
             "stateful": stateful, "unroll": unroll},
            activity_regularizer, kwargs)
