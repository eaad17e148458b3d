"""Outside functions of native kernels: what an object file asks for, and where it is found.

LLVM's JIT linker does not fail when an object refers to a function that it cannot find: it leaves the addresses of all
outside functions of that object null, and the first call crashes.  So each object is read here first.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import struct
import sys
from typing import Any

__all__ = ["known", "provide", "register", "undefined"]

_registered: dict[str, int] = {}


def register(name: str, address: int) -> None:
    """Make ``name`` mean the C function at ``address`` in every object loaded from now on."""
    import llvmlite.binding as llvm

    llvm.add_symbol(name, address)
    _registered[name] = address


def known(name: str) -> bool:
    """Whether the linker finds the function ``name``."""
    import llvmlite.binding as llvm

    return name in _registered or bool(llvm.address_of_symbol(name))


def undefined(code: bytes, symbol: str) -> set[str]:
    """The undefined symbols of a 64-bit little-endian ELF object; an empty set for other formats.

    Raises ValueError for an ELF file that is malformed.  ``symbol`` is named in the message.
    """
    if code[:4] != b"\x7fELF":
        return set()
    try:
        return _undefined_of_elf(code)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise ValueError(f"the object of {symbol} is malformed: {error}") from error


def _undefined_of_elf(code: bytes) -> set[str]:
    if code[4] != 2 or code[5] != 1:
        raise struct.error("not a 64-bit little-endian ELF file")
    (table,) = struct.unpack_from("<Q", code, 0x28)
    size, count = struct.unpack_from("<HH", code, 0x3A)
    sections = [struct.unpack_from("<IIQQQQIIQQ", code, table + index * size) for index in range(count)]
    names: set[str] = set()
    for section in sections:
        if section[1] != 2:  # SHT_SYMTAB
            continue
        strings = sections[section[6]][4]
        for place in range(section[4] + 24, section[4] + section[5], 24):  # the first symbol is the null one
            text, _info, _other, index = struct.unpack_from("<IBBH", code, place)
            if index == 0:  # SHN_UNDEF
                start = strings + text
                names.add(code[start : code.index(b"\0", start)].decode())
    return names - {""}


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


@functools.cache
def _system_library() -> Any:
    if sys.platform == "win32":
        return ctypes.WinDLL("kernel32")
    return ctypes.CDLL(None)


@functools.cache
def _system() -> dict[str, str]:
    """C functions that wait, wake, yield and sleep for the thread pool on this platform, by our names.

    They are called with as many int64 arguments as the longest form has; a C function ignores the surplus.
    """
    if sys.platform == "win32":
        names = {"wait": "WaitForSingleObject", "post": "ReleaseSemaphore", "yield": "SwitchToThread", "sleep": "Sleep"}
    elif sys.platform == "darwin":  # no unnamed semaphores there
        names = {
            "wait": "dispatch_semaphore_wait",
            "post": "dispatch_semaphore_signal",
            "yield": "sched_yield",
            "sleep": "usleep",
        }
    else:
        names = {"wait": "sem_wait", "post": "sem_post", "yield": "sched_yield", "sleep": "usleep"}
    return {"symgraph_" + word: name for word, name in names.items()}


@functools.cache
def _libraries() -> list[Any]:
    found: list[Any] = []
    for name in ("m", "gcc_s", "c") if sys.platform != "win32" else ("ucrtbase", "msvcrt"):
        path = ctypes.util.find_library(name)
        if path:
            found.append(ctypes.CDLL(path))
    return found


def provide(kernel: str, names: set[str]) -> None:
    """See to it that every function in ``names`` can be linked; RuntimeError names those that no library has."""
    from symgraph.backends.cpu import blas

    missing = []
    for name in sorted(names):
        if known(name):
            continue
        if name.startswith("symgraph_"):
            if name in _system():
                register(name, _address(getattr(_system_library(), _system()[name])))
                continue
            if blas.provide(name):
                continue
        for library in _libraries():
            if hasattr(library, name):
                register(name, _address(getattr(library, name)))
                break
        else:
            missing.append(name)
    if missing:
        raise RuntimeError(f"kernel {kernel!r} calls {', '.join(missing)}, which no loaded library provides")


def new_semaphore(storage: int) -> int:
    """A semaphore with no permit, for :func:`provide`'s ``symgraph_system_wait``; its handle.

    ``storage`` is the address of 32 bytes that it may occupy until :func:`free_semaphore`.
    """
    library = _system_library()
    if sys.platform == "win32":
        library.CreateSemaphoreW.restype = ctypes.c_void_p
        return library.CreateSemaphoreW(None, 0, 0x7FFFFFFF, None)
    if sys.platform == "darwin":
        library.dispatch_semaphore_create.restype = ctypes.c_void_p
        return library.dispatch_semaphore_create(ctypes.c_long(0))
    if library.sem_init(ctypes.c_void_p(storage), 0, 0) != 0:
        raise OSError("the system has no semaphore to give")
    return storage


def post_semaphore(handle: int) -> None:
    """Give one permit to the semaphore ``handle``."""
    library = _system_library()
    if sys.platform == "win32":
        library.ReleaseSemaphore(ctypes.c_void_p(handle), 1, None)
    elif sys.platform == "darwin":
        library.dispatch_semaphore_signal(ctypes.c_void_p(handle))
    else:
        library.sem_post(ctypes.c_void_p(handle))


def free_semaphore(handle: int) -> None:
    """Give the semaphore ``handle`` back to the system; nobody may wait on it any more."""
    library = _system_library()
    if sys.platform == "win32":
        library.CloseHandle(ctypes.c_void_p(handle))
    elif sys.platform == "darwin":
        library.dispatch_release(ctypes.c_void_p(handle))
    else:
        library.sem_destroy(ctypes.c_void_p(handle))
