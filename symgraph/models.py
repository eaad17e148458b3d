"""`Model` and `Sequential`, and making models from configurations."""

from __future__ import annotations

from typing import Any

from symgraph.engine.input_layer import Input, InputLayer
from symgraph.engine.layer import Layer
from symgraph.engine.model import Model
from symgraph.engine.network import Network
from symgraph.engine.sequential import Sequential

#: What `symgraph.engine.saving` gives: loaded when asked for, since it needs h5py.
_OF_SAVING = ("load_model", "model_from_config", "model_from_json", "model_from_yaml", "save_model")

__all__ = ["Input", "InputLayer", "Layer", "Model", "Network", "Sequential", "clone_model", *_OF_SAVING]


def __getattr__(name: str) -> Any:
    if name in _OF_SAVING:
        from symgraph.engine import saving

        return getattr(saving, name)
    raise AttributeError(f"module 'symgraph.models' has no attribute {name!r}")


def clone_model(model: Any, input_tensors: Any = None) -> Any:
    """A model of the same layers with new weights.

    # Arguments
        model: a `Model` or `Sequential`.
        input_tensors: tensors to build it on, in place of new inputs.

    # Raises
        ValueError: `model` is no model, or `input_tensors` are no tensors.
    """
    if not isinstance(model, Model):
        raise ValueError(f"clone_model: expected a Model or a Sequential, got {model!r}.")
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
        if len(tensors) != 1:
            raise ValueError(f"clone_model: a Sequential has one input, but {len(tensors)} input tensors were given.")
        fresh = Sequential(name=model.name)
        fresh.add(wrapped[0]._keras_history[0])
        for layer in clone.layers:
            layer._inbound_nodes.clear()
            fresh.add(layer)
        return fresh
    outputs = clone(wrapped if len(wrapped) > 1 else wrapped[0])
    return Model(wrapped if len(wrapped) > 1 else wrapped[0], outputs, name=model.name)
