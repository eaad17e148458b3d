"""The arithmetic of windows that slide over axes, shared by convolution and pooling."""

from __future__ import annotations

from collections.abc import Sequence

from symgraph.graph.type import DimLike, Shape, maximum, require_size
from symgraph.ops.op import ShapeError

#: Elements added before and after each spatial axis.
Padding = tuple[tuple[DimLike, DimLike], ...]


def reach(size: DimLike, dilation: int) -> DimLike:
    """Return how many neighbouring elements a window of `size` elements, `dilation` apart, stretches over."""
    return (size - 1) * dilation + 1


def window_count(
    n: DimLike, size: DimLike, stride: int, padding: tuple[DimLike, DimLike], dilation: int = 1
) -> DimLike:
    """Return how many windows fit along an axis of n elements.

    Raises:
        ShapeError: not even one does.
    """
    room = n + padding[0] + padding[1] - reach(size, dilation)
    if isinstance(room, int) and room < 0:
        raise ShapeError(
            f"a window of {size} elements{f', {dilation} apart,' if dilation > 1 else ''} does not fit into {n} "
            f"elements with {padding[0]} + {padding[1]} of padding"
        )
    require_size(room)  # where only the call can tell, it is refused then
    return (room + stride) // stride


def window_counts(
    sizes: Sequence[DimLike],
    window: Sequence[DimLike],
    strides: Sequence[int],
    padding: Padding,
    dilation: Sequence[int] | None = None,
) -> Shape:
    """Return how many windows fit along each spatial axis (see `window_count`)."""
    dilation = dilation or (1,) * len(window)
    return tuple(map(window_count, sizes, window, strides, padding, dilation))


def same_padding(n: DimLike, size: DimLike, stride: int, dilation: int = 1) -> tuple[DimLike, DimLike]:
    """Return the padding with which ceil(n / stride) windows fit, as TensorFlow divides it: the odd element behind."""
    total = maximum(((n + stride - 1) // stride - 1) * stride + reach(size, dilation) - n, 0)
    if isinstance(total, int):
        total = max(total, 0)
    low = total // 2
    return low, total - low


def padding_for(
    mode: str, sizes: Sequence[DimLike], window: Sequence[DimLike], strides: Sequence[int], dilation: Sequence[int]
) -> Padding:
    """Return the padding of each spatial axis for the mode "valid", "same" or "causal"."""
    if mode == "valid":
        return ((0, 0),) * len(window)
    if mode == "causal":
        return tuple((reach(size, apart) - 1, 0) for size, apart in zip(window, dilation, strict=True))
    return tuple(map(same_padding, sizes, window, strides, dilation))
