"""Activations, crossentropies and parts of layers, against SciPy and formulas in float64."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from symgraph import backend as K
from symgraph.ops.op import ShapeError
from symgraph.runtime.executor import use


@pytest.fixture(autouse=True, params=["numpy", "numba"])
def executor(request):
    with use(request.param):
        yield request.param


RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 5)).astype("float32") * 2
T = special.softmax(RNG.normal(size=(4, 5)), -1).astype("float32")
HUGE = np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, 1e4]], "float32")


def value(*tensors):
    results = K.function([], list(tensors))([])
    return results[0] if len(results) == 1 else results


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, lambda x: np.maximum(x, 0)),
        ({"max_value": 1.5}, lambda x: np.clip(x, 0, 1.5)),
        ({"alpha": 0.1}, lambda x: np.where(x > 0, x, 0.1 * x)),
        ({"alpha": 0.1, "max_value": 1.0}, lambda x: np.where(x > 0, np.minimum(x, 1), 0.1 * x)),
        ({"threshold": 0.5}, lambda x: np.where(x >= 0.5, x, 0)),
        ({"alpha": 0.2, "threshold": -0.5, "max_value": 1.0},
         lambda x: np.where(x >= -0.5, np.minimum(x, 1), 0.2 * (x + 0.5))),
    ],
)  # fmt: skip
def test_relu(arguments, expected) -> None:
    np.testing.assert_allclose(value(K.relu(K.constant(X), **arguments)), expected(X), rtol=1e-6)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (K.elu, lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0)))),
        (K.softplus, lambda x: np.logaddexp(x, 0)),
        (K.softsign, lambda x: x / (1 + abs(x))),
        (K.sigmoid, special.expit),
        (K.tanh, np.tanh),
        (K.hard_sigmoid, lambda x: np.clip(0.2 * x + 0.5, 0, 1)),
        (K.gelu, lambda x: x * 0.5 * (1 + special.erf(x / np.sqrt(2)))),
        (K.swish, lambda x: x * special.expit(x)),
    ],
)
def test_activations(function, expected) -> None:
    """Right for numbers of any size, and the gradient is a number everywhere."""
    everything = np.concatenate([X.reshape(-1), HUGE.reshape(-1), [0.0]]).astype("float32")
    x = K.variable(everything)
    result, grad = value(function(x), *K.gradients(K.sum(function(x)), x))
    np.testing.assert_allclose(result, expected(everything.astype("float64")), rtol=2e-6, atol=1e-7)
    assert np.isfinite(grad).all()


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_softmax(axis: int) -> None:
    np.testing.assert_allclose(value(K.softmax(K.constant(X), axis=axis)), special.softmax(X, axis), rtol=1e-5)


def test_softmax_wrong_axis() -> None:
    with pytest.raises(ShapeError, match=r"axis must be a number from -2 to 1.*got 2"):
        K.softmax(K.constant(X), axis=2)


# ------------------------------------------------------------------------------------------------ crossentropies


def test_crossentropy_of_softmax_is_stable() -> None:
    """From logits of +-1e4, through K.softmax: exact losses, and gradients softmax - target."""
    x = K.variable(HUGE)
    target = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], "float32")
    loss = K.categorical_crossentropy(K.constant(target), K.softmax(x))
    sparse = K.sparse_categorical_crossentropy(K.constant([1, 2], dtype="int32"), K.softmax(x))
    results = value(loss, sparse, *K.gradients(K.sum(loss), x), *K.gradients(K.sum(sparse), x))
    np.testing.assert_allclose(results[0], [2e4, 0.0], atol=1e-6)
    np.testing.assert_allclose(results[1], [2e4, 0.0], atol=1e-6)
    wanted = special.softmax(HUGE.astype("float64"), -1) - target
    np.testing.assert_allclose(results[2], wanted, atol=1e-6)
    np.testing.assert_allclose(results[3], wanted, atol=1e-6)


def test_crossentropy_of_sigmoid_is_stable() -> None:
    x = K.variable(HUGE)
    target = np.array([[0.0, 1.0, 1.0], [0.0, 1.0, 1.0]], "float32")
    loss = K.binary_crossentropy(K.constant(target), K.sigmoid(x))
    result, grad = value(loss, *K.gradients(K.sum(loss), x))
    np.testing.assert_allclose(result, [[1e4, 1e4, np.log(2)], [0, 1e4, 0]], rtol=1e-6)
    np.testing.assert_allclose(grad, special.expit(HUGE.astype("float64")) - target, atol=1e-6)


def test_crossentropy_of_probabilities() -> None:
    """Scaled to the sum 1 and kept off 0 and 1; logits give the same as the probabilities they stand for."""
    weights = np.abs(X) + 0.1
    rows = weights / weights.sum(-1, keepdims=True)
    wanted = -(T * np.log(rows)).sum(-1)
    results = value(
        K.categorical_crossentropy(K.constant(T), K.constant(weights)),
        K.categorical_crossentropy(K.constant(T), K.constant(np.log(rows)), from_logits=True),
        K.categorical_crossentropy(K.constant([[1.0, 0.0]]), K.constant([[0.0, 1.0]])),
        K.binary_crossentropy(K.constant([[1.0, 0.0]]), K.constant([[0.0, 1.0]])),
    )
    np.testing.assert_allclose(results[0], wanted, rtol=1e-5)
    np.testing.assert_allclose(results[1], wanted, rtol=1e-5)
    np.testing.assert_allclose(results[2], [-np.log(K.epsilon())], rtol=1e-5)
    np.testing.assert_allclose(results[3], [[-np.log(K.epsilon())] * 2], rtol=2e-2)


@pytest.mark.parametrize("axis", [1, 2, -1])
def test_crossentropy_along_an_axis(axis: int) -> None:
    x = RNG.normal(size=(2, 3, 4)).astype("float32")
    target = special.softmax(RNG.normal(size=x.shape), axis).astype("float32")
    numbers = RNG.integers(0, x.shape[axis], np.delete(x.shape, axis)).astype("int32")
    logs = special.log_softmax(x.astype("float64"), axis)
    results = value(
        K.categorical_crossentropy(K.constant(target), K.softmax(K.constant(x), axis), axis=axis),
        K.sparse_categorical_crossentropy(K.constant(numbers, "int32"), K.softmax(K.constant(x), axis), axis=axis),
    )
    np.testing.assert_allclose(results[0], -(target * logs).sum(axis), rtol=1e-5)
    wanted = -np.take_along_axis(logs, np.expand_dims(numbers, axis), axis).squeeze(axis)
    np.testing.assert_allclose(results[1], wanted, rtol=1e-5)


def test_sparse_targets_of_any_shape_and_type() -> None:
    """(batch, 1) floats, as models feed them; a number that is no class gives NaN rather than a wrong loss."""
    target = K.placeholder((None, 1))
    output = K.placeholder((None, 5))
    loss = K.sparse_categorical_crossentropy(target, K.softmax(output))
    assert loss.shape == (None,)
    (result,) = K.function([target, output], [loss])([[[0], [4], [2], [5]], X])
    np.testing.assert_allclose(result[:3], -special.log_softmax(X, -1)[range(3), [0, 4, 2]], rtol=1e-5)
    assert np.isnan(result[3])


def test_crossentropy_of_shapes_that_do_not_fit() -> None:
    with pytest.raises(ShapeError, match="must have the same shape"):
        K.categorical_crossentropy(K.constant(T[0]), K.constant(T))
    with pytest.raises(ShapeError, match=r"\(4, 3\).*\(4, 5\)"):
        K.categorical_crossentropy(K.constant(T[:, :3]), K.softmax(K.constant(X)))
    with pytest.raises(ShapeError, match="class numbers do not fit"):
        K.sparse_categorical_crossentropy(K.constant([1, 2, 3], dtype="int32"), K.softmax(K.constant(X)))


# ------------------------------------------------------------------------------------------------ parts of layers


def test_in_top_k() -> None:
    """Ties count in; a class that is not there, or a NaN, is in no top k."""
    scores = np.array([[0.1, 0.2, 0.7], [0.5, 0.3, 0.2], [0.4, 0.4, 0.2], [0.3, 0.3, 0.4], [np.nan, 1, 2]], "float32")
    targets = np.array([1, 2, 1, 7, 0], "int32")
    result = value(K.in_top_k(K.constant(scores), K.constant(targets, dtype="int32"), 2))
    np.testing.assert_array_equal(result, [True, False, True, False, False])
    with pytest.raises(ShapeError, match=r"predictions \(batch, classes\)"):
        K.in_top_k(K.constant(scores[0]), K.constant(targets, dtype="int32"), 2)


def test_bias_add_errors() -> None:
    with pytest.raises(ValueError, match=r"1 or 3 dimensions.*got shape \(2, 2\)"):
        K.bias_add(K.constant(np.ones((1, 2, 2, 2))), K.constant(np.ones((2, 2))))
    with pytest.raises(ValueError, match="channels_middle"):
        K.bias_add(K.constant(np.ones((1, 2, 2, 2))), K.constant(np.ones(2)), "channels_middle")


@pytest.mark.parametrize("axis", [-1, 1])
def test_batch_normalization(axis: int) -> None:
    x = RNG.normal(size=(3, 4, 5, 6)).astype("float32")
    size = x.shape[axis]
    mean, var, beta, gamma = (RNG.uniform(0.5, 2, size).astype("float32") for _ in range(4))
    shape = [size if k == axis % 4 else 1 for k in range(4)]
    m, v, b, g = (each.reshape(shape) for each in (mean, var, beta, gamma))
    tensors = [K.constant(each) for each in (x, mean, var, beta, gamma)]
    np.testing.assert_allclose(
        value(K.batch_normalization(*tensors, axis=axis)), (x - m) / np.sqrt(v + 1e-3) * g + b, rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(
        value(K.batch_normalization(*tensors[:3], None, None, axis=axis, epsilon=1e-2)),
        (x - m) / np.sqrt(v + 1e-2), rtol=1e-4, atol=1e-5,
    )  # fmt: skip


def test_normalize_batch_in_training() -> None:
    x = RNG.normal(2, 3, size=(6, 4, 5)).astype("float32")
    gamma, beta = np.array([1.0, 2, 3, 4], "float32"), np.array([0.0, 1, 2, 3], "float32")
    parts = K.normalize_batch_in_training(K.constant(x), K.constant(gamma), K.constant(beta), [0, 2])
    normed, mean, var = value(*parts)
    np.testing.assert_allclose(mean, x.mean((0, 2)), rtol=1e-5)
    np.testing.assert_allclose(var, x.var((0, 2)), rtol=1e-5)
    wanted = (x - x.mean((0, 2), keepdims=True)) / np.sqrt(x.var((0, 2), keepdims=True) + 1e-3)
    np.testing.assert_allclose(normed, wanted * gamma[:, None] + beta[:, None], rtol=1e-4, atol=1e-5)
