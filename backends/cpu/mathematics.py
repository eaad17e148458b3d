"""Elementary functions of the kernel language, written once as formulas.

The formulas stand in elementary.py and arithmetic.py.

A formula takes a *machine* and its arguments.  Over native values (native_functions.py) it writes branch-free LLVM
instructions, which LLVM turns into vectors; over NumPy arrays (:class:`NumpyMachine`) it computes, which is checked
mode and lets the tests measure the very same steps.

Greatest error found over all floats tried, in units in the last place (ulp) of the exact result:
see the table of tests/backends/cpu/test_mathematics.py, which asserts it.

All functions pass NaN on, and treat infinities and denormals as IEEE 754 functions do, unless their text says
otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symgraph.backends.cpu import arithmetic, elementary  # noqa: F401  (imported for their formulas)
from symgraph.backends.cpu.formula import FUNCTIONS, Function, NumpyMachine

__all__ = ["FUNCTIONS", "Function", "NumpyMachine", "checked_functions", "evaluate"]


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
