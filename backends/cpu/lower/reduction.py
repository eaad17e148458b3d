"""Reductions: where they start and how two values combine; and the places of extremes."""

from __future__ import annotations

from collections.abc import Sequence

from symgraph.backends.cpu.table import (
    REDUCTIONS,
    Arguments,
    KernelCall,
    compute_type,
    converter,
    kernel_source,
    register,
)
from symgraph.compiler.program import Buffer, Step
from symgraph.graph.type import is_float, numpy_dtype, size_of


def _number(text: str, dtype: str) -> str:
    return f"{converter(dtype)}({text})"


def _sum(dtype: str) -> tuple[str, str]:
    return _number("0", dtype), "accumulate({0}, {1})" if is_float(dtype) else f"{converter(dtype)}({{0}} + {{1}})"


def _prod(dtype: str) -> tuple[str, str]:
    product = "accumulate_product({0}, {1})" if is_float(dtype) else f"{converter(dtype)}({{0}} * {{1}})"
    return _number("1", dtype), product


def _max(dtype: str) -> tuple[str, str]:
    return _number(_limit(dtype, "min"), dtype), f"maximum_{dtype}({{0}}, {{1}})"


def _min(dtype: str) -> tuple[str, str]:
    return _number(_limit(dtype, "max"), dtype), f"minimum_{dtype}({{0}}, {{1}})"


def _limit(dtype: str, which: str) -> str:
    if is_float(dtype):
        return "-1e400" if which == "min" else "1e400"
    import numpy as np

    return str(getattr(np.iinfo(numpy_dtype(dtype)), which))


REDUCTIONS.update({
    "sum": _sum, "prod": _prod, "max": _max, "min": _min,
    "any": lambda dtype: ("bool_(0)", "({0} | {1})"), "all": lambda dtype: ("bool_(1)", "({0} & {1})"),
})  # fmt: skip


def _place_of_extreme(step: Step, buffers: Sequence[Buffer], better: str) -> list[KernelCall]:
    """The first largest or smallest value along an axis; a NaN counts as the extreme, as in NumPy."""
    (view,), (target,) = step.inputs, step.outputs
    axis = step.attrs["axis"]
    arguments = Arguments()
    arguments.pointer("x", view, buffers[view.buffer].size)
    arguments.pointer("y", target, buffers[target.buffer].size)
    arguments.named("x0", view.offset)
    arguments.named("y0", target.offset)
    outer, inner = size_of(view.shape[:axis]), size_of(view.shape[axis + 1 :])
    arguments.named("count", view.shape[axis])
    arguments.named("inner", inner)
    arguments.named("rows", outer * inner)
    kind = compute_type(view.dtype)
    nan = "or (value != value and best == best)" if is_float(kind) else ""
    body = [
        "start, stop = span(rows, thread, threads)",
        "for row in range(start, stop):",
        "    base = x0 + (row // inner) * count * inner + row % inner",
        "    best = x[base]",
        "    place = 0",
        "    for k in range(1, count):",
        "        value = x[base + k * inner]",
        f"        if value {better} best {nan}:",
        "            best = value",
        "            place = k",
        "    y[y0 + row] = place",
    ]
    return [KernelCall(step.name, kernel_source(arguments, body), tuple(arguments.entries), view.size)]


@register("argmax", dtypes=("float16", "bfloat16", "float32", "float64"))
def argmax(step: Step, buffers: Sequence[Buffer]) -> list[KernelCall]:
    return _place_of_extreme(step, buffers, ">")


@register("argmin", dtypes=("float16", "bfloat16", "float32", "float64"))
def argmin(step: Step, buffers: Sequence[Buffer]) -> list[KernelCall]:
    return _place_of_extreme(step, buffers, "<")
