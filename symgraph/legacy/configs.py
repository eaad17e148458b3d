"""Configurations of models that Keras 1, Keras 2 and tf.keras wrote, in the words of this package.

The architecture in a file is data; here it becomes data that `layers.deserialize` reads. What the versions say
otherwise stands in tables: classes that were renamed, options that only one of them has, and how Keras 1 wrote
regularizers and constraints. Nothing is looked up by a name that a file chooses, and nothing is run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from symgraph.utils.generic_utils import parameter_names

__all__ = ["modern_config", "modern_training"]

#: What a stored configuration becomes once it is in the words of this package.
VERSION = "2.3.1"

# ---------------------------------------------------------------------------------------------- tf.keras
#: What tf.keras writes beside `class_name` and `config`.
_WRAPPING = frozenset({"module", "registered_name", "build_config", "compile_config", "shared_object_id"})

#: Options of tf.keras that Keras 2.3.1 does not have: the value at which they change nothing (`...`: any value).
_NEUTRAL: dict[str, Any] = {
    "time_major": False, "ragged": False, "optional": ..., "keepdims": False, "groups": 1, "seed": ...,
    "noise_shape": None, "synchronized": False, "renorm": False, "fused": ..., "virtual_batch_size": None,
    "adjustment": None, "autocast": ..., "zero_output_for_mask": False, "activity_regularizer": None,
    "ignore_class": None, "fn": ..., "input_length": ..., "sparse": False, "batch_input_shape": ...,
    "implementation": ..., "score_mode": "dot",
    "weight_decay": None, "clipnorm": None, "clipvalue": None, "global_clipnorm": None, "use_ema": False,
    "ema_momentum": ..., "ema_overwrite_frequency": ..., "jit_compile": ..., "is_legacy_optimizer": ...,
    "loss_scale_factor": None, "gradient_accumulation_steps": None, "multi_label": False, "num_labels": None,
    "label_weights": None, "from_logits": False, "class_id": None, "axis": -1, "momentum": 0.0, "centered": False,
    "quantization_config": None, "renorm_clipping": None, "renorm_momentum": ..., "use_gate": False,
    "sliding_window": None, "query_shape": ..., "key_shape": ..., "value_shape": ..., "flash_attention": ...,
    "softmax_robust_masking": ...,
}
#: Options that some layers only inherit and store.
_UNUSED = {
    "SeparableConv1D": ("kernel_initializer", "kernel_regularizer", "kernel_constraint"),
    "SeparableConv2D": ("kernel_initializer", "kernel_regularizer", "kernel_constraint"),
    "DepthwiseConv2D": ("kernel_initializer", "kernel_regularizer", "kernel_constraint", "filters"),
}


def modern_config(config: Any, version: str | None = None, custom_objects: Mapping | None = None,
                  backend: str | None = None) -> Any:
    """The configuration of a model in the words of this package.

    # Arguments
        config: `{'class_name': ..., 'config': ...}` as a file holds it.
        version: the version of Keras that wrote it, where the file says.
        custom_objects: names of the caller's own classes; their configurations stay as they are.
        backend: what it ran on, where the file says: some of what Keras left to its backend differs.

    # Returns
        A new configuration; one that is in the words of this package already comes back equal.

    # Raises
        ValueError: an option that this package does not have.
    """
    if not isinstance(config, Mapping) or "class_name" not in config:
        return config
    own = frozenset(custom_objects or {})
    backend = backend or config.get("backend")
    if _is_keras1(config, version):
        from symgraph.legacy.keras1_configs import model_of_keras1

        config = model_of_keras1(config, own, theano=backend == "theano")
    elif str(version).startswith("3."):
        from symgraph.legacy.keras3_configs import model_of_keras3

        config = model_of_keras3(config)
    modern = _modern(config, own)
    if _corrects_twice(config, version, backend):
        modern = _with_fused_normalization(modern)
    return {**modern, "keras_version": VERSION, "backend": "symgraph"}


def _corrects_twice(config: Mapping, version: str | None, backend: str | None) -> bool:
    """Whether a model is of Keras 2.0 to 2.3 on TensorFlow, which corrected the moving variances of images twice."""
    return (str(version).startswith(("2.0.", "2.1.", "2.2.", "2.3.")) and not str(version).endswith("-tf")
            and backend == "tensorflow" and "symgraph_version" not in config)


def _with_fused_normalization(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_fused_normalization(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("class_name") == "BatchNormalization" and value["config"].get("axis") in {-1, 3}:
        return {**value, "class_name": "BatchNormalizationFused"}
    return {key: _with_fused_normalization(item) for key, item in value.items()}


def _is_keras1(config: Mapping, version: str | None) -> bool:
    if version is not None:
        return str(version).startswith(("0.", "1."))
    return _has_words_of_keras1(config)


_KERAS1_WORDS = frozenset({"output_dim", "nb_filter", "border_mode", "init", "inner_init", "dim_ordering",
                           "input_dtype",
                           "pool_length", "mode_type"})


def _has_words_of_keras1(value: Any) -> bool:
    """Whether a configuration without a version is one of Keras 1 (an Embedding has `output_dim` in both)."""
    if isinstance(value, Mapping):
        config = value.get("config")
        if (isinstance(config, Mapping) and value.get("class_name") != "Embedding"
                and not _KERAS1_WORDS.isdisjoint(config)):
            return True
        return any(_has_words_of_keras1(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return any(_has_words_of_keras1(item) for item in value)
    return False


def _modern(value: Any, own: frozenset[str]) -> Any:
    """Every object in a configuration without what only tf.keras has."""
    if isinstance(value, (list, tuple)):
        return [_modern(item, own) for item in value]
    if not isinstance(value, Mapping):
        return value
    if "class_name" not in value or "config" not in value:
        return {key: _modern(item, own) for key, item in value.items()}
    entry = {key: item if key == "inbound_nodes" else _modern(item, own) for key, item in value.items()
             if key not in _WRAPPING}
    if entry["class_name"] in {"Policy", "DTypePolicy"} and isinstance(entry["config"], Mapping):
        return _compute_dtype(str(entry["config"].get("name")))
    if entry["class_name"] in own or not isinstance(entry["config"], Mapping):
        return entry
    entry["config"] = _known_options(str(entry["class_name"]), dict(entry["config"]))
    return entry


def _compute_dtype(policy: str) -> str:
    """The dtype of weights under a tf.keras policy; mixed precision keeps them in float32."""
    return "float32" if policy.startswith("mixed_") else policy


def _known_options(class_name: str, config: dict) -> dict:
    """The options that a layer of this package takes; a neutral value of another one is dropped."""
    from symgraph import layers

    if isinstance(config.get("dtype"), str):
        config["dtype"] = _compute_dtype(config["dtype"])
    if class_name == "BatchNormalization" and isinstance(config.get("axis"), list) and len(config["axis"]) == 1:
        config["axis"] = config["axis"][0]
    if class_name == "Bidirectional":
        _check_mirrored(config)
    known = layers._known().get(class_name)
    if known is None or "layers" in config:
        return config
    return _accepted(known, config, _UNUSED.get(class_name, ()), f"the layer {config.get('name')!r} ({class_name})")


def _check_mirrored(config: dict) -> None:
    """Drop the backward layer that tf.keras stores, where it is like the forward one, as here it always is.

    # Raises
        ValueError: it is another one.
    """
    backward = config.pop("backward_layer", None)
    if backward is None:
        return

    def compared(entry: Mapping) -> tuple:
        return entry["class_name"], {key: value for key, value in entry["config"].items()
                                     if key not in {"name", "go_backwards"}}

    if compared(backward) != compared(config["layer"]):
        raise ValueError(f"the layer {config.get('name')!r} (Bidirectional) was saved with its own backward layer, "
                         "which this package does not have.")


def _accepted(known: type, config: dict, unused: tuple[str, ...], what: str) -> dict:
    from symgraph.engine.layer import COMMON_ARGUMENTS, Layer

    names = set(parameter_names(known.__init__)[0])  # type: ignore[misc]
    if issubclass(known, Layer):
        names |= set(COMMON_ARGUMENTS)
    kept = {}
    for key, value in config.items():
        if key in names or (key not in _NEUTRAL and key not in unused):
            kept[key] = value
        elif key in unused or _NEUTRAL[key] is ... or value == _NEUTRAL[key]:
            continue
        else:
            raise ValueError(f"{what} was saved with {key}={value!r}, which this package does not have.")
    return kept


# ---------------------------------------------------------------------------------------------- training
def modern_training(training: Mapping, version: str | None, output_names: list[str]) -> dict:
    """A training configuration in the words of this package.

    # Arguments
        training: what the file holds.
        version: the version of Keras that wrote it.
        output_names: the names of the model's outputs; tf.keras puts them before the names of metrics.
    """
    result = dict(training)
    result["optimizer_config"] = _optimizer(training["optimizer_config"])
    result["loss"] = _losses(training.get("loss"))
    for key in ("metrics", "weighted_metrics"):
        entry = training.get(key)
        if isinstance(entry, list) and any(isinstance(item, list) for item in entry):
            names = output_names if len(output_names) == len(entry) else [""] * len(entry)
            several = len(output_names) > 1
            result[key] = [
                [_metric(item, name if several else "") for item in (group if isinstance(group, list) else [group])
                 if item is not None] for group, name in zip(entry, names)
            ]
        elif isinstance(entry, Mapping):
            result[key] = {name: [_metric(item, name) for item in (value if isinstance(value, list) else [value])]
                           for name, value in entry.items()}
        elif isinstance(entry, list):
            result[key] = [_metric(item, "") for item in entry if item is not None]
    return result


def _optimizer(entry: Any) -> Any:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("config"), Mapping):
        return entry
    dropped = {"name"}
    config = {key: value for key, value in entry["config"].items() if key not in dropped
              and not (key in _NEUTRAL and (_NEUTRAL[key] is ... or value == _NEUTRAL[key]))}
    rate = config.get("learning_rate")
    if isinstance(rate, Mapping):
        raise ValueError(f"The model was compiled with a learning-rate schedule, {rate.get('class_name')!r}. Load it "
                         "with compile=False and compile it yourself.")
    class_name = str(entry["class_name"]).removeprefix("Custom>")
    if class_name == "Nadam" and "use_ema" in entry["config"]:
        config.setdefault("schedule_decay", 1.0)  # since tf.keras 2.11: 0.96 ** t, no longer 0.96 ** (0.004 * t)
    return {"class_name": class_name, "config": config}


def _losses(entry: Any) -> Any:
    if isinstance(entry, (list, tuple)):
        return [_losses(item) for item in entry]
    if not isinstance(entry, Mapping):
        return entry
    if "class_name" not in entry or not isinstance(entry.get("config"), Mapping):
        return {key: _losses(item) for key, item in entry.items()}
    from symgraph import losses

    config = dict(entry["config"])
    if entry["class_name"] == "LossFunctionWrapper" and isinstance(config.get("fn"), str):
        return config["fn"]
    if config.get("reduction") == "auto":
        del config["reduction"]
    known = losses._OBJECTS.get(entry["class_name"])
    if isinstance(known, type):
        config = _accepted_by(known, config)
    return {"class_name": entry["class_name"], "config": config}


def _metric(entry: Any, output_name: str) -> Any:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("config"), Mapping):
        return entry
    config = dict(entry["config"])
    name = config.get("name")
    if output_name and isinstance(name, str) and name.startswith(f"{output_name}_"):
        config["name"] = name[len(output_name) + 1:]
    class_name = entry["class_name"]
    if class_name not in _FUNCTION_METRICS:
        from symgraph import metrics

        confusion = class_name in metrics._CONFUSION
        known = getattr(metrics, class_name) if confusion else metrics._OBJECTS.get(class_name)
        if isinstance(known, type):
            config = _accepted_by(known, config)
    return {"class_name": class_name, "config": config}


#: How a metric function is stored: the name of the function is in the configuration.
_FUNCTION_METRICS = frozenset({"MeanMetricWrapper", "SumOverBatchSizeMetricWrapper"})


def _accepted_by(known: type, config: dict) -> dict:
    """The options of a loss or metric; what is left over must be neutral, or the class refuses it."""
    names: set[str] = set()
    for cls in known.__mro__:
        if "__init__" in cls.__dict__:
            found, catches_all = parameter_names(cls.__init__)  # type: ignore[misc]
            names.update(found)
            if not catches_all:
                break
    return {key: value for key, value in config.items()
            if key in names or key not in _NEUTRAL or (_NEUTRAL[key] is not ... and value != _NEUTRAL[key])}
