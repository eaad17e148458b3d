"""How Keras 1 took the mean of a loss over masked or weighted samples."""

from __future__ import annotations

from typing import Any

from symgraph import backend as K
from symgraph.engine.objective import Objective
from symgraph.losses import Loss
from symgraph.utils.losses_utils import align_weights

__all__ = ["MaskedMeans"]


class MaskedMeans(Objective):
    """The objective of a model that Keras 1 compiled: masked steps and samples of weight 0 do not count in the mean."""

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
