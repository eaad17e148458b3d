"""InceptionV3 (C. Szegedy and others: Rethinking the Inception architecture for computer vision, 2015)."""

from __future__ import annotations

from typing import Any

from symgraph.applications import imagenet_utils
from symgraph.applications.building import Construction, Published
from symgraph.applications.imagenet_utils import decode_predictions

__all__ = ["InceptionV3", "conv2d_bn", "decode_predictions", "preprocess_input"]

_RELEASE = "https://github.com/fchollet/deep-learning-models/releases/download/v0.5/"
WEIGHTS_PATH = _RELEASE + "inception_v3_weights_tf_dim_ordering_tf_kernels.h5"
WEIGHTS_PATH_NO_TOP = _RELEASE + "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5"
_PUBLISHED = Published(WEIGHTS_PATH, "9a0d58056eeedaa3f26cb7ebd46da564",
                       WEIGHTS_PATH_NO_TOP, "bcbd6486424b2319ff4ef7d526e38f63")


class Inception:
    """The layers of the network: convolutions that are normalised and rectified, in branches.

    # Arguments
        layers: the module of layers.
        axis: of the channels.
        biased: whether convolutions have a bias and normalisations a scale, as in Keras 1.
    """

    def __init__(self, layers: Any, axis: int, biased: bool = False):
        self.layers, self.axis, self.biased = layers, axis, biased

    def conv(self, x: Any, filters: int, rows: int, columns: int, padding: str = "same", strides: Any = (1, 1),
             name: str | None = None) -> Any:
        """A convolution, normalised and rectified."""
        x = self.layers.Conv2D(filters, (rows, columns), strides=strides, padding=padding, use_bias=self.biased,
                               name=name and f"{name}_conv")(x)
        x = self.layers.BatchNormalization(axis=self.axis, scale=self.biased, name=name and f"{name}_bn")(x)
        return self.layers.Activation("relu", name=name)(x)

    def chain(self, x: Any, *steps: tuple, last: dict | None = None) -> Any:
        """Convolutions one after the other, each `(filters, rows, columns)`; `last`: words for the last one."""
        for step in steps[:-1]:
            x = self.conv(x, *step)
        return self.conv(x, *steps[-1], **(last or {}))

    def pooled(self, x: Any, filters: int) -> Any:
        """The branch of means."""
        return self.conv(self.layers.AveragePooling2D((3, 3), strides=(1, 1), padding="same")(x), filters, 1, 1)

    def joined(self, branches: list, name: str | None) -> Any:
        """Branches side by side."""
        return self.layers.concatenate(branches, axis=self.axis, name=name)

    def body(self, x: Any) -> Any:
        """The network from the picture to the last features."""
        halved: dict = {"strides": (2, 2), "padding": "valid"}
        maxima = self.layers.MaxPooling2D
        x = self.conv(x, 32, 3, 3, **halved)
        x = self.conv(x, 32, 3, 3, padding="valid")
        x = maxima((3, 3), strides=(2, 2))(self.conv(x, 64, 3, 3))
        x = self.conv(x, 80, 1, 1, padding="valid")
        x = maxima((3, 3), strides=(2, 2))(self.conv(x, 192, 3, 3, padding="valid"))
        for number, filters in enumerate((32, 64, 64)):
            x = self.joined([self.conv(x, 64, 1, 1), self.chain(x, (48, 1, 1), (64, 5, 5)),
                             self.chain(x, (64, 1, 1), (96, 3, 3), (96, 3, 3)), self.pooled(x, filters)],
                            f"mixed{number}")
        x = self.joined([self.conv(x, 384, 3, 3, **halved),
                         self.chain(x, (64, 1, 1), (96, 3, 3), (96, 3, 3), last=halved),
                         maxima((3, 3), strides=(2, 2))(x)], "mixed3")
        for number, inner in enumerate((128, 160, 160, 192), 4):
            long, high = (inner, 1, 7), (inner, 7, 1)
            x = self.joined([self.conv(x, 192, 1, 1), self.chain(x, (inner, 1, 1), long, (192, 7, 1)),
                             self.chain(x, (inner, 1, 1), high, long, high, (192, 1, 7)), self.pooled(x, 192)],
                            f"mixed{number}")
        x = self.joined([self.chain(x, (192, 1, 1), (320, 3, 3), last=halved),
                         self.chain(x, (192, 1, 1), (192, 1, 7), (192, 7, 1), (192, 3, 3), last=halved),
                         maxima((3, 3), strides=(2, 2))(x)], "mixed8")
        for number in range(2):
            first = self.conv(x, 320, 1, 1)
            second = self.conv(x, 384, 1, 1)
            second = self.joined([self.conv(second, 384, 1, 3), self.conv(second, 384, 3, 1)], f"mixed9_{number}")
            third = self.chain(x, (448, 1, 1), (384, 3, 3))
            third = self.joined([self.conv(third, 384, 1, 3), self.conv(third, 384, 3, 1)], None)
            x = self.joined([first, second, third, self.pooled(x, 192)], f"mixed{9 + number}")
        return x


def conv2d_bn(x: Any, filters: int, num_row: int, num_col: int, padding: str = "same", strides: Any = (1, 1),
              name: str | None = None) -> Any:
    """A convolution without bias, normalised without scale, rectified.

    # Arguments
        x: tensor of pictures.
        filters: number of filters.
        num_row, num_col: size of the kernel.
        padding, strides: of the convolution.
        name: of the last layer; those of the others are made from it.
    """
    from symgraph import backend, layers

    axis = 1 if backend.image_data_format() == "channels_first" else 3
    return Inception(layers, axis).conv(x, filters, num_row, num_col, padding, strides, name)


def InceptionV3(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None,  # noqa: N802
                input_shape: Any = None, pooling: str | None = None, classes: int = 1000, **kwargs: Any) -> Any:
    """The third Inception network, for pictures of 299x299 pixels, at least 75x75.

    See `symgraph.applications.vgg16.VGG16` for the arguments.
    """
    made = Construction(include_top, weights, input_tensor, input_shape, pooling, classes, kwargs, 299, 75)
    x = Inception(made.layers, made.axis).body(made.input)
    return made.model(made.classified(x), "inception_v3", _PUBLISHED)


def preprocess_input(x: Any, data_format: str | None = None, **kwargs: Any) -> Any:
    """Pictures as this network wants them: from -1 to 1."""
    return imagenet_utils.preprocess_input(x, data_format, mode="tf", **kwargs)
