"""How exact the kernel language's functions are documented to be, and how that is measured."""

from __future__ import annotations

import numpy as np
import scipy.special

SPECIAL = np.array(
    [
        0.0,
        -0.0,
        1,
        -1,
        0.5,
        -0.5,
        np.inf,
        -np.inf,
        np.nan,
        1e-45,
        -1e-45,
        1e-40,
        3.4028235e38,
        -3.4028235e38,
        88.7,
        88.73,
        -87.4,
        -103.9,
        -104.5,
        1.1754944e-38,
    ],
    np.float32,
)


def floats(count: int = 200_000) -> np.ndarray:
    """Floats of every exponent, of common sizes, and special ones."""
    rng = np.random.default_rng(7)
    anything = rng.integers(0, 2**32, count, dtype=np.uint64).astype(np.uint32).view(np.float32)
    common = np.concatenate([rng.standard_normal(count // 4) * scale for scale in (0.01, 1, 10, 40)])
    return np.concatenate(
        [anything, common.astype(np.float32), np.linspace(-110, 110, count).astype(np.float32), SPECIAL]
    )


def worst_ulp(got: np.ndarray, true: np.ndarray, real=np.float32) -> float:
    """Greatest error in units of the last place of the true value; NaN and infinities must be where they belong."""
    with np.errstate(over="ignore"):
        rounded = true.astype(real)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(true))
    infinite = np.isinf(got) | np.isinf(rounded)
    np.testing.assert_array_equal(got[infinite], rounded[infinite])
    good = np.isfinite(got) & np.isfinite(rounded)
    with np.errstate(over="ignore"):
        unit = np.spacing(np.maximum(np.abs(rounded[good]), np.finfo(real).tiny)).astype(true.dtype)
    return float((np.abs(got[good].astype(true.dtype) - true[good]) / unit).max())


def wide_floats(count: int = 50_000) -> np.ndarray:
    """The same of float64."""
    rng = np.random.default_rng(7)
    anything = rng.integers(0, 2**64, count, dtype=np.uint64).view(np.float64)
    common = [rng.standard_normal(count // 4) * scale for scale in (0.01, 1, 10, 300)]
    borders = [5e-324, -5e-324, 1e-310, 1.79e308, 709.7, 709.8, -745.2, -708.4, 2.2250738585072014e-308]
    return np.concatenate([anything, *common, np.linspace(-750, 750, count), SPECIAL.astype(np.float64), borders])


def erf(x: np.ndarray) -> np.ndarray:
    """By the series of positive terms, which NumPy's long double sums to more digits than a float64 has."""
    value = np.copysign(np.ones_like(x), x)
    value[np.isnan(x)] = np.nan
    near = np.abs(x) < 7  # elsewhere it is 1
    term = total = small = x[near]
    for n in range(1, 250):
        term = term * 2 * small * small / (2 * n + 1)
        total = total + term
    value[near] = 2 / np.sqrt(4 * np.arctan(np.ones((), x.dtype))) * np.exp(-small * small) * total
    return value


#: Function -> what is true of it, in the type that it is given.  mathematics.ULP has the errors that are documented.
TRUTHS = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "softplus": lambda x: np.logaddexp(np.zeros((), x.dtype), x),
    "erf": lambda x: scipy.special.erf(x) if x.dtype == np.float64 else erf(x),
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "atan": np.arctan,
    "sinh": np.sinh,
    "asinh": np.arcsinh,
    "erfc": scipy.special.erfc,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
}
#: Below, sigmoid may be 0 where it should be denormal.
LEAST_SIGMOID = {"float32": -87.3, "float64": -708.0}
