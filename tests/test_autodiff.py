"""Differentiation as a whole; each operation's own gradient is tested in tests/ops."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from symgraph import backend as K
from symgraph.autodiff import GradientError
from symgraph.runtime.executor import use


@pytest.fixture(autouse=True, params=["numpy", "numba"])
def executor(request):
    with use(request.param):
        yield


def value(*tensors):
    results = K.function([], list(tensors))([])
    return results[0] if len(results) == 1 else results


def test_what_does_not_matter_has_no_gradient() -> None:
    x, y = K.variable(2.0), K.variable(3.0)
    assert K.gradients(x * x, [x, y])[1] is None
    assert K.gradients(K.stop_gradient(x * x) * 2.0, [x]) == [None]


def test_one_tensor_or_a_list() -> None:
    x = K.variable(2.0)
    assert [value(each) for each in K.gradients(x * x, x)] == [4]
    assert [value(each) for each in K.gradients(x * x, [x])] == [4]


def test_a_tensor_that_is_used_many_times() -> None:
    """Contributions along all ways are added up: f = x * x + sin(x) * x + x."""
    x = K.variable(0.7, dtype="float64")
    f = x * x + K.sin(x) * x + x
    np.testing.assert_allclose(value(*K.gradients(f, x)), 2 * 0.7 + np.cos(0.7) * 0.7 + np.sin(0.7) + 1, rtol=1e-12)


def test_the_loss_is_summed() -> None:
    x = K.variable([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(value(*K.gradients(K.square(x), x)), [2, 4, 6])


def test_by_a_tensor_in_the_middle() -> None:
    x = K.variable([1.0, 2.0])
    middle = x * 3.0
    np.testing.assert_array_equal(value(*K.gradients(K.sum(middle * middle), middle)), [6, 12])


def test_higher_derivatives() -> None:
    """x ** 5 four times over."""
    x = K.variable(1.5, dtype="float64")
    f, wanted, factor = x * x * x * x * x, 1.5**5, 1.0
    for power in (4, 3, 2, 1):
        (f,) = K.gradients(f, x)
        factor *= power + 1
        wanted = factor * 1.5**power
        np.testing.assert_allclose(value(f), wanted, rtol=1e-12)


def test_broadcast_operands_get_their_own_shape() -> None:
    x, b, c = K.variable(np.ones((4, 3))), K.variable(np.ones(3)), K.variable(1.0)
    grads = K.gradients(K.sum((x + b) * c), [x, b, c])
    assert [grad.shape for grad in grads] == [(4, 3), (3,), ()]
    results = value(*grads)
    np.testing.assert_array_equal(results[1], [4, 4, 4])
    assert results[2] == 24


def test_whole_model_against_finite_differences() -> None:
    """Two layers with batch normalisation and softmax, by all of its 27 parameters at once."""
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(6, 3)), np.eye(2)[rng.integers(0, 2, 6)]
    shapes = [(3, 4), (4,), (4, 2), (2,)]
    sizes = [int(np.prod(shape)) for shape in shapes]
    theta = K.placeholder((sum(sizes),), dtype="float64")
    parts, start = [], 0
    for shape, size in zip(shapes, sizes, strict=True):
        parts.append(K.reshape(theta[start : start + size], shape))
        start += size
    hidden = K.dot(K.constant(x, "float64"), parts[0]) + parts[1]
    normed, _, _ = K.normalize_batch_in_training(hidden, None, None, [0])
    output = K.softmax(K.dot(K.tanh(normed), parts[2]) + parts[3])
    loss = K.mean(K.categorical_crossentropy(K.constant(t, "float64"), output))
    function = K.function([theta], [loss, *K.gradients(loss, theta)])
    at = rng.normal(size=sum(sizes))
    error = optimize.check_grad(lambda v: function([v])[0], lambda v: function([v])[1], at)
    assert error < 1e-6


def test_integers_and_comparisons_stop_the_way() -> None:
    x = K.variable([1.5, 2.5])
    (gradient,) = K.gradients(K.cast(K.greater(x, 2.0), "float32"), x)
    assert gradient is None or not value(gradient).any()
    with pytest.raises(GradientError, match="int64.*cast the loss"):
        K.gradients(K.argmax(x), x)


def test_an_operation_without_a_gradient_is_named_with_its_line() -> None:
    y = K.variable(np.full((1, 3, 3), 1 / 3))
    (path,), likelihood = K.ctc_decode(y, K.constant([3], "int32"), greedy=False, beam_width=4)
    with pytest.raises(GradientError, match=r"ctc_beam_search \(made at .*test_autodiff.py:\d+\) has no gradient"):
        K.gradients(likelihood, y)


def test_gradients_can_be_trained_on() -> None:
    """Gradient penalty: the gradient of a function of a gradient, in one training step."""
    rng = np.random.default_rng(3)
    x = K.constant(rng.normal(size=(5, 3)), "float64")
    w = K.variable(rng.normal(size=(3, 2)), dtype="float64")
    (slope,) = K.gradients(K.sum(K.square(K.tanh(K.dot(x, w)))), x)
    penalty = K.sum(K.square(slope))
    function = K.function([], [penalty], [(w, w - 0.01 * K.gradients(penalty, w)[0])])
    losses = [float(function([])[0]) for _ in range(30)]
    assert all(later < earlier for earlier, later in zip(losses, losses[1:]))
