"""Loops whose iterations the threads share by rows.

In a recurrent network the rows of a batch do not depend on each other: a thread that makes some rows of every result of
an iteration needs nothing of what the others make. Then the calls of an iteration need no barrier between them. It is
found out when sizes are known, from the numbers alone: every result of the loop must lie in memory so that what belongs
to one row of it belongs to the same row of all others that ever lie there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from symgraph.compiler.program import MemoryPlan, Step, View
from symgraph.graph.type import Dim, DimLike, numpy_dtype, substitute

#: Fewer rows than these are multiplied in other ways (see product.py), where matrices do not lie in panels.
FEWEST = 5


def sizes_of(steps: Sequence[Step], index: Dim) -> Iterable[DimLike]:
    """Give the sizes that `threads_own_rows` will ask for."""
    for step in steps:
        for view in step.views():
            yield from (*view.shape, *view.strides, view.offset, _growth(view, index))


def _growth(view: View, index: Dim) -> DimLike:
    """By how much the offset of a view grows in each iteration."""
    if not isinstance(view.offset, Dim):
        return 0
    assert index.symbol is not None
    return substitute(view.offset, {index.symbol: 1}) - substitute(view.offset, {index.symbol: 0})


@dataclass(frozen=True)
class _Rows:
    """How rows lie in a piece of memory: how many there are, and how many bytes lie between neighbours."""

    count: int
    pitch: int


def threads_own_rows(
    steps: Sequence[Step], index: Dim, value: Callable[[DimLike], int], plan: MemoryPlan, threads: int
) -> bool:
    """Return whether each thread can go through the steps of an iteration without waiting for others.

    Args:
        steps: the body of the loop; each part of each of them makes its share of rows (`KernelCall.by_rows`).
        index: the number of the iteration.
        value: gives the value of a size (with the index at 0).
        plan: which temporaries share memory.
        threads: how many parts there are.
    """
    made = {_memory(view, plan) for step in steps for view in step.outputs}
    count = None
    known: dict[tuple[str, int], _Rows] = {}
    for step in steps:
        rows = value(step.outputs[0].shape[0]) if step.outputs[0].shape else 0
        is_any_way = "panel" in step.attrs or step.name not in ("matmul", "fused_matmul")
        if step.scratch or rows < threads * (1 if is_any_way else FEWEST) or (count is not None and rows != count):
            return False
        count = rows
        apart = _read_as_a_whole(step)
        for k, view in enumerate((*step.inputs, *step.outputs)):
            place = _memory(view, plan)
            if place not in made or any(value(dim) == 0 for dim in view.shape):
                continue
            found = _rows(view, index, value)
            if k in apart or found is None or found.count != rows or known.setdefault(place, found) != found:
                return False
    return True


def _memory(view: View, plan: MemoryPlan) -> tuple[str, int]:
    """Name the memory of a view: a slot of the plan, or a buffer of its own."""
    slot = plan.slot_of.get(view.buffer)
    return ("buffer", view.buffer) if slot is None else ("slot", slot)


def _read_as_a_whole(step: Step) -> set[int]:
    """The inputs of which each part reads more than its own rows."""
    attrs: Mapping[str, object] = step.attrs
    last = len(step.inputs) - 1
    whole = set(step.read_elsewhere) if step.is_loop_nest else {last}
    if step.name in ("matmul", "fused_matmul") and not attrs["transpose_x"]:
        whole.discard(last - 1)
    return whole if step.name != "matmul" or not attrs["transpose_x"] else {0, 1}


def _rows(view: View, index: Dim, value: Callable[[DimLike], int]) -> _Rows | None:
    """Return how the rows of a view lie in its memory; None where one row reaches into the place of another."""
    if not view.shape:
        return None
    shape, strides = [value(dim) for dim in view.shape], [value(stride) for stride in view.strides]
    offset, growth, pitch = value(view.offset), value(_growth(view, index)), strides[0]
    if pitch <= 0 or any(stride < 0 for dim, stride in zip(shape, strides, strict=True) if dim > 1):
        return None
    reach = sum((dim - 1) * stride for dim, stride in zip(shape[1:], strides[1:], strict=True))
    whole = shape[0] * pitch  # as far apart are the same rows of two iterations
    if offset % whole + reach >= pitch or growth % whole:
        return None
    return _Rows(shape[0], pitch * numpy_dtype(view.dtype).itemsize)
