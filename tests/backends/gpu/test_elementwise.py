"""Fused kernels against the reference executor: every operation, every element type, strided views."""

from __future__ import annotations

import numpy as np
import pytest
from compare import agree, node_input, run
from host_kernels import needs_compiler

from symgraph.backends.gpu.table import ELEMENTWISE
from symgraph.graph.type import FLOATS, INTEGERS, new_symbol, numpy_dtype
from symgraph.ops import elementwise, shape
from symgraph.ops.leaf import constant
from symgraph.ops.op import REGISTRY

pytestmark = needs_compiler

RELATIVE = {"float16": 2e-3, "bfloat16": 1.6e-2, "float32": 3e-6, "float64": 1e-14}
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 1.5, -7.25, 1e-6, 60.0, -60.0, np.inf, -np.inf, np.nan]

#: Operations that are asked about numbers that are not negative.
DOMAIN = ("log", "sqrt", "rsqrt", "log1p", "pow")


def _floats(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Every pair of special numbers, and random ones."""
    pairs = np.array([(a, b) for a in SPECIAL for b in SPECIAL])
    random = np.random.RandomState(0).randn(300, 2) * 3
    both = np.concatenate([pairs, random]).astype(numpy_dtype(dtype))
    return both[:, 0].copy(), both[:, 1].copy()


def _applied(name: str, *inputs):
    """Return an operation applied to as many of the inputs as its expression reads."""
    template = ELEMENTWISE[name]
    assert isinstance(template, str)
    return REGISTRY[name](*inputs[: 2 if "{1}" in template else 1])


@pytest.mark.parametrize("dtype", FLOATS)
def test_every_operation_on_floats(gpu, dtype):
    x, y = _floats(dtype)
    a, b, positive = (node_input(x.shape, dtype) for _ in range(3))
    nodes = [
        _applied(name, positive if name in DOMAIN else a, b)
        for name in elementwise.NAMES
        if name not in ("cast", "logical_and", "logical_or", "logical_not", "where")
    ]
    # Half floats that are not rounded in between differ by the last place near a zero of the function.
    atol = {"float16": 1e-3, "bfloat16": 8e-3, "float32": 2e-6, "float64": 1e-14}[dtype]
    agree(nodes, [(a, x), (b, y), (positive, np.abs(x))], gpu, rtol=RELATIVE[dtype], atol=atol)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_every_operation_on_integers(gpu, dtype):
    limits = np.iinfo(dtype)
    some = [0, 1, 2, 3, 7, 100, limits.min, limits.max, limits.max - 1, limits.min + 1]
    if limits.min < 0:
        some += [-1, -2, -3, -100]
    x = np.array([a for a in some for _ in some], dtype)
    y = np.array([b for _ in some for b in some], dtype)
    a, b = node_input(x.shape, dtype), node_input(y.shape, dtype)
    nodes = []
    for name in elementwise.NAMES:
        if name not in ("cast", "where", "pow"):
            try:
                nodes.append(_applied(name, a, b))
            except TypeError:  # for floating-point numbers only
                continue
    assert len(nodes) > 12
    agree(nodes, [(a, x), (b, y)], gpu, rtol=0)


def test_integer_powers(gpu):
    x = np.array([2, 3, -1, -1, 1, 0, 5, -2, -3], np.int32)
    y = np.array([10, 0, -3, -4, -9, 5, -1, 3, 31], np.int32)
    a, b = node_input(x.shape, "int32"), node_input(y.shape, "int32")
    (got,) = run([elementwise.pow(a, b)], [(a, x), (b, y)], gpu)
    assert got.tolist()[:8] == [1024, 1, -1, 1, 1, 0, 0, -8]


@pytest.mark.parametrize("source", [*FLOATS, *INTEGERS, "bool"])
def test_casts(gpu, source):
    values = np.array([0, 1, 2, 3, 100, 127], np.float64)
    if source in FLOATS:
        values = np.concatenate([values, [0.5, 1.5, 99.75]])
    x = values.astype(numpy_dtype(source))
    a = node_input(x.shape, source)
    targets = [name for name in (*FLOATS, *INTEGERS, "bool") if name != source]
    agree([elementwise.cast(a, target) for target in targets], [(a, x)], gpu, rtol=0)


def test_rounding_to_half_floats_is_to_nearest_even(gpu):
    fine = np.float64([1 + 2**-11, 1 + 3 * 2**-11, 65519.0, 65520.0, 2**-25, 2**-25 * 1.0001, 1 + 2**-8, 1 + 3 * 2**-8])
    for source in ("float32", "float64"):
        x = fine.astype(source)
        a = node_input(x.shape, source)
        agree([elementwise.cast(a, "float16"), elementwise.cast(a, "bfloat16")], [(a, x)], gpu, rtol=0)


def test_where_and_logic_keep_nan_out_of_the_branch_not_taken(gpu):
    x = np.array([np.nan, 1.0, np.inf, -2.0], np.float32)
    a = node_input(x.shape, "float32")
    finite = elementwise.is_finite(a)
    other = elementwise.logical_or(elementwise.logical_not(finite), elementwise.greater(a, elementwise.zero(a)))
    nodes = [elementwise.where(finite, a, elementwise.zero(a)), elementwise.logical_and(finite, other), other]
    results = agree(nodes, [(a, x)], gpu, rtol=0)
    assert results[0].tolist() == [0.0, 1.0, 0.0, -2.0]


def test_views_are_read_through_strides(gpu):
    rng = np.random.RandomState(1)
    x, row, column = rng.randn(5, 6, 7), rng.randn(7), rng.randn(6, 1)
    a, b, c = (node_input(array.shape, "float64") for array in (x, row, column))
    turned = shape.transpose(a, (2, 0, 1))
    nodes = [
        a + b * c,
        elementwise.exp(turned) + shape.slice_(turned, (0, 0, 0), (7, 5, 6)),
        shape.reverse(a, (0, 2)) * 2.0 + b,
        shape.slice_(a, (4, 1, 6), (3, 2, 3), (-2, 3, -2)) * 3.0,
        shape.concatenate([a, shape.reverse(a, (1,))], 1),
        shape.pad(a, [(1, 0), (0, 2), (3, 1)], 4.0),
        elementwise.square(shape.broadcast_to(b, (4, 3, 7))),
    ]
    agree(nodes, [(a, x), (b, row), (c, column)], gpu, rtol=1e-14)


@pytest.mark.parametrize("dtype", ["float16", "float32", "uint8", "bool"])
def test_axes_are_turned_around_in_tiles(gpu, device, dtype):
    rng = np.random.RandomState(2)
    batch = new_symbol()
    a, b = node_input((37, 70), dtype), node_input((batch, 9, 3, batch), dtype)
    for size in (9, 35):
        x, y = ((rng.rand(*sizes) * 2).astype(dtype) for sizes in ((37, 70), (size, 9, 3, size)))
        nodes = [shape.transpose(a), elementwise.cast(shape.transpose(a), "float64"), shape.transpose(b, (0, 3, 2, 1))]
        nodes += [shape.transpose(b, (3, 1, 2, 0)), shape.slice_(shape.transpose(a), (3, 1), (50, 33), (1, 1))]
        results = run(nodes, [(a, x), (b, y)], gpu)
        expected = [x.T, x.T.astype("float64"), y.transpose(0, 3, 2, 1), y.transpose(3, 1, 2, 0), x.T[3:53, 1:34]]
        for got, wanted in zip(results, expected, strict=True):
            np.testing.assert_array_equal(got, wanted)
    assert {name.split("_")[0] for name in device.launches} == {"turned"}


def test_short_axes_are_not_tiled(gpu, device):
    size = new_symbol()
    a = node_input((size, 40), "float32")
    for rows, family in ((3, "fused"), (8, "turned")):
        device.launches.clear()
        x = np.random.RandomState(0).rand(rows, 40).astype(np.float32)
        (got,) = run([shape.transpose(a) * 2.0], [(a, x)], gpu)
        np.testing.assert_array_equal(got, x.T * 2)
        assert [name.split("_")[0] for name in device.launches] == [family]


def test_scalars_are_arguments_or_literals(gpu):
    a = node_input((9,), "float32")
    x = np.linspace(-2, 2, 9).astype(np.float32)
    numbers = [0.1, -0.0, 1e-30, 3.4e38, np.inf, -np.inf, np.nan, 2.0, 1.0, 0.5, 1e-45]
    nodes = [elementwise.mul(a, constant(number, "float32")) for number in numbers]
    nodes += [elementwise.maximum(a, constant(-0.25, "float32"))]
    agree(nodes, [(a, x)], gpu, rtol=0)
    b = node_input((3,), "uint64")
    large = np.array([1, 2, 2**63 + 5], np.uint64)
    agree([elementwise.add(b, constant(2**64 - 1, "uint64"))], [(b, large)], gpu, rtol=0)


def test_kernels_are_shared_by_structure(gpu, device):
    """Layers of other sizes with other numbers in them have the same text."""
    for size, number in ((10, 0.3), (70, 0.7)):
        a, b = node_input((4, size), "float32"), node_input((size,), "float32")
        feeds = [(a, np.ones((4, size), np.float32)), (b, np.ones(size, np.float32))]
        run([elementwise.tanh(a + b) * number], feeds, gpu)
    names = [name for name in device.launches if name.startswith("fused")]
    assert len(set(names)) == 1
    assert len(device.modules) == 1
