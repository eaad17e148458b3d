"""The kernel language: the words a generated kernel may use, and the way to run a kernel without compiling it.

A kernel is the source text of one Python function, ``def kernel(thread, threads, args)``.  ``args`` is the address of
its argument table (int64 entries).  The text is compiled to native code by :mod:`symgraph.backends.cpu.objects`, where
each word below is an instruction or two; the same text runs as plain Python through :func:`run_checked`, where each
pointer knows its length and every access is checked.  Generated code that is wrong is thus found as a plain traceback.

======================================  ==============================================================================
word                                    meaning
======================================  ==============================================================================
``load(args, k)``                       entry ``k`` of the argument table, an int64
``load_float64(args, k)``               the same 64 bits read as a float64
``pointer_<dtype>(address, size)``      pointer to ``size`` elements; native code ignores the size
``independent_<dtype>(address, size)``  the same, with a promise: no two iterations of an inner loop touch one element
                                        through such pointers unless neither writes it.  The loop then becomes
                                        vector instructions without overlap checks (also where input and output
                                        are one buffer)
``p[i]``, ``p[i] = value``              element access; no negative indices, no bounds check in native code
``shift(p, k)``                         pointer to element ``k`` of ``p``
``span(n, thread, threads)``            ``(start, stop)``: this thread's even share of ``n`` items
``span_blocks(n, block, ...)``          the same in whole blocks (the last one may be cut short by ``n``)
``select(condition, a, b)``             ``a`` or ``b``, both evaluated, without a branch
``accumulate(total, x)``                ``total + x`` in a loop whose terms may be added in any order: it becomes vector
                                        instructions (``accumulate_product`` likewise)
``float32(x)``, ``int64(x)``, ...       conversion to a dtype
``round_float16(x)``                    a float32 rounded to the nearest float16 (also ``round_bfloat16``)
======================================  ==============================================================================

and the functions of :mod:`symgraph.backends.cpu.mathematics` and :mod:`symgraph.backends.cpu.blas`, the vectors and
microkernels of :mod:`symgraph.backends.cpu.vector`, and the inner loops of convolutions of
:mod:`symgraph.backends.cpu.microkernels`.

dtypes: ``float16 bfloat16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool``.  Elements of
float16 and bfloat16 are read as float32 and rounded to nearest even when written; bool is one byte in memory.

Note the promotion of native code: an int64 with a float32 gives a float64.  Write ``float32(n)``
where float32 is meant.
"""

from __future__ import annotations

import ctypes
import linecache
import types
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = [
    "DTYPES",
    "STORAGE",
    "CheckedPointer",
    "checked_namespace",
    "function_of",
    "run_checked",
    "span",
    "span_blocks",
]

#: NumPy dtype that holds an element of each dtype in memory (bfloat16 is held as its 16 bits).
STORAGE: dict[str, np.dtype] = {
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(np.uint16),
    "float32": np.dtype(np.float32),
    "float64": np.dtype(np.float64),
    "int8": np.dtype(np.int8),
    "int16": np.dtype(np.int16),
    "int32": np.dtype(np.int32),
    "int64": np.dtype(np.int64),
    "uint8": np.dtype(np.uint8),
    "uint16": np.dtype(np.uint16),
    "uint32": np.dtype(np.uint32),
    "uint64": np.dtype(np.uint64),
    "bool": np.dtype(np.bool_),
}
DTYPES = tuple(STORAGE)


def span(n: int, thread: int, threads: int) -> tuple[int, int]:
    """The half-open range of ``n`` items that ``thread`` of ``threads`` handles; ranges differ by at most one."""
    return n * thread // threads, n * (thread + 1) // threads


def span_blocks(n: int, block: int, thread: int, threads: int) -> tuple[int, int]:
    """Like :func:`span` in multiples of ``block``: every start is one, and every stop but the last (which is ``n``)."""
    blocks = (n + block - 1) // block
    return min(n, blocks * thread // threads * block), min(n, blocks * (thread + 1) // threads * block)


def bfloat16_bits(value: Any) -> np.ndarray:
    """The 16 bits of float32 ``value`` rounded to the nearest bfloat16, ties to even; a NaN stays a (quiet) NaN."""
    value = np.asarray(value, np.float32)
    bits = value.view(np.uint32)
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
    quiet = (bits >> np.uint32(16)) | np.uint32(0x40)
    return np.where(np.isnan(value), quiet, rounded).astype(np.uint16)


def bfloat16_value(bits: Any) -> np.ndarray:
    """The float32 value of 16 bfloat16 bits."""
    return (np.asarray(bits, np.uint16).astype(np.uint32) << np.uint32(16)).view(np.float32)


class CheckedPointer:
    """What ``pointer_<dtype>`` gives in checked mode: a window of exactly ``size`` elements at ``address``.

    An index outside the window, or one that is not an integer, raises IndexError naming kernel, index and size.
    """

    __slots__ = ("array", "dtype", "kernel", "start")

    def __init__(self, array: np.ndarray, dtype: str, kernel: str, start: int = 0) -> None:
        self.array, self.dtype, self.kernel, self.start = array, dtype, kernel, start

    def _place(self, index: Any) -> int:
        if not isinstance(index, (int, np.integer)) or isinstance(index, bool):
            raise IndexError(
                f"kernel {self.kernel!r}: index {index!r} is a {type(index).__name__}, an integer was expected"
            )
        place = self.start + int(index)
        if not 0 <= place < len(self.array):
            shifted = f" (pointer shifted by {self.start})" if self.start else ""
            raise IndexError(
                f"kernel {self.kernel!r}: index {int(index)}{shifted} is outside the {len(self.array)} "
                f"elements of this {self.dtype} pointer"
            )
        return place

    def __getitem__(self, index: Any) -> Any:
        value = self.array[self._place(index)]
        if self.dtype == "float16":
            return np.float32(value)
        return bfloat16_value(value)[()] if self.dtype == "bfloat16" else value

    def __setitem__(self, index: Any, value: Any) -> None:
        place = self._place(index)
        if self.dtype == "bfloat16":
            self.array[place] = bfloat16_bits(np.float32(value))
        elif self.dtype == "float16":
            self.array[place] = np.float16(np.float32(value))
        else:
            with np.errstate(all="ignore"):
                self.array[place] = np.asarray(value).astype(self.array.dtype)

    def shifted(self, k: int) -> CheckedPointer:
        """The pointer to element ``k`` of this one; only accesses are checked, as a loop may step just past its end."""
        return CheckedPointer(self.array, self.dtype, self.kernel, self.start + int(k))


def memory(address: int, size: int, dtype: str) -> np.ndarray:
    """A NumPy view of ``size`` elements of ``dtype`` at ``address``; the caller keeps the memory alive."""
    storage = STORAGE[dtype]
    if size <= 0:
        return np.empty(0, storage)
    place: Any = (ctypes.c_char * (size * storage.itemsize)).from_address(address)
    return np.frombuffer(place, storage)


def _pointer_maker(dtype: str, kernel: str) -> Callable[[int, int], CheckedPointer]:
    def pointer(address: int, size: int) -> CheckedPointer:
        if size > 0 and address == 0:
            raise ValueError(f"kernel {kernel!r}: null address for a {dtype} pointer of {size} elements")
        return CheckedPointer(memory(int(address), int(size), dtype), dtype, kernel)

    return pointer


def _load(args: int, k: int) -> int:
    return ctypes.c_int64.from_address(int(args) + 8 * int(k)).value


def _load_float64(args: int, k: int) -> np.float64:
    return np.float64(ctypes.c_double.from_address(int(args) + 8 * int(k)).value)


def _converter(dtype: str) -> Callable[[Any], Any]:
    kind = STORAGE[dtype].type

    def convert(value: Any) -> Any:
        return np.asarray(value).astype(kind)[()]

    return convert


def checked_namespace(kernel: str, names: set[str]) -> dict[str, Any]:
    """The words of the language as plain Python objects, for the kernel named ``kernel`` that uses ``names``."""
    from symgraph.backends.cpu import blas, mathematics, vector

    words: dict[str, Any] = {
        "load": _load,
        "load_float64": _load_float64,
        "span": span,
        "span_blocks": span_blocks,
        "shift": lambda pointer, k: pointer.shifted(k),
        "select": lambda condition, a, b: a if condition else b,
        "accumulate": lambda total, x: total + x,
        "accumulate_product": lambda total, x: total * x,
        "round_float16": lambda x: np.float32(np.float16(np.float32(x))),
        "round_bfloat16": lambda x: bfloat16_value(bfloat16_bits(np.float32(x)))[()],
    }
    for dtype in DTYPES:
        words["pointer_" + dtype] = words["independent_" + dtype] = _pointer_maker(dtype, kernel)
        if dtype not in ("float16", "bfloat16"):
            words["bool_" if dtype == "bool" else dtype] = _converter(dtype)
    words.update(mathematics.checked_functions())
    words.update(blas.checked_functions())
    words.update(vector.checked_functions(names, kernel))
    return words


def function_of(source: str, name: str, words: Callable[[set[str]], dict[str, Any]]) -> Callable[..., None]:
    """The Python function that ``source`` defines under ``name`` (or ``kernel``).

    ``words(names)`` gives its globals for the names that it uses.  The text is made known to :mod:`linecache`, so that
    tracebacks show the generated lines.
    """
    filename = f"<kernel {name}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    code = compile(source, filename, "exec")
    namespace = words(_names(code)) | {"__name__": "symgraph_kernel"}
    exec(code, namespace)
    for candidate in (name, "kernel"):
        function = namespace.get(candidate)
        if isinstance(function, types.FunctionType) and function.__code__.co_filename == filename:
            return function
    raise ValueError(f"the source of kernel {name!r} defines neither {name!r} nor 'kernel':\n{source}")


def _names(code: types.CodeType) -> set[str]:
    """All global names in a piece of code and in the functions that it defines."""
    inner = [one for one in code.co_consts if isinstance(one, types.CodeType)]
    return set(code.co_names).union(*map(_names, inner))


def run_checked(source: str, name: str, thread: int, threads: int, args_address: int) -> None:
    """Run the kernel ``source`` as plain Python with every access checked.

    Arguments are those of the native call: ``thread`` of ``threads`` and the address of the int64 argument table.
    Raises IndexError, naming the kernel, for an access outside the ``size`` given to a pointer.
    """
    function = function_of(source, name, lambda names: checked_namespace(name, names))
    with np.errstate(all="ignore"):
        function(thread, threads, args_address)
