"""Beam search over label prefixes."""

from __future__ import annotations

from symgraph.graph.type import FLOATS, TensorType, TupleType, equal
from symgraph.ops.op import ShapeError, declare


def _infer(
    scores: TensorType, steps: TensorType, beam_width: int, top_paths: int, merge_repeated: bool
) -> TupleType:
    if scores.dtype not in FLOATS or scores.rank != 3:
        raise ShapeError(f"ctc_beam_search: expected scores (batch, time, classes), got {scores}")
    if steps.dtype != "int64" or steps.rank != 1 or not equal(steps.shape[0], scores.shape[0]):
        raise ShapeError(f"ctc_beam_search: expected int64 lengths (batch,), got {steps}")
    batch, time, _ = scores.shape
    return TupleType(
        (TensorType("int64", (batch, top_paths, time)), TensorType(scores.dtype, (batch, top_paths)))
    )


#: The likeliest label sequences and the logarithms of their probabilities, by prefix beam search (Graves 2006). Scores
#: are logarithms of probabilities, the blank being the last class; unused places hold -1.
ctc_beam_search = declare("ctc_beam_search", infer=_infer, has_gradient=False)
