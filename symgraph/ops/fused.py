"""What the compiler makes of elementwise chains: one operation that computes them place by place."""

from __future__ import annotations

from dataclasses import dataclass

from symgraph.graph.node import Attributes
from symgraph.graph.type import Shape, TensorType, TupleType, Type
from symgraph.ops.op import declare

#: Reductions that can be instructions (see `fused_sweep`).
TOTALS = frozenset({"all", "any", "max", "min", "prod", "sum"})


@dataclass(frozen=True)
class Instruction:
    """One scalar operation of an expression.

    Attributes:
        op: the name of an elementwise or generator operation, or "constant".
        attrs: its attributes.
        arguments: the numbers of the values it reads: operands come first, then the results of instructions.
        dtype: the element type of its result.
        varies: False where the result is the same at every place.
    """

    op: str
    attrs: Attributes
    arguments: tuple[int, ...]
    dtype: str
    varies: bool = True


@dataclass(frozen=True)
class Expression:
    """A list of scalar instructions over operands, computed at every place of a shape.

    Attributes:
        operands: the element type of each operand (value numbers 0..len-1).
        instructions: in order; instruction k has the value number len(operands) + k.
        results: the value numbers that are the results.
    """

    operands: tuple[str, ...]
    instructions: tuple[Instruction, ...]
    results: tuple[int, ...]

    @property
    def tables(self) -> frozenset[int]:
        """The operands that are read by row number (`rows_at`) instead of place by place."""
        return frozenset(each.arguments[0] for each in self.instructions if each.op == "rows_at")

    @property
    def uses_totals(self) -> bool:
        """Whether something reads the result of a reduction among the instructions, so that rows are read again."""
        count = len(self.operands)
        totals = {count + k for k, each in enumerate(self.instructions) if each.op in TOTALS}
        return any(not totals.isdisjoint(each.arguments) for each in self.instructions)

    def dtype(self, value: int) -> str:
        """The element type of a value number."""
        count = len(self.operands)
        return self.operands[value] if value < count else self.instructions[value - count].dtype


def fused_type(expression: Expression, shape: Shape) -> Type:
    """Return the type of the results of an expression at every place of a shape."""
    return _one_or_several(tuple(TensorType(expression.dtype(value), shape) for value in expression.results))


def _one_or_several(items: tuple[TensorType, ...]) -> Type:
    return items[0] if len(items) == 1 else TupleType(items)


def _infer_fused(*types: TensorType, expression: Expression, shape: Shape) -> Type:
    return fused_type(expression, shape)


def _infer_fused_rows(*types: TensorType, expression: Expression, shape: Shape, bases: tuple[int, ...]) -> Type:
    *operands, firsts = types
    assert firsts.rank == 1 and all(operands[base].shape == shape for base in bases)
    return _infer_fused(*operands, expression=expression, shape=shape)


def _infer_fused_reduce(
    *types: TensorType, expression: Expression, shape: Shape, reduce: str, axes: tuple[int, ...], keepdims: bool
) -> TensorType:
    from symgraph.ops.reduction import reduced_shape

    return TensorType(expression.dtype(expression.results[0]), reduced_shape(shape, axes, keepdims))


def _infer_fused_sweep(
    *types: TensorType, expression: Expression, shape: Shape, axes: tuple[int, ...], full: tuple[bool, ...]
) -> Type:
    from symgraph.ops.reduction import reduced_shape

    rows = reduced_shape(shape, axes, True)
    pairs = zip(expression.results, full, strict=True)
    return _one_or_several(tuple(TensorType(expression.dtype(k), shape if whole else rows) for k, whole in pairs))


#: An expression at every place of `shape`; the operands are broadcast to it.
fused = declare("fused", infer=_infer_fused, has_gradient=False)

#: An expression at some rows of `shape`: those that the last input, a vector, lists (negative numbers are skipped).
#: Each result is the operand whose number stands in `bases`, with these rows replaced: a variable updated in place.
fused_rows = declare("fused_rows", infer=_infer_fused_rows, has_gradient=False)

#: A reduction (the name in `reduce`) over an expression.
fused_reduce = declare("fused_reduce", infer=_infer_fused_reduce, has_gradient=False)

#: An expression over `shape` with reductions over `axes` (keeping them, with size 1) among its instructions: one way
#: through memory for several sums of the same numbers, and for what is made of a row and of its sums. `full` tells of
#: each result whether there is one at every place or one for each row. Where an instruction at every place reads what
#: a reduction gives, the axes are the last ones: rows then stay in the processor's cache while they are read again.
fused_sweep = declare("fused_sweep", infer=_infer_fused_sweep, has_gradient=False)
