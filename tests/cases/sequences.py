"""Cases of running sums, printing and label sequences."""

from __future__ import annotations

import itertools

import numpy as np

from cases.base import FLOATS, HALVES, TABLE, Sample, draw
from symgraph.ops import ctc, cumulate, printing, scan
from symgraph.ops import shape as s


@TABLE.add("cumsum", (*FLOATS, *HALVES, "int32", "uint8"))
def _cumsum(dtype: str, rng: np.random.Generator) -> list[Sample]:
    made = []
    feeds = [(draw(rng, dtype, shape, -1, 1),) for shape in ((4, 5, 3), (0, 2, 1), (1, 1, 1), (3, 1, 1))]
    for axis, backwards in itertools.product((0, 1, 2), (False, True)):

        def expected(x: np.ndarray, axis: int = axis, backwards: bool = backwards) -> np.ndarray:
            source = np.flip(x, axis) if backwards else x
            total = np.cumsum(source, axis, dtype=x.dtype)
            return np.flip(total, axis) if backwards else total

        made.append(
            Sample(
                f"axis {axis}{' backwards' if backwards else ''}",
                feeds,
                lambda x, axis=axis, backwards=backwards: cumulate.cumsum(x, axis=axis, reverse=backwards),
                expected,
                (0,),
                scale=4,
            )
        )
    made.append(
        Sample(
            "of a transposed one",
            feeds[:1],
            lambda x: cumulate.cumsum(s.transpose(x, (2, 0, 1)), axis=1, reverse=False),
            lambda x: np.cumsum(np.transpose(x, (2, 0, 1)), 1, dtype=x.dtype),
            (0,),
            scale=4,
        )
    )
    return made


@TABLE.add("print_tensor", ("float64", "int32"))
def _print(dtype: str, rng: np.random.Generator) -> list[Sample]:
    feeds = [(draw(rng, dtype, (n,)),) for n in (3, 0)]
    return [Sample("row", feeds, lambda x: printing.print_tensor(x, message="x:"), lambda x: x, (0,))]


def _paths(scores: np.ndarray, top: int, merge: bool) -> tuple[np.ndarray, np.ndarray]:
    """The likeliest label sequences by adding up all alignments there are."""
    time, classes = scores.shape
    total: dict[tuple[int, ...], float] = {}
    for alignment in itertools.product(range(classes), repeat=time):
        kept = [c for k, c in enumerate(alignment) if c != classes - 1 and (k == 0 or alignment[k - 1] != c)]
        value = sum(scores[k, c] for k, c in enumerate(alignment))
        total[tuple(kept)] = np.logaddexp(total.get(tuple(kept), -np.inf), value)
    ranked = sorted(total.items(), key=lambda item: -item[1])[:top]
    paths = np.full((top, time), -1)
    for rank, (labels, _) in enumerate(ranked):
        shown = [label for k, label in enumerate(labels) if not merge or k == 0 or labels[k - 1] != label]
        paths[rank, : len(shown)] = shown
    return paths, np.array([value for _, value in ranked])


@TABLE.add("ctc_beam_search")
def _beam(dtype: str, rng: np.random.Generator) -> list[Sample]:
    """With a beam that is wide enough to hold every prefix, the search is exact."""
    made = []
    scores = np.log(rng.dirichlet(np.ones(3), (3, 5))).astype(dtype)
    steps = np.array([5, 4, 2])
    for merge, which in itertools.product((False, True), (0, 1)):

        def expected(
            x: np.ndarray, n: np.ndarray, merge: bool = merge, which: int = which
        ) -> np.ndarray:
            found = [_paths(rows[:count], 2, merge)[which] for rows, count in zip(x, n)]
            if which == 0:
                found = [np.pad(each, ((0, 0), (0, x.shape[1] - each.shape[1])), constant_values=-1) for each in found]
            return np.stack(found)

        made.append(
            Sample(
                f"{'merged' if merge else 'plain'} {which}",
                [(scores, steps)],
                lambda x, n, merge=merge, which=which: scan.item(
                    ctc.ctc_beam_search(x, n, beam_width=70, top_paths=2, merge_repeated=merge), which
                ),
                expected,
                scale=4,
            )
        )
    return made
