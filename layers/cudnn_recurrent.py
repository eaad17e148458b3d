"""CuDNNGRU and CuDNNLSTM: the layers that Keras runs with cuDNN, here on every executor.

Their weights lie as cuDNN wants them, so that files exchange: each gate's kernel is read as a matrix (units, features),
each gate's recurrent kernel is transposed, and the bias is one vector: the biases of the input, then those of the
recurrent product.
"""

from __future__ import annotations

from typing import Any

from symgraph import backend as K
from symgraph.engine.old_attributes import Derived
from symgraph.layers.cells import GRUCell, LSTMCell, forget_bias_of_one
from symgraph.layers.recurrent import _RNNOfCell

__all__ = ["CuDNNGRU", "CuDNNLSTM"]

_ARGUMENTS = ("units", "kernel_initializer", "recurrent_initializer", "bias_initializer", "kernel_regularizer",
              "recurrent_regularizer", "bias_regularizer", "kernel_constraint", "recurrent_constraint",
              "bias_constraint")


def _input_kernels(kernel: Any, units: int, gates: int) -> Any:
    """The kernel (features, gates * units) that a product needs, from the weights in cuDNN's order."""
    features = K.int_shape(kernel)[0]
    parts = [K.transpose(K.reshape(kernel[:, k * units:(k + 1) * units], (units, features))) for k in range(gates)]
    return K.concatenate(parts, axis=-1)


def _recurrent_kernels(kernel: Any, units: int, gates: int) -> Any:
    """The recurrent kernel that a product needs: each gate's transposed."""
    return K.concatenate([K.transpose(kernel[:, k * units:(k + 1) * units]) for k in range(gates)], axis=-1)


class _CuDNNGRUCell(GRUCell):
    """A GRU cell over weights in cuDNN's order."""

    def _bias_shape(self):
        return (2 * self.gates * self.units,)

    def build(self, input_shape):
        super().build(input_shape)
        self.kernel = _input_kernels(self.kernel, self.units, self.gates)
        self.recurrent_kernel = _recurrent_kernels(self.recurrent_kernel, self.units, self.gates)
        self.bias = K.reshape(self.bias, (2, self.gates * self.units))


class _CuDNNLSTMCell(LSTMCell):
    """An LSTM cell over weights in cuDNN's order."""

    def _bias_shape(self):
        return (2 * self.gates * self.units,)

    def _bias_start(self):
        if not self.unit_forget_bias:
            return self.bias_initializer
        return forget_bias_of_one(self.bias_initializer, self.units, 5, 2)

    def build(self, input_shape):
        super().build(input_shape)
        size = self.gates * self.units
        self.kernel = _input_kernels(self.kernel, self.units, self.gates)
        self.recurrent_kernel = _recurrent_kernels(self.recurrent_kernel, self.units, self.gates)
        self.bias = self.bias[:size] + self.bias[size:]


class _CuDNNRNN(_RNNOfCell):
    """Common part: what cuDNN does not offer is not offered."""

    kernel = Derived(lambda layer: layer.cell.kernel)
    recurrent_kernel = Derived(lambda layer: layer.cell.recurrent_kernel)
    bias = Derived(lambda layer: layer.cell.bias)

    def _set_up(self, of_cell, of_loop, activity_regularizer, kwargs):
        of_loop["go_backwards"] = kwargs.pop("go_backwards", False)
        for name in ("unroll", "implementation", "reset_after", "recurrent_activation", "activation", "time_major"):
            kwargs.pop(name, None)  # what a configuration of GRU or LSTM says beside
        super()._set_up(of_cell, of_loop, activity_regularizer, kwargs)
        self.supports_masking = False

    def compute_mask(self, inputs, mask=None):
        return super().compute_mask(inputs, None)

    def call(self, inputs, mask=None, training=None, initial_state=None):
        if any(one is not None for one in (mask if isinstance(mask, list) else [mask])):
            raise ValueError(f"{type(self).__name__} {self.name!r}: masking is not supported for CuDNN RNNs. Use "
                             f"{type(self).__name__[5:]}, which runs as fast here.")
        return super().call(inputs, None, training, initial_state)

    def get_config(self):
        config = super().get_config()
        del config["unroll"]
        return config


class CuDNNGRU(_CuDNNRNN):
    """GRU with `reset_after`, `tanh` and `sigmoid`, and its weights in cuDNN's order.

    # Arguments
        units: size of the output.
        kernel_initializer, recurrent_initializer, bias_initializer: starting values.
        kernel_regularizer, recurrent_regularizer, bias_regularizer, activity_regularizer: penalties.
        kernel_constraint, recurrent_constraint, bias_constraint: constraints.
        return_sequences, return_state, stateful: see `RNN`.

    A mask raises.
    """

    cell_class = _CuDNNGRUCell
    cell_arguments = _ARGUMENTS

    def __init__(self, units: int, kernel_initializer: Any = "glorot_uniform",
                 recurrent_initializer: Any = "orthogonal", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, recurrent_regularizer: Any = None, bias_regularizer: Any = None,
                 activity_regularizer: Any = None, kernel_constraint: Any = None, recurrent_constraint: Any = None,
                 bias_constraint: Any = None, return_sequences: bool = False, return_state: bool = False,
                 stateful: bool = False, **kwargs: Any):
        self._set_up(
            {"units": units, "kernel_initializer": kernel_initializer, "recurrent_initializer": recurrent_initializer,
             "bias_initializer": bias_initializer, "kernel_regularizer": kernel_regularizer,
             "recurrent_regularizer": recurrent_regularizer, "bias_regularizer": bias_regularizer,
             "kernel_constraint": kernel_constraint, "recurrent_constraint": recurrent_constraint,
             "bias_constraint": bias_constraint, "reset_after": True},
            {"return_sequences": return_sequences, "return_state": return_state, "stateful": stateful},
            activity_regularizer, kwargs)


class CuDNNLSTM(_CuDNNRNN):
    """LSTM with `tanh` and `sigmoid`, and its weights in cuDNN's order.

    # Arguments
        units: size of the output.
        kernel_initializer, recurrent_initializer, bias_initializer: starting values.
        unit_forget_bias: whether the bias of the forget gate starts at 1.
        kernel_regularizer, recurrent_regularizer, bias_regularizer, activity_regularizer: penalties.
        kernel_constraint, recurrent_constraint, bias_constraint: constraints.
        return_sequences, return_state, stateful: see `RNN`.

    A mask raises.
    """

    cell_class = _CuDNNLSTMCell
    cell_arguments = (*_ARGUMENTS, "unit_forget_bias")

    def __init__(self, units: int, kernel_initializer: Any = "glorot_uniform",
                 recurrent_initializer: Any = "orthogonal", bias_initializer: Any = "zeros",
                 unit_forget_bias: bool = True, kernel_regularizer: Any = None, recurrent_regularizer: Any = None,
                 bias_regularizer: Any = None, activity_regularizer: Any = None, kernel_constraint: Any = None,
                 recurrent_constraint: Any = None, bias_constraint: Any = None, return_sequences: bool = False,
                 return_state: bool = False, stateful: bool = False, **kwargs: Any):
        self._set_up(
            {"units": units, "kernel_initializer": kernel_initializer, "recurrent_initializer": recurrent_initializer,
             "bias_initializer": bias_initializer, "unit_forget_bias": unit_forget_bias,
             "kernel_regularizer": kernel_regularizer, "recurrent_regularizer": recurrent_regularizer,
             "bias_regularizer": bias_regularizer, "kernel_constraint": kernel_constraint,
             "recurrent_constraint": recurrent_constraint, "bias_constraint": bias_constraint},
            {"return_sequences": return_sequences, "return_state": return_state, "stateful": stateful},
            activity_regularizer, kwargs)
