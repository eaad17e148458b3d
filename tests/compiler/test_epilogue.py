"""Biases and activations become part of the convolution before them."""

import numpy as np
import pytest

from symgraph import backend as K
from symgraph.backends.cpu.executor import LOWERINGS as CPU
from symgraph.backends.reference.executor import LOWERINGS as REFERENCE
from symgraph.compiler.epilogue import epilogue
from symgraph.compiler.graph import Graph
from symgraph.graph.traverse import topological_order
from symgraph.graph.type import new_symbol
from symgraph.ops import elementwise as e
from symgraph.ops import reduction
from symgraph.ops.conv import conv, conv_epilogue
from symgraph.ops.leaf import placeholder
from symgraph.ops.op import ShapeError
from symgraph.runtime.executor import use

HOW = {"strides": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}


def names(*nodes):
    return {node.op.name for node in topological_order(nodes) if node.op.kind not in ("leaf", "view")}


def finished(*outputs, lowerings=CPU):
    return epilogue(Graph((), outputs), lowerings).outputs


@pytest.fixture
def parts():
    x = placeholder((new_symbol("n"), 8, 8, 3), "float32")
    return conv(x, placeholder((3, 3, 3, 4), "float32"), **HOW), placeholder((4,), "float32")


def test_bias_and_activation(parts):
    y, b = parts
    (made,) = finished(e.relu(y + b))
    assert made.op is conv_epilogue and made.attrs["activation"] == "relu" and names(made) == {"conv_epilogue"}


def test_either_order_and_any_shape_of_one_number_a_filter(parts):
    y, _ = parts
    for shape in ((4,), (1, 4), (1, 1, 1, 4)):
        assert names(*finished(placeholder(shape, "float32") + y)) == {"conv_epilogue"}


def test_another_activation_stays_behind(parts):
    y, b = parts
    assert names(*finished(e.tanh(y + b))) == {"conv_epilogue", "tanh"}


def test_what_somebody_else_reads_stays(parts):
    y, b = parts
    assert names(*finished(e.relu(y + b), reduction.sum_(y))) == {"conv", "add", "relu", "sum"}
    assert names(*finished(e.relu(y + b), y + b)) == {"conv_epilogue", "relu"}
    assert names(*finished(y + b, y)) == {"conv", "add"}


def test_what_is_no_bias_stays(parts):
    y, _ = parts
    for shape in ((), (1,), (8, 4), (8, 8, 4), (8, 1, 1)):
        assert names(*finished(y + placeholder(shape, "float32"))) == {"conv", "add"}, shape


def test_element_types_that_the_executor_does_not_finish_stay():
    x, w, b = (placeholder(shape, "float64") for shape in ((2, 8, 8, 3), (3, 3, 3, 4), (4,)))
    assert names(*finished(conv(x, w, **HOW) + b)) == {"conv", "add"}


def test_executors_that_cannot_do_it_keep_the_three(parts):
    y, b = parts
    assert names(*finished(e.relu(y + b), lowerings=REFERENCE)) == {"conv", "add", "relu"}


def test_the_decomposition_is_the_same(parts):
    y, b = parts
    (made,) = finished(e.relu(y + b))
    assert made.op.decompose(*made.inputs, **made.attrs) == e.relu(y + b)


def test_wrong_biases_and_activations_are_refused(parts):
    y, _ = parts
    with pytest.raises(ShapeError, match="one bias a filter"):
        conv_epilogue(*y.inputs, placeholder((5,), "float32"), activation="relu", **y.attrs)
    with pytest.raises(ValueError, match="'softplus' cannot follow"):
        conv_epilogue(*y.inputs, placeholder((4,), "float32"), activation="softplus", **y.attrs)


KINDS = {  # channels, filters, window, strides, depthwise
    "direct": (3, 20, 3, 1, False),
    "winograd": (32, 40, 3, 1, False),
    "plain": (16, 24, 1, 1, False),
    "depthwise": (6, 1, 3, 2, True),
}


@pytest.mark.parametrize("activation", ["relu", "linear"])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_values_and_gradients(kind, activation):
    channels, filters, window, stride, alone = kind
    random = np.random.RandomState(0)
    array = random.standard_normal((2, 13, 14, channels)).astype("float32")
    kernel, bias = (
        random.standard_normal((window, window, channels, filters)) / 9,
        random.standard_normal(6 if alone else filters),
    )
    results = []
    for name, dtype in (("numba", "float32"), ("numpy", "float64")):
        with use(name):
            x = K.placeholder(shape=(None, 13, 14, channels), dtype=dtype)
            w, b = K.variable(kernel, dtype=dtype), K.variable(bias, dtype=dtype)
            combine = K.depthwise_conv2d if alone else K.conv2d
            y = K.bias_add(combine(x, w, strides=(stride, stride), padding="same"), b)
            y = K.relu(y) if activation == "relu" else y
            function = K.function([x], [y, *K.gradients(K.sum(K.square(y)), [x, w, b])])
            results.append(function([array]))
    for got, want in zip(*results, strict=True):
        assert np.abs(got - want).max() <= 4e-6 * np.abs(want).max()


def test_not_a_number_stays_one():
    with use("numba"):
        x = K.placeholder(shape=(None, 6, 6, 2))
        w, b = K.variable(np.ones((3, 3, 2, 3))), K.variable(np.full(3, -1000.0))
        y = K.function([x], [K.relu(K.bias_add(K.conv2d(x, w), b))])
        array = np.zeros((1, 6, 6, 2), "float32")
        array[0, 0, 0, 0] = np.nan
        (found,) = y([array])
    assert np.isnan(found[0, 0, 0]).all() and (np.delete(found.reshape(16, 3), 0, 0) == 0).all()
