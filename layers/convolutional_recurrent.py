"""Recurrent layers whose products are convolutions: ConvRNN2D, ConvLSTM2D."""

from __future__ import annotations

from typing import Any

from symgraph import activations, constraints, initializers, regularizers
from symgraph import backend as K
from symgraph.engine.input_spec import InputSpec
from symgraph.engine.layer import Layer
from symgraph.engine.old_attributes import named_gates
from symgraph.layers.cells import _rate, forget_bias_of_one
from symgraph.layers.recurrent import _of_cell, _RNNOfCell
from symgraph.layers.rnn import RNN, StackedRNNCells
from symgraph.layers.wrappers import fold_time, unfold_time
from symgraph.utils.conv_utils import conv_output_length, normalize_data_format, normalize_padding, normalize_tuple

__all__ = ["ConvLSTM2D", "ConvLSTM2DCell", "ConvRNN2D"]


@named_gates("ifco", kernel="kernel", recurrent_kernel="recurrent_kernel", bias="bias")
class ConvLSTM2DCell(Layer):
    """One step of ConvLSTM2D (Shi et al. 2015).

    # Arguments
        filters, kernel_size, strides, padding, data_format, dilation_rate, activation, recurrent_activation, use_bias,
        unit_forget_bias, dropout, recurrent_dropout: see `ConvLSTM2D`.
        kernel_initializer, recurrent_initializer, bias_initializer: starting values.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties.
        kernel_constraint, recurrent_constraint, bias_constraint: constraints.
    """

    gates = 4  # input, forget, new, output

    def __init__(self, filters: int, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid",
                 data_format: str | None = None, dilation_rate: Any = (1, 1), activation: Any = "tanh",
                 recurrent_activation: Any = "hard_sigmoid", use_bias: bool = True,
                 kernel_initializer: Any = "glorot_uniform", recurrent_initializer: Any = "orthogonal",
                 bias_initializer: Any = "zeros", unit_forget_bias: bool = True, kernel_regularizer: Any = None,
                 recurrent_regularizer: Any = None, bias_regularizer: Any = None, kernel_constraint: Any = None,
                 recurrent_constraint: Any = None, bias_constraint: Any = None, dropout: float = 0.0,
                 recurrent_dropout: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        if not hasattr(filters, "__index__") or filters < 1:
            raise ValueError(f"{type(self).__name__}: `filters` must be a positive integer, got {filters!r}.")
        self.filters = int(filters)
        self.kernel_size = normalize_tuple(kernel_size, 2, "kernel_size")
        self.strides = normalize_tuple(strides, 2, "strides")
        self.padding = normalize_padding(padding)
        self.data_format = normalize_data_format(data_format)
        self.dilation_rate = normalize_tuple(dilation_rate, 2, "dilation_rate")
        self.activation = activations.get(activation)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.unit_forget_bias = unit_forget_bias
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.recurrent_constraint = constraints.get(recurrent_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.dropout = _rate(self, "dropout", dropout)
        self.recurrent_dropout = _rate(self, "recurrent_dropout", recurrent_dropout)
        self.state_size = (self.filters, self.filters)
        self._masks: tuple[list, list] | None = None

    @property
    def _channel_axis(self) -> int:
        return 1 if self.data_format == "channels_first" else -1

    def build(self, input_shape):
        channels = input_shape[self._channel_axis]
        if channels is None:
            raise ValueError(f"{type(self).__name__} {self.name!r}: the number of channels must be known, got the "
                             f"shape "
                             f"{tuple(input_shape)} of one step.")
        columns = self.filters * self.gates
        self.kernel = self.add_weight(name="kernel", shape=(*self.kernel_size, channels, columns),
                                      initializer=self.kernel_initializer, regularizer=self.kernel_regularizer,
                                      constraint=self.kernel_constraint)
        self.recurrent_kernel = self.add_weight(name="recurrent_kernel",
                                                shape=(*self.kernel_size, self.filters, columns),
                                                initializer=self.recurrent_initializer,
                                                regularizer=self.recurrent_regularizer,
                                                constraint=self.recurrent_constraint)
        self.bias = None
        if self.use_bias:
            start = self.bias_initializer
            if self.unit_forget_bias:
                start = forget_bias_of_one(self.bias_initializer, self.filters, 1, 2)
            self.bias = self.add_weight(name="bias", shape=(columns,), initializer=start,
                                        regularizer=self.bias_regularizer, constraint=self.bias_constraint)
        self.built = True

    # ------------------------------------------------------------------------------------------ computation
    def input_conv(self, inputs: Any, kernel: Any, bias: Any = None) -> Any:
        """The convolution of the input of one step."""
        output = K.conv2d(inputs, kernel, strides=self.strides, padding=self.padding, data_format=self.data_format,
                          dilation_rate=self.dilation_rate)
        return output if bias is None else K.bias_add(output, bias, data_format=self.data_format)

    def recurrent_conv(self, state: Any, kernel: Any) -> Any:
        """The convolution of the state, which keeps its size."""
        return K.conv2d(state, kernel, strides=(1, 1), padding="same", data_format=self.data_format)

    def _split(self, tensor: Any, axis: int) -> list:
        rank = K.ndim(tensor)
        parts = []
        for gate in range(self.gates):
            key: list = [slice(None)] * rank
            key[axis] = slice(gate * self.filters, (gate + 1) * self.filters)
            parts.append(tensor[tuple(key)])
        return parts

    def first_state(self, inputs: Any) -> Any:
        """Zeros of the shape of the state, for the input of one step."""
        return K.zeros_like(self.input_conv(inputs, self._split(self.kernel, -1)[0]))

    def prepare(self, batch: Any, features: int, training: Any = None) -> None:
        """Draw the dropout masks of one sequence, one for each gate: they stay the same at all its time steps."""
        one = batch[:, 0] if K.ndim(batch) == 5 else batch
        masks: tuple[list, list] = ([], [])
        for rate, found, like in ((self.dropout, masks[0], lambda: K.ones_like(one)),
                                  (self.recurrent_dropout, masks[1], lambda: self.first_state(one) + 1.0)):
            if 0.0 < rate < 1.0:
                ones = K.ones_like(like())
                found += [K.in_train_phase(K.dropout(ones, rate), ones, training=training) for _ in range(self.gates)]
        self._masks = masks

    def release(self) -> None:
        """Forget the dropout masks."""
        self._masks = None

    def project(self, inputs: Any) -> Any:
        """What the input contributes to all gates; for (time, batch, ...) that of all steps at once."""
        sequence = K.ndim(inputs) == 5
        masks = self._masks[0] if self._masks is not None else []

        def convolved(data: Any, kernel: Any, bias: Any) -> Any:
            if not sequence:
                return self.input_conv(data, kernel, bias)
            return unfold_time(self.input_conv(fold_time(data), kernel, bias), data)

        if not masks:
            return convolved(inputs, self.kernel, self.bias)
        biases = [None] * self.gates if self.bias is None else self._split(self.bias, 0)
        parts = [convolved(inputs * mask, kernel, bias)
                 for mask, kernel, bias in zip(masks, self._split(self.kernel, -1), biases)]
        return K.concatenate(parts, axis=self._channel_axis if self._channel_axis < 0 else 1 + sequence)

    def step(self, projected: Any, states: list) -> tuple[Any, list]:
        """One time step, given what `project` made of its input."""
        hidden, carry = states
        masks = self._masks[1] if self._masks is not None else []
        if masks:
            recurrent = K.concatenate([self.recurrent_conv(hidden * mask, kernel) for mask, kernel in
                                       zip(masks, self._split(self.recurrent_kernel, -1))], axis=self._channel_axis)
        else:
            recurrent = self.recurrent_conv(hidden, self.recurrent_kernel)
        take_in, forget, new, give_out = self._split(projected + recurrent, self._channel_axis)
        carry = (self.recurrent_activation(forget) * carry
                 + self.recurrent_activation(take_in) * self.activation(new))
        output = self.recurrent_activation(give_out) * self.activation(carry)
        return output, [output, carry]

    def call(self, inputs, states, training=None):
        drops = 0.0 < self.dropout < 1.0 or 0.0 < self.recurrent_dropout < 1.0
        if drops and self._masks is None:
            self.prepare(inputs, 0, training)
            try:
                return self.step(self.project(inputs), states)
            finally:
                self.release()
        return self.step(self.project(inputs), states)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "activation": activations.serialize(self.activation),
            "recurrent_activation": activations.serialize(self.recurrent_activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "recurrent_initializer": initializers.serialize(self.recurrent_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "unit_forget_bias": self.unit_forget_bias,
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "recurrent_regularizer": regularizers.serialize(self.recurrent_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "recurrent_constraint": constraints.serialize(self.recurrent_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
        }


class ConvRNN2D(RNN):
    """Runs a convolutional cell over the time axis of sequences of images.

    # Arguments
        cell: a cell with `filters`, `kernel_size`, `strides`, `padding`, `data_format`, `dilation_rate`, and
            `first_state(inputs)`, which gives a state of zeros.
        return_sequences, return_state, go_backwards, stateful, unroll: see `RNN`.

    # Input
        (batch, time, rows, columns, channels), or (batch, time, channels, rows, columns) for channels_first.
    # Output
        (batch, rows, columns, filters), with a time axis after the batch with `return_sequences`.
    """

    def __init__(self, cell: Any, return_sequences: bool = False, return_state: bool = False,
                 go_backwards: bool = False, stateful: bool = False, unroll: bool = False, **kwargs: Any):
        if isinstance(cell, (list, tuple, StackedRNNCells)):
            raise TypeError("ConvRNN2D: stacked cells are not supported; put one ConvRNN2D with return_sequences=True "
                            "on "
                            "the other.")
        super().__init__(cell, return_sequences, return_state, go_backwards, stateful, unroll, **kwargs)
        self.input_spec = [InputSpec(ndim=5)]

    def _image_shape(self, shape: tuple) -> tuple:
        """The shape of one output for one input image, both without the batch."""
        cell = self.cell
        first = cell.data_format == "channels_first"
        sizes = tuple(conv_output_length(*each) for each in zip(
            shape[1:] if first else shape[:-1], cell.kernel_size, (cell.padding,) * 2, cell.strides,
            cell.dilation_rate))
        return (cell.filters, *sizes) if first else (*sizes, cell.filters)

    def compute_output_shape(self, input_shape):
        if isinstance(input_shape, list):
            input_shape = input_shape[0]
        image = self._image_shape(tuple(input_shape[2:]))
        batch = input_shape[0]
        output = (batch, input_shape[1], *image) if self.return_sequences else (batch, *image)
        return [output, (batch, *image), (batch, *image)] if self.return_state else output

    def get_initial_state(self, inputs):
        state = self.cell.first_state(inputs[:, 0])
        return [state, state]

    def _stored_shapes(self):
        shape = self._image_shape(tuple(self.input_spec[0].shape[2:]))
        if None in shape:
            raise ValueError(f"{type(self).__name__} {self.name!r} is stateful, so the rows and columns of its input "
                             f"must be "
                             f"known, got {self.input_spec[0].shape}.")
        return [(self._batch_size, *shape)] * 2

    def _given_state_shapes(self):
        return None


class ConvLSTM2D(_RNNOfCell, ConvRNN2D):
    """LSTM over sequences of images: its products are convolutions (Shi et al. 2015).

    # Arguments
        filters: number of output channels.
        kernel_size: integer or (rows, columns).
        strides, padding, dilation_rate: of the convolution of the input; that of the state keeps the size.
        data_format: 'channels_last' or 'channels_first'; default: the configured layout.
        activation: of the new value and the carry.
        recurrent_activation: of the gates.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: starting values.
        unit_forget_bias: whether the bias of the forget gate starts at 1.
        kernel_regularizer, recurrent_regularizer, bias_regularizer, activity_regularizer: penalties.
        kernel_constraint, recurrent_constraint, bias_constraint: constraints.
        return_sequences, go_backwards, stateful: see `RNN` (as are `return_state` and `unroll`).
        dropout, recurrent_dropout: part of the input and of the state that is dropped in training.

    # Input
        (batch, time, rows, columns, channels), or (batch, time, channels, rows, columns) for channels_first.
    # Output
        (batch, rows, columns, filters), with a time axis after the batch with `return_sequences`.
    """

    cell_class = ConvLSTM2DCell
    cell_arguments = (
        "filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "activation",
        "recurrent_activation", "use_bias", "kernel_initializer", "recurrent_initializer", "bias_initializer",
        "unit_forget_bias", "kernel_regularizer", "recurrent_regularizer", "bias_regularizer", "kernel_constraint",
        "recurrent_constraint", "bias_constraint", "dropout", "recurrent_dropout",
    )

    filters = _of_cell("filters")
    kernel_size = _of_cell("kernel_size")
    strides = _of_cell("strides")
    padding = _of_cell("padding")
    data_format = _of_cell("data_format")
    dilation_rate = _of_cell("dilation_rate")
    recurrent_activation = _of_cell("recurrent_activation")
    unit_forget_bias = _of_cell("unit_forget_bias")

    def __init__(self, filters: int, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid",
                 data_format: str | None = None, dilation_rate: Any = (1, 1), activation: Any = "tanh",
                 recurrent_activation: Any = "hard_sigmoid", use_bias: bool = True,
                 kernel_initializer: Any = "glorot_uniform", recurrent_initializer: Any = "orthogonal",
                 bias_initializer: Any = "zeros", unit_forget_bias: bool = True, kernel_regularizer: Any = None,
                 recurrent_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 kernel_constraint: Any = None, recurrent_constraint: Any = None, bias_constraint: Any = None,
                 return_sequences: bool = False, go_backwards: bool = False, stateful: bool = False,
                 dropout: float = 0.0, recurrent_dropout: float = 0.0, **kwargs: Any):
        self._set_up(
            {"filters": filters, "kernel_size": kernel_size, "strides": strides, "padding": padding,
             "data_format": data_format, "dilation_rate": dilation_rate, "activation": activation,
             "recurrent_activation": recurrent_activation, "use_bias": use_bias,
             "kernel_initializer": kernel_initializer, "recurrent_initializer": recurrent_initializer,
             "bias_initializer": bias_initializer, "unit_forget_bias": unit_forget_bias,
             "kernel_regularizer": kernel_regularizer, "recurrent_regularizer": recurrent_regularizer,
             "bias_regularizer": bias_regularizer, "kernel_constraint": kernel_constraint,
             "recurrent_constraint": recurrent_constraint, "bias_constraint": bias_constraint, "dropout": dropout,
             "recurrent_dropout": recurrent_dropout},
            {"return_sequences": return_sequences, "go_backwards": go_backwards, "stateful": stateful},
            activity_regularizer, kwargs)
