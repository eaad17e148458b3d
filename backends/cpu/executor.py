"""The CPU executor: a program becomes a tape of native kernel calls, run in one call on a pool of threads.

Loading a program generates the kernels (or fetches them from the cache) and lays out one table with the arguments of
all calls. Binding it to sizes fills the table with numbers; nothing is compiled then. A call copies small inputs into
the arena or enters the addresses of large ones, runs the tape, and hands out the results.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from symgraph import config
from symgraph.backends.cpu import (
    blas,
    limits,
    lower,  # noqa: F401  fills the table
    objects,
    pool,
)
from symgraph.backends.cpu.background import Compilation
from symgraph.backends.cpu.loops import sizes_of, threads_own_rows
from symgraph.backends.cpu.pool import ALONE, CHECKED, ROW, SHARED, Pool, row
from symgraph.backends.cpu.table import LOWERINGS, Address, Bits, KernelCall, Status
from symgraph.compiler.program import CONSTANT, INPUT, OUTPUT, VARIABLE, Program, Step
from symgraph.graph.type import Atom, Dim, DimLike, numpy_dtype, source, substitute, symbols
from symgraph.runtime import state
from symgraph.runtime.executor import HostMemory, aligned

#: Inputs and outputs up to this many bytes are copied; the addresses of larger ones are entered in the table.
SMALL = 16 << 10
#: A call of less work than this (in nanoseconds) is not worth sharing, nor is a whole tape of less than the second.
LEAST_SHARED_CALL = 4_000
LEAST_SHARED_TAPE = 40_000
#: A run of batches ends after about so many seconds: Python hears of signals, and other threads have their turn.
LONGEST_RUN = 0.01
_LINE = 64


class NumbaExecutor(HostMemory):
    """Runs programs as native code on the processor."""

    name = "numba"
    lowerings = LOWERINGS

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.arena = np.empty(0, np.uint8)
        self.generation = 0
        self.pool: Pool | None = None

    def threads(self) -> Pool:
        """Return the threads, started when first needed and again when their number has been changed."""
        limits.register()
        wanted = config.threads()
        if self.pool is None or self.pool.threads != wanted:
            if self.pool is not None:
                self.pool.close()
            self.pool = Pool(wanted)
            self.generation += 1
        return self.pool

    def reserve(self, nbytes: int) -> None:
        """Make the arena at least this large. All programs share it: only one runs at a time."""
        if self.arena.size < nbytes:
            self.arena = aligned((nbytes,), np.dtype(np.uint8))
            self.generation += 1

    def load(self, program: Program) -> NumbaRunner:
        runner = NumbaRunner(self, program)
        runner.compile()
        return runner

    def begin(self, program: Program) -> NumbaRunner:
        """Begin to load a program; kernels that nobody has are compiled in the background (see `Runner.ready`)."""
        return NumbaRunner(self, program)


@dataclass
class TapeRow:
    """One row of the tape before it is bound: a kernel call, or the head of a loop."""

    call: KernelCall | None = None
    first: int = 0  # of its entries in the argument table
    loop: Dim | None = None
    length: DimLike = 0
    body: list[TapeRow] = field(default_factory=list)
    step: Step | None = None

    def steps_by_rows(self) -> list[Step]:
        """The steps of a loop, if threads can share each of them by rows; none where they cannot."""
        calls = [each.call for each in self.body]
        if any(call is None or not call.by_rows for call in calls):
            return []
        return [each.step for each in self.body if each.step is not None]


class NumbaRunner:
    """A program with its kernels and the layout of its argument table."""

    def __init__(self, executor: NumbaExecutor, program: Program) -> None:
        self.executor, self.program = executor, program
        #: The most threads that may run it: lowerings have laid out memory for so many.
        self.threads = config.threads()
        self.exact = config.exact()
        self.indices: list[Dim] = []
        self._numbers: dict[DimLike, int] = {}
        self.entry_number: list[int] = []  # for each entry of the table: which number, and which buffer to add
        self.entry_buffer: list[int] = []
        self.entry_value: list[DimLike | None] = []
        self.rows = self._lower(program.steps)
        calls = [each.call for each in _walk(self.rows) if each.call is not None]
        kernels = list(dict.fromkeys((call.source, call.name) for call in calls))
        #: The address of each kernel; 0 as long as it has not been compiled.
        self.kernels = dict.fromkeys(kernels, 0)
        self._compilation: Compilation | None = None
        self.uses_blas = any(call.calls_blas for call in calls)
        self.may_end_early = any(each.step is not None and each.step.op.checks for each in _walk(self.rows))
        self.constants = [
            _constant_memory(buffer.constant.value) if buffer.constant is not None else None
            for buffer in program.buffers
        ]
        for buffer in program.buffers:
            self.number(buffer.nbytes)
        for view in program.outputs:
            for dim in view.shape:
                self.number(dim)
        for each in _walk(self.rows):
            if each.loop is not None:
                self.number(each.length)
                for entry in self.patched(each):
                    self.number(self.increment(each, entry))
                for size in sizes_of(each.steps_by_rows(), each.loop):
                    self.number(size)
            elif each.call is not None:
                self.number(each.call.work)
                self.number(each.call.active)
        self._evaluate = self._compiled_numbers()

    # ---------------------------------------------------------------------------------------------- loading

    def _wanted(self) -> list[tuple[str, str]]:
        # Those of the threads with them, where they are new: fewer and larger batches keep all compilers at work.
        return [*self.sources(), *pool.kernels(), *(blas.guard_kernels() if self.uses_blas else ())]

    def compile(self) -> None:
        """Compile the kernels, or fetch them from the cache."""
        self.kernels = dict(zip(self.kernels, objects.compile_kernels(self._wanted()), strict=False))

    def ready(self) -> bool:
        """Return whether the kernels have been compiled, which is done in the background from the first question on.

        Raises:
            KernelError: one of them does not compile.
        """
        if self._compilation is None:
            self._compilation = Compilation(self._wanted())
        addresses = self._compilation.addresses()
        if addresses is not None:
            self.kernels = dict(zip(self.kernels, addresses, strict=False))
        return addresses is not None

    def _lower(self, steps: Sequence[Step]) -> list[TapeRow]:
        rows: list[TapeRow] = []
        for step in steps:
            if step.loop is not None:
                self.indices.append(step.loop.index)
                body = self._lower(step.loop.steps)
                rows.append(TapeRow(loop=step.loop.index, length=step.loop.length, body=body, step=step))
                continue
            for call in LOWERINGS.table[step.name].emit(step, self.program.buffers):
                rows.append(TapeRow(call=call, first=len(self.entry_number), step=step))
                for argument in call.arguments:
                    self._add_entry(argument)
        return rows

    def _add_entry(self, argument: object) -> None:
        buffer = -1
        value: DimLike | None = 0
        if isinstance(argument, Address):
            buffer = argument.buffer
        elif isinstance(argument, Status):
            buffer = -2
        elif isinstance(argument, Bits):
            value = int(np.float64(argument.value).view(np.int64))
        else:
            value = argument  # type: ignore[assignment]
        self.entry_number.append(self.number(value))  # type: ignore[arg-type]
        self.entry_buffer.append(buffer)
        self.entry_value.append(value)

    def number(self, value: DimLike) -> int:
        """Return the place of a size among the numbers that are computed when the program is bound."""
        return self._numbers.setdefault(value, len(self._numbers))

    def _compiled_numbers(self) -> Callable[[Mapping[Atom, int]], list[int]]:
        """Compile the evaluation of all numbers; symbols of loops are 0."""
        names: dict[Atom, str] = {}
        for value in self._numbers:
            for symbol in symbols(value):
                names.setdefault(symbol, f"d{len(names)}")
        inner = {index.symbol for index in self.indices}
        text = ", ".join(source(value, names) for value in self._numbers)
        parameters = ", ".join(f"{name}=0" if symbol in inner else name for symbol, name in names.items()
                               if symbol not in inner)  # fmt: skip
        zeros = "".join(f"{name} = " for symbol, name in names.items() if symbol in inner)
        body = f"    {zeros}0\n" if zeros else ""
        scope: dict[str, Callable[..., list[int]]] = {}
        exec(f"def numbers({parameters}):\n{body}    return [{text}]\n", scope)
        outer = [symbol for symbol in names if symbol not in inner]
        function = scope["numbers"]
        return lambda sizes: function(*(sizes[symbol] for symbol in outer))

    def patched(self, loop: TapeRow) -> list[int]:
        """Return the entries of the table that change from one iteration of a loop to the next."""
        assert loop.loop is not None
        symbol = loop.loop.symbol
        found = []
        for each in _walk(loop.body):
            if each.call is not None:
                for entry in range(each.first, each.first + len(each.call.arguments)):
                    value = self.entry_value[entry]
                    if isinstance(value, Dim) and symbol in symbols(value):
                        found.append(entry)
        return found

    def increment(self, loop: TapeRow, entry: int) -> DimLike:
        """Return by how much an entry grows in each iteration: sizes are linear in the number of the iteration."""
        assert loop.loop is not None and loop.loop.symbol is not None
        value = self.entry_value[entry]
        assert value is not None
        return substitute(value, {loop.loop.symbol: 1}) - substitute(value, {loop.loop.symbol: 0})

    # ---------------------------------------------------------------------------------------------- running

    def bind(self, sizes: Mapping[Atom, int]) -> BoundProgram:
        return BoundProgram(self, self._evaluate(sizes))

    def describe(self, sizes: Mapping[Atom, int]) -> list[str]:
        """Return a line for each kernel call of the tape."""
        values = self._evaluate(sizes)
        lines: list[str] = []

        def tell(rows: list[TapeRow], indent: str) -> None:
            for each in rows:
                if each.call is None:
                    lines.append(f"{indent}repeat {values[self.number(each.length)]} times")
                    tell(each.body, indent + "    ")
                elif values[self.number(each.call.active)]:
                    work = values[self.number(each.call.work)]
                    how = "shared by threads" if each.call.shared and work >= LEAST_SHARED_CALL else "one thread"
                    lines.append(f"{indent}{each.call.name}: about {work / 1000:.1f} us, {how}")

        tell(self.rows, "")
        return lines

    def sources(self) -> list[tuple[str, str]]:
        """Return (name, text) of every kernel."""
        return [(name, text) for text, name in self.kernels]


def _walk(rows: Sequence[TapeRow]) -> list[TapeRow]:
    found = []
    for each in rows:
        found.append(each)
        found += _walk(each.body)
    return found


def _constant_memory(value: np.ndarray) -> np.ndarray:
    memory = aligned(value.shape, value.dtype)
    memory[...] = value
    return memory


class BoundProgram:
    """A program for certain sizes: the tape, the argument table, and where everything lies."""

    def __init__(self, runner: NumbaRunner, values: list[int]) -> None:
        self.runner, self.executor = runner, runner.executor
        program = runner.program
        self.values = values
        numbers = np.array(values, np.int64)
        self.buffer_of_entry = np.array(runner.entry_buffer, np.int64)
        self.table = np.zeros(max(len(runner.entry_number), 1), np.int64)
        self.numbers_of_entries = (
            numbers[np.array(runner.entry_number, np.int64)] if runner.entry_number else self.table
        )
        self.status = np.zeros(2, np.int64)
        self.nbytes = [values[runner.number(buffer.nbytes)] for buffer in program.buffers]
        self._lay_out()
        self.executor.threads()
        self.generation = self.epoch = -1
        self.pace = LONGEST_RUN  # seconds that a batch took in the last run of several
        self.outputs = [
            (view.buffer, tuple(values[runner.number(dim)] for dim in view.shape), numpy_dtype(view.dtype))
            for view in program.outputs
        ]
        self.fails = any(each.call is not None and each.call.fails for each in _walk(runner.rows))

    def _lay_out(self) -> None:
        """Choose the place in the arena of each slot and of small inputs and outputs."""
        program = self.runner.program
        assert program.plan is not None
        offset = 0
        self.offsets: dict[int, int] = {}
        for slot in program.plan.slots:
            for number in slot:
                self.offsets[number] = offset
            offset += -(-max(self.nbytes[number] for number in slot) // _LINE) * _LINE
        self.temporary_bytes = offset
        for number, buffer in enumerate(program.buffers):
            if buffer.kind in (INPUT, OUTPUT) and self.nbytes[number] <= SMALL:
                self.offsets[number] = offset
                offset += -(-self.nbytes[number] // _LINE) * _LINE
        self.arena_bytes = offset + _LINE

    def _place(self) -> None:
        """Fill in addresses: the arena, variables or the threads have changed since the last call."""
        runner, executor, program = self.runner, self.executor, self.runner.program
        executor.reserve(self.arena_bytes)
        pool = executor.threads()
        base = executor.arena.__array_interface__["data"][0]
        addresses = np.zeros(len(program.buffers) + 2, np.int64)  # the last two: status words, no buffer
        addresses[-2] = self.status.ctypes.data
        self.held = []
        for number, buffer in enumerate(program.buffers):
            if buffer.kind == VARIABLE:
                assert buffer.node is not None
                array = state.acquire(buffer.node, executor)
                self.held.append(array)
                addresses[number] = array.ctypes.data
            elif buffer.kind == CONSTANT:
                constant = runner.constants[number]
                assert constant is not None
                addresses[number] = constant.ctypes.data
            elif number in self.offsets:
                addresses[number] = base + self.offsets[number]
        self.table[...] = self.numbers_of_entries + addresses[self.buffer_of_entry]
        self._write_tape(pool)
        self.epoch, self.generation, self.thread_changes = state.epoch, executor.generation, config.thread_changes
        self._find_inputs_and_outputs()

    def _find_inputs_and_outputs(self) -> None:
        """Prepare what a call does with each input and output."""
        program, arena = self.runner.program, self.executor.arena
        self.staged: list[tuple[int, np.ndarray]] = []
        self.entered: list[tuple[int, np.ndarray]] = []
        for position, number in enumerate(program.inputs):
            if number is None:
                continue
            if number in self.offsets:
                start, nbytes = self.offsets[number], self.nbytes[number]
                window = arena[start : start + nbytes].view(numpy_dtype(program.buffers[number].dtype))
                self.staged.append((position, window))
            else:
                self.entered.append((position, np.flatnonzero(self.buffer_of_entry == number)))
        self.copied: list[tuple[int, np.ndarray]] = []
        self.made: list[tuple[int, tuple[int, ...], np.dtype, np.ndarray]] = []
        for position, (number, shape, dtype) in enumerate(self.outputs):
            if number in self.offsets:
                start, nbytes = self.offsets[number], self.nbytes[number]
                self.copied.append((position, arena[start : start + nbytes].view(dtype).reshape(shape)))
            else:
                self.made.append((position, shape, dtype, np.flatnonzero(self.buffer_of_entry == number)))

    def _write_tape(self, pool: Pool) -> None:
        """Write the rows of the tape, and decide which calls are shared and where threads must wait."""
        runner, values = self.runner, self.values
        table = self.table.ctypes.data

        def work_of(rows: list[TapeRow]) -> int:
            total = 0
            for each in rows:
                if each.call is not None:
                    total += values[runner.number(each.call.work)] * values[runner.number(each.call.active)]
                else:
                    total += work_of(each.body) * values[runner.number(each.length)]
            return total

        self.work = work_of(runner.rows)
        threads = min(pool.threads, runner.threads) if self.work >= LEAST_SHARED_TAPE else 1
        tape: list[list[int]] = []
        self.patches: list[np.ndarray] = []

        def write(rows: list[TapeRow], by_rows: bool = False) -> None:
            for each in rows:
                if each.call is not None:
                    if not values[runner.number(each.call.active)]:
                        continue
                    enough = by_rows or values[runner.number(each.call.work)] >= LEAST_SHARED_CALL
                    shared = each.call.shared and enough
                    address = runner.kernels[each.call.source, each.call.name]
                    mode = SHARED if shared and threads > 1 else ALONE
                    status = 0
                    if each.step is not None and each.step.op.checks:
                        mode, status = mode + CHECKED, self.status.ctypes.data
                    barrier = int(not by_rows)
                    tape.append(row(address, table + 8 * each.first, mode=mode, barrier=barrier, patches=status))
                    continue
                pairs = [
                    (table + 8 * entry, values[runner.number(runner.increment(each, entry))])
                    for entry in runner.patched(each)
                ]
                patches = np.array(pairs, np.int64).reshape(-1, 2)
                self.patches.append(patches)
                head = len(tape)
                tape.append([])
                write(each.body, threads > 1 and self._shared_by_rows(each, work_of(each.body), threads))
                tape[head] = row(
                    count=values[runner.number(each.length)],
                    rows=len(tape) - head - 1,
                    patches=patches.ctypes.data if len(pairs) else 0,
                    patch_count=len(pairs),
                )

        guards = blas.guard_rows() if runner.uses_blas and not runner.may_end_early else None
        if guards:
            tape.append(list(guards[0]))
        write(runner.rows)
        if guards:
            tape.append(list(guards[1]))
        _relax_barriers(tape)
        self.threads = threads
        self.tape = np.array(tape, np.int64).reshape(-1, ROW)
        self.run = pool.prepare(self.tape.ctypes.data, len(tape), threads, runner.exact) if tape else _nothing
        self.repeat: Callable[[int], None] | None = None  # the tape as a loop over batches, made when asked for
        self.guarded = runner.uses_blas and runner.may_end_early
        if self.guarded:
            self.run = _guarded(self.run)

    def _shared_by_rows(self, loop: TapeRow, work: int, threads: int) -> bool:
        """Return whether the threads go through each iteration of a loop side by side, without a barrier in it."""
        steps = loop.steps_by_rows()
        plan = self.runner.program.plan
        assert loop.loop is not None and plan is not None
        return (
            bool(steps) and work >= LEAST_SHARED_CALL and threads_own_rows(steps, loop.loop, self.value, plan, threads)
        )

    def value(self, size: DimLike) -> int:
        """Return the value of a size that the runner knows."""
        return self.values[self.runner.number(size)]

    def __call__(self, arrays: Sequence[np.ndarray], run: Callable[[], None] | None = None) -> list[np.ndarray]:
        """Compute the outputs; `run` takes the place of the native tape (see `symgraph.backends.cpu.checked`)."""
        with self.executor.lock:
            if self._moved():
                self._prepare()
            table = self.table
            for position, window in self.staged:
                window[...] = arrays[position].reshape(-1)
            for position, entries in self.entered:
                table[entries] = arrays[position].__array_interface__["data"][0]
            results: list[np.ndarray] = [None] * len(self.outputs)  # type: ignore[list-item]
            for position, shape, dtype, entries in self.made:
                results[position] = array = np.empty(shape, dtype)
                table[entries] = array.__array_interface__["data"][0]
            (run or self.run)()
            if self.fails and self.status[0]:
                self._complain()
            for position, window in self.copied:
                results[position] = window.copy()
        return results

    def batches(self, arrays: Sequence[np.ndarray], first: int, count: int) -> tuple[int, list[np.ndarray]]:
        """Compute a run of batches in one native call, with the results of as many calls.

        The tape is the body of a loop: from one iteration to the next, the addresses of inputs and outputs go on by the
        size of what a batch has of them.

        Args:
            arrays: the inputs of all batches, one batch after the other.
            first: the number of the first batch of this run.
            count: how many batches there are from that one on. A run that would last long ends before the last of them.

        Returns:
            How many batches have been done, 1 or more; and the outputs, each with these batches along a new first axis.

        Raises:
            IndexError: as a call; the batches before the bad one have been done.
        """
        with self.executor.lock:
            if self._moved():
                self._prepare()
            if self.repeat is None:
                self.repeat = self._loop()
            count = max(1, min(count, int(LONGEST_RUN / self.pace)))
            results = [np.empty((count, *shape), dtype) for _, shape, dtype in self.outputs]
            starts = [
                0 if number is None else array.__array_interface__["data"][0] + first * self.nbytes[number]
                for array, number in zip(arrays, self.runner.program.inputs, strict=True)
            ]
            starts += [array.__array_interface__["data"][0] for array in results]
            before = self.table[self.moving]
            self.generation = -1  # whatever interrupts this, the next call finds out that the table is to be made anew
            self.table[self.moving] = np.array(starts, np.int64)[self.moves_with]
            begin = time.perf_counter()
            self.repeat(count)
            self.pace = max((time.perf_counter() - begin) / count, 1e-9)
            if self.fails and self.status[0]:
                self._complain()
            self.table[self.moving] = before
            self.generation = self.executor.generation
        return count, results

    def _loop(self) -> Callable[[int], None]:
        """Make the tape ready as the body of a loop over batches, and note which entries of the table go on."""
        fed = [*self.runner.program.inputs, *(number for number, _, _ in self.outputs)]
        found = [np.flatnonzero(self.buffer_of_entry == number) for number in fed if number is not None]
        places = [place for place, number in enumerate(fed) if number is not None]
        self.moving = np.concatenate([*found, np.empty(0, np.int64)])
        self.moves_with = np.repeat(np.array(places, np.int64), [len(entries) for entries in found])
        sizes = np.array([0 if number is None else self.nbytes[number] for number in fed], np.int64)
        addresses = self.table.ctypes.data + 8 * self.moving
        self.batch_patches = np.stack([addresses, sizes[self.moves_with]], axis=1)
        pool = self.executor.threads()
        repeat = pool.prepare_loop(self.tape, self.batch_patches, self.threads, self.runner.exact)
        return _guarded(repeat) if self.guarded else repeat

    def _moved(self) -> bool:
        """Return whether variables, the arena or the threads are others than the tape and the table were made for."""
        executor = self.executor
        return (
            self.epoch != state.epoch
            or self.generation != executor.generation
            or self.thread_changes != config.thread_changes
            or executor.pool.forked  # type: ignore[union-attr]
        )

    def _prepare(self) -> None:
        self.executor.threads().revive()
        self._place()
        if self.epoch != state.epoch:  # moving variables here has moved the epoch
            self._place()

    def _complain(self) -> None:
        """Raise the error of a kernel that met a bad value, and make the program ready to run again."""
        value = int(self.status[1])
        self.status[...] = 0
        self.generation = -1  # a loop that was cut short has left its table in the middle
        for each in _walk(self.runner.rows):
            if each.call is not None and each.call.fails and each.step is not None:
                rows = self.values[self.runner.number(each.step.inputs[0].shape[0])]
                place = f" (made at {each.step.source})" if each.step.source else ""
                raise IndexError(f"{each.step.name}{place}: " + each.call.fails.format(value=value, rows=rows))


def _nothing() -> None:
    """Run an empty tape."""


def _guarded(run: Callable[..., None]) -> Callable[..., None]:
    """Hold BLAS to one thread from outside, for a tape that may end before its last row."""

    def guarded(*count: int) -> None:
        blas.enter()
        try:
            run(*count)
        finally:
            blas.leave()

    return guarded


def _relax_barriers(tape: list[list[int]]) -> None:
    """Rows that one thread runs one after another need no barrier between them."""
    for current, following in zip(tape, tape[1:], strict=False):
        if current[0] and following[0] and current[2] == ALONE and following[2] == ALONE:
            current[3] = 0


def create() -> NumbaExecutor:
    """Return the executor (what an entry point of the group `symgraph.backends` must name)."""
    return NumbaExecutor()
