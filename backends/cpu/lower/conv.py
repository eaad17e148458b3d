"""Convolutions: which of the ways to compute one is taken.

- float32: 3x3 windows over many channels by Winograd's algorithm, others by direct sums;
- windows of one element, and float64: matrix products of (gathered) windows;
- depthwise convolutions: loops of their own, since there is no matrix product in them.

Kernels take all sizes as arguments, so layers share them. Results do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence

from symgraph.backends.cpu.lower import direct, gathered, winograd
from symgraph.backends.cpu.lower.depthwise import depthwise, depthwise_input, depthwise_kernel
from symgraph.backends.cpu.lower.window import Geometry, geometry_of, kernel_call, name_independent, name_views
from symgraph.backends.cpu.microkernels import BIAS, RELU
from symgraph.backends.cpu.table import Arguments, KernelCall, register
from symgraph.compiler.program import Buffer, Step, View
from symgraph.graph.type import DimLike, size_of

#: Lines of a kernel that are turned at a time.
TURNED = 16


def _conv_parts(step: Step) -> tuple[Geometry, int, bool]:
    x, kernel = step.inputs[:2]
    geometry = geometry_of(step, x.shape[1:-1], step.outputs[0].shape[1:-1], kernel.shape[:-2])
    groups = step.attrs["groups"]
    return geometry, groups, groups > 1 and kernel.shape[-2] == 1


def _conv_scratch(step: Step) -> list[tuple[str, DimLike]]:
    geometry, groups, alone = _conv_parts(step)
    if alone or gathered.is_plain(geometry, groups):
        return []
    x, kernel = step.inputs[:2]
    if winograd.fits(geometry, groups, x.shape[-1], kernel.shape[-1], x.dtype):
        return _winograd_scratch(x.shape[-1], kernel.shape[-1])
    if direct.fits(kernel.shape, x.dtype):
        taps = direct.forward_taps(geometry)
        return [direct.packed_memory(kernel.shape, groups, False), *_border_scratch(step, taps, x.shape[-1])]
    return [gathered.memory(size_of(kernel.shape[:-1]), x.dtype)]


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
    if direct.fits(kernel.shape, x.dtype) and not gathered.is_plain(geometry, groups):
        packed, *borders = step.scratch
        taps, scratch = direct.forward_taps(geometry), borders[0] if borders else None
        return [
            direct.pack(buffers, kernel, packed, groups, turned=False),
            direct.convolution(buffers, x, packed, target, scratch, taps, _window(kernel), groups, bias, flags),
        ]
    scratch = step.scratch[0] if step.scratch else None
    calls = [gathered.forward(buffers, x, kernel, target, scratch, geometry, groups)]
    return calls if bias is None else [*calls, _finish(buffers, target, bias, flags)]


def _finish(buffers: Sequence[Buffer], target: View, bias: View, flags: int) -> KernelCall:
    """Add the bias of each filter to results that lie in memory, and take the negative ones away where flags say so."""
    arguments = Arguments()
    name_independent(arguments, buffers, y=target, bias=bias)
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
    if gathered.is_plain(_input_geometry(step), groups):
        return []
    if _steps_by_one(step):
        width = size_of((*kernel.shape[:-2], grad.shape[-1] // groups))
        return [(grad.dtype, kernel.size), gathered.memory(width, grad.dtype)]
    return [gathered.memory(columns, grad.dtype)]


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
    return direct_too and not (alone or fast or gathered.is_plain(geometry, groups))


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
        return [gathered.scattered(buffers, grad, kernel, target, step.scratch[0], geometry, groups)]
    if gathered.is_plain(geometry, groups):
        return [gathered.plain_back(buffers, grad, kernel, target)]
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
    return [
        _turn(buffers, kernel, turned, groups),
        gathered.forward(buffers, grad, turned, target, step.scratch[1], around, groups),
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


# ----------------------------------------------------------------------------------------- gradient of the kernel


def _is_small(kernel: View) -> bool:
    return isinstance(kernel.size, int) and kernel.size <= gathered.SMALL_KERNEL


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
    if direct.fits(target.shape, target.dtype) and not gathered.is_plain(geometry, groups):
        x = step.inputs[0]
        sums: tuple[str, DimLike] = (target.dtype, target.size * direct.parts_of(target.shape))
        return [sums, *_border_scratch(step, direct.forward_taps(geometry), x.shape[-1])]
    needs: list[tuple[str, DimLike]] = []
    if not gathered.is_plain(geometry, groups):
        needs.append(gathered.memory(size_of(target.shape[:-1]), target.dtype))
    if _is_small(target):
        needs.append((target.dtype, target.size * gathered.PARTS))
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
    plain, small = gathered.is_plain(geometry, groups), _is_small(target)
    if direct.fits(target.shape, target.dtype) and not plain:
        sums, *borders = step.scratch
        taps, scratch = direct.forward_taps(geometry), borders[0] if borders else None
        return [
            direct.kernel_gradient(buffers, x, grad, sums, scratch, taps, target.shape, groups),
            _together(buffers, sums, target, direct.parts_of(target.shape)),
        ]
    windows = None if plain else step.scratch[0]
    parts = step.scratch[-1] if small else target
    calls = [gathered.kernel_sum(buffers, x, grad, parts, windows, geometry, groups, target.shape, small)]
    if small:
        calls.append(_together(buffers, parts, target, gathered.PARTS))
    return calls


def _together(buffers: Sequence[Buffer], sums: View, target: View, parts: int) -> KernelCall:
    """Add up the parts of a gradient."""
    arguments = Arguments()
    name_independent(arguments, buffers, x=sums, y=target)
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
