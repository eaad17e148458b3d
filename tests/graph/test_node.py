"""Nodes are interned and immutable, and go when nobody holds them."""

import gc
import weakref

import numpy as np
import pytest

from symgraph.graph.node import Constant
from symgraph.graph.traverse import consumers, rewrite, topological_order
from symgraph.ops import elementwise, random
from symgraph.ops.leaf import constant, placeholder
from symgraph.ops.op import ShapeError


def test_the_same_expression_is_the_same_node():
    x = placeholder((2, 3), "float32")
    assert elementwise.exp(x) is elementwise.exp(x)
    assert x + 1 is x + 1.0
    assert constant([1, 2], "float32") is constant(np.array([1.0, 2.0]), "float32")
    assert placeholder((2, 3), "float32") is not x


def test_two_random_streams_are_two_nodes():
    step = placeholder((), "uint32")
    make = lambda stream: random.random_uniform(step, seed=1, stream=stream, shape=(3,), dtype="float32")  # noqa: E731
    assert make(1) is make(1)
    assert make(1) is not make(2)


def test_nodes_cannot_be_changed():
    node = elementwise.cast(placeholder((2,), "float32"), "int32")
    with pytest.raises(TypeError, match="immutable"):
        node.attrs["dtype"] = "int64"
    value = Constant(np.ones(3))
    with pytest.raises(ValueError):
        value.value[0] = 2


def test_nodes_go_when_nobody_holds_them():
    x = placeholder((2,), "float32")
    gone = weakref.ref(elementwise.exp(x) * 3)
    gc.collect()
    assert gone() is None


def test_wrong_inputs_are_refused_when_the_node_is_made():
    with pytest.raises(ShapeError, match=r"\(2, 3\) and \(4,\)"):
        elementwise.add(placeholder((2, 3), "float32"), placeholder((4,), "float32"))
    with pytest.raises(TypeError, match="one element type"):
        elementwise.add(placeholder((2,), "float32"), placeholder((2,), "int32"))


def test_order_rewriting_and_readers():
    x = placeholder((2,), "float32")
    square = elementwise.square(x)
    both = elementwise.exp(square) + elementwise.log(square)
    order = topological_order([both])
    assert order.index(x) < order.index(square) < order.index(both) and len(order) == 5
    assert sorted(node.op.name for node in consumers(order)[square]) == ["exp", "log"]
    y = placeholder((2,), "float32")
    replaced = rewrite([both], lambda node, inputs: y if node is x else node.op(*inputs, **node.attrs))[both]
    assert replaced is elementwise.exp(elementwise.square(y)) + elementwise.log(elementwise.square(y))
    assert topological_order([both], stop={square}) == [square, *order[2:]]


def test_deep_graphs_need_no_recursion():
    node = placeholder((), "float32")
    for _ in range(5000):
        node = elementwise.sin(node)
    assert len(topological_order([node])) == 5001
