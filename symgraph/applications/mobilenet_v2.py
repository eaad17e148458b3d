"""MobileNetV2 (M. Sandler and others: MobileNetV2: inverted residuals and linear bottlenecks, 2018)."""

from __future__ import annotations

import warnings
from typing import Any

from symgraph.applications import correct_pad, imagenet_utils
from symgraph.applications.building import Construction, Published
from symgraph.applications.imagenet_utils import decode_predictions
from symgraph.applications.mobilenet import size_of_pictures

__all__ = ["MobileNetV2", "decode_predictions", "preprocess_input"]

BASE_WEIGHT_PATH = "https://github.com/JonathanCMitchell/mobilenet_v2_keras/releases/download/v1.1/"

#: (filters, stride, expansion) of each block.
_BLOCKS = ((16, 1, 1), (24, 2, 6), (24, 1, 6), (32, 2, 6), (32, 1, 6), (32, 1, 6), (64, 2, 6), (64, 1, 6), (64, 1, 6),
           (64, 1, 6), (96, 1, 6), (96, 1, 6), (96, 1, 6), (160, 2, 6), (160, 1, 6), (160, 1, 6), (320, 1, 6))


def _make_divisible(number: float, divisor: int = 8) -> int:
    """The multiple of `divisor` that is nearest to `number`, and not more than a tenth below it."""
    nearest = max(divisor, int(number + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * number else nearest


def MobileNetV2(input_shape: Any = None, alpha: float = 1.0, include_top: bool = True,  # noqa: N802
                weights: Any = "imagenet", input_tensor: Any = None, pooling: str | None = None, classes: int = 1000,
                **kwargs: Any) -> Any:
    """The second network for small devices.

    # Arguments
        input_shape: shape of a picture; at least 32x32.
        alpha: factor of the numbers of filters.
        include_top, weights, input_tensor, pooling, classes, **kwargs: see `symgraph.applications.vgg16.VGG16`.

    # Raises
        ValueError: weights of ImageNet for a factor that they do not exist for.
    """
    from symgraph import backend

    first = backend.image_data_format() == "channels_first"
    sizes = (96, 128, 160, 192, 224)
    size = size_of_pictures(input_shape, sizes, first)
    made = Construction(include_top, weights, input_tensor, input_shape, pooling, classes, kwargs, size, 32)
    shape = made.input._keras_shape
    rows = shape[2] if first else shape[1]
    if weights == "imagenet":
        if alpha not in {0.35, 0.50, 0.75, 1.0, 1.3, 1.4}:
            raise ValueError("If imagenet weights are being loaded, alpha can be one of `0.35`, `0.50`, `0.75`, `1.0`, "
                             f"`1.3` or `1.4` only, got {alpha}.")
        if rows not in sizes:
            warnings.warn(f"MobileNetV2 shape is undefined. Weights for input shape ({size}, {size}) will be loaded.",
                          stacklevel=2)
            rows = size
    x = _body(made, alpha)
    if include_top:
        x = made.layers.GlobalAveragePooling2D()(x)
        x = made.layers.Dense(classes, activation="softmax", use_bias=True, name="Logits")(x)
    else:
        x = made.pooled(x)
    start = f"{BASE_WEIGHT_PATH}mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{float(alpha)}_{rows}"
    return made.model(x, f"mobilenetv2_{alpha:0.2f}_{rows}",
                      Published(f"{start}.h5", None, f"{start}_no_top.h5", None))


def _body(made: Construction, alpha: float) -> Any:
    """The network from the picture to the last features."""
    layers = made.layers

    def normalized(y: Any, name: str) -> Any:
        return layers.BatchNormalization(axis=made.axis, epsilon=1e-3, momentum=0.999, name=name)(y)

    def padded(y: Any, name: str) -> Any:
        return layers.ZeroPadding2D(padding=correct_pad(made.backend, y, 3), name=name)(y)

    x = layers.Conv2D(_make_divisible(32 * alpha), 3, strides=(2, 2), padding="valid", use_bias=False,
                      name="Conv1")(padded(made.input, "Conv1_pad"))
    x = layers.ReLU(6.0, name="Conv1_relu")(normalized(x, "bn_Conv1"))
    for block, (filters, stride, expansion) in enumerate(_BLOCKS):
        inputs, channels = x, x._keras_shape[made.axis]
        name = f"block_{block}_" if block else "expanded_conv_"
        if block:
            x = layers.Conv2D(expansion * channels, 1, padding="same", use_bias=False, name=f"{name}expand")(x)
            x = layers.ReLU(6.0, name=f"{name}expand_relu")(normalized(x, f"{name}expand_BN"))
        if stride == 2:
            x = padded(x, f"{name}pad")
        x = layers.DepthwiseConv2D(3, strides=stride, use_bias=False, padding="same" if stride == 1 else "valid",
                                   name=f"{name}depthwise")(x)
        x = layers.ReLU(6.0, name=f"{name}depthwise_relu")(normalized(x, f"{name}depthwise_BN"))
        width = _make_divisible(int(filters * alpha))
        x = layers.Conv2D(width, 1, padding="same", use_bias=False, name=f"{name}project")(x)
        x = normalized(x, f"{name}project_BN")
        if channels == width and stride == 1:
            x = layers.Add(name=f"{name}add")([inputs, x])
    # The last convolution is no narrower for small factors.
    x = layers.Conv2D(_make_divisible(1280 * alpha) if alpha > 1.0 else 1280, 1, use_bias=False, name="Conv_1")(x)
    return layers.ReLU(6.0, name="out_relu")(normalized(x, "Conv_1_bn"))


def preprocess_input(x: Any, data_format: str | None = None, **kwargs: Any) -> Any:
    """Pictures as this network wants them: from -1 to 1."""
    return imagenet_utils.preprocess_input(x, data_format, mode="tf", **kwargs)
