"""Transpositions around operations on images meet each other and vanish."""

import numpy as np
import pytest

from symgraph import backend as K
from symgraph.compiler.graph import Graph
from symgraph.compiler.layout import layout
from symgraph.graph.traverse import topological_order
from symgraph.ops import elementwise as e
from symgraph.ops import reduction
from symgraph.ops import shape as s
from symgraph.ops.leaf import placeholder
from symgraph.ops.pool import max_pool
from symgraph.runtime.executor import use

HOW = {"window": (2, 2), "strides": (2, 2), "padding": ((0, 0), (0, 0))}
FIRST, LAST = (0, 3, 1, 2), (0, 2, 3, 1)


@pytest.fixture
def image():
    """The result of a pooling, transposed to channels first: (2, 5, 4, 3)."""
    return s.transpose(max_pool(placeholder((2, 8, 6, 5), "float32"), **HOW), FIRST)


def laid_out(*outputs):
    return layout(Graph((), outputs)).outputs


def transpositions(*nodes):
    return sum(node.op is s.transpose_op for node in topological_order(nodes))


def test_elementwise_operations_between_two_poolings(image):
    bias, number = placeholder((5, 1, 1), "float32"), placeholder((), "float32")
    y = e.relu(image + bias) * number + e.tanh(image)
    made = laid_out(max_pool(s.transpose(y, LAST), **HOW))
    assert transpositions(*made) == 0


def test_a_large_operand_of_another_kind_is_read_through_a_view(image):
    other = placeholder(image.shape, "float32")
    (made,) = laid_out(s.transpose(image * other, LAST))
    assert made.op is e.mul and made.inputs[0].op is max_pool and made.inputs[1] is s.transpose(other, LAST)
    (made,) = laid_out(image * other)
    assert made is image * other


def test_what_is_also_read_in_its_order_is_computed_once(image):
    y = image * placeholder(image.shape, "float32")
    assert laid_out(s.transpose(y, LAST), e.exp(y)) == (s.transpose(y, LAST), e.exp(y))


def test_reductions_find_their_axes(image):
    base = image.inputs[0]
    assert laid_out(reduction.sum_(image, (0, 2, 3))) == (reduction.sum_(base, (0, 1, 2)),)
    assert laid_out(reduction.max_(image, (2, 3))) == (reduction.max_(base, (1, 2)),)
    (made,) = laid_out(reduction.sum_(image, (1,)))
    assert made is reduction.sum_(base, (3,))
    (made,) = laid_out(reduction.sum_(image, (2, 3), keepdims=True))
    assert made is s.transpose(reduction.sum_(base, (1, 2), keepdims=True), FIRST)
    (made,) = laid_out(reduction.sum_(image, (0,)))
    assert made is s.transpose(reduction.sum_(base, (0,)), (2, 0, 1))


def test_concatenation_padding_and_slices(image):
    joined = s.concatenate([image, e.relu(image)], axis=1)
    padded = s.pad(joined, ((0, 0), (0, 0), (1, 2), (0, 3)))
    cut = s.slice_(padded, (0, 2, 1, 0), (2, 6, 4, 5))
    (made,) = laid_out(s.transpose(cut, LAST))
    assert transpositions(made) == 0 and made.shape == (2, 4, 5, 6)


def test_transpositions_elsewhere_stay():
    x = placeholder((3, 4), "float32")
    y = e.relu(s.transpose(x)) + placeholder((3,), "float32")
    assert laid_out(y) == (y,)


def network(channels_first):
    """A function of images (batch, 9, 8, 3 or 3, 9, 8) and what it computes: values and gradients."""
    order = "channels_first" if channels_first else "channels_last"
    random = np.random.RandomState(4)

    def weights(*shape):
        return K.variable(random.standard_normal(shape) / 3)

    x = K.placeholder(shape=(None, 3, 9, 8) if channels_first else (None, 9, 8, 3))
    axis = 1 if channels_first else 3
    places = [a for a in (0, 1, 2, 3) if a != axis]
    kernels = [weights(3, 3, 3, 8), weights(3, 3, 8, 8), weights(1, 1, 19, 6)]
    biases = [weights(8), weights(8), weights(6)]
    y = K.relu(K.bias_add(K.conv2d(x, kernels[0], padding="same", data_format=order), biases[0], data_format=order))
    z = K.tanh(K.bias_add(K.conv2d(y, kernels[1], padding="same", data_format=order), biases[1], data_format=order))
    joined = K.concatenate([z + y, y, x], axis=axis)
    joined = (joined - K.mean(joined, axis=places, keepdims=True)) / (1 + K.var(joined, axis=places, keepdims=True))
    pooled = K.pool2d(K.spatial_2d_padding(joined, ((1, 0), (2, 1)), data_format=order), (2, 2), (2, 2), "valid",
                      data_format=order)  # fmt: skip
    last = K.relu(K.bias_add(K.conv2d(pooled, kernels[2], data_format=order), biases[2], data_format=order))
    average = K.mean(K.pool2d(last, (2, 2), (1, 1), "same", order, "avg"), axis=[a for a in places if a])
    grads = K.gradients(K.sum(K.square(average)), [x, *kernels, *biases])
    return K.function([x], [last, average, *grads]), random.standard_normal((2, 9, 8, 3)).astype("float32")


def test_channels_first_computes_what_channels_last_does():
    with use("numba"):
        (last, array), (first, _) = network(False), network(True)
        expected, found = last([array]), first([array.transpose(0, 3, 1, 2)])
        runner = first.variants()[0].runner
    for got, want in zip(found, expected, strict=True):
        want = want.transpose(0, 3, 1, 2) if got.shape != want.shape else want
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5 * np.abs(want).max())
    names = [step.name for step in runner.program.steps]
    assert names.count("fused_conv") == 2 and "fused_matmul" in names
