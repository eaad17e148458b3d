"""Decompose: rewrite what the executor has no lowering for into operations that it has.

Also the element types that an executor cannot compute in (half floats on most CPUs) are replaced here: the operation
is done in float32 between two casts.
"""

from __future__ import annotations

from symgraph.compiler.graph import Graph, rebuild
from symgraph.compiler.lowerings import Lowerings
from symgraph.graph.node import Node
from symgraph.graph.traverse import rewrite
from symgraph.graph.type import TensorType
from symgraph.ops.elementwise import cast

#: Kinds that need no lowering: leaves and views cost nothing, structure is spelt out by the schedule.
FREE = ("leaf", "view", "structure")


class LoweringError(NotImplementedError):
    """The executor has no lowering for an operation, and the operation no decomposition."""


def decompose(graph: Graph, lowerings: Lowerings) -> Graph:
    """Return a graph of operations that the executor can lower.

    Raises:
        LoweringError: an operation has neither a lowering there nor a decomposition.
    """

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        node = rebuild(node, inputs)
        op = node.op
        if op.kind in FREE:
            return node
        if not lowerings.has(op):
            if op.decompose is None:
                place = f", asked for at {node.source}," if node.source else ""
                raise LoweringError(
                    f"the executor {lowerings.executor!r} has no lowering for the operation {op.name!r}{place} and it "
                    f"has no decomposition; register one in its table of lowerings"
                )
            made = op.decompose(*node.inputs, **node.attrs)
            return rewrite([made], rule, stop=set(node.inputs))[made]
        if op.kind in ("general", "reduction") and isinstance(node.type, TensorType):
            wide = lowerings.computes_in(op, node.dtype)
            if wide != node.dtype:
                widened = [cast(read, wide) if read.dtype == node.dtype else read for read in node.inputs]
                attrs = {**node.attrs, "dtype": wide} if "dtype" in node.attrs else node.attrs
                return cast(op(*widened, **attrs), node.dtype)
        return node

    return graph.rewritten(rule)
