"""Losses against formulas in NumPy, float64."""

import numpy as np
import pytest
from scipy.special import expit, log_softmax

from symgraph import backend as K
from symgraph import losses

EPSILON = 1e-7
RNG = np.random.default_rng(0)
PREDICTED = RNG.uniform(0.05, 0.95, size=(6, 4))
PREDICTED /= PREDICTED.sum(-1, keepdims=True)
TARGET = RNG.uniform(0.05, 0.95, size=(6, 4))
ONE_HOT = np.eye(4)[[0, 2, 3, 1, 1, 0]]
SIGNS = RNG.choice([-1.0, 1.0], size=(6, 4))


def unit(x):
    return x / np.sqrt((x**2).sum(-1, keepdims=True))


FORMULAS = {
    "mean_squared_error": (TARGET, lambda t, p: ((p - t) ** 2).mean(-1)),
    "mean_absolute_error": (TARGET, lambda t, p: np.abs(p - t).mean(-1)),
    "mean_absolute_percentage_error": (TARGET, lambda t, p: 100 * np.abs((t - p) / t).mean(-1)),
    "mean_squared_logarithmic_error": (TARGET, lambda t, p: ((np.log1p(p) - np.log1p(t)) ** 2).mean(-1)),
    "hinge": (SIGNS, lambda t, p: np.maximum(1 - t * p, 0).mean(-1)),
    "squared_hinge": (SIGNS, lambda t, p: (np.maximum(1 - t * p, 0) ** 2).mean(-1)),
    "categorical_hinge": (ONE_HOT, lambda t, p: np.maximum(((1 - t) * p).max(-1) - (t * p).sum(-1) + 1, 0)),
    "logcosh": (TARGET, lambda t, p: np.log(np.cosh(p - t)).mean(-1)),
    "categorical_crossentropy": (ONE_HOT, lambda t, p: -(t * np.log(p)).sum(-1)),
    "binary_crossentropy": (TARGET, lambda t, p: -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean(-1)),
    "kullback_leibler_divergence": (TARGET, lambda t, p: (t * np.log(t / p)).sum(-1)),
    "poisson": (TARGET, lambda t, p: (p - t * np.log(p + EPSILON)).mean(-1)),
    "cosine_proximity": (TARGET, lambda t, p: -(unit(t) * unit(p)).sum(-1)),
}
CLASSES = {
    "mean_squared_error": losses.MeanSquaredError, "mean_absolute_error": losses.MeanAbsoluteError,
    "mean_absolute_percentage_error": losses.MeanAbsolutePercentageError,
    "mean_squared_logarithmic_error": losses.MeanSquaredLogarithmicError, "hinge": losses.Hinge,
    "squared_hinge": losses.SquaredHinge, "categorical_hinge": losses.CategoricalHinge, "logcosh": losses.LogCosh,
    "categorical_crossentropy": losses.CategoricalCrossentropy, "binary_crossentropy": losses.BinaryCrossentropy,
    "kullback_leibler_divergence": losses.KLDivergence, "poisson": losses.Poisson,
    "cosine_proximity": losses.CosineSimilarity,
}


def run(loss, target, predicted, *more):
    t, p = K.placeholder((None, *target.shape[1:])), K.placeholder((None, *predicted.shape[1:]))
    return K.function([t, p], [loss(t, p, *more)])([target, predicted])[0]


@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_functions(name):
    target, formula = FORMULAS[name]
    got = run(losses.get(name), target, PREDICTED)
    np.testing.assert_allclose(got, formula(target, PREDICTED), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_classes_reduce_and_weigh(name):
    target, formula = FORMULAS[name]
    each = formula(target, PREDICTED)
    weights = np.arange(6.0)
    np.testing.assert_allclose(run(CLASSES[name](), target, PREDICTED), each.mean(), rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(run(CLASSES[name](), target, PREDICTED, weights), (each * weights).mean(), rtol=2e-5,
                               atol=2e-6)
    np.testing.assert_allclose(run(CLASSES[name](reduction="sum"), target, PREDICTED), each.sum(), rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(run(CLASSES[name](reduction="none"), target, PREDICTED), each, rtol=2e-5, atol=2e-6)
    instance = CLASSES[name](reduction="sum")
    again = losses.deserialize(losses.serialize(instance))
    assert type(again) is CLASSES[name] and again.get_config() == instance.get_config()


def test_sparse_crossentropy_takes_class_numbers():
    numbers = ONE_HOT.argmax(-1)[:, None]
    want = -np.log(PREDICTED[np.arange(6), numbers[:, 0]])
    np.testing.assert_allclose(run(losses.sparse_categorical_crossentropy, numbers, PREDICTED), want, rtol=1e-5)


def test_logits():
    logits = RNG.normal(size=(6, 4)) * 3
    want = -(ONE_HOT * log_softmax(logits, -1)).sum(-1).mean()
    np.testing.assert_allclose(run(losses.CategoricalCrossentropy(from_logits=True), ONE_HOT, logits), want, rtol=1e-5)
    numbers = ONE_HOT.argmax(-1)[:, None]
    np.testing.assert_allclose(run(losses.SparseCategoricalCrossentropy(from_logits=True), numbers, logits), want,
                               rtol=1e-5)
    p = expit(logits)
    want = -(TARGET * np.log(p) + (1 - TARGET) * np.log(1 - p)).mean()
    np.testing.assert_allclose(run(losses.BinaryCrossentropy(from_logits=True), TARGET, logits), want, rtol=1e-5)


def test_label_smoothing():
    smooth = ONE_HOT * 0.8 + 0.2 / 4
    want = -(smooth * np.log(PREDICTED)).sum(-1).mean()
    np.testing.assert_allclose(run(losses.CategoricalCrossentropy(label_smoothing=0.2), ONE_HOT, PREDICTED), want,
                               rtol=1e-5)
    smooth = ONE_HOT * 0.8 + 0.1
    want = -(smooth * np.log(PREDICTED) + (1 - smooth) * np.log(1 - PREDICTED)).mean()
    np.testing.assert_allclose(run(losses.BinaryCrossentropy(label_smoothing=0.2), ONE_HOT, PREDICTED), want, rtol=1e-5)


def test_hinge_turns_labels_into_signs():
    want = np.maximum(1 - (2 * ONE_HOT - 1) * PREDICTED, 0).mean(-1)
    np.testing.assert_allclose(run(losses.hinge, ONE_HOT, PREDICTED), want, rtol=1e-5)


@pytest.mark.parametrize("delta", [1.0, 0.2])
def test_huber(delta):
    target, predicted = RNG.normal(size=(2, 6, 4))
    error = np.abs(target - predicted)
    want = np.where(error <= delta, 0.5 * error**2, delta * error - 0.5 * delta**2)
    np.testing.assert_allclose(run(losses.Huber(delta), target, predicted), want.mean(), rtol=1e-5)


def test_logcosh_does_not_overflow():
    np.testing.assert_allclose(run(losses.logcosh, np.zeros((1, 2)), np.array([[500.0, -500.0]])), [500 - np.log(2)],
                               rtol=1e-6)


def test_weights_of_time_steps():
    target, predicted = RNG.normal(size=(2, 3, 5, 2))
    weights = RNG.uniform(size=(3, 5))
    each = ((target - predicted) ** 2).mean(-1)
    np.testing.assert_allclose(run(losses.MeanSquaredError(), target, predicted, weights), (each * weights).mean(),
                               rtol=1e-5)
    rows = weights[:, 0]
    np.testing.assert_allclose(run(losses.MeanSquaredError(), target, predicted, rows), (each * rows[:, None]).mean(),
                               rtol=1e-5)
    with pytest.raises(ValueError, match="do not fit"):
        run(losses.MeanSquaredError(), target, predicted, np.ones((3, 5, 2)))


def test_names():
    assert losses.get("mse") is losses.MSE is losses.mean_squared_error
    assert losses.get(None) is None
    assert losses.is_categorical_crossentropy("categorical_crossentropy")
    assert losses.is_categorical_crossentropy(losses.CategoricalCrossentropy())
    assert not losses.is_categorical_crossentropy("mse")
    with pytest.raises(ValueError, match="Unknown loss function: 'means_squared_error'.*mean_squared_error"):
        losses.get("means_squared_error")
    with pytest.raises(ValueError, match="Invalid reduction"):
        losses.MeanSquaredError(reduction="average")
