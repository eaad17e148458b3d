"""Specialise a graph to what a call has told: the learning phase, and how unknown sizes relate.

Sizes themselves stay symbols. What is decided here is only whether two of them are equal and whether one of them is 1
and broadcast: the same decisions hold for every batch size, so a new size needs no new program.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from symgraph.compiler.graph import Graph
from symgraph.graph.node import Attributes, Node
from symgraph.graph.traverse import topological_order
from symgraph.graph.type import (
    Atom,
    Dim,
    DimLike,
    Relation,
    TensorType,
    collect_relations,
    evaluate,
    substitute,
    symbols,
)
from symgraph.ops.leaf import constant
from symgraph.ops.op import ShapeError
from symgraph.ops.scan import Body
from symgraph.ops.shape import assume

EQUAL, LEFT_ONE, RIGHT_ONE = "equal", "left is 1", "right is 1"


@dataclass(frozen=True)
class Decided:
    """A relation and what the sizes of a call say about it."""

    relation: Relation
    outcome: str


def relations_of(graph: Graph) -> list[tuple[Relation, Node]]:
    """Return the relations that the graph assumes between sizes known only at run time, with the node of each."""
    found: dict[Relation, Node] = {}
    for node in topological_order(graph.roots):
        with collect_relations() as relations:
            node.op.infer(*(read.type for read in node.inputs), **node.attrs)
            body = node.attrs.get("body")
            if isinstance(body, Body):
                for relation, _ in relations_of(Graph((), body.results)):
                    relations.append(relation)
        for relation in relations:
            found.setdefault(relation, node)
    return list(found.items())


def decide(relations: list[tuple[Relation, Node]], values: Mapping[Atom, int]) -> tuple[Decided, ...]:
    """Look up what the sizes of a call say about each relation.

    Raises:
        ShapeError: sizes that had to agree do not; the message names the operation and the user's line.
    """
    decided = []
    for relation, node in relations:
        left, right = evaluate(relation.left, values), evaluate(relation.right, values)
        if relation.kind == "size":
            if left < 0:
                place = f" at {node.source}" if node.source else ""
                raise ShapeError(f"{node.op.name}{place}: an input is too small: a size would be {left}")
            continue
        if left == right:
            outcome = EQUAL
        elif relation.kind == "broadcast" and left == 1:
            outcome = LEFT_ONE
        elif relation.kind == "broadcast" and right == 1:
            outcome = RIGHT_ONE
        else:
            place = f" at {node.source}" if node.source else ""
            shapes = ", ".join(
                str(tuple(evaluate(dim, values) for dim in read.type.shape))
                for read in node.inputs
                if isinstance(read.type, TensorType)
            )
            raise ShapeError(
                f"{node.op.name}{place}: the inputs have shapes {shapes}, but {left} and {right} must agree"
            )
        decided.append(Decided(relation, outcome))
    return tuple(decided)


def specialise(graph: Graph, decided: tuple[Decided, ...], fixed: Mapping[Node, Any]) -> Graph:
    """Return the graph with decided sizes unified and fixed placeholders replaced by constants."""
    replacement = _unify(decided)
    outcomes = {
        (substitute(each.relation.left, replacement), substitute(each.relation.right, replacement)): each.outcome
        for each in decided
    }

    def specialise_node(node: Node, inputs: tuple[Node, ...]) -> Node:
        if node in fixed:
            return constant(fixed[node], node.dtype)
        attrs = Attributes(
            {name: _substituted(value, replacement, specialise_node) for name, value in node.attrs.items()}
        )
        fitted, attrs = _fit(node, inputs, attrs, outcomes)
        if fitted == node.inputs and attrs == node.attrs:
            return node
        new = node.op(*fitted, **attrs)
        if new.source is None:
            new.source = node.source
        return new

    return graph.rewritten(specialise_node)


def _substituted(value: Any, replacement: Mapping[Atom, DimLike], rule: Any) -> Any:
    """Replace symbols in the value of an attribute."""
    if isinstance(value, Dim):
        return substitute(value, replacement)
    if isinstance(value, tuple):
        return tuple(_substituted(item, replacement, rule) for item in value)
    if isinstance(value, TensorType):
        return TensorType(value.dtype, _substituted(value.shape, replacement, rule))
    if isinstance(value, Body):
        return value.rebuilt(rule)
    return value


def _unify(decided: tuple[Decided, ...]) -> dict[Atom, DimLike]:
    """Return what each symbol is replaced by, where a relation decides it."""
    replacement: dict[Atom, DimLike] = {}

    def current(dim: DimLike) -> DimLike:
        while True:
            new = substitute(dim, replacement)
            if new is dim or new == dim:
                return dim
            dim = new

    for each in decided:
        left, right = each.relation.left, each.relation.right
        if each.outcome != EQUAL:
            left, right = (left, 1) if each.outcome == LEFT_ONE else (right, 1)
        left, right = current(left), current(right)
        for dim, other in ((left, right), (right, left)):
            symbol = dim.symbol if isinstance(dim, Dim) else None
            if symbol is not None and dim != other and symbol not in symbols(other):
                replacement[symbol] = other
                break
    return {symbol: current(dim) for symbol, dim in replacement.items()}


def _fit(
    node: Node, inputs: tuple[Node, ...], attrs: Attributes, outcomes: Mapping[tuple[DimLike, DimLike], str]
) -> tuple[tuple[Node, ...], Attributes]:
    """Where sizes that are no mere symbols were decided, tell the operation by an `assume` around its input."""
    with collect_relations() as open_relations:
        node.op.infer(*(read.type for read in inputs), **attrs)
    decided = [relation for relation in open_relations if (relation.left, relation.right) in outcomes]
    if not decided:
        return inputs, attrs
    resolved: dict[DimLike, DimLike] = {}
    for relation in decided:
        outcome = outcomes[relation.left, relation.right]
        if outcome == LEFT_ONE:
            resolved[relation.left] = 1
        elif outcome == RIGHT_ONE:
            resolved[relation.right] = 1
        elif isinstance(relation.left, int):
            resolved[relation.right] = relation.left
        else:
            resolved[relation.left] = relation.right

    def settle(dim: DimLike) -> DimLike:
        seen: set[DimLike] = set()
        while dim in resolved and dim not in seen:
            seen.add(dim)
            dim = resolved[dim]
        return dim

    fitted = []
    for read in inputs:
        if not isinstance(read.type, TensorType):
            fitted.append(read)
            continue
        shape = tuple(settle(dim) for dim in read.shape)
        fitted.append(read if shape == read.shape else assume(read, shape=shape))
    if isinstance(attrs.get("shape"), tuple) and (node.op.kind in ("view", "generator") or node.op.name == "sum_to"):
        attrs = Attributes({**attrs, "shape": tuple(settle(dim) for dim in attrs["shape"])})
    return tuple(fitted), attrs
