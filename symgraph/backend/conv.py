"""Convolutions of sequences, images and volumes."""

from __future__ import annotations

from typing import Any

from symgraph.backend.arguments import (
    channels_back,
    channels_to_last,
    from_old_layout,
    of_rank,
    old_arguments,
    padding_mode,
    per_axis,
    reject,
)
from symgraph.backend.nn import channels_first
from symgraph.backend.shape import as_size
from symgraph.graph.convert import as_float, as_node, operands
from symgraph.graph.node import Node
from symgraph.graph.tensor import Tensor
from symgraph.graph.type import DimLike, size_of
from symgraph.ops import conv as convolutions
from symgraph.ops import linalg
from symgraph.ops import shape as s
from symgraph.ops.op import ShapeError
from symgraph.ops.window import padding_for, window_counts

__all__ = [
    "atrous_conv2d", "conv1d", "conv2d", "conv2d_transpose", "conv3d", "conv3d_transpose", "deconv2d",
    "depthwise_conv2d", "local_conv1d", "local_conv2d", "separable_conv1d", "separable_conv2d",
]  # fmt: skip


# -------------------------------------------------------------------------------------------------- convolutions


def _convolve(
    function: str, x: Any, kernel: Any, strides: Any, padding: Any, data_format: Any, dilation: Any, axes: int
) -> Tensor:
    first = channels_first(function, data_format)
    node, weights = map(as_float, operands(x, kernel))
    of_rank(function, "x", node, axes + 2)
    of_rank(function, "the kernel", weights, axes + 2)
    node = channels_to_last(node, first)
    steps, apart = per_axis(function, "strides", strides, axes), per_axis(function, "dilation_rate", dilation, axes)
    mode = padding_mode(function, padding, causal=axes == 1)
    around = padding_for(mode, node.shape[1:-1], weights.shape[:-2], steps, apart)
    result = convolutions.conv(node, weights, strides=steps, padding=around, dilation=apart, groups=1)
    return channels_back(result, first)


def conv1d(
    x: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
    **kwargs: Any,
) -> Tensor:
    """Convolve sequences.

    Args:
        x: (batch, steps, channels), or (batch, channels, steps) with channels_first.
        kernel: (window, channels, filters).
        strides: distance between windows (`stride` in Keras 1).
        padding: "valid", "same" or "causal" (`border_mode` in Keras 1).
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
        dilation_rate: distance between the elements of a window.

    Returns:
        (batch, new steps, filters), or (batch, filters, new steps).

    Raises:
        ValueError: a wrong number of dimensions or channels, an unknown name, or no window fits.
    """
    padding, data_format, _ = old_arguments("conv1d", kwargs, padding, data_format)
    strides = kwargs.pop("stride", strides)
    reject("conv1d", kwargs)
    return _convolve("conv1d", x, kernel, strides, padding, data_format, dilation_rate, 1)


def conv2d(
    x: Any,
    kernel: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1),
    **kwargs: Any,
) -> Tensor:
    """Convolve images.

    Args:
        x: (batch, rows, columns, channels), or (batch, channels, rows, columns) with channels_first.
        kernel: (rows, columns, channels, filters); with Keras 1's dim_ordering="th" (filters, channels, rows, columns).
        strides: distances between windows.
        padding: "valid" or "same" (`border_mode` in Keras 1).
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
        dilation_rate: distances between the elements of a window (`filter_dilation` in Keras 1).

    Returns:
        (batch, new rows, new columns, filters), or (batch, filters, new rows, new columns).

    Raises:
        ValueError: a wrong number of dimensions or channels, an unknown name, or no window fits.
    """
    padding, data_format, old = old_arguments("conv2d", kwargs, padding, data_format)
    dilation_rate = kwargs.pop("filter_dilation", dilation_rate)
    reject("conv2d", kwargs)
    kernel = from_old_layout(kernel, old)
    return _convolve("conv2d", x, kernel, strides, padding, data_format, dilation_rate, 2)


def atrous_conv2d(x: Any, kernel: Any, rate: int = 1, border_mode: str = "valid", **kwargs: Any) -> Tensor:
    """Convolve images with dilated windows (the name of Keras 1; see conv2d with dilation_rate)."""
    return conv2d(x, kernel, (1, 1), border_mode, dilation_rate=(rate, rate), **kwargs)


def conv3d(
    x: Any,
    kernel: Any,
    strides: Any = (1, 1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1, 1),
    **kwargs: Any,
) -> Tensor:
    """Convolve volumes: (batch, depth, rows, columns, channels) with (depth, rows, columns, channels, filters).

    The arguments are those of conv2d, with three numbers in the place of two.
    """
    padding, data_format, old = old_arguments("conv3d", kwargs, padding, data_format)
    reject("conv3d", kwargs)
    kernel = from_old_layout(kernel, old)
    return _convolve("conv3d", x, kernel, strides, padding, data_format, dilation_rate, 3)


def _transposed(
    function: str,
    x: Any,
    kernel: Any,
    output_shape: Any,
    strides: Any,
    padding: Any,
    data_format: Any,
    dilation: Any,
    axes: int,
) -> Tensor:
    first = channels_first(function, data_format)
    node, weights = map(as_float, operands(x, kernel))
    of_rank(function, "x", node, axes + 2)
    of_rank(function, "the kernel", weights, axes + 2)
    node = channels_to_last(node, first)
    wanted = list(output_shape)
    if len(wanted) != axes + 2:
        raise ValueError(f"{function}: output_shape must have {axes + 2} sizes, got {tuple(output_shape)}")
    sizes: list[DimLike] = [node.shape[0] if size is None else as_size(size) for size in wanted]
    sizes[0] = node.shape[0]
    if first:
        sizes.append(sizes.pop(1))
    steps, apart = per_axis(function, "strides", strides, axes), per_axis(function, "dilation_rate", dilation, axes)
    around = padding_for(padding_mode(function, padding), sizes[1:-1], weights.shape[:-2], steps, apart)
    result = convolutions.conv_input_gradient(
        node, weights, input_shape=tuple(sizes), strides=steps, padding=around, dilation=apart, groups=1
    )
    return channels_back(result, first)


def conv2d_transpose(
    x: Any,
    kernel: Any,
    output_shape: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1),
) -> Tensor:
    """Apply the transpose of a convolution of images: what it sends back to its input.

    Args:
        x: (batch, rows, columns, channels), or (batch, channels, rows, columns) with channels_first.
        kernel: (rows, columns, filters, channels).
        output_shape: of the result, in the layout of data_format; sizes may come from K.shape, and the batch size may
            be None.
        strides, padding, data_format, dilation_rate: those of the convolution from output_shape to x.

    Raises:
        ValueError: a convolution of output_shape has not the shape of x; or see conv2d.
    """
    return _transposed(
        "conv2d_transpose", x, kernel, output_shape, strides, padding, data_format, dilation_rate, 2
    )


def deconv2d(
    x: Any,
    kernel: Any,
    output_shape: Any,
    strides: Any = (1, 1),
    border_mode: str = "valid",
    dim_ordering: str = "default",
    **kwargs: Any,
) -> Tensor:
    """Apply the transpose of a convolution, with the kernels of Keras 1.

    Args:
        x: (batch, rows, columns, channels), or (batch, channels, rows, columns) with dim_ordering "th".
        kernel: (rows, columns, channels, filters), or (filters, channels, rows, columns) with dim_ordering "th".
        output_shape: of the result.
        strides, border_mode, dim_ordering: see conv2d.
    """
    border_mode, layout, old = old_arguments(
        "deconv2d", {"dim_ordering": dim_ordering, **kwargs, "image_shape": None}, border_mode, None
    )
    weights = as_node(from_old_layout(kernel, old))
    of_rank("deconv2d", "the kernel", weights, 4)
    return conv2d_transpose(x, Tensor(s.transpose(weights, (0, 1, 3, 2))), output_shape, strides, border_mode, layout)


def conv3d_transpose(
    x: Any,
    kernel: Any,
    output_shape: Any,
    strides: Any = (1, 1, 1),
    padding: str = "valid",
    data_format: str | None = None,
) -> Tensor:
    """Apply the transpose of a convolution of volumes (see conv2d_transpose)."""
    return _transposed("conv3d_transpose", x, kernel, output_shape, strides, padding, data_format, 1, 3)


def _depthwise(
    function: str, x: Any, kernel: Any, strides: Any, padding: Any, first: bool, dilation: Any, axes: int
) -> Node:
    """Convolve each channel with filters of its own; x and the result have the channels last."""
    node, weights = map(as_float, operands(x, kernel))
    of_rank(function, "x", node, axes + 2)
    of_rank(function, "the depthwise kernel", weights, axes + 2)
    node = channels_to_last(node, first)
    *window, channels, multiplier = weights.shape
    if not isinstance(channels, int):
        raise ShapeError(f"{function}: the number of channels must be known, the kernel is {weights.tensor_type}")
    weights = s.reshape(weights, (*window, 1, channels * multiplier))
    steps, apart = per_axis(function, "strides", strides, axes), per_axis(function, "dilation_rate", dilation, axes)
    around = padding_for(padding_mode(function, padding, axes == 1), node.shape[1:-1], window, steps, apart)
    return convolutions.conv(node, weights, strides=steps, padding=around, dilation=apart, groups=channels)


def depthwise_conv2d(
    x: Any,
    depthwise_kernel: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1),
) -> Tensor:
    """Convolve each channel of images with filters of its own.

    Args:
        x: (batch, rows, columns, channels), or (batch, channels, rows, columns) with channels_first.
        depthwise_kernel: (rows, columns, channels, multiplier).
        strides, padding, data_format, dilation_rate: see conv2d.

    Returns:
        channels * multiplier channels; those of one input channel stand together.
    """
    first = channels_first("depthwise_conv2d", data_format)
    return channels_back(
        _depthwise("depthwise_conv2d", x, depthwise_kernel, strides, padding, first, dilation_rate, 2), first
    )


def _separable(
    function: str,
    x: Any,
    depthwise: Any,
    pointwise: Any,
    strides: Any,
    padding: Any,
    data_format: Any,
    dilation: Any,
    axes: int,
) -> Tensor:
    first = channels_first(function, data_format)
    seen = _depthwise(function, x, depthwise, strides, padding, first, dilation, axes)
    mix = as_float(as_node(pointwise, seen.dtype))
    of_rank(function, "the pointwise kernel", mix, axes + 2)
    if any(size != 1 for size in mix.shape[:-2]):
        shape = mix.tensor_type.static_shape
        raise ShapeError(f"{function}: the window of the pointwise kernel must be 1, got shape {shape}")
    ones = (1,) * axes
    result = convolutions.conv(seen, mix, strides=ones, padding=((0, 0),) * axes, dilation=ones, groups=1)
    return channels_back(result, first)


def separable_conv1d(
    x: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Tensor:
    """Convolve each channel of sequences by itself, then mix the channels.

    Args:
        x: (batch, steps, channels), or (batch, channels, steps) with channels_first.
        depthwise_kernel: (window, channels, multiplier).
        pointwise_kernel: (1, channels * multiplier, filters).
        strides, padding, data_format, dilation_rate: see conv1d.
    """
    return _separable(
        "separable_conv1d", x, depthwise_kernel, pointwise_kernel, strides, padding, data_format, dilation_rate, 1
    )


def separable_conv2d(
    x: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1),
    **kwargs: Any,
) -> Tensor:
    """Convolve each channel of images by itself, then mix the channels.

    Args:
        x: (batch, rows, columns, channels), or (batch, channels, rows, columns) with channels_first.
        depthwise_kernel: (rows, columns, channels, multiplier).
        pointwise_kernel: (1, 1, channels * multiplier, filters).
        strides, padding, data_format, dilation_rate: see conv2d.
    """
    padding, data_format, old = old_arguments("separable_conv2d", kwargs, padding, data_format)
    reject("separable_conv2d", kwargs)
    kernels = from_old_layout(depthwise_kernel, old), from_old_layout(pointwise_kernel, old)
    return _separable("separable_conv2d", x, *kernels, strides, padding, data_format, dilation_rate, 2)


# ------------------------------------------------------------------------------------- windows of their own weights


def _local(
    function: str, x: Any, kernel: Any, kernel_size: Any, strides: Any, data_format: Any, axes: int
) -> tuple[Tensor, tuple[DimLike, ...]]:
    """Multiply the window at each place by a matrix of its own; returns the number of windows as well."""
    first = channels_first(function, data_format)
    node, weights = map(as_float, operands(x, kernel))
    of_rank(function, "x", node, axes + 2)
    of_rank(function, "the kernel", weights, 3)
    window, steps = per_axis(function, "kernel_size", kernel_size, axes), per_axis(function, "strides", strides, axes)
    node = channels_to_last(node, first)
    counts = window_counts(node.shape[1:-1], window, steps, ((0, 0),) * axes)
    batch, channels = node.shape[0], node.shape[-1]
    # The elements of a window are numbered as they lie in memory: channels last, or channels first.
    at = [()]
    for size in window:
        at = [(*place, k) for place in at for k in range(size)]  # type: ignore[misc]
    parts = [
        s.slice_(node, (0, *place, 0), (batch, *counts, channels), (1, *steps, 1)) for place in at
    ]
    stacked = s.stack(parts, node.rank - 1 if not first else node.rank)
    features = size_of((len(at), channels))
    places = size_of(counts)
    rows = s.transpose(s.reshape(stacked, (batch, places, features)), (1, 0, 2))
    if weights.shape[:2] != (places, features):
        raise ShapeError(
            f"{function}: expected a kernel of shape ({places}, {features}, filters) for x of shape "
            f"{as_node(x).tensor_type.static_shape}, got {weights.tensor_type.static_shape}"
        )
    product = s.transpose(linalg.matmul(rows, weights), (1, 0, 2))
    return channels_back(s.reshape(product, (batch, *counts, weights.shape[2])), first), counts


def local_conv1d(inputs: Any, kernel: Any, kernel_size: Any, strides: Any, data_format: str | None = None) -> Tensor:
    """Convolve sequences with other weights at each place.

    Args:
        inputs: (batch, steps, channels), or (batch, channels, steps) with channels_first.
        kernel: (new steps, window * channels, filters).
        kernel_size: (window,).
        strides: (distance between windows,).
        data_format: "channels_last" or "channels_first".
    """
    return _local("local_conv1d", inputs, kernel, kernel_size, strides, data_format, 1)[0]


def local_conv2d(
    inputs: Any, kernel: Any, kernel_size: Any, strides: Any, output_shape: Any, data_format: str | None = None
) -> Tensor:
    """Convolve images with other weights at each place.

    Args:
        inputs: (batch, rows, columns, channels), or (batch, channels, rows, columns) with channels_first.
        kernel: (new rows * new columns, window rows * window columns * channels, filters).
        kernel_size: (window rows, window columns).
        strides: distances between windows.
        output_shape: (new rows, new columns).
        data_format: "channels_last" or "channels_first".
    """
    result, counts = _local("local_conv2d", inputs, kernel, kernel_size, strides, data_format, 2)
    if output_shape is not None and tuple(output_shape) != counts:
        raise ValueError(f"local_conv2d: output_shape is {tuple(output_shape)}, but {counts} windows fit")
    return result
