"""Pooling in NumPy: one pass for each place of the window."""

from __future__ import annotations

import numpy as np

from symgraph.backends.reference.lower.conv import interior, padded, places
from symgraph.backends.reference.table import register


def _counts(attrs, source: np.ndarray) -> list[int]:
    return [
        (n - size) // stride + 1
        for n, size, stride in zip(source.shape[1:-1], attrs["window"], attrs["strides"], strict=True)
    ]


def _each(attrs, counts):
    return places(attrs["window"], counts, attrs["strides"], (1,) * len(counts))


@register("max_pool")
def max_pool(attrs, x):
    source = padded(x, attrs["padding"], -np.inf)
    counts = _counts(attrs, source)
    result = np.full((x.shape[0], *counts, x.shape[-1]), -np.inf, x.dtype)
    if 0 not in counts:
        for _, there in _each(attrs, counts):
            result = np.maximum(result, source[there])
    return result


def _winners(attrs, x):
    """Yield, for each place of the window, its slices and which windows have their first maximum there."""
    inside = padded(np.ones(x.shape, bool), attrs["padding"], False)
    source = padded(x, attrs["padding"], -np.inf)
    best = max_pool(attrs, x)
    taken = np.zeros(best.shape, bool)
    if 0 in best.shape:
        return
    for _, there in _each(attrs, best.shape[1:-1]):
        seen = source[there]
        first = ((seen == best) | (np.isnan(seen) & np.isnan(best))) & inside[there] & ~taken
        taken |= first
        yield there, first


@register("max_pool_gradient")
def max_pool_gradient(attrs, x, grad):
    result = padded(np.zeros(x.shape, np.float32 if x.dtype.itemsize == 2 else x.dtype), attrs["padding"])
    for there, first in _winners(attrs, x):
        result[there] += np.where(first, grad, grad.dtype.type(0))
    return interior(result, attrs["padding"]).astype(x.dtype)


@register("max_pool_select")
def max_pool_select(attrs, x, values):
    source = padded(values, attrs["padding"])
    result = np.zeros(max_pool(attrs, x).shape, values.dtype)
    for there, first in _winners(attrs, x):
        result = np.where(first, source[there], result)
    return result


def _sizes(attrs, shape, counts) -> np.ndarray:
    """The number of elements in each window, padding not counted."""
    inside = padded(np.ones((1, *shape[1:-1], 1)), attrs["padding"])
    total = np.zeros((1, *counts, 1))
    for _, there in _each(attrs, counts):
        total += inside[there]
    return total


@register("average_pool")
def average_pool(attrs, x):
    wide = np.float32 if x.dtype.itemsize == 2 else x.dtype
    source = padded(x.astype(wide), attrs["padding"])
    counts = _counts(attrs, source)
    total = np.zeros((x.shape[0], *counts, x.shape[-1]), wide)
    if 0 in counts:
        return total.astype(x.dtype)
    for _, there in _each(attrs, counts):
        total += source[there]
    return (total / _sizes(attrs, x.shape, counts).astype(wide)).astype(x.dtype)


@register("average_pool_gradient")
def average_pool_gradient(attrs, grad):
    wide = np.float32 if grad.dtype.itemsize == 2 else grad.dtype
    shape, counts = attrs["input_shape"], grad.shape[1:-1]
    result = padded(np.zeros(shape, wide), attrs["padding"])
    if 0 not in grad.shape:
        share = grad.astype(wide) / _sizes(attrs, shape, counts).astype(wide)
        for _, there in _each(attrs, counts):
            result[there] += share
    return interior(result, attrs["padding"]).astype(grad.dtype)
