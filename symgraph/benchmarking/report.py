"""What ``symgraph bench`` shows: the table, the comparison with an earlier run, the picture."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from symgraph.cli import CommandError, print_table

__all__ = ["describe_roofline", "draw", "print_results", "read_history", "require_matplotlib", "write"]

#: What identifies a measurement from run to run.
_KEY = ("workload", "batch", "threads", "contestant")


def duration(seconds: float | None) -> str:
    """Seconds in the unit that fits; '-' for what was not measured."""
    if seconds is None:
        return "-"
    if seconds < 1e-3:
        return f"{seconds * 1e6:.1f} us"
    return f"{seconds * 1e3:.2f} ms" if seconds < 1 else f"{seconds:.2f} s"


def print_results(results: Sequence[dict[str, Any]], earlier: dict[Any, dict[str, Any]] | None = None) -> None:
    """Print a row for each result; with `earlier` (see `read_history`) also the step's time then, and the ratio."""
    header = [
        "workload", "batch", "contestant", "import", "first step cold", "from cache", "warm step", "spread",
        "peak memory", "loss", "times best peer", "of roofline",
    ]  # fmt: skip
    if earlier is not None:
        header += ["before", "times faster"]
    print_table(header, [_row(result, earlier) for result in results])


def _row(result: dict[str, Any], earlier: dict[Any, dict[str, Any]] | None) -> list[str]:
    ratio = result.get("times_best_peer")
    row = [
        result["workload"],
        str(result["batch"]),
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


def describe_roofline(limits: dict[str, float]) -> str:
    """What was measured of the machine, in words."""
    return (
        f"this machine multiplies matrices at {limits['flops_per_second'] / 1e9:.0f} GFLOP/s "
        f"and copies at {limits['bytes_per_second'] / 1e9:.1f} GB/s"
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


def write(name: str, text: str) -> None:
    """Write a file; raises CommandError where that is not possible."""
    try:
        Path(name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{name}: cannot be written: {error.strerror or error}") from None


def require_matplotlib() -> None:
    """Raise CommandError where matplotlib is missing: before the measurements rather than after them."""
    if importlib.util.find_spec("matplotlib") is None:
        raise CommandError("--plot needs matplotlib: pip install 'symgraph[plot]'")


def draw(results: Sequence[dict[str, Any]], name: str) -> None:
    """Draw the warm steps' times as bars, a group for each workload and batch, on a logarithmic scale."""
    require_matplotlib()
    from matplotlib.figure import Figure

    groups = list(dict.fromkeys((result["workload"], result["batch"]) for result in results))
    contestants = list(dict.fromkeys(result["contestant"] for result in results))
    figure = Figure(figsize=(9, 1.5 + 0.22 * len(groups) * (len(contestants) + 1)), layout="constrained")
    axes = figure.subplots()
    height = 1 / (len(contestants) + 1)
    for k, contestant in enumerate(contestants):
        mine = [result for result in results if result["contestant"] == contestant]
        places = [groups.index((result["workload"], result["batch"])) + k * height for result in mine]
        axes.barh(places, [1e3 * result["step_seconds"] for result in mine], height, label=contestant)
    middle = (len(contestants) - 1) / 2 * height
    axes.set_yticks([k + middle for k in range(len(groups))], [f"{name}, batch {batch}" for name, batch in groups])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("milliseconds a step, median (less is better)")
    axes.legend()
    try:
        figure.savefig(name, dpi=150)
    except (OSError, ValueError) as error:
        raise CommandError(f"--plot {name}: {error}") from None
