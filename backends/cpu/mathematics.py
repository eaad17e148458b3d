"""Elementary functions of the kernel language, written once as formulas.

The formulas stand in elementary.py and arithmetic.py.

A formula takes a *machine* and its arguments.  Over native values (native_functions.py) it writes branch-free LLVM
instructions, which LLVM turns into vectors; over NumPy arrays (:class:`NumpyMachine`) it computes, which is checked
mode and lets the tests measure the very same steps.

:data:`ULP` says how exact they are.  Numbers, vectors of every width and checked mode run the same formulas.

All functions pass NaN on, and treat infinities and denormals as IEEE 754 functions do, unless their text says
otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symgraph.backends.cpu import arithmetic, elementary  # noqa: F401  (imported for their formulas)
from symgraph.backends.cpu.formula import FUNCTIONS, Function, NumpyMachine

__all__ = ["FUNCTIONS", "ULP", "Function", "NumpyMachine", "checked_functions", "evaluate"]

#: The greatest errors of results, in units in the last place (ulp) of the exact one, for float32 and float64: over
#: floats of every exponent, denormal and huge ones too, as the tests measure them.  Results that are denormal count
#: in units of the least normal number's last place.  Functions of float64 are those of the C library, and their errors
#: those of glibc; so are tan, asin, acos, atan, sinh, cosh, asinh, acosh, atanh, erfc and lgamma of float32, computed
#: in float64 and rounded.  sigmoid may be 0 where it is denormal: below -87.3 (float32) and -708 (float64).
#: While a tape runs (pool.py), denormal arguments and results count as 0, unless `config.set_exact(True)` keeps them.
ULP: dict[str, tuple[float, float]] = {
    "exp": (1.05, 0.6),
    "expm1": (1.6, 0.9),
    "log": (0.9, 0.6),
    "log1p": (1.6, 0.9),
    "sigmoid": (2.4, 2.1),
    "tanh": (2.5, 2.1),
    "softplus": (2.1, 1.6),
    "erf": (1.2, 1.2),
    "sin": (0.65, 0.6),
    "cos": (0.65, 0.6),
    "tan": (0.51, 0.7),
    "atan": (0.51, 0.7),
    "sinh": (0.51, 2.1),
    "asinh": (0.51, 2.1),
    "erfc": (0.51, 5.0),
    "sqrt": (0.51, 0.51),
    "rsqrt": (1.6, 1.6),
    "pow": (0.51, 0.6),
}


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
