"""Regularizers and constraints against NumPy."""

import numpy as np
import pytest

from symgraph import backend as K
from symgraph import constraints, regularizers
from symgraph.engine import Sequential
from symgraph.layers import Dense

W = np.array([[0.5, -3.0, 2.0], [1.0, 4.0, -0.1]])


@pytest.mark.parametrize("make, want", [
    (lambda: regularizers.l1(0.1), 0.1 * np.abs(W).sum()),
    (lambda: regularizers.l2(0.2), 0.2 * (W**2).sum()),
    (lambda: regularizers.l1_l2(0.1, 0.2), 0.1 * np.abs(W).sum() + 0.2 * (W**2).sum()),
    (lambda: regularizers.get("l2"), 0.01 * (W**2).sum()),
])
def test_regularizers(make, want):
    regularizer = make()
    np.testing.assert_allclose(K.eval(regularizer(K.constant(W))), want, rtol=1e-6)
    again = regularizers.deserialize(regularizers.serialize(regularizer))
    assert again.get_config() == regularizer.get_config()


NORMS = np.sqrt((W**2).sum(0))


@pytest.mark.parametrize("make, want", [
    (lambda: constraints.NonNeg(), np.maximum(W, 0)),
    (lambda: constraints.MaxNorm(2), W * np.minimum(NORMS, 2) / NORMS),
    (lambda: constraints.MaxNorm(2, axis=1), W * (np.minimum(n := np.sqrt((W**2).sum(1, keepdims=True)), 2) / n)),
    (lambda: constraints.UnitNorm(), W / NORMS),
    (lambda: constraints.MinMaxNorm(1.5, 3.0), W * np.clip(NORMS, 1.5, 3.0) / NORMS),
    (lambda: constraints.MinMaxNorm(1.5, 3.0, rate=0.5), W * (0.5 * np.clip(NORMS, 1.5, 3.0) + 0.5 * NORMS) / NORMS),
])
def test_constraints(make, want):
    constraint = make()
    np.testing.assert_allclose(K.eval(constraint(K.constant(W))), want, rtol=1e-5)
    again = constraints.deserialize(constraints.serialize(constraint))
    assert again.get_config() == constraint.get_config()


def test_a_constrained_weight_stays_so():
    model = Sequential([Dense(3, kernel_constraint=constraints.MaxNorm(0.5), input_shape=(4,))])
    model.compile("sgd", "mse")
    model.optimizer.lr = 1.0
    rng = np.random.default_rng(0)
    for _ in range(5):
        model.train_on_batch(rng.normal(size=(8, 4)), rng.normal(size=(8, 3)) * 10)
    assert (np.linalg.norm(model.get_weights()[0], axis=0) <= 0.5 + 1e-5).all()


def test_names():
    assert regularizers.get(None) is None and constraints.get(None) is None
    assert isinstance(constraints.get("maxnorm"), constraints.MaxNorm)
    with pytest.raises(ValueError, match="Unknown regularizer: 'l3'"):
        regularizers.get("l3")
    with pytest.raises(ValueError, match="Could not interpret constraint"):
        constraints.get(3)


def test_names_and_configurations_of_keras_1():
    for name, twin in (("l1l2", "l1_l2"), ("activity_l1", "l1"), ("activity_l2", "l2"), ("activity_l1l2", "l1_l2")):
        assert regularizers.get(name).get_config() == regularizers.get(twin).get_config()
    old = regularizers.get({"name": "WeightRegularizer", "l1": 0.5, "l2": 0.25})
    assert old.get_config() == {"l1": 0.5, "l2": 0.25}
    old = constraints.get({"name": "MaxNorm", "m": 3, "axis": 1})
    assert isinstance(old, constraints.MaxNorm) and (old.max_value, old.axis) == (3, 1)
    layer = Dense(3, W_regularizer={"name": "WeightRegularizer", "l1": 0.0, "l2": 0.1}, W_constraint={"name": "NonNeg"})
    assert layer.kernel_regularizer.l2 == pytest.approx(0.1) and isinstance(layer.kernel_constraint, constraints.NonNeg)
