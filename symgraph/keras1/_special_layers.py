"""Layers of Keras 1 that compute something else than those of Keras 2 under the same name."""

from __future__ import annotations

from typing import Any

from symgraph import backend as K
from symgraph import layers as new_layers

__all__ = ["EXTRA"]


# ---------------------------------------------------------------------------------------------- BatchNormalization
def _axes(self: Any, x: Any) -> list[int]:
    rank = K.ndim(x)
    return [axis for axis in range(rank) if axis != self.axis % rank]


def _normalize(self: Any, x: Any, mask: Any = None) -> Any:
    """Mode 0: by feature, running values in testing; mode 1: by sample; mode 2: by feature, always by the batch."""
    mode = self._old["mode"] if self._old else 0
    if mode == 1:
        mean = K.mean(x, axis=self.axis, keepdims=True)
        deviation = K.sqrt(K.var(x, axis=self.axis, keepdims=True) + self.epsilon) + self.epsilon
        shape = [1] * K.ndim(x)
        shape[self.axis % K.ndim(x)] = K.int_shape(self.gamma)[0]
        return K.reshape(self.gamma, shape) * ((x - mean) / deviation) + K.reshape(self.beta, shape)
    axes = _axes(self, x)
    mean, variance = K.mean(x, axis=axes), K.var(x, axis=axes)
    trained = self._normalized(x, mean, variance)
    if mode == 2:
        return trained
    self.add_update([K.moving_average_update(self.moving_mean, mean, self.momentum),
                     K.moving_average_update(self.moving_variance, variance, self.momentum)], x)
    return K.in_train_phase(trained, lambda: self._normalized(x, self.moving_mean, self.moving_variance))


def _check_mode(self: Any, input_shape: Any) -> None:
    mode = self._old["mode"] if self._old else 0
    if mode not in {0, 1, 2}:
        raise ValueError(f"BatchNormalization: `mode` must be 0, 1 or 2, got {mode!r}.")
    new_layers.BatchNormalization.build(self, input_shape)


# ---------------------------------------------------------------------------------------------- Embedding
def _embed(self: Any, x: Any, mask: Any = None) -> Any:
    """Rows of the matrix; in training each word of the vocabulary is dropped as a whole with probability `dropout`."""
    if K.dtype(x) != "int32":
        x = K.cast(x, "int32")
    dropout = (self._old or {}).get("dropout", 0.0)
    matrix = self.embeddings
    if 0.0 < dropout < 1.0:
        kept = 1.0 - dropout
        words = K.random_binomial((self.input_dim,), p=kept) * (1.0 / kept)
        matrix = K.in_train_phase(matrix * K.expand_dims(words), matrix)
    return K.gather(matrix, x)


# ---------------------------------------------------------------------------------------------- TimeDistributedDense
EXTRA: dict[str, dict[str, Any]] = {
    "BatchNormalization": {"call": _normalize, "build": _check_mode},
    "Embedding": {"call": _embed, "W": property(lambda self: self.embeddings)},
}
