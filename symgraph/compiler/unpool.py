"""Unpool: do to small pooled arrays what would be done to the large arrays that they came from.

Each number of the gradient of a maximum goes to one element of its window. So what is done to the whole gradient
afterwards can be done before, where windows and not elements are counted:

- the gradient of a relu before the pooling: an element passes it on if it is positive, which is to say that the
  maximum of its window is;
- a sum over all places (the gradient of a bias): no window is without elements, padding is always smaller.

Where both a maximum and its gradient are made, the maximum also says which element of each window it is: one byte for
each window instead of the array that it came from, which need not be kept - nor be there - for the gradient.
"""

from __future__ import annotations

import math

from symgraph.compiler.graph import Graph, rebuild
from symgraph.compiler.lowerings import Lowerings
from symgraph.compiler.simplify import scalar_of
from symgraph.graph.node import Node
from symgraph.graph.traverse import topological_order
from symgraph.ops import elementwise as e
from symgraph.ops.pool import MOST_PLACES, max_pool, max_pool_gradient, max_pool_places, max_pool_places_gradient
from symgraph.ops.reduction import sum_op
from symgraph.ops.scan import item


def unpool(graph: Graph) -> Graph:
    """Return the graph with choices by sign and sums moved before the gradients of maxima that they follow."""
    pooled = {node for node in topological_order(graph.roots) if node.op is max_pool}
    made: dict[Node, Node] = {}  # an old maximum -> the one of the new graph

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        new = rebuild(node, inputs)
        if node in pooled:
            made[node] = new
        if new.op is e.where:
            return _choice(new, set(made.values())) or new
        return _sum(new) if new.op is sum_op else new

    return graph.rewritten(rule)


def keep_places(graph: Graph, lowerings: Lowerings) -> Graph:
    """Return the graph with maxima that say where they stand, and gradients made of that alone."""
    if not {max_pool_places.name, max_pool_places_gradient.name} <= lowerings.table.keys():
        return graph
    order = topological_order(graph.roots)
    maxima = {(node.inputs[0], node.attrs) for node in order if node.op is max_pool}
    both = {(node.inputs[0], node.attrs) for node in order if node.op is max_pool_gradient} & maxima
    both = {(x, attrs) for x, attrs in both if math.prod(attrs["window"]) <= MOST_PLACES}

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        if node.op not in (max_pool, max_pool_gradient) or (node.inputs[0], node.attrs) not in both:
            return rebuild(node, inputs)
        made = max_pool_places(inputs[0], **node.attrs)
        if node.op is max_pool:
            new = item(made, 0)
        else:
            new = max_pool_places_gradient(item(made, 1), inputs[1], input_shape=inputs[0].shape, **node.attrs)
        made.source, new.source = made.source or node.source, new.source or node.source
        return new

    return graph.rewritten(rule)


def _choice(node: Node, maxima: set[Node]) -> Node | None:
    """where(x > 0, the gradient of a maximum of x, 0), with the choice made before; None for anything else."""
    condition, grad, other = node.inputs
    if condition.op is not e.greater or grad.op is not max_pool_gradient or scalar_of(other) != 0:
        return None
    x, given = grad.inputs
    largest = max_pool(x, **grad.attrs)
    if condition.inputs[0] is not x or scalar_of(condition.inputs[1]) != 0 or largest not in maxima:
        return None
    chosen = e.where(e.greater(largest, condition.inputs[1]), given, other)
    return max_pool_gradient(x, chosen, **grad.attrs)


def _sum(node: Node) -> Node:
    """The sum of the gradient of a maximum over all places as the sum over all windows; any other node as it is."""
    (grad,) = node.inputs
    places = set(range(1, grad.rank - 1))
    if grad.op is not max_pool_gradient or not places <= set(node.attrs["axes"]):
        return node
    return sum_op(grad.inputs[1], **node.attrs)
