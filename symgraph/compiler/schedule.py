"""Schedule: from a graph to a program - an order of steps over buffers.

Views become strides on the buffer of what they look at; placing and repeating (concatenate, embed, loops) is spelt out
in copies and inner steps. Steps go level by level, so that a gradient is used soon after it is made, and parameters
are written after the last step that reads their old values (see `symgraph.compiler.alias`).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Container, Sequence
from dataclasses import replace

from symgraph.compiler.graph import Graph
from symgraph.compiler.lowerings import Lowering, Lowerings
from symgraph.compiler.program import (
    CONSTANT,
    INPUT,
    OUTPUT,
    TEMPORARY,
    VARIABLE,
    Buffer,
    Loop,
    Program,
    Step,
    View,
    contiguous_strides,
)
from symgraph.compiler.rows import written_last
from symgraph.graph.node import Attributes, Node, items_of
from symgraph.graph.traverse import consumers, topological_order
from symgraph.graph.type import Dim, DimLike, TensorType, new_symbol, symbols
from symgraph.ops.conv import fused_conv, fused_conv_input_gradient
from symgraph.ops.fused import Expression, fused
from symgraph.ops.leaf import constant
from symgraph.ops.linalg import fused_matmul
from symgraph.ops.scan import Body, scan_op
from symgraph.ops.shape import is_reversed

#: Compiles the body of a loop up to where the outer graph stands.
Prepare = Callable[[Graph], Graph]


def schedule(graph: Graph, lowerings: Lowerings, prepare: Prepare) -> Program:
    """Return the program of a graph.

    Args:
        graph: a fused graph.
        lowerings: what the executor can do; tells which steps take strided inputs and what scratch they need.
        prepare: runs the graph passes on the body of a loop.
    """
    builder = _Builder(lowerings, prepare)
    for node in graph.inputs:
        builder.view(node)
    builder.run(graph.roots, {value for _, value in graph.updates})
    outputs = [builder.as_output(node) for node in graph.outputs]
    written = builder.write_updates(graph.updates)
    used = {view.buffer for step in _all_steps(builder.steps) for view in step.views()} | {v.buffer for v in outputs}
    inputs = tuple(builder.views[node].buffer for node in graph.inputs)
    return Program(
        tuple(builder.buffers),
        tuple(number if number in used else None for number in inputs),
        tuple(outputs),
        tuple(builder.steps),
        tuple(view.buffer for view in written),
    )


def _all_steps(steps: Sequence[Step]) -> list[Step]:
    found = []
    for step in steps:
        found.append(step)
        if step.loop is not None:
            found += _all_steps(step.loop.steps)
    return found


def _from_the_end(view: View) -> View:
    """The view of a stack whose last slice lies first."""
    length, pitch = view.shape[0], view.strides[0]
    return view.with_layout(view.shape, (-pitch, *view.strides[1:]), (length - 1) * pitch)


def copy_step(source: View, target: View, origin: str | None = None) -> Step:
    """Return the step that copies a view to another of the same shape."""
    expression = Expression((source.dtype,), (), (0,))
    attrs = Attributes({"expression": expression, "shape": target.shape})
    return Step(fused, attrs, (source,), (target,), source=origin)


class _Builder:
    """Turns nodes into steps; one for a program and one for each body of a loop in it."""

    def __init__(self, lowerings: Lowerings, prepare: Prepare, outer: _Builder | None = None) -> None:
        self.lowerings, self.prepare, self.outer = lowerings, prepare, outer
        self.index: Dim | None = None  # of the loop whose body it builds
        self.captured: set[int] = set()  # buffers that such a loop reads and does not write
        self.hoisted: list[View] = []  # copies of such, made before the loop
        self.buffers: list[Buffer] = outer.buffers if outer else []
        self.steps: list[Step] = []
        self.views: dict[Node, View] = {}
        self.results: dict[Node, tuple[View, ...]] = {}
        self.copies: dict[View, View] = {}
        self.readers: dict[Node, list[Node]] = {}
        self.roots: set[Node] = set()
        self.in_place: list[Step] = []  # what changes some rows of variables, after the last step that reads them

    # ---------------------------------------------------------------------------------------------- buffers

    def allocate(self, kind: str, dtype: str, size: DimLike, node: Node | None = None) -> int:
        self.buffers.append(Buffer(kind, dtype, size, node))
        return len(self.buffers) - 1

    def fresh(self, type: TensorType, kind: str = TEMPORARY, node: Node | None = None) -> View:
        number = self.allocate(kind, type.dtype, type.size, node)
        return View(number, type.dtype, type.shape, contiguous_strides(type.shape))

    def view(self, node: Node) -> View:
        """The view of a node that is a leaf or has been computed."""
        known = self.views.get(node)
        if known is None:
            kind = {"placeholder": INPUT, "variable": VARIABLE, "constant": CONSTANT}[node.op.name]
            known = self.views[node] = self.fresh(node.tensor_type, kind, node)
        return known

    def contiguous(self, view: View, origin: str | None) -> View:
        """The same elements without gaps, copied if need be (once for all who ask)."""
        if view.is_contiguous:
            return view
        if self.outer is not None and view.buffer in self.captured and not self._moves(view):
            hoisted = self.outer.contiguous(view, origin)
            self.hoisted.append(hoisted)
            return hoisted
        known = self.copies.get(view)
        if known is None:
            known = self.copies[view] = self.fresh(TensorType(view.dtype, view.shape))
            self.steps.append(copy_step(view, known, origin))
        return known

    def _moves(self, view: View) -> bool:
        """Return whether a view inside a loop looks elsewhere in each iteration."""
        assert self.index is not None
        return any(self.index.symbol in symbols(size) for size in (view.offset, *view.shape, *view.strides))

    # ------------------------------------------------------------------------------------------------ steps

    def run(self, roots: Sequence[Node], late: Container[Node] = ()) -> None:
        """Compute every root, level by level; what makes new values of variables goes after its level's readers."""
        order = topological_order(roots, stop=self.views)
        readers = self.readers = consumers(order, stop=self.views)
        self.roots = set(roots)
        level: dict[Node, int] = {}
        waiting: dict[Node, int] = {}
        ready: list[tuple[int, int, Node]] = []
        place = {node: k for k, node in enumerate(order)}
        for node in order:
            reads = () if node in self.views else node.inputs
            cost = 0 if node.op.kind in ("leaf", "view") or node.op.name == "item" else 1
            if node.op in (fused_matmul, fused_conv, fused_conv_input_gradient):
                cost = 2  # as much as the product and the loop that it replaces
                cost += node in late or any(reader in late for reader in readers[node])
            level[node] = max((level[read] for read in reads), default=0) + cost
            waiting[node] = len(reads)
            if not reads:
                heapq.heappush(ready, (level[node], place[node], node))
        while ready:
            _, _, node = heapq.heappop(ready)
            if node not in self.views:
                self.compute(node)
            for reader in readers[node]:
                waiting[reader] -= 1
                if not waiting[reader]:
                    heapq.heappush(ready, (level[reader], place[reader], reader))

    def compute(self, node: Node) -> None:
        op = node.op
        if op.kind == "leaf":
            self.view(node)
        elif op.kind == "view":
            self.views[node] = self.seen(node)
        elif op.name in _STRUCTURE:
            _STRUCTURE[op.name](self, node)
        else:
            entry = self.lowerings.table.get(op.name)
            inputs = tuple(self.view(read) for read in node.inputs)
            outputs = tuple(self.fresh(item) for item in items_of(node.type))
            step = self.in_panels(Step(op, node.attrs, inputs, outputs, source=node.source), entry)
            inputs = tuple(
                view if entry is not None and entry.takes(k, len(inputs)) else self.contiguous(view, node.source)
                for k, view in enumerate(step.inputs)
            )
            step = replace(step, inputs=inputs)
            if entry is not None and entry.scratch is not None:
                needs = tuple(self.fresh(TensorType(dtype, (size,))) for dtype, size in entry.scratch(step))
                step = replace(step, scratch=needs)
            self.steps.append(step)
            self.keep(node, outputs)

    def in_panels(self, step: Step, entry: Lowering | None) -> Step:
        """In a loop, let a product take its right matrix in panels where that stays the same (see `Lowering.panel`)."""
        if self.outer is None or entry is None or entry.panel is None:
            return step
        matrix = step.inputs[-1]
        if matrix.buffer not in self.captured or self._moves(matrix) or len(matrix.shape) != 2:
            return step
        width = entry.panel(step)
        (rows, columns), (down, across) = matrix.shape, matrix.strides
        if step.attrs["transpose_y"]:
            rows, columns, down, across = columns, rows, across, down
        if not (width and isinstance(rows, int) and isinstance(columns, int) and columns % width == 0):
            return step
        panels = matrix.with_layout((columns // width, rows, width), (width * across, down, across))
        attrs = Attributes({**step.attrs, "panel": width})
        return replace(step, attrs=attrs, inputs=(*step.inputs[:-1], panels))

    def keep(self, node: Node, outputs: tuple[View, ...]) -> None:
        if isinstance(node.type, TensorType):
            (self.views[node],) = outputs
        else:
            self.results[node] = outputs

    def seen(self, node: Node) -> View:
        """The view of a view operation, on a copy where strides cannot express it."""
        (read,) = node.inputs
        assert node.op.view is not None, f"{node.op} is a view without a view function"
        view = node.op.view(self.view(read), **node.attrs)
        if view is None:
            view = node.op.view(self.contiguous(self.view(read), node.source), **node.attrs)
        assert view is not None and view.shape == node.shape, f"{node.op}: {view} is not of shape {node.shape}"
        return view

    # -------------------------------------------------------------------------------------------- structure

    def item(self, node: Node) -> None:
        self.views[node] = self.results[node.inputs[0]][node.attrs["index"]]

    def concatenate(self, node: Node) -> None:
        target, axis, start = self.fresh(node.tensor_type), node.attrs["axis"], 0
        for read in node.inputs:
            source = self.view(read)
            offset = start * target.strides[axis]
            self.steps.append(copy_step(source, target.with_layout(source.shape, target.strides, offset), node.source))
            start = start + source.shape[axis]
        self.views[node] = target

    def embed(self, node: Node) -> None:
        target, source = self.fresh(node.tensor_type), self.view(node.inputs[0])
        fill = self.view(constant(node.attrs["value"], node.dtype))
        self.steps.append(copy_step(fill.broadcast_to(target.shape), target, node.source))
        offset: DimLike = 0
        for begin, stride in zip(node.attrs["starts"], target.strides, strict=True):
            offset = offset + begin * stride
        strides = tuple(stride * step for stride, step in zip(target.strides, node.attrs["steps"], strict=True))
        self.steps.append(copy_step(source, target.with_layout(source.shape, strides, offset), node.source))
        self.views[node] = target

    def scan(self, node: Node) -> None:
        body: Body = node.attrs["body"]
        length: DimLike = node.attrs["length"]
        index = new_symbol("t")
        sequences, initial, captured = body.split([self.view(read) for read in node.inputs])
        results = tuple(self.fresh(item) for item in items_of(node.type))
        states, stacked = results[: len(initial)], [
            _from_the_end(view) if self.is_read_from_the_end(node, k) else view
            for k, view in enumerate(results[len(initial) :], len(initial))
        ]
        results = (*states, *stacked)
        for source, target in zip(initial, states, strict=True):
            self.steps.append(copy_step(source, target, node.source))
        inner = _Builder(self.lowerings, self.prepare, self)
        inner.index = index
        inner.captured = {view.buffer for view in (*sequences, *captured)}
        leaves = (*body.sequences, *body.states, *body.captured)
        # Leaves keep their identity through the passes, so the prepared body is found by them.
        prepared = self.prepare(Graph(leaves, body.outputs, tuple(zip(body.states, body.next_states, strict=True))))
        slices = [view.slice_first(index) for view in sequences]
        for leaf, view in zip(prepared.inputs, (*slices, *states, *captured), strict=True):
            inner.views[leaf] = view
        # Old states are put away first: then the new ones can be made in their place.
        early = [output in body.states for output in prepared.outputs]
        for first in (True, False):
            if not first:
                inner.run(prepared.roots, {value for _, value in prepared.updates})
            for output, target, is_early in zip(prepared.outputs, stacked, early, strict=True):
                if is_early == first:
                    inner.steps.append(copy_step(inner.view(output), target.slice_first(index), node.source))
        inner.write_updates(prepared.updates)
        loop = Loop(index, length, tuple(replace(step, in_loop=True) for step in inner.steps))
        reads = tuple(dict.fromkeys((*sequences, *captured, *inner.hoisted)))
        self.steps.append(Step(node.op, Attributes({}), reads, results, loop=loop, source=node.source))
        self.keep(node, results)

    def is_read_from_the_end(self, loop: Node, index: int) -> bool:
        """Whether a result of a loop is wanted in memory with its last slice first, as gradients through time are.

        Other loops, and steps that take strided inputs, read slices wherever they lie.
        """

        def takes_any_order(reader: Node, read: Node) -> bool:
            entry = self.lowerings.table.get(reader.op.name)
            count = len(reader.inputs)
            return reader.op is scan_op or (
                entry is not None and all(entry.takes(k, count) for k in range(count) if reader.inputs[k] is read)
            )

        items = [each for each in self.readers[loop] if each.op.name == "item" and each.attrs["index"] == index]
        pairs = [(reader, each) for each in items for reader in self.readers[each]]
        reversed_ = [reader for reader, _ in pairs if is_reversed(reader)]
        return (
            self.roots.isdisjoint(items)
            and all(is_reversed(reader) or takes_any_order(reader, each) for reader, each in pairs)
            and not all(takes_any_order(reader, each) for each in reversed_ for reader in self.readers[each])
        )

    def fused_rows(self, node: Node) -> None:
        """Made by `symgraph.compiler.rows` for updates alone: it writes to the variables themselves, later."""
        inputs = tuple(self.view(read) for read in node.inputs)
        targets = tuple(inputs[base] for base in node.attrs["bases"])
        self.in_place.append(Step(node.op, node.attrs, inputs, targets, source=node.source))
        self.keep(node, targets)

    # --------------------------------------------------------------------------------------- outputs, updates

    def as_output(self, node: Node) -> View:
        """The view of an output of the function: a buffer of its own, handed to the caller."""
        view = self.view(node)
        buffer = self.buffers[view.buffer]
        whole = view.is_contiguous and view.offset == 0 and view.size == buffer.size
        if buffer.kind == TEMPORARY and whole:
            self.buffers[view.buffer] = replace(buffer, kind=OUTPUT)
            return view
        target = self.fresh(node.tensor_type, OUTPUT)
        self.steps.append(copy_step(view, target, node.source))
        return target

    def write_updates(self, updates: Sequence[tuple[Node, Node]]) -> list[View]:
        """Write the new values, after everything that reads old ones."""
        targets = [self.view(target) for target, _ in updates]
        taken = {target.buffer for target in targets}
        values = []
        for target, (_, node) in zip(targets, updates, strict=True):
            value = self.view(node)
            if value.buffer in taken and value != target:
                moved = self.fresh(TensorType(value.dtype, value.shape))
                self.steps.append(copy_step(value, moved, node.source))
                value = moved
            values.append(value)
        reads = {k: {view.buffer for view in step.inputs} for k, step in enumerate(self.in_place)}
        writes = {k: {view.buffer for view in step.outputs} for k, step in enumerate(self.in_place)}
        order = written_last(reads, writes)
        assert len(order) == len(self.in_place), "rows are updated in place without an order of the updates"
        self.steps += [self.in_place[k] for k in order]
        for target, value in zip(targets, values, strict=True):
            if value != target:
                self.steps.append(copy_step(value.broadcast_to(target.shape), target))
        return targets


_STRUCTURE: dict[str, Callable[[_Builder, Node], None]] = {
    "item": _Builder.item,
    "concatenate": _Builder.concatenate,
    "embed": _Builder.embed,
    "scan": _Builder.scan,
    "fused_rows": _Builder.fused_rows,
}
