"""The residual networks of 2016: see `resnet_common`."""

from __future__ import annotations

from typing import Any

from symgraph.applications import imagenet_utils
from symgraph.applications.imagenet_utils import decode_predictions
from symgraph.applications.resnet_common import ResNet50V2, ResNet101V2, ResNet152V2

__all__ = ["ResNet101V2", "ResNet152V2", "ResNet50V2", "decode_predictions", "preprocess_input"]


def preprocess_input(x: Any, data_format: str | None = None, **kwargs: Any) -> Any:
    """Pictures as these networks want them; see `imagenet_utils.preprocess_input`."""
    return imagenet_utils.preprocess_input(x, data_format, mode="tf", **kwargs)
