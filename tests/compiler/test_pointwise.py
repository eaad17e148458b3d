"""Convolutions of single elements become matrix products."""

import numpy as np
import pytest

from symgraph import backend as K
from symgraph.autodiff import gradients
from symgraph.backends.cpu.executor import LOWERINGS as CPU
from symgraph.backends.reference.executor import LOWERINGS as REFERENCE
from symgraph.compiler.graph import Graph
from symgraph.compiler.pointwise import pointwise
from symgraph.compiler.verify import verify
from symgraph.graph.traverse import topological_order
from symgraph.graph.type import new_symbol
from symgraph.ops.conv import conv
from symgraph.ops.leaf import placeholder
from symgraph.ops.reduction import sum_
from symgraph.runtime import function
from symgraph.runtime.executor import use

HOW = {"strides": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}


@pytest.fixture(autouse=True)
def verified(monkeypatch):
    monkeypatch.setattr(function, "CHECK", verify)


def names(*outputs, lowerings=CPU):
    graph = pointwise(Graph((), outputs), lowerings)
    return {node.op.name for node in topological_order(graph.roots) if node.op.kind not in ("leaf", "view")}


def convolved(window=(1, 1), sizes=(8, 8), **more):
    x = placeholder((new_symbol("n"), *sizes, 6), "float32")
    return conv(x, placeholder((*window, 6 // more.get("groups", 1), 4), "float32"), **(HOW | more))


def test_one_element_is_a_product():
    assert names(convolved()) == {"matmul"}
    assert names(convolved(strides=(2, 3))) == {"matmul"}  # of a view
    assert names(convolved((1,), (8,), strides=(2,), padding=((0, 0),), dilation=(1,))) == {"matmul"}


def test_others_stay():
    assert names(convolved((1, 2))) == {"conv"}
    assert names(convolved(padding=((0, 1), (0, 0)))) == {"conv"}
    assert names(convolved(groups=2)) == {"conv"}


def test_executors_that_compute_nothing_with_a_product_keep_it():
    assert names(convolved(), lowerings=REFERENCE) == {"conv"}


def test_the_gradient_of_a_kernel_sums_over_the_elements_that_count():
    y = convolved(strides=(2, 2))
    (made,) = pointwise(Graph((), tuple(gradients(sum_(y * y), [y.inputs[1]]))), CPU).outputs
    assert made.op.name == "conv_kernel_gradient" and made.attrs["strides"] == (1, 1)
    assert made.inputs[0].op.name == "slice"


def test_zeros_come_in_after_a_sum():
    one = convolved(strides=(2, 2))
    x = one.inputs[0]
    other = conv(x, placeholder((1, 1, 6, 4), "float32"), **(HOW | {"strides": (2, 2)}))
    (made,) = pointwise(Graph((), tuple(gradients(sum_(one * other), [x]))), CPU).outputs
    assert made.op.name == "embed" and made.inputs[0].op.name == "add"


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("sizes", [(3, 7, 5, 9), (1, 8, 16, 24), (2, 5, 3, 1), (0, 6, 2, 3)])
def test_values_and_gradients(sizes, stride, dtype, tolerance):
    """With a bias, an activation, a factor for each image and filter, and another convolution of the same input."""
    images, size, channels, filters = sizes
    random = np.random.default_rng(size)
    kernel, bias = random.standard_normal((1, 1, channels, filters)), random.standard_normal(filters)
    arrays = [random.standard_normal(shape) for shape in ((images, size, size + 1, channels), (images, 1, 1, filters))]
    results = []
    for name, kind in (("numba", dtype), ("numpy", "float64")):
        with use(name):
            x, factor = (K.placeholder(shape=(None, *array.shape[1:]), dtype=kind) for array in arrays)
            w, b = K.variable(kernel, dtype=kind), K.variable(bias, dtype=kind)
            how = {"strides": (stride, stride), "padding": "valid"}
            y = K.tanh(K.bias_add(K.conv2d(x, w, **how), b)) * factor
            loss = K.sum(K.square(y) + K.conv2d(x, w * 2, **how) * y)
            call = K.function([x, factor], [y, *K.gradients(loss, [x, w, b, factor])])
            results.append(call([array.astype(kind) for array in arrays]))
    for got, want in zip(*results, strict=True):
        assert got.shape == want.shape
        assert np.abs(got - want).max(initial=0) <= tolerance * np.abs(want).max(initial=0)
