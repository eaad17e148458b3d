"""Pointwise: a convolution whose windows are single elements is a matrix product, over every stride-th element.

What follows a matrix product is then computed with it (`symgraph.compiler.fuse`), and of strided ones only the elements
that are read are touched. The gradient of the kernel stays a convolution, which sums in parts of the batch, but of the
elements that count.
"""

from __future__ import annotations

from symgraph.compiler.graph import Graph, rebuild
from symgraph.compiler.lowerings import Lowerings
from symgraph.graph.node import Node
from symgraph.graph.type import Shape, size_of
from symgraph.ops import elementwise as e
from symgraph.ops.conv import conv, conv_input_gradient, conv_kernel_gradient
from symgraph.ops.linalg import fused_matmul, matmul
from symgraph.ops.shape import embed, embed_op, reshape, slice_


def pointwise(graph: Graph, lowerings: Lowerings) -> Graph:
    """Return the graph with products in place of such convolutions, where the executor computes what follows them."""
    if fused_matmul.name not in lowerings.table:
        return graph

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        new = rebuild(node, inputs)
        made = _product(new) or _sum_of_embedded(new)
        if made is None:
            return new
        made.source = made.source or node.source
        return made

    return graph.rewritten(rule)


def _is_pointwise(node: Node, window: Shape) -> bool:
    return (
        node.attrs["groups"] == 1
        and all(size == 1 for size in window)
        and all(low == 0 and high == 0 for low, high in node.attrs["padding"])
    )


def _product(node: Node) -> Node | None:
    """A convolution of single elements - or what it sends back - by products; None for any other node."""
    if node.op is conv:
        x, kernel = node.inputs
        if _is_pointwise(node, kernel.shape[:-2]):
            return reshape(matmul(_rows(_read(node, x, node.shape)), _matrix(kernel)), node.shape)
    if node.op is conv_input_gradient:
        grad, kernel = node.inputs
        if _is_pointwise(node, kernel.shape[:-2]):
            product = matmul(_rows(grad), _matrix(kernel), transpose_y=True)
            strides = node.attrs["strides"]
            sent = reshape(product, (*grad.shape[:-1], node.shape[-1]))
            if all(stride == 1 for stride in strides):
                return sent
            return embed(sent, node.shape, (0,) * node.rank, (1, *strides, 1))
    if node.op is conv_kernel_gradient:
        x, grad = node.inputs
        if _is_pointwise(node, node.shape[:-2]) and any(stride != 1 for stride in node.attrs["strides"]):
            attrs = {**node.attrs, "strides": (1,) * len(node.attrs["strides"])}
            return conv_kernel_gradient(_read(node, x, grad.shape), grad, **attrs)
    return None


def _read(node: Node, x: Node, result: Shape) -> Node:
    """The elements of the input that a convolution reads."""
    return slice_(x, (0,) * x.rank, (*result[:-1], x.shape[-1]), (1, *node.attrs["strides"], 1))


def _rows(x: Node) -> Node:
    return reshape(x, (size_of(x.shape[:-1]), x.shape[-1]))


def _matrix(kernel: Node) -> Node:
    return reshape(kernel, kernel.shape[-2:])


def _sum_of_embedded(node: Node) -> Node | None:
    """A sum of two arrays with the same places among zeros: add before the zeros come in."""
    if node.op is not e.add or not all(one.op is embed_op and one.attrs["value"] == 0 for one in node.inputs):
        return None
    (one, other), (first, second) = node.inputs, (read.attrs for read in node.inputs)
    if first != second or one.inputs[0].shape != other.inputs[0].shape:
        return None
    return embed_op(one.inputs[0] + other.inputs[0], **first)
