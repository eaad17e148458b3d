"""``symgraph bench``: workloads, and how they are measured.

Each figure comes from a process of its own: the first starts with an empty kernel cache (cold), the second finds the
cache that the first one left.  In each, the clock runs from before `import symgraph` to the end of the first step.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from symgraph import config
from symgraph.cli import CommandError, print_table

__all__ = ["DEFAULT_WORKLOADS", "WORKLOADS", "Workload", "measure", "run"]


class Workload(NamedTuple):
    """What is measured: `prepare` builds it and returns a function that does one step."""

    description: str
    prepare: Callable[[], Callable[[], Any]]


def _training(model: Any, batch: int, shape: tuple[int, ...], classes: int = 10) -> Callable[[], Any]:
    """One `train_on_batch` on fixed random data."""
    import numpy as np

    generator = np.random.default_rng(0)
    x = generator.standard_normal((batch, *shape), dtype=np.float32)
    y = np.eye(classes, dtype=np.float32)[generator.integers(0, classes, batch)]
    return lambda: model.train_on_batch(x, y)


def _perceptron(batch: int, units: Sequence[int]) -> Callable[[], Any]:
    from symgraph.layers import Dense
    from symgraph.models import Sequential

    model = Sequential()
    model.add(Dense(units[1], activation="relu", input_shape=(units[0],)))
    for width in units[2:-1]:
        model.add(Dense(width, activation="relu"))
    model.add(Dense(units[-1], activation="softmax"))
    model.compile(loss="categorical_crossentropy", optimizer="rmsprop", metrics=["accuracy"])
    return _training(model, batch, (units[0],), units[-1])


def _digits() -> Callable[[], Any]:
    from symgraph.demo import build_model

    return _training(build_model(), 32, (8, 8, 1))


def _mnist() -> Callable[[], Any]:
    from symgraph.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
    from symgraph.models import Sequential

    model = Sequential()
    model.add(Conv2D(32, (3, 3), activation="relu", input_shape=(28, 28, 1)))
    model.add(Conv2D(64, (3, 3), activation="relu"))
    model.add(MaxPooling2D((2, 2)))
    model.add(Dropout(0.25))
    model.add(Flatten())
    model.add(Dense(128, activation="relu"))
    model.add(Dropout(0.5))
    model.add(Dense(10, activation="softmax"))
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return _training(model, 128, (28, 28, 1))


def _trivial() -> Callable[[], Any]:
    import numpy as np

    from symgraph import backend

    x = backend.placeholder(shape=(None, 4))
    function = backend.function([x], [x * 2.0 + 1.0])
    value = [np.ones((2, 4), dtype=backend.floatx())]
    return lambda: function(value)


WORKLOADS: dict[str, Workload] = {
    "function": Workload("K.function of one multiplication and addition on 2x4 numbers: the cost of a call", _trivial),
    "mlp-small": Workload(
        "MLP 20-64-64-10, batch 16, RMSprop: a training step", lambda: _perceptron(16, (20, 64, 64, 10))
    ),
    "mlp": Workload(
        "MLP 784-512-512-10, batch 128, RMSprop: a training step", lambda: _perceptron(128, (784, 512, 512, 10))
    ),
    "digits": Workload("the demo's CNN on 8x8 images, batch 32, Adam: a training step", _digits),
    "mnist": Workload("CNN 32-64-pool-128 on 28x28 images, batch 128, Adam: a training step", _mnist),
}
DEFAULT_WORKLOADS = list(WORKLOADS)


def _child(name: str, seconds: float) -> dict[str, float]:
    """What one fresh process measures (it stands at its very beginning)."""
    import resource

    start = time.perf_counter()
    from symgraph import backend

    backend.floatx()
    imported = time.perf_counter()
    step = WORKLOADS[name].prepare()
    prepared = time.perf_counter()
    step()
    first = time.perf_counter()
    step()
    # Blocks of calls, each long enough for the clock; the median block is the answer, whatever else the machine does.
    once = time.perf_counter()
    step()
    repeat = max(1, int(0.01 / max(time.perf_counter() - once, 1e-7)))
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        begin = time.perf_counter()
        for _ in range(repeat):
            step()
        times.append((time.perf_counter() - begin) / repeat)
    # Kilobytes on Linux, bytes on macOS.
    unit = 1.0 if sys.platform == "darwin" else 1024.0
    return {
        "import_seconds": imported - start,
        "build_seconds": prepared - imported,
        "first_step_seconds": first - prepared,
        "step_seconds": sorted(times)[len(times) // 2],
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6,
    }


def _in_fresh_process(name: str, executor: str, seconds: float, cache: str) -> dict[str, float]:
    environment = config.child_environment(KERAS_BACKEND=executor, SYMGRAPH_CACHE=cache)
    command = [sys.executable, "-m", "symgraph.benchmarking", name, repr(seconds)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise CommandError(f"{name} on {executor}: {lines[-1] if lines else f'exit code {done.returncode}'}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(name: str, executor: str, seconds: float = 2.0) -> dict[str, Any]:
    """Measure one workload on one executor.

    # Arguments
        name: a key of WORKLOADS.
        executor: an executor's name.
        seconds: for how long warm steps are repeated.

    # Returns
        Seconds of import, building, the first step (compilation included) cold and with the cache, one warm step, and
        the peak of the process's memory.

    # Raises
        CommandError: the workload failed; the message is the process's last line.
    """
    with tempfile.TemporaryDirectory(prefix="symgraph-bench-") as cache:
        cold = _in_fresh_process(name, executor, 0.0, cache)
        cached = _in_fresh_process(name, executor, seconds, cache)
    return {
        "workload": name,
        "executor": executor,
        "import_seconds": cached["import_seconds"],
        "build_seconds": cached["build_seconds"],
        "first_step_cold_seconds": cold["first_step_seconds"],
        "first_step_cached_seconds": cached["first_step_seconds"],
        "step_seconds": cached["step_seconds"],
        "peak_megabytes": cached["peak_megabytes"],
        "peak_cold_megabytes": cold["peak_megabytes"],
    }


def _duration(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{seconds * 1e6:.1f} us"
    return f"{seconds * 1e3:.2f} ms" if seconds < 1 else f"{seconds:.2f} s"


def run(names: Sequence[str], executors: Sequence[str], seconds: float = 2.0, as_json: bool = False) -> int:
    """Measure workloads on executors and print a table (or JSON).

    # Returns
        0, or 1 if a measurement failed; the others are shown all the same.
    """
    results, failures = [], []
    for executor in executors:
        for name in names:
            if sys.stderr.isatty():
                print(f"measuring {name} on {executor} ...", end="\r", file=sys.stderr)
            try:
                results.append(measure(name, executor, seconds))
            except CommandError as error:
                failures.append(str(error))
    if as_json:
        print(json.dumps({"results": results, "failures": failures}, indent=2))
    elif results:
        rows = [
            (
                result["workload"],
                result["executor"],
                _duration(result["import_seconds"]),
                _duration(result["build_seconds"]),
                _duration(result["first_step_cold_seconds"]),
                _duration(result["first_step_cached_seconds"]),
                _duration(result["step_seconds"]),
                f"{result['peak_megabytes']:.0f} MB",
            )
            for result in results
        ]
        header = (
            "workload",
            "executor",
            "import",
            "build",
            "first step cold",
            "from cache",
            "warm step",
            "peak memory",
        )
        print_table(header, rows)
    for failure in failures:
        print(f"symgraph: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    print(json.dumps(_child(sys.argv[1], float(sys.argv[2]))))
