"""How Keras 1 took the mean of a loss over masked or weighted samples, and of metrics over batches."""

from __future__ import annotations

from typing import Any

from symgraph import backend as K
from symgraph import metrics
from symgraph.engine.objective import Objective
from symgraph.losses import Loss
from symgraph.utils.losses_utils import align_weights

__all__ = ["BatchMean", "MaskedMeans"]


class BatchMean(metrics.MeanMetricWrapper):
    """The mean of a metric function over all samples, also where the function gives one number for a batch.

    A number counts as often as its batch has samples; masks and weights of the samples do not change it.
    """

    def update_state(self, y_true, y_pred, sample_weight=None):  # type: ignore[override]
        values = self._fn(y_true, y_pred, **self._fn_kwargs)
        if K.ndim(values) == 0:
            sample_weight = K.cast(K.shape(y_pred)[0], self.dtype)
        return metrics.Mean.update_state(self, values, sample_weight)


class MaskedMeans(Objective):
    """The objective of a Keras-1 model: masked steps and samples of weight 0 do not count in the mean of the loss."""

    def _metric_of_function(self, function: Any, name: str) -> Any:
        return BatchMean(function, name=name)

    def _loss_of(self, output: Any, weights: Any) -> Any:
        loss = output.loss
        function = loss.call if isinstance(loss, Loss) else loss
        values = function(output.target, output.output)
        if output.mask is not None and K.ndim(values) > 1:
            mask = K.cast(output.mask, K.dtype(values))
            values = values * align_weights(values, mask) / K.mean(mask)
        if weights is not None:
            while K.ndim(values) > K.ndim(weights):
                values = K.mean(values, axis=-1)
            used = K.mean(K.cast(K.not_equal(weights, 0.0), K.dtype(values)))
            values = values * weights / used
        return K.mean(values) if K.ndim(values) else values
