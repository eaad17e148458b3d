"""Cases of matrix products, convolution and pooling, against plain loops over windows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from cases.base import FLOATS, HALVES, TABLE, Sample, draw
from symgraph.graph.node import Node
from symgraph.ops import conv, linalg, pool
from symgraph.ops import shape as s

FLOATING = (*FLOATS, *HALVES)


@TABLE.add("matmul", FLOATING)
def _matmul(dtype: str, rng: np.random.Generator) -> list[Sample]:
    def array(*shape: int) -> np.ndarray:
        return draw(rng, dtype, shape, -1, 1)

    made = []
    for tx, ty in itertools.product((False, True), repeat=2):
        feeds = [
            (array(*(shape[::-1] if tx else shape)), array(*(other[::-1] if ty else other)))
            for shape, other in (
                ((5, 7), (7, 3)), ((0, 4), (4, 2)), ((3, 0), (0, 2)), ((1, 1), (1, 1)), ((65, 33), (33, 17)),
            )  # fmt: skip
        ]
        made.append(
            Sample(
                f"{tx} {ty}",
                feeds,
                lambda x, y, tx=tx, ty=ty: linalg.matmul(x, y, tx, ty),
                lambda x, y, tx=tx, ty=ty: (x.T if tx else x) @ (y.T if ty else y),
                (0, 1),
                scale=4,
            )
        )
    made.append(Sample("batch", [(array(3, 4, 5), array(3, 5, 2))], linalg.matmul, np.matmul, (0, 1), scale=4))
    made.append(
        Sample(
            "of transposed and sliced ones",
            [(array(5, 4), array(11, 3))],
            lambda x, y: linalg.matmul(s.transpose(x), s.slice_axis(y, 0, 0, 5, 2)),
            lambda x, y: x.T @ y[0:9:2],
            (0, 1),
            static=True,
            scale=4,
        )
    )
    return made


# ------------------------------------------------------------------------------------------- windows, by definition


def windows(
    sizes: Sequence[int], window: Sequence[int], strides: Sequence[int], padding: Any, dilation: Sequence[int]
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]:
    """Yield (place of the window, place in the window, place in the array) for all that lie in the array."""
    counts = [
        (n + low + high - (k - 1) * d - 1) // step + 1
        for n, k, step, (low, high), d in zip(sizes, window, strides, padding, dilation)
    ]
    for at in np.ndindex(*counts):
        for within in np.ndindex(*window):
            place = tuple(
                a * step - low + w * d for a, w, step, (low, _), d in zip(at, within, strides, padding, dilation)
            )
            if all(0 <= p < n for p, n in zip(place, sizes)):
                yield at, within, place


def counts_of(sizes: Sequence[int], attrs: dict[str, Any], window: Sequence[int]) -> tuple[int, ...]:
    dilation = attrs.get("dilation", (1,) * len(window))
    return tuple(
        (n + low + high - (k - 1) * d - 1) // step + 1
        for n, k, step, (low, high), d in zip(sizes, window, attrs["strides"], attrs["padding"], dilation)
    )


def convolved(x: np.ndarray, kernel: np.ndarray, attrs: dict[str, Any]) -> np.ndarray:
    groups, window = attrs["groups"], kernel.shape[:-2]
    counts = counts_of(x.shape[1:-1], attrs, window)
    result = np.zeros((x.shape[0], *counts, kernel.shape[-1]))
    channels, filters = x.shape[-1] // groups, kernel.shape[-1] // groups
    for at, within, place in windows(x.shape[1:-1], window, attrs["strides"], attrs["padding"], attrs["dilation"]):
        for g in range(groups):
            part = slice(g * filters, (g + 1) * filters)
            seen = x[(slice(None), *place, slice(g * channels, (g + 1) * channels))]
            result[(slice(None), *at, part)] += seen @ kernel[within][:, part]
    return result


def turned_back(grad: np.ndarray, kernel: np.ndarray, shape: Sequence[int], attrs: dict[str, Any]) -> np.ndarray:
    groups, window = attrs["groups"], kernel.shape[:-2]
    result = np.zeros(shape)
    channels, filters = shape[-1] // groups, kernel.shape[-1] // groups
    for at, within, place in windows(shape[1:-1], window, attrs["strides"], attrs["padding"], attrs["dilation"]):
        for g in range(groups):
            part = slice(g * filters, (g + 1) * filters)
            sent = grad[(slice(None), *at, part)] @ kernel[within][:, part].T
            result[(slice(None), *place, slice(g * channels, (g + 1) * channels))] += sent
    return result


def for_kernel(x: np.ndarray, grad: np.ndarray, shape: Sequence[int], attrs: dict[str, Any]) -> np.ndarray:
    groups, window = attrs["groups"], shape[:-2]
    result = np.zeros(shape)
    channels, filters = x.shape[-1] // groups, shape[-1] // groups
    for at, within, place in windows(x.shape[1:-1], window, attrs["strides"], attrs["padding"], attrs["dilation"]):
        for g in range(groups):
            part = slice(g * filters, (g + 1) * filters)
            seen = x[(slice(None), *place, slice(g * channels, (g + 1) * channels))]
            result[within][:, part] += seen.T @ grad[(slice(None), *at, part)]
    return result


#: (label, spatial sizes, channels, window, filters, strides, padding, dilation, groups)
CONVOLUTIONS: tuple[tuple[Any, ...], ...] = (
    ("1d", (9,), 3, (3,), 4, (1,), ((1, 1),), (1,), 1),
    ("1d causal, dilated", (9,), 2, (3,), 3, (1,), ((4, 0),), (2,), 1),
    ("2d", (6, 5), 2, (3, 2), 3, (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    ("2d strided", (7, 6), 3, (3, 3), 2, (2, 3), ((1, 1), (0, 1)), (1, 1), 1),
    ("2d dilated", (7, 6), 2, (2, 3), 2, (1, 1), ((1, 1), (2, 2)), (2, 2), 1),
    ("2d wide padding", (3, 3), 2, (2, 2), 2, (1, 1), ((3, 2), (2, 3)), (1, 1), 1),
    ("2d pointwise", (4, 3), 5, (1, 1), 3, (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    ("2d groups", (5, 5), 4, (3, 3), 6, (1, 1), ((1, 1), (1, 1)), (1, 1), 2),
    ("2d groups strided", (5, 6), 4, (2, 3), 6, (2, 2), ((1, 0), (1, 1)), (1, 1), 2),
    ("2d depthwise", (5, 6), 3, (3, 3), 3, (1, 1), ((1, 1), (1, 1)), (1, 1), 3),
    ("2d depthwise, two each, strided", (5, 6), 3, (3, 2), 6, (2, 2), ((1, 1), (0, 1)), (1, 1), 3),
    ("2d larger kernel", (4, 4), 40, (3, 3), 50, (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    ("3d", (4, 3, 5), 2, (2, 2, 3), 3, (1, 2, 2), ((0, 1), (0, 0), (1, 1)), (1, 1, 1), 1),
)


#: All of them are tried in float64 and float32, which have kernels of their own; these in every type.
SHORT = ("2d", "2d strided", "2d depthwise")


def _convolutions(dtype: str) -> Iterator[tuple[str, tuple[int, ...], tuple[int, ...], dict[str, Any]]]:
    """Yield (label, shape of x without the batch, shape of the kernel, attributes)."""
    for label, sizes, channels, window, filters, strides, padding, dilation, groups in CONVOLUTIONS:
        if dtype in FLOATS or label in SHORT:
            attrs = {"strides": strides, "padding": padding, "dilation": dilation, "groups": groups}
            yield label, (*sizes, channels), (*window, channels // groups, filters), attrs


def _differentiable(label: str) -> tuple[int, ...]:
    return () if label == "2d larger kernel" else (0, 1)


def _output_shape(shape: tuple[int, ...], kernel: tuple[int, ...], attrs: dict[str, Any]) -> tuple[int, ...]:
    return (*counts_of(shape[:-1], attrs, kernel[:-2]), kernel[-1])


@TABLE.add("conv", FLOATING)
def _conv(dtype: str, rng: np.random.Generator) -> list[Sample]:
    made = []
    for label, shape, kernel, attrs in _convolutions(dtype):
        weights = draw(rng, dtype, kernel, -1, 1)
        feeds = [(draw(rng, dtype, (n, *shape), -1, 1), weights) for n in (2, 0, 3)]

        def build(x: Node, w: Node, attrs: Any = attrs, kernel: Any = kernel) -> Node:
            return conv.conv(x, s.reshape(w, kernel), **attrs)

        made.append(
            Sample(
                label,
                [(x, w.reshape(-1)) for x, w in feeds],
                build,
                lambda x, w, attrs=attrs, kernel=kernel: convolved(x, w.reshape(kernel), attrs),
                _differentiable(label),
                scale=8,
            )
        )
    return made


@TABLE.add("conv_input_gradient", FLOATING)
def _conv_input_gradient(dtype: str, rng: np.random.Generator) -> list[Sample]:
    made = []
    for label, shape, kernel, attrs in _convolutions(dtype):
        weights = draw(rng, dtype, kernel, -1, 1)
        feeds = [(draw(rng, dtype, (n, *_output_shape(shape, kernel, attrs)), -1, 1), weights) for n in (2, 0, 3)]
        if label == "2d":  # one image, whatever the number of threads
            feeds.append((draw(rng, dtype, (1, *_output_shape(shape, kernel, attrs)), -1, 1), weights))

        def build(g: Node, w: Node, attrs: Any = attrs, kernel: Any = kernel, shape: Any = shape) -> Node:
            sizes = (g.shape[0], *shape)
            return conv.conv_input_gradient(g, s.reshape(w, kernel), input_shape=sizes, **attrs)

        def expected(g: np.ndarray, w: np.ndarray, attrs: Any = attrs, kernel: Any = kernel, shape: Any = shape) -> Any:
            return turned_back(g, w.reshape(kernel), (g.shape[0], *shape), attrs)

        feeds = [(g, w.reshape(-1)) for g, w in feeds]
        made.append(Sample(label, feeds, build, expected, _differentiable(label), scale=8))
    return made


@TABLE.add("conv_kernel_gradient", FLOATING)
def _conv_kernel_gradient(dtype: str, rng: np.random.Generator) -> list[Sample]:
    made = []
    for label, shape, kernel, attrs in _convolutions(dtype):
        out = _output_shape(shape, kernel, attrs)
        feeds = [(draw(rng, dtype, (n, *shape), -1, 1), draw(rng, dtype, (n, *out), -1, 1)) for n in (2, 0, 3)]
        made.append(
            Sample(
                label,
                feeds,
                lambda x, g, attrs=attrs, kernel=kernel: conv.conv_kernel_gradient(x, g, kernel_shape=kernel, **attrs),
                lambda x, g, attrs=attrs, kernel=kernel: for_kernel(x, g, kernel, attrs),
                _differentiable(label),
                scale=8,
            )
        )
    return made


# ------------------------------------------------------------------------------------------------------- pooling

#: (label, spatial sizes, window, strides, padding)
POOLS: tuple[tuple[Any, ...], ...] = (
    ("1d", (9,), (2,), (2,), ((0, 0),)),
    ("2d", (6, 5), (2, 2), (2, 2), ((0, 0), (0, 0))),
    ("2d apart", (9, 5), (2, 2), (3, 2), ((0, 0), (0, 0))),
    ("2d overlapping", (6, 7), (3, 2), (1, 1), ((1, 1), (0, 1))),
    ("2d with gaps", (7, 7), (2, 2), (3, 3), ((0, 0), (1, 0))),
    ("3d", (3, 4, 5), (2, 2, 3), (1, 2, 2), ((0, 1), (0, 0), (1, 1))),
)


def _window_places(x: np.ndarray, attrs: dict[str, Any]) -> Iterator[tuple[Any, list[Any]]]:
    """For each window its index in the result and the indices of its elements, in order."""
    window = attrs["window"]
    seen: dict[tuple[int, ...], list[Any]] = {}
    for at, _, place in windows(x.shape[1:-1], window, attrs["strides"], attrs["padding"], (1,) * len(window)):
        seen.setdefault(at, []).append((slice(None), *place))
    for at, places in seen.items():
        yield (slice(None), *at), places


def pooled(x: np.ndarray, attrs: dict[str, Any], average: bool, values: np.ndarray | None = None) -> np.ndarray:
    """The largest of each window, or the mean; with `values`, what stands there where x has its first largest."""
    result = np.zeros((x.shape[0], *counts_of(x.shape[1:-1], attrs, attrs["window"]), x.shape[-1]))
    for at, places in _window_places(x, attrs):
        stacked = np.stack([x[place] for place in places])
        if average:
            result[at] = stacked.mean(0)
        else:
            source = stacked if values is None else np.stack([values[place] for place in places])
            result[at] = np.take_along_axis(source, np.argmax(stacked, 0)[None], 0)[0]
    return result


def unpooled(x: np.ndarray, grad: np.ndarray, attrs: dict[str, Any], average: bool) -> np.ndarray:
    """The gradient of each window given to its first largest element, or evenly to all."""
    result = np.zeros(x.shape)
    for at, places in _window_places(x, attrs):
        best = None if average else np.argmax(np.stack([x[place] for place in places]), 0)
        for number, place in enumerate(places):
            result[place] += grad[at] / len(places) if best is None else np.where(best == number, grad[at], 0)
    return result


def _pools(dtype: str) -> Iterator[tuple[str, tuple[int, ...], dict[str, Any]]]:
    for label, sizes, window, strides, padding in POOLS:
        if dtype == "float64" or label in ("2d", "2d overlapping"):
            yield label, (*sizes, 3), {"window": window, "strides": strides, "padding": padding}


@TABLE.add("max_pool", FLOATING)
def _max_pool(dtype: str, rng: np.random.Generator) -> list[Sample]:
    made = []
    for label, shape, attrs in _pools(dtype):
        feeds = [(draw(rng, dtype, (n, *shape)),) for n in (2, 0)]
        if dtype in FLOATS:
            odd = draw(rng, dtype, (2, *shape))
            odd.reshape(-1)[::7] = np.nan
            odd.reshape(-1)[1::5] = -np.inf
            feeds.append((odd,))
        made.append(
            Sample(
                label,
                feeds,
                lambda x, attrs=attrs: pool.max_pool(x, **attrs),
                lambda x, attrs=attrs: pooled(x, attrs, False),
                (0,),
            )
        )
    return made


@TABLE.add("average_pool", FLOATING)
def _average_pool(dtype: str, rng: np.random.Generator) -> list[Sample]:
    return [
        Sample(
            label,
            [(draw(rng, dtype, (n, *shape)),) for n in (2, 0)],
            lambda x, attrs=attrs: pool.average_pool(x, **attrs),
            lambda x, attrs=attrs: pooled(x, attrs, True),
            (0,),
            scale=4,
        )
        for label, shape, attrs in _pools(dtype)
    ]


def _pooled_shape(shape: tuple[int, ...], attrs: dict[str, Any]) -> tuple[int, ...]:
    return (*counts_of(shape[:-1], attrs, attrs["window"]), shape[-1])


def _with_ties(rng: np.random.Generator, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(0, 3, shape).astype(dtype)


@TABLE.add("max_pool_gradient", FLOATING)
def _max_pool_gradient(dtype: str, rng: np.random.Generator) -> list[Sample]:
    made = []
    for label, shape, attrs in _pools(dtype):
        given = draw(rng, dtype, (1, *_pooled_shape(shape, attrs)))
        ties = _with_ties(rng, dtype, (1, *shape)).astype(given.dtype)
        feeds = [(draw(rng, dtype, (1, *shape)), given), (ties, given)]
        made.append(
            Sample(
                label,
                feeds,
                lambda x, g, attrs=attrs: pool.max_pool_gradient(x, g, **attrs),
                lambda x, g, attrs=attrs: unpooled(x, g, attrs, False),
                (1,),
                scale=2,
            )
        )
    return made


@TABLE.add("max_pool_select", FLOATS)
def _max_pool_select(dtype: str, rng: np.random.Generator) -> list[Sample]:
    return [
        Sample(
            label,
            [
                (draw(rng, dtype, (2, *shape)), draw(rng, dtype, (2, *shape))),
                (_with_ties(rng, dtype, (2, *shape)), draw(rng, dtype, (2, *shape))),
            ],
            lambda x, v, attrs=attrs: pool.max_pool_select(x, v, **attrs),
            lambda x, v, attrs=attrs: pooled(x, attrs, False, v),
            (1,),
        )
        for label, shape, attrs in _pools(dtype)
    ]


@TABLE.add("average_pool_gradient", FLOATING)
def _average_pool_gradient(dtype: str, rng: np.random.Generator) -> list[Sample]:
    made = []
    for label, shape, attrs in _pools(dtype):
        feeds = [(draw(rng, dtype, (n, *_pooled_shape(shape, attrs))),) for n in (1, 0)]
        made.append(
            Sample(
                label,
                feeds,
                lambda g, attrs=attrs, shape=shape: pool.average_pool_gradient(
                    g, input_shape=(g.shape[0], *shape), **attrs
                ),
                lambda g, attrs=attrs, shape=shape: unpooled(np.zeros((len(g), *shape)), g, attrs, True),
                (0,),
                scale=2,
            )
        )
    return made
