"""Winograd convolutions against direct sums in float64: borders, odd sizes, both gradients, many channels."""

import numpy as np
import pytest

from symgraph import backend as K
from symgraph import config
from symgraph.backends.cpu.checked import run_checked
from symgraph.runtime import executor

RANDOM = np.random.RandomState(1)


@pytest.fixture(autouse=True)
def numba_and_fast(monkeypatch):
    monkeypatch.delenv("SYMGRAPH_EXACT", raising=False)
    monkeypatch.setitem(config._store.chosen, "exact", False)
    with executor.use("numba"):
        yield


def padded(x, padding):
    return np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))) if padding == "same" else x


def direct(x, w, g, padding):
    """Convolution and its gradients in float64."""
    x, w, g = (a.astype("float64") for a in (x, w, g))
    wide = padded(x, padding)
    rows, columns = g.shape[1:3]
    y, for_w, for_wide = np.zeros(g.shape), np.zeros(w.shape), np.zeros(wide.shape)
    for i in range(3):
        for j in range(3):
            window = wide[:, i : i + rows, j : j + columns]
            y += window @ w[i, j]
            for_w[i, j] = np.einsum("nhwc,nhwo->co", window, g)
            for_wide[:, i : i + rows, j : j + columns] += g @ w[i, j].T
    return y, for_wide[:, 1:-1, 1:-1] if padding == "same" else for_wide, for_w


def build(channels, filters, padding):
    x = K.placeholder(shape=(None, None, None, channels))
    g = K.placeholder(shape=(None, None, None, filters))
    w = K.variable(RANDOM.randn(3, 3, channels, filters) / np.sqrt(9 * channels))
    y = K.conv2d(x, w, padding=padding)
    return K.function([x, g], [y, *K.gradients(K.sum(y * g), [x, w])]), w


def kernels(function):
    return {name for name, _ in function.variants()[0].runner.sources()}


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(("channels", "filters"), [(32, 32), (33, 40), (64, 32), (16, 17)])
def test_values_and_gradients(channels, filters, padding):
    function, w = build(channels, filters, padding)
    for n, rows, columns in ((2, 8, 8), (1, 3, 3), (3, 9, 6), (1, 5, 17), (7, 12, 12)):
        x = RANDOM.randn(n, rows, columns, channels).astype("float32")
        less = 0 if padding == "same" else 2
        g = RANDOM.randn(n, rows - less, columns - less, filters).astype("float32")
        results = function([x, g])
        for got, want in zip(results, direct(x, K.get_value(w), g, padding), strict=True):
            assert np.abs(got - want).max() <= 5e-6 * np.abs(want).max()
    assert {"winograd", "winograd_kernel_gradient"} <= kernels(function)


def test_no_images_at_all():
    function, w = build(32, 32, "same")
    y, for_x, for_w = function([np.zeros((0, 8, 8, 32)), np.zeros((0, 8, 8, 32))])
    assert y.shape == for_x.shape == (0, 8, 8, 32) and not for_w.any()


def test_every_access_stays_inside():
    function, w = build(32, 33, "same")
    x, g = (RANDOM.randn(1, 3, 5, c).astype("float32") for c in (32, 33))
    expected = function([x, g])
    for got, want in zip(run_checked(function.bound(), [x, g], 2), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-5)


def test_more_threads_than_there_were_when_it_was_compiled(monkeypatch):
    """The scratch memory was made for fewer: each thread works on fewer tiles at a time, or not at all."""
    monkeypatch.setitem(config._store.chosen, "threads", 1)
    function, w = build(32, 32, "same")
    x, g = (RANDOM.randn(1, 4, 5, 32).astype("float32") for _ in range(2))
    expected = function([x, g])
    for got, want in zip(run_checked(function.bound(), [x, g], 30), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-5)


def test_exact_mode_and_small_layers_use_direct_sums(monkeypatch):
    small, _ = build(15, 64, "same")
    small([np.ones((1, 8, 8, 15)), np.ones((1, 8, 8, 64))])
    assert not any(name.startswith("winograd") for name in kernels(small))
    config.set_exact(True)
    exact, w = build(32, 32, "same")
    x, g = (RANDOM.randn(2, 8, 8, 32).astype("float32") for _ in range(2))
    results = exact([x, g])
    assert not any(name.startswith("winograd") for name in kernels(exact))
    for got, want in zip(results, direct(x, K.get_value(w), g, "same"), strict=True):
        assert np.abs(got - want).max() <= 2e-6 * np.abs(want).max()


def test_small_images_wait_for_a_batch_that_pays():
    """Images of 7x7: direct sums for one, Winograd for eight, in one program; the same with pooling."""
    x, w, g = (K.placeholder(shape=shape) for shape in ((None, 7, 7, 32), (3, 3, 32, 48), (None, 7, 7, 48)))
    y = K.conv2d(x, w, padding="same")
    pooled = K.pool2d(K.tanh(y), (2, 2), strides=(2, 2))
    function = K.function([x, w, g], [y, *K.gradients(K.sum(y * g), [x, w])])
    other = K.function([x, w], [pooled])
    kernel = RANDOM.randn(3, 3, 32, 48).astype("float32") / 9
    for images in (8, 1, 0, 33):
        arrays = [RANDOM.randn(images, 7, 7, c).astype("float32") for c in (32, 48)]
        arrays.insert(1, kernel)
        want = direct(*arrays, "same")
        got = function(arrays)
        for one, two in zip(got, want, strict=True):
            assert np.abs(one - two).max(initial=0) <= 5e-6 * np.abs(two).max(initial=1e-30)
        (found,) = other(arrays[:2])
        windows = np.tanh(want[0])[:, :6, :6].reshape(images, 3, 2, 3, 2, 48)
        assert np.abs(found - windows.max(axis=(2, 4))).max(initial=0) <= 1e-5
    assert len(function.variants()) == 1 and {"winograd", "conv_direct"} <= kernels(function)
