"""Recompute: values that loops make again instead of keeping them in memory.

It comes after all that makes loops, and looks at what one loop writes for nobody but others: where it is made by a few
cheap instructions of one array no larger, which is kept as long instead, the others make it again. Nothing is written
then, and no more is read: the distance of numbers from their mean in a normalisation, for its gradient.

Where memory is asked for (`symgraph.config.set_memory("small")`) random numbers are made again as well - they are a
function of seed and place - so that no mask of a dropout is kept for the backward pass, and what is made of several
arrays that its readers read anyway. The same instructions give the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from symgraph.compiler.compose import GIVEN, Composer, Name, part_of
from symgraph.compiler.graph import Graph, rebuild
from symgraph.graph.node import Node, items_of
from symgraph.graph.traverse import consumers, topological_order
from symgraph.graph.type import Atom, Shape, evaluate, numpy_dtype
from symgraph.ops.conv import fused_conv, fused_conv_input_gradient
from symgraph.ops.fused import Expression, fused, fused_reduce, fused_sweep
from symgraph.ops.linalg import fused_matmul
from symgraph.ops.scan import item, item_op

#: How much memory counts (see `symgraph.config.set_memory`).
FAST, SMALL = "fast", "small"

MOST_INSTRUCTIONS = 64
MOST_OPERANDS = 16
#: More than this is not cheap.
MOST_AGAIN = 6

_CHEAP = frozenset({
    "abs", "add", "cast", "constant", "dim_value", "equal", "greater", "greater_equal", "iota", "is_finite", "is_nan",
    "less", "less_equal", "logical_and", "logical_not", "logical_or", "maximum", "minimum", "mul", "neg", "not_equal",
    "relu", "square", "sub", "where",
})  # fmt: skip
_RANDOM = frozenset({"random_uniform", "random_normal"})

#: Operations with an expression, and how many of their last inputs are no operands of it.
_LOOPS = {fused: 0, fused_reduce: 0, fused_sweep: 0, fused_matmul: 2, fused_conv: 2, fused_conv_input_gradient: 2}


@dataclass(frozen=True)
class Again:
    """How a value is made again.

    Attributes:
        expression: with it as the only result.
        operands: what it reads.
    """

    expression: Expression
    operands: tuple[Node, ...]


def recompute(graph: Graph, memory: str, sizes: Mapping[Atom, int]) -> Graph:
    """Return the graph with loops that make again what others made, where that is cheap.

    Args:
        graph: with all loops.
        memory: "fast" or "small" (see the module).
        sizes: values of the symbols in the call at hand, for the note on what was done.
    """
    order = topological_order(graph.roots)
    readers, roots = consumers(order), set(graph.roots)
    chosen: dict[Node, Again] = {}
    for node in order:
        if node.op in _LOOPS and _may_change(node):
            for k, value in enumerate(_values_of(node)):
                again = _again(node, k)
                if again is not None and value in readers and _pays(value, again, readers, roots, memory):
                    chosen[value] = again
    while chosen:  # a reader that would become too large keeps what it reads, and so do the others of that value
        composed = {node: _composed(node, chosen) for node in order if _reads_chosen(node, chosen)}
        refused = {read for node, made in composed.items() if made is None for read in _operands(node)} & chosen.keys()
        if not refused:
            break
        for value in refused:
            del chosen[value]
    if not chosen:
        return graph
    saved = sum(evaluate(value.tensor_type.size, sizes) * _bytes(value) for value in chosen)
    return replace(_rebuilt(graph, order, chosen), note=f"{len(chosen)} values made again, {saved} bytes not kept")


def _may_change(node: Node) -> bool:
    return node.attrs.get("pool") is None and not node.attrs["expression"].tables


def _operands(node: Node) -> tuple[Node, ...]:
    """What the expression of a node reads, without the value of a product."""
    return node.inputs[: len(node.inputs) - _LOOPS[node.op]] if node.op in _LOOPS else ()


def _values_of(node: Node) -> list[Node]:
    """The results of a node as they are read."""
    return [node] if len(items_of(node.type)) == 1 else [item(node, k) for k in range(len(items_of(node.type)))]


def _again(node: Node, result: int) -> Again | None:
    """How a result could be made again from operands; None where it is a reduction, or needs a product or too much."""
    if node.op is fused_reduce or (node.op is fused_sweep and not node.attrs["full"][result]):
        return None
    whole: Expression = node.attrs["expression"]
    expression, kept = part_of(whole, [whole.results[result]])
    operands, made = _operands(node), expression.instructions
    if not 0 < len(made) <= MOST_AGAIN or any(each.op not in _CHEAP | _RANDOM for each in made):
        return None
    if any(k >= len(operands) for k in kept):
        return None  # the value of a product
    return Again(expression, tuple(operands[k] for k in kept))


def _pays(value: Node, again: Again, readers: dict[Node, list[Node]], roots: set[Node], memory: str) -> bool:
    """Whether a value is read by loops alone, and is made again from what is no larger and kept anyway."""
    if value in roots or not readers[value]:
        return False
    for reader in readers[value]:
        if reader.op not in _LOOPS or not _may_change(reader) or reader.attrs["shape"] != value.shape:
            return False
        if value in reader.inputs[len(_operands(reader)) :]:
            return False
    if memory != SMALL and any(each.op in _RANDOM for each in again.expression.instructions):
        return False
    large = [read for read in again.operands if not _is_small(read, value.shape)]
    if memory == SMALL and all(read in _operands(reader) for read in large for reader in readers[value]):
        return True
    return len(large) <= 1 and all(_bytes(read) <= _bytes(value) for read in large)


def _is_small(read: Node, shape: Shape) -> bool:
    """Whether an operand is repeated to the shape, along some axis."""
    return read.rank < len(shape) or any(a == 1 and b != 1 for a, b in zip(read.shape, shape, strict=True))


def _bytes(node: Node) -> int:
    return numpy_dtype(node.dtype).itemsize


def _reads_chosen(node: Node, chosen: dict[Node, Again]) -> bool:
    return any(read in chosen for read in _operands(node))


def _composed(
    node: Node, chosen: dict[Node, Again], kept: Sequence[int] | None = None
) -> tuple[Expression, list[Node]] | None:
    """The expression of a reader that makes chosen values itself, and its operands; None where it is too large.

    Args:
        node: the reader.
        chosen: what is made again.
        kept: the numbers of the results that remain; None: all.
    """
    composer = Composer()

    def name(read: Node) -> Name:
        again = chosen.get(read)
        if again is None:
            return composer.operand(read)
        names = composer.add(again.expression, [name(each) for each in again.operands])
        return names[again.expression.results[0]]

    whole: Expression = node.attrs["expression"]
    results = whole.results if kept is None else [whole.results[k] for k in kept]
    last = len(whole.operands) - 1
    given = whole.operands[last] if _LOOPS[node.op] else None
    expression, operands = part_of(whole, results, [last] if given is not None else [])
    names = [GIVEN if given is not None and k == last else name(node.inputs[k]) for k in operands]
    names = composer.add(expression, names)
    made = composer.expression([names[result] for result in expression.results], given)
    if len(composer.operands) > MOST_OPERANDS or len(made.instructions) > MOST_INSTRUCTIONS:
        return None
    return made, composer.operands


def _rebuilt(graph: Graph, order: Sequence[Node], chosen: dict[Node, Again]) -> Graph:
    """Build the new graph: readers make what they need, and loops leave out what nobody reads any more."""
    kept = {
        node: [k for k, value in enumerate(_values_of(node)) if value not in chosen]
        for node in order
        if node.op in _LOOPS
    }

    new: dict[Node, Node] = {}

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        if node.op is item_op and node.inputs[0] in kept:
            (maker,), index = node.inputs, node.attrs["index"]
            places = kept[maker]
            if index not in places:
                return node  # nobody reads it
            return inputs[0] if len(places) == 1 else item(inputs[0], places.index(index))
        if node.op not in _LOOPS or not (_reads_chosen(node, chosen) or len(kept[node]) < len(items_of(node.type))):
            return rebuild(node, inputs)
        if not kept[node]:
            return node
        composed = _composed(node, chosen, kept[node])
        assert composed is not None
        expression, operands = composed
        attrs = {**node.attrs, "expression": expression}
        if node.op is fused_sweep:
            attrs["full"] = tuple(node.attrs["full"][k] for k in kept[node])
        factors = inputs[len(_operands(node)) :]
        made = node.op(*(new[read] for read in operands), *factors, **attrs)
        made.source = made.source or node.source
        return made

    for node in order:
        new[node] = rule(node, tuple(new[read] for read in node.inputs))
    ends = (*graph.inputs, *(target for target, _ in graph.updates))
    new.update((end, end) for end in ends if end not in new)
    return Graph(
        tuple(new[node] for node in graph.inputs),
        tuple(new[node] for node in graph.outputs),
        tuple((new[target], new[value]) for target, value in graph.updates),
    )
