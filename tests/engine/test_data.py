"""What may be given as data: frames, sparse matrices, HDF5 datasets, memory maps; and how batches are cut."""

import h5py
import numpy as np
import pytest
from scipy import sparse

from symgraph.engine import Sequential
from symgraph.engine.data import ArraySource
from symgraph.layers import Dense
from symgraph.utils import HDF5Matrix

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(20, 4)).astype("float32"), RNG.normal(size=(20, 2)).astype("float32")


def pair():
    model, other = (Sequential([Dense(2, input_shape=(4,))]) for _ in range(2))
    other.set_weights(model.get_weights())
    for each in (model, other):
        each.compile("sgd", "mse")
    return model, other


def check(x, y=Y, dense=X):
    """The data `x` train like the array `dense`."""
    model, other = pair()
    np.random.seed(0)
    got = model.fit(x, y, batch_size=6, epochs=2, verbose=0).history["loss"]
    np.random.seed(0)
    want = other.fit(dense, Y, batch_size=6, epochs=2, verbose=0).history["loss"]
    np.testing.assert_allclose(got, want, rtol=1e-6)
    np.testing.assert_allclose(model.predict(x), other.predict(dense), rtol=1e-6)
    np.testing.assert_allclose(model.evaluate(x, y, verbose=0), other.evaluate(dense, Y, verbose=0), rtol=1e-6)
    np.testing.assert_allclose(model.train_on_batch(x, y), other.train_on_batch(dense, Y), rtol=1e-6)


def test_lists_and_other_dtypes():
    check(X.tolist(), Y.tolist())
    check(X.astype("float64"), Y.astype("float64"))
    check(np.asfortranarray(X), Y[::1])


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.coo_matrix, sparse.csc_matrix])
def test_sparse_matrices(form):
    thin = np.where(RNG.uniform(size=X.shape) < 0.3, X, 0).astype("float32")
    check(form(thin), dense=thin)


def test_hdf5_datasets(tmp_path):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        x, y = file.create_dataset("x", data=X.astype("float64")), file.create_dataset("y", data=Y)
        check(x, y)


def test_hdf5_matrices(tmp_path):
    path = tmp_path / "data.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.concatenate([X[:3] * 0, X * 2, X[:5] * 0]).astype("float64")
        file["y"] = Y
        file["labels"] = np.arange(20, dtype="uint8")
    x, y = HDF5Matrix(path, "x", 3, 23, normalizer=lambda rows: rows / 2), HDF5Matrix(path, "y")
    check(x, y)
    assert (len(x), x.shape, x.ndim, x.size) == (20, (20, 4), 2, 80) and x.dtype == "float64"
    rows = np.arange(20)
    slices = [slice(2, 9), slice(-3, None), slice(None, None, 3), slice(9, 2, -2)]
    for key in (*slices, [4, 1, 1, -1], rows % 3 == 0, 7, -2):
        np.testing.assert_allclose(x[key], X[key], rtol=1e-6)
    halves = HDF5Matrix(path, "labels", normalizer=lambda rows: rows / 2)
    assert halves.dtype == "float64" and halves[3] == 1.5
    for call, message in ((lambda: x[20], "row 20 of 20"), (lambda: x["a"], "chosen by numbers")):
        with pytest.raises(IndexError, match=message):
            call()
    with pytest.raises(KeyError, match="no dataset 'z'; it has labels, x, y"):
        HDF5Matrix(path, "z")
    with pytest.raises(ValueError, match="rows 3 to 99 are not in 'x'"):
        HDF5Matrix(path, "x", 3, 99)


def test_memory_maps(tmp_path):
    for dtype in ("float32", "float64"):
        path = tmp_path / dtype
        X.astype(dtype).tofile(path)
        check(np.memmap(path, dtype=dtype, mode="r", shape=X.shape))


def test_pandas_frames():
    pandas = pytest.importorskip("pandas")
    check(pandas.DataFrame(X, columns=list("abcd")), pandas.DataFrame(Y))


def test_a_single_sample_needs_a_batch():
    model, _ = pair()
    with pytest.raises(ValueError, match=r"to have shape \(4,\) but got array with shape \(1,\)"):
        model.predict(X[0])


@pytest.mark.parametrize("shuffle", [False, True, "batch"])
@pytest.mark.parametrize("limit", [0, 1 << 25])  # gathered batch by batch, or all at once
def test_batches_hold_each_sample_once(monkeypatch, shuffle, limit):
    monkeypatch.setattr("symgraph.engine.data._GATHER_WHOLE_BYTES", limit)
    numbers = np.arange(10.0)[:, None]
    source = ArraySource([numbers, numbers * 2], 4, shuffle)
    for _ in range(2):
        batches = [(size, [array.copy() for array in arrays]) for size, arrays in source.epoch()]
        assert [size for size, _ in batches] == [4, 4, 2]
        first = np.concatenate([arrays[0] for _, arrays in batches])
        second = np.concatenate([arrays[1] for _, arrays in batches])
        np.testing.assert_array_equal(second, first * 2)
        np.testing.assert_array_equal(np.sort(first, axis=0), numbers)


def test_no_data():
    model, _ = pair()
    with pytest.raises(ValueError, match="empty"):
        model.fit(X[:0], Y[:0], verbose=0)
