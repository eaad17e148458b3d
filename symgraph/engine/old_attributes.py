"""Attributes under which programs look inside layers and models, computed from what is kept under other names.

Keras 1 and the first releases of Keras 2 had them in the open (`layer.inbound_nodes`, `model.nodes_by_depth`,
`model.train_function`); programs still read them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symgraph.utils.generic_utils import object_list_uid

__all__ = ["Derived", "LayerAttributes", "ModelAttributes", "NetworkAttributes", "named_gates"]


class Derived:
    """An attribute that is computed from others, unless an instance has one of its own by that name.

    # Arguments
        compute: gives the value for an instance.
    """

    def __init__(self, compute: Callable[[Any], Any]):
        self.compute = compute

    def __get__(self, owner: Any, kind: type | None = None) -> Any:
        return self if owner is None else self.compute(owner)


def named_gates(gates: str, **weights: str) -> Callable[[type], type]:
    """A decorator of cells: `kernel_i` and its like, the columns of each gate in the weights of all gates.

    # Arguments
        gates: a letter for each gate, in the order of the columns.
        weights: name of what is cut -> attribute that holds it.
    """

    def part(attribute: str, place: int) -> Derived:
        def cut(cell: Any) -> Any:
            joined = getattr(cell, attribute)
            if joined is None:
                return None
            size = joined.shape[-1] // len(gates)
            return joined[..., place * size:(place + 1) * size]

        return Derived(cut)

    def decorate(cls: type) -> type:
        for name, attribute in weights.items():
            for place, gate in enumerate(gates):
                setattr(cls, f"{name}_{gate}", part(attribute, place))
        return cls

    return decorate


def _losses_by_inputs(layer: Any) -> dict:
    return {object_list_uid(entry["inputs"]): entry["losses"] for entry in layer._conditional.values()
            if entry["losses"]}


def _regularizers(layer: Any) -> list:
    own = [value for name, value in vars(layer).items() if name.endswith("_regularizer") and value is not None]
    return own + [each for inner in layer._layers for each in inner.regularizers]


def _constraints(layer: Any) -> dict:
    return {weight: weight.constraint for weight in layer.weights if getattr(weight, "constraint", None) is not None}


class LayerAttributes:
    """Of a layer: the nodes of its calls, their losses by their inputs, its regularizers and constraints."""

    input_dtype = Derived(lambda layer: layer._input_dtype())
    initial_weights = Derived(lambda layer: layer._initial_weights)
    regularizers = Derived(_regularizers)
    constraints = Derived(_constraints)
    inbound_nodes = Derived(lambda layer: layer._inbound_nodes)
    outbound_nodes = Derived(lambda layer: layer._outbound_nodes)
    _per_input_losses = Derived(_losses_by_inputs)


def _layers_by_depth(network: Any) -> dict:
    depths: dict[int, int] = {}
    for depth, nodes in network._nodes_by_depth.items():
        for node in nodes:
            owner = id(node.outbound_layer)
            depths[owner] = max(depth, depths.get(owner, 0))
    found: dict[int, list] = {}
    for layer in network.layers:
        found.setdefault(depths.get(id(layer), 0), []).append(layer)
    return found


def _container_nodes(network: Any) -> set[str]:
    layers = [(node, node.outbound_layer) for node in network._nodes]
    return {f"{layer.name}_ib-{layer._inbound_nodes.index(node)}" for node, layer in layers}


def _coordinate(ends: str, place: int) -> Derived:
    return Derived(lambda network: [history[place] for history in getattr(network, f"_{ends}_coordinates")])


class NetworkAttributes:
    """Of a network: its ends, and its nodes and layers by their distance from the outputs."""

    input_layers = Derived(lambda network: network._input_layers)
    input_layers_node_indices = _coordinate("input", 1)
    input_layers_tensor_indices = _coordinate("input", 2)
    output_layers = Derived(lambda network: network._output_layers)
    output_layers_node_indices = _coordinate("output", 1)
    output_layers_tensor_indices = _coordinate("output", 2)
    internal_input_shapes = Derived(lambda network: [tensor._keras_shape for tensor in network.inputs])
    internal_output_shapes = Derived(lambda network: [tensor._keras_shape for tensor in network.outputs])
    nodes_by_depth = Derived(lambda network: network._nodes_by_depth)
    layers_by_depth = Derived(_layers_by_depth)
    _layers_by_depth = Derived(_layers_by_depth)
    container_nodes = Derived(_container_nodes)


class _FlatFunction:
    """The function of a mode, called with one flat list: inputs, targets, sample weights and the learning phase.

    # Arguments
        model: a compiled model.
        mode: 'train', 'test' or 'predict'.
    """

    def __init__(self, model: Any, mode: str):
        self.model, self.mode = model, mode

    def __call__(self, arrays: list) -> list:
        """One batch; the learning phase at the end of the list may be left out, and must fit the mode.

        # Raises
            ValueError: a list of another length.
        """
        model = self.model
        trained = [] if self.mode == "predict" else model._compiled.trained
        fed = [] if self.mode == "predict" else model._feed_output_names
        count = len(model._feed_inputs) + len(fed) + len(trained)
        if len(arrays) not in {count, count + 1}:
            raise ValueError(
                f"The {self.mode} function of {model.name!r} takes {count} arrays (inputs {model._feed_input_names}, "
                f"targets {fed}, {len(trained)} arrays of sample weights) and the learning phase, got {len(arrays)}."
            )
        if len(arrays) > count and bool(arrays[-1]) != (self.mode == "train"):
            raise ValueError(f"The {self.mode} function of {model.name!r} has its learning phase built in, got "
                             f"{arrays[-1]!r}.")
        weighted = (True,) * len(trained)
        values = model._function(self.mode, weighted)([np.asarray(array) for array in arrays[:count]])
        return list(values)


def _function_attribute(mode: str) -> Derived:
    def find(model: Any) -> Any:
        made = any(key[0] == mode for key in model.__dict__.get("_functions", {}))
        return _FlatFunction(model, mode) if made else None

    return Derived(find)


class ModelAttributes:
    """Of a compiled model: what `compile` made of its arguments, output by output, and the functions it runs."""

    loss_functions = Derived(lambda model: [output.loss for output in model._compiled.outputs])
    loss_weights_list = Derived(lambda model: [output.loss_weight for output in model._compiled.outputs])
    skip_target_indices = Derived(lambda model: [
        index for index, output in enumerate(model._compiled.outputs) if output.loss is None])
    sample_weight_modes = Derived(lambda model: [output.weight_mode for output in model._compiled.outputs])
    metrics_tensors = Derived(lambda model: [metric.result() for metric in model._compiled.metrics])
    train_function = _function_attribute("train")
    test_function = _function_attribute("test")
    predict_function = _function_attribute("predict")

    def _set_inputs(self, inputs: Any, outputs: Any = None, training: Any = None) -> None:
        """Let a model with a `call` of its own learn its inputs from arrays (or tensors, or their shapes)."""
        values = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        shapes = [(None, *getattr(value, "_keras_shape", np.shape(value))[1:]) for value in values]
        self.build(shapes if isinstance(inputs, (list, tuple)) else shapes[0])  # type: ignore[attr-defined]
