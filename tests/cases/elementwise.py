"""Cases of elementwise operations: each one in all layouts that operands can have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import special

from cases.base import FLOATS, HALVES, INTEGERS, TABLE, Sample, draw
from symgraph.graph.node import Node
from symgraph.graph.type import numpy_dtype
from symgraph.ops import elementwise as e
from symgraph.ops import shape as s
from symgraph.ops.op import lookup

SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 1e-30, 80.0, -80.0)


def _transposed(node: Node) -> Node:
    return s.transpose(node, (1, 0))


def _every_other_backwards(node: Node) -> Node:
    return s.slice_axis(node, 0, node.shape[0] - 1, (node.shape[0] + 1) // 2, -2)


def _same(value: Any) -> Any:
    return value


#: Label, the shape of each operand, and how the first is seen: on a node, and on an array.
LAYOUTS: tuple[tuple[str, tuple[tuple[int, ...], ...], Any, Any], ...] = (
    ("scalar", ((), (), ()), _same, _same),
    ("transposed", ((5, 3), (3, 5), (3, 5)), _transposed, np.transpose),
    ("strided", ((33,), (17,), (17,)), _every_other_backwards, lambda x: x[::-2]),
    ("broadcast", ((4, 1), (1, 5), (5,)), _same, _same),
)


def pointwise(
    op: str,
    function: Callable[..., Any],
    arity: int,
    dtypes: tuple[str, ...],
    low: float = -3,
    high: float = 3,
    first: str | None = None,
    differentiable: Sequence[int] | None = None,
    special: bool = True,
    avoid: float | None = None,
) -> None:
    """Enter the case of one operation.

    Args:
        op: its name.
        function: the same in NumPy.
        arity: number of operands.
        dtypes: element types.
        low, high: bounds of the operands.
        first: element type of the first operand, where it is another.
        differentiable: numbers of operands to differentiate by; all of them, by default.
        special: whether NaN, infinities and signed zeros are fed, too.
        avoid: a value that operands are not to have.
    """
    by = tuple(range(arity)) if differentiable is None else tuple(differentiable)

    def samples(dtype: str, rng: np.random.Generator) -> list[Sample]:
        def operands(shapes: Sequence[tuple[int, ...]]) -> tuple[np.ndarray, ...]:
            kinds = [first or dtype, *[dtype] * (arity - 1)]
            arrays = [draw(rng, kind, shape, low, high) for kind, shape in zip(kinds, shapes)]
            if avoid is not None:
                arrays = [np.where(array == avoid, array.dtype.type(1), array).astype(array.dtype) for array in arrays]
            return tuple(arrays)

        feeds = [operands([(n,)] * arity) for n in (17, 0, 1)]
        if special and dtype in FLOATS and first is None:
            values = np.array(SPECIAL, dtype)
            grid = np.meshgrid(*[values] * arity, indexing="ij")
            feeds.append(tuple(np.ascontiguousarray(axis.reshape(-1)) for axis in grid))
        made = [Sample("row", feeds, lookup(op), function, by)]
        if dtype in FLOATS or dtypes.index(dtype) == 0:
            for label, shapes, see, seen in LAYOUTS:
                made.append(
                    Sample(
                        label,
                        [operands(shapes[:arity])],
                        lambda x, *rest, see=see: lookup(op)(see(x), *rest),
                        lambda x, *rest, seen=seen: function(seen(x), *rest),
                        by,
                    )
                )
        return made

    TABLE.add(op, dtypes)(samples)


def _integer_power(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.power(x, y)


def _relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


ALL_FLOATS = (*FLOATS, *HALVES)
NUMERIC = (*ALL_FLOATS, *INTEGERS)
ANY = (*NUMERIC, "bool")

for _op, _function in {"add": np.add, "sub": np.subtract, "mul": np.multiply}.items():
    pointwise(_op, _function, 2, NUMERIC)
for _op, _function in {"maximum": np.maximum, "minimum": np.minimum}.items():
    pointwise(_op, _function, 2, NUMERIC)
pointwise("div", np.divide, 2, ALL_FLOATS, low=0.3)
pointwise("floordiv", np.floor_divide, 2, (*FLOATS, *INTEGERS), avoid=0, differentiable=(), special=False)
pointwise("mod", np.mod, 2, (*FLOATS, *INTEGERS), avoid=0, special=False)
pointwise("pow", np.power, 2, ALL_FLOATS, low=0.3)
pointwise("neg", np.negative, 1, NUMERIC)
pointwise("abs", np.abs, 1, NUMERIC)
pointwise("square", np.square, 1, NUMERIC)
pointwise("relu", _relu, 1, NUMERIC)
pointwise("sign", np.sign, 1, NUMERIC, differentiable=())
for _op, _function in {"floor": np.floor, "ceil": np.ceil, "round": np.rint}.items():
    pointwise(_op, _function, 1, ALL_FLOATS, differentiable=())
for _op, _function in {
    "exp": np.exp, "expm1": np.expm1, "tanh": np.tanh, "sigmoid": special.expit, "erf": special.erf, "sin": np.sin,
    "cos": np.cos, "softplus": lambda x: np.logaddexp(x, 0),
}.items():  # fmt: skip
    pointwise(_op, _function, 1, ALL_FLOATS)
for _op, _function in {
    "log": np.log, "log1p": np.log1p, "sqrt": np.sqrt, "rsqrt": lambda x: 1 / np.sqrt(x)
}.items():  # fmt: skip
    pointwise(_op, _function, 1, ALL_FLOATS, low=0.2)
for _op, _function in {
    "equal": np.equal, "not_equal": np.not_equal, "less": np.less, "less_equal": np.less_equal,
    "greater": np.greater, "greater_equal": np.greater_equal,
}.items():  # fmt: skip
    pointwise(_op, _function, 2, ANY, differentiable=())
pointwise("logical_and", np.logical_and, 2, ("bool",), differentiable=())
pointwise("logical_or", np.logical_or, 2, ("bool",), differentiable=())
pointwise("logical_not", np.logical_not, 1, ("bool",), differentiable=())
pointwise("is_nan", np.isnan, 1, ALL_FLOATS, differentiable=())
pointwise("is_finite", np.isfinite, 1, ALL_FLOATS, differentiable=())
pointwise("where", np.where, 3, ANY, first="bool", differentiable=(1, 2))
pointwise("stop_gradient", np.asarray, 1, ANY, differentiable=())


@TABLE.add("pow", INTEGERS, label="integers")
def _powers(dtype: str, rng: np.random.Generator) -> list[Sample]:
    feed = draw(rng, dtype, (9,), -3, 3), draw(rng, dtype, (9,), 0, 4).clip(0)
    return [Sample("row", [feed], e.pow, _integer_power)]


@TABLE.add("cast", ANY)
def _casts(dtype: str, rng: np.random.Generator) -> list[Sample]:
    """To every other type. Only numbers that both types hold: what becomes of others is nobody's promise."""
    made = []
    for target in ANY:
        unsigned = dtype.startswith("uint") or target.startswith("uint")
        x = draw(rng, dtype, (9,), 0 if unsigned else -100, 100)
        kind = numpy_dtype(target)
        made.append(
            Sample(
                target,
                [(x,)],
                lambda node, target=target: e.cast_op(node, dtype=target),
                lambda value, kind=kind, x=x: x.astype(kind),
                (0,) if dtype == target == "float64" else (),
            )
        )
    return made
