"""Elementwise operations: one value from the values at the same place of the inputs, after NumPy's broadcasting."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, Union

from symgraph.graph.node import Node
from symgraph.graph.type import FLOATS, INTEGERS, TensorType, broadcast_shapes, dtype_name
from symgraph.ops.leaf import constant
from symgraph.ops.op import REGISTRY, Op, ShapeError, declare, static

NUMERIC = FLOATS + INTEGERS


def _infer(accepted: Sequence[str], result: str | None = None) -> Callable[..., TensorType]:
    """Return the type rule of operations on inputs of one of the accepted element types."""

    def infer(*types: TensorType, **attrs: Any) -> TensorType:
        dtype = types[0].dtype
        if dtype not in accepted or any(other.dtype != dtype for other in types):
            raise TypeError(f"expected inputs of one element type out of {', '.join(accepted)}, got {static(types)}")
        return TensorType(result or dtype, broadcast(types))

    return infer


def broadcast(types: Sequence[TensorType]) -> tuple:
    """Return the common shape of inputs, or raise an error that shows them."""
    if len(types) == 1:
        return types[0].shape
    shape = broadcast_shapes(*(type.shape for type in types))
    if shape is None:
        shapes = " and ".join(str(type.static_shape) for type in types)
        raise ShapeError(f"shapes {shapes} cannot be broadcast together: sizes must be equal, or one of them 1")
    return shape


any_dtype = _infer((*NUMERIC, "bool"))
numeric = _infer(NUMERIC)
floating = _infer(FLOATS)
comparison = _infer((*NUMERIC, "bool"), result="bool")
predicate = _infer(FLOATS, result="bool")
logical = _infer(("bool",))

Gradient = Callable[[Node, Node], Sequence[Union[Node, None]]]


def pointwise(name: str, *, infer: Callable[..., TensorType], reads: tuple[str, ...] = ()) -> Callable[[Gradient], Op]:
    """Declare an elementwise operation; gradients of broadcast inputs are summed to the shape of the input."""

    def declare_pointwise(gradient: Gradient) -> Op:
        @functools.wraps(gradient)
        def reduced(node: Node, grad: Node) -> tuple[Node | None, ...]:
            from symgraph.ops.reduction import sum_to

            parts = zip(gradient(node, grad), node.inputs, strict=True)
            return tuple(None if part is None else sum_to(part, source.shape) for part, source in parts)

        return Op(name, kind="elementwise", infer=infer, reads=reads, gradient=reduced, documentation=gradient.__doc__)

    return declare_pointwise


def flat(name: str, *, infer: Callable[..., TensorType]) -> Op:
    """Declare an elementwise operation whose derivative is zero wherever it exists."""
    return declare(name, kind="elementwise", infer=infer)


# ------------------------------------------------------------------------------------------------- arithmetic


@pointwise("add", infer=numeric)
def add(node, grad):
    return grad, grad


@pointwise("sub", infer=numeric)
def sub(node, grad):
    return grad, -grad


@pointwise("mul", infer=numeric, reads=("x", "y"))
def mul(node, grad):
    x, y = node.inputs
    return grad * y, grad * x


@pointwise("div", infer=floating, reads=("y", "output"))
def div(node, grad):
    _, y = node.inputs
    quotient = grad / y
    return quotient, -quotient * node


@pointwise("pow", infer=numeric, reads=("x", "y", "output"))
def pow(node, grad):
    x, y = node.inputs
    with_base = grad * y * pow(x, y - 1)
    if y.constant is not None:
        return with_base, None
    safe = where(greater(x, zero(x)), x, one(x))
    return with_base, grad * where(greater(x, zero(x)), node * log(safe), zero(x))


@pointwise("floordiv", infer=numeric)
def floordiv(node, grad):
    return None, None


@pointwise("mod", infer=numeric, reads=("x", "y"))
def mod(node, grad):
    x, y = node.inputs
    return grad, -grad * floordiv(x, y)


@pointwise("neg", infer=numeric)
def neg(node, grad):
    return (-grad,)


@pointwise("abs", infer=numeric, reads=("x",))
def abs(node, grad):
    return (grad * sign(node.inputs[0]),)


@pointwise("square", infer=numeric, reads=("x",))
def square(node, grad):
    return (grad * (node.inputs[0] * 2),)


@pointwise("maximum", infer=numeric, reads=("x", "y"))
def maximum(node, grad):
    x, y = node.inputs
    first = greater_equal(x, y)
    return where(first, grad, zero(grad)), where(first, zero(grad), grad)


@pointwise("minimum", infer=numeric, reads=("x", "y"))
def minimum(node, grad):
    x, y = node.inputs
    first = less_equal(x, y)
    return where(first, grad, zero(grad)), where(first, zero(grad), grad)


sign = flat("sign", infer=numeric)
floor = flat("floor", infer=floating)
ceil = flat("ceil", infer=floating)
round_half_even = flat("round", infer=floating)

# --------------------------------------------------------------------------------------- exponentials and friends


@pointwise("exp", infer=floating, reads=("output",))
def exp(node, grad):
    return (grad * node,)


@pointwise("expm1", infer=floating, reads=("output",))
def expm1(node, grad):
    return (grad * (node + 1),)


@pointwise("log", infer=floating, reads=("x",))
def log(node, grad):
    return (grad / node.inputs[0],)


@pointwise("log1p", infer=floating, reads=("x",))
def log1p(node, grad):
    return (grad / (node.inputs[0] + 1),)


@pointwise("sqrt", infer=floating, reads=("output",))
def sqrt(node, grad):
    return (grad * 0.5 / node,)


@pointwise("rsqrt", infer=floating, reads=("x", "output"))
def rsqrt(node, grad):
    return (grad * -0.5 * node / node.inputs[0],)


@pointwise("tanh", infer=floating, reads=("output",))
def tanh(node, grad):
    return (grad * (1 - square(node)),)


@pointwise("sigmoid", infer=floating, reads=("output",))
def sigmoid(node, grad):
    return (grad * (node * (1 - node)),)


@pointwise("softplus", infer=floating, reads=("x",))
def softplus(node, grad):
    """log(1 + exp(x)), without overflow."""
    return (grad * sigmoid(node.inputs[0]),)


@pointwise("erf", infer=floating, reads=("x",))
def erf(node, grad):
    return (grad * exp(-square(node.inputs[0])) * (2 / math.sqrt(math.pi)),)


@pointwise("sin", infer=floating, reads=("x",))
def sin(node, grad):
    return (grad * cos(node.inputs[0]),)


@pointwise("cos", infer=floating, reads=("x",))
def cos(node, grad):
    return (-grad * sin(node.inputs[0]),)


@pointwise("relu", infer=numeric, reads=("output",))
def relu(node, grad):
    """max(x, 0); the derivative at 0 is 0."""
    return (where(greater(node, zero(node)), grad, zero(grad)),)


# ------------------------------------------------------------------------------------- comparisons, logic, choice

equal = flat("equal", infer=comparison)
not_equal = flat("not_equal", infer=comparison)
less = flat("less", infer=comparison)
less_equal = flat("less_equal", infer=comparison)
greater = flat("greater", infer=comparison)
greater_equal = flat("greater_equal", infer=comparison)
logical_and = flat("logical_and", infer=logical)
logical_or = flat("logical_or", infer=logical)
logical_not = flat("logical_not", infer=logical)
is_nan = flat("is_nan", infer=predicate)
is_finite = flat("is_finite", infer=predicate)


def _infer_where(condition: TensorType, x: TensorType, y: TensorType) -> TensorType:
    if condition.dtype != "bool" or x.dtype != y.dtype:
        raise TypeError(f"expected a bool condition and two values of one type, got {static((condition, x, y))}")
    return TensorType(x.dtype, broadcast((condition, x, y)))


@pointwise("where", infer=_infer_where, reads=("condition",))
def where(node, grad):
    condition = node.inputs[0]
    return None, where(condition, grad, zero(grad)), where(condition, zero(grad), grad)


def _infer_cast(x: TensorType, dtype: str) -> TensorType:
    return TensorType(dtype_name(dtype), x.shape)


@pointwise("cast", infer=_infer_cast)
def cast_op(node, grad):
    return (cast(grad, node.inputs[0].dtype),)


#: The value itself, a constant for gradients; no executor sees it.
stop_gradient = declare("stop_gradient", kind="elementwise", infer=any_dtype, decompose=lambda x: x)


# ------------------------------------------------------------------------------------------------ conveniences


def cast(x: Node, dtype: str) -> Node:
    """Return x in another element type; x itself where it has it already."""
    return x if x.dtype == dtype else cast_op(x, dtype=dtype)


def zero(like: Node) -> Node:
    """Return the scalar 0 in the element type of a node."""
    return constant(0, like.dtype)


def one(like: Node) -> Node:
    """Return the scalar 1 in the element type of a node."""
    return constant(1, like.dtype)


#: Every elementwise operation by name, in the order of declaration.
NAMES = tuple(name for name, op in REGISTRY.items() if op.kind == "elementwise")
