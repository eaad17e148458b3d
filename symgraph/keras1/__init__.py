"""Keras 1.2: its names with its meanings, over the one implementation of symgraph.

    from symgraph.keras1.models import Sequential
    from symgraph.keras1.layers import Dense

    model = Sequential([Dense(output_dim=3, init="uniform", input_dim=4)])

The modules of this package are made from the list of public names (`symgraph.legacy.keras1_names`): each name is a
function or class written here, where Keras 1 means something else, or that of symgraph, called in the words of Keras 1.

Names, arguments and defaults are those of Keras 1.1.2; the few defaults that 1.2 changed (BatchNormalization's epsilon,
for one) are as they were.
"""

from __future__ import annotations

import functools
import importlib
import sys
import types
from typing import Any

from symgraph.legacy.face import Face
from symgraph.legacy.rules import ORDERINGS, RULES

__version__ = "1.2.2"

#: Module of Keras 1 -> modules here that hold its names.
_SOURCES = {
    "keras.objectives": ("symgraph.losses",),
    "keras.engine": ("symgraph.engine", "symgraph.engine.layer", "symgraph.engine.input_layer",
                     "symgraph.engine.connectivity", "symgraph.engine.network", "symgraph.engine.input_spec"),
    "keras.engine.training": ("symgraph.engine.training_utils", "symgraph.engine.compile_steps",
                              "symgraph.engine.model"),
    "keras.utils.visualize_util": ("symgraph.utils.vis_utils",),
    "keras.datasets.data_utils": ("symgraph.utils.data_utils",),
    "keras.utils.data_utils": ("symgraph.utils.data_utils", "symgraph.utils.generic_utils"),
}
_SOURCES["keras.engine.topology"] = (*_SOURCES["keras.engine"], "symgraph.legacy.layers")

_resolved: dict[tuple[str, str], Any] = {}


def _part(name: str) -> types.ModuleType:
    return importlib.import_module(f"symgraph.keras1.{name}")


def _own(module: str, name: str) -> tuple | None:
    """What this package has for a name of a module of Keras 1, as `(value,)`."""
    if module.startswith("keras.backend"):
        functions = _part("_backend").FUNCTIONS
        return (functions[name],) if name in functions else None
    if module in {"keras.models", "keras.engine.training", "keras.engine.topology", "keras.utils.layer_utils"}:
        models = _part("_models")
        if name in models.__all__:
            return (getattr(models, name),)
        if name == "Container":
            return (models.Model,)
    if module.startswith(("keras.layers", "keras.engine.topology", "keras.utils", "keras.preprocessing")):
        layers = _part("_layers")
        if name == "Layer":
            return (layers.Layer,)
        if name in {"Recurrent", "ConvRecurrent2D"}:
            return (getattr(_part("_recurrent"), name),)
        functions = _part("_functions").FUNCTIONS
        if name in functions:
            return (functions[name],)
    if module == "keras.initializations":
        part = _part("_initializations")
        return (getattr(part, name),) if name in part.__all__ else None
    if module in {"keras.regularizers", "keras.constraints"}:
        part = _part("_penalties")
        if name == "get":
            return (part.get_regularizer if module == "keras.regularizers" else part.get_constraint,)
        return (getattr(part, name),) if hasattr(part, name) else None
    if module in {"keras.objectives", "keras.metrics"}:
        part = _part("_losses")
        table, get = (part.OBJECTIVES, part.get_objective) if module == "keras.objectives" else (part.METRICS,
                                                                                               part.get_metric)
        return (get,) if name == "get" else (table[name],) if name in table else None
    if module == "keras.optimizers":
        part = _part("_optimizers")
        return (getattr(part, name),) if hasattr(part, name) else None
    if module.startswith("keras.applications."):
        table = _part("_applications").TABLE.get(module, {})
        return (table[name],) if name in table else None
    if module == "keras.callbacks":
        part = _part("_callbacks")
        return (getattr(part, name),) if name in part.__all__ else None
    return None


def _native(module: str, name: str) -> Any:
    """The object here that stands under a name, wherever it lives.

    # Raises
        AttributeError: there is none.
    """
    places = _SOURCES.get(module)
    if places is None:
        here = module.replace("keras.", "symgraph.", 1)
        places = (here, here.rpartition(".")[0]) if here.count(".") > 1 else (here,)
        if module.startswith("keras.layers"):
            places = (*places, "symgraph.layers", "symgraph.legacy.layers", "symgraph.legacy.file_layers")
    for place in places:
        try:
            return getattr(importlib.import_module(place), name)
        except ModuleNotFoundError as error:
            if error.name is None or not place.startswith(error.name):
                raise
        except AttributeError:
            continue
    raise AttributeError(f"{module}.{name} of Keras 1 has no counterpart here")


def resolve(module: str, name: str) -> Any:
    """The object that a name of a module of Keras 1 (`keras.layers.core`, `Dense`) stands for.

    # Raises
        AttributeError: Keras 1 has no such name, or it is not offered.
    """
    key = (module, name)
    if key not in _resolved:
        _resolved[key] = _resolve(module, name)
    return _resolved[key]


def _resolve(module: str, name: str) -> Any:
    from symgraph.keras1 import _signatures

    entry = _signatures.entry(module, name)
    if entry is None:
        raise AttributeError(f"module {module!r} of Keras 1 has no attribute {name!r}")
    if entry.kind == "alias" and entry.target.isidentifier():
        return resolve(module, entry.target)
    if entry.kind == "import":
        if f"{entry.target}.{name}" in _signatures.TABLE or entry.target.rpartition(".")[2] == name:
            raise AttributeError(f"{name!r} is a module")
        return resolve(entry.target, name)
    own = _own(module, name)
    if own is not None:
        return own[0]
    if entry.kind == "class" and (module.startswith("keras.layers") or module == "keras.engine.topology"):
        return _layer(module, name, entry)
    value = _native(module, name)
    if entry.kind == "function" and callable(value) and not isinstance(value, type):
        rule = RULES.get(f"backend.{name}" if module.startswith("keras.backend") else name)
        rename = {**(rule.rename if rule else {}), **_part("_backend").RENAMES.get(name, {})}
        if "dim_ordering" in (entry.arguments or ""):
            rename.setdefault("dim_ordering", "data_format")
        rename.update({"border_mode": "padding"} if "border_mode" in (entry.arguments or "") else {})
        value = _signatures.speaking(value, _signatures.of(module, name), name, rename, {"dim_ordering": ORDERINGS})
    return value


def _layer(module: str, name: str, entry: Any) -> Any:
    layers = _part("_layers")
    native = _native(module, layers.NATIVE.get(name, name))
    if not isinstance(native, type) or not issubclass(native, layers.NewLayer):
        return native  # InputSpec, Node
    arguments = entry.arguments if entry.arguments is not None else "**kwargs"
    extra = _part("_special_layers").EXTRA.get(name)
    return layers.make_layer(name, arguments, native, extra, module.partition(".")[2])


def layer_classes() -> dict[str, Any]:
    """Name -> class of every layer that Keras 1 has and that exists here."""
    from symgraph.keras1 import _signatures

    found = {}
    for module in _signatures.TABLE:
        if module.startswith("keras.layers") or module == "keras.engine.topology":
            for name, entry in _signatures.TABLE[module].items():
                if entry.kind != "class" and entry.kind != "alias":
                    continue
                try:
                    value = resolve(module, name)
                except AttributeError:
                    continue
                if isinstance(value, type) and hasattr(value, "get_config"):
                    found[name] = value
    return found


#: Layers that computed something else on Theano -> the class that computes it.
_ON_THEANO = {"Convolution1D": "Conv1DTheano", "AtrousConvolution1D": "Conv1DTheano", "Convolution2D": "Conv2DTheano",
              "AtrousConvolution2D": "Conv2DTheano", "Convolution3D": "Conv3DTheano", "SReLU": "SReLUTheano"}


@functools.cache
def theano_layer_classes() -> dict[str, Any]:
    """Name -> class of the layers that compute what Keras 1 computed on Theano, for files that were written there."""
    from symgraph.keras1 import _signatures
    from symgraph.legacy import file_layers

    layers, found = _part("_layers"), {}
    for name, native in _ON_THEANO.items():
        module = "keras.layers.advanced_activations" if name == "SReLU" else "keras.layers.convolutional"
        entry = _signatures.entry(module, name)
        assert entry is not None
        made = layers.make_layer(name, entry.arguments, getattr(file_layers, native), module=module.partition(".")[2])
        made.__name__ = f"{name}Theano"
        found[name] = made
    return found


# ---------------------------------------------------------------------------------------------- modules
def modules(prefix: str) -> dict[str, types.ModuleType]:
    """Module objects for every public module of Keras 1, under a prefix in place of `keras`."""
    from symgraph.keras1 import _signatures

    made: dict[str, types.ModuleType] = {}
    for module, entries in {**_signatures.TABLE, **{f"keras.backend.{name}": {} for name in (
            "common", "tensorflow_backend", "theano_backend")}}.items():
        shown = prefix + module[len("keras"):]
        names = {name: f"{prefix}{entry.target[len('keras'):]}:" for name, entry in entries.items()
                 if entry.kind == "import" and entry.target.rpartition(".")[2] in {name, "backend"}
                 and f"{entry.target}" in _signatures.TABLE and not _signatures.entry(entry.target, name)}
        if module not in {"keras", "keras.backend"}:
            names.setdefault("K", f"{prefix}.backend:")
        source = "keras.backend" if module.startswith("keras.backend.") else module
        listed = _signatures.TABLE.get(source, {})
        extra = _BESIDE.get(source, {})
        made[shown] = Face(shown, (), {**names, **extra}, only=frozenset(listed) - frozenset(names),
                           resolve=_resolver(source), documentation=f"{module} of Keras 1.2, as symgraph offers it.")
    for shown, face in made.items():
        parent, _, child = shown.rpartition(".")
        if parent in made:
            made[parent]._add_child(child, face)  # type: ignore[attr-defined]
    return made


#: Names that scripts take from modules of Keras 1 beside the listed ones.
_BESIDE = {
    **{f"keras.applications.{name}": {
        key: f"symgraph.keras1.applications.{place}:{key}" for key in ("decode_predictions", "preprocess_input")}
       for name, place in (("vgg16", "imagenet_utils"), ("vgg19", "imagenet_utils"), ("resnet50", "imagenet_utils"),
                           ("music_tagger_crnn", "audio_conv_utils"))},
    **{f"keras.applications.{name}": {
        "decode_predictions": "symgraph.keras1.applications.imagenet_utils:decode_predictions"}
       for name in ("inception_v3", "xception")},
    "keras.datasets.data_utils": {name: f"symgraph.keras1.utils.{place}:{name}" for name, place in (
        ("get_file", "data_utils"), ("validate_file", "data_utils"), ("Progbar", "generic_utils"))},
    "keras.models": {"Layer": "symgraph.keras1._layers:Layer", "Model": "symgraph.keras1._models:Model"},
    **{f"keras.layers.{name}": {"Layer": "symgraph.keras1._layers:Layer",
                                "InputSpec": "symgraph.keras1.engine.topology:InputSpec"}
       for name in ("advanced_activations", "embeddings", "local", "noise", "normalization", "pooling", "recurrent",
                    "wrappers")},
    "keras.layers.core": {name: f"symgraph.keras1.engine.topology:{name}" for name in ("InputSpec", "Layer", "Merge")},
    "keras.layers.convolutional": {name: "symgraph.keras1.layers.pooling:" + name for name in (
        "MaxPooling1D", "MaxPooling2D", "MaxPooling3D", "AveragePooling1D", "AveragePooling2D", "AveragePooling3D")},
    "keras.backend": {"_EPSILON": "symgraph.legacy.backend_names:_EPSILON",
                      "_FLOATX": "symgraph.legacy.backend_names:_FLOATX",
                      "image_data_format": "symgraph.backend:image_data_format",
                      "set_image_data_format": "symgraph.backend:set_image_data_format",
                      "arange": "symgraph.backend:arange", "py_all": "symgraph.legacy.backend_names:py_all",
                      "stack": "symgraph.backend:stack",
                      "manual_variable_initialization": "symgraph.backend:manual_variable_initialization"},
}


def _resolver(module: str) -> Any:
    def ask(name: str) -> tuple | None:
        try:
            return (resolve(module, name),)
        except AttributeError:
            return None

    return ask


_faces = modules(__name__)
_root = _faces.pop(__name__)
sys.modules.update(_faces)


def __getattr__(name: str) -> Any:
    module = _faces.get(f"{__name__}.{name}")
    if module is not None:
        return module
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({name.split(".")[2] for name in _faces} | {"modules", "resolve"})
