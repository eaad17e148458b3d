"""Fuse: make one operation of each chain of elementwise ones, of a reduction with what computes its input, and of a
matrix product or a convolution with what is computed from it.

Two elementwise nodes of one shape are joined when one reads the other and no path between them leaves the group (the
group stays convex); ancestors are bit sets, so the question is a few machine words. Values that are cheap to make
anew - numbers, places, random numbers - are made in every group that reads them instead of being stored.
"""

from __future__ import annotations

from collections.abc import Sequence

from symgraph.compiler.graph import Graph, rebuild
from symgraph.compiler.groups import Groups
from symgraph.compiler.lowerings import Lowerings
from symgraph.graph.node import Attributes, Node
from symgraph.graph.traverse import consumers, topological_order
from symgraph.graph.type import Shape, equal
from symgraph.ops.conv import conv, conv_input_gradient, fused_conv, fused_conv_input_gradient
from symgraph.ops.fused import Expression, Instruction, fused, fused_reduce
from symgraph.ops.linalg import fused_matmul, matmul_op
from symgraph.ops.scan import item
from symgraph.ops.shape import reshape_op

#: Larger groups compile slowly (the time grows faster than the size) and spill registers.
MOST_INSTRUCTIONS = 64
MOST_OPERANDS = 16

#: Sums of products -> the operation that computes an expression of their results too.
_WITH_EXPRESSION = {
    matmul_op: fused_matmul,
    conv: fused_conv,
    conv_input_gradient: fused_conv_input_gradient,
}


def fuse(graph: Graph, lowerings: Lowerings) -> Graph:
    """Return the graph with elementwise nodes and reductions replaced by fused ones."""
    order = topological_order(graph.roots)
    groups = Groups(order)
    # From the outputs back: a comparison that only the backward pass reads goes there, and its input is read again,
    # instead of being made and stored in the forward pass.
    for node in reversed(order):
        if node.op.kind == "elementwise":
            for read in node.inputs:
                if read.op.kind == "elementwise" and read.shape == node.shape:
                    _try_merge(groups, read, node)
    roots = set(graph.roots)
    readers = consumers(order)
    prologue: dict[Node, Node] = {}  # reduction -> the elementwise node that is computed inside it
    for node in order:
        if node.op.name in lowerings.reductions:
            (read,) = node.inputs
            if read.op.kind == "elementwise":
                unit = groups.unit(read)
                results = groups.results(unit, readers, roots)
                if results == [read] and len(readers[read]) == 1 and read not in roots:
                    prologue[node] = read
            elif read.op.kind == "generator" and read.rank > 0 and len(readers[read]) == 1 and read not in roots:
                prologue[node] = read
    products = _products(order, groups, readers, roots, prologue, lowerings)
    return _rebuilt(graph, order, groups, readers, prologue, products, lowerings)


def _products(
    order: Sequence[Node],
    groups: Groups,
    readers: dict[Node, list[Node]],
    roots: set[Node],
    prologue: dict[Node, Node],
    lowerings: Lowerings,
) -> dict[int, Node]:
    """Return for each group the product or convolution that is computed with it, where one is read by nobody else.

    Where the rows of a product have several axes for the group, it is the node that gives it that shape.
    """
    inside_reductions = {groups.unit(read) for read in prologue.values() if read.op.kind == "elementwise"}
    found = {}
    for product in order:
        entry = lowerings.table.get(_WITH_EXPRESSION[product.op].name) if product.op in _WITH_EXPRESSION else None
        if entry is None or (product.op is matmul_op and product.rank != 2):
            continue
        node = _reshaped(product, readers, roots)
        if node in roots or not readers[node] or (entry.dtypes is not None and node.dtype not in entry.dtypes):
            continue
        if any(read.op.kind == "generator" for read in product.inputs):
            continue  # a group may make such a value itself
        if any(reader.op.kind != "elementwise" or reader.shape != node.shape for reader in readers[node]):
            continue
        units = {groups.unit(reader) for reader in readers[node]}
        if len(units) == 1 and not units & inside_reductions:
            found[units.pop()] = node
    return found


def _reshaped(product: Node, readers: dict[Node, list[Node]], roots: set[Node]) -> Node:
    """The product with its rows in several axes, where it is only read so, else the product."""
    if product.op is not matmul_op or product in roots or len(readers[product]) != 1:
        return product
    (reader,) = readers[product]
    same = reader.op is reshape_op and reader.rank > 1 and equal(reader.shape[-1], product.shape[-1])
    return reader if same else product


def _parts(product: Node) -> list[Node]:
    """A product, and what gives it another shape (see `_products`)."""
    return [product.inputs[0], product] if product.op is reshape_op else [product]


def _try_merge(groups: Groups, producer: Node, consumer: Node) -> None:
    """Join the groups of two nodes if the result is convex and small enough."""
    a, b = groups.unit(producer), groups.unit(consumer)
    if a == b or len(groups.members[a]) + len(groups.members[b]) > MOST_INSTRUCTIONS:
        return
    if len([k for k in groups.reads(a, b) if groups.order[k].op.kind != "generator"]) > MOST_OPERANDS:
        return
    if groups.are_convex(a, b):
        groups.join(a, b)


def _is_inline(node: Node, shape: Shape) -> bool:
    """Return whether a group over `shape` makes the value itself instead of loading it."""
    if node.op.name == "constant":
        return node.rank == 0
    if node.op.kind != "generator":
        return False
    if node.op.name == "iota":
        return node.rank <= len(shape) and shape[len(shape) - node.rank :] == node.shape
    return node.rank == 0 if node.op.name == "dim_value" else node.shape == shape


class _ExpressionBuilder:
    """Collects instructions; loads each operand once."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.operands: list[Node] = []
        self.made: list[tuple[Node, tuple[Node, ...], Attributes]] = []
        self.known: set[Node] = set()

    def add(self, node: Node) -> None:
        """Add the instruction of a node, after those of values that are made in place."""
        for read in node.inputs:
            if read in self.known:
                continue
            if _is_inline(read, self.shape):
                self.add(read)
            else:
                self.known.add(read)
                self.operands.append(read)
        attrs = node.attrs
        if node.op.name == "iota":
            attrs = Attributes({**attrs, "shape": self.shape, "axis": attrs["axis"] + len(self.shape) - node.rank})
        self.known.add(node)
        self.made.append((node, node.inputs, attrs))

    def load(self, node: Node) -> None:
        self.known.add(node)
        self.operands.append(node)

    def expression(self, results: Sequence[Node]) -> Expression:
        number = {node: k for k, node in enumerate(self.operands)}
        varies = {node: any(dim != 1 for dim in node.shape) for node in self.operands}
        instructions = []
        for node, inputs, attrs in self.made:
            number[node] = len(number)
            varies[node] = any(varies[read] for read in inputs) or (node.op.kind == "generator" and node.rank > 0)
            arguments = tuple(number[read] for read in inputs)
            instructions.append(Instruction(node.op.name, attrs, arguments, node.dtype, varies[node]))
        return Expression(
            tuple(node.dtype for node in self.operands), tuple(instructions), tuple(number[node] for node in results)
        )


def _rebuilt(
    graph: Graph,
    order: Sequence[Node],
    groups: Groups,
    readers: dict[Node, list[Node]],
    prologue: dict[Node, Node],
    products: dict[int, Node],
    lowerings: Lowerings,
) -> Graph:
    """Build the new graph, group by group in dependency order."""
    roots = set(graph.roots)
    new: dict[Node, Node] = {}
    group_of = {part: unit for unit, product in products.items() for part in _parts(product)}

    def unit_of(node: Node) -> tuple[object, list[Node]]:
        """A name for what is built together with a node, and its members."""
        if node.op.kind == "elementwise" or node in group_of:
            unit = group_of[node] if node in group_of else groups.unit(node)
            return unit, [*(_parts(products[unit]) if unit in products else []), *groups.nodes(unit)]
        if node in prologue:
            read = prologue[node]
            inside = groups.nodes(groups.unit(read)) if read.op.kind == "elementwise" else [read]
            return node, [*inside, node]
        return node, [node]

    def outside_reads(members: list[Node]) -> list[Node]:
        inside = set(members)
        shape = next((m.shape for m in members if m.op.kind in ("elementwise", "generator")), None)
        reads: list[Node] = []
        pending = [read for member in members for read in member.inputs]
        while pending:
            read = pending.pop()
            if read in inside:
                continue
            inside.add(read)
            if shape is not None and _is_inline(read, shape):
                pending.extend(read.inputs)
            else:
                reads.append(read)
        return reads

    def build(members: list[Node]) -> None:
        last = members[-1]
        fusable = last.op.kind in ("elementwise", "generator")
        reduces = last.op.name in lowerings.reductions and last.op.kind == "reduction"
        if not fusable and not reduces:
            new[last] = rebuild(last, tuple(new[read] for read in last.inputs))
            return
        shape = last.inputs[0].shape if reduces else last.shape
        builder = _ExpressionBuilder(shape)
        body = members[:-1] if reduces else members
        parts = [member for member in body if member in group_of]
        if parts:
            builder.load(parts[-1])
            body = body[len(parts) :]
        for member in body:
            builder.add(member)
        if parts:
            builder.operands.remove(parts[-1])
        if reduces and not body:
            builder.load(last.inputs[0])
        operands = [new[read] for read in builder.operands]
        if reduces:
            expression = builder.expression([last.inputs[0]])
            node = fused_reduce(
                *operands,
                expression=expression,
                shape=shape,
                reduce=last.op.name,
                axes=last.attrs["axes"],
                keepdims=last.attrs["keepdims"],
            )
            node.source = node.source or last.source
            new[last] = node
            return
        if last.op.kind == "generator":
            results = [last]
        else:
            results = groups.results(groups.unit(last), readers, roots)
        if parts:
            builder.operands.append(parts[-1])
            expression = builder.expression(results)
            factors = [new[read] for read in parts[0].inputs]
            attrs = {**parts[0].attrs, "expression": expression, "shape": shape}
            if parts[0].op is not matmul_op:
                attrs["pool"] = None
            node = _WITH_EXPRESSION[parts[0].op](*operands, *factors, **attrs)
        else:
            node = fused(*operands, expression=builder.expression(results), shape=shape)
        node.source = node.source or next((m.source for m in reversed(members) if m.source), None)
        for k, result in enumerate(results):
            new[result] = node if len(results) == 1 else item(node, k)

    done: set[object] = set()

    def finished(unit: object, members: list[Node]) -> bool:
        return members[-1] in new or unit in done

    for root in (*graph.inputs, *(target for target, _ in graph.updates), *graph.roots):
        if root not in groups.number:
            new.setdefault(root, root)
            continue
        stack = [root]
        while stack:
            node = stack[-1]
            unit, members = unit_of(node)
            if finished(unit, members):
                stack.pop()
                continue
            waiting = [read for read in outside_reads(members) if not finished(*unit_of(read))]
            if waiting:
                stack.extend(waiting)
            else:
                build(members)
                done.add(unit)
                stack.pop()
    return Graph(
        tuple(new[node] for node in graph.inputs),
        tuple(new[node] for node in graph.outputs),
        tuple((new[target], new[value]) for target, value in graph.updates),
    )
