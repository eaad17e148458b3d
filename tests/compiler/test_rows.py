"""Lookups in large tables: gradients kept as sums of rows, and updates that touch only the rows used."""

import numpy as np
import pytest

from symgraph import backend as K
from symgraph import config, constraints, explain, optimizers, regularizers
from symgraph.compiler.memory import lifetimes
from symgraph.compiler.program import VARIABLE
from symgraph.compiler.verify import verify
from symgraph.graph.type import evaluate
from symgraph.runtime import function as functions
from symgraph.runtime.executor import use

ROWS, WIDTH = 60, 9
BATCHES = [[[3, 5, 3], [3, -1, 0]], [[-60, 59, 59], [1, 2, 3]], np.zeros((0, 3)), [[7, 7, 7], [7, 7, 7]], [[4, 5, 6]]]


@pytest.fixture(autouse=True)
def verified(monkeypatch):
    """Check the graph and the program after every pass."""
    monkeypatch.setattr(functions, "CHECK", verify)


def start():
    return np.random.RandomState(0).normal(size=(ROWS, WIDTH))


def weights(indices):
    return np.random.RandomState(len(indices) + 1).normal(size=(*np.shape(indices), WIDTH))


def lookup(table, dtype="float64"):
    """Placeholders of indices and weights, and the loss sum(weights * table[indices])."""
    indices, factors = K.placeholder((None, 3), dtype="int32"), K.placeholder((None, 3, WIDTH), dtype=dtype)
    return [indices, factors], K.sum(K.gather(table, indices) * factors)


def dense(indices, values):
    """The gradient as an array of the table's size."""
    result = np.zeros((ROWS, WIDTH))
    np.add.at(result, np.asarray(indices, int).reshape(-1), np.reshape(values, (-1, WIDTH)))
    return result


def program_of(function):
    return function.example()[0].program


def table_sized(function):
    """Temporaries with as many elements as the table."""
    variant, sizes = function.example()
    buffers = variant.program.buffers
    return [k for k in lifetimes(variant.program) if evaluate(buffers[k].size, sizes) >= ROWS * WIDTH]


def run(function, batches=BATCHES):
    for indices in batches:
        function([indices, weights(indices)])


def names(function):
    return [step.name for step in program_of(function).steps]


def test_a_plain_step_writes_the_rows_used_and_no_others():
    table = K.variable(start(), dtype="float64")
    feeds, loss = lookup(table)
    step = K.function(feeds, [loss], updates=[(table, table - 0.1 * K.gradients(loss, [table])[0])])
    run(step)
    expected = start()
    for indices in BATCHES:
        expected -= 0.1 * dense(indices, weights(indices))
    np.testing.assert_allclose(K.get_value(table), expected, rtol=1e-12, atol=1e-14)
    assert not table_sized(step)
    (last,) = [each for each in program_of(step).steps if each.name == "fused_rows"]
    writers = [each for each in program_of(step).steps if any(
        program_of(step).buffers[view.buffer].kind == VARIABLE for view in each.outputs)]  # fmt: skip
    assert writers == [last]
    rows = evaluate(last.inputs[-1].size, step.example()[1])
    assert rows == np.size(BATCHES[-1])  # as many rows at most as there are indices
    assert "at the rows of" in explain(step)


@pytest.mark.parametrize("executor", ["numpy", "numba"])
def test_a_dense_update_needs_no_dense_gradient(executor):
    with use(executor):
        table, mean = K.variable(start(), dtype="float64"), K.variable(np.ones((ROWS, WIDTH)), dtype="float64")
        feeds, loss = lookup(table)
        new = 0.9 * mean + 0.1 * K.gradients(loss, [table])[0]
        step = K.function(feeds, [loss], updates=[(mean, new), (table, table - new)])
        run(step)
    expected, average = start(), np.ones((ROWS, WIDTH))
    for indices in BATCHES:
        average = 0.9 * average + 0.1 * dense(indices, weights(indices))
        expected -= average
    np.testing.assert_allclose(K.get_value(table), expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(K.get_value(mean), average, rtol=1e-12, atol=1e-14)
    assert "sum_rows" in names(step) and "fused_rows" not in names(step) and not table_sized(step)


def test_several_lookups_of_one_table_are_scattered_once():
    table = K.variable(start(), dtype="float64")
    first, one = lookup(table)
    second, other = lookup(table)
    loss = one + 2 * other
    step = K.function(first + second, [loss], updates=[(table, table - K.gradients(loss, [table])[0])])
    a, b = BATCHES[0], BATCHES[1]
    step([a, weights(a), b, weights(b)])
    expected = start() - dense(a, weights(a)) - 2 * dense(b, weights(b))
    np.testing.assert_allclose(K.get_value(table), expected, rtol=1e-12, atol=1e-14)
    assert names(step).count("sum_rows") == 1 and not table_sized(step)


def test_the_same_bits_for_any_number_of_threads():
    found = []
    threads = config.threads()
    batch = np.random.RandomState(1).randint(0, 3000, (500, 3))
    batch[:, 0] = 7  # the sum of many rows of different sizes
    values = (np.random.RandomState(2).randn(500, 3, WIDTH) * 1e3).astype("float32")
    try:
        for number in (1, 2, 3, 4):
            config.set_threads(number)
            table = K.variable(np.zeros((3000, WIDTH)))
            feeds, loss = lookup(table, "float32")
            grad = K.gradients(loss, [table])[0]
            K.function(feeds, [], updates=[(table, table - grad)])([batch, values])
            found.append(K.get_value(table))
    finally:
        config.set_threads(threads)
    total = np.float32(0)
    for value in values[:, 0, 0]:
        total = np.float32(total + value)
    assert found[0][7, 0] == -total
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


@pytest.mark.parametrize(
    "update",
    [
        lambda table, grad: table - grad + 0.001 * table,  # a penalty: every row moves
        lambda table, grad: table - K.sum(K.transpose(grad)),  # read at other places
        lambda table, grad: table + K.exp(grad),  # not zero where the gradient is
        lambda table, grad: 1.0 * grad,  # the others become zero
        lambda table, grad: K.reverse(table, 0) - grad,  # moves rows
        lambda table, grad: table - K.dot(grad, K.transpose(grad))[:, :1],
        lambda table, grad: table - grad * K.sum(K.square(grad)),
        lambda table, grad: table - K.clip(grad, -0.3, 0.3),
        lambda table, grad: K.clip(table - grad, -1.0, 1.0),
    ],
)
def test_whatever_is_done_with_the_gradient_is_right(update):
    table = K.variable(start(), dtype="float64")
    feeds, loss = lookup(table)
    given = K.placeholder((ROWS, WIDTH), dtype="float64")
    updates = []
    for gradient, other in ((K.gradients(loss, [table])[0], []), (given, [given])):
        updates.append((update(table, gradient), other))
    with use("numpy"):
        expected = K.function([given], [updates[1][0]])([dense(BATCHES[0], weights(BATCHES[0]))])[0]
    step = K.function(feeds, [loss], updates=[(table, updates[0][0])])
    run(step, BATCHES[:1])
    np.testing.assert_allclose(K.get_value(table), expected, rtol=1e-10, atol=1e-12)


def test_a_gradient_that_is_asked_for_is_dense():
    table = K.variable(start(), dtype="float64")
    feeds, loss = lookup(table)
    grad = K.gradients(loss, [table])[0]
    step = K.function(feeds, [grad], updates=[(table, table - grad)])
    found = step([BATCHES[0], weights(BATCHES[0])])[0]
    np.testing.assert_allclose(found, dense(BATCHES[0], weights(BATCHES[0])), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(K.get_value(table), start() - found, rtol=1e-12)


def test_new_values_that_are_asked_for_are_whole():
    table, copy = K.variable(start(), dtype="float64"), K.variable(start(), dtype="float64")
    feeds, loss = lookup(table)
    new = table - K.gradients(loss, [table])[0]
    step = K.function(feeds, [new], updates=[(table, new), (copy, table)])
    found = step([BATCHES[0], weights(BATCHES[0])])[0]
    np.testing.assert_allclose(found, start() - dense(BATCHES[0], weights(BATCHES[0])), rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(K.get_value(table), found)
    np.testing.assert_array_equal(K.get_value(copy), start())


def test_other_updates_read_the_old_rows():
    """A second variable gets the table's old values; a second table reads rows of the first."""
    table, other, copy = (K.variable(start() + k, dtype="float64") for k in range(3))
    feeds, loss = lookup(table)
    grad = K.gradients(loss, [table])[0]
    step = K.function(feeds, [], updates=[(table, table - grad), (other, other - grad * table), (copy, table + 0.0)])
    run(step, BATCHES[:1])
    grad = dense(BATCHES[0], weights(BATCHES[0]))
    np.testing.assert_array_equal(K.get_value(copy), start())
    np.testing.assert_allclose(K.get_value(table), start() - grad, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(K.get_value(other), start() + 1 - grad * start(), rtol=1e-12, atol=1e-14)


def test_tables_that_read_each_other_are_updated_as_a_whole():
    a, b = K.variable(start(), dtype="float64"), K.variable(start() * 2, dtype="float64")
    feeds, loss = lookup(a)
    grad = K.gradients(loss, [a])[0]
    step = K.function(feeds, [], updates=[(a, a - grad * b), (b, b - grad * K.reverse(a, 0))])
    run(step, BATCHES[:1])
    grad = dense(BATCHES[0], weights(BATCHES[0]))
    np.testing.assert_allclose(K.get_value(a), start() - grad * start() * 2, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(K.get_value(b), start() * 2 - grad * start()[::-1], rtol=1e-12, atol=1e-14)


def test_a_table_that_is_also_a_kernel():
    """Tied weights: the gradient is the sum of scattered rows and of a product."""
    table = K.variable(start(), dtype="float64")
    feeds, one = lookup(table)
    x = K.placeholder((None, WIDTH), dtype="float64")
    loss = one + K.sum(K.square(K.dot(x, K.transpose(table))))
    step = K.function([*feeds, x], [loss], updates=[(table, table - 0.1 * K.gradients(loss, [table])[0])])
    values = np.random.RandomState(3).normal(size=(4, WIDTH))
    step([BATCHES[0], weights(BATCHES[0]), values])
    grad = dense(BATCHES[0], weights(BATCHES[0])) + 2 * (start() @ values.T) @ values
    np.testing.assert_allclose(K.get_value(table), start() - 0.1 * grad, rtol=1e-11, atol=1e-12)


def test_a_bad_index_changes_no_row():
    table, count = K.variable(start(), dtype="float64"), K.variable(0.0)
    feeds, loss = lookup(table)
    rows = K.placeholder((None,), dtype="int32")  # seen by the update alone, after the lookup
    grad = K.gradients(loss, [table])[0]
    updates = [(table, table - grad), (count, count + K.sum(K.cast(K.gather(table, rows), "float32")))]
    step = K.function([*feeds, rows], [loss], updates=updates)
    for indices, others in (([[0, 1, 60]], [0]), ([[0, 1, 2]], [-61])):
        with pytest.raises(IndexError, match=r"index -?6[01] is out of range for 60 rows"):
            step([indices, weights(indices), others])
    assert K.get_value(count) == 0
    np.testing.assert_array_equal(K.get_value(table), start())


def test_a_small_table_is_scattered_to():
    """Where a batch names as many rows as there are, zeros cost nothing."""
    table = K.variable(start()[:5], dtype="float64")
    feeds, loss = lookup(table)
    step = K.function(feeds, [loss], updates=[(table, table - K.gradients(loss, [table])[0])])
    indices = [[0, 1, 4], [4, 4, -5]]
    step([indices, weights(indices)])
    expected = start()[:5]
    np.subtract.at(expected, np.reshape(indices, -1), weights(indices).reshape(-1, WIDTH))
    np.testing.assert_allclose(K.get_value(table), expected, rtol=1e-12, atol=1e-14)
    assert "scatter_add" in names(step)


@pytest.mark.parametrize("options", [{"clipnorm": 0.5}, {"clipvalue": 0.1}, {"clipnorm": 0.5, "clipvalue": 0.1}])
@pytest.mark.parametrize("penalty", [None, regularizers.l2(0.01)])
@pytest.mark.parametrize("constraint", [None, constraints.MaxNorm(0.7, axis=1)])
def test_optimizers_clip_and_constrain_as_if_the_gradient_were_dense(options, penalty, constraint):
    """Against the same optimizer over a gradient that is fed as an array."""
    found = []
    for scattered in (True, False):
        table = K.variable(start(), dtype="float64")
        table.constraint = constraint
        if scattered:
            feeds, loss = lookup(table)
        else:
            feeds = [K.placeholder((ROWS, WIDTH), dtype="float64")]
            loss = K.sum(table * feeds[0])
        total = loss if penalty is None else loss + penalty(table)
        step = K.function(feeds, [], updates=optimizers.Adam(0.05, **options).get_updates(total, [table]))
        for indices in BATCHES:
            step([indices, weights(indices)] if scattered else [dense(indices, weights(indices))])
        found.append(K.get_value(table))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9, atol=1e-11)


def test_a_step_goes_along_finite_differences():
    """Of a loss in which rows are read several times, through something that is not linear."""
    table = K.variable(start(), dtype="float64")
    indices = K.placeholder((None, 3), dtype="int32")
    loss = K.sum(K.exp(K.sum(K.tanh(K.gather(table, indices)), axis=1)) * K.gather(table, indices)[:, 0])
    step = K.function([indices], [loss], updates=[(table, table - K.gradients(loss, [table])[0])])
    value = K.function([indices], [loss])
    batch = [[3, 5, 3], [0, -1, 3]]
    step([batch])
    moved = start() - K.get_value(table)
    assert "fused_rows" in names(step)
    for place in [(3, 0), (3, 8), (5, 4), (0, 1), (59, 2), (7, 7)]:
        around = []
        for sign in (1, -1):
            changed = start()
            changed[place] += sign * 1e-6
            K.set_value(table, changed)
            around.append(value([batch])[0])
        np.testing.assert_allclose(moved[place], (around[0] - around[1]) / 2e-6, rtol=1e-6, atol=1e-8)
