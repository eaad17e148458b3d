"""Configurations of models that Keras 3 wrote into HDF5 files, in the words of Keras 2: how layers are connected."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

__all__ = ["model_of_keras3"]

_TENSOR = "__keras_tensor__"
#: Of initializers: None stands for the axes that Keras 2 takes.
_AXES = frozenset({"input_axes", "output_axes"})


_MODELS = frozenset({"Functional", "Model", "Sequential"})


def model_of_keras3(value: Any) -> Any:
    """A configuration with the inputs and connections of its models as Keras 2 writes them; others come back equal.

    # Raises
        ValueError: a layer was called with what Keras 2 cannot write.
    """
    if isinstance(value, (list, tuple)):
        return [model_of_keras3(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    result = {key: model_of_keras3(item) if key != "inbound_nodes" else item for key, item in value.items()}
    config = result.get("config")
    if value.get("class_name") == "InputLayer" and isinstance(config, dict) and "batch_shape" in config:
        config["batch_input_shape"] = config.pop("batch_shape")
    if str(value.get("module")).startswith("keras.initializers") and isinstance(config, dict):
        result["config"] = {key: item for key, item in config.items() if item is not None or key not in _AXES}
    if isinstance(result.get("layers"), list) and "input_layers" in result:
        _connect(result)
    return result


def _connect(config: dict) -> None:
    """Write the connections of a model in the words of Keras 2."""
    #: A model's own graph counts as its first call in Keras 2.
    later = {entry.get("name"): 1 for entry in config["layers"] if entry.get("class_name") in _MODELS}

    def place(history: Any) -> list:
        name, node, tensor = history
        return [name, node + later.get(name, 0), tensor]

    for entry in config["layers"]:
        entry["inbound_nodes"] = [_node(node, entry.get("name"), place) if isinstance(node, Mapping) else node
                                  for node in entry.get("inbound_nodes", [])]
    for key in ("input_layers", "output_layers"):
        ends = config[key]
        if isinstance(ends, list) and ends and isinstance(ends[0], str):
            ends = [ends]  # of a model with one
        config[key] = [place(end) for end in ends]


def _node(node: Mapping, name: Any, place: Callable[[Any], list]) -> list:
    """One call of a layer: `[layer, node, tensor, arguments]` for each tensor, the arguments with the first."""
    args, kwargs = list(node.get("args", [])), dict(node.get("kwargs", {}))
    tensors = [place(tensor) for item in args for tensor in _tensors(item)]
    others = [item for item in args if item is not None and not any(True for _ in _tensors(item))]
    for key in list(kwargs):
        found = [place(tensor) for tensor in _tensors(kwargs[key])]
        if found and key in {"initial_state", "value", "key", "query"}:  # given as further inputs in Keras 2
            tensors += found
            del kwargs[key]
        elif kwargs[key] is None or key == "mask":
            del kwargs[key]
        elif found:
            others.append(key)
    if others or not tensors:
        raise ValueError(f"The layer {name!r} was called by Keras 3 with {others or 'no tensors'}, which a model here "
                         "cannot say. Build the model in your program and use `load_weights`.")
    return [[*tensor, kwargs if position == 0 else {}] for position, tensor in enumerate(tensors)]


def _tensors(value: Any) -> Iterator[list]:
    """The tensors in an argument, as `[layer, node, tensor]`."""
    if isinstance(value, Mapping):
        if value.get("class_name") == _TENSOR:
            yield value["config"]["keras_history"]
        return
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)
