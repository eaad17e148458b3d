"""Compilers of CUDA texts that need no GPU: NVRTC through ctypes, or nvcc."""

from __future__ import annotations

import ctypes
import functools
import glob
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from symgraph.backends.gpu.executor import OPTIONS

#: The oldest architecture that CUDA 13 compiles for, and a recent one.
ARCHITECTURES = ("sm_75", "sm_90")


def _candidates() -> list[str]:
    """Places where NVRTC may lie: the wheels of NVIDIA, a CUDA toolkit, the loader's own."""
    found: list[str] = []
    spec = importlib.util.find_spec("nvidia")
    for folder in list(spec.submodule_search_locations or []) if spec else []:
        found += glob.glob(f"{folder}/*/lib/libnvrtc.so.*")
    for home in (os.environ.get("CUDA_PATH"), os.environ.get("CUDA_HOME"), "/usr/local/cuda"):
        if home:
            found += glob.glob(f"{home}/lib64/libnvrtc.so.*")
    return [path for path in found if "alt" not in path] + ["libnvrtc.so.13", "libnvrtc.so.12"]


@functools.cache
def _library() -> ctypes.CDLL | None:
    for path in _candidates():
        try:
            return ctypes.CDLL(path)
        except OSError:
            continue
    return None


def _with_nvrtc(text: str, architecture: str) -> str | None:
    """Return None, or what the compiler complains about."""
    library = _library()
    assert library is not None
    program = ctypes.c_void_p()
    library.nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"kernel.cu", 0, None, None)
    # What the executor asks for, and what CuPy adds to it.
    options = [*(option.encode() for option in OPTIONS), f"--gpu-architecture={architecture}".encode()]
    options += [b"-ftz=true", b"--device-as-default-execution-space"]
    wrong = library.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    message = None
    if wrong:
        size = ctypes.c_size_t()
        library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        library.nvrtcGetProgramLog(program, log)
        message = log.value.decode(errors="replace") or f"NVRTC error {wrong}"
    library.nvrtcDestroyProgram(ctypes.byref(program))
    return message


def _with_nvcc(text: str, architecture: str) -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "kernel.cu"
        source.write_text(text)
        command = ["nvcc", "-std=c++17", f"-arch={architecture}", "-cubin", "-o", f"{folder}/kernel.cubin", str(source)]
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
    return finished.stderr if finished.returncode else None


def compiler() -> Callable[[str, str], str | None] | None:
    """Return a function (text, architecture) -> complaint or None; None where no compiler is installed."""
    if _library() is not None:
        return _with_nvrtc
    return _with_nvcc if shutil.which("nvcc") else None


needs_cuda_compiler = pytest.mark.skipif(
    compiler() is None, reason="no CUDA compiler: install nvidia-cuda-nvrtc, or put nvcc on the PATH"
)
