"""NASNet (B. Zoph and others: Learning transferable architectures for scalable image recognition, 2017)."""

from __future__ import annotations

from typing import Any

from symgraph.applications import correct_pad, imagenet_utils
from symgraph.applications.building import Construction, Published
from symgraph.applications.imagenet_utils import decode_predictions

__all__ = ["NASNet", "NASNetLarge", "NASNetMobile", "decode_predictions", "preprocess_input"]

BASE_WEIGHTS_PATH = "https://github.com/titu1994/Keras-NASNet/releases/download/v1.2/"
NASNET_MOBILE_WEIGHT_PATH = BASE_WEIGHTS_PATH + "NASNet-mobile.h5"
NASNET_MOBILE_WEIGHT_PATH_NO_TOP = BASE_WEIGHTS_PATH + "NASNet-mobile-no-top.h5"
NASNET_LARGE_WEIGHT_PATH = BASE_WEIGHTS_PATH + "NASNet-large.h5"
NASNET_LARGE_WEIGHT_PATH_NO_TOP = BASE_WEIGHTS_PATH + "NASNet-large-no-top.h5"
#: Size of the pictures -> published weights, under the names in which Keras keeps them.
_PUBLISHED = {
    224: Published(NASNET_MOBILE_WEIGHT_PATH, "020fb642bf7360b370c678b08e0adf61",
                   NASNET_MOBILE_WEIGHT_PATH_NO_TOP, "1ed92395b5b598bdda52abe5c0dbfd63",
                   ("nasnet_mobile.h5", "nasnet_mobile_no_top.h5")),
    331: Published(NASNET_LARGE_WEIGHT_PATH, "11577c9a518f0070763c2b964a382f17",
                   NASNET_LARGE_WEIGHT_PATH_NO_TOP, "d81d89dc07e6e56530c4e77faddd61b5",
                   ("nasnet_large.h5", "nasnet_large_no_top.h5")),
}


def NASNet(input_shape: Any = None, penultimate_filters: int = 4032, num_blocks: int = 6,  # noqa: N802
           stem_block_filters: int = 96, skip_reduction: bool = True, filter_multiplier: int = 2,
           include_top: bool = True, weights: Any = None, input_tensor: Any = None, pooling: str | None = None,
           classes: int = 1000, default_size: int | None = None, **kwargs: Any) -> Any:
    """A network of cells that were found by search.

    # Arguments
        input_shape: shape of a picture; at least 32x32.
        penultimate_filters: channels of the last features; a multiple of `24 * filter_multiplier ** 2`.
        num_blocks: normal cells in each of the three parts.
        stem_block_filters: filters of the first convolution.
        skip_reduction: whether the cell after a reduction takes what came before the reduction.
        filter_multiplier: how much wider each part is than the one before it.
        default_size: size of the pictures where no shape is given; 331 by default.
        include_top, weights, input_tensor, pooling, classes, **kwargs: see `symgraph.applications.vgg16.VGG16`.

    # Raises
        ValueError: another number of channels, or a shape that the published weights do not fit.
    """
    if weights == "imagenet" and isinstance(input_shape, tuple) and None in input_shape:
        raise ValueError("When specifying the input shape of a NASNet and loading `ImageNet` weights, the input_shape "
                         f"argument must be static (no None entries). Got: `input_shape={input_shape}`.")
    if weights == "imagenet" and default_size not in _PUBLISHED:
        raise ValueError("ImageNet weights can only be loaded with NASNetLarge or NASNetMobile.")
    # Published weights are those of one size, also without the top.
    made = Construction(include_top, weights, input_tensor, input_shape, pooling, classes, kwargs,
                        default_size or 331, 32, fixed_size=True)
    if penultimate_filters % (24 * filter_multiplier**2):
        raise ValueError("For NASNet-A models, the `penultimate_filters` must be a multiple of 24 * "
                         f"(`filter_multiplier` ** 2). Current value: {penultimate_filters}")
    cells = _Cells(made)
    filters = penultimate_filters // 24
    x = cells.conv(made.input, stem_block_filters, "stem_conv1", size=3, strides=(2, 2), padding="valid")
    x, before = cells.normalized(x, "stem_bn1"), None
    x, before = cells.reduction(x, before, filters // filter_multiplier**2, "stem_1")
    x, before = cells.reduction(x, before, filters // filter_multiplier, "stem_2")
    for part in range(3):
        if part:
            x, skipped = cells.reduction(x, before, filters * filter_multiplier**part, f"reduce_{part * num_blocks}")
            before = before if skip_reduction else skipped
        for number in range(num_blocks):
            name = str(part * num_blocks + number + (1 if part else 0))
            x, before = cells.normal(x, before, filters * filter_multiplier**part, name)
    x = made.layers.Activation("relu")(x)
    return made.model(made.classified(x, average=None), "NASNet", _PUBLISHED.get(default_size or 331))


class _Cells:
    """The cells of the network."""

    def __init__(self, made: Construction):
        self.made, self.layers, self.axis = made, made.layers, made.axis
        self.rows = 2 if made.axis == 1 else 1

    def conv(self, x: Any, filters: int, name: str, size: int = 1, strides: Any = (1, 1), padding: str = "same") -> Any:
        """A convolution without bias."""
        return self.layers.Conv2D(filters, (size, size), strides=strides, padding=padding, use_bias=False,
                                  kernel_initializer="he_normal", name=name)(x)

    def normalized(self, x: Any, name: str) -> Any:
        """`x` with its channels normalised."""
        return self.layers.BatchNormalization(axis=self.axis, momentum=0.9997, epsilon=1e-3, name=name)(x)

    def relu(self, x: Any) -> Any:
        """`x` rectified."""
        return self.layers.Activation("relu")(x)

    def separable(self, x: Any, filters: int, size: int, name: str, strides: Any = (1, 1)) -> Any:
        """Two separable convolutions, the first with the strides."""
        x = self.relu(x)
        padding = "same"
        if strides == (2, 2):
            padding = "valid"
            x = self.layers.ZeroPadding2D(padding=correct_pad(self.made.backend, x, size),
                                          name=f"separable_conv_1_pad_{name}")(x)
        for number in (1, 2):
            words = {"strides": strides, "padding": padding} if number == 1 else {"padding": "same"}
            x = self.layers.SeparableConv2D(filters, (size, size), use_bias=False, kernel_initializer="he_normal",
                                            name=f"separable_conv_{number}_{name}", **words)(x)
            x = self.normalized(x, f"separable_conv_{number}_bn_{name}")
            x = self.relu(x) if number == 1 else x
        return x

    def adjusted(self, before: Any, x: Any, filters: int, name: str) -> Any:
        """The input of the cell before, in the size of `x` and with so many channels."""
        if before is None:
            return x
        layers = self.layers
        if before._keras_shape[self.rows] != x._keras_shape[self.rows]:
            before = layers.Activation("relu", name=f"adjust_relu_1_{name}")(before)
            first = layers.AveragePooling2D((1, 1), strides=(2, 2), padding="valid",
                                            name=f"adjust_avg_pool_1_{name}")(before)
            first = self.conv(first, filters // 2, f"adjust_conv_1_{name}")
            # The same for the pixels between: one row and column further.
            second = layers.ZeroPadding2D(padding=((0, 1), (0, 1)))(before)
            second = layers.Cropping2D(cropping=((1, 0), (1, 0)))(second)
            second = layers.AveragePooling2D((1, 1), strides=(2, 2), padding="valid",
                                             name=f"adjust_avg_pool_2_{name}")(second)
            second = self.conv(second, filters // 2, f"adjust_conv_2_{name}")
            joined = layers.concatenate([first, second], axis=self.axis)
            return self.normalized(joined, f"adjust_bn_{name}")
        if before._keras_shape[self.axis] != filters:
            before = self.conv(self.relu(before), filters, f"adjust_conv_projection_{name}")
            return self.normalized(before, f"adjust_bn_{name}")
        return before

    def normal(self, x: Any, before: Any, filters: int, name: str) -> tuple:
        """The cell that keeps the size. Returns its result and its input."""
        layers = self.layers
        p = self.adjusted(before, x, filters, name)
        h = self.normalized(self.conv(self.relu(x), filters, f"normal_conv_1_{name}"), f"normal_bn_1_{name}")

        def means(y: Any, place: str) -> Any:
            return layers.AveragePooling2D((3, 3), strides=(1, 1), padding="same", name=f"normal_{place}_{name}")(y)

        def total(number: int, *parts: Any) -> Any:
            return layers.add(list(parts), name=f"normal_add_{number}_{name}")

        first = total(1, self.separable(h, filters, 5, f"normal_left1_{name}"),
                      self.separable(p, filters, 3, f"normal_right1_{name}"))
        second = total(2, self.separable(p, filters, 5, f"normal_left2_{name}"),
                       self.separable(p, filters, 3, f"normal_right2_{name}"))
        third = total(3, means(h, "left3"), p)
        fourth = total(4, means(p, "left4"), means(p, "right4"))
        fifth = total(5, self.separable(h, filters, 3, f"normal_left5_{name}"), h)
        return layers.concatenate([p, first, second, third, fourth, fifth], axis=self.axis,
                                  name=f"normal_concat_{name}"), x

    def reduction(self, x: Any, before: Any, filters: int, name: str) -> tuple:
        """The cell that halves the size. Returns its result and its input."""
        layers, halved = self.layers, (2, 2)
        p = self.adjusted(before, x, filters, name)
        h = self.normalized(self.conv(self.relu(x), filters, f"reduction_conv_1_{name}"), f"reduction_bn_1_{name}")
        padded = layers.ZeroPadding2D(padding=correct_pad(self.made.backend, h, 3), name=f"reduction_pad_1_{name}")(h)

        def pool(kind: Any, place: str) -> Any:
            return kind((3, 3), strides=halved, padding="valid", name=f"reduction_{place}_{name}")(padded)

        first = layers.add([self.separable(h, filters, 5, f"reduction_left1_{name}", halved),
                            self.separable(p, filters, 7, f"reduction_right1_{name}", halved)],
                           name=f"reduction_add_1_{name}")
        second = layers.add([pool(layers.MaxPooling2D, "left2"),
                             self.separable(p, filters, 7, f"reduction_right2_{name}", halved)],
                            name=f"reduction_add_2_{name}")
        third = layers.add([pool(layers.AveragePooling2D, "left3"),
                            self.separable(p, filters, 5, f"reduction_right3_{name}", halved)],
                           name=f"reduction_add3_{name}")
        means = layers.AveragePooling2D((3, 3), strides=(1, 1), padding="same", name=f"reduction_left4_{name}")(first)
        fourth = layers.add([second, means])
        fifth = layers.add([self.separable(first, filters, 3, f"reduction_left4_{name}"),
                            pool(layers.MaxPooling2D, "right5")], name=f"reduction_add4_{name}")
        return layers.concatenate([second, third, fourth, fifth], axis=self.axis, name=f"reduction_concat_{name}"), x


def NASNetLarge(input_shape: Any = None, include_top: bool = True, weights: Any = "imagenet",  # noqa: N802
                input_tensor: Any = None, pooling: str | None = None, classes: int = 1000, **kwargs: Any) -> Any:
    """The large network of found cells, for pictures of 331x331; see `NASNet` for the arguments."""
    return NASNet(input_shape, 4032, 6, 96, True, 2, include_top, weights, input_tensor, pooling, classes,
                  default_size=331, **kwargs)


def NASNetMobile(input_shape: Any = None, include_top: bool = True, weights: Any = "imagenet",  # noqa: N802
                 input_tensor: Any = None, pooling: str | None = None, classes: int = 1000, **kwargs: Any) -> Any:
    """The small network of found cells, for pictures of 224x224; see `NASNet` for the arguments."""
    return NASNet(input_shape, 1056, 4, 32, False, 2, include_top, weights, input_tensor, pooling, classes,
                  default_size=224, **kwargs)


def preprocess_input(x: Any, data_format: str | None = None, **kwargs: Any) -> Any:
    """Pictures as these networks want them: from -1 to 1."""
    return imagenet_utils.preprocess_input(x, data_format, mode="tf", **kwargs)
