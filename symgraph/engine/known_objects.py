"""Which of the names in a model's configuration nobody here knows: all of them, before anything is built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from symgraph import activations, constraints, initializers, losses, metrics, optimizers, regularizers
from symgraph.utils.generic_utils import get_custom_objects

__all__ = ["missing_objects"]


def missing_objects(config: Any, training: Any, custom_objects: Mapping | None) -> dict[str, str]:
    """The names that a configuration uses and that are unknown.

    # Arguments
        config: configuration of a model.
        training: training configuration, or None.
        custom_objects: the caller's own classes and functions by name.

    # Returns
        From each unknown name to what it is and where it occurs.
    """
    from symgraph import layers

    own = {**get_custom_objects(), **(custom_objects or {})}
    classes = {**layers._known(), **initializers._OBJECTS, **regularizers._OBJECTS, **constraints._OBJECTS}
    missing: dict[str, str] = {}
    for name, what, where in _named(config, ""):
        table: Mapping = {"class": classes, "activation": activations._OBJECTS}.get(what, {})
        if name not in own and name not in table:
            missing.setdefault(name, f"a {what}{where}" if what != "activation" else f"an activation{where}")
    for name, what in _named_in_training(training):
        if name not in own and not _known_in_training(name, what):
            missing.setdefault(name, f"a {what} of the training configuration" if what != "optimizer"
                               else "an optimizer of the training configuration")
    return missing


def _named(value: Any, where: str) -> Iterator[tuple[str, str, str]]:
    """Names of classes, activations and functions, with what they are and the layer they occur in."""
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _named(item, where)
        return
    if not isinstance(value, Mapping):
        return
    class_name, config = value.get("class_name"), value.get("config")
    if isinstance(class_name, str) and "config" in value:
        if isinstance(config, Mapping) and isinstance(config.get("name"), str):
            where = f" (in {config['name']!r})"
        yield class_name, "class", where
        if class_name == "Lambda" and isinstance(config, Mapping):
            for key in ("function", "output_shape", "mask"):
                if config.get(f"{key}_type") == "function" and isinstance(config.get(key), str):
                    yield config[key], "function of a Lambda layer", where
    if isinstance(config, Mapping):
        for key in ("activation", "recurrent_activation"):
            if isinstance(config.get(key), str) and isinstance(class_name, str):
                yield config[key], "activation", where
    for key, item in value.items():
        if key not in {"inbound_nodes", "input_layers", "output_layers"}:
            yield from _named(item, where)


def _named_in_training(training: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(training, Mapping):
        return
    optimizer = training.get("optimizer_config")
    if isinstance(optimizer, Mapping) and isinstance(optimizer.get("class_name"), str):
        yield optimizer["class_name"].removeprefix("Custom>"), "optimizer"  # tf.keras 2.11 calls its own so
    for key, what in (("loss", "loss"), ("metrics", "metric"), ("weighted_metrics", "metric")):
        yield from ((name, what) for name in _leaves(training.get(key)))


def _leaves(entry: Any) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
    elif isinstance(entry, (list, tuple)):
        for item in entry:
            yield from _leaves(item)
    elif isinstance(entry, Mapping):
        if isinstance(entry.get("class_name"), str) and "config" in entry:
            config = entry["config"]
            named = config.get("fn") if isinstance(config, Mapping) else None
            yield named if isinstance(named, str) and entry["class_name"] in _WRAPPERS else entry["class_name"]
        else:
            for item in entry.values():
                yield from _leaves(item)


_WRAPPERS = frozenset({"LossFunctionWrapper", "MeanMetricWrapper", "SumOverBatchSizeMetricWrapper"})


def _known_in_training(name: str, what: str) -> bool:
    if what == "optimizer":
        return name.lower() in optimizers._OBJECTS or name in optimizers._OBJECTS
    if what == "loss":
        return name in losses._OBJECTS
    if name in {"accuracy", "acc", "crossentropy", "ce"}:
        return True
    return name in metrics._OBJECTS or name in metrics._ELSEWHERE
