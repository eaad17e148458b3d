"""What every test stands on: no file or setting of the user's reaches a test, and compiled kernels are kept apart.

The kernel cache lies in the repository (ignored by git), is keyed by content and is shared by runs and workers, so that
a second run of the tests compiles little.  ``SYMGRAPH_CACHE`` overrides it.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import hypothesis
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent

os.environ.setdefault("SYMGRAPH_CACHE", str(ROOT / ".kernel-cache"))
os.environ.setdefault("KERAS_BACKEND", "numba")
# An empty home: the user's keras.json must not change what the tests see.
_home = tempfile.TemporaryDirectory(prefix="symgraph-tests-")
os.environ["KERAS_HOME"] = _home.name

# The same examples in each run, and no limit of time an example: the first call of a function compiles kernels.
hypothesis.settings.register_profile("symgraph", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("symgraph")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked ``gpu`` run only where a CUDA device answers; the reason is shown with the skip."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if marked:
        reason = _why_no_gpu()
        if reason:
            for item in marked:
                item.add_marker(pytest.mark.skip(reason=reason))


def _why_no_gpu() -> str:
    try:
        import cupy
    except ImportError as error:
        return f"CuPy cannot be imported: {error}"
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return f"no CUDA device: {error}"
    return "" if count else "no CUDA device"


@pytest.fixture(autouse=True)
def same_numbers_each_run():
    """Weights and data drawn from NumPy's generator are the same in every run, whatever ran before."""
    np.random.seed(20)


@pytest.fixture
def fresh_settings(monkeypatch, tmp_path):
    """A settings module that has read nothing yet, over an empty home and an environment without our variables.

    Returns the home's path; what the tests before have set or read comes back afterwards.
    """
    from symgraph import config

    for name in ("KERAS_BACKEND", "SYMGRAPH_NUM_THREADS", "OMP_NUM_THREADS", "SYMGRAPH_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    kept = dict(vars(config._store))
    config.reset()
    yield tmp_path
    vars(config._store).update(kept)
