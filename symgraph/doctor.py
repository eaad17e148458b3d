"""``symgraph doctor``: what is installed here, which executors can run, and why not."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import symgraph
from symgraph import config
from symgraph.cli import print_table

__all__ = ["examine", "processor", "run", "try_executor"]

# A small computation with a product, a sum and a gradient; prints what it got.
_PROBE = """
import numpy as np
from symgraph import backend as K
x = K.placeholder(shape=(None, 3))
w = K.variable(np.arange(6.0).reshape(3, 2))
loss = K.sum(K.square(K.dot(x, w)))
function = K.function([x], [loss, K.gradients(loss, [w])[0]])
value, gradient = function([np.ones((2, 3))])
expected = 2 * np.ones((3, 2)) @ np.diag([6.0 * 2, 9.0 * 2])
if not (np.allclose(value, 2 * (36 + 81)) and np.allclose(gradient, expected)):
    raise SystemExit(f"wrong result: {value}, {gradient}")
"""


def try_executor(name: str, timeout: float = 120.0) -> dict[str, Any]:
    """Run a small computation on an executor in a fresh process.

    # Returns
        {"runs": bool, "reason": str}: the reason is the process's last line where it did not run.
    """
    environment = config.child_environment(KERAS_BACKEND=name)
    command = [sys.executable, "-c", _PROBE]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return {"runs": False, "reason": f"no answer within {timeout:g} seconds"}
    if done.returncode == 0:
        return {"runs": True, "reason": ""}
    if done.returncode < 0:
        return {"runs": False, "reason": f"the process was ended by signal {-done.returncode}"}
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    if not lines:
        return {"runs": False, "reason": f"exit code {done.returncode}"}
    # The last line of a traceback is `package.module.Error: message`; the message speaks for itself.
    return {"runs": False, "reason": re.sub(r"^(\w+\.)+\w*(Error|Exception): ", "", lines[-1])}


def _requirements() -> list[tuple[str, str, str]]:
    """(package, installed version or '', what for) of everything that the package's metadata asks for."""
    found: dict[str, tuple[str, str, str]] = {}
    for requirement in importlib.metadata.requires("symgraph") or []:
        match = re.match(r"[A-Za-z0-9._-]+", requirement)
        extra = re.search(r"extra == ['\"]([^'\"]+)['\"]", requirement)
        if not match or (extra and extra.group(1) in ("test", "dev")):
            continue
        name = match.group()
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            version = ""
        found.setdefault(name.lower(), (name, version, f"extra '{extra.group(1)}'" if extra else "required"))
    return sorted(found.values(), key=lambda row: (row[2] != "required", row[2], row[0].lower()))


def processor() -> dict[str, Any]:
    """The processor: model, threads that will be used, what LLVM calls it, and features that matter here."""
    model = platform.processor() or platform.machine()
    try:
        match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        model = match.group(1) if match else model
    except OSError:
        pass  # not Linux
    found: dict[str, Any] = {"model": model, "threads": config.threads(), "target": "", "features": []}
    try:
        from llvmlite import binding

        features = binding.get_host_cpu_features()
    except (ImportError, RuntimeError):
        return found  # LLVM is missing or does not know this processor: the executors' lines say more
    interesting = ("sse4.2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bf16", "amx-tile", "neon", "sve")
    found["target"] = binding.get_host_cpu_name()
    found["features"] = [name for name in interesting if features.get(name)]
    return found


def _linear_algebra() -> dict[str, str]:
    """The BLAS with which NumPy and SciPy were built."""
    found = {}
    for name in ("numpy", "scipy"):
        try:
            module = importlib.import_module(name)
            blas = module.show_config(mode="dicts")["Build Dependencies"]["blas"]
            found[name] = f"{blas.get('name', '?')} {blas.get('version', '?')}"
        except (ImportError, KeyError, TypeError) as error:
            found[name] = f"unknown ({error})"
    return found


def _kernel_cache() -> dict[str, Any]:
    path = config.kernel_cache_directory()
    files = [entry for entry in path.rglob("*") if entry.is_file()] if path.is_dir() else []
    size = 0
    for entry in files:
        try:
            size += entry.stat().st_size
        except FileNotFoundError:
            continue  # another process has replaced it
    nearest = path
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    return {
        "path": str(path),
        "exists": path.is_dir(),
        "writable": os.access(nearest, os.W_OK | os.X_OK),
        "files": len(files),
        "megabytes": round(size / 1e6, 1),
    }


def _driver() -> str:
    """What the NVIDIA driver says of itself, or '' where there is none."""
    try:
        line = Path("/proc/driver/nvidia/version").read_text().splitlines()[0]
        return re.sub(r"\s+", " ", line.removeprefix("NVRM version:")).strip()
    except (OSError, IndexError):
        return ""


def examine() -> dict[str, Any]:
    """Everything that ``symgraph doctor`` shows, as plain data."""
    chosen = config.executor_name()
    return {
        "symgraph": symgraph.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "chosen": chosen,
        "packages": [{"name": name, "version": version, "for": use} for name, version, use in _requirements()],
        "processor": processor(),
        "blas": _linear_algebra(),
        "nvidia_driver": _driver(),
        "kernel_cache": _kernel_cache(),
        "executors": {name: try_executor(name) for name in config.known_executors()},
    }


def run(as_json: bool = False) -> int:
    """Print the examination.

    # Returns
        0 if the chosen executor runs and every required package is there, else 1.
    """
    found = examine()
    missing = [row["name"] for row in found["packages"] if row["for"] == "required" and not row["version"]]
    code = 0 if found["executors"][found["chosen"]]["runs"] and not missing else 1
    if as_json:
        print(json.dumps(found, indent=2))
        return code
    print(f"symgraph {found['symgraph']} on Python {found['python']}, {found['platform']}\n")
    rows = [(row["name"], row["version"] or "-", row["for"]) for row in found["packages"]]
    print_table(("package", "version", "what for"), rows)
    cpu = found["processor"]
    print(f"\nProcessor     {cpu['model']}; {cpu['threads']} threads will be used")
    print(f"              LLVM target {cpu['target'] or 'unknown'}: {' '.join(cpu['features']) or 'unknown'}")
    print("BLAS          " + "; ".join(f"{name}: {blas}" for name, blas in found["blas"].items()))
    print(f"NVIDIA driver {found['nvidia_driver'] or 'none found'}")
    cache = found["kernel_cache"]
    state = f"{cache['files']} files, {cache['megabytes']} MB" if cache["exists"] else "not made yet"
    if not cache["writable"]:
        state += "; NOT WRITABLE: kernels are compiled anew in each process (set SYMGRAPH_CACHE)"
    print(f"Kernel cache  {cache['path']} ({state})\n")
    width = max(map(len, found["executors"]))
    print("Executors")
    for name, result in found["executors"].items():
        state = "runs" if result["runs"] else f"cannot run: {result['reason']}"
        indent = " " * (width + 4)
        print(textwrap.fill(f"  {name:<{width}}  {state}", 100, subsequent_indent=indent, break_long_words=False))
    print(f"\nChosen: {found['chosen']} ({config.settings()[0].where})")
    if missing:
        print(f"Missing: {', '.join(missing)}; install with: pip install {' '.join(missing)}")
    return code
