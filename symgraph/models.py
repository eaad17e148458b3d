"""`Model` and `Sequential`, and making models from configurations."""

from __future__ import annotations

import json
from typing import Any

from symgraph.engine.input_layer import Input, InputLayer
from symgraph.engine.layer import Layer
from symgraph.engine.model import Model
from symgraph.engine.network import Network
from symgraph.engine.sequential import Sequential

__all__ = ["Input", "InputLayer", "Layer", "Model", "Network", "Sequential", "clone_model", "model_from_config",
           "model_from_json", "model_from_yaml"]


def model_from_config(config: dict, custom_objects: dict | None = None) -> Any:
    """The model of `{'class_name': ..., 'config': ...}`, with new weights.

    # Raises
        TypeError: a bare list, as `Sequential.get_config()` once gave.
    """
    if isinstance(config, list):
        raise TypeError("`model_from_config` expects a dictionary, not a list. Maybe you meant to use "
                        "`Sequential.from_config(config)`?")
    from symgraph import layers

    return layers.deserialize(config, custom_objects=custom_objects)


def model_from_json(json_string: str, custom_objects: dict | None = None) -> Any:
    """The model of `model.to_json()`, with new weights."""
    return model_from_config(json.loads(json_string), custom_objects)


def model_from_yaml(yaml_string: str, custom_objects: dict | None = None) -> Any:
    """The model of `model.to_yaml()`, with new weights. The text is read as plain data; it can name no code."""
    import yaml

    return model_from_config(yaml.safe_load(yaml_string), custom_objects)


def clone_model(model: Any, input_tensors: Any = None) -> Any:
    """A model of the same layers with new weights.

    # Arguments
        model: a `Model` or `Sequential`.
        input_tensors: tensors to build it on, in place of new inputs.
    """
    clone = type(model).from_config(model.get_config())
    if input_tensors is None:
        return clone
    from symgraph import backend as K

    tensors = input_tensors if isinstance(input_tensors, (list, tuple)) else [input_tensors]
    wrapped = [tensor if getattr(tensor, "_keras_history", None) is not None else Input(tensor=tensor)
               for tensor in tensors]
    if not all(K.is_tensor(tensor) for tensor in tensors):
        raise ValueError("clone_model: `input_tensors` must be tensors.")
    if isinstance(clone, Sequential):
        fresh = Sequential(name=model.name)
        fresh.add(wrapped[0]._keras_history[0])
        for layer in clone.layers:
            layer._inbound_nodes.clear()
            fresh.add(layer)
        return fresh
    outputs = clone(wrapped if len(wrapped) > 1 else wrapped[0])
    return Model(wrapped if len(wrapped) > 1 else wrapped[0], outputs, name=model.name)
