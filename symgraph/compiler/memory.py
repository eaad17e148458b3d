"""Plan memory: temporaries that are never alive together share a slot of one arena.

Sizes may hold symbols, so slots are chosen by lifetimes and by equal sizes; where sizes differ, those of the call that
asked for the program decide which share. A slot is as large as the largest of its buffers, so the plan is right for
every size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from symgraph.compiler.program import TEMPORARY, MemoryPlan, Program, Step, View
from symgraph.graph.type import Atom, evaluate


@dataclass
class Lifetime:
    """The first and the last position at which a buffer is touched."""

    first: int
    last: int


def positions(steps: Sequence[Step]) -> list[tuple[int, Step, int]]:
    """Number the steps, bodies of loops between their two ends; returns (position, step, end position)."""
    found: list[tuple[int, Step, int]] = []
    counter = 0

    def walk(part: Sequence[Step]) -> None:
        nonlocal counter
        for step in part:
            start, index = counter, len(found)
            counter += 1
            found.append((start, step, start))
            if step.loop is not None:
                walk(step.loop.steps)
                found[index] = (start, step, counter)
                counter += 1

    walk(steps)
    return found


def lifetimes(program: Program) -> dict[int, Lifetime]:
    """Return the lifetime of every temporary."""
    alive: dict[int, Lifetime] = {}
    for start, step, end in positions(program.steps):
        for view in step.views():
            if program.buffers[view.buffer].kind == TEMPORARY:
                known = alive.setdefault(view.buffer, Lifetime(start, end))
                known.last = max(known.last, end)
    return alive


def plan_memory(program: Program, values: Mapping[Atom, int]) -> Program:
    """Return the program with a slot for each temporary.

    Args:
        program: a scheduled program.
        values: sizes of the symbols in the call at hand; they steer which buffers share, not whether it is right.
    """
    alive = lifetimes(program)
    nbytes = {number: evaluate(program.buffers[number].nbytes, values) for number in alive}
    starting: dict[int, list[int]] = {}
    ending: dict[int, list[int]] = {}
    for number, life in alive.items():
        starting.setdefault(life.first, []).append(number)
        ending.setdefault(life.last, []).append(number)
    at = {start: step for start, step, _ in positions(program.steps)}
    slot_of: dict[int, int] = {}
    members: list[list[int]] = []
    sizes: list[int] = []
    free: set[int] = set()
    for position in sorted({*starting, *ending}):
        given = _donations(program, at.get(position), alive, position, slot_of)
        for number in sorted(starting.get(position, ()), key=lambda n: -nbytes[n]):
            donor = given.get(number)
            if donor is not None:
                slot = slot_of[donor]
            else:
                chosen = _choose(nbytes[number], free, sizes)
                slot = len(members) if chosen is None else chosen
                if chosen is None:
                    members.append([])
                    sizes.append(0)
                free.discard(slot)
            slot_of[number] = slot
            members[slot].append(number)
            sizes[slot] = max(sizes[slot], nbytes[number])
        donors = set(given.values())
        for number in ending.get(position, ()):
            if number not in donors:
                free.add(slot_of[number])
    return replace(program, plan=MemoryPlan(slot_of, tuple(tuple(slot) for slot in members)))


def _choose(size: int, free: set[int], sizes: list[int]) -> int | None:
    """The smallest free slot that is large enough, else the largest free one, which then grows."""
    fitting = [slot for slot in free if sizes[slot] >= size]
    if fitting:
        return min(fitting, key=lambda slot: (sizes[slot], slot))
    return max(free, key=lambda slot: (sizes[slot], -slot)) if free else None


def _donations(
    program: Program, step: Step | None, alive: dict[int, Lifetime], position: int, slot_of: dict[int, int]
) -> dict[int, int]:
    """Return output -> input pairs of a step that may work in place: the input dies where the output begins."""
    if step is None or not step.is_loop_nest:
        return {}
    taken = {step.inputs[k].buffer for k in step.read_elsewhere}
    pairs: dict[int, int] = {}
    for output in step.outputs:
        life = alive.get(output.buffer)
        if life is None or life.first != position or not _is_whole(program, output):
            continue
        for view in step.inputs:
            dying = alive.get(view.buffer)
            if (
                dying is not None
                and dying.last == position
                and view.buffer in slot_of
                and view.buffer not in taken
                and _is_whole(program, view)
                and view.shape == output.shape
                and program.buffers[view.buffer].nbytes == program.buffers[output.buffer].nbytes
                and sum(other.buffer == view.buffer for other in step.inputs) == 1
            ):
                pairs[output.buffer] = view.buffer
                taken.add(view.buffer)
                break
    return pairs


def _is_whole(program: Program, view: View) -> bool:
    return view.is_contiguous and view.offset == 0 and view.size == program.buffers[view.buffer].size
