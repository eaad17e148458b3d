"""CUDA compilers accept the texts, with 32-bit and 64-bit indices, for the oldest and for recent devices."""

from __future__ import annotations

import pytest
from nvrtc import ARCHITECTURES, compiler, needs_cuda_compiler

from symgraph.backends.gpu.calls import kernels_in
from symgraph.backends.gpu.prelude import PRELUDE
from symgraph.backends.gpu.runner import lowered
from symgraph.backends.gpu.table import ELEMENTWISE, LOWERINGS
from symgraph.compiler.graph import Graph
from symgraph.compiler.pipeline import Context, compile_graph
from symgraph.graph.type import DTYPES, FLOATS, INTEGERS, new_symbol, symbols
from symgraph.ops import conv, cumulate, elementwise, indexing, linalg, pool, reduction, scan, shape
from symgraph.ops.leaf import constant, placeholder
from symgraph.ops.op import REGISTRY
from symgraph.ops.random import random_normal, random_uniform
from symgraph.runtime.executor import evaluate

pytestmark = needs_cuda_compiler


def texts(nodes, inputs) -> dict[str, str]:
    """Return the texts of the kernels of a graph by name, each with narrow and with wide indices."""
    sizes = {symbol: 8 for node in inputs for dim in node.shape for symbol in symbols(dim)}
    program = compile_graph(Graph(tuple(inputs), tuple(nodes), ()), Context(LOWERINGS, evaluate, sizes=sizes))
    found: dict[str, str] = {}
    for kernel in kernels_in(lowered(program.steps)):
        found.update([kernel.text(), kernel.text(wide=True)])
    assert found
    return found


def check(nodes, inputs, architectures=ARCHITECTURES[:1]) -> None:
    compile_text = compiler()
    assert compile_text is not None
    code = PRELUDE + "".join(texts(nodes, inputs).values())
    for architecture in architectures:
        complaint = compile_text(code, architecture)
        assert complaint is None, f"{architecture}: {complaint[:3000]}"


def applied(dtype: str, size):
    """Return every elementwise operation that takes this element type, applied to vectors; and the vectors."""
    a, b = placeholder((size,), dtype), placeholder((size,), dtype)
    condition = placeholder((size,), "bool")
    nodes = [elementwise.where(condition, a, b)]
    nodes += [elementwise.cast(a, target) for target in DTYPES if target != dtype]
    for name, template in ELEMENTWISE.items():
        if isinstance(template, str) and name != "where":
            try:
                nodes.append(REGISTRY[name](*(a, b)[: 2 if "{1}" in template else 1]))
            except TypeError:
                continue
    return nodes, [a, b, condition]


@pytest.mark.parametrize("dtype", DTYPES)
def test_elementwise(dtype):
    nodes, inputs = applied(dtype, new_symbol())
    check(nodes, inputs)


@pytest.mark.parametrize("dtype", [*FLOATS, "int8", "int64", "uint32", "uint64"])
def test_reductions(dtype):
    size = new_symbol()
    a = placeholder((size, 70, 5), dtype)
    nodes = [
        function(elementwise.square(a), axes)
        for function in (reduction.sum_, reduction.prod, reduction.max_, reduction.min_)
        for axes in ((0,), (2,), (0, 1, 2))
    ]
    nodes += [reduction.argmax_op(a, axis=1), reduction.argmin_op(a, axis=2)]
    nodes += [cumulate.cumsum(a, axis=axis, reverse=axis == 2) for axis in range(3)]
    check(nodes, [a])


def test_truth():
    a = placeholder((new_symbol(), 4), "bool")
    check([reduction.any_(a, (0,)), reduction.all_(a, (1,)), reduction.any_(a)], [a])


@pytest.mark.parametrize("dtype", FLOATS)
def test_random_numbers_and_places(dtype):
    size = new_symbol()
    step = placeholder((), "uint32")
    options = {"seed": 1, "stream": 2, "shape": (size, 3), "dtype": dtype}
    uniform, normal = random_uniform(step, **options), random_normal(step, **options)
    check([uniform, normal, reduction.sum_(normal, (0,)), shape.iota(shape=(2, size, 4), axis=1, dtype=dtype)], [step])


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS, "bool"])
def test_views_and_rows(dtype):
    size = new_symbol()
    a, rows = placeholder((size, 6, 4), dtype), placeholder((3, size), "int32")
    nodes = [
        shape.reshape(shape.transpose(a, (2, 0, 1)), (4, size * 6)),
        shape.transpose(shape.concatenate([a, a, a], 1), (1, 2, 0)),
        shape.concatenate([a, shape.reverse(a, (1,))], 0),
        shape.pad(a, [(1, 0), (0, 2), (0, 0)], 1),
        indexing.gather(a, rows),
    ]
    if dtype != "bool":
        values = placeholder((3, size, 4), dtype)
        nodes.append(indexing.scatter_add(values, rows, shape=(9, 4)))
        check(nodes, [a, rows, values])
    else:
        check(nodes, [a, rows])


def test_a_loop_and_a_softmax_on_every_architecture():
    steps, batch = new_symbol(), new_symbol()
    shapes = ((steps, batch, 5), (batch, 8), (8, 8), (5, 8))
    x, state, weight, first = (placeholder(each, "float32") for each in shapes)

    def body(slices, states):
        new = elementwise.tanh(linalg.matmul(slices[0], first) + linalg.matmul(states[0], weight))
        return [new], [new * constant(0.3, "float32")]

    finals, outputs = scan.scan(body, [x], [state])
    scores = outputs[0]
    shifted = elementwise.exp(scores - reduction.max_(scores, (2,), keepdims=True))
    softmax = shifted / reduction.sum_(shifted, (2,), keepdims=True)
    check([*finals, softmax], [x, state, weight, first], ARCHITECTURES)


def test_a_wrong_text_is_refused():
    compile_text = compiler()
    assert compile_text is not None
    assert "identifier" in compile_text(PRELUDE + "__global__ void f() { missing(1); }", ARCHITECTURES[0])


@pytest.mark.parametrize(("dtype", "axes"), [(dtype, 2) for dtype in FLOATS] + [("float16", 1), ("float32", 3)])
def test_windows(dtype, axes):
    x = placeholder((new_symbol(), *(7,) * axes, 4), dtype)
    pool_how = {"window": (2,) * axes, "strides": (2,) * axes, "padding": ((0, 1),) * axes}
    pooled = pool.max_pool(x, **pool_how)
    pool_grad = placeholder(pooled.shape, dtype)
    nodes = [
        pooled,
        pool.max_pool_gradient(x, pool_grad, **pool_how),
        pool.max_pool_select(x, x, **pool_how),
        pool.average_pool(x, **pool_how),
        pool.average_pool_gradient(pool_grad, input_shape=x.shape, **pool_how),
    ]
    inputs = [x, pool_grad]
    for groups in (1, 2):
        how = {"strides": (1,) * axes, "padding": ((1, 1),) * axes, "dilation": (1,) * axes, "groups": groups}
        kernel = placeholder(((3,) * axes) + (4 // groups, 6), dtype)
        out = conv.conv(x, kernel, **how)
        grad = placeholder(out.shape, dtype)
        nodes += [
            out,
            conv.conv_input_gradient(grad, kernel, input_shape=x.shape, **how),
            conv.conv_kernel_gradient(x, grad, kernel_shape=kernel.shape, **how),
        ]
        inputs += [kernel, grad]
    check(nodes, inputs)
