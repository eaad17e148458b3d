"""symgraph: a symbolic computation-graph framework that speaks Keras 1 and Keras 2.

Importing the package reads no file and no environment variable, prints nothing and probes no device: every public
module is loaded when its name is first used.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_MODULES = (
    "activations", "autodiff", "backend", "backends", "callbacks", "compiler", "config", "constraints", "engine",
    "graph", "initializers", "keras1", "layers", "losses", "metrics", "models", "ops", "optimizers", "preprocessing",
    "regularizers", "runtime", "utils", "wrappers",
)  # fmt: skip

# Names that live elsewhere and are offered here: name -> module.
_NAMES = {
    "Input": "symgraph.layers",
    "Model": "symgraph.models",
    "Sequential": "symgraph.models",
    "explain": "symgraph.runtime.explain",
    "install_as_keras": "symgraph.install",
    "uninstall": "symgraph.install",
}

__all__ = ["Input", "Model", "Sequential", "__version__", "explain", "install_as_keras", "uninstall", *_MODULES]


def __getattr__(name: str) -> Any:
    """Load a public module, or the module that holds a public name, on first use (PEP 562)."""
    if name in _MODULES:
        try:
            return importlib.import_module(f"symgraph.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"symgraph.{name}":
                raise
            raise AttributeError(f"module 'symgraph' has no attribute {name!r}") from None
    if name in _NAMES:
        value = getattr(importlib.import_module(_NAMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'symgraph' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
