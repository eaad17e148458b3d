"""Pooling over one to three spatial axes, channels last: (batch, *spatial, channels) -> (batch, *windows, channels)."""

from __future__ import annotations

import math

from symgraph.graph.node import Node
from symgraph.graph.type import FLOATS, Shape, TensorType, TupleType, equal
from symgraph.ops.op import ShapeError, declare, define
from symgraph.ops.window import Padding, window_counts


def _infer_pool(x: TensorType, window: tuple, strides: tuple, padding: Padding) -> TensorType:
    axes = len(window)
    if x.dtype not in FLOATS:
        raise TypeError(f"pooling: expected a floating-point array, got {x}")
    if x.rank != axes + 2:
        raise ShapeError(f"pooling over {axes} axes: expected {axes + 2} dimensions, got shape {x.static_shape}")
    if len(strides) != axes or len(padding) != axes or min((*strides, *window), default=1) < 1:
        raise ShapeError(f"pooling: window {window}, strides {strides} and padding {padding} do not fit together")
    for (before, after), size in zip(padding, window, strict=True):
        if any(isinstance(amount, int) and amount >= size for amount in (before, after)):
            raise ShapeError(f"pooling: padding ({before}, {after}) makes windows of {size} without elements")
    return TensorType(x.dtype, (x.shape[0], *window_counts(x.shape[1:-1], window, strides, padding), x.shape[-1]))


def _expect(x: TensorType, given: TensorType, window: tuple, strides: tuple, padding: Padding) -> None:
    wanted = _infer_pool(x, window, strides, padding)
    if given.dtype != x.dtype or given.rank != wanted.rank:
        raise ShapeError(f"gradient of pooling: expected {wanted}, got {given}")
    if not all(equal(a, b) for a, b in zip(given.shape, wanted.shape, strict=True)):
        raise ShapeError(f"gradient of pooling: expected {wanted}, got {given}")


@define("max_pool", infer=_infer_pool, reads=("x",))
def max_pool(node, grad):
    """The largest element of each window. The gradient goes to the first of equal ones."""
    (x,) = node.inputs
    return (max_pool_gradient(x, grad, **node.attrs),)


def _infer_max_pool_gradient(
    x: TensorType, grad: TensorType, window: tuple, strides: tuple, padding: Padding
) -> TensorType:
    _expect(x, grad, window, strides, padding)
    return x


@define("max_pool_gradient", infer=_infer_max_pool_gradient, reads=("x",))
def max_pool_gradient(node, grad):
    """The gradient of each window added to the place of its largest element in x, the first of equal ones."""
    x, _ = node.inputs
    return None, max_pool_select(x, grad, **node.attrs)


def _infer_max_pool_select(
    x: TensorType, values: TensorType, window: tuple, strides: tuple, padding: Padding
) -> TensorType:
    if values.dtype != x.dtype or values.rank != x.rank or not all(map(equal, values.shape, x.shape)):
        raise ShapeError(f"selecting by the maximum: expected values {x}, got {values}")
    return _infer_pool(x, window, strides, padding)


@define("max_pool_select", infer=_infer_max_pool_select, reads=("x",))
def max_pool_select(node, grad):
    """The value that stands, in another array, where x has the largest element of each window."""
    x, _ = node.inputs
    return None, max_pool_gradient(x, grad, **node.attrs)


#: The type of a number that says which element of a window is meant.
PLACES, MOST_PLACES = "uint8", 256


def _infer_places(x: TensorType, window: tuple, strides: tuple, padding: Padding) -> TupleType:
    assert math.prod(window) <= MOST_PLACES
    pooled = _infer_pool(x, window, strides, padding)
    return TupleType((pooled, TensorType(PLACES, pooled.shape)))


def _infer_places_gradient(
    places: TensorType, grad: TensorType, input_shape: Shape, window: tuple, strides: tuple, padding: Padding
) -> TensorType:
    x = TensorType(grad.dtype, input_shape)
    _expect(x, grad, window, strides, padding)
    assert places == TensorType(PLACES, grad.shape)
    return x


#: The largest element of each window, and its number in the window (in row-major order): all that its gradient needs.
#: `symgraph.compiler.unpool` makes it, and its gradient.
max_pool_places = declare("max_pool_places", infer=_infer_places, has_gradient=False)
max_pool_places_gradient = declare("max_pool_places_gradient", infer=_infer_places_gradient, has_gradient=False)


@define("average_pool", infer=_infer_pool)
def average_pool(node, grad):
    """The mean of each window; padding does not count."""
    (x,) = node.inputs
    return (average_pool_gradient(grad, input_shape=x.shape, **node.attrs),)


def _infer_average_pool_gradient(
    grad: TensorType, input_shape: Shape, window: tuple, strides: tuple, padding: Padding
) -> TensorType:
    x = TensorType(grad.dtype, input_shape)
    _expect(x, grad, window, strides, padding)
    return x


@define("average_pool_gradient", infer=_infer_average_pool_gradient)
def average_pool_gradient(node, grad):
    """The gradient of each window divided evenly among its elements."""
    attrs = {name: node.attrs[name] for name in ("window", "strides", "padding")}
    return (average_pool(grad, **attrs),)


def pool(x: Node, mode: str, window: tuple, strides: tuple, padding: Padding) -> Node:
    """Return the pooled array; mode is "max" or "average"."""
    op = max_pool if mode == "max" else average_pool
    return op(x, window=tuple(window), strides=tuple(strides), padding=padding)
