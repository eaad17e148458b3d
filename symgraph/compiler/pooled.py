"""Pooled: what is pooled of a convolution is pooled while its results are in the cache.

The results themselves are then written only where somebody else reads them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from symgraph.compiler.graph import Graph, rebuild
from symgraph.compiler.lowerings import Lowerings
from symgraph.graph.node import Node
from symgraph.graph.traverse import consumers, topological_order
from symgraph.graph.type import TensorType, TupleType
from symgraph.ops.conv import Pool, conv, fused_conv
from symgraph.ops.fused import Expression
from symgraph.ops.pool import average_pool, max_pool, max_pool_places
from symgraph.ops.scan import item, item_op

#: Operation -> its mode, and whether it gives places too.
_POOLS = {max_pool: ("max", False), max_pool_places: ("max", True), average_pool: ("average", False)}


def pooled(graph: Graph, lowerings: Lowerings) -> Graph:
    """Return the graph with poolings in the convolutions before them, where the executor can do that."""
    entry = lowerings.table.get(fused_conv.name)
    if entry is None or entry.pools is None:
        return graph
    order = topological_order(graph.roots)
    readers, roots = consumers(order), set(graph.roots)
    pool_of: dict[Node, Node] = {}  # a convolution -> the pooling that goes into it
    for node in order:
        if node.op not in _POOLS or node.attrs["window"] != node.attrs["strides"]:
            continue
        source = node.inputs[0].inputs[0] if node.inputs[0].op is item_op else node.inputs[0]
        unpadded = all(low == 0 and high == 0 for low, high in node.attrs["padding"])
        if unpadded and source.op in (conv, fused_conv) and source not in pool_of:
            if node.inputs[0].dtype == source.inputs[-1].dtype and entry.pools(source, node.attrs["window"]):
                pool_of[source] = node
    inside = {pooling: source for source, pooling in pool_of.items()}
    made: dict[Node, tuple[Node, list[int]]] = {}  # what such a convolution has become, and which results it has kept

    def is_read_besides(node: Node, pooling: Node) -> bool:
        return node in roots or any(reader is not pooling for reader in readers[node])

    def kept_results(source: Node) -> list[int]:
        """The results of a convolution that others than its pooling read."""
        pooling = pool_of[source]
        if isinstance(source.type, TensorType):
            return [0] if is_read_besides(source, pooling) else []
        return sorted({one.attrs["index"] for one in readers[source] if is_read_besides(one, pooling)})

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        if node in pool_of:
            kept = kept_results(node)
            new = _with_pool(node, inputs, pool_of[node], kept)
            new.source = new.source or node.source
            made[node] = new, kept
            return _result(new, 0) if isinstance(node.type, TensorType) else new
        if node in inside:
            new, kept = made[inside[node]]
            return new if node.op is max_pool_places else _result(new, len(kept))
        if node.op is item_op:
            (read,), index = node.inputs, node.attrs["index"]
            if read in inside:
                new, kept = made[inside[read]]
                return _result(new, len(kept) + index)
            if read in pool_of:
                new, kept = made[read]
                return _result(new, kept.index(index)) if index in kept else new
        return rebuild(node, inputs)

    return graph.rewritten(rule)


def _with_pool(node: Node, inputs: tuple[Node, ...], pooling: Node, kept: list[int]) -> Node:
    """A convolution that pools one of its results, and gives those that are kept."""
    attrs: dict[str, Any] = {**node.attrs}
    if node.op is conv:
        attrs |= {"expression": Expression((node.dtype,), (), (0,)), "shape": node.shape}
    expression = attrs["expression"]
    (source,) = pooling.inputs
    value = expression.results[source.attrs["index"] if source.op is item_op else 0]
    attrs["expression"] = replace(expression, results=tuple(expression.results[k] for k in kept))
    mode, places = _POOLS[pooling.op]
    return fused_conv(*inputs, **(attrs | {"pool": Pool(mode, pooling.attrs["window"], value, places)}))


def _result(node: Node, index: int) -> Node:
    """One result of a node that may have only that one."""
    return item(node, index) if isinstance(node.type, TupleType) else node
