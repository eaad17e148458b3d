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
        self._finished = False
        self._live = bool(getattr(sys.stdout, "isatty", lambda: False)()) or "ipykernel" in sys.modules
        self._screen: _Screen | None = None

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
        if self.verbose == 1 and self._live:
            if finished or now - self._last_update >= self.interval:
                self._draw(now, finished)
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
        if self._live and self.verbose == 1:
            self._draw(time.time(), True)
        else:
            self._write(self._line(time.time(), True, bar=self.verbose == 1) + "\n")

    def _count(self) -> str:
        if self.target is None:
            return f"{self._seen_so_far}/Unknown"
        return f"{self._seen_so_far:>{len(str(self.target))}d}/{self.target}"

    def _line(self, now: float, finished: bool, bar: bool = True) -> str:
        """The whole line, for a file."""
        parts = [self._count()] if bar else []
        if bar and self.target is not None:
            parts[0] += f" [{'=' * min(self.width, int(self.width * self._seen_so_far / max(self.target, 1)))}]"
        return " - ".join([*parts, *self._texts(now, finished, bar)])

    def _texts(self, now: float, finished: bool, per_step: bool = True) -> list[str]:
        """How long it took or will take, and the values."""
        elapsed = now - self._start
        each = elapsed / self._seen_so_far if self._seen_so_far else 0.0
        if finished or self.target is None:
            parts = [_duration(elapsed) + (f" {_short(each)}/step" if per_step else "")]
        else:
            parts = [f"ETA: {_duration(each * (self.target - self._seen_so_far))}"]
        for name, value in self._values.items():
            if isinstance(value, tuple):
                value = value[0] / max(1, value[1])
            value = float(np.mean(value))
            parts.append(f"{name}: {value:.4f}" if abs(value) > 1e-3 or value == 0 else f"{name}: {value:.4e}")
        return parts

    def _draw(self, now: float, finished: bool) -> None:
        """Draw the line over itself."""
        if self._screen is None:
            self._screen = _Screen()
        done = self._seen_so_far / self.target if self.target else None
        line = self._screen.line(self._count(), done, self.width, " - ".join(self._texts(now, finished)))
        self._write("\r" + line + ("\n" if finished else ""))

    @staticmethod
    def _write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


class _Screen:
    """The terminal: how wide it is, which characters and colours it can show.

    rich draws the bar as text; the line is moved by a carriage return alone, so an interrupted training leaves the
    terminal as it was, and bars within bars do no harm.
    """

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console(file=sys.stdout, highlight=False)

    def line(self, count: str, done: float | None, width: int, text: str) -> str:
        """A line as wide as the terminal: the count, a bar (for `done` out of 1), what fits of the text."""
        room = self.console.width - 1 - len(count)
        bar = ""
        if done is not None and room > width + 2:
            from rich.progress_bar import ProgressBar

            with self.console.capture() as drawn:
                self.console.print(ProgressBar(total=1.0, completed=min(done, 1.0), width=width), end="")
            bar = " " + drawn.get().rstrip("\n")
            room -= width + 1
        text = (" - " + text)[:max(room, 0)]
        return count + bar + text + " " * (room - len(text))


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
