"""ResNet50 as Keras had it first (K. He and others: Deep residual learning for image recognition, 2015)."""

from __future__ import annotations

from typing import Any

from symgraph.applications.building import Construction, Published
from symgraph.applications.imagenet_utils import decode_predictions, preprocess_input

__all__ = ["ResNet50", "conv_block", "decode_predictions", "identity_block", "preprocess_input",
           "residual_block", "stages_of_resnet"]

_RELEASE = "https://github.com/fchollet/deep-learning-models/releases/download/v0.2/"
WEIGHTS_PATH = _RELEASE + "resnet50_weights_tf_dim_ordering_tf_kernels.h5"
WEIGHTS_PATH_NO_TOP = _RELEASE + "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
_PUBLISHED = Published(WEIGHTS_PATH, "a7b3fe01876f51b976af0dea6bc144eb",
                       WEIGHTS_PATH_NO_TOP, "a268eb855778b3df3c7506639542a6af")

#: (filters, number of blocks) of each stage, from the second on.
STAGES = (((64, 64, 256), 3), ((128, 128, 512), 4), ((256, 256, 1024), 6), ((512, 512, 2048), 3))


def identity_block(input_tensor: Any, kernel_size: Any, filters: Any, stage: int, block: str) -> Any:
    """Three convolutions, added to their input.

    # Arguments
        input_tensor: pictures.
        kernel_size: of the second convolution.
        filters: of the three convolutions.
        stage, block: number and letter in the names of the layers.
    """
    return residual_block(_symgraph_layers(), input_tensor, kernel_size, filters, stage, block, None)


def conv_block(input_tensor: Any, kernel_size: Any, filters: Any, stage: int, block: str,
               strides: Any = (2, 2)) -> Any:
    """Three convolutions, the first with strides, added to one of their input; see `identity_block`."""
    return residual_block(_symgraph_layers(), input_tensor, kernel_size, filters, stage, block, strides)


def _symgraph_layers() -> Any:
    from symgraph import layers

    return layers


def residual_block(layers: Any, x: Any, kernel_size: Any, filters: Any, stage: int, block: str, strides: Any) -> Any:
    """A residual block; `strides` is None where its input is added as it is."""
    from symgraph import backend as K

    axis = 3 if K.image_data_format() == "channels_last" else 1
    place = f"{stage}{block}_branch"

    def normalized(y: Any, count: int, size: Any, branch: str, **words: Any) -> Any:
        y = layers.Conv2D(count, size, kernel_initializer="he_normal", name=f"res{place}{branch}", **words)(y)
        return layers.BatchNormalization(axis=axis, name=f"bn{place}{branch}")(y)

    first = {} if strides is None else {"strides": strides}
    y = layers.Activation("relu")(normalized(x, filters[0], (1, 1), "2a", **first))
    y = layers.Activation("relu")(normalized(y, filters[1], kernel_size, "2b", padding="same"))
    y = normalized(y, filters[2], (1, 1), "2c")
    shortcut = x if strides is None else normalized(x, filters[2], (1, 1), "1", strides=strides)
    return layers.Activation("relu")(layers.add([y, shortcut]))


def stages_of_resnet(made: Construction, padded_pool: bool = True) -> Any:
    """All of the network but its end.

    # Arguments
        padded_pool: whether zeros are put around before the first pooling.
    """
    layers = made.layers
    x = layers.ZeroPadding2D(padding=(3, 3), name="conv1_pad")(made.input)
    x = layers.Conv2D(64, (7, 7), strides=(2, 2), padding="valid", kernel_initializer="he_normal", name="conv1")(x)
    x = layers.Activation("relu")(layers.BatchNormalization(axis=made.axis, name="bn_conv1")(x))
    if padded_pool:
        x = layers.ZeroPadding2D(padding=(1, 1), name="pool1_pad")(x)
    x = layers.MaxPooling2D((3, 3), strides=(2, 2))(x)
    for stage, (filters, count) in enumerate(STAGES, 2):
        x = residual_block(layers, x, 3, filters, stage, "a", (1, 1) if stage == 2 else (2, 2))
        for number in range(1, count):
            x = residual_block(layers, x, 3, filters, stage, "abcdef"[number], None)
    return x


def ResNet50(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None,  # noqa: N802
             input_shape: Any = None, pooling: str | None = None, classes: int = 1000, **kwargs: Any) -> Any:
    """The residual network of 50 layers; see `symgraph.applications.vgg16.VGG16` for the arguments."""
    made = Construction(include_top, weights, input_tensor, input_shape, pooling, classes, kwargs, 224, 32)
    return made.model(made.classified(stages_of_resnet(made), "fc1000"), "resnet50", _PUBLISHED)
