"""DenseNet (G. Huang and others: Densely connected convolutional networks, 2016)."""

from __future__ import annotations

from typing import Any

from symgraph.applications import imagenet_utils
from symgraph.applications.building import Construction, Published
from symgraph.applications.imagenet_utils import decode_predictions

__all__ = ["DenseNet", "DenseNet121", "DenseNet169", "DenseNet201", "conv_block", "decode_predictions", "dense_block",
           "preprocess_input", "transition_block"]

BASE_WEIGTHS_PATH = "https://github.com/keras-team/keras-applications/releases/download/densenet/"
_ENDING = "_weights_tf_dim_ordering_tf_kernels"
DENSENET121_WEIGHT_PATH = f"{BASE_WEIGTHS_PATH}densenet121{_ENDING}.h5"
DENSENET121_WEIGHT_PATH_NO_TOP = f"{BASE_WEIGTHS_PATH}densenet121{_ENDING}_notop.h5"
DENSENET169_WEIGHT_PATH = f"{BASE_WEIGTHS_PATH}densenet169{_ENDING}.h5"
DENSENET169_WEIGHT_PATH_NO_TOP = f"{BASE_WEIGTHS_PATH}densenet169{_ENDING}_notop.h5"
DENSENET201_WEIGHT_PATH = f"{BASE_WEIGTHS_PATH}densenet201{_ENDING}.h5"
DENSENET201_WEIGHT_PATH_NO_TOP = f"{BASE_WEIGTHS_PATH}densenet201{_ENDING}_notop.h5"
#: Blocks -> name of the network and its published weights.
_NETWORKS = {
    (6, 12, 24, 16): ("densenet121", Published(
        DENSENET121_WEIGHT_PATH, "9d60b8095a5708f2dcce2bca79d332c7",
        DENSENET121_WEIGHT_PATH_NO_TOP, "30ee3e1110167f948a6b9946edeeb738")),
    (6, 12, 32, 32): ("densenet169", Published(
        DENSENET169_WEIGHT_PATH, "d699b8f76981ab1b30698df4c175e90b",
        DENSENET169_WEIGHT_PATH_NO_TOP, "b8c4d4c20dd625c148057b9ff1c1176b")),
    (6, 12, 48, 32): ("densenet201", Published(
        DENSENET201_WEIGHT_PATH, "1ceb130c1ea1b78c3bf6114dbdfd8807",
        DENSENET201_WEIGHT_PATH_NO_TOP, "c13680b51ded0fb44dff2d8f86ac8bb1")),
}
_EPSILON = 1.001e-5


def _own(modules: dict) -> tuple[Any, int]:
    from symgraph import backend, layers

    return modules.get("layers") or layers, 1 if backend.image_data_format() == "channels_first" else 3


def _activated(x: Any, name: str, modules: dict) -> Any:
    """Normalised and rectified; names end in `bn` and `relu`."""
    layers, axis = _own(modules)
    x = layers.BatchNormalization(axis=axis, epsilon=_EPSILON, name=f"{name}bn")(x)
    return layers.Activation("relu", name=f"{name}relu")(x)


def conv_block(x: Any, growth_rate: int, name: str, **modules: Any) -> Any:
    """Two convolutions, side by side with their input.

    # Arguments
        x: tensor of pictures.
        growth_rate: channels that it adds.
        name: how the names of its layers begin.
    """
    layers, axis = _own(modules)
    y = _activated(x, f"{name}_0_", modules)
    y = layers.Conv2D(4 * growth_rate, 1, use_bias=False, name=f"{name}_1_conv")(y)
    y = _activated(y, f"{name}_1_", modules)
    y = layers.Conv2D(growth_rate, 3, padding="same", use_bias=False, name=f"{name}_2_conv")(y)
    return layers.Concatenate(axis=axis, name=f"{name}_concat")([x, y])


def dense_block(x: Any, blocks: int, name: str, **modules: Any) -> Any:
    """So many `conv_block`s, each with 32 more channels."""
    for number in range(1, blocks + 1):
        x = conv_block(x, 32, f"{name}_block{number}", **modules)
    return x


def transition_block(x: Any, reduction: float, name: str, **modules: Any) -> Any:
    """A part of the channels, at half the size.

    # Arguments
        x: tensor of pictures.
        reduction: the part of the channels that is kept.
        name: how the names of its layers begin.
    """
    layers, axis = _own(modules)
    channels = int(x._keras_shape[axis] * reduction)
    x = layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_conv")(_activated(x, f"{name}_", modules))
    return layers.AveragePooling2D(2, strides=2, name=f"{name}_pool")(x)


def DenseNet(blocks: Any, include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None,  # noqa: N802
             input_shape: Any = None, pooling: str | None = None, classes: int = 1000, **kwargs: Any) -> Any:
    """A densely connected network.

    # Arguments
        blocks: how many `conv_block`s each of the four parts has.

    The other arguments are those of `symgraph.applications.vgg16.VGG16`.
    """
    made = Construction(include_top, weights, input_tensor, input_shape, pooling, classes, kwargs, 224, 32)
    layers, own = made.layers, {"layers": made.layers}
    x = layers.ZeroPadding2D(padding=((3, 3), (3, 3)))(made.input)
    x = layers.Conv2D(64, 7, strides=2, use_bias=False, name="conv1/conv")(x)
    x = _activated(x, "conv1/", own)
    x = layers.ZeroPadding2D(padding=((1, 1), (1, 1)))(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool1")(x)
    for number, count in enumerate(blocks, 2):
        x = dense_block(x, count, f"conv{number}", **own)
        if number <= len(blocks):
            x = transition_block(x, 0.5, f"pool{number}", **own)
    x = _activated(x, "", own)
    name, published = _NETWORKS.get(tuple(blocks), ("densenet", None))
    return made.model(made.classified(x, "fc1000", "avg_pool", ("avg_pool", "max_pool")), name, published)


def DenseNet121(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None,  # noqa: N802
                input_shape: Any = None, pooling: str | None = None, classes: int = 1000, **kwargs: Any) -> Any:
    """The densely connected network of 121 layers; see `symgraph.applications.vgg16.VGG16` for the arguments."""
    return DenseNet((6, 12, 24, 16), include_top, weights, input_tensor, input_shape, pooling, classes, **kwargs)


def DenseNet169(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None,  # noqa: N802
                input_shape: Any = None, pooling: str | None = None, classes: int = 1000, **kwargs: Any) -> Any:
    """The densely connected network of 169 layers; see `symgraph.applications.vgg16.VGG16` for the arguments."""
    return DenseNet((6, 12, 32, 32), include_top, weights, input_tensor, input_shape, pooling, classes, **kwargs)


def DenseNet201(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None,  # noqa: N802
                input_shape: Any = None, pooling: str | None = None, classes: int = 1000, **kwargs: Any) -> Any:
    """The densely connected network of 201 layers; see `symgraph.applications.vgg16.VGG16` for the arguments."""
    return DenseNet((6, 12, 48, 32), include_top, weights, input_tensor, input_shape, pooling, classes, **kwargs)


def preprocess_input(x: Any, data_format: str | None = None, **kwargs: Any) -> Any:
    """Pictures as these networks want them: from 0 to 1, without their means, over their deviations."""
    return imagenet_utils.preprocess_input(x, data_format, mode="torch", **kwargs)
