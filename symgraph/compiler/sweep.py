"""Sweep: one way through memory for reductions over the same axes, and for what is made on the way.

It comes after fuse, and joins what fuse has made: reductions that read the same large value; an elementwise loop with
the reductions of what it makes (the gradient of a bias with the gradient it is the sum of); and, where the last axes
are reduced, a reduction with the loops that use its result (softmax, the normalisation of rows, crossentropies): a row
stays in the processor's nearest cache from its maximum to the quotient by its sum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from symgraph.compiler.compose import Composer, Name
from symgraph.compiler.graph import Graph, rebuild
from symgraph.compiler.groups import Groups
from symgraph.compiler.lowerings import Lowerings
from symgraph.graph.node import Attributes, Node, items_of
from symgraph.graph.traverse import consumers, topological_order
from symgraph.graph.type import Shape, size_of
from symgraph.ops.fused import Expression, fused, fused_reduce, fused_sweep
from symgraph.ops.reduction import reduced_shape
from symgraph.ops.scan import item, item_op
from symgraph.ops.shape import reshape, reshape_op

MOST_INSTRUCTIONS = 64
MOST_OPERANDS = 16
#: Rows of which several loops are made: longer ones leave the cache between two loops, in shorter ones there is more
#: loop than work.
SHORTEST_ROW, LONGEST_ROW = 4, 1 << 16
#: Fewer rows than this do not occupy the threads.
FEWEST_ROWS = 4


def sweep(graph: Graph, lowerings: Lowerings) -> Graph:
    """Return the graph with reductions joined to each other and to the loops around them, where the executor can."""
    if fused_sweep.name not in lowerings.table:
        return graph
    order = topological_order(graph.roots)
    if not any(node.op is fused_reduce for node in order):
        return graph
    search = _Search(order)
    for node in order:
        search.visit(node)
    return _rebuilt(graph, order, search)


def reduces_rows(shape: Shape, axes: tuple[int, ...]) -> bool:
    """Return whether a reduction over these axes is one of rows that are worth going through several times."""
    kept = len(shape) - len(axes)
    if not kept or not axes or axes != tuple(range(kept, len(shape))):
        return False
    length, rows = size_of(shape[kept:]), size_of(shape[:kept])
    if isinstance(rows, int) and rows < FEWEST_ROWS:
        return False
    return not isinstance(length, int) or SHORTEST_ROW <= length <= LONGEST_ROW


def _rows_of(shape: Shape, axes: tuple[int, ...], value: Shape) -> bool:
    """Whether a value has one number for each row, with or without axes of size 1 for the reduced ones."""
    return value in (reduced_shape(shape, axes, True), reduced_shape(shape, axes, False))


def _instructions(node: Node) -> int:
    return len(node.attrs["expression"].instructions) + 1


class _Search:
    """Which operations are joined.

    Attributes:
        groups: of nodes; the items and reshapes of a member's results belong to its group.
        domain: for each group that holds reductions the shape that is reduced and the axes.
    """

    def __init__(self, order: Sequence[Node]) -> None:
        self.groups = Groups(order)
        self.domain: dict[int, tuple[Shape, tuple[int, ...]]] = {}
        self.last: dict[tuple[Node, Shape, tuple[int, ...]], Node] = {}  # (value, shape, axes) -> a reduction of it

    def visit(self, node: Node) -> None:
        """Join a node to those before it where that is of use."""
        if node.op is item_op and node.inputs[0].op is fused:
            self._absorb(node)
        elif node.op is fused_reduce:
            self._visit_reduction(node)
        elif node.op is fused and self._is_place_by_place(node):
            for read in node.inputs:
                self._follow(node, read, self._shapes_fit)

    def _visit_reduction(self, node: Node) -> None:
        shape, axes = node.attrs["shape"], node.attrs["axes"]
        domain = shape, axes
        self.domain[self.groups.unit(node)] = domain
        if node.attrs["expression"].tables:
            return
        for read in node.inputs:
            if read.shape != shape:
                continue
            maker = read.inputs[0] if read.op is item_op else read
            if maker.op is fused and self._is_place_by_place(maker) and maker.attrs["shape"] == shape:
                if self.domain.get(self.groups.unit(maker), domain) == domain:
                    self._join(maker, node)
        for read in node.inputs:
            self._follow(node, read, lambda known, value: known == domain)
            if read.shape == shape:
                sibling = self.last.setdefault((read, shape, axes), node)
                if sibling is not node and self.domain.get(self.groups.unit(sibling)) == domain:
                    self._join(sibling, node)

    @staticmethod
    def _is_place_by_place(node: Node) -> bool:
        return not node.attrs["expression"].tables

    def _shapes_fit(self, known: tuple[Shape, tuple[int, ...]], node: Node) -> bool:
        """Whether an elementwise loop is one over the domain of a group, or over its rows."""
        shape, axes = known
        if node.attrs["shape"] == shape:
            return True
        generated = any(each.op == "iota" or "seed" in each.attrs for each in node.attrs["expression"].instructions)
        return _rows_of(shape, axes, node.attrs["shape"]) and not generated

    def _follow(self, node: Node, read: Node, fits: Callable[[tuple[Shape, tuple[int, ...]], Node], bool]) -> None:
        """Join a node to the group of a reduction that it reads, directly or through a reshape."""
        maker = read.inputs[0] if read.op is reshape_op else read
        known = self.domain.get(self.groups.unit(maker))
        if known is None or self.groups.unit(maker) == self.groups.unit(node) or not reduces_rows(*known):
            return
        if maker.op not in (fused, fused_reduce, item_op) or not fits(known, node):
            return
        if read is not maker:  # the reshape must be one between the two forms of a number for each row
            if not (_rows_of(*known, read.shape) and _rows_of(*known, maker.shape)):
                return
            if self.groups.unit(read) != self.groups.unit(maker):
                self._absorb(read)
        self._join(maker, node)

    def _absorb(self, node: Node) -> None:
        """Make an item or a reshape part of the group whose result it is."""
        group = self.groups.unit(node.inputs[0])
        self.groups.join(self.groups.unit(node), group)

    def _join(self, producer: Node, node: Node) -> None:
        a, b = self.groups.unit(producer), self.groups.unit(node)
        if a == b or not self.groups.are_convex(a, b):
            return
        domain = self.domain.get(a, self.domain.get(b))
        assert domain is not None
        inside = {*self.groups.nodes(a), *self.groups.nodes(b)}
        kernels = [each for each in inside if each.op in (fused, fused_reduce)]
        if not reduces_rows(*domain) and any(read in inside and read.op is fused_reduce
                                             for each in kernels for read in each.inputs):  # fmt: skip
            return  # one loop, and nothing in it can use the sums that it makes
        if sum(map(_instructions, kernels)) > MOST_INSTRUCTIONS:
            return
        if len({read for each in kernels for read in each.inputs} - inside) > MOST_OPERANDS:
            return
        self.groups.join(a, b)
        self.domain.pop(a, None)
        self.domain[b] = domain


# ------------------------------------------------------------------------------------------------ the new operations


class _Members:
    """Puts the expressions of the members of a group together."""

    def __init__(self, shape: Shape, axes: tuple[int, ...]) -> None:
        self.shape, self.axes = shape, axes
        self.composer = Composer()
        self.names: dict[Node, Name] = {}

    def add(self, node: Node) -> None:
        """Add a member."""
        if node.op in (item_op, reshape_op):
            if node.op is reshape_op:
                self.names[node] = self.names[node.inputs[0]]
            return
        expression: Expression = node.attrs["expression"]
        without_axes = len(node.attrs["shape"]) < len(self.shape)  # one number for each row: it gets the axes back
        names = self.composer.add(expression, [self._read(read, without_axes) for read in node.inputs])
        results = [names[result] for result in expression.results]
        if node.op is fused_reduce:
            dtype = expression.dtype(expression.results[0])
            reduce = node.attrs["reduce"]
            self.names[node] = self.composer.instruct(reduce, Attributes({}), (results[0],), dtype, True)
        elif len(results) == 1:
            self.names[node] = results[0]
        else:
            self.names.update((item(node, k), name) for k, name in enumerate(results))

    def _read(self, read: Node, without_axes: bool) -> Name:
        known = self.names.get(read)
        if known is not None:
            return known
        if without_axes and read.rank:
            read = reshape(read, (*read.shape, *(1,) * len(self.axes)))
        return self.composer.operand(read)


def _rebuilt(graph: Graph, order: Sequence[Node], search: _Search) -> Graph:
    """Build the new graph, group by group in dependency order."""
    groups, readers, roots = search.groups, consumers(order), set(graph.roots)
    new: dict[Node, Node] = {}

    def build(members: list[Node]) -> None:
        kernels = [node for node in members if node.op in (fused, fused_reduce)]
        if len(kernels) < 2:
            for node in members:
                new[node] = rebuild(node, tuple(new[read] for read in node.inputs))
            return
        shape, axes = search.domain[groups.unit(members[0])]
        inside = _Members(shape, axes)
        for node in members:
            inside.add(node)
        results = _results(members, groups, readers, roots)
        names = list(dict.fromkeys((inside.names[node], node.shape == shape) for node in results))
        operands = [_moved(read, new) for read in inside.composer.operands]
        made = fused_sweep(
            *operands,
            expression=inside.composer.expression([name for name, _ in names]),
            shape=shape,
            axes=axes,
            full=tuple(whole for _, whole in names),
        )
        made.source = made.source or next((node.source for node in kernels if node.source), None)
        for node in results:
            k = names.index((inside.names[node], node.shape == shape))
            value = made if len(names) == 1 else item(made, k)
            new[node] = value if value.shape == node.shape else reshape(value, node.shape)
        for node in members:  # what nobody outside reads
            new.setdefault(node, made)

    for root in (*graph.inputs, *(target for target, _ in graph.updates), *graph.roots):
        if root not in groups.number:
            new.setdefault(root, root)
            continue
        stack = [root]
        while stack:
            if stack[-1] in new:
                stack.pop()
                continue
            members = groups.nodes(groups.unit(stack[-1]))
            inside = set(members)
            waiting = [read for node in members for read in node.inputs if read not in inside and read not in new]
            if waiting:
                stack += waiting
            else:
                build(members)
    return Graph(
        tuple(new[node] for node in graph.inputs),
        tuple(new[node] for node in graph.outputs),
        tuple((new[target], new[value]) for target, value in graph.updates),
    )


def _results(
    members: Sequence[Node], groups: Groups, readers: dict[Node, list[Node]], roots: set[Node]
) -> list[Node]:
    """The values of a group that somebody outside reads; several results of one operation are read through items."""
    several = {node for node in members if len(items_of(node.type)) > 1}
    return [node for node in groups.results(groups.unit(members[0]), readers, roots) if node not in several]


def _moved(read: Node, new: dict[Node, Node]) -> Node:
    """An operand in the new graph; it may have been reshaped on the way in."""
    return new[read] if read in new else reshape(new[read.inputs[0]], read.shape)
