"""Running sums: threads share what stands before and behind the axis."""

from __future__ import annotations

from collections.abc import Sequence

from symgraph.backends.cpu.lower.window import kernel_call, name_views
from symgraph.backends.cpu.table import Arguments, KernelCall, compute_type, converter, register
from symgraph.compiler.program import Buffer, Step
from symgraph.graph.type import size_of


@register("cumsum")
def cumsum(step: Step, buffers: Sequence[Buffer]) -> list[KernelCall]:
    (x,), (y,) = step.inputs, step.outputs
    axis = step.attrs["axis"]
    kind = converter(compute_type(y.dtype))
    arguments = Arguments()
    name_views(arguments, buffers, x=x, y=y)
    arguments.named("outer", size_of(x.shape[:axis]))
    arguments.named("count", x.shape[axis])
    arguments.named("inner", size_of(x.shape[axis + 1 :]))
    place = "(count - 1 - k)" if step.attrs["reverse"] else "k"
    before = "at + inner" if step.attrs["reverse"] else "at - inner"
    body = [
        "for o in range(outer):",
        "    start, stop = span(inner, thread, threads)",
        "    if inner == 1:",
        "        start, stop = 0, 0",
        "    for k in range(count):",
        f"        at = (o * count + {place}) * inner",
        "        if k == 0:",
        "            for i in range(start, stop):",
        "                y[y_0 + at + i] = x[x_0 + at + i]",
        "        else:",
        f"            was = {before}",
        "            for i in range(start, stop):",
        f"                y[y_0 + at + i] = {kind}(y[y_0 + was + i] + x[x_0 + at + i])",
        "if inner == 1:",
        "    first, last = span(outer, thread, threads)",
        "    for o in range(first, last):",
        f"        total = {kind}(0)",
        "        for k in range(count):",
        f"            at = o * count + {place}",
        f"            total = {kind}(total + x[x_0 + at])",
        "            y[y_0 + at] = total",
    ]
    return [kernel_call("cumsum", arguments, body, x.size)]
