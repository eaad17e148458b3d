"""The handles that users hold: operators, indexing as in NumPy, and what a symbolic array refuses to do."""

import operator
from pathlib import Path

import numpy as np
import pytest

from symgraph import backend as K

THIS_FILE = Path(__file__).name


@pytest.fixture(scope="module")
def values():
    return np.random.RandomState(0).uniform(0.5, 3, (3, 4)).astype("float32")


BINARY = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.floordiv,
    operator.mod,
    operator.pow,
    operator.lt,
    operator.le,
    operator.gt,
    operator.ge,
]


@pytest.mark.parametrize("operation", BINARY, ids=lambda op: op.__name__)
def test_operators_with_numbers_and_arrays_on_either_side(operation, values):
    x = K.variable(values)
    other = np.linspace(0.5, 2, 4).astype("float32")
    results = [operation(x, 2), operation(2.5, x), operation(x, other), operation(other, x), operation(x, x)]
    expected = [operation(values, np.float32(2)), operation(np.float32(2.5), values), operation(values, other),
                operation(other, values), operation(values, values)]  # fmt: skip
    for got, want in zip(results, expected, strict=True):
        assert K.dtype(got) == want.dtype.name
        np.testing.assert_allclose(K.eval(got), want, rtol=3e-6)


def test_unary_operators_and_products(values):
    x = K.variable(values)
    np.testing.assert_array_equal(K.eval(-x), -values)
    np.testing.assert_array_equal(K.eval(abs(-x)), values)
    np.testing.assert_array_equal(K.eval(+x), values)
    np.testing.assert_allclose(K.eval(x @ values.T), values @ values.T, rtol=1e-5)
    np.testing.assert_allclose(K.eval(values.T @ x), values.T @ values, rtol=1e-5)
    small, large = x < 1.0, x > 2.0
    np.testing.assert_array_equal(K.eval(~(small | large)), ~((values < 1) | (values > 2)))
    np.testing.assert_array_equal(K.eval(small & large), np.zeros((3, 4), bool))
    with pytest.raises(TypeError, match="bool tensors"):
        x & x


def test_promotion():
    integers = K.variable([1, 2, 3], dtype="int32")
    assert K.dtype(integers + 1) == "int32"
    assert K.dtype(integers + 1.5) == K.floatx()
    assert K.dtype(integers / 2) == K.floatx()
    assert K.dtype(K.variable([1.0]) * 2) == "float32"
    assert K.dtype(K.variable([1.0]) * np.sqrt(2.0)) == "float32"
    assert K.dtype(K.variable([1.0], dtype="float16") + 1.5) == "float16"
    assert K.dtype(K.variable([1.0]) + K.variable([1.0], dtype="float64")) == "float64"
    assert K.dtype((integers > 1) + (integers > 2)) == "int32"


KEYS = [
    np.s_[0],
    np.s_[-1],
    np.s_[1:],
    np.s_[:-1],
    np.s_[::2],
    np.s_[::-1],
    np.s_[:, 1],
    np.s_[..., 2],
    np.s_[None, :, None, 1:3],
    np.s_[1:1],
    np.s_[5:],
    np.s_[-10:2],
    np.s_[[2, 0, 2]],
    np.s_[:, [0, -1]],
    np.s_[[0, 1], [2, 3]],
    np.s_[np.array([[0, 1], [2, 0]])],
    np.s_[1, [0, 3]],
]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_indexing_as_in_numpy(key, values):
    np.testing.assert_array_equal(K.eval(K.variable(values)[key]), values[key])


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_indexing_where_sizes_are_not_known(key, values):
    x = K.placeholder(shape=(None, None))
    (result,) = K.function([x], [x[key]])([values])
    np.testing.assert_array_equal(result, values[key])


def test_indexing_by_a_tensor(values):
    x, k = K.variable(values), K.placeholder(shape=(), dtype="int32")
    (row, column) = K.function([k], [x[k], x[:, k]])([2])
    np.testing.assert_array_equal(row, values[2])
    np.testing.assert_array_equal(column, values[:, 2])


@pytest.mark.parametrize(
    ("key", "error"),
    [(np.s_[0, 0, 0], IndexError), (3, IndexError), (np.s_[:, -5], IndexError), ("a", TypeError), (1.5, TypeError)],
)
def test_wrong_indices(key, error, values):
    with pytest.raises(error):
        K.variable(values)[key]


@pytest.mark.parametrize(
    ("act", "hint"),
    [
        (bool, "K.switch"),
        (len, "K.int_shape"),
        (np.asarray, "K.eval"),
        (lambda t: list(t), "K.map_fn"),
        (float, "K.eval"),
    ],
    ids=["bool", "len", "asarray", "iter", "float"],
)
def test_what_a_symbolic_array_cannot_do(act, hint):
    with pytest.raises(TypeError, match=hint) as caught:
        act(K.placeholder(shape=(2,), name="some_input"))
    assert "some_input" in str(caught.value)


def test_handles_differ_where_nodes_are_the_same():
    x = K.placeholder(shape=(2, None), name="x")
    first, second = K.exp(x), K.exp(x)
    assert first.node is second.node and first is not second
    first._keras_history = ("layer", 0, 0)
    assert not hasattr(second, "_keras_history")
    assert first._keras_shape == (2, None) and first.shape == (2, None) and x.name == "x"
    assert first in {first} and second not in {first}


def test_a_tensor_knows_the_line_that_made_it():
    x = K.placeholder(shape=(2,))
    path, line = x.source.rsplit(":", 1)
    assert Path(path).name == THIS_FILE and Path(path).read_text().splitlines()[int(line) - 1].strip().startswith("x =")


def test_arrays_take_the_type_of_the_tensors_they_meet() -> None:
    x, whole = K.placeholder((2,)), K.placeholder((2,), dtype="int32")
    for other in (np.ones(2), np.arange(2), [1.5, 2.5], np.float64(2.0), np.ones(2, "float16")):
        assert K.dtype(x * other) == K.dtype(other - x if not isinstance(other, list) else x - other) == "float32"
        assert K.dtype(K.maximum(x, other)) == "float32"
    double = K.variable([0.0, 0.0], dtype="float64")
    assert K.eval(double + [0.1, 0.2]).tolist() == [0.1, 0.2]  # not through float32
    assert K.dtype(x + double) == "float64"
    assert K.dtype(whole + np.ones(2)) == "float64" and K.dtype(whole + 1.5) == "float32"
