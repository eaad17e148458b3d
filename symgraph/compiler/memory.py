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
from symgraph.ops.fused import fused, fused_sweep


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

    The largest choose first, and each takes the first slot that is free all its life: what comes later is smaller and
    adds nothing to the slot (greedy by size, as in Pisarchyk and Lee, "Efficient memory management for deep neural net
    inference", 2020).

    Args:
        program: a scheduled program.
        values: sizes of the symbols in the call at hand; they steer which buffers share, not whether it is right.
    """
    alive = lifetimes(program)
    nbytes = {number: evaluate(program.buffers[number].nbytes, values) for number in alive}
    chains = _chains(program, alive)
    chains.sort(key=lambda chain: (-max(nbytes[number] for number in chain), alive[chain[0]].first))
    slot_of: dict[int, int] = {}
    members: list[list[int]] = []
    taken: list[int] = []  # for each slot the positions at which it is taken, as bits
    for chain in chains:
        first, last = alive[chain[0]].first, alive[chain[-1]].last
        needed = ((1 << (last - first + 1)) - 1) << first
        slot = next((k for k, positions_taken in enumerate(taken) if not positions_taken & needed), len(taken))
        if slot == len(taken):
            taken.append(0)
            members.append([])
        taken[slot] |= needed
        members[slot] += chain
        slot_of.update(dict.fromkeys(chain, slot))
    return replace(program, plan=MemoryPlan(slot_of, tuple(tuple(slot) for slot in members)))


def _chains(program: Program, alive: Mapping[int, Lifetime]) -> list[list[int]]:
    """Return the temporaries in lists of those that follow each other in place; most are alone."""
    starting: dict[int, list[int]] = {}
    for number, life in alive.items():
        starting.setdefault(life.first, []).append(number)
    at = {start: step for start, step, _ in positions(program.steps)}
    chain_of: dict[int, list[int]] = {}
    for position in sorted(starting):
        given = _donations(program, at.get(position), alive, position)
        for number in starting[position]:
            chain = chain_of[given[number]] if number in given else []
            chain.append(number)
            chain_of[number] = chain
    return list({id(chain): chain for chain in chain_of.values()}.values())


def made_in_place(step: Step) -> list[View]:
    """Return the results of a step that are written where, and when, it reads the same place for the last time.

    The memory of the results of a product may hold it before they are made; that of a row of a sweep which is read
    several times, what one loop over it keeps for the next; and totals are written from the beginning on.
    """
    if step.op is fused_sweep and not step.attrs["expression"].uses_totals:
        return [view for view, full in zip(step.outputs, step.attrs["full"], strict=True) if full]
    return list(step.outputs) if step.op is fused else []


def _donations(program: Program, step: Step | None, alive: Mapping[int, Lifetime], position: int) -> dict[int, int]:
    """Return output -> input pairs of a step that may work in place: the input dies where the output begins."""
    if step is None:
        return {}
    results = made_in_place(step)
    taken = {step.inputs[k].buffer for k in step.read_elsewhere} if results else set()
    pairs: dict[int, int] = {}
    for output in results:
        life = alive.get(output.buffer)
        if life is None or life.first != position or not _is_whole(program, output):
            continue
        for view in step.inputs:
            dying = alive.get(view.buffer)
            if (
                dying is not None
                and dying.last == position
                and dying.first < position
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
