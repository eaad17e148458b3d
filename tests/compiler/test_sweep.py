"""What is joined in one way through memory, what is not, and that the numbers stay the same on each executor."""

import numpy as np
import pytest

from symgraph import backend as K
from symgraph.backends.cpu.checked import run_checked
from symgraph.backends.reference.executor import LOWERINGS
from symgraph.compiler.fuse import fuse
from symgraph.compiler.graph import Graph
from symgraph.compiler.lowerings import Lowerings
from symgraph.compiler.sweep import reduces_rows, sweep
from symgraph.compiler.verify import verify
from symgraph.graph.node import items_of
from symgraph.graph.traverse import topological_order
from symgraph.graph.type import new_symbol
from symgraph.ops import elementwise as e
from symgraph.ops import linalg, nn, reduction, shape
from symgraph.ops.leaf import placeholder
from symgraph.runtime.executor import use

RANDOM = np.random.RandomState(0)


def swept(*outputs):
    graph = sweep(fuse(Graph((), outputs), LOWERINGS), LOWERINGS)
    verify(graph)
    return graph


def kinds(graph):
    """The operations, without views and leaves, in order."""
    free = ("leaf", "view", "structure")
    return [node.op.name for node in topological_order(graph.roots) if node.op.kind not in free]


@pytest.fixture
def x():
    return placeholder((6, 5, 8), "float32")


def test_sums_of_the_same_numbers_are_one_sweep(x):
    graph = swept(reduction.sum_(x, (0, 1)), reduction.sum_(e.square(x), (0, 1)), reduction.max_(x, (0, 1)))
    assert kinds(graph) == ["fused_sweep"]
    assert [value.shape for value in graph.outputs] == [(8,)] * 3
    other = swept(reduction.sum_(x, (0, 1)), reduction.sum_(x, (0,)))
    assert kinds(other) == ["fused_reduce", "fused_reduce"]


def test_a_loop_is_swept_with_the_sums_of_what_it_makes(x):
    made = e.where(e.greater(x, e.zero(x)), x * 3.0, e.zero(x))
    graph = swept(made, reduction.sum_(made, (0, 1)))
    assert kinds(graph) == ["fused_sweep"]
    (node,) = [each for each in topological_order(graph.roots) if each.op.name == "fused_sweep"]
    assert node.attrs["full"] == (True, False) and [each.shape for each in items_of(node.type)] == [x.shape, (1, 1, 8)]


def test_columns_do_not_use_their_own_sums(x):
    """Over the first axes a sum is known when all has been read: what uses it is another loop."""
    centred = x - reduction.sum_(x, (0, 1), keepdims=True)
    graph = swept(reduction.sum_(e.square(centred), (0, 1)))
    assert kinds(graph) == ["fused_reduce", "fused_reduce"]


@pytest.mark.parametrize("axes", [(2,), (1, 2)])
def test_rows_use_their_own_sums(x, axes):
    middle = reduction.mean(x, axes, keepdims=True)
    spread = reduction.mean(e.square(x - middle), axes)
    kept = (6, 1, 1) if len(axes) == 2 else (6, 5, 1)
    graph = swept((x - middle) / e.sqrt(shape.reshape(spread, kept) + 1e-3), spread)
    assert kinds(graph) == ["fused_sweep"]


def test_softmax_and_crossentropy_are_one_sweep():
    logits, target = placeholder((7, 10), "float32"), placeholder((7, 10), "float32")
    loss = nn.softmax_cross_entropy.decompose(logits, target)
    soft = nn.softmax.decompose(logits)
    decomposed = nn.log_softmax.decompose(logits)
    graph = Graph((), (soft, -reduction.sum_(target * decomposed, -1), soft - target))
    graph = sweep(fuse(graph.rewritten(_without_stops), LOWERINGS), LOWERINGS)
    assert kinds(graph).count("fused_sweep") == 1 and loss.shape == (7,)
    assert "fused_reduce" not in kinds(graph)


def _without_stops(node, inputs):
    from symgraph.compiler.graph import rebuild

    return inputs[0] if node.op is e.stop_gradient else rebuild(node, inputs)


def test_which_rows_are_worth_it():
    n = new_symbol("n")
    assert reduces_rows((n, 10), (1,)) and reduces_rows((n, n, 3, 4), (2, 3))
    assert not reduces_rows((n, 10), (0,)) and not reduces_rows((n, 10), (0, 1)) and not reduces_rows((n, 10), ())
    assert not reduces_rows((n, 2), (1,)) and not reduces_rows((n, 1 << 20), (1,)) and not reduces_rows((2, 100), (1,))


def test_an_executor_without_sweeps_gets_none(x):
    poor = Lowerings("poor", LOWERINGS.elementwise, LOWERINGS.reductions)
    graph = fuse(Graph((), (reduction.sum_(x, (0,)), reduction.max_(x, (0,)))), poor)
    assert sweep(graph, poor) is graph


# ------------------------------------------------------------------------------------------------------ the numbers


def _formulas(x, w):
    """Name -> results over a tensor of shape (n, 5, 8) and weights that broadcast to it."""
    soft = K.softmax(x)
    middle = K.mean(x, axis=-1, keepdims=True)
    spread = K.mean(K.square(x - middle), axis=-1, keepdims=True)
    normal = (x - middle) / K.sqrt(spread + 1e-3)
    made = K.switch(K.greater(x, 0.0), x * w, K.zeros_like(x))
    top = K.max(x, axis=[1, 2], keepdims=True)
    powers = K.exp(x - top)
    return {
        "columns": [K.sum(x, axis=[0, 1]), K.sum(x * w, axis=[0, 1]), K.max(x, axis=[0, 1]), K.prod(x, axis=[0, 1])],
        "outer": [K.sum(x, axis=[0, 2]), K.min(x * w, axis=[0, 2], keepdims=True)],
        "all": [K.sum(x), K.sum(x * x), K.max(x)],
        "middle": [K.sum(x, axis=1), K.max(x * w, axis=1)],
        "with loop": [made, K.sum(made, axis=[0, 1]), K.sum(made * x, axis=[0, 1])],
        "with loop, rows": [made, K.sum(made, axis=-1), K.any(x > 1, axis=-1), K.all(x > -9, axis=-1)],
        "softmax": [soft, K.sum(soft * x, axis=-1), K.log(soft)],
        "normalised": [normal * w, spread, K.softmax(normal)],
        "two axes": [powers / K.sum(powers, axis=[1, 2], keepdims=True), top, K.sum(powers * powers, axis=[1, 2])],
    }  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("rows", [0, 1, 3, 700])
@pytest.mark.parametrize("case", _formulas(K.placeholder(shape=(None, 5, 8)), 1.0))
def test_values(case, rows, dtype):
    """Against the interpreter, on sizes with and without blocks; each access of memory checked where it is small."""
    x, w = K.placeholder(shape=(None, 5, 8), dtype=dtype), K.placeholder(shape=(8,), dtype=dtype)
    outputs = _formulas(x, w)[case]
    arrays = [(RANDOM.randn(rows, 5, 8) * 0.5 + 1e-3).astype(dtype), RANDOM.rand(8).astype(dtype)]
    used = [x, w] if case not in ("all", "softmax", "two axes") else [x]
    arrays = arrays[: len(used)]
    with use("numpy"):
        wanted = K.function(used, outputs)(arrays)
    with use("numba"):
        function = K.function(used, outputs)
        got = [np.array(each) for each in function(arrays)]
        again = run_checked(function.bound(), arrays, 3) if rows in (1, 3) else got
    tolerance = {"float16": 1e-2, "float32": 2e-5, "float64": 1e-12}[dtype]
    for one, two, three in zip(wanted, got, again, strict=True):
        if rows == 700 and dtype != "float64":  # long products and sums: the order of the terms shows
            scale = np.abs(one[np.isfinite(one)]).max(initial=1)
            np.testing.assert_allclose(two, one, rtol=50 * tolerance, atol=20 * tolerance * float(scale))
        else:
            np.testing.assert_allclose(two, one, rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(three, two, rtol=tolerance, atol=tolerance)


def test_the_bits_do_not_depend_on_threads():
    from symgraph import config

    x = K.placeholder(shape=(None, 40, 33))
    outputs = [K.softmax(x), K.sum(x, axis=[0, 1]), K.sum(x * x, axis=[0, 1]), K.sum(x), K.sum(K.square(x))]
    values = RANDOM.randn(300, 40, 33).astype("float32")
    found = []
    before = config.threads()
    try:
        for threads in (1, 2, 3):
            config.set_threads(threads)
            with use("numba"):
                found.append([np.array(each) for each in K.function([x], outputs)([values])])
    finally:
        config.set_threads(before)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            assert a.tobytes() == b.tobytes()


def test_extremes_not_a_number_and_infinite_rows():
    x = K.placeholder(shape=(None, 6))
    values = np.zeros((5, 6), "float32")
    values[0, 2], values[1, 3], values[2, :], values[3, 1] = np.nan, np.inf, -np.inf, -np.inf
    with use("numpy"):
        wanted = K.function([x], [K.softmax(x), K.max(x, axis=-1)])([values])
    with use("numba"):
        got = K.function([x], [K.softmax(x), K.max(x, axis=-1)])([values])
    for one, two in zip(wanted, got, strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-6)


def test_what_a_sweep_writes_may_take_the_place_of_what_it_reads():
    """But not its totals, which are written before all has been read; nor rows that are read again."""
    from symgraph.compiler.alias import alias
    from symgraph.compiler.memory import plan_memory
    from symgraph.compiler.schedule import schedule

    first = placeholder((64, 8), "float32")
    middle = linalg.matmul(first, placeholder((8, 8), "float32"))

    def program(*outputs):
        graph = sweep(fuse(Graph((), outputs), LOWERINGS), LOWERINGS)
        planned = plan_memory(alias(schedule(graph, LOWERINGS, lambda body: body)), {})
        verify(planned)
        (step,) = [each for each in planned.steps if each.name == "fused_sweep"]
        slot = planned.plan.slot_of
        return slot[step.inputs[0].buffer], [slot.get(view.buffer) for view in step.outputs]

    made = middle * 2.0
    read, written = program(linalg.matmul(made, made, transpose_x=True), e.exp(reduction.sum_(made, (0,))))
    assert written[0] == read and read not in written[1:]
    top = reduction.max_(middle, (1,), keepdims=True)
    read, written = program(linalg.matmul(e.exp(middle - top), middle, transpose_x=True))
    assert read not in written
