"""Matrix products for native kernels through the BLAS that NumPy or SciPy already carry."""

from __future__ import annotations

from typing import Any


def convention() -> str:
    return "none"


def provide(name: str) -> bool:
    return False


def native_words() -> dict[str, Any]:
    return {}


def checked_functions() -> dict[str, Any]:
    return {}
