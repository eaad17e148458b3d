"""Every operation on every executor: values, gradients, second gradients, shapes, and what is declared about it."""

from __future__ import annotations

import inspect
import zlib
from functools import cache

import numpy as np
import pytest
from cases import CASES, TOLERANCE, Case, Sample, wide

from symgraph import autodiff
from symgraph.backends.cpu.executor import LOWERINGS as CPU
from symgraph.backends.reference.executor import LOWERINGS as REFERENCE
from symgraph.compiler.decompose import FREE
from symgraph.compiler.verify import verify
from symgraph.graph.node import Node
from symgraph.graph.tensor import Tensor
from symgraph.graph.traverse import topological_order
from symgraph.graph.type import TensorType, numpy_dtype
from symgraph.ops import elementwise as e
from symgraph.ops import reduction
from symgraph.ops.leaf import placeholder
from symgraph.ops.op import REGISTRY, lookup
from symgraph.runtime import function as functions
from symgraph.runtime.executor import use
from symgraph.runtime.function import Function

#: Operations that only the compiler makes; tests/compiler and the random graphs of this folder are their tests.
#: The variance beside a mean that belongs to it has its own: tests/ops/test_moments.py.
INTERNAL = {"assume", "fused", "fused_conv", "fused_conv_input_gradient", "fused_matmul", "fused_reduce", "fused_rows",
            "fused_sweep", "max_pool_places", "max_pool_places_gradient", "variance"}  # fmt: skip
#: Tested with everything else that holds state, in tests/runtime and tests/backend.
STATE = {"variable"}

EXECUTORS = ["numpy", "numba", pytest.param("cupy", marks=pytest.mark.gpu)]


@pytest.fixture(autouse=True)
def verified(monkeypatch):
    """Check the graph and the program after every pass."""
    monkeypatch.setattr(functions, "CHECK", verify)


@cache
def samples_of(case: Case, dtype: str) -> tuple[Sample, ...]:
    rng = np.random.default_rng(zlib.crc32(f"{case.name} {dtype}".encode()))
    with np.errstate(all="ignore"):
        return tuple(case.samples(dtype, rng))


def compiled(inputs: list[Node], outputs: list[Node], name: str) -> Function:
    return Function([Tensor(node) for node in inputs], [Tensor(node) for node in outputs], name=name)


def assert_close(got: np.ndarray, wanted: np.ndarray, dtype: str, scale: float, what: str) -> None:
    """Compare with the tolerance of an element type; exactly where it is no float."""
    if dtype not in TOLERANCE:
        np.testing.assert_array_equal(got, wanted, err_msg=what)
        return
    tolerance = TOLERANCE[dtype] * scale
    with np.errstate(all="ignore"):
        wanted = np.asarray(wanted).astype(numpy_dtype(dtype)).astype(np.float64)
    size = np.abs(wanted[np.isfinite(wanted)]).max(initial=1e-30) if scale > 1 else 0.0
    np.testing.assert_allclose(
        got.astype(np.float64), wanted, rtol=tolerance, atol=tolerance * max(size, 1e-30 if scale > 1 else 1e-35),
        err_msg=what,
    )  # fmt: skip


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(
    ("case", "dtype"), [pytest.param(case, dtype, id=f"{case.name}-{dtype}") for case in CASES for dtype in case.dtypes]
)
def test_values(case: Case, dtype: str, executor: str) -> None:
    """The result is right in value, type and shape, and nothing that was fed has been changed."""
    samples = samples_of(case, dtype)
    inputs = [sample.placeholders() for sample in samples]
    outputs = [sample.build(*nodes) for sample, nodes in zip(samples, inputs, strict=True)]
    with use(executor):
        function = compiled([node for nodes in inputs for node in nodes], outputs, case.name)
        for call in range(max(len(sample.feeds) for sample in samples)):
            feeds = [sample.feeds[min(call, len(sample.feeds) - 1)] for sample in samples]
            copies = [array.copy() for feed in feeds for array in feed]
            results = function([array for feed in feeds for array in feed])
            for array, copy in zip((array for feed in feeds for array in feed), copies, strict=True):
                np.testing.assert_array_equal(array, copy, err_msg=f"{case.name}: an input was changed")
            for sample, node, feed, result in zip(samples, outputs, feeds, results, strict=True):
                what = f"{case.name}, {sample.label}, shapes {[array.shape for array in feed]}"
                with np.errstate(all="ignore"):
                    wanted = np.asarray(sample.expected(*map(wide, feed)))
                assert result.shape == wanted.shape, what
                assert result.dtype == numpy_dtype(node.dtype), what
                static = node.tensor_type.static_shape
                assert len(static) == result.ndim, what
                assert all(size in (None, real) for size, real in zip(static, result.shape)), what
                assert_close(result, wanted, node.dtype, sample.scale, what)


# ----------------------------------------------------------------------------------------------------- gradients

_STEP = 1e-6


def _differentiable() -> list[tuple[Case, int]]:
    found = []
    for case in CASES:
        if "float64" in case.dtypes:
            for number, sample in enumerate(samples_of(case, "float64")):
                if sample.differentiable:
                    found.append((case, number))
    return found


DIFFERENTIABLE = _differentiable()


@pytest.mark.parametrize(
    ("case", "number"),
    [
        pytest.param(case, number, id=f"{case.name}-{samples_of(case, 'float64')[number].label}")
        for case, number in DIFFERENTIABLE
    ],
)
def test_gradients(case: Case, number: int) -> None:
    """First and second derivatives are those of finite differences, in random directions."""
    sample = samples_of(case, "float64")[number]
    inputs = sample.placeholders()
    output = sample.build(*inputs)
    weights = placeholder(output.shape, "float64")
    directions = [placeholder(inputs[k].shape, "float64") for k in sample.differentiable]
    by = [inputs[k] for k in sample.differentiable]
    loss = reduction.sum_(e.mul(output, weights))
    first = autodiff.gradients(loss, by)
    assert all(grad is not None for grad in first), f"{case.name}: no gradient by {first}"
    along = e.add(*[_dot(first, directions)] * 2) * 0.5
    second = autodiff.gradients(along, by)
    second_nodes = [e.mul(node, e.zero(node)) if grad is None else grad for grad, node in zip(second, by, strict=True)]
    for grad, node in zip((*first, *second_nodes), (*by, *by), strict=True):
        assert grad.shape == node.shape, f"{case.name}: the gradient has the wrong shape"

    feed = [array.astype(np.float64) if array.dtype.kind == "f" else array for array in sample.feeds[0]]
    rng = np.random.default_rng(1)
    with use("numpy"):
        value = compiled(inputs, [output], case.name)(feed)[0]
    extra = [rng.normal(size=value.shape), *(rng.normal(size=feed[k].shape) for k in sample.differentiable)]
    everything = [*inputs, weights, *directions]
    outputs = [loss, along, *first, *second_nodes]
    with use("numpy"):
        function = compiled(everything, outputs, case.name)
        results = function([*feed, *extra])
        for _ in range(2):
            moves = [rng.normal(size=feed[k].shape) for k in sample.differentiable]

            def moved(by: float, moves: list[np.ndarray] = moves) -> list[np.ndarray]:
                there = list(feed)
                for k, move in zip(sample.differentiable, moves, strict=True):
                    there[k] = feed[k] + by * move
                return function([*there, *extra])[:2]

            ahead, behind = moved(_STEP), moved(-_STEP)
            count = len(by)
            for what, place, grads in (("first", 0, results[2 : 2 + count]), ("second", 1, results[2 + count :])):
                numeric = (ahead[place] - behind[place]) / (2 * _STEP)
                exact = sum((grad * move).sum() for grad, move in zip(grads, moves, strict=True))
                size = max(1.0, abs(results[place]), *(np.abs(grad).max(initial=0) for grad in grads))
                assert abs(exact - numeric) < 2e-7 * size * max(1, value.size), (
                    f"{case.name}, {sample.label}: the {what} derivative is {exact}, finite differences say {numeric}"
                )
    if sample is not next(each for each in samples_of(case, "float64") if each.differentiable) and (
        REGISTRY[case.op].kind == "elementwise"
    ):
        return  # layouts are the business of test_values; each formula is compiled once
    with use("numba"):
        native = compiled(everything, outputs, case.name)([*feed, *extra])
    for got, wanted in zip(native, results, strict=True):
        size = np.abs(wanted).max(initial=1e-30)
        np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-10 * size, err_msg=f"{case.name}, {sample.label}")


def _dot(grads: list[Node | None], directions: list[Node]) -> Node:
    total: Node | None = None
    for grad, direction in zip(grads, directions, strict=True):
        assert grad is not None
        part = reduction.sum_(e.mul(grad, direction))
        total = part if total is None else e.add(total, part)
    assert total is not None
    return total


# ---------------------------------------------------------------------------------------------- what is declared


def test_every_operation_has_a_case() -> None:
    """The table is complete: an operation without a case is named here."""
    missing = set(REGISTRY) - {case.op for case in CASES} - INTERNAL - STATE
    assert not missing, f"operations without a case in tests/cases: {sorted(missing)}"
    unknown = {case.op for case in CASES} - set(REGISTRY)
    assert not unknown, f"cases of operations that do not exist: {sorted(unknown)}"


@pytest.mark.parametrize("lowerings", [REFERENCE, CPU], ids=lambda each: each.executor)
def test_every_operation_can_be_lowered(lowerings) -> None:
    """An executor has an entry for each operation, or the operation decomposes, or only the compiler makes it."""
    gaps = [
        name
        for name, op in REGISTRY.items()
        if op.kind not in FREE and name not in INTERNAL and not lowerings.has(op) and op.decompose is None
    ]
    assert not gaps, f"the executor {lowerings.executor} can neither lower nor decompose {gaps}"


def _names(op_name: str, count: int) -> list[str]:
    parameters = inspect.signature(lookup(op_name).infer).parameters.values()
    names = [each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD][:count]
    return names if len(names) == count else ["x", "y", "z"][:count]


def _nodes_of(op_name: str) -> list[Node]:
    """A node of this operation from its cases, on placeholders alone."""
    for case in CASES:
        if case.op == op_name and "float64" in case.dtypes:
            for sample in samples_of(case, "float64"):
                if sample.differentiable:
                    output = sample.build(*sample.placeholders())
                    found = [node for node in topological_order([output]) if node.op.name == op_name]
                    if found:
                        return found[:1]
    return []


WITH_GRADIENT = [
    name for name, op in REGISTRY.items() if op.gradient is not None and name not in INTERNAL and name != "scan"
]


@pytest.mark.parametrize("name", WITH_GRADIENT)
def test_reads(name: str) -> None:
    """The gradient reads exactly the values that the declaration says: they are kept for the backward pass."""
    made = _nodes_of(name)
    if not made:
        assert name in ("floordiv", "stop_gradient"), f"{name} has a gradient, but no differentiable case"
        assert lookup(name).reads == ()
        return
    (original,) = made
    inputs = [placeholder(read.shape, read.dtype) for read in original.inputs]
    node = original.op(*inputs, **original.attrs)
    assert isinstance(node.type, TensorType)
    grad = placeholder(node.shape, node.dtype)
    parts = [part for part in lookup(name).gradient(node, grad) if part is not None]
    seen = set(topological_order(parts, stop=[node, *inputs]))
    used = {label for label, read in zip(_names(name, len(inputs)), inputs, strict=True) if read in seen}
    if node in seen:
        used.add("output")
    assert used == set(lookup(name).reads), f"the gradient of {name} reads {sorted(used)}"
