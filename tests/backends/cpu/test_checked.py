"""Generated programs run as plain Python with every access checked: nothing reads or writes outside of its buffers."""

import sys
from pathlib import Path

import numpy as np
import pytest

from symgraph import backend as K
from symgraph.backends.cpu.checked import run_checked
from symgraph.runtime import executor

sys.path.insert(0, str(Path(__file__).parent))
import replay  # noqa: E402  (it is a program of its own beside this file)

RANDOM = np.random.RandomState(0)


def check(inputs, outputs, arrays, updates=(), rtol=1e-5):
    with executor.use("numba"):
        function = K.function(inputs, outputs, updates=updates)
        expected = function(arrays)
    for threads in (1, 3):
        results = run_checked(
            function.bound(), [np.asarray(a, x.dtype) for a, x in zip(arrays, inputs, strict=True)], threads
        )
        for got, want in zip(results, expected, strict=True):
            np.testing.assert_allclose(got, want, rtol=rtol, atol=1e-5)


def data(*shape):
    return RANDOM.randn(*shape).astype("float32")


def test_fused_loops_views_and_reductions():
    x = K.placeholder(shape=(None, 5, 3))
    y = K.permute_dimensions(x[:, ::-1, 1:], (0, 2, 1))
    outputs = [K.tanh(y) * 2, K.sum(x * x, axis=[0, 2]), K.mean(x, axis=1), K.max(x, axis=0), K.argmax(x, axis=1),
               K.concatenate([x, x[:, :2]], axis=1), K.repeat_elements(x, 2, axis=1)]  # fmt: skip
    for n in (1, 4):
        check([x], outputs, [data(n, 5, 3)])


def test_products_and_rows():
    x, rows = K.placeholder(shape=(None, 6)), K.placeholder(shape=(None,), dtype="int32")
    table = K.variable(data(7, 6))
    loss = K.sum(K.square(K.dot(K.gather(table, rows), K.transpose(x))))
    check([x, rows], [loss, *K.gradients(loss, [table, x])], [data(3, 6), [0, 6, -1, 3]], rtol=1e-4)


@pytest.mark.parametrize("dense", [False, True])
def test_updates_of_rows(dense):
    """Rows of a table that are written in place, and a dense update that reads sums of rows."""
    rows, start = K.placeholder(shape=(None,), dtype="int32"), data(30, 9)
    table = K.variable(start)
    loss = K.sum(K.square(K.gather(table, rows)))
    new = table - 0.25 * K.gradients(loss, [table])[0] * (1.0 if not dense else table)
    feeds = [np.array([0, 29, 7, 0, -1], np.int32)]
    with executor.use("numba"):
        function = K.function([rows], [loss], updates=[(table, K.exp(new) if dense else new)])
        function(feeds)
        expected = K.get_value(table)
        names = [step.name for step in function.example()[0].program.steps]
        for threads in (1, 3):
            K.set_value(table, start)
            run_checked(function.bound(), feeds, threads)
            np.testing.assert_allclose(K.get_value(table), expected, rtol=1e-5)
    assert "sum_rows" in names and ("fused_rows" in names) != dense


def test_loops_over_time():
    x, mask = K.placeholder(shape=(None, None, 3)), K.placeholder(shape=(None, None), dtype="bool")
    w, u = K.variable(data(3, 2)), K.variable(data(2, 2))

    def step(inputs, states):
        h = K.tanh(K.dot(inputs, w) + K.dot(states[0], u))
        return h, [h]

    last, outputs, _ = K.rnn(step, x, [K.zeros_like(x[:, 0, :2])], mask=mask)
    grads = K.gradients(K.sum(K.square(outputs)) + K.sum(last), [w, u, x])
    check([x, mask], [last, outputs, *grads], [data(2, 4, 3), RANDOM.rand(2, 4) > 0.4], rtol=1e-4)


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_convolution_and_pooling(padding):
    x = K.placeholder(shape=(None, 7, 6, 2))
    w = K.variable(data(3, 2, 2, 4))
    y = K.pool2d(K.relu(K.conv2d(x, w, padding=padding, strides=(2, 1))), (2, 2), padding=padding)
    check([x], [y, *K.gradients(K.sum(K.square(y)), [w, x])], [data(2, 7, 6, 2)], rtol=1e-4)


def test_a_kernel_that_leaves_its_buffer_is_named():
    x = K.placeholder(shape=(None, 4))
    with executor.use("numba"):
        function = K.function([x], [K.exp(x)])
        function([data(3, 4)])
    bound = function.bound()
    size = bound.runner.program.buffers[0].size
    bound.table[bound.runner.entry_value.index(size)] -= 1  # as if the input were one number shorter
    with pytest.raises(IndexError, match="exp"):
        run_checked(bound, [data(3, 4)])


@pytest.mark.parametrize("name", list(replay.programs()))
def test_canonical_programs(name):
    """The kernels whose text is stored stay within their buffers and do what the native ones do, updates included."""
    with executor.use("numba"):
        made = replay.programs(small=True)[name]()
        function = getattr(made, "function", made)
        arrays = []
        for node in function._graph.inputs:
            shape = [dim if isinstance(dim, int) else 2 for dim in node.shape]
            classes = np.dtype(node.dtype).kind in "iu" or (name == "convolution_1d" and len(shape) < 3)
            arrays.append((RANDOM.randint(0, 2, shape) if classes else RANDOM.rand(*shape)).astype(node.dtype))
        variables = [variable for variable, _ in function.updates]
        before = [K.get_value(variable) for variable in variables]
        native = [*function(arrays), *(K.get_value(variable) for variable in variables)]
        for variable, value in zip(variables, before, strict=True):
            K.set_value(variable, value)
        checked = [*run_checked(function.bound(), arrays, 3), *(K.get_value(variable) for variable in variables)]
    tolerance = 1e-2 if name == "elementwise_half" else 2e-4
    for got, want in zip(checked, native, strict=True):
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=1e-4)


@pytest.mark.parametrize("which", ["read", "write"])
def test_a_planted_index_is_found(which):
    """A kernel whose text reads or writes one element beyond its buffer."""
    x = K.placeholder(shape=(None, 4))
    with executor.use("numba"):
        function = K.function([x], [K.exp(x)])
        function([data(3, 4)])
    bound = function.bound()
    (row,) = bound.runner.rows
    line = next(line for line in row.call.source.splitlines() if "= x0[" in line or " = x" in line and "[" in line)
    store = next(line for line in row.call.source.splitlines() if line.strip().startswith("y") and "] =" in line)
    wrong = line.replace("]", " + 1]") if which == "read" else store.replace("] =", " + 1] =", 1)
    source = row.call.source.replace(line if which == "read" else store, wrong)
    assert source != row.call.source
    object.__setattr__(row.call, "source", source)
    with pytest.raises(IndexError, match="exp"):
        run_checked(bound, [data(3, 4)])
