"""Beam search over label prefixes, on the host: it follows one data-dependent path and would leave a GPU idle."""

from __future__ import annotations

import numpy as np

from symgraph.backends.gpu.calls import Call, OnHost, Sizes
from symgraph.backends.gpu.table import register
from symgraph.compiler.program import Step


@register("ctc_beam_search")
def ctc_beam_search(step: Step) -> list[Call]:
    """The search of the reference executor."""
    from symgraph.backends.reference.executor import concrete
    from symgraph.backends.reference.lower.ctc import ctc_beam_search as search

    def function(sizes: Sizes, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        return search(concrete(step.attrs, dict(sizes)), *arrays)

    return [OnHost(step.name, function, step.inputs, step.outputs)]
