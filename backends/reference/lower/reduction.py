"""Reductions in NumPy."""

from __future__ import annotations

import numpy as np

from symgraph.backends.reference.table import REDUCTIONS, register


def _with_identity(function, of_floats, of_integers):
    """A reduction that gives its identity where there is nothing to reduce."""

    def reduce(x: np.ndarray, axes: tuple[int, ...], keepdims: bool) -> np.ndarray:
        initial = of_floats if x.dtype.kind not in "iu" else of_integers(np.iinfo(x.dtype))
        if all(x.shape[axis] for axis in axes):
            return function(x, axis=axes, keepdims=keepdims)
        return np.full(_reduced(x.shape, axes, keepdims), initial, x.dtype)

    return reduce


def _reduced(shape, axes, keepdims):
    if keepdims:
        return tuple(1 if axis in axes else n for axis, n in enumerate(shape))
    return tuple(n for axis, n in enumerate(shape) if axis not in axes)


def _accumulated(function):
    """Sums and products in the type of the input; half floats are accumulated in float32."""

    def reduce(x: np.ndarray, axes: tuple[int, ...], keepdims: bool) -> np.ndarray:
        wide = np.float32 if x.dtype.itemsize == 2 and x.dtype.kind not in "iu" else x.dtype
        return function(x, axis=axes, keepdims=keepdims, dtype=wide).astype(x.dtype)

    return reduce


REDUCTIONS["sum"] = _accumulated(np.sum)
REDUCTIONS["prod"] = _accumulated(np.prod)
REDUCTIONS["max"] = _with_identity(np.max, -np.inf, lambda info: info.min)
REDUCTIONS["min"] = _with_identity(np.min, np.inf, lambda info: info.max)
REDUCTIONS["any"] = lambda x, axes, keepdims: np.any(x, axis=axes, keepdims=keepdims)
REDUCTIONS["all"] = lambda x, axes, keepdims: np.all(x, axis=axes, keepdims=keepdims)


@register("argmax")
def argmax(attrs, x):
    return np.argmax(x, axis=attrs["axis"])


@register("argmin")
def argmin(attrs, x):
    return np.argmin(x, axis=attrs["axis"])
