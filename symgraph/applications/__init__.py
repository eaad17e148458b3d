"""Known networks for pictures, with their published weights where the network can be reached.

    from symgraph.applications.vgg16 import VGG16, decode_predictions, preprocess_input

    model = VGG16(weights="imagenet")
    print(decode_predictions(model.predict(preprocess_input(pictures)), top=3))

Layers have the names of the published weight files, so that files and scripts find them.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

_NAMES = {
    "DenseNet121": "densenet", "DenseNet169": "densenet", "DenseNet201": "densenet",
    "InceptionResNetV2": "inception_resnet_v2", "InceptionV3": "inception_v3", "MobileNet": "mobilenet",
    "MobileNetV2": "mobilenet_v2", "NASNetLarge": "nasnet", "NASNetMobile": "nasnet", "ResNet101": "resnet",
    "ResNet101V2": "resnet_v2", "ResNet152": "resnet", "ResNet152V2": "resnet_v2", "ResNet50": "resnet50",
    "ResNet50V2": "resnet_v2", "ResNeXt101": "resnext", "ResNeXt50": "resnext", "VGG16": "vgg16", "VGG19": "vgg19",
    "Xception": "xception",
}
_MODULES = ("audio_conv_utils", "densenet", "imagenet_utils", "inception_resnet_v2", "inception_v3", "mobilenet",
            "mobilenet_v2", "nasnet", "resnet", "resnet50", "resnet_common", "resnet_v2", "resnext", "vgg16", "vgg19",
            "xception")

__all__ = sorted([*_NAMES, *_MODULES, "correct_pad", "get_submodules_from_kwargs", "keras_modules_injection"])


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"symgraph.applications.{_NAMES[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"symgraph.applications.{name}")
    raise AttributeError(f"module 'symgraph.applications' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)


def get_submodules_from_kwargs(kwargs: dict) -> tuple:
    """The modules that a network is made with: `backend`, `layers`, `models`, `utils`.

    # Arguments
        kwargs: those that are given in place of symgraph's own.

    # Raises
        TypeError: another argument.
    """
    known = ("backend", "layers", "models", "utils")
    for name in kwargs:
        if name not in known:
            raise TypeError(f"Invalid keyword argument: {name}. Networks take the modules {', '.join(known)}.")
    return tuple(importlib.import_module(f"symgraph.{name}") if kwargs.get(name) is None else kwargs[name]
                 for name in known)


def keras_modules_injection(base_fun: Callable) -> Callable:
    """The function, called with symgraph's `backend`, `layers`, `models` and `utils` as arguments."""

    @functools.wraps(base_fun)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        given = zip(("backend", "layers", "models", "utils"), get_submodules_from_kwargs({}))
        return base_fun(*args, **{**kwargs, **dict(given)})

    return wrapper


def correct_pad(backend: Any, inputs: Any, kernel_size: Any) -> tuple:
    """What to pad before a convolution of stride 2 without padding, so that odd and even sizes give the same result.

    # Arguments
        backend: the module `backend`.
        inputs: tensor of pictures.
        kernel_size: number or pair.

    # Returns
        `((top, bottom), (left, right))`, for `ZeroPadding2D`.
    """
    first = 2 if backend.image_data_format() == "channels_first" else 1
    sizes = backend.int_shape(inputs)[first:first + 2]
    half = [size // 2 for size in ((kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size)]
    even = [1 if size is None else 1 - size % 2 for size in sizes]
    return tuple((around - less, around) for around, less in zip(half, even))
