"""Reading and adding to rows. An index out of range stops the program with an error before anything is updated."""

from __future__ import annotations

from collections.abc import Sequence

from symgraph.backends.cpu.table import Arguments, KernelCall, compute_type, converter, kernel_source, register
from symgraph.compiler.program import Buffer, Step
from symgraph.graph.type import size_of

_FLOATS = ("float16", "bfloat16", "float32", "float64")

_CHECKED = [
    "index = int64(indices[indices_0 + k])",
    "if index < 0:",
    "    index += count",
    "if index < 0 or index >= count:",
    "    status[1] = int64(indices[indices_0 + k])",
    "    status[0] = 1",
    "    index = 0",
]


@register("gather", dtypes=_FLOATS)
def gather(step: Step, buffers: Sequence[Buffer]) -> list[KernelCall]:
    x, indices = step.inputs
    (target,) = step.outputs
    arguments = Arguments()
    for name, view in (("x", x), ("indices", indices), ("y", target)):
        arguments.pointer(name, view, buffers[view.buffer].size)
        arguments.named(f"{name}_0", view.offset)
    arguments.named("count", x.shape[0])
    arguments.named("width", size_of(x.shape[1:]))
    arguments.named("rows", indices.size)
    arguments.status()
    body = [
        "start, stop = span(rows, thread, threads)",
        "for k in range(start, stop):",
        *("    " + line for line in _CHECKED),
        "    if count > 0:",
        "        for j in range(width):",
        "            y[y_0 + k * width + j] = x[x_0 + index * width + j]",
    ]
    work = target.size // 4 + indices.size * 2
    fails = "index {value} is out of range for {rows} rows"
    return [KernelCall("gather", kernel_source(arguments, body), tuple(arguments.entries), work, fails=fails)]


@register("scatter_add")
def scatter_add(step: Step, buffers: Sequence[Buffer]) -> list[KernelCall]:
    """Rows are added in the order of their indices, whatever the number of threads: those share the columns."""
    values, indices = step.inputs
    (target,) = step.outputs
    arguments = Arguments()
    for name, view in (("x", values), ("indices", indices), ("y", target)):
        arguments.pointer(name, view, buffers[view.buffer].size)
        arguments.named(f"{name}_0", view.offset)
    arguments.named("count", target.shape[0])
    arguments.named("width", size_of(target.shape[1:]))
    arguments.named("rows", indices.size)
    arguments.status()
    kind = converter(compute_type(target.dtype))
    body = [
        "start, stop = span(width, thread, threads)",
        "for i in range(count):",
        "    for j in range(start, stop):",
        f"        y[y_0 + i * width + j] = {kind}(0)",
        "for k in range(rows):",
        *("    " + line for line in _CHECKED),
        "    if count > 0:",
        "        for j in range(start, stop):",
        "            y[y_0 + index * width + j] = y[y_0 + index * width + j] + x[x_0 + k * width + j]",
    ]
    fails = "index {value} is out of range for {rows} rows"
    work = (target.size + values.size) // 4
    return [KernelCall("scatter_add", kernel_source(arguments, body), tuple(arguments.entries), work, fails=fails)]
