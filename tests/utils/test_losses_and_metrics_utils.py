"""Weights brought to the shape of losses; counts of decisions against NumPy."""

import numpy as np
import pytest

from symgraph import backend as K
from symgraph import metrics
from symgraph.utils import losses_utils, metrics_utils
from symgraph.utils.metrics_utils import ConfusionMatrix as Count

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("pred, true, weights, expected", [
    ((4, 3, 1), (4, 3), None, [(4, 3), (4, 3)]), ((4, 3), (4, 3, 1), None, [(4, 3), (4, 3)]),
    ((4, 3, 2), (4, 3), None, [(4, 3, 2), (4, 3)]), ((4, 3), (4, 3), (4, 3, 1), [(4, 3), (4, 3), (4, 3)]),
    ((4, 3), (4, 3), (4,), [(4, 3), (4, 3), (4, 1)]), ((4, 3), None, (), [(4, 3), None, ()]),
])
def test_numbers_of_axes(pred, true, weights, expected):
    arrays = [None if shape is None else K.constant(np.ones(shape)) for shape in (pred, true, weights)]
    found = losses_utils.squeeze_or_expand_dimensions(*arrays[:3 if weights is not None else 2])
    assert [None if one is None else K.int_shape(one) for one in found] == expected


def test_weights_and_reductions():
    values, weights = K.constant(np.ones((4, 3))), K.constant(np.arange(4.0))
    broad = losses_utils.broadcast_weights(values, weights)
    np.testing.assert_array_equal(K.eval(broad), np.arange(4.0)[:, None] * np.ones((4, 3)))
    assert K.eval(losses_utils.reduce_weighted_loss(broad, "sum")) == 18
    assert K.eval(losses_utils.reduce_weighted_loss(broad)) == 1.5
    assert losses_utils.reduce_weighted_loss(broad, "none") is broad
    assert K.eval(losses_utils.compute_weighted_loss(values, weights)) == 1.5
    with pytest.raises(ValueError, match="do not fit losses"):
        losses_utils.broadcast_weights(values, K.constant(np.ones((4, 3, 2))))
    with pytest.raises(ValueError, match="Invalid reduction"):
        losses_utils.reduce_weighted_loss(broad, "max")


@pytest.mark.parametrize("weighted", [False, True])
def test_counts(weighted):
    true, scores, weights = RNG.integers(0, 2, (20, 3)), RNG.uniform(size=(20, 3)), RNG.uniform(size=(20, 3))
    thresholds = [0.2, 0.7]
    variables = {kind: K.variable(np.zeros(2)) for kind in Count}
    updates = metrics_utils.update_confusion_matrix_variables(
        variables, K.constant(true), K.constant(scores), thresholds, sample_weight=K.constant(weights) if weighted
        else None)
    K.function([], [], updates=updates)([])
    counted = weights if weighted else np.ones_like(weights)
    for place, limit in enumerate(thresholds):
        decided = scores > limit
        expected = {Count.TRUE_POSITIVES: (true == 1) & decided, Count.FALSE_POSITIVES: (true == 0) & decided,
                    Count.TRUE_NEGATIVES: (true == 0) & ~decided, Count.FALSE_NEGATIVES: (true == 1) & ~decided}
        for kind, chosen in expected.items():
            np.testing.assert_allclose(K.get_value(variables[kind])[place], counted[chosen].sum(), rtol=1e-5)


def test_variables_that_are_no_counts():
    for variables in ({}, {"tp": K.variable(np.zeros(1))}):
        with pytest.raises(ValueError, match="at least one valid confusion matrix variable"):
            metrics_utils.update_confusion_matrix_variables(variables, K.zeros((2,)), K.zeros((2,)))


def test_thresholds_and_names():
    assert metrics_utils.parse_init_thresholds(None) == [0.5]
    assert metrics_utils.parse_init_thresholds(0.25) == [0.25] and metrics_utils.to_list(3) == [3]
    for wrong in (-0.1, [0.5, None], [2, 0.5]):
        with pytest.raises(ValueError, match="must be in \\[0, 1\\]"):
            metrics_utils.parse_init_thresholds(wrong)
    assert metrics_utils.AUCCurve.from_str("pr") is metrics_utils.AUCCurve.PR
    assert metrics_utils.AUCSummationMethod.from_str("Majoring").value == "majoring"
    assert metrics.AUC(curve=metrics_utils.AUCCurve.PR).curve == "PR"
    with pytest.raises(ValueError, match="Invalid AUC curve value"):
        metrics_utils.AUCCurve.from_str("other")
    with pytest.raises(ValueError, match="Invalid AUC summation method"):
        metrics_utils.AUCSummationMethod.from_str("other")


def test_the_largest_scores():
    scores = np.array([[0.1, 0.5, 0.5, 0.3]])
    found = K.eval(metrics_utils.filter_top_k(K.constant(scores), 2))[0]
    np.testing.assert_allclose(found, [metrics_utils.NEG_INF, 0.5, 0.5, metrics_utils.NEG_INF])
