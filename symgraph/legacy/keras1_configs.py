"""Configurations that Keras 1 wrote, in the words of Keras 2.

What differs in words stands in tables; what differs in meaning - moving variances, where Theano put the padding -
becomes a layer of `file_layers`, which computes what the file's writer computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from symgraph.legacy.accept import translate_config
from symgraph.legacy.old_objects import modern_object

__all__ = ["model_of_keras1"]

#: Classes that have another name now.
_RENAMED = {
    "Convolution1D": "Conv1D", "Convolution2D": "Conv2D", "Convolution3D": "Conv3D", "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D", "AtrousConv1D": "Conv1D", "AtrousConv2D": "Conv2D",
    "Deconvolution2D": "Conv2DTranspose", "Deconv2D": "Conv2DTranspose", "SeparableConvolution2D": "SeparableConv2D",
    "BatchNormalization": "BatchNormalizationKeras1", "Container": "Model",
}
#: How Keras 1 merged: the layer that does it now. `cos` and functions are made in `_merge`.
_MERGES = {"sum": "Add", "mul": "Multiply", "ave": "Average", "max": "Maximum", "concat": "Concatenate", "dot": "Dot"}
_CONVOLUTIONS = {"Conv1D": 1, "Conv2D": 2, "Conv3D": 3}
_OF_SEQUENCES = frozenset({"Conv1D", "LocallyConnected1D", "MaxPooling1D", "AveragePooling1D", "GlobalMaxPooling1D",
                           "GlobalAveragePooling1D"})
#: Arguments that only say what the input is; the layers before say it too.
_ABOUT_INPUT = ("input_dim", "input_length")


def model_of_keras1(config: Mapping, own: frozenset[str], theano: bool) -> dict:
    """The configuration of a model in the words of Keras 2.

    # Arguments
        config: `{'class_name': ..., 'config': ...}`.
        own: names of the caller's own classes; their configurations stay as they are.
        theano: whether the model ran on Theano.

    # Raises
        ValueError: something that cannot be said in Keras 2.
    """
    return _Reader(own, theano).model(config)


class _Reader:
    """Reads the configurations of one file."""

    def __init__(self, own: frozenset[str], theano: bool):
        self.own, self.theano = own, theano
        self.merges = 0

    # ------------------------------------------------------------------------------------------ models
    def model(self, entry: Mapping) -> dict:
        class_name, config = entry["class_name"], entry["config"]
        if class_name == "Graph":
            raise ValueError("The file holds a `Graph` model of a Keras before 1.0, which has no successor. Build the "
                             "model with the functional API and load the weights with `load_weights`.")
        if class_name in self.own or class_name not in {"Sequential", "Model", "Container"}:
            return self.layer(entry)
        if class_name == "Sequential":
            layers = config["layers"] if isinstance(config, Mapping) else config
            name = config.get("name") if isinstance(config, Mapping) else None
            if layers and layers[0]["class_name"] == "Merge":
                return self._merged(layers, name)
            return {"class_name": "Sequential",
                    "config": {"name": name, "layers": [self.model(item) for item in layers]}}
        layers = []
        for item in config["layers"]:
            made = self.model({"class_name": item["class_name"], "config": item["config"]})
            layers.append({**made, "name": item["name"], "inbound_nodes": item.get("inbound_nodes", [])})
        return {"class_name": "Model", "config": {**config, "layers": layers}}

    def _merged(self, layers: list, name: str | None) -> dict:
        """A Sequential that begins with a Merge of other models, as a model with several inputs."""
        first, rest = layers[0], layers[1:]
        made: list[dict] = []
        inputs: list[list] = []
        branches: list[list] = []
        for number, branch in enumerate(first["config"]["layers"]):
            inner = self.model(branch)
            self.merges += 1
            label = inner["config"].get("name") or f"{first['config']['name']}_branch_{self.merges}"
            inner["config"]["name"] = label
            called = []
            for position, (shape, dtype) in enumerate(_inputs_of(inner)):
                source = f"{label}_input_{position + 1}"
                made.append({"class_name": "InputLayer", "name": source, "inbound_nodes": [],
                             "config": {"name": source, "batch_input_shape": shape, "dtype": dtype, "sparse": False}})
                inputs.append([source, 0, 0])
                called.append([source, 0, 0, {}])
            made.append({**inner, "name": label, "inbound_nodes": [called]})
            branches.append([label, 1, 0, {}])  # number 0 is the model by itself
            del number
        current: list = branches
        merge = {key: value for key, value in first["config"].items() if key != "layers"}
        for entry in [{"class_name": "Merge", "config": merge}, *rest]:
            for layer in self._one_or_two(entry):
                label = layer["config"].get("name") or f"{layer['class_name'].lower()}_{len(made)}"
                layer["config"]["name"] = label
                made.append({**layer, "name": label, "inbound_nodes": [current]})
                current = [[label, 1 if layer["class_name"] in {"Sequential", "Model"} else 0, 0, {}]]
        return {"class_name": "Model", "config": {"name": name, "layers": made, "input_layers": inputs,
                                                  "output_layers": [current[0][:3]]}}

    def _one_or_two(self, entry: Mapping) -> list[dict]:
        """An entry as layers; a cosine keeps the shape that Keras 1 gave it by a second one."""
        if entry["class_name"] == "Merge" and entry["config"].get("mode") == "cos":
            name = entry["config"]["name"]
            return [self.layer(entry), {"class_name": "Reshape", "config": {"name": f"{name}_shape",
                                                                            "target_shape": [1, 1]}}]
        return [self.model(entry)]

    # ------------------------------------------------------------------------------------------ layers
    def layer(self, entry: Mapping) -> dict:
        """The configuration of one layer."""
        class_name = str(entry["class_name"])
        if class_name in self.own:
            return {"class_name": class_name, "config": entry["config"]}
        theano = self.theano or class_name.endswith("Theano")
        class_name = class_name.removesuffix("Theano")
        config = {key: self._value(key, value) for key, value in entry["config"].items()}
        dtype = config.pop("input_dtype", None)
        if class_name == "Merge":
            return self._merge(config)
        if class_name == "InputLayer":
            return {"class_name": class_name, "config": {**config, "dtype": dtype}}
        if class_name == "TimeDistributedDense":
            return self._time_distributed_dense(config)
        computes = class_name not in {"Embedding", "TimeDistributed", "Bidirectional"}
        if dtype is not None and computes and "int" not in dtype:
            config["dtype"] = dtype
        if class_name == "Embedding":
            config.pop("activity_regularizer", None)
            dropped = config.pop("dropout", 0.0)
            if dropped:
                raise ValueError(f"The Embedding {config.get('name')!r} was saved with dropout={dropped} of whole "
                                 "words, which Keras 2 lacks. Load it with `symgraph.keras1.models.load_model`.")
        else:
            for key in _ABOUT_INPUT:
                config.pop(key, None)
        if class_name.startswith("Atrous"):
            config["dilation_rate"] = config.pop("atrous_rate")
        if class_name == "Bidirectional":
            inner = config["layer"]["config"]
            inner["name"] = str(inner.get("name", "")).removeprefix("forward_") or None
        new_name = _RENAMED.get(class_name, class_name)
        if new_name == "BatchNormalizationKeras1":
            return {"class_name": new_name, "config": config}
        config = self._kernel_axes(new_name, translate_config(new_name, config))
        if new_name in _OF_SEQUENCES:
            config["data_format"] = "channels_last"  # whatever the layout of images
        if theano and new_name in _CONVOLUTIONS and config.get("padding") == "same":
            new_name = f"{new_name}Theano"
        if theano and new_name == "SReLU":
            new_name = "SReLUTheano"
        return {"class_name": new_name, "config": config}

    def _value(self, key: str, value: Any) -> Any:
        """A value of a layer's configuration: objects of Keras 1 carry their class under `name`."""
        if key == "layer":
            return self.model(value)
        return modern_object(value)

    def _kernel_axes(self, class_name: str, config: dict) -> dict:
        """Constraints name axes of the kernel; the kernel's axes lie otherwise where the channels came first."""
        constraint = config.get("kernel_constraint")
        rank = _CONVOLUTIONS.get(class_name)
        if rank is None or config.get("data_format") != "channels_first" or not isinstance(constraint, Mapping):
            return config
        axis = constraint["config"].get("axis")
        if axis is None:
            return config
        place = {0: rank + 1, 1: rank, **{number + 2: number for number in range(rank)}}
        moved = sorted(place[number % (rank + 2)] for number in (axis if isinstance(axis, list) else [axis]))
        return {**config, "kernel_constraint": {**constraint, "config": {**constraint["config"], "axis": moved}}}

    def _merge(self, config: dict) -> dict:
        mode, name = config.get("mode", "sum"), config.get("name")
        if config.get("mode_type", "raw") != "raw":
            made = {"name": name, "function": mode, "function_type": config["mode_type"],
                    "arguments": config.get("arguments") or {}}
            for key, new in (("output_shape", "output_shape"), ("output_mask", "mask")):
                if config.get(key) is not None:
                    made[new], made[f"{new}_type"] = config[key], config.get(f"{key}_type", "raw")
            return {"class_name": "Lambda", "config": made}
        axes = config.get("dot_axes", -1)
        if isinstance(axes, list) and axes and isinstance(axes[0], list):
            axes = [axis[0] for axis in axes]
        if mode == "cos":
            return {"class_name": "Dot", "config": {"name": name, "axes": axes, "normalize": True}}
        if mode not in _MERGES:
            raise ValueError(f"The layer {name!r} merges in the mode {mode!r}, which is not known.")
        options = {"concat": {"axis": config.get("concat_axis", -1)}, "dot": {"axes": axes}}.get(mode, {})
        return {"class_name": _MERGES[mode], "config": {"name": name, **options}}

    def _time_distributed_dense(self, config: dict) -> dict:
        outer = {key: config.pop(key) for key in ("batch_input_shape", "trainable") if key in config}
        for key in _ABOUT_INPUT:
            config.pop(key, None)
        name = config.pop("name")
        inner = {"class_name": "Dense", "config": {"name": f"{name}_dense", **translate_config("Dense", config)}}
        return {"class_name": "TimeDistributed", "config": {"name": name, **outer, "layer": inner}}


def _inputs_of(model: Mapping) -> list[tuple[Any, Any]]:
    """Shape and dtype of each input of a model's configuration."""
    config = model["config"]
    if "input_layers" in config:
        entries = {item["name"]: item for item in config["layers"]}
        return [(entries[end[0]]["config"]["batch_input_shape"], entries[end[0]]["config"].get("dtype"))
                for end in config["input_layers"]]
    first = config["layers"][0]
    if first["class_name"] in {"Sequential", "Model"}:
        return _inputs_of(first)
    shape = first["config"].get("batch_input_shape")
    if shape is None:
        raise ValueError(f"The branch {config.get('name')!r} of a Merge does not say the shape of its input.")
    return [(shape, "int32" if first["class_name"] == "Embedding" else first["config"].get("dtype"))]
