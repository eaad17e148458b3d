"""Direct convolutions of float32 against loops in float64: borders, strides, dilation, groups, one to three axes."""

import numpy as np
import pytest
from cases.windows import convolved, counts_of, for_kernel, turned_back

from symgraph import backend as K
from symgraph import config
from symgraph.backends.cpu.checked import run_checked
from symgraph.backends.cpu.lower.direct import backward_taps
from symgraph.backends.cpu.lower.window import Geometry
from symgraph.graph.tensor import Tensor
from symgraph.ops.conv import conv
from symgraph.runtime import executor

RANDOM = np.random.RandomState(3)
NONE = (0, 0)


@pytest.fixture(autouse=True)
def numba():
    with executor.use("numba"):
        yield


class Convolution:
    """A convolution with both gradients, and its data.

    Args:
        images: size of the batch; sizes, channels, window, filters, strides, padding, dilation, groups as in K.
    """

    def __init__(self, images, sizes, channels, window, filters, strides, padding, dilation, groups):
        self.attrs = {"strides": strides, "padding": padding, "dilation": dilation, "groups": groups}
        counts = counts_of(sizes, self.attrs, window)
        x, w, g = (
            K.placeholder(shape=shape)
            for shape in ((None, *sizes, channels), (*window, channels // groups, filters), (None, *counts, filters))
        )
        y = Tensor(conv(x.node, w.node, **self.attrs))
        self.function = K.function([x, w, g], [y, *K.gradients(K.sum(y * g), [x, w])])
        shapes = ((images, *sizes, channels), (*window, channels // groups, filters), (images, *counts, filters))
        self.arrays = [RANDOM.standard_normal(shape).astype("float32") for shape in shapes]

    def expected(self):
        x, w, g = (array.astype("float64") for array in self.arrays)
        return (
            convolved(x, w, self.attrs),
            turned_back(g, w, x.shape, self.attrs),
            for_kernel(x, g, w.shape, self.attrs),
        )

    def kernels(self):
        return {name for name, _ in self.function.variants()[0].runner.sources()}


CASES = {
    "first layer": (2, (9, 8), 3, (3, 3), 20, (1, 1), (NONE, NONE), (1, 1), 1),
    "one channel, border": (3, (7, 9), 1, (3, 3), 16, (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    "large window, strided": (1, (30, 31), 3, (7, 7), 33, (2, 2), ((3, 3), (3, 3)), (1, 1), 1),
    "two by two of nine": (2, (9, 8), 40, (3, 3), 35, (2, 2), ((0, 1), (1, 1)), (1, 1), 1),
    "places that no window sees": (2, (11, 10), 17, (1, 2), 19, (2, 3), (NONE, NONE), (1, 1), 1),
    "strides that differ": (2, (11, 10), 4, (5, 5), 3, (3, 2), ((2, 2), (2, 1)), (1, 1), 1),
    "groups": (3, (11, 10), 8, (3, 3), 16, (1, 1), (NONE, NONE), (1, 1), 2),
    "groups, dilated": (3, (11, 10), 6, (3, 2), 9, (1, 1), ((2, 2), (1, 1)), (2, 2), 3),
    "only border": (2, (3, 3), 3, (3, 3), 4, (1, 1), ((5, 5), (5, 5)), (1, 1), 1),
    "one axis, causal": (2, (40,), 5, (5,), 7, (1,), ((4, 0),), (1,), 1),
    "one axis, long, dilated": (1, (1300,), 5, (3,), 7, (1,), ((4, 0),), (2,), 1),
    "three axes": (2, (5, 6, 7), 3, (2, 3, 3), 4, (1, 1, 1), ((0, 1), (1, 1), (1, 1)), (1, 1, 1), 1),
    "three axes, groups, strided": (2, (7, 6, 7), 4, (3, 3, 2), 6, (2, 1, 2), ((1, 1), (1, 1), (0, 1)), (1, 1, 1), 2),
    "small images": (20, (5, 4), 3, (3, 3), 5, (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    "small images without border": (37, (5, 4), 3, (3, 3), 5, (1, 1), (NONE, NONE), (1, 1), 1),
    "no images": (0, (9, 8), 3, (3, 3), 5, (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_values_and_gradients(case):
    made = Convolution(*case)
    for got, want in zip(made.function(made.arrays), made.expected(), strict=True):
        assert got.shape == want.shape
        assert np.abs(got - want).max(initial=0) <= 3e-6 * np.abs(want).max(initial=0)
    assert {"conv_direct", "conv_direct_gradient"} <= made.kernels() and "conv_input_gradient" not in made.kernels()


def test_another_batch_binds_the_same_program():
    made = Convolution(*CASES["two by two of nine"])
    for images in (1, 7):
        made.arrays = [
            array if k == 1 else RANDOM.standard_normal((images, *array.shape[1:])).astype("float32")
            for k, array in enumerate(made.arrays)
        ]
        for got, want in zip(made.function(made.arrays), made.expected(), strict=True):
            assert np.abs(got - want).max() <= 3e-6 * np.abs(want).max()


@pytest.mark.parametrize("name", ["two by two of nine", "groups, dilated", "three axes, groups, strided"])
def test_every_access_stays_inside(name):
    """Also with many more threads than the scratch memory was made for."""
    images, sizes, channels, *rest = CASES[name]
    made = Convolution(1, sizes, min(channels, 8), *rest)
    expected = made.function(made.arrays)
    for threads in (1, 3, 40):
        for got, want in zip(run_checked(made.function.bound(), made.arrays, threads), expected, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-5)


def test_threads_change_nothing(monkeypatch):
    results = []
    for threads in (1, 3):
        monkeypatch.setitem(config._store.chosen, "threads", threads)
        RANDOM.seed(5)
        made = Convolution(5, (34, 33), 3, (3, 3), 24, (1, 1), ((1, 1), (1, 1)), (1, 1), 1)
        results.append(made.function(made.arrays))
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def test_not_a_number_goes_only_where_windows_see_it():
    made = Convolution(*CASES["one channel, border"])
    made.arrays[0][1, 3, 4] = np.nan
    y = made.function(made.arrays)[0]
    assert np.isnan(y[1, 2:5, 3:6]).all() and np.isnan(y).sum() == 9 * y.shape[-1]


def test_strided_and_dilated_at_once_takes_the_general_way():
    made = Convolution(2, (12, 12), 4, (3, 3), 8, (2, 2), ((2, 2), (2, 2)), (2, 2), 1)
    for got, want in zip(made.function(made.arrays), made.expected(), strict=True):
        assert np.abs(got - want).max() <= 3e-6 * np.abs(want).max()
    assert "conv_input_gradient" in made.kernels()


@pytest.mark.parametrize(
    ("size", "window", "stride", "before"), [(11, 3, 2, 1), (10, 5, 3, 0), (7, 1, 2, 0), (8, 2, 4, 1)]
)
def test_phases_name_each_place_and_tap_once(size, window, stride, before):
    """What the gradient of the input is made of: every pair of a window and an element, once."""
    count = (size + 2 * before - window) // stride + 1
    geometry = Geometry((size,), (count,), (window,), (stride,), (1,), (before,))
    found = []
    for *_, taps in backward_taps(geometry):
        for number, place in enumerate(range(taps.first, size, taps.every)):
            for element in range(taps.elements):
                source = number * taps.stride - taps.before + element * taps.apart
                if 0 <= source < count:
                    found.append((place, source, taps.tap + element * taps.tap_step))
    wanted = [
        (o * stride + t - before, o, t)
        for o in range(count)
        for t in range(window)
        if 0 <= o * stride + t - before < size
    ]
    assert sorted(found) == sorted(wanted)
