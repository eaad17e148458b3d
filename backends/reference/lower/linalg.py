"""Matrix products in NumPy."""

from __future__ import annotations

import numpy as np

from symgraph.backends.reference.table import register


@register("matmul")
def matmul(attrs, x, y):
    x = np.swapaxes(x, -1, -2) if attrs["transpose_x"] else x
    y = np.swapaxes(y, -1, -2) if attrs["transpose_y"] else y
    if x.dtype.itemsize == 2:
        return np.matmul(x.astype(np.float32), y.astype(np.float32)).astype(x.dtype)
    return np.matmul(x, y)
