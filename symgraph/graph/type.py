"""Types of graph nodes: element types, symbolic dimensions and tensor types.

A dimension is an ``int`` or a `Dim`: an integer expression over *symbols* whose values are known when a compiled
function is called (the batch size, the number of time steps). Expressions are kept in one canonical form, so that two
dimensions that are equal for every value of the symbols are the same object: ``n * 10 // 10 is n``.
"""

from __future__ import annotations

import functools
import itertools
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Union

import numpy as np

try:
    import ml_dtypes

    _BFLOAT16: np.dtype | None = np.dtype(ml_dtypes.bfloat16)
except ImportError:  # bfloat16 is offered only where its element type is installed
    _BFLOAT16 = None

FLOATS = ("float16", "bfloat16", "float32", "float64")
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
INTEGERS = SIGNED + UNSIGNED
DTYPES = (*FLOATS, *INTEGERS, "bool")


@functools.cache
def numpy_dtype(name: str) -> np.dtype:
    """Return the NumPy element type for a name of `DTYPES`."""
    if name == "bfloat16":
        if _BFLOAT16 is None:
            raise TypeError("bfloat16 needs the package ml_dtypes: pip install ml_dtypes")
        return _BFLOAT16
    return np.dtype(name)


def dtype_name(dtype: Any) -> str:
    """Return the canonical name ("float32", "bool", ...) of a dtype given as name, NumPy dtype or Python type.

    Raises:
        TypeError: the element type cannot be held in a graph (strings, objects, complex numbers).
    """
    if isinstance(dtype, str) and dtype in DTYPES:
        return dtype
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = str(dtype)
    if name not in DTYPES:
        raise TypeError(f"dtype {dtype!r} is not one of {', '.join(DTYPES)}")
    return name


def is_float(dtype: str) -> bool:
    return dtype in FLOATS


def is_integer(dtype: str) -> bool:
    return dtype in INTEGERS


def promote(*dtypes: str) -> str:
    """Return the element type of an operation on these types: NumPy's rule, with float16 + bfloat16 -> float32."""
    if len(set(dtypes)) == 1:
        return dtypes[0]
    if "bfloat16" in dtypes:
        others = [name for name in dtypes if name != "bfloat16"]
        if all(name == "bool" or is_integer(name) for name in others):
            return "bfloat16"
        return promote(*("float32" if name in ("bfloat16", "float16") else name for name in dtypes))
    return np.result_type(*(np.dtype(name) for name in dtypes)).name


# --------------------------------------------------------------------------------------------------- dimensions


@dataclass(frozen=True)
class Atom:
    """An indivisible factor of a dimension: a symbol, or an operation that has no polynomial form."""

    kind: str  # "symbol", "floordiv", "mod", "max", "broadcast"
    arguments: tuple[Any, ...]
    order: str = field(compare=False)

    def evaluate(self, values: Mapping[Atom, int]) -> int:
        if self.kind == "symbol":
            try:
                return values[self]
            except KeyError:
                raise KeyError(f"no value for the dimension {self.order}") from None
        left, right = (evaluate(argument, values) for argument in self.arguments)
        if self.kind == "floordiv":
            return left // right
        if self.kind == "mod":
            return left % right
        if self.kind == "max":
            return max(left, right)
        return right if left == 1 else left  # broadcast; the relation itself is checked when sizes are bound

    def source(self, names: Mapping[Atom, str]) -> str:
        if self.kind == "symbol":
            return names[self]
        left, right = (source(argument, names) for argument in self.arguments)
        if self.kind == "floordiv":
            return f"({left} // {right})"
        if self.kind == "mod":
            return f"({left} % {right})"
        if self.kind == "max":
            return f"max({left}, {right})"
        return f"({right} if {left} == 1 else {left})"


_Terms = tuple[tuple[tuple[Atom, ...], int], ...]
_DIMS: weakref.WeakValueDictionary[_Terms, Dim] = weakref.WeakValueDictionary()
_COUNTER = itertools.count()


class Dim:
    """A symbolic dimension in canonical form: a sum of integer multiples of products of atoms."""

    __slots__ = ("__weakref__", "terms")
    terms: _Terms

    def __add__(self, other: DimLike) -> DimLike:
        terms = dict(self.terms)
        for monomial, factor in _terms(other):
            terms[monomial] = terms.get(monomial, 0) + factor
        return _make(terms)

    def __neg__(self) -> DimLike:
        return _make({monomial: -factor for monomial, factor in self.terms})

    def __sub__(self, other: DimLike) -> DimLike:
        return self + (-other)

    def __rsub__(self, other: DimLike) -> DimLike:
        return -self + other

    def __mul__(self, other: DimLike) -> DimLike:
        terms: dict[tuple[Atom, ...], int] = {}
        for (left, a), (right, b) in itertools.product(self.terms, _terms(other)):
            monomial = tuple(sorted(left + right, key=lambda atom: atom.order))
            terms[monomial] = terms.get(monomial, 0) + a * b
        return _make(terms)

    __radd__ = __add__
    __rmul__ = __mul__

    def __floordiv__(self, other: DimLike) -> DimLike:
        exact = _divide(self, other)
        return exact if exact is not None else _opaque("floordiv", self, other)

    def __rfloordiv__(self, other: int) -> DimLike:
        return _opaque("floordiv", other, self)

    def __mod__(self, other: DimLike) -> DimLike:
        if isinstance(other, int) and all(factor % other == 0 for _, factor in self.terms):
            return 0
        return 0 if _divide(self, other) is not None else _opaque("mod", self, other)

    def __rmod__(self, other: int) -> DimLike:
        return _opaque("mod", other, self)

    def __bool__(self) -> bool:
        raise TypeError(f"the size {self} is known only when the function is called")

    def __repr__(self) -> str:
        return source(self, _AtomNames())

    @property
    def symbol(self) -> Atom | None:
        """The symbol, when this dimension is nothing but one symbol."""
        if len(self.terms) == 1:
            (monomial, factor) = self.terms[0]
            if factor == 1 and len(monomial) == 1 and monomial[0].kind == "symbol":
                return monomial[0]
        return None


DimLike = Union[int, Dim]
Shape = tuple[DimLike, ...]


class _AtomNames(dict):
    def __missing__(self, atom: Atom) -> str:
        return atom.order


def _terms(dim: DimLike) -> _Terms:
    if isinstance(dim, Dim):
        return dim.terms
    return (((), int(dim)),) if dim else ()


def _make(terms: Mapping[tuple[Atom, ...], int]) -> DimLike:
    kept = {monomial: factor for monomial, factor in terms.items() if factor}
    if not kept:
        return 0
    if len(kept) == 1 and () in kept:
        return kept[()]
    key = tuple(sorted(kept.items(), key=lambda item: [atom.order for atom in item[0]]))
    dim = _DIMS.get(key)
    if dim is None:
        dim = Dim.__new__(Dim)
        dim.terms = key
        _DIMS[key] = dim
    return dim


def _divide(dim: Dim, divisor: DimLike) -> DimLike | None:
    """Return the exact quotient where every term is divisible by one product of atoms, else None."""
    divisors = _terms(divisor)
    if len(divisors) != 1:
        return None
    (atoms, number) = divisors[0]
    quotient: dict[tuple[Atom, ...], int] = {}
    for monomial, factor in dim.terms:
        rest = list(monomial)
        for atom in atoms:
            if atom not in rest:
                return None
            rest.remove(atom)
        if factor % number:
            return None
        quotient[tuple(rest)] = factor // number
    return _make(quotient)


def _opaque(kind: str, left: DimLike, right: DimLike) -> DimLike:
    template = {"floordiv": "({} // {})", "mod": "({} % {})", "max": "max({}, {})", "broadcast": "({} | {})"}[kind]
    return _make({(Atom(kind, (left, right), template.format(left, right)),): 1})


def new_symbol(name: str = "n") -> Dim:
    """Return a new symbolic dimension, different from every other."""
    order = f"{name}{next(_COUNTER)}"
    dim = _make({(Atom("symbol", (order,), order),): 1})
    assert isinstance(dim, Dim)
    return dim


def maximum(left: DimLike, right: DimLike) -> DimLike:
    """Return the larger of two dimensions."""
    if left is right:
        return left
    if isinstance(left, int) and isinstance(right, int):
        return max(left, right)
    for one, other in ((left, right), (right, left)):
        if one == 0 and never_negative(other):
            return other
    return _opaque("max", left, right)


def never_negative(dim: DimLike) -> bool:
    """Return whether a dimension is plainly not negative, given that no symbol is."""
    if isinstance(dim, int):
        return dim >= 0
    return all(
        factor > 0 and all(atom.kind == "symbol" or all(map(never_negative, atom.arguments)) for atom in monomial)
        for monomial, factor in dim.terms
    )


def minimum(left: DimLike, right: DimLike) -> DimLike:
    """Return the smaller of two dimensions."""
    return left + right - maximum(left, right)


def evaluate(dim: DimLike, values: Mapping[Atom, int]) -> int:
    """Return the value of a dimension, given the value of each symbol."""
    if isinstance(dim, int):
        return dim
    total = 0
    for monomial, factor in dim.terms:
        for atom in monomial:
            factor *= atom.evaluate(values)
        total += factor
    return total


def substitute(dim: DimLike, replacement: Mapping[Atom, DimLike]) -> DimLike:
    """Return the dimension with symbols replaced by other dimensions."""
    if isinstance(dim, int):
        return dim
    total: DimLike = 0
    for monomial, factor in dim.terms:
        product: DimLike = factor
        for atom in monomial:
            if atom.kind == "symbol":
                value = replacement.get(atom)
                product = product * (_make({(atom,): 1}) if value is None else value)
            else:
                left, right = (substitute(argument, replacement) for argument in atom.arguments)
                product = product * _COMBINE[atom.kind](left, right)
        total = total + product
    return total


def source(dim: DimLike, names: Mapping[Atom, str]) -> str:
    """Return the dimension as Python source, with the given names for its symbols."""
    if isinstance(dim, int):
        return str(dim)
    parts = []
    for monomial, factor in dim.terms:
        factors = [atom.source(names) for atom in monomial]
        if factor != 1 or not factors:
            factors.insert(0, str(factor))
        parts.append("*".join(factors))
    return parts[0] if len(parts) == 1 else "(" + " + ".join(parts) + ")"


def symbols(dim: DimLike) -> set[Atom]:
    """Return the symbols that a dimension depends on."""
    found: set[Atom] = set()
    if isinstance(dim, Dim):
        for monomial, _ in dim.terms:
            for atom in monomial:
                if atom.kind == "symbol":
                    found.add(atom)
                else:
                    for argument in atom.arguments:
                        found |= symbols(argument)
    return found


def size_of(shape: Iterable[DimLike]) -> DimLike:
    """Return the number of elements of a shape."""
    size: DimLike = 1
    for dim in shape:
        size = size * dim
    return size


# ------------------------------------------------------------------------------------------ relations between dims


@dataclass(frozen=True)
class Relation:
    """Something two dimensions must satisfy at run time.

    Kinds: "equal"; "broadcast" (equal, or one of them is 1); "size" (the left one is a size: not negative).
    """

    kind: str
    left: DimLike
    right: DimLike


class _Collectors(threading.local):
    """The lists that collect relations in this thread: what others build at the same time is not meant."""

    def __init__(self) -> None:
        self.open: list[list[Relation]] = []


_COLLECTORS = _Collectors()


@contextmanager
def collect_relations():
    """Collect the relations that shape inference assumes for sizes known only at run time."""
    found: list[Relation] = []
    _COLLECTORS.open.append(found)
    try:
        yield found
    finally:
        # By identity: an outer collector with the same relations must stay.
        _COLLECTORS.open[:] = [each for each in _COLLECTORS.open if each is not found]


def _note(kind: str, left: DimLike, right: DimLike) -> None:
    for collector in _COLLECTORS.open:
        collector.append(Relation(kind, left, right))


def require_size(dim: DimLike) -> None:
    """Note that a dimension must not be negative, where only the run can tell."""
    if isinstance(dim, Dim) and not never_negative(dim):
        _note("size", dim, 0)


def equal(left: DimLike, right: DimLike) -> bool:
    """Return whether two dimensions can be equal; where only the run can tell, note the relation and say yes."""
    if left is right or left == right:
        return True
    if isinstance(left, int) and isinstance(right, int):
        return False
    _note("equal", left, right)
    return True


def broadcast_dims(left: DimLike, right: DimLike) -> DimLike | None:
    """Return the dimension that two dimensions broadcast to, or None where they cannot."""
    if left is right or left == right or right == 1:
        return left
    if left == 1:
        return right
    if isinstance(left, int) and isinstance(right, int):
        return None
    _note("broadcast", left, right)
    if isinstance(left, int):
        return left
    if isinstance(right, int):
        return right
    return _opaque("broadcast", left, right)


def _combine_broadcast(left: DimLike, right: DimLike) -> DimLike:
    merged = broadcast_dims(left, right)
    return _opaque("broadcast", left, right) if merged is None else merged


_COMBINE: dict[str, Callable[[Any, Any], DimLike]] = {
    "floordiv": lambda left, right: left // right,
    "mod": lambda left, right: left % right,
    "max": maximum,
    "broadcast": _combine_broadcast,
}


def broadcast_shapes(*shapes: Sequence[DimLike]) -> Shape | None:
    """Return the shape that NumPy's rule broadcasts these shapes to, or None where they cannot be."""
    rank = max((len(shape) for shape in shapes), default=0)
    result: list[DimLike] = [1] * rank
    for shape in shapes:
        for axis, dim in enumerate(shape, start=rank - len(shape)):
            merged = broadcast_dims(result[axis], dim)
            if merged is None:
                return None
            result[axis] = merged
    return tuple(result)


# ---------------------------------------------------------------------------------------------------------- types


@dataclass(frozen=True)
class TensorType:
    """Element type and shape of one tensor."""

    dtype: str
    shape: Shape

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> DimLike:
        return size_of(self.shape)

    @property
    def itemsize(self) -> int:
        return numpy_dtype(self.dtype).itemsize

    @property
    def static_shape(self) -> tuple[int | None, ...]:
        """The shape as Keras shows it: None where the size is known only at run time."""
        return tuple(dim if isinstance(dim, int) else None for dim in self.shape)

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(str(dim) for dim in self.shape)}]"


@dataclass(frozen=True)
class TupleType:
    """The type of a node with several results."""

    items: tuple[TensorType, ...]

    def __str__(self) -> str:
        return f"({', '.join(str(item) for item in self.items)})"


Type = Union[TensorType, TupleType]
