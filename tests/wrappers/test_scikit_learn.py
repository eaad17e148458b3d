"""Models as estimators of scikit-learn."""

import numpy as np
import pytest

from symgraph.layers import Dense
from symgraph.models import Sequential
from symgraph.wrappers.scikit_learn import KerasClassifier, KerasRegressor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype("float32")
LABELS = np.array(["cold", "warm", "hot"])[np.argmax(X[:, :3], axis=1)]


def classifier(units=8, metrics=("accuracy",)):
    model = Sequential([Dense(units, activation="tanh", input_shape=(4,)), Dense(3, activation="softmax")])
    model.compile("adam", "categorical_crossentropy", metrics=list(metrics))
    return model


def regressor(units=8):
    model = Sequential([Dense(units, activation="tanh", input_shape=(4,)), Dense(1)])
    model.compile("adam", "mse")
    return model


def test_a_classifier():
    estimator = KerasClassifier(classifier, units=16, epochs=60, batch_size=10, verbose=0)
    history = estimator.fit(X, LABELS)
    assert len(history.history["loss"]) == 60 and estimator.model.layers[0].units == 16
    predicted = estimator.predict(X)
    assert set(predicted) <= set(LABELS)
    chances = estimator.predict_proba(X)
    np.testing.assert_array_equal(estimator.classes_[chances.argmax(1)], predicted)
    assert estimator.score(X, LABELS) == pytest.approx(np.mean(predicted == LABELS))
    assert estimator.score(X, LABELS) > 0.6


def test_a_regressor():
    y = X @ np.array([1.0, -1.0, 0.5, 0.0])
    estimator = KerasRegressor(regressor, nb_epoch=3, verbose=0)
    assert len(estimator.fit(X, y).history["loss"]) == 3
    assert estimator.score(X, y) == pytest.approx(-np.mean((estimator.predict(X) - y) ** 2), rel=1e-4)


def test_parameters():
    estimator = KerasClassifier(classifier, units=3)
    assert estimator.get_params() == {"units": 3, "build_fn": classifier}
    assert estimator.set_params(units=5, epochs=2).sk_params == {"units": 5, "epochs": 2}
    with pytest.raises(ValueError, match="colour is not a legal parameter"):
        KerasClassifier(classifier, colour="red")


def test_a_score_needs_the_accuracy():
    estimator = KerasClassifier(classifier, metrics=(), epochs=1, verbose=0)
    estimator.fit(X, LABELS)
    with pytest.raises(ValueError, match="not configured to compute accuracy"):
        estimator.score(X, LABELS)


def test_search_validation_and_pipelines():
    base = pytest.importorskip("sklearn.base")
    from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    estimator = KerasClassifier(classifier, epochs=1, batch_size=30, verbose=0, callbacks=[])
    assert base.is_classifier(estimator) and base.is_regressor(KerasRegressor(regressor))
    search = GridSearchCV(estimator, {"units": [2, 3]}, cv=2)
    assert search.fit(X, LABELS).best_params_["units"] in {2, 3}
    steps = Pipeline([("scale", StandardScaler()), ("net", KerasRegressor(regressor, epochs=1, verbose=0))])
    assert cross_val_score(steps, X, X[:, 0], cv=KFold(2)).shape == (2,)
    assert steps.fit(X, X[:, 0]).predict(X).shape == (60,)


def test_a_class_that_builds_itself():
    class Mine(KerasRegressor):
        def __call__(self, units=2):
            return regressor(units)

    estimator = Mine(units=3, epochs=1, verbose=0)
    estimator.fit(X, X[:, 0])
    assert estimator.model.layers[0].units == 3
