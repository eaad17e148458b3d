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


#: Function, truth in float64, greatest error in ulp that is documented for float32.
ACCURACY = [
    ("exp", np.exp, 1.05),
    ("expm1", np.expm1, 1.6),
    ("log", np.log, 0.9),
    ("log1p", np.log1p, 1.6),
    ("tanh", np.tanh, 2.5),
    ("erf", scipy.special.erf, 1.2),
    ("softplus", lambda x: np.logaddexp(0, x), 2.1),
    ("sin", np.sin, 0.65),
    ("cos", np.cos, 0.65),
    ("sqrt", np.sqrt, 0.51),
    ("rsqrt", lambda x: 1 / np.sqrt(x), 1.6),
    ("tan", np.tan, 0.51),
    ("atan", np.arctan, 0.51),
    ("sinh", np.sinh, 0.51),
    ("asinh", np.arcsinh, 0.51),
    ("erfc", scipy.special.erfc, 0.51),
]
