"""Reading an expression as it will be after some updates."""

from __future__ import annotations

from symgraph.compiler.graph import rebuild
from symgraph.graph.node import Node
from symgraph.graph.tensor import Tensor
from symgraph.graph.traverse import rewrite

__all__ = ["after_updates"]


def after_updates(tensors: list, updates: list) -> list:
    """Tensors with each updated variable replaced by its new value.

    All updates of a function read the old values; this is how a result that depends on the new ones is asked for.

    # Arguments
        tensors: tensors, or numbers (which stay as they are).
        updates: updates as `K.update` makes them, or `(variable, new value)` pairs.
    """
    new_values: dict[Node, Node] = {}
    for variable, value in updates:
        new_values[variable.node] = value.node

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        return new_values[node] if node in new_values else rebuild(node, inputs)

    replaced = rewrite([tensor.node for tensor in tensors if isinstance(tensor, Tensor)], rule)
    return [Tensor(replaced[tensor.node], tensor.name) if isinstance(tensor, Tensor) else tensor for tensor in tensors]
