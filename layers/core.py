"""Core layers: Dense, Activation, Dropout, shapes, Lambda."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgraph import activations, constraints, initializers, regularizers
from symgraph import backend as K
from symgraph.engine.input_spec import InputSpec
from symgraph.engine.layer import Layer
from symgraph.utils.conv_utils import normalize_data_format
from symgraph.utils.generic_utils import code_policy, func_dump, func_load, get_custom_objects, has_arg

__all__ = [
    "Activation", "ActivityRegularization", "Dense", "Dropout", "Flatten", "Lambda", "Masking", "Permute",
    "RepeatVector", "Reshape", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D",
]


class Masking(Layer):
    """Masks the time steps at which all features equal a value.

    # Arguments
        mask_value: the value.

    # Input and output
        (batch, time, features); masked steps are set to zero.
    """

    def __init__(self, mask_value: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.mask_value = mask_value

    def compute_mask(self, inputs, mask=None):
        return K.any(K.not_equal(inputs, self.mask_value), axis=-1)

    def call(self, inputs):
        kept = K.any(K.not_equal(inputs, self.mask_value), axis=-1, keepdims=True)
        return inputs * K.cast(kept, K.dtype(inputs))

    def get_config(self):
        return {**super().get_config(), "mask_value": self.mask_value}


class Dropout(Layer):
    """Sets a part of the inputs to zero in training and scales the others up (Srivastava et al. 2014).

    # Arguments
        rate: part that is dropped, from 0 to 1.
        noise_shape: shape of the mask, 1 where it is shared along an axis, None for the input's size.
        seed: seed of the mask.
    """

    def __init__(self, rate: float, noise_shape: tuple | None = None, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.rate = min(1.0, max(0.0, rate))
        self.noise_shape = noise_shape
        self.seed = seed
        self.supports_masking = True

    def _get_noise_shape(self, inputs: Any) -> Any:
        if self.noise_shape is None:
            return None
        sizes = K.int_shape(inputs)
        symbolic = K.shape(inputs) if None in sizes else None
        shape = []
        for axis, size in enumerate(self.noise_shape):
            if size is not None:
                shape.append(size)
            else:
                shape.append(sizes[axis] if sizes[axis] is not None else symbolic[axis])
        return tuple(shape)

    def call(self, inputs, training=None):
        if not 0.0 < self.rate < 1.0:
            return inputs
        noise_shape = self._get_noise_shape(inputs)
        return K.in_train_phase(lambda: K.dropout(inputs, self.rate, noise_shape, seed=self.seed), inputs,
                                training=training)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "noise_shape": self.noise_shape, "seed": self.seed}


class _SpatialDropout(Dropout):
    """Common part of the dropouts of whole channels."""

    rank: int
    data_format: str | None = "channels_last"

    def __init__(self, rate: float, data_format: str | None = None, **kwargs: Any):
        super().__init__(rate, **kwargs)
        if self.rank > 1:
            self.data_format = normalize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _get_noise_shape(self, inputs: Any) -> Any:
        batch = K.int_shape(inputs)[0]
        batch = K.shape(inputs)[0] if batch is None else batch
        if self.data_format == "channels_first":
            return (batch, K.int_shape(inputs)[1], *(1,) * self.rank)
        return (batch, *(1,) * self.rank, K.int_shape(inputs)[-1])


class SpatialDropout1D(_SpatialDropout):
    """Dropout of whole channels of sequences: a channel is dropped at all steps or at none (Tompson et al. 2015).

    # Arguments
        rate: part of the channels that is dropped.

    # Input
        (batch, steps, channels)
    """

    rank = 1

    def __init__(self, rate: float, **kwargs: Any):
        super().__init__(rate, None, **kwargs)


class SpatialDropout2D(_SpatialDropout):
    """Dropout of whole channels of images.

    # Arguments
        rate: part of the channels that is dropped.
        data_format: 'channels_last' or 'channels_first'; default: the configured layout.
    """

    rank = 2

    def get_config(self):
        return {**super().get_config(), "data_format": self.data_format}


class SpatialDropout3D(_SpatialDropout):
    """Dropout of whole channels of volumes.

    # Arguments
        rate: part of the channels that is dropped.
        data_format: 'channels_last' or 'channels_first'; default: the configured layout.
    """

    rank = 3

    def get_config(self):
        return {**super().get_config(), "data_format": self.data_format}


class Activation(Layer):
    """Applies an activation function.

    # Arguments
        activation: name or function.
    """

    def __init__(self, activation: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.activation = activations.get(activation)

    def call(self, inputs):
        return self.activation(inputs)

    def get_config(self):
        return {**super().get_config(), "activation": activations.serialize(self.activation)}


class Reshape(Layer):
    """Gives each sample another shape.

    # Arguments
        target_shape: shape without the batch; one size may be -1.
    """

    def __init__(self, target_shape: tuple, **kwargs: Any):
        super().__init__(**kwargs)
        self.target_shape = tuple(target_shape)

    def _resolved(self, input_shape: tuple) -> tuple:
        """The target with its -1 worked out, where the input's sizes allow it."""
        target = self.target_shape
        if target.count(-1) > 1:
            raise ValueError(f"Reshape: only one size of the target shape can be -1, got {target}.")
        if None in input_shape:
            return target
        size = int(np.prod(input_shape, dtype="int64"))
        fixed = int(np.prod([n for n in target if n != -1], dtype="int64"))
        if (-1 in target and (fixed == 0 or size % fixed)) or (-1 not in target and size != fixed):
            raise ValueError(f"total size of new array must be unchanged: the input shape {input_shape} has {size} "
                             f"elements, the target shape {target} does not.")
        return tuple(size // fixed if n == -1 else n for n in target)

    def call(self, inputs):
        target = self._resolved(K.int_shape(inputs)[1:])
        if -1 in target:
            # The rest of the shape is known only when it runs.
            return K.reshape(inputs, (K.shape(inputs)[0], *target))
        return K.reshape(inputs, (-1, *target))

    def get_config(self):
        return {**super().get_config(), "target_shape": self.target_shape}


class Permute(Layer):
    """Permutes the axes of each sample.

    # Arguments
        dims: the axes in their new order, counted from 1.
    """

    def __init__(self, dims: tuple, **kwargs: Any):
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(f"Permute: `dims` must be a permutation of 1..{len(self.dims)}, got {self.dims}.")
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs):
        return K.permute_dimensions(inputs, (0, *self.dims))

    def get_config(self):
        return {**super().get_config(), "dims": self.dims}


class Flatten(Layer):
    """Makes each sample one-dimensional.

    # Arguments
        data_format: 'channels_first' puts the channels last before, so that weights that follow fit both layouts;
            by default the configured layout. Configurations without it, older than the argument, change no order.
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.input_spec = InputSpec(min_ndim=2)
        self.data_format = normalize_data_format(data_format)

    @classmethod
    def from_config(cls, config: dict) -> Flatten:
        return cls(**{"data_format": "channels_last", **config})

    def call(self, inputs):
        shape = K.int_shape(inputs)
        if self.data_format == "channels_first" and len(shape) > 2:
            inputs = K.permute_dimensions(inputs, (0, *range(2, len(shape)), 1))
        return K.batch_flatten(inputs)

    def get_config(self):
        return {**super().get_config(), "data_format": self.data_format}


class RepeatVector(Layer):
    """Repeats a vector: (batch, features) becomes (batch, n, features).

    # Arguments
        n: number of repetitions.
    """

    def __init__(self, n: int, **kwargs: Any):
        super().__init__(**kwargs)
        if not hasattr(n, "__index__") or n < 0:
            raise TypeError(f"RepeatVector: `n` must be a number of repetitions, got {n!r}.")
        self.n = int(n)
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs):
        return K.repeat(inputs, self.n)

    def get_config(self):
        return {**super().get_config(), "n": self.n}


class Lambda(Layer):
    """A function of tensors as a layer.

    # Arguments
        function: takes the input tensor (or list) and gives a tensor; it may take `mask` and `training`.
        output_shape: shape without the batch, or a function of the input shape; needed only where the
            graph cannot tell the shape.
        mask: the output's mask, or a function of inputs and mask that gives it.
        arguments: further keyword arguments of the function.
    """

    def __init__(self, function: Any, output_shape: Any = None, mask: Any = None, arguments: dict | None = None,
                 **kwargs: Any):
        super().__init__(**kwargs)
        if not callable(function):
            raise TypeError(f"Lambda: `function` must be callable, got {function!r}.")
        if output_shape is not None and not isinstance(output_shape, (tuple, list)) and not callable(output_shape):
            raise TypeError(f"Lambda: `output_shape` must be a tuple or a function, got {output_shape!r}.")
        self.function = function
        self.arguments = dict(arguments or {})
        self._output_shape = tuple(output_shape) if isinstance(output_shape, list) else output_shape
        self.supports_masking = mask is not None
        self.mask = mask

    def compute_output_shape(self, input_shape):
        if self._output_shape is None:
            return super().compute_output_shape(input_shape)
        if callable(self._output_shape):
            shape = self._output_shape(input_shape)
            if not isinstance(shape, (list, tuple)):
                raise ValueError(f"Lambda {self.name!r}: `output_shape` must give a tuple, got {shape!r}.")
            return shape if isinstance(shape, list) and shape and isinstance(shape[0], (tuple, list)) else tuple(shape)
        first = input_shape[0] if isinstance(input_shape, list) else input_shape
        return (first[0] if first else None, *self._output_shape)

    def call(self, inputs, mask=None):
        arguments = dict(self.arguments)
        if has_arg(self.function, "mask"):
            arguments["mask"] = mask
        return self.function(inputs, **arguments)

    def compute_mask(self, inputs, mask=None):
        # A Lambda without a mask of its own ends the mask.
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def get_config(self):
        function, function_type = _described(self.function)
        config = {**super().get_config(), "function": function, "function_type": function_type,
                  "arguments": self.arguments}
        if callable(self._output_shape):
            config["output_shape"], config["output_shape_type"] = _described(self._output_shape)
        else:
            config["output_shape"], config["output_shape_type"] = self._output_shape, "raw"
        if callable(self.mask):
            config["mask"], config["mask_type"] = _described(self.mask)
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        config["function"] = _function_of(config["function"], config.pop("function_type", "lambda"), custom_objects)
        kind = config.pop("output_shape_type", "raw")
        if kind != "raw":
            config["output_shape"] = _function_of(config["output_shape"], kind, custom_objects)
        kind = config.pop("mask_type", "raw")
        if kind != "raw":
            config["mask"] = _function_of(config["mask"], kind, custom_objects)
        arguments = config.get("arguments") or {}
        config["arguments"] = {
            key: np.array(value["value"]) if isinstance(value, dict) and value.get("type") == "ndarray" else value
            for key, value in arguments.items()
        }
        known = {"function", "output_shape", "mask", "arguments", "name", "trainable", "dtype", "batch_input_shape"}
        return cls(**{key: value for key, value in config.items() if key in known})


#: Named functions that a configuration made in this process refers to.
_NAMED: dict[str, Any] = {}


def _described(function: Any) -> tuple[Any, str]:
    """A function as it is stored: its code for a lambda, its name otherwise."""
    if getattr(function, "__name__", "") == "<lambda>":
        return func_dump(function), "lambda"
    name = getattr(function, "__name__", type(function).__name__)
    _NAMED[name] = function
    return name, "function"


def _function_of(stored: Any, kind: str, custom_objects: Any) -> Any:
    if kind == "lambda":
        return func_load(stored)
    own = {} if code_policy() == "refuse" else _NAMED
    for table in (custom_objects or {}, get_custom_objects(), own):
        if stored in table:
            return table[stored]
    raise ValueError(f"Lambda: the function {stored!r} is not known. Pass it: "
                     f"`custom_objects={{{stored!r}: function}}`.")


class Dense(Layer):
    """`activation(dot(input, kernel) + bias)`, over the last axis.

    # Arguments
        units: size of the output.
        activation: name or function; None: linear.
        use_bias: whether there is a bias.
        kernel_initializer, bias_initializer: starting values.
        kernel_regularizer, bias_regularizer, activity_regularizer: penalties.
        kernel_constraint, bias_constraint: constraints.

    # Input
        (batch, ..., features)
    # Output
        (batch, ..., units)
    """

    def __init__(self, units: int, activation: Any = None, use_bias: bool = True,
                 kernel_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 kernel_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        if not isinstance(units, (int, np.integer)) or units < 1:
            raise ValueError(f"Dense: `units` must be a positive integer, got {units!r}.")
        self.units = int(units)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.input_spec = InputSpec(min_ndim=2)
        self.supports_masking = True

    def build(self, input_shape):
        features = input_shape[-1]
        if features is None:
            raise ValueError(f"Dense {self.name!r}: the last dimension of the input must be known, got the shape "
                             f"{tuple(input_shape)}.")
        self.kernel = self.add_weight(name="kernel", shape=(features, self.units), initializer=self.kernel_initializer,
                                      regularizer=self.kernel_regularizer, constraint=self.kernel_constraint)
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.units,), initializer=self.bias_initializer,
                                        regularizer=self.bias_regularizer, constraint=self.bias_constraint)
        self.input_spec = InputSpec(min_ndim=2, axes={-1: features})
        self.built = True

    def call(self, inputs):
        output = K.dot(inputs, self.kernel)
        if self.bias is not None:
            output = K.bias_add(output, self.bias, data_format="channels_last")
        return self.activation(output)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
        }


class ActivityRegularization(Layer):
    """Passes its input on and adds a penalty on it to the loss.

    # Arguments
        l1, l2: factors of the sum of absolute values and of squares.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.l1, self.l2 = l1, l2
        self.activity_regularizer = regularizers.L1L2(l1=l1, l2=l2)

    def get_config(self):
        return {**super().get_config(), "l1": self.l1, "l2": self.l2}
