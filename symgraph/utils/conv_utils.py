"""Arguments of convolutions and pooling: tuples, padding names, output lengths."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "conv_input_length", "conv_output_length", "convert_kernel", "deconv_length", "normalize_data_format",
    "normalize_padding", "normalize_tuple",
]


def normalize_tuple(value: Any, n: int, name: str) -> tuple[int, ...]:
    """An integer or a sequence of `n` integers as a tuple of `n` integers; `name` stands in the error message."""
    if hasattr(value, "__index__"):
        return (int(value),) * n
    try:
        items = tuple(value)
    except TypeError:
        items = ()
    if len(items) != n or not all(hasattr(item, "__index__") for item in items):
        raise ValueError(
            f"The `{name}` argument must be an integer or a tuple of {n} integers, got {value!r}."
        )
    return tuple(int(item) for item in items)


def normalize_padding(value: Any) -> str:
    """A padding mode in lower case: 'valid', 'same', 'causal' or 'full'."""
    padding = str(value).lower()
    if padding not in {"valid", "same", "causal", "full"}:
        raise ValueError(f"The `padding` argument must be one of 'valid', 'same' (or 'causal' for 1D), got {value!r}.")
    return padding


def normalize_data_format(value: str | None) -> str:
    """`value` or, for None, the configured image layout."""
    from symgraph import backend as K

    if value is None:
        value = K.image_data_format()
    layout = value.lower()
    if layout not in {"channels_first", "channels_last"}:
        raise ValueError(f"`data_format` must be 'channels_first', 'channels_last' or None, got {value!r}.")
    return layout


def conv_output_length(input_length: int | None, filter_size: int, padding: str, stride: int,
                       dilation: int = 1) -> int | None:
    """Length of one output axis of a convolution or pooling (None stays None)."""
    if input_length is None:
        return None
    extent = filter_size + (filter_size - 1) * (dilation - 1)
    if padding in {"same", "causal"}:
        length = input_length
    elif padding == "valid":
        length = input_length - extent + 1
    else:
        length = input_length + extent - 1
    return (length + stride - 1) // stride


def conv_input_length(output_length: int | None, filter_size: int, padding: str, stride: int) -> int | None:
    """The input length that gives `output_length`."""
    if output_length is None:
        return None
    pad = {"same": filter_size // 2, "valid": 0, "full": filter_size - 1}[padding]
    return (output_length - 1) * stride - 2 * pad + filter_size


def deconv_length(dim_size: int | None, stride_size: int, kernel_size: int, padding: str,
                  output_padding: int | None = None, dilation: int = 1) -> int | None:
    """Length of one output axis of a transposed convolution."""
    if dim_size is None:
        return None
    extent = kernel_size + (kernel_size - 1) * (dilation - 1)
    if output_padding is None:
        if padding == "same":
            return dim_size * stride_size
        if padding == "valid":
            return dim_size * stride_size + max(extent - stride_size, 0)
        return dim_size * stride_size - (stride_size + extent - 2)
    pad = {"same": extent // 2, "valid": 0, "full": extent - 1}[padding]
    return (dim_size - 1) * stride_size + extent - 2 * pad + output_padding


def convert_kernel(kernel: np.ndarray) -> np.ndarray:
    """A kernel of Theano, which turns kernels by half a circle, for other libraries, and back.

    # Arguments
        kernel: array (*window, inputs, outputs) of a convolution in one, two or three dimensions.

    # Raises
        ValueError: another number of dimensions.
    """
    kernel = np.asarray(kernel)
    if not 3 <= kernel.ndim <= 5:
        raise ValueError(f"Invalid kernel shape: {kernel.shape}; expected (*window, inputs, outputs).")
    return np.flip(kernel, tuple(range(kernel.ndim - 2))).copy()
