"""Saving and loading: whole models and weights, in the HDF5 layout that Keras reads and writes.

Nothing in a file is executed. A configuration names classes and functions; the names are looked up among those of this
package and those that the caller registered. The Python code of a `Lambda` layer runs only with `allow_unsafe=True`.
"""

from __future__ import annotations

import json
import math
import os
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np

from symgraph import backend as K
from symgraph import losses, metrics, optimizers
from symgraph.engine.hdf5_reader import ModelFileError, StoredArray, StoredGroup, open_model_file
from symgraph.engine.hdf5_writer import hdf5_target, write_arrays, write_names, write_text
from symgraph.engine.optimizer_state import restore_optimizer
from symgraph.engine.weight_layouts import Assignment, Origin, assign, convert, file_variables, shape_of
from symgraph.utils.generic_utils import CustomObjectScope, custom_object_scope, serialize_keras_object, stored_code
from symgraph.utils.io_utils import ask_to_proceed_with_overwrite

__all__ = ["ModelFileError", "load_model", "load_weights", "load_with", "model_from_config", "model_from_json",
           "model_from_yaml", "save_model", "save_weights"]

#: The version whose layout is written.
KERAS_VERSION = "2.3.1"


# ---------------------------------------------------------------------------------------------- saving
def save_model(model: Any, filepath: Any, overwrite: bool = True, include_optimizer: bool = True) -> None:
    """Save a model: its architecture, its weights, how it was compiled and the state of its optimizer.

    # Arguments
        model: the model.
        filepath: a path, an open binary file, or an open `h5py.File` or `h5py.Group`.
        overwrite: whether an existing file is replaced without asking.
        include_optimizer: whether the training configuration and the optimizer's state are saved too.

    # Raises
        OSError: the file cannot be written; an old file of that name is then as it was.
    """
    _refuse_safetensors(filepath)
    if not _may_write(filepath, overwrite):
        return
    architecture = model.to_json()
    training = _training_config(model) if include_optimizer and _is_compiled(model) else None
    with hdf5_target(filepath) as file:
        write_text(file, "keras_version", KERAS_VERSION)
        # The name says how kernels lie: as in a correlation, not rotated as Theano had them.
        write_text(file, "backend", "tensorflow")
        write_text(file, "model_config", architecture)
        _write_layers(file.create_group("model_weights"), model)
        if training is not None:
            write_text(file, "training_config", training)
            _write_optimizer(file, model.optimizer)


def save_weights(model: Any, filepath: Any, overwrite: bool = True) -> None:
    """Save the weights of a model; a name that ends in `.safetensors` chooses that format, any other HDF5.

    # Arguments
        model: the model.
        filepath: a path, an open binary file, or an open `h5py.File` or `h5py.Group`.
        overwrite: whether an existing file is replaced without asking.
    """
    if not _may_write(filepath, overwrite):
        return
    if _is_safetensors(filepath):
        from symgraph.engine.safetensors import save_tensors

        save_tensors(filepath, _named_weights(model), {"format": "symgraph", "keras_version": KERAS_VERSION})
        return
    with hdf5_target(filepath) as file:
        _write_layers(file, model)


def _may_write(filepath: Any, overwrite: bool) -> bool:
    if overwrite or not isinstance(filepath, (str, os.PathLike)) or not os.path.exists(filepath):
        return True
    return ask_to_proceed_with_overwrite(filepath)


def _is_safetensors(filepath: Any) -> bool:
    return isinstance(filepath, (str, os.PathLike)) and os.fspath(filepath).endswith(".safetensors")


def _refuse_safetensors(filepath: Any) -> None:
    if _is_safetensors(filepath):
        raise ValueError("The safetensors format holds weights only: use `model.save_weights(...)` and "
                         "`model.load_weights(...)`, or save the whole model as '.h5'.")


def _write_layers(group: Any, model: Any) -> None:
    write_names(group, "layer_names", [layer.name for layer in model.layers])
    write_text(group, "backend", "tensorflow")
    write_text(group, "keras_version", KERAS_VERSION)
    for layer in model.layers:
        variables = file_variables(layer)
        write_arrays(group.create_group(layer.name), [variable.name for variable in variables],
                     K.batch_get_value(variables))


def _write_optimizer(file: Any, optimizer: Any) -> None:
    variables = list(getattr(optimizer, "weights", []))
    if not variables:
        return  # not trained yet: there is no state
    names = [f"{variable.name.replace(':0', '')}:0" for variable in variables]
    write_arrays(file.create_group("optimizer_weights"), names, K.batch_get_value(variables))


def _named_weights(model: Any) -> dict[str, np.ndarray]:
    """The weights by name; a name that occurs twice is numbered."""
    variables = [variable for layer in model.layers for variable in file_variables(layer)]
    found: dict[str, np.ndarray] = {}
    for variable, value in zip(variables, K.batch_get_value(variables)):
        name, number = variable.name.removesuffix(":0"), 1
        while name in found:
            name, number = f"{variable.name.removesuffix(':0')}_{number}", number + 1
        found[name] = value
    return found


def _is_compiled(model: Any) -> bool:
    return model.__dict__.get("_objective") is not None


def _training_config(model: Any) -> str:
    from symgraph.engine.network import _json_value

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(item) for item in value]
        if value is None or isinstance(value, (str, int, float, bool)):
            return value
        if value in {losses.cosine_proximity, metrics.cosine_proximity}:
            return "cosine_similarity"  # the name of the two that tf.keras knows too
        stored = serialize_keras_object(value)
        if type(value) is metrics.MeanMetricWrapper:
            stored["config"]["fn"] = plain(value._fn) if hasattr(value._fn, "__name__") else None
        return stored

    config = {
        "optimizer_config": {"class_name": type(model.optimizer).__name__, "config": model.optimizer.get_config()},
        "loss": plain(model.loss),
        "metrics": plain(model._compile_metrics),
        "weighted_metrics": plain(model._compile_weighted_metrics),
        "sample_weight_mode": model.sample_weight_mode,
        "loss_weights": plain(model.loss_weights),
    }
    return json.dumps(config, default=_json_value)


# ---------------------------------------------------------------------------------------------- loading
def load_model(filepath: Any, custom_objects: dict | None = None, compile: bool = True,
               allow_unsafe: bool = False) -> Any:
    """Load a model that this package, Keras 1, Keras 2 or tf.keras saved in HDF5.

    # Arguments
        filepath: a path, an open binary file, bytes, or an open `h5py.File` or `h5py.Group`.
        custom_objects: dictionary from names to the classes and functions of your own that the file names.
        compile: whether the model is compiled as it was, with the optimizer's state.
        allow_unsafe: whether Python code in the file (of `Lambda` layers) may run. It runs with all your rights: only
            for files whose origin you trust.

    # Raises
        ModelFileError: (an OSError and a ValueError) not a model file, damaged, or it holds what no model file needs.
        ValueError: classes or functions that are unknown (all are listed), or code without `allow_unsafe=True`.
    """
    return load_with(filepath, lambda origin: custom_objects or {}, compile, allow_unsafe)


def load_with(filepath: Any, objects_for: Callable[[Origin], dict], compile: bool = True, allow_unsafe: bool = False
              ) -> Any:
    """`load_model` with custom objects that depend on who wrote the file."""
    with open_model_file(filepath) as file:
        version = file.text("keras_version")
        config = _json(file.text("model_config"), "model_config")
        if config is None:
            raise ModelFileError(
                "No model found in the file: it holds no configuration. If it was written by `save_weights`, build the "
                "model first and call `model.load_weights(filepath)`."
            )
        training = _json(file.text("training_config"), "training_config")
        weights = file.group("model_weights")
        origin, groups = _stored_layers(weights, version)
        # A model of `symgraph.keras1` is described in the words of Keras 1, while its weights lie as in all files here.
        version = config.get("keras_version") or version
        custom_objects = objects_for(origin)
        config = _modern(config, version, origin, file.text("backend"), custom_objects)
        _check_known(config, training if compile else None, custom_objects)
        with _loading(custom_objects, allow_unsafe, groups):
            model = model_from_config(config, custom_objects)
        assignments = _load_by_position(model, groups, origin)
        if compile:
            if training is None:
                warnings.warn("The file holds no training configuration: the model was *not* compiled. Compile it "
                              "manually, or pass compile=False.", stacklevel=2)
                return model
            with CustomObjectScope(custom_objects):
                _compile(model, training, version)
            if "optimizer_weights" in file:
                restore_optimizer(model, file.group("optimizer_weights"), assignments, origin)
    return model


def _loading(custom_objects: dict | None, allow_unsafe: bool, groups: list[tuple]) -> ExitStack:
    """What holds while the layers of a file are made: names, code, and how much memory they may ask for."""
    from symgraph.engine.allowance import weights_from_file

    stack = ExitStack()
    stack.enter_context(custom_object_scope(custom_objects or {}))
    stack.enter_context(stored_code("run" if allow_unsafe else "refuse"))
    stack.enter_context(weights_from_file(sum(array.size for _, _, arrays in groups for array in arrays)))
    return stack


def _json(text: str | None, what: str) -> Any:
    if text is None:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"The file's {what} is not valid JSON: {error}.") from error
    if not isinstance(value, dict):
        raise ModelFileError(f"The file's {what} should be a JSON object, it is a {type(value).__name__}.")
    return value


def _modern(config: dict, version: str | None, origin: Origin, backend: str | None, custom_objects: dict | None
            ) -> dict:
    from symgraph.legacy.configs import modern_config

    try:
        return modern_config(config, version, custom_objects, "theano" if origin.theano else backend)
    except (KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise ModelFileError(f"The file's model_config does not describe a model ({type(error).__name__}: {error})."
                             ) from error


def _stored_layers(root: StoredGroup, version: str | None
                   ) -> tuple[Origin, list[tuple[str, list[str], list[StoredArray]]]]:
    """Who wrote the weights, and for each layer its name, the names of its arrays and the arrays (not yet read)."""
    groups = []
    layer_names = root.names("layer_names")
    if layer_names is None:
        count = root.number("nb_layers")  # before Keras 1.0
        if count is None or not 0 <= count <= 100_000:
            raise ModelFileError("The file holds no weights of a model: it has neither `layer_names` nor `nb_layers`.")
        for index in range(count):
            group = root.group(f"layer_{index}")
            names = [f"param_{number}" for number in range(min(group.number("nb_params") or 0, 10_000))]
            groups.append((f"layer_{index}", names, [group.array(name) for name in names]))
    else:
        for layer_name in layer_names:
            group = root.group(layer_name)
            names = group.names("weight_names") or []
            groups.append((layer_name, names, [group.array(name) for name in names]))
    generation = _generation(root.text("keras_version") or version)
    backend = root.text("backend")
    if backend is None and generation == 1:
        # Only TensorFlow numbers the outputs of its operations.
        backend = "tensorflow" if any(name.endswith(":0") for _, names, _ in groups for name in names) else "theano"
    return Origin(generation, backend == "theano"), groups


def _generation(version: Any) -> int:
    """The generation of the Keras of a version; the first wrote none into its files."""
    return 1 if str(version or "1").split(".")[0] in {"0", "1"} else 2


# ---------------------------------------------------------------------------------------------- weights
def load_weights(model: Any, filepath: Any, by_name: bool = False, skip_mismatch: bool = False,
                 reshape: bool = False) -> None:
    """Load weights into a model.

    # Arguments
        model: the model; it must be built.
        filepath: a path (of HDF5, or of safetensors where it ends so), an open binary file, bytes, or an open
            `h5py.File` or `h5py.Group`. A file of a whole model will do.
        by_name: whether layers are found by their names (others keep their weights) or by their order.
        skip_mismatch: with `by_name`: layers whose weights do not fit are left out, with a warning.
        reshape: whether arrays of another shape and the same number of elements are reshaped.

    # Raises
        ModelFileError: a damaged file, or weights that do not fit the model; nothing is changed then.
    """
    if skip_mismatch and not by_name:
        raise ValueError("When calling load_weights, `skip_mismatch` can only be set to True when `by_name` is True.")
    if not model.built:
        raise ValueError(f"The model {model.name!r} has no weights yet: it does not know its input. Call "
                         "`model.build(input_shape)`, or give its first layer `input_shape=`, before `load_weights`.")
    if _is_safetensors(filepath):
        _load_safetensors(model, filepath, by_name, skip_mismatch, reshape)
        return
    with open_model_file(filepath) as file:
        version = file.text("keras_version")
        root = file.group("model_weights") if "model_weights" in file else file
        origin, groups = _stored_layers(root, version)
        if by_name:
            _load_by_name(model, groups, origin, skip_mismatch, reshape)
        else:
            _load_by_position(model, groups, origin, reshape)


def _load_by_position(model: Any, groups: list[tuple], origin: Origin, reshape: bool = False) -> list[Assignment]:
    stored = [group for group in groups if group[1] and group[0] != "top_level_model_weights"]
    layers = [layer for layer in _layers_in_files(model, groups, origin)
              if file_variables(layer)]
    if len(layers) != len(stored):
        raise ModelFileError(
            f"You are trying to load a weight file containing {len(stored)} layers into a model with {len(layers)} "
            f"layers. In the file: {[name for name, _, _ in stored][:20]}; in the model: "
            f"{[layer.name for layer in layers][:20]}. Layers with equal names are loaded by `by_name=True`."
        )
    pairs: list[tuple] = []
    assignments: list[Assignment] = []
    for layer, (_, names, arrays) in zip(layers, stored):
        found = assign(layer, names, arrays, origin)
        pairs += _values(layer, found, origin, reshape)
        assignments += found
    K.batch_set_value(pairs)
    return assignments


def _layers_in_files(model: Any, groups: list[tuple], origin: Origin) -> list:
    """The layers that have a group in a file: of a Merge of models Keras 1 stored the layers of each, one by one."""
    names = {name for name, _, _ in groups}
    weighted = [layer for layer in model.layers if file_variables(layer)]
    if origin.generation > 1 or len(weighted) == sum(bool(arrays) for _, arrays, _ in groups):
        return list(model.layers)

    def flat(layers: list) -> list:
        found: list = []
        for layer in layers:
            nested = hasattr(layer, "run_internal_graph") and layer.name not in names
            inner = layer.layers if nested else getattr(layer, "merged", None)
            found += flat(inner) if inner else [layer]
        return found

    return flat(model.layers)


def _load_by_name(model: Any, groups: list[tuple], origin: Origin, skip_mismatch: bool, reshape: bool) -> None:
    by_name: dict[str, list] = {}
    for layer in _layers_in_files(model, groups, origin):
        by_name.setdefault(layer.name, []).append(layer)
    pairs: list[tuple] = []
    for group_name, names, arrays in groups:
        for layer in by_name.get(group_name, []):
            if not names and not file_variables(layer):
                continue
            try:
                pairs += _values(layer, assign(layer, names, arrays, origin), origin, reshape)
            except ModelFileError as error:
                if not skip_mismatch:
                    raise
                warnings.warn(f"Skipping loading of weights for layer {layer.name!r}: {error}", stacklevel=4)
    K.batch_set_value(pairs)


def _values(layer: Any, assignments: list[Assignment], origin: Origin, reshape: bool) -> list[tuple]:
    """Pairs of weights and their values. No more is read than the layer can hold."""
    pairs: list[tuple] = []
    for part, names, arrays in assignments:
        room = sum(math.prod(shape_of(variable)) for variable in part.variables)
        if sum(array.size for array in arrays) > 2 * room + 16:  # cuDNN layers hold a second bias
            _mismatch(layer, part.variables, names, [array.shape for array in arrays])
        read = [array.read(limit=2 * room + 16) for array in arrays]
        try:
            values = convert(part, read, origin)
        except ModelFileError:
            raise
        except (ValueError, IndexError, TypeError) as error:
            raise ModelFileError(f"Layer {layer.name!r}: the arrays {names} of the file have shapes "
                                 f"{[array.shape for array in arrays]}, which do not fit it ({error}).") from error
        shapes = [shape_of(variable) for variable in part.variables]
        if reshape and len(values) == len(shapes):
            values = [value.reshape(shape) if value.size == math.prod(shape) else value
                      for value, shape in zip(values, shapes)]
        if [value.shape for value in values] != shapes:
            _mismatch(layer, part.variables, names, [array.shape for array in arrays])
        pairs += zip(part.variables, values)
    return pairs


def _mismatch(layer: Any, variables: list, names: list[str], shapes: list[tuple]) -> None:
    wanted = [(variable.name, shape_of(variable)) for variable in variables[:8]]
    raise ModelFileError(
        f"Layer {layer.name!r} ({type(layer).__name__}) has weights {wanted}; the file holds "
        f"{list(zip(names, shapes))[:8]} for it, which do not fit. Was the model built with the same arguments?"
    )


def _load_safetensors(model: Any, filepath: Any, by_name: bool, skip_mismatch: bool, reshape: bool) -> None:
    from symgraph.engine.safetensors import open_tensors

    variables = [variable for layer in model.layers for variable in file_variables(layer)]
    wanted: dict[str, Any] = {}
    for variable in variables:
        name, number = variable.name.removesuffix(":0"), 1
        while name in wanted:
            name, number = f"{variable.name.removesuffix(':0')}_{number}", number + 1
        wanted[name] = variable
    with open_tensors(filepath) as tensors:
        missing = [name for name in wanted if name not in tensors]
        extra = [name for name in tensors if name not in wanted]
        if (missing or extra) and not by_name:
            raise ModelFileError(f"The file and the model {model.name!r} do not hold the same weights. Only in the "
                                 f"model: {missing[:10]}; only in the file: {extra[:10]}. `by_name=True` loads the "
                                 "common ones.")
        pairs = []
        for name, variable in wanted.items():
            if name not in tensors:
                continue
            stored, shape = tensors[name], shape_of(variable)
            fits = stored.shape == shape or (reshape and stored.size == math.prod(shape))
            if fits:
                pairs.append((variable, stored.read().reshape(shape)))
            elif skip_mismatch:
                warnings.warn(f"Skipping {name!r}: it has shape {shape}, the file's has {stored.shape}.", stacklevel=4)
            else:
                raise ModelFileError(f"The weight {name!r} has shape {shape}; the file's has shape {stored.shape}.")
    K.batch_set_value(pairs)


# ---------------------------------------------------------------------------------------------- compiling
def _compile(model: Any, training: dict, version: str | None) -> None:
    """Compile a model as its file says."""
    from symgraph.legacy.configs import modern_training

    if _generation(version) == 1:
        from symgraph.legacy.masked_losses import MaskedMeans

        model.__dict__["_objective_class"] = MaskedMeans

    training = modern_training(training, version, list(model.output_names))
    try:
        model.compile(
            optimizer=_optimizer(training["optimizer_config"]),
            loss=_each(training.get("loss"), losses.deserialize),
            metrics=_each(training.get("metrics"), _metric),
            loss_weights=training.get("loss_weights"),
            sample_weight_mode=training.get("sample_weight_mode"),
            weighted_metrics=_each(training.get("weighted_metrics"), _metric),
        )
    except (KeyError, AttributeError) as error:
        raise ModelFileError(f"The file's training_config is incomplete: {error}. Load with compile=False and compile "
                             "the model yourself.") from error
    finally:
        model.__dict__.pop("_objective_class", None)  # what the user compiles next is their own


def _optimizer(entry: Any) -> Any:
    try:
        return optimizers.deserialize(entry)
    except TypeError as error:  # an option that only the file's writer has
        raise ValueError(f"The model was compiled with an optimizer that is not there in this form: {error} Load it "
                         "with compile=False and compile it yourself.") from error


def _metric(entry: Any) -> Any:
    """A metric of a training configuration; a name stays, for the results are called by it."""
    if isinstance(entry, str):
        return entry
    config = entry["config"]
    if entry["class_name"] == "MeanMetricWrapper" and isinstance(config, dict) and "fn" in config:
        options = {key: value for key, value in config.items() if key != "fn"}
        return metrics.MeanMetricWrapper(metrics.get(config["fn"]), **options)
    return metrics.get(entry)


def _each(entry: Any, make: Callable[[Any], Any]) -> Any:
    """Names and configurations in any arrangement of lists and dictionaries, as objects."""
    if entry is None or entry == []:
        return None if entry is None else []
    if isinstance(entry, dict) and "class_name" in entry and "config" in entry:
        return make(entry)
    if isinstance(entry, dict):
        return {key: _each(value, make) for key, value in entry.items()}
    if isinstance(entry, list):
        return [_each(value, make) for value in entry]
    return make(entry)


# ---------------------------------------------------------------------------------------------- architectures
def _check_known(config: Any, training: Any, custom_objects: dict | None) -> None:
    from symgraph.engine.known_objects import missing_objects

    missing = missing_objects(config, training, custom_objects)
    if missing:
        names = ", ".join(missing)
        example = ", ".join(f"{name!r}: {name}" for name in list(missing)[:4])
        listing = "".join(f"\n  {name}: {where}" for name, where in missing.items())
        raise ValueError(f"The model uses objects that are not known here: {names}.{listing}\n"
                         f"Pass yours: `custom_objects={{{example}{', ...' if len(missing) > 4 else ''}}}`.")


def model_from_config(config: dict, custom_objects: dict | None = None) -> Any:
    """The model of `{'class_name': ..., 'config': ...}`, with new weights.

    # Raises
        TypeError: a bare list, as `Sequential.get_config()` once gave.
    """
    if isinstance(config, list):
        raise TypeError("`model_from_config` expects a dictionary, not a list. Maybe you meant to use "
                        "`Sequential.from_config(config)`?")
    from symgraph import layers
    from symgraph.legacy.configs import modern_config

    config = modern_config(config, config.get("keras_version"), custom_objects)
    return layers.deserialize(config, custom_objects=custom_objects)


def model_from_json(json_string: str, custom_objects: dict | None = None, allow_unsafe: bool = False) -> Any:
    """The model of `model.to_json()` - of this package, Keras 1, Keras 2 or tf.keras - with new weights.

    # Arguments
        json_string: the text.
        custom_objects: dictionary from names to your own classes and functions.
        allow_unsafe: whether Python code in the text (of `Lambda` layers) may run.
    """
    return _from_text(json.loads(json_string), custom_objects, allow_unsafe)


def model_from_yaml(yaml_string: str, custom_objects: dict | None = None, allow_unsafe: bool = False) -> Any:
    """The model of `model.to_yaml()`, with new weights. The text is read as plain data: it can name no code.

    # Arguments
        yaml_string: the text.
        custom_objects: dictionary from names to your own classes and functions.
        allow_unsafe: whether Python code in the text (of `Lambda` layers) may run.
    """
    import yaml

    return _from_text(yaml.safe_load(yaml_string), custom_objects, allow_unsafe)


def _from_text(config: Any, custom_objects: dict | None, allow_unsafe: bool) -> Any:
    if isinstance(config, dict):
        from symgraph.legacy.configs import modern_config

        config = modern_config(config, config.get("keras_version"), custom_objects)
        _check_known(config, None, custom_objects)
    with CustomObjectScope(custom_objects or {}), stored_code("run" if allow_unsafe else "own"):
        return model_from_config(config, custom_objects)
