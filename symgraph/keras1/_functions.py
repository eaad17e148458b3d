"""Functions around layers that only Keras 1 has."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from symgraph import backend as K
from symgraph.keras1 import _signatures
from symgraph.legacy.names import BASE_FILTER
from symgraph.legacy.rules import ORDERINGS
from symgraph.preprocessing import image
from symgraph.preprocessing.image.affine_transformations import apply_matrix
from symgraph.preprocessing.text import Tokenizer as NewTokenizer
from symgraph.utils import layer_utils, test_utils
from symgraph.utils.vis_utils import plot_model

__all__ = ["FUNCTIONS"]


def time_distributed_dense(x, w, b=None, dropout=None, input_dim=None, output_dim=None, timesteps=None):
    """`x . w + b` at each step of a (samples, steps, features) tensor, with one dropout mask for all steps."""
    if dropout is not None and 0.0 < dropout < 1.0:
        ones = K.ones_like(x[:, :1, :])
        x = x * K.in_train_phase(K.dropout(ones, dropout), ones)
    y = K.dot(x, w)
    return y if b is None else y + b


def get_source_inputs(tensor, layer=None, node_index=None):
    """The input tensors that a tensor is computed from."""
    history = getattr(tensor, "_keras_history", None)
    if history is None:
        return tensor
    if layer is None or node_index:
        layer, node_index, _ = history
    if not layer._inbound_nodes:
        return [tensor]
    node = layer._inbound_nodes[node_index]
    if not node.inbound_layers:
        return node.input_tensors
    found: list[Any] = []
    for position in range(len(node.inbound_layers)):
        for one in get_source_inputs(node.input_tensors[position], node.inbound_layers[position],
                                     node.node_indices[position]):
            if not any(one is known for known in found):
                found.append(one)
    return found


def print_summary(layers, relevant_nodes=None, line_length=100, positions=[0.33, 0.55, 0.67, 1.0]):  # noqa: B006
    """Print a table of layers.

    # Arguments
        layers: the layers.
        relevant_nodes: names of the calls to show connections of (`model.container_nodes`); default: all.
        line_length: width of the table.
        positions: fractions of the width (or positions) where the columns end.
    """
    nodes = {f"{layer.name}_ib-{index}": node for layer in layers for index, node in enumerate(layer._inbound_nodes)}
    shown = [node for key, node in nodes.items() if relevant_nodes is None or key in relevant_nodes]
    layer_utils.print_summary(SimpleNamespace(
        name="layers", built=True, layers=layers, _nodes_by_depth={0: shown} if shown else {},
        _node_ids={id(node) for node in shown},
        weights=[weight for layer in layers for weight in layer.weights],
        trainable_weights=[weight for layer in layers for weight in layer.trainable_weights],
    ), line_length, positions)


def to_list(x):
    """`x` itself if it is a list, else a list of one."""
    return x if isinstance(x, list) else [x]


def probas_to_classes(y_pred):
    """Class numbers of probabilities: the largest, or for a single output whether it is above one half."""
    if len(y_pred.shape) > 1 and y_pred.shape[1] > 1:
        return np.argmax(y_pred, axis=1)
    return np.array([1 if p > 0.5 else 0 for p in y_pred])


def categorical_probas_to_classes(p):
    """The largest class of each row."""
    return np.argmax(p, axis=1)


def binary_logloss(p, y):
    """Mean crossentropy of yes/no labels."""
    p, y = np.clip(np.asarray(p, float), 1e-15, 1 - 1e-15), np.asarray(y)
    return -np.sum(y * np.log(p) + (1 - y) * np.log(1 - p)) / len(y)


def multiclass_logloss(P, Y):
    """Mean of minus the logarithm of the probability of the right class; `Y` holds class numbers or one-hot rows."""
    P, Y = np.asarray(P, float), np.asarray(Y)
    right = Y if Y.ndim == 1 else Y.argmax(axis=1)
    return float(np.mean([-np.log(p[c]) for p, c in zip(P, right)]))


def accuracy(p, y):
    """The share of equal entries."""
    return np.mean([a == b for a, b in zip(p, y)])


def normalize(a, axis=-1, order=2):
    """`a` over its norm along an axis; rows of zeros stay."""
    norm = np.atleast_1d(np.linalg.norm(a, order, axis))
    norm[norm == 0] = 1
    return a / np.expand_dims(norm, axis)


def to_categorical(y, nb_classes=None):
    """One-hot rows for class numbers."""
    y = np.array(y, dtype="int").ravel()
    nb_classes = nb_classes or int(np.max(y)) + 1
    result = np.zeros((y.shape[0], nb_classes))
    result[np.arange(y.shape[0]), y] = 1
    return result


def convert_kernel(kernel, dim_ordering="default"):
    """A kernel of the Theano library for the TensorFlow one and back: rotated by 180 degrees.

    # Raises
        ValueError: an unknown ordering, or a kernel that is not of 2-D or 3-D convolution.
    """
    ordering = K.image_dim_ordering() if dim_ordering == "default" else dim_ordering
    if ordering not in {"th", "tf"} or kernel.ndim not in {4, 5}:
        raise ValueError(f"convert_kernel: invalid kernel of shape {kernel.shape} or dim_ordering {dim_ordering!r}")
    window = range(2, kernel.ndim) if ordering == "th" else range(kernel.ndim - 2)
    turned = tuple(slice(None, None, -1) if axis in window else slice(None) for axis in range(kernel.ndim))
    return np.copy(kernel[turned])


def conv_output_length(input_length, filter_size, border_mode, stride, dilation=1):
    """The length of the output of a convolution."""
    if input_length is None:
        return None
    assert border_mode in {"same", "valid"}, f"expected 'same' or 'valid', got {border_mode!r}"
    dilated = filter_size + (filter_size - 1) * (dilation - 1)
    length = input_length if border_mode == "same" else input_length - dilated + 1
    return (length + stride - 1) // stride


def conv_input_length(output_length, filter_size, border_mode, stride):
    """The length of the shortest input that gives this length."""
    if output_length is None:
        return None
    assert border_mode in {"same", "valid"}, f"expected 'same' or 'valid', got {border_mode!r}"
    pad = filter_size // 2 if border_mode == "same" else 0
    return (output_length - 1) * stride - 2 * pad + filter_size


def convert_all_kernels_in_model(model):
    """Rotate the kernels of all convolutions of a model, see `convert_kernel`."""
    for layer in model.layers:
        if type(layer).__name__ in {"Convolution1D", "Convolution2D", "Convolution3D", "AtrousConvolution2D",
                                    "Deconvolution2D"}:
            kernel, *rest = layer.get_weights()
            ordering = getattr(layer, "dim_ordering", "tf")
            layer.set_weights([convert_kernel(kernel, ordering), *rest])
        elif hasattr(layer, "layers"):
            convert_all_kernels_in_model(layer)


def get_from_module(identifier, module_params, module_name, instantiate=False, kwargs=None):
    """The object of a name, or of `{'name': ..., arguments}`, in a table.

    # Raises
        Exception: an unknown name.
    """
    arguments = dict(kwargs or {})
    name = identifier
    if isinstance(identifier, dict):
        arguments, name = dict(identifier), identifier["name"]
        del arguments["name"]
        instantiate = True
    if not isinstance(name, str):
        return identifier
    if not module_params.get(name):
        raise Exception(f"Invalid {module_name}: {name}")
    return module_params[name](**arguments) if instantiate else module_params[name]


def make_tuple(*args):
    """The arguments as a tuple."""
    return args


def display_table(rows, positions):
    """Print rows of text with columns that end at the given positions."""
    for row in rows:
        line = ""
        for text, end in zip(row, positions):
            line = (line + str(text))[:end]
            line += " " * (end - len(line))
        print(line)


def plot(model, to_file="model.png", show_shapes=False, show_layer_names=True):
    """Draw a model into a file; see `symgraph.utils.vis_utils.plot_model`."""
    return plot_model(model, to_file, show_shapes, show_layer_names)


def get_test_data(nb_train=1000, nb_test=500, input_shape=(10,), output_shape=(2,), classification=True, nb_class=2):
    """Random data that a model can learn; see `symgraph.utils.test_utils`."""
    return test_utils.get_test_data(nb_train, nb_test, input_shape, output_shape, classification, nb_class)


def layer_test(layer_cls, kwargs={}, input_shape=None, input_dtype=None, input_data=None,  # noqa: B006
               expected_output=None, expected_output_dtype=None, fixed_batch_size=False):
    """Check that a layer keeps the contract of layers; see `symgraph.utils.test_utils`."""
    from symgraph import keras1

    return test_utils.check_layer(keras1.layers, keras1.models, layer_cls, kwargs, input_shape, input_dtype, input_data,
                                  expected_output, expected_output_dtype, fixed_batch_size)


def base_filter():
    """The characters that separate words."""
    return BASE_FILTER


def _tokenizer(self, words):
    words["num_words"] = words.pop("nb_words")
    NewTokenizer.__init__(self, **words)


class Tokenizer(NewTokenizer):
    """Learns a vocabulary: see `symgraph.preprocessing.text.Tokenizer`; `nb_words` is its `num_words`."""

    __init__ = _signatures.constructor(_signatures.TABLE["keras.preprocessing.text"]["Tokenizer"].arguments or "",
                                       _tokenizer)
    nb_words = property(lambda self: self.num_words)


def random_rotation(x, rg, row_index=1, col_index=2, channel_index=0, fill_mode="nearest", cval=0.0):
    """Turn a picture by up to `rg` degrees either way; the nearest pixel counts."""
    return image.random_rotation(x, rg, row_index, col_index, channel_index, fill_mode, cval, 0)


def random_shift(x, wrg, hrg, row_index=1, col_index=2, channel_index=0, fill_mode="nearest", cval=0.0):
    """Shift a picture by up to a part `wrg` of its width and `hrg` of its height; the nearest pixel counts."""
    return image.random_shift(x, wrg, hrg, row_index, col_index, channel_index, fill_mode, cval, 0)


def random_shear(x, intensity, row_index=1, col_index=2, channel_index=0, fill_mode="nearest", cval=0.0):
    """Shear a picture by an angle of up to `intensity`, in radians, either way; the nearest pixel counts."""
    return image.random_shear(x, np.rad2deg(intensity), row_index, col_index, channel_index, fill_mode, cval, 0)


def random_zoom(x, zoom_range, row_index=1, col_index=2, channel_index=0, fill_mode="nearest", cval=0.0):
    """Zoom a picture by factors from `zoom_range`; the nearest pixel counts."""
    return image.random_zoom(x, zoom_range, row_index, col_index, channel_index, fill_mode, cval, 0)


def apply_transform(x, transform_matrix, channel_index=0, fill_mode="nearest", cval=0.0):
    """A picture under a 3x3 transformation of its rows and columns; the nearest pixel counts."""
    return apply_matrix(x, transform_matrix, channel_index, fill_mode, cval, 0)


def _picture_class(name: str, change: Callable = lambda self, words: None) -> type:
    native = getattr(image, name)

    def start(self: Any, words: dict) -> None:
        ordering = words.pop("dim_ordering")
        words["data_format"] = None if ordering == "default" else ORDERINGS.get(ordering, ordering)
        if "X" in words:
            words["x"] = words.pop("X")
        later = change(self, words)
        native.__init__(self, **words)
        self.__dict__.update(later or {})

    return type(name, (native,), {
        "__init__": _signatures.constructor(_signatures.TABLE["keras.preprocessing.image"][name].arguments or "",
                                            start),
        "dim_ordering": property(lambda self: "th" if self.data_format == "channels_first" else "tf"),
        "__doc__": native.__doc__, "__module__": __name__})


def _normalizations(self: Any, words: dict) -> dict:
    """Keras 1 takes each normalisation by itself, shears by radians and takes the nearest pixel."""
    words["interpolation_order"] = 0
    words["shear_range"] = np.rad2deg(words["shear_range"])
    return {key: words.pop(key) for key in ("featurewise_center", "samplewise_center", "featurewise_std_normalization",
                                            "samplewise_std_normalization", "zca_whitening")}


class ImageDataGenerator(_picture_class("ImageDataGenerator", _normalizations)):  # type: ignore[misc]
    """Gives pictures that are changed at random and standardised, with the arguments of Keras 1.

    See `symgraph.preprocessing.image.ImageDataGenerator`.
    """

    def flow(self, X, y=None, batch_size=32, shuffle=True, seed=None, save_to_dir=None,  # noqa: N803
             save_prefix="", save_format="jpeg"):
        """Changed pictures of an array, in batches, without end."""
        return super().flow(X, y, batch_size=batch_size, shuffle=shuffle, seed=seed, save_to_dir=save_to_dir,
                            save_prefix=save_prefix, save_format=save_format)

    def flow_from_directory(self, directory, target_size=(256, 256), color_mode="rgb", classes=None,
                            class_mode="categorical", batch_size=32, shuffle=True, seed=None, save_to_dir=None,
                            save_prefix="", save_format="jpeg"):
        """Changed pictures from a folder that has one folder for each class, in batches, without end."""
        return super().flow_from_directory(
            directory, target_size, color_mode, classes, class_mode, batch_size, shuffle, seed, save_to_dir,
            save_prefix, save_format)

    def fit(self, X, augment=False, rounds=1, seed=None):  # noqa: N803
        """Find the statistics that the featurewise normalisations and the whitening need."""
        super().fit(X, augment, rounds, seed)


NumpyArrayIterator, DirectoryIterator = map(_picture_class, ("NumpyArrayIterator", "DirectoryIterator"))


FUNCTIONS = {name: value for name, value in list(globals().items())
             if callable(value) and getattr(value, "__module__", "") == __name__ and not name.startswith("_")}
