"""Every family of native kernels over random sizes, layouts, special numbers and threads, against float64.

A family is a graph whose sizes are open: its kernels are compiled once and then meet empty, odd and larger arrays that
are not contiguous, hold NaN, infinities, denormal or huge numbers, on one to four threads.  The truth is the same graph
in float64, interpreted by NumPy; tests/ops/test_cases.py compares that one with definitions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from symgraph import backend as K
from symgraph import config, layers, optimizers
from symgraph.backends.cpu import executor as cpu
from symgraph.graph.tensor import Tensor
from symgraph.ops import conv as convolutions
from symgraph.runtime.executor import use
from symgraph.runtime.function import Function

pytestmark = pytest.mark.skipif(config.executor_name() != "numba", reason="about the executor numba")

#: Around the widths of vectors (4, 8, 16), blocks of microkernels, and what is shared by threads.
SIZES = (0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 23, 31, 32, 33, 47, 63, 64, 65, 97, 129)
EPSILON, TINY = float(np.finfo(np.float32).eps), float(np.finfo(np.float32).tiny)
THREADS = 4


@dataclass(frozen=True)
class Family:
    """A graph with open sizes, and arrays for it.

    Attributes:
        build: from an element type to the inputs and outputs of the graph.
        shapes: from sizes to the shapes of the inputs; None where these sizes do not fit.
        sizes: how many sizes there are.
        error: the greatest error of a number, in float32's relative precision of the output's greatest one.
        linear: whether results are linear in each input: then the error is measured at each number by what the sums
            would be without cancellation, that is, if all numbers were positive.
        indices: for inputs that are whole numbers, from the sizes to one more than the greatest; their positions.
        special: positions of the inputs that are given NaN and infinities, all by default: not those of algorithms that
            make sums of neighbours first, nor kernels of convolutions, whose products with a border may be left out.
        same_bits: whether the number of threads changes no bit; products choose their way by the rows of a part.
        denormal: whether numbers are given that count as 0 natively: not where that may choose another place.
        largest: sizes above are not drawn.
        large: sizes for one example of large arrays.
    """

    build: Callable[[str], tuple[list[Any], list[Any]]]
    shapes: Callable[..., Sequence[tuple[int, ...]] | None]
    sizes: int
    error: float
    linear: bool = False
    indices: dict[int, Callable[..., int]] | None = None
    special: tuple[int, ...] | None = None
    same_bits: bool = True
    denormal: bool = True
    largest: int = 129
    large: tuple[int, ...] = ()


FAMILIES: dict[str, Family] = {}


def family(name: str, shapes: Any, sizes: int, error: float, **more: Any) -> Callable[[Any], Any]:
    """Enter the graph that the decorated function builds."""

    def enter(build: Any) -> Any:
        FAMILIES[name] = Family(build, shapes, sizes, error, **more)
        return build

    return enter


def given_by(dtype: str, *shapes: tuple[int | None, ...]) -> list[Any]:
    return [K.placeholder(shape=shape, dtype=dtype) for shape in shapes]


def with_gradients(inputs: Sequence[Any], y: Any, weight: Any) -> list[Any]:
    """A result, and the gradients of its weighted sum by inputs."""
    return [y, *K.gradients(K.sum(y * weight), list(inputs))]


# ------------------------------------------------------------------------------------------------------ the families


@family("elementwise", lambda m, n: [(m, n), (n,), (m, 1)], 2, 8, large=(1300, 1025))
def _elementwise(dtype: str) -> Any:
    x, row, column = inputs = given_by(dtype, (None, None), (None,), (None, 1))
    one = K.tanh(x * row) + K.sigmoid(x - column) * K.exp(-K.abs(x))
    two = K.switch(K.greater(x, row), K.sqrt(K.abs(x)), K.maximum(x, column) - K.relu(row))
    return inputs, [one, two, K.log(K.abs(x) + 1.0), K.clip(x, -1.0, 1.0), K.softplus(row), K.round(column)]


@family("views", lambda m, n, k: [(m, n, k + 1), (m, n, k + 1)], 3, 0, largest=33, large=(70, 65, 130))
def _views(dtype: str) -> Any:
    x, y = inputs = given_by(dtype, (None, None, None), (None, None, None))
    turned = K.permute_dimensions(x, (2, 0, 1))
    return inputs, [
        turned, K.reverse(x, 1), x[:, ::-2], K.concatenate([x, y, x], axis=1), K.batch_flatten(x),
        K.temporal_padding(x, (2, 1)), K.tile(x, (1, 2, 1)), K.repeat_elements(y, 3, axis=2), turned[1:] * 1.0,
    ]  # fmt: skip


@family("sums", lambda m, n, k: [(m, n, k)], 3, 8, linear=True, large=(90, 110, 130))
def _sums(dtype: str) -> Any:
    (x,) = inputs = given_by(dtype, (None, None, None))
    axes = (None, 0, 1, 2, (0, 1), (1, 2), (0, 2))
    return inputs, [K.sum(x, axis) for axis in axes] + [K.sum(K.square(x) * 0.5, axis) for axis in axes]


@family("extremes", lambda m, n, k: [(m + 1, n + 1, k + 1)], 3, 0, denormal=False, largest=65, large=(90, 110, 130))
def _extremes(dtype: str) -> Any:
    (x,) = inputs = given_by(dtype, (None, None, None))
    axes = (None, 0, 1, 2, (0, 1), (1, 2), (0, 2))
    both = [function(x, axis) for axis in axes for function in (K.max, K.min)]
    return inputs, [*both, *(function(x, axis) for axis in (0, 1, 2) for function in (K.argmax, K.argmin))]


@family("moments and rows", lambda m, n: [(m + 1, n + 1), (m + 1, n + 1), (n + 1,)], 2, 64, large=(700, 2100))
def _moments(dtype: str) -> Any:
    x, y, row = inputs = given_by(dtype, (None, None), (None, None), (None,))
    centred = x - K.mean(x, axis=-1, keepdims=True)
    normal = centred / K.sqrt(K.var(x, axis=-1, keepdims=True) + 0.1) * row
    columns = (x - K.mean(x, axis=0)) / K.sqrt(K.var(x, axis=0) + 0.1) * row
    target = K.softmax(y)
    crossed = K.categorical_crossentropy(target, x, from_logits=True)
    outputs = [K.softmax(x), normal, columns, crossed, K.logsumexp(x, axis=1), K.std(x, axis=0)]
    return inputs, outputs + K.gradients(K.sum(normal * y) + K.sum(crossed), [x]) + K.gradients(K.sum(columns * y), [x])


@family("running sums", lambda m, n, k: [(m, n, k)], 3, 16, largest=33, large=(33, 70, 129))
def _running(dtype: str) -> Any:
    (x,) = inputs = given_by(dtype, (None, None, None))
    return inputs, [K.cumsum(x, 0), K.cumsum(x, 1), K.cumsum(x, 2), K.cumprod(K.tanh(x), 1)]


@family(
    "products", lambda m, n, k: [(m, k), (k, n), (m, n), (n,)], 3, 8, linear=True, same_bits=False,
    large=(517, 389, 1031),
)  # fmt: skip
def _products(dtype: str) -> Any:
    x, w, weight, bias = inputs = given_by(dtype, (None, None), (None, None), (None, None), (None,))
    turned = K.dot(K.transpose(w), K.transpose(x))
    return inputs, [turned, *with_gradients([x, w, bias], K.relu(K.bias_add(K.dot(x, w), bias)), weight)]


@family(
    "batched products", lambda b, m, n, k: [(b, m, k), (b, k, n), (b, n, k), (b, m, n)], 4, 8, linear=True,
    same_bits=False, largest=33, large=(9, 97, 130, 65),
)  # fmt: skip
def _batched(dtype: str) -> Any:
    x, y, z, weight = inputs = given_by(dtype, *[(None, None, None)] * 4)
    turned = K.batch_dot(x, z, axes=(2, 2))
    return inputs, [turned, *with_gradients([x, y], K.batch_dot(x, y, axes=(2, 1)), weight)]


LARGE_IMAGES = {1: (7, 1500), 2: (5, 61, 70), 3: (3, 12, 19, 17)}


def _convolution(name: str, kernel: tuple[int, ...], channels: int, error: float, largest: int, **how: Any) -> None:
    """A convolution, with both gradients, of images whose number and sizes are open."""
    axes, special = len(kernel), how.pop("special", (0, 2))
    same_bits = max(kernel) > 1
    linear = bool(special)  # Winograd's errors come from neighbours, too
    groups = how.pop("groups", 1)
    strides, dilation = how.pop("strides", (1,) * axes), how.pop("dilation", (1,) * axes)
    padding = how.pop("padding", ((0, 0),) * axes)

    def shapes(images: int, *sizes: int) -> Any:
        counts = [
            (size + low + high - (k - 1) * d - 1) // s + 1
            for size, k, s, d, (low, high) in zip(sizes, kernel, strides, dilation, padding)
        ]
        if min(counts) < 1:
            return None
        outer = [(images, *sizes, channels), (*kernel, channels // groups, how["filters"])]
        return [*outer, (images, *counts, how["filters"])]

    @family(
        name, shapes, 1 + axes, error, linear=linear, special=special, same_bits=same_bits, largest=largest,
        large=LARGE_IMAGES[axes],
    )  # fmt: skip
    def _build(dtype: str) -> Any:
        x, w, weight = inputs = given_by(
            dtype, (None,) * (1 + axes) + (channels,), (*kernel, channels // groups, how["filters"]),
            (None,) * (1 + axes) + (how["filters"],),
        )  # fmt: skip
        how_it_goes = {"strides": strides, "padding": padding, "dilation": dilation, "groups": groups}
        return inputs, with_gradients([x, w], Tensor(convolutions.conv(x.node, w.node, **how_it_goes)), weight)


_convolution("windows by Winograd", (3, 3), 32, 64, 17, filters=32, padding=((1, 1), (1, 1)), special=())
_convolution("windows of few channels", (3, 3), 3, 16, 33, filters=17, padding=((1, 1), (0, 2)))
_convolution("windows with strides", (5, 4), 4, 16, 33, filters=9, strides=(2, 3), padding=((2, 2), (0, 0)))
_convolution("windows with gaps", (3, 2), 8, 16, 23, filters=16, dilation=(2, 3))
_convolution("windows in groups", (3, 3), 12, 16, 23, filters=8, groups=4, padding=((1, 1), (1, 1)))
_convolution("windows of one number", (1, 1), 19, 16, 23, filters=21)
_convolution("windows of one number, strided", (1, 1), 19, 16, 23, filters=21, strides=(2, 2))
_convolution("windows along a line", (5,), 7, 16, 65, filters=11, padding=((4, 0),))
_convolution("windows in space", (2, 3, 2), 3, 16, 9, filters=5, strides=(1, 2, 1), padding=((1, 1), (0, 1), (0, 0)))
_convolution("windows of each channel", (3, 3), 13, 16, 23, filters=26, groups=13, padding=((1, 1), (1, 1)))
_convolution("windows of each channel, strided", (3, 3), 13, 16, 23, filters=13, groups=13, strides=(2, 2))


def _pool(name: str, mode: str, window: tuple[int, int], strides: tuple[int, int], error: float) -> None:
    def shapes(images: int, rows: int, columns: int) -> Any:
        counts = [(size - k) // s + 1 for size, k, s in zip((rows, columns), window, strides)]
        return None if min(counts) < 1 else [(images, rows, columns, 11), (images, *counts, 11)]

    @family(name, shapes, 3, error, linear=mode == "avg", denormal=mode == "avg", largest=23, large=LARGE_IMAGES[2])
    def _build(dtype: str) -> Any:
        x, weight = inputs = given_by(dtype, (None, None, None, 11), (None, None, None, 11))
        return inputs, with_gradients([x], K.pool2d(x, window, strides=strides, pool_mode=mode), weight)


_pool("greatest of windows", "max", (2, 2), (2, 2), 0)
_pool("greatest of windows that overlap", "max", (3, 2), (2, 1), 16)
_pool("means of windows", "avg", (2, 3), (2, 3), 8)
_pool("means of windows that overlap", "avg", (3, 3), (1, 2), 16)


def _recurrent(name: str, layer: Any, gates: int) -> None:
    @family(
        name, lambda batch, time: [(batch, time + 1, 7), (batch, 19)], 2, 400, same_bits=False, largest=23,
        large=(70, 40),
    )  # fmt: skip
    def _build(dtype: str) -> Any:
        before = K.floatx()
        K.set_floatx(dtype)
        try:
            np.random.seed(3)
            x, weight = inputs = given_by(dtype, (None, None, 7), (None, 19))
            made = layer(19, bias_initializer="glorot_uniform" if gates < 0 else "ones")
            y = made(x)
            # The initializers of the two element types draw other numbers: weights are set to the same ones.
            drawn = np.random.RandomState(5)
            made.set_weights([drawn.uniform(-0.4, 0.4, each.shape).astype(np.float32) for each in made.get_weights()])
            return inputs, with_gradients([x, *made.trainable_weights], y, weight)
        finally:
            K.set_floatx(before)


_recurrent("LSTM", layers.LSTM, 4)
_recurrent("GRU", lambda units, **more: layers.GRU(units, reset_after=True, **more), 3)
_recurrent("SimpleRNN", layers.SimpleRNN, 1)


@family(
    "rows by number", lambda m, n, rows, width: [(rows + 1, width), (m, n), (m, n, width)], 4, 64,
    indices={1: lambda m, n, rows, width: rows + 1}, largest=33, linear=True,
    large=(200, 70, 3000, 65),
)  # fmt: skip
def _rows(dtype: str) -> Any:
    table, weight = given_by(dtype, (None, None), (None, None, None))
    numbers = K.placeholder(shape=(None, None), dtype="int32")
    return [table, numbers, weight], with_gradients([table], K.gather(table, numbers), weight)


@family(
    "likeliest labels", lambda batch, time: [(batch, time + 5, 6), (batch, 2), (batch, 1), (batch, 1)], 2, 400,
    indices={1: lambda *_: 5, 2: lambda *_: 1, 3: lambda *_: 1}, special=(), largest=17,
)  # fmt: skip
def _labels(dtype: str) -> Any:
    (x,) = given_by(dtype, (None, None, 6))
    labels, time, length = (K.placeholder(shape=(None, n), dtype="int32") for n in (2, 1, 1))
    loss = K.ctc_batch_cost(labels, K.softmax(x), time + 5, length + 2)
    return [x, labels, time, length], [loss, *K.gradients(K.sum(loss), [x])]


# ------------------------------------------------------------------------------------------------------ how it is done


@cache
def functions(name: str) -> tuple[Function, Function]:
    """The graph of a family in float32 on the CPU, and in float64 interpreted; compiled once."""
    made = []
    for executor, dtype in (("numba", "float32"), ("numpy", "float64")):
        with use(executor):
            made.append(K.function(*FAMILIES[name].build(dtype)))
    return made[0], made[1]


@pytest.fixture
def four(monkeypatch):
    """Four threads, which share even the smallest work."""
    monkeypatch.setattr(cpu, "LEAST_SHARED_TAPE", 0)
    monkeypatch.setattr(cpu, "LEAST_SHARED_CALL", 0)
    monkeypatch.setitem(config._store.chosen, "exact", False)
    before = config._store.chosen.get("threads")
    config.set_threads(THREADS)
    yield
    config.set_threads(before or config._usable_processors())
    if before is None:
        config._store.chosen.pop("threads")


def special_numbers(array: np.ndarray, kind: str, rng: np.random.Generator) -> None:
    """Put numbers of a kind into some places."""
    values = {
        "nan": [np.nan], "infinite": [np.inf, -np.inf], "denormal": [1e-45, -1e-40, 1.1e-38], "zero": [0.0, -0.0],
        "huge": [3e15, -2e15],
    }[kind]  # fmt: skip
    places = rng.random(array.shape) < (2 / max(array.size, 1) if kind in WITHOUT_VALUE else 0.3)
    array[places] = rng.choice(np.array(values, array.dtype), int(places.sum()))


def laid_out(array: np.ndarray, layout: str) -> np.ndarray:
    """The same numbers, elsewhere in memory."""
    if layout == "turned":
        return np.asfortranarray(array)
    if layout == "every other" and array.ndim:
        wide = np.full((*array.shape[:-1], 2 * array.shape[-1]), 77, array.dtype)
        wide[..., ::2] = array
        return wide[..., ::2]
    return np.ascontiguousarray(array[::-1])[::-1] if layout == "backwards" and array.ndim else array


LAYOUTS = ("plain", "plain", "turned", "every other", "backwards")
WITHOUT_VALUE = ("nan", "infinite")
KINDS = (None, None, None, *WITHOUT_VALUE, "denormal", "zero", "huge")


def drawn(data: Any, each: Family) -> list[np.ndarray]:
    """Arrays of random sizes for a family."""
    possible = st.sampled_from([size for size in SIZES if size <= each.largest])
    sizes = data.draw(st.tuples(*[possible] * each.sizes), label="sizes")
    shapes = each.shapes(*sizes)
    assume(shapes is not None and sum(int(np.prod(shape)) for shape in shapes) <= 400_000)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**20), label="seed"))
    kind = data.draw(st.sampled_from(KINDS), label="numbers")
    victim = data.draw(st.integers(0, len(shapes) - 1), label="in input")
    if kind in WITHOUT_VALUE and each.special is not None and victim not in each.special:
        kind = None
    if kind == "denormal" and not each.denormal:
        kind = "zero"
    arrays = []
    for number, shape in enumerate(shapes):
        if number in (each.indices or {}):
            array = rng.integers(0, each.indices[number](*sizes), shape).astype(np.int32)
        else:
            array = rng.standard_normal(shape).astype(np.float32)
            if kind and number == victim:
                special_numbers(array, kind, rng)
        arrays.append(laid_out(array, data.draw(st.sampled_from(LAYOUTS), label="layout")))
    return arrays


def assert_near(got: np.ndarray, truth: np.ndarray, error: float, what: str, sizes: np.ndarray | None = None) -> None:
    """The same shape, NaN and infinities where they belong, and numbers within the error of `sizes` or the greatest."""
    assert got.shape == truth.shape, what
    if truth.dtype.kind != "f":
        np.testing.assert_array_equal(got, truth, err_msg=what)
        return
    with np.errstate(over="ignore"):
        rounded = truth.astype(np.float32)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(rounded), err_msg=what)
    infinite = np.isinf(rounded) | np.isinf(got)
    np.testing.assert_array_equal(got[infinite], rounded[infinite], err_msg=what)
    good = np.isfinite(rounded) & ~infinite
    size = np.abs(rounded[good]).max(initial=0.0) if sizes is None else np.nan_to_num(sizes[good], nan=np.inf)
    wrong = np.abs(got[good].astype(np.float64) - truth[good])
    # Denormal numbers count as 0 while a program runs.
    limits = error * EPSILON * size + 100 * TINY
    worst = (wrong / limits).max(initial=0.0) * max(error, 1)
    assert (wrong <= limits).all(), f"{what}: wrong by {worst:.1f} of the precision, {error} are allowed"


def compare(name: str, arrays: Sequence[np.ndarray], threads: int) -> None:
    """Run a family natively and interpreted: near results, untouched inputs, the same bits on other threads."""
    native, truth = functions(name)
    copies = [array.copy() for array in arrays]
    wide = [array.astype(np.float64) if array.dtype.kind == "f" else array for array in arrays]
    with np.errstate(all="ignore"):
        wanted = truth(wide)
        sizes = truth([np.abs(array) for array in wide]) if FAMILIES[name].linear else [None] * len(wanted)
    # A program runs on no more threads than it was compiled for, which is done in the first call.
    config.set_threads(THREADS)
    found = native(list(arrays))
    for number, (got, exact, size) in enumerate(zip(found, wanted, sizes, strict=True)):
        assert_near(got, exact, FAMILIES[name].error, f"{name}, output {number}, {[a.shape for a in arrays]}", size)
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy, err_msg=f"{name}: an input was changed")
    config.set_threads(threads)
    for number, (got, again, exact, size) in enumerate(zip(found, native(list(arrays)), wanted, sizes, strict=True)):
        what = f"{name}, output {number}, {threads} threads"
        assert_near(again, exact, FAMILIES[name].error, what, size)
        if FAMILIES[name].same_bits:
            np.testing.assert_array_equal(got, again, err_msg=f"{what}: other bits than on {THREADS}")


@pytest.mark.parametrize("name", FAMILIES)
def test_against_float64(name: str, four: None) -> None:
    @settings(max_examples=20, phases=[Phase.generate, Phase.shrink])
    @given(st.data())
    def check(data: Any) -> None:
        compare(name, drawn(data, FAMILIES[name]), data.draw(st.integers(1, THREADS - 1), label="threads"))

    check()


@pytest.mark.parametrize("name", [name for name, each in FAMILIES.items() if each.large])
def test_large_ones_against_float64(name: str, four: None) -> None:
    """Arrays that no cache near a processor holds, and that all threads have parts of."""
    each = FAMILIES[name]
    shapes = each.shapes(*each.large)
    assert shapes is not None
    rng = np.random.default_rng(0)
    arrays = [
        rng.integers(0, each.indices[number](*each.large), shape).astype(np.int32)
        if number in (each.indices or {})
        else rng.standard_normal(shape).astype(np.float32)
        for number, shape in enumerate(shapes)
    ]
    compare(name, arrays, threads=1)


# ------------------------------------------------------------------------------------------------------------ updates


OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "SGD": lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True, clipvalue=0.7),
    "RMSprop": lambda: optimizers.RMSprop(0.01, clipnorm=2.0),
    "Adagrad": optimizers.Adagrad,
    "Adadelta": optimizers.Adadelta,
    "Adam": lambda: optimizers.Adam(0.01, amsgrad=True),
    "Adamax": optimizers.Adamax,
    "Nadam": optimizers.Nadam,
}


@pytest.mark.parametrize("shape", [(0,), (1,), (3, 5), (17,), (64, 33), (3, 3, 5, 7), (70_001,)], ids=str)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_updates_against_float64(name: str, shape: tuple[int, ...], four: None) -> None:
    """Three steps of an optimizer on a variable of this shape, from the same gradients."""
    gradients = np.random.default_rng(1).standard_normal((3, *shape)).astype(np.float32)
    found = []
    before = K.floatx()
    try:
        for executor, dtype in (("numba", "float32"), ("numpy", "float64")):
            K.set_floatx(dtype)
            with use(executor):
                variable = K.variable(np.linspace(-1, 1, int(np.prod(shape))).reshape(shape), dtype=dtype)
                slope = K.placeholder(shape=shape, dtype=dtype)
                updates = OPTIMIZERS[name]().get_updates(loss=K.sum(variable * slope), params=[variable])
                step = K.function([slope], [], updates=updates)
                for gradient in gradients:
                    step([gradient.astype(dtype)])
                found.append(K.get_value(variable))
    finally:
        K.set_floatx(before)
    assert found[0].dtype == np.float32
    assert_near(found[0], found[1], 8, f"{name}, {shape}")
