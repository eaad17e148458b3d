"""The list of passes, in order. This is the whole compiler, read from top to bottom."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from symgraph.compiler.alias import alias
from symgraph.compiler.decompose import decompose
from symgraph.compiler.fuse import fuse
from symgraph.compiler.graph import Graph
from symgraph.compiler.layout import layout
from symgraph.compiler.lowerings import Lowerings
from symgraph.compiler.memory import plan_memory
from symgraph.compiler.pointwise import pointwise
from symgraph.compiler.pooled import pooled
from symgraph.compiler.program import Program
from symgraph.compiler.prune import prune
from symgraph.compiler.recompute import FAST, recompute
from symgraph.compiler.rows import gather_sums, touch_rows
from symgraph.compiler.schedule import schedule
from symgraph.compiler.simplify import simplify
from symgraph.compiler.specialise import Decided, specialise
from symgraph.compiler.stabilise import stabilise
from symgraph.compiler.sweep import sweep
from symgraph.compiler.unpool import keep_places, unpool
from symgraph.graph.node import Node
from symgraph.graph.traverse import topological_order
from symgraph.graph.type import Atom

Evaluate = Callable[[Node, tuple[np.ndarray, ...]], np.ndarray]


@dataclass(frozen=True)
class Context:
    """What passes may know besides the graph.

    Attributes:
        lowerings: what the executor can do.
        evaluate: computes an elementwise node on arrays, for folding constants.
        decided: how sizes that were unknown relate in the call at hand.
        fixed: placeholders with a known value (the learning phase).
        sizes: values of the symbols in the call at hand.
        memory: "fast" or "small" (see `symgraph.compiler.recompute`).
    """

    lowerings: Lowerings
    evaluate: Evaluate
    decided: tuple[Decided, ...] = ()
    fixed: Mapping[Node, Any] = field(default_factory=dict)
    sizes: Mapping[Atom, int] = field(default_factory=dict)
    memory: str = FAST


@dataclass(frozen=True)
class Pass:
    """One pass: its name, why it stands where it stands, and what it does."""

    name: str
    reason: str
    run: Callable[[Any, Context], Any]


#: Graph -> Graph. The body of a loop goes through those from `simplify` on as well, when it is scheduled.
GRAPH_PASSES = (
    Pass("specialise", "first: the branch not taken and sizes that agree make everything after it smaller",
         lambda graph, context: specialise(graph, context.decided, context.fixed)),
    Pass("simplify", "before patterns are looked for: it brings them to one form",
         lambda graph, context: simplify(graph, context.evaluate)),
    Pass("stabilise", "before decompose and fuse, which hide the patterns",
         lambda graph, context: stabilise(graph)),
    Pass("decompose", "before fuse, so that the pieces of what the executor lacks are fused too",
         lambda graph, context: decompose(graph, context.lowerings)),
    Pass("simplify again", "decompositions leave ones, zeros and broadcasts behind",
         lambda graph, context: simplify(graph, context.evaluate)),
    Pass("layout", "before the passes that look for neighbours: transpositions stand between them",
         lambda graph, context: layout(graph)),
    Pass("prune", "after the last pass that can drop a reader of a loop",
         lambda graph, context: prune(graph)),
    Pass("sums of rows", "before fuse, which makes the reading of such sums part of a loop",
         lambda graph, context: gather_sums(graph, context.lowerings, context.sizes)),
    Pass("unpool", "before fuse, which makes loops of choices and sums",
         lambda graph, context: unpool(graph)),
    Pass("pointwise", "after layout, which knows convolutions; before fuse, which looks for products",
         lambda graph, context: pointwise(graph, context.lowerings)),
    Pass("places", "after unpool, which looks for gradients of maxima",
         lambda graph, context: keep_places(graph, context.lowerings)),
    Pass("fuse", "last of those that change expressions",
         lambda graph, context: fuse(graph, context.lowerings)),
    Pass("pooled", "after fuse: it looks at what is pooled of convolutions with all that follows them",
         lambda graph, context: pooled(graph, context.lowerings)),
    Pass("touch rows", "after fuse: it looks at updates that have become one loop",
         lambda graph, context: touch_rows(graph, context.lowerings)),
    Pass("sweep", "after fuse, whose loops and reductions it joins, and after touch rows, which looks at single loops",
         lambda graph, context: sweep(graph, context.lowerings)),
    Pass("recompute", "last of those on graphs: it looks at what loops write for each other",
         lambda graph, context: recompute(graph, context.memory, context.sizes)),
)  # fmt: skip

#: Graph -> Program -> Program.
PROGRAM_PASSES = (
    Pass("schedule", "from expressions to steps over buffers",
         lambda graph, context: schedule(graph, context.lowerings, lambda body: _prepared(body, context))),
    Pass("alias", "needs the order of the steps: what may be written early depends on who reads late",
         lambda program, context: alias(program)),
    Pass("plan memory", "last: lifetimes are final",
         lambda program, context: plan_memory(program, context.sizes)),
)  # fmt: skip

PIPELINE = GRAPH_PASSES + PROGRAM_PASSES


def _prepared(body: Graph, context: Context) -> Graph:
    """Run the graph passes on the body of a loop (its sizes are specialised with the outer graph)."""
    for each in GRAPH_PASSES[1:]:
        body = each.run(body, context)
    return body


@dataclass(frozen=True)
class Record:
    """What a pass left behind, for `symgraph.explain`."""

    name: str
    reason: str
    size: str


def compile_graph(
    graph: Graph,
    context: Context,
    check: Callable[[Any], None] | None = None,
    records: list[Record] | None = None,
) -> Program:
    """Run every pass.

    Args:
        graph: what to compute.
        context: what passes may know.
        check: called after each pass with its result (see `symgraph.compiler.verify`).
        records: gets one entry a pass.
    """
    value: Any = graph
    for each in PIPELINE:
        value = each.run(value, context)
        if check is not None:
            check(value)
        if records is not None:
            records.append(Record(each.name, each.reason, _size(value)))
    return value


def _size(value: Graph | Program) -> str:
    if isinstance(value, Graph):
        return f"{len(topological_order(value.roots))} nodes" + (f"; {value.note}" if value.note else "")
    slots = f", {len(value.plan.slots)} memory slots" if value.plan is not None else ""
    return f"{len(value.steps)} steps, {len(value.buffers)} buffers{slots}"
