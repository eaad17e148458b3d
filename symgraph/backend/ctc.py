"""Connectionist temporal classification: the loss of label sequences without alignment, greedy and beam decoding.

A. Graves, S. Fernández, F. Gomez, J. Schmidhuber: "Connectionist temporal classification: labelling unsegmented
sequence data with recurrent neural networks", 2006. Everything is computed with logarithms of probabilities. The last
class is the blank.
"""

from __future__ import annotations

from typing import Any

from symgraph import config
from symgraph.graph.convert import as_float, as_node
from symgraph.graph.node import Node
from symgraph.graph.tensor import Tensor
from symgraph.graph.type import DimLike
from symgraph.ops import ctc, cumulate, linalg, nn, scan
from symgraph.ops import elementwise as e
from symgraph.ops import reduction as r
from symgraph.ops import shape as s
from symgraph.ops.leaf import constant
from symgraph.ops.op import ShapeError

__all__ = ["ctc_batch_cost", "ctc_decode", "ctc_label_dense_to_sparse"]

#: Stands for the logarithm of 0: sums of a few stay far from overflow, and differences are numbers.
_NEVER = -1e30


def _logarithms(probabilities: Any, function: str) -> Node:
    node = as_float(probabilities)
    if node.rank != 3:
        raise ShapeError(
            f"{function}: y_pred must be (batch, time, classes), got shape {node.tensor_type.static_shape}"
        )
    return e.log(node + config.epsilon())


def _lengths(value: Any, batch: DimLike, function: str, name: str) -> Node:
    """Lengths as (batch, 1) int64, from (batch, 1) or (batch,)."""
    node = e.cast(as_node(value), "int64")
    if node.rank not in (1, 2):
        shape = node.tensor_type.static_shape
        raise ShapeError(f"{function}: {name} must have the shape (batch, 1) or (batch,), got {shape}")
    return s.reshape(node, (batch, 1))


def _row(size: DimLike) -> Node:
    return s.iota(shape=(1, size), axis=1, dtype="int64")


def ctc_batch_cost(y_true: Any, y_pred: Any, input_length: Any, label_length: Any) -> Tensor:
    """Return the loss of each sequence: minus the logarithm of the probability of all alignments with its labels.

    Args:
        y_true: (batch, most labels) class numbers.
        y_pred: (batch, time, classes) probabilities, the blank being the last class.
        input_length: (batch, 1) how many time steps of y_pred count.
        label_length: (batch, 1) how many labels of y_true count.

    Returns:
        (batch, 1); infinite where the labels do not fit into the time steps.
    """
    function = "ctc_batch_cost"
    scores = nn.log_softmax(_logarithms(y_pred, function))
    batch, _, classes = scores.shape
    labels = e.cast(as_node(y_true), "int64")
    if labels.rank != 2:
        raise ShapeError(f"{function}: y_true must be (batch, labels), got shape {labels.tensor_type.static_shape}")
    steps = _lengths(input_length, batch, function, "input_length")
    length = _lengths(label_length, batch, function, "label_length")

    # Labels with blanks between and around: blank, label, blank, label, ..., blank.
    last = constant(classes, "int64") if isinstance(classes, int) else s.dims((classes,), scalar=True)
    blank = last - 1
    many = labels.shape[1]
    blanks = s.broadcast_to(blank, labels.shape)
    pairs = s.reshape(s.stack([blanks, labels], 2), (batch, 2 * many))
    path = s.concatenate([pairs, s.broadcast_to(blank, (batch, 1))], 1)
    places = 2 * many + 1
    # A blank may be left out between two different labels.
    before = s.pad(s.slice_axis(path, 1, 0, places - 2), ((0, 0), (2, 0)), -1)
    may_skip = e.logical_and(e.not_equal(path, blank), e.not_equal(path, before))
    may_skip = e.logical_and(may_skip, e.greater_equal(_row(places), constant(2, "int64")))

    chosen = e.equal(s.expand(path, (1,)), s.iota(shape=(classes, 1), axis=0, dtype="int64"))
    emitted = linalg.matmul(scores, e.cast(chosen, scores.dtype))  # (batch, time, places)
    emitted = s.transpose(emitted, (1, 0, 2))
    counts = e.less(s.iota(shape=(emitted.shape[0], 1, 1), axis=0, dtype="int64"), s.expand(steps, (0,)))
    never = constant(_NEVER, scores.dtype)

    def moved(state: Node, by: int) -> Node:
        return s.pad(s.slice_axis(state, 1, 0, places - by), ((0, 0), (by, 0)), _NEVER)

    def step(slices: list[Node], states: list[Node]) -> tuple[list[Node], list[Node]]:
        score, alive = slices
        (state,) = states
        skipped = e.where(may_skip, moved(state, 2), never)
        total = _sum_of_three(state, moved(state, 1), skipped)
        return [e.where(alive, e.maximum(total + score, never), state)], []

    start = e.where(e.equal(_row(places), constant(0, "int64")), e.zero(scores), never)
    ((final,), _) = scan.scan(step, [emitted, counts], [s.broadcast_to(start, (batch, places))])
    ends = e.logical_or(e.equal(_row(places), length * 2), e.equal(_row(places), length * 2 - 1))
    likelihood = _log_sum(e.where(ends, final, never))
    loss = e.where(e.less(likelihood, never * 0.5), constant(float("inf"), scores.dtype), -likelihood)
    return Tensor(loss, "ctc_batch_cost")


def _sum_of_three(x: Node, y: Node, z: Node) -> Node:
    top = e.stop_gradient(e.maximum(e.maximum(x, y), z))
    return top + e.log(e.exp(x - top) + e.exp(y - top) + e.exp(z - top))


def _log_sum(x: Node) -> Node:
    top = e.stop_gradient(r.max_(x, 1, True))
    return top + e.log(r.sum_(e.exp(x - top), 1, True))


def ctc_label_dense_to_sparse(labels: Any, label_lengths: Any) -> Tensor:
    """Return labels (batch, most labels) with -1 in the places beyond the length of each sequence.

    There are no sparse tensors here; this is the dense form of the one that Keras makes.
    """
    node = as_node(labels)
    function = "ctc_label_dense_to_sparse"
    if node.rank != 2:
        raise ShapeError(f"{function}: labels must be (batch, labels), got shape {node.tensor_type.static_shape}")
    length = _lengths(label_lengths, node.shape[0], function, "label_lengths")
    return Tensor(e.where(e.less(_row(node.shape[1]), length), node, constant(-1, node.dtype)))


def ctc_decode(
    y_pred: Any,
    input_length: Any,
    greedy: bool = True,
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = False,
) -> tuple[list[Tensor], Tensor]:
    """Return likely label sequences.

    Args:
        y_pred: (batch, time, classes) probabilities, the blank being the last class.
        input_length: (batch,) how many time steps count.
        greedy: take the likeliest class of each step; else search with a beam.
        beam_width: how many prefixes the beam search keeps.
        top_paths: how many sequences the beam search returns.
        merge_repeated: whether the beam search drops repeated labels of the sequences that it returns.

    Returns:
        (a list of `top_paths` tensors (batch, time) of int64 labels, -1 behind the last, and a tensor of scores: for
        the greedy path (batch, 1) minus the sum of the logarithms, for the beam (batch, top_paths) logarithms of
        probabilities).
    """
    function = "ctc_decode"
    scores = _logarithms(y_pred, function)
    batch = scores.shape[0]
    steps = _lengths(input_length, batch, function, "input_length")
    if not greedy:
        if not 1 <= int(top_paths) <= int(beam_width):
            raise ValueError(f"{function}: expected 1 <= top_paths <= beam_width, got {top_paths} and {beam_width}")
        found = ctc.ctc_beam_search(
            nn.log_softmax(scores),
            s.reshape(steps, (batch,)),
            beam_width=int(beam_width),
            top_paths=int(top_paths),
            merge_repeated=bool(merge_repeated),
        )
        paths, likelihood = scan.item(found, 0), scan.item(found, 1)
        each = [
            Tensor(s.reshape(s.slice_axis(paths, 1, k, 1), (batch, paths.shape[2])), "ctc_decode")
            for k in range(int(top_paths))
        ]
        return each, Tensor(likelihood, "ctc_decode")
    counts = e.less(_row(scores.shape[1]), steps)
    best = r.argmax_op(scores, axis=2)
    classes = scores.shape[2]
    last = constant(classes, "int64") if isinstance(classes, int) else s.dims((classes,), scalar=True)
    previous = s.pad(s.slice_axis(best, 1, 0, scores.shape[1] - 1), ((0, 0), (1, 0)), -1)
    kept = e.logical_and(e.not_equal(best, last - 1), e.not_equal(best, previous))
    kept = e.logical_and(kept, counts)
    place = cumulate.cumsum(e.cast(kept, "int64"), axis=1, reverse=False) - 1
    # Each kept label goes to its place: (batch, place, time), of which at most one time is true.
    goes = e.logical_and(
        s.expand(kept, (1,)),
        e.equal(s.expand(place, (1,)), s.iota(shape=(scores.shape[1], 1), axis=0, dtype="int64")),
    )
    packed = r.sum_(e.where(goes, s.expand(best + 1, (1,)), constant(0, "int64")), 2) - 1
    total = -r.sum_(e.where(counts, r.max_(scores, 2), e.zero(scores)), 1, True)
    return [Tensor(packed, "ctc_decode")], Tensor(total, "ctc_decode")
