"""Matrix products."""

from __future__ import annotations

from symgraph.graph.node import Node
from symgraph.graph.type import FLOATS, Shape, TensorType, Type, equal, size_of
from symgraph.ops.fused import Expression, fused_type
from symgraph.ops.op import ShapeError, declare, define, static
from symgraph.ops.shape import reshape, transpose


def _infer_matmul(x: TensorType, y: TensorType, transpose_x: bool, transpose_y: bool) -> TensorType:
    if x.dtype != y.dtype or x.dtype not in FLOATS:
        raise TypeError(f"expected two arrays of one floating-point type, got {static((x, y))}")
    if x.rank != y.rank or x.rank < 2:
        raise ShapeError(f"expected two arrays of the same 2 or more dimensions, got {static((x, y))}")
    rows, inner = x.shape[-2:][::-1] if transpose_x else x.shape[-2:]
    other, columns = y.shape[-2:][::-1] if transpose_y else y.shape[-2:]
    if not equal(inner, other) or not all(equal(a, b) for a, b in zip(x.shape[:-2], y.shape[:-2], strict=True)):
        raise ShapeError(
            f"matrix product of {x.static_shape} and {y.static_shape}: {inner} columns do not meet {other} rows"
        )
    return TensorType(x.dtype, (*x.shape[:-2], rows, columns))


@define("matmul", infer=_infer_matmul, reads=("x", "y"))
def matmul_op(node, grad):
    x, y = node.inputs
    if node.attrs["transpose_x"]:
        for_x = matmul(y, grad, node.attrs["transpose_y"], True)
    else:
        for_x = matmul(grad, y, False, not node.attrs["transpose_y"])
    if node.attrs["transpose_y"]:
        for_y = matmul(grad, x, True, node.attrs["transpose_x"])
    else:
        for_y = matmul(x, grad, not node.attrs["transpose_x"], False)
    return for_x, for_y


def _infer_fused_matmul(
    *types: TensorType, transpose_x: bool, transpose_y: bool, expression: Expression, shape: Shape
) -> Type:
    product = _infer_matmul(types[-2], types[-1], transpose_x, transpose_y)
    assert equal(product.shape[0], size_of(shape[:-1])) and equal(product.shape[1], shape[-1])
    assert product.dtype == expression.operands[-1]
    return fused_type(expression, shape)


#: An expression at every place of a matrix product, which is never stored: the last two inputs are its matrices, and
#: it is the last operand of the expression; the other inputs are the other operands. The rows of the product may have
#: several axes in `shape`.
fused_matmul = declare("fused_matmul", infer=_infer_fused_matmul, has_gradient=False)


def matmul(x: Node, y: Node, transpose_x: bool = False, transpose_y: bool = False) -> Node:
    """Return the products of the matrices in the last two axes, pair by pair over equal leading axes."""
    return matmul_op(x, y, transpose_x=transpose_x, transpose_y=transpose_y)


def dot(x: Node, y: Node) -> Node:
    """Sum over the last axis of x and the last but one of y (the only one, if y is a vector), as `numpy.dot` does.

    Raises:
        ShapeError: an operand has no axis to sum over, or the sizes differ.
    """
    if x.rank == 0 or y.rank == 0:
        raise ShapeError(f"dot of {x.tensor_type.static_shape} and {y.tensor_type.static_shape}: a scalar has no axes")
    shared = x.shape[-1]
    other = y.shape[-2] if y.rank > 1 else y.shape[0]
    if not equal(shared, other):
        raise ShapeError(
            f"dot of {x.tensor_type.static_shape} and {y.tensor_type.static_shape}: "
            f"the last size of the first, {shared}, must equal {'the last but one' if y.rank > 1 else 'the size'} "
            f"of the second, {other}"
        )
    axis = max(y.rank - 2, 0)
    kept = tuple(k for k in range(y.rank) if k != axis)
    columns = tuple(y.shape[k] for k in kept)
    matrix = reshape(transpose(y, (axis, *kept)), (other, size_of(columns)))
    rows = reshape(x, (size_of(x.shape[:-1]), shared))
    return reshape(matmul(rows, matrix), (*x.shape[:-1], *columns))
