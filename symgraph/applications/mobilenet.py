"""MobileNet (A. Howard and others: MobileNets: efficient convolutional neural networks for mobile vision, 2017)."""

from __future__ import annotations

import warnings
from typing import Any

from symgraph.applications import imagenet_utils
from symgraph.applications.building import Construction, Published
from symgraph.applications.imagenet_utils import decode_predictions

__all__ = ["MobileNet", "decode_predictions", "preprocess_input", "size_of_pictures"]

BASE_WEIGHT_PATH = "https://github.com/fchollet/deep-learning-models/releases/download/v0.6/"

#: (filters, strides) of each block.
_BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
_ALPHAS = {1.0: "1_0", 0.75: "7_5", 0.50: "5_0", 0.25: "2_5"}


def size_of_pictures(input_shape: Any, sizes: tuple, first: bool) -> int:
    """The size of square pictures, if there are published weights for it, else 224."""
    if input_shape is None or len(input_shape) != 3:
        return 224
    rows, columns = input_shape[1:] if first else input_shape[:2]
    return rows if rows == columns and rows in sizes else 224


def MobileNet(input_shape: Any = None, alpha: float = 1.0, depth_multiplier: int = 1,  # noqa: N802
              dropout: float = 1e-3, include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None,
              pooling: str | None = None, classes: int = 1000, **kwargs: Any) -> Any:
    """The network for small devices.

    # Arguments
        input_shape: shape of a picture; at least 32x32.
        alpha: factor of all numbers of filters.
        depth_multiplier: depthwise filters a channel.
        dropout: part of the features that is dropped before the classes.
        include_top, weights, input_tensor, pooling, classes, **kwargs: see `symgraph.applications.vgg16.VGG16`.

    # Raises
        ValueError: weights of ImageNet for factors that they do not exist for.
    """
    from symgraph import backend

    first = backend.image_data_format() == "channels_first"
    sizes = (128, 160, 192, 224)
    size = size_of_pictures(input_shape, sizes, first)
    made = Construction(include_top, weights, input_tensor, input_shape, pooling, classes, kwargs, size, 32)
    shape = made.input._keras_shape
    rows = shape[2] if first else shape[1]
    if weights == "imagenet":
        if depth_multiplier != 1:
            raise ValueError("If imagenet weights are being loaded, depth multiplier must be 1, got "
                             f"{depth_multiplier}.")
        if alpha not in _ALPHAS:
            raise ValueError("If imagenet weights are being loaded, alpha can be one of `0.25`, `0.50`, `0.75` or "
                             f"`1.0` only, got {alpha}.")
        if rows not in sizes:
            warnings.warn(f"MobileNet shape is undefined. Weights for input shape ({size}, {size}) will be loaded.",
                          stacklevel=2)
            rows = size
    x = _body(made, alpha, depth_multiplier)
    if include_top:
        layers, channels = made.layers, int(1024 * alpha)
        x = layers.GlobalAveragePooling2D()(x)
        x = layers.Reshape((channels, 1, 1) if first else (1, 1, channels), name="reshape_1")(x)
        x = layers.Dropout(dropout, name="dropout")(x)
        x = layers.Conv2D(classes, (1, 1), padding="same", name="conv_preds")(x)
        x = layers.Activation("softmax", name="act_softmax")(layers.Reshape((classes,), name="reshape_2")(x))
    else:
        x = made.pooled(x)
    published = None
    if weights == "imagenet":
        start = f"{BASE_WEIGHT_PATH}mobilenet_{_ALPHAS[alpha]}_{rows}_tf"
        published = Published(f"{start}.h5", None, f"{start}_no_top.h5", None)
    return made.model(x, f"mobilenet_{alpha:0.2f}_{rows}", published)


def _body(made: Construction, alpha: float, depth_multiplier: int) -> Any:
    """The network from the picture to the last features."""
    layers, axis = made.layers, made.axis

    def activated(y: Any, name: str) -> Any:
        return layers.ReLU(6.0, name=f"{name}_relu")(layers.BatchNormalization(axis=axis, name=f"{name}_bn")(y))

    def padded(y: Any, name: str) -> Any:
        return layers.ZeroPadding2D(padding=((0, 1), (0, 1)), name=name)(y)

    x = layers.Conv2D(int(32 * alpha), (3, 3), strides=(2, 2), padding="valid", use_bias=False,
                      name="conv1")(padded(made.input, "conv1_pad"))
    x = activated(x, "conv1")
    for block, (filters, stride) in enumerate(_BLOCKS, 1):
        if stride == 2:
            x = padded(x, f"conv_pad_{block}")
        x = layers.DepthwiseConv2D((3, 3), strides=(stride, stride), padding="same" if stride == 1 else "valid",
                                   depth_multiplier=depth_multiplier, use_bias=False, name=f"conv_dw_{block}")(x)
        x = activated(x, f"conv_dw_{block}")
        x = layers.Conv2D(int(filters * alpha), (1, 1), padding="same", use_bias=False, name=f"conv_pw_{block}")(x)
        x = activated(x, f"conv_pw_{block}")
    return x


def preprocess_input(x: Any, data_format: str | None = None, **kwargs: Any) -> Any:
    """Pictures as this network wants them: from -1 to 1."""
    return imagenet_utils.preprocess_input(x, data_format, mode="tf", **kwargs)
