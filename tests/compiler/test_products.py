"""What is computed from a matrix product becomes part of it, where the executor can do that."""

import itertools

import numpy as np
import pytest

from symgraph import backend as K
from symgraph import config
from symgraph.backends.cpu import executor as cpu_executor
from symgraph.backends.cpu.checked import run_checked
from symgraph.backends.cpu.executor import LOWERINGS as CPU
from symgraph.backends.reference.executor import LOWERINGS as REFERENCE
from symgraph.compiler.fuse import fuse
from symgraph.compiler.graph import Graph
from symgraph.compiler.verify import verify
from symgraph.graph.traverse import topological_order
from symgraph.graph.type import new_symbol
from symgraph.ops import elementwise as e
from symgraph.ops import reduction
from symgraph.ops.leaf import placeholder
from symgraph.ops.linalg import matmul
from symgraph.ops.shape import reshape
from symgraph.runtime import executor, function


@pytest.fixture(autouse=True)
def verified(monkeypatch):
    monkeypatch.setattr(function, "CHECK", verify)


def made(*outputs, lowerings=CPU):
    """The names of the operations that are left after fusing, sorted."""
    graph = fuse(Graph((), outputs), lowerings)
    names = [node.op.name for node in topological_order(graph.roots) if node.op.kind not in ("leaf", "view")]
    return sorted(name for name in names if name != "item")


@pytest.fixture
def parts():
    x, w = placeholder((new_symbol("n"), 4), "float32"), placeholder((4, 5), "float32")
    return matmul(x, w), placeholder((5,), "float32")


def test_bias_and_activation(parts):
    z, b = parts
    assert made(e.tanh(z + b)) == ["fused_matmul"]
    assert made(e.tanh(z + b), z + b) == ["fused_matmul"]  # two results


def test_another_executor_has_it_apart(parts):
    z, b = parts
    assert made(e.relu(z + b), lowerings=REFERENCE) == ["fused", "matmul"]


def test_a_product_that_somebody_else_reads_is_stored(parts):
    z, b = parts
    assert made(e.relu(z + b), z) == ["fused", "matmul"]
    assert made(e.relu(z + b), reduction.sum_(z)) == ["fused", "fused_reduce", "matmul"]
    assert made(reduction.sum_(z + b)) == ["fused_reduce", "matmul"]


def test_of_two_products_one_is_stored(parts):
    z, _ = parts
    other = matmul(placeholder((z.shape[0], 3), "float32"), placeholder((3, 5), "float32"))
    assert made(e.tanh(z + other)) == ["fused_matmul", "matmul"]


def test_other_shapes_stay_apart(parts):
    z, _ = parts
    assert made(e.relu(reshape(z, (z.shape[0] * 5,)))) == ["fused", "matmul"]
    wide = placeholder((3, z.shape[0], 5), "float32")
    assert made(z + wide) == ["fused", "matmul"]
    batch = matmul(placeholder((2, 3, 4), "float32"), placeholder((2, 4, 5), "float32"))
    assert made(e.relu(batch)) == ["fused", "matmul"]


def test_half_floats_are_not_what_it_computes_in():
    x = placeholder((3, 3), "float16")
    assert made(e.relu(matmul(x, x))) == ["fused", "matmul"]


def layer(rows, columns, summed, dtype, activation):
    x, w, b = (K.placeholder(shape=shape, dtype=dtype) for shape in ((None, summed), (summed, columns), (columns,)))
    factor = K.placeholder(shape=(None, 1), dtype=dtype)
    y = activation(K.dot(x, w) + b) * factor
    rng = np.random.default_rng(rows + columns)
    arrays = [rng.standard_normal(s).astype(dtype) for s in ((rows, summed), (summed, columns), (columns,), (rows, 1))]
    return [x, w, b, factor], y, arrays


@pytest.mark.parametrize("dtype, tolerance", [("float32", 2e-5), ("float64", 1e-12)])
@pytest.mark.parametrize("sizes", [(1, 1, 1), (3, 7, 2), (1, 300, 5), (150, 270, 9), (301, 5, 4), (0, 4, 3), (2, 3, 0)])
def test_values_of_every_size_on_several_threads(sizes, dtype, tolerance):
    inputs, y, arrays = layer(*sizes, dtype, K.tanh)
    x, w, b, factor = arrays
    truth = np.tanh(x.astype(float) @ w + b) * factor
    before = config.threads()
    try:
        for threads in (1, 3):
            config.set_threads(threads)
            with executor.use("numba"):
                (got,) = K.function(inputs, [y])(arrays)
            np.testing.assert_allclose(got, truth, rtol=tolerance, atol=tolerance)
    finally:
        config.set_threads(before)


def test_checked():
    inputs, y, arrays = layer(5, 19, 6, "float32", K.relu)
    with executor.use("numba"):
        call = K.function(inputs, [y])
        (expected,) = call(arrays)
        assert any("fused_matmul" in step.name for step in call.bound().runner.program.steps)
    for threads in (1, 3):
        (got,) = run_checked(call.bound(), arrays, threads)
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["numpy", "numba"])
def test_weights_are_updated_in_place_after_the_last_step_that_reads_them(name):
    rng = np.random.default_rng(0)
    values = [rng.standard_normal(shape) for shape in ((6, 8), (8, 7), (7, 3))]
    data = rng.standard_normal((5, 6))
    with executor.use(name):
        weights = [K.variable(value, dtype="float64") for value in values]
        x = K.placeholder(shape=(None, 6), dtype="float64")
        y = x
        for w in weights:
            y = K.tanh(K.dot(y, w))
        gradients = K.gradients(K.sum(y * y), weights)
        step = K.function([x], [y], updates=[(w, w - 0.1 * g) for w, g in zip(weights, gradients)])
        step([data])
        after = [K.get_value(w) for w in weights]
        if name == "numba":
            program = step.bound().runner.program
            copies = [s for s in program.steps if s.name == "fused" and not s.attrs["expression"].instructions]
            assert not copies, "an update that could be made in place is copied"
    layers = [data]
    for value in values:
        layers.append(np.tanh(layers[-1] @ value))
    grad = 2 * layers[-1]
    for k in (2, 1, 0):
        grad = grad * (1 - layers[k + 1] ** 2)
        np.testing.assert_allclose(after[k], values[k] - 0.1 * layers[k].T @ grad, rtol=1e-9, atol=1e-9)
        grad = grad @ values[k].T


def test_a_recurrent_step():
    rng = np.random.default_rng(1)
    x, u = rng.standard_normal((3, 4, 5)), rng.standard_normal((5, 5))
    inputs, matrix = K.placeholder(shape=(None, None, 5), dtype="float64"), K.variable(u, dtype="float64")

    def step(now, states):
        h = K.tanh(now + K.dot(states[0], matrix))
        return h, [h]

    with executor.use("numba"):
        _, outputs, _ = K.rnn(step, inputs, [K.zeros_like(inputs[:, 0])])
        (got,) = K.function([inputs], [outputs])([x])
    h = np.zeros((3, 5))
    for t in range(4):
        h = np.tanh(x[:, t] + h @ u)
        np.testing.assert_allclose(got[:, t], h, rtol=1e-12)


def test_bits_do_not_depend_on_the_threads(monkeypatch):
    """Parts of few rows or columns, long sums, transposed matrices: sums are the same however a product is shared."""
    monkeypatch.setattr(cpu_executor, "LEAST_SHARED_TAPE", 0)
    monkeypatch.setattr(cpu_executor, "LEAST_SHARED_CALL", 0)
    number = config.threads()
    random = np.random.default_rng(0)
    try:
        config.set_threads(4)
        functions = {}
        for turns in itertools.product((False, True), repeat=2):
            given = [K.placeholder(shape=(None, None)) for _ in range(2)]
            x, y = (K.transpose(one) if turned else one for one, turned in zip(given, turns))
            functions[turns] = K.function(given, [K.dot(x, y), K.relu(K.dot(x, y) * 2)])
        for m, n, k in ((19, 19, 2870), (42, 49, 700), (146, 33, 40), (9, 7, 321), (35, 17, 640), (3, 65, 999)):
            for (turned_x, turned_y), function in functions.items():
                x = random.standard_normal((k, m) if turned_x else (m, k)).astype("float32")
                y = random.standard_normal((n, k) if turned_y else (k, n)).astype("float32")
                found = []
                for threads in (1, 2, 3, 4):
                    config.set_threads(threads)
                    found.append(function([x, y]))
                for other in found[1:]:
                    for got, wanted in zip(other, found[0]):
                        np.testing.assert_array_equal(got, wanted)
    finally:
        config.set_threads(number)
