"""Rows: work on a large table touches only the rows that a call uses, where that gives the same numbers.

The gradient of a lookup is `scatter_add`: zeros of the size of the table, with a few rows in them. Two passes spare it.

`gather_sums` (before fusion) replaces it by the sums of the rows that were used and a vector of slots that says, for
each row of the table, where its sum is (or that it is zero). Elementwise operations read it through the slots, so a
dense update - of Adam's averages, which move at every row - needs no dense gradient.

`touch_rows` (after fusion) finds updates that leave all other rows as they are, and makes them in place, row by row.
They are either written so, `x <- where(rows_used(indices), new, x)` (what optimizers do when they are asked for lazy
updates), or a zero gradient makes them so, as in `x <- x - rate * gradient` with a finite rate.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping, Sequence
from typing import TypeVar

from symgraph.compiler.compose import part_of
from symgraph.compiler.graph import Graph, rebuild
from symgraph.compiler.lowerings import Lowerings
from symgraph.graph.node import Node
from symgraph.graph.traverse import consumers, topological_order
from symgraph.graph.type import Atom, evaluate, size_of
from symgraph.ops.elementwise import add
from symgraph.ops.fused import Expression, Instruction, fused, fused_rows
from symgraph.ops.indexing import first_rows, joined_indices, rows_at, rows_used, scatter_add, sum_rows
from symgraph.ops.scan import item, item_op
from symgraph.ops.shape import broadcast_op, concatenate, reshape, reshape_op

_Key = TypeVar("_Key")
_Item = TypeVar("_Item")

#: The words that an executor must have.
NEEDED = ("first_rows", "sum_rows", "fused_rows")

#: Elementwise loops over narrower rows lose more by going row by row than the dense gradient costs.
NARROWEST = 8


def gather_sums(graph: Graph, lowerings: Lowerings, sizes: Mapping[Atom, int]) -> Graph:
    """Return the graph with scattered rows that are only read place by place kept as their sums.

    Args:
        graph: the graph before fusion.
        lowerings: what the executor can do.
        sizes: of the call at hand; they decide whether it pays, not whether it is right.
    """
    if any(name not in lowerings.table for name in NEEDED) or "rows_at" not in lowerings.elementwise:
        return graph
    graph = graph.rewritten(_joined)
    order = topological_order(graph.roots)
    readers = consumers(order)
    roots = set(graph.roots)
    chosen = {
        node
        for node in order
        if node.op is scatter_add and node not in roots and _pays(node, sizes)
        and all(_reads_places(node, reader, lowerings) for reader in readers[node])
    }  # fmt: skip
    if not chosen:
        return graph

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        if node not in chosen:
            return rebuild(node, inputs)
        values, indices = inputs
        rows = node.shape[0]
        slots = item(first_rows(indices, rows=rows), 0)
        sums = sum_rows(values, indices, slots)
        return rows_at(sums, reshape(slots, (rows, *(1 for _ in node.shape[1:]))))

    return graph.rewritten(rule)


def _joined(node: Node, inputs: tuple[Node, ...]) -> Node:
    """Scatter once where the rows of several lookups of one table are added."""
    node = rebuild(node, inputs)
    if node.op is not add or any(part.op is not scatter_add or part.type != node.type for part in node.inputs):
        return node
    values = [part.inputs[0] for part in node.inputs]
    indices = [part.inputs[1] for part in node.inputs]
    flat = [reshape(each, (of.tensor_type.size, *node.shape[1:])) for each, of in zip(values, indices, strict=True)]
    joined = scatter_add(concatenate(flat, 0), joined_indices(indices), shape=node.shape)
    joined.source = joined.source or node.source
    return joined


def _pays(node: Node, sizes: Mapping[Atom, int]) -> bool:
    """Return whether a table is large beside what is added to it, and its rows are wide enough to go one by one."""
    rows, width = node.shape[0], size_of(node.shape[1:])
    if not isinstance(rows, int) or not isinstance(width, int) or width < NARROWEST:
        return False
    return rows >= 2 * evaluate(node.inputs[1].tensor_type.size, sizes)


def _reads_places(node: Node, reader: Node, lowerings: Lowerings) -> bool:
    """Return whether a reader will be one loop over the places of a node."""
    if reader.op.kind == "elementwise":
        return reader.shape == node.shape
    return reader.op.name in lowerings.reductions


# ------------------------------------------------------------------------------------------------- updates by rows


def touch_rows(graph: Graph, lowerings: Lowerings) -> Graph:
    """Return the graph with updates of some rows made in place, where it is sure that the others stay as they are."""
    if any(name not in lowerings.table for name in NEEDED):
        return graph
    targets_of: dict[Node, list[tuple[Node, Node]]] = {}  # a fused node -> the updates it makes
    for target, value in graph.updates:
        maker = value.inputs[0] if value.op is item_op else value
        if maker.op is fused:
            targets_of.setdefault(maker, []).append((target, value))
    readers = consumers(topological_order(graph.roots))
    outputs = set(graph.outputs)
    found: dict[Node, Node] = {}
    for maker, updates in targets_of.items():
        values = [value for _, value in updates]
        items = [each for each in readers[maker] if each.op is item_op] or [maker]
        if set(values) != set(items) or len(set(values)) < len(values) or outputs & {maker, *items}:
            continue  # somebody else reads the new values, at every row
        if any(readers[each] for each in items if each is not maker) or (items == [maker] and readers[maker]):
            continue
        number = {value: value.attrs["index"] if value is not maker else 0 for value in values}
        targets = [target for target, value in sorted(updates, key=lambda update: number[update[1]])]
        made = _by_rows(maker, targets)
        if made is not None:
            found[maker] = made
    reads = {maker: {_base(read) for read in made.inputs} for maker, made in found.items()}
    writes = {maker: {target for target, _ in targets_of[maker]} for maker in found}
    found = {maker: found[maker] for maker in written_last(reads, writes)}
    if not found:
        return graph
    return graph.rewritten(lambda node, inputs: found.get(node) or rebuild(node, inputs))


def written_last(reads: Mapping[_Key, Container[_Item]], writes: Mapping[_Key, Collection[_Item]]) -> list[_Key]:
    """Order what writes in place so that each place is read by the others before it is written.

    Args:
        reads, writes: what each one reads and writes.

    Returns:
        The ones for which there is such an order, in that order.
    """
    ordered: list[_Key] = []
    pending = list(writes)
    while True:
        for each in pending:
            if not any(place in reads[other] for other in pending if other is not each for place in writes[each]):
                ordered.append(each)
                pending.remove(each)
                break
        else:
            return ordered


def _base(node: Node) -> Node:
    """Return what a view looks at."""
    while node.op.kind == "view":
        node = node.inputs[0]
    return node


def _by_rows(maker: Node, targets: Sequence[Node]) -> Node | None:
    """Return the node that computes the updates of a fused node at some rows, or None where all rows may change."""
    shape = maker.attrs["shape"]
    if len(shape) < 1 or not isinstance(shape[0], int) or shape[0] < 2 or any(each.shape != shape for each in targets):
        return None
    operands = list(maker.inputs)
    if any(_base(read) in targets and read not in targets for read in operands):
        return None  # read at other places than it is written
    expression: Expression = maker.attrs["expression"]
    results, indices = [], set()
    for result, target in zip(expression.results, targets, strict=True):
        written = _chosen_rows(expression, result, operands, target)
        if written is None:
            written = _changed_by_rows(expression, result, operands, target)
        if written is None:
            return None
        results.append(written[0])
        indices.add(written[1])
    if len(indices) != 1:
        return None
    bases = tuple(operands.index(target) for target in targets)
    firsts = item(first_rows(indices.pop(), rows=shape[0]), 1)
    expression, kept = part_of(expression, results, bases)
    bases = tuple(kept.index(base) for base in bases)
    made = fused_rows(*(operands[k] for k in kept), firsts, expression=expression, shape=shape, bases=bases)
    made.source = maker.source
    return made


def _indices_of_rows(node: Node) -> Node | None:
    """Return the indices that say which rows are True, for what `rows_used` gives in any layout."""
    while node.op in (reshape_op, broadcast_op):
        node = node.inputs[0]
    return node.inputs[0] if node.op is rows_used else None


def _chosen_rows(
    expression: Expression, result: int, operands: Sequence[Node], target: Node
) -> tuple[int, Node] | None:
    """Return (new value, indices) of a result `where(rows_used(indices), new, target)`."""
    made = _instruction(expression, result)
    if made is None or made.op != "where":
        return None
    condition, new, old = made.arguments
    if condition >= len(operands) or old >= len(operands) or operands[old] is not target:
        return None
    read = operands[condition]
    indices = _indices_of_rows(read)
    if indices is None or read.shape[:1] != target.shape[:1] or read.rank != target.rank:
        return None
    return new, indices


def _instruction(expression: Expression, value: int) -> Instruction | None:
    count = len(expression.operands)
    return expression.instructions[value - count] if value >= count else None


def _changed_by_rows(
    expression: Expression, result: int, operands: Sequence[Node], target: Node
) -> tuple[int, Node] | None:
    """Return (result, indices) of a result that is the target itself wherever a gradient kept as sums is zero."""
    known: dict[int, str] = {k: "same" for k, read in enumerate(operands) if read is target}
    indices = None
    count = len(operands)
    for k, each in enumerate(expression.instructions):
        if each.op == "rows_at":
            table = operands[each.arguments[0]]
            if table.op is not sum_rows or (indices is not None and table.inputs[1] is not indices):
                return None
            indices = table.inputs[1]
            known[count + k] = "zero"
        else:
            said = _where_zero(each, [known.get(argument) for argument in each.arguments])
            if said is not None:
                known[count + k] = said
    return (result, indices) if known.get(result) == "same" and indices is not None else None


def _where_zero(each: Instruction, arguments: Sequence[str | None]) -> str | None:
    """What is known of a value - "zero", "same" as the variable - from what is known of its arguments."""
    if each.op in ("neg", "cast", "square", "abs", "sqrt", "sign", "div") and arguments[0] == "zero":
        return "zero"
    if each.op == "mul" and "zero" in arguments:
        return "zero"
    if each.op == "add" and "zero" in arguments:
        return arguments[1 - arguments.index("zero")]
    if each.op == "sub" and arguments[1] == "zero":
        return arguments[0]
    return None
