"""`Network`: a directed acyclic graph of layers, itself a layer."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from symgraph import backend as K
from symgraph.engine.connectivity import Node
from symgraph.engine.input_layer import InputLayer
from symgraph.engine.layer import Layer, _active, distinct, mask_of
from symgraph.engine.layer_weights import contains, unique
from symgraph.engine.old_attributes import NetworkAttributes
from symgraph.utils.generic_utils import has_arg, is_all_none, to_list, unpack_singleton

__all__ = ["Network", "map_graph"]


def map_graph(inputs: list, outputs: list) -> tuple[list[Node], dict[int, list[Node]], list[Layer]]:
    """The calls of layers that lead from inputs to outputs.

    # Returns
        The nodes in the order in which they can run; the same by depth (0: the outputs); the layers, ordered by
        decreasing depth and within one depth by the order in which a walk from the outputs meets them. Weight files
        rely on this order.

    # Raises
        ValueError: an output that does not depend on the inputs alone, or a cycle.
    """
    ordered: list[Node] = []
    layer_indices: dict[int, int] = {}
    layers: dict[int, Layer] = {}
    finished: set[int] = set()
    opened: set[int] = set()
    for output in outputs:
        layer, node_index, _ = output._keras_history
        # An explicit stack: networks may be thousands of layers deep.
        stack = [(layer._inbound_nodes[node_index], None)]
        while stack:
            node, pending = stack.pop()
            if pending is None:
                if id(node) in finished:
                    continue
                owner = node.outbound_layer
                layers[id(owner)] = owner
                layer_indices.setdefault(id(owner), len(layer_indices))
                opened.add(id(node))
                pending = iter(node.inbound_nodes())
            for inbound in pending:
                if id(inbound) in opened:
                    raise ValueError(f"The graph has a cycle through the layer {inbound.outbound_layer.name!r}.")
                if id(inbound) not in finished:
                    stack.append((node, pending))
                    stack.append((inbound, None))
                    break
            else:
                opened.discard(id(node))
                finished.add(id(node))
                ordered.append(node)

    node_depths: dict[int, int] = {}
    layer_depths: dict[int, int] = {}
    for node in reversed(ordered):
        depth = max(node_depths.setdefault(id(node), 0), layer_depths.get(id(node.outbound_layer), 0))
        layer_depths[id(node.outbound_layer)] = node_depths[id(node)] = depth
        for inbound in node.inbound_nodes():
            node_depths[id(inbound)] = max(depth + 1, node_depths.get(id(inbound), 0))
    for tensor in inputs:
        layer = tensor._keras_history[0]
        if id(layer) not in layer_depths:
            layers[id(layer)], layer_depths[id(layer)], layer_indices[id(layer)] = layer, 0, -1

    by_depth: dict[int, list[Node]] = {}
    for node in ordered:
        by_depth.setdefault(node_depths[id(node)], []).append(node)
    order = sorted(layers, key=lambda key: (-layer_depths[key], layer_indices[key]))
    running = [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]
    _check_connected(inputs, running)
    return running, by_depth, [layers[key] for key in order]


def _check_connected(inputs: list, nodes: list[Node]) -> None:
    computable = {id(tensor) for tensor in inputs}
    done: list[str] = []
    for node in nodes:
        is_input = not node.inbound_layers
        for tensor in [] if is_input else node.input_tensors:
            if id(tensor) not in computable:
                raise ValueError(
                    f"Graph disconnected: cannot obtain value for tensor {tensor} at layer "
                    f"{node.outbound_layer.name!r}. The following previous layers were accessed without issue: {done}. "
                    "Every tensor on the way to the outputs must come from the model's inputs."
                )
        if is_input and id(node.output_tensors[0]) not in computable:
            raise ValueError(
                f"Graph disconnected: the outputs depend on the input {node.outbound_layer.name!r}, which is not among "
                f"the model's inputs {[tensor._keras_history[0].name for tensor in inputs]}. Add it to `inputs`."
            )
        computable |= {id(tensor) for tensor in node.output_tensors}
        done.append(node.outbound_layer.name)


class Network(NetworkAttributes, Layer):
    """A graph of layers from `inputs` to `outputs`.

    # Arguments
        inputs: an `Input` tensor or a list of them.
        outputs: a tensor or a list of them.
        name: name of the network.
    """

    def __init__(self, inputs: Any = None, outputs: Any = None, name: str | None = None, **kwargs: Any):
        trainable = kwargs.pop("trainable", True)
        super().__init__(name=name, trainable=trainable, **kwargs)
        self.supports_masking = False
        self._is_graph_network = False
        self.optimizer = None
        if inputs is not None or outputs is not None:
            self._init_graph(inputs, outputs)

    @property
    def _is_subclassed(self) -> bool:
        """Whether the user wrote `call` instead of giving inputs and outputs."""
        return not type(self).call.__module__.startswith("symgraph.engine.")

    def _track(self, value: Any) -> None:
        # A network owns the layers of its graph; attributes add nothing to it. A model with a `call` of its own has the
        # layers that are its attributes.
        if getattr(value, "_is_metric", False) or self._is_subclassed:
            super()._track(value)

    def _init_graph(self, inputs: Any, outputs: Any) -> None:
        if inputs is None or outputs is None:
            raise TypeError(f"{type(self).__name__}: give both `inputs` and `outputs` (tensors, or lists of tensors).")
        self.inputs = to_list(inputs, allow_tuple=True)
        self.outputs = to_list(outputs, allow_tuple=True)
        self._takes_list = isinstance(inputs, (list, tuple))
        self._gives_list = isinstance(outputs, (list, tuple)) and len(self.outputs) > 1
        self._check_ends()
        self._nodes, self._nodes_by_depth, layers = map_graph(self.inputs, self.outputs)
        names = [layer.name for layer in layers]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(
                    f"The name {name!r} is used {names.count(name)} times in the model. All layer names should be "
                    "unique: give each layer another `name`."
                )
        object.__setattr__(self, "_layers", layers)
        self._node_ids = {id(node) for node in self._nodes}
        self._input_layers = [tensor._keras_history[0] for tensor in self.inputs]
        self._output_layers = [tensor._keras_history[0] for tensor in self.outputs]
        self._input_coordinates = [tensor._keras_history for tensor in self.inputs]
        self._output_coordinates = [tensor._keras_history for tensor in self.outputs]
        self.input_names = [layer.name for layer in self._input_layers]
        self.output_names = _output_names(self._output_layers)
        self._is_graph_network = True
        self.built = True
        fed = [(tensor, layer) for tensor, layer in zip(self.inputs, self._input_layers)
               if getattr(layer, "is_placeholder", False)]
        self._feed_inputs = [tensor for tensor, _ in fed]
        self._feed_input_names = [layer.name for _, layer in fed]
        self._feed_input_shapes = [layer._inbound_nodes[0].output_shapes[0] for _, layer in fed]
        masks = [mask_of(tensor) for tensor in self.outputs]
        # The network's own node: from its inputs to its outputs. The tensors keep the history of their layers.
        node = Node(self, [], [], [], self.inputs, self.outputs, [None] * len(self.inputs), masks,
                    [tensor._keras_shape for tensor in self.inputs], [tensor._keras_shape for tensor in self.outputs])
        node.inbound_layers = []

    def _check_ends(self) -> None:
        for what, tensors in (("input", self.inputs), ("output", self.outputs)):
            for tensor in tensors:
                if not K.is_tensor(tensor) or getattr(tensor, "_keras_history", None) is None:
                    raise ValueError(
                        f"{what.capitalize()} tensors to a {type(self).__name__} must be the output of a layer (thus "
                        f"holding past layer metadata). Found: {tensor!r}. Wrap operations on tensors in a Lambda "
                        "layer."
                    )
        for tensor in self.inputs:
            layer = tensor._keras_history[0]
            if not isinstance(layer, InputLayer):
                raise ValueError(
                    f"Model inputs must come from `Input`: the input {tensor} was made by the layer {layer.name!r} "
                    f"({type(layer).__name__}). Start a new graph with `Input(shape={K.int_shape(tensor)[1:]})` and "
                    "call the layers on it."
                )
        if len({id(tensor) for tensor in self.inputs}) != len(self.inputs):
            raise ValueError(f"The list of inputs passed to the model is redundant: {self.inputs}. All inputs should "
                             "only appear once.")

    @property
    def input(self) -> Any:
        """The input tensor, or a list of them, that the network was made with, wherever else it is called."""
        return unpack_singleton(self.inputs) if self._is_graph_network else super().input

    @property
    def output(self) -> Any:
        """The output tensor, or a list of them, that the network was made with."""
        return unpack_singleton(self.outputs) if self._is_graph_network else super().output

    # ------------------------------------------------------------------------------------------ layers
    @property
    def layers(self) -> list[Layer]:
        """The layers, from the inputs to the outputs."""
        return self._layers

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """A layer by its name or its position.

        # Raises
            ValueError: no such layer, or neither name nor index given.
        """
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(f"Was asked to retrieve layer at index {index} but model only has "
                                 f"{len(self.layers)} layers.")
            return self.layers[index]
        if not name:
            raise ValueError("Provide either a layer name or layer index.")
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ValueError(f"No such layer: {name}. The model has: {', '.join(layer.name for layer in self.layers)}.")

    def _inner_entries(self) -> list[dict]:
        # `run_internal_graph` attributes them itself, call by call.
        return super()._inner_entries() if self._is_subclassed else []

    def _declared(self, trainable: bool) -> list:
        return unique([weight for layer in self.layers for weight in layer._declared(trainable)])

    @property
    def trainable_weights(self) -> list:
        """The weights that training changes."""
        if not self.trainable:
            return []
        return unique([weight for layer in self.layers for weight in layer.trainable_weights])

    @property
    def weights(self) -> list:
        """All weights: those declared trainable, layer by layer, then the others."""
        return unique([*self._declared(True), *self._declared(False),
                        *(weight for layer in self.layers for weight in layer.weights)])

    def _weights_by_layer(self) -> list:
        return unique([weight for layer in self.layers for weight in layer.weights])

    def get_weights(self) -> list[np.ndarray]:
        """The values of the weights, layer by layer."""
        return K.batch_get_value(self._weights_by_layer())

    def set_weights(self, weights: list) -> None:
        """Set the values of the weights, in the order of `get_weights`.

        # Raises
            ValueError: the wrong number of arrays, or an array of another shape than its weight.
        """
        variables = self._weights_by_layer()
        if len(variables) != len(weights):
            raise ValueError(
                f"You called `set_weights(weights)` on the model {self.name!r} with a list of {len(weights)} arrays, "
                f"but the model has {len(variables)} weights."
            )
        position = 0
        for layer in self.layers:
            count = len(layer.weights)
            own = [v for v in layer.weights if contains(variables[position:position + count], v)]
            for variable, value in zip(own, weights[position:position + len(own)]):
                if K.int_shape(variable) != np.shape(value):
                    raise ValueError(
                        f"Layer {layer.name!r}: the weight {variable.name!r} has shape {K.int_shape(variable)}, the "
                        f"array given for it has shape {np.shape(value)}."
                    )
            position += len(own)
        K.batch_set_value(list(zip(variables, weights)))

    # ------------------------------------------------------------------------------------------ losses, updates
    def _nodes_of(self, layer: Layer) -> list[Node]:
        return [node for node in layer._inbound_nodes if id(node) in self._node_ids]

    def _gathered(self, kind: str) -> list:
        found: list = []
        if self._is_subclassed:
            inputs = self.__dict__.get("inputs")
            ask = super().get_updates_for if kind == "updates" else super().get_losses_for
            return ask(None) + (ask(inputs) if inputs else [])
        for layer in self.layers:
            ask = getattr(layer, f"get_{kind}_for")
            for node in self._nodes_of(layer):
                found += ask(unpack_singleton(node.input_tensors) if len(node.input_tensors) == 1 else
                             node.input_tensors)
            found += ask(None)
        return found

    @property
    def updates(self) -> list:
        """The updates of the layers, for the calls that belong to this network."""
        if not self.trainable and not self.stateful:
            return []
        return distinct(self._gathered("updates") + _active(self._updates))

    @property
    def losses(self) -> list:
        """The losses that layers added, for the calls that belong to this network."""
        return distinct(self._gathered("losses") + self._losses)

    @property
    def uses_learning_phase(self) -> bool:
        """Whether an output is something else in training."""
        return any(getattr(tensor, "_uses_learning_phase", False) for tensor in self.__dict__.get("outputs", []))

    @property
    def state_updates(self) -> list:
        """The updates of stateful layers."""
        found: list = []
        for layer in self.layers:
            if not getattr(layer, "stateful", False):
                continue
            if not isinstance(layer, Network) and hasattr(layer, "state_updates"):
                found += layer.state_updates
                continue
            # Of the calls that belong to this network only: the layer may be called elsewhere too.
            pairs = list(layer._updates)
            for node in self._nodes_of(layer):
                pairs += layer._conditional_at(node.input_tensors, "updates")
            found += [update for owner, update in pairs
                      if getattr(owner, "stateful", False) and not isinstance(owner, Network)]
        return distinct(found)

    @property
    def stateful(self) -> bool:
        """Whether any layer keeps a state between batches."""
        return any(getattr(layer, "stateful", False) for layer in self._layers)

    @stateful.setter
    def stateful(self, value: bool) -> None:
        pass  # a network is stateful through its layers only; Layer.__init__ sets the attribute

    def reset_states(self) -> None:
        """Reset the state of every stateful layer."""
        for layer in self.layers:
            if hasattr(layer, "reset_states") and getattr(layer, "stateful", False):
                layer.reset_states()

    # ------------------------------------------------------------------------------------------ the call
    def build(self, input_shape: Any = None) -> None:
        """A network is built from the start."""
        self.built = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """The outputs for other inputs: the same layers on new tensors."""
        outputs, _ = self.run_internal_graph(inputs, mask)
        return outputs if self._gives_list else outputs[0]

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The masks of the outputs."""
        if not self._is_graph_network:
            return None
        if is_all_none(mask) and not any(_knows_masks(layer) for layer in self.layers):
            return [None] * len(self.outputs) if self._gives_list else None
        last = self.__dict__.get("_last_run")
        tensors = to_list(inputs, allow_tuple=True)
        if last is not None and len(last[0]) == len(tensors) and all(a is b for a, b in zip(last[0], tensors)):
            masks = last[1]
        else:
            _, masks = self.run_internal_graph(inputs, mask)
        return masks if self._gives_list else masks[0]

    def run_internal_graph(self, inputs: Any, masks: Any = None) -> tuple[list, list]:
        """Call the layers on other inputs.

        # Returns
            The output tensors and their masks.
        """
        tensors = to_list(inputs, allow_tuple=True)
        if len(tensors) != len(self.inputs):
            raise ValueError(f"The model {self.name!r} has {len(self.inputs)} inputs {self.input_names}, but it was "
                             f"called with {len(tensors)}.")
        given = [None] * len(tensors) if masks is None else to_list(masks, allow_tuple=True)
        known = {id(own): (tensor, mask) for own, tensor, mask in zip(self.inputs, tensors, given)}
        for node in self._nodes:
            layer = node.outbound_layer
            if not node.inbound_layers:
                for tensor in node.output_tensors:
                    known.setdefault(id(tensor), (tensor, None))
                continue
            pairs = [known[id(tensor)] for tensor in node.input_tensors]
            arguments = dict(node.arguments)
            called_with = [tensor for tensor, _ in pairs]
            called_masks = [mask for _, mask in pairs]
            single = len(pairs) == 1 and not getattr(layer, "_wants_list", False)
            inputs_of_call = called_with[0] if single else called_with
            mask_of_call = called_masks[0] if single else called_masks
            if "mask" not in arguments and not is_all_none(called_masks) and has_arg(layer.call, "mask"):
                arguments["mask"] = mask_of_call
            results, result_masks = layer._run(inputs_of_call, mask_of_call, arguments)
            self._conditional_on(inputs)["updates"] += layer._conditional_at(called_with, "updates")
            self.add_loss(layer.get_losses_for(called_with), inputs)
            for own, result, mask in zip(node.output_tensors, results, result_masks):
                if getattr(own, "_uses_learning_phase", False) and not K.is_variable(result):
                    result._uses_learning_phase = True
                known[id(own)] = (result, mask)
        outputs = [known[id(tensor)][0] for tensor in self.outputs]
        output_masks = [known[id(tensor)][1] for tensor in self.outputs]
        object.__setattr__(self, "_last_run", (tensors, output_masks))
        return outputs, output_masks

    # ------------------------------------------------------------------------------------------ configuration
    def get_config(self) -> dict:
        """The layers, their configurations and their connections."""
        if self._is_subclassed:
            raise NotImplementedError(
                f"{type(self).__name__} computes its outputs in a `call` of its own, which no configuration can hold. "
                "Define `get_config` and `from_config` in it, or save its weights alone."
            )
        indices = {}
        for layer in self.layers:
            # The calls of a nested network count from 1: its number 0 is the network by itself.
            for position, node in enumerate(self._nodes_of(layer), start=1 if isinstance(layer, Network) else 0):
                indices[id(node)] = position
        layers = []
        for layer in self.layers:
            calls = []
            for node in self._nodes_of(layer):
                if not node.inbound_layers:
                    continue
                origins = zip(node.inbound_layers, node.node_indices, node.tensor_indices)
                calls.append([
                    [inbound.name, indices[id(inbound._inbound_nodes[index])], position, _plain(node.arguments, layer)]
                    for inbound, index, position in origins
                ])
            layers.append({"name": layer.name, "class_name": type(layer).__name__, "config": layer.get_config(),
                           "inbound_nodes": calls})

        def ends(coordinates: list) -> list:
            return [[layer.name, indices[id(layer._inbound_nodes[index])], position]
                    for layer, index, position in coordinates]

        return {"name": self.name, "layers": layers, "input_layers": ends(self._input_coordinates),
                "output_layers": ends(self._output_coordinates)}

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> Network:
        """The network of a configuration."""
        from symgraph.engine.rebuild import rebuild

        return rebuild(cls, config, custom_objects)

    def _updated_config(self) -> dict:
        from symgraph import __version__
        from symgraph import config as settings

        return {"class_name": type(self).__name__, "config": self.get_config(), "keras_version": "2.3.1",
                "backend": f"symgraph-{settings.executor_name()}", "symgraph_version": __version__}

    def to_json(self, **kwargs: Any) -> str:
        """The architecture as JSON; `symgraph.models.model_from_json` reads it. Arguments go to `json.dumps`."""
        return json.dumps(self._updated_config(), default=_json_value, **kwargs)

    def to_yaml(self, **kwargs: Any) -> str:
        """The architecture as YAML; `symgraph.models.model_from_yaml` reads it. Arguments go to `yaml.safe_dump`."""
        import yaml

        return yaml.safe_dump(json.loads(self.to_json()), **kwargs)

    # ------------------------------------------------------------------------------------------ files
    def save(self, filepath: Any, overwrite: bool = True, include_optimizer: bool = True) -> None:
        """Save the model: architecture, weights, how it was compiled and the optimizer's state; see `save_model`."""
        from symgraph.engine.saving import save_model

        save_model(self, filepath, overwrite, include_optimizer)

    def save_weights(self, filepath: Any, overwrite: bool = True) -> None:
        """Save the weights, in HDF5 or (a name that ends in `.safetensors`) safetensors."""
        from symgraph.engine.saving import save_weights

        save_weights(self, filepath, overwrite)

    def load_weights(self, filepath: Any, by_name: bool = False, skip_mismatch: bool = False, reshape: bool = False
                     ) -> None:
        """Load weights that `save_weights` or `save` wrote, of any version of Keras.

        # Arguments
            filepath: path, open file, or `h5py.File`.
            by_name: load layers by their names, not by their order.
            skip_mismatch: with `by_name`: leave out layers whose weights do not fit, with a warning.
            reshape: reshape arrays of another shape and the same size.
        """
        from symgraph.engine.saving import load_weights

        load_weights(self, filepath, by_name, skip_mismatch, reshape)

    def __reduce__(self) -> tuple:
        from symgraph.engine.pickling import revive, to_bytes

        return revive, to_bytes(self)

    def __copy__(self) -> Network:
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def __deepcopy__(self, memo: dict) -> Network:
        from symgraph.engine.pickling import duplicate

        return duplicate(self)

    def summary(self, line_length: int | None = None, positions: list | None = None, print_fn: Any = None) -> None:
        """Print a table of the layers, their output shapes and parameter counts.

        # Arguments
            line_length: width of the table.
            positions: positions (or fractions of the width) of the columns.
            print_fn: called with each line instead of `print`.
        """
        from symgraph.utils.layer_utils import print_summary

        print_summary(self, line_length=line_length, positions=positions, print_fn=print_fn)


def _knows_masks(layer: Layer) -> bool:
    return layer.supports_masking or type(layer).compute_mask is not Layer.compute_mask


def _output_names(layers: list[Layer]) -> list[str]:
    """Names of the outputs: the layer's name; a layer that gives several outputs is numbered."""
    names: list[str] = []
    for layer in layers:
        name, number = layer.name, 1
        while name in names:
            name, number = f"{layer.name}_{number}", number + 1
        names.append(name)
    return names


def _plain(arguments: dict, layer: Layer) -> dict:
    try:
        json.dumps(arguments, default=_json_value)
    except TypeError as error:
        raise ValueError(
            f"The layer {layer.name!r} was called with arguments that cannot be written in a configuration: "
            f"{arguments}. Make them attributes of the layer."
        ) from error
    return arguments


def _json_value(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"type": "ndarray", "value": value.tolist()}
    if isinstance(value, np.generic):
        return value.item()
    if hasattr(value, "get_config"):
        return {"class_name": type(value).__name__, "config": value.get_config()}
    if callable(value) or isinstance(value, (np.dtype, type)):
        return getattr(value, "__name__", str(value))
    raise TypeError(f"Cannot write {value!r} of type {type(value).__name__} in a configuration.")
