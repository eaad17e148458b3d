"""Running sums in NumPy."""

from __future__ import annotations

import numpy as np

from symgraph.backends.reference.table import register


@register("cumsum")
def cumsum(attrs, x):
    axis = attrs["axis"]
    wide = x.astype(np.float32) if x.dtype.itemsize == 2 and x.dtype.kind not in "iu" else x
    source = np.flip(wide, axis) if attrs["reverse"] else wide
    total = np.cumsum(source, axis=axis, dtype=wide.dtype)
    return (np.flip(total, axis) if attrs["reverse"] else total).astype(x.dtype)
