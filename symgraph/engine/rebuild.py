"""Making a network again from its configuration."""

from __future__ import annotations

from typing import Any

from symgraph.engine.allowance import building_from_configuration
from symgraph.engine.layer import Layer
from symgraph.utils.generic_utils import CustomObjectScope

__all__ = ["rebuild"]


def rebuild(cls: type, config: dict, custom_objects: dict | None = None) -> Any:
    """The network of `Network.get_config()`.

    # Raises
        ValueError: a configuration that names a layer, a call or an output that it does not define.
    """
    from symgraph import layers as layers_module

    made: dict[str, Layer] = {}
    calls: list[tuple[Layer, list]] = []
    for entry in config["layers"]:
        with CustomObjectScope(custom_objects or {}):
            layer = layers_module.deserialize({"class_name": entry["class_name"], "config": entry["config"]},
                                              custom_objects=custom_objects)
        name = entry.get("name", layer.name)
        made[name] = layer
        for call in entry.get("inbound_nodes", []):
            calls.append((layer, call))

    # Each call runs as soon as its inputs exist.
    waiting = calls
    while waiting:
        later: list[tuple[Layer, list]] = []
        blocked: set[int] = set()
        for layer, call in waiting:
            # The calls of one layer keep their order: their numbers depend on it.
            with building_from_configuration():
                called = id(layer) not in blocked and _call(layer, call, made)
            if not called:
                blocked.add(id(layer))
                later.append((layer, call))
        if len(later) == len(waiting):
            names = sorted({layer.name for layer, _ in later})
            raise ValueError(f"The configuration of {config.get('name')!r} is broken: the inputs of the layers {names} "
                             "are never computed.")
        waiting = later

    def ends(coordinates: list) -> list:
        if coordinates and isinstance(coordinates[0], str):  # tf.keras writes a single end without the outer list
            coordinates = [coordinates]
        return [_tensor(made, name, index, position) for name, index, position in coordinates]

    inputs, outputs = ends(config["input_layers"]), ends(config["output_layers"])
    for kind, tensors in (("input", inputs), ("output", outputs)):
        if any(tensor is None for tensor in tensors):
            raise ValueError(f"The configuration of {config.get('name')!r} names an {kind} that no layer computes.")
    network = cls(inputs=inputs, outputs=outputs, name=config.get("name"))
    if "trainable" in config:
        network.trainable = config["trainable"]
    return network


def _tensor(made: dict, name: str, index: int, position: int) -> Any:
    if name not in made:
        raise ValueError(f"The configuration refers to a layer {name!r} that it does not define.")
    nodes = made[name]._inbound_nodes
    return nodes[index].output_tensors[position] if index < len(nodes) else None


def _is_coordinates(value: Any, made: dict) -> bool:
    return (isinstance(value, list) and len(value) in {3, 4} and isinstance(value[0], str) and value[0] in made
            and all(isinstance(number, int) for number in value[1:3]))


def _call(layer: Layer, call: list, made: dict) -> bool:
    tensors, arguments = [], {}
    for origin in call:
        name, index, position = origin[:3]
        if len(origin) > 3:
            arguments = dict(origin[3] or {})
        tensor = _tensor(made, name, index, position)
        if tensor is None:
            return False
        tensors.append(tensor)
    # tf.keras writes a tensor that was given by name as the coordinates of where it comes from.
    for name, value in arguments.items():
        if _is_coordinates(value, made):
            arguments[name] = _tensor(made, *value[:3])
            if arguments[name] is None:
                return False
    layer(tensors[0] if len(tensors) == 1 and not getattr(layer, "_wants_list", False) else tensors, **arguments)
    return True
