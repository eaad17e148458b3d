"""VGG16 (K. Simonyan and A. Zisserman: Very deep convolutional networks for large-scale image recognition, 2014)."""

from __future__ import annotations

from typing import Any

from symgraph.applications.building import Construction, Published
from symgraph.applications.imagenet_utils import decode_predictions, preprocess_input

__all__ = ["VGG16", "decode_predictions", "preprocess_input"]

_RELEASE = "https://github.com/fchollet/deep-learning-models/releases/download/v0.1/"
WEIGHTS_PATH = _RELEASE + "vgg16_weights_tf_dim_ordering_tf_kernels.h5"
WEIGHTS_PATH_NO_TOP = _RELEASE + "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
_PUBLISHED = Published(WEIGHTS_PATH, "64373286793e3c8b2b4e3219cbf3544b",
                       WEIGHTS_PATH_NO_TOP, "6d6bbae143d832006294945121d1f1fc")

#: (filters, convolutions) of each block.
BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))


def VGG16(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None,  # noqa: N802
          input_shape: Any = None, pooling: str | None = None, classes: int = 1000, **kwargs: Any) -> Any:
    """The network of 16 layers with weights.

    # Arguments
        include_top: whether it ends in the three dense layers.
        weights: None (random), 'imagenet', or the path of a file.
        input_tensor: tensor to build it on.
        input_shape: shape of a picture, for a network without top; at least 32x32.
        pooling: without the top: None (the output has four dimensions), 'avg' or 'max' of each channel.
        classes: number of classes, for weights other than ImageNet's.
        **kwargs: `backend`, `layers`, `models`, `utils`: modules to use in place of symgraph's.

    # Returns
        A model.

    # Raises
        ValueError: unknown weights, or an unfit shape or number of classes.
    """
    made = Construction(include_top, weights, input_tensor, input_shape, pooling, classes, kwargs, 224, 32)
    return made.model(blocks_of_vgg(made, BLOCKS), "vgg16", _PUBLISHED)


def blocks_of_vgg(made: Construction, blocks: tuple) -> Any:
    """Blocks of 3x3 convolutions, each ended by a pooling, and the dense layers."""
    layers, x = made.layers, made.input
    for block, (filters, count) in enumerate(blocks, 1):
        for number in range(1, count + 1):
            x = layers.Conv2D(filters, (3, 3), activation="relu", padding="same",
                              name=f"block{block}_conv{number}")(x)
        x = layers.MaxPooling2D((2, 2), strides=(2, 2), name=f"block{block}_pool")(x)
    if not made.include_top:
        return made.pooled(x)
    # The published weights are those of channels that stand last.
    x = layers.Flatten(data_format=made.backend.image_data_format(), name="flatten")(x)
    x = layers.Dense(4096, activation="relu", name="fc1")(x)
    x = layers.Dense(4096, activation="relu", name="fc2")(x)
    return layers.Dense(made.classes, activation="softmax", name="predictions")(x)
