"""What follows a convolution - an expression, pooling - becomes part of it, where the executor can do that."""

import numpy as np
import pytest

from symgraph.autodiff import gradients
from symgraph.backends.cpu.executor import LOWERINGS as CPU
from symgraph.backends.reference.executor import LOWERINGS as REFERENCE
from symgraph.compiler.fuse import fuse
from symgraph.compiler.graph import Graph
from symgraph.compiler.pooled import pooled
from symgraph.compiler.unpool import keep_places, unpool
from symgraph.compiler.verify import verify
from symgraph.graph.traverse import topological_order
from symgraph.graph.type import new_symbol
from symgraph.ops import elementwise as e
from symgraph.ops import reduction
from symgraph.ops.conv import conv, conv_input_gradient
from symgraph.ops.leaf import placeholder
from symgraph.ops.pool import average_pool, max_pool

HOW = {"strides": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
TWO = {"window": (2, 2), "strides": (2, 2), "padding": ((0, 0), (0, 0))}


def made(*outputs, lowerings=CPU):
    """The graph after the passes that bring together what is computed together, and the names of its operations."""
    graph = keep_places(unpool(Graph((), outputs)), lowerings)
    graph = pooled(fuse(graph, lowerings), lowerings)
    verify(graph)
    free = ("leaf", "view", "structure")
    return graph, sorted(n.op.name for n in topological_order(graph.roots) if n.op.kind not in free)


def names(*outputs, lowerings=CPU):
    return made(*outputs, lowerings=lowerings)[1]


def the(graph, name):
    return next(node for node in topological_order(graph.roots) if node.op.name == name)


@pytest.fixture
def parts():
    x = placeholder((new_symbol("n"), 8, 8, 3), "float32")
    return conv(x, placeholder((3, 3, 3, 4), "float32"), **HOW), placeholder((4,), "float32")


def test_any_expression(parts):
    y, b = parts
    other = placeholder(y.shape, "float32")
    for result in (y + b, e.relu(b + y), e.tanh(y + b), e.relu(y + b + other), y * b + other, e.exp(y)):
        assert names(result) == ["fused_conv"]
    assert names(e.tanh(y + b), y + b) == ["fused_conv"]  # two results


def test_what_is_sent_back_too(parts):
    y, _ = parts
    x, kernel = y.inputs
    sent = conv_input_gradient(placeholder(y.shape, "float32"), kernel, input_shape=x.shape, **HOW)
    assert names(e.where(e.greater(x, e.zero(x)), sent, e.zero(x))) == ["fused_conv_input_gradient"]


def test_what_somebody_else_reads_is_stored(parts):
    y, b = parts
    assert names(e.relu(y + b), reduction.sum_(y)) == ["conv", "fused", "fused_reduce"]
    assert names(y + b, y) == ["conv", "fused"]


def test_executors_that_cannot_do_it_keep_them_apart(parts):
    y, b = parts
    assert names(max_pool(e.relu(y + b), **TWO), lowerings=REFERENCE) == ["conv", "fused", "max_pool"]


@pytest.mark.parametrize("pool", [max_pool, average_pool])
def test_pooling(parts, pool):
    y, b = parts
    for result in (pool(y, **TWO), pool(e.relu(y + b), **TWO), e.tanh(y + pool(y, **TWO).inputs[0])):
        assert len(names(result)) == 1
    graph, found = made(pool(e.relu(y + b), **TWO))
    assert found == ["fused_conv"] and graph.outputs[0].shape == (y.shape[0], 4, 4, 4)
    assert the(graph, "fused_conv").attrs["expression"].results == ()  # nothing else is written


def test_results_that_others_read_are_written_besides(parts):
    y, b = parts
    z = e.relu(y + b)
    graph, found = made(max_pool(z, **TWO), z)
    assert found == ["fused_conv"] and len(the(graph, "fused_conv").attrs["expression"].results) == 1
    assert names(max_pool(z, **TWO), reduction.sum_(z, (1,))) == ["fused_conv", "fused_reduce"]
    outputs = made(max_pool(z, **TWO), y + b, z)[0].outputs
    assert [out.shape for out in outputs] == [(y.shape[0], 4, 4, 4), z.shape, z.shape]


def test_windows_that_overlap_or_reach_over_the_border_stay(parts):
    y, _ = parts
    for change in ({"strides": (1, 1)}, {"window": (3, 3)}, {"padding": ((0, 0), (0, 1))}, {"strides": (3, 3)}):
        assert names(max_pool(y, **(TWO | change))) == ["conv", "max_pool"]


def test_the_gradient_reads_places_instead_of_what_was_pooled(parts):
    y, b = parts
    z = max_pool(e.relu(y + b), **TWO)
    graph, found = made(z, *gradients(reduction.sum_(z * z), [b, *y.inputs]))
    assert "fused_conv" in found and "max_pool_places_gradient" in found
    assert not {"max_pool", "max_pool_places", "max_pool_gradient"} & set(found)
    assert the(graph, "fused_conv").attrs["expression"].results == ()


def test_places_of_windows_too_large_for_a_byte_are_not_kept():
    x = placeholder((2, 32, 32, 3), "float32")
    for size, found in ((16, ["max_pool_places", "max_pool_places_gradient"]), (17, ["max_pool", "max_pool_gradient"])):
        how = {"window": (size, size), "strides": (size, size), "padding": ((0, 0), (0, 0))}
        z = max_pool(x, **how)
        assert set(names(z, *gradients(reduction.sum_(z), [x]))) >= set(found)


def test_a_gradient_without_the_maximum_finds_places_itself():
    x = placeholder((2, 8, 8, 3), "float32")
    (grad,) = gradients(reduction.sum_(max_pool(x, **TWO)), [x])
    assert "max_pool_gradient" in names(grad) and np.shape(grad.shape) == (4,)
