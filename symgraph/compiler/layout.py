"""Layout: images stay in the order of axes in which convolutions compute them.

Convolutions and poolings work on channels-last images; a model of channels-first images transposes around each of them.
Here the transposition behind such an operation is moved past what follows - elementwise operations, reductions,
concatenations, padding, slices - until it meets the one before the next operation, and both vanish. What is left are
views, which are copied once where somebody needs their elements in order.

A transposition that nobody undoes would only be moved to a worse place, so others than those behind convolutions and
poolings are left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from symgraph.compiler.graph import Graph, rebuild
from symgraph.graph.node import Node
from symgraph.graph.traverse import consumers, topological_order
from symgraph.ops import shape as s
from symgraph.ops.op import REGISTRY

#: Operations whose results are channels-last images.
SPATIAL = ("conv", "conv_input_gradient", "max_pool", "max_pool_gradient", "max_pool_select", "average_pool",
           "average_pool_gradient")  # fmt: skip
Transpose = Callable[[Node, Sequence[int]], Node]
#: Attributes that hold one value an axis.
_BY_AXIS = {"embed": ("shape", "starts", "steps"), "slice": ("starts", "sizes", "steps")}


def layout(graph: Graph) -> Graph:
    """Return the graph with transpositions of images moved towards each other."""
    order = topological_order(graph.roots)
    if not any(node.op is s.transpose_op for node in order):
        return graph
    readers, roots = consumers(order), set(graph.roots)
    spatial = {REGISTRY[name] for name in SPATIAL}
    moved: set[Node] = set()  # transpositions that the pass made, or found behind an operation on images

    def transposed(x: Node, axes: Sequence[int]) -> Node:
        new = s.transpose(x, axes)
        if new.op is s.transpose_op:
            moved.add(new)
        return new

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        if node.op is s.transpose_op:
            (x,), axes = inputs, node.attrs["axes"]
            if x in moved:
                return transposed(x.inputs[0], [x.attrs["axes"][axis] for axis in axes])
            alone = len(readers[node.inputs[0]]) == 1 and node.inputs[0] not in roots
            if alone and x.op.kind == "elementwise" and any(_undoes(axes, one) for one in x.inputs if one in moved):
                operands = [_like(one, x.rank, axes) for one in x.inputs]
                return x.op(*operands, **x.attrs)
            new = rebuild(node, inputs)
            if x.op in spatial:
                moved.add(new)
            return new
        if not any(one in moved for one in inputs):
            return rebuild(node, inputs)
        return _past(node, inputs, moved, transposed) or rebuild(node, inputs)

    return graph.rewritten(rule)


def _undoes(axes: Sequence[int], other: Node) -> bool:
    """Whether transposing by `axes` brings back what `other`, a transposition, was made of."""
    before = other.attrs["axes"]
    return len(before) == len(axes) and [before[axis] for axis in axes] == list(range(len(axes)))


def _inverse(axes: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(range(len(axes)), key=lambda axis: axes[axis]))


def _like(x: Node, rank: int, axes: Sequence[int]) -> Node:
    """An operand of an elementwise operation over `rank` axes, with the axes transposed; it broadcasts as before."""
    if x.op is s.transpose_op and _undoes(axes, x):
        return x.inputs[0]
    if x.rank == 0:
        return x
    full = s.reshape(x, (*(1,) * (rank - x.rank), *x.shape)) if x.rank < rank else x
    if sum(dim != 1 for dim in full.shape) <= 1:  # nothing changes its place in memory
        return s.reshape(full, [full.shape[axis] for axis in axes])
    return s.transpose(full, axes)


def _past(node: Node, inputs: tuple[Node, ...], moved: set[Node], transposed: Transpose) -> Node | None:
    """An operation on transposed images as the transposition of one on images; None where it is not to be moved."""
    first = next(one for one in inputs if one in moved)
    axes = first.attrs["axes"]
    if node.op.kind == "elementwise":
        return _elementwise(node, inputs, moved, axes, transposed)
    if not all(one in moved and one.attrs["axes"] == axes for one in inputs):
        return None
    bases = [one.inputs[0] for one in inputs]
    if node.op.kind == "reduction":
        return _reduction(node, bases[0], axes, transposed)
    if node.op is s.concatenate_op:
        return transposed(node.op(*bases, axis=axes[node.attrs["axis"]]), axes)
    if node.op.name in _BY_AXIS:
        back = _inverse(axes)
        changed = {name: tuple(node.attrs[name][axis] for axis in back) for name in _BY_AXIS[node.op.name]}
        return transposed(node.op(*bases, **{**node.attrs, **changed}), axes)
    return None


def _elementwise(
    node: Node, inputs: tuple[Node, ...], moved: set[Node], axes: Sequence[int], transposed: Transpose
) -> Node | None:
    """Where all large operands are transposed in the same way; small ones follow."""
    operands = []
    back = _inverse(axes)
    whole = False
    for one in inputs:
        if one in moved and one.attrs["axes"] == axes:
            whole = whole or one.shape == node.shape
            operands.append(one.inputs[0])
            continue
        if one.op is s.broadcast_op:
            one = one.inputs[0]
        if one.rank > len(axes) or sum(dim != 1 for dim in one.shape) > 1:
            return None
        operands.append(_like(one, len(axes), back))
    if not whole or node.rank != len(axes):
        return None
    new = node.op(*operands, **node.attrs)
    new.source = new.source or node.source
    return transposed(new, axes)


def _reduction(node: Node, base: Node, axes: Sequence[int], transposed: Transpose) -> Node:
    """A reduction over other axes of the base; axes that stay come into their order by a view."""
    reduced = tuple(sorted(axes[axis] for axis in node.attrs["axes"]))
    new = node.op(base, **{**node.attrs, "axes": reduced})
    new.source = new.source or node.source
    if node.attrs["keepdims"]:
        return transposed(new, axes)
    left = [axis for axis in range(base.rank) if axis not in reduced]
    return transposed(new, [left.index(axes[axis]) for axis in range(base.rank) if axis not in node.attrs["axes"]])
