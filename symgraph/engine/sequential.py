"""`Sequential`: a linear stack of layers."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from symgraph.engine.allowance import building_from_configuration
from symgraph.engine.input_layer import Input, InputLayer
from symgraph.engine.layer import Layer
from symgraph.engine.model import Model
from symgraph.utils.generic_utils import to_list

__all__ = ["Sequential"]


class Sequential(Model):
    """A linear stack of layers.

    # Arguments
        layers: list of layers to add.
        name: name of the model.

    The first layer needs to know its input: `input_shape=(...)`, `input_dim=...` or an `InputLayer`. Without, the model
    is built when it is first called, or fed, or by `build(input_shape)`.
    """

    def __init__(self, layers: list | None = None, name: str | None = None, **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.supports_masking = True
        self._build_input_shape: tuple | None = None
        if isinstance(layers, Layer):
            layers = [layers]
        for layer in layers or []:
            self.add(layer)

    @property
    def layers(self) -> list[Layer]:
        """The layers, without the InputLayer."""
        if self._layers and isinstance(self._layers[0], InputLayer):
            return self._layers[1:]
        return self._layers[:]

    @property
    def model(self) -> Sequential:
        """The model itself (Keras 1 kept another one inside)."""
        return self

    def add(self, layer: Layer) -> None:
        """Append a layer.

        # Raises
            TypeError: not a layer.
            ValueError: a layer that gives several outputs, a layer twice, or a name that is taken.
        """
        if not isinstance(layer, Layer):
            raise TypeError(f"The added layer must be an instance of class Layer. Found: {layer!r}. "
                            + ("Add an instance, not the class: write `Dense(10)`." if isinstance(layer, type) else ""))
        if any(layer.name == known.name for known in self._layers):
            raise ValueError(f"The model {self.name!r} already has a layer named {layer.name!r}. Layer names must be "
                             "unique; a layer can stand in a Sequential once.")
        if not self._layers:
            self._start(layer)
            return
        layers = [*self._layers, layer]
        if self.built:
            output = layer(self.outputs[0])
            self._set_layers(layers, output)
        else:
            object.__setattr__(self, "_layers", layers)

    def _start(self, layer: Layer) -> None:
        """Take the first layer; with a known input shape the graph begins."""
        if isinstance(layer, InputLayer) or getattr(layer, "merged", None):
            self._set_layers([layer], layer._inbound_nodes[0].output_tensors[0])
            return
        given = layer.__dict__.get("_given_input")
        if given is not None:
            self._set_layers([given._keras_history[0], layer], layer._inbound_nodes[0].output_tensors[0])
            return
        first: Any = layer
        while getattr(first, "layers", None) and isinstance(first, Model):
            first = first.layers[0]
        shape = getattr(layer, "batch_input_shape", None) or getattr(first, "batch_input_shape", None)
        if isinstance(layer, Model) and layer.built and shape is None:
            shape = layer.input_shape
        if shape is None:
            object.__setattr__(self, "_layers", [layer])
            return
        source = Input(batch_shape=shape, dtype=first._input_dtype(), name=f"{layer.name}_input")
        output = layer(source)
        if isinstance(output, list):
            raise ValueError(f"All layers in a Sequential model should have a single output tensor; {layer.name!r} "
                             f"gives {len(output)}. For multi-output layers, use the functional API.")
        self._set_layers([source._keras_history[0], layer], output)

    def _set_layers(self, layers: list[Layer], output: Any) -> None:
        if isinstance(output, list):
            raise ValueError(f"All layers in a Sequential model should have a single output tensor; "
                             f"{layers[-1].name!r} "
                             f"gives {len(output)}. For multi-output layers, use the functional API.")
        first = layers[0]._inbound_nodes[0]
        # A `Merge` of models, as Keras 1 has it, comes with their inputs.
        source: Any = _sources_of(first) if getattr(layers[0], "merged", None) else first.output_tensors[0]
        self._restart()
        self._init_graph(source, output)
        object.__setattr__(self, "_layers", layers)

    def _gathered(self, kind: str) -> list:
        found = super()._gathered(kind)
        for branch in getattr(self._layers[0], "merged", ()) if self._layers else ():
            found += getattr(branch, kind)
        return found

    def _restart(self) -> None:
        """Forget the node of the shorter stack, and what was compiled for it."""
        if self.built:
            for node in self._inbound_nodes[:1]:
                self._inbound_nodes.remove(node)
        self._forget_functions()
        self._objective = None  # what was compiled was for other outputs

    def pop(self) -> None:
        """Remove the last layer.

        # Raises
            TypeError: the model has no layers.
        """
        if not self.layers:
            raise TypeError(f"There are no layers in the model {self.name!r}.")
        layers = self._layers[:-1]
        removed = self._layers[-1]
        if not self.built:
            object.__setattr__(self, "_layers", layers)
            return
        removed._inbound_nodes[:] = [node for node in removed._inbound_nodes if id(node) not in self._node_ids]
        if len(layers) <= 1 and (not layers or isinstance(layers[0], InputLayer)):
            self._restart()
            object.__setattr__(self, "_layers", [])
            self.built = False
            self.inputs = self.outputs = None
            self._nodes, self._node_ids, self._is_graph_network = [], set(), False
            return
        last = layers[-1]
        last._outbound_nodes[:] = [node for node in last._outbound_nodes if node.outbound_layer is not removed]
        own = [node for node in last._inbound_nodes if id(node) in self._node_ids]
        self._set_layers(layers, own[-1].output_tensors[0])

    def build(self, input_shape: Any = None) -> None:
        """Make the weights for an input of this shape (batch included)."""
        if self.built:
            return
        if input_shape is None:
            raise ValueError(f"The model {self.name!r} does not know its input: call `build(input_shape)`, give its "
                             "first layer `input_shape=`, or call the model on a tensor.")
        if not self._layers:
            raise ValueError(f"The model {self.name!r} has no layers to build.")
        self._build_input_shape = tuple(input_shape)
        layers = list(self._layers)
        source = Input(batch_shape=self._build_input_shape, dtype=layers[0]._input_dtype(),
                       name=f"{layers[0].name}_input")
        output = source
        for layer in layers:
            output = layer(output)
        self._set_layers([source._keras_history[0], *layers], output)
        self._compile_waiting()

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """The output for another input."""
        return super().call(inputs, mask)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the output."""
        return super().compute_mask(inputs, mask)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the output for an input shape."""
        if self.built:
            return super().compute_output_shape(input_shape)
        shape = input_shape
        for layer in self._layers:
            shape = layer.compute_output_shape(shape)
        return shape

    # ------------------------------------------------------------------------------------------ classes
    def predict_proba(self, x: Any, batch_size: int | None = 32, verbose: int = 0) -> np.ndarray:
        """Class probabilities: `predict`, with a warning where the outputs are no probabilities."""
        values = self.predict(x, batch_size, verbose)
        if values.min() < 0.0 or values.max() > 1.0:
            import warnings

            warnings.warn("Network returning invalid probability values. The last layer might not normalize "
                          "predictions into probabilities (like softmax or sigmoid would).", stacklevel=2)
        return values

    def predict_classes(self, x: Any, batch_size: int | None = 32, verbose: int = 0) -> np.ndarray:
        """Class numbers: the largest output, or for a single output whether it is above one half."""
        values = self.predict(x, batch_size, verbose)
        if values.shape[-1] > 1:
            return values.argmax(axis=-1)
        return (values > 0.5).astype("int32")

    # ------------------------------------------------------------------------------------------ configuration
    def get_config(self) -> dict:
        layers = [{"class_name": type(layer).__name__, "config": layer.get_config()} for layer in self.layers]
        config = {"name": self.name, "layers": copy.deepcopy(layers)}
        if self._layers and isinstance(self._layers[0], InputLayer) and layers:
            # The first layer carries the shape; a layer that does not, gets it here.
            first = config["layers"][0]["config"]
            if isinstance(first, dict) and "layers" not in first and not first.get("batch_input_shape"):
                config["build_input_shape"] = self._layers[0].batch_input_shape
        if self._build_input_shape:
            config["build_input_shape"] = self._build_input_shape
        return config

    @classmethod
    def from_config(cls, config: Any, custom_objects: dict | None = None) -> Sequential:
        """The model of a configuration (Keras 1 wrote a bare list of layers)."""
        from symgraph import layers as layers_module

        if isinstance(config, dict):
            name, shape, entries = config.get("name"), config.get("build_input_shape"), config["layers"]
        else:
            name, shape, entries = None, None, config
        model = cls(name=name)
        with building_from_configuration():
            for entry in entries:
                model.add(layers_module.deserialize(entry, custom_objects=custom_objects))
            if not model.built and shape:
                model.build(tuple(shape))
        return model

    def __call__(self, inputs: Any, **kwargs: Any) -> Any:
        if not self.built and self._layers:
            tensor = to_list(inputs, allow_tuple=True)[0]
            from symgraph import backend as K

            if K.is_tensor(tensor):
                self.build(K.int_shape(tensor))
        return super().__call__(inputs, **kwargs)


def _sources_of(node: Any) -> list:
    """The input tensors that the output of a call depends on, each once, in the order of the branches."""
    found: list = []
    seen: set[int] = set()
    pending = [node]
    while pending:
        current = pending.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        if not current.inbound_layers:
            found += [tensor for tensor in current.output_tensors if not any(tensor is known for known in found)]
        pending += reversed(current.inbound_nodes())
    return found
