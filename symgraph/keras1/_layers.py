"""The layers of Keras 1: classes of the same names with the arguments, defaults, configurations and weight layouts of
Keras 1, made from the documented signatures (`legacy/keras1_names.py`) over the layers of this package."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgraph import backend as K
from symgraph import layers as new_layers
from symgraph.engine.layer import COMMON_ARGUMENTS
from symgraph.engine.layer import Layer as NewLayer
from symgraph.engine.old_attributes import Derived
from symgraph.keras1._initializations import INITIALIZATIONS, OldInitializer
from symgraph.keras1._initializations import get as get_initialization
from symgraph.keras1._penalties import Regularizer, as_activity_penalty, as_penalty, get_constraint
from symgraph.legacy.names import signature
from symgraph.legacy.rules import RULES

__all__ = ["Layer", "NATIVE", "OldLayer", "make_layer"]

#: Keras-1 class -> class here, where the names differ.
NATIVE = {
    "Convolution1D": "Conv1D", "Convolution2D": "Conv2D", "Convolution3D": "Conv3D",
    "Deconvolution2D": "Conv2DTranspose",
    "SeparableConvolution2D": "SeparableConv2D", "AtrousConvolution1D": "Conv1D", "AtrousConvolution2D": "Conv2D",
    "BatchNormalization": "BatchNormalizationKeras1",
}
#: Names of arguments that hold initializations.
_INITS = frozenset({"init", "inner_init", "beta_init", "gamma_init", "alpha_init", "t_left_init", "a_left_init",
                    "t_right_init", "a_right_init", "depthwise_init"})
#: Layers whose steps come before their features, whatever the order of pictures is.
_OF_SEQUENCES = frozenset({"Convolution1D", "AtrousConvolution1D", "LocallyConnected1D", "MaxPooling1D",
                           "AveragePooling1D", "GlobalMaxPooling1D", "GlobalAveragePooling1D"})
#: Old attribute -> attribute here (for a weight, the variable).
_ATTRIBUTES = {
    "W": "kernel", "U": "recurrent_kernel", "b": "bias", "output_dim": "units", "nb_filter": "filters",
    "subsample": "strides", "border_mode": "padding", "p": "rate", "sigma": "stddev", "init": "kernel_initializer",
    "inner_init": "recurrent_initializer", "inner_activation": "recurrent_activation", "running_mean": "moving_mean",
    "running_std": "moving_variance", "W_regularizer": "kernel_regularizer", "b_regularizer": "bias_regularizer",
    "U_regularizer": "recurrent_regularizer", "W_constraint": "kernel_constraint", "b_constraint": "bias_constraint",
    "pool_length": "pool_size", "length": "size", "atrous_rate": "dilation_rate", "alphas": "alpha",
    "filter_length": "kernel_size", "subsample_length": "strides", "stride": "strides",
}


#: The same, of one layer.
_ATTRIBUTES_OF = {
    "PReLU": {"init": "alpha_initializer", "alphas": "alpha"},
    "Embedding": {"init": "embeddings_initializer", "W_regularizer": "embeddings_regularizer",
                  "W_constraint": "embeddings_constraint"},
    "Convolution1D": {"subsample": "strides"},
    "AtrousConvolution1D": {"subsample": "strides"},
}


class OldLayer(NewLayer):
    """Base of the Keras-1 layers, and of layers that users write in the Keras-1 way.

    Such a layer gives `build`, `call(x, mask=None)` and `get_output_shape_for(input_shape)`; in `build` it may set
    `self.trainable_weights`, `self.regularizers` and `self.constraints` by hand.
    """

    def __init__(self, **kwargs):  # of layers that users write; the others go to the class that does the work
        super().__init__(**kwargs)
        self.regularizers, self.constraints = [], {}

    def get_output_shape_for(self, input_shape):
        """The shape of the output for an input shape."""
        return self.compute_output_shape(input_shape)

    def create_input_layer(self, batch_input_shape, input_dtype=None, name=None):
        """Begin a graph: an input of this shape, and the layer called on it."""
        self.batch_input_shape = tuple(batch_input_shape)
        return self(new_layers.Input(batch_shape=batch_input_shape, dtype=input_dtype, name=name))

    def add_updates(self, updates, inputs=None):
        """Add updates that run with each training step, for a call on `inputs`."""
        self.add_update(updates, inputs)

    def add_inbound_node(self, inbound_layers, node_indices=None, tensor_indices=None):
        """Call the layer on the outputs of other layers.

        # Arguments
            inbound_layers: layers.
            node_indices, tensor_indices: for each of them, which of its calls and which output of it; default: 0.
        """
        layers = inbound_layers if isinstance(inbound_layers, (list, tuple)) else [inbound_layers]
        nodes = [0] * len(layers) if node_indices is None else np.atleast_1d(node_indices)
        places = [0] * len(layers) if tensor_indices is None else np.atleast_1d(tensor_indices)
        tensors = [layer._inbound_nodes[node].output_tensors[place]
                   for layer, node, place in zip(layers, nodes, places)]
        self(tensors if len(tensors) > 1 else tensors[0])

    def add_weight(self, shape=None, initializer=None, name=None, **keywords):  # type: ignore[override]
        """Make a weight; `initializer` is a name, or a function `(shape, name=...)`."""
        if isinstance(shape, str):  # the order of Keras 2: name, shape, ..., initializer by name
            shape, name, initializer = initializer, shape, keywords.pop("initializer", None)
        if isinstance(initializer, str) and initializer in INITIALIZATIONS:
            initializer = OldInitializer(initializer)
        return super().add_weight(name=name, shape=shape, initializer=initializer, **keywords)

    def _ensure_built(self, inputs: Any, shapes: list) -> None:
        fresh = not self.built
        super()._ensure_built(inputs, shapes)
        if fresh:
            # What a `build` in the Keras-1 way may have set by hand, or added to.
            for regularizer in self.__dict__.get("regularizers") or []:
                if getattr(regularizer, "layer", None) is self:
                    continue  # of the outputs: see `_output_penalties`
                parameter = getattr(regularizer, "p", None)
                if parameter is not None and hasattr(regularizer, "penalty"):
                    self.add_loss(regularizer.penalty(parameter))
                else:  # of the user's own, which gives a loss with its penalty
                    self.add_loss(regularizer(K.constant(0.0)))
            for parameter, constraint in (self.__dict__.get("constraints") or {}).items():
                parameter.constraint = constraint

    def _output_penalties(self, results: list) -> list:
        """Also those of regularizers that were told of this layer by `set_layer`."""
        own = getattr(self, "activity_regularizer", None)
        given = [own] if isinstance(own, Regularizer) else []
        given += [each for each in self.__dict__.get("regularizers") or [] if getattr(each, "layer", None) is self
                  and each is not own]
        found = [] if given[:1] == [own] else super()._output_penalties(results)
        return found + [as_activity_penalty(each)(result) for each in given for result in results]

    def get_config(self):
        config = super().get_config()
        config.pop("dtype", None)
        if "batch_input_shape" in config:
            config["input_dtype"] = self._input_dtype()
        return config


Layer = OldLayer


def _initializer(value: Any, first: bool) -> Any:
    if value is None or isinstance(value, (OldInitializer, dict, int, float)):
        return value
    if isinstance(value, str):
        get_initialization(value)  # an unknown name is an error here, where the layer is made
    return OldInitializer(value, first)


def _is_first(arguments: dict) -> bool:
    ordering = arguments.get("dim_ordering", "default")
    if ordering not in {"th", "tf", "default", None}:
        raise ValueError(f"`dim_ordering` must be 'th', 'tf' or 'default', got {ordering!r}.")
    return ordering == "th" or (ordering in {"default", None} and K.image_data_format() == "channels_first")


def _translated(arguments: dict, first: bool) -> dict:
    """The values that Keras 1 writes otherwise; the names stay."""
    result = {}
    for key, value in arguments.items():
        if key in _INITS:
            value = _initializer(value, first)
        elif key.endswith("_regularizer"):
            value = as_penalty(value)
        elif key.endswith("_constraint"):
            value = get_constraint(value)
        elif value is None and key in {"weights", "input_dim", "input_length", "activity_regularizer"}:
            continue
        result[key] = value
    return result


def _written(value: Any) -> Any:
    """A value as a Keras-1 configuration has it."""
    if isinstance(value, NewLayer):
        return {"class_name": type(value).__name__, "config": value.get_config()}
    if hasattr(value, "get_config"):
        return value.get_config()
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    return value


# ---------------------------------------------------------------------------------------------- weight layouts
def _kernel_first(weights: list[np.ndarray], back: bool) -> list[np.ndarray]:
    """Kernels (outputs, inputs, *window) outside, (*window, inputs, outputs) inside."""
    kernel = np.asarray(weights[0])
    order = (*range(2, kernel.ndim), 1, 0) if back else (kernel.ndim - 1, kernel.ndim - 2, *range(kernel.ndim - 2))
    return [kernel.transpose(order), *weights[1:]]


def _transposed_kernel(first: bool) -> Any:
    def convert(weights: list[np.ndarray], back: bool) -> list[np.ndarray]:
        kernel = np.asarray(weights[0])  # inside (rows, columns, outputs, inputs)
        if back:
            kernel = kernel.transpose(2, 3, 0, 1) if first else kernel.transpose(0, 1, 3, 2)
        else:
            kernel = kernel.transpose(2, 3, 0, 1) if first else kernel.transpose(0, 1, 3, 2)
        return [kernel, *weights[1:]]

    return convert


def _flat_kernel(weights: list[np.ndarray], back: bool) -> list[np.ndarray]:
    """Kernels (length, 1, inputs, outputs) outside, (length, inputs, outputs) inside."""
    kernel = np.asarray(weights[0])
    return [kernel[:, 0] if back else kernel[:, None], *weights[1:]]


def _separable_first(weights: list[np.ndarray], back: bool) -> list[np.ndarray]:
    order = (2, 3, 1, 0) if back else (3, 2, 0, 1)
    return [*(np.asarray(w).transpose(order) for w in weights[:2]), *weights[2:]]


def _gates(order: tuple[int, ...], axis: int = -1) -> Any:
    """An array a gate outside, in the given order of the gates; side by side inside."""
    count = len(order)

    def convert(weights: list[np.ndarray], back: bool) -> list[np.ndarray]:
        if back:
            if len(weights) != 3 * count:
                return list(weights)  # side by side already
            return [np.concatenate([weights[3 * order.index(gate) + kind] for gate in range(count)], axis=axis)
                    for kind in range(3)]
        parts = [np.split(np.asarray(weight), count, axis=axis) for weight in weights]
        return [parts[kind][gate] for gate in order for kind in range(3)]

    return convert


_LSTM_GATES = (0, 2, 1, 3)  # i, c, f, o outside; i, f, c, o inside


def _layout(name: str, arguments: dict, first: bool) -> Any:
    """What turns the weights of a layer into those of Keras 1 and back, or None."""
    if name in {"Convolution2D", "AtrousConvolution2D", "Convolution3D"}:
        return _kernel_first if first else None
    if name == "Deconvolution2D":
        return _transposed_kernel(first)
    if name in {"Convolution1D", "AtrousConvolution1D"}:
        return _flat_kernel
    if name == "SeparableConvolution2D":
        return _separable_first if first else None
    if name == "LSTM" and arguments.get("consume_less") != "gpu":
        return _gates(_LSTM_GATES)
    if name == "ConvLSTM2D":
        return _gates(_LSTM_GATES)
    if name == "GRU" and arguments.get("consume_less") != "gpu":
        return _gates((0, 1, 2))
    return None


# ---------------------------------------------------------------------------------------------- the factory
def make_layer(name: str, arguments: str, native: type, extra: dict | None = None, module: str = "layers") -> type:
    """The Keras-1 class of a layer.

    # Arguments
        name: its name in Keras 1.
        arguments: its documented arguments.
        native: the class here that does the work.
        extra: further members of the class.
        module: module of `symgraph.keras1` where it is found.
    """
    old = signature(arguments)
    known = [parameter for parameter in old.parameters.values() if parameter.kind == parameter.POSITIONAL_OR_KEYWORD]
    names = frozenset(parameter.name for parameter in known)
    rule = RULES.get(native.__name__)
    new_only = frozenset(rule.rename.values()) - names if rule else frozenset()
    open_ended = len(known) < len(old.parameters)
    recurrent = issubclass(native, new_layers.RNN) if hasattr(new_layers, "RNN") else False

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        if not new_only.isdisjoint(kwargs):  # a configuration in the words of Keras 2
            object.__setattr__(self, "_old", None)
            native.__init__(self, *args, **kwargs)
            return
        common = {} if open_ended else {key: kwargs.pop(key) for key in list(kwargs)
                                        if key in COMMON_ARGUMENTS and key not in old.parameters}
        try:
            bound = old.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{name}: {error}. Its arguments are: {arguments}.") from None
        bound.apply_defaults()
        given = dict(bound.arguments)
        rest = {**common, **given.pop("kwargs", {})}
        first = "dim_ordering" in names and _is_first(given)
        object.__setattr__(self, "_old", dict(given))
        object.__setattr__(self, "_layout", _layout(name, {**given, **rest}, first))
        words = _translated({**given, **rest}, first)
        if words.get("dim_ordering", "") in {"default", None}:
            words["dim_ordering"] = "th" if first else "tf"
        if name == "Embedding":
            words.pop("dropout", None)  # `_special_layers` sees to it
        if name in _OF_SEQUENCES:
            words["data_format"] = "channels_last"
        if name.startswith("Atrous"):
            words["dilation_rate"] = words.pop("atrous_rate")
        if recurrent:
            refuse_steps(self)
            object.__setattr__(self, "_consume_less", words.get("consume_less", "cpu"))
            if name != "ConvLSTM2D":  # which has one way only
                words.setdefault("implementation" if "consume_less" not in words else "consume_less",
                                 words.get("consume_less", 1))
            if words.get("input_dim") is not None:
                words.setdefault("input_length", None)
        native.__init__(self, **words)

    def refuse_steps(self: Any) -> None:
        """A derived class whose steps would be passed over: here the whole loop is one cell's."""
        steps = [each for each in ("step", "get_constants", "preprocess_input") if hasattr(type(self), each)]
        if steps:
            raise TypeError(f"{type(self).__name__}: `{steps[0]}` of a class derived from {name} would not be called. "
                            "To give the steps of a loop, derive it from `Recurrent` (or `ConvRecurrent2D`).")

    def get_config(self) -> dict:
        if self._old is None or name in {"Lambda", "Merge"}:  # which write their functions themselves
            return {key: value for key, value in native.get_config(self).items() if key != "dtype"}
        config = OldLayer.get_config(self)
        # The base's part alone: what the class here adds is in other words.
        own = NewLayer.get_config(self)
        config = {key: value for key, value in config.items() if key in own or key == "input_dtype"}
        for key, value in self._old.items():
            if key != "weights":
                config[key] = _written(value)
        if recurrent:
            for key in ("return_sequences", "go_backwards", "stateful", "unroll"):
                config[key] = getattr(self, key)
            if name != "ConvLSTM2D":
                config["consume_less"] = self._consume_less
        return config

    def get_weights(self) -> list:
        weights = native.get_weights(self)
        layout = self.__dict__.get("_layout")
        return layout(weights, False) if layout is not None and weights else weights

    def set_weights(self, weights: list) -> None:
        layout = self.__dict__.get("_layout")
        native.set_weights(self, layout(list(weights), True) if layout is not None and len(weights) else weights)

    members: dict[str, Any] = {
        "__init__": __init__, "get_config": get_config, "get_weights": get_weights, "set_weights": set_weights,
        "__doc__": f"{name} of Keras 1: see `symgraph.layers.{native.__name__}`.\n\n    # Arguments\n        "
                   f"{arguments}",
        "__module__": f"symgraph.keras1.{module}",
    }
    in_old_words = native.__module__ == "symgraph.legacy.layers"  # its attributes have their old names already
    for parameter in () if in_old_words else (*known, "W", "U", "b", "running_mean", "running_std"):
        attribute = parameter if isinstance(parameter, str) else parameter.name
        if attribute in _ATTRIBUTES and not hasattr(native, attribute):
            members[attribute] = _alias(attribute)
    for attribute, new in _ATTRIBUTES_OF.get(name, {}).items():
        members[attribute] = _alias(attribute, new)
    if "dim_ordering" in names:
        members["dim_ordering"] = property(lambda self: "th" if self.data_format == "channels_first" else "tf")
    for position, size in enumerate(("nb_row", "nb_col") if "nb_row" in names else
                                    ("kernel_dim1", "kernel_dim2", "kernel_dim3") if "kernel_dim1" in names else ()):
        members[size] = property(lambda self, position=position: self.kernel_size[position])
    for parameter in known:
        if parameter.name not in members and not hasattr(native, parameter.name):
            members[parameter.name] = _argument(parameter.name)
    members.update(_derived(name, names))
    __init__.__signature__ = old.replace(parameters=[_SELF, *old.parameters.values()])  # type: ignore[attr-defined]
    members.update(extra or {})
    made = type(name, (OldLayer, native), members)
    made.__init__.__qualname__ = f"{name}.__init__"  # type: ignore[misc]
    return made


def _argument(name: str) -> Derived:
    """What the layer was given under the name of an argument; initializations as functions."""

    def find(layer: Any) -> Any:
        value = (layer.__dict__.get("_old") or {}).get(name)
        return get_initialization(value) if name in _INITS and isinstance(value, str) else value

    return Derived(find)


def _pads(first: int, second: int | None = None) -> Derived:
    def find(layer: Any) -> Any:
        sizes = layer.padding[first]
        return sizes if second is None else sizes[second]

    return Derived(find)


def _of_cell(name: str) -> Derived:
    return Derived(lambda layer: getattr(layer.cell, name))


_GATES = {"LSTM": "ifco", "GRU": "zrh", "ConvLSTM2D": "ifco"}
_PADS = {"ZeroPadding1D": {"left_pad": _pads(0), "right_pad": _pads(1)},
         "ZeroPadding2D": {"top_pad": _pads(0, 0), "bottom_pad": _pads(0, 1), "left_pad": _pads(1, 0),
                           "right_pad": _pads(1, 1)}}


def _derived(name: str, names: frozenset) -> dict[str, Derived]:
    """Attributes that layers of Keras 1 have beside their arguments."""
    found = dict(_PADS.get(name, {}))
    if "nb_filter" in names:
        found["W_shape"] = Derived(lambda layer: layer.get_weights()[0].shape)
    if name == "Deconvolution2D":
        found["output_shape_"] = Derived(lambda layer: layer._old["output_shape"])
    if name == "LocallyConnected2D":
        rows = {False: 1, True: 2}  # by whether channels come first
        found["output_row"] = Derived(lambda layer: layer.output_shape[rows[layer.dim_ordering == "th"]])
        found["output_col"] = Derived(lambda layer: layer.output_shape[rows[layer.dim_ordering == "th"] + 1])
    for gate in _GATES.get(name, ""):
        bias = "input_bias" if name == "GRU" else "bias"
        for letter, weight in (("W", "kernel"), ("U", "recurrent_kernel"), ("b", bias)):
            found[f"{letter}_{gate}"] = _of_cell(f"{weight}_{gate}")
    for size in ("input_dim", "input_length"):
        if size not in names:
            found[size] = _input_size(size)
    return found


def _input_size(name: str) -> Derived:
    place = -1 if name == "input_dim" else 1
    return Derived(lambda layer: getattr(layer, "batch_input_shape", (None, None))[place])


_SELF = signature("self").parameters["self"]


def _alias(old: str, new: str = "") -> property:
    new = new or _ATTRIBUTES[old]

    def read(self: Any) -> Any:
        if new in {"kernel", "recurrent_kernel", "bias"} and hasattr(self, "cell"):
            return getattr(self.cell, new)
        stored = self.__dict__.get("_old") or {}
        if old in stored and new in {"pool_size", "strides", "kernel_size", "dilation_rate", "size"}:
            return stored[old]
        return getattr(self, new)

    def write(self: Any, value: Any) -> None:
        setattr(self, new, value)

    return property(read, write, doc=f"`{new}`, under the name of Keras 1.")
