"""Native kernels of the table run as plain Python: no access outside of any buffer, with any number of threads."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from cases import CASES, TOLERANCE, Case, wide

from symgraph.backends.cpu.checked import run_checked
from symgraph.graph.tensor import Tensor
from symgraph.graph.type import numpy_dtype
from symgraph.ops.op import REGISTRY
from symgraph.runtime.executor import use
from symgraph.runtime.function import Function

GENERAL = [
    case for case in CASES if REGISTRY[case.op].kind == "general" and "float64" in case.dtypes and case.op != "matmul"
]


@pytest.mark.parametrize("case", GENERAL, ids=lambda case: case.name)
def test_no_access_outside(case: Case) -> None:
    samples = case.samples("float64", np.random.default_rng(zlib.crc32(case.name.encode())))
    samples = [sample for sample in samples if sample.label != "2d larger kernel"]  # long in plain Python
    inputs = [sample.placeholders() for sample in samples]
    outputs = [sample.build(*nodes) for sample, nodes in zip(samples, inputs, strict=True)]
    feed = [array for sample in samples for array in sample.feeds[0]]
    with use("numba"):
        function = Function([Tensor(node) for nodes in inputs for node in nodes], list(map(Tensor, outputs)))
        function(feed)
    for threads in (1, 3):
        results = run_checked(function.bound(), feed, threads)
        for sample, node, result in zip(samples, outputs, results, strict=True):
            with np.errstate(all="ignore"):
                expected = np.asarray(sample.expected(*map(wide, sample.feeds[0])))
            tolerance = 4 * sample.scale * TOLERANCE.get(node.dtype, 0)
            size = np.abs(expected[np.isfinite(expected)]).max(initial=1e-6)
            np.testing.assert_allclose(
                result.astype("float64"), expected.astype(numpy_dtype(node.dtype)).astype("float64"), rtol=tolerance,
                atol=tolerance * size, err_msg=f"{sample.label}, {threads} threads",
            )  # fmt: skip
