"""What formulas of the kernel language's functions are made of, and their table; see mathematics.py."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["FUNCTIONS", "Function", "NumpyMachine", "define", "polynomial"]


@dataclass(frozen=True)
class Function:
    """A formula with the dtypes of its arguments and results."""

    formula: Callable[..., Any]
    arguments: tuple[str, ...]
    results: tuple[str, ...]


FUNCTIONS: dict[str, Function] = {}


def define(*arguments: str, results: tuple[str, ...] = (), name: str = "") -> Callable[[Any], Any]:
    """Decorate a formula: keep it in :data:`FUNCTIONS`, by its own name or ``name``, with the dtypes given."""

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
        wide: Any = np.float64 if kind == np.float32 else np.longdouble
        x, y, z = (np.asarray(one, kind).astype(wide) for one in (a, b, c))
        product: Any = np.multiply(x, y)
        return np.add(product, z).astype(kind)

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
        operations: dict[str, Any] = {"floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "roundeven": np.round}
        return operations[direction](x)

    def greater(self, a: Any, b: Any) -> Any:
        """The greater of two numbers; NaN if one is NaN."""
        return np.maximum(a, b)

    def smaller(self, a: Any, b: Any) -> Any:
        """The smaller of two numbers; NaN if one is NaN."""
        return np.minimum(a, b)

    def library(self, name: str, *values: Any) -> Any:
        """A function of the C library on float64."""
        own = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2", "asinh": "arcsinh",
               "acosh": "arccosh", "atanh": "arctanh", "pow": "power"}.get(name, name)  # fmt: skip
        if hasattr(np, own):
            return getattr(np, own)(*values)
        function: Callable[[float], float] = getattr(math, name)

        def safe(number: float) -> float:
            try:
                return function(number)
            except (OverflowError, ValueError):  # lgamma, at its poles and of the greatest numbers
                return math.inf

        return np.array([safe(float(one)) for one in values[0]])

    def table(self, name: str, numbers: Any, index: Any) -> Any:
        """Element ``index`` (int64) of the constant float64 table ``numbers``."""
        return np.asarray(numbers, np.float64)[index]


def polynomial(m: Any, x: Any, coefficients: tuple[float, ...]) -> Any:
    """Horner's rule, highest power first."""
    value = m.multiply_add(x, coefficients[0], coefficients[1])
    for one in coefficients[2:]:
        value = m.multiply_add(value, x, one)
    return value
