"""What ``symgraph bench`` shows: the tables, the comparison with an earlier run, the picture."""

from __future__ import annotations

import importlib.util
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from symgraph.benchmarking.processes import PEERS
from symgraph.cli import CommandError, print_table

__all__ = [
    "command", "describe_roofline", "draw", "markdown", "print_results", "read_history", "require_matplotlib", "save",
]  # fmt: skip

#: What identifies a measurement from run to run.
_KEY = ("workload", "batch", "threads", "contestant")
_HEADER = [
    "workload", "batch", "threads", "contestant", "import", "first step cold", "from cache", "warm step", "spread",
    "peak memory", "loss", "times best peer", "of roofline",
]  # fmt: skip


def command(
    names: Sequence[str],
    executors: Sequence[str],
    peers: Sequence[str],
    batches: Sequence[int],
    threads: Sequence[int],
    seconds: float,
    cold: bool,
) -> str:
    """The command that measures the same: without what names interpreters and files of this machine."""
    words = ["symgraph", "bench"]
    for option, values in (("--workload", names), ("--executor", executors), ("--peer", peers)):
        words += [word for value in values for word in (option, value)]
    words += ["--batch", *map(str, batches)] if batches else []
    words += ["--threads", *map(str, threads), "--seconds", f"{seconds:g}", *["--no-cold"] * (not cold)]
    return shlex.join(words)


def duration(seconds: float | None) -> str:
    """Seconds in the unit that fits; '-' for what was not measured."""
    if seconds is None:
        return "-"
    if seconds < 1e-3:
        return f"{seconds * 1e6:.1f} us"
    return f"{seconds * 1e3:.2f} ms" if seconds < 1 else f"{seconds:.2f} s"


def print_results(results: Sequence[dict[str, Any]], earlier: dict[Any, dict[str, Any]] | None = None) -> None:
    """Print a row for each result; with `earlier` (see `read_history`) also the step's time then, and the ratio."""
    header = list(_HEADER)
    if earlier is not None:
        header += ["before", "times faster"]
    print_table(header, [_row(result, earlier) for result in results])


def _row(result: dict[str, Any], earlier: dict[Any, dict[str, Any]] | None) -> list[str]:
    ratio = result.get("times_best_peer")
    row = [
        result["workload"],
        str(result["batch"]),
        str(result["threads"]),
        result["contestant"],
        duration(result["import_seconds"]),
        duration(result.get("first_step_cold_seconds")),
        duration(result["first_step_cached_seconds"]),
        duration(result["step_seconds"]),
        f"{result['step_spread']:.0%}",
        f"{result['peak_megabytes']:.0f} MB",
        f"{result['loss']:.5f}" + ("" if result["loss_agrees"] else " (!)"),
        "-" if ratio is None else f"{ratio:.2f}",
        f"{result['roofline_share']:.0%}",
    ]
    if earlier is not None:
        before = earlier.get(_key(result))
        row += [duration(before["step_seconds"] if before else None)]
        row += [f"{before['step_seconds'] / result['step_seconds']:.2f}" if before else "-"]
    return row


def _summary_rows(results: Sequence[dict[str, Any]]) -> list[list[str]]:
    """A row for each result of symgraph: beside its step the best peer's, beside its memory the smallest peer's."""
    rows = []
    for result in results:
        if result["contestant"] in PEERS:
            continue
        group = [each for each in results if _key(each)[:3] == _key(result)[:3] and each["contestant"] in PEERS]
        row = [result["workload"], str(result["batch"]), str(result["threads"]), result["contestant"]]
        row += [duration(result["step_seconds"])]
        if group:
            best = min(group, key=lambda each: each["step_seconds"])
            small = min(group, key=lambda each: each["peak_megabytes"])
            row += [
                duration(best["step_seconds"]) + " " + best["contestant"],
                f"{result['times_best_peer']:.2f}",
                f"{result['times_best_peer_fastest']:.2f}",
                f"{result['peak_megabytes']:.0f} MB",
                f"{small['peak_megabytes']:.0f} MB {small['contestant']}",
            ]
        else:
            row += ["-", "-", "-", f"{result['peak_megabytes']:.0f} MB", "-"]
        rows.append(row)
    return rows


def markdown(whole: dict[str, Any]) -> str:
    """Tables in Markdown: symgraph beside the best of the peers, then every contestant, and how they were measured.

    # Arguments
        whole: what ``symgraph bench --json`` writes.
    """
    machine, results = whole["machine"], whole["results"]
    named = {each["contestant"] if each["contestant"] in PEERS else "symgraph": each["version"] for each in results}
    packages = {**machine["packages"], **named}
    of_summary = [
        "workload", "batch", "threads", "executor", "step", "best peer's", "times as fast", "fastest steps",
        "peak memory", "smallest peer's",
    ]  # fmt: skip
    begin, end = whole["begin"], whole.get("end", whole["begin"])
    parts = [
        f"`{whole['command']}`",
        f"{machine['processor']} ({machine['target']}), {machine['processors']} processors, {machine['platform']}; "
        f"Python {machine['python']}, " + ", ".join(f"{name} {version}" for name, version in packages.items()) + ".",
        f"{begin['time']} to {end['time']}; load averages {_load(begin)} at the beginning, {_load(end)} at the end. "
        + "; ".join(describe_roofline(limits) for limits in whole["roofline"])
        + ".",
        "Times are medians of the warm steps of contestants that took turns; `fastest steps` is the ratio of the "
        "fastest ones, which other programs on the machine disturb less.",
        _markdown_table(of_summary, _summary_rows(results)),
        "Every contestant, `times best peer` by medians, `of roofline` as the share of what the machine does at most:",
        _markdown_table(_HEADER, [_row(result, None) for result in results]),
    ]
    if whole.get("interrupted"):
        parts.append("Interrupted: the rest was not measured.")
    parts += ["\n".join(f"- {line}" for line in [*whole["skipped"], *whole["failures"]])]
    return "\n\n".join(part for part in parts if part) + "\n"


def _load(moment: dict[str, Any]) -> str:
    return " ".join(f"{each:.2f}" for each in moment["load"]) if moment["load"] else "unknown"


def _markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def describe_roofline(limits: dict[str, float]) -> str:
    """What was measured of the machine, in words."""
    threads = limits["threads"]
    return (
        f"{threads} thread{'' if threads == 1 else 's'}: this machine multiplies matrices at "
        f"{limits['flops_per_second'] / 1e9:.0f} GFLOP/s and copies at {limits['bytes_per_second'] / 1e9:.1f} GB/s"
    )


def _key(result: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(result[name] for name in _KEY)


def read_history(name: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The results of an earlier JSON file, by workload, batch, threads and contestant.

    # Raises
        CommandError: there is no such file, or it is not what ``symgraph bench --json`` writes.
    """
    try:
        found = json.loads(Path(name).read_text(encoding="utf-8"))
        return {_key(result): {"step_seconds": float(result["step_seconds"])} for result in found["results"]}
    except OSError as error:
        raise CommandError(f"--history {name}: cannot be read: {error.strerror or error}") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise CommandError(f"--history {name}: not what `symgraph bench --json FILE` writes") from None


def save(whole: dict[str, Any], as_json: str | None, as_markdown: str | None) -> None:
    """Write what has been measured so far to the files that were named ("-" is none).

    # Raises
        CommandError: one of them cannot be written.
    """
    if as_json not in (None, "-"):
        _write(as_json, json.dumps(whole, indent=2) + "\n")
    if as_markdown not in (None, "-"):
        _write(as_markdown, markdown(whole))


def _write(name: str, text: str) -> None:
    try:
        Path(name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{name}: cannot be written: {error.strerror or error}") from None


def require_matplotlib() -> None:
    """Raise CommandError where matplotlib is missing: before the measurements rather than after them."""
    if importlib.util.find_spec("matplotlib") is None:
        raise CommandError("--plot needs matplotlib: pip install 'symgraph[plot]'")


def draw(results: Sequence[dict[str, Any]], name: str) -> None:
    """Draw the warm steps' times, a group of bars for each workload, batch and number of threads, logarithmically."""
    require_matplotlib()
    from matplotlib.figure import Figure

    groups = list(dict.fromkeys(_key(result)[:3] for result in results))
    contestants = list(dict.fromkeys(result["contestant"] for result in results))
    figure = Figure(figsize=(9, 1.5 + 0.22 * len(groups) * (len(contestants) + 1)), layout="constrained")
    axes = figure.subplots()
    height = 1 / (len(contestants) + 1)
    for k, contestant in enumerate(contestants):
        mine = [result for result in results if result["contestant"] == contestant]
        places = [groups.index(_key(result)[:3]) + k * height for result in mine]
        axes.barh(places, [1e3 * result["step_seconds"] for result in mine], height, label=contestant)
    middle = (len(contestants) - 1) / 2 * height
    labels = [f"{name}, batch {batch}, {threads} thread{'s' * (threads > 1)}" for name, batch, threads in groups]
    axes.set_yticks([k + middle for k in range(len(groups))], labels)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("milliseconds a step, median (less is better)")
    axes.legend()
    try:
        figure.savefig(name, dpi=150)
    except (OSError, ValueError) as error:
        raise CommandError(f"--plot {name}: {error}") from None
