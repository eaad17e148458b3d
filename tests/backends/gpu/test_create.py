"""Where there is no GPU, the error says what is missing and what to do; nothing else is used in its place."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from symgraph.backends.gpu.executor import create
from symgraph.runtime.executor import ExecutorError


class CUDARuntimeError(RuntimeError):
    pass


def _module(**runtime) -> SimpleNamespace:
    return SimpleNamespace(cuda=SimpleNamespace(runtime=SimpleNamespace(CUDARuntimeError=CUDARuntimeError, **runtime)))


def _raise(error):
    raise error


ADVICE = r'pip install "symgraph\[gpu\]".*KERAS_BACKEND=numba'


def test_without_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(ExecutorError, match=f"needs CuPy, which cannot be imported.*{ADVICE}"):
        create()


def test_without_a_driver_or_with_an_old_one(monkeypatch):
    error = CUDARuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")
    monkeypatch.setitem(sys.modules, "cupy", _module(getDeviceCount=lambda: _raise(error)))
    with pytest.raises(ExecutorError, match=f"cannot use a GPU: cudaErrorInsufficientDriver.*{ADVICE}"):
        create()


def test_without_a_device(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", _module(getDeviceCount=lambda: 0))
    with pytest.raises(ExecutorError, match=f"needs a CUDA device, and there is none.*{ADVICE}"):
        create()


def test_without_cublas(gpu, device, monkeypatch):
    class Device:
        @staticmethod
        def get_cublas_handle():
            raise ImportError("libcublas.so.13 cannot be opened")

    monkeypatch.setattr(device.cuda, "device", Device)
    with pytest.raises(ExecutorError, match=f"cuBLAS cannot be loaded.*libcublas.*{ADVICE}"):
        gpu.product(("float32", "float32"), (1, 1, 1, 1), (False, False), ((1, 1), (1, 1)), False, None)


def test_without_a_compiler(gpu, device, monkeypatch):
    monkeypatch.setattr(device, "RawModule", lambda **options: _raise(RuntimeError("libnvrtc.so.13 cannot be opened")))
    with pytest.raises(ExecutorError, match=f"cannot compile kernels here .libnvrtc.so.13.*{ADVICE}"):
        gpu.function("name", "text")


def test_importing_the_executor_imports_no_cupy():
    import subprocess

    code = "import sys, symgraph.backends.gpu.executor; sys.exit('cupy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
