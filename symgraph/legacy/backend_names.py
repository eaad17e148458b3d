"""Names that Keras' backend modules have beside those of K: Python's own functions, and which backend it is."""

from __future__ import annotations

import builtins
from typing import Any

from symgraph import backend as _K

py_all, py_any, py_sum, py_slice = builtins.all, builtins.any, builtins.sum, builtins.slice
b_any = builtins.any

#: Modules that ask whether they run on TensorFlow get the answer that holds: no.
entries: dict[str, Any] = vars(_K)
required_entries = ["placeholder", "variable", "function"]


def __getattr__(name: str) -> Any:
    # The settings, which old losses read where Keras keeps them.
    if name in {"_EPSILON", "_FLOATX", "_IMAGE_DATA_FORMAT"}:
        return getattr(_K, name[1:].lower())()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def is_symbolic(x: Any) -> bool:
    """Whether `x` is a tensor of a graph."""
    return _K.is_tensor(x)


def get_graph() -> None:
    """There is one graph, and it has no object of its own."""


def get_variable_shape(x: Any) -> tuple:
    """The shape of a variable."""
    return _K.int_shape(x)
