"""The programs of Keras' own documents, with small data and assertions, through `symgraph run` in each dialect.

`dialects.json` says in which dialects a program must run; what it asserts was seen on the real Keras.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from symgraph.scripts import analysis

HERE = Path(__file__).parent
DIALECTS = json.loads((HERE / "dialects.json").read_text())

RUNS = [(name, dialect) for name, dialects in DIALECTS.items() for dialect in dialects]


def test_every_program_is_listed():
    assert {path.name for path in HERE.glob("[0-9]*.py")} == set(DIALECTS)


@pytest.mark.parametrize("name", DIALECTS)
def test_the_dialect_that_a_program_shows_is_one_it_runs_in(name):
    chosen, reason = analysis.choose(analysis.read(HERE / name))
    assert chosen in DIALECTS[name], reason


@pytest.mark.parametrize("name, dialect", RUNS, ids=[f"{name[:-3]}-keras{dialect}" for name, dialect in RUNS])
def test_a_program_runs(name, dialect, tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "symgraph", "run", "--keras", dialect, str(HERE / name)],
        cwd=tmp_path, env={**os.environ, "MPLBACKEND": "Agg", "SYMGRAPH_NUM_THREADS": "1"}, capture_output=True,
        text=True,
        timeout=600, check=False,
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]
