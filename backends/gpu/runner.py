"""Programs on the device: where their memory lies, and how a call goes.

A call copies its inputs to the device in one piece, starts every kernel on one stream without waiting, copies the
outputs back in one piece and waits for that. All programs of an executor share one arena - calls follow each other on
one stream and nothing in it outlives a call - so memory is as large as the largest program, not as the sum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from symgraph.backends.gpu.calls import Binder, Call, Choice, Kernel, OnHost, Product, Repeat, kernels_in
from symgraph.backends.gpu.table import LOWERINGS
from symgraph.compiler.program import CONSTANT, INPUT, OUTPUT, VARIABLE, Program, Step, View
from symgraph.graph.type import Atom, evaluate, numpy_dtype
from symgraph.runtime import state

#: Buffers begin at multiples of this many bytes.
ALIGNMENT = 256

#: Inputs and outputs that are larger than this in all are copied without the detour over pinned memory.
MOST_PINNED = 64 * 2**20


class Arena:
    """Memory on the device that grows to what the largest program needs, and pinned memory for what goes to and fro."""

    def __init__(self, executor: Any) -> None:
        self.executor = executor
        self.generation = 0
        self.memory: Any = None
        self.size = 0
        self.staging = np.empty(0, np.uint8)

    @property
    def address(self) -> int:
        return self.memory.ptr

    def reserve(self, nbytes: int, staged: int) -> None:
        """Make sure of `nbytes` on the device and `staged` in pinned memory; if memory moves, `generation` grows."""
        if self.memory is None or nbytes > self.size:
            self.executor.stream.synchronize()
            self.memory, self.size = None, 0
            self.memory = self.executor.allocate(nbytes)
            self.size = nbytes
            self.generation += 1
        if staged > self.staging.size:
            self.executor.stream.synchronize()
            self.staging = self.executor.pinned(max(staged, 2 * self.staging.size))


class GPURunner:
    """A program whose kernels are loaded.

    Args:
        executor: the executor.
        program: with a memory plan.
    """

    def __init__(self, executor: Any, program: Program) -> None:
        self.executor, self.program = executor, program
        self.calls = lowered(program.steps)
        executor.compile(dict(kernel.text() for kernel in kernels_in(self.calls)))
        self.constants: dict[int, Any] = {}
        for number in program.of_kind(CONSTANT):
            value = program.buffers[number].constant
            assert value is not None
            self.constants[number] = executor.put(value.value)

    def bind(self, sizes: Mapping[Atom, int]) -> BoundProgram:
        """Return the program for these sizes."""
        return BoundProgram(self, dict(sizes))

    def describe(self, sizes: Mapping[Atom, int]) -> list[str]:
        """Return one line of text for each step: the kernels it launches, and how many launches that are."""
        values = dict(sizes)
        lines = []
        for step in self.program.steps:
            names = launched(lowered([step]), values)
            counted = {name: names.count(name) for name in dict.fromkeys(names)}
            shown = ", ".join(name if count == 1 else f"{count} x {name}" for name, count in counted.items())
            lines.append(f"{step.name}: {shown or 'nothing to do'}")
        return lines


def lowered(steps: Sequence[Step]) -> list[Call]:
    """Return the calls of steps."""
    calls: list[Call] = []
    for step in steps:
        if step.loop is not None:
            index = step.loop.index.symbol
            assert index is not None
            calls.append(Repeat(index, step.loop.length, tuple(lowered(step.loop.steps))))
        else:
            calls += LOWERINGS.table[step.name].emit(step)
    return calls


def launched(calls: Sequence[Call], sizes: dict[Atom, int]) -> list[str]:
    """Return what calls do for given sizes, by name: kernels, products by cuBLAS, fills with zero."""
    names: list[str] = []
    for call in calls:
        if isinstance(call, Repeat):
            names += launched(call.calls, {**sizes, call.index: 0}) * evaluate(call.length, sizes)
        elif isinstance(call, Choice):
            names += launched(call.choose(sizes), sizes)
        elif isinstance(call, Kernel):
            if call.when is None or call.when(sizes):
                names.append(call.text(call.is_wide(sizes))[0])
        elif isinstance(call, OnHost):
            names.append(f"{call.name} on the host")
        else:
            names.append("cuBLAS" if isinstance(call, Product) else "fill")
    return names


def _aligned(nbytes: int) -> int:
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


class BoundProgram:
    """A program for given sizes: arrays in, arrays out.

    The arena holds, in this order, the error cell and the outputs (copied back together), the inputs (copied in
    together), and the slots of the memory plan.
    """

    def __init__(self, runner: GPURunner, sizes: dict[Atom, int]) -> None:
        self.runner, self.executor, self.program, self.sizes = runner, runner.executor, runner.program, sizes
        self.reports: list[str] = []
        self.offsets: dict[int, int] = {}
        program = self.program
        end = ALIGNMENT  # the error cell
        for number in program.of_kind(OUTPUT):
            end = self._place(number, end)
        self.back = end
        for number in program.of_kind(INPUT):
            end = self._place(number, end)
        self.inward = end - self.back
        assert program.plan is not None, "memory has not been planned"
        for slot in program.plan.slots:
            for number in slot:
                self.offsets[number] = end
            end += _aligned(max((self._nbytes(number) for number in slot), default=0))
        self.size = end
        self.pinned = self.back + self.inward <= MOST_PINNED
        self.epoch = self.generation = -1
        self.functions: list[Callable[[], None]] = []
        self.addresses: dict[int, int] = {}
        self.kept: list[Any] = []
        with self.executor.lock:
            self._bind()

    def _nbytes(self, number: int) -> int:
        return evaluate(self.program.buffers[number].nbytes, self.sizes)

    def _place(self, number: int, end: int) -> int:
        self.offsets[number] = end
        return end + _aligned(self._nbytes(number))

    def _bind(self) -> None:
        """Find the address of everything and fill it in."""
        executor, program = self.executor, self.program
        executor.runtime.setDevice(executor.device)
        executor.arena.reserve(self.size, self.back + self.inward if self.pinned else ALIGNMENT)
        base = executor.arena.address
        self.addresses = {number: base + offset for number, offset in self.offsets.items()}
        self.kept = [*self.runner.constants.values()]
        for number, buffer in self.runner.constants.items():
            self.addresses[number] = buffer.address
        for number in program.of_kind(VARIABLE):
            node = program.buffers[number].node
            assert node is not None
            home = state.acquire(node, executor)
            self.kept.append(home)
            self.addresses[number] = home.address
        self.reports.clear()
        binder = Binder(self.sizes, self.addresses.__getitem__, base, self.reports, executor)
        self.functions = binder.bind(self.runner.calls)
        self.epoch, self.generation = state.epoch, executor.arena.generation

    def __call__(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        executor = self.executor
        with executor.lock, executor.stream:
            executor.runtime.setDevice(executor.device)
            if self.epoch != state.epoch or self.generation != executor.arena.generation:
                self._bind()
            try:
                return self._run(arrays)
            except BaseException:
                self.generation = -1  # a loop may have stopped halfway: fill everything in again
                raise

    def _run(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        executor, program = self.executor, self.program
        base, staging = executor.arena.address, executor.arena.staging
        self._send(arrays, base, staging)
        if self.reports:
            executor.runtime.memsetAsync(base, 0, 8, executor.stream.ptr)
        for function in self.functions:
            function()
        if not program.outputs and not self.reports:
            if self.inward and self.pinned:
                executor.stream.synchronize()  # the next call writes to the same staging memory
            return []
        memory = staging[: self.back] if self.pinned else np.empty(self.back, np.uint8)
        executor.copy(memory.ctypes.data, base, self.back, to_device=False)
        executor.stream.synchronize()
        note = int(memory[:8].view(np.int64)[0]) if self.reports else 0
        if note:
            raise IndexError(f"{self.reports[note - 1]}; the GPU used the nearest row instead and went on to the end")
        given = {number: array for number, array in zip(program.inputs, arrays, strict=True) if number is not None}
        return [self._result(view, memory, given) for view in program.outputs]

    def _send(self, arrays: Sequence[np.ndarray], base: int, staging: np.ndarray) -> None:
        """Start copying the inputs: in one piece from pinned memory, or one by one where they are large."""
        for number, array in zip(self.program.inputs, arrays, strict=True):
            if number is None:
                continue
            offset = self.offsets[number]
            data = np.ascontiguousarray(array)
            if self.pinned:
                staging[offset : offset + data.nbytes] = data.reshape(-1).view(np.uint8)
            else:
                self.executor.copy(base + offset, data.ctypes.data, data.nbytes, to_device=True)
        if self.pinned and self.inward:
            start = staging.ctypes.data + self.back
            self.executor.copy(base + self.back, start, self.inward, to_device=True)

    def _result(self, view: View, memory: np.ndarray, given: Mapping[int, np.ndarray]) -> np.ndarray:
        """Copy one output out of what came back (or out of the inputs, where an input is returned)."""
        dtype = numpy_dtype(view.dtype)
        shape = tuple(evaluate(dim, self.sizes) for dim in view.shape)
        if 0 in shape:
            return np.empty(shape, dtype)
        if self.program.buffers[view.buffer].kind == INPUT:
            flat = np.ascontiguousarray(given[view.buffer]).reshape(-1)
        else:
            start = self.offsets[view.buffer]
            flat = memory[start : start + self._nbytes(view.buffer)].view(dtype)
        strides = tuple(evaluate(stride, self.sizes) * dtype.itemsize for stride in view.strides)
        return as_strided(flat[evaluate(view.offset, self.sizes) :], shape, strides).copy()
