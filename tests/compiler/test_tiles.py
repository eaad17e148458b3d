"""The gradient of a tensor that is read in slices: blocks side by side become one concatenation."""

import numpy as np
import pytest

from symgraph import backend as K
from symgraph.compiler.graph import Graph
from symgraph.compiler.simplify import simplify
from symgraph.graph.traverse import topological_order
from symgraph.runtime import executor


def slices_of(x, bounds, axis):
    parts = []
    for start, stop in bounds:
        key = [slice(None)] * K.ndim(x)
        key[axis] = slice(start, stop)
        parts.append(x[tuple(key)])
    return parts


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("bounds, joined", [
    ([(0, 2), (2, 5), (5, 6)], True),  # side by side
    ([(5, 6), (0, 2), (2, 5)], True),  # in another order
    ([(0, 2), (3, 6)], False),  # a gap
    ([(0, 4), (2, 6)], False),  # an overlap
    ([(0, 2), (2, 5)], False),  # not up to the end
])
def test_blocks_side_by_side(bounds, joined, axis):
    x = K.placeholder((6, 6, 6))
    rng = np.random.default_rng(0)
    total, want = 0.0, np.zeros((6, 6, 6))
    for part, (start, stop) in zip(slices_of(x, bounds, axis), bounds):
        factor = rng.normal(size=K.int_shape(part)).astype("float32")
        total = total + K.sum(part * K.constant(factor))
        key = [slice(None)] * 3
        key[axis] = slice(start, stop)
        want[tuple(key)] += factor
    (gradient,) = K.gradients(total, x)
    with executor.use("numpy"):
        got = K.function([x], [gradient])([np.zeros((6, 6, 6))])[0]
    np.testing.assert_allclose(got, want, rtol=1e-6)
    graph = simplify(Graph((x.node,), (gradient.node,)), executor.evaluate)
    names = {node.op.name for node in topological_order(graph.outputs)}
    assert ("concatenate" in names, "embed" in names) == (joined, not joined)
