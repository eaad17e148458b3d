"""Beam search over label prefixes, in Python."""

from __future__ import annotations

import numpy as np

from symgraph.backends.reference.table import register


def _search(scores: np.ndarray, width: int) -> list[tuple[tuple[int, ...], float]]:
    """Return prefixes with the logarithm of their probability, likeliest first."""
    classes = scores.shape[1]
    blank = classes - 1
    never = -np.inf
    beam: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, never)}  # ending in a blank, ending in its last label
    for row in scores:
        found: dict[tuple[int, ...], list[float]] = {}

        def entry(prefix: tuple[int, ...], found: dict[tuple[int, ...], list[float]] = found) -> list[float]:
            return found.setdefault(prefix, [never, never])

        for prefix, (by_blank, by_label) in beam.items():
            total = np.logaddexp(by_blank, by_label)
            same = entry(prefix)
            same[0] = np.logaddexp(same[0], total + row[blank])
            if prefix:
                same[1] = np.logaddexp(same[1], by_label + row[prefix[-1]])
            for label in range(blank):
                longer = entry((*prefix, label))
                origin = by_blank if prefix and prefix[-1] == label else total
                longer[1] = np.logaddexp(longer[1], origin + row[label])
        ranked = sorted(found.items(), key=lambda item: -np.logaddexp(item[1][0], item[1][1]))[:width]
        beam = {prefix: (values[0], values[1]) for prefix, values in ranked}
    totals = [(prefix, float(np.logaddexp(values[0], values[1]))) for prefix, values in beam.items()]
    return sorted(totals, key=lambda item: -item[1])


@register("ctc_beam_search")
def ctc_beam_search(attrs, scores, steps):
    paths = np.full((scores.shape[0], attrs["top_paths"], scores.shape[1]), -1, np.int64)
    likelihood = np.full((scores.shape[0], attrs["top_paths"]), -np.inf, scores.dtype)
    with np.errstate(all="ignore"):
        for sample, count in enumerate(steps):
            ranked = _search(scores[sample, : max(int(count), 0)].astype(np.float64), attrs["beam_width"])
            for rank, (prefix, value) in enumerate(ranked[: attrs["top_paths"]]):
                if attrs["merge_repeated"]:
                    prefix = tuple(label for k, label in enumerate(prefix) if k == 0 or label != prefix[k - 1])
                paths[sample, rank, : len(prefix)] = prefix
                likelihood[sample, rank] = value
    return paths, likelihood
