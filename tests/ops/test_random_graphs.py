"""Random graphs give the same numbers whichever passes of the compiler are left out, and on every executor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symgraph import autodiff
from symgraph import backend as K
from symgraph.compiler import fuse, pipeline
from symgraph.compiler.memory import lifetimes
from symgraph.compiler.program import MemoryPlan, Program
from symgraph.compiler.verify import verify
from symgraph.graph.node import Node
from symgraph.graph.tensor import Tensor
from symgraph.graph.type import new_symbol
from symgraph.ops import cumulate, indexing, linalg, nn, reduction, scan
from symgraph.ops import elementwise as e
from symgraph.ops import shape as s
from symgraph.ops.leaf import constant, placeholder
from symgraph.runtime import function as functions
from symgraph.runtime.executor import use
from symgraph.runtime.function import Function

OPTIONAL = ("simplify", "stabilise", "simplify again", "prune", "alias", "plan memory", "fuse")

# ------------------------------------------------------------------------------------------------- random graphs

UNARY = (e.tanh, e.sigmoid, e.sin, e.neg, e.abs, e.softplus, e.relu, e.stop_gradient)
BINARY = (e.add, e.sub, e.mul, e.maximum, e.minimum)


def _unary(draw: Any, pool: list[Node]) -> Node:
    return draw(st.sampled_from(UNARY))(draw(st.sampled_from(pool)))


def _binary(draw: Any, pool: list[Node]) -> Node:
    x = draw(st.sampled_from(pool))
    fitting = [each for each in pool if each.shape == x.shape or each.rank == 0]
    y = draw(st.sampled_from(fitting))
    return draw(st.sampled_from(BINARY))(*draw(st.permutations([x, y])))


def _with_number(draw: Any, pool: list[Node]) -> Node:
    """Numbers that simplification knows something about."""
    x = draw(st.sampled_from(pool))
    number = constant(draw(st.sampled_from([0.0, 1.0, -1.0, 2.0, 0.5])), "float64")
    op = draw(st.sampled_from([*BINARY, e.pow]))
    return op(e.tanh(x) + 2, number) if op is e.pow else op(*draw(st.permutations([x, number])))


def _unstable(draw: Any, pool: list[Node]) -> Node:
    """Formulas that are brought to a stable form."""
    x = e.tanh(draw(st.sampled_from(pool)))
    return draw(
        st.sampled_from(
            [e.log(e.sigmoid(x)), e.log(1 - e.sigmoid(x)), e.log(1 + e.exp(x)), e.exp(x) - 1, e.log(x + 3)]
        )
    )


def _choice(draw: Any, pool: list[Node]) -> Node:
    x = draw(st.sampled_from(pool))
    y = draw(st.sampled_from([each for each in pool if each.shape == x.shape]))
    return e.where(e.less(x, y), y, x * 0.5)


def _view(draw: Any, pool: list[Node]) -> Node:
    x = draw(st.sampled_from(pool))
    if x.rank == 0:
        return s.expand(x, (0,))
    how = draw(st.sampled_from(["transpose", "reverse", "expand", "flatten", "slice", "strided"]))
    if how == "transpose":
        return s.transpose(x)
    if how == "reverse":
        return s.reverse(x, (draw(st.integers(0, x.rank - 1)),))
    if how == "expand":
        return s.expand(x, (draw(st.integers(0, x.rank)),)) if x.rank < 3 else x
    if how == "flatten":
        return s.reshape(x, (-1,))
    return indexing.getitem(x, slice(None, -1) if how == "slice" else slice(None, None, 2))


def _placed(draw: Any, pool: list[Node]) -> Node:
    x = draw(st.sampled_from([each for each in pool if each.rank]))
    if draw(st.booleans()):
        return s.pad(x, [(1, 0), *[(0, 2)] * (x.rank - 1)], 0.5)
    return s.concatenate([x, e.sin(x), x], draw(st.integers(0, x.rank - 1)))


def _reduced(draw: Any, pool: list[Node]) -> Node:
    x = draw(st.sampled_from([each for each in pool if each.rank]))
    axis, keep = draw(st.integers(0, x.rank - 1)), draw(st.booleans())
    result = draw(st.sampled_from([reduction.sum_, reduction.mean]))(x, axis, keep)
    return x - result if keep else result


def _rows(draw: Any, pool: list[Node]) -> Node:
    x = draw(st.sampled_from([each for each in pool if each.rank]))
    op = draw(st.sampled_from(["softmax", "log_softmax", "cumsum", "scan", "gram"]))
    if op == "softmax":
        return nn.softmax(x)
    if op == "log_softmax":
        return nn.log_softmax(x)
    if op == "cumsum":
        return cumulate.cumsum(x, axis=x.rank - 1, reverse=draw(st.booleans())) * 0.25
    if op == "gram" and x.rank == 2:
        return linalg.matmul(e.tanh(x), x, False, True) * 0.125

    def step(slices: list[Node], states: list[Node]) -> tuple[list[Node], list[Node]]:
        new = e.tanh(e.add(slices[0], states[0]))
        return [new], [new * 0.5, e.sin(new)]

    (final,), (first, second) = scan.scan(step, [x], [s.full(x.shape[1:], 0.25, "float64")])
    return draw(st.sampled_from([final, first, second]))


@st.composite
def graphs(draw: Any) -> tuple[list[Node], list[Node]]:
    """Placeholders (n, 3) and (3,), and some nodes computed from them."""
    rows = new_symbol()
    inputs = [placeholder((rows, 3), "float64"), placeholder((3,), "float64")]
    pool = [*inputs, s.broadcast_to(inputs[1], (rows, 3))]
    makers = [_unary, _unary, _binary, _binary, _with_number, _unstable, _choice, _view, _placed, _reduced, _rows]
    for _ in range(draw(st.integers(3, 14))):
        made = draw(st.sampled_from(makers))(draw, pool)
        if made not in pool:
            pool.append(made)
    count = draw(st.integers(1, 3))
    return inputs, pool[-count:]


# ---------------------------------------------------------------------------------------------- leaving passes out


def _separate(program: Program) -> Program:
    """A memory plan in which nothing is shared."""
    numbers = list(lifetimes(program))
    plan = MemoryPlan({number: k for k, number in enumerate(numbers)}, tuple((number,) for number in numbers))
    return replace(program, plan=plan)


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Compile without these passes within a block; what must be done is done in the plainest way."""

    def kept(passes: tuple[pipeline.Pass, ...]) -> tuple[pipeline.Pass, ...]:
        result = []
        for each in passes:
            if each.name == "plan memory" and each.name in names:
                each = replace(each, run=lambda program, context: _separate(program))
            elif each.name in names and each.name != "fuse":
                each = replace(each, run=lambda value, context: value)
            result.append(each)
        return tuple(result)

    before = pipeline.GRAPH_PASSES, pipeline.PIPELINE, fuse.MOST_INSTRUCTIONS, functions.CHECK
    pipeline.GRAPH_PASSES, pipeline.PIPELINE = kept(before[0]), kept(before[1])
    fuse.MOST_INSTRUCTIONS = 1 if "fuse" in names else before[2]
    functions.CHECK = verify
    try:
        yield
    finally:
        pipeline.GRAPH_PASSES, pipeline.PIPELINE, fuse.MOST_INSTRUCTIONS, functions.CHECK = before


def computed(inputs: list[Node], outputs: list[Node], feeds: list[list[np.ndarray]]) -> list[np.ndarray]:
    """Outputs for each feed, and a variable that has been updated by each call from what was computed."""
    state = K.variable(np.arange(3.0), dtype="float64")
    total = reduction.sum_(outputs[0])
    new = e.add(state.node * 0.5, e.mul(inputs[1], e.tanh(total)))
    function = Function(
        [Tensor(node) for node in inputs],
        [*(Tensor(node) for node in outputs), Tensor(state.node * 2)],
        [(state, Tensor(new))],
        name="random graph",
    )
    results = []
    for feed in feeds:
        results += function(feed)
        results.append(state.value)
    return results


_RNG = np.random.default_rng(5)
FEEDS = [[_RNG.uniform(-1, 1, (n, 3)), _RNG.uniform(-1, 1, (3,))] for n in (5, 2)]


def _outputs(inputs: list[Node], outputs: list[Node]) -> list[Node]:
    """The outputs and the gradients of their sum."""
    total = e.add(*[reduction.sum_(e.sin(outputs[0]))] * 2)
    for node in outputs[1:]:
        total = e.add(total, reduction.sum_(e.sin(node)))
    grads = autodiff.gradients(total, inputs)
    return [*outputs, *(grad for grad in grads if grad is not None)]


def _agree(got: list[np.ndarray], wanted: list[np.ndarray], what: str) -> None:
    assert len(got) == len(wanted)
    for one, other in zip(got, wanted, strict=True):
        assert one.shape == other.shape, what
        size = np.abs(other).max(initial=1e-3)
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-9 * size, err_msg=what)


@settings(max_examples=30)
@given(graphs())
def test_each_pass_can_be_left_out(graph: tuple[list[Node], list[Node]]) -> None:
    inputs, outputs = graph[0], _outputs(*graph)
    with use("numpy"):
        with without(*OPTIONAL):
            wanted = computed(inputs, outputs, FEEDS)
        for names in ((), *((name,) for name in OPTIONAL)):
            with without(*names):
                _agree(computed(inputs, outputs, FEEDS), wanted, f"without {names or 'nothing'}")


@settings(max_examples=10)
@given(graphs())
def test_native_code_agrees(graph: tuple[list[Node], list[Node]]) -> None:
    inputs, outputs = graph[0], _outputs(*graph)
    with use("numpy"), without(*OPTIONAL):
        wanted = computed(inputs, outputs, FEEDS)
    with use("numba"), without():
        _agree(computed(inputs, outputs, FEEDS), wanted, "native code")


@pytest.mark.gpu
@settings(max_examples=10)
@given(graphs())
def test_gpu_agrees(graph: tuple[list[Node], list[Node]]) -> None:
    inputs, outputs = graph[0], _outputs(*graph)
    with use("numpy"), without(*OPTIONAL):
        wanted = computed(inputs, outputs, FEEDS)
    with use("cupy"), without():
        _agree(computed(inputs, outputs, FEEDS), wanted, "the GPU")
