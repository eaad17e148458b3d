"""Mean and variance in one way through memory: as near to float64 as two, also far from zero and beside outliers."""

import numpy as np
import pytest

from symgraph import backend as K
from symgraph.graph.tensor import Tensor
from symgraph.ops import reduction
from symgraph.runtime import executor

RANDOM = np.random.RandomState(3)
FAR = RANDOM.randn(9, 12, 12, 6)


def moments(values, axes, name="numba"):
    x = K.placeholder(shape=(None, *values.shape[1:]), dtype=values.dtype.name)
    with executor.use(name):
        return K.function([x], [Tensor(each) for each in reduction.moments(x.node, axes)])([values])


def two_passes(values, axes):
    mean = values.mean(axes, keepdims=True, dtype=np.float32)
    return np.square(values - mean).mean(axes, keepdims=True, dtype=np.float32)


CASES = {
    "near zero": FAR,
    "mean 1000": FAR + 1000,
    "mean 1e-3 deviation 1e-6": FAR * 1e-6 + 1e-3,
    "an outlier first": np.where(np.arange(9 * 144).reshape(9, 12, 12, 1) == 0, 100, FAR),
    "an outlier in the middle": np.where(np.arange(9 * 144).reshape(9, 12, 12, 1) == 78, 100, FAR),
    "spikes": np.maximum(FAR - 2.5, 0) * 10,
}


@pytest.mark.parametrize("name", ["numba", "numpy"])
@pytest.mark.parametrize("case", CASES)
def test_error_against_float64(case, name):
    values = CASES[case].astype(np.float32)
    axes = (0, 1, 2)
    exact = values.astype(np.float64)
    mean, variance = moments(values, axes, name)
    wanted = exact.var(axes, keepdims=True)
    error = np.abs(variance - wanted) / wanted
    usual = np.abs(two_passes(values, axes) - wanted) / wanted
    assert error.max() <= 4 * usual.max() + 8 * np.finfo(np.float32).eps
    scale = np.abs(exact).mean(axes, keepdims=True)
    assert (np.abs(mean - exact.mean(axes, keepdims=True)) / scale).max() < 1e-6


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1), (0, 2), (1, 2), (0, 1, 2), (2,), ()])
@pytest.mark.parametrize("shape", [(11, 5, 3), (1, 4, 2), (3, 1, 1)])
def test_any_axes(shape, axes):
    values = RANDOM.randn(*shape).astype(np.float64)
    mean, variance = moments(values, axes)
    np.testing.assert_allclose(mean, values.mean(axes, keepdims=True), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(variance, values.var(axes, keepdims=True), rtol=1e-12, atol=1e-14)


def test_nothing_infinities_and_equal_numbers():
    with np.errstate(all="ignore"):
        mean, variance = moments(np.empty((0, 4, 3), np.float32), (0, 1))
        assert np.isnan(mean).all() and np.isnan(variance).all()
        values = np.full((4, 5, 3), 7.25, np.float32)
        values[0, 0, 1], values[1, 2, 2] = np.inf, np.nan
        mean, variance = moments(values, (0, 1))
    assert mean[0, 0, 0] == 7.25 and variance[0, 0, 0] == 0
    assert mean[0, 0, 1] == np.inf and np.isnan(variance[0, 0, 1])
    assert np.isnan(mean[0, 0, 2]) and np.isnan(variance[0, 0, 2])


@pytest.mark.parametrize("axes", [(0, 1), (2,), (0, 2)])
def test_gradients(axes):
    """First and second derivatives against differences of the formula in float64."""
    values, weights = RANDOM.randn(4, 3, 5), RANDOM.randn(4, 3, 5)
    x = K.placeholder(shape=(None, 3, 5), dtype="float64")
    mean, variance = (Tensor(each) for each in reduction.moments(x.node, axes))
    loss = K.sum(K.constant(weights, dtype="float64") * (x - mean) / K.sqrt(variance + 0.1))
    (grad,) = K.gradients(loss, [x])
    (second,) = K.gradients(K.sum(K.square(grad)), [x])
    first, twice = K.function([x], [grad, second])([values])

    def formula(a):
        return (weights * (a - a.mean(axes, keepdims=True)) / np.sqrt(a.var(axes, keepdims=True) + 0.1)).sum()

    def slopes(function, a, step=1e-5):
        found = np.empty_like(a)
        for place in np.ndindex(*a.shape):
            up, down = a.copy(), a.copy()
            up[place] += step
            down[place] -= step
            found[place] = (function(up) - function(down)) / (2 * step)
        return found

    np.testing.assert_allclose(first, slopes(formula, values), rtol=1e-6, atol=1e-8)
    compiled = K.function([x], [K.sum(K.square(grad))])
    np.testing.assert_allclose(twice, slopes(lambda a: float(compiled([a])[0]), values), rtol=1e-5, atol=1e-7)
