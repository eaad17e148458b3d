"""Elementary functions of the kernel language, written once as formulas.

A formula takes a *machine* and its arguments.  Over native values (native_functions.py) it writes branch-free LLVM
instructions, which LLVM turns into vectors; over NumPy arrays (:class:`NumpyMachine`) it computes, which is checked mode
and lets the tests measure the very same steps.

Greatest error found over all floats tried, in units in the last place (ulp) of the exact result:
see the table of tests/backends/cpu/test_mathematics.py, which asserts it.

All functions pass NaN on, and treat infinities and denormals as IEEE 754 functions do, unless their text says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["FUNCTIONS", "Function", "NumpyMachine", "checked_functions", "evaluate"]


@dataclass(frozen=True)
class Function:
    """A formula with the dtypes of its arguments and results."""

    formula: Callable[..., Any]
    arguments: tuple[str, ...]
    results: tuple[str, ...]


FUNCTIONS: dict[str, Function] = {}


def _define(*arguments: str, results: tuple[str, ...] = (), name: str = "") -> Callable[[Any], Any]:
    def keep(formula: Any) -> Any:
        FUNCTIONS[name or formula.__name__] = Function(formula, arguments, results or arguments[:1])
        return formula
    return keep


class NumpyMachine:
    """The operations of formulas over NumPy arrays of at least one dimension."""

    def constant(self, kind: str, number: Any) -> Any:
        """The number ``number`` as dtype ``kind``."""
        return np.asarray([number]).astype(kind)

    def select(self, condition: Any, a: Any, b: Any) -> Any:
        """``a`` where ``condition`` holds, else ``b``; one of them may be a Python number."""
        model = a if isinstance(a, np.ndarray) else b
        return np.where(condition, np.asarray(a, model.dtype), np.asarray(b, model.dtype))

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """``a * b + c``, rounded once or twice, whichever is faster."""
        return self.fused(a, b, c)

    def fused(self, a: Any, b: Any, c: Any) -> Any:
        """``a * b + c`` rounded once (float32; to within a rounding of the wider type that NumPy has otherwise)."""
        kind = next(one.dtype for one in (a, b, c) if isinstance(one, np.ndarray))
        wide = np.float64 if kind == np.float32 else np.longdouble
        x, y, z = (np.asarray(one, kind).astype(wide) for one in (a, b, c))
        return (x * y + z).astype(kind)

    def square_root(self, x: Any) -> Any:
        """The square root; NaN for negative numbers."""
        return np.sqrt(x)

    def absolute(self, x: Any) -> Any:
        """The magnitude of a float."""
        return np.abs(x)

    def copy_sign(self, magnitude: Any, sign: Any) -> Any:
        """``magnitude`` with the sign bit of ``sign``."""
        return np.copysign(magnitude, sign)

    def convert(self, kind: str, x: Any) -> Any:
        """``x`` as dtype ``kind``."""
        return np.asarray(x).astype(kind)

    def reinterpret(self, kind: str, x: Any) -> Any:
        """The bits of ``x`` read as dtype ``kind`` of the same width."""
        return np.ascontiguousarray(x).view(kind)

    def quotient(self, a: Any, b: Any) -> Any:
        """Integer division towards zero, as the processor does it; ``b`` is not zero."""
        whole = np.floor_divide(a, b)
        return whole + ((whole < 0) & (whole * b != a)).astype(whole.dtype)

    def remainder(self, a: Any, b: Any) -> Any:
        """What that division leaves (for floats C's ``fmod``)."""
        return np.fmod(a, b)

    def floor(self, x: Any) -> Any:
        """The greatest whole number that is not above the float ``x``."""
        return np.floor(x)

    def library(self, name: str, *values: Any) -> Any:
        """A function of the C library on float64."""
        function = getattr(math, name)

        def safe(*numbers: float) -> float:
            try:
                return function(*numbers)
            except OverflowError:
                return math.inf
            except ValueError:
                return math.nan
        return np.array([safe(*map(float, row)) for row in np.broadcast(*values)]) if len(values) > 1 else \
            np.array([safe(float(one)) for one in values[0]])

    def table(self, name: str, numbers: Any, index: Any) -> Any:
        """Element ``index`` (int64) of the constant float64 table ``numbers``."""
        return np.asarray(numbers, np.float64)[index]


def evaluate(name: str, *arguments: Any) -> Any:
    """The function ``name`` over NumPy arrays of the dtypes in ``FUNCTIONS[name].arguments``; arrays out."""
    function = FUNCTIONS[name]
    given = [np.atleast_1d(np.asarray(one, kind)) for one, kind in zip(arguments, function.arguments, strict=True)]
    with np.errstate(all="ignore"):
        return function.formula(NumpyMachine(), *given)


def checked_functions() -> dict[str, Callable[..., Any]]:
    """The functions over single numbers, for checked mode."""
    def scalar(name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            answer = evaluate(name, *arguments)
            return tuple(one[0] for one in answer) if isinstance(answer, tuple) else answer[0]
        return call
    return {name: scalar(name) for name in FUNCTIONS}


def _polynomial(m: Any, x: Any, coefficients: tuple[float, ...]) -> Any:
    """Horner's rule, highest power first."""
    value = m.multiply_add(x, coefficients[0], coefficients[1])
    for one in coefficients[2:]:
        value = m.multiply_add(value, x, one)
    return value


LOG2E, LN2_HIGH, LN2_LOW = 1.4426950408889634, 0.693359375, -2.12194440e-4
_ROUND = 12582912.0  # 1.5 * 2**23: adding it rounds a small float32 to a whole number, which its low bits then hold
_EXP = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)


def _exp_parts(m: Any, x: Any) -> tuple[Any, Any, Any, Any]:
    """``n`` (int32 and float32), remainder ``r`` and ``exp(r) - 1`` with ``x = n ln 2 + r``."""
    shifted = m.multiply_add(x, LOG2E, _ROUND)
    n = m.reinterpret("int32", shifted) - 0x4B400000
    whole = shifted - _ROUND
    r = m.multiply_add(whole, -LN2_LOW, m.multiply_add(whole, -LN2_HIGH, x))
    return n, whole, r, m.multiply_add(_polynomial(m, r, _EXP), r * r, r)


def _power_of_two(m: Any, n: Any) -> Any:
    return m.reinterpret("float32", (n + 127) << 23)


@_define("float32")
def exp_float32(m: Any, x: Any) -> Any:
    x = m.select(x > 89.0, 89.0, x)
    x = m.select(x < -104.0, -104.0, x)
    n, _whole, _r, p = _exp_parts(m, x)
    half = n >> 1  # two factors: the result may be denormal or infinite where one factor could not be
    return (p + 1.0) * _power_of_two(m, half) * _power_of_two(m, n - half)
