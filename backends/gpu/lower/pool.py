"""Pooling: a thread an element of the result. Gradients are gathered, so that no two threads add to one place."""

from __future__ import annotations

from symgraph.backends.gpu.calls import Call, Kernel, blocks_for
from symgraph.backends.gpu.lower.reduction import accumulator
from symgraph.backends.gpu.lower.window import Windows
from symgraph.backends.gpu.prelude import COMPUTE
from symgraph.backends.gpu.table import register
from symgraph.compiler.program import Step, View


def _windows(step: Step, x_shape: tuple, counts: tuple) -> Windows:
    attrs = step.attrs
    window = attrs["window"]
    return Windows(x_shape[1:-1], counts[1:-1], window, attrs["strides"], attrs["padding"], (1,) * len(window))


def _finished(step: Step, windows: Windows, over: View, each: list[str]) -> list[Call]:
    """The kernel that does `each` for every element of `over`."""
    total = windows.number(over.size, "count")
    body = windows.kernel(total, each)
    views = (*step.inputs, *step.outputs)
    return [Kernel(step.name, body, tuple(windows.arguments.words), blocks_for(over.size), views)]


def _largest(windows: Windows, batch: str, channels: str, type: str, prefix: str = "") -> list[str]:
    """Lines that find the first largest element of window o0, o1, ...: `best`, and its offset `where` (or -1)."""
    inside = [
        f"const position from = {windows.at(batch, 'x', windows.size, 'c', channels)};",
        f"const {type} v = load(p, from);",
        "if (where < 0 || v > best || (v != v && best == best)) { best = v; where = from; }",
    ]
    return [
        f"{type} best = ({type})bits_to_float(0xff800000u);",
        "position where = -1;",
        *windows.over_window(inside),
    ]


def _by_windows(step: Step, store: str, second: bool) -> list[Call]:
    """A kernel over the windows: finds the largest element of each, and stores an expression."""
    x, target = step.inputs[0], step.outputs[0]
    windows = _windows(step, x.shape, target.shape)
    channels = windows.number(x.shape[-1])
    windows.pointer(x, "p")
    if second:
        windows.pointer(step.inputs[1], "values")
    windows.pointer(target, "q", write=True)
    each = [
        *windows.decode("i", [("n", ""), *windows.places("o", windows.count), ("c", channels)]),
        *_largest(windows, "n", channels, COMPUTE[x.dtype]),
        f"store(q, (position)i, {store});",
    ]
    return _finished(step, windows, target, each)


@register("max_pool")
def max_pool(step: Step) -> list[Call]:
    return _by_windows(step, "best", second=False)


@register("max_pool_select")
def max_pool_select(step: Step) -> list[Call]:
    type = COMPUTE[step.outputs[0].dtype]
    return _by_windows(step, f"where < 0 ? ({type})0 : load(values, where)", second=True)


@register("max_pool_gradient")
def max_pool_gradient(step: Step) -> list[Call]:
    """A thread an element of the input: it looks whether it is the largest in each window that covers it."""
    (x, grad), (target,) = step.inputs, step.outputs
    windows = _windows(step, x.shape, grad.shape)
    channels = windows.number(x.shape[-1])
    windows.pointer(x, "p")
    windows.pointer(grad, "given")
    windows.pointer(target, "q", write=True)
    type, wide = COMPUTE[x.dtype], COMPUTE[accumulator(x.dtype)]
    covering = [
        *_largest(windows, "n", channels, type),
        "if (where == (position)i) "
        f"sum = op_add(sum, ({wide})load(given, {windows.at('n', 'o', windows.count, 'c', channels)}));",
    ]
    # The loops over the window reuse the names x0, k0, ... of the loops over the covering windows: an inner scope.
    each = [
        *windows.decode("i", [("n", ""), *windows.places("x", windows.size), ("c", channels)]),
        f"{wide} sum = ({wide})0;",
        *windows.over_covering(["{", *covering, "}"]),
        "store(q, (position)i, sum);",
    ]
    return _finished(step, windows, target, each)


def _share(windows: Windows, type: str) -> list[str]:
    """Lines that count the elements of window o0, o1, ... that are inside the input: `share`."""
    lines = [f"{type} share = ({type})1;"]
    for axis in windows.axes:
        start = f"o{axis} * {windows.stride[axis]} - {windows.before[axis]}"
        lines += [
            f"const position begin{axis} = {start} < 0 ? 0 : {start};",
            f"const position stop{axis} = {start} + {windows.window[axis]} < {windows.size[axis]}"
            f" ? {start} + {windows.window[axis]} : {windows.size[axis]};",
            f"share *= ({type})(stop{axis} - begin{axis});",
        ]
    return lines


@register("average_pool")
def average_pool(step: Step) -> list[Call]:
    (x,), (target,) = step.inputs, step.outputs
    windows = _windows(step, x.shape, target.shape)
    channels = windows.number(x.shape[-1])
    windows.pointer(x, "p")
    windows.pointer(target, "q", write=True)
    wide = COMPUTE[accumulator(x.dtype)]
    inside = [f"sum += ({wide})load(p, {windows.at('n', 'x', windows.size, 'c', channels)});"]
    each = [
        *windows.decode("i", [("n", ""), *windows.places("o", windows.count), ("c", channels)]),
        *_share(windows, wide),
        f"{wide} sum = ({wide})0;",
        *windows.over_window(inside),
        "store(q, (position)i, sum / share);",
    ]
    return _finished(step, windows, target, each)


@register("average_pool_gradient")
def average_pool_gradient(step: Step) -> list[Call]:
    (grad,), (target,) = step.inputs, step.outputs
    windows = _windows(step, target.shape, grad.shape)
    channels = windows.number(target.shape[-1])
    windows.pointer(grad, "given")
    windows.pointer(target, "q", write=True)
    wide = COMPUTE[accumulator(grad.dtype)]
    covering = [
        *_share(windows, wide),
        f"sum += ({wide})load(given, {windows.at('n', 'o', windows.count, 'c', channels)}) / share;",
    ]
    each = [
        *windows.decode("i", [("n", ""), *windows.places("x", windows.size), ("c", channels)]),
        f"{wide} sum = ({wide})0;",
        *windows.over_covering(covering),
        "store(q, (position)i, sum);",
    ]
    return _finished(step, windows, target, each)
