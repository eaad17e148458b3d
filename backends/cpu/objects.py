"""Kernels as native object files: compiled once, cached on disk by content, loaded with LLVM's linker alone.

``compile_kernels([(name, source), ...])`` gives addresses of native functions ``void(int64, int64, int64)``.  A kernel
seen before - by this process or, through the directory of :func:`symgraph.config.kernel_cache_directory`, by another
one - is not compiled again, and then Numba is not even imported.

The key of an entry covers everything its code depends on: the kernel's text, the texts of the modules that give its
words a meaning, the versions of Numba, llvmlite and symgraph, and the processor with its features.  An entry is one
file,
``<key>.kernel``: a header (magic, SHA-256 of the rest, symbol, names of outside functions) and an ELF, Mach-O or COFF
object.  It is written to a temporary file, synchronised and renamed, so a reader sees a whole entry or none; one that
is damaged all the same is deleted and compiled again.  Objects are machine code, so the directory must be private (mode
0700) and our own; where it is not, or cannot be written, entries are kept in memory and a warning says so once.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import os
import platform
import re
import stat
import struct
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import Any

from symgraph.backends.cpu import product, symbols, vector

__all__ = [
    "are_compiled",
    "cache_directory",
    "cache_state",
    "compile_kernel",
    "compile_kernels",
    "kernel_key",
    "object_code",
    "set_cache_directory",
]

_MAGIC = b"symgraph kernel 1\n"
_lock = threading.RLock()
_addresses: dict[str, int] = {}
_memory: dict[str, bytes] = {}  # entries of this process, where the directory cannot be used
_engines: list[Any] = []
_directory: dict[str, Path | None] = {}
_warned: set[str] = set()
statistics = {"compiled": 0, "loaded": 0}


def _after_fork() -> None:
    """A thread that is not in this child may have held the lock."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _warn_once(message: str) -> None:
    if message not in _warned:
        _warned.add(message)
        warnings.warn(message, RuntimeWarning, stacklevel=4)


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


@functools.cache
def _base_key() -> bytes:
    """Hash of all that kernels depend on apart from their own text."""
    import llvmlite.binding as llvm

    digest = hashlib.sha256(_MAGIC)
    folder = Path(__file__).parent
    for file in (
        "build.py",
        "front.py",
        "language.py",
        "native.py",
        "native_functions.py",
        "native_blas.py",
        "microkernels.py",
        "winograd.py",
        "vector.py",
        "native_vector.py",
        "product.py",
        "mathematics.py",
        "formula.py",
        "elementary.py",
        "arithmetic.py",
        "symbols.py",
    ):
        digest.update((folder / file).read_bytes())
    try:
        features = llvm.get_host_cpu_features().flatten()
    except RuntimeError:
        features = ""
    parts = (
        _version("numba"),
        _version("llvmlite"),
        _version("symgraph"),
        llvm.get_process_triple(),
        llvm.get_host_cpu_name(),
        features,
        platform.machine(),
        sys.byteorder,
    )
    digest.update("\0".join(parts).encode())
    return digest.digest()


def kernel_key(source: str, name: str) -> str:
    """The hexadecimal key under which the kernel ``source`` named ``name`` is cached."""
    from symgraph.backends.cpu import blas

    parts = (blas.convention(), name, source)
    return hashlib.sha256(_base_key() + "\0".join(parts).encode()).hexdigest()


def _symbol(name: str, key: str) -> str:
    return f"symgraph_{re.sub(r'[^A-Za-z0-9_]', '_', name)[:40]}_{key[:16]}"


# -------------------- the directory


def set_cache_directory(directory: str | os.PathLike[str] | None) -> None:
    """Use ``directory`` for the kernel cache of this process; None goes back to the configured one.

    Kernels already loaded stay loaded.
    """
    with _lock:
        _directory.clear()
        if directory is not None:
            _directory["chosen"] = Path(directory)


def cache_directory() -> Path | None:
    """The usable, private cache directory (created on the way), or None where entries can only be kept in memory."""
    with _lock:
        if "usable" not in _directory:
            if "chosen" in _directory:
                wanted = _directory["chosen"]
            else:
                from symgraph import config

                wanted = Path(config.kernel_cache_directory())
            assert wanted is not None
            usable = _directory["usable"] = _private_directory(wanted)
            if usable is not None:
                sweep(usable, time.time() - 3600)
        return _directory["usable"]


def _private_directory(directory: Path) -> Path | None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = os.lstat(directory)
    except OSError as error:
        _warn_once(
            f"the kernel cache {directory} cannot be made ({error.strerror or error}): kernels are compiled anew in "
            "each process; set SYMGRAPH_CACHE to a directory of yours"
        )
        return None
    trouble = _distrust(state)
    if trouble:
        _warn_once(
            f"the kernel cache {directory} is not used: {trouble}; it holds machine code, so it must be a directory "
            "of yours that nobody else can write (chmod 700); kernels are compiled anew in each process"
        )
        return None
    return directory


def _distrust(state: os.stat_result) -> str:
    """Why code found under a file of this ``state`` is not to be run; an empty text where it may."""
    if not (stat.S_ISDIR(state.st_mode) or stat.S_ISREG(state.st_mode)):
        return "it is a link or a special file"
    if hasattr(os, "getuid"):
        if state.st_uid != os.getuid():
            return f"it belongs to user {state.st_uid}, this process runs as {os.getuid()}"
        if state.st_mode & 0o022 or (stat.S_ISDIR(state.st_mode) and state.st_mode & 0o077):
            return f"others have access to it (mode {stat.S_IMODE(state.st_mode):04o})"
    return ""


def cache_state() -> dict[str, Any]:
    """For ``symgraph doctor``: directory, whether it is used, its number of entries and bytes."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        directory = cache_directory()
    files = list(directory.glob("*.kernel")) if directory else []
    return {
        "directory": str(directory) if directory else None,
        "usable": directory is not None,
        "entries": len(files),
        "bytes": sum(one.stat().st_size for one in files),
        "problems": [str(one.message) for one in caught],
        **statistics,
    }


# -------------------- the entries


def _pack(symbol: str, wanted: list[str], code: bytes) -> bytes:
    names = "\n".join([symbol, *wanted]).encode()
    payload = struct.pack("<I", len(names)) + names + code
    return _MAGIC + hashlib.sha256(payload).digest() + payload


def _unpack(entry: bytes, symbol: str) -> tuple[list[str], bytes]:
    """The names of outside functions and the object of an entry; ValueError says what is wrong with it."""
    start = len(_MAGIC) + 32
    payload = entry[start:]
    if entry[: len(_MAGIC)] != _MAGIC or len(payload) < 4:
        raise ValueError("not a kernel entry")
    if hashlib.sha256(payload).digest() != entry[len(_MAGIC) : start]:
        raise ValueError("truncated or damaged")
    (length,) = struct.unpack_from("<I", payload)
    found, *wanted = payload[4 : 4 + length].decode().split("\n")
    if found != symbol:
        raise ValueError(f"holds {found}, not {symbol}")
    return wanted, payload[4 + length :]


def _read(key: str, symbol: str) -> tuple[list[str], bytes] | None:
    if key in _memory:
        return _unpack(_memory[key], symbol)
    directory = cache_directory()
    if directory is None:
        return None
    path = directory / (key + ".kernel")
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    except OSError:  # not there (or not readable: then it is compiled and replaced)
        return None
    with os.fdopen(handle, "rb") as file:
        trouble = _distrust(os.fstat(file.fileno()))
        entry = b"" if trouble else file.read()
    try:
        return _unpack(entry, symbol)
    except ValueError:
        with contextlib.suppress(OSError):
            path.unlink()
        return None


def _write(key: str, entry: bytes) -> None:
    directory = cache_directory()
    if directory is None:
        _memory[key] = entry
        return
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=".writing-", suffix=".tmp", dir=directory)
        with os.fdopen(handle, "wb") as file:
            file.write(entry)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, directory / (key + ".kernel"))
    except OSError as error:
        _memory[key] = entry
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        _warn_once(
            f"the kernel cache {directory} cannot be written ({error.strerror or error}): kernels compiled by this "
            "process are not kept"
        )


def sweep(directory: Path, older_than: float) -> int:
    """Remove temporary files that killed processes left in ``directory``; returns how many.

    A file counts as left behind when it was last written before ``older_than`` (seconds since the epoch).
    """
    removed = 0
    for path in directory.glob(".writing-*.tmp"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < older_than:
                path.unlink()
                removed += 1
    return removed


# -------------------- loading


def _load(objects: list[tuple[str, str, list[str], bytes]]) -> list[int]:
    """Link the objects ``(name, symbol, outside names, code)`` and return the addresses of their symbols."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    for name, symbol, wanted, code in objects:
        # LLVM's linker leaves EVERY outside function of an object null, silently, when it cannot find ONE of them.
        symbols.provide(name, symbols.undefined(code, symbol) | set(wanted))
    triple = llvm.get_process_triple()
    machine = llvm.Target.from_triple(triple).create_target_machine(jit=True, codemodel="jitdefault")
    module = llvm.parse_assembly(f'target triple = "{triple}"\n')
    engine = llvm.create_mcjit_compiler(module, machine)
    for _name, _exported, _wanted, code in objects:
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)  # the code lives as long as the process: addresses are handed out freely
    addresses = [engine.get_function_address(symbol) for _name, symbol, _wanted, _code in objects]
    for address, (name, symbol, _wanted, _code) in zip(addresses, objects, strict=True):
        if not address:
            raise RuntimeError(f"the object of kernel {name!r} does not define {symbol}")
    return addresses


def _shared_by(kernels: list[tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Kernels ``(name, source)`` that ``kernels`` call, by the symbols under which they do; none before what it calls.
    """
    found: dict[str, tuple[str, str]] = {}
    sources = [source for _name, source in kernels]
    if any(product.is_used_by(source) for source in sources):
        found[product.NAME] = "product", product.kernel()
        sources.append(product.kernel())
    words = {vector.shared_symbol(word): word for source in sources for word in vector.shared_by(source)}
    return {symbol: (word, vector.shared_text(word)) for symbol, word in words.items()} | found


def compile_kernels(kernels: list[tuple[str, str]], background: bool = False) -> list[int]:
    """Native addresses of ``kernels``, a list of ``(name, source)``, in the same order.

    Each address is a C function ``void(int64 thread, int64 threads, int64 args)`` that stays valid for the whole
    process.  Kernels come from this process, from the disk cache, or from the compiler, whichever has them first; one
    call for many is faster than many calls.  In the ``background``, in a thread of its own, helper processes compile,
    and others can look for kernels meanwhile.  Raises build.KernelError, with the source, for a kernel that does not
    compile.
    """
    shared = _shared_by(kernels)
    wanted = [*shared.values(), *kernels]
    keys = [kernel_key(source, name) for name, source in wanted]
    if background:
        with _lock:
            missing = _find(keys, wanted)[1]
        _compile(missing, background=True)
    with _lock:
        fresh, missing = _find(keys, wanted)
        fresh.update(_compile(missing))
        for key, symbol in zip(keys, shared, strict=False):  # before those that call them
            if key in fresh:
                _addresses.update(zip([key], _load([fresh.pop(key)]), strict=True))
            if not symbols.known(symbol):
                symbols.register(symbol, _addresses[key])
        if fresh:
            _addresses.update(zip(fresh, _load(list(fresh.values())), strict=True))
        return [_addresses[key] for key in keys[len(shared) :]]


def _find(
    keys: list[str], wanted: list[tuple[str, str]]
) -> tuple[dict[str, tuple[str, str, list[str], bytes]], dict[str, tuple[str, str, str]]]:
    """Of kernels that this process has not loaded, those that the cache has, and those that nobody has."""
    fresh: dict[str, tuple[str, str, list[str], bytes]] = {}
    missing: dict[str, tuple[str, str, str]] = {}
    for key, (name, source) in zip(keys, wanted, strict=True):
        if key in _addresses or key in fresh or key in missing:
            continue
        symbol = _symbol(name, key)
        entry = _read(key, symbol)
        if entry is None:
            missing[key] = name, source, symbol
        else:
            statistics["loaded"] += 1
            fresh[key] = (name, symbol, *entry)
    return fresh, missing


def are_compiled(kernels: list[tuple[str, str]]) -> bool:
    """Whether nothing has to be compiled for ``kernels``, a list of ``(name, source)``."""
    directory = cache_directory()
    for name, source in [*_shared_by(kernels).values(), *kernels]:
        key = kernel_key(source, name)
        kept = key in _addresses or key in _memory or (directory is not None and (directory / f"{key}.kernel").exists())
        if not kept:
            return False
    return True


def compile_kernel(source: str, name: str) -> int:
    """The native address of one kernel; see :func:`compile_kernels`."""
    return compile_kernels([(name, source)])[0]


def _compile(
    missing: dict[str, tuple[str, str, str]], background: bool = False
) -> dict[str, tuple[str, str, list[str], bytes]]:
    """Compile ``{key: (name, source, symbol)}``, keep them; ``{key: (name, symbol, outside names, code)}``."""
    if not missing:
        return {}
    from symgraph.backends.cpu import helpers

    jobs = list(missing.values())
    number = helpers.helpers_for(len(jobs))
    built = helpers.compile_together(jobs, max(number, 1) if background else number, background)
    made = {}
    for (key, (name, _source, symbol)), (code, wanted) in zip(missing.items(), built, strict=True):
        statistics["compiled"] += 1
        _write(key, _pack(symbol, wanted, code))
        made[key] = name, symbol, wanted, code
    return made


def object_code(source: str, name: str) -> bytes:
    """The object file of a kernel (compiled or fetched), for tools that disassemble it."""
    key = kernel_key(source, name)
    symbol = _symbol(name, key)
    with _lock:
        entry = _read(key, symbol)
        return _compile({key: (name, source, symbol)})[key][3] if entry is None else entry[1]
