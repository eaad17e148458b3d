"""Layers that only Keras 1 has, with its argument names: Highway, MaxoutDense, TimeDistributedDense, Merge,
ParametricSoftplus, SReLU, and the function `merge`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from symgraph import activations, constraints, initializers, regularizers
from symgraph import backend as K
from symgraph.engine.input_spec import InputSpec
from symgraph.engine.layer import Layer
from symgraph.layers import Conv1D, Conv2D
from symgraph.legacy.recurrent import ConvRecurrent2D, Recurrent
from symgraph.utils.generic_utils import to_list

__all__ = [
    "AtrousConv1D", "AtrousConv2D", "AtrousConvolution1D", "AtrousConvolution2D", "ConvRecurrent2D", "Highway",
    "MaxoutDense", "Merge", "ParametricSoftplus", "Recurrent", "SReLU", "TimeDistributedDense", "merge",
]


class _DenseLike(Layer):
    """Common part of the layers with a matrix `W` and a vector `b`."""

    def _set_up(self, init: Any, W_regularizer: Any, b_regularizer: Any, activity_regularizer: Any, W_constraint: Any,
                b_constraint: Any, bias: bool, input_dim: int | None) -> None:
        self.init = initializers.get(init)
        self.W_regularizer = regularizers.get(W_regularizer)
        self.b_regularizer = regularizers.get(b_regularizer)
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.W_constraint = constraints.get(W_constraint)
        self.b_constraint = constraints.get(b_constraint)
        self.bias = bias
        self.input_dim = input_dim

    @staticmethod
    def _with_input(kwargs: dict, input_dim: int | None, input_length: int | None = None, steps: bool = False) -> dict:
        """The keywords of `Layer` with the input shape that `input_dim` tells."""
        if input_dim is not None and "input_shape" not in kwargs and "batch_input_shape" not in kwargs:
            kwargs["input_shape"] = (input_length, input_dim) if steps else (input_dim,)
        return kwargs

    def _features(self, input_shape: tuple, ndim: int) -> int:
        features = input_shape[-1]
        if features is None:
            raise ValueError(f"{type(self).__name__} {self.name!r}: the last dimension of the input must be known, "
                             f"got the "
                             f"shape {tuple(input_shape)}.")
        self.input_spec = InputSpec(ndim=ndim, axes={-1: features})
        return features

    def get_config(self):
        return {
            **super().get_config(),
            "init": initializers.serialize(self.init),
            "W_regularizer": regularizers.serialize(self.W_regularizer),
            "b_regularizer": regularizers.serialize(self.b_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "W_constraint": constraints.serialize(self.W_constraint),
            "b_constraint": constraints.serialize(self.b_constraint),
            "bias": self.bias,
            "input_dim": self.input_dim,
        }


class MaxoutDense(_DenseLike):
    """The largest of several linear maps (Goodfellow et al. 2013).

    # Arguments
        output_dim: size of the output.
        nb_feature: number of linear maps.
        init: starting values of the maps.
        weights: list of arrays, the starting values.
        W_regularizer, b_regularizer, activity_regularizer: penalties.
        W_constraint, b_constraint: constraints.
        bias: whether there is a bias.
        input_dim: size of the input, for the first layer.

    # Input
        (batch, input_dim)
    # Output
        (batch, output_dim)
    """

    def __init__(self, output_dim: int, nb_feature: int = 4, init: Any = "glorot_uniform", weights: Any = None,
                 W_regularizer: Any = None, b_regularizer: Any = None, activity_regularizer: Any = None,
                 W_constraint: Any = None, b_constraint: Any = None, bias: bool = True, input_dim: int | None = None,
                 **kwargs: Any):
        super().__init__(weights=weights, **self._with_input(kwargs, input_dim))
        self.output_dim, self.nb_feature = output_dim, nb_feature
        self._set_up(init, W_regularizer, b_regularizer, activity_regularizer, W_constraint, b_constraint, bias,
                     input_dim)
        self.input_spec = InputSpec(ndim=2)

    def build(self, input_shape):
        features = self._features(input_shape, 2)
        self.W = self.add_weight(name="W", shape=(self.nb_feature, features, self.output_dim), initializer=self.init,
                                 regularizer=self.W_regularizer, constraint=self.W_constraint)
        self.b = None
        if self.bias:
            self.b = self.add_weight(name="b", shape=(self.nb_feature, self.output_dim), initializer="zeros",
                                     regularizer=self.b_regularizer, constraint=self.b_constraint)
        self.built = True

    def call(self, inputs):
        output = K.dot(inputs, self.W)  # (batch, nb_feature, output_dim)
        if self.b is not None:
            output = output + self.b
        return K.max(output, axis=1)

    def get_config(self):
        return {**super().get_config(), "output_dim": self.output_dim, "nb_feature": self.nb_feature}


class Highway(_DenseLike):
    """A dense layer whose output is mixed with its input by a gate that is learned (Srivastava et al. 2015).

    # Arguments
        init: starting values of both matrices.
        transform_bias: starting value of the gate's bias; below zero, the input is carried through at first.
        activation: of the dense part; None: linear.
        weights: list of arrays, the starting values: W, b, W_carry, b_carry.
        W_regularizer, b_regularizer, activity_regularizer: penalties.
        W_constraint, b_constraint: constraints.
        bias: whether there are biases.
        input_dim: size of the input, for the first layer.

    # Input and output
        (batch, input_dim)
    """

    def __init__(self, init: Any = "glorot_uniform", transform_bias: float = -2, activation: Any = None,
                 weights: Any = None, W_regularizer: Any = None, b_regularizer: Any = None,
                 activity_regularizer: Any = None, W_constraint: Any = None, b_constraint: Any = None,
                 bias: bool = True, input_dim: int | None = None, **kwargs: Any):
        super().__init__(weights=weights, **self._with_input(kwargs, input_dim))
        self.transform_bias = transform_bias
        self.activation = activations.get(activation)
        self._set_up(init, W_regularizer, b_regularizer, activity_regularizer, W_constraint, b_constraint, bias,
                     input_dim)
        self.input_spec = InputSpec(ndim=2)

    def build(self, input_shape):
        features = self._features(input_shape, 2)
        self.W = self.add_weight(name="W", shape=(features, features), initializer=self.init,
                                 regularizer=self.W_regularizer, constraint=self.W_constraint)
        # The order of the weights is that of the files of Keras 1.
        self.b = self.b_carry = None
        if self.bias:
            self.b = self.add_weight(name="b", shape=(features,), initializer="zeros",
                                     regularizer=self.b_regularizer, constraint=self.b_constraint)
        self.W_carry = self.add_weight(name="W_carry", shape=(features, features), initializer=self.init)
        if self.bias:
            self.b_carry = self.add_weight(name="b_carry", shape=(features,),
                                           initializer=initializers.Constant(self.transform_bias))
        self.built = True

    def call(self, inputs):
        gate, transformed = K.dot(inputs, self.W_carry), K.dot(inputs, self.W)
        if self.b is not None:
            gate, transformed = gate + self.b_carry, transformed + self.b
        gate = K.sigmoid(gate)
        return self.activation(transformed) * gate + (1 - gate) * inputs

    def get_config(self):
        return {**super().get_config(), "transform_bias": self.transform_bias,
                "activation": activations.serialize(self.activation)}


class TimeDistributedDense(_DenseLike):
    """The same dense layer at each time step: `TimeDistributed(Dense(output_dim))`.

    # Arguments
        output_dim: size of the output.
        init: starting values of the matrix.
        activation: name or function; None: linear.
        weights: list of arrays, the starting values.
        W_regularizer, b_regularizer, activity_regularizer: penalties.
        W_constraint, b_constraint: constraints.
        bias: whether there is a bias.
        input_dim, input_length: features and steps of the input, for the first layer.

    # Input
        (batch, steps, input_dim)
    # Output
        (batch, steps, output_dim)
    """

    def __init__(self, output_dim: int, init: Any = "glorot_uniform", activation: Any = None, weights: Any = None,
                 W_regularizer: Any = None, b_regularizer: Any = None, activity_regularizer: Any = None,
                 W_constraint: Any = None, b_constraint: Any = None, bias: bool = True, input_dim: int | None = None,
                 input_length: int | None = None, **kwargs: Any):
        super().__init__(weights=weights, **self._with_input(kwargs, input_dim, input_length, True))
        self.output_dim, self.input_length = output_dim, input_length
        self.activation = activations.get(activation)
        self.supports_masking = True
        self._set_up(init, W_regularizer, b_regularizer, activity_regularizer, W_constraint, b_constraint, bias,
                     input_dim)
        self.input_spec = InputSpec(ndim=3)

    def build(self, input_shape):
        features = self._features(input_shape, 3)
        self.W = self.add_weight(name="W", shape=(features, self.output_dim), initializer=self.init,
                                 regularizer=self.W_regularizer, constraint=self.W_constraint)
        self.b = None
        if self.bias:
            self.b = self.add_weight(name="b", shape=(self.output_dim,), initializer="zeros",
                                     regularizer=self.b_regularizer, constraint=self.b_constraint)
        self.built = True

    def call(self, inputs):
        output = K.dot(inputs, self.W)
        return self.activation(output if self.b is None else output + self.b)

    def get_config(self):
        return {**super().get_config(), "output_dim": self.output_dim, "input_length": self.input_length,
                "activation": activations.serialize(self.activation)}


class ParametricSoftplus(Layer):
    """`alpha * log(1 + exp(beta * x))`, with an alpha and a beta for each feature.

    # Arguments
        alpha_init, beta_init: starting values, numbers.
        weights: list of arrays, the starting values.
    """

    def __init__(self, alpha_init: float = 0.2, beta_init: float = 5.0, weights: Any = None, **kwargs: Any):
        super().__init__(weights=weights, **kwargs)
        self.supports_masking = True
        self.alpha_init, self.beta_init = alpha_init, beta_init

    def build(self, input_shape):
        shape = input_shape[1:]
        self.alphas = self.add_weight(name="alphas", shape=shape, initializer=initializers.Constant(self.alpha_init))
        self.betas = self.add_weight(name="betas", shape=shape, initializer=initializers.Constant(self.beta_init))
        self.built = True

    def call(self, inputs):
        return K.softplus(self.betas * inputs) * self.alphas

    def get_config(self):
        return {**super().get_config(), "alpha_init": self.alpha_init, "beta_init": self.beta_init}


class SReLU(Layer):
    """S-shaped rectifier: linear with slopes that are learned below and above two learned thresholds (Jin et al. 2015).

    # Arguments
        t_left_init, a_left_init: starting values of the left threshold and the slope below it.
        t_right_init, a_right_init: starting values of the distance from the left to the right threshold, and of the
        slope
            above.
    """

    def __init__(self, t_left_init: Any = "zero", a_left_init: Any = "glorot_uniform",
                 t_right_init: Any = "glorot_uniform", a_right_init: Any = "one", **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.t_left_init = initializers.get(t_left_init)
        self.a_left_init = initializers.get(a_left_init)
        self.t_right_init = initializers.get(t_right_init)
        self.a_right_init = initializers.get(a_right_init)

    def build(self, input_shape):
        shape = input_shape[1:]
        self.t_left = self.add_weight(name="t_left", shape=shape, initializer=self.t_left_init)
        self.a_left = self.add_weight(name="a_left", shape=shape, initializer=self.a_left_init)
        self.t_right = self.add_weight(name="t_right", shape=shape, initializer=self.t_right_init)
        self.a_right = self.add_weight(name="a_right", shape=shape, initializer=self.a_right_init)
        self.built = True

    def call(self, inputs):
        right = self.t_left + K.abs(self.t_right)  # the right threshold is never left of the left one
        below = self.t_left + self.a_left * (inputs - self.t_left)
        above = right + self.a_right * (inputs - right)
        return K.switch(K.less(inputs, self.t_left), below, K.switch(K.greater_equal(inputs, right), above, inputs))

    def get_config(self):
        return {**super().get_config(), "t_left_init": initializers.serialize(self.t_left_init),
                "a_left_init": initializers.serialize(self.a_left_init),
                "t_right_init": initializers.serialize(self.t_right_init),
                "a_right_init": initializers.serialize(self.a_right_init)}


# ------------------------------------------------------------------------------------------------------- Merge
_MODES = ("sum", "mul", "concat", "ave", "cos", "dot", "max")


class Merge(Layer):
    """Joins tensors, or the outputs of layers and models.

    # Arguments
        layers: layers or models whose outputs are joined; without, call the layer on a list of tensors.
        mode: 'sum', 'mul', 'concat', 'ave', 'cos', 'dot', 'max', or a function of the list of tensors.
        concat_axis: axis of 'concat'.
        dot_axes: axis (or two) to sum over, of 'dot' and 'cos'.
        output_shape: shape of the output of a function, or a function of the input shapes; needed where the graph
        cannot
            tell it.
        output_mask: mask of the output of a function, or a function of the input masks.
        arguments: further keyword arguments of the function.
        node_indices, tensor_indices: which call and which output of each layer; default: the first.
        name: name of the layer.
    """

    _wants_list = True

    def __init__(self, layers: list | None = None, mode: Any = "sum", concat_axis: int = -1, dot_axes: Any = -1,
                 output_shape: Any = None, output_mask: Any = None, arguments: Mapping | None = None,
                 node_indices: list | None = None, tensor_indices: list | None = None, name: str | None = None,
                 **kwargs: Any):
        super().__init__(name=name, **kwargs)
        if not callable(mode) and mode not in _MODES:
            raise ValueError(f"Merge: `mode` must be one of {', '.join(map(repr, _MODES))} or a function, got "
                             f"{mode!r}.")
        self.mode = mode
        self.concat_axis, self.dot_axes = concat_axis, dot_axes
        self._output_shape, self._output_mask = output_shape, output_mask
        self.arguments = dict(arguments or {})
        self.supports_masking = True
        if layers:
            self.join(layers, node_indices, tensor_indices)

    def join(self, layers: list, node_indices: list | None = None, tensor_indices: list | None = None) -> None:
        """Call the layer on the outputs of layers or models."""
        if len(layers) < 2:
            raise ValueError(f"Merge {self.name!r} needs at least two layers, got {len(layers)}.")
        self.merged = list(layers)
        tensors = []
        for k, layer in enumerate(layers):
            outputs = to_list(layer.get_output_at(node_indices[k] if node_indices else 0))
            tensors.append(outputs[tensor_indices[k] if tensor_indices else 0])
        self(tensors)

    def compute_output_shape(self, input_shape):
        if self._output_shape is None:
            return super().compute_output_shape(input_shape)
        if callable(self._output_shape):
            return tuple(self._output_shape(input_shape))
        return (input_shape[0][0], *self._output_shape)

    def _axes(self, inputs: list) -> list[int]:
        if len(inputs) != 2:
            raise ValueError(f"Merge {self.name!r}: mode {self.mode!r} joins two inputs, got {len(inputs)}.")
        axes = self.dot_axes if isinstance(self.dot_axes, (list, tuple)) else [self.dot_axes] * 2
        return [axis % K.ndim(tensor) for axis, tensor in zip(axes, inputs)]

    def call(self, inputs, mask=None):
        if not isinstance(inputs, list) or len(inputs) < 2:
            raise TypeError(f"Merge {self.name!r} must be called on a list of at least two tensors, got {inputs!r}.")
        if callable(self.mode):
            return self.mode(inputs, **self.arguments)
        if self.mode in {"sum", "ave", "mul", "max"}:
            output = inputs[0]
            combine: Callable = {"mul": lambda a, b: a * b, "max": K.maximum}.get(self.mode, lambda a, b: a + b)
            for tensor in inputs[1:]:
                output = combine(output, tensor)
            return output / len(inputs) if self.mode == "ave" else output
        if self.mode == "concat":
            return K.concatenate(inputs, axis=self.concat_axis)
        axes = self._axes(inputs)
        first, second = inputs
        product = K.batch_dot(first, second, axes)
        if self.mode == "dot":
            return product
        lengths = K.batch_dot(first, first, axes[0]) * K.batch_dot(second, second, axes[1])
        return K.expand_dims(product / K.sqrt(K.maximum(lengths, K.epsilon())), 1)

    def compute_mask(self, inputs, mask=None):
        if callable(self.mode):
            return self._output_mask(mask) if callable(self._output_mask) else self._output_mask
        known = [one for one in mask or [] if one is not None]
        if not known:
            return None
        if self.mode == "concat":
            masks = [K.cast(K.ones_like(tensor[..., 0]), "bool") if one is None else one
                     for tensor, one in zip(inputs, mask)]
            if self.concat_axis % K.ndim(inputs[0]) == 1:
                return K.concatenate(masks, axis=1)
            return K.all(K.stack(masks, axis=0), axis=0)
        if self.mode in {"cos", "dot"}:
            return None
        return K.all(K.stack(known, axis=0), axis=0)

    def get_config(self):
        from symgraph.layers.core import _described

        config = {**super().get_config(), "concat_axis": self.concat_axis, "dot_axes": self.dot_axes,
                  "arguments": self.arguments}
        for name, value in (("mode", self.mode), ("output_shape", self._output_shape),
                            ("output_mask", self._output_mask)):
            config[name], config[f"{name}_type"] = _described(value) if callable(value) else (value, "raw")
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None):
        from symgraph.layers.core import _function_of

        config = dict(config)
        for name in ("mode", "output_shape", "output_mask"):
            kind = config.pop(f"{name}_type", "raw")
            if kind != "raw":
                config[name] = _function_of(config[name], kind, custom_objects)
        return cls(**config)


def merge(inputs: list, mode: Any = "sum", concat_axis: int = -1, dot_axes: Any = -1, output_shape: Any = None,
          output_mask: Any = None, arguments: Mapping | None = None, name: str | None = None) -> Any:
    """Join tensors; see `Merge`."""
    return Merge(mode=mode, concat_axis=concat_axis, dot_axes=dot_axes, output_shape=output_shape,
                 output_mask=output_mask, arguments=arguments, name=name)(list(inputs))


def AtrousConvolution1D(*args: Any, **kwargs: Any) -> Conv1D:
    """A `Conv1D` whose dilation may be called `atrous_rate`."""
    if "atrous_rate" in kwargs:
        kwargs["dilation_rate"] = kwargs.pop("atrous_rate")
    return Conv1D(*args, **kwargs)


def AtrousConvolution2D(*args: Any, **kwargs: Any) -> Conv2D:
    """A `Conv2D` whose dilation may be called `atrous_rate`."""
    if "atrous_rate" in kwargs:
        kwargs["dilation_rate"] = kwargs.pop("atrous_rate")
    return Conv2D(*args, **kwargs)


AtrousConv1D = AtrousConvolution1D
AtrousConv2D = AtrousConvolution2D
