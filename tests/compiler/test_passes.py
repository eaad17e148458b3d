"""What each pass does to graphs written by hand: the result, not only that numbers stay the same."""

import numpy as np
import pytest

from symgraph.autodiff import gradients
from symgraph.backends.reference.executor import LOWERINGS
from symgraph.compiler.alias import alias, is_copy
from symgraph.compiler.decompose import LoweringError, decompose
from symgraph.compiler.fuse import MOST_INSTRUCTIONS, fuse
from symgraph.compiler.graph import Graph
from symgraph.compiler.lowerings import Lowerings
from symgraph.compiler.memory import lifetimes, plan_memory
from symgraph.compiler.pipeline import PIPELINE, Context, compile_graph
from symgraph.compiler.program import OUTPUT, TEMPORARY, VARIABLE
from symgraph.compiler.prune import prune
from symgraph.compiler.schedule import schedule
from symgraph.compiler.simplify import simplify
from symgraph.compiler.specialise import decide, relations_of, specialise
from symgraph.compiler.stabilise import stabilise
from symgraph.compiler.verify import VerifyError, verify
from symgraph.graph.node import Node, items_of
from symgraph.graph.traverse import topological_order
from symgraph.graph.type import new_symbol
from symgraph.ops import elementwise as e
from symgraph.ops import linalg, nn, reduction, scan, shape
from symgraph.ops.leaf import constant, placeholder, variable
from symgraph.ops.op import ShapeError
from symgraph.runtime.executor import evaluate


def simplified(node: Node) -> Node:
    return simplify(Graph((), (node,)), evaluate).outputs[0]


def names(node: Node) -> list[str]:
    return [each.op.name for each in topological_order([node])]


@pytest.fixture
def x():
    return placeholder((4, 3), "float32")


def program_of(outputs, updates=(), inputs=()):
    graph = fuse(Graph(tuple(inputs), tuple(outputs), tuple(updates)), LOWERINGS)
    return schedule(graph, LOWERINGS, lambda body: fuse(body, LOWERINGS))


# ------------------------------------------------------------------------------------------------------ simplify


def test_simplify_drops_what_does_nothing(x):
    assert simplified(x * 1.0 + 0.0) is x
    assert simplified(e.neg(e.neg(x))) is x
    assert simplified(x / 1.0 - 0.0) is x
    assert simplified(e.stop_gradient(x)) is x
    assert simplified(e.cast(e.cast(x, "float64"), "float32")) is x
    assert simplified(shape.transpose(shape.transpose(x))) is x
    assert simplified(shape.reshape(shape.reshape(x, (12,)), (4, 3))) is x
    assert simplified(shape.reverse(shape.reverse(x, (0,)), (0,))) is x
    assert simplified(e.where(constant(True), x, -x)) is x


def test_simplify_keeps_what_would_change_numbers(x):
    assert simplified(x * 0.0) is not constant(0, "float32")  # 0 * nan is nan
    narrow = e.cast(e.cast(x, "float16"), "float32")
    assert simplified(narrow) is narrow
    assert simplified(x - x).op is e.sub


def test_simplify_folds_constants_and_powers(x):
    assert simplified(x + (constant(2, "float32") * constant(3, "float32"))) is x + 6
    assert simplified(e.pow(x, constant(2, "float32"))) is e.square(x)
    assert simplified(x * x) is e.square(x)


def test_simplify_reads_transposed_operands_in_place(x):
    product = linalg.matmul(shape.transpose(x), x)
    assert simplified(product) is linalg.matmul(x, x, transpose_x=True)


def test_simplify_sums_in_the_order_in_which_numbers_lie():
    x = placeholder((4, 3, 2), "float32")
    turned = shape.transpose(shape.reverse(x, (0,)), (1, 0, 2))
    assert simplified(reduction.sum_(turned, (0, 1))) is reduction.sum_(x, (0, 1))
    assert simplified(reduction.sum_(turned, (0, 1), keepdims=True)) is reduction.sum_(x, (0, 1), keepdims=True)
    assert simplified(reduction.sum_(turned, (1,))) is reduction.sum_(x, (0,))
    assert simplified(reduction.sum_(shape.reverse(x, (0, 1)), (0, 1))) is reduction.sum_(x, (0, 1))
    for changed in (
        reduction.sum_(shape.reverse(x, (0,)), (1,)),  # the results are reversed
        reduction.sum_(shape.transpose(x, (2, 1, 0)), (1,)),  # the results are exchanged
        reduction.sum_(shape.transpose(x, (1, 0, 2)), (1,), keepdims=True),
        reduction.sum_(shape.slice_axis(x, 0, 0, 2, 2), (0,)),  # some are left out
        reduction.sum_(shape.slice_axis(x, 0, 1, 3), (0,)),
    ):
        assert simplified(changed) is changed


def test_simplify_strips_broadcasts(x):
    wide = shape.broadcast_to(constant(2, "float32"), (4, 3))
    assert simplified(x * wide) is x * 2
    assert simplified(e.exp(shape.broadcast_to(placeholder((3,), "float32"), (4, 3)))).op is shape.broadcast_op


# ----------------------------------------------------------------------------------------- stabilise, decompose


def test_stabilise_recognises_unstable_formulas(x):
    stable = lambda node: stabilise(Graph((), (node,))).outputs[0]  # noqa: E731
    assert stable(e.log(e.sigmoid(x))) is -e.softplus(-x)
    assert stable(e.log(1 - e.sigmoid(x))) is -e.softplus(x)
    assert stable(e.log(1 + e.exp(x))) is e.softplus(x)
    assert stable(e.log(x + 1)) is e.log1p(x)
    assert stable(e.exp(x) - 1) is e.expm1(x)
    assert stable(e.log(x + 2)) is e.log(x + 2)


def test_decompose_uses_simpler_operations_where_the_executor_lacks_one(x):
    known = dict.fromkeys(("exp", "sub", "div", "where", "is_finite"))
    without = Lowerings("poor", known, {"max": None, "sum": None})
    result = decompose(Graph((), (nn.softmax(x),)), without).outputs[0]
    assert "softmax" not in names(result) and {"exp", "max", "sum"} <= set(names(result))
    with pytest.raises(LoweringError, match="'poor' has no lowering for the operation 'matmul'"):
        decompose(Graph((), (linalg.matmul(x, x, transpose_y=True),)), without)


def test_decompose_widens_half_floats(x):
    half = placeholder((2, 2), "float16")
    only_wide = Lowerings("wide", {"cast": None}, {}, dtypes=("float32",))
    only_wide.register("matmul")(print)
    result = decompose(Graph((), (linalg.matmul(half, half),)), only_wide).outputs[0]
    assert names(result) == ["placeholder", "cast", "matmul", "cast"] and result.dtype == "float16"


# ------------------------------------------------------------------------------------------------------ specialise


def test_specialise_unifies_sizes_and_decides_broadcasts():
    n, m = new_symbol("n"), new_symbol("m")
    total = placeholder((n, 3), "float32") + placeholder((m, 3), "float32")
    graph = Graph((), (total,))
    relations = relations_of(graph)
    same = specialise(graph, decide(relations, {n.symbol: 5, m.symbol: 5}), {}).outputs[0]
    assert len({read.shape for read in same.inputs}) == 1
    ones = specialise(graph, decide(relations, {n.symbol: 5, m.symbol: 1}), {}).outputs[0]
    assert [read.shape for read in ones.inputs] == [(n, 3), (1, 3)]
    with pytest.raises(ShapeError, match="5 and 4 must agree"):
        decide(relations, {n.symbol: 5, m.symbol: 4})


def test_specialise_replaces_what_is_fixed(x):
    phase = placeholder((), "int32")
    chosen = e.where(e.not_equal(phase, constant(0, "int32")), x, -x)
    graph = specialise(Graph((), (chosen,)), (), {phase: 0})
    assert simplify(graph, evaluate).outputs[0] is -x


# ------------------------------------------------------------------------------------------------------------ fuse


def test_fuse_makes_one_operation_of_a_chain(x):
    result = fuse(Graph((), (e.exp(x) * 2 + e.sin(x),)), LOWERINGS).outputs[0]
    assert names(result) == ["placeholder", "fused"]
    assert [each.op for each in result.attrs["expression"].instructions] == ["exp", "constant", "mul", "sin", "add"]


def test_fuse_puts_the_chain_into_the_reduction_that_alone_reads_it(x):
    squares = e.square(x)
    result = fuse(Graph((), (reduction.sum_(squares, (1,)),)), LOWERINGS).outputs[0]
    assert names(result) == ["placeholder", "fused_reduce"]
    both = fuse(Graph((), (reduction.sum_(squares, (1,)), squares)), LOWERINGS)
    assert both.outputs[0].inputs[0] is both.outputs[1]


def test_fuse_keeps_groups_convex(x):
    """a -> sum -> b and a -> b: fusing a with b would need the sum before and after itself."""
    a = e.exp(x)
    b = a - reduction.sum_(a, (1,), keepdims=True)
    result = fuse(Graph((), (b,)), LOWERINGS).outputs[0]
    assert names(result) == ["placeholder", "fused", "fused_reduce", "fused"]


def test_fuse_limits_the_size_of_groups(x):
    node = x
    for _ in range(3 * MOST_INSTRUCTIONS):
        node = e.sin(node)
    result = fuse(Graph((), (node,)), LOWERINGS).outputs[0]
    sizes = [len(n.attrs["expression"].instructions) for n in topological_order([result]) if n.op.name == "fused"]
    assert sum(sizes) == 3 * MOST_INSTRUCTIONS and max(sizes) <= MOST_INSTRUCTIONS


def test_fuse_makes_one_kernel_of_an_update_with_state():
    p, g, m, v = (variable((5,), "float32") for _ in range(4))
    new_m, new_v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * e.square(g)
    updates = ((m, new_m), (v, new_v), (p, p - new_m / (e.sqrt(new_v) + 1e-7)))
    program = alias(program_of((), updates))
    assert [step.name for step in program.steps] == ["fused"] and len(program.steps[0].outputs) == 3


# ------------------------------------------------------------------------------------------- schedule, alias, memory


def test_views_cost_no_step(x):
    seen = shape.transpose(shape.slice_axis(x, 0, 1, 2))
    program = program_of((e.exp(seen),), inputs=(x,))
    (step,) = program.steps
    (view,) = step.inputs
    assert view.strides == (1, 3) and view.offset == 3 and view.shape == (3, 2)


def test_alias_lets_results_be_written_where_they_belong(x):
    joined = shape.concatenate([e.exp(x), e.sin(x)], 0)
    before = program_of((joined,), inputs=(x,))
    after = alias(before)
    assert [is_copy(step) for step in before.steps].count(True) == 2
    assert [step.outputs[0].offset for step in after.steps] == [0, 12]
    verify(after)


def test_alias_respects_readers_of_old_values():
    a, b = variable((3,), "float32"), variable((3,), "float32")
    swapped = alias(program_of((), ((a, b + 0.5), (b, a + 0.25))))
    verify(swapped)
    writes = [view.buffer for step in swapped.steps for view in step.outputs]
    variables = swapped.of_kind(VARIABLE)
    reads_after_write = [
        (k, view.buffer)
        for k, step in enumerate(swapped.steps)
        for view in step.inputs
        if view.buffer in variables and any(v.buffer == view.buffer for s in swapped.steps[:k] for v in s.outputs)
    ]
    assert not reads_after_write and set(variables) <= set(writes)


def test_outputs_that_are_inputs_or_variables_are_copies(x):
    v = variable((2,), "float32")
    program = program_of((x, v, x), ((v, v + 1),), inputs=(x,))
    assert all(program.buffers[view.buffer].kind == OUTPUT for view in program.outputs)
    assert len({view.buffer for view in program.outputs}) == 3


def test_memory_is_shared_by_what_is_never_alive_together(x):
    node = x
    for _ in range(6):  # a chain that cannot be fused: each sum is needed before the next product
        node = e.exp(node) * reduction.sum_(node, (0, 1), keepdims=True)
    program = alias(program_of((node,), inputs=(x,)))
    planned = plan_memory(program, {})
    verify(planned)
    temporaries = [n for n, life in lifetimes(planned).items() if planned.buffers[n].size == 12]
    slots = {planned.plan.slot_of[n] for n in temporaries}
    assert len(slots) <= 3 < len(temporaries)
    assert all(planned.buffers[n].kind == TEMPORARY for n in temporaries)


def test_prune_drops_outputs_of_loops_that_nobody_reads():
    sequence = placeholder((5, 2), "float32")
    first = placeholder((2,), "float32")
    final, outputs = scan.scan(lambda s, h: ([h[0] + s[0]], [e.exp(h[0]), e.sin(s[0])]), [sequence], [first])
    loop = final[0].inputs[0]
    assert len(loop.attrs["body"].outputs) >= 3
    kept = prune(Graph((), (outputs[1],))).outputs[0].inputs[0]
    assert [node.op.name for node in kept.attrs["body"].outputs] == ["sin"]


# ------------------------------------------------------------------------------------------------ verify, pipeline


def test_verify_finds_what_is_broken(x):
    program = plan_memory(program_of((e.exp(x) * reduction.sum_(x, (0, 1)),), inputs=(x,)), {})
    verify(program)
    from dataclasses import replace

    with pytest.raises(VerifyError, match="before anything has written it"):
        verify(replace(program, steps=program.steps[::-1]))
    wide = replace(program.steps[0].inputs[0], shape=(40, 3))
    with pytest.raises(VerifyError, match="leaves its buffer"):
        verify(replace(program, steps=(replace(program.steps[0], inputs=(wide,)), *program.steps[1:])))


def test_every_pass_says_why_it_stands_where_it_stands(x):
    assert all(each.reason for each in PIPELINE)
    records = []
    seen = []
    compile_graph(Graph((x,), (e.exp(x),)), Context(LOWERINGS, evaluate), check=seen.append, records=records)
    assert [record.name for record in records] == [each.name for each in PIPELINE]
    assert len(seen) == len(PIPELINE)
    assert isinstance(seen[0], Graph) and np.size(seen[-1].steps) == 1


def test_fuse_makes_a_comparison_where_the_backward_pass_reads_it(x):
    """The mask of a relu is not stored by the forward pass: its output is there anyway."""
    w = variable((3, 3), "float32")
    hidden = e.relu(linalg.matmul(x, w) + 1)
    loss = reduction.sum_(linalg.matmul(hidden, w))
    grads = gradients(loss, [w])
    order = topological_order(fuse(Graph((), tuple(grads)), LOWERINGS).roots)
    assert not any(item.dtype == "bool" for node in order if node.op.name == "fused" for item in items_of(node.type))
