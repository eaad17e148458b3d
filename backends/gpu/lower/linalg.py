"""Matrix products by cuBLAS.

cuBLAS takes matrices whose rows lie apart, and transposed ones, so most views are read in place: a slice of columns,
one time step of a (batch, time, features) array. What it cannot read - a matrix with gaps along both axes, rows that
repeat or run backwards - is copied to scratch memory first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from symgraph.backends.gpu.calls import Call, Kernel, Product, blocks_for
from symgraph.backends.gpu.codegen import fused_body
from symgraph.backends.gpu.table import register
from symgraph.compiler.program import Step, View, contiguous_strides
from symgraph.graph.type import DimLike, size_of
from symgraph.ops.fused import Expression


@dataclass(frozen=True)
class Layout:
    """How a stack of matrices lies in memory.

    Attributes:
        lead: the distance of neighbouring rows - of columns, where `transposed`.
        apart: the distance of neighbouring matrices.
        transposed: whether neighbours in memory belong to one column.
    """

    lead: DimLike
    apart: DimLike
    transposed: bool


def layout(view: View) -> Layout | None:
    """Return the layout of the matrices in the last two axes of a view, or None where cuBLAS cannot read it."""
    (rows, columns), (down, right) = view.shape[-2:], view.strides[-2:]
    apart = _distance(view.shape[:-2], view.strides[:-2])
    if apart is None:
        return None
    if (right == 1 or columns == 1) and (rows == 1 or _reaches(down, columns)):
        return Layout(columns if rows == 1 else down, apart, False)
    if (down == 1 or rows == 1) and (columns == 1 or _reaches(right, rows)):
        return Layout(rows if columns == 1 else right, apart, True)
    return None


def _reaches(stride: DimLike, size: DimLike) -> bool:
    """Return whether a stride is surely at least a size (or one of them 0, and there is nothing to read)."""
    if stride == size:
        return True
    if isinstance(stride, int) or isinstance(size, int) and size == 0:
        return isinstance(stride, int) and isinstance(size, int) and stride >= size
    multiple = stride // size
    return isinstance(multiple, int) or all(
        factor > 0 and all(atom.kind == "symbol" for atom in atoms) for atoms, factor in multiple.terms
    )


def _distance(sizes: Sequence[DimLike], strides: Sequence[DimLike]) -> DimLike | None:
    """Return the distance of neighbouring matrices of a stack, or None where it is not the same everywhere."""
    kept = [(size, stride) for size, stride in zip(sizes, strides, strict=True) if size != 1]
    for (_, outer), (size, inner) in zip(kept, kept[1:]):
        if outer != inner * size:
            return None
    distance = kept[-1][1] if kept else 0
    return None if isinstance(distance, int) and distance < 0 else distance


def _copies(step: Step) -> list[View]:
    """The inputs that must be copied."""
    return [view for view in step.inputs if layout(view) is None]


def _scratch(step: Step) -> Iterable[tuple[str, DimLike]]:
    return [(view.dtype, view.size) for view in _copies(step)]


@register("matmul", strided=True, scratch=_scratch)
def matmul(step: Step) -> list[Call]:
    """One call, for a stack of matrices too. Half floats are multiplied with sums in float; float32 without TF32."""
    (out,) = step.outputs
    calls: list[Call] = []
    operands: list[tuple[View, Layout]] = []
    room = iter(step.scratch)
    for view in step.inputs:
        place = layout(view)
        if place is None:
            copy = next(room).with_layout(view.shape, contiguous_strides(view.shape))
            body, arguments = fused_body(Expression((view.dtype,), (), (0,)), view.shape, [view], [copy])
            calls.append(Kernel("fused", body, tuple(arguments.words), blocks_for(view.size), (view, copy)))
            view, place = copy, layout(copy)
            assert place is not None
        operands.append((view, place))
    (x, of_x), (y, of_y) = operands
    inner = x.shape[-2] if step.attrs["transpose_x"] else x.shape[-1]
    calls.append(
        Product(
            x, y, out,
            rows=out.shape[-2], inner=inner, columns=out.shape[-1], batch=size_of(out.shape[:-2]),
            transpose_x=step.attrs["transpose_x"] != of_x.transposed,
            transpose_y=step.attrs["transpose_y"] != of_y.transposed,
            leads=(of_x.lead, of_y.lead), apart=(of_x.apart, of_y.apart),
        )
    )  # fmt: skip
    return calls
