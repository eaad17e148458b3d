"""Epilogue: make one operation of a convolution, the bias that is added to it, and an activation.

The results are finished while they are in registers, instead of being written, read and written again.
"""

from __future__ import annotations

from symgraph.compiler.graph import Graph, rebuild
from symgraph.compiler.lowerings import Lowerings
from symgraph.graph.node import Node
from symgraph.graph.traverse import consumers, topological_order
from symgraph.graph.type import equal
from symgraph.ops import elementwise as e
from symgraph.ops.conv import conv, conv_epilogue
from symgraph.ops.shape import reshape


def epilogue(graph: Graph, lowerings: Lowerings) -> Graph:
    """Return the graph with biases and activations in the convolutions before them, where the executor can do that."""
    entry = lowerings.table.get(conv_epilogue.name)
    if entry is None:
        return graph
    order = topological_order(graph.roots)
    readers, roots = consumers(order), set(graph.roots)

    def passes_on(node: Node) -> bool:
        """Whether a node is read once, so that nobody misses it."""
        return len(readers[node]) == 1 and node not in roots

    def is_biased(node: Node) -> bool:
        """Whether a node is the sum of a convolution and one number a filter."""
        return node.op is e.add and any(
            one.op is conv
            and passes_on(one)
            and one.shape == node.shape
            and (entry.dtypes is None or one.dtype in entry.dtypes)
            and _is_bias(other, one)
            for one, other in (node.inputs, node.inputs[::-1])
        )

    biased = {node for node in order if is_biased(node)}
    activated = {node for node in order if node.op is e.relu and node.inputs[0] in biased and passes_on(node.inputs[0])}
    inside = {node.inputs[0] for node in activated}

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        new = rebuild(node, inputs)
        if node in activated:
            return _finished(inputs[0], "relu", new)
        if node in biased and node not in inside:
            return _finished(new, "linear", new)
        return new

    return graph.rewritten(rule)


def _is_bias(node: Node, result: Node) -> bool:
    """Whether a node holds one number for each filter of a convolution's result."""
    return (
        0 < node.rank <= result.rank
        and node.dtype == result.dtype
        and equal(node.shape[-1], result.shape[-1])
        and all(equal(dim, 1) for dim in node.shape[:-1])
    )


def _finished(total: Node, activation: str, last: Node) -> Node:
    """The sum of a convolution and a bias as one operation with an activation; it takes the place of `last`."""
    one, other = total.inputs if _is_sum(*total.inputs) else total.inputs[::-1]
    made = conv_epilogue(*one.inputs, reshape(other, other.shape[-1:]), activation=activation, **one.attrs)
    made.source = made.source or last.source
    return made


def _is_sum(one: Node, other: Node) -> bool:
    return one.op is conv and _is_bias(other, one)
