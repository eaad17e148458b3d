"""Xception (F. Chollet: Xception: deep learning with depthwise separable convolutions, 2016)."""

from __future__ import annotations

from typing import Any

from symgraph.applications import imagenet_utils
from symgraph.applications.building import Construction, Published
from symgraph.applications.imagenet_utils import decode_predictions

__all__ = ["Xception", "decode_predictions", "preprocess_input"]

_RELEASE = "https://github.com/fchollet/deep-learning-models/releases/download/v0.4/"
TF_WEIGHTS_PATH = _RELEASE + "xception_weights_tf_dim_ordering_tf_kernels.h5"
TF_WEIGHTS_PATH_NO_TOP = _RELEASE + "xception_weights_tf_dim_ordering_tf_kernels_notop.h5"
PUBLISHED = Published(TF_WEIGHTS_PATH, "0a58e3b7378bc2990ea3b43d5981f1f6",
                      TF_WEIGHTS_PATH_NO_TOP, "b0042744bf5b25fce3cb969f33bebb97")


def body_of_xception(made: Construction) -> Any:
    """The network from the picture to the last features."""
    layers, axis = made.layers, made.axis

    def normalized(y: Any, name: str | None = None) -> Any:
        return layers.BatchNormalization(axis=axis, name=name)(y)

    def relu(y: Any, name: str) -> Any:
        return layers.Activation("relu", name=name)(y)

    def separable(y: Any, filters: int, name: str) -> Any:
        y = layers.SeparableConv2D(filters, (3, 3), padding="same", use_bias=False, name=name)(y)
        return normalized(y, f"{name}_bn")

    def shortcut(y: Any, filters: int) -> Any:
        return normalized(layers.Conv2D(filters, (1, 1), strides=(2, 2), padding="same", use_bias=False)(y))

    def halved(y: Any, block: int, first: int, second: int, active: bool = True) -> Any:
        """Two separable convolutions and a pooling, beside a convolution with strides."""
        residual = shortcut(y, second)
        if active:
            y = relu(y, f"block{block}_sepconv1_act")
        y = separable(y, first, f"block{block}_sepconv1")
        y = separable(relu(y, f"block{block}_sepconv2_act"), second, f"block{block}_sepconv2")
        y = layers.MaxPooling2D((3, 3), strides=(2, 2), padding="same", name=f"block{block}_pool")(y)
        return layers.add([y, residual])

    x = made.input
    for number, (filters, strides) in enumerate(((32, (2, 2)), (64, (1, 1))), 1):
        name = f"block1_conv{number}"
        x = layers.Conv2D(filters, (3, 3), strides=strides, padding="valid", use_bias=False, name=name)(x)
        x = relu(normalized(x, f"{name}_bn"), f"{name}_act")
    x = halved(x, 2, 128, 128, active=False)
    x = halved(x, 3, 256, 256)
    x = halved(x, 4, 728, 728)
    for block in range(5, 13):
        residual = x
        for number in range(1, 4):
            name = f"block{block}_sepconv{number}"
            x = separable(relu(x, f"{name}_act"), 728, name)
        x = layers.add([x, residual])
    x = halved(x, 13, 728, 1024)
    for number, filters in enumerate((1536, 2048), 1):
        name = f"block14_sepconv{number}"
        x = relu(separable(x, filters, name), f"{name}_act")
    return x


def Xception(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None,  # noqa: N802
             input_shape: Any = None, pooling: str | None = None, classes: int = 1000, **kwargs: Any) -> Any:
    """The network of separable convolutions, for pictures of 299x299 pixels, at least 71x71.

    See `symgraph.applications.vgg16.VGG16` for the arguments.
    """
    made = Construction(include_top, weights, input_tensor, input_shape, pooling, classes, kwargs, 299, 71)
    return made.model(made.classified(body_of_xception(made)), "xception", PUBLISHED)


def preprocess_input(x: Any, data_format: str | None = None, **kwargs: Any) -> Any:
    """Pictures as this network wants them: from -1 to 1."""
    return imagenet_utils.preprocess_input(x, data_format, mode="tf", **kwargs)
