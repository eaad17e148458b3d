"""A pytest plugin: every test that needs a GPU runs on the stand-in instead. Slow (kernels are compiled as C++), and
worth it after a change to the generated code:

    PYTHONPATH=tests/backends/gpu python -m pytest -p stand_in -k cupy tests/ops
    PYTHONPATH=tests/backends/gpu python -m pytest -p stand_in tests/backends/gpu/test_device.py
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType

os.environ.setdefault("SYMGRAPH_CACHE", str(Path(__file__).resolve().parents[3] / ".kernel-cache"))
sys.path.insert(0, str(Path(__file__).parent))

from fake_cupy import FakeCupy  # noqa: E402

from symgraph.backends.gpu.executor import GPUExecutor  # noqa: E402
from symgraph.runtime import executor  # noqa: E402

_fake = FakeCupy()
_module = ModuleType("cupy")
_module.cuda = _fake.cuda  # type: ignore[attr-defined]
sys.modules["cupy"] = _module
executor._LOADED["cupy"] = GPUExecutor(_fake)
