"""Reductions over expressions: one result, several in one way through memory, and loops over a row that use them.

A kernel goes through *items*: the kept places, but for the last axis where that is kept. Where the last axis is kept
(columns), the totals of an item are as many as it is long and lie in memory; else (rows) they are numbers. Long sums
are cut into blocks, which are summed in parallel and then together; how many depends on sizes alone, so the result does
not depend on the threads.

What a row is made of may need its totals: then it is gone through again, in the cache, once for each total that
depends on another. A function that was costly to compute is kept meanwhile where a result of that loop will be written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from symgraph.backends.cpu.lower.fused import COST, loop_indices, work_of
from symgraph.backends.cpu.nest import ExpressionCode, Operand, collapse, declare_strides, depth, place
from symgraph.backends.cpu.table import REDUCTIONS, Arguments, KernelCall, compute_type, kernel_source, register
from symgraph.compiler.program import Buffer, Step, View, contiguous_strides
from symgraph.graph.node import Attributes
from symgraph.graph.type import DimLike, Shape, maximum, minimum, size_of
from symgraph.ops.fused import Expression, Instruction, fused_reduce

#: Rows summed at a time: long sums are cut into blocks, which are summed in parallel and then together. It keeps the
#: rounding error of a sum of n numbers near that of a sum of n / BLOCK, and the result independent of the threads.
BLOCK = 256
MOST_BLOCKS = 64
#: From this estimate on (see `COST`) a function of a row is kept for the next loop over it.
COSTLY = 0.4


@dataclass(frozen=True)
class _Sweep:
    """What a step computes.

    Attributes:
        expression: with the reductions among its instructions.
        views: of its operands.
        shape, axes: the domain, and what is reduced of it.
        full: for each result whether there is one at every place.
        targets: where the results go; those of blocks one after the other.
    """

    expression: Expression
    views: tuple[View, ...]
    shape: Shape
    axes: tuple[int, ...]
    full: tuple[bool, ...]
    targets: tuple[View, ...]

    @property
    def reductions(self) -> list[Instruction | None]:
        """The reduction that each result is; None for other results."""
        count = len(self.expression.operands)
        made = [self.expression.instructions[k - count] if k >= count else None for k in self.expression.results]
        return [each if each is not None and each.op in REDUCTIONS else None for each in made]


def _sweep(step: Step) -> _Sweep:
    """What a step of either kind computes."""
    expression, attrs = step.attrs["expression"], step.attrs
    if step.op is fused_reduce:
        expression = _reduced(expression, attrs["reduce"])
    full = attrs.get("full", (False,))
    return _Sweep(expression, step.inputs, attrs["shape"], attrs["axes"], full, step.outputs)


def _reduced(expression: Expression, reduce: str) -> Expression:
    """An expression whose result is reduced."""
    (value,) = expression.results
    total = Instruction(reduce, Attributes({}), (value,), expression.dtype(value))
    count = len(expression.operands) + len(expression.instructions)
    return Expression(expression.operands, (*expression.instructions, total), (count,))


def _blocks(sweep: _Sweep) -> DimLike:
    """Into how many blocks sums are cut."""
    totals = [each for each, full in zip(sweep.reductions, sweep.full, strict=True) if not full]
    names = [each.op for each in sweep.expression.instructions if each.op in REDUCTIONS]
    if None in totals or len(totals) != len(names) or not {"sum", "prod", "max", "min"}.issuperset(names):
        return 1
    rows = size_of(sweep.shape[k] for k in sweep.axes)
    kept = size_of(sweep.shape[k] for k in range(len(sweep.shape)) if k not in sweep.axes)
    wanted = minimum(MOST_BLOCKS, maximum(1, (rows + BLOCK - 1) // BLOCK))
    # Many results share the work by themselves, and would need much memory for the blocks.
    return minimum(wanted, maximum(1, (1 << 16) // maximum(1, kept))) if kept != 1 else wanted


def _scratch(step: Step) -> Iterable[tuple[str, DimLike]]:
    sweep = _sweep(step)
    blocks = _blocks(sweep)
    totals = [view for view, full in zip(step.outputs, sweep.full, strict=True) if not full]
    return [] if blocks == 1 else [(compute_type(view.dtype), blocks * view.size) for view in totals]


@register("fused_reduce", strided=True, scratch=_scratch)
@register("fused_sweep", strided=True, scratch=_scratch)
def sweep(step: Step, buffers: Sequence[Buffer]) -> list[KernelCall]:
    """One kernel where there is one block; else partial results of blocks of rows, then of those."""
    whole = _sweep(step)
    blocks = _blocks(whole)
    if blocks == 1:
        return [_kernel(whole, buffers, 1, 1)]
    one = minimum(1, maximum(0, blocks - 1))  # 1 where there are several blocks
    scratch = iter(step.scratch)
    partial = tuple(
        view if full else next(scratch) for view, full in zip(whole.targets, whole.full, strict=True)
    )
    cut = _Sweep(whole.expression, whole.views, whole.shape, whole.axes, whole.full, partial)
    calls = [_kernel(whole, buffers, 1, 1 - one), _kernel(cut, buffers, blocks, one)]
    for part, target, each in zip(partial, whole.targets, whole.reductions, strict=True):
        if part is not target and each is not None:
            calls.append(_kernel(_together(part, target, each.op, blocks), buffers, 1, one))
    return calls


def _together(partial: View, target: View, reduce: str, blocks: DimLike) -> _Sweep:
    """The reduction of what the blocks gave."""
    shape = (blocks, target.size)
    stacked = View(partial.buffer, partial.dtype, shape, contiguous_strides(shape), partial.offset)
    expression = _reduced(Expression((partial.dtype,), (), (0,)), reduce)
    return _Sweep(expression, (stacked,), shape, (0,), (False,), (target,))


def _kernel(sweep: _Sweep, buffers: Sequence[Buffer], blocks: DimLike, active: DimLike) -> KernelCall:
    """The kernel of all results, with `blocks` partial results for each kept place."""
    arguments = Arguments()
    nest = _Nest(sweep, arguments)
    nest.declare(buffers)
    arguments.named("blocks", blocks)
    for axis, dim in enumerate(nest.shape):
        arguments.named(f"size{axis}", dim)
    body = _columns(nest) if nest.inner is not None else _rows(nest)
    expression = sweep.expression
    reductions = [each.op for each in expression.instructions if each.op in REDUCTIONS]
    work = work_of(expression, len(sweep.views) * nest.loops, size_of(sweep.shape))
    name = "_".join(dict.fromkeys(reductions))
    return KernelCall(name, kernel_source(arguments, body), tuple(arguments.entries), work, active=active)


class _Nest:
    """The loops of a kernel and what stands in each: kept axes first, then reduced ones, a last kept axis innermost.

    Attributes:
        shape, index: sizes and names of the loops.
        outer, rows, inner: which are kept, reduced, and the last one if it is kept.
        loops: how often a row is gone through.
    """

    def __init__(self, sweep: _Sweep, arguments: Arguments) -> None:
        self.sweep, self.arguments = sweep, arguments
        self.expression = sweep.expression
        shape, axes = sweep.shape, sweep.axes
        kept = [k for k in range(len(shape)) if k not in axes]
        reduced = [k for k in range(len(shape)) if k in axes]
        innermost = [kept.pop()] if kept and kept[-1] == len(shape) - 1 else []
        order = [*kept, *reduced, *innermost]
        self.code = ExpressionCode(self.expression, sweep.views, shape, arguments)
        self.full = {
            k: Operand(f"y{k}", view.strides, view.offset, view)
            for k, (view, full) in enumerate(zip(sweep.targets, sweep.full, strict=True))
            if full
        }
        operands = [*self.code.all_operands, *self.full.values()]
        for operand in operands:
            operand.strides = tuple(operand.strides[axis] for axis in order)
        flags: list = ["kept"] * len(kept) + ["reduced"] * len(reduced) + ["inner"] * len(innermost)
        self.shape = collapse(tuple(shape[axis] for axis in order), operands, flags)
        self.index = loop_indices(len(self.shape))
        self.outer = [axis for axis, flag in enumerate(flags) if flag == "kept"]
        self.rows = [axis for axis, flag in enumerate(flags) if flag == "reduced"]
        self.inner = next((axis for axis, flag in enumerate(flags) if flag == "inner"), None)

    def declare(self, buffers: Sequence[Buffer]) -> None:
        """Read addresses and strides from the argument table; then find out where each value is computed."""
        self.code.declare(buffers, independent=True)
        for k, view in enumerate(self.sweep.targets):
            self.arguments.pointer(f"y{k}", view, buffers[view.buffer].size, independent=True)
            if k in self.full:
                declare_strides(self.full[k], self.arguments)
            else:
                self.arguments.named(f"y{k}_0", view.offset)
        self._place_values()

    def _place_values(self) -> None:
        """Find the depth and the loop over the row at which each value is known."""
        self.level: list[int] = [depth(operand) for operand in self.code.operands]
        self.phase: list[int] = [0] * len(self.level)
        self.count = len(self.level)
        for k, each in enumerate(self.expression.instructions):
            number = self.count + k
            level = max((self.level[a] for a in each.arguments), default=0)
            phase = max((self.phase[a] for a in each.arguments), default=0)
            if each.op in REDUCTIONS:
                level, phase = len(self.outer), phase + 1
            elif number in self.code.places:
                level = max(level, depth(self.code.places[number]))
            self.level.append(level)
            self.phase.append(phase)
        ends = [self.phase[self.expression.results[k]] for k in self.full]
        self.loops = max([self.phase[number] for number in self.totals()] + [end + 1 for end in ends])
        self.homes: dict[int, _Home] = {}
        if self.loops > 1:
            self.homes = _homes(self)

    def totals(self, loop: int | None = None) -> list[int]:
        """The numbers of the reductions, of all or of those that one loop over the row adds up."""
        return [
            self.count + k
            for k, each in enumerate(self.expression.instructions)
            if each.op in REDUCTIONS and loop in (None, self.phase[self.count + k] - 1)
        ]

    def instruction(self, number: int) -> Instruction | None:
        """What computes a value; None for an operand."""
        return self.expression.instructions[number - self.count] if number >= self.count else None

    def start(self, number: int) -> str:
        """The number that a total starts with."""
        each = self.expression.instructions[number - self.count]
        return REDUCTIONS[each.op](compute_type(each.dtype))[0]

    def combined(self, number: int, total: str) -> str:
        """A total with one more value."""
        each = self.expression.instructions[number - self.count]
        return REDUCTIONS[each.op](compute_type(each.dtype))[1].format(total, f"v{each.arguments[0]}")

    def place(self, result: int) -> str:
        """The place of a result in its memory."""
        return place(self.full[result], self.index)

    def line(self, number: int, loop: int = 0) -> str:
        """The assignment of a value in a loop over the row."""
        home = self.homes.get(number)
        if home is not None and home.loop < loop:
            return f"v{number} = y{home.target}[{self.place(home.target)}]"
        each = self.instruction(number)
        if each is None:
            operand = self.code.operands[number]
            return f"v{number} = {operand.name}[{place(operand, self.index)}]"
        return f"v{number} = {self.code.text(each, number, self.index)}"

    def wanted(self, loop: int) -> list[int]:
        """What one loop over the row needs at each place: what it adds up, and the results that it can write."""
        totals = [self.expression.instructions[number - self.count].arguments[0] for number in self.totals(loop)]
        results = [self.expression.results[k] for k in self.full]
        kept = [number for number, home in self.homes.items() if home.loop == loop]
        return [*totals, *(number for number in results if self.phase[number] == loop), *kept]

    def values(self, loop: int) -> list[int]:
        """What one loop over the row computes or loads at each place, in order."""
        found: set[int] = set()
        pending = self.wanted(loop)
        while pending:
            number = pending.pop()
            if number in found or self.level[number] <= len(self.outer):
                continue
            found.add(number)
            each = self.instruction(number)
            home = self.homes.get(number)
            if each is not None and (home is None or home.loop >= loop):
                pending += each.arguments
        return sorted(number for number in found if number not in self.code.rows)

    def of_rows(self, phase: int, outside: bool = False) -> list[str]:
        """The assignments of what is the same along a row, as soon as its totals are known."""
        return [
            self.line(number)
            for number in range(len(self.level))
            if self.phase[number] == phase
            and self.level[number] <= len(self.outer)
            and (self.level[number] == 0 and phase == 0) == outside
            and number not in self.code.rows
            and not ((each := self.instruction(number)) and each.op in REDUCTIONS)
        ]


@dataclass(frozen=True)
class _Home:
    """Where a value is kept from one loop over a row to the next: at the place of a result."""

    target: int
    loop: int


def _homes(nest: _Nest) -> dict[int, _Home]:
    """Find for costly values that several loops over a row need a result that is written after the last of them."""
    used: dict[int, list[int]] = {}
    for loop in range(nest.loops):
        for number in nest.values(loop):
            each = nest.instruction(number)
            if each is not None and nest.level[number] == len(nest.shape) and COST.get(each.op, 0) >= COSTLY:
                used.setdefault(number, []).append(loop)
    homes: dict[int, _Home] = {}
    taken: set[int] = set()
    for number, loops in used.items():
        dtype = nest.expression.dtype(number)
        if len(loops) < 2 or compute_type(dtype) != dtype:
            continue
        for k in nest.full:
            result = nest.expression.results[k]
            if k not in taken and nest.sweep.targets[k].dtype == dtype and nest.phase[result] >= loops[-1]:
                taken.add(k)
                homes[number] = _Home(k, loops[0])
                break
    return homes


def _items(nest: _Nest) -> list[str]:
    """The lines that open the loop over items."""
    return [
        *nest.of_rows(0, outside=True),
        "for item in range(first, last):",
        "    block = item // places",
        "    rest = item % places",
        *(
            line
            for axis in reversed(nest.outer)
            for line in (f"    {nest.index[axis]} = rest % size{axis}", f"    rest = rest // size{axis}")
        ),
    ]


def _open_rows(nest: _Nest, body: list[str], loop: int) -> int:
    """Open the loops over the reduced axes, with what can be computed in each; returns the depth inside."""
    indent, values = 1, nest.values(loop)
    for position, axis in enumerate(nest.rows):
        bounds = "row_start, row_stop" if position == 0 else f"0, size{axis}"
        body.append("    " * indent + f"for {nest.index[axis]} in range({bounds}):")
        indent += 1
        level = len(nest.outer) + position + 1
        body.extend("    " * indent + nest.line(number, loop) for number in values if nest.level[number] == level)
    return indent


def _bounds(nest: _Nest) -> list[str]:
    """The part of the rows that belongs to a block."""
    if not nest.rows:
        return []
    size = f"size{nest.rows[0]}"
    return [f"    row_start = {size} * block // blocks", f"    row_stop = {size} * (block + 1) // blocks"]


def _columns(nest: _Nest) -> list[str]:
    """The last axis is kept: the totals of all its places are made together."""
    width, name = f"size{nest.inner}", nest.index[nest.inner or 0]
    totals = {number: f"y{nest.expression.results.index(number)}" for number in nest.totals()}
    body = [
        f"width = {width}",
        f"places = {' * '.join(f'size{axis}' for axis in nest.outer) or '1'}",
        "items = places * blocks",
        "if items >= threads:",
        "    first, last = span(items, thread, threads)",
        "    inner_start, inner_stop = 0, width",
        "else:",
        "    first, last = 0, items",
        "    inner_start, inner_stop = span(width, thread, threads)",
        *_items(nest),
        *("    " + line for line in nest.of_rows(0)),
        *(f"    {target}_base = {target}_0 + item * width" for target in totals.values()),
        f"    for {name} in range(inner_start, inner_stop):",
        *(f"        {target}[{target}_base + {name}] = {nest.start(k)}" for k, target in totals.items()),
        *_bounds(nest),
    ]
    indent = _open_rows(nest, body, 0)
    body.append("    " * indent + f"for {name} in range(inner_start, inner_stop):")
    inside = [nest.line(number) for number in nest.values(0) if nest.level[number] == len(nest.shape)]
    for number, target in totals.items():
        there = f"{target}[{target}_base + {name}]"
        inside.append(f"{there} = {nest.combined(number, there)}")
    inside += _stores(nest, 0)
    body.extend("    " * (indent + 1) + line for line in inside)
    return body


def _stores(nest: _Nest, loop: int) -> list[str]:
    """The results at every place that one loop over the row writes."""
    return [
        f"y{k}[{nest.place(k)}] = v{nest.expression.results[k]}"
        for k in nest.full
        if nest.phase[nest.expression.results[k]] == loop
    ]


def _rows(nest: _Nest) -> list[str]:
    """The last axis is reduced: the totals of an item are numbers."""
    body = [
        f"places = {' * '.join(f'size{axis}' for axis in nest.outer) or '1'}",
        "first, last = span(places * blocks, thread, threads)",
        *_items(nest),
        *_bounds(nest),
    ]
    for loop in range(nest.loops):
        totals = nest.totals(loop)
        body += ["    " + line for line in nest.of_rows(loop)]
        body += [f"    v{number} = {nest.start(number)}" for number in totals]
        indent = _open_rows(nest, body, loop)
        inside = [f"v{number} = {nest.combined(number, f'v{number}')}" for number in totals]
        inside += [
            f"y{home.target}[{nest.place(home.target)}] = v{number}"
            for number, home in nest.homes.items()
            if home.loop == loop
        ]
        body += ["    " * indent + line for line in (*inside, *_stores(nest, loop))]
    body += ["    " + line for line in nest.of_rows(nest.loops)]
    for k, number in enumerate(nest.expression.results):
        if k not in nest.full:
            body.append(f"    y{k}[y{k}_0 + item] = v{number}")
    return body
