"""The other functions of K: making tensors, mathematics, shapes, reductions, choices, label sequences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from symgraph import backend as K
from symgraph.ops.op import ShapeError
from symgraph.runtime.executor import use

RNG = np.random.default_rng(2)
X = RNG.normal(size=(3, 4)).astype("float32")


@pytest.fixture(autouse=True)
def reference():
    """What K builds is checked here; tests/ops checks the executors."""
    with use("numpy"):
        yield


def value(*tensors):
    results = K.function([], list(tensors))([])
    return results[0] if len(results) == 1 else results


# -------------------------------------------------------------------------------------------------- making tensors


def test_constants_and_variables() -> None:
    assert value(K.constant(2.0)).dtype == np.float32
    np.testing.assert_array_equal(value(K.constant(2, dtype="int32", shape=(2, 3))), np.full((2, 3), 2))
    np.testing.assert_array_equal(K.get_value(K.eye(3)), np.eye(3))
    np.testing.assert_array_equal(value(K.arange(2, 9, 3)), [2, 5, 8])
    assert K.arange(4).dtype == "int32"
    assert K.dtype(K.zeros((2,), dtype="float64")) == "float64"
    x = K.variable(X)
    assert K.is_variable(x)
    assert K.count_params(x) == 12
    assert K.int_shape(K.ones_like(x)) == (3, 4)
    assert value(K.size(x)) == 12
    K.batch_set_value([(x, X + 1)])
    np.testing.assert_array_equal(K.batch_get_value([x])[0], X + 1)
    with pytest.raises(ValueError, match=r"shape \(3, 4\), got a value of shape \(2,\)"):
        K.set_value(x, [1.0, 2.0])
    np.testing.assert_array_equal(K.get_value(x), X + 1)


def test_random_variables() -> None:
    x = K.random_uniform_variable((1000,), 2, 4, seed=3)
    assert K.is_variable(x)
    drawn = K.get_value(x)
    assert drawn.min() >= 2
    assert drawn.max() < 4
    assert abs(drawn.mean() - 3) < 0.1
    normal = K.get_value(K.random_normal_variable((2000,), 1, 0.5, seed=3))
    assert abs(normal.mean() - 1) < 0.05
    assert abs(normal.std() - 0.5) < 0.05
    np.testing.assert_array_equal(drawn, K.get_value(K.random_uniform_variable((1000,), 2, 4, seed=3)))


def test_sparse_matrices_are_fed_dense() -> None:
    x = K.placeholder((None, 4), sparse=True)
    assert K.is_sparse(x)
    assert not K.is_sparse(K.placeholder((None, 4)))
    matrix = sparse.random(3, 4, 0.5, random_state=1, format="csr")
    weights = K.variable(X.T)
    (result,) = K.function([x], [K.dot(K.to_dense(x), weights)])([matrix])
    np.testing.assert_allclose(result, matrix.toarray() @ X.T, rtol=1e-5)
    np.testing.assert_allclose(K.get_value(K.variable(matrix)), matrix.toarray(), rtol=1e-6)


# ----------------------------------------------------------------------------------------------------- mathematics


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_running_sums_and_products(axis: int) -> None:
    """Also with zeros, where the gradient of a product is not the product divided by the factor."""
    array = X.astype("float64")
    array[1, 2] = array[2, 0] = 0
    x = K.variable(array, dtype="float64")
    weights = RNG.normal(size=array.shape)
    for function, expected in ((K.cumsum, np.cumsum), (K.cumprod, np.cumprod)):
        result, grad = value(
            function(x, axis), *K.gradients(K.sum(function(x, axis) * K.constant(weights, dtype="float64")), x)
        )
        np.testing.assert_allclose(result, expected(array, axis), rtol=1e-6)
        for place in ((1, 2), (0, 0), (2, 3)):
            ahead, behind = array.copy(), array.copy()
            ahead[place] += 1e-6
            behind[place] -= 1e-6
            numeric = ((expected(ahead, axis) - expected(behind, axis)) * weights).sum() / 2e-6
            np.testing.assert_allclose(grad[place], numeric, rtol=1e-5, atol=1e-7)


def test_types_of_results() -> None:
    """Comparisons are bool, places int64, means of integers floatx."""
    numbers = K.constant([1, 2, 3], dtype="int32")
    flags = K.constant([True, False], dtype="bool")
    assert K.equal(X, X).dtype == "bool"
    assert K.argmax(X).dtype == "int64"
    assert K.shape(K.constant(X)).dtype == "int64"
    assert K.mean(numbers).dtype == "float32"
    assert K.sum(numbers).dtype == "int32"
    assert K.sum(flags).dtype == "float32"
    assert K.any(flags).dtype == "bool"
    assert K.exp(numbers).dtype == "float32"
    assert K.one_hot(numbers, 4).dtype == "float32"
    assert K.cast(numbers, "float16").dtype == "float16"


def test_clip_and_sqrt() -> None:
    x = K.constant([-2.0, 0.5, 3.0])
    np.testing.assert_array_equal(value(K.clip(x, -1, 1)), [-1, 0.5, 1])
    np.testing.assert_array_equal(value(K.clip(x, 0, None)), [0, 0.5, 3])
    np.testing.assert_array_equal(value(K.clip(x, 2, 1)), [2, 2, 2])
    np.testing.assert_allclose(value(K.sqrt(x)), [0, np.sqrt(0.5), np.sqrt(3)], rtol=1e-6)


# ---------------------------------------------------------------------------------------------------------- shapes


def test_shapes_from_tensors() -> None:
    x = K.placeholder((None, None, 3))
    outputs = [
        K.reshape(x, (K.shape(x)[0] * K.shape(x)[1], 3)),
        K.reshape(x, (-1, K.shape(x)[1] * 3)),
        K.zeros((K.shape(x)[0], 2)),
        K.tile(x, (1, 2, 1)),
        K.repeat_elements(x, 2, axis=1),
        K.stack([x, x], axis=1),
        K.pack([x, x]),
        K.reverse(x, 1),
        K.permute_dimensions(x, (2, 0, 1)),
        K.slice(x, (0, 1, 0), (-1, 1, 2)),
        K.batch_flatten(x),
        K.expand_dims(x, 1),
    ]
    fed = RNG.normal(size=(2, 5, 3)).astype("float32")
    results = K.function([x], outputs)([fed])
    wanted = [
        fed.reshape(10, 3), fed.reshape(2, 15), np.zeros((2, 2)), np.tile(fed, (1, 2, 1)), np.repeat(fed, 2, 1),
        np.stack([fed, fed], 1), np.stack([fed, fed]), fed[:, ::-1], fed.transpose(2, 0, 1), fed[:, 1:2, :2],
        fed.reshape(2, 15), fed[:, None],
    ]  # fmt: skip
    for output, result, expected in zip(outputs, results, wanted, strict=True):
        np.testing.assert_array_equal(result, expected)
        assert all(size in (None, real) for size, real in zip(output.shape, result.shape))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: K.sum(K.constant(X), axis=2), ShapeError, "axis 2 is out of range for a tensor of 2 dimensions"),
        (lambda: K.mean(K.constant(X), axis=(0, -2)), ShapeError, "name an axis twice"),
        (lambda: K.cumsum(K.constant(X), axis=2), ValueError, r"cumsum: axis 2 is out of range for shape \(3, 4\)"),
        (lambda: K.reshape(K.constant(X), (5, -1)), ShapeError, "12 is no multiple of 5"),
        (lambda: K.expand_dims(K.constant(X), 4), ValueError, "axis 4 is out of range"),
        (lambda: K.squeeze(K.constant(X), 0), ShapeError, "its size is not 1"),
        (lambda: K.repeat(K.constant(X[0]), 2), ValueError, "expected 2 dimensions"),
        (lambda: K.concatenate([K.constant(X), K.constant(X[:, :2])], axis=0), ShapeError, r"sizes of .* differ"),
        (lambda: K.dot(K.constant(X), K.constant(X)), ShapeError, "must equal the last but one"),
        (lambda: K.constant(X) + K.constant(X[:, :3]), ShapeError, "cannot be broadcast together"),
        (lambda: K.gather(K.constant(1.0), K.constant([0], dtype="int32")), ShapeError, "rows of a scalar"),
        (lambda: K.in_top_k(K.constant(X), K.constant(X), 1), ShapeError, "in_top_k: expected predictions"),
        (lambda: K.ctc_batch_cost(K.constant(X), K.constant(X), [[1]], [[1]]), ShapeError, "ctc_batch_cost: y_pred"),
        (lambda: K.map_fn(lambda x: x, 3.0), ShapeError, "a scalar has none"),
        (lambda: K.placeholder(), ValueError, "give a shape"),
        (lambda: K.dropout(K.constant(X), 1.5), ValueError, "0 <= level < 1, got 1.5"),
    ],
)  # fmt: skip
def test_errors(call, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


# ---------------------------------------------------------------------------------------- printing, label sequences


def test_printed_tensors(capfd) -> None:
    x = K.placeholder((2,))
    shown = K.print_tensor(x * 2, "twice:")
    y = K.square(shown)
    function = K.function([x], [y, *K.gradients(K.sum(y), x)])
    result, grad = function([[1.0, 3.0]])
    assert capfd.readouterr().err == "twice: [2. 6.]\n"
    np.testing.assert_array_equal(result, [4, 36])
    np.testing.assert_array_equal(grad, [8, 24])
    assert len(function([[0.0, 0.0]])) == 2


def test_labels_that_do_not_fit_have_an_infinite_loss() -> None:
    """Three equal labels need five steps; with four the loss is infinite, and it harms no other sample."""
    rows = np.full((2, 4, 3), 1 / 3, "float32")
    y = K.variable(rows)
    loss = K.ctc_batch_cost(
        K.constant([[1, 1, 1], [1, 0, 1]], dtype="int32"), y, K.constant([[4], [4]], "int32"),
        K.constant([[3], [1]], "int32"),
    )  # fmt: skip
    result, grad = value(loss, *K.gradients(loss[1, 0], y))
    assert result.shape == (2, 1)
    assert np.isinf(result[0, 0])
    # One label in four steps: alignments are a run of it between blanks, 10 of them out of 3 ** 4.
    np.testing.assert_allclose(result[1, 0], -np.log(10 / 81), rtol=1e-5)
    assert np.isfinite(grad[1]).all()


def test_dense_labels() -> None:
    labels = K.ctc_label_dense_to_sparse(K.constant([[1, 2, 3], [4, 5, 6]], "int32"), K.constant([2, 3], "int32"))
    np.testing.assert_array_equal(value(labels), [[1, 2, -1], [4, 5, 6]])


def test_beam_arguments() -> None:
    with pytest.raises(ValueError, match="1 <= top_paths <= beam_width, got 4 and 2"):
        K.ctc_decode(K.constant(np.ones((1, 2, 3))), K.constant([2], "int32"), greedy=False, beam_width=2, top_paths=4)


def test_uniform_whole_numbers() -> None:
    drawn = value(K.random_uniform((3000,), -2, 5, dtype="int32", seed=3))
    assert drawn.dtype == np.int32
    assert np.unique(drawn).tolist() == list(range(-2, 5))


def test_sparse_tensors_stay_marked_until_they_are_made_dense() -> None:
    matrix = sparse.csr_matrix(np.diag([1.0, 0.0, 2.0]))
    x = K.variable(matrix)
    joined = K.concatenate([x, x], axis=0)
    assert K.is_sparse(x) and K.is_sparse(joined)
    assert not K.is_sparse(K.to_dense(joined)) and not K.is_sparse(K.concatenate([x, K.ones((1, 3))], axis=0))
    np.testing.assert_array_equal(K.eval(joined), np.vstack([matrix.toarray()] * 2))


def test_eval_makes_updates() -> None:
    x = K.variable([1.0, 2.0])
    np.testing.assert_array_equal(K.eval(K.update_add(x, [1.0, 1.0])), [2, 3])
    y = K.variable(0.0)
    first, second = K.eval([K.update(y, K.sum(x)), K.update(x, x * y)])  # both read the old values
    assert first == 5 and second.tolist() == [0, 0] and K.get_value(x).tolist() == [0, 0]
    np.testing.assert_array_equal(K.eval(np.arange(3)), [0, 1, 2])


def test_gradients_come_as_a_list() -> None:
    x = K.variable([1.0, 2.0])
    (gradient,) = K.gradients(K.sum(K.square(x)), x)
    np.testing.assert_array_equal(K.eval(gradient), [2, 4])


def test_unrolling_needs_a_number_of_steps() -> None:
    with pytest.raises(ValueError, match="fixed number of time steps"):
        K.rnn(lambda x, states: (x, states), K.placeholder((2, None, 3)), [K.zeros((2, 3))], unroll=True)


def test_layouts_are_read_in_any_case() -> None:
    assert K.normalize_data_format("Channels_First") == "channels_first"
