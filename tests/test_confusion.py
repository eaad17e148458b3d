"""Precision, recall, areas under curves, intersection over union - against NumPy and scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics as reference

from symgraph import backend as K
from symgraph import confusion, metrics

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 2, size=(40, 1)).astype(float)
SCORES = np.clip(LABELS * 0.3 + RNG.uniform(size=(40, 1)) * 0.7, 0, 1)
WEIGHTS = RNG.uniform(size=40)


def run(metric, target, predicted, weights=None, batch=15):
    t, p = (K.placeholder((None, *array.shape[1:])) for array in (target, predicted))
    w = K.placeholder((None,))
    result, updates = metric.step(t, p, sample_weight=None if weights is None else w)
    function = K.function([t, p] if weights is None else [t, p, w], [result], updates=updates)
    arrays = [target, predicted] if weights is None else [target, predicted, weights]
    for start in range(0, len(target), batch):
        value = function([array[start:start + batch] for array in arrays])[0]
    return value


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8])
def test_counts_precision_recall(threshold, weights):
    decided = (threshold < SCORES).ravel()
    truth = LABELS.ravel()
    w = np.ones(40) if weights is None else weights
    want = {
        "TruePositives": w[decided & (truth == 1)].sum(), "FalsePositives": w[decided & (truth == 0)].sum(),
        "TrueNegatives": w[~decided & (truth == 0)].sum(), "FalseNegatives": w[~decided & (truth == 1)].sum(),
        "Precision": reference.precision_score(truth, decided, sample_weight=weights),
        "Recall": reference.recall_score(truth, decided, sample_weight=weights),
    }
    for name, value in want.items():
        got = run(getattr(metrics, name)(thresholds=threshold), LABELS, SCORES, weights)
        np.testing.assert_allclose(got, value, rtol=1e-5, err_msg=name)


def test_several_thresholds():
    limits = [0.2, 0.5, 0.9]
    got = run(metrics.Recall(thresholds=limits), LABELS, SCORES)
    want = [reference.recall_score(LABELS.ravel(), SCORES.ravel() > limit) for limit in limits]
    np.testing.assert_allclose(got, want, rtol=1e-5)
    with pytest.raises(ValueError, match=r"in \[0, 1\]. Invalid values: \[1.5\]"):
        metrics.Precision(thresholds=[0.5, 1.5])


def test_no_decision_is_zero():
    assert run(metrics.Precision(thresholds=1.0), LABELS, SCORES) == 0


def test_top_k_and_one_class():
    truth = np.eye(4)[RNG.integers(0, 4, size=30)]
    scores = RNG.uniform(size=(30, 4))
    best = np.argsort(-scores, axis=-1)[:, :2]
    taken = np.zeros((30, 4), bool)
    np.put_along_axis(taken, best, True, axis=-1)
    np.testing.assert_allclose(run(metrics.Precision(top_k=2), truth, scores), truth[taken].mean(), rtol=1e-5)
    np.testing.assert_allclose(run(metrics.Recall(top_k=2, class_id=1), truth, scores),
                               taken[truth[:, 1] == 1, 1].mean(), rtol=1e-5)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_area_under_roc(weights):
    got = run(metrics.AUC(num_thresholds=2000), LABELS, SCORES, weights)
    want = reference.roc_auc_score(LABELS.ravel(), SCORES.ravel(), sample_weight=weights)
    np.testing.assert_allclose(got, want, atol=2e-3)


@pytest.mark.parametrize("curve", ["ROC", "PR"])
@pytest.mark.parametrize("method", ["minoring", "interpolation", "majoring"])
def test_areas_by_hand(curve, method):
    limits = np.concatenate([[-1e-7], np.arange(1, 9) / 9, [1 + 1e-7]])
    decided = SCORES.ravel()[None] > limits[:, None]
    truth = LABELS.ravel()[None] == 1
    tp, fp = (decided & truth).sum(1), (decided & ~truth).sum(1)
    recall = tp / truth.sum()
    if curve == "ROC":
        x, y = fp / (~truth).sum(), recall
    else:
        x, y = recall, tp / np.maximum(tp + fp, 1)
    heights = {"minoring": np.minimum(y[:-1], y[1:]), "majoring": np.maximum(y[:-1], y[1:]),
               "interpolation": (y[:-1] + y[1:]) / 2}[method]
    want = ((x[:-1] - x[1:]) * heights).sum()
    got = run(metrics.AUC(10, curve, method), LABELS, SCORES)
    if (curve, method) == ("PR", "interpolation"):
        want = 0.0  # true positives linear in the number of decisions, integrated numerically
        decisions, steps = tp + fp, np.linspace(1e-9, 1, 4001)
        for k in range(9):
            found = tp[k + 1] + steps * (tp[k] - tp[k + 1])
            among = decisions[k + 1] + steps * (decisions[k] - decisions[k + 1])
            if among[-1]:
                precision = (found[1:] + found[:-1]) / (among[1:] + among[:-1])
                want += (precision * np.diff(found)).sum() / truth.sum()
        np.testing.assert_allclose(got, want, rtol=1e-4)
    else:
        np.testing.assert_allclose(got, want, rtol=1e-4)


def test_sensitivity_and_specificity():
    limits = np.array([0.0, *(np.arange(1, 49) / 49), 1.0])
    decided = SCORES.ravel()[None] > limits[:, None]
    truth = LABELS.ravel()[None] == 1
    sensitivity = (decided & truth).sum(1) / truth.sum()
    specificity = (~decided & ~truth).sum(1) / (~truth).sum()
    got = run(metrics.SensitivityAtSpecificity(0.7, num_thresholds=50), LABELS, SCORES)
    np.testing.assert_allclose(got, sensitivity[np.abs(specificity - 0.7).argmin()], rtol=1e-5)
    got = run(metrics.SpecificityAtSensitivity(0.7, num_thresholds=50), LABELS, SCORES)
    np.testing.assert_allclose(got, specificity[np.abs(sensitivity - 0.7).argmin()], rtol=1e-5)
    with pytest.raises(ValueError, match="`specificity` must be in the range"):
        metrics.SensitivityAtSpecificity(1.2)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_mean_intersection_over_union(weights):
    truth, predicted = RNG.integers(0, 3, size=(2, 40))
    matrix = reference.confusion_matrix(truth, predicted, sample_weight=weights)
    diagonal = np.diag(matrix)
    want = (diagonal / (matrix.sum(0) + matrix.sum(1) - diagonal)).mean()
    got = run(metrics.MeanIoU(4), truth.astype(float), predicted.astype(float), weights)  # one class never occurs
    np.testing.assert_allclose(got, want, rtol=1e-5)


@pytest.mark.parametrize("make", [
    lambda: metrics.AUC(50, "PR", "majoring", name="area"), lambda: metrics.AUC(thresholds=[0.2, 0.7]),
    lambda: metrics.Precision([0.2, 0.4], top_k=3, class_id=1), lambda: metrics.Recall(),
    lambda: metrics.SensitivityAtSpecificity(0.5), lambda: metrics.MeanIoU(3), lambda: metrics.TruePositives(0.3),
])
def test_configurations(make):
    metric = make()
    again = metrics.deserialize(metrics.serialize(metric))
    assert type(again) is type(metric) and again.get_config() == metric.get_config()
    assert type(metric) in vars(confusion).values()


class BalancedAtSensitivity(metrics.SensitivitySpecificityBase):
    """The mean of both rates where the sensitivity is closest to a value."""

    def result(self):
        sensitivity = self.true_positives / (self.true_positives + self.false_negatives)
        specificity = self.true_negatives / (self.true_negatives + self.false_positives)
        return self._at_closest(sensitivity, (sensitivity + specificity) / 2.0)


def test_a_rate_of_ones_own():
    got = run(BalancedAtSensitivity(0.7, num_thresholds=50), LABELS, SCORES)
    limits = np.linspace(0, 1, 50)
    decided = SCORES.ravel()[None] > limits[:, None]
    positive = LABELS.ravel() == 1
    found = decided[:, positive].mean(1)
    right = (~decided[:, ~positive]).mean(1)
    at = np.argmin(np.abs(found - 0.7))
    np.testing.assert_allclose(got, (found[at] + right[at]) / 2, rtol=1e-5)
    with pytest.raises(ValueError, match=r"`value` must be in the range \[0, 1\]"):
        BalancedAtSensitivity(1.5)


class Accuracies(metrics.BaseMeanIoU):
    """The mean over the classes of how many of a class are found."""

    def result(self):
        return K.mean(K.sum(self.total_cm * K.eye(self.num_classes), axis=1) / K.sum(self.total_cm, axis=1))


def test_a_metric_of_ones_own_from_the_confusion_matrix():
    truth, found = RNG.integers(0, 3, size=60).astype(float), RNG.integers(0, 3, size=60).astype(float)
    np.testing.assert_allclose(run(Accuracies(3), truth, found), reference.balanced_accuracy_score(truth, found),
                               rtol=1e-5)
    assert Accuracies.from_config(Accuracies(3).get_config()).num_classes == 3


def test_counts_of_keras_1_by_name():
    truth, scores = K.constant(LABELS), K.constant(SCORES)
    decided = SCORES.ravel() > 0.5
    for name, function in (("precision", reference.precision_score), ("recall", reference.recall_score),
                           ("fmeasure", reference.f1_score), ("matthews_correlation", reference.matthews_corrcoef)):
        assert getattr(metrics, name) is metrics.get(name)
        np.testing.assert_allclose(K.eval(metrics.get(name)(truth, scores)), function(LABELS.ravel(), decided),
                                   rtol=1e-4)
