"""Fixtures: the executor on a device that is no GPU."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # host_kernels and fake_cupy stand beside the tests


@pytest.fixture
def device():
    """The stand-in for CuPy."""
    from fake_cupy import FakeCupy

    return FakeCupy()


@pytest.fixture
def gpu(device, monkeypatch):
    """The GPU executor on the stand-in, also under its name; every pass of the compiler is verified."""
    from symgraph.backends.gpu.executor import GPUExecutor
    from symgraph.compiler.verify import verify
    from symgraph.runtime import executor, function

    made = GPUExecutor(device)
    monkeypatch.setitem(executor._LOADED, "cupy", made)
    monkeypatch.setattr(function, "CHECK", verify)
    return made
