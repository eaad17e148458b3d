"""The inner loops of convolutions and products: words of the kernel language, written for the processor's registers.

====================================  ================================================================================
word                                  meaning
====================================  ================================================================================
``multiply_windows(rows, width,       for every row r and column e: c[r, e] = sum over (i2, i1, i0) of
a, a_row, b, b_panel, c, c_row,       a[r * a_row + i2 * a2 + i1 * a1 + i0 * a0] times
n0, a0, b0, n1, a1, b1, n2, a2, b2,   b[e // panel * b_panel + i2 * b2 + i1 * b1 + i0 * b0 + e % panel], where panel is
bias, flags)``                        :func:`panel_width`; c[r, e] lies at c[r * c_row + e]
``copy_lines(x, at0, at1, at2, n0,    target[t, i, j, :] = x[at0 + t * d0, at1 + i, at2 + j, :] for k0 * lines * columns
n1, n2, k0, d0, lines, columns,       places of an image x of (n0, n1, n2, channels) numbers; zeros for places outside
channels, target)``
``copy_numbers(source, target,        target[k] = source[k]
count)``
====================================  ================================================================================

All pointers are to float32, all other arguments int64.  ``flags`` is a sum of :data:`ADD` (to what the target holds),
:data:`BIAS` (add bias[e]) and :data:`RELU` (negative results become 0, a NaN stays).

``multiply_windows`` is the one tile kernel of convolutions and of matrix products (product.py).  Measured against one
of its own, products with it have the same bits and the same speed, but for small ones, where starting a strip counts
(16x64x64: 3 of a hundred slower; 128x512x10: 11), and narrow ones, which are 3 to 9 of a hundred faster.
"""

from __future__ import annotations

import functools
from typing import Any

from symgraph.backends.cpu import vector

__all__ = ["ADD", "BIAS", "RELU", "panel_width", "strip_rows"]

ADD, BIAS, RELU = 1, 2, 4


def panel_width() -> int:
    """Return how many columns `multiply_windows` computes at a time: kernels are packed in panels of so many."""
    return 2 * vector.host().lanes("float32")


def strip_rows(target: vector.Target) -> int:
    """Return how many rows of two vectors of sums, with the factors, fit in the registers."""
    return 12 if target.registers >= 32 else 6


#: Of a panel that is not whole, strips have so many rows.
_PART_ROWS = (6, 4, 2, 1)
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

    The rows are shared evenly among as few strips as can be. Of the last panel, vectors that are not whole are read and
    written through a mask, in strips of a few numbers of rows only: each takes its time to compile.
    """
    lanes, most = m.lanes("float32"), strip_rows(m.target)
    depth = (n0, a0, b0), (n1, a1, b1), (n2, a2, b2)
    strips = (rows + (most - 1)) // most
    fewest = rows // m.greater(strips, 1)
    longer = rows - fewest * strips

    def panel(number: Any) -> None:
        first = number * (2 * lanes)
        wide = width - first
        right, target, added = m.shift(b, number * b_panel), m.shift(c, first), m.shift(bias, first)

        def strip(start: Any, count: int, *limits: Any) -> None:
            left, here = m.shift(a, start * a_row), m.shift(target, start * c_row)
            _strip(m, count, limits, left, a_row, right, here, c_row, depth, added, flags)

        def even(k: Any) -> None:
            start, count = k * fewest + m.smaller(k, longer), fewest + m.select(k < longer, 1, m.integer(0))
            m.among(count, 1, most, lambda n: strip(start, n, None, None))

        def part(*limits: Any) -> None:
            done = m.integer(0)
            for count in _PART_ROWS:
                number = (rows - done) // count
                m.repeat(number, lambda k, done=done, count=count: strip(done + k * count, count, *limits))
                done = done + number * count

        m.either(
            wide >= 2 * lanes,
            lambda: m.repeat(strips, even),
            lambda: m.either(
                wide > lanes,
                lambda: part(None, m.first("float32", wide - lanes)),
                lambda: part(m.first("float32", wide)),
            ),
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
