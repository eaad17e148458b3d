"""The executor's own work: memory, copies, binding, loops, errors."""

from __future__ import annotations

import gc
import re
import threading

import numpy as np
import pytest
from compare import agree, node_input, run
from host_kernels import needs_compiler, sections

from symgraph import backend as K
from symgraph.graph.tensor import Tensor
from symgraph.graph.type import TensorType, new_symbol
from symgraph.ops import elementwise, linalg, reduction, scan, shape
from symgraph.ops.leaf import constant
from symgraph.runtime import state
from symgraph.runtime.executor import ExecutorError, use
from symgraph.runtime.function import Function

pytestmark = needs_compiler


def test_buffers_go_to_the_device_and_back(gpu):
    for dtype in ("float32", "int8", "bool"):
        value = np.arange(6).reshape(2, 3).astype(dtype)
        buffer = gpu.put(value)
        np.testing.assert_array_equal(gpu.get(buffer), value)
        gpu.put(np.zeros((2, 3), dtype), into=buffer)
        assert not gpu.get(buffer).any()
    assert gpu.get(gpu.empty(TensorType("float64", (4, 0)))).shape == (4, 0)
    scalar = gpu.put(np.float32(3))
    assert gpu.get(scalar) == 3 and gpu.get(scalar).shape == ()


def test_variables_stay_on_the_device(gpu, device):
    weight = K.variable(np.ones(1000, np.float32))
    step = Function([], [], [(weight, weight * 2.0)], executor=gpu)
    for _ in range(3):
        step([])
    moved = sum(nbytes for _, nbytes in device.copies)
    assert moved <= 4000 + 256  # once to the device; and its constants
    assert K.get_value(weight).tolist() == [8.0] * 1000


def test_a_variable_may_wander_between_executors(gpu):
    weight = K.variable(np.float32([1, 2]))
    double = [(weight, weight * 2.0)]
    here, there = Function([], [], double, executor=gpu), Function([], [], double)
    with use("numpy"):
        for _ in range(3):
            here([])
            there([])
    assert K.get_value(weight).tolist() == [64.0, 128.0]
    K.set_value(weight, np.float32([1, 1]))
    here([])
    assert K.get_value(weight).tolist() == [2.0, 2.0]


def test_updates_read_old_values(gpu):
    a, b = K.variable(np.float32([1, 2])), K.variable(np.float32([10, 20]))
    swap = Function([], [a + b], [(a, b), (b, a)], executor=gpu)
    assert swap([])[0].tolist() == [11.0, 22.0]
    assert K.get_value(a).tolist() == [10.0, 20.0]
    assert K.get_value(b).tolist() == [1.0, 2.0]


def test_a_call_allocates_nothing_and_copies_twice(gpu, device):
    size = new_symbol()
    a, b = node_input((size, 8), "float32"), node_input((size,), "float32")
    nodes = [reduction.sum_(elementwise.exp(a), (1,)) * b, reduction.sum_(b)]
    function = Function([Tensor(a), Tensor(b)], [Tensor(node) for node in nodes], executor=gpu)
    x, y = np.random.rand(16, 8).astype(np.float32), np.random.rand(16).astype(np.float32)
    function([x, y])
    asked, copied, compiled = len(device.allocations), len(device.copies), len(device.modules)
    first, second = function([x, y])
    assert len(device.allocations) == asked
    assert [kind for kind, _ in device.copies[copied:]] == ["in", "out"]
    np.testing.assert_allclose(first, np.exp(x).sum(1) * y, rtol=1e-5)
    np.testing.assert_allclose(second, y.sum(), rtol=1e-5)
    function([x[:3], y[:3]])  # a smaller batch: the arena is large enough, and nothing is compiled
    assert len(device.allocations) == asked
    assert len(device.modules) == compiled


def test_programs_share_the_arena(gpu, device):
    a = node_input((new_symbol(),), "float64")
    functions = [Function([Tensor(a)], [Tensor(elementwise.exp(a) + float(k))], executor=gpu) for k in range(3)]
    x = np.linspace(0, 1, 5000)
    small = np.linspace(0, 1, 10)
    for function in functions:
        function([small])
    before = gpu.arena.size
    results = [function([x])[0] for function in functions]  # the arena moves; what was bound before must notice
    assert before < gpu.arena.size < 5 * x.nbytes
    for k, function in enumerate(functions):
        np.testing.assert_allclose(results[k], np.exp(x) + k, rtol=1e-12)
        np.testing.assert_allclose(function([small])[0], np.exp(small) + k, rtol=1e-12)


def test_host_memory_may_change_after_a_call(gpu):
    """A call without outputs does not wait for the device; the caller's array is his own again all the same."""
    weight = K.variable(np.zeros(100, np.float32))
    x = K.placeholder((100,))
    add = Function([x], [], [(weight, weight + x)], executor=gpu)
    array = np.ones(100, np.float32)
    for _ in range(4):
        add([array])
        array += 1
    assert K.get_value(weight).tolist() == [1.0 + 2 + 3 + 4] * 100


def test_large_inputs_and_outputs_go_without_pinned_memory(gpu, device, monkeypatch):
    from symgraph.backends.gpu import runner

    monkeypatch.setattr(runner, "MOST_PINNED", 1000)
    a, b = node_input((500,), "float64"), node_input((500,), "float64")
    x, y = np.random.rand(500), np.random.rand(500)
    (got,) = run([a * b], [(a, x), (b, y)], gpu)
    np.testing.assert_array_equal(got, x * y)


def test_inputs_constants_and_variables_as_outputs(gpu):
    a = node_input((3, 2), "float32")
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    weight = K.variable(np.float32([5, 6]))
    fixed = K.constant([7.0, 8.0])
    function = Function([Tensor(a)], [Tensor(a), weight, fixed, K.transpose(Tensor(a))], executor=gpu)
    same, value, number, turned = function([x])
    assert same is not x and same.tolist() == x.tolist()
    assert value.tolist() == [5, 6] and number.tolist() == [7, 8] and turned.tolist() == x.T.tolist()


def test_no_input_and_no_element(gpu):
    a = node_input((new_symbol(), 4), "float32")
    empty, total = run([elementwise.exp(a), reduction.sum_(a)], [(a, np.empty((0, 4), np.float32))], gpu)
    assert empty.shape == (0, 4) and total == 0


def test_a_loop_and_its_gradient(gpu):
    steps, batch = new_symbol(), new_symbol()
    x, start = (Tensor(node_input(shape, "float32")) for shape in ((steps, batch, 3), (batch, 4)))
    weight = K.variable(np.eye(4) * 0.5)
    into = K.variable(np.random.RandomState(0).randn(3, 4) * 0.3)

    def body(slices, states):
        new = elementwise.tanh(linalg.matmul(slices[0], into.node) + linalg.matmul(states[0], weight.node))
        return [new], [new]

    finals, outputs = scan.scan(body, [x.node], [start.node])
    loss = K.sum(K.square(Tensor(outputs[0]))) + K.sum(Tensor(finals[0]))
    gradients = K.gradients(loss, [weight, into, start])
    results = [loss, Tensor(finals[0]), Tensor(outputs[0]), *gradients]
    here, there = (Function([x, start], results, executor=each) for each in (gpu, _reference()))
    rng = np.random.RandomState(1)
    for length, size in ((5, 2), (1, 3), (7, 1)):
        arrays = [rng.randn(length, size, 3).astype(np.float32), rng.randn(size, 4).astype(np.float32)]
        for _ in range(2):  # the second call begins where the first began
            for got, wanted in zip(here(arrays), there(arrays), strict=True):
                np.testing.assert_allclose(got, wanted, rtol=2e-5, atol=2e-5)


def _reference():
    from symgraph.runtime.executor import executor

    return executor("numpy")


def test_loops_in_loops(gpu):
    x = node_input((new_symbol(), new_symbol(), 2), "float64")

    def inner(slices, states):
        new = states[0] * 0.5 + slices[0]
        return [new], [new]

    def outer(slices, states):
        finals, outputs = scan.scan(inner, [slices[0]], [states[0]])
        return [finals[0]], [outputs[0]]

    start = node_input((2,), "float64")
    finals, outputs = scan.scan(outer, [x], [start])
    rng = np.random.RandomState(0)
    for size in ((3, 4, 2), (1, 5, 2), (4, 1, 2)):
        agree([finals[0], outputs[0]], [(x, rng.randn(*size)), (start, rng.randn(2))], gpu, rtol=1e-12)


def test_a_training_step(gpu):
    rng = np.random.RandomState(0)
    x, y = K.placeholder((None, 6)), K.placeholder((None, 3))
    first, bias, second = (K.variable(value) for value in (rng.randn(6, 8) * 0.4, np.zeros(8), rng.randn(8, 3) * 0.4))
    hidden = K.relu(K.dot(x, first) + bias)
    loss = K.mean(K.square(K.sigmoid(K.dot(hidden, second)) - y))
    weights = [first, bias, second]
    updates = [(weight, weight - 0.5 * grad) for weight, grad in zip(weights, K.gradients(loss, weights), strict=True)]
    start = [K.get_value(weight) for weight in weights]
    a, b = rng.randn(40, 6).astype(np.float32), rng.rand(40, 3).astype(np.float32)
    runs = {}
    for each in (_reference(), gpu):
        for weight, value in zip(weights, start, strict=True):
            K.set_value(weight, value)
        step = Function([x, y], [loss], updates, executor=each)
        runs[each.name] = [float(step([a, b])[0]) for _ in range(8)] + [K.get_value(weight) for weight in weights]
    for got, wanted in zip(runs["cupy"], runs["numpy"], strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-6)
    assert runs["cupy"][7] < runs["cupy"][0]


def test_memory_of_functions_that_are_gone_is_free(gpu):
    import weakref

    a = node_input((5,), "float32")
    function = Function([Tensor(a)], [Tensor(elementwise.exp(a))], executor=gpu)
    function([np.ones(5, np.float32)])
    gone = weakref.ref(function)
    del function
    gc.collect()
    assert gone() is None


def test_too_little_memory_is_explained(gpu, device):
    device.capacity = 10_000
    a = node_input((new_symbol(),), "float32")
    with pytest.raises(ExecutorError, match=r"cuda:0 has no room for .* MiB: .* free; use smaller batches"):
        run([elementwise.exp(a)], [(a, np.ones(100_000, np.float32))], gpu)


def test_threads_take_turns(gpu):
    weight = K.variable(np.zeros(10, np.float32))
    x = K.placeholder((None, 10))
    add = Function([x], [K.sum(x)], [(weight, weight + K.sum(x, axis=0))], executor=gpu)
    add([np.zeros((3, 10), np.float32)])
    failures = []

    def work(number):
        try:
            for _ in range(5):
                rows = np.full((number + 1, 10), number, np.float32)
                assert add([rows])[0] == rows.sum()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert K.get_value(weight)[0] == 5 * sum(number * (number + 1) for number in range(4))


def test_a_failure_in_a_loop_leaves_no_trace(gpu, monkeypatch):
    x, start = node_input((6, 2), "float32"), node_input((2,), "float32")
    _, outputs = scan.scan(lambda slices, states: ([states[0] + slices[0]], [states[0]]), [x], [start])
    function = Function([Tensor(x), Tensor(start)], [Tensor(outputs[0])], executor=gpu)
    arrays = [np.arange(12, dtype=np.float32).reshape(6, 2), np.zeros(2, np.float32)]
    expected = function(arrays)[0]
    bound = next(iter(function._bound.values()))
    calls = []

    def failing():
        calls.append(1)
        raise KeyboardInterrupt

    bound.functions.append(failing)
    with pytest.raises(KeyboardInterrupt):
        function(arrays)
    assert calls
    gpu.synchronize()
    np.testing.assert_array_equal(function(arrays)[0], expected)


def test_describe_names_what_is_launched(gpu):
    a, b = node_input((4, 5), "float32"), node_input((5, 6), "float32")
    start = constant(np.zeros(5), "float32")
    _, outputs = scan.scan(lambda slices, states: ([states[0] + slices[0]], [states[0]]), [a], [start])
    nodes = [elementwise.tanh(linalg.matmul(a, b)), outputs[0]]
    function = Function([Tensor(a), Tensor(b)], [Tensor(node) for node in nodes], executor=gpu)
    function([np.ones((4, 5), np.float32), np.ones((5, 6), np.float32)])
    lines = function.variants()[0].runner.describe({})
    assert "matmul: cuBLAS" in lines
    assert any(re.fullmatch(r"fused: fused_[0-9a-f]{12}", line) for line in lines)
    assert any(re.fullmatch(r"scan: 4 x fused_.*", line) for line in lines)


def test_homes_are_kept_by_the_space(gpu):
    weight = K.variable(np.float32([1]))
    buffer = state.acquire(weight.node, gpu)
    assert state.acquire(weight.node, gpu) is buffer
    assert gpu.space == "cuda:0"


def test_indices_of_64_bits(gpu, device, monkeypatch):
    """Every kernel in its wide form, as for arrays of more than 2 ** 31 elements."""
    from symgraph.backends.gpu import calls
    from symgraph.ops import conv, indexing

    monkeypatch.setattr(calls, "NARROW_LIMIT", 1)
    x, rows = node_input((6, 5, 4), "float64"), node_input((7,), "int32")
    kernel = node_input((2, 4, 3), "float64")
    how = {"strides": (1,), "padding": ((0, 1),), "dilation": (1,), "groups": 1}
    taken = indexing.gather(x, rows)
    nodes = [
        elementwise.exp(x) + shape.transpose(shape.transpose(x, (2, 1, 0)), (2, 1, 0)),
        reduction.sum_(x, (1,)),
        reduction.sum_(x * shape.reverse(x, (0,)), (0, 2)),
        reduction.argmax_op(x, axis=1),
        indexing.scatter_add(taken, rows, shape=(6, 5, 4)),
        conv.conv(x, kernel, **how),
    ]
    rng = np.random.RandomState(0)
    feeds = [(x, rng.randn(6, 5, 4)), (rows, np.array([0, 5, 3, 3, -1, 0, 2], np.int32)), (kernel, rng.randn(2, 4, 3))]
    agree(nodes, feeds, gpu, rtol=1e-12, atol=1e-12)
    texts = {name: text for module in device.modules for name, text in sections(module).items()}
    used = [texts[name] for name in device.launches if name in texts]
    assert used and all("typedef i64 position" in section for section in used)
