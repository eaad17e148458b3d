"""Prune: drop the outputs of loops that nobody reads, and what only they needed."""

from __future__ import annotations

from symgraph.compiler.graph import Graph, rebuild
from symgraph.graph.node import Node
from symgraph.graph.traverse import topological_order
from symgraph.ops.scan import Body, item, item_op, scan_op


def prune(graph: Graph) -> Graph:
    """Return the graph with loops reduced to what is read of them."""
    while True:
        read: dict[Node, set[int]] = {}
        for node in topological_order(graph.roots):
            if node.op is item_op:
                read.setdefault(node.inputs[0], set()).add(node.attrs["index"])
        smaller = {node: _pruned(node, wanted) for node, wanted in read.items() if node.op is scan_op}
        smaller = {node: new for node, new in smaller.items() if new is not None}
        if not smaller:
            return graph

        def rule(node: Node, inputs: tuple[Node, ...], smaller=smaller) -> Node:
            if node.op is item_op and node.inputs[0] in smaller:
                _, place = smaller[node.inputs[0]]
                return item(inputs[0], place[node.attrs["index"]])
            if node in smaller:
                (body, kept), _ = smaller[node]
                return scan_op(*(inputs[k] for k in kept), **{**node.attrs, "body": body})
            return rebuild(node, inputs)

        graph = graph.rewritten(rule)


def _pruned(node: Node, wanted: set[int]) -> tuple[tuple[Body, list[int]], dict[int, int]] | None:
    """Return ((smaller body, inputs kept), old -> new index of results), or None where all is needed."""
    body: Body = node.attrs["body"]
    states = len(body.states)
    kept_outputs = [k for k in range(len(body.outputs)) if states + k in wanted]
    outputs = tuple(body.outputs[k] for k in kept_outputs)
    needed = set(topological_order((*body.next_states, *outputs)))
    sequences = [k for k, inner in enumerate(body.sequences) if inner in needed]
    captured = [k for k, inner in enumerate(body.captured) if inner in needed]
    if (
        len(outputs) == len(body.outputs)
        and len(sequences) == len(body.sequences)
        and len(captured) == len(body.captured)
    ):
        return None
    smaller = Body(
        tuple(body.sequences[k] for k in sequences),
        body.states,
        tuple(body.captured[k] for k in captured),
        body.next_states,
        outputs,
    )
    first = len(body.sequences)
    kept = [*sequences, *range(first, first + states), *(first + states + k for k in captured)]
    place = {k: k for k in range(states)}
    place.update({states + old: states + new for new, old in enumerate(kept_outputs)})
    return (smaller, kept), place
