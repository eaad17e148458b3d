"""Regularizers and constraints as Keras 1 wrote them into configurations: their class is under `name`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["modern_object"]


def modern_object(value: Any) -> Any:
    """`{'name': 'WeightRegularizer', 'l1': ..., 'l2': ...}` as `{'class_name', 'config'}`; anything else comes back."""
    if not isinstance(value, Mapping) or "class_name" in value or "name" not in value:
        return value
    options = {name: item for name, item in value.items() if name != "name"}
    class_name = value["name"]
    if class_name in {"WeightRegularizer", "ActivityRegularizer"}:
        class_name = "L1L2"
    elif class_name == "MaxNorm":
        options = {"max_value": options.get("m", 2), "axis": options.get("axis", 0)}
    return {"class_name": class_name, "config": options}
