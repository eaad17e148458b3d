"""What an executor can lower: the table that the compiler reads and that the executor's shelves fill."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from typing import Any

from symgraph.graph.type import DimLike
from symgraph.ops.op import Op


@dataclass(frozen=True)
class Lowering:
    """How one operation is lowered on one executor.

    Attributes:
        emit: the executor's own function; what it gets and returns is between it and the executor.
        strided: True where it takes inputs of any strides; else the compiler copies them to contiguous memory first.
        contiguous: how many of the last inputs are copied to contiguous memory all the same.
        panel: for products (their last input is the right matrix): how many columns a panel has, given the step; 0
            where it takes no panels. In a loop a matrix that stays the same is brought into panels once, before it: a
            view (panels, rows, columns of a panel) takes its place, and the step's attribute "panel" tells the width.
        scratch: (dtype, number of elements) of the working memory that a step needs, given the step.
        pools: for convolutions: whether it can pool the results of one (a node) over a window, its strides being its
            sizes, without writing them. None means that it cannot.
        dtypes: floating-point types it computes in; others are cast to the last one. None means all.
    """

    emit: Callable[..., Any]
    strided: bool = False
    scratch: Callable[..., Iterable[tuple[str, DimLike]]] | None = None
    dtypes: tuple[str, ...] | None = None
    contiguous: int = 0
    panel: Callable[..., int] | None = None
    pools: Callable[..., bool] | None = None

    def takes(self, position: int, count: int) -> bool:
        """Return whether input `position` of `count` may have any strides."""
        return self.strided and position < count - self.contiguous


class Lowerings:
    """The table of one executor: operation name -> `Lowering`.

    Args:
        executor: the name of the executor, for messages.
        elementwise: names of the elementwise and generator operations that its fused kernels can compute (any
            container; a dictionary that is filled later will do).
        reductions: names of the reductions that its fused kernels can compute.
        dtypes: floating-point types that its general kernels compute in, unless an entry says otherwise.
    """

    def __init__(
        self,
        executor: str,
        elementwise: Container[str],
        reductions: Container[str],
        dtypes: tuple[str, ...] | None = None,
    ) -> None:
        self.executor = executor
        self.elementwise = elementwise
        self.reductions = reductions
        self.dtypes = dtypes
        self.table: dict[str, Lowering] = {}

    def register(
        self,
        name: str,
        *,
        strided: bool = False,
        scratch: Callable[..., Iterable[tuple[str, DimLike]]] | None = None,
        dtypes: tuple[str, ...] | None = None,
        contiguous: int = 0,
        panel: Callable[..., int] | None = None,
        pools: Callable[..., bool] | None = None,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Return a decorator that enters a function as the lowering of an operation."""

        def enter(emit: Callable[..., Any]) -> Callable[..., Any]:
            if name in self.table:
                raise ValueError(f"the executor {self.executor!r} has two lowerings for {name!r}")
            self.table[name] = Lowering(emit, strided, scratch, dtypes or self.dtypes, contiguous, panel, pools)
            return emit

        return enter

    def has(self, op: Op) -> bool:
        """Return whether the operation can be lowered, by itself or as part of a fused kernel."""
        return op.name in self.elementwise or op.name in self.reductions or op.name in self.table

    def computes_in(self, op: Op, dtype: str) -> str:
        """Return the element type in which an operation on this type is computed."""
        entry = self.table.get(op.name)
        known = entry.dtypes if entry is not None else self.dtypes
        return dtype if known is None or dtype in known or not dtype.endswith("float16") else "float32"
