"""Helpers around models."""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    "CustomObjectScope": "generic_utils", "GeneratorEnqueuer": "data_utils", "H5Dict": "io_utils",
    "HDF5Matrix": "io_utils", "OrderedEnqueuer": "data_utils", "Progbar": "progress", "Sequence": "data_utils",
    "convert_all_kernels_in_model": "layer_utils", "custom_object_scope": "generic_utils",
    "deserialize_keras_object": "generic_utils", "get_custom_objects": "generic_utils", "get_file": "data_utils",
    "get_source_inputs": "layer_utils", "model_to_dot": "vis_utils", "multi_gpu_model": "multi_gpu_utils",
    "normalize": "np_utils", "plot_model": "vis_utils", "print_summary": "layer_utils",
    "serialize_keras_object": "generic_utils", "to_categorical": "np_utils",
}
_MODULES = ("conv_utils", "data_utils", "generic_utils", "io_utils", "layer_utils", "losses_utils", "metrics_utils",
            "multi_gpu_utils", "np_utils", "progress", "test_utils", "vis_utils")

__all__ = sorted([*_NAMES, *_MODULES])


def __getattr__(name: str) -> Any:
    """Load a helper on first use: some need the backend, most do not."""
    if name in _NAMES:
        return getattr(importlib.import_module(f"symgraph.utils.{_NAMES[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"symgraph.utils.{name}")
    raise AttributeError(f"module 'symgraph.utils' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
