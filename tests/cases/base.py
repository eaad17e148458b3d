"""What a case of the op table is: arrays to feed, how the graph is built from them, and what must come out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from symgraph.graph.node import Node
from symgraph.graph.type import new_symbol, numpy_dtype
from symgraph.ops.leaf import placeholder

FLOATS = ("float32", "float64")
HALVES = ("float16", "bfloat16")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")

#: Relative and absolute tolerance of results in each type.
TOLERANCE = {"float16": 2e-3, "bfloat16": 1.6e-2, "float32": 4e-6, "float64": 1e-12}


@dataclass(frozen=True)
class Sample:
    """One graph and what to feed it.

    Attributes:
        label: for the message of a failure.
        feeds: the arrays of each call; all calls have arrays of the same ranks.
        build: from the nodes of the arrays to the node to compute.
        expected: from the arrays (floats as float64) to the result.
        differentiable: which arrays it can be differentiated by.
        static: True where sizes are fixed in the graph (they are symbols otherwise).
        scale: factor of the tolerance, for sums of many terms.
    """

    label: str
    feeds: Sequence[tuple[np.ndarray, ...]]
    build: Callable[..., Node]
    expected: Callable[..., Any]
    differentiable: tuple[int, ...] = ()
    static: bool = False
    scale: float = 1.0

    def placeholders(self) -> list[Node]:
        """Placeholders for the arrays."""
        first = self.feeds[0]
        shapes = [array.shape if self.static else tuple(new_symbol() for _ in array.shape) for array in first]
        return [placeholder(shape, dtype_of(array)) for shape, array in zip(shapes, first, strict=True)]


@dataclass(frozen=True)
class Case:
    """An operation and its samples.

    Attributes:
        op: its name in the registry.
        samples: from an element type and a generator of random numbers to samples.
        dtypes: element types that it is tried with.
        label: tells several cases of one operation apart.
    """

    op: str
    samples: Callable[[str, np.random.Generator], list[Sample]]
    dtypes: tuple[str, ...] = FLOATS
    label: str = ""

    @property
    def name(self) -> str:
        return f"{self.op}-{self.label}" if self.label else self.op


@dataclass
class Table:
    """All cases; the modules of this package add theirs."""

    cases: list[Case] = field(default_factory=list)

    def add(self, op: str, dtypes: tuple[str, ...] = FLOATS, label: str = "") -> Callable[[Any], Any]:
        """Decorate a function (dtype, rng) -> samples."""

        def enter(samples: Any) -> Any:
            self.cases.append(Case(op, samples, dtypes, label))
            return samples

        return enter


TABLE = Table()


def dtype_of(array: np.ndarray) -> str:
    """The name of the element type of an array, bfloat16 among them."""
    return array.dtype.name


def draw(rng: np.random.Generator, dtype: str, shape: Sequence[int], low: float = -3, high: float = 3) -> np.ndarray:
    """Random numbers of an element type between two bounds (cut at 0 for unsigned integers)."""
    if dtype == "bool":
        return rng.random(tuple(shape)) < 0.5
    if dtype.startswith("uint"):
        low = max(low, 0)
    if "int" in dtype:
        return rng.integers(int(low), int(high) + 1, tuple(shape)).astype(dtype)
    return rng.uniform(low, high, tuple(shape)).astype(numpy_dtype(dtype))


def wide(array: np.ndarray) -> np.ndarray:
    """A float array in float64, others as they are."""
    return array if array.dtype.kind in "iub" else array.astype(np.float64)
