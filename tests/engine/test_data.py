"""What may be given as data: frames, sparse matrices, HDF5 datasets, memory maps; and how batches are cut."""

import h5py
import numpy as np
import pytest
from scipy import sparse

from symgraph.engine import Sequential
from symgraph.engine.data import ArraySource
from symgraph.layers import Dense

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
