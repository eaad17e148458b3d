"""Small things that are done very often: a call of K.function, a training step of a tiny network, an import, a start.

    python benchmarks/small.py [--save]

Where PyTorch is installed it is measured beside symgraph, in turns in one process, so that whatever else the machine
does falls on both.  --save writes the table to benchmarks/results/small.md and the figures to small.json.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from symgraph import benchmarking, config, doctor

RESULTS = Path(__file__).parent / "results"
BATCH, INPUTS, HIDDEN, CLASSES = 16, 20, 64, 10


def seconds_a_call(call: Callable[[], Any], seconds: float = 0.2) -> float:
    """One block of calls."""
    number, start = 0, time.perf_counter()
    end = start + seconds
    while True:
        for _ in range(20):
            call()
        number += 20
        now = time.perf_counter()
        if now >= end:
            return (now - start) / number


def in_turns(calls: dict[str, Callable[[], Any]], rounds: int = 15) -> dict[str, dict[str, float]]:
    """Blocks of each call in turns: the median block and the fastest one, in seconds a call."""
    for call in calls.values():
        seconds_a_call(call)
    blocks: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            blocks[name].append(seconds_a_call(call))
    return {name: {"median": float(np.median(times)), "fastest": min(times)} for name, times in blocks.items()}


def data() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, CLASSES, BATCH)
    return generator.standard_normal((BATCH, INPUTS), dtype=np.float32), labels


def our_step() -> Callable[[], Any]:
    """`train_on_batch` of the small perceptron: NumPy arrays in, loss and accuracy out."""
    return benchmarking.WORKLOADS["mlp-small"].prepare()


def torch_step() -> Callable[[], Any]:
    """The same network, optimizer and data in PyTorch's eager mode; the loss is fetched each step."""
    import torch

    network = torch.nn.Sequential(
        torch.nn.Linear(INPUTS, HIDDEN),
        torch.nn.ReLU(),
        torch.nn.Linear(HIDDEN, HIDDEN),
        torch.nn.ReLU(),
        torch.nn.Linear(HIDDEN, CLASSES),
    )
    optimizer = torch.optim.RMSprop(network.parameters(), lr=1e-3, alpha=0.9)
    loss_function = torch.nn.CrossEntropyLoss()
    x, labels = (torch.from_numpy(array) for array in data())

    def step() -> float:
        optimizer.zero_grad()
        loss = loss_function(network(x), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def import_seconds(statement: str, repeats: int = 7) -> float:
    """How much longer a fresh interpreter takes with this statement than without: the fastest of some."""

    def fastest(code: str) -> float:
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.DEVNULL)
            times.append(time.perf_counter() - start)
        return min(times)

    return fastest(statement) - fastest("pass")


def measure() -> dict[str, Any]:
    """All figures, in seconds."""
    calls = {"function call": benchmarking.WORKLOADS["function"].prepare(), "tiny MLP step": our_step()}
    found: dict[str, Any] = {}
    try:
        import torch
    except ImportError:
        torch = None
    else:
        for threads in sorted({1, torch.get_num_threads()}):
            torch.set_num_threads(threads)
            label = f"tiny MLP step, PyTorch {torch.__version__} eager, threads: {threads}"
            pair = in_turns({"tiny MLP step": calls["tiny MLP step"], label: torch_step()})
            found[label] = pair[label]
            found[label]["times ours"] = pair[label]["median"] / pair["tiny MLP step"]["median"]
    found.update(in_turns(calls))
    for statement in ("import symgraph", "from symgraph import backend", "from symgraph.models import Sequential"):
        found[statement] = {"fastest": import_seconds(statement)}
    first = benchmarking.measure("digits", config.executor_name(), 0.2)
    found["first step of the demo's model, empty kernel cache"] = {"fastest": first["first_step_cold_seconds"]}
    found["first step of the demo's model, full kernel cache"] = {"fastest": first["first_step_cached_seconds"]}
    return found


def table(found: dict[str, Any]) -> str:
    """The figures as a Markdown table."""

    def cell(seconds: float | None) -> str:
        if seconds is None:
            return ""
        if seconds < 1e-3:
            return f"{seconds * 1e6:.1f} us"
        return f"{seconds * 1e3:.2f} ms" if seconds < 0.01 else f"{seconds * 1e3:.0f} ms"

    lines = ["| what | median | fastest | times ours |", "|---|---|---|---|"]
    for name, row in found.items():
        ratio = f"{row['times ours']:.1f}" if "times ours" in row else ""
        lines.append(f"| {name} | {cell(row.get('median'))} | {cell(row.get('fastest'))} | {ratio} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure calls, tiny steps, imports and starts.")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/small.md and small.json")
    options = parser.parse_args()
    processor = doctor.processor()
    where = (
        f"{processor['model']}, LLVM target {processor['target']}, {processor['threads']} threads; "
        f"Python {platform.python_version()}, NumPy {np.__version__}; executor {config.executor_name()}"
    )
    found = measure()
    text = f"{where}\n\n{table(found)}"
    print(text)
    if options.save:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "small.json").write_text(json.dumps({"where": where, "seconds": found}, indent=2) + "\n")
        (RESULTS / "small.md").write_text(f"`python benchmarks/small.py --save`\n\n{text}\n")


if __name__ == "__main__":
    main()
