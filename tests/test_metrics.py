"""Metrics against NumPy, over several batches and with weights."""

import numpy as np
import pytest

from symgraph import backend as K
from symgraph import metrics

RNG = np.random.default_rng(0)
SCORES = RNG.uniform(size=(12, 5))
NUMBERS = RNG.integers(0, 5, size=12)
ONE_HOT = np.eye(5)[NUMBERS]
TARGET = RNG.uniform(size=(12, 5))
WEIGHTS = RNG.uniform(size=12)


def in_top(k):
    rank = np.argsort(-SCORES, axis=-1)[:, :k]
    return (rank == NUMBERS[:, None]).any(-1).astype(float)


def run(metric, target, predicted, weights=None, batch=5):
    """Feed batch by batch, the last one smaller, and return the result after the last."""
    t, p = (K.placeholder((None, *array.shape[1:])) for array in (target, predicted))
    w = K.placeholder((None,))
    result, updates = metric.step(t, p, sample_weight=None if weights is None else w)
    inputs = [t, p] if weights is None else [t, p, w]
    function = K.function(inputs, [result], updates=updates)
    arrays = [target, predicted] if weights is None else [target, predicted, weights]
    for start in range(0, len(target), batch):
        value = function([array[start:start + batch] for array in arrays])[0]
    np.testing.assert_allclose(value, K.eval(metric.result()), rtol=1e-6)
    return value


PER_SAMPLE = {
    "Accuracy": (metrics.Accuracy, NUMBERS[:, None], SCORES.argmax(-1)[:, None].astype(float),
                 (SCORES.argmax(-1) == NUMBERS).astype(float)),
    "BinaryAccuracy": (metrics.BinaryAccuracy, ONE_HOT, SCORES, ((SCORES > 0.5) == ONE_HOT).mean(-1)),
    "BinaryAccuracy 0.3": (lambda: metrics.BinaryAccuracy(threshold=0.3), ONE_HOT, SCORES,
                           ((SCORES > 0.3) == ONE_HOT).mean(-1)),
    "CategoricalAccuracy": (metrics.CategoricalAccuracy, ONE_HOT, SCORES, in_top(1)),
    "SparseCategoricalAccuracy": (metrics.SparseCategoricalAccuracy, NUMBERS[:, None], SCORES, in_top(1)),
    "TopK": (lambda: metrics.TopKCategoricalAccuracy(k=2), ONE_HOT, SCORES, in_top(2)),
    "SparseTopK": (lambda: metrics.SparseTopKCategoricalAccuracy(k=3), NUMBERS[:, None], SCORES, in_top(3)),
    "MeanAbsoluteError": (metrics.MeanAbsoluteError, TARGET, SCORES, np.abs(TARGET - SCORES).mean(-1)),
    "MeanSquaredError": (metrics.MeanSquaredError, TARGET, SCORES, ((TARGET - SCORES) ** 2).mean(-1)),
    "CosineSimilarity": (metrics.CosineSimilarity, TARGET, SCORES, (TARGET * SCORES).sum(-1) / np.sqrt(
        (TARGET**2).sum(-1) * (SCORES**2).sum(-1))),
}


@pytest.mark.parametrize("name", PER_SAMPLE)
@pytest.mark.parametrize("weighted", [False, True])
def test_running_means(name, weighted):
    make, target, predicted, each = PER_SAMPLE[name]
    weights = WEIGHTS if weighted else None
    got = run(make(), target, predicted, weights)
    want = each.mean() if weights is None else (each * weights).sum() / weights.sum()
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_root_mean_squared_error():
    np.testing.assert_allclose(run(metrics.RootMeanSquaredError(), TARGET, SCORES),
                               np.sqrt(((TARGET - SCORES) ** 2).mean()), rtol=1e-5)


def test_mean_and_sum_of_values():
    for metric, want in ((metrics.Mean(), 3.5), (metrics.Sum(), 21.0)):
        x = K.placeholder((None,))
        result, updates = metric.step(x)
        function = K.function([x], [result], updates=updates)
        function([[1.0, 2.0, 3.0, 4.0]])
        assert function([[5.0, 6.0]])[0] == want
        metric.reset_states()
        assert K.eval(metric.result()) == 0  # nothing seen yet


def test_a_metric_of_ones_own():
    class Largest(metrics.Metric):
        def __init__(self, name="largest", **kwargs):
            super().__init__(name=name, **kwargs)
            self.seen = self.add_weight(name="seen", initializer="zeros")

        def update_state(self, y_true, y_pred, sample_weight=None):
            return [K.update(self.seen, K.maximum(self.seen, K.max(y_pred)))]

        def result(self):
            return self.seen

    np.testing.assert_allclose(run(Largest(), TARGET, SCORES), SCORES.max(), rtol=1e-6)


def test_calling_a_metric_collects_its_updates():
    metric = metrics.MeanSquaredError()
    t, p = K.placeholder((None, 5)), K.placeholder((None, 5))
    result = metric(t, p)
    function = K.function([t, p], [result], updates=metric.updates)
    np.testing.assert_allclose(function([TARGET, SCORES])[0], ((TARGET - SCORES) ** 2).mean(), rtol=1e-5)


def test_configurations():
    for make, *_ in PER_SAMPLE.values():
        metric = make()
        again = metrics.deserialize(metrics.serialize(metric))
        assert type(again) is type(metric) and again.get_config() == metric.get_config()
        copy = metrics.clone_metric(metric)
        assert copy is not metric and copy.weights[0] is not metric.weights[0]


def test_sparse_accuracy_of_sequences():
    scores = RNG.uniform(size=(3, 4, 5))
    numbers = RNG.integers(0, 5, size=(3, 4, 1))
    want = (scores.argmax(-1) == numbers[..., 0]).mean()
    np.testing.assert_allclose(run(metrics.SparseCategoricalAccuracy(), numbers.astype(float), scores, batch=2), want,
                               rtol=1e-6)


def test_names():
    assert metrics.get("mse") is metrics.mean_squared_error
    assert metrics.cosine_proximity is not metrics.losses.cosine_proximity
    with pytest.raises(ValueError, match="Unknown metric function: 'acuracy'.*accuracy"):
        metrics.get("acuracy")
    with pytest.raises(TypeError, match="unknown arguments"):
        metrics.MeanSquaredError(weight=3)


def test_counts_in_half_precision_go_on():
    K.set_floatx("float16")
    try:
        metric = metrics.CategoricalAccuracy()
        truth = np.eye(2)[np.arange(6000) % 2]
        got = run(metric, truth, np.eye(2)[np.zeros(6000, int)], batch=100)
    finally:
        K.set_floatx("float32")
    np.testing.assert_allclose(got, 0.5, rtol=1e-6)


def test_evaluating_a_call_makes_its_updates():
    metric = metrics.Mean()
    assert K.eval(metric(100)) == 100
    assert K.eval(metric([1.0, 5.0], sample_weight=[1.0, 0.2])) == pytest.approx(102 / 2.2)
    assert [K.eval(variable) for variable in metric.weights] == pytest.approx([102, 2.2])
    K.eval(metric.update_state([3.0]))
    assert K.eval(metric.result()) == pytest.approx(105 / 3.2)
