"""Convolutions: windows are gathered into the rows of a small matrix, which BLAS multiplies while it is in the cache.

A kernel is written for any number of spatial axes; all sizes are arguments, so layers share kernels. Results do not
depend on the number of threads. Depthwise convolutions have loops of their own, since there is no matrix product in
them.
"""

from __future__ import annotations

from collections.abc import Sequence

from symgraph import config
from symgraph.backends.cpu.lower import direct, winograd
from symgraph.backends.cpu.lower.depthwise import depthwise, depthwise_input, depthwise_kernel
from symgraph.backends.cpu.lower.window import Geometry, geometry_of, indented, kernel_call, name_views
from symgraph.backends.cpu.microkernels import BIAS, RELU
from symgraph.backends.cpu.table import Arguments, KernelCall, register
from symgraph.compiler.program import Buffer, Step, View
from symgraph.graph.type import DimLike, Shape, size_of

#: Elements of gathered windows that a thread multiplies at a time: they should stay in its cache.
BLOCK = 1 << 16
FEWEST_ROWS, MOST_ROWS = 32, 512
#: Lines of a kernel that are turned at a time.
TURNED = 16
#: Kernels of up to this many numbers get their gradient by parts of the batch, PARTS of them, which are then summed.
SMALL_KERNEL, PARTS = 1 << 14, 16


# --------------------------------------------------------------------------------------- windows as rows of a matrix


def _rows(columns: DimLike) -> int:
    """How many windows a thread gathers at a time."""
    return max(FEWEST_ROWS, min(MOST_ROWS, BLOCK // max(columns, 1))) if isinstance(columns, int) else 128


def _gathered(columns: DimLike, kind: str) -> tuple[str, DimLike]:
    """The scratch memory for gathered windows: enough for every thread, and shared out when the kernel runs."""
    return kind, columns * _rows(columns) * config.threads()


def _is_plain(geometry: Geometry, groups: int) -> bool:
    """Whether windows are the rows of the input themselves."""
    return groups == 1 and all(
        k == 1 and s == 1 and p == 0 and n == m
        for k, s, p, n, m in zip(
            geometry.window, geometry.strides, geometry.before, geometry.sizes, geometry.counts, strict=True
        )
    )


_SHARE = [  # each thread's part of the scratch memory, and how many windows it holds
    "room = scratch_size // threads",
    "gathered = shift(scratch, scratch_0 + thread * room)",
    "block = room // columns",
    "if block > most:",
    "    block = most",
]


def _gather(geometry: Geometry, groups: int, kind: str) -> list[str]:
    """Lines that copy `count` windows from number `first` on into `gathered`, of group `group`."""
    last = geometry.axes - 1
    zero = f"{kind}(0)"
    if groups == 1 and geometry.dilation[last] == 1:  # a line of the window is one piece of memory, or none
        part = [
            f"a = x_0 + {geometry.line(f'i{last}')} * channels",
            f"if i{last} < 0:",
            f"    left = -i{last} * channels",
            f"right = (n{last} - i{last}) * channels",
            "if right > whole:",
            "    right = whole",
        ]
        heads, tests = [], []
        for axis in range(last):
            heads += indented([f"for t{axis} in range(k{axis}):", f"    j{axis} = i{axis} + t{axis} * d{axis}"], axis)
            tests.append(f"j{axis} >= 0 and j{axis} < n{axis}")
        lines = [
            f"whole = k{last} * channels",
            *heads,
            *indented(
                [
                    "left = 0",
                    "right = 0",
                    "a = x_0",
                    *([f"if {' and '.join(tests)}:", *indented(part)] if tests else part),
                    "if right - left < whole:",
                    "    for e in range(whole):",
                    f"        gathered[to + e] = {zero}",
                    "for e in range(left, right):",
                    "    gathered[to + e] = x[a + e]",
                    "to += whole",
                ],
                last,
            ),
        ]
    else:
        lines = geometry.each_element(
            [
                f"a = x_0 + {geometry.line(f'j{last}')} * all_channels + group * channels",
                "for e in range(channels):",
                "    gathered[to + e] = x[a + e]",
                "to += channels",
            ],
            ["for e in range(channels):", f"    gathered[to + e] = {zero}", "to += channels"],
        )
    body = ["place = first + row", *geometry.locate(), "to = row * columns", *lines]
    return ["for row in range(count):", *indented(body)]


def _product_of_rows(kind: str, sizes: str, line: str, turned: bool) -> list[str]:
    """Lines that multiply rows by a kernel of a single element, or by that kernel transposed."""
    columns, depth = sizes.split(", ")
    return [
        "start, stop = span_blocks(rows, 8, thread, threads)",
        f"if stop > start and {columns} > 0:",
        f"    gemm_{kind}(False, {turned}, stop - start, {sizes}, {kind}(1), shift(x, x_0 + start * {depth}), {depth},",
        f"        shift(w, w_0), {line}, {kind}(0), shift(y, y_0 + start * {columns}), {columns})",
    ]


def _plain_back(buffers: Sequence[Buffer], grad: View, kernel: View, target: View) -> KernelCall:
    """The gradient of the input where windows are the rows of the input: gradients times the kernel transposed."""
    channels, filters = target.shape[-1], grad.shape[-1]
    arguments = Arguments()
    name_views(arguments, buffers, x=grad, w=kernel, y=target)
    for name, value in (("rows", size_of(grad.shape[:-1])), ("channels", channels), ("filters", filters)):
        arguments.named(name, value)
    body = _product_of_rows(target.dtype, "channels, filters", "filters", turned=True)
    work = size_of(grad.shape[:-1]) * channels * filters // (40 if target.dtype == "float32" else 20)
    return kernel_call("conv_plain_back", arguments, body, work, blas=True)


def _forward(
    buffers: Sequence[Buffer],
    x: View,
    kernel: View,
    target: View,
    scratch: View | None,
    geometry: Geometry,
    groups: int,
) -> KernelCall:
    """Each window times the kernel. The kernel holds (window, channels of a group, filters) without gaps."""
    kind = target.dtype
    channels, filters = x.shape[-1] // groups, target.shape[-1]
    columns = size_of((*geometry.window, channels))
    arguments = Arguments()
    name_views(arguments, buffers, x=x, w=kernel, y=target)
    arguments.named("rows", size_of(target.shape[:-1]))
    for name, value in (("columns", columns), ("channels", channels), ("filters", filters)):
        arguments.named(name, value)
    work = size_of(target.shape[:-1]) * columns * filters // groups // (40 if kind == "float32" else 20)
    if scratch is None:
        body = _product_of_rows(kind, "filters, columns", "filters", turned=False)
        return kernel_call("conv", arguments, body, work, blas=True)
    name_views(arguments, buffers, scratch=scratch)
    arguments.named("scratch_size", scratch.size)
    arguments.named("most", _rows(columns))
    arguments.named("groups", groups)
    arguments.named("all_channels", x.shape[-1])
    geometry.declare(arguments)
    multiply = [
        f"gemm_{kind}(False, False, count, width, columns, {kind}(1), gathered, columns,",
        f"    shift(w, w_0 + group * width), filters, {kind}(0),",
        "    shift(y, y_0 + first * filters + group * width), filters)",
    ]
    body = [
        *_SHARE,
        "start, stop = span(rows, thread, threads)",
        "width = filters // groups",
        "for first in range(start, stop, block):",
        "    count = stop - first",
        "    if count > block:",
        "        count = block",
        "    for group in range(groups):",
        *indented([*_gather(geometry, groups, kind), *multiply], 2),
    ]
    return kernel_call("conv", arguments, body, work, blas=True)


def _conv_parts(step: Step) -> tuple[Geometry, int, bool]:
    x, kernel = step.inputs[:2]
    geometry = geometry_of(step, x.shape[1:-1], step.outputs[0].shape[1:-1], kernel.shape[:-2])
    groups = step.attrs["groups"]
    return geometry, groups, groups > 1 and kernel.shape[-2] == 1


def _conv_scratch(step: Step) -> list[tuple[str, DimLike]]:
    geometry, groups, alone = _conv_parts(step)
    if alone or _is_plain(geometry, groups):
        return []
    x, kernel = step.inputs[:2]
    if winograd.fits(geometry, groups, x.shape[-1], kernel.shape[-1], x.dtype):
        return _winograd_scratch(x.shape[-1], kernel.shape[-1])
    if direct.fits(kernel.shape, x.dtype):
        taps = direct.forward_taps(geometry)
        return [direct.packed_memory(kernel.shape, groups, False), *_border_scratch(step, taps, x.shape[-1])]
    return [_gathered(size_of(kernel.shape[:-1]), x.dtype)]


def _border_scratch(step: Step, taps: list[direct.Taps], channels: DimLike) -> list[tuple[str, DimLike]]:
    """Scratch memory for lines with zeros around them, where a convolution pads."""
    padded = any(low != 0 or high != 0 for low, high in step.attrs["padding"])
    return [direct.border_memory([taps], channels)] if padded else []


def _winograd_scratch(channels: DimLike, filters: DimLike) -> list[tuple[str, DimLike]]:
    assert isinstance(channels, int) and isinstance(filters, int)
    return [winograd.kernel_memory(channels, filters), winograd.working_memory(channels, filters)]


@register("conv", scratch=_conv_scratch)
def conv(step: Step, buffers: Sequence[Buffer]) -> list[KernelCall]:
    return _convolution(step, buffers, None, 0)


@register("conv_epilogue", scratch=_conv_scratch, dtypes=("float32",))
def conv_epilogue(step: Step, buffers: Sequence[Buffer]) -> list[KernelCall]:
    flags = {"linear": BIAS, "relu": BIAS + RELU}[step.attrs["activation"]]
    return _convolution(step, buffers, step.inputs[2], flags)


def _convolution(step: Step, buffers: Sequence[Buffer], bias: View | None, flags: int) -> list[KernelCall]:
    """The calls for a convolution, whose results are finished as flags say (`symgraph.backends.cpu.microkernels`)."""
    x, kernel = step.inputs[:2]
    (target,) = step.outputs
    geometry, groups, alone = _conv_parts(step)
    if alone:
        calls = [depthwise(buffers, x, kernel, target, geometry, step.attrs["padding"])]
        return calls if bias is None else [*calls, _finish(buffers, target, bias, flags)]
    if winograd.fits(geometry, groups, x.shape[-1], kernel.shape[-1], x.dtype):
        transformed, working = step.scratch
        return [
            winograd.transform_kernel(buffers, kernel, transformed),
            winograd.forward(buffers, x, transformed, target, working, geometry, bias, flags),
        ]
    if direct.fits(kernel.shape, x.dtype) and not _is_plain(geometry, groups):
        packed, *borders = step.scratch
        taps, scratch = direct.forward_taps(geometry), borders[0] if borders else None
        return [
            direct.pack(buffers, kernel, packed, groups, turned=False),
            direct.convolution(buffers, x, packed, target, scratch, taps, _window(kernel), groups, bias, flags),
        ]
    scratch = step.scratch[0] if step.scratch else None
    calls = [_forward(buffers, x, kernel, target, scratch, geometry, groups)]
    return calls if bias is None else [*calls, _finish(buffers, target, bias, flags)]


def _finish(buffers: Sequence[Buffer], target: View, bias: View, flags: int) -> KernelCall:
    """Add the bias of each filter to results that lie in memory, and take the negative ones away where flags say so."""
    arguments = Arguments()
    for name, view in (("y", target), ("bias", bias)):
        arguments.pointer(name, view, buffers[view.buffer].size, independent=True)
        arguments.named(f"{name}_0", view.offset)
    arguments.named("rows", size_of(target.shape[:-1]))
    arguments.named("filters", target.shape[-1])
    arguments.named("flags", flags)
    body = [
        "start, stop = span(rows, thread, threads)",
        "lowest = float32(-1e400)",
        f"if flags & {RELU} != 0:",
        "    lowest = float32(0)",
        "for row in range(start, stop):",
        "    at = y_0 + row * filters",
        "    for e in range(filters):",
        "        value = y[at + e] + bias[bias_0 + e]",
        "        y[at + e] = select(value < lowest, lowest, value)",
    ]
    return kernel_call("conv_finish", arguments, body, target.size // 8)


def _window(kernel: View) -> tuple[int, ...]:
    """The window of a kernel whose sizes are known."""
    return tuple(size for size in kernel.shape[:-2] if isinstance(size, int))


# ------------------------------------------------------------------------------------------ gradient of the input


def _steps_by_one(step: Step) -> bool:
    return all(stride == 1 for stride in step.attrs["strides"])


def _is_depthwise_by_one(step: Step) -> bool:
    """Whether the gradient of a depthwise convolution is another one, with the kernel turned round."""
    return _steps_by_one(step) and step.inputs[0].shape[-1] == step.attrs["groups"]


def _input_scratch(step: Step) -> list[tuple[str, DimLike]]:
    grad, kernel = step.inputs
    groups = step.attrs["groups"]
    if groups > 1 and kernel.shape[-2] == 1:
        return [(grad.dtype, kernel.size)] if _is_depthwise_by_one(step) else []
    columns = size_of(kernel.shape[:-1])
    if winograd.fits(_input_geometry(step), groups, grad.shape[-1], kernel.shape[-2], grad.dtype):
        return [(grad.dtype, kernel.size), *_winograd_scratch(grad.shape[-1], kernel.shape[-2])]
    if _sends_back_directly(step):
        phases = direct.backward_taps(_input_geometry(step))
        return [
            direct.packed_memory(kernel.shape, groups, True),
            direct.border_memory(phases, grad.shape[-1]),
        ]
    if _is_plain(_input_geometry(step), groups):
        return []
    if _steps_by_one(step):
        width = size_of((*kernel.shape[:-2], grad.shape[-1] // groups))
        return [(grad.dtype, kernel.size), _gathered(width, grad.dtype)]
    return [_gathered(columns, grad.dtype)]


def _input_geometry(step: Step) -> Geometry:
    grad, kernel = step.inputs
    (target,) = step.outputs
    return geometry_of(step, target.shape[1:-1], grad.shape[1:-1], kernel.shape[:-2])


def _sends_back_directly(step: Step) -> bool:
    """Whether the gradient of the input is made of direct sums."""
    grad, kernel = step.inputs
    geometry, groups = _input_geometry(step), step.attrs["groups"]
    alone = groups > 1 and kernel.shape[-2] == 1
    fast = winograd.fits(geometry, groups, grad.shape[-1], kernel.shape[-2], grad.dtype)
    direct_too = direct.fits(kernel.shape, grad.dtype) and direct.can_send_back(geometry)
    return direct_too and not (alone or fast or _is_plain(geometry, groups))


@register("conv_input_gradient", scratch=_input_scratch)
def conv_input_gradient(step: Step, buffers: Sequence[Buffer]) -> list[KernelCall]:
    """With strides of 1, a convolution with the kernel turned round; else products added where they came from."""
    grad, kernel = step.inputs
    (target,) = step.outputs
    groups = step.attrs["groups"]
    geometry = _input_geometry(step)
    alone = groups > 1 and kernel.shape[-2] == 1
    if alone and not _is_depthwise_by_one(step):
        return [depthwise_input(buffers, grad, kernel, target, geometry)]
    if _sends_back_directly(step):
        packed, borders = step.scratch
        return [
            direct.pack(buffers, kernel, packed, groups, turned=True),
            *(
                direct.convolution(buffers, grad, packed, target, borders, taps, _window(kernel), groups)
                for taps in direct.backward_taps(geometry)
            ),
        ]
    if not _steps_by_one(step):
        return [_scattered(buffers, grad, kernel, target, step.scratch[0], geometry, groups)]
    if _is_plain(geometry, groups):
        return [_plain_back(buffers, grad, kernel, target)]
    turned = step.scratch[0]
    before = tuple((k - 1) * d - p for k, d, p in zip(geometry.window, geometry.dilation, geometry.before, strict=True))
    around = Geometry(
        grad.shape[1:-1], target.shape[1:-1], geometry.window, geometry.strides, geometry.dilation, before
    )
    if alone:
        padding = tuple(
            ((k - 1) * d - low, (k - 1) * d - high)
            for k, d, (low, high) in zip(geometry.window, geometry.dilation, step.attrs["padding"], strict=True)
        )
        return [_turn(buffers, kernel, turned, groups), depthwise(buffers, grad, turned, target, around, padding)]
    if winograd.fits(geometry, groups, grad.shape[-1], kernel.shape[-2], grad.dtype):
        _, transformed, working = step.scratch
        shape = (*kernel.shape[:-2], kernel.shape[-1], kernel.shape[-2])
        return [
            _turn(buffers, kernel, turned, groups),
            winograd.transform_kernel(buffers, turned.contiguous_as(shape), transformed),
            winograd.forward(buffers, grad, transformed, target, working, around),
        ]
    gathered = step.scratch[1]
    return [
        _turn(buffers, kernel, turned, groups),
        _forward(buffers, grad, turned, target, gathered, around, groups),
    ]


def _turn(buffers: Sequence[Buffer], kernel: View, turned: View, groups: int) -> KernelCall:
    """(window, channels of a group, filters) to (window from its end, filters of a group, channels)."""
    arguments = Arguments()
    name_views(arguments, buffers, w=kernel, y=turned)
    arguments.named("places", size_of(kernel.shape[:-2]))
    arguments.named("channels", kernel.shape[-2])
    arguments.named("width", kernel.shape[-1] // groups)
    arguments.named("groups", groups)
    body = [  # a few lines are written at a time, so that what is read lies together
        f"blocks = (width + {TURNED} - 1) // {TURNED}",
        "start, stop = span(places * groups * blocks, thread, threads)",
        "for item in range(start, stop):",
        f"    low = item % blocks * {TURNED}",
        "    g = item // blocks % groups",
        "    t = item // blocks // groups",
        f"    high = low + {TURNED}",
        "    if high > width:",
        "        high = width",
        "    for c in range(channels):",
        "        a = w_0 + (((places - 1 - t) * channels + c) * groups + g) * width",
        "        to = y_0 + (t * width * groups + g) * channels + c",
        "        for o in range(low, high):",
        "            y[to + o * groups * channels] = w[a + o]",
    ]
    return kernel_call("conv_turn", arguments, body, kernel.size)


def _scattered(
    buffers: Sequence[Buffer],
    grad: View,
    kernel: View,
    target: View,
    scratch: View,
    geometry: Geometry,
    groups: int,
) -> KernelCall:
    """Each gradient times the transposed kernel, added to the elements of its window; threads share the images."""
    kind = target.dtype
    columns, filters = size_of(kernel.shape[:-1]), grad.shape[-1]
    arguments = Arguments()
    name_views(arguments, buffers, g=grad, w=kernel, y=target, scratch=scratch)
    for name, value in (
        ("columns", columns), ("channels", kernel.shape[-2]), ("filters", filters), ("groups", groups),
        ("scratch_size", scratch.size), ("most", _rows(columns)), ("batch", grad.shape[0]),
        ("all_channels", target.shape[-1]), ("size", size_of(target.shape[1:])), ("windows", size_of(geometry.counts)),
    ):  # fmt: skip
        arguments.named(name, value)
    geometry.declare(arguments)
    last = geometry.axes - 1
    add = [
        f"a = y_0 + {geometry.line(f'j{last}')} * all_channels + group * channels",
        "for e in range(channels):",
        "    y[a + e] = y[a + e] + gathered[to + e]",
        "to += channels",
    ]
    skip_line = [f"to += k{last} * channels"]
    walk = [
        f"for t{last} in range(k{last}):",
        f"    j{last} = i{last} + t{last} * d{last}",
        f"    if j{last} >= 0 and j{last} < n{last}:",
        *indented(add, 2),
        "    else:",
        "        to += channels",
    ]
    body = [
        *_SHARE,
        "width = filters // groups",
        "start, stop = span(batch, thread, threads)",
        "for e in range(start * size, stop * size):",
        f"    y[y_0 + e] = {kind}(0)",
        "for first in range(start * windows, stop * windows, block):",
        "    count = stop * windows - first",
        "    if count > block:",
        "        count = block",
        "    for group in range(groups):",
        f"        gemm_{kind}(False, True, count, columns, width, {kind}(1),",
        "            shift(g, g_0 + first * filters + group * width), filters,",
        f"            shift(w, w_0 + group * width), filters, {kind}(0), gathered, columns)",
        "        for row in range(count):",
        *indented(["place = first + row", *geometry.locate(), "to = row * columns"], 3),
        *indented(geometry.each_line(walk, skip_line), 3),
    ]
    work = size_of(grad.shape[:-1]) * columns * filters // groups // (40 if kind == "float32" else 20)
    return kernel_call("conv_input_gradient", arguments, body, work, blas=True)


# ----------------------------------------------------------------------------------------- gradient of the kernel


def _is_small(kernel: View) -> bool:
    return isinstance(kernel.size, int) and kernel.size <= SMALL_KERNEL


def _kernel_parts(step: Step) -> tuple[Geometry, int, bool]:
    x, grad = step.inputs
    (target,) = step.outputs
    geometry = geometry_of(step, x.shape[1:-1], grad.shape[1:-1], target.shape[:-2])
    groups = step.attrs["groups"]
    return geometry, groups, groups > 1 and target.shape[-2] == 1


def _kernel_scratch(step: Step) -> list[tuple[str, DimLike]]:
    geometry, groups, alone = _kernel_parts(step)
    (target,) = step.outputs
    if alone:
        return [(target.dtype, target.size)]
    channels, filters = target.shape[-2:]
    if winograd.fits(geometry, groups, channels, filters, target.dtype):
        assert isinstance(channels, int) and isinstance(filters, int)
        return [winograd.gradient_memory(channels, filters), winograd.gradient_working_memory(channels, filters)]
    if direct.fits(target.shape, target.dtype) and not _is_plain(geometry, groups):
        x = step.inputs[0]
        sums: tuple[str, DimLike] = (target.dtype, target.size * direct.parts_of(target.shape))
        return [sums, *_border_scratch(step, direct.forward_taps(geometry), x.shape[-1])]
    needs: list[tuple[str, DimLike]] = []
    if not _is_plain(geometry, groups):
        needs.append(_gathered(size_of(target.shape[:-1]), target.dtype))
    if _is_small(target):
        needs.append((target.dtype, target.size * PARTS))
    return needs


@register("conv_kernel_gradient", scratch=_kernel_scratch)
def conv_kernel_gradient(step: Step, buffers: Sequence[Buffer]) -> list[KernelCall]:
    """Transposed windows times gradients. A small kernel is summed in parts of the batch; of a large one, threads take
    rows."""
    x, grad = step.inputs
    (target,) = step.outputs
    geometry, groups, alone = _kernel_parts(step)
    if alone:
        return [depthwise_kernel(buffers, x, grad, target, step.scratch[0], geometry)]
    channels, filters = target.shape[-2:]
    if winograd.fits(geometry, groups, channels, filters, target.dtype):
        sums, working = step.scratch
        return winograd.kernel_gradient(buffers, x, grad, target, sums, working, geometry)
    plain, small = _is_plain(geometry, groups), _is_small(target)
    if direct.fits(target.shape, target.dtype) and not plain:
        sums, *borders = step.scratch
        taps, scratch = direct.forward_taps(geometry), borders[0] if borders else None
        return [
            direct.kernel_gradient(buffers, x, grad, sums, scratch, taps, target.shape, groups),
            _together(buffers, sums, target, direct.parts_of(target.shape)),
        ]
    gathered = None if plain else step.scratch[0]
    parts = step.scratch[-1] if small else target
    calls = [_kernel_sum(buffers, x, grad, parts, gathered, geometry, groups, target.shape, small)]
    if small:
        calls.append(_together(buffers, parts, target, PARTS))
    return calls


def _kernel_sum(
    buffers: Sequence[Buffer],
    x: View,
    grad: View,
    target: View,
    scratch: View | None,
    geometry: Geometry,
    groups: int,
    shape: Shape,
    small: bool,
) -> KernelCall:
    kind = target.dtype
    filters, channels = shape[-1], shape[-2]
    columns = size_of(shape[:-1])
    arguments = Arguments()
    name_views(arguments, buffers, x=x, g=grad, y=target)
    for name, value in (
        ("rows", size_of(grad.shape[:-1])), ("columns", columns), ("channels", channels), ("filters", filters),
        ("groups", groups), ("all_channels", x.shape[-1]), ("most", _rows(columns)), ("parts", PARTS if small else 1),
    ):  # fmt: skip
        arguments.named(name, value)
    body: list[str] = []
    if scratch is not None:
        name_views(arguments, buffers, scratch=scratch)
        arguments.named("scratch_size", scratch.size)
        geometry.declare(arguments)
        body += _SHARE
        windows, line = "gathered", "wide"
        gather = _gather(geometry, groups, kind) if small else _gather_columns(geometry, kind)
    else:
        body += ["block = most"]
        windows, line, gather = "shift(x, x_0 + first * columns + low)", "columns", []
    low_high = (
        ["low, high = 0, columns", "part_start, part_stop = span(parts, thread, threads)"]
        if small
        else ["low, high = span_blocks(columns, 4, thread, threads)", "part_start, part_stop = 0, 1"]
    )
    body += [
        "width = filters // groups",
        *low_high,
        "wide = high - low",
        "if wide > 0:",
        "    for part in range(part_start, part_stop):",
        "        to = y_0 + (part * columns + low) * filters",
        "        for e in range(wide * filters):",
        f"            y[to + e] = {kind}(0)",
        "        start, stop = span(rows, part, parts)",
        "        for first in range(start, stop, block):",
        "            count = stop - first",
        "            if count > block:",
        "                count = block",
        "            for group in range(groups):",
        *indented(gather, 4),
        f"                gemm_{kind}(True, False, wide, width, count, {kind}(1), {windows}, {line},",
        "                    shift(g, g_0 + first * filters + group * width), filters,",
        f"                    {kind}(1), shift(y, y_0 + (part * columns + low) * filters + group * width), filters)",
    ]
    work = size_of(grad.shape[:-1]) * columns * filters // groups // (40 if kind == "float32" else 20)
    return kernel_call("conv_kernel_gradient", arguments, body, work, blas=True)


def _gather_columns(geometry: Geometry, kind: str) -> list[str]:
    """Lines that copy the elements `low` to `high` of `count` windows into `gathered`."""
    last = geometry.axes - 1
    clip = [
        "head = low - at",
        "if head < 0:",
        "    head = 0",
        "tail = high - at",
        "if tail > channels:",
        "    tail = channels",
    ]
    inside = [
        *clip,
        f"a = x_0 + {geometry.line(f'j{last}')} * all_channels + group * channels",
        "for e in range(head, tail):",
        "    gathered[to + at + e] = x[a + e]",
        "at += channels",
    ]
    outside = [
        *clip,
        "for e in range(head, tail):",
        f"    gathered[to + at + e] = {kind}(0)",
        "at += channels",
    ]
    body = [
        "place = first + row",
        *geometry.locate(),
        "to = row * wide - low",
        "at = 0",
        *geometry.each_element(inside, outside),
    ]
    return ["for row in range(count):", *indented(body)]


def _together(buffers: Sequence[Buffer], sums: View, target: View, parts: int) -> KernelCall:
    """Add up the parts of a gradient."""
    arguments = Arguments()
    for name, view in (("x", sums), ("y", target)):
        arguments.pointer(name, view, buffers[view.buffer].size, independent=True)
        arguments.named(f"{name}_0", view.offset)
    arguments.named("size", target.size)
    arguments.named("parts", parts)
    body = [
        "start, stop = span_blocks(size, 64, thread, threads)",
        "for first in range(start, stop, 1024):",
        "    last = first + 1024",
        "    if last > stop:",
        "        last = stop",
        "    for e in range(first, last):",
        "        y[y_0 + e] = x[x_0 + e]",
        "    for part in range(1, parts):",
        "        for e in range(first, last):",
        "            y[y_0 + e] = y[y_0 + e] + x[x_0 + part * size + e]",
    ]
    return kernel_call("conv_kernel_parts", arguments, body, target.size * parts // 4)
