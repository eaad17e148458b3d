"""Convolutions: which of the ways to compute one is taken.

- float32: 3x3 windows over many channels by Winograd's algorithm, others by direct sums;
- windows of one element, and float64: matrix products of (gathered) windows;
- depthwise convolutions: loops of their own, since there is no matrix product in them.

Kernels take all sizes as arguments, so layers share them. Results do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from symgraph.backends.cpu.lower import direct, gathered, winograd
from symgraph.backends.cpu.lower.depthwise import depthwise, depthwise_input, depthwise_kernel
from symgraph.backends.cpu.lower.finish import Finish, afterwards, can_pool
from symgraph.backends.cpu.lower.fused import fused
from symgraph.backends.cpu.lower.window import Geometry, geometry_of, kernel_call, name_independent, name_views
from symgraph.backends.cpu.table import Arguments, KernelCall, register
from symgraph.compiler.program import Buffer, Step, View
from symgraph.graph.node import Node, items_of
from symgraph.graph.type import DimLike, size_of

Worth = Callable[[Step], DimLike]
Needs = Callable[[Step], list[tuple[str, DimLike]]]
Emit = Callable[[Step, Sequence[Buffer]], list[KernelCall]]
Scratch = Callable[[Step, bool], list[tuple[str, DimLike]]]
Lower = Callable[[Step, Sequence[Buffer], bool], list[KernelCall]]

#: Lines of a kernel that are turned at a time.
TURNED = 16


def _either(worth: Worth, scratch: Scratch, lower: Lower) -> tuple[Needs, Emit]:
    """Choose between Winograd's algorithm and other ways by the size of the batch, which a call binds.

    Args:
        worth: 1 for steps where the first pays, 0 where it does not - known when the batch is, unless it is a number.
        scratch, lower: the working memory and the calls of a step, with Winograd's algorithm or without.

    Returns:
        The working memory and the calls of a step that is done in the one way or the other.
    """

    def needs(step: Step) -> list[tuple[str, DimLike]]:
        fast = worth(step)
        return scratch(step, fast == 1) if isinstance(fast, int) else [*scratch(step, True), *scratch(step, False)]

    def emit(step: Step, buffers: Sequence[Buffer]) -> list[KernelCall]:
        fast = worth(step)
        if isinstance(fast, int):
            return lower(step, buffers, fast == 1)
        count = len(scratch(step, True))
        first = lower(replace(step, scratch=step.scratch[:count]), buffers, True)
        second = lower(replace(step, scratch=step.scratch[count:]), buffers, False)
        return [*(replace(call, active=fast) for call in first), *(replace(call, active=1 - fast) for call in second)]

    return needs, emit


def _conv_parts(step: Step) -> tuple[Geometry, int, bool]:
    x, kernel = step.inputs[-2:]
    shape = step.attrs["shape"] if "shape" in step.attrs else step.outputs[0].shape
    geometry = geometry_of(step, x.shape[1:-1], shape[1:-1], kernel.shape[:-2])
    groups = step.attrs["groups"]
    return geometry, groups, groups > 1 and kernel.shape[-2] == 1


def _conv_is_fast(step: Step) -> DimLike:
    geometry, groups, alone = _conv_parts(step)
    x, kernel = step.inputs[-2:]
    fits = not alone and winograd.fits(geometry, groups, x.shape[-1], kernel.shape[-1], x.dtype)
    return winograd.pays(geometry, x.shape[0]) if fits else 0


def _conv_scratch(step: Step, fast: bool) -> list[tuple[str, DimLike]]:
    geometry, groups, alone = _conv_parts(step)
    x, kernel = step.inputs[-2:]
    finish = Finish(step)
    if fast:
        return _winograd_scratch(x.shape[-1], kernel.shape[-1], finish)
    if not alone and direct.fits(kernel.shape, x.dtype):
        taps = direct.forward_taps(geometry)
        tiles = finish.tile_memory(direct.tile_rows(taps, x.shape[-1], finish.window))
        borders = _border_scratch(step, taps, x.shape[-1], finish.window)
        return [direct.packed_memory(kernel.shape, groups, False), *borders, *tiles]
    windows = [] if alone else [gathered.memory(size_of(kernel.shape[:-1]), x.dtype)]
    return [*windows, *finish.whole_memory()]


def _border_scratch(
    step: Step, taps: list[direct.Taps], channels: DimLike, unit: direct.Unit = direct.ONE_BY_ONE
) -> list[tuple[str, DimLike]]:
    """Scratch memory for lines with zeros around them, where a convolution pads."""
    padded = any(low != 0 or high != 0 for low, high in step.attrs["padding"])
    return [direct.border_memory([taps], channels, unit)] if padded else []


def _winograd_scratch(channels: DimLike, filters: DimLike, finish: Finish) -> list[tuple[str, DimLike]]:
    assert isinstance(channels, int) and isinstance(filters, int)
    memory = [winograd.kernel_memory(channels, filters), winograd.working_memory(channels, filters)]
    return [*memory, *finish.tile_memory(winograd.tile_rows(channels, filters))]


def _pools(node: Node, window: tuple[int, ...]) -> bool:
    """Whether the results of a convolution are pooled while they are in the cache."""
    x, kernel = node.inputs[-2:]
    groups = node.attrs["groups"]
    if (groups > 1 and kernel.shape[-2] == 1) or not can_pool(items_of(node.type)[0].shape, window):
        return False
    geometry = geometry_of(node, x.shape[1:-1], items_of(node.type)[0].shape[1:-1], kernel.shape[:-2])
    if winograd.fits(geometry, groups, x.shape[-1], kernel.shape[-1], x.dtype) and not winograd.can_pool(window):
        return False
    return direct.fits(kernel.shape, x.dtype)


def _conv(step: Step, buffers: Sequence[Buffer], fast: bool) -> list[KernelCall]:
    x, kernel = step.inputs[-2:]
    geometry, groups, alone = _conv_parts(step)
    finish = Finish(step)
    if fast:
        transformed, working, *tiles = step.scratch
        return [
            winograd.transform_kernel(buffers, kernel, transformed),
            winograd.forward(buffers, x, transformed, _made_in(finish, tiles), working, geometry, finish),
        ]
    if not alone and direct.fits(kernel.shape, x.dtype):
        packed, *rest = step.scratch
        tiles = rest[len(rest) - (finish.target is None) :]
        borders = rest[: len(rest) - len(tiles)]
        taps, scratch = direct.forward_taps(geometry), borders[0] if borders else None
        target = _made_in(finish, tiles)
        return [
            direct.pack(buffers, kernel, packed, groups, turned=False),
            direct.convolution(buffers, x, packed, target, scratch, taps, _window(kernel), groups, finish),
        ]
    finish = Finish(step, False)
    target = finish.whole(step.scratch)
    if alone:
        calls = [depthwise(buffers, x, kernel, target, geometry, step.attrs["padding"], finish)]
    else:
        calls = [gathered.forward(buffers, x, kernel, target, step.scratch[0], geometry, groups, finish)]
    return calls if finish.target is not None else [*calls, *_after(step, buffers, target)]


_conv_needs, _conv_calls = _either(_conv_is_fast, _conv_scratch, _conv)
register("conv", scratch=_conv_needs)(_conv_calls)
register("fused_conv", strided=True, contiguous=2, scratch=_conv_needs, pools=_pools)(_conv_calls)


def _made_in(finish: Finish, tiles: Sequence[View]) -> View:
    """Where results are made that may be finished in tiles."""
    return tiles[0] if finish.target is None else finish.target


def _after(step: Step, buffers: Sequence[Buffer], results: View) -> list[KernelCall]:
    """The calls that compute the expression of a step, if it has one, over results of which all lie in memory."""
    return fused(afterwards(step, results), buffers) if "expression" in step.attrs else []


def _window(kernel: View) -> tuple[int, ...]:
    """The window of a kernel whose sizes are known."""
    return tuple(size for size in kernel.shape[:-2] if isinstance(size, int))


# ------------------------------------------------------------------------------------------ gradient of the input


def _steps_by_one(step: Step) -> bool:
    return all(stride == 1 for stride in step.attrs["strides"])


def _is_depthwise_by_one(step: Step) -> bool:
    """Whether the gradient of a depthwise convolution is another one, with the kernel turned round."""
    return _steps_by_one(step) and step.inputs[0].shape[-1] == step.attrs["groups"]


def _input_is_fast(step: Step) -> DimLike:
    grad, kernel = step.inputs[-2:]
    geometry, groups = _input_geometry(step), step.attrs["groups"]
    fits = winograd.fits(geometry, groups, grad.shape[-1], kernel.shape[-2], grad.dtype)
    return winograd.pays(geometry, grad.shape[0]) if fits else 0


def _input_scratch(step: Step, fast: bool) -> list[tuple[str, DimLike]]:
    grad, kernel = step.inputs[-2:]
    groups, geometry, way = step.attrs["groups"], _input_geometry(step), _way_back(step, fast)
    finish = Finish(step, way in ("winograd", "direct"))
    turned: tuple[str, DimLike] = (grad.dtype, kernel.size)
    if way == "winograd":
        return [turned, *_winograd_scratch(grad.shape[-1], kernel.shape[-2], finish)]
    if way == "direct":
        phases = direct.backward_taps(geometry)
        rows = max(direct.tile_rows(taps, grad.shape[-1], finish.window) for taps in phases)
        packed = direct.packed_memory(kernel.shape, groups, True)
        return [packed, direct.border_memory(phases, grad.shape[-1]), *finish.tile_memory(rows)]
    needs = {
        "depthwise": [turned],
        "depthwise strided": [],
        "turned": [turned, gathered.memory(size_of((*kernel.shape[:-2], grad.shape[-1] // groups)), grad.dtype)],
        "scattered": [gathered.memory(size_of(kernel.shape[:-1]), grad.dtype)],
    }
    return [*needs[way], *finish.whole_memory()]


def _input_geometry(step: Step) -> Geometry:
    grad, kernel = step.inputs[-2:]
    return geometry_of(step, step.attrs["input_shape"][1:-1], grad.shape[1:-1], kernel.shape[:-2])


def _way_back(step: Step, fast: bool) -> str:
    """How the gradient of the input is made."""
    grad, kernel = step.inputs[-2:]
    geometry, groups = _input_geometry(step), step.attrs["groups"]
    if groups > 1 and kernel.shape[-2] == 1:
        return "depthwise" if _is_depthwise_by_one(step) else "depthwise strided"
    if fast:
        return "winograd"
    if direct.fits(kernel.shape, grad.dtype) and direct.can_send_back(geometry):
        return "direct"
    return "turned" if _steps_by_one(step) else "scattered"


def _input_gradient(step: Step, buffers: Sequence[Buffer], fast: bool) -> list[KernelCall]:
    """With strides of 1, a convolution with the kernel turned round; else products added where they came from."""
    grad, kernel = step.inputs[-2:]
    groups, geometry, way = step.attrs["groups"], _input_geometry(step), _way_back(step, fast)
    finish = Finish(step, way in ("winograd", "direct"))
    if way == "direct":
        packed, borders, *tiles = step.scratch
        target = _made_in(finish, tiles)
        return [
            direct.pack(buffers, kernel, packed, groups, turned=True),
            *(
                direct.convolution(buffers, grad, packed, target, borders, taps, _window(kernel), groups, finish)
                for taps in direct.backward_taps(geometry)
            ),
        ]
    before = tuple((k - 1) * d - p for k, d, p in zip(geometry.window, geometry.dilation, geometry.before, strict=True))
    around = Geometry(
        grad.shape[1:-1], geometry.sizes, geometry.window, geometry.strides, geometry.dilation, before
    )
    if way == "winograd":
        turned, transformed, working, *tiles = step.scratch
        shape = (*kernel.shape[:-2], kernel.shape[-1], kernel.shape[-2])
        return [
            _turn(buffers, kernel, turned, groups),
            winograd.transform_kernel(buffers, turned.contiguous_as(shape), transformed),
            winograd.forward(buffers, grad, transformed, _made_in(finish, tiles), working, around, finish),
        ]
    target = finish.whole(step.scratch)
    if way == "depthwise strided":
        return [depthwise_input(buffers, grad, kernel, target, geometry), *_after(step, buffers, target)]
    if way == "scattered":
        calls = [gathered.scattered(buffers, grad, kernel, target, step.scratch[0], geometry, groups)]
        return [*calls, *_after(step, buffers, target)]
    turned = step.scratch[0]
    calls = [_turn(buffers, kernel, turned, groups)]
    if way == "depthwise":
        padding = tuple(
            ((k - 1) * d - low, (k - 1) * d - high)
            for k, d, (low, high) in zip(geometry.window, geometry.dilation, step.attrs["padding"], strict=True)
        )
        calls.append(depthwise(buffers, grad, turned, target, around, padding, finish))
    else:
        calls.append(gathered.forward(buffers, grad, turned, target, step.scratch[1], around, groups, finish))
    return calls if finish.target is not None else [*calls, *_after(step, buffers, target)]


_input_needs, _input_calls = _either(_input_is_fast, _input_scratch, _input_gradient)
register("conv_input_gradient", scratch=_input_needs)(_input_calls)
register("fused_conv_input_gradient", strided=True, contiguous=2, scratch=_input_needs)(_input_calls)


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


def _kernel_is_fast(step: Step) -> DimLike:
    geometry, groups, _ = _kernel_parts(step)
    (target,) = step.outputs
    fits = winograd.fits(geometry, groups, target.shape[-2], target.shape[-1], target.dtype)
    return winograd.pays(geometry, step.inputs[0].shape[0]) if fits else 0


def _kernel_scratch(step: Step, fast: bool) -> list[tuple[str, DimLike]]:
    geometry, groups, alone = _kernel_parts(step)
    (target,) = step.outputs
    if alone:
        return [(target.dtype, target.size)]
    channels, filters = target.shape[-2:]
    if fast:
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


def _kernel_gradient(step: Step, buffers: Sequence[Buffer], fast: bool) -> list[KernelCall]:
    """Transposed windows times gradients. A small kernel is summed in parts of the batch; of a large one, threads take
    rows."""
    x, grad = step.inputs
    (target,) = step.outputs
    geometry, groups, alone = _kernel_parts(step)
    if alone:
        return [depthwise_kernel(buffers, x, grad, target, step.scratch[0], geometry)]
    if fast:
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


_kernel_needs, _kernel_calls = _either(_kernel_is_fast, _kernel_scratch, _kernel_gradient)
register("conv_kernel_gradient", scratch=_kernel_needs)(_kernel_calls)


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
