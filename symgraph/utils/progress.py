"""The progress bar: a live line in a terminal, plain lines in a log file."""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

__all__ = ["Progbar"]


class Progbar:
    """Shows how far an epoch is, and running values.

    # Arguments
        target: number of steps (or samples) in all, None if unknown.
        width: width of the bar in characters.
        verbose: 1: a bar; 2: one line at the end; 0: nothing.
        interval: seconds between two drawings.
        stateful_metrics: names of values that are shown as they are; others are averaged over the steps.

    In a terminal the line is drawn over and over. Into a file or a pipe one line is written, at the end.
    """

    def __init__(self, target: int | None, width: int = 30, verbose: int = 1, interval: float = 0.05,
                 stateful_metrics: Any = None):
        self.target, self.width, self.verbose, self.interval = target, width, verbose, interval
        self.stateful_metrics = set(stateful_metrics or [])
        self._values: dict[str, Any] = {}
        self._seen_so_far = 0
        self._start = time.time()
        self._last_update = 0.0
        self._last_length = 0
        self._finished = False
        self._live = bool(getattr(sys.stdout, "isatty", lambda: False)())
        self._notebook = "ipykernel" in sys.modules

    def update(self, current: int, values: Any = None) -> None:
        """Show that `current` steps are done; `values` are `(name, value)` pairs."""
        for name, value in values or []:
            if name in self.stateful_metrics:
                self._values[name] = value
            else:
                total, count = self._values.get(name, (0.0, 0))
                steps = current - self._seen_so_far
                self._values[name] = (total + value * steps, count + steps)
        self._seen_so_far = current
        finished = self.target is not None and current >= self.target
        now = time.time()
        if self.verbose == 1 and (self._live or self._notebook):
            if finished or now - self._last_update >= self.interval:
                self._draw(self._line(now, finished), finished)
                self._last_update = now
        elif self.verbose and finished and not self._finished:
            self._write(self._line(now, True, bar=self.verbose == 1) + "\n")
        self._finished = self._finished or finished

    def add(self, n: int, values: Any = None) -> None:
        """Show that `n` more steps are done."""
        self.update(self._seen_so_far + n, values)

    def close(self) -> None:
        """End the line of a bar whose target was not known or not reached."""
        if self._finished or not self.verbose or not self._seen_so_far:
            return
        self._finished = True
        line = self._line(time.time(), True)
        if self._live or self._notebook:
            self._draw(line, True)
        else:
            self._write(line + "\n")

    def _line(self, now: float, finished: bool, bar: bool = True) -> str:
        current, target = self._seen_so_far, self.target
        elapsed = now - self._start
        parts = []
        if bar and target is not None:
            digits = len(str(target))
            done = min(self.width, int(self.width * current / target)) if target else self.width
            drawn = "=" * done
            if done < self.width:
                drawn = "=" * max(done - 1, 0) + ">" + "." * (self.width - max(done, 1))
            parts.append(f"{current:>{digits}d}/{target} [{drawn}]")
        elif bar:
            parts.append(f"{current}/Unknown")
        per_step = elapsed / current if current else 0.0
        if finished or target is None:
            text = _duration(elapsed)
            if bar:
                text += f" {_short(per_step)}/step"
        else:
            text = f"ETA: {_duration(per_step * (target - current))}"
        parts.append(text)
        for name, value in self._values.items():
            if isinstance(value, tuple):
                value = value[0] / max(1, value[1])
            value = float(np.mean(value))
            parts.append(f"{name}: {value:.4f}" if abs(value) > 1e-3 or value == 0 else f"{name}: {value:.4e}")
        return " - ".join(parts)

    def _draw(self, line: str, finished: bool) -> None:
        padding = " " * max(0, self._last_length - len(line))
        self._last_length = len(line)
        self._write("\r" + line + padding + ("\n" if finished else ""))

    @staticmethod
    def _write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def _duration(seconds: float) -> str:
    if seconds >= 3600:
        return f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02d}:{int(seconds % 60):02d}"
    if seconds >= 60:
        return f"{int(seconds // 60)}:{int(seconds % 60):02d}"
    return f"{int(seconds)}s"


def _short(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.0f}s"
    return f"{seconds * 1e3:.0f}ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f}us"
