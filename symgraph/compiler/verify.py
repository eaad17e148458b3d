"""Verify: check what every pass must keep true. Used after each pass in tests, and on request."""

from __future__ import annotations

from symgraph.compiler.graph import Graph
from symgraph.compiler.memory import lifetimes, made_in_place, positions
from symgraph.compiler.program import INPUT, OUTPUT, TEMPORARY, VARIABLE, Program, View
from symgraph.graph.traverse import topological_order


class VerifyError(AssertionError):
    """A pass broke the graph or the program."""


def verify(value: Graph | Program) -> None:
    """Check a graph or a program.

    Raises:
        VerifyError: with what is wrong.
    """
    if isinstance(value, Graph):
        _verify_graph(value)
    else:
        _verify_program(value)


def _verify_graph(graph: Graph) -> None:
    for node in topological_order(graph.roots):
        inferred = node.op.infer(*(read.type for read in node.inputs), **node.attrs)
        if inferred != node.type:
            raise VerifyError(f"{node!r} has the type {node.type}, but its inputs give {inferred}")
    for target, value in graph.updates:
        if target.dtype != value.dtype:
            raise VerifyError(f"an update of {target.type} has the value {value.type}")


def _verify_program(program: Program) -> None:
    written = {k for k, buffer in enumerate(program.buffers) if buffer.kind not in (OUTPUT, TEMPORARY)}
    for _, step, _ in positions(program.steps):
        for view in step.inputs:
            if view.buffer not in written:
                raise VerifyError(f"{step.name} reads buffer {view.buffer} before anything has written it")
            _verify_range(program, view)
        for view in step.outputs:
            if program.buffers[view.buffer].kind not in (OUTPUT, TEMPORARY, VARIABLE):
                raise VerifyError(f"{step.name} writes a buffer of kind {program.buffers[view.buffer].kind!r}")
            _verify_range(program, view)
            written.add(view.buffer)
        written.update(view.buffer for view in step.scratch)
        if step.is_loop_nest and any(view.shape != step.attrs["shape"] for view in step.outputs):
            raise VerifyError("a fused step writes another shape than it computes")
    for view in program.outputs:
        if program.buffers[view.buffer].kind not in (OUTPUT, INPUT) or view.buffer not in written:
            raise VerifyError(f"output {view} is not written")
    if program.plan is not None:
        _verify_plan(program)


def _verify_range(program: Program, view: View) -> None:
    """Where sizes are known, a view must stay inside its buffer."""
    size, offset = program.buffers[view.buffer].size, view.offset
    if not isinstance(size, int) or not isinstance(offset, int) or 0 in view.shape:
        return
    low = high = offset
    for dim, stride in zip(view.shape, view.strides, strict=True):
        if not isinstance(dim, int) or not isinstance(stride, int):
            return
        reach = (dim - 1) * stride
        low, high = low + min(reach, 0), high + max(reach, 0)
    if low < 0 or high >= size:
        raise VerifyError(f"{view} leaves its buffer of {size} elements")


def _verify_plan(program: Program) -> None:
    assert program.plan is not None
    alive = lifetimes(program)
    starts = {start: step for start, step, _ in positions(program.steps)}
    for slot in program.plan.slots:
        ordered = sorted(slot, key=lambda number: (alive[number].first, alive[number].last))
        for earlier, later in zip(ordered, ordered[1:], strict=False):
            if alive[earlier].last < alive[later].first:
                continue
            step = starts[alive[later].first]
            in_place = alive[earlier].last == alive[later].first and any(
                view.buffer == later for view in made_in_place(step)
            )
            if not in_place:
                raise VerifyError(f"buffers {earlier} and {later} share a slot and are alive together")
