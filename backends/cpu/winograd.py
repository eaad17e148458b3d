"""The transformations of Winograd's algorithm F(4x4, 3x3), as words of the kernel language.

=======================================  =============================================================================
word                                     meaning
=======================================  =============================================================================
``winograd_input(source, line, step,     6x6 inputs to 6x6 values for ``count`` channels that lie next to each other:
target, target_line, target_step,        element (i, j) is at source[i * line + j * step + channel], and so at the
count, top, left, bottom, right,         target. Only elements with top <= i < bottom and left <= j < right are read;
zeros)``                                 for the others ``zeros`` is, which holds ``count`` of them
``winograd_gradient(...)``               the same for 4x4 gradients of results to 6x6 values
``winograd_result(source, line, step,    6x6 products to 4x4 results, of which only those with i < bottom and j < right
target, target_line, target_step,        are written; the others go to ``spare``, with room for ``count``. ``flags`` is
count, bottom, right, spare, bias,       a sum of :data:`.microkernels.BIAS` (bias[channel] is added) and
flags)``                                 :data:`.microkernels.RELU` (negative results become 0, a NaN stays)
``winograd_kernel(source, line, step,    3x3 weights to 6x6 values
target, target_line, target_step,
count)``
``winograd_kernel_gradient(...)``        the same for 6x6 values to the gradients of 3x3 weights
=======================================  =============================================================================

All pointers are to float32, all other arguments int64.  The interpolation points are 0, ±1/√2, ±√2 and infinity.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgraph.backends.cpu.microkernels import BIAS, RELU
from symgraph.backends.cpu.vector import microkernel

__all__ = ["TRANSFORMATIONS"]

_A, _B = math.sqrt(0.5), math.sqrt(2.0)
Formula = Callable[[Any, Sequence[Any]], list[Any]]

# -------------------- one line of a tile


def of_input(m: Any, d: Sequence[Any]) -> list[Any]:
    """B^T d: six inputs to six values."""
    even, odd = m.multiply_add(d[2], -2.0, d[4]), m.multiply_add(d[1], -2.0, d[3])
    other_even, other_odd = m.multiply_add(d[2], -0.5, d[4]), m.multiply_add(d[1], -0.5, d[3])
    return [
        m.multiply_add(d[2], -2.5, d[0] + d[4]),
        m.multiply_add(odd, _A, even),
        m.multiply_add(odd, -_A, even),
        m.multiply_add(other_odd, _B, other_even),
        m.multiply_add(other_odd, -_B, other_even),
        m.multiply_add(d[3], -2.5, d[1] + d[5]),
    ]


def of_result(m: Any, p: Sequence[Any]) -> list[Any]:
    """A^T p: six products to four results."""
    sum1, dif1 = p[1] + p[2], p[1] - p[2]
    sum2, dif2 = p[3] + p[4], p[3] - p[4]
    return [
        p[0] + sum1 + sum2,
        m.multiply_add(dif2, _B, dif1 * _A),
        m.multiply_add(sum2, 2.0, sum1 * 0.5),
        m.multiply_add(dif2, 2 * _B, m.multiply_add(dif1, _A / 2, p[5])),
    ]


def of_gradient(m: Any, d: Sequence[Any]) -> list[Any]:
    """A d: four gradients of results to six values."""
    even, odd = m.multiply_add(d[2], 0.5, d[0]), m.multiply_add(d[3], 0.5, d[1])
    other_even, other_odd = m.multiply_add(d[2], 2.0, d[0]), m.multiply_add(d[3], 2.0, d[1])
    return [
        d[0],
        m.multiply_add(odd, _A, even),
        m.multiply_add(odd, -_A, even),
        m.multiply_add(other_odd, _B, other_even),
        m.multiply_add(other_odd, -_B, other_even),
        d[3],
    ]


def of_kernel(m: Any, g: Sequence[Any]) -> list[Any]:
    """G g: three weights to six values."""
    even, odd = m.multiply_add(g[2], -1 / 3, g[0] * (-2 / 3)), g[1] * (-2 / 3 * _A)
    other_even, other_odd = m.multiply_add(g[2], 1 / 3, g[0] * (1 / 6)), g[1] * (_B / 6)
    return [g[0], even + odd, even - odd, other_even + other_odd, other_even - other_odd, g[2]]


def of_kernel_gradient(m: Any, u: Sequence[Any]) -> list[Any]:
    """G^T u: six values to the gradients of three weights."""
    sum1, sum2 = u[1] + u[2], u[3] + u[4]
    return [
        m.multiply_add(sum2, 1 / 6, m.multiply_add(sum1, -2 / 3, u[0])),
        m.multiply_add(u[3] - u[4], _B / 6, (u[1] - u[2]) * (-2 / 3 * _A)),
        m.multiply_add(sum2 - sum1, 1 / 3, u[5]),
    ]


#: Word -> the formula of one line, the numbers in a line before and after.
TRANSFORMATIONS: dict[str, tuple[Formula, int, int]] = {
    "winograd_input": (of_input, 6, 6),
    "winograd_result": (of_result, 6, 4),
    "winograd_gradient": (of_gradient, 4, 6),
    "winograd_kernel": (of_kernel, 3, 6),
    "winograd_kernel_gradient": (of_kernel_gradient, 6, 3),
}

# -------------------- the words

_FLOATS, _NUMBER = "pointer_float32", "int64"
_PLACES = (_FLOATS, _NUMBER, _NUMBER, _FLOATS, _NUMBER, _NUMBER, _NUMBER)


def _transform(
    m: Any,
    name: str,
    sources: Sequence[Sequence[Any]],
    targets: Sequence[Sequence[Any]],
    count: Any,
    soon: Sequence[Sequence[Any]],
    finish: Callable[[Any, Any], Callable[[Any], Any]] = lambda first, limit: lambda value: value,
) -> None:
    """A vector of channels at a time: the columns of a tile, then its rows.

    Args:
        name: of the word.
        sources, targets: pointers to channel 0 of each element of the tile, before and after.
        count: of channels.
        soon: pointers to channel 0 of elements that the next tile will read or write; they are brought into the cache,
            which takes a tenth to a sixth from the time of images that do not lie there.
        finish: gives, for a channel and how many are left (None: enough), what is done to values before they are
            written.
    """
    formula, size, result = TRANSFORMATIONS[name]
    lanes = m.lanes("float32")

    def channels(first: Any, limit: Any) -> None:
        columns = [formula(m, [m.load(sources[i][j], first, limit) for i in range(size)]) for j in range(size)]
        for place in itertools.chain(*soon):
            m.fetch(place, first)
        finished = finish(first, limit)
        for i in range(result):
            for j, value in enumerate(formula(m, [column[i] for column in columns])):
                m.store(targets[i][j], first, finished(value), limit)

    whole = count // lanes
    rest = count - whole * lanes
    m.repeat(whole, lambda k: channels(k * lanes, None))
    m.either(rest > 0, lambda: channels(whole * lanes, rest), lambda: None)


def _elements(m: Any, pointer: Any, line: Any, step: Any, size: int) -> list[list[Any]]:
    """Pointers to the elements of a tile."""
    return [[m.shift(pointer, line * i + step * j) for j in range(size)] for i in range(size)]


def _next(m: Any, pointer: Any, line: Any, step: Any, size: int) -> list[list[Any]]:
    """Pointers to the elements of the tile to the right, which begins 4 further, that this one does not have."""
    return [line[size - 4 :] for line in _elements(m, m.shift(pointer, step * 4), line, step, size)]


def _chosen(m: Any, elements: list[list[Any]], rows: Sequence[Any], columns: Sequence[Any], other: Any) -> Any:
    """Pointers to elements whose row and column fulfil a condition, and another pointer in place of the rest."""
    return [
        [m.select(row & column, element, other) for column, element in zip(columns, line, strict=True)]
        for row, line in zip(rows, elements, strict=True)
    ]


def _transform_window(name: str) -> Callable[..., None]:
    """The formula of a word that reads a window, some of which may lie outside of the array."""
    size, result = TRANSFORMATIONS[name][1:]

    def transform(
        m: Any, source: Any, line: Any, step: Any, target: Any, target_line: Any, target_step: Any, count: Any,
        top: Any, left: Any, bottom: Any, right: Any, zeros: Any,
    ) -> None:  # fmt: skip
        rows = [(top <= k) & (bottom > k) for k in range(size)]
        columns = [(left <= k) & (right > k) for k in range(size)]
        sources = _chosen(m, _elements(m, source, line, step, size), rows, columns, zeros)
        targets = _elements(m, target, target_line, target_step, result)
        _transform(m, name, sources, targets, count, _next(m, source, line, step, size))

    return transform


for _name in ("winograd_input", "winograd_gradient"):
    microkernel(*_PLACES, *[_NUMBER] * 4, _FLOATS, name=_name)(_transform_window(_name))


@microkernel(*_PLACES, _NUMBER, _NUMBER, _FLOATS, _FLOATS, _NUMBER)
def winograd_result(
    m: Any, source: Any, line: Any, step: Any, target: Any, target_line: Any, target_step: Any, count: Any,
    bottom: Any, right: Any, spare: Any, bias: Any, flags: Any,
) -> None:  # fmt: skip
    """Biases and the least result allowed are chosen without branches, as the results wait in registers."""
    targets = _chosen(
        m,
        _elements(m, target, target_line, target_step, 4),
        [bottom > k for k in range(4)],
        [right > k for k in range(4)],
        spare,
    )
    zero = m.zero("float32")
    lowest = m.select((flags & RELU) != 0, zero, zero - np.inf)
    has_bias = (flags & BIAS) != 0

    def finish(first: Any, limit: Any) -> Callable[[Any], Any]:
        (added,) = m.either(has_bias, lambda: m.load(bias, first, limit), lambda: zero)

        def finished(value: Any) -> Any:
            total = value + added
            return m.select(total < lowest, lowest, total)

        return finished

    soon = _next(m, target, target_line, target_step, 4)
    _transform(m, "winograd_result", _elements(m, source, line, step, 6), targets, count, soon, finish)


def _transform_whole(name: str) -> Callable[..., None]:
    """The formula of a word that reads and writes whole tiles."""
    size, result = TRANSFORMATIONS[name][1:]

    def transform(
        m: Any, source: Any, line: Any, step: Any, target: Any, target_line: Any, target_step: Any, count: Any
    ) -> None:
        targets = _elements(m, target, target_line, target_step, result)
        _transform(m, name, _elements(m, source, line, step, size), targets, count, [])

    return transform


for _name in ("winograd_kernel", "winograd_kernel_gradient"):
    microkernel(*_PLACES, name=_name)(_transform_whole(_name))
