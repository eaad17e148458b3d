"""Cases of leaves, shapes, placing, reductions and generators."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from cases.base import FLOATS, HALVES, INTEGERS, TABLE, Sample, draw
from symgraph.graph.node import Node
from symgraph.graph.type import numpy_dtype
from symgraph.ops import elementwise as e
from symgraph.ops import indexing, leaf, random, reduction, scan
from symgraph.ops import shape as s

NUMERIC = (*FLOATS, *HALVES, *INTEGERS)
SOME = ("float32", "float64", "float16", "bfloat16", "int32", "uint8", "bool")


@TABLE.add("placeholder", SOME)
def _placeholder(dtype: str, rng: np.random.Generator) -> list[Sample]:
    feeds = [(draw(rng, dtype, (3, n)),) for n in (4, 0, 1)]
    return [Sample("itself", feeds, lambda x: x, lambda x: x), Sample("twice", feeds, lambda x: x, lambda x: x)]


@TABLE.add("constant", SOME)
def _constant(dtype: str, rng: np.random.Generator) -> list[Sample]:
    made = []
    for shape in ((), (3,), (0,), (2, 3)):
        value = draw(rng, dtype, shape)
        made.append(
            Sample(str(shape), [()], lambda value=value: leaf.constant(value), lambda value=value: value, static=True)
        )
    return made


@TABLE.add("reshape", SOME)
def _reshape(dtype: str, rng: np.random.Generator) -> list[Sample]:
    feeds = [(draw(rng, dtype, (n, 6)),) for n in (3, 0, 1)]
    return [
        Sample("fixed", feeds[:1], lambda x: s.reshape(x, (2, 9)), lambda x: x.reshape(2, 9), (0,), static=True),
        Sample("flat", feeds, lambda x: s.reshape(x, (-1,)), lambda x: x.reshape(-1), (0,)),
        Sample("one more", feeds, lambda x: s.expand(x, (1,)), lambda x: x[:, None], (0,)),
        Sample(
            "of a transposed one",
            feeds,
            lambda x: s.reshape(s.transpose(x), (-1,)),
            lambda x: x.T.reshape(-1),
            (0,),
        ),
    ]


@TABLE.add("transpose", SOME)
def _transpose(dtype: str, rng: np.random.Generator) -> list[Sample]:
    cube = [(draw(rng, dtype, shape),) for shape in ((2, 3, 5), (0, 3, 1), (1, 1, 1))]
    orders = ((2, 0, 1), (0, 2, 1), (2, 1, 0))
    return [
        Sample(
            str(order),
            cube,
            lambda x, order=order: s.transpose(x, order),
            lambda x, order=order: np.transpose(x, order),
            (0,),
        )
        for order in orders
    ]


@TABLE.add("broadcast_to", SOME)
def _broadcast(dtype: str, rng: np.random.Generator) -> list[Sample]:
    return [
        Sample(
            f"{shape} to {target}",
            [(draw(rng, dtype, shape),)],
            lambda x, target=target: s.broadcast_to(x, target),
            lambda x, target=target: np.broadcast_to(x, target),
            (0,),
            static=True,
        )
        for shape, target in (((), (3,)), ((1, 4), (3, 4)), ((3, 1), (2, 3, 5)), ((1,), (0,)), ((5,), (2, 5)))
    ]


@TABLE.add("slice", SOME)
def _slice(dtype: str, rng: np.random.Generator) -> list[Sample]:
    x = draw(rng, dtype, (7, 5))
    keys = (
        np.s_[2:5], np.s_[::-1], np.s_[::2, 1:], np.s_[5:1:-2, ::-1], np.s_[3:3], np.s_[-1, 2], np.s_[:, -1:],
        np.s_[6:2],
    )  # fmt: skip
    made = [
        Sample(
            str(key), [(x,)], lambda n, key=key: indexing.getitem(n, key), lambda a, key=key: a[key], (0,), static=True
        )
        for key in keys
    ]
    rows = [(draw(rng, dtype, (n, 3)),) for n in (7, 1, 2)]
    for key in (np.s_[1:], np.s_[:-1], np.s_[::-1], np.s_[::2], np.s_[0], np.s_[-1]):
        made.append(Sample(f"any {key}", rows, lambda n, key=key: indexing.getitem(n, key), lambda a, key=key: a[key]))
    return made


@TABLE.add("embed", SOME)
def _embed(dtype: str, rng: np.random.Generator) -> list[Sample]:
    def placed(x: np.ndarray) -> np.ndarray:
        result = np.full((9, x.shape[1] + 3), 1, x.dtype)
        result[8 : 8 - 2 * x.shape[0] : -2, 1 : 1 + x.shape[1]] = x
        return result

    feeds = [(draw(rng, dtype, (3, n)),) for n in (4, 0, 1)]
    edge = ((1, 2), (0, 3))
    return [
        Sample(
            "strided",
            feeds,
            lambda x: s.embed(x, (9, x.shape[1] + 3), (8, 1), (-2, 1), 1),
            lambda x: placed(x),
            (0,),
        ),
        Sample("padding", feeds, lambda x: s.pad(x, edge), lambda x: np.pad(x, edge), (0,)),
    ]


@TABLE.add("concatenate", SOME)
def _concatenate(dtype: str, rng: np.random.Generator) -> list[Sample]:
    feeds = [tuple(draw(rng, dtype, (n, 3)) for n in sizes) for sizes in ((2, 4), (0, 1), (1, 0))]
    return [
        Sample("rows", feeds, lambda x, y: s.concatenate([x, y], 0), lambda x, y: np.concatenate([x, y]), (0, 1)),
        Sample(
            "columns, one of them transposed",
            [(draw(rng, dtype, (3, 2)), draw(rng, dtype, (5, 3)))],
            lambda x, y: s.concatenate([x, s.transpose(y), x], 1),
            lambda x, y: np.concatenate([x, y.T, x], 1),
            (0, 1),
        ),
        Sample(
            "stack",
            [(draw(rng, dtype, (3, 2)), draw(rng, dtype, (3, 2)))],
            lambda x, y: s.stack([x, y], 1),
            lambda x, y: np.stack([x, y], 1),
            (0, 1),
        ),
    ]


@TABLE.add("iota", ("int32", "int64", "float32"))
def _iota(dtype: str, rng: np.random.Generator) -> list[Sample]:
    made = []
    for shape, axis in (((5,), 0), ((2, 3), 0), ((2, 3), 1), ((0,), 0), ((1,), 0)):
        along = np.arange(shape[axis]).reshape([-1 if k == axis else 1 for k in range(len(shape))])
        made.append(
            Sample(
                f"{shape} along {axis}",
                [()],
                lambda shape=shape, axis=axis: s.iota(shape=shape, axis=axis, dtype=dtype),
                lambda shape=shape, along=along: np.broadcast_to(along, shape).astype(dtype),
                static=True,
            )
        )
    return made


@TABLE.add("dim_value", ("float32",))
def _dim_value(dtype: str, rng: np.random.Generator) -> list[Sample]:
    feeds = [(draw(rng, dtype, (n, 2)),) for n in (3, 0, 1)]
    return [
        Sample("rows", feeds, lambda x: s.dims((x.shape[0],), scalar=True), lambda x: np.int64(x.shape[0])),
        Sample("size", feeds, lambda x: s.dims((x.shape[0], x.tensor_type.size)), lambda x: [x.shape[0], x.size]),
    ]


def _words(seed: int, stream: int, place: int, step: int) -> tuple[int, int]:
    """Threefry-2x32 with 20 rounds in Python's integers, after the paper."""
    mask = 0xFFFFFFFF
    keys = (seed, stream, seed ^ stream ^ 0x1BD11BDA)
    x, y = (place + keys[0]) & mask, (step + keys[1]) & mask
    rotations = (13, 15, 26, 6, 17, 29, 16, 24)
    for number in range(20):
        turn = rotations[number % 8]
        x = (x + y) & mask
        y = ((y << turn) | (y >> (32 - turn))) & mask
        y ^= x
        if number % 4 == 3:
            block = number // 4 + 1
            x = (x + keys[block % 3]) & mask
            y = (y + keys[(block + 1) % 3] + block) & mask
    return x, y


def _random_values(dtype: str, step: np.ndarray) -> list[tuple[int, int]]:
    return [_words(12345, 678, place, int(step)) for place in range(21)]


@TABLE.add("random_uniform", ("float32", "float64"))
def _uniform(dtype: str, rng: np.random.Generator) -> list[Sample]:
    def expected(step: np.ndarray) -> np.ndarray:
        words = _random_values(dtype, step)
        if dtype == "float64":
            values = [((a >> 5) * 2**26 + (b >> 6)) * 2.0**-53 for a, b in words]
        else:
            values = [(a >> 8) * 2.0**-24 for a, _ in words]
        return np.reshape(values, (3, 7))

    feeds = [(np.array(step, np.uint32),) for step in (0, 1, 2**32 - 1)]
    attrs = {"seed": 12345, "stream": 678, "shape": (3, 7), "dtype": dtype}
    return [Sample("21", feeds, lambda step: random.random_uniform(step, **attrs), expected)]


@TABLE.add("random_normal", ("float32", "float64"))
def _normal(dtype: str, rng: np.random.Generator) -> list[Sample]:
    def expected(step: np.ndarray) -> np.ndarray:
        scale, drop = (2.0**-32, 0) if dtype == "float64" else (2.0**-24, 8)
        words = _random_values(dtype, step)
        pairs = [(((a >> drop) + 1) * scale, (b >> drop) * scale) for a, b in words]
        return np.reshape([np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * v) for u, v in pairs], (3, 7))

    feeds = [(np.array(step, np.uint32),) for step in (0, 1, 2**32 - 1)]
    attrs = {"seed": 12345, "stream": 678, "shape": (3, 7), "dtype": dtype}
    return [Sample("21", feeds, lambda step: random.random_normal(step, **attrs), expected, scale=2)]


# ----------------------------------------------------------------------------------------------------- reductions


def _reduce(op: Any, function: Any, differentiable: tuple[int, ...], low: float, high: float) -> Any:
    def samples(dtype: str, rng: np.random.Generator) -> list[Sample]:
        made = []
        cube = draw(rng, dtype, (3, 5, 7), low, high)
        ways = ((1,), True), ((0, 2), False), (None, False), ((0,), False), ((2,), False), ((0, 1), True)
        main = dtype in ("float32", "float64", "int32", "bool")
        for axes, keep in ways if main else ways[:2]:
            made.append(
                Sample(
                    f"{axes} {keep}",
                    [(cube,), (cube[:1, :1, :1],)],
                    lambda x, axes=axes, keep=keep: op(x, axes, keep),
                    lambda x, axes=axes, keep=keep: function(x, axis=axes, keepdims=keep),
                    differentiable,
                    scale=4,
                )
            )
        if not main:
            return made
        made.append(
            Sample(
                "of a transposed one",
                [(cube,)],
                lambda x: op(s.transpose(x, (2, 0, 1)), (0,), False),
                lambda x: function(x, axis=2),
                differentiable,
                scale=4,
            )
        )
        made.append(Sample("scalar", [(cube[0, 0, 0],)], lambda x: op(x, None, False), lambda x: function(x)))
        made.append(Sample("no axes", [(cube,)], lambda x: op(x, (), False), lambda x: function(x, axis=())))
        return made

    return samples


def _empty(op: Any, value: Any) -> Any:
    """Reductions over nothing."""

    def samples(dtype: str, rng: np.random.Generator) -> list[Sample]:
        x = draw(rng, dtype, (3, 0))
        return [
            Sample("rows", [(x,)], lambda n: op(n, 1, False), lambda a: np.full((3,), value(dtype))),
            Sample("columns", [(x,)], lambda n: op(n, 0, False), lambda a: np.empty((0,))),
        ]

    return samples


def _integers_keep_their_type(function: Any) -> Any:
    return lambda x, **how: function(x, **how, dtype=x.dtype)


def _lowest(dtype: str) -> float:
    return -np.inf if "int" not in dtype else np.iinfo(dtype).min


def _highest(dtype: str) -> float:
    return np.inf if "int" not in dtype else np.iinfo(dtype).max


for _name, _op, _function, _by, _value in (
    ("sum", reduction.sum_, _integers_keep_their_type(np.sum), (0,), lambda dtype: 0),
    ("prod", reduction.prod, _integers_keep_their_type(np.prod), (0,), lambda dtype: 1),
    ("max", reduction.max_, np.max, (0,), _lowest),
    ("min", reduction.min_, np.min, (0,), _highest),
):
    TABLE.add(_name, NUMERIC)(_reduce(_op, _function, _by, -1.5, 1.5))
    TABLE.add(_name, ("float32", "int32"), label="empty")(_empty(_op, _value))
for _name, _op, _function, _value in (
    ("any", reduction.any_, np.any, lambda dtype: False),
    ("all", reduction.all_, np.all, lambda dtype: True),
):
    TABLE.add(_name, ("bool",))(_reduce(_op, _function, (), 0, 1))
    TABLE.add(_name, ("bool",), label="empty")(_empty(_op, _value))


@TABLE.add("sum", ("float32",), label="long")
def _long_sum(dtype: str, rng: np.random.Generator) -> list[Sample]:
    """Sums of very many numbers lose no more than a few digits."""
    x = draw(rng, dtype, (300_000,), 0, 1)
    return [Sample("row", [(x,)], lambda n: reduction.sum_(n), lambda a: a.sum(), scale=2)]


@TABLE.add("prod", ("float64",), label="zeros")
def _products_with_zeros(dtype: str, rng: np.random.Generator) -> list[Sample]:
    x = draw(rng, dtype, (3, 4), 0.5, 2)
    x[0, 1] = x[2, 0] = x[2, 3] = 0
    return [Sample("rows", [(x,)], lambda n: reduction.prod(n, 1), lambda a: a.prod(1), (0,))]


for _name, _op, _function in (
    ("argmax", reduction.argmax_op, np.argmax),
    ("argmin", reduction.argmin_op, np.argmin),
):

    @TABLE.add(_name, NUMERIC)
    def _places(
        dtype: str, rng: np.random.Generator, op: Any = _op, function: Any = _function
    ) -> list[Sample]:
        """Ties are won by the first."""
        feeds = [(draw(rng, dtype, shape, -2, 2),) for shape in ((3, 9, 5), (1, 1, 1), (2, 1, 0))]
        if dtype in FLOATS:
            bad = feeds[0][0].copy()
            bad[1, 2, 3] = np.nan
            feeds.append((bad,))
        feeds = [feed for feed in feeds if feed[0].size] if dtype != "float32" else feeds
        return [
            Sample(
                f"axis {axis}",
                [feed for feed in feeds if feed[0].shape[axis]],
                lambda x, axis=axis, op=op: op(x, axis=axis),
                lambda x, axis=axis, function=function: function(x, axis=axis),
            )
            for axis in ((0, 1, 2) if dtype in ("float32", "float64", "int32") else (1,))
        ]


@TABLE.add("sum_to")
def _sum_to(dtype: str, rng: np.random.Generator) -> list[Sample]:
    """Shapes that only the call tells: the same graph sums for one call and does not for another."""
    feeds = [
        (draw(rng, dtype, (4, 5)), draw(rng, dtype, shape)) for shape in ((4, 5), (1, 5), (4, 1), (1, 1))
    ]

    def expected(x: np.ndarray, like: np.ndarray) -> np.ndarray:
        axes = tuple(k for k in (0, 1) if like.shape[k] == 1)
        return x.sum(axes, keepdims=True)

    def build(x: Node, like: Node) -> Node:
        return reduction.sum_to_op(e.add(x, s.broadcast_to(e.zero(x), like.shape)), shape=like.shape)

    return [Sample("rows and columns", feeds, build, expected, (0,))]


# ------------------------------------------------------------------------------------------------ rows by number


@TABLE.add("gather", SOME)
def _gather(dtype: str, rng: np.random.Generator) -> list[Sample]:
    made = []
    for kind in ("int32", "int64", "uint8"):
        numbers = np.array([[0, 4, 2], [1, 1, 3]], kind)
        feeds = [(draw(rng, dtype, (5, 3)), numbers), (draw(rng, dtype, (5, 3)), numbers[:0])]
        made.append(Sample(kind, feeds, indexing.gather, lambda x, i: x[i], (0,)))
    back = np.array([-1, -5, 0], "int32")
    made.append(Sample("from the end", [(draw(rng, dtype, (5,)), back)], indexing.gather, lambda x, i: x[i], (0,)))
    return made


@TABLE.add("scatter_add", (*FLOATS, "float16", "int32"))
def _scatter(dtype: str, rng: np.random.Generator) -> list[Sample]:
    def expected(values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        result = np.zeros((6, 3), values.dtype)
        np.add.at(result, numbers, values)
        return result

    numbers = np.array([5, 0, 0, -1, 2], "int64")
    feeds = [(draw(rng, dtype, (5, 3)), numbers), (draw(rng, dtype, (0, 3)), numbers[:0])]
    return [
        Sample("with repeats", feeds, lambda v, i: indexing.scatter_add(v, i, shape=(6, 3)), expected, (0,), scale=2)
    ]


#: Entries that name rows of a table of 6: first, again, counted from the end, and a row that was named so before.
_NAMES = np.array([[5, 0, 0], [-1, 2, -6]], "int32")
_SLOTS = np.array([1, 6, 4, 6, 6, 0], "int32")
_FIRSTS = np.array([5, 0, -1, -1, 2, -1], "int32")


@TABLE.add("first_rows", ("int32", "int64"))
def _first_rows(dtype: str, rng: np.random.Generator) -> list[Sample]:
    def build(part: int):
        return lambda i: scan.item(indexing.first_rows(i, rows=6), part)

    feeds = [(_NAMES.astype(dtype),), (_NAMES[:0].astype(dtype),)]
    none = np.zeros(6, "int32")
    return [
        Sample("slots", feeds, build(0), lambda i: _SLOTS if i.size else none),
        Sample("firsts", feeds, build(1), lambda i: _FIRSTS if i.size else none[:0]),
    ]


@TABLE.add("sum_rows", (*FLOATS, "float16"))
def _sum_rows(dtype: str, rng: np.random.Generator) -> list[Sample]:
    def expected(values: np.ndarray, numbers: np.ndarray, slots: np.ndarray) -> np.ndarray:
        result = np.zeros((numbers.size + 1, 3), values.dtype)
        np.add.at(result, slots[numbers.reshape(-1)], values.reshape(-1, 3))
        return result

    feeds = [(draw(rng, dtype, (2, 3, 3)), _NAMES, _SLOTS), (draw(rng, dtype, (0, 3, 3)), _NAMES[:0], 0 * _SLOTS)]
    return [Sample("with repeats", feeds, indexing.sum_rows, expected, scale=2)]


@TABLE.add("rows_at", (*FLOATS, "float16", "int32"))
def _rows_at(dtype: str, rng: np.random.Generator) -> list[Sample]:
    feeds = [(draw(rng, dtype, (7, 4)), _SLOTS.reshape(6, 1))]

    def fixed(x: Node, slots: Node) -> Node:
        return indexing.rows_at(x, s.reshape(slots, (6, 1)))

    def summed(x: Node, slots: Node) -> Node:
        return reduction.sum_(e.square(fixed(x, slots)), 0)

    made = [Sample("rows", feeds, fixed, lambda x, i: x[i[:, 0]])]
    if dtype in FLOATS:
        made.append(Sample("in a sum", feeds, summed, lambda x, i: (x[i[:, 0]] ** 2).sum(0), scale=4))
    return made


@TABLE.add("rows_used", ("int32", "int64", "uint8"))
def _rows_used(dtype: str, rng: np.random.Generator) -> list[Sample]:
    numbers = np.array([[5, 0, 0], [5, 2, 0]], dtype)
    feeds = [(numbers,), (numbers[:0],)]
    return [Sample("rows", feeds, lambda i: indexing.rows_used(i, rows=6), lambda i: np.isin(np.arange(6), i))]


# ---------------------------------------------------------------------------------------------------------- loops


@TABLE.add("scan", ("float32", "float64"))
def _scan(dtype: str, rng: np.random.Generator) -> list[Sample]:
    def build(x: Node, start: Node, weights: Node) -> Node:
        def step(slices: list[Node], states: list[Node]) -> tuple[list[Node], list[Node]]:
            new = e.tanh(e.add(slices[0], e.mul(states[0], weights)))
            return [new], [e.square(new)]

        (final,), (squares,) = scan.scan(step, [x], [start])
        return e.add(final, reduction.sum_(squares, 0))

    def expected(x: np.ndarray, start: np.ndarray, weights: np.ndarray) -> np.ndarray:
        state, total = start, 0.0
        for row in x:
            state = np.tanh(row + state * weights)
            total = total + state**2
        return state + total

    feeds = [(draw(rng, dtype, (n, 4)), draw(rng, dtype, (4,)), draw(rng, dtype, (4,))) for n in (6, 1, 9)]
    static = [tuple(feed) for feed in feeds[:1]]
    return [Sample("recurrence", static, build, expected, (0, 1, 2), static=True, scale=8)]


@TABLE.add("item", ("float64",))
def _item(dtype: str, rng: np.random.Generator) -> list[Sample]:
    def build(x: Node) -> Node:
        def step(slices: list[Node], states: list[Node]) -> tuple[list[Node], list[Node]]:
            return [e.add(states[0], slices[0])], [states[0]]

        _, (before,) = scan.scan(step, [x], [s.full(x.shape[1:], 0, dtype)])
        return before

    x = draw(rng, dtype, (5, 3))
    return [Sample("sums before", [(x,)], build, lambda a: np.cumsum(a, 0) - a, (0,), static=True)]


# ------------------------------------------------------------------------------------------ softmax and its losses


def _nn(op: str) -> Any:
    from symgraph.ops.op import lookup

    return lookup(op)


@TABLE.add("softmax", (*FLOATS, *HALVES))
def _softmax(dtype: str, rng: np.random.Generator) -> list[Sample]:
    feeds = [(draw(rng, dtype, shape),) for shape in ((4, 7), (0, 3), (1, 1))]
    huge = np.array([[1e4, -1e4, 0, 1e4], [-np.inf, 0, 1, 2]], numpy_dtype(dtype))
    return [
        Sample("rows", [*feeds, (huge,)], _nn("softmax"), lambda x: special.softmax(x, -1), (0,), scale=2),
        Sample("one row", [(draw(rng, dtype, (5,)),)], _nn("softmax"), lambda x: special.softmax(x), (0,), scale=2),
    ]


@TABLE.add("log_softmax", (*FLOATS, *HALVES))
def _log_softmax(dtype: str, rng: np.random.Generator) -> list[Sample]:
    feeds = [(draw(rng, dtype, shape),) for shape in ((4, 7), (0, 3), (1, 1))]
    huge = np.array([[1e4, -1e4, 0, 1e4]], numpy_dtype(dtype))
    expected = _nn("log_softmax"), lambda x: special.log_softmax(x, -1)
    return [Sample("rows", [*feeds, (huge,)], *expected, (0,), scale=2)]


@TABLE.add("softmax_cross_entropy")
def _softmax_cross_entropy(dtype: str, rng: np.random.Generator) -> list[Sample]:
    def target(shape: tuple[int, ...]) -> np.ndarray:
        return special.softmax(draw(rng, "float64", shape), -1).astype(dtype)

    shapes = ((4, 7), (0, 3), (1, 2))
    feeds = [(draw(rng, dtype, shape), target(shape)) for shape in shapes]
    feeds.append((np.array([[1e4, -1e4, 0]], dtype), np.array([[0, 1, 0]], dtype)))
    return [
        Sample(
            "rows",
            feeds,
            _nn("softmax_cross_entropy"),
            lambda x, t: -(t * special.log_softmax(x, -1)).sum(-1),
            (0, 1),
            scale=2,
        )
    ]


@TABLE.add("sparse_softmax_cross_entropy")
def _sparse_softmax_cross_entropy(dtype: str, rng: np.random.Generator) -> list[Sample]:
    def expected(x: np.ndarray, t: np.ndarray) -> np.ndarray:
        rows = special.log_softmax(x, -1)
        known = (t >= 0) & (t < x.shape[-1])
        return np.where(known, -np.take_along_axis(rows, np.where(known, t, 0)[..., None], -1)[..., 0], np.nan)

    made = []
    for kind in ("int32", "uint8", "int64"):
        numbers = np.array([[0, 6, 3], [5, 5, 1]], kind)
        feeds = [(draw(rng, dtype, (2, 3, 7)), numbers), (draw(rng, dtype, (0, 3, 7)), numbers[:0])]
        if kind == "int32":
            feeds.append((draw(rng, dtype, (2, 3, 7)), numbers - 1))
        made.append(Sample(kind, feeds, _nn("sparse_softmax_cross_entropy"), expected, (0,), scale=2))
    return made


@TABLE.add("sigmoid_cross_entropy")
def _sigmoid_cross_entropy(dtype: str, rng: np.random.Generator) -> list[Sample]:
    def expected(x: np.ndarray, t: np.ndarray) -> np.ndarray:
        return np.maximum(x, 0) - x * t + np.log1p(np.exp(-np.abs(x)))

    feeds = [(draw(rng, dtype, shape), draw(rng, dtype, shape, 0, 1)) for shape in ((4, 7), (0, 3), (1, 1))]
    feeds.append((np.array([[1e4, -1e4, 0]], dtype), np.array([[0, 1, 1]], dtype)))
    broadcast = [(draw(rng, dtype, (4, 1)), draw(rng, dtype, (5,), 0, 1))]
    return [
        Sample("places", feeds, _nn("sigmoid_cross_entropy"), expected, (0, 1)),
        Sample("broadcast", broadcast, _nn("sigmoid_cross_entropy"), expected, (0, 1)),
    ]
