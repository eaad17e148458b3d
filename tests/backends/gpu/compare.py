"""The same graph on two executors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph.graph.tensor import Tensor
from symgraph.ops.leaf import placeholder
from symgraph.runtime import executor
from symgraph.runtime.function import Function


def node_input(shape: Sequence[Any], dtype: str):
    """Return a placeholder node."""
    return placeholder(tuple(shape), dtype)


def run(nodes: Sequence[Any], feeds: Sequence[tuple[Any, np.ndarray]], on: Any, updates: Sequence[Any] = ()) -> list:
    """Compute nodes on an executor.

    Args:
        nodes: what to compute.
        feeds: (placeholder node, array) pairs.
        on: the executor, or the name of one.
        updates: (variable, value) pairs.
    """
    chosen = executor.executor(on) if isinstance(on, str) else on
    function = Function([Tensor(node) for node, _ in feeds], [Tensor(node) for node in nodes], updates, executor=chosen)
    return function([array for _, array in feeds])


def agree(nodes: Sequence[Any], feeds: Sequence[tuple[Any, np.ndarray]], gpu: Any, rtol: float, atol: float = 0.0):
    """Compute nodes with the reference executor and on `gpu`; compare, and return the second results."""
    expected = run(nodes, feeds, "numpy")
    results = run(nodes, feeds, gpu)
    for wanted, got in zip(expected, results, strict=True):
        assert got.dtype == wanted.dtype and got.shape == wanted.shape
        if wanted.dtype.kind in "biu":
            np.testing.assert_array_equal(got, wanted)
        else:
            np.testing.assert_allclose(got.astype(np.float64), wanted.astype(np.float64), rtol=rtol, atol=atol)
    return results
