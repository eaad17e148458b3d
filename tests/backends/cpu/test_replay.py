"""What the lowerings generate for the canonical programs is what is stored; see replay.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).with_name("replay.py")


def run(*words: str, seed: str = "0") -> subprocess.CompletedProcess:
    from symgraph import config

    return subprocess.run(
        [sys.executable, str(PROGRAM), *words],
        env=config.child_environment(PYTHONHASHSEED=seed),
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_generated_kernels_are_the_stored_ones():
    done = run()
    assert done.returncode == 0, (
        f"The generated kernels have changed. If that is wanted, store them with `python {PROGRAM.name} --write` "
        f"(in {PROGRAM.parent}) and look at the difference.\n{done.stdout[:20000]}{done.stderr[-2000:]}"
    )


def test_wrong_words_are_refused():
    assert run("--overwrite").returncode == 2


def test_a_difference_is_shown(tmp_path):
    """A changed text and a missing one: the program says where, and leaves with 1."""
    import shutil

    copy = tmp_path / "replay.py"
    shutil.copy(PROGRAM, copy)
    shutil.copytree(PROGRAM.with_name("replay"), tmp_path / "replay")
    changed, missing = tmp_path / "replay" / "elementwise.txt", tmp_path / "replay" / "shapes.txt"
    changed.write_text(changed.read_text() + "one more line\n")
    missing.unlink()
    done = subprocess.run([sys.executable, str(copy)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert "--- stored elementwise" in done.stdout and "-one more line" in done.stdout
    assert "+++ generated shapes" in done.stdout
