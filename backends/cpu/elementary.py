"""Formulas of exponentials, logarithms, roots, powers and angles; see mathematics.py."""

from __future__ import annotations

import functools
import math
from fractions import Fraction
from typing import Any

from symgraph.backends.cpu.formula import define, polynomial

__all__ = ["ROUND64", "circle_point", "log32"]

# -------------------- exponentials and logarithms

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
    return n, m.multiply_add(polynomial(m, r, _EXP), r * r, r)


def _power_of_two(m: Any, n: Any) -> Any:
    return m.reinterpret("float32", (n + 127) << 23)


def _scaled(m: Any, x: Any, n: Any) -> Any:
    """``x * 2**n`` in two steps: the result may be denormal or infinite where one factor could not be."""
    half = n >> 1
    return x * _power_of_two(m, half) * _power_of_two(m, n - half)


@define("float32")
def exp_float32(m: Any, x: Any) -> Any:
    n, p = _exp_parts(m, _limit(m, x, -104.0, 89.0))
    return _scaled(m, p + 1.0, n)


def _expm1_small(m: Any, x: Any) -> Any:
    """``exp(x) - 1`` for x in [-30, 44]."""
    n, p = _exp_parts(m, x)
    scale = _power_of_two(m, n)
    return m.multiply_add(p, scale, scale - 1.0)


@define("float32")
def expm1_float32(m: Any, x: Any) -> Any:
    n, p = _exp_parts(m, _limit(m, x, -30.0, 89.0))
    scale = _power_of_two(m, m.select(n > 60, 60, n))
    return m.select(n > 60, _scaled(m, p + 1.0, n), m.multiply_add(p, scale, scale - 1.0))


def log32(m: Any, x: Any) -> Any:
    """Logarithm of a positive, finite float32; anything for other arguments."""
    denormal = x < 1.17549435e-38
    bits = m.reinterpret("int32", m.select(denormal, x * 8388608.0, x)) - 0x3F3504F3  # the bits of sqrt(1/2)
    exponent = m.convert("float32", bits >> 23)
    exponent = m.select(denormal, exponent - 23.0, exponent)
    f = m.reinterpret("float32", (bits & 0x007FFFFF) + 0x3F3504F3) - 1.0
    square = f * f
    y = polynomial(m, f, _LOG) * f * square
    y = m.multiply_add(square, -0.5, m.multiply_add(exponent, _LN2_LOW, y))
    return m.multiply_add(exponent, _LN2_HIGH, f + y)


@define("float32")
def log_float32(m: Any, x: Any) -> Any:
    y = m.select(x <= _GREATEST32, log32(m, x), x)  # infinity and NaN are their own logarithms
    y = m.select(x == 0.0, -_INFINITY, y)
    return m.select(x < 0.0, math.nan, y)


@define("float32")
def log1p_float32(m: Any, x: Any) -> Any:
    # log(u) for the rounded u = 1 + x, plus what the rounding lost (to first order).
    u = x + 1.0
    y = log32(m, u) + (x - (u - 1.0)) / u
    y = m.select(u <= _GREATEST32, y, u)
    y = m.select(u == 0.0, -_INFINITY, y)
    return m.select(u < 0.0, math.nan, y)


@define("float32")
def softplus_float32(m: Any, x: Any) -> Any:
    """``log(1 + exp(x))`` without overflow."""
    tail = log1p_float32(m, exp_float32(m, -m.absolute(x)))
    return m.select(x > 0.0, x, 0.0) + tail


@define("float64")
def softplus_float64(m: Any, x: Any) -> Any:
    return m.select(x > 0.0, x, 0.0) + m.library("log1p", m.library("exp", -m.absolute(x)))


@define("float32")
def sigmoid_float32(m: Any, x: Any) -> Any:
    """``1 / (1 + exp(-x))``; 0 below -88.4, where the true value is denormal."""
    # From 88 on the power of two is infinite; below -87 the exponential, a normal number still, is lost beside 1.
    n, p = _exp_parts(m, _limit(m, -x, -87.0, 89.0))
    return 1.0 / ((p + 1.0) * _power_of_two(m, n) + 1.0)


@define("float64")
def sigmoid_float64(m: Any, x: Any) -> Any:
    return 1.0 / (m.library("exp", -x) + 1.0)


@define("float32")
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


@define("float32")
def erf_float32(m: Any, x: Any) -> Any:
    magnitude = m.absolute(x)
    near = m.multiply_add(polynomial(m, x * x, _ERF_NEAR), x, x)
    n, p = _exp_parts(m, polynomial(m, m.select(magnitude > 4.0, 4.0, magnitude), _ERF_FAR))
    scale = _power_of_two(m, n)
    far = m.copy_sign((1.0 - scale) - p * scale, x)
    return m.select(magnitude > 1.0, far, near)


# -------------------- roots, powers, angles


@define("float32")
def sqrt_float32(m: Any, x: Any) -> Any:
    return m.square_root(x)


@define("float64")
def sqrt_float64(m: Any, x: Any) -> Any:
    return m.square_root(x)


@define("float32")
def rsqrt_float32(m: Any, x: Any) -> Any:
    return 1.0 / m.square_root(x)


@define("float64")
def rsqrt_float64(m: Any, x: Any) -> Any:
    return 1.0 / m.square_root(x)


ROUND64 = 6755399441055744.0  # 1.5 * 2**52
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
    y = m.multiply_add(exponent, _LN2, s * polynomial(m, s * s, _ATANH64))
    return m.select(x == 0.0, -_INFINITY, m.select(x < _INFINITY, y, x))


def _exp_wide(m: Any, x: Any) -> Any:
    """Exponential in float64, to about 1e-13, of anything: results outside float32's range are merely far outside."""
    x = _limit(m, x, -120.0, 120.0)
    shifted = m.multiply_add(x, _LOG2E, ROUND64)
    whole = shifted - ROUND64
    r = m.multiply_add(whole, -_LN2, x)
    n = m.reinterpret("int64", shifted) - _ROUND64_BITS
    return polynomial(m, r, _EXP64) * m.reinterpret("float64", (n + 1023) << 52)


@define("float32", "float32", results=("float32",))
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


@define("float64", "float64", results=("float64",))
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


def circle_point(m: Any, r: Any, quarter: Any) -> Any:
    """sin(r + quarter pi / 2) in float64 for ``|r| <= pi / 4`` and ``quarter`` a whole int64."""
    square = r * r
    sine = m.multiply_add(r * square, polynomial(m, square, _SIN64), r)
    cosine = m.multiply_add(square, polynomial(m, square, _COS64), 1.0)
    value = m.select((quarter & 1) == 0, sine, cosine)
    return m.select((quarter & 2) == 0, value, -value)


def _angle(m: Any, x: Any, quarters: int) -> Any:
    place = m.convert("int64", (m.reinterpret("int32", x) >> 23) & 255)
    wide = m.convert("float64", x)
    exact, remaining = _reduction_tables()
    main = wide * m.table("circle_exact", exact, place)
    rest = wide * m.table("circle_rest", remaining, place)
    shifted = m.multiply_add(main, 2.0 / math.pi, ROUND64)
    n = shifted - ROUND64
    r = m.multiply_add(n, -_QUARTER_LOW, m.multiply_add(n, -_QUARTER_HIGH, main)) + rest
    return m.convert("float32", circle_point(m, r, m.reinterpret("int64", shifted) + quarters))


@define("float32")
def sin_float32(m: Any, x: Any) -> Any:
    """Right for every float32: large arguments are reduced with 2 pi to 150 bits."""
    y = _angle(m, x, 0)
    return m.select(m.absolute(x) < 1.0e-4, x, y)  # sin(x) = x there, down to denormals and the sign of zero


@define("float32")
def cos_float32(m: Any, x: Any) -> Any:
    return _angle(m, x, 1)
