"""What an old name for a new name cannot say: kernels in two numbers, samples for steps, paddings by side.

Each function takes the keyword arguments of a call, in the words of Keras 1, and changes them in place; each predicate
takes the positional and the keyword arguments.
"""

from __future__ import annotations

import itertools
import math
import numbers
from collections.abc import Callable, Mapping
from typing import Any

KERNEL_SIZES = {1: ("filter_length",), 2: ("nb_row", "nb_col"),
                3: ("kernel_dim1", "kernel_dim2", "kernel_dim3")}


def _is_count(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def counts(number: int) -> Callable[[tuple, Mapping], bool]:
    """Whether a call starts with so many whole numbers: `Convolution2D(64, 3, 3)`. The first argument is `self`."""

    def is_old(args: tuple, keywords: Mapping) -> bool:
        return len(args) > number and all(_is_count(value) for value in args[1:number + 1])

    return is_old


def kernel_size(rank: int) -> Callable[[dict], None]:
    """`nb_row, nb_col` (and their like in three dimensions) become `kernel_size`."""
    names = KERNEL_SIZES[rank]

    def convert(keywords: dict) -> None:
        missing = [name for name in names if name not in keywords]
        if len(missing) == rank:
            return
        # The first sizes may have come by position, `Convolution2D(64, 3, nb_col=3)`: where others stand now.
        for name, place in zip(names, ("kernel_size", "strides")):
            if missing and missing[0] == name and _is_count(keywords.get(place)):
                keywords[name] = keywords.pop(place)
                missing.remove(name)
        if missing:
            raise TypeError(f"the size of the kernel is {', '.join(names)}: {', '.join(missing)} is missing")
        keywords["kernel_size"] = tuple(keywords.pop(name) for name in names)

    return convert


def deconvolution(keywords: dict) -> None:
    """The shape that Keras 1 asked for gives the padding of the output; a layer works it out when it is built."""
    kernel_size(2)(keywords)
    shape = keywords.pop("output_shape", None)
    if shape is not None:
        keywords["output_padding"] = _output_padding(tuple(shape), keywords)


def _output_padding(shape: tuple, keywords: Mapping) -> tuple | None:
    """How much longer the output is than the shortest one of an input that fits, on each axis."""
    from symgraph.backend import image_data_format

    ordering = keywords.get("dim_ordering", "default")
    first = ordering == "th" or (ordering in {"default", None} and image_data_format() == "channels_first")
    sizes = shape[-2:] if first else shape[-3:-1]
    strides = keywords.get("subsample", (1, 1))
    kernel = keywords.get("kernel_size")
    if kernel is None or not all(_is_count(size) for size in sizes) or tuple(strides) == (1, 1):
        return None
    same = keywords.get("border_mode", "valid") == "same"
    base = [0 if same else k - 1 for k in kernel]
    if same:
        return None if all(size % stride == 0 for size, stride in zip(sizes, strides)) else tuple(
            (size - k + 2 * (k // 2)) % stride for size, k, stride in zip(sizes, kernel, strides))
    return tuple((size - 1 - extra) % stride for size, extra, stride in zip(sizes, base, strides))


def separable(keywords: dict) -> None:
    """One `init` for both kernels."""
    kernel_size(2)(keywords)
    if "init" in keywords:
        init = keywords.pop("init")
        keywords.setdefault("depthwise_initializer", init)
        keywords.setdefault("pointwise_initializer", init)


def sequence_input(keywords: dict) -> None:
    """`input_dim` without `input_length` is a sequence of any length."""
    if keywords.get("input_dim") is not None:
        keywords.setdefault("input_length", None)


def long_short_term(keywords: dict) -> None:
    """`forget_bias_init='one'` is what `unit_forget_bias` says; another start of that bias is zeros."""
    sequence_input(keywords)
    if "forget_bias_init" in keywords:
        start = keywords.pop("forget_bias_init")
        keywords["unit_forget_bias"] = start in {"one", "ones"} or getattr(start, "__name__", None) in {"one", "ones"}


def convolutional_lstm(keywords: dict) -> None:
    """Kernel size and forget bias."""
    kernel_size(2)(keywords)
    if "forget_bias_init" in keywords:
        long_short_term(keywords)


def normalization_mode(keywords: dict) -> None:
    """Mode 0 is what Keras 2 does; the others are layers of their own in the Keras-1 dialect."""
    mode = keywords.pop("mode", 0)
    if mode != 0:
        raise TypeError(
            f"BatchNormalization: mode={mode!r} does not exist in Keras 2 (mode 1 normalised each sample, mode 2 "
            "used the "
            "statistics of the batch in testing too). Use `symgraph.keras1.layers.BatchNormalization`."
        )


def four_sides(args: tuple, keywords: Mapping) -> bool:
    """Whether a padding is `(top, bottom, left, right)` or names its sides."""
    value = args[1] if len(args) > 1 else keywords.get("padding")
    return isinstance(value, Mapping) or (isinstance(value, (tuple, list)) and len(value) == 4)


def sides_2d(keywords: dict) -> None:
    """`{'top_pad': 1, ...}` and `(top, bottom, left, right)` become pairs."""
    value = keywords.get("padding")
    if isinstance(value, Mapping):
        unknown = set(value) - {"top_pad", "bottom_pad", "left_pad", "right_pad"}
        if unknown:
            raise ValueError(f"ZeroPadding2D: unknown sides {sorted(unknown)}; known: top_pad, bottom_pad, left_pad, "
                             "right_pad")
        value = tuple(value.get(side, 0) for side in ("top_pad", "bottom_pad", "left_pad", "right_pad"))
    if isinstance(value, (tuple, list)) and len(value) == 4:
        top, bottom, left, right = value
        keywords["padding"] = ((top, bottom), (left, right))


def named_sides(args: tuple, keywords: Mapping) -> bool:
    """Whether a padding names its sides."""
    return isinstance(args[1] if len(args) > 1 else keywords.get("padding"), Mapping)


def sides_1d(keywords: dict) -> None:
    """`{'left_pad': 1, 'right_pad': 2}` becomes a pair."""
    value = keywords.get("padding")
    if isinstance(value, Mapping):
        keywords["padding"] = (value.get("left_pad", 0), value.get("right_pad", 0))


# ---------------------------------------------------------------------------------------------- generators
def batches_of(generator: Any, samples: int) -> tuple[Any, int]:
    """The generator and the number of its batches that hold so many samples.

    The size of a batch is `generator.batch_size`, or that of its first batch (which is put back).
    """
    size = getattr(generator, "batch_size", None)
    if not _is_count(size):
        if hasattr(generator, "__next__"):
            first = next(generator)
            generator = itertools.chain([first], generator)
        elif hasattr(generator, "__getitem__"):
            first = generator[0]
        else:
            return generator, int(samples)
        size = _size(first)
    return generator, max(1, math.ceil(samples / size))


def _size(batch: Any) -> int:
    while isinstance(batch, (tuple, list, Mapping)):
        batch = next(iter(batch.values())) if isinstance(batch, Mapping) else batch[0]
    return int(batch.shape[0]) if getattr(batch, "shape", None) else len(batch)


def samples_to_steps(keywords: dict) -> None:
    """`samples_per_epoch` counts samples, `steps_per_epoch` batches; `nb_val_samples` likewise."""
    if "samples_per_epoch" in keywords and keywords.get("generator") is not None:
        keywords["generator"], keywords["steps_per_epoch"] = batches_of(keywords["generator"],
                                                                        keywords.pop("samples_per_epoch"))
    data = keywords.get("validation_data")
    if keywords.get("nb_val_samples") is not None and data is not None and not isinstance(data, (tuple, list)):
        keywords["validation_data"], keywords["nb_val_samples"] = batches_of(data, keywords["nb_val_samples"])


def evaluation_steps(keywords: dict) -> None:
    """`val_samples` counts samples, `steps` batches."""
    if "val_samples" in keywords and keywords.get("generator") is not None:
        keywords["generator"], keywords["steps"] = batches_of(keywords["generator"], keywords.pop("val_samples"))


# ---------------------------------------------------------------------------------------------- optimizers
def three_parts(args: tuple, keywords: Mapping) -> bool:
    """Whether `get_updates` was given parameters, constraints and loss."""
    return len(args) == 4


def constraints_of_parameters(keywords: dict) -> None:
    """Keras 1 hands the constraints to the optimizer; here each parameter holds its own."""
    constraints = keywords.pop("constraints", None) or {}
    for parameter, constraint in constraints.items():
        parameter.constraint = constraint
