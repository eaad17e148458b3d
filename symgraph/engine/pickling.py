"""Models in pickles and as copies: both go through the file format."""

from __future__ import annotations

import io
import warnings
from typing import Any

from symgraph.engine.saving import load_model, save_model
from symgraph.utils.generic_utils import get_custom_objects

__all__ = ["duplicate", "revive", "to_bytes"]


def to_bytes(model: Any) -> tuple[bytes, dict[str, type]]:
    """A model as the bytes of its file, and the classes of the caller's own that the file names."""
    image = io.BytesIO()
    save_model(model, image)
    return image.getvalue(), _own_classes(model)


def revive(image: bytes, classes: dict[str, type]) -> Any:
    """The model of `to_bytes`."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The file holds no training configuration")
        return load_model(image, custom_objects=classes)


def duplicate(model: Any) -> Any:
    """A model of the same layers, weights and training state, with nothing in common."""
    image, classes = to_bytes(model)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The file holds no training configuration")
        # The code of Lambda layers is this process's own.
        return load_model(image, custom_objects=classes, allow_unsafe=True)


def _own_classes(model: Any) -> dict[str, type]:
    """The classes of layers that are not of this package."""
    found: dict[str, type] = {}
    pending = [model]
    while pending:
        layer = pending.pop()
        cls = type(layer)
        if not cls.__module__.startswith("symgraph.") and cls.__name__ not in get_custom_objects():
            found[cls.__name__] = cls
        pending += layer._layers
    return found
