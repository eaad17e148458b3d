"""Models as estimators of scikit-learn: `KerasClassifier` and `KerasRegressor` fit, predict, score, are searched over.

scikit-learn itself is imported only where it asks an estimator what it is.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from symgraph import losses
from symgraph.models import Sequential
from symgraph.utils.generic_utils import has_arg
from symgraph.utils.np_utils import to_categorical

__all__ = ["BaseWrapper", "KerasClassifier", "KerasRegressor"]

#: Methods of a model whose arguments a wrapper takes among its own; `nb_epoch` is Keras 1's name of `epochs`.
_METHODS = ("fit", "predict", "predict_classes", "evaluate")


class BaseWrapper:
    """Base of the two estimators.

    # Arguments
        build_fn: a function (or an object with `__call__`) that gives a compiled model; without, a subclass has one as
            its `__call__`.
        **sk_params: arguments of `build_fn`, and of `fit`, `predict` and `score`.
    """

    def __init__(self, build_fn=None, **sk_params):
        self.build_fn = build_fn
        self.sk_params = sk_params
        self.check_params(sk_params)

    #: What scikit-learn's mixin for this kind of estimator is called, and the kind.
    _mixin = ""
    _estimator_type: str | None = None

    def __sklearn_tags__(self) -> Any:
        """What kind of estimator this is, as scikit-learn 1.6 and later ask."""
        from sklearn import base

        mixin = (getattr(base, self._mixin),) if self._mixin else ()
        return type("Estimator", (*mixin, base.BaseEstimator), {})().__sklearn_tags__()

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model")

    def _builder(self) -> Any:
        return self.__call__ if self.build_fn is None else self.build_fn  # type: ignore[operator]

    def check_params(self, params):
        """Check that each parameter is one of `build_fn`, `fit`, `predict`, `predict_classes` or `evaluate`.

        # Raises
            ValueError: a parameter that none of them takes.
        """
        takers = [getattr(Sequential, method) for method in _METHODS] + [self._builder()]
        for name in params:
            if name != "nb_epoch" and not any(has_arg(taker, name) for taker in takers):
                raise ValueError(f"{name} is not a legal parameter: neither `build_fn` nor {', '.join(_METHODS)} of "
                                 "a model "
                                 "take it.")

    def get_params(self, **params):
        """The parameters, as scikit-learn asks for them."""
        # The values themselves: a copy of an estimator is checked to have been given the same ones.
        return {**self.sk_params, "build_fn": self.build_fn}

    def set_params(self, **params):
        """Set parameters."""
        self.check_params({key: value for key, value in params.items() if key != "build_fn"})
        if "build_fn" in params:
            self.build_fn = params.pop("build_fn")
        self.sk_params.update(params)
        return self

    def filter_sk_params(self, fn, override=None):
        """The parameters that a function takes, and those of `override`."""
        taken = {name: value for name, value in self.sk_params.items()
                 if has_arg(fn, name) or (name == "nb_epoch" and fn.__name__ == "fit")}
        return {**taken, **(override or {})}

    def fit(self, x, y, **kwargs):
        """Build a model and train it.

        # Arguments
            x, y: arrays of samples and targets.
            **kwargs: arguments of the model's `fit`.

        # Returns
            The history of the training.
        """
        builder = self._builder()
        self.model = builder(**self.filter_sk_params(builder if inspect.isroutine(builder) else builder.__call__))
        loss = self.model.loss
        name = getattr(loss, "__name__", loss)
        if losses.is_categorical_crossentropy(loss) or name == "categorical_crossentropy":
            if len(np.shape(y)) != 2:
                y = to_categorical(y)
        return self.model.fit(x, y, **self.filter_sk_params(Sequential.fit, kwargs))

    def _evaluate(self, x: Any, y: Any, kwargs: dict) -> list:
        results = self.model.evaluate(x, y, **self.filter_sk_params(Sequential.evaluate, kwargs))
        return list(results) if isinstance(results, (list, tuple)) else [results]


class KerasClassifier(BaseWrapper):
    """A classifier of scikit-learn; `score` is the accuracy, which the model must be compiled with."""

    _mixin = "ClassifierMixin"
    _estimator_type = "classifier"

    def fit(self, x, y, sample_weight=None, **kwargs):
        """Build a model and train it; `y` holds classes of any kind, or one-hot rows.

        # Raises
            ValueError: `y` of another shape.
        """
        y = np.array(y)
        if y.ndim == 2 and y.shape[1] > 1:
            self.classes_ = np.arange(y.shape[1])
        elif y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1):
            self.classes_ = np.unique(y)
            y = np.searchsorted(self.classes_, y)
        else:
            raise ValueError(f"Invalid shape for y: {y.shape}")
        self.n_classes_ = len(self.classes_)
        if sample_weight is not None:
            kwargs["sample_weight"] = sample_weight
        return super().fit(x, y, **kwargs)

    def predict(self, x, **kwargs):
        """The class of each sample."""
        given = self.filter_sk_params(Sequential.predict_classes, kwargs)
        classes = np.ravel(self.model.predict_classes(x, **given)) if hasattr(self.model, "predict_classes") else (
            self.model.predict(x, **given).argmax(axis=-1))
        return self.classes_[classes]

    def predict_proba(self, x, **kwargs):
        """The probabilities of the classes, (samples, classes)."""
        probabilities = self.model.predict(x, **self.filter_sk_params(Sequential.predict, kwargs))
        if probabilities.shape[1] == 1:
            probabilities = np.hstack([1 - probabilities, probabilities])
        return probabilities

    def score(self, x, y, **kwargs):
        """The accuracy.

        # Raises
            ValueError: the model was compiled without it.
        """
        y = np.searchsorted(self.classes_, y)
        if losses.is_categorical_crossentropy(self.model.loss) and np.ndim(y) != 2:
            y = to_categorical(y, self.n_classes_)
        for name, value in zip(self.model.metrics_names, self._evaluate(x, y, kwargs)):
            if name in {"acc", "accuracy"}:
                return value
        raise ValueError("The model is not configured to compute accuracy. You should pass `metrics=['accuracy']` "
                         "to the "
                         "`model.compile()` method.")


class KerasRegressor(BaseWrapper):
    """A regressor of scikit-learn; `score` is minus the loss, so that more is better."""

    _mixin = "RegressorMixin"
    _estimator_type = "regressor"

    def predict(self, x, **kwargs):
        """The prediction of each sample."""
        return np.squeeze(self.model.predict(x, **self.filter_sk_params(Sequential.predict, kwargs)), axis=-1)

    def score(self, x, y, **kwargs):
        """Minus the loss."""
        return -self._evaluate(x, y, kwargs)[0]
