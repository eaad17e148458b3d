"""`InputSpec`: what a layer expects of an input."""

from __future__ import annotations

__all__ = ["InputSpec"]


class InputSpec:
    """What a layer expects of one input.

    # Arguments
        dtype: expected dtype.
        shape: expected shape, None for a free dimension.
        ndim, max_ndim, min_ndim: expected number of dimensions.
        axes: dictionary from an axis to its expected size.
    """

    def __init__(self, dtype: str | None = None, shape: tuple | None = None, ndim: int | None = None,
                 max_ndim: int | None = None, min_ndim: int | None = None, axes: dict | None = None):
        self.dtype = dtype
        self.shape = None if shape is None else tuple(shape)
        self.ndim = len(self.shape) if self.shape is not None else ndim
        self.max_ndim = max_ndim
        self.min_ndim = min_ndim
        self.axes = axes or {}

    def __repr__(self) -> str:
        names = ("dtype", "shape", "ndim", "max_ndim", "min_ndim", "axes")
        parts = [f"{name}={getattr(self, name)}" for name in names if getattr(self, name)]
        return f"InputSpec({', '.join(parts)})"

    def problem(self, shape: tuple, dtype: str) -> str | None:
        """What is wrong with an input of this shape and dtype, or None."""
        rank = len(shape)
        if self.ndim is not None and rank != self.ndim:
            return f"expected ndim={self.ndim}, found ndim={rank}"
        if self.max_ndim is not None and rank > self.max_ndim:
            return f"expected max_ndim={self.max_ndim}, found ndim={rank}"
        if self.min_ndim is not None and rank < self.min_ndim:
            return f"expected min_ndim={self.min_ndim}, found ndim={rank}"
        if self.dtype is not None and dtype != self.dtype:
            return f"expected dtype={self.dtype}, found dtype={dtype}"
        for axis, size in self.axes.items():
            if size is not None and shape[int(axis)] not in {size, None}:
                return f"expected axis {axis} of the input shape to have value {size}, found shape {shape}"
        for wanted, found in zip(self.shape or (), shape):
            if wanted is not None and found is not None and wanted != found:
                return f"expected shape={self.shape}, found shape={shape}"
        return None
