"""The inner loops of convolutions: words of the kernel language that are written for the registers of the processor.

====================================  ================================================================================
word                                  meaning
====================================  ================================================================================
``multiply_windows(rows, width,       for every row r and column e: c[r, e] = sum over (i2, i1, i0) of
a, a_row, b, b_panel, c, c_row,       a[r * a_row + i2 * a2 + i1 * a1 + i0 * a0] times
n0, a0, b0, n1, a1, b1, n2, a2, b2,   b[e // panel * b_panel + i2 * b2 + i1 * b1 + i0 * b0 + e % panel], where panel is
bias, flags)``                        :func:`panel_width`; c[r, e] lies at c[r * c_row + e]
``winograd_input(source, line, step,  the transformations of Winograd's algorithm F(4x4, 3x3) for `count` channels that
target, target_line, target_step,     lie next to each other: element (i, j) of a tile is at source[i * line + j * step
count, bias, flags)``                 + channel], and so at the target
``copy_lines(x, at0, at1, at2, n0,    target[t, i, j, :] = x[at0 + t * d0, at1 + i, at2 + j, :] for k0 * lines * columns
n1, n2, k0, d0, lines, columns,       places of an image x of (n0, n1, n2, channels) numbers; zeros for places outside
channels, target)``
``copy_numbers(source, target,        target[k] = source[k]
count)``
====================================  ================================================================================

and ``winograd_result``, ``winograd_gradient``, ``winograd_kernel``, ``winograd_kernel_gradient`` like the second.  All
pointers are to float32, all other arguments int64.  ``flags`` is a sum of :data:`ADD` (to what the target holds; only
``multiply_windows``), :data:`BIAS` (add bias[e]; ``multiply_windows`` and ``winograd_result``) and :data:`RELU`
(negative results become 0, a NaN stays).

Here stands what the words mean, which is also how checked mode runs them; native_microkernels.py writes their machine
code.  The formulas of the transformations serve both.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from symgraph.backends.cpu import vector

__all__ = [
    "ADD", "ARGUMENTS", "BIAS", "RELU", "TRANSFORMATIONS", "Registers", "checked_functions", "panel_width",
    "registers", "registers_of", "strip_rows",
]  # fmt: skip

ADD, BIAS, RELU = 1, 2, 4


def panel_width() -> int:
    """Return how many columns `multiply_windows` computes at a time: kernels are packed in panels of so many."""
    return 2 * vector.host().lanes("float32")


def strip_rows(target: vector.Target) -> int:
    """Return how many rows of two vectors of sums, with the factors, fit in the registers."""
    return 12 if target.registers >= 32 else 6


_FLOATS = "pointer_float32"


@vector.microkernel(
    "int64", "int64", _FLOATS, "int64", _FLOATS, "int64", _FLOATS, "int64", *["int64"] * 9, _FLOATS, "int64",
    shared=True,
)  # fmt: skip
def multiply_windows(
    m: Any, rows: Any, width: Any, a: Any, a_row: Any, b: Any, b_panel: Any, c: Any, c_row: Any,
    n0: Any, a0: Any, b0: Any, n1: Any, a1: Any, b1: Any, n2: Any, a2: Any, b2: Any, bias: Any, flags: Any,
) -> None:  # fmt: skip
    """Panels of columns; in each, strips of rows whose sums stay in registers over the whole depth.

    What is left of the rows is shared evenly among the strips. Of the last panel, vectors that are not whole are read
    and written through a mask.
    """
    lanes, most = m.lanes("float32"), strip_rows(m.target)
    strips = (rows + (most - 1)) // most
    fewest = rows // m.greater(strips, 1)
    longer = rows - fewest * strips

    def panel(number: Any) -> None:
        first = number * (2 * lanes)
        wide = width - first
        right, target, added = m.shift(b, number * b_panel), m.shift(c, first), m.shift(bias, first)

        def all_rows(*limits: Any) -> None:
            def strip(k: Any) -> None:
                start = k * fewest + m.smaller(k, longer)
                left, here = m.shift(a, start * a_row), m.shift(target, start * c_row)
                depth = (n0, a0, b0), (n1, a1, b1), (n2, a2, b2)
                count = fewest + m.select(k < longer, 1, m.integer(0))
                both = left, a_row, right, here, c_row
                m.among(count, 1, most, lambda n: _strip(m, n, limits, *both, depth, added, flags))

            m.repeat(strips, strip)

        m.either(
            wide >= 2 * lanes,
            lambda: all_rows(None, None),
            lambda: m.either(wide > lanes, lambda: all_rows(None, wide - lanes), lambda: all_rows(wide)),
        )

    m.repeat((width + (2 * lanes - 1)) // (2 * lanes), panel)


def _strip(
    m: Any, count: int, limits: tuple[Any, ...], a: Any, a_row: Any, b: Any, c: Any, c_row: Any,
    depth: tuple[tuple[Any, Any, Any], ...], bias: Any, flags: Any,
) -> None:  # fmt: skip
    """`multiply_windows` for `count` rows and a vector of columns for each limit: None, or how many lanes there are."""
    lanes, vectors = m.lanes("float32"), len(limits)
    (n0, a0, b0), (n1, a1, b1), (n2, a2, b2) = depth
    # Three rows are addressed from one moving pointer: at 0, 1 and 2 times the length of a row.
    heads = [m.shift(a, a_row * k) for k in range(0, count, 3)]

    def element(_k: Any, right: Any, *state: Any) -> tuple[Any, ...]:
        moving, totals = state[: len(heads)], state[len(heads) :]
        factors = [m.load(right, lanes * v, limit) for v, limit in enumerate(limits)]
        new = []
        for k in range(count):
            number = m.repeated(moving[k // 3], a_row * (k % 3))
            new += [m.multiply_add(number, factor, totals[k * vectors + v]) for v, factor in enumerate(factors)]
        return m.shift(right, b0), *(m.shift(head, a0) for head in moving), *new

    def line(k2: Any) -> Any:
        def of_line(k1: Any, *totals: Any) -> tuple[Any, ...]:
            by = k2 * a2 + k1 * a1
            moving = [m.shift(head, by) for head in heads]
            return m.repeat(n0, element, m.shift(b, k2 * b2 + k1 * b1), *moving, *totals)[1 + len(heads) :]

        return of_line

    zeros = [m.zero("float32")] * (count * vectors)
    totals = m.repeat(n2, lambda k2, *totals: m.repeat(n1, line(k2), *totals), *zeros)
    places = [(c_row * k + lanes * v, v, limits[v]) for k in range(count) for v in range(vectors)]

    def add_target(totals: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(total + m.load(c, at, limit) for total, (at, _v, limit) in zip(totals, places, strict=True))

    def add_bias(totals: tuple[Any, ...]) -> tuple[Any, ...]:
        biases = [m.load(bias, lanes * v, limit) for v, limit in enumerate(limits)]
        return tuple(total + biases[v] for total, (_at, v, _limit) in zip(totals, places, strict=True))

    def without_negatives(totals: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(m.relu(total) for total in totals)

    def changed() -> tuple[Any, ...]:
        values = totals
        for flag, change in ((ADD, add_target), (BIAS, add_bias), (RELU, without_negatives)):
            values = m.either((flags & flag) != 0, functools.partial(change, values), lambda same=values: same)
        return values

    totals = m.either(flags != 0, changed, lambda: totals)
    for total, (at, _v, limit) in zip(totals, places, strict=True):
        m.store(c, at, total, limit)


@vector.microkernel(_FLOATS, *["int64"] * 11, _FLOATS)
def copy_lines(
    m: Any, x: Any, at0: Any, at1: Any, at2: Any, n0: Any, n1: Any, n2: Any, k0: Any, d0: Any, lines: Any,
    columns: Any, channels: Any, target: Any,
) -> None:  # fmt: skip
    """Line by line: zeros, then what lies in the array, then zeros."""
    before = m.smaller(m.greater(-at2, 0), columns)
    after = m.greater(m.smaller(n2 - at2, columns), before)

    def plane(t: Any) -> None:
        def line(i: Any) -> None:
            j0, j1 = at0 + t * d0, at1 + i
            inside = (j0 >= 0) & (j0 < n0) & (j1 >= 0) & (j1 < n1)
            low, high = (m.select(inside, end, m.integer(0)) * channels for end in (before, after))
            here = m.shift(target, (t * lines + i) * columns * channels)
            place = ((j0 * n1 + j1) * n2 + at2) * channels
            m.clear(here, low)
            m.copy(m.shift(x, place + low), m.shift(here, low), high - low)
            m.clear(m.shift(here, high), columns * channels - high)

        m.repeat(lines, line)

    m.repeat(k0, plane)


@vector.microkernel(_FLOATS, _FLOATS, "int64")
def copy_numbers(m: Any, source: Any, target: Any, count: Any) -> None:
    """By the system's own function."""
    m.copy(source, target, count)


class Registers(NamedTuple):
    """How a processor's vector registers are used.

    Attributes:
        lanes: float32 numbers in a vector.
    """

    lanes: int


def registers_of(target: vector.Target) -> Registers:
    """Return the use of registers on a processor."""
    return Registers(target.lanes("float32"))


def registers() -> Registers:
    """Return the use of registers on this machine."""
    return registers_of(vector.host())


# -------------------- the formulas of Winograd's algorithm

_A, _B = math.sqrt(0.5), math.sqrt(2.0)
Formula = Callable[[Sequence[Any]], list[Any]]


def of_input(d: Sequence[Any]) -> list[Any]:
    """B^T d: six inputs to six values."""
    even, odd = d[4] - 2.0 * d[2], _A * (d[3] - 2.0 * d[1])
    other_even, other_odd = d[4] - 0.5 * d[2], _B * (d[3] - 0.5 * d[1])
    return [
        d[0] - 2.5 * d[2] + d[4],
        even + odd,
        even - odd,
        other_even + other_odd,
        other_even - other_odd,
        d[1] - 2.5 * d[3] + d[5],
    ]


def of_result(m: Sequence[Any]) -> list[Any]:
    """A^T m: six products to four results."""
    sum1, dif1 = m[1] + m[2], m[1] - m[2]
    sum2, dif2 = m[3] + m[4], m[3] - m[4]
    return [
        m[0] + sum1 + sum2,
        _A * dif1 + _B * dif2,
        0.5 * sum1 + 2.0 * sum2,
        (_A / 2) * dif1 + (2 * _B) * dif2 + m[5],
    ]


def of_gradient(d: Sequence[Any]) -> list[Any]:
    """A d: four gradients of results to six values."""
    even, odd = d[0] + 0.5 * d[2], _A * (d[1] + 0.5 * d[3])
    other_even, other_odd = d[0] + 2.0 * d[2], _B * (d[1] + 2.0 * d[3])
    return [d[0], even + odd, even - odd, other_even + other_odd, other_even - other_odd, d[3]]


def of_kernel(g: Sequence[Any]) -> list[Any]:
    """G g: three weights to six values."""
    even, odd = (-2 / 3) * g[0] + (-1 / 3) * g[2], (-2 / 3 * _A) * g[1]
    other_even, other_odd = (1 / 6) * g[0] + (1 / 3) * g[2], (_B / 6) * g[1]
    return [g[0], even + odd, even - odd, other_even + other_odd, other_even - other_odd, g[2]]


def of_kernel_gradient(u: Sequence[Any]) -> list[Any]:
    """G^T u: six values to the gradients of three weights."""
    sum1, sum2 = u[1] + u[2], u[3] + u[4]
    return [
        u[0] + (-2 / 3) * sum1 + (1 / 6) * sum2,
        (-2 / 3 * _A) * (u[1] - u[2]) + (_B / 6) * (u[3] - u[4]),
        (-1 / 3) * sum1 + (1 / 3) * sum2 + u[5],
    ]


#: Word -> the formula of one line, the numbers in a line before and after.
TRANSFORMATIONS: dict[str, tuple[Formula, int, int]] = {
    "winograd_input": (of_input, 6, 6),
    "winograd_result": (of_result, 6, 4),
    "winograd_gradient": (of_gradient, 4, 6),
    "winograd_kernel": (of_kernel, 3, 6),
    "winograd_kernel_gradient": (of_kernel_gradient, 6, 3),
}

#: Word -> its arguments: `p` for a pointer, `i` for an integer.
ARGUMENTS = {
    **dict.fromkeys(TRANSFORMATIONS, "piipiiipi"),
}


def both_axes(formula: Formula, tile: Sequence[Sequence[Any]], result: int) -> list[list[Any]]:
    """Apply a transformation along the columns of a tile, then along the rows.

    Args:
        formula: the transformation of one line.
        tile: rows of elements.
        result: numbers in a line afterwards.
    """
    columns = [formula([line[j] for line in tile]) for j in range(len(tile))]
    return [formula([column[i] for column in columns]) for i in range(result)]


# -------------------- checked mode


def _view(pointer: Any, counts: Sequence[int], strides: Sequence[int]) -> np.ndarray:
    """The elements behind a checked pointer at all sums of multiples of strides; IndexError where one is outside."""
    if min(counts) > 0:
        reach = [(count - 1) * stride for count, stride in zip(counts, strides, strict=True)]
        pointer._place(sum(min(r, 0) for r in reach))
        pointer._place(sum(max(r, 0) for r in reach))
    start = pointer.array[pointer.start :] if min(counts) > 0 else pointer.array[:0]
    return np.lib.stride_tricks.as_strided(start, counts, [stride * pointer.array.itemsize for stride in strides])


def _finished(values: np.ndarray, bias: Any, width: int, flags: int) -> np.ndarray:
    if flags & BIAS:
        values = values + _view(bias, (width,), (1,))
    return np.where(values < 0, np.float32(0), values) if flags & RELU else values


def _transformation(formula: Formula, size: int, result: int) -> Callable[..., None]:
    def transform(
        source: Any, line: int, step: int, target: Any, target_line: int, target_step: int, count: int, bias: Any,
        flags: int,
    ) -> None:  # fmt: skip
        tile = _view(source, (size, size, count), (line, step, 1))
        made = both_axes(formula, tile, result)  # type: ignore[arg-type]
        _view(target, (result, result, count), (target_line, target_step, 1))[...] = _finished(
            np.array(made), bias, count, flags
        )

    return transform


def checked_functions() -> dict[str, Callable[..., None]]:
    """The words over checked pointers."""
    return {name: _transformation(*form) for name, form in TRANSFORMATIONS.items()}
