"""Beam search: fetched, searched on the host, sent back."""

from __future__ import annotations

import numpy as np
from compare import node_input, run
from host_kernels import needs_compiler

from symgraph.graph.type import new_symbol
from symgraph.ops import elementwise
from symgraph.ops.ctc import ctc_beam_search
from symgraph.ops.scan import item

pytestmark = needs_compiler


def test_the_search_reads_and_feeds_kernels(gpu):
    batch = new_symbol()
    scores, steps = node_input((batch, 5, 4), "float32"), node_input((batch,), "int64")
    found = ctc_beam_search(scores * 2.0, steps, beam_width=8, top_paths=2, merge_repeated=False)
    nodes = [item(found, 0), elementwise.exp(item(found, 1))]
    rng = np.random.RandomState(0)
    for size in (3, 1):
        array = np.log(rng.dirichlet(np.ones(4), (size, 5))).astype(np.float32)
        feeds = [(scores, array), (steps, np.array([5, 3, 1][:size], np.int64))]
        (paths, chances), (wanted, expected) = run(nodes, feeds, gpu), run(nodes, feeds, "numpy")
        np.testing.assert_array_equal(paths, wanted)
        np.testing.assert_allclose(chances, expected, rtol=1e-6)
        assert paths.shape == (size, 2, 5) and (paths >= -1).all() and (paths < 3).all()
