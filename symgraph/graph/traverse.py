"""Walking and rewriting graphs without recursion."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable

from symgraph.graph.node import Node


def topological_order(outputs: Iterable[Node], stop: Container[Node] = ()) -> list[Node]:
    """Return every node the outputs depend on, each after its inputs, in a fixed order.

    Nodes in `stop` are listed, but what is below them is not.
    """
    order: list[Node] = []
    done: set[Node] = set()
    for output in outputs:
        if output in done:
            continue
        stack: list[tuple[Node, int]] = [(output, 0)]
        opened = {output}
        while stack:
            node, position = stack.pop()
            inputs = () if node in stop else node.inputs
            while position < len(inputs) and (inputs[position] in done or inputs[position] in opened):
                position += 1
            if position < len(inputs):
                stack.append((node, position + 1))
                opened.add(inputs[position])
                stack.append((inputs[position], 0))
            else:
                done.add(node)
                order.append(node)
    return order


def rewrite(
    outputs: Iterable[Node], rule: Callable[[Node, tuple[Node, ...]], Node], stop: Container[Node] = ()
) -> dict[Node, Node]:
    """Rebuild the graph from its leaves up; `rule(node, new_inputs)` returns the replacement of each node.

    Nodes in `stop` stay as they are, with all that is below them.
    """
    replaced: dict[Node, Node] = {}
    for node in topological_order(outputs, stop):
        replaced[node] = node if node in stop else rule(node, tuple(replaced[i] for i in node.inputs))
    return replaced


def consumers(order: Iterable[Node], stop: Container[Node] = ()) -> dict[Node, list[Node]]:
    """Return for each node the nodes that read it (once per reading input); nodes in `stop` read nothing."""
    readers: dict[Node, list[Node]] = {}
    for node in order:
        readers.setdefault(node, [])
        for read in () if node in stop else node.inputs:
            readers[read].append(node)
    return readers
