"""Stabilise: replace formulas that overflow or cancel by equal ones that do not.

It comes before fusion, which would hide the patterns.
"""

from __future__ import annotations

from symgraph.compiler.graph import Graph, rebuild
from symgraph.compiler.simplify import scalar_of
from symgraph.graph.node import Node
from symgraph.ops import elementwise as e


def stabilise(graph: Graph) -> Graph:
    """Return the graph with log(sigmoid), log(1 + x), log(1 - x), exp(x) - 1 and log(1 + exp(x)) in stable form."""
    return graph.rewritten(lambda node, inputs: _stable(rebuild(node, inputs)))


def _stable(node: Node) -> Node:
    if node.op is e.log:
        (x,) = node.inputs
        if x.op is e.sigmoid:
            return -e.softplus(-x.inputs[0])
        if x.op is e.add:
            for one, other in (x.inputs, x.inputs[::-1]):
                if scalar_of(one) == 1 and other.shape == node.shape:
                    return _log1p(other)
        if x.op is e.sub and scalar_of(x.inputs[0]) == 1 and x.inputs[1].shape == node.shape:
            subtracted = x.inputs[1]
            if subtracted.op is e.sigmoid:
                return -e.softplus(subtracted.inputs[0])
            return e.log1p(-subtracted)
    if node.op is e.log1p and node.inputs[0].op is e.exp:
        return e.softplus(node.inputs[0].inputs[0])
    if node.op is e.sub and node.inputs[0].op is e.exp and scalar_of(node.inputs[1]) == 1:
        return e.expm1(node.inputs[0].inputs[0]) if node.inputs[0].shape == node.shape else node
    return node


def _log1p(x: Node) -> Node:
    return e.softplus(x.inputs[0]) if x.op is e.exp else e.log1p(x)
