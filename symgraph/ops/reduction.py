"""Reductions over axes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from symgraph.graph.node import Node
from symgraph.graph.type import FLOATS, INTEGERS, DimLike, Shape, TensorType, broadcast_dims, minimum, size_of
from symgraph.ops import elementwise
from symgraph.ops.leaf import constant
from symgraph.ops.op import Op, ShapeError, declare, define
from symgraph.ops.shape import broadcast_to, dims, expand, full, reshape, reverse, slice_axis, transpose


def normalise_axes(axes: int | Iterable[int] | None, rank: int) -> tuple[int, ...]:
    """Return axes as sorted non-negative numbers; None means all of them.

    Raises:
        ShapeError: an axis is out of range or named twice.
    """
    if axes is None:
        return tuple(range(rank))
    numbers = [axes] if isinstance(axes, int) else [int(axis) for axis in axes]
    for axis in numbers:
        if not -rank <= axis < rank:
            raise ShapeError(f"axis {axis} is out of range for a tensor of {rank} dimensions")
    positive = sorted(axis % rank for axis in numbers)
    if len(set(positive)) != len(positive):
        raise ShapeError(f"axes {tuple(numbers)} name an axis twice")
    return tuple(positive)


def _infer(accepted: tuple[str, ...], result: str | None = None) -> Callable[..., TensorType]:
    def infer(x: TensorType, axes: tuple[int, ...], keepdims: bool) -> TensorType:
        if x.dtype not in accepted:
            raise TypeError(f"expected one of {', '.join(accepted)}, got {x}")
        return TensorType(result or x.dtype, reduced_shape(x.shape, axes, keepdims))

    return infer


def reduced_shape(shape: Shape, axes: tuple[int, ...], keepdims: bool) -> Shape:
    """Return the shape after a reduction."""
    if keepdims:
        return tuple(1 if axis in axes else dim for axis, dim in enumerate(shape))
    return tuple(dim for axis, dim in enumerate(shape) if axis not in axes)


def _restore(node: Node, value: Node) -> Node:
    """Give a reduced value the reduced axes back, as size 1, so that it broadcasts against the input."""
    return value if node.attrs["keepdims"] else expand(value, node.attrs["axes"])


NUMERIC = FLOATS + INTEGERS


@define("sum", kind="reduction", infer=_infer(NUMERIC))
def sum_op(node, grad):
    (x,) = node.inputs
    return (broadcast_to(_restore(node, grad), x.shape),)


@define("prod", kind="reduction", infer=_infer(NUMERIC), reads=("x",))
def prod_op(node, grad):
    """The product of the others: of those before times those after. Right, in all orders, where factors are 0."""
    (x,) = node.inputs
    axes = node.attrs["axes"]
    if not axes:
        return (grad,)
    kept = tuple(axis for axis in range(x.rank) if axis not in axes)
    order = (*axes, *kept)
    moved = transpose(x, order)
    rows = reshape(moved, (size_of(x.shape[axis] for axis in axes), *(x.shape[axis] for axis in kept)))
    others = _products_before(rows) * reverse(_products_before(reverse(rows, (0,))), (0,))
    back = transpose(reshape(others, moved.shape), tuple(order.index(axis) for axis in range(x.rank)))
    return (_restore(node, grad) * back,)


def _products_before(rows: Node) -> Node:
    """The product of all rows before each row."""
    from symgraph.ops.scan import scan

    def step(slices: list[Node], states: list[Node]) -> tuple[list[Node], list[Node]]:
        return [elementwise.mul(states[0], slices[0])], [states[0]]

    return scan(step, [rows], [full(rows.shape[1:], 1, rows.dtype)])[1][0]


def _gradient_of_extreme(node: Node, grad: Node) -> tuple[Node]:
    """Shared equally among equal extremes (as TensorFlow and Theano do)."""
    (x,) = node.inputs
    winners = elementwise.cast(elementwise.equal(x, _restore(node, node)), x.dtype)
    share = sum_(winners, node.attrs["axes"], keepdims=True)
    return (winners * (_restore(node, grad) / share),)


max_op = Op("max", kind="reduction", infer=_infer(NUMERIC), reads=("x", "output"), gradient=_gradient_of_extreme)
min_op = Op("min", kind="reduction", infer=_infer(NUMERIC), reads=("x", "output"), gradient=_gradient_of_extreme)
any_op = declare("any", kind="reduction", infer=_infer(("bool",)))
all_op = declare("all", kind="reduction", infer=_infer(("bool",)))


def _infer_arg(x: TensorType, axis: int) -> TensorType:
    if x.dtype not in NUMERIC:
        raise TypeError(f"expected numbers, got {x}")
    if not 0 <= axis < x.rank:
        raise ShapeError(f"axis {axis} is out of range for {x}")
    if x.shape[axis] == 0:
        raise ShapeError(f"cannot look for an extreme along axis {axis} of {x}: it is empty")
    return TensorType("int64", reduced_shape(x.shape, (axis,), False))


argmax_op = declare("argmax", infer=_infer_arg)
argmin_op = declare("argmin", infer=_infer_arg)

Axes = Any


def sum_(x: Node, axes: Axes = None, keepdims: bool = False) -> Node:
    return sum_op(x, axes=normalise_axes(axes, x.rank), keepdims=keepdims)


def prod(x: Node, axes: Axes = None, keepdims: bool = False) -> Node:
    return prod_op(x, axes=normalise_axes(axes, x.rank), keepdims=keepdims)


def max_(x: Node, axes: Axes = None, keepdims: bool = False) -> Node:
    return max_op(x, axes=normalise_axes(axes, x.rank), keepdims=keepdims)


def min_(x: Node, axes: Axes = None, keepdims: bool = False) -> Node:
    return min_op(x, axes=normalise_axes(axes, x.rank), keepdims=keepdims)


def any_(x: Node, axes: Axes = None, keepdims: bool = False) -> Node:
    return any_op(x, axes=normalise_axes(axes, x.rank), keepdims=keepdims)


def all_(x: Node, axes: Axes = None, keepdims: bool = False) -> Node:
    return all_op(x, axes=normalise_axes(axes, x.rank), keepdims=keepdims)


def mean(x: Node, axes: Axes = None, keepdims: bool = False) -> Node:
    """Return the mean, as the sum times the reciprocal of the count."""
    axes = normalise_axes(axes, x.rank)
    return sum_(x, axes, keepdims) / count(x.shape, axes, x.dtype)


def count(shape: Shape, axes: tuple[int, ...], dtype: str) -> Node:
    """Return the number of elements along axes as a scalar node."""
    number = size_of(shape[axis] for axis in axes)
    return constant(number, dtype) if isinstance(number, int) else elementwise.cast(dims((number,), scalar=True), dtype)


# ------------------------------------------------------------------------------------------------ mean and variance

#: Numbers along the first axis from which the shift of a variance is estimated.
_SAMPLES = 8


def _infer_variance(x: TensorType, mean: TensorType, axes: tuple[int, ...]) -> TensorType:
    kept = TensorType(x.dtype, reduced_shape(x.shape, axes, True))
    if x.dtype not in FLOATS or mean != kept:
        raise TypeError(f"the variance of {x} over the axes {axes} needs a mean of type {kept}, got {mean}")
    return kept


def _are_last(x: Node, axes: tuple[int, ...]) -> bool:
    return axes == tuple(range(x.rank - len(axes), x.rank))


def _variance(x: Node, mean: Node, axes: tuple[int, ...]) -> Node:
    number = count(x.shape, axes, x.dtype)
    if _are_last(x, axes):
        return sum_(elementwise.square(x - mean), axes, True) / number
    distance = x - _estimate(x, axes)
    offset = sum_(distance, axes, True) / number
    spread = sum_(elementwise.square(distance), axes, True) / number - elementwise.square(offset)
    return elementwise.maximum(spread, elementwise.zero(spread))


def _estimate(x: Node, axes: tuple[int, ...]) -> Node:
    """About the mean of x: that of a few numbers in the middle, without the largest and the smallest of them."""
    part = x
    for k, axis in enumerate(axes):
        size = x.shape[axis]
        start, taken = (0, minimum(_SAMPLES, size)) if k == 0 else (size // 2, minimum(1, size))
        part = slice_axis(part, axis, start, taken)
    number, total = count(part.shape, axes, x.dtype), sum_(part, axes, True)
    trimmed = total - max_(part, axes, True) - min_(part, axes, True)
    few = elementwise.less(number, constant(3, x.dtype))
    estimate = elementwise.where(few, total / number, trimmed / (number - 2))
    finite = elementwise.where(elementwise.is_finite(estimate), estimate, elementwise.zero(estimate))
    return elementwise.stop_gradient(finite)


@define("variance", infer=_infer_variance, reads=("x", "mean"), decompose=_variance)
def variance_op(node, grad):
    """The mean square of the distances from the mean. It is least there: that the mean moves makes no difference."""
    x, middle = node.inputs
    axes = node.attrs["axes"]
    return grad * ((x - middle) * (2 / count(x.shape, axes, x.dtype))), None


def moments(x: Node, axes: Axes) -> tuple[Node, Node]:
    """Return mean and variance over axes, which are kept with size 1.

    Over the last axes the variance is the mean square of the distances from the mean. Over others, where going through
    memory twice would cost much, both come from the sums of x - k and of its square (Chan, Golub and LeVeque,
    "Algorithms for computing the sample variance", 1983): k is the mean of at most eight numbers from the middle
    (without their extremes, for outliers), so mean and deviation may be of any size. The relative error of the variance
    is of the order (1 + d^2) units in the last place, where d is the distance of k from the mean in standard
    deviations: usually below 1, and never more than the square root of how many numbers there are.
    """
    axes = normalise_axes(axes, x.rank)
    if not axes or _are_last(x, axes):
        middle = mean(x, axes, True)
    else:
        near = _estimate(x, axes)
        middle = near + mean(x - near, axes, True)
    return middle, variance_op(x, middle, axes=axes)


# -------------------------------------------------------------------- summing a gradient to the shape of its input


def _infer_sum_to(x: TensorType, shape: Shape) -> TensorType:
    for target, dim in zip(shape, x.shape[x.rank - len(shape) :], strict=True):
        broadcast_dims(target, dim)  # notes what the run must decide
    return TensorType(x.dtype, shape)


@define("sum_to", infer=_infer_sum_to, decompose=lambda x, shape: sum_to(x, shape, decided=True))
def sum_to_op(node, grad):
    return (broadcast_to(grad, node.inputs[0].shape),)


def sum_to(x: Node, shape: Shape, decided: bool = False) -> Node:
    """Sum x over the axes along which `shape` was broadcast to the shape of x.

    Where only the run can tell whether an axis was broadcast (two different sizes that are not known yet), the node
    stays undecided; the compiler decides it when sizes are bound.
    """
    if x.shape == shape:
        return x
    extra = x.rank - len(shape)
    pairs = list(zip(shape, x.shape[extra:], strict=True))
    if not decided and any(_undecided(target, dim) for target, dim in pairs):
        return sum_to_op(x, shape=shape)
    kept = tuple(axis + extra for axis, (target, dim) in enumerate(pairs) if target == 1 and dim != 1)
    result = sum_(x, kept, keepdims=True) if kept else x
    if extra:
        result = sum_(result, tuple(range(extra)))
    return result if result.shape == shape else reshape(result, shape)


def _undecided(target: DimLike, dim: DimLike) -> bool:
    return target != dim and not isinstance(target, int)
