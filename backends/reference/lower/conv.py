"""Convolutions in NumPy: one matrix product for each place of the window."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from symgraph.backends.reference.table import register


def padded(x: np.ndarray, padding, value: float = 0.0) -> np.ndarray:
    """Return x with `value` around its spatial axes."""
    return np.pad(x, [(0, 0), *padding, (0, 0)], constant_values=value)


def interior(array: np.ndarray, padding) -> np.ndarray:
    """Return the part of a padded array that is not padding."""
    inner = (slice(before, n - after) for n, (before, after) in zip(array.shape[1:-1], padding, strict=True))
    return array[(slice(None), *inner)]


def places(window, counts, strides, dilation) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
    """Yield each place of the window with the slices of a padded array that the windows have there."""
    for place in np.ndindex(*window):
        spatial = (
            slice(at * apart, at * apart + (count - 1) * stride + 1, stride)
            for at, apart, count, stride in zip(place, dilation, counts, strides, strict=True)
        )
        yield place, (slice(None), *spatial)


def _wide(*arrays: np.ndarray) -> list[np.ndarray]:
    """Half floats are computed in float32."""
    return [array.astype(np.float32) if array.dtype.itemsize == 2 else array for array in arrays]


def _in_groups(array: np.ndarray, groups: int) -> np.ndarray:
    return array.reshape(*array.shape[:-1], groups, array.shape[-1] // groups)


@register("conv")
def conv(attrs, x, kernel):
    dtype = x.dtype
    x, kernel = _wide(x, kernel)
    groups, window = attrs["groups"], kernel.shape[:-2]
    source = padded(x, attrs["padding"])
    counts = [
        (n - (size - 1) * apart - 1) // stride + 1
        for n, size, apart, stride in zip(source.shape[1:-1], window, attrs["dilation"], attrs["strides"], strict=True)
    ]
    result = np.zeros((x.shape[0], *counts, groups, kernel.shape[-1] // groups), x.dtype)
    if 0 not in counts:
        for place, there in places(window, counts, attrs["strides"], attrs["dilation"]):
            weights = _in_groups(kernel[place], groups)
            result += np.einsum("...gc,cgo->...go", _in_groups(source[there], groups), weights, optimize=True)
    return result.reshape(*result.shape[:-2], kernel.shape[-1]).astype(dtype)


@register("conv_input_gradient")
def conv_input_gradient(attrs, grad, kernel):
    dtype = grad.dtype
    grad, kernel = _wide(grad, kernel)
    groups, shape = attrs["groups"], attrs["input_shape"]
    result = padded(np.zeros(shape, grad.dtype), attrs["padding"])
    given = _in_groups(grad, groups)
    if 0 not in grad.shape:
        for place, there in places(kernel.shape[:-2], grad.shape[1:-1], attrs["strides"], attrs["dilation"]):
            part = np.einsum("...go,cgo->...gc", given, _in_groups(kernel[place], groups), optimize=True)
            result[there] += part.reshape(*part.shape[:-2], shape[-1])
    return interior(result, attrs["padding"]).astype(dtype)


@register("conv_kernel_gradient")
def conv_kernel_gradient(attrs, x, grad):
    dtype = x.dtype
    x, grad = _wide(x, grad)
    groups, shape = attrs["groups"], attrs["kernel_shape"]
    source, given = padded(x, attrs["padding"]), _in_groups(grad, groups)
    result = np.zeros(shape, x.dtype)
    if 0 not in grad.shape:
        rows = given.reshape(-1, *given.shape[-2:])
        for place, there in places(shape[:-2], grad.shape[1:-1], attrs["strides"], attrs["dilation"]):
            seen = _in_groups(source[there], groups)
            seen = seen.reshape(-1, *seen.shape[-2:])
            result[place] = np.einsum("ngc,ngo->cgo", seen, rows, optimize=True).reshape(shape[-2:])
    return result.astype(dtype)
