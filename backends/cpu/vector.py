"""Explicit vectors: how wide this processor's are, and microkernels written once over them.

A *microkernel* is a formula, as those of mathematics.py are, that may also read and write memory and repeat::

    @microkernel("pointer_float32", "pointer_float32", "int64")
    def add_rows(m, x, y, vectors):
        lanes = m.lanes("float32")
        def step(k):
            m.store(y, k * lanes, m.load(x, k * lanes) + m.load(y, k * lanes))
        m.repeat(vectors, step)

It is a word of the kernel language by its name.  Over a native machine (native_vector.py) it is traced into one
function of the kernel's module, vector instructions as written; over :class:`CheckedMachine` it runs on NumPy arrays
with every access checked.  Loops that LLVM turns into vectors by itself (elementwise chains, sums with ``accumulate``)
need none of this: it is for what must stay in registers over an inner loop.

What a machine ``m`` offers, besides the operators of values and what formula.NumpyMachine has:

=====================================  ===============================================================================
``m.lanes(dtype)``                     numbers in a vector: a Python int, so that it may shape the formula
``m.target``                           the :class:`Target`: its number of registers, whether products are fused
``m.zero(dtype)``                      a vector of zeros
``m.integer(n)``                       an int64 of the machine
``m.shift(p, k)``                      the pointer to element ``k`` of ``p``
``m.element(p, k)``, ``m.put(p, k, x)``  one element read, or written
``m.room(dtype, size)``                memory of the stack for ``size`` (a Python int) numbers
``m.copy(p, q, count)``                ``count`` elements of ``p`` copied to ``q``, which do not overlap
``m.clear(p, count)``                  ``count`` elements set to 0
``m.load(p, k, count=None)``           a vector from element ``k`` on; with ``count`` only its first ``count`` lanes
                                       are read, and the others are 0 (any ``count``: negative ones read nothing)
``m.first(dtype, count)``              what can stand for a ``count``, found once where it is used often
``m.store(p, k, v, count=None)``       a vector, or its first ``count`` lanes, written from element ``k`` on
``m.repeated(p, k)``                   element ``k`` in each lane
``m.spread(x)``                        the number ``x`` in each lane
``m.sum(v)``, ``m.greatest(v)``, ``m.least(v)``  over the lanes (a sum in any order; extremes pass NaN on)
``m.relu(v)``                          ``v`` where it is positive or NaN, else 0
``m.transposed(rows)``                 as many vectors as there are lanes, rows and columns exchanged
``m.fetch(p, k)``                      a hint that element ``k`` will be read soon
``m.repeat(n, body, *state)``          ``body(k, *state)`` for k = 0 .. n - 1, which gives the next state (a tuple; one
                                       value; nothing where there is none); gives the last state as a tuple
``m.either(condition, yes, no)``       one of two functions called; gives what that one gave, as a tuple (both give as
                                       many values)
``m.select(condition, p, q)``          also one of two pointers, or of two values by one condition, without a branch
``m.among(n, low, high, body)``        ``body(n)`` with the number ``n`` as a Python int, so that it may shape the
                                       formula; nothing where ``n`` is not from ``low`` to ``high``; gives nothing
=====================================  ===============================================================================

Kernel texts have vectors too: values of the type that ``vector_load`` gives, with the words of :data:`WORDS`, the
operators and comparisons, and every function of mathematics.py behind ``vector_`` (``vector_exp_float32(v)``).  Write
``v = v + w``, not ``v += w``: a vector is a value, and in checked mode an array that others may hold.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from symgraph.backends.cpu.formula import NumpyMachine
from symgraph.backends.cpu.language import STORAGE

__all__ = [
    "MICROKERNELS",
    "TARGETS",
    "WORDS",
    "CheckedMachine",
    "Microkernel",
    "Target",
    "checked_functions",
    "host",
    "microkernel",
    "shared_by",
    "shared_symbol",
    "shared_text",
    "shared_word",
    "target_of",
]


@dataclass(frozen=True)
class Target:
    """What generated code may use of a processor's vectors.

    Attributes:
        name: for people.
        bits: of one vector.
        registers: how many vectors it holds.
        fused: whether a product and a sum are one instruction.
    """

    name: str
    bits: int
    registers: int
    fused: bool

    def lanes(self, dtype: str) -> int:
        """Return how many numbers of a dtype one vector holds."""
        return self.bits // (8 * STORAGE[dtype].itemsize)


AVX512 = Target("x86-64 with AVX-512", 512, 32, True)
AVX2 = Target("x86-64 with AVX2", 256, 16, True)
AVX = Target("x86-64 with AVX", 256, 16, False)
SSE2 = Target("x86-64", 128, 16, False)
NEON = Target("arm64", 128, 32, True)
#: A processor that is not known here: LLVM makes of vectors of 16 bytes whatever it has.
PLAIN = Target("any", 128, 16, False)
TARGETS = (AVX512, AVX2, AVX, SSE2, NEON, PLAIN)


def target_of(triple: str, features: Mapping[str, bool]) -> Target:
    """Return the target of an LLVM triple and the instruction sets that a processor has."""
    if triple.startswith(("x86_64", "amd64", "x86-64")):
        if all(features.get(one) for one in ("avx512f", "avx512vl", "avx512dq", "avx512bw")):
            return AVX512
        if features.get("avx2") and features.get("fma"):
            return AVX2
        return AVX if features.get("avx") else SSE2
    return NEON if triple.startswith(("aarch64", "arm64")) else PLAIN


@functools.cache
def host() -> Target:
    """Return the target of this processor, as it says itself; the plain one where LLVM cannot ask it."""
    import llvmlite.binding as llvm

    try:
        features: Mapping[str, bool] = llvm.get_host_cpu_features()
    except RuntimeError:
        features = {}
    return target_of(llvm.get_process_triple(), features)


# -------------------- microkernels


@dataclass(frozen=True)
class Microkernel:
    """A formula over memory.

    Attributes:
        formula: what it does, over a machine.
        arguments: the kind of each argument: ``pointer_<dtype>``, ``int64``, ``bool`` or a float dtype.
        shared: whether it is compiled by itself, once for all kernels that use it.
    """

    formula: Callable[..., None]
    arguments: tuple[str, ...]
    shared: bool


MICROKERNELS: dict[str, Microkernel] = {}
_SHARED_TEXT = "microkernel "


def microkernel(
    *arguments: str, name: str = "", shared: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorate a formula over memory: keep it by its own name or ``name``, with the kinds of its arguments.

    Args:
        arguments: see :class:`Microkernel`.
        name: the word of the kernel language that it becomes; the function's own name by default.
        shared: compile it once for all kernels: for what is long.

    Raises:
        ValueError: another microkernel has the name.
    """

    def keep(formula: Callable[..., None]) -> Callable[..., None]:
        word = name or formula.__name__
        if word in MICROKERNELS:
            raise ValueError(f"two microkernels are named {word!r}")
        MICROKERNELS[word] = Microkernel(formula, arguments, shared)
        return formula

    return keep


def know_all() -> None:
    """Fill :data:`MICROKERNELS`: import the modules whose formulas are words of the kernel language."""
    from symgraph.backends.cpu import microkernels, product, winograd  # noqa: F401


def shared_by(source: str) -> list[str]:
    """Return the words in the text of a kernel that are shared microkernels."""
    know_all()
    return [
        word for word, kernel in MICROKERNELS.items() if kernel.shared and re.search(rf"(?<!\w){word}\(", source)
    ]


def shared_symbol(word: str) -> str:
    """Return the outside function that kernels call for a shared microkernel."""
    return f"symgraph_shared_{word}_{host().bits}x{host().registers}"


def shared_text(word: str) -> str:
    """Return what stands in place of a kernel's text for a shared microkernel: it has none of its own."""
    return f"{_SHARED_TEXT}{word} {host().bits}x{host().registers}"


def shared_word(source: str) -> str | None:
    """Return the shared microkernel that a text of :func:`shared_text` stands for; None for the text of a kernel."""
    return source.split()[1] if source.startswith(_SHARED_TEXT) else None


class CheckedMachine(NumpyMachine):
    """Runs microkernels on checked pointers; an access outside of one raises IndexError with its kernel's name.

    Args:
        target: whose vectors to imitate; this processor's by default.
    """

    def __init__(self, target: Target | None = None) -> None:
        self.target = target or host()

    def lanes(self, dtype: str) -> int:
        """Return the numbers in a vector."""
        return self.target.lanes(dtype)

    def select(self, condition: Any, a: Any, b: Any) -> Any:
        """Return ``a`` or ``b``: lane by lane, or one of two numbers or pointers."""
        if isinstance(condition, np.ndarray):
            return super().select(condition, a, b)
        return a if condition else b

    def zero(self, dtype: str) -> Any:
        """Return a vector of zeros."""
        return np.zeros(self.lanes(dtype), STORAGE[dtype])

    def integer(self, n: Any) -> Any:
        """Return an integer."""
        return int(n)

    def shift(self, pointer: Any, k: Any) -> Any:
        """Return the pointer to element ``k``."""
        return pointer.shifted(k)

    def element(self, pointer: Any, k: Any) -> Any:
        """Return element ``k``."""
        return pointer[k]

    def put(self, pointer: Any, k: Any, value: Any) -> None:
        """Write element ``k``."""
        pointer[k] = value

    def room(self, dtype: str, size: int) -> Any:
        """Return a pointer to memory of its own."""
        return room(dtype, size, "microkernel")

    def copy(self, source: Any, target: Any, count: Any) -> None:
        """Copy elements."""
        self._stretch(target, 0, count)[...] = self._stretch(source, 0, count)

    def clear(self, pointer: Any, count: Any) -> None:
        """Set elements to 0."""
        self._stretch(pointer, 0, count)[...] = 0

    def _window(self, pointer: Any, k: Any, count: Any) -> np.ndarray:
        lanes = self.lanes(pointer.dtype)
        return self._stretch(pointer, k, lanes if count is None else min(int(count), lanes))

    @staticmethod
    def _stretch(pointer: Any, k: Any, count: Any) -> np.ndarray:
        if count <= 0:
            return pointer.array[:0]
        first, last = pointer._place(k), pointer._place(k + count - 1)
        return pointer.array[first : last + 1]

    def first(self, dtype: str, count: Any) -> Any:
        """Return the number of lanes."""
        return count

    def load(self, pointer: Any, k: Any, count: Any = None) -> Any:
        """Return a vector from element ``k`` on."""
        found = self._window(pointer, k, count)
        result = np.zeros(self.lanes(pointer.dtype), found.dtype)
        result[: len(found)] = found
        return result

    def store(self, pointer: Any, k: Any, vector: Any, count: Any = None) -> None:
        """Write a vector from element ``k`` on."""
        window = self._window(pointer, k, count)
        window[...] = vector[: len(window)]

    def repeated(self, pointer: Any, k: Any) -> Any:
        """Return element ``k`` in each lane."""
        return np.full(self.lanes(pointer.dtype), pointer[k], STORAGE[pointer.dtype])

    def spread(self, number: Any) -> Any:
        """Return a number in each lane."""
        value = np.asarray(number)
        return np.full(self.lanes(value.dtype.name), value, value.dtype)

    def sum(self, vector: Any) -> Any:
        """Return the sum over the lanes."""
        return np.add.reduce(vector)

    def greatest(self, vector: Any) -> Any:
        """Return the greatest lane; NaN if one is NaN."""
        return np.maximum.reduce(vector)

    def least(self, vector: Any) -> Any:
        """Return the least lane; NaN if one is NaN."""
        return np.minimum.reduce(vector)

    def relu(self, vector: Any) -> Any:
        """Return what is positive or NaN, and 0 elsewhere."""
        return np.where(vector <= 0, np.zeros_like(vector), vector)

    def transposed(self, rows: list[Any]) -> list[Any]:
        """Exchange rows and columns of as many vectors as there are lanes."""
        return list(np.stack(rows).T.copy())

    def fetch(self, pointer: Any, k: Any) -> None:
        """Do nothing: hints may point anywhere."""

    def repeat(self, count: Any, body: Callable[..., Any], *state: Any) -> tuple[Any, ...]:
        """Call ``body`` for each number below ``count``."""
        for k in range(int(count)):
            state = state_of(body(k, *state))
        return state

    def either(self, condition: Any, yes: Callable[[], Any], no: Callable[[], Any]) -> tuple[Any, ...]:
        """Call one of two functions."""
        return state_of((yes if condition else no)())

    def among(self, n: Any, low: int, high: int, body: Callable[[int], None]) -> None:
        """Call a function of a number."""
        if low <= n <= high:
            body(int(n))


def state_of(answer: Any) -> tuple[Any, ...]:
    """What the body of a repetition gave, as a tuple."""
    return () if answer is None else answer if isinstance(answer, tuple) else (answer,)


# -------------------- vectors in kernel texts

#: The words for vectors: arguments (p pointer, i integer, v vector, x number, c vector of truth values), what they do.
WORDS: dict[str, tuple[str, Callable[..., Any]]] = {
    "vector_load": ("pi", lambda m, p, k: m.load(p, k)),
    "vector_load_first": ("pii", lambda m, p, k, count: m.load(p, k, count)),
    "vector_store": ("piv", lambda m, p, k, v: m.store(p, k, v)),
    "vector_store_first": ("pivi", lambda m, p, k, v, count: m.store(p, k, v, count)),
    "vector_repeated": ("pi", lambda m, p, k: m.repeated(p, k)),
    "vector_spread": ("x", lambda m, x: m.spread(x)),
    "vector_sum": ("v", lambda m, v: m.sum(v)),
    "vector_greatest": ("v", lambda m, v: m.greatest(v)),
    "vector_least": ("v", lambda m, v: m.least(v)),
    "vector_relu": ("v", lambda m, v: m.relu(v)),
    "vector_maximum": ("vv", lambda m, a, b: m.greater(a, b)),
    "vector_minimum": ("vv", lambda m, a, b: m.smaller(a, b)),
    "vector_multiply_add": ("vvv", lambda m, a, b, c: m.multiply_add(a, b, c)),
    "vector_select": ("cvv", lambda m, c, a, b: m.select(c, a, b)),
}


def checked_functions(names: set[str], kernel: str) -> dict[str, Callable[..., Any]]:
    """The words in ``names`` that this module has, over checked pointers and NumPy arrays, for a kernel's namespace."""
    from symgraph.backends.cpu.mathematics import FUNCTIONS

    know_all()
    machine = CheckedMachine()
    found: dict[str, Callable[..., Any]] = {}
    for name in names:
        if name in MICROKERNELS:
            found[name] = functools.partial(MICROKERNELS[name].formula, machine)
        elif name in WORDS:
            found[name] = functools.partial(WORDS[name][1], machine)
        elif name.startswith("vector_") and name.removeprefix("vector_") in FUNCTIONS:
            found[name] = functools.partial(FUNCTIONS[name.removeprefix("vector_")].formula, machine)
        elif name.startswith("lanes_") and name.removeprefix("lanes_") in STORAGE:
            found[name] = functools.partial(machine.lanes, name.removeprefix("lanes_"))
        elif workspace_of(name):
            dtype, size = workspace_of(name) or ("", 0)
            found[name] = functools.partial(room, dtype, size, kernel)
    return found


def room(dtype: str, size: int, kernel: str) -> Any:
    """Return a checked pointer to memory of its own, as words that give a kernel room on the stack do."""
    from symgraph.backends.cpu.language import CheckedPointer

    return CheckedPointer(np.empty(size, STORAGE[dtype]), dtype, kernel)


def workspace_of(name: str) -> tuple[str, int] | None:
    """The dtype and the number of elements of a word ``workspace_<dtype>_<elements>``; None for another word.

    The word gives an independent pointer to memory of the calling thread's stack, for as long as the kernel runs.
    """
    word, _, rest = name.partition("_")
    dtype, _, size = rest.rpartition("_")
    return (dtype, int(size)) if word == "workspace" and dtype in STORAGE and size.isdigit() else None
