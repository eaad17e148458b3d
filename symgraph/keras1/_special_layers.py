"""Layers of Keras 1 that compute something else than those of Keras 2 under the same name."""

from __future__ import annotations

from typing import Any

from symgraph import backend as K

__all__ = ["EXTRA"]


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


def _flatten(self: Any, x: Any, mask: Any = None) -> Any:
    """The numbers of each sample in the order in which they lie, whatever the order of pictures is."""
    return K.batch_flatten(x)


def _wrapping(cls: Any, config: Any, custom_objects: Any = None) -> Any:
    """A wrapper of a configuration, around a layer of Keras 1."""
    from symgraph.keras1._models import layer_from_config

    config = dict(config)
    return cls(layer_from_config(config.pop("layer"), custom_objects), **config)


EXTRA: dict[str, dict[str, Any]] = {
    "Bidirectional": {"from_config": classmethod(_wrapping)},
    "TimeDistributed": {"from_config": classmethod(_wrapping)},
    "Embedding": {"call": _embed, "W": property(lambda self: self.embeddings)},
    "Flatten": {"call": _flatten},
}
