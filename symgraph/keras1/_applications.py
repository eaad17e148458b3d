"""The known networks as Keras 1 has them: made of its layers, in its layout, with the weights published for it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from symgraph import applications, keras1
from symgraph import backend as K
from symgraph.applications import building, resnet50, vgg16, vgg19, xception
from symgraph.applications.inception_v3 import Inception
from symgraph.applications.music_tagger_crnn import body_of_tagger
from symgraph.keras1._functions import convert_all_kernels_in_model
from symgraph.utils.data_utils import get_file

__all__ = ["TABLE"]

_RELEASES = "https://github.com/fchollet/deep-learning-models/releases/download/"


class _Layers:
    """The layers of Keras 1 under the names, and with the words, that the networks are written in."""

    def __getattr__(self, name: str) -> Any:
        return getattr(keras1.layers, name)  # type: ignore[attr-defined]  # those that are called the same in both

    def Conv2D(self, filters: int, size: Any, strides: Any = (1, 1), padding: str = "valid",  # noqa: N802
               activation: str = "linear", use_bias: bool = True, name: str | None = None, **ignored: Any) -> Any:
        return keras1.layers.Convolution2D(  # type: ignore[attr-defined]
            filters, *_pair(size), subsample=_pair(strides), border_mode=padding, activation=activation, bias=use_bias,
            name=name)

    def SeparableConv2D(self, filters: int, size: Any, padding: str = "valid", use_bias: bool = True,  # noqa: N802
                        name: str | None = None) -> Any:
        return keras1.layers.SeparableConvolution2D(  # type: ignore[attr-defined]
            filters, *_pair(size), border_mode=padding, bias=use_bias, name=name)

    def BatchNormalization(self, axis: int = -1, name: str | None = None, scale: bool = True) -> Any:  # noqa: N802
        return keras1.layers.BatchNormalization(axis=axis, name=name)  # type: ignore[attr-defined]

    def MaxPooling2D(self, size: Any, strides: Any = None, padding: str = "valid", name: Any = None) -> Any:  # noqa: N802
        return keras1.layers.MaxPooling2D(size, strides, padding, name=name)  # type: ignore[attr-defined]

    def AveragePooling2D(self, size: Any, strides: Any = None, padding: str = "valid", name: Any = None  # noqa: N802
                         ) -> Any:
        return keras1.layers.AveragePooling2D(size, strides, padding, name=name)  # type: ignore[attr-defined]

    def Flatten(self, name: str | None = None, **ignored: Any) -> Any:  # noqa: N802
        return keras1.layers.Flatten(name=name)  # type: ignore[attr-defined]

    def add(self, inputs: list, name: str | None = None) -> Any:
        return keras1.layers.merge(inputs, mode="sum", name=name)  # type: ignore[attr-defined]

    def concatenate(self, inputs: list, axis: int = -1, name: str | None = None) -> Any:
        return keras1.layers.merge(inputs, mode="concat", concat_axis=axis, name=name)  # type: ignore[attr-defined]


def _pair(value: Any) -> tuple:
    return (value, value) if isinstance(value, int) else tuple(value)


_LAYERS = _Layers()


class _Weights:
    """Where the published weights of a network lie: for 'th', for 'tf', and without the top for 'th', for 'tf'.

    # Arguments
        addresses: four URLs.
        checksums: their MD5 checksums, or None.
    """

    def __init__(self, addresses: tuple, checksums: tuple = (None,) * 4):
        self.addresses, self.checksums = addresses, checksums

    def load(self, model: Any, include_top: bool) -> None:
        """Load them. Those for 'th' are of Theano, whose convolutions turn the kernels."""
        first = K.image_data_format() == "channels_first"
        place = (0 if include_top else 2) + (0 if first else 1)
        address = self.addresses[place]
        model.load_weights(get_file(address.rpartition("/")[2], address, cache_subdir="models",
                                    md5_hash=self.checksums[place]))
        if first:
            convert_all_kernels_in_model(model)

    @property
    def paths(self) -> dict[str, str]:
        """The addresses under the names that scripts know."""
        return dict(zip(("TH_WEIGHTS_PATH", "TF_WEIGHTS_PATH", "TH_WEIGHTS_PATH_NO_TOP", "TF_WEIGHTS_PATH_NO_TOP"),
                        self.addresses))


def _published(release: str, name: str, checksums: tuple = (None,) * 4) -> _Weights:
    start = f"{_RELEASES}{release}/{name}_weights"
    return _Weights(tuple(f"{start}_{order}_dim_ordering_{order}_kernels{end}.h5" for end in ("", "_notop")
                          for order in ("th", "tf")), checksums)


_VGG16 = _published("v0.1", "vgg16")
_VGG19 = _published("v0.1", "vgg19")
_RESNET50 = _published("v0.2", "resnet50")
_INCEPTION = _published("v0.2", "inception_v3", (
    "b3baf3070cc4bf476d43a2ea61b0ca5f", "fe114b3ff2ea4bf891e9353d1bbfb32f", "79aaa90ab4372b4593ba3df64e142f05",
    "2f3609166de1d967d1a481094754f691"))


def _construction(include_top: bool, weights: Any, input_tensor: Any, size: int) -> building.Construction:
    modules = {"layers": _LAYERS, "models": keras1.models}  # type: ignore[attr-defined]
    return building.Construction(include_top, weights, input_tensor, None, None, 1000, modules, size, 1)


def _finished(made: building.Construction, x: Any, name: str, published: _Weights) -> Any:
    """The model, with its weights."""
    wanted, made.weights = made.weights, None if made.weights == "imagenet" else made.weights
    model = made.model(x, name, None)
    if wanted == "imagenet":
        published.load(model, made.include_top)
    return model


def _classified(made: building.Construction, x: Any, size: int, name: str) -> Any:
    """The mean of each channel, over a window of all that is left, and classes."""
    x = made.layers.AveragePooling2D((size, size), strides=(size, size), name="avg_pool")(x)
    return made.layers.Dense(1000, activation="softmax", name=name)(made.layers.Flatten(name="flatten")(x))


def VGG16(include_top=True, weights="imagenet", input_tensor=None):  # noqa: N802
    """The network of 16 layers with weights.

    # Arguments
        include_top: whether it ends in the three dense layers.
        weights: None (random), 'imagenet', or the path of a file.
        input_tensor: tensor to build it on.

    # Raises
        ValueError: unknown weights.
    """
    made = _construction(include_top, weights, input_tensor, 224)
    return _finished(made, vgg16.blocks_of_vgg(made, vgg16.BLOCKS), "vgg16", _VGG16)


def VGG19(include_top=True, weights="imagenet", input_tensor=None):  # noqa: N802
    """The network of 19 layers with weights; see `VGG16`."""
    made = _construction(include_top, weights, input_tensor, 224)
    return _finished(made, vgg16.blocks_of_vgg(made, vgg19.BLOCKS), "vgg19", _VGG19)


def ResNet50(include_top=True, weights="imagenet", input_tensor=None):  # noqa: N802
    """The residual network of 50 layers; see `VGG16`."""
    made = _construction(include_top, weights, input_tensor, 224)
    x = resnet50.stages_of_resnet(made, padded_pool=False)
    if include_top:
        x = _classified(made, x, 7, "fc1000")
    else:
        x = made.layers.AveragePooling2D((7, 7), name="avg_pool")(x)
    return _finished(made, x, "resnet50", _RESNET50)


def identity_block(input_tensor, kernel_size, filters, stage, block):
    """Three convolutions, added to their input; see `symgraph.applications.resnet50`."""
    return resnet50.residual_block(_LAYERS, input_tensor, kernel_size, filters, stage, block, None)


def conv_block(input_tensor, kernel_size, filters, stage, block, strides=(2, 2)):
    """Three convolutions, added to one of their input; see `symgraph.applications.resnet50`."""
    return resnet50.residual_block(_LAYERS, input_tensor, kernel_size, filters, stage, block, strides)


def InceptionV3(include_top=True, weights="imagenet", input_tensor=None):  # noqa: N802
    """The third Inception network, for pictures of 299x299 pixels; see `VGG16`."""
    made = _construction(include_top, weights, input_tensor, 299)
    x = Inception(_LAYERS, made.axis, biased=True).body(made.input)
    return _finished(made, _classified(made, x, 8, "predictions") if include_top else x, "inception_v3", _INCEPTION)


def conv2d_bn(x, nb_filter, nb_row, nb_col, border_mode="same", subsample=(1, 1), name=None):
    """A convolution, normalised and rectified."""
    axis = 1 if K.image_data_format() == "channels_first" else 3
    return Inception(_LAYERS, axis, biased=True).conv(x, nb_filter, nb_row, nb_col, border_mode, subsample, name)


def Xception(include_top=True, weights="imagenet", input_tensor=None):  # noqa: N802
    """The network of separable convolutions, for pictures of 299x299 pixels; see `VGG16`.

    It is of the layout 'tf' only, as in Keras 1; where 'th' is configured it is made in 'tf', with a warning.
    """
    before = K.image_data_format()
    if before == "channels_first":
        warnings.warn("The Xception model is only available for the input data format 'tf' (width, height, channels). "
                      "However your settings specify the default data format 'th' (channels, width, height). It is "
                      "made in 'tf': give it such pictures.", stacklevel=2)
        K.set_image_data_format("channels_last")
    try:
        made = _construction(include_top, weights, input_tensor, 299)
        x = xception.body_of_xception(made)
        if include_top:
            x = made.layers.GlobalAveragePooling2D(name="avg_pool")(x)
            x = made.layers.Dense(1000, activation="softmax", name="predictions")(x)
        return made.model(x, "xception", xception.PUBLISHED)
    finally:
        K.set_image_data_format(before)


_TAGGER = "music_tagger_crnn_weights_tf_kernels"
_TAGGER_PATHS = {f"{order.upper()}_WEIGHTS_PATH": f"{_RELEASES}v0.3/{_TAGGER}_{order}_dim_ordering.h5"
                 for order in ("th", "tf")}


def MusicTaggerCRNN(weights="msd", input_tensor=None, include_top=True):  # noqa: N802
    """The network that gives fifty tags to music.

    # Arguments
        weights: None (random), or 'msd': trained on the Million Song Dataset.
        input_tensor: tensor to build it on, of spectra as `audio_conv_utils.preprocess_input` gives them.
        include_top: whether it ends in the tags; else in 32 features.

    # Raises
        ValueError: unknown weights.
    """
    if weights not in {"msd", None}:
        raise ValueError("The `weights` argument should be either `None` (random initialization) or `msd` "
                         f"(pre-training on Million Song Dataset), got {weights!r}.")
    first = K.image_data_format() == "channels_first"
    layers = keras1.layers  # type: ignore[attr-defined]
    if input_tensor is None:
        start = layers.Input(shape=(1, 96, 1366) if first else (96, 1366, 1))
    else:
        start = input_tensor if K.is_keras_tensor(input_tensor) else layers.Input(tensor=input_tensor)
    model = keras1.models.Model(start, body_of_tagger(_LAYERS, start, first, include_top))  # type: ignore[attr-defined]
    if weights == "msd":
        address = _TAGGER_PATHS["TH_WEIGHTS_PATH" if first else "TF_WEIGHTS_PATH"]
        # Without the top the last layer is left out: the others are found by their names.
        model.load_weights(get_file(address.rpartition("/")[2], address, cache_subdir="models"), by_name=True)
    return model


def _named(*functions: Callable, **more: Any) -> dict[str, Any]:
    return {**{function.__name__: function for function in functions}, **more}


#: Module of Keras 1 -> what it has; other names are those of `symgraph.applications`.
TABLE: dict[str, dict[str, Any]] = {
    "keras.applications.vgg16": _named(VGG16, **_VGG16.paths),
    "keras.applications.vgg19": _named(VGG19, **_VGG19.paths),
    "keras.applications.resnet50": _named(ResNet50, identity_block, conv_block, **_RESNET50.paths),
    "keras.applications.inception_v3": _named(InceptionV3, conv2d_bn, **_INCEPTION.paths),
    "keras.applications.xception": _named(Xception),
    "keras.applications.music_tagger_crnn": _named(MusicTaggerCRNN, **_TAGGER_PATHS),
    "keras.applications.imagenet_utils": {"CLASS_INDEX_PATH": applications.imagenet_utils.CLASS_INDEX_PATH},
}
