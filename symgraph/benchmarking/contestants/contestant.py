"""One contestant in a process of its own, driven over its standard input and output.

    python contestant.py MODULE WORKLOAD BATCH THREADS [OPTION]

It imports the framework, builds the workload and does the first steps, and says in a line of JSON how long each took
and what came out.  Each line of input after that is a number of seconds; it answers with the times of the steps that it
did in these.  At the end of the input it says how much memory it has needed at most, and ends.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

#: Steps are timed in groups of at least this long, in seconds, so that the clock does not count.
GROUP = 0.005


def peak_bytes() -> int:
    """The most memory that this process has had resident."""
    try:
        with open("/proc/self/status") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass  # not Linux
    import resource

    # Kilobytes, but bytes on macOS.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def restrict(threads: int) -> None:
    """Keep this process to as many processors as it has threads: some frameworks know no other way."""
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        if threads < len(allowed):
            os.sched_setaffinity(0, allowed[:threads])


def number_of(value: Any) -> float:
    """A loss as it is; of an array of results the standard deviation."""
    import numpy as np

    array = np.asarray(value, dtype=np.float64)
    return float(array) if array.ndim == 0 else float(np.std(array))


def timed(step: Callable[[], Any], seconds: float, expected: float) -> list[float]:
    """Seconds a step: one number for each group of steps, of at least one group."""
    repeat = max(1, int(GROUP / max(expected, 1e-8)))
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or not times:
        begin = time.perf_counter()
        for _ in range(repeat):
            step()
        times.append((time.perf_counter() - begin) / repeat)
    return times


def main(words: list[str], answers: Any) -> None:
    """Take part."""
    module_name, workload_name, batch, threads, *options = words
    restrict(int(threads))

    def say(**found: Any) -> None:
        answers.write(json.dumps(found) + "\n")
        answers.flush()

    start = time.perf_counter()
    framework = importlib.import_module(module_name)
    version = framework.load(int(threads))
    imported = time.perf_counter()
    import workloads

    workload = workloads.WORKLOADS[workload_name]
    prepared = framework.prepare(workload, int(batch), *options)
    built = time.perf_counter()
    values = [number_of(prepared())]
    first = time.perf_counter()
    values += [number_of(prepared()) for _ in range(workload.steps - 1)]
    unit = workloads.FIT_BATCHES if workload.mode == "fit" else 1
    say(
        version=version,
        import_seconds=imported - start,
        build_seconds=built - imported,
        first_step_seconds=first - built,
        values=values,
    )
    for line in sys.stdin:
        expected = timed(prepared, 0.0, GROUP)[0]  # whatever went to sleep or out of the caches comes back
        say(times=[each / unit for each in timed(prepared, float(line), expected)])
    say(peak_bytes=peak_bytes())


if __name__ == "__main__":
    # An interrupt from the terminal is for the program that asks: it takes what has been measured, and ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What a framework prints must not come between the answers.
    private = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    main(sys.argv[1:], private)
