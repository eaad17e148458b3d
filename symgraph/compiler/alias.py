"""Alias: write results where they are wanted, instead of copying them there.

A copy of a whole temporary to its destination - a variable, a slice of a stacked output, a part of a concatenation -
is dropped by letting the step that makes the temporary write to the destination, wherever no step in between still
reads the old content of it.
"""

from __future__ import annotations

from collections import defaultdict
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
    prepared: list[Step] = []
    for step in steps:
        if step.loop is not None:
            inner, _ = _alias_steps(program, step.loop.steps)
            step = replace(step, loop=Loop(step.loop.index, step.loop.length, tuple(inner)))
        prepared.append(step)
    search = _Search(program, prepared)
    dropped = {position for position, step in enumerate(prepared) if is_copy(step) and search.drop(position)}
    kept = [step for position, step in enumerate(prepared) if position not in dropped]
    moves = {number: search.resolve(view) for number, view in search.moves.items()}
    return [_moved(step, moves) for step in kept] if moves else kept, moves


class _Search:
    """Where each buffer is read and written in a list of steps, kept up to date while temporaries move."""

    def __init__(self, program: Program, steps: list[Step]) -> None:
        self.program, self.steps = program, steps
        self.moves: dict[int, View] = {}
        self.reads: dict[int, set[int]] = defaultdict(set)
        self.writes: dict[int, set[int]] = defaultdict(set)
        self.last_check = -1
        for position, step in enumerate(steps):
            for inner in _flat(step):
                for view in (*inner.inputs, *inner.scratch):
                    self.reads[view.buffer].add(position)
                for view in inner.outputs:
                    self.writes[view.buffer].add(position)
                if inner.op.checks:
                    self.last_check = position

    def resolve(self, view: View) -> View:
        """Return where a view is now."""
        while view.buffer in self.moves:
            view = _redirect(view, self.moves)
        return view

    def drop(self, position: int) -> bool:
        """Let the step that makes the source of a copy write to its target, if that is right; then it may go."""
        copy = self.steps[position]
        source, target = self.resolve(copy.inputs[0]), self.resolve(copy.outputs[0])
        if source.buffer == target.buffer or not self._may_move(source, target, position):
            return False
        self.moves[source.buffer] = target
        self.reads[source.buffer].discard(position)
        self.writes[target.buffer].discard(position)
        self.reads[target.buffer] |= self.reads.pop(source.buffer, set())
        self.writes[target.buffer] |= self.writes.pop(source.buffer, set())
        return True

    def _may_move(self, source: View, target: View, position: int) -> bool:
        buffer, goal = self.program.buffers[source.buffer], self.program.buffers[target.buffer]
        whole = source.is_contiguous and source.offset == 0 and source.size == buffer.size
        if buffer.kind != TEMPORARY or not whole or source.dtype != target.dtype:
            return False
        if not target.is_contiguous and not self._made_for(source, target, position):
            return False
        if goal.kind in (INPUT, CONSTANT):
            return False
        writers = self.writes[source.buffer]
        if not writers or max(writers) >= position or not writers.isdisjoint(self.reads[source.buffer]):
            return False
        if not all(self._producer_fits(writer, target) for writer in writers):
            return False
        first = min(writers)
        if goal.kind == VARIABLE and self.last_check >= first:
            return False  # an error must leave variables as they are
        if any(first < k < position for k in self.reads[target.buffer]):
            return False  # somebody still reads the old content
        for k in self.writes[target.buffer]:
            if first < k < position and any(self._is_whole(view, target.buffer) for view in self.steps[k].outputs):
                return False  # it is filled as a whole first
            if k > position and (goal.kind == VARIABLE or k <= self._last_read(source.buffer)):
                return False  # it is written again while the value may be read through it
        return True

    def _last_read(self, buffer: int) -> int:
        """The position of the last step that reads a buffer; after all steps for what the program returns."""
        if any(self.resolve(view).buffer == buffer for view in self.program.outputs):
            return len(self.steps)
        return max(self.reads[buffer], default=-1)

    def _made_for(self, source: View, target: View, position: int) -> bool:
        """Return whether a copy is all that reads a result of a loop nest: it can have gaps between its rows then."""
        if self.reads[source.buffer] != {position} or target.strides[-1] != 1 or len(self.writes[source.buffer]) != 1:
            return False
        (first,) = self.writes[source.buffer]
        step = self.steps[first]
        made = [view for view in map(self.resolve, step.outputs) if view.buffer == source.buffer]
        return step.loop is None and step.is_loop_nest and made == [source] and source.shape == target.shape

    def _is_whole(self, view: View, buffer: int) -> bool:
        view = self.resolve(view)
        return view.buffer == buffer and view.size == self.program.buffers[buffer].size

    def _producer_fits(self, position: int, target: View) -> bool:
        """Return whether a step reads the destination only where, and when, it writes it."""
        step = self.steps[position]
        reads, writes = position in self.reads[target.buffer], position in self.writes[target.buffer]
        if step.loop is not None:
            return not reads and not writes and not any(inner.loop is not None for inner in step.loop.steps)
        if not reads:
            return not writes or step.is_loop_nest
        if not step.is_loop_nest:
            return False
        if any(self.resolve(step.inputs[k]).buffer == target.buffer for k in step.read_elsewhere):
            return False
        touching = [view for view in map(self.resolve, step.inputs) if view.buffer == target.buffer]
        return all(
            view.is_contiguous and view.offset == target.offset and view.shape == step.attrs["shape"]
            and view.size == target.size
            for view in touching
        )  # fmt: skip


def _flat(step: Step) -> list[Step]:
    """A step with all steps inside it."""
    found = [step]
    for inner in step.loop.steps if step.loop else ():
        found += _flat(inner)
    return found


def is_copy(step: Step) -> bool:
    """Return whether a step does nothing but copy."""
    return step.op is fused and not step.attrs["expression"].instructions and len(step.outputs) == 1


def _redirect(view: View, moves: dict[int, View]) -> View:
    target = moves.get(view.buffer)
    if target is None:
        return view
    if not target.is_contiguous:  # nobody looks at a part of it
        return target
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
