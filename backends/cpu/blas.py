"""Matrix products for native kernels, through the BLAS that NumPy or SciPy already carry.

float64 goes to the library; ``gemm_float32`` to microkernels of our own (product.py), and ``library_gemm_float32`` past
them.

Words of the kernel language (``T`` is float32 or float64; matrices are row-major, ``ld*`` are the lengths of a stored
row in elements; a transposed operand is stored the other way round):

``gemm_T(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)``
    ``c = alpha op(a) op(b) + beta c``, ``op(a)`` of shape (m, k), ``op(b)`` (k, n), ``c`` (m, n); ``beta`` 0 never
    reads c.
``gemm_panels_float32(m, n, k, a, lda, b, c, ldc)``
    ``c = a b``, with ``b`` as an array (n / `microkernels.panel_width()`, k, that again): panels of columns, one after
    another. It is for matrices that take part in many products: others are brought into that order by ``gemm_float32``.
``gemv_T(transpose, m, n, alpha, a, lda, x, stride_x, beta, y, stride_y)``
    ``y = alpha op(a) x + beta y`` with ``a`` stored as (m, n).

The library is, in this order: the one that NumPy itself calls (its bundled OpenBLAS, or whatever it was linked with, by
the C interface), one bundled beside SciPy, SciPy's own pointers (:mod:`scipy.linalg.cython_blas`, the Fortran
interface).

A native program shares the work out itself, so the library must use one thread meanwhile: put the rows of
:func:`guard_rows` around the tape, or call :func:`enter` and :func:`leave`.
"""

from __future__ import annotations

import ctypes
import functools
import glob
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from symgraph.backends.cpu.microkernels import panel_width

__all__ = [
    "Library",
    "checked_functions",
    "convention",
    "describe",
    "enter",
    "guard_rows",
    "leave",
    "library",
    "native_words",
    "provide",
]

#: (prefix, suffix, bits of an integer) of the C interface's names, most specific first.
_SPELLINGS = (("scipy_cblas_", "64_", 64), ("cblas_", "64_", 64), ("scipy_cblas_", "", 32), ("cblas_", "", 32))
_ROUTINES = ("sgemm", "dgemm", "sgemv", "dgemv")
_ROW_MAJOR, _PLAIN, _TRANSPOSED = 101, 111, 112


@dataclass(frozen=True, eq=False)
class Library:
    """A BLAS: ``interface`` "c" or "fortran", bits of its integers, addresses of its routines, its thread setting."""

    origin: str
    interface: str
    bits: int
    routines: dict[str, int]
    get_threads: int
    set_threads: int
    configuration: str


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def _c_interface(path: str, origin: str) -> Library | None:
    """The library at ``path`` if it, or what it was linked with, has the C interface."""
    try:
        handle = ctypes.CDLL(path)
    except OSError:
        return None
    for prefix, suffix, bits in _SPELLINGS:
        if all(hasattr(handle, prefix + routine + suffix) for routine in _ROUTINES):
            routines = {routine: _address(getattr(handle, prefix + routine + suffix)) for routine in _ROUTINES}
            name = prefix.replace("cblas_", "openblas_") + "{}" + suffix
            threads = [name.format(verb) for verb in ("get_num_threads", "set_num_threads")]
            get, put = (_address(getattr(handle, one)) if hasattr(handle, one) else 0 for one in threads)
            text = ""
            if hasattr(handle, name.format("get_config")):
                ask = getattr(handle, name.format("get_config"))
                ask.restype = ctypes.c_char_p
                text = (ask() or b"").decode(errors="replace").strip()
            return Library(origin, "c", bits, routines, get if put else 0, put if get else 0, text)
    return None


def _candidates() -> list[tuple[str, str]]:
    """Shared libraries to try, each with a word on its origin; NumPy's extension finds what it is linked with."""
    core = getattr(np, "_core", None) or np.core
    extension = getattr(getattr(core, "_multiarray_umath", None), "__file__", None)
    found = [(extension, "NumPy")] if extension else []
    for package in ("numpy", "scipy"):
        folder = os.path.join(os.path.dirname(os.path.dirname(np.__file__)), package)
        for pattern in (folder + ".libs/*openblas*", folder + "/.dylibs/*openblas*", folder + "/.libs/*openblas*"):
            found += [(path, f"bundled with {package}") for path in sorted(glob.glob(pattern))]
    return found


def _fortran_interface() -> Library:
    """SciPy's pointers to the BLAS it was built with, whichever that is."""
    from scipy.linalg import cython_blas

    name_of, pointer_of = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    name_of.restype, name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    capsules = {routine: cython_blas.__pyx_capi__[routine] for routine in _ROUTINES}
    bits = 64 if b"long" in (name_of(capsules["sgemm"]) or b"") else 32
    return Library(
        "scipy.linalg.cython_blas",
        "fortran",
        bits,
        {routine: pointer_of(one, name_of(one)) for routine, one in capsules.items()},
        0,
        0,
        "",
    )


@functools.cache
def library() -> Library:
    """The BLAS that native kernels call; found once in a process."""
    for path, origin in _candidates():
        found = _c_interface(path, origin)
        if found is not None:
            return found
    return _fortran_interface()


def convention() -> str:
    """How the library is called: part of every kernel's cache key, as calls are compiled for it."""
    found = library()
    return f"{found.interface}{found.bits}{'+threads' if found.set_threads else ''}"


def describe() -> dict[str, Any]:
    """For ``symgraph doctor``: where the BLAS comes from, its interface, configuration and threads."""
    found = library()
    return {
        "origin": found.origin,
        "interface": f"{found.interface}, {found.bits}-bit integers",
        "configuration": found.configuration or "unknown",
        "threads": threads(),
    }


def outside_name(found: Library, routine: str) -> str:
    """The symbol by which native code calls ``routine``: it says how, as libraries differ in their arguments."""
    return f"symgraph_blas_{found.interface}{found.bits}_{routine}"


def provide(name: str) -> bool:
    """Register the outside function ``name`` (``symgraph_blas_...``) with the linker; False for another name."""
    from symgraph.backends.cpu import symbols

    found = library()
    routines = found.routines | {"get_threads": found.get_threads, "set_threads": found.set_threads}
    addresses = {outside_name(found, routine): address for routine, address in routines.items()}
    if not addresses.get(name):
        return False
    symbols.register(name, addresses[name])
    return True


# -------------------- one thread meanwhile


def threads() -> int | None:
    """How many threads the library uses for one call now; None where it cannot be asked."""
    found = library()
    return ctypes.CFUNCTYPE(ctypes.c_int)(found.get_threads)() if found.get_threads else None


# Entries: lock, how many are inside, the number of threads to go back to.
_guard = (ctypes.c_int64 * 3)()

_ENTER = """
def enter(thread, threads, args):
    while atomic_exchange(args, 1) != 0:
        relax()
    if load(args, 1) == 0:
        store(args, 2, blas_get_threads())
        blas_set_threads(1)
    store(args, 1, load(args, 1) + 1)
    atomic_store(args, 0)
"""

_LEAVE = """
def leave(thread, threads, args):
    while atomic_exchange(args, 1) != 0:
        relax()
    store(args, 1, load(args, 1) - 1)
    if load(args, 1) == 0:
        blas_set_threads(load(args, 2))
    atomic_store(args, 0)
"""


def guard_kernels() -> list[tuple[str, str]]:
    """Name and text of the kernels that programs which call BLAS begin and end with; none where none are needed."""
    return [("enter", _ENTER), ("leave", _LEAVE)] if library().set_threads else []


@functools.cache
def _guard_functions() -> tuple[Any, Any]:
    from symgraph.backends.cpu import objects

    native = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
    enter_address, leave_address = objects.compile_kernels(guard_kernels())
    return native(enter_address), native(leave_address)


def guard_rows() -> tuple[list[int], list[int]] | None:
    """Tape rows to put first and last around a program that calls BLAS; None where the library needs no such care.

    The row before the last must have its barrier set, so that no thread is still in a product when the library goes
    back to its own threads.
    """
    if not library().set_threads:
        return None
    address = ctypes.addressof(_guard)
    first, last = (_address(function) for function in _guard_functions())
    return [first, address, 0, 1, 0, 0, 0, 0], [last, address, 0, 0, 0, 0, 0, 0]


def enter() -> None:
    """Make the library use one thread until the matching :func:`leave`; calls nest, also across Python threads."""
    if library().set_threads:
        _guard_functions()[0](0, 1, ctypes.addressof(_guard))


def leave() -> None:
    """Undo one :func:`enter`."""
    if library().set_threads:
        _guard_functions()[1](0, 1, ctypes.addressof(_guard))


def _after_fork() -> None:
    # The lock may be held by, and entries may belong to, threads that the child does not have.
    _guard[0] = 0
    if _guard[1]:
        _guard[1] = 0
        ctypes.CFUNCTYPE(None, ctypes.c_int)(library().set_threads)(_guard[2])


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


# -------------------- checked mode


def _matrix(pointer: Any, rows: int, columns: int, stride: int) -> np.ndarray:
    """The (rows, columns) view behind a checked pointer; IndexError where it does not fit."""
    if rows and columns:
        if stride < columns:
            raise IndexError(
                f"kernel {pointer.kernel!r}: a row of {columns} elements does not fit a row length of {stride}"
            )
        pointer._place(0)
        pointer._place((rows - 1) * stride + columns - 1)
    return np.lib.stride_tricks.as_strided(
        pointer.array[pointer.start :], (rows, columns), (stride * pointer.array.itemsize, pointer.array.itemsize)
    )


def _checked_gemm(
    transpose_a: Any,
    transpose_b: Any,
    m: int,
    n: int,
    k: int,
    alpha: Any,
    a: Any,
    lda: int,
    b: Any,
    ldb: int,
    beta: Any,
    c: Any,
    ldc: int,
) -> None:
    left = _matrix(a, k, m, lda).T if transpose_a else _matrix(a, m, k, lda)
    right = _matrix(b, n, k, ldb).T if transpose_b else _matrix(b, k, n, ldb)
    target = _matrix(c, m, n, ldc)
    result = (alpha * (left @ right)).astype(target.dtype)
    target[...] = result if beta == 0 else result + (beta * target).astype(target.dtype)


def _checked_gemm_panels(m: int, n: int, k: int, a: Any, lda: int, b: Any, c: Any, ldc: int) -> None:
    width = panel_width()
    if n % width:
        raise IndexError(f"kernel {c.kernel!r}: {n} columns are no whole number of panels of {width}")
    panels = _matrix(b, n // width * k, width, width).reshape(n // width, k, width)
    right = panels.transpose(1, 0, 2).reshape(k, n)
    _matrix(c, m, n, ldc)[...] = _matrix(a, m, k, lda) @ right


def _vector(pointer: Any, size: int, stride: int) -> np.ndarray:
    if size:
        pointer._place(0)
        pointer._place((size - 1) * stride)
    return np.lib.stride_tricks.as_strided(pointer.array[pointer.start :], (size,), (stride * pointer.array.itemsize,))


def _checked_gemv(
    transpose: Any,
    m: int,
    n: int,
    alpha: Any,
    a: Any,
    lda: int,
    x: Any,
    stride_x: int,
    beta: Any,
    y: Any,
    stride_y: int,
) -> None:
    matrix = _matrix(a, m, n, lda)
    matrix = matrix.T if transpose else matrix
    target = _vector(y, matrix.shape[0], stride_y)
    result = (alpha * (matrix @ _vector(x, matrix.shape[1], stride_x))).astype(target.dtype)
    target[...] = result if beta == 0 else result + (beta * target).astype(target.dtype)


def checked_functions() -> dict[str, Callable[..., None]]:
    """The words over checked pointers."""
    return {
        "gemm_float32": _checked_gemm,
        "gemm_panels_float32": _checked_gemm_panels,
        "library_gemm_float32": _checked_gemm,
        "gemm_float64": _checked_gemm,
        "gemv_float32": _checked_gemv,
        "gemv_float64": _checked_gemv,
    }


# -------------------- native mode


def native_words() -> dict[str, Any]:
    """The words as Numba intrinsics that call the registered routines."""
    from symgraph.backends.cpu import native_blas

    return native_blas.words(library())
