"""Beam search over label prefixes. Prefixes are nodes of a tree; each node that is alive is a row of the beam."""

from __future__ import annotations

from collections.abc import Sequence

from symgraph.backends.cpu.lower.window import indented, kernel_call, name_views
from symgraph.backends.cpu.table import Arguments, KernelCall, register
from symgraph.compiler.program import Buffer, Step
from symgraph.graph.type import DimLike


def _scratch(step: Step) -> list[tuple[str, DimLike]]:
    """The tree (parent and label of each node), and two beams (node, two probabilities), for each sample."""
    scores = step.inputs[0]
    batch, time, _ = scores.shape
    width = step.attrs["beam_width"]
    return [
        ("int64", batch * (width * time + 1) * 2),
        ("int64", batch * width * 4),
        ("float64", batch * width * 6),
    ]


_JOIN = [  # the logarithm of the sum of two probabilities: left, right -> joined
    "joined = left",
    "if right > left:",
    "    joined = right",
    "if joined > never:",
    "    joined = joined + log_float64(exp_float64(left - joined) + exp_float64(right - joined))",
]


def _offer(label: str) -> list[str]:
    """Lines that put a candidate (from, label, blank, ending) into the new beam, if it is among the best."""
    return [
        "left = blank_end",
        "right = label_end",
        *_JOIN,
        "slot = -1",
        "if new < width:",
        "    slot = new",
        "    new += 1",
        "elif new > 0:",
        "    worst = 0",
        "    for k in range(1, new):",
        "        if value[values + (width + k) * 3 + 2] < value[values + (width + worst) * 3 + 2]:",
        "            worst = k",
        "    if joined > value[values + (width + worst) * 3 + 2]:",
        "        slot = worst",
        "if slot >= 0:",
        "    node[nodes + (width + slot) * 2] = origin",
        f"    node[nodes + (width + slot) * 2 + 1] = {label}",
        "    value[values + (width + slot) * 3] = blank_end",
        "    value[values + (width + slot) * 3 + 1] = label_end",
        "    value[values + (width + slot) * 3 + 2] = joined",
    ]


def _search() -> list[str]:
    """Lines that search one sample."""
    stay = [
        # The same prefix: a blank, or its last label again; or its parent, if that is alive, and its last label.
        "origin = node[nodes + b * 2]",
        "last = tree[trees + origin * 2 + 1]",
        "blank_end = value[values + b * 3 + 2] + float64(scores[row + blank])",
        "label_end = never",
        "if last >= 0:",
        "    label_end = value[values + b * 3 + 1] + float64(scores[row + last])",
        "    for p in range(alive):",
        "        if node[nodes + p * 2] == tree[trees + origin * 2]:",
        "            came = value[values + p * 3 + 2]",
        "            if tree[trees + tree[trees + origin * 2] * 2 + 1] == last:",
        "                came = value[values + p * 3]",
        "            left = label_end",
        "            right = came + float64(scores[row + last])",
        *indented(_JOIN, 3),
        "            label_end = joined",
        *_offer("-2"),
    ]
    grow = [
        # One label more, unless that prefix is alive itself: then it has been counted there.
        "origin = node[nodes + b * 2]",
        "last = tree[trees + origin * 2 + 1]",
        "known = 0",
        "for p in range(alive):",
        "    q = node[nodes + p * 2]",
        "    if q > 0 and tree[trees + q * 2] == origin and tree[trees + q * 2 + 1] == label:",
        "        known = 1",
        "if known == 0:",
        "    blank_end = never",
        "    label_end = value[values + b * 3 + 2]",
        "    if label == last:",
        "        label_end = value[values + b * 3]",
        "    label_end = label_end + float64(scores[row + label])",
        *indented(_offer("label")),
    ]
    adopt = [
        "for k in range(new):",
        "    origin = node[nodes + (width + k) * 2]",
        "    label = node[nodes + (width + k) * 2 + 1]",
        "    if label >= 0:",
        "        tree[trees + size * 2] = origin",
        "        tree[trees + size * 2 + 1] = label",
        "        origin = size",
        "        size += 1",
        "    node[nodes + k * 2] = origin",
        "    for part in range(3):",
        "        value[values + k * 3 + part] = value[values + (width + k) * 3 + part]",
        "alive = new",
    ]
    return [
        "trees = tree_0 + sample * (width * time + 1) * 2",
        "nodes = node_0 + sample * width * 4",
        "values = value_0 + sample * width * 6",
        "tree[trees] = -1",
        "tree[trees + 1] = -1",
        "size = 1",
        "alive = 1",
        "node[nodes] = 0",
        "value[values] = 0.0",
        "value[values + 1] = never",
        "value[values + 2] = 0.0",
        "count = steps[steps_0 + sample]",
        "if count > time:",
        "    count = time",
        "for t in range(count):",
        "    row = scores_0 + (sample * time + t) * classes",
        "    new = 0",
        "    for b in range(alive):",
        *indented(stay, 2),
        "    for b in range(alive):",
        "        for label in range(blank):",
        *indented(grow, 3),
        *indented(adopt),
    ]


def _back(merge: bool, lines: list[str]) -> list[str]:
    """Lines that walk from a node to the root; with `merge`, past labels that repeat the one before."""
    repeated = "if tree[trees + at * 2 + 1] != tree[trees + tree[trees + at * 2] * 2 + 1]:"
    return [
        "at = node[nodes + best * 2]",
        "while at > 0:",
        *indented([repeated, *indented(lines)] if merge else lines),
        "    at = tree[trees + at * 2]",
    ]


def _results(kind: str, merge: bool) -> list[str]:
    """Lines that write the best prefixes of one sample, likeliest first."""
    write = [
        "place = paths_0 + (sample * top + rank) * time",
        "for t in range(time):",
        "    paths[place + t] = -1",
        f"likelihood[likelihood_0 + sample * top + rank] = {kind}(never)",
        "best = -1",
        "for k in range(alive):",
        "    if node[nodes + k * 2] >= 0:",
        "        if best < 0:",
        "            best = k",
        "        elif value[values + k * 3 + 2] > value[values + best * 3 + 2]:",
        "            best = k",
        "if best >= 0:",
        f"    likelihood[likelihood_0 + sample * top + rank] = {kind}(value[values + best * 3 + 2])",
        "    length = 0",
        *indented(_back(merge, ["length += 1"])),
        *indented(_back(merge, ["length -= 1", "paths[place + length] = tree[trees + at * 2 + 1]"])),
        "    node[nodes + best * 2] = -1",
    ]
    return ["for rank in range(top):", *indented(write)]


@register("ctc_beam_search", scratch=_scratch)
def ctc_beam_search(step: Step, buffers: Sequence[Buffer]) -> list[KernelCall]:
    """Threads share the samples."""
    scores, steps = step.inputs
    paths, likelihood = step.outputs
    tree, node, value = step.scratch
    arguments = Arguments()
    name_views(
        arguments, buffers, scores=scores, steps=steps, paths=paths, likelihood=likelihood, tree=tree, node=node,
        value=value,
    )  # fmt: skip
    for name, size in zip(("batch", "time", "classes"), scores.shape, strict=True):
        arguments.named(name, size)
    arguments.named("width", step.attrs["beam_width"])
    arguments.named("top", step.attrs["top_paths"])
    body = [
        "never = float64(-1e400)",
        "blank = classes - 1",
        "start, stop = span(batch, thread, threads)",
        "for sample in range(start, stop):",
        *indented([*_search(), *_results(likelihood.dtype, step.attrs["merge_repeated"])]),
    ]
    work = scores.size * step.attrs["beam_width"] * step.attrs["beam_width"]
    return [kernel_call("ctc_beam_search", arguments, body, work)]
