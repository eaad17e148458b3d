"""The contestants' processes: finding the interpreters, starting, asking, ending."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from symgraph import config
from symgraph.cli import CommandError

__all__ = ["PEERS", "Contestant", "Running", "find_peer", "own"]

#: Seconds that a contestant may take for one answer - its start, a turn - before it is given up.
PATIENCE = 900.0
_PROGRAM = Path(__file__).with_name("contestants") / "contestant.py"


class Contestant(NamedTuple):
    """A module of `contestants`, and how it is run."""

    name: str
    module: str
    interpreter: str
    options: tuple[str, ...] = ()
    environment: dict[str, str] = {}


class _Peer(NamedTuple):
    module: str
    needs: tuple[str, ...]
    options: tuple[str, ...] = ()
    environment: dict[str, str] = {}


PEERS = {
    "torch": _Peer("torch_contestant", ("torch",)),
    "torch-compile": _Peer("torch_contestant", ("torch",), ("compile",)),
    "jax": _Peer("jax_contestant", ("jax", "optax"), (), {"JAX_PLATFORMS": "cpu"}),
    "tf-keras": _Peer(
        "keras_contestant", ("keras", "tensorflow"), (),
        {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "-1"},
    ),
}  # fmt: skip


def own(executor: str) -> Contestant:
    """symgraph itself on an executor."""
    # The process finds symgraph where this one did, however that was.
    places = os.pathsep.join(os.path.abspath(place) for place in sys.path)
    environment = {"KERAS_BACKEND": executor, "PYTHONPATH": places}
    return Contestant(executor, "symgraph_contestant", sys.executable, (), environment)


def find_peer(name: str, pythons: Sequence[str] = ()) -> tuple[list[Contestant], str]:
    """A peer in the first interpreter that has what it needs.

    # Arguments
        name: a key of PEERS.
        pythons: interpreters to look in after this one.

    # Returns
        A list of the contestant, and ''; or an empty list and the reason.

    # Raises
        CommandError: one of the interpreters does not run.
    """
    peer = PEERS[name]
    for python in (sys.executable, *pythons):
        if _has(python, peer.needs):
            return [Contestant(name, peer.module, python, peer.options, peer.environment)], ""
    needed = " and ".join(peer.needs)
    where = ", ".join(("this interpreter", *pythons))
    return [], f"{name} is left out: {needed} not found in {where} (name another one with --peer-python)"


def _has(python: str, modules: Sequence[str]) -> bool:
    """Whether an interpreter finds all of these modules (they are not imported)."""
    if python == sys.executable:
        return all(importlib.util.find_spec(module) for module in modules)
    text = f"import importlib.util as u, sys; sys.exit(3 * any(u.find_spec(m) is None for m in {list(modules)!r}))"
    try:
        done = subprocess.run([python, "-c", text], env=_environment(python), capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandError(f"--peer-python {python}: does not run: {error}") from None
    if done.returncode not in (0, 3):
        raise CommandError(f"--peer-python {python}: is no Python interpreter (exit code {done.returncode})")
    return done.returncode == 0


def _environment(python: str, **changes: str) -> dict[str, str]:
    """This process's environment with changes; another interpreter must not look for packages where this one does."""
    found = config.child_environment(**changes)
    if python != sys.executable:
        for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
            found.pop(name, None)
    return found


def thread_environment(threads: int) -> dict[str, str]:
    """What libraries read to know how many threads they may use."""
    names = ("SYMGRAPH_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return dict.fromkeys(names, str(threads))


def cache_environment(folder: Path) -> dict[str, str]:
    """Keep all compiled code of a contestant in a folder."""
    return {
        "SYMGRAPH_CACHE": str(folder / "symgraph"),
        "TORCHINDUCTOR_CACHE_DIR": str(folder / "torch"),
        "JAX_COMPILATION_CACHE_DIR": str(folder / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


class Running:
    """A contestant's process that has done its first steps.

    # Arguments
        contestant: who.
        workload, batch, threads: what it does.
        cache: folder for its compiled code; None leaves it where the user's settings have it.
        patience: seconds that it may take for one answer.

    # Raises
        CommandError: the process ended before its first answer, or was too slow; the message is its last line.
    """

    def __init__(
        self,
        contestant: Contestant,
        workload: str,
        batch: int,
        threads: int,
        cache: Path | None,
        patience: float = PATIENCE,
    ) -> None:
        self.name = f"{workload}, batch {batch}, on {contestant.name}"
        self._patience = patience
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed by `end`
        changes = {**thread_environment(threads), **contestant.environment}
        changes.update(cache_environment(cache) if cache else {})
        self._process = subprocess.Popen(
            [
                contestant.interpreter, str(_PROGRAM), contestant.module,
                workload, str(batch), str(threads), *contestant.options,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=_environment(contestant.interpreter, **changes),
        )  # fmt: skip
        try:
            #: What the process said of its start: version, seconds of its parts, and the losses of the first steps.
            self.started: dict[str, Any] = self._answer()
        except BaseException:
            self.end()
            raise

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *reason: Any) -> None:
        self.end()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        late = threading.Event()

        def give_up() -> None:
            late.set()
            self._process.kill()

        watch = threading.Timer(self._patience, give_up)
        watch.start()
        try:
            line = self._process.stdout.readline()
        finally:
            watch.cancel()
        if line.endswith("\n"):
            return json.loads(line)
        code = self._process.wait()
        if late.is_set():
            raise CommandError(f"{self.name}: no answer within {self._patience:g} seconds")
        self._errors.seek(0)
        lines = [text for text in self._errors.read().decode(errors="replace").splitlines() if text.strip()]
        # The last line that names an exception: messages of several lines end in details.
        named = [text for text in lines if re.match(r"(\w+\.)*\w*(Error|Exception|Interrupt|Exit)\b", text)] or lines
        raise CommandError(f"{self.name}: {named[-1] if named and code > 0 else f'exit code {code}'}")

    def steps(self, seconds: float) -> list[float]:
        """Do warm steps for some seconds (at least one); returns seconds a step, in groups.

        # Raises
            CommandError: the process ended.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{seconds!r}\n")
            self._process.stdin.flush()
        except OSError:
            pass  # it has ended: reading its answer says why
        return self._answer()["times"]

    def finish(self) -> int:
        """Let the process end; returns the most bytes of memory that it needed.

        # Raises
            CommandError: the process ended before.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except OSError:
            pass  # it has ended: reading its answer says why
        answer = self._answer()
        while "peak_bytes" not in answer:  # the times of a turn that was interrupted here
            answer = self._answer()
        return answer["peak_bytes"]

    def end(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None and not stream.closed:
                try:
                    stream.close()
                except OSError:
                    pass  # what was still to be sent to a process that is gone
