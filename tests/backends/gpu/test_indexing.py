"""Gather and scatter_add against NumPy; indices out of range; the order of additions."""

from __future__ import annotations

import numpy as np
import pytest
from compare import agree, node_input, run
from host_kernels import needs_compiler

from symgraph import backend as K
from symgraph import optimizers
from symgraph.graph.type import new_symbol
from symgraph.ops.indexing import first_rows, gather, rows_used, scatter_add, sum_rows
from symgraph.ops.scan import item
from symgraph.runtime.executor import use

pytestmark = needs_compiler


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "int8"])
def test_rows_are_read(gpu, dtype):
    x = np.random.RandomState(0).randn(11, 3, 2).astype(np.float32)
    indices = np.array([[0, 10, 3], [5, 5, 1]], dtype)
    if dtype[0] == "i":
        indices[0, 0], indices[1, 1] = -1, -11
    a, b = node_input((new_symbol(), 3, 2), "float32"), node_input((new_symbol(), 3), dtype)
    (got,) = run([gather(a, b)], [(a, x), (b, indices)], gpu)
    np.testing.assert_array_equal(got, x[indices])


@pytest.mark.parametrize(
    ("rows", "entries", "width"), [(5, 1, 3), (7, 100, 4), (3, 2000, 1), (400, 3000, 2), (9, 0, 2)]
)
def test_rows_are_added(gpu, rows, entries, width):
    rng = np.random.RandomState(1)
    values = rng.randn(entries, width)
    indices = rng.randint(-rows, rows, entries).astype(np.int32)
    a, b = node_input((new_symbol("m"), width), "float64"), node_input((new_symbol("m"),), "int32")
    (got,) = run([scatter_add(a, b, shape=(rows, width))], [(a, values), (b, indices)], gpu)
    expected = np.zeros((rows, width))
    np.add.at(expected, indices, values)
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


def test_equal_rows_are_added_in_their_order(gpu):
    """The sum of one row is the sum from the first entry to the last, to the bit."""
    values = (np.random.RandomState(2).randn(1500, 1) * 1e3).astype(np.float32)
    indices = np.tile([1, 0, 2], 500).astype(np.int64)
    a, b = node_input(values.shape, "float32"), node_input(indices.shape, "int64")
    (got,) = run([scatter_add(a, b, shape=(3, 1))], [(a, values), (b, indices)], gpu)
    for row in range(3):
        total = np.float32(0)
        for value in values[indices == row, 0]:
            total = np.float32(total + value)
        assert got[row, 0] == total


def test_half_floats_are_summed_in_float(gpu):
    values = np.full((3000, 1), 1.0, np.float16)
    indices = np.zeros(3000, np.int32)
    a, b = node_input(values.shape, "float16"), node_input(indices.shape, "int32")
    (got,) = run([scatter_add(a, b, shape=(2, 1))], [(a, values), (b, indices)], gpu)
    assert got[:, 0].tolist() == [3000.0, 0.0]


@pytest.mark.parametrize("wrong", [4, -5, 2**40])
def test_an_index_out_of_range_is_reported_when_results_are_fetched(gpu, wrong):
    x = np.arange(4, dtype=np.float32)
    indices = np.array([0, wrong, 3], np.int64)
    a, b = node_input(x.shape, "float32"), node_input(indices.shape, "int64")
    values = node_input(indices.shape, "float32")
    with pytest.raises(IndexError, match=r"gather.*out of range for 4 rows"):
        run([gather(a, b)], [(a, x), (b, indices)], gpu)
    with pytest.raises(IndexError, match=r"scatter_add.*out of range for 3 rows"):
        run([scatter_add(values, b, shape=(3,))], [(values, np.ones(3, np.float32)), (b, indices)], gpu)
    (fine,) = run([gather(a, b)], [(a, x), (b, np.array([0, 1, 3]))], gpu)  # the note of before is gone
    assert fine.tolist() == [0.0, 1.0, 3.0]


@pytest.mark.parametrize(("rows", "entries"), [(7, 100), (4000, 1300), (9, 0)])
def test_rows_that_are_used(gpu, rows, entries):
    indices = np.random.RandomState(3).randint(-rows, rows, entries).astype(np.int32)
    values = np.random.RandomState(4).randn(entries, 3)
    a, b = node_input((new_symbol("m"), 3), "float64"), node_input((new_symbol("m"),), "int32")
    found = first_rows(b, rows=rows)
    nodes = [item(found, 0), item(found, 1), rows_used(b, rows=rows), sum_rows(a, b, item(found, 0))]
    agree(nodes, [(a, values), (b, indices)], gpu, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["SGD", "Adagrad", "Adam", "AMSGrad", "Lion"])
@pytest.mark.parametrize("lazy", [False, True])
def test_tables_are_trained_as_by_the_reference(gpu, name, lazy):
    """Dense steps read sums of rows, lazy ones write only the rows used; both with a norm that is clipped."""
    rng = np.random.RandomState(0)
    start, factors = rng.randn(60, 9), rng.randn(4, 3, 9)
    batches = [rng.randint(-60, 60, (n, 3)) for n in (4, 0, 2)]
    found, names = {}, {}
    for executor in ("numpy", "cupy"):
        with use(executor):
            options = {"amsgrad": True} if name == "AMSGrad" else {}
            kind = getattr(optimizers, "Adam" if name == "AMSGrad" else name)
            optimizer = kind(0.0625, clipnorm=3.0, lazy=lazy, **options)
            table = K.variable(start, dtype="float64")
            indices, weights = K.placeholder((None, 3), dtype="int32"), K.placeholder((None, 3, 9), dtype="float64")
            loss = K.sum(K.gather(table, indices) * weights)
            step = K.function([indices, weights], [loss], updates=optimizer.get_updates(loss, [table]))
            for batch in batches:
                step([batch, factors[: len(batch)]])
            found[executor] = [K.get_value(table), *optimizer.get_weights()]
            names[executor] = [each.name for each in step.example()[0].program.steps]
    for got, wanted in zip(found["cupy"], found["numpy"], strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-9)
    assert names["cupy"] == names["numpy"] and "sum_rows" in names["cupy"]
    assert ("fused_rows" in names["cupy"]) == (lazy or name in ("Adagrad",))
