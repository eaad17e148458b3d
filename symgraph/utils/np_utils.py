"""NumPy helpers for labels and vectors."""

from __future__ import annotations

import numpy as np

from symgraph.legacy.accept import accept_functions

__all__ = ["normalize", "to_categorical"]


def to_categorical(y, num_classes: int | None = None, dtype: str = "float32") -> np.ndarray:
    """One-hot rows for integer class numbers.

    # Arguments
        y: integers from 0, of any shape; a last dimension of 1 is dropped.
        num_classes: number of classes; default: the largest label + 1.
        dtype: dtype of the result.

    # Returns
        Array of shape `y.shape + (num_classes,)`.

    # Raises
        ValueError: a label outside `0..num_classes-1`.
    """
    y = np.array(y, dtype="int64")
    shape = y.shape
    if len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    y = y.ravel()
    if num_classes is None:
        num_classes = int(y.max()) + 1 if y.size else 0
    if y.size and (y.min() < 0 or y.max() >= num_classes):
        raise ValueError(
            f"to_categorical: labels must lie in 0..{num_classes - 1} (num_classes={num_classes}), "
            f"got values from {y.min()} to {y.max()}."
        )
    table = np.zeros((y.size, num_classes), dtype=dtype)
    table[np.arange(y.size), y] = 1
    return table.reshape((*shape, num_classes))


def normalize(x, axis: int = -1, order: int = 2) -> np.ndarray:
    """`x` divided by its norm of the given order along `axis` (a zero norm counts as 1)."""
    norm = np.atleast_1d(np.linalg.norm(x, order, axis))
    norm[norm == 0] = 1
    return x / np.expand_dims(norm, axis)


accept_functions(globals())  # the arguments that Keras 1 named otherwise
