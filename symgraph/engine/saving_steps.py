"""The steps of saving and loading under the names that Keras gives them, for code that calls Keras' directly."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import numpy as np

from symgraph.engine.hdf5_reader import open_model_file
from symgraph.engine.hdf5_writer import write_names
from symgraph.engine.pickling import revive, to_bytes
from symgraph.engine.saving import _generation, _load_by_name, _load_by_position, _stored_layers, _values, _write_layers
from symgraph.engine.weight_layouts import Origin, assign

__all__ = [
    "load_attributes_from_hdf5_group", "load_weights_from_hdf5_group", "load_weights_from_hdf5_group_by_name",
    "pickle_model", "preprocess_weights_for_loading", "save_attributes_to_hdf5_group", "save_weights_to_hdf5_group",
    "unpickle_model",
]


def save_attributes_to_hdf5_group(group: Any, name: str, data: Iterable) -> None:
    """Store a list of names as an attribute, in pieces where it is too long for one.

    # Arguments
        group: an open `h5py.File` or `h5py.Group`.
        name: name of the attribute.
        data: texts, or bytes in UTF-8.

    # Raises
        RuntimeError: a single name that is too long.
    """
    texts = [item.decode("utf-8") if isinstance(item, bytes) else str(item) for item in data]
    try:
        write_names(group, name, texts)
    except ValueError as error:
        raise RuntimeError(str(error)) from error


def load_attributes_from_hdf5_group(group: Any, name: str) -> list[str]:
    """The names that `save_attributes_to_hdf5_group` stored; an empty list if there are none.

    # Arguments
        group: an open `h5py.File` or `h5py.Group`.
        name: name of the attribute.
    """
    with open_model_file(group) as stored:
        return list(stored.names(name) or [])


def save_weights_to_hdf5_group(group: Any, layers: list) -> None:
    """Store the weights of layers.

    # Arguments
        group: an open `h5py.File` or `h5py.Group`.
        layers: layers, in the order of their model.
    """
    _write_layers(group, SimpleNamespace(layers=list(layers)))


def load_weights_from_hdf5_group(f: Any, layers: list, reshape: bool = False) -> None:
    """Load what `save_weights_to_hdf5_group` stored, into layers in the same order.

    # Arguments
        f: an open `h5py.File` or `h5py.Group`.
        layers: the layers.
        reshape: whether arrays of another shape and the same number of elements are reshaped.

    # Raises
        ValueError: the weights do not fit the layers; nothing is changed then.
    """
    with open_model_file(f) as file:
        origin, groups = _stored_layers(file, file.text("keras_version"))
        _load_by_position(SimpleNamespace(layers=list(layers)), groups, origin, reshape)


def load_weights_from_hdf5_group_by_name(f: Any, layers: list, skip_mismatch: bool = False, reshape: bool = False
                                         ) -> None:
    """Load what `save_weights_to_hdf5_group` stored, into the layers of the same names.

    # Arguments
        f: an open `h5py.File` or `h5py.Group`.
        layers: the layers; those that are not in the file keep their weights.
        skip_mismatch: layers whose weights do not fit are left out, with a warning.
        reshape: whether arrays of another shape and the same number of elements are reshaped.

    # Raises
        ValueError: weights that do not fit their layer; nothing is changed then.
    """
    with open_model_file(f) as file:
        origin, groups = _stored_layers(file, file.text("keras_version"))
        _load_by_name(SimpleNamespace(layers=list(layers)), groups, origin, skip_mismatch, reshape)


class _Given:
    """An array in the place of one that a file holds."""

    def __init__(self, array: Any):
        self.array = np.asarray(array)
        self.shape, self.size = self.array.shape, self.array.size

    def read(self, limit: int) -> np.ndarray:
        return self.array


def preprocess_weights_for_loading(layer: Any, weights: list, original_keras_version: str | None = None,
                                   original_backend: str | None = None, reshape: bool = False) -> list[np.ndarray]:
    """Arrays as another Keras, or another kind of the layer, keeps them, in the layout of a layer.

    Gates of Keras 1, kernels of Theano, and cuDNN's recurrent layers against the plain ones.

    # Arguments
        layer: the layer they are for, built; a wrapper or a whole model too.
        weights: the arrays.
        original_keras_version: version of the Keras that they come from; default: this one.
        original_backend: 'theano' for kernels of a true convolution, rotated by 180 degrees.
        reshape: whether arrays of another shape and the same number of elements are reshaped.

    # Returns
        Arrays for `layer.set_weights`.

    # Raises
        ValueError: arrays that do not fit the layer.
    """
    origin = Origin(_generation(original_keras_version or "2"), original_backend == "theano")
    arrays = [_Given(weight) for weight in weights]
    names = [f"weight_{number}" for number in range(len(arrays))]
    pairs = _values(layer, assign(layer, names, arrays, origin), origin, reshape)
    values = {id(variable): value for variable, value in pairs}
    return [values[id(variable)] for variable in layer.weights]


def pickle_model(model: Any) -> dict[str, Any]:
    """A model, with the state of its training, as a dictionary that can be pickled."""
    image, classes = to_bytes(model)
    return {"file": image, "classes": classes}


def unpickle_model(state: dict[str, Any]) -> Any:
    """The model of `pickle_model`."""
    return revive(state["file"], state["classes"])
