"""Elementwise operations in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgraph.backends.reference.table import ELEMENTWISE
from symgraph.graph.type import numpy_dtype


def _plain(function: Any) -> Any:
    return lambda attrs, *arrays: function(*arrays)


def _pow(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    if x.dtype.kind in "iu":  # NumPy refuses negative exponents; the integer part of the reciprocal is 0, 1 or -1
        y = np.asarray(y)
        with_sign = np.where(y < 0, np.where(np.abs(x) == 1, x ** np.abs(y), 0), x ** np.maximum(y, 0))
        return with_sign.astype(x.dtype)
    return np.power(x, y)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    from scipy import special  # loading it takes longer than the rest of this package

    return special.expit(x.astype(np.float64)).astype(x.dtype)


def _erf(x: np.ndarray) -> np.ndarray:
    from scipy import special

    return special.erf(x.astype(np.float64)).astype(x.dtype)


def _softplus(x: np.ndarray) -> np.ndarray:
    wide = x.astype(np.float64)
    return np.logaddexp(wide, 0.0).astype(x.dtype)


def _rsqrt(x: np.ndarray) -> np.ndarray:
    return (1.0 / np.sqrt(x.astype(np.float64))).astype(x.dtype)


def _cast(attrs: Any, x: np.ndarray) -> np.ndarray:
    return np.asarray(x).astype(numpy_dtype(attrs["dtype"]))


_FUNCTIONS = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "pow": _pow,
    "floordiv": np.floor_divide, "mod": np.mod, "neg": np.negative, "abs": np.abs, "square": np.square,
    "maximum": np.maximum, "minimum": np.minimum, "sign": np.sign, "floor": np.floor, "ceil": np.ceil,
    "round": np.rint, "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "sqrt": np.sqrt,
    "rsqrt": _rsqrt, "tanh": np.tanh, "sigmoid": _sigmoid, "softplus": _softplus, "erf": _erf, "sin": np.sin,
    "cos": np.cos, "relu": lambda x: np.maximum(x, x.dtype.type(0)), "equal": np.equal, "not_equal": np.not_equal,
    "less": np.less, "less_equal": np.less_equal, "greater": np.greater, "greater_equal": np.greater_equal,
    "logical_and": np.logical_and, "logical_or": np.logical_or, "logical_not": np.logical_not, "is_nan": np.isnan,
    "is_finite": np.isfinite, "where": np.where,
}  # fmt: skip

ELEMENTWISE.update({name: _plain(function) for name, function in _FUNCTIONS.items()})
ELEMENTWISE["cast"] = _cast
ELEMENTWISE["rows_at"] = lambda attrs, table, slots: table[slots.reshape(-1)]
