"""The table of the reference executor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symgraph.compiler.lowerings import Lowerings

#: Elementwise and generator operations: name -> function(attrs, *arrays).
ELEMENTWISE: dict[str, Callable[..., Any]] = {}

#: Reductions: name -> function(array, axes, keepdims).
REDUCTIONS: dict[str, Callable[..., Any]] = {}

LOWERINGS = Lowerings("numpy", ELEMENTWISE, REDUCTIONS)

#: Enters a function(attrs, *arrays) as the meaning of a general operation; it returns an array, or a tuple of arrays.
register = LOWERINGS.register
