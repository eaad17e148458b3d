"""Formulas of random numbers, rounding, signs, extremes and whole-number division; see mathematics.py."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from symgraph.backends.cpu.elementary import ROUND64, circle_point, log32, log_float32
from symgraph.backends.cpu.formula import FUNCTIONS, Function, define, polynomial

__all__ = ["LIBRARY"]

# -------------------- random numbers

_TURNS = ((13, 15, 26, 6), (17, 29, 16, 24))


@define("uint32", "uint32", "uint32", "uint32", results=("uint32", "uint32"))
def threefry2x32(m: Any, k0: Any, k1: Any, c0: Any, c1: Any) -> Any:
    """Threefry-2x32 with 20 rounds (Salmon et al., SC 2011): two words of key ``(k0, k1)``, counter ``(c0, c1)``."""
    keys = (k0, k1, k0 ^ k1 ^ 0x1BD11BDA)
    x, y = c0 + k0, c1 + k1
    for group in range(5):
        for turn in _TURNS[group % 2]:
            x = x + y
            y = ((y << turn) | (y >> (32 - turn))) ^ x
        x = x + keys[(group + 1) % 3]
        y = y + keys[(group + 2) % 3] + (group + 1)
    return x, y


@define("uint32", results=("float32",))
def uniform_float32(m: Any, word: Any) -> Any:
    """``(word >> 8) * 2**-24``: uniform in [0, 1)."""
    return m.convert("float32", m.reinterpret("int32", word >> 8)) * 2.0**-24


@define("uint32", "uint32", results=("float64",))
def uniform_float64(m: Any, w0: Any, w1: Any) -> Any:
    """``((w0 >> 5) * 2**26 + (w1 >> 6)) * 2**-53``: uniform in [0, 1)."""
    high = m.convert("float64", m.reinterpret("int32", w0 >> 5))
    low = m.convert("float64", m.reinterpret("int32", w1 >> 6))
    return (high * 67108864.0 + low) * 2.0**-53


@define("uint32", "uint32", results=("float32",))
def normal_float32(m: Any, w0: Any, w1: Any) -> Any:
    """Box-Muller: ``sqrt(-2 log(u)) cos(2 pi v)``, ``u = ((w0 >> 8) + 1) 2**-24``, ``v = (w1 >> 8) 2**-24``."""
    u = (m.convert("float32", m.reinterpret("int32", w0 >> 8)) + 1.0) * 2.0**-24
    radius = m.square_root(log32(m, u) * -2.0)
    turn = m.convert("float64", m.reinterpret("int32", w1 >> 8)) * 2.0**-22  # in quarters of the circle
    shifted = turn + ROUND64
    angle = (turn - (shifted - ROUND64)) * (math.pi / 2)
    return radius * m.convert("float32", circle_point(m, angle, m.reinterpret("int64", shifted) + 1))


@define("uint32", "uint32", results=("float64",))
def normal_float64(m: Any, w0: Any, w1: Any) -> Any:
    """Box-Muller: ``sqrt(-2 log(u)) cos(2 pi v)``, ``u = (w0 + 1) 2**-32``, ``v = w1 2**-32``."""
    u = (m.convert("float64", w0) + 1.0) * 2.0**-32
    radius = m.square_root(m.library("log", u) * -2.0)
    return radius * m.library("cos", m.convert("float64", w1) * (2.0 * math.pi * 2.0**-32))


# Giles (2010): log-scaled polynomials in single precision for the centre and the tails.
_ERFINV_CENTRE = (
    2.81022636e-08,
    3.43273939e-07,
    -3.5233877e-06,
    -4.39150654e-06,
    0.00021858087,
    -0.00125372503,
    -0.00417768164,
    0.246640727,
    1.50140941,
)
_ERFINV_TAIL = (
    -0.000200214257,
    0.000100950558,
    0.00134934322,
    -0.00367342844,
    0.00573950773,
    -0.0076224613,
    0.00943887047,
    1.00167406,
    2.83297682,
)


@define("float32")
def erfinv_float32(m: Any, x: Any) -> Any:
    """The inverse of erf on (-1, 1); infinite at -1 and 1, NaN outside."""
    w = -log_float32(m, (1.0 - x) * (x + 1.0))
    centre = polynomial(m, w - 2.5, _ERFINV_CENTRE)
    tail = polynomial(m, m.square_root(w) - 3.0, _ERFINV_TAIL)
    value = m.select(w < 5.0, centre, tail) * x
    return m.select(m.absolute(x) == 1.0, m.copy_sign(m.select(x == x, math.inf, x), x), value)


@define("float64")
def erfinv_float64(m: Any, x: Any) -> Any:
    """The inverse of erf on (-1, 1), by three Halley steps from an estimate; infinite at -1 and 1, NaN outside."""
    magnitude = m.absolute(x)
    near = m.convert("float32", m.select(magnitude < 0.999999, magnitude, 0.999999))
    tail = -m.library("log", (1.0 - magnitude) * 1.772453850905516)  # erfc(y) = exp(-y^2) / (y sqrt(pi)), nearly
    far = m.square_root(tail - 0.5 * m.library("log", tail))
    y = m.select(magnitude < 0.999999, m.convert("float64", erfinv_float32(m, near)), far)
    for _step in range(3):
        # erfc keeps its digits where erf is nearly 1
        error = m.select(magnitude > 0.5, (1.0 - magnitude) - m.library("erfc", y), m.library("erf", y) - magnitude)
        ratio = error / (m.library("exp", -(y * y)) * 1.1283791670955126)
        y = y - ratio / (y * ratio + 1.0)
    value = m.copy_sign(y, x)
    value = m.select(magnitude == 1.0, m.copy_sign(m.select(x == x, math.inf, x), x), value)
    return m.select(magnitude <= 1.0, value, math.nan)


# -------------------- rounding, signs, comparisons, whole-number division

#: Functions that the C library computes, in float64; the float32 words round its result once more.
LIBRARY = (
    "exp",
    "log",
    "log1p",
    "expm1",
    "tanh",
    "erf",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "asinh",
    "acosh",
    "atanh",
    "erfc",
    "lgamma",
)
_FLOATS = ("float32", "float64")
_SIGNED, _UNSIGNED = ("int8", "int16", "int32", "int64"), ("uint8", "uint16", "uint32", "uint64")


def _define_library(name: str) -> None:
    def wide(m: Any, x: Any) -> Any:
        return m.library(name, x)

    def narrow(m: Any, x: Any) -> Any:
        return m.convert("float32", m.library(name, m.convert("float64", x)))

    FUNCTIONS[name + "_float64"] = Function(wide, ("float64",), ("float64",))
    FUNCTIONS.setdefault(name + "_float32", Function(narrow, ("float32",), ("float32",)))


def _define_rounding(name: str, direction: str, dtype: str) -> None:
    FUNCTIONS[f"{name}_{dtype}"] = Function(lambda m, x: m.rounded(direction, x), (dtype,), (dtype,))


def _sign(m: Any, x: Any) -> Any:
    """-1, 0 or 1; NaN of NaN."""
    return m.select(x > 0, 1, m.select(x < 0, -1, x))


def _sign_unsigned(m: Any, x: Any) -> Any:
    return m.select(x > 0, 1, x)


def _floor_divide_float(m: Any, a: Any, b: Any) -> Any:
    """NumPy's ``a // b``: what the remainder leaves, divided and rounded to the whole number that it is close to."""
    rest = m.remainder(a, b)
    quotient = (a - rest) / b
    quotient = m.select((rest != 0.0) & ((rest < 0.0) != (b < 0.0)), quotient - 1.0, quotient)
    whole = m.rounded("floor", quotient)
    whole = m.select(quotient - whole > 0.5, whole + 1.0, whole)
    whole = m.select(quotient == 0.0, m.copy_sign(quotient, a / b), whole)
    return m.select(b == 0.0, a / b, whole)


def _modulo_float(m: Any, a: Any, b: Any) -> Any:
    """NumPy's and Python's ``a % b``: with the sign of ``b``; NaN for ``b`` zero."""
    rest = m.remainder(a, b)
    moved = m.select((rest < 0.0) == (b < 0.0), rest, rest + b)
    return m.select(rest == 0.0, m.copy_sign(m.select(rest == rest, 0.0, rest), b), moved)


def _divisor(m: Any, a: Any, b: Any) -> Any:
    """``b``, or 1 where the processor would trap: at zero, and at -1, which overflows with the least integer."""
    return m.select((b == 0) | (b == -1), 1, b)


def _floor_divide_signed(m: Any, a: Any, b: Any) -> Any:
    """NumPy's ``a // b``: rounded down; 0 for ``b`` zero."""
    safe = _divisor(m, a, b)
    quotient = m.quotient(a, safe)
    rest = a - quotient * safe
    down = m.select((rest != 0) & ((rest < 0) != (safe < 0)), quotient - 1, quotient)
    return m.select(b == 0, 0, m.select(b == -1, -a, down))


def _modulo_signed(m: Any, a: Any, b: Any) -> Any:
    """NumPy's ``a % b``: with the sign of ``b``; 0 for ``b`` zero."""
    safe = _divisor(m, a, b)
    rest = m.remainder(a, safe)
    moved = m.select((rest != 0) & ((rest < 0) != (safe < 0)), rest + safe, rest)
    return m.select((b == 0) | (b == -1), 0, moved)


def _floor_divide_unsigned(m: Any, a: Any, b: Any) -> Any:
    return m.select(b == 0, 0, m.quotient(a, m.select(b == 0, 1, b)))


def _modulo_unsigned(m: Any, a: Any, b: Any) -> Any:
    return m.select(b == 0, 0, m.remainder(a, m.select(b == 0, 1, b)))


def _integer_power(bits: int, signed: bool) -> Callable[..., Any]:
    def power(m: Any, a: Any, b: Any) -> Any:
        """``a ** b`` by squaring, wrapping like multiplication; a negative ``b`` gives the truncated fraction."""
        result = m.select(b == b, 1, a)
        square, left = a, b
        for step in range(bits - 1 if signed else bits):
            result = m.select((left & 1) == 1, result * square, result)
            left = left >> 1
            if step < bits - 2:
                square = square * square
        if not signed:
            return result
        fraction = m.select(a == 1, 1, m.select(a == -1, m.select((b & 1) == 1, -1, m.select(b == b, 1, a)), 0))
        return m.select(b < 0, fraction, result)

    return power


for _name in LIBRARY:
    _define_library(_name)
for _dtype in _FLOATS:
    for _word, _direction in (("floor", "floor"), ("ceil", "ceil"), ("truncate", "trunc"), ("round", "roundeven")):
        _define_rounding(_word, _direction, _dtype)
    FUNCTIONS["floor_divide_" + _dtype] = Function(_floor_divide_float, (_dtype, _dtype), (_dtype,))
    FUNCTIONS["modulo_" + _dtype] = Function(_modulo_float, (_dtype, _dtype), (_dtype,))
    FUNCTIONS["absolute_" + _dtype] = Function(lambda m, x: m.absolute(x), (_dtype,), (_dtype,))
    FUNCTIONS["copysign_" + _dtype] = Function(lambda m, x, y: m.copy_sign(x, y), (_dtype, _dtype), (_dtype,))
    FUNCTIONS["atan2_" + _dtype] = Function(
        lambda m, y, x, kind=_dtype: m.convert(
            kind, m.library("atan2", m.convert("float64", y), m.convert("float64", x))
        ),
        (_dtype, _dtype),
        (_dtype,),
    )
    FUNCTIONS["multiply_add_" + _dtype] = Function(lambda m, a, b, c: m.multiply_add(a, b, c), (_dtype,) * 3, (_dtype,))
for _dtype in _SIGNED:
    FUNCTIONS["floor_divide_" + _dtype] = Function(_floor_divide_signed, (_dtype, _dtype), (_dtype,))
    FUNCTIONS["modulo_" + _dtype] = Function(_modulo_signed, (_dtype, _dtype), (_dtype,))
    FUNCTIONS["absolute_" + _dtype] = Function(lambda m, x: m.select(x < 0, -x, x), (_dtype,), (_dtype,))
for _dtype in _UNSIGNED:
    FUNCTIONS["floor_divide_" + _dtype] = Function(_floor_divide_unsigned, (_dtype, _dtype), (_dtype,))
    FUNCTIONS["modulo_" + _dtype] = Function(_modulo_unsigned, (_dtype, _dtype), (_dtype,))
    FUNCTIONS["absolute_" + _dtype] = Function(lambda m, x: m.select(x == x, x, x), (_dtype,), (_dtype,))
for _dtype in _SIGNED + _UNSIGNED:
    _bits = int(_dtype.lstrip("uint"))
    FUNCTIONS["pow_" + _dtype] = Function(_integer_power(_bits, _dtype in _SIGNED), (_dtype, _dtype), (_dtype,))
for _dtype in _FLOATS + _SIGNED + _UNSIGNED:
    FUNCTIONS["maximum_" + _dtype] = Function(lambda m, a, b: m.greater(a, b), (_dtype, _dtype), (_dtype,))
    FUNCTIONS["minimum_" + _dtype] = Function(lambda m, a, b: m.smaller(a, b), (_dtype, _dtype), (_dtype,))
    FUNCTIONS["sign_" + _dtype] = Function(_sign_unsigned if _dtype in _UNSIGNED else _sign, (_dtype,), (_dtype,))
