"""Small data sets that are fetched when they are first asked for, and kept in the folder of `keras.json`."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["boston_housing", "cifar10", "cifar100", "fashion_mnist", "imdb", "mnist", "reuters"]


def __getattr__(name: str) -> Any:
    if name in __all__ or name == "cifar":
        return importlib.import_module(f"symgraph.datasets.{name}")
    raise AttributeError(f"module 'symgraph.datasets' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
