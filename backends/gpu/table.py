"""The table of the GPU executor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Union

from symgraph.compiler.lowerings import Lowerings

#: Elementwise and generator operations: name -> a C expression with {0}, {1}, ... for the arguments, or a function
#: (instruction, arguments, writer) that returns one (see `symgraph.backends.gpu.codegen`).
ELEMENTWISE: dict[str, Union[str, Callable[..., str]]] = {}

#: Reductions: name -> (function of the prelude that joins two values, function that gives the identity).
REDUCTIONS: dict[str, tuple[str, Callable[[str], str]]] = {}

LOWERINGS = Lowerings("cupy", ELEMENTWISE, REDUCTIONS)

#: Enters a function(step) that returns the list of calls (see `symgraph.backends.gpu.calls`) for a step.
register: Callable[..., Callable[[Callable[..., Any]], Callable[..., Any]]] = LOWERINGS.register
