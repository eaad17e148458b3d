"""K.function: what the documents show, sizes that change, updates, and errors that say what was expected."""

import gc
import weakref

import numpy as np
import pytest

from symgraph import backend as K
from symgraph.backends.cpu import objects
from symgraph.compiler.verify import verify
from symgraph.ops.op import ShapeError
from symgraph.runtime import executor
from symgraph.runtime import function as functions
from symgraph.runtime.function import InputError, UpdateError


@pytest.fixture(params=["numba", "numpy"], autouse=True)
def each_executor(request, monkeypatch):
    monkeypatch.setattr(functions, "CHECK", verify)
    with executor.use(request.param):
        yield request.param


def test_list_in_list_out():
    x, y = K.placeholder(shape=(None, 2)), K.placeholder(shape=(None, 2))
    f = K.function([x, y], [x + y, K.sum(x)])
    total, scalar = f([[[1, 2]], [[3, 4]]])
    assert isinstance(total, np.ndarray) and total.dtype == np.float32
    np.testing.assert_array_equal(total, [[4, 6]])
    assert scalar.shape == () and scalar == 3
    assert K.function([], [K.constant(2.0)])([])[0] == 2


def test_outputs_may_be_inputs_constants_and_variables():
    x, c, v = K.placeholder(shape=(2,)), K.constant([1.0, 2.0]), K.variable([3.0, 4.0])
    given = np.array([5, 6], "float32")
    f = K.function([x], [x, c, v, x, v[::-1]], updates=[(v, v * 2)])
    results = f([given])
    for got, want in zip(results, ([5, 6], [1, 2], [3, 4], [5, 6], [4, 3]), strict=True):
        np.testing.assert_array_equal(got, want)
    results[0][:] = 0  # what is returned belongs to the caller
    results[2][:] = 0
    np.testing.assert_array_equal(given, [5, 6])
    np.testing.assert_array_equal(K.get_value(v), [6, 8])


def test_updates_read_old_values():
    a, b, c = K.variable(1.0), K.variable(10.0), K.variable([0.0, 0.0])
    f = K.function([], [a, b, a + b], updates=[(a, b), (b, a), (c, K.stack([a, b]))])
    assert [float(value) for value in f([])] == [1, 10, 11]
    assert (float(K.get_value(a)), float(K.get_value(b))) == (10, 1)
    np.testing.assert_array_equal(K.get_value(c), [1, 10])


def test_an_update_reads_the_matrix_it_replaces():
    w = K.variable(np.arange(9.0).reshape(3, 3))
    old = K.get_value(w)
    K.function([], [], updates=[(w, K.dot(w, w) + K.transpose(w))])([])
    np.testing.assert_allclose(K.get_value(w), old @ old + old.T)


def test_updates_of_keras_helpers_and_broadcast_values():
    v, w = K.variable([1.0, 2.0]), K.variable([1.0, 1.0])
    K.function([], [], updates=[K.update_add(v, 1.0), K.moving_average_update(w, 3.0, 0.5)])([])
    np.testing.assert_array_equal(K.get_value(v), [2, 3])
    np.testing.assert_array_equal(K.get_value(w), [2, 2])
    K.function([], [], updates=[K.update(v, 7), K.update_sub(w, v)])([])
    np.testing.assert_array_equal(K.get_value(v), [7, 7])
    np.testing.assert_array_equal(K.get_value(w), [0, -1])


def test_the_learning_phase_is_fed_fixed_or_test():
    x = K.placeholder(shape=(2,))
    y = K.in_train_phase(x * 2, x)
    assert y._uses_learning_phase and not x._uses_learning_phase
    f = K.function([x, K.learning_phase()], [y])
    ones = np.ones(2, "float32")
    assert f([ones, 1])[0][0] == 2 and f([ones, 0])[0][0] == 1 and f([ones, True])[0][0] == 2
    assert K.function([x], [y])([ones])[0][0] == 1
    with pytest.raises(InputError, match="learning phase"):
        f([ones, [0, 1]])
    try:
        K.set_learning_phase(1)
        fixed = K.in_train_phase(x * 2, x)
        assert K.learning_phase() == 1
        assert K.function([x], [fixed])([ones])[0][0] == 2
        assert K.function([x, K.learning_phase()], [fixed])([ones, 1])[0][0] == 2
    finally:
        K.clear_session()


def test_any_tensor_can_be_fed():
    x = K.placeholder(shape=(None, 2))
    middle = K.exp(x)
    f = K.function([middle], [middle * 2])
    np.testing.assert_array_equal(f([[[1, 2]]])[0], [[2, 4]])


def test_a_new_batch_size_compiles_nothing():
    x = K.placeholder(shape=(None, 5))
    w = K.variable(np.random.RandomState(0).randn(5, 4))
    loss = K.mean(K.square(K.dot(x, w)))
    f = K.function([x], [loss, *K.gradients(loss, w)])
    f([np.ones((3, 5))])
    before = dict(objects.statistics)
    for n in (1, 2, 7, 64, 1000):
        data = np.random.RandomState(n).randn(n, 5).astype("float32")
        value, grad = f([data])
        product = data.astype("float64") @ K.get_value(w)
        np.testing.assert_allclose(value, np.mean(product**2), rtol=1e-4)
        np.testing.assert_allclose(grad, 2 * data.T @ product / product.size, rtol=1e-3, atol=1e-5)
    assert objects.statistics == before
    assert len(f.variants()) == 1


def test_sizes_that_turn_out_to_be_one_are_broadcast():
    x, y = K.placeholder(shape=(None, 3)), K.placeholder(shape=(None, 3))
    f = K.function([x, y], [x * y, *K.gradients(K.sum(x * y), [x, y])])
    a, b = np.arange(12.0).reshape(4, 3), np.arange(3.0).reshape(1, 3) + 1
    for left, right in ((a, b), (b, a), (a, a), (b, b)):
        product, for_x, for_y = f([left, right])
        np.testing.assert_array_equal(product, left * right)
        want = np.broadcast_to(right, product.shape)
        np.testing.assert_array_equal(for_x, want.sum(0, keepdims=True) if left.shape[0] == 1 else want)
        assert for_y.shape == right.shape
    with pytest.raises(ShapeError, match=r"test_function\.py:\d+: .*4.* and .*2"):
        f([a, a[:2]])


def test_empty_batches():
    x = K.placeholder(shape=(None, 3))
    f = K.function([x], [K.exp(x), K.sum(x, axis=0), K.dot(x, K.variable(np.ones((3, 2)))), K.concatenate([x, x])])
    results = f([np.ones((0, 3))])
    assert [each.shape for each in results] == [(0, 3), (3,), (0, 2), (0, 6)]
    np.testing.assert_array_equal(results[1], 0)


def test_inputs_are_not_modified_and_may_be_strided():
    x = K.placeholder(shape=(None, 4))
    f = K.function([x], [x * 2 + 1])
    data = np.random.RandomState(0).randn(4, 6).astype("float32")
    for given in (
        data.T,
        data[:, 1:5],
        data[::2, ::-1][:, :4],
        np.asfortranarray(data[:, :4]),
        data[:, :4].astype("f8"),
    ):
        copy = given.copy()
        (result,) = f([given])
        np.testing.assert_allclose(result, copy.astype("float32") * 2 + 1, rtol=1e-6)
        np.testing.assert_array_equal(given, copy)


def test_large_inputs_and_outputs_are_handed_over():
    x = K.placeholder(shape=(None,))
    f = K.function([x], [x + 1, x])
    data = np.arange(100_000, dtype="float32")
    first, same = f([data])
    second, _ = f([data + 1])
    np.testing.assert_array_equal(first, data + 1)
    np.testing.assert_array_equal(second, data + 2)
    assert not np.shares_memory(same, data) and not np.shares_memory(first, second)


def test_an_array_in_place_of_the_list_of_arrays_is_refused():
    x = K.placeholder(shape=(3,))
    f = K.function([x], [x + 1])
    with pytest.raises(TypeError, match="should be a list or tuple of arrays.*got ndarray"):
        f(np.ones((1, 3)))
    np.testing.assert_array_equal(f((np.ones(3),))[0], [2, 2, 2])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], r"expected 2 inputs \('first' \(None, 3\), 'second' \(2,\)\), got 0"),
        ([np.ones((4, 3))], "expected 2 inputs"),
        ([np.ones(3), [1, 2]], r"'first'.*test_function.py:\d+.*expected 2 dimensions, got shape \(3,\)"),
        ([np.ones((4, 2)), [1, 2]], r"'first'.*expected size 3 along axis 1, got shape \(4, 2\)"),
        ([np.ones((4, 3)), [1, 2, 3]], r"'second'.*expected size 2 along axis 0"),
        ([np.ones((4, 3)), [1.5, 2]], "'second'.*cannot be held as int32"),
        ([np.ones((4, 3)), ["a", "b"]], "'second'.*cannot be fed"),
        ([np.ones((4, 3)), [1, 2**40]], "'second'.*cannot be held as int32"),
        ([np.ones((4, 3)) * 1j, [1, 2]], "'first'.*complex128 cannot be fed"),
        ([[[1, 2, 3], [4, 5]], [1, 2]], "'first'.*cannot be fed"),
    ],
)
def test_wrong_inputs_name_the_placeholder_and_change_nothing(inputs, message):
    x = K.placeholder(shape=(None, 3), name="first")
    y = K.placeholder(shape=(2,), dtype="int32", name="second")
    v = K.variable(0.0)
    f = K.function([x, y], [K.sum(x) + K.cast(K.sum(y), "float32")], updates=[(v, v + 1)])
    with pytest.raises(InputError, match=message):
        f(inputs)
    assert K.get_value(v) == 0
    f([np.ones((4, 3)), [1, 2]])
    assert K.get_value(v) == 1


def test_a_bad_index_changes_nothing():
    table, count = K.variable(np.ones((4, 2))), K.variable(0.0)
    rows = K.placeholder(shape=(None,), dtype="int64")
    loss = K.sum(K.square(K.gather(table, rows)))
    f = K.function([rows], [loss], updates=[(count, count + 1), (table, table - K.gradients(loss, table)[0])])
    with pytest.raises(
        IndexError, match=r"gather \(made at .*test_function.py:\d+\): index 4 is out of range for 4 rows"
    ):
        f([[0, 4]])
    with pytest.raises(IndexError, match="index -5"):
        f([[-5]])
    assert K.get_value(count) == 0
    np.testing.assert_array_equal(K.get_value(table), 1)
    f([[0, -1]])
    np.testing.assert_array_equal(K.get_value(table), [[-1, -1], [1, 1], [1, 1], [-1, -1]])


def test_wrong_arguments_of_function():
    x, v = K.placeholder(shape=(2,)), K.variable([1.0, 2.0])
    with pytest.raises(TypeError, match=r"inputs must be a list of tensors"):
        K.function(x, [x])
    with pytest.raises(TypeError, match=r"outputs\[1\] must be a tensor, got float"):
        K.function([x], [x, 1.0])
    with pytest.raises(UpdateError, match="must be a pair"):
        K.function([x], [x], updates=[v])
    with pytest.raises(UpdateError, match="must begin with a variable"):
        K.function([x], [x], updates=[(x, v)])
    with pytest.raises(UpdateError, match="updated twice"):
        K.function([x], [x], updates=[(v, x), (v, x * 2)])
    with pytest.raises(UpdateError, match=r"has shape \(3,\), expected \(2,\)"):
        K.function([x], [x], updates=[(v, K.constant([1.0, 2.0, 3.0]))])
    with pytest.raises(ValueError, match=r"placeholders that are not among the inputs.*test_function.py:\d+"):
        K.function([], [x * 2])
    with pytest.raises(ValueError, match="given twice"):
        K.function([x, x], [x])
    with pytest.raises(TypeError, match="unknown arguments"):
        K.function([x], [x], given=3)


def test_random_numbers_differ_from_call_to_call_and_follow_the_seed():
    noise = K.random_uniform((4,), seed=3)
    f = K.function([], [noise])
    first, second = f([])[0], f([])[0]
    assert not np.array_equal(first, second) and first.min() >= 0 and first.max() < 1
    from symgraph.backend.random import random_step

    K.set_value(random_step(), K.get_value(random_step()) - 2)
    np.testing.assert_array_equal(f([])[0], first)
    np.testing.assert_array_equal(f([])[0], second)


def test_functions_and_their_graphs_are_freed():
    x = K.placeholder(shape=(None, 3))
    f = K.function([x], [K.exp(x) * 3])
    f([np.ones((2, 3))])
    gone = weakref.ref(f)
    del f
    gc.collect()
    assert gone() is None
