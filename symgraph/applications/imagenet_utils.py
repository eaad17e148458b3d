"""Pictures as the networks want them, and the names of the thousand classes of ImageNet."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np

from symgraph import backend as K
from symgraph.utils.data_utils import get_file

__all__ = ["CLASS_INDEX", "CLASS_INDEX_PATH", "decode_predictions", "obtain_input_shape", "preprocess_input"]

#: Number of a class as text -> [identifier, name]; read when it is first needed.
CLASS_INDEX: dict[str, list[str]] | None = None
CLASS_INDEX_PATH = "https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json"
_CLASS_INDEX_HASH = "c2c37ea517e94d9795004a39431a14cb"

#: Mean and deviation of ImageNet's red, green and blue, for values from 0 to 1.
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
#: Mean blue, green and red of ImageNet, for values from 0 to 255.
_MEAN_BGR = (103.939, 116.779, 123.68)


def preprocess_input(x: Any, data_format: str | None = None, mode: str = "caffe", **kwargs: Any) -> Any:
    """Pictures with values from 0 to 255 as a network was trained with them.

    # Arguments
        x: array or tensor of three or four dimensions with red, green, blue; it is not changed.
        data_format: where the channels stand; None: as configured.
        mode: 'caffe': blue, green, red, without their means; 'tf': from -1 to 1; 'torch': from 0 to 1, without their
            means, over their deviations.
        **kwargs: the modules that `keras_applications` asks for; not needed.

    # Raises
        ValueError: an unknown layout or mode.
    """
    from symgraph.applications import get_submodules_from_kwargs

    get_submodules_from_kwargs(kwargs)
    layout = K.image_data_format() if data_format is None else data_format
    if layout not in {"channels_first", "channels_last"}:
        raise ValueError(f"Unknown data_format {data_format}: expected 'channels_first' or 'channels_last'.")
    if mode not in {"caffe", "tf", "torch"}:
        raise ValueError(f"Unknown mode {mode!r}: expected 'caffe', 'tf' or 'torch'.")
    symbolic = K.is_tensor(x)
    if not symbolic:
        x = np.asarray(x)
        if not np.issubdtype(x.dtype, np.floating):
            x = x.astype(K.floatx())
    elif K.dtype(x) not in {"float16", "bfloat16", "float32", "float64"}:
        x = K.cast(x, K.floatx())
    if mode == "tf":
        return x / 127.5 - 1.0
    rank = K.ndim(x) if symbolic else x.ndim
    channel = rank - 3 if layout == "channels_first" else rank - 1
    shape = [1] * rank
    shape[channel] = 3

    def for_channels(numbers: tuple) -> Any:
        values = np.reshape(numbers, shape)
        return K.constant(values, dtype=K.dtype(x)) if symbolic else values.astype(x.dtype)

    if mode == "torch":
        return (x / 255.0 - for_channels(_MEAN)) / for_channels(_DEVIATION)
    x = K.reverse(x, channel) if symbolic else np.flip(x, channel)
    return x - for_channels(_MEAN_BGR)


def decode_predictions(preds: Any, top: int = 5, **kwargs: Any) -> list[list[tuple]]:
    """The most likely classes of predictions.

    # Arguments
        preds: array of shape (samples, 1000).
        top: how many.
        **kwargs: the modules that `keras_applications` asks for; not needed.

    # Returns
        A list for each sample of tuples `(identifier, name, score)`, the best first.

    # Raises
        ValueError: another shape.
    """
    from symgraph.applications import get_submodules_from_kwargs

    global CLASS_INDEX
    get_submodules_from_kwargs(kwargs)
    preds = np.asarray(preds)
    if preds.ndim != 2 or preds.shape[1] != 1000:
        raise ValueError("`decode_predictions` expects a batch of predictions (i.e. a 2D array of shape (samples, "
                         f"1000)). Found array with shape: {preds.shape}")
    if CLASS_INDEX is None:
        path = get_file("imagenet_class_index.json", CLASS_INDEX_PATH, cache_subdir="models",
                        file_hash=_CLASS_INDEX_HASH)
        with open(path, encoding="utf-8") as file:
            CLASS_INDEX = json.load(file)
    names = CLASS_INDEX
    best = np.argsort(preds, axis=1)[:, ::-1][:, :max(top, 0)]
    return [[(*names[str(number)], row[number]) for number in numbers] for row, numbers in zip(preds, best)]


def obtain_input_shape(input_shape: Any, default_size: int, min_size: int, data_format: str, require_flatten: bool,
                       weights: Any = None) -> tuple:
    """The checked shape of a picture.

    # Arguments
        input_shape: as the user gave it, or None.
        default_size: the size that is taken without it.
        min_size: the least size that the network can take.
        data_format: where the channels stand.
        require_flatten: whether the size must be known.
        weights: 'imagenet' if those will be loaded: they need three channels.

    # Raises
        ValueError: no three numbers, other channels or a smaller size than the network can take.
    """
    first = data_format == "channels_first"
    published = weights == "imagenet"
    given = None if input_shape is None else tuple(input_shape)
    channels = 3
    if given is not None and len(given) == 3 and not published:
        channels = given[0] if first else given[-1]
        if channels not in {1, 3}:
            warnings.warn(f"This model usually expects 1 or 3 input channels. However, it was passed an input_shape "
                          f"with {channels} input channels.", stacklevel=4)

    def shape(size: int | None) -> tuple:
        return (channels, size, size) if first else (size, size, channels)

    if published and require_flatten:
        if given is not None and given != shape(default_size):
            raise ValueError("When setting `include_top=True` and loading `imagenet` weights, `input_shape` should be "
                             f"{shape(default_size)}, got {given}.")
        return shape(default_size)
    if given is None:
        return shape(default_size if require_flatten else None)
    if len(given) != 3:
        raise ValueError(f"`input_shape` must be a tuple of three integers, got {given}.")
    if published and (given[0] if first else given[-1]) != 3:
        raise ValueError(f"The input must have 3 channels; got `input_shape={given}`")
    if any(size is not None and size < min_size for size in (given[1:] if first else given[:2])):
        raise ValueError(f"Input size must be at least {min_size}x{min_size}; got `input_shape={given}`")
    if require_flatten and None in given:
        raise ValueError(f"If `include_top` is True, you should specify a static `input_shape`. Got "
                         f"`input_shape={given}`")
    return given


_obtain_input_shape = obtain_input_shape  # the name under which scripts with networks of their own know it
