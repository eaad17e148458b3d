"""Elementary functions of the kernel language, written once as formulas.

A formula takes a *machine* and its arguments.  Over native values (native_functions.py) it writes branch-free LLVM
instructions, which LLVM turns into vectors; over NumPy arrays (:class:`NumpyMachine`) it computes, which is checked
mode and lets the tests measure the very same steps.

Greatest error found over all floats tried, in units in the last place (ulp) of the exact result:
see the table of tests/backends/cpu/test_mathematics.py, which asserts it.

All functions pass NaN on, and treat infinities and denormals as IEEE 754 functions do, unless their text says
otherwise.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
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

    def rounded(self, direction: str, x: Any) -> Any:
        """The float ``x`` as a whole number: ``floor``, ``ceil``, ``trunc`` (towards zero) or ``roundeven``."""
        return {"floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "roundeven": np.round}[direction](x)

    def greater(self, a: Any, b: Any) -> Any:
        """The greater of two numbers; NaN if one is NaN."""
        return np.maximum(a, b)

    def smaller(self, a: Any, b: Any) -> Any:
        """The smaller of two numbers; NaN if one is NaN."""
        return np.minimum(a, b)

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

        return (
            np.array([safe(*map(float, row)) for row in np.broadcast(*values)])
            if len(values) > 1
            else np.array([safe(float(one)) for one in values[0]])
        )

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


# ------------------------------------------------------------------------------------------- exponentials and
# logarithms

_LOG2E, _LN2_HIGH, _LN2_LOW = 1.4426950408889634, 0.693359375, -2.12194440e-4
_ROUND32 = 12582912.0  # 1.5 * 2**23: adding it rounds a small float32 to a whole number, which its low bits then hold
_ROUND32_BITS = 0x4B400000
_EXP = (
    1.9875691500e-4,
    1.3981999507e-3,
    8.3334519073e-3,
    4.1665795894e-2,
    1.6666665459e-1,
    5.0000001201e-1,
)  # Cephes expf
_LOG = (
    7.0376836292e-2,
    -1.1514610310e-1,
    1.1676998740e-1,
    -1.2420140846e-1,
    1.4249322787e-1,
    -1.6668057665e-1,
    2.0000714765e-1,
    -2.4999993993e-1,
    3.3333331174e-1,
)  # Cephes logf
_GREATEST32 = 3.4028234663852886e38
_INFINITY = math.inf


def _limit(m: Any, x: Any, low: float, high: float) -> Any:
    """``x`` within ``[low, high]``; NaN stays NaN, as every comparison with it is false."""
    return m.select(x < low, low, m.select(x > high, high, x))


def _exp_parts(m: Any, x: Any) -> tuple[Any, Any]:
    """``n`` (int32) and ``exp(r) - 1`` where ``x = n ln 2 + r``, ``|r| <= ln(2) / 2``."""
    shifted = m.multiply_add(x, _LOG2E, _ROUND32)
    n = m.reinterpret("int32", shifted) - _ROUND32_BITS
    whole = shifted - _ROUND32
    r = m.multiply_add(whole, -_LN2_LOW, m.multiply_add(whole, -_LN2_HIGH, x))
    return n, m.multiply_add(_polynomial(m, r, _EXP), r * r, r)


def _power_of_two(m: Any, n: Any) -> Any:
    return m.reinterpret("float32", (n + 127) << 23)


def _scaled(m: Any, x: Any, n: Any) -> Any:
    """``x * 2**n`` in two steps: the result may be denormal or infinite where one factor could not be."""
    half = n >> 1
    return x * _power_of_two(m, half) * _power_of_two(m, n - half)


@_define("float32")
def exp_float32(m: Any, x: Any) -> Any:
    n, p = _exp_parts(m, _limit(m, x, -104.0, 89.0))
    return _scaled(m, p + 1.0, n)


def _expm1_small(m: Any, x: Any) -> Any:
    """``exp(x) - 1`` for x in [-30, 44]."""
    n, p = _exp_parts(m, x)
    scale = _power_of_two(m, n)
    return m.multiply_add(p, scale, scale - 1.0)


@_define("float32")
def expm1_float32(m: Any, x: Any) -> Any:
    n, p = _exp_parts(m, _limit(m, x, -30.0, 89.0))
    scale = _power_of_two(m, m.select(n > 60, 60, n))
    return m.select(n > 60, _scaled(m, p + 1.0, n), m.multiply_add(p, scale, scale - 1.0))


def _log(m: Any, x: Any) -> Any:
    """Logarithm of a positive, finite float32; anything for other arguments."""
    denormal = x < 1.17549435e-38
    bits = m.reinterpret("int32", m.select(denormal, x * 8388608.0, x)) - 0x3F3504F3  # the bits of sqrt(1/2)
    exponent = m.convert("float32", bits >> 23)
    exponent = m.select(denormal, exponent - 23.0, exponent)
    f = m.reinterpret("float32", (bits & 0x007FFFFF) + 0x3F3504F3) - 1.0
    square = f * f
    y = _polynomial(m, f, _LOG) * f * square
    y = m.multiply_add(square, -0.5, m.multiply_add(exponent, _LN2_LOW, y))
    return m.multiply_add(exponent, _LN2_HIGH, f + y)


@_define("float32")
def log_float32(m: Any, x: Any) -> Any:
    y = m.select(x <= _GREATEST32, _log(m, x), x)  # infinity and NaN are their own logarithms
    y = m.select(x == 0.0, -_INFINITY, y)
    return m.select(x < 0.0, math.nan, y)


@_define("float32")
def log1p_float32(m: Any, x: Any) -> Any:
    # log(u) for the rounded u = 1 + x, plus what the rounding lost (to first order).
    u = x + 1.0
    y = _log(m, u) + (x - (u - 1.0)) / u
    y = m.select(u <= _GREATEST32, y, u)
    y = m.select(u == 0.0, -_INFINITY, y)
    return m.select(u < 0.0, math.nan, y)


@_define("float32")
def softplus_float32(m: Any, x: Any) -> Any:
    """``log(1 + exp(x))`` without overflow."""
    tail = log1p_float32(m, exp_float32(m, -m.absolute(x)))
    return m.select(x > 0.0, x, 0.0) + tail


@_define("float64")
def softplus_float64(m: Any, x: Any) -> Any:
    return m.select(x > 0.0, x, 0.0) + m.library("log1p", m.library("exp", -m.absolute(x)))


@_define("float32")
def sigmoid_float32(m: Any, x: Any) -> Any:
    """``1 / (1 + exp(-x))``; 0 below -88.7, where the true value is denormal."""
    return 1.0 / (exp_float32(m, -x) + 1.0)


@_define("float64")
def sigmoid_float64(m: Any, x: Any) -> Any:
    return 1.0 / (m.library("exp", -x) + 1.0)


@_define("float32")
def tanh_float32(m: Any, x: Any) -> Any:
    magnitude = m.absolute(x)
    e = _expm1_small(m, m.select(magnitude > 10.0, 20.0, magnitude + magnitude))
    return m.copy_sign(e / (e + 2.0), x)


# erf(x) = x + x P(x^2) below 1, 1 - exp(Q(|x|)) above; least-squares fits reweighted towards the least greatest error.
_ERF_NEAR = (
    7.85386115e-05,
    -8.01019356e-04,
    5.18832768e-03,
    -2.68538119e-02,
    1.12835851e-01,
    -3.76126258e-01,
    1.28379166e-01,
)
_ERF_FAR = (
    1.8637921e-04,
    -2.94765847e-03,
    2.18380647e-02,
    -1.03106756e-01,
    -6.38144831e-01,
    -1.12708919,
    -3.41522841e-04,
)


@_define("float32")
def erf_float32(m: Any, x: Any) -> Any:
    magnitude = m.absolute(x)
    near = m.multiply_add(_polynomial(m, x * x, _ERF_NEAR), x, x)
    n, p = _exp_parts(m, _polynomial(m, m.select(magnitude > 4.0, 4.0, magnitude), _ERF_FAR))
    scale = _power_of_two(m, n)
    far = m.copy_sign((1.0 - scale) - p * scale, x)
    return m.select(magnitude > 1.0, far, near)


# ------------------------------------------------------------------------------------------------- roots, powers,
# angles


@_define("float32")
def sqrt_float32(m: Any, x: Any) -> Any:
    return m.square_root(x)


@_define("float64")
def sqrt_float64(m: Any, x: Any) -> Any:
    return m.square_root(x)


@_define("float32")
def rsqrt_float32(m: Any, x: Any) -> Any:
    return 1.0 / m.square_root(x)


@_define("float64")
def rsqrt_float64(m: Any, x: Any) -> Any:
    return 1.0 / m.square_root(x)


_ROUND64 = 6755399441055744.0  # 1.5 * 2**52
_ROUND64_BITS = 0x4338000000000000
_LN2 = 0.6931471805599453
_EXP64 = tuple(1.0 / math.factorial(k) for k in range(11, -1, -1))
_ATANH64 = tuple(2.0 / k for k in range(17, 0, -2))


def _log_wide(m: Any, x: Any) -> Any:
    """Logarithm in float64, to about 1e-13, of a non-negative float64 that came from a float32."""
    bits = m.reinterpret("int64", x) - 0x3FE6A09E667F3BCD  # the bits of sqrt(1/2)
    exponent = m.convert("float64", m.convert("int32", bits >> 52))
    f = m.reinterpret("float64", (bits & 0x000FFFFFFFFFFFFF) + 0x3FE6A09E667F3BCD)
    s = (f - 1.0) / (f + 1.0)
    y = m.multiply_add(exponent, _LN2, s * _polynomial(m, s * s, _ATANH64))
    return m.select(x == 0.0, -_INFINITY, m.select(x < _INFINITY, y, x))


def _exp_wide(m: Any, x: Any) -> Any:
    """Exponential in float64, to about 1e-13, of anything: results outside float32's range are merely far outside."""
    x = _limit(m, x, -120.0, 120.0)
    shifted = m.multiply_add(x, _LOG2E, _ROUND64)
    whole = shifted - _ROUND64
    r = m.multiply_add(whole, -_LN2, x)
    n = m.reinterpret("int64", shifted) - _ROUND64_BITS
    return _polynomial(m, r, _EXP64) * m.reinterpret("float64", (n + 1023) << 52)


@_define("float32", "float32", results=("float32",))
def pow_float32(m: Any, x: Any, y: Any) -> Any:
    """``x ** y`` with the special cases of IEEE 754 ``pow``; correct to half a unit but for ties."""
    wide, power = m.convert("float64", x), m.convert("float64", y)
    magnitude = m.absolute(wide)
    value = m.convert("float32", _exp_wide(m, power * _log_wide(m, magnitude)))
    whole = m.rounded("floor", power) == power
    half = power * 0.5
    odd = whole & (m.rounded("floor", half) != half)
    negative = m.reinterpret("int32", x) < 0
    value = m.select(negative & odd, -value, value)
    value = m.select(whole, value, m.select((x < 0.0) & (magnitude < _INFINITY), math.nan, value))
    one = (y == 0.0) | (x == 1.0) | ((x == -1.0) & (m.absolute(power) == _INFINITY))
    return m.select(one, 1.0, value)


@_define("float64", "float64", results=("float64",))
def pow_float64(m: Any, x: Any, y: Any) -> Any:
    return m.library("pow", x, y)


@functools.cache
def _circle_numerator() -> int:
    """2 pi times 2**320, by Machin's formula in whole numbers."""

    def inverse_tangent(n: int) -> int:
        total, power, k = 0, (1 << 340) // n, 1
        while power:
            total += power // k if k % 4 == 1 else -(power // k)
            power, k = power // (n * n), k + 2
        return total

    return (32 * inverse_tangent(5) - 8 * inverse_tangent(239)) >> 20


@functools.cache
def _reduction_tables() -> tuple[list[float], list[float]]:
    """For each exponent of a float32: factors ``a``, ``b`` with ``x = x a + x b`` modulo 2 pi, ``x a`` exact and small.

    Below 2**23 they are 1 and 0.  Above, ``x`` is a whole number of 24 bits times ``2**e``, and ``2**e`` modulo 2 pi is
    split into 29 leading bits, whose product with 24 bits is exact, and the rest.
    """
    circle = Fraction(_circle_numerator(), 1 << 320)
    exact, rest = [1.0] * 256, [0.0] * 256
    for biased in range(127 + 23, 255):
        e = biased - 127 - 23
        turn = Fraction(2) ** e % circle
        turn = turn - circle if turn > circle / 2 else turn
        high = _leading_bits(float(turn), 29)
        exact[biased] = math.ldexp(high, -e)
        rest[biased] = math.ldexp(float(turn - Fraction(high)), -e)
    exact[255] = math.nan  # infinities have no sine
    return exact, rest


def _leading_bits(x: float, bits: int) -> float:
    fraction, exponent = math.frexp(x)
    return math.ldexp(math.floor(math.ldexp(fraction, bits)), exponent - bits)


_QUARTER_HIGH = _leading_bits(math.pi / 2, 28)
_QUARTER_LOW = math.pi / 2 - _QUARTER_HIGH + 6.123233995736766e-17
_SIN64 = (1.0 / 362880, -1.0 / 5040, 1.0 / 120, -1.0 / 6)
_COS64 = (-1.0 / 3628800, 1.0 / 40320, -1.0 / 720, 1.0 / 24, -0.5)


def _circle(m: Any, r: Any, quarter: Any) -> Any:
    """sin(r + quarter pi / 2) in float64 for ``|r| <= pi / 4`` and ``quarter`` a whole int64."""
    square = r * r
    sine = m.multiply_add(r * square, _polynomial(m, square, _SIN64), r)
    cosine = m.multiply_add(square, _polynomial(m, square, _COS64), 1.0)
    value = m.select((quarter & 1) == 0, sine, cosine)
    return m.select((quarter & 2) == 0, value, -value)


def _angle(m: Any, x: Any, quarters: int) -> Any:
    place = m.convert("int64", (m.reinterpret("int32", x) >> 23) & 255)
    wide = m.convert("float64", x)
    exact, remaining = _reduction_tables()
    main = wide * m.table("circle_exact", exact, place)
    rest = wide * m.table("circle_rest", remaining, place)
    shifted = m.multiply_add(main, 2.0 / math.pi, _ROUND64)
    n = shifted - _ROUND64
    r = m.multiply_add(n, -_QUARTER_LOW, m.multiply_add(n, -_QUARTER_HIGH, main)) + rest
    return m.convert("float32", _circle(m, r, m.reinterpret("int64", shifted) + quarters))


@_define("float32")
def sin_float32(m: Any, x: Any) -> Any:
    """Right for every float32: large arguments are reduced with 2 pi to 150 bits."""
    y = _angle(m, x, 0)
    return m.select(m.absolute(x) < 1.0e-4, x, y)  # sin(x) = x there, down to denormals and the sign of zero


@_define("float32")
def cos_float32(m: Any, x: Any) -> Any:
    return _angle(m, x, 1)


# -------------------------------------------------------------------------------------------------------- random
# numbers

_TURNS = ((13, 15, 26, 6), (17, 29, 16, 24))


@_define("uint32", "uint32", "uint32", "uint32", results=("uint32", "uint32"))
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


@_define("uint32", results=("float32",))
def uniform_float32(m: Any, word: Any) -> Any:
    """``(word >> 8) * 2**-24``: uniform in [0, 1)."""
    return m.convert("float32", m.reinterpret("int32", word >> 8)) * 2.0**-24


@_define("uint32", "uint32", results=("float64",))
def uniform_float64(m: Any, w0: Any, w1: Any) -> Any:
    """``((w0 >> 5) * 2**26 + (w1 >> 6)) * 2**-53``: uniform in [0, 1)."""
    high = m.convert("float64", m.reinterpret("int32", w0 >> 5))
    low = m.convert("float64", m.reinterpret("int32", w1 >> 6))
    return (high * 67108864.0 + low) * 2.0**-53


@_define("uint32", "uint32", results=("float32",))
def normal_float32(m: Any, w0: Any, w1: Any) -> Any:
    """Box-Muller: ``sqrt(-2 log(u)) cos(2 pi v)``, ``u = ((w0 >> 8) + 1) 2**-24``, ``v = (w1 >> 8) 2**-24``."""
    u = (m.convert("float32", m.reinterpret("int32", w0 >> 8)) + 1.0) * 2.0**-24
    radius = m.square_root(_log(m, u) * -2.0)
    turn = m.convert("float64", m.reinterpret("int32", w1 >> 8)) * 2.0**-22  # in quarters of the circle
    shifted = turn + _ROUND64
    angle = (turn - (shifted - _ROUND64)) * (math.pi / 2)
    return radius * m.convert("float32", _circle(m, angle, m.reinterpret("int64", shifted) + 1))


@_define("uint32", "uint32", results=("float64",))
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


@_define("float32")
def erfinv_float32(m: Any, x: Any) -> Any:
    """The inverse of erf on (-1, 1); infinite at -1 and 1, NaN outside."""
    w = -log_float32(m, (1.0 - x) * (x + 1.0))
    centre = _polynomial(m, w - 2.5, _ERFINV_CENTRE)
    tail = _polynomial(m, m.square_root(w) - 3.0, _ERFINV_TAIL)
    value = m.select(w < 5.0, centre, tail) * x
    return m.select(m.absolute(x) == 1.0, m.copy_sign(m.select(x == x, _INFINITY, x), x), value)


@_define("float64")
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
    value = m.select(magnitude == 1.0, m.copy_sign(m.select(x == x, _INFINITY, x), x), value)
    return m.select(magnitude <= 1.0, value, math.nan)


# ---------------------------------------------------------------------- rounding, signs, comparisons, whole-number
# division

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
