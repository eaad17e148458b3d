"""``symgraph bench``: workloads on executors, beside other frameworks.

Every contestant - an executor of symgraph, or a peer - runs in processes of its own. One starts with empty caches of
compiled code (cold); another one finds what the first has left, and then takes turns with the other contestants, so
that whatever else the machine does falls on all of them.
"""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from symgraph import config
from symgraph.benchmarking import processes, report, roofline
from symgraph.benchmarking.contestants import workloads
from symgraph.benchmarking.contestants.workloads import DEFAULT, WORKLOADS
from symgraph.benchmarking.processes import PATIENCE, Contestant, Running
from symgraph.cli import CommandError

__all__ = ["DEFAULT", "PATIENCE", "WORKLOADS", "Contest", "contest", "measure", "run"]

#: How often each contestant has its turn.
ROUNDS = 5


class Contest(NamedTuple):
    """A result for each contestant that was measured, a line for each failure, and whether it was cut short."""

    results: list[dict[str, Any]]
    failures: list[str]
    interrupted: bool = False


def measure(name: str, executor: str, seconds: float = 2.0, batch: int | None = None) -> dict[str, Any]:
    """Measure one workload on one executor of symgraph, without peers; see `contest`."""
    found = contest(name, [processes.own(executor)], seconds=seconds, batch=batch)
    if found.failures:
        raise CommandError(found.failures[0])
    if found.interrupted:
        raise KeyboardInterrupt
    return found.results[0]


def contest(
    name: str,
    contestants: Sequence[Contestant],
    seconds: float = 2.0,
    batch: int | None = None,
    threads: int | None = None,
    cold: bool = True,
    patience: float = PATIENCE,
) -> Contest:
    """Measure one workload on some contestants.

    # Arguments
        name: a key of WORKLOADS.
        contestants: the first one's losses are what the others' are compared with.
        seconds: for how long each repeats warm steps.
        batch: rows of a step (default: the workload's first).
        threads: of each contestant (default: as the settings say).
        cold: False leaves out the processes that start with empty caches, and uses the caches that are there.
        patience: seconds that a contestant may take for its start or a turn; a slower one has failed.

    # Returns
        A result for each contestant that came to the end - seconds of import, of building, of the first step with empty
        and with full caches, the median and the fastest warm step, the spread between the quartiles relative to
        the median, the peak of the process's memory, and the losses - and a line for each failure.  An interrupt during
        the turns ends them: what each contestant has done by then is its result.

    # Raises
        KeyboardInterrupt: interrupted before there were turns.
    """
    batch = batch or WORKLOADS[name].batches[0]
    threads = threads or config.threads()
    found = Contest([], [])
    running: list[tuple[dict[str, Any], Running]] = []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="symgraph-bench-")))
        for contestant in contestants:
            result = {"workload": name, "batch": batch, "threads": threads, "contestant": contestant.name}
            cache = folder / contestant.name if cold else None
            try:
                if cold:
                    with Running(contestant, name, batch, threads, cache, patience) as process:
                        result["first_step_cold_seconds"] = process.started["first_step_seconds"]
                        result["peak_cold_megabytes"] = process.finish() / 1e6
                process = stack.enter_context(Running(contestant, name, batch, threads, cache, patience))
            except CommandError as error:
                found.failures.append(str(error))
                continue
            started = dict(process.started)
            result.update(
                first_step_cached_seconds=started.pop("first_step_seconds"), losses=started.pop("values"), **started
            )
            running.append((result, process))
        times, interrupted = _in_turns(running, seconds, found.failures)
        for result, process in running:
            if not times[process]:
                continue
            try:
                result["peak_megabytes"] = process.finish() / 1e6
            except CommandError as error:
                found.failures.append(str(error))
                continue
            found.results.append({**result, **_summary(times[process])})
    return found._replace(interrupted=interrupted)


def _in_turns(
    running: Sequence[tuple[dict[str, Any], Running]], seconds: float, failures: list[str]
) -> tuple[dict[Running, list[float]], bool]:
    """Warm steps' times of each process - none of one that failed -, and whether an interrupt ended the turns."""
    times: dict[Running, list[float]] = {process: [] for _, process in running}
    lost = set()
    try:
        for _ in range(ROUNDS):
            for _, process in running:
                if process in lost:
                    continue
                try:
                    times[process] += process.steps(seconds / ROUNDS)
                except CommandError as error:
                    failures.append(str(error))
                    lost.add(process)
                    times[process] = []
    except KeyboardInterrupt:
        return times, True
    return times, False


def _summary(times: Sequence[float]) -> dict[str, float]:
    median = statistics.median(times)
    quartiles = statistics.quantiles(times, n=4) if len(times) > 1 else [median] * 3
    return {
        "step_seconds": median,
        "step_fastest_seconds": min(times),
        "step_spread": (quartiles[2] - quartiles[0]) / median,
    }


def _judge(results: Sequence[dict[str, Any]], limits: dict[str, float]) -> list[str]:
    """Add to the results of one workload what follows from comparing them with each other and with the machine.

    # Returns
        A line for each contestant whose loss is not the first one's.
    """
    if not results:
        return []
    name, batch = results[0]["workload"], results[0]["batch"]
    flops, moved = workloads.cost(name, batch)
    bound = max(flops / limits["flops_per_second"], moved / limits["bytes_per_second"])
    peers = [result for result in results if result["contestant"] in processes.PEERS]
    reference, tolerance = results[0]["losses"], WORKLOADS[name].tolerance
    for result in results:
        result["loss"] = result["losses"][-1]
        result["loss_agrees"] = bool(abs(result["loss"] - reference[-1]) <= tolerance * abs(reference[0]))
        result["roofline_share"] = bound / result["step_seconds"]
        if peers:
            result["times_best_peer"] = min(each["step_seconds"] for each in peers) / result["step_seconds"]
            fastest = min(each["step_fastest_seconds"] for each in peers)
            result["times_best_peer_fastest"] = fastest / result["step_fastest_seconds"]
    return [
        f"{name}, batch {batch}: the loss of {result['contestant']} is {result['loss']:.6g}, not {reference[-1]:.6g} "
        f"as that of {results[0]['contestant']}: they did not do the same work"
        for result in results
        if not result["loss_agrees"]
    ]


def run(
    names: Sequence[str],
    executors: Sequence[str],
    peers: Sequence[str] = (),
    pythons: Sequence[str] = (),
    batches: Sequence[int] = (),
    threads: Sequence[int] = (),
    seconds: float = 2.0,
    cold: bool = True,
    patience: float = PATIENCE,
    as_json: str | None = None,
    markdown: str | None = None,
    plot: str | None = None,
    history: str | None = None,
) -> int:
    """Measure workloads on executors and peers, and print a table.

    # Arguments
        names: keys of WORKLOADS.
        executors: executors of symgraph.
        peers: keys of `processes.PEERS`; one that is not installed is left out with a line that says so.
        pythons: interpreters beside this one in which a peer may be installed.
        batches: rows of a step (default: the workload's own).
        threads: numbers of threads of each contestant, one after another (default: as the settings say).
        seconds: for how long each repeats warm steps.
        cold: whether to measure starts with empty caches.
        patience: seconds that a contestant may take for its start or a turn; a slower one has failed.
        as_json: "-" prints JSON in place of the table; another word is the name of a file to write it to.
        markdown: the same for tables in Markdown with what they were measured with; see `report.markdown`.
        plot: name of a picture to draw (needs matplotlib).
        history: name of an earlier JSON file to compare with.

    # Returns
        0, or 1 if a measurement failed or a contestant's loss is not the others', 130 if it was interrupted; what has
        been measured is shown all the same, and files are written anew after each workload.
    """
    earlier = report.read_history(history) if history else None
    if plot:
        report.require_matplotlib()
    threads = threads or [config.threads()]
    contestants = [processes.own(executor) for executor in executors]
    skipped = []
    for peer in peers:
        found, reason = processes.find_peer(peer, pythons)
        contestants += found
        skipped += [reason] if reason else []
    whole: dict[str, Any] = {
        "command": report.command(names, executors, peers, batches, threads, seconds, cold),
        "machine": {**_machine(), "threads": list(threads)},
        "begin": _now(),
        "roofline": [],
        "results": [],
        "failures": [],
        "skipped": skipped,
    }
    astray: list[str] = []
    interrupted = False
    try:
        for number in threads:
            limits = roofline.measure(number)
            whole["roofline"].append({"threads": number, **limits})
            for name, batch in [(each, batch) for each in names for batch in batches or WORKLOADS[each].batches]:
                if sys.stderr.isatty():
                    print(f"measuring {name}, batch {batch} ...\x1b[K", end="\r", file=sys.stderr)
                of_one = contest(name, contestants, seconds, batch, number, cold, patience)
                astray += _judge(of_one.results, limits)
                whole["results"] += of_one.results
                whole["failures"] += of_one.failures
                whole["end"] = _now()
                report.save(whole, as_json, markdown)
                if of_one.interrupted:
                    raise KeyboardInterrupt
    except KeyboardInterrupt:
        interrupted = True
    whole.setdefault("end", _now())
    whole["interrupted"] = interrupted
    report.save(whole, as_json, markdown)
    if as_json == "-":
        print(json.dumps(whole, indent=2))
    elif markdown == "-":
        print(report.markdown(whole), end="")
    elif whole["results"]:
        report.print_results(whole["results"], earlier)
        print("\n" + "\n".join(report.describe_roofline(limits) for limits in whole["roofline"]))
    if plot and whole["results"]:
        report.draw(whole["results"], plot)
    for line in [*skipped, *whole["failures"], *astray, *["interrupted"] * interrupted]:
        print(f"symgraph: {line}", file=sys.stderr)
    return 130 if interrupted else 1 if whole["failures"] or astray else 0


def _now() -> dict[str, Any]:
    """When this is, and how busy the machine is: its load averages over 1, 5 and 15 minutes, where it has them."""
    load = [round(each, 2) for each in os.getloadavg()] if hasattr(os, "getloadavg") else None
    return {"time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "load": load}


def _machine() -> dict[str, Any]:
    from symgraph import doctor

    processor = doctor.processor()
    return {
        "processor": processor["model"],
        "target": processor["target"],
        "processors": os.cpu_count(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in ("numpy", "numba", "llvmlite")},
    }
