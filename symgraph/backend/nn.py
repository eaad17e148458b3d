"""Activations, crossentropies and what layers are made of."""

from __future__ import annotations

from typing import Any

__all__: list[str] = []

_: Any = None
