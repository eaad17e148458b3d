"""Convolutions over one to three spatial axes, channels last.

A convolution is linear in its input and linear in its kernel, so three operations make a family that is closed under
differentiation: the convolution itself, and what it sends back to its input and to its kernel.

    x (batch, *spatial, channels), kernel (*window, channels / groups, filters) -> (batch, *windows, filters)

As everywhere in the field, the kernel is not flipped (a cross-correlation). With groups, the channels and the filters
are split into as many runs, and each run of filters sees its run of channels only; groups = channels makes a depthwise
convolution.
"""

from __future__ import annotations

from dataclasses import dataclass

from symgraph.graph.node import Node
from symgraph.graph.type import FLOATS, Shape, TensorType, TupleType, Type, equal
from symgraph.ops.fused import Expression
from symgraph.ops.op import ShapeError, declare, define, static
from symgraph.ops.pool import PLACES
from symgraph.ops.window import Padding, window_counts


def _check(name: str, x: TensorType, kernel: TensorType, strides: tuple, padding: Padding, dilation: tuple) -> None:
    if x.dtype != kernel.dtype or x.dtype not in FLOATS:
        raise TypeError(f"{name}: expected two arrays of one floating-point type, got {static((x, kernel))}")
    axes = len(strides)
    if x.rank != axes + 2 or kernel.rank != axes + 2:
        raise ShapeError(
            f"{name} over {axes} axes: expected {axes + 2} dimensions each, got {x.static_shape} and "
            f"{kernel.static_shape}"
        )
    if len(padding) != axes or len(dilation) != axes or min((*strides, *dilation), default=1) < 1:
        raise ShapeError(f"{name}: strides {strides}, padding {padding} and dilation {dilation} do not fit together")


def _check_groups(name: str, x: TensorType, kernel: TensorType, groups: int) -> None:
    channels, filters = kernel.shape[-2] * groups, kernel.shape[-1]
    if 0 in kernel.shape:
        raise ShapeError(f"{name}: a kernel of shape {kernel.static_shape} has no elements")
    if not equal(x.shape[-1], channels):
        raise ShapeError(
            f"{name}: the input has {x.shape[-1]} channels (shape {x.static_shape}), but a kernel of shape "
            f"{kernel.static_shape} is for {channels}"
        )
    if isinstance(filters, int) and filters % groups:
        raise ShapeError(f"{name}: {filters} filters cannot be split into {groups} groups")


def _infer_conv(
    x: TensorType, kernel: TensorType, strides: tuple, padding: Padding, dilation: tuple, groups: int
) -> TensorType:
    _check("convolution", x, kernel, strides, padding, dilation)
    _check_groups("convolution", x, kernel, groups)
    counts = window_counts(x.shape[1:-1], kernel.shape[:-2], strides, padding, dilation)
    return TensorType(x.dtype, (x.shape[0], *counts, kernel.shape[-1]))


def _expect(name: str, given: TensorType, wanted: TensorType) -> None:
    if given.rank != wanted.rank or not all(equal(a, b) for a, b in zip(given.shape, wanted.shape, strict=True)):
        raise ShapeError(f"{name}: expected shape {wanted.static_shape}, got {given.static_shape}")


def _infer_input_gradient(
    grad: TensorType,
    kernel: TensorType,
    input_shape: Shape,
    strides: tuple,
    padding: Padding,
    dilation: tuple,
    groups: int,
) -> TensorType:
    name = "transposed convolution"
    _check(name, grad, kernel, strides, padding, dilation)
    x = TensorType(grad.dtype, input_shape)
    _expect(name, grad, _infer_conv(x, kernel, strides, padding, dilation, groups))
    return x


def _infer_kernel_gradient(
    x: TensorType,
    grad: TensorType,
    kernel_shape: Shape,
    strides: tuple,
    padding: Padding,
    dilation: tuple,
    groups: int,
) -> TensorType:
    name = "kernel gradient"
    _check(name, x, grad, strides, padding, dilation)
    kernel = TensorType(grad.dtype, kernel_shape)
    _expect(name, grad, _infer_conv(x, kernel, strides, padding, dilation, groups))
    return kernel


def _geometry(node: Node) -> dict:
    return {name: node.attrs[name] for name in ("strides", "padding", "dilation", "groups")}


@define("conv", infer=_infer_conv, reads=("x", "kernel"))
def conv(node, grad):
    """Each filter's sum of products with the window at each place.

    Attributes: strides and dilation, one number for each spatial axis; padding, a pair (before, after) for each;
    groups.
    """
    x, kernel = node.inputs
    how = _geometry(node)
    return (
        conv_input_gradient(grad, kernel, input_shape=x.shape, **how),
        conv_kernel_gradient(x, grad, kernel_shape=kernel.shape, **how),
    )


@define("conv_input_gradient", infer=_infer_input_gradient, reads=("grad", "kernel"))
def conv_input_gradient(node, grad):
    """What a convolution sends back to its input of shape `input_shape`; by itself the transposed convolution."""
    given, kernel = node.inputs
    how = _geometry(node)
    return conv(grad, kernel, **how), conv_kernel_gradient(grad, given, kernel_shape=kernel.shape, **how)


@define("conv_kernel_gradient", infer=_infer_kernel_gradient, reads=("x", "grad"))
def conv_kernel_gradient(node, grad):
    """What a convolution sends back to its kernel of shape `kernel_shape`."""
    x, given = node.inputs
    how = _geometry(node)
    return conv_input_gradient(given, grad, input_shape=x.shape, **how), conv(x, grad, **how)


def _infer_fused_conv(*types: TensorType, expression: Expression, shape: Shape, pool: Pool | None, **how) -> Type:
    x, kernel = types[-2:]
    result = _infer_conv(x, kernel, **how)
    return _finished_type(result, expression, shape, pool)


def _infer_fused_input_gradient(
    *types: TensorType, expression: Expression, shape: Shape, pool: Pool | None, **how
) -> Type:
    grad, kernel = types[-2:]
    result = _infer_input_gradient(grad, kernel, **how)
    return _finished_type(result, expression, shape, pool)


def _finished_type(result: TensorType, expression: Expression, shape: Shape, pool: Pool | None) -> Type:
    assert result.shape == shape and result.dtype == expression.operands[-1]
    items = [TensorType(expression.dtype(value), shape) for value in expression.results]
    if pool is not None:
        counts = window_counts(shape[1:-1], pool.window, pool.window, ((0, 0),) * len(pool.window))
        pooled = (shape[0], *counts, shape[-1])
        items.append(TensorType(expression.dtype(pool.value), pooled))
        items += [TensorType(PLACES, pooled)] * pool.places
    return items[0] if len(items) == 1 else TupleType(tuple(items))


@dataclass(frozen=True)
class Pool:
    """Pooling over windows next to each other that is done together with a convolution.

    Attributes:
        mode: "max" or "average".
        window: the sizes of a window, which are its strides too.
        value: the number of the value of the expression that is pooled.
        places: whether the place of the largest number in each window is a result too (see `max_pool_places`).
    """

    mode: str
    window: tuple[int, ...]
    value: int
    places: bool = False


#: A convolution, and an expression of its results at every place: the last two inputs are those of the convolution,
#: which is the last operand of the expression; the other inputs are the other operands. The results are those of the
#: expression, then what `pool` says. What `symgraph.compiler.fuse` and `symgraph.compiler.pooled` make.
fused_conv = declare("fused_conv", infer=_infer_fused_conv, has_gradient=False)

#: The same with what a convolution sends back to its input.
fused_conv_input_gradient = declare(
    "fused_conv_input_gradient", infer=_infer_fused_input_gradient, has_gradient=False
)
