"""Reading and adding to rows. An index out of range stops the program with an error before anything is updated."""

from __future__ import annotations

from collections.abc import Sequence

from symgraph.backends.cpu.lower.fused import loop_indices, work_of
from symgraph.backends.cpu.nest import ExpressionCode, Operand, collapse, declare_strides, place
from symgraph.backends.cpu.table import Arguments, KernelCall, compute_type, converter, kernel_source, register
from symgraph.compiler.program import Buffer, Step, View
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


_FAILS = "index {value} is out of range for {rows} rows"


def _pointers(arguments: Arguments, buffers: Sequence[Buffer], **views: View) -> None:
    """Name the pointers of views, and their offsets NAME_0."""
    for name, view in views.items():
        arguments.pointer(name, view, buffers[view.buffer].size)
        arguments.named(f"{name}_0", view.offset)


@register("gather", dtypes=_FLOATS)
def gather(step: Step, buffers: Sequence[Buffer]) -> list[KernelCall]:
    x, indices = step.inputs
    (target,) = step.outputs
    arguments = Arguments()
    _pointers(arguments, buffers, x=x, indices=indices, y=target)
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
    return [KernelCall("gather", kernel_source(arguments, body), tuple(arguments.entries), work, fails=_FAILS)]


@register("scatter_add")
def scatter_add(step: Step, buffers: Sequence[Buffer]) -> list[KernelCall]:
    """Rows are added in the order of their indices, whatever the number of threads: those share the columns."""
    values, indices = step.inputs
    (target,) = step.outputs
    arguments = Arguments()
    _pointers(arguments, buffers, x=values, indices=indices, y=target)
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
    work = (target.size + values.size) // 4
    return [KernelCall("scatter_add", kernel_source(arguments, body), tuple(arguments.entries), work, fails=_FAILS)]


@register("first_rows")
def first_rows(step: Step, buffers: Sequence[Buffer]) -> list[KernelCall]:
    """Clear the slots, together; then one thread goes through the indices."""
    (indices,) = step.inputs
    slots, firsts = step.outputs
    clear = Arguments()
    _pointers(clear, buffers, slots=slots)
    clear.named("count", slots.size)
    clear.named("entries", indices.size)
    clear_body = [
        "start, stop = span(count, thread, threads)",
        "for i in range(start, stop):",
        "    slots[slots_0 + i] = int32(entries)",
    ]
    name = Arguments()
    _pointers(name, buffers, indices=indices, slots=slots, firsts=firsts)
    name.named("count", slots.size)
    name.named("entries", indices.size)
    name.status()
    name_body = [
        "for k in range(entries):",
        *("    " + line for line in _CHECKED),
        "    if count > 0 and int64(slots[slots_0 + index]) == entries:",
        "        slots[slots_0 + index] = int32(k)",
        "        firsts[firsts_0 + k] = int32(index)",
        "    else:",
        "        firsts[firsts_0 + k] = int32(-1)",
    ]
    return [
        KernelCall("clear_slots", kernel_source(clear, clear_body), tuple(clear.entries), slots.size // 16),
        KernelCall(
            "first_rows", kernel_source(name, name_body), tuple(name.entries), indices.size * 2, False, fails=_FAILS
        ),
    ]


@register("sum_rows")
def sum_rows(step: Step, buffers: Sequence[Buffer]) -> list[KernelCall]:
    """Rows are added in the order of their indices, whatever the number of threads: those share the columns."""
    values, indices, slots = step.inputs
    (target,) = step.outputs
    arguments = Arguments()
    _pointers(arguments, buffers, x=values, indices=indices, slots=slots, y=target)
    arguments.named("count", slots.size)
    arguments.named("width", size_of(target.shape[1:]))
    arguments.named("entries", indices.size)
    zero = f"{converter(compute_type(target.dtype))}(0)"
    body = [
        "start, stop = span(width, thread, threads)",
        "for k in range(entries):",
        "    index = int64(indices[indices_0 + k])",
        "    if index < 0:",
        "        index += count",
        "    first = int64(slots[slots_0 + index])",
        "    if first == k:",
        "        for j in range(start, stop):",
        "            y[y_0 + k * width + j] = x[x_0 + k * width + j]",
        "    else:",
        "        for j in range(start, stop):",
        f"            y[y_0 + k * width + j] = {zero}",
        "        for j in range(start, stop):",
        "            y[y_0 + first * width + j] = y[y_0 + first * width + j] + x[x_0 + k * width + j]",
        "for j in range(start, stop):",
        f"    y[y_0 + entries * width + j] = {zero}",
    ]
    work = values.size // 4
    return [KernelCall("sum_rows", kernel_source(arguments, body), tuple(arguments.entries), work)]


@register("rows_used")
def rows_used(step: Step, buffers: Sequence[Buffer]) -> list[KernelCall]:
    (indices,) = step.inputs
    (target,) = step.outputs
    arguments = Arguments()
    _pointers(arguments, buffers, indices=indices, y=target)
    arguments.named("count", target.size)
    arguments.named("entries", indices.size)
    arguments.status()
    body = [
        "for i in range(count):",
        "    y[y_0 + i] = bool_(0)",
        "for k in range(entries):",
        *("    " + line for line in _CHECKED),
        "    if count > 0:",
        "        y[y_0 + index] = bool_(1)",
    ]
    work = target.size // 16 + indices.size * 2
    return [
        KernelCall("rows_used", kernel_source(arguments, body), tuple(arguments.entries), work, False, fails=_FAILS)
    ]


@register("fused_rows", strided=True)
def fused_rows(step: Step, buffers: Sequence[Buffer]) -> list[KernelCall]:
    """A loop over the listed rows, which the threads share, around the nest of the other axes."""
    *inputs, firsts = step.inputs
    shape = step.attrs["shape"]
    arguments = Arguments()
    code = ExpressionCode(step.attrs["expression"], inputs, shape, arguments)
    targets = [Operand(f"y{k}", view.strides, view.offset, view) for k, view in enumerate(step.outputs)]
    shape = collapse(shape, [*code.all_operands, *targets], [True] + [False] * (len(shape) - 1))
    index = loop_indices(len(shape))
    code.declare(buffers, independent=True)
    for operand, view in zip(targets, step.outputs, strict=True):
        arguments.pointer(operand.name, view, buffers[view.buffer].size, independent=True)
        declare_strides(operand, arguments)
    arguments.pointer("firsts", firsts, buffers[firsts.buffer].size)
    arguments.named("firsts_0", firsts.offset)
    arguments.named("entries", firsts.size)
    for axis, dim in enumerate(shape):
        arguments.named(f"size{axis}", dim)
    lines = code.lines(index)
    body = [line.text for line in lines if line.level == 0]
    body += [
        "start, stop = span(entries, thread, threads)",
        "for k in range(start, stop):",
        f"    {index[0]} = int64(firsts[firsts_0 + k])",
        f"    if {index[0]} >= 0:",
    ]
    for axis in range(len(shape)):
        indent = "    " * (axis + 2)
        if axis:
            body.append(indent[4:] + f"for {index[axis]} in range(size{axis}):")
        body.extend(indent + line.text for line in lines if line.level == axis + 1)
    indent = "    " * (len(shape) + 1)
    for operand, value in zip(targets, step.attrs["expression"].results, strict=True):
        body.append(f"{indent}{operand.name}[{place(operand, index)}] = v{value}")
    work = work_of(step.attrs["expression"], len(inputs), firsts.size * size_of(step.attrs["shape"][1:]))
    return [KernelCall("fused_rows", kernel_source(arguments, body), tuple(arguments.entries), work)]
