"""symgraph.explain: what the compiler did with a function, and what its program costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symgraph.compiler.memory import lifetimes
from symgraph.compiler.program import CONSTANT, INPUT, OUTPUT, TEMPORARY, VARIABLE, Program, Step
from symgraph.graph.type import Atom, DimLike, evaluate, numpy_dtype, size_of
from symgraph.ops.conv import fused_conv, fused_conv_input_gradient
from symgraph.ops.fused import Expression, fused_rows
from symgraph.ops.linalg import fused_matmul
from symgraph.runtime.function import Function


def _products(step: Step) -> DimLike:
    """The floating-point operations of a matrix product; its matrices are the last inputs of the step."""
    return 2 * step.outputs[0].size * step.inputs[-2].shape[-2 if step.attrs["transpose_x"] else -1]


#: How many floating-point operations a step does, for operations that do not do one an element of the result.
_OPERATIONS = {
    "matmul": _products,
    "fused_matmul": _products,
    "conv": lambda step: 2 * step.outputs[0].size * size_of(step.inputs[1].shape[:-1]),
    "fused_conv": lambda step: 2 * size_of((*step.attrs["shape"], *step.inputs[-1].shape[:-1])),
    "conv_input_gradient": lambda step: 2 * step.inputs[0].size * size_of(step.inputs[1].shape[:-1]),
    "fused_conv_input_gradient": lambda step: 2 * step.inputs[-2].size * size_of(step.inputs[-1].shape[:-1]),
    "conv_kernel_gradient": lambda step: 2 * step.inputs[1].size * size_of(step.outputs[0].shape[:-1]),
    "max_pool": lambda step: step.outputs[0].size * size_of(step.attrs["window"]),
    "average_pool": lambda step: step.outputs[0].size * size_of(step.attrs["window"]),
}


#: What is computed before the expression of a step.
_BEFORE = {fused_matmul: "matmul", fused_conv: "conv", fused_conv_input_gradient: "conv_input_gradient"}


def explain(function: Function) -> str:
    """Return a description of a compiled function as text.

    It lists what each pass of the compiler left, then the program: every step with the operations fused into it, its
    buffers, an estimate of its floating-point operations and of the bytes it moves, and the memory of the whole.
    Sizes that differ from call to call are those of the last call (32 before the first one).

    Args:
        function: what `K.function` returned, or anything that keeps one in an attribute `function`.
    """
    inner = getattr(function, "function", function)
    if not isinstance(inner, Function):
        raise TypeError(f"explain: expected a function made by K.function, got {type(function).__name__}")
    variant, sizes = inner.example()
    lines = [f"{inner.name}: {len(inner.inputs)} inputs, {len(inner.outputs)} outputs, {len(inner.updates)} updates"]
    lines.append(f"executor: {inner.executor.name}" + (f"; sizes: {_sizes(sizes)}" if sizes else ""))
    lines += ["", "passes"]
    width = max(len(record.name) for record in variant.records)
    lines += [f"  {record.name:<{width}}  {record.size:<36}  {record.reason}" for record in variant.records]
    program = variant.program
    lines += ["", "program", *_steps(program, program.steps, sizes, "  ")]
    flops, moved = _totals(program.steps, sizes)
    lines += ["", f"total: {_count(flops)} floating-point operations, {_bytes(moved)} moved by the steps"]
    lines += ["", "memory", *_memory(program, sizes)]
    lines += ["", "kernel calls", *("  " + line for line in variant.runner.describe(sizes))]
    return "\n".join(lines)


def _sizes(sizes: Mapping[Atom, int]) -> str:
    return ", ".join(f"{symbol.order} = {value}" for symbol, value in sizes.items())


def _steps(program: Program, steps: Sequence[Step], sizes: Mapping[Atom, int], indent: str) -> list[str]:
    lines = []
    for number, step in enumerate(steps):
        if step.loop is not None:
            times = evaluate(step.loop.length, sizes)
            lines.append(f"{indent}{number:3d}  repeat {times} times ({step.loop.length})")
            lines += _steps(program, step.loop.steps, sizes, indent + "      ")
            continue
        reads = ", ".join(str(view) for view in step.inputs)
        writes = ", ".join(str(view) for view in step.outputs)
        lines.append(f"{indent}{number:3d}  {_name(step)}: {reads} -> {writes}")
        flops, moved = _cost(step, sizes)
        where = f"; from {step.source}" if step.source else ""
        lines.append(f"{indent}     {_count(flops)} flops, {_bytes(moved)}{where}")
    return lines


def _name(step: Step) -> str:
    expression = step.attrs.get("expression")
    if not isinstance(expression, Expression):
        return step.name
    inside = " ".join(each.op for each in expression.instructions if each.op != "constant") or "copy"
    reduce = step.attrs.get("reduce")
    if step.op in _BEFORE:
        pool = step.attrs.get("pool")
        after = f", then {pool.mode} of {'x'.join(map(str, pool.window))}" if pool is not None else ""
        return f"{_BEFORE[step.op]}, then [{inside}]{after}"
    if step.op is fused_rows:
        return f"[{inside}] at the rows of {step.inputs[-1]}"
    return f"{reduce} over {step.attrs['axes']} of [{inside}]" if reduce else f"[{inside}]"


def _cost(step: Step, sizes: Mapping[Atom, int]) -> tuple[int, int]:
    """Estimate floating-point operations and bytes of one step."""
    moved = 0
    rows = step.inputs[-1].size if step.op is fused_rows else None  # only these rows of the variables
    for view in (*step.inputs, *step.outputs):
        if rows is not None and view.shape == step.attrs["shape"]:
            view = view.with_layout((rows, *view.shape[1:]), view.strides)
        distinct = size_of(dim for dim, stride in zip(view.shape, view.strides, strict=True) if stride != 0 or dim == 1)
        moved += evaluate(distinct, sizes) * numpy_dtype(view.dtype).itemsize
    expression = step.attrs.get("expression")
    if isinstance(expression, Expression):
        shape = step.attrs["shape"]
        domain = evaluate(size_of(shape if rows is None else (rows, *shape[1:])), sizes)
        count = sum(each.varies and each.op != "constant" for each in expression.instructions)
        products = evaluate(_OPERATIONS[step.name](step), sizes) if step.op in _BEFORE else 0
        return domain * (count + ("reduce" in step.attrs)) + products, moved
    operations = _OPERATIONS.get(step.name)
    if operations is not None:
        return evaluate(operations(step), sizes), moved
    return sum(evaluate(view.size, sizes) for view in step.outputs), moved


def _totals(steps: Sequence[Step], sizes: Mapping[Atom, int]) -> tuple[int, int]:
    flops = moved = 0
    for step in steps:
        if step.loop is not None:
            a, b = _totals(step.loop.steps, sizes)
            times = evaluate(step.loop.length, sizes)
            a, b = a * times, b * times
        else:
            a, b = _cost(step, sizes)
        flops, moved = flops + a, moved + b
    return flops, moved


def _memory(program: Program, sizes: Mapping[Atom, int]) -> list[str]:
    nbytes = [evaluate(buffer.nbytes, sizes) for buffer in program.buffers]
    lines = []
    peak = 0
    for kind in (INPUT, VARIABLE, CONSTANT, OUTPUT):
        numbers = program.of_kind(kind)
        if numbers:
            size = sum(nbytes[number] for number in numbers)
            peak += size
            lines.append(f"  {kind:<9}  {len(numbers):4d} buffers, {_bytes(size)}")
    alive = lifetimes(program)
    plan = program.plan
    slots = plan.slots if plan is not None else ()
    arena = sum(max(nbytes[number] for number in slot) for slot in slots)
    apart = sum(nbytes[number] for number in alive)
    lines.append(
        f"  {TEMPORARY:<9}  {len(alive):4d} buffers in {len(slots)} slots of one arena: {_bytes(arena)} "
        f"({_bytes(apart)} without sharing)"
    )
    lines.append(f"  {'peak':<9}  {_bytes(peak + arena)} ({peak + arena} bytes) in all")
    return lines


def _count(number: int) -> str:
    for limit, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= limit:
            return f"{number / limit:.1f} {unit}"
    return str(number)


def _bytes(number: int) -> str:
    for limit, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if number >= limit:
            return f"{number / limit:.1f} {unit}"
    return f"{number} bytes"
