"""What passes work on before there is a program: a graph with named ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from symgraph.graph.node import Node
from symgraph.graph.traverse import rewrite


@dataclass(frozen=True)
class Graph:
    """Inputs, outputs and updates of a function.

    Attributes:
        inputs: placeholder nodes, in the order of the caller's arguments.
        outputs: nodes to return.
        updates: (leaf, new value) pairs; every read sees the old values.
        note: what the last pass has to say of it, for `symgraph.explain`.
    """

    inputs: tuple[Node, ...]
    outputs: tuple[Node, ...]
    updates: tuple[tuple[Node, Node], ...] = ()
    note: str = ""

    @property
    def roots(self) -> tuple[Node, ...]:
        """Every node that must be computed."""
        return (*self.outputs, *(value for _, value in self.updates))

    def rewritten(self, rule: Callable[[Node, tuple[Node, ...]], Node]) -> Graph:
        """Apply a rewrite rule to every node, from the leaves up."""
        targets = tuple(target for target, _ in self.updates)
        replaced = rewrite((*self.inputs, *targets, *self.roots), rule)
        return Graph(
            tuple(replaced[node] for node in self.inputs),
            tuple(replaced[node] for node in self.outputs),
            tuple((replaced[target], replaced[value]) for target, value in self.updates),
        )


def rebuild(node: Node, inputs: tuple[Node, ...]) -> Node:
    """Return the node on other inputs, keeping the user's source line."""
    if inputs == node.inputs:
        return node
    new = node.op(*inputs, **node.attrs)
    if new.source is None:
        new.source = node.source
    return new
