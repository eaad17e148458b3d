"""Running sums against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from compare import node_input, run
from host_kernels import needs_compiler

from symgraph.graph.type import new_symbol
from symgraph.ops.cumulate import cumsum

pytestmark = needs_compiler


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int8", "uint64"])
@pytest.mark.parametrize("reverse", [False, True])
def test_running_sums(gpu, dtype, reverse):
    rng = np.random.RandomState(0)
    a = node_input((new_symbol(), 300, 3), dtype)
    nodes = [cumsum(a, axis=axis, reverse=reverse) for axis in range(3)]
    x = rng.randint(0, 4, (2, 300, 3)).astype(dtype)  # sums that every type holds exactly, or wraps around
    results = run(nodes, [(a, x)], gpu)
    for axis, got in enumerate(results):
        turned = np.flip(x, axis) if reverse else x
        wanted = np.cumsum(turned, axis=axis, dtype=dtype)
        np.testing.assert_array_equal(got, np.flip(wanted, axis) if reverse else wanted)


@pytest.mark.parametrize("length", [0, 1, 63, 64, 255, 256, 257, 1000])
def test_dense_lines_of_every_length(gpu, length):
    x = np.random.RandomState(1).rand(3, length)
    a = node_input((3, new_symbol()), "float64")
    forward, backward = run([cumsum(a, axis=1, reverse=False), cumsum(a, axis=1, reverse=True)], [(a, x)], gpu)
    np.testing.assert_allclose(forward, np.cumsum(x, 1), rtol=1e-12)
    np.testing.assert_allclose(backward, np.cumsum(x[:, ::-1], 1)[:, ::-1], rtol=1e-12)
