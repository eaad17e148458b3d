"""Reductions against NumPy: axes, layouts, splits, types, and the same bits each time."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from compare import agree, node_input, run
from host_kernels import needs_compiler

from symgraph.graph.type import new_symbol, numpy_dtype
from symgraph.ops import elementwise, reduction, shape

pytestmark = needs_compiler


def test_sums_over_every_choice_of_axes(gpu):
    x = np.random.RandomState(0).randn(3, 5, 4, 6)
    a = node_input(x.shape, "float64")
    choices = [axes for count in (1, 2, 3, 4) for axes in itertools.combinations(range(4), count)]
    nodes = [reduction.sum_(a, axes, keepdims) for axes in choices for keepdims in (False, True)]
    results = run(nodes, [(a, x)], gpu)
    expected = [x.sum(axis=axes, keepdims=keepdims) for axes in choices for keepdims in (False, True)]
    for wanted, got in zip(expected, results, strict=True):
        assert got.shape == wanted.shape
        np.testing.assert_allclose(got, wanted, rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "int8", "int64", "uint8"])
def test_kinds_and_types(gpu, dtype):
    rng = np.random.RandomState(1)
    x = (rng.rand(6, 40) * 3 - (1 if dtype[0] != "u" else 0)).astype(numpy_dtype(dtype))
    a = node_input(x.shape, dtype)
    nodes = [
        function(a, axes)
        for function in (reduction.sum_, reduction.max_, reduction.min_)
        for axes in ((0,), (1,), (0, 1))
    ]
    rtol = {"float16": 1e-3, "bfloat16": 8e-3, "float32": 1e-6}.get(dtype, 0)
    agree(nodes, [(a, x)], gpu, rtol=rtol, atol=rtol)
    agree([reduction.prod(a, (1,))], [(a, np.minimum(x, x.dtype.type(1)))], gpu, rtol=rtol, atol=rtol)


def test_truth(gpu):
    x = np.array([[True, False, False], [True, True, True], [False, False, False]])
    a = node_input(x.shape, "bool")
    nodes = [function(a, axes) for function in (reduction.any_, reduction.all_) for axes in ((0,), (1,), (0, 1))]
    agree(nodes, [(a, x)], gpu, rtol=0)


@pytest.mark.parametrize("size", [(1, 50_000), (3, 9000), (9000, 3), (1200, 40), (50, 700), (2, 1), (1, 1)])
def test_long_reductions_are_split_and_right(gpu, size):
    x = np.random.RandomState(2).rand(*size).astype(np.float32)
    a = node_input((new_symbol(), new_symbol()), "float32")
    axes = (0, 1), (0,), (1,)
    results = run([reduction.sum_(elementwise.square(a), each) for each in axes], [(a, x)], gpu)
    for each, got in zip(axes, results, strict=True):
        np.testing.assert_allclose(got, np.square(x.astype(np.float64)).sum(axis=each), rtol=2e-6)
    again = run([reduction.sum_(elementwise.square(a), each) for each in axes], [(a, x)], gpu)
    for first, second in zip(results, again, strict=True):
        assert np.array_equal(first, second)


def test_a_split_uses_several_blocks(gpu, device):
    a = node_input((40, 10_000), "float32")
    x = np.random.RandomState(0).rand(40, 10_000).astype(np.float32)
    (got,) = run([reduction.sum_(a, (1,))], [(a, x)], gpu)
    np.testing.assert_allclose(got, x.astype(np.float64).sum(1), rtol=2e-6)
    assert len([name for name in device.launches if name.startswith("sum")]) == 2


def test_nothing_to_reduce_gives_the_identity(gpu):
    a = node_input((new_symbol(), 3), "float32")
    x = np.empty((0, 3), np.float32)
    nodes = [function(a, (0,)) for function in (reduction.sum_, reduction.prod, reduction.max_, reduction.min_)]
    results = agree(nodes, [(a, x)], gpu, rtol=0)
    assert [result[0] for result in results] == [0.0, 1.0, -np.inf, np.inf]
    (none,) = run([reduction.sum_(a, (1,))], [(a, x)], gpu)
    assert none.shape == (0,)


def test_a_nan_is_the_extreme(gpu):
    x = np.array([[1.0, np.nan, 3.0], [-np.inf, 2.0, np.inf], [0.0, -0.0, np.nan]], np.float32)
    a = node_input(x.shape, "float32")
    agree([reduction.max_(a, (1,)), reduction.min_(a, (0,)), reduction.max_(a)], [(a, x)], gpu, rtol=0)


def test_reductions_read_views_and_expressions(gpu):
    rng = np.random.RandomState(3)
    x, row = rng.randn(7, 5, 6), rng.randn(6)
    a, b = node_input(x.shape, "float64"), node_input(row.shape, "float64")
    turned = shape.transpose(a, (1, 2, 0))
    places = shape.iota(shape=(7, 5, 6), axis=1, dtype="float64")
    nodes = [
        reduction.sum_(elementwise.exp(a) * b, (0, 2)),
        reduction.max_(turned, (0,)),
        reduction.sum_(shape.reverse(a, (0, 1)) * places, (1,)),
        reduction.sum_(a * places, (0, 2), keepdims=True),
        reduction.sum_(shape.broadcast_to(b, (4, 6)), (0,)),
    ]
    agree(nodes, [(a, x), (b, row)], gpu, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "float32", "int16", "uint64"])
def test_places_of_extremes(gpu, dtype):
    x = np.random.RandomState(4).randint(0, 9, (5, 70, 4)).astype(dtype)
    a = node_input(x.shape, dtype)
    nodes = [op(a, axis=axis) for op in (reduction.argmax_op, reduction.argmin_op) for axis in range(3)]
    results = run(nodes, [(a, x)], gpu)
    expected = [find(x, axis=axis) for find in (np.argmax, np.argmin) for axis in range(3)]
    for wanted, got in zip(expected, results, strict=True):
        assert got.dtype == np.int64
        np.testing.assert_array_equal(got, wanted)


def test_the_place_of_a_nan_comes_first(gpu):
    x = np.array([[1.0, np.nan, 3.0, np.nan], [2.0, 5.0, 5.0, 1.0], [-np.inf, -np.inf, 0.0, 0.0]], np.float32)
    a = node_input(x.shape, "float32")
    largest, smallest = run([reduction.argmax_op(a, axis=1), reduction.argmin_op(a, axis=1)], [(a, x)], gpu)
    assert largest.tolist() == [1, 1, 2]
    assert smallest.tolist() == [1, 3, 0]
