"""The interpreter: every buffer a NumPy array, every step a call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from symgraph.backends.reference import lower  # noqa: F401  fills the table
from symgraph.backends.reference.table import ELEMENTWISE, LOWERINGS, REDUCTIONS
from symgraph.compiler.program import CONSTANT, INPUT, OUTPUT, VARIABLE, Program, Step, View
from symgraph.graph.node import Attributes
from symgraph.graph.type import Atom, Dim, evaluate, numpy_dtype
from symgraph.ops.fused import Expression
from symgraph.runtime import state
from symgraph.runtime.executor import HostMemory


class ReferenceExecutor(HostMemory):
    """Runs programs with NumPy."""

    name = "numpy"
    lowerings = LOWERINGS

    def load(self, program: Program) -> ReferenceRunner:
        return ReferenceRunner(self, program)


class ReferenceRunner:
    """A program to be interpreted."""

    def __init__(self, executor: ReferenceExecutor, program: Program) -> None:
        self.executor, self.program = executor, program

    def bind(self, sizes: Mapping[Atom, int]) -> Callable[[Sequence[np.ndarray]], list[np.ndarray]]:
        values = dict(sizes)
        return lambda arrays: self._run(arrays, values)

    def describe(self, sizes: Mapping[Atom, int]) -> list[str]:
        return [f"{step.name} in NumPy" for step in self.program.steps]

    def _run(self, arrays: Sequence[np.ndarray], sizes: dict[Atom, int]) -> list[np.ndarray]:
        program = self.program
        memory: list[np.ndarray] = []
        given = dict(zip(program.inputs, arrays, strict=True))
        for number, buffer in enumerate(program.buffers):
            if buffer.kind == INPUT:
                memory.append(np.ascontiguousarray(given[number]).reshape(-1) if number in given else np.empty(0))
            elif buffer.kind == CONSTANT:
                assert buffer.constant is not None
                memory.append(buffer.constant.value.reshape(-1))
            elif buffer.kind == VARIABLE:
                assert buffer.node is not None
                memory.append(state.acquire(buffer.node, self.executor).reshape(-1))
            else:
                memory.append(np.empty(evaluate(buffer.size, sizes), numpy_dtype(buffer.dtype)))
        with np.errstate(all="ignore"):
            run_steps(program.steps, memory, dict(sizes))
        results = []
        for view in program.outputs:
            array = window(view, memory, sizes)
            results.append(array if program.buffers[view.buffer].kind == OUTPUT else array.copy())
        return results


def window(view: View, memory: Sequence[np.ndarray], sizes: Mapping[Atom, int]) -> np.ndarray:
    """Return a view as a NumPy array on its buffer."""
    base = memory[view.buffer]
    shape = tuple(evaluate(dim, sizes) for dim in view.shape)
    strides = tuple(evaluate(stride, sizes) * base.itemsize for stride in view.strides)
    offset = evaluate(view.offset, sizes)
    if 0 in shape:
        return np.empty(shape, base.dtype)
    return as_strided(base[offset:], shape, strides)


def run_steps(steps: Sequence[Step], memory: Sequence[np.ndarray], sizes: dict[Atom, int]) -> None:
    """Interpret steps in order."""
    for step in steps:
        if step.loop is not None:
            index = step.loop.index.symbol
            assert index is not None
            for iteration in range(evaluate(step.loop.length, sizes)):
                sizes[index] = iteration
                run_steps(step.loop.steps, memory, sizes)
            continue
        arrays = [window(view, memory, sizes) for view in step.inputs]
        attrs = concrete(step.attrs, sizes)
        try:
            results = LOWERINGS.table[step.name].emit(attrs, *arrays)
            results = results if isinstance(results, tuple) else (results,)
        except IndexError as error:
            raise IndexError(f"{step.name} (made at {step.source}): {error}") from error
        for view, result in zip(step.outputs, results, strict=True):
            window(view, memory, sizes)[...] = result


def concrete(attrs: Mapping[str, Any], sizes: Mapping[Atom, int]) -> dict[str, Any]:
    """Return attributes with the sizes filled in."""

    def value(item: Any) -> Any:
        if isinstance(item, Dim):
            return evaluate(item, sizes)
        if isinstance(item, Expression):
            instructions = tuple(
                replace(each, attrs=Attributes(concrete(each.attrs, sizes))) for each in item.instructions
            )
            return replace(item, instructions=instructions)
        return tuple(map(value, item)) if type(item) is tuple else item

    return {name: value(item) for name, item in attrs.items()}


@LOWERINGS.register("fused", strided=True)
def fused(attrs: Mapping[str, Any], *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    """Compute an expression at every place of a shape."""
    return tuple(np.broadcast_to(value, attrs["shape"]) for value in _values(attrs, arrays))


def _values(attrs: Mapping[str, Any], arrays: Sequence[np.ndarray]) -> list[Any]:
    """The results of an expression, as large as they must be; reductions keep their axes."""
    expression: Expression = attrs["expression"]
    values: list[Any] = list(arrays)
    for instruction in expression.instructions:
        if instruction.op == "constant":
            values.append(instruction.attrs["value"].value)
            continue
        arguments = [values[number] for number in instruction.arguments]
        if instruction.op in REDUCTIONS:
            whole = np.broadcast_to(arguments[0], attrs["shape"])
            values.append(REDUCTIONS[instruction.op](whole, attrs["axes"], True))
            continue
        values.append(evaluate_elementwise(instruction.op, instruction.attrs, tuple(arguments), instruction.dtype))
    return [values[number] for number in expression.results]


@LOWERINGS.register("fused_sweep", strided=True)
def fused_sweep(attrs: Mapping[str, Any], *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    """Compute an expression with reductions in it."""
    shape, axes = attrs["shape"], attrs["axes"]
    rows = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    pairs = zip(_values(attrs, arrays), attrs["full"], strict=True)
    return tuple(np.broadcast_to(value, shape if whole else rows) for value, whole in pairs)


@LOWERINGS.register("fused_rows", strided=True)
def fused_rows(attrs: Mapping[str, Any], *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    """Compute an expression and put it into some rows of what is there."""
    *operands, firsts = arrays
    rows = firsts[firsts >= 0]
    results = []
    for base, value in zip(attrs["bases"], fused(attrs, *operands), strict=True):
        results.append(operands[base].copy())
        results[-1][rows] = value[rows]
    return tuple(results)


@LOWERINGS.register("fused_reduce", strided=True)
def fused_reduce(attrs: Mapping[str, Any], *arrays: np.ndarray) -> np.ndarray:
    """Compute an expression and reduce it."""
    (value,) = fused(attrs, *arrays)
    return REDUCTIONS[attrs["reduce"]](value, attrs["axes"], attrs["keepdims"])


def evaluate_elementwise(name: str, attrs: Mapping[str, Any], arrays: tuple[np.ndarray, ...], dtype: str) -> np.ndarray:
    """Compute one elementwise or generator operation."""
    with np.errstate(all="ignore"):
        return np.asarray(ELEMENTWISE[name](attrs, *map(np.asarray, arrays))).astype(numpy_dtype(dtype), copy=False)


def create() -> ReferenceExecutor:
    """Return the executor (what an entry point of the group `symgraph.backends` must name)."""
    return ReferenceExecutor()
