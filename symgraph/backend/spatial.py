"""Pooling, padding and resizing of sequences, images and volumes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symgraph.backend.arguments import (
    channels_back,
    channels_to_last,
    of_rank,
    old_arguments,
    padding_mode,
    per_axis,
    reject,
)
from symgraph.backend.nn import channels_first
from symgraph.graph.convert import as_float, as_node
from symgraph.graph.node import Node
from symgraph.graph.tensor import Tensor
from symgraph.ops import pool
from symgraph.ops import shape as s
from symgraph.ops.window import padding_for

__all__ = [
    "asymmetric_spatial_2d_padding", "asymmetric_temporal_padding", "pool1d", "pool2d", "pool3d", "resize_images",
    "resize_volumes", "spatial_2d_padding", "spatial_3d_padding", "temporal_padding",
]  # fmt: skip


# ------------------------------------------------------------------------------------------------------- pooling


def _pool(
    function: str, x: Any, pool_size: Any, strides: Any, padding: Any, data_format: Any, pool_mode: Any, axes: int
) -> Tensor:
    first = channels_first(function, data_format)
    node = channels_to_last(of_rank(function, "x", as_float(x), axes + 2), first)
    modes = {"max": "max", "avg": "average", "ave": "average"}
    if pool_mode not in modes:
        raise ValueError(f"{function}: pool_mode must be 'max' or 'avg', got {pool_mode!r}")
    window, steps = per_axis(function, "pool_size", pool_size, axes), per_axis(function, "strides", strides, axes)
    around = padding_for(padding_mode(function, padding), node.shape[1:-1], window, steps, (1,) * axes)
    return channels_back(pool.pool(node, modes[pool_mode], window, steps, around), first)


def pool1d(
    x: Any,
    pool_size: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    pool_mode: str = "max",
) -> Tensor:
    """Reduce windows of sequences to their maximum or mean (see pool2d)."""
    return _pool("pool1d", x, pool_size, strides, padding, data_format, pool_mode, 1)


def pool2d(
    x: Any,
    pool_size: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    pool_mode: str = "max",
    **kwargs: Any,
) -> Tensor:
    """Reduce windows of images to their maximum or mean; padding does not count in the mean.

    Args:
        x: (batch, rows, columns, channels), or (batch, channels, rows, columns) with channels_first.
        pool_size: (rows, columns) of a window.
        strides: distances between windows.
        padding: "valid" or "same" (`border_mode` in Keras 1).
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
        pool_mode: "max" or "avg".
    """
    padding, data_format, _ = old_arguments("pool2d", kwargs, padding, data_format)
    reject("pool2d", kwargs)
    return _pool("pool2d", x, pool_size, strides, padding, data_format, pool_mode, 2)


def pool3d(
    x: Any,
    pool_size: Any,
    strides: Any = (1, 1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    pool_mode: str = "max",
    **kwargs: Any,
) -> Tensor:
    """Reduce windows of volumes to their maximum or mean (see pool2d)."""
    padding, data_format, _ = old_arguments("pool3d", kwargs, padding, data_format)
    reject("pool3d", kwargs)
    return _pool("pool3d", x, pool_size, strides, padding, data_format, pool_mode, 3)


# ---------------------------------------------------------------------------------------------- padding, resizing


def _pairs(function: str, padding: Any, axes: int) -> list[tuple[int, int]]:
    """Return (before, after) for each axis, from pairs or from one number for both sides."""
    entries = list(padding)
    if len(entries) != axes:
        raise ValueError(f"{function}: padding must have {axes} entries, one for each axis, got {padding!r}")
    pairs = [(entry, entry) if isinstance(entry, int) else tuple(entry) for entry in entries]
    if any(len(pair) != 2 or min(pair) < 0 for pair in pairs):
        raise ValueError(f"{function}: padding must be pairs (before, after) of numbers from 0 on, got {padding!r}")
    return pairs  # type: ignore[return-value]


def _pad(function: str, x: Any, pairs: Sequence[tuple[int, int]], first: bool) -> Tensor:
    node = of_rank(function, "x", as_node(x), len(pairs) + 2)
    none = [(0, 0)]
    return Tensor(s.pad(node, [*none, *none, *pairs] if first else [*none, *pairs, *none]))


def temporal_padding(x: Any, padding: Any = (1, 1)) -> Tensor:
    """Add zeros before and after the steps of (batch, steps, channels); one number means both sides."""
    return _pad("temporal_padding", x, _pairs("temporal_padding", [padding], 1), False)


def asymmetric_temporal_padding(x: Any, left_pad: int = 1, right_pad: int = 1) -> Tensor:
    """Add zeros before and after the steps of (batch, steps, channels) (the name of Keras 1)."""
    return temporal_padding(x, (left_pad, right_pad))


def spatial_2d_padding(
    x: Any, padding: Any = ((1, 1), (1, 1)), data_format: str | None = None, dim_ordering: str | None = None
) -> Tensor:
    """Add zeros around images.

    Args:
        x: (batch, rows, columns, channels), or (batch, channels, rows, columns) with channels_first.
        padding: ((top, bottom), (left, right)), or (rows, columns) for both sides.
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
    """
    first = channels_first("spatial_2d_padding", data_format, dim_ordering)
    return _pad("spatial_2d_padding", x, _pairs("spatial_2d_padding", padding, 2), first)


def asymmetric_spatial_2d_padding(
    x: Any,
    top_pad: int = 1,
    bottom_pad: int = 1,
    left_pad: int = 1,
    right_pad: int = 1,
    dim_ordering: str = "default",
) -> Tensor:
    """Add zeros around images (the name of Keras 1; see spatial_2d_padding)."""
    return spatial_2d_padding(x, ((top_pad, bottom_pad), (left_pad, right_pad)), dim_ordering=dim_ordering)


def spatial_3d_padding(
    x: Any, padding: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None, dim_ordering: str | None = None
) -> Tensor:
    """Add zeros around volumes (see spatial_2d_padding)."""
    first = channels_first("spatial_3d_padding", data_format, dim_ordering)
    return _pad("spatial_3d_padding", x, _pairs("spatial_3d_padding", padding, 3), first)


def _repeated(node: Node, factors: dict[int, int]) -> Node:
    """Repeat each element along some axes: one copy, however many they are."""
    shape: list[Any] = []
    whole: list[Any] = []
    inserted = []
    for axis, dim in enumerate(node.shape):
        shape.append(dim)
        whole.append(dim * factors.get(axis, 1))
        if axis in factors:
            inserted.append(len(shape))
            shape.append(factors[axis])
    return s.reshape(s.broadcast_to(s.expand(node, inserted), tuple(shape)), tuple(whole))


def _interpolated(node: Node, axis: int, factor: int) -> Node:
    """Put `factor` elements in the place of each, linearly on the way to the next.

    The new element r of old element k lies at k + r / factor; beyond the last one the edge is repeated.
    """
    n = node.shape[axis]
    after = s.concatenate([s.slice_axis(node, axis, 1, n - 1), s.slice_axis(node, axis, n - 1, 1)], axis)
    parts = [node, *(node * (1 - r / factor) + after * (r / factor) for r in range(1, factor))]
    whole = (*node.shape[:axis], n * factor, *node.shape[axis + 1 :])
    return s.reshape(s.stack(parts, axis + 1), whole)


def _resize(function: str, x: Any, factors: Sequence[Any], layout: Any, interpolation: str) -> Tensor:
    first = channels_first(function, layout)
    if interpolation not in ("nearest", "bilinear"):
        raise ValueError(f"{function}: interpolation must be 'nearest' or 'bilinear', got {interpolation!r}")
    node = as_node(x) if interpolation == "nearest" else as_float(x)
    of_rank(function, "x", node, len(factors) + 2)
    larger = {
        axis: factor
        for axis, factor in enumerate(per_axis(function, "factors", factors, len(factors)), start=2 if first else 1)
        if factor > 1
    }
    if interpolation == "nearest":
        return Tensor(_repeated(node, larger))
    for axis, factor in larger.items():
        node = _interpolated(node, axis, factor)
    return Tensor(node)


def resize_images(
    x: Any,
    height_factor: int,
    width_factor: int,
    data_format: str | None = None,
    interpolation: str = "nearest",
    dim_ordering: str | None = None,
) -> Tensor:
    """Enlarge images by whole factors.

    Args:
        x: (batch, rows, columns, channels), or (batch, channels, rows, columns) with channels_first.
        height_factor, width_factor: positive whole numbers.
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
        interpolation: "nearest" repeats elements; "bilinear" interpolates linearly from each to the next.
    """
    layout = data_format if data_format is not None else dim_ordering
    return _resize("resize_images", x, (height_factor, width_factor), layout, interpolation)


def resize_volumes(
    x: Any,
    depth_factor: int,
    height_factor: int,
    width_factor: int,
    data_format: str | None = None,
    dim_ordering: str | None = None,
) -> Tensor:
    """Enlarge volumes by whole factors, repeating elements (see resize_images)."""
    layout = data_format if data_format is not None else dim_ordering
    return _resize("resize_volumes", x, (depth_factor, height_factor, width_factor), layout, "nearest")
