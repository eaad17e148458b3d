"""Alias: write results where they are wanted, instead of copying them there.

A copy of a whole temporary to its destination - a variable, a slice of a stacked output, a part of a concatenation -
is dropped by letting the step that makes the temporary write to the destination, wherever no step in between still
reads the old content of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from symgraph.compiler.program import CONSTANT, INPUT, TEMPORARY, VARIABLE, Loop, Program, Step, View
from symgraph.ops.fused import fused


def alias(program: Program) -> Program:
    """Return the program with redundant copies dropped."""
    steps, redirected = _alias_steps(program, program.steps)
    outputs = tuple(_redirect(view, redirected) for view in program.outputs)
    return replace(program, steps=tuple(steps), outputs=outputs)


def _alias_steps(program: Program, steps: Sequence[Step]) -> tuple[list[Step], dict[int, View]]:
    """Drop copies in one list of steps; returns the list and where each dropped temporary lives now."""
    result: list[Step] = []
    for step in steps:
        if step.loop is not None:
            inner, _ = _alias_steps(program, step.loop.steps)
            step = replace(step, loop=Loop(step.loop.index, step.loop.length, tuple(inner)))
        result.append(step)
    redirected: dict[int, View] = {}
    position = 0
    while position < len(result):
        producer = _redirectable(program, result, position)
        if producer is None:
            position += 1
            continue
        copy = result.pop(position)
        source, target = copy.inputs[0], copy.outputs[0]
        move = {source.buffer: target}
        result = [_moved(step, move) for step in result]
        redirected = {number: _redirect(view, move) for number, view in redirected.items()} | move
    return result, redirected


def _checks(step: Step) -> bool:
    """Return whether a step may refuse its input."""
    return step.op.checks or (step.loop is not None and any(map(_checks, step.loop.steps)))


def is_copy(step: Step) -> bool:
    """Return whether a step does nothing but copy."""
    return step.op is fused and not step.attrs["expression"].instructions and len(step.outputs) == 1


def _redirectable(program: Program, steps: Sequence[Step], position: int) -> int | None:
    """Return the place of the step that may write directly to where the copy at `position` leads, or None."""
    copy = steps[position]
    if not is_copy(copy):
        return None
    source, target = copy.inputs[0], copy.outputs[0]
    buffer = program.buffers[source.buffer]
    whole = source.is_contiguous and source.offset == 0 and source.size == buffer.size
    if buffer.kind != TEMPORARY or not whole or not target.is_contiguous or source.dtype != target.dtype:
        return None
    writers = [k for k, step in enumerate(steps) if any(v.buffer == source.buffer for v in step.outputs)]
    if len(writers) != 1 or writers[0] >= position:
        return None
    producer = steps[writers[0]]
    if any(view.buffer == source.buffer for view in (*producer.inputs, *producer.scratch)):
        return None
    if producer.loop is None:
        if not _reads_in_place(producer, target):
            return None
    elif any(view.buffer == target.buffer for view in producer.all_views()):
        return None
    elif any(step.loop is not None for step in producer.loop.steps):
        return None
    for step in steps[writers[0] + 1 : position]:
        if any(view.buffer == target.buffer for view in (*step.inputs, *step.scratch)):
            return None
        if any(view.buffer == target.buffer and view.size == program.buffers[target.buffer].size for view in step.outputs):
            return None  # it is filled as a whole first
        if step.loop is not None and any(view.buffer == target.buffer for view in step.all_views()):
            return None
    if program.buffers[target.buffer].kind in (INPUT, CONSTANT):
        return None
    if program.buffers[target.buffer].kind == VARIABLE and any(map(_checks, steps[writers[0] :])):
        return None  # an error must leave variables as they are
    # Later steps must not write the destination again while the value is still read through it.
    for step in steps[position + 1 :]:
        overwrites = any(v.buffer == target.buffer and v.offset == target.offset for v in step.outputs)
        if overwrites and program.buffers[target.buffer].kind == VARIABLE:
            return None
    return writers[0]


def _reads_in_place(step: Step, target: View) -> bool:
    """Return whether a step reads the destination only where, and when, it writes it."""
    touching = [view for view in step.inputs if view.buffer == target.buffer]
    if not touching:
        return not any(view.buffer == target.buffer for view in step.outputs) or step.op is fused
    same = all(
        view.size == target.size and view.is_contiguous and view.offset == target.offset for view in touching
    )
    domain = step.attrs["shape"] if step.op is fused else None
    return step.op is fused and same and all(view.shape == domain for view in touching)


def _redirect(view: View, moves: dict[int, View]) -> View:
    target = moves.get(view.buffer)
    if target is None:
        return view
    return replace(view, buffer=target.buffer, offset=target.offset + view.offset)


def _moved(step: Step, moves: dict[int, View]) -> Step:
    loop = step.loop
    if loop is not None:
        loop = Loop(loop.index, loop.length, tuple(_moved(inner, moves) for inner in loop.steps))
    return replace(
        step,
        inputs=tuple(_redirect(view, moves) for view in step.inputs),
        outputs=tuple(_redirect(view, moves) for view in step.outputs),
        loop=loop,
    )
