"""Kernel texts compiled as C++ of the host and run on arrays: what a kernel computes, shown without a GPU."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest

HEADER = Path(__file__).with_name("host_cuda.h")

COMPILER = shutil.which("g++") or shutil.which("clang++")

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler (g++ or clang++) to run kernels with")


def _folder() -> Path:
    root = os.environ.get("SYMGRAPH_CACHE")
    folder = (Path(root) if root else Path(tempfile.gettempdir())) / "host-kernels"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class HostModule:
    """The kernels of a module."""

    def __init__(self, code: str) -> None:
        self.library = ctypes.CDLL(str(_compiled(code)))

    def get_function(self, name: str) -> HostKernel:
        return HostKernel(name, getattr(self.library, f"host_{name}"))


class HostKernel:
    """One kernel, to be called like one of CuPy's: with a grid, a block, and a struct of words."""

    def __init__(self, name: str, function: ctypes._CFuncPtr) -> None:
        self.name, self.function = name, function

    def __call__(self, grid: tuple, block: tuple, arguments: tuple) -> None:
        (words,) = arguments
        x, y = (*grid, 1)[:2]
        held = np.array(words).view(np.int64)
        wrong = self.function(held.ctypes.data_as(ctypes.c_void_p), x, y, block[0])
        assert not wrong, f"{self.name}: some threads of a block ended while others waited at a barrier"


def sections(code: str) -> dict[str, str]:
    """Return the text of each kernel of a module by its name."""
    parts = re.split(r"^namespace of_(\w+) {$", code, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


@functools.cache
def _compiled(code: str) -> Path:
    """Return the shared library of a module, compiled unless it is there already."""
    source = f'#include "{HEADER}"\n{code}\n'
    for name, text in sections(code).items():
        source += (
            f"static of_{name}::Arguments words_{name};\n"
            f"static void body_{name}() {{ of_{name}::{name}(words_{name}); }}\n"
            f'extern "C" int host_{name}(const void* words, unsigned x, unsigned y, unsigned threads) {{\n'
            f"  memcpy(&words_{name}, words, sizeof(words_{name}));\n"
            f"  return host::run_grid(body_{name}, x, y, threads, {'true' if '__syncthreads' in text else 'false'});\n"
            "}\n"
        )
    digest = hashlib.sha256((source + HEADER.read_text()).encode()).hexdigest()[:24]
    path = _folder() / f"{digest}.so"
    if not path.exists():
        with tempfile.TemporaryDirectory() as folder:
            written = Path(folder) / "kernel.cpp"
            written.write_text(source)
            made = Path(folder) / "kernel.so"
            command = [
                COMPILER, "-std=c++17", "-O1", "-ffp-contract=off", "-fno-strict-aliasing", "-fPIC", "-shared", "-w",
                str(written), "-o", str(made),
            ]  # fmt: skip
            finished = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
            assert finished.returncode == 0, f"kernels do not compile as C++:\n{finished.stderr[:3000]}"
            moved = path.with_suffix(f".{os.getpid()}")
            shutil.copy(made, moved)
            os.replace(moved, path)
    return path
