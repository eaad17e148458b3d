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

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from symgraph.backends.cpu import vector

__all__ = [
    "ADD", "ARGUMENTS", "BIAS", "RELU", "SHARED", "TRANSFORMATIONS", "Registers", "checked_functions", "panel_width",
    "registers", "registers_of", "shared_symbol", "words_shared_by",
]  # fmt: skip

ADD, BIAS, RELU = 1, 2, 4


class Registers(NamedTuple):
    """How a processor's vector registers are used.

    Attributes:
        lanes: float32 numbers in a vector.
        rows: rows of a block of products that stay in registers, each of two vectors.
    """

    lanes: int
    rows: int


def registers_of(target: vector.Target) -> Registers:
    """Return the use of registers on a processor: the sums take three quarters of them."""
    return Registers(target.lanes("float32"), target.registers * 3 // 8)


def registers() -> Registers:
    """Return the use of registers on this machine."""
    return registers_of(vector.host())


def panel_width() -> int:
    """Return how many columns `multiply_windows` computes at a time: kernels are packed in panels of so many."""
    return 2 * registers().lanes


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
    "multiply_windows": "iipipipi" + "i" * 9 + "pi",
    "copy_lines": "p" + "i" * 11 + "p",
    "copy_numbers": "ppi",
    **dict.fromkeys(TRANSFORMATIONS, "piipiiipi"),
}


def _shared(name: str) -> str:
    """The text of a kernel that does what a word says, with the word's arguments in its argument table."""
    given = [
        f"pointer_float32(load(args, {k}), 0)" if letter == "p" else f"load(args, {k})"
        for k, letter in enumerate(ARGUMENTS[name])
    ]
    return f"def kernel(thread, threads, args):\n    {name}_here({', '.join(given)})\n"


#: Words that are long to compile -> the kernel that is compiled once for all kernels that use the word.
SHARED = {"multiply_windows": _shared("multiply_windows")}


def shared_symbol(name: str) -> str:
    """The outside function that a kernel calls for a word of `SHARED`."""
    return "symgraph_shared_" + name


def words_shared_by(source: str) -> list[str]:
    """Return the words of `SHARED` that the text of a kernel uses."""
    return [name for name in SHARED if name + "(" in source]


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


def _multiply_windows(
    rows: int, width: int, a: Any, a_row: int, b: Any, b_panel: int, c: Any, c_row: int,
    n0: int, a0: int, b0: int, n1: int, a1: int, b1: int, n2: int, a2: int, b2: int, bias: Any, flags: int,
) -> None:  # fmt: skip
    panel = panel_width()
    left = _view(a, (rows, n2, n1, n0), (a_row, a2, a1, a0))
    for number, first in enumerate(range(0, width, panel)):
        wide = min(panel, width - first)
        right = _view(b.shifted(number * b_panel), (n2, n1, n0, wide), (b2, b1, b0, 1))
        target = _view(c.shifted(first), (rows, wide), (c_row, 1))
        product = np.einsum("rkji,kjie->re", left, right)
        if flags & ADD:
            product = product + target
        target[...] = _finished(product, bias.shifted(first), wide, flags)


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


def _copy_lines(
    x: Any, at0: int, at1: int, at2: int, n0: int, n1: int, n2: int, k0: int, d0: int, lines: int, columns: int,
    channels: int, target: Any,
) -> None:  # fmt: skip
    there = _view(target, (k0, lines, columns, channels), (lines * columns * channels, columns * channels, channels, 1))
    there[...] = 0
    for t in range(k0):
        for i in range(lines):
            low, high = max(at2, 0), min(at2 + columns, n2)
            if 0 <= at0 + t * d0 < n0 and 0 <= at1 + i < n1 and low < high:
                place = (((at0 + t * d0) * n1 + at1 + i) * n2 + low) * channels
                there[t, i, low - at2 : high - at2] = _view(x.shifted(place), (high - low, channels), (channels, 1))


def _copy_numbers(source: Any, target: Any, count: int) -> None:
    _view(target, (count,), (1,))[...] = _view(source, (count,), (1,))


def checked_functions() -> dict[str, Callable[..., None]]:
    """The words over checked pointers."""
    found: dict[str, Callable[..., None]] = {
        "multiply_windows": _multiply_windows,
        "copy_lines": _copy_lines,
        "copy_numbers": _copy_numbers,
    }
    for name, (formula, size, result) in TRANSFORMATIONS.items():
        found[name] = _transformation(formula, size, result)
    return found
