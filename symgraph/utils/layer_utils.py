"""The summary table of a model, and small helpers on layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgraph.engine.connectivity import get_source_inputs
from symgraph.utils.conv_utils import convert_kernel

__all__ = ["convert_all_kernels_in_model", "convert_dense_weights_data_format", "count_params", "get_source_inputs",
           "layer_from_config", "print_summary"]


def count_params(weights: Any) -> int:
    """The number of numbers in variables, each counted once."""
    from symgraph import backend as K

    unique = {id(weight): weight for weight in weights}
    return int(sum(np.prod(K.int_shape(weight), dtype="int64") for weight in unique.values()))


def layer_from_config(config: dict, custom_objects: dict | None = None) -> Any:
    """The layer of `{'class_name': ..., 'config': ...}`."""
    from symgraph import layers

    return layers.deserialize(config, custom_objects=custom_objects)


def print_summary(model: Any, line_length: int | None = None, positions: list | None = None,
                  print_fn: Any = None) -> None:
    """Print a table of a model: layers, output shapes, parameters and, where it branches, what is connected to what.

    # Arguments
        model: a model.
        line_length: width of the table.
        positions: positions of the columns, or fractions of the width.
        print_fn: called with each line instead of `print`.
    """
    write = print if print_fn is None else print_fn
    if not model.built:
        raise ValueError("This model has not yet been built. Build the model first by calling build() or calling fit() "
                         "with some data. Or specify input_shape or batch_input_shape in the first layer for automatic "
                         "build.")
    graph = getattr(model, "_nodes_by_depth", None) is not None  # a model with a `call` of its own has none
    linear = type(model).__name__ == "Sequential" or not graph or _is_linear(model)
    if linear:
        width, columns = line_length or 65, positions or [0.45, 0.85, 1.0]
        headers = ["Layer (type)", "Output Shape", "Param #"]
    else:
        width, columns = line_length or 98, positions or [0.33, 0.55, 0.67, 1.0]
        headers = ["Layer (type)", "Output Shape", "Param #", "Connected to"]
    if columns[-1] <= 1:
        columns = [int(width * column) for column in columns]

    def row(fields: list) -> None:
        line = ""
        for field, stop in zip(fields, columns):
            line = (line + " " if line else "") + str(field)
            line = line[:stop].ljust(stop)
        write(line.rstrip())

    write(f'Model: "{model.name}"')
    write("_" * width)
    row(headers)
    write("=" * width)
    for index, layer in enumerate(model.layers):
        fields = [f"{layer.name} ({type(layer).__name__})", _shape_text(layer), layer.count_params()]
        if linear:
            row(fields)
        else:
            sources = _sources(model, layer)
            row([*fields, sources[0] if sources else ""])
            for source in sources[1:]:
                row(["", "", "", source])
        write(("=" if index == len(model.layers) - 1 else "_") * width)
    if getattr(model, "_collected_trainable_weights", None) is not None:
        model._check_trainable_weights()
    trainable = count_params(getattr(model, "_collected_trainable_weights", None) or model.trainable_weights)
    total = count_params(model.weights)
    write(f"Total params: {total:,}")
    write(f"Trainable params: {trainable:,}")
    write(f"Non-trainable params: {total - trainable:,}")
    write("_" * width)


def _shape_text(layer: Any) -> str:
    try:
        return str(layer.output_shape)
    except AttributeError:
        return "multiple"


def _is_linear(model: Any) -> bool:
    """Whether the layers form a chain, each called once on one tensor."""
    for nodes in model._nodes_by_depth.values():
        if len(nodes) > 1 or len(nodes[0].inbound_layers) > 1:
            return False
    return all(sum(id(node) in model._node_ids for node in layer._inbound_nodes) <= 1 for layer in model.layers)


def _sources(model: Any, layer: Any) -> list[str]:
    return [
        f"{inbound.name}[{index}][{position}]"
        for node in layer._inbound_nodes if id(node) in model._node_ids
        for inbound, index, position in zip(node.inbound_layers, node.node_indices, node.tensor_indices)
    ]


def convert_all_kernels_in_model(model: Any) -> None:
    """Turn the kernels of all convolutions of a model by half a circle, see `conv_utils.convert_kernel`."""
    from symgraph import layers

    kinds = (layers.Conv1D, layers.Conv2D, layers.Conv3D, layers.Conv2DTranspose)
    for layer in model.layers:
        if isinstance(layer, kinds):
            kernel, *rest = layer.get_weights()
            layer.set_weights([convert_kernel(kernel), *rest])
        elif hasattr(layer, "layers"):
            convert_all_kernels_in_model(layer)


def convert_dense_weights_data_format(dense: Any, previous_feature_map_shape: tuple,
                                      target_data_format: str = "channels_first") -> None:
    """Give a Dense layer that stands after a Flatten the weights for the other layout of the pictures.

    # Arguments
        dense: the layer.
        previous_feature_map_shape: shape of what was flattened, in the layout of the target, without samples.
        target_data_format: the layout that the pictures shall have.

    # Raises
        AssertionError: another layout.
    """
    assert target_data_format in {"channels_last", "channels_first"}, (
        f"`target_data_format` must be 'channels_last' or 'channels_first', got {target_data_format!r}")
    kernel, *rest = dense.get_weights()
    if target_data_format == "channels_first":
        channels, *window = previous_feature_map_shape
        features = kernel.reshape(*window, channels, -1)
        features = np.moveaxis(features, -2, 0)
    else:
        *window, channels = previous_feature_map_shape
        features = np.moveaxis(kernel.reshape(channels, *window, -1), 0, -2)
    dense.set_weights([features.reshape(kernel.shape), *rest])
