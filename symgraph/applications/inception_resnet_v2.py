"""InceptionResNetV2 (C. Szegedy and others: Inception-v4 and the impact of residual connections on learning, 2016)."""

from __future__ import annotations

from typing import Any

from symgraph.applications import imagenet_utils
from symgraph.applications.building import Construction, Published
from symgraph.applications.imagenet_utils import decode_predictions
from symgraph.utils.generic_utils import get_custom_objects

__all__ = ["InceptionResNetV2", "conv2d_bn", "decode_predictions", "inception_resnet_block", "preprocess_input"]

BASE_WEIGHT_URL = "https://github.com/fchollet/deep-learning-models/releases/download/v0.7/"
_START = BASE_WEIGHT_URL + "inception_resnet_v2_weights_tf_dim_ordering_tf_kernels"
_PUBLISHED = Published(_START + ".h5", "e693bd0210a403b3192acc6073ad2e96",
                       _START + "_notop.h5", "d19885ff4a710c122648d3b5c3b684e4")

#: Branches of a block: for each a list of (filters, size of the kernel).
BRANCHES: dict[str, tuple] = {
    "block35": (((32, 1),), ((32, 1), (32, 3)), ((32, 1), (48, 3), (64, 3))),
    "block17": (((192, 1),), ((128, 1), (160, (1, 7)), (192, (7, 1)))),
    "block8": (((192, 1),), ((192, 1), (224, (1, 3)), (256, (3, 1)))),
}


def conv2d_bn(x: Any, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "same",
              activation: str | None = "relu", use_bias: bool = False, name: str | None = None, **modules: Any) -> Any:
    """A convolution, normalised (if it has no bias) and activated.

    # Arguments
        x: tensor of pictures.
        filters, kernel_size, strides, padding, use_bias: of the convolution.
        activation: name, or None.
        name: of the convolution; those of the others are made from it.
    """
    layers, axis = _own(modules)
    x = layers.Conv2D(filters, kernel_size, strides=strides, padding=padding, use_bias=use_bias, name=name)(x)
    if not use_bias:
        x = layers.BatchNormalization(axis=axis, scale=False, name=name and f"{name}_bn")(x)
    return x if activation is None else layers.Activation(activation, name=name and f"{name}_ac")(x)


def _own(modules: dict) -> tuple[Any, int]:
    from symgraph import backend, layers

    return modules.get("layers") or layers, 1 if backend.image_data_format() == "channels_first" else 3


def scaled_sum(inputs: list, scale: float) -> Any:
    return inputs[0] + inputs[1] * scale


get_custom_objects()["scaled_sum"] = scaled_sum  # files of this network name it


def inception_resnet_block(x: Any, scale: float, block_type: str, block_idx: int, activation: str | None = "relu",
                           **modules: Any) -> Any:
    """A block: branches side by side, brought to the width of the input and, scaled, added to it.

    # Arguments
        x: tensor of pictures.
        scale: factor of what is added.
        block_type: 'block35', 'block17' or 'block8'.
        block_idx: number in the names of the layers.
        activation: of the sum.

    # Raises
        ValueError: another type of block.
    """
    if block_type not in BRANCHES:
        raise ValueError(f'Unknown Inception-ResNet block type. Expects "block35", "block17" or "block8", but got: '
                         f"{block_type}")
    layers, axis = _own(modules)
    branches = []
    for steps in BRANCHES[block_type]:
        branch = x
        for filters, size in steps:
            branch = conv2d_bn(branch, filters, size, **modules)
        branches.append(branch)
    name = f"{block_type}_{block_idx}"
    mixed = layers.Concatenate(axis=axis, name=f"{name}_mixed")(branches)
    shape = x._keras_shape
    up = conv2d_bn(mixed, shape[axis], 1, activation=None, use_bias=True, name=f"{name}_conv", **modules)
    x = layers.Lambda(scaled_sum, output_shape=tuple(shape[1:]), arguments={"scale": scale}, name=name)([x, up])
    return x if activation is None else layers.Activation(activation, name=f"{name}_ac")(x)


def InceptionResNetV2(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None,  # noqa: N802
                      input_shape: Any = None, pooling: str | None = None, classes: int = 1000, **kwargs: Any) -> Any:
    """The second Inception network with residual connections, for pictures of 299x299 pixels, at least 75x75.

    See `symgraph.applications.vgg16.VGG16` for the arguments.
    """
    made = Construction(include_top, weights, input_tensor, input_shape, pooling, classes, kwargs, 299, 75)
    layers: dict[str, Any] = {"layers": made.layers}
    halved: dict = {"strides": 2, "padding": "valid"}

    def conv(y: Any, *steps: tuple, last: dict | None = None) -> Any:
        for number, step in enumerate(steps, 1):
            filters, size = step
            y = conv2d_bn(y, filters, size, **layers, **((last or {}) if number == len(steps) else {}))
        return y

    def joined(name: str, *branches: Any) -> Any:
        return made.layers.Concatenate(axis=made.axis, name=name)(list(branches))

    def maxima(y: Any) -> Any:
        return made.layers.MaxPooling2D(3, strides=2)(y)

    def residual(y: Any, scale: float, kind: str, count: int) -> Any:
        for number in range(1, count + 1):
            y = inception_resnet_block(y, scale, kind, number, **layers)
        return y

    x = conv(made.input, (32, 3), last=halved)
    x = conv(x, (32, 3), last={"padding": "valid"})
    x = maxima(conv(x, (64, 3)))
    x = conv(x, (80, 1), last={"padding": "valid"})
    x = maxima(conv(x, (192, 3), last={"padding": "valid"}))
    means = made.layers.AveragePooling2D(3, strides=1, padding="same")(x)
    x = joined("mixed_5b", conv(x, (96, 1)), conv(x, (48, 1), (64, 5)), conv(x, (64, 1), (96, 3), (96, 3)),
               conv(means, (64, 1)))
    x = residual(x, 0.17, "block35", 10)
    x = joined("mixed_6a", conv(x, (384, 3), last=halved), conv(x, (256, 1), (256, 3), (384, 3), last=halved),
               maxima(x))
    x = residual(x, 0.1, "block17", 20)
    x = joined("mixed_7a", conv(x, (256, 1), (384, 3), last=halved), conv(x, (256, 1), (288, 3), last=halved),
               conv(x, (256, 1), (288, 3), (320, 3), last=halved), maxima(x))
    x = residual(x, 0.2, "block8", 9)
    x = inception_resnet_block(x, 1.0, "block8", 10, activation=None, **layers)
    x = conv(x, (1536, 1), last={"name": "conv_7b"})
    return made.model(made.classified(x), "inception_resnet_v2", _PUBLISHED)


def preprocess_input(x: Any, data_format: str | None = None, **kwargs: Any) -> Any:
    """Pictures as this network wants them: from -1 to 1."""
    return imagenet_utils.preprocess_input(x, data_format, mode="tf", **kwargs)
