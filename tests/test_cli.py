"""The command line: what it prints, its exit codes, and errors without tracebacks."""

from __future__ import annotations

import builtins
import io
import json
import os
import re
import subprocess
import sys

import pytest

import symgraph
from symgraph import cli, config


def command(*words: str, **environment: str) -> subprocess.CompletedProcess:
    """Run ``python -m symgraph ...`` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "symgraph", *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture
def home(fresh_settings):
    return fresh_settings


def test_version():
    done = command("--version")
    assert (done.returncode, done.stdout) == (0, f"symgraph {symgraph.__version__}\n")


@pytest.mark.parametrize("words", [(), ("demo",), ("bench",), ("doctor",), ("config",)])
def test_help(capsys, words):
    with pytest.raises(SystemExit) as left:
        cli.main([*words, "--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: symgraph")
    if not words:
        assert all(name in text for name in ("demo", "bench", "doctor", "config"))


@pytest.mark.parametrize(
    "words, message",
    [
        ((), "required: COMMAND"),
        (("dmeo",), "invalid choice: 'dmeo'"),
        (("demo", "--epochs", "0"), "a positive integer is needed, got '0'"),
        (("bench", "--seconds", "nan"), "a positive number is needed, got 'nan'"),
        (("bench", "--batch", "1", "0"), "a positive integer is needed, got '0'"),
        (("bench", "--threads", "two"), "a positive integer is needed, got 'two'"),
    ],
)
def test_wrong_usage_leaves_with_2(capsys, words, message):
    with pytest.raises(SystemExit) as left:
        cli.main(words)
    assert left.value.code == 2
    assert message in capsys.readouterr().err


def test_unknown_executor_leaves_with_2(home, capsys):
    for words in (["bench", "--executor", "nubma"], ["demo", "--executor", "nubma"]):
        assert cli.main(words) == 2
        error = capsys.readouterr().err
        assert error.startswith("symgraph: ") and "did you mean 'numba'?" in error


def test_config_shows_every_setting_and_its_source(home, monkeypatch, capsys):
    (home / "keras.json").write_text('{"floatx": "float64"}')
    monkeypatch.setenv("KERAS_BACKEND", "numpy")
    assert cli.main(["config"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert re.fullmatch(r"backend +numpy +KERAS_BACKEND", lines["backend"])
    assert lines["floatx"].split()[1:] == ["float64", str(home / "keras.json")]
    assert lines["epsilon"].split()[1:] == ["1e-07", "default"]


def test_config_as_json(home, capsys):
    assert cli.main(["config", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {setting.name for setting in config.settings()}
    assert found["backend"] == {"value": "numba", "where": "default"}


def test_broken_settings_leave_with_2_and_no_traceback(tmp_path):
    (tmp_path / "keras.json").write_text('{"backend": numba}')
    done = command("config", KERAS_HOME=str(tmp_path), KERAS_BACKEND="")
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.fullmatch(r"symgraph: .*keras\.json, line 1, column 13: not valid JSON.*\n", done.stderr)


def test_closed_pipe_is_no_error():
    done = subprocess.run(
        f"'{sys.executable}' -m symgraph bench --list | true; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_tables_align_words_left_and_numbers_right():
    text = io.StringIO()
    cli.print_table(("name", "size"), [("a", 1), ("longer", 200)], file=text)
    assert text.getvalue().splitlines() == ["name    size", "------  ----", "a          1", "longer   200"]


def test_doctor(home, capsys):
    code = cli.main(["doctor", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["chosen"] == "numba"
    assert found["executors"]["numpy"] == {"runs": True, "reason": ""}
    assert found["executors"]["numba"] == {"runs": True, "reason": ""}
    assert code == 0
    if not found["executors"]["cupy"]["runs"]:
        assert len(found["executors"]["cupy"]["reason"]) > 20
    packages = {row["name"]: row for row in found["packages"]}
    import numpy

    assert packages["numpy"] == {"name": "numpy", "version": numpy.__version__, "for": "required"}
    assert packages["scikit-learn"]["for"] == "extra 'sklearn'"


def test_doctor_leaves_with_1_if_the_chosen_executor_cannot_run(home, capsys, monkeypatch):
    from symgraph import doctor

    outcomes = [{"runs": False, "reason": "no compiler"}, {"runs": True, "reason": ""}]
    monkeypatch.setattr(doctor, "try_executor", lambda name: outcomes[name != "numba"])
    assert cli.main(["doctor"]) == 1
    text = capsys.readouterr().out
    assert re.search(r"^  numba  cannot run: no compiler$", text, re.MULTILINE)
    assert re.search(r"^  numpy  runs$", text, re.MULTILINE)


def test_doctor_gives_the_reason_of_a_failure():
    from symgraph import doctor

    result = doctor.try_executor("no-such-executor")
    assert result["runs"] is False
    assert "no-such-executor" in result["reason"] and "Known: numba" in result["reason"]


def test_demo_without_scikit_learn_says_what_to_install(home, capsys, monkeypatch):
    original = builtins.__import__

    def refuse(name, *arguments, **options):
        if name.split(".")[0] == "sklearn":
            raise ImportError("No module named 'sklearn'")
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    assert cli.main(["demo"]) == 1
    assert "pip install 'symgraph[sklearn]'" in capsys.readouterr().err


@pytest.mark.slow
def test_demo_learns():
    pytest.importorskip("sklearn")
    done = command("demo", "--quiet", KERAS_BACKEND="numba")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Using Numba backend." in done.stderr
    accuracy = float(re.search(r"Test accuracy: ([0-9.]+)", done.stdout).group(1))
    assert 0.97 < accuracy <= 1.0
    assert "Trainable params" in done.stdout
    assert "KERAS_BACKEND=numpy symgraph demo" in done.stdout


def test_demo_that_learned_too_little_leaves_with_1():
    pytest.importorskip("sklearn")
    done = command("demo", "--quiet", "--epochs", "1", KERAS_BACKEND="numba")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "That is not above 0.97" in done.stdout
