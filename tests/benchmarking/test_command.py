"""``symgraph bench``: what it refuses, measures, compares and draws."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest

from symgraph import benchmarking, cli
from symgraph.benchmarking import processes, report, roofline

LIMITS = {"flops_per_second": 1e11, "bytes_per_second": 1e10}


@pytest.fixture
def home(fresh_settings):
    return fresh_settings


@pytest.fixture
def limits(monkeypatch):
    """A machine that need not be measured."""
    monkeypatch.setattr(roofline, "measure", lambda threads: LIMITS)


def result(name="function", contestant="numba", step=1e-3, loss=2.5, batch=2, threads=2):
    """A result as `contest` returns it."""
    return {
        "workload": name, "batch": batch, "threads": threads, "contestant": contestant, "version": "1",
        "import_seconds": 0.5, "build_seconds": 0.5, "first_step_cold_seconds": 0.5, "first_step_cached_seconds": 0.5,
        "step_seconds": step, "step_fastest_seconds": step / 2, "step_spread": 0.1, "peak_megabytes": 100.0,
        "losses": [3.0, loss],
    }  # fmt: skip


def contests(monkeypatch, make):
    """Let `contest` answer what `make(workload, contestant name, batch, threads)` returns, or fail with its text."""

    def contest(name, contestants, seconds, batch, threads, cold, patience):
        made = [make(name, each.name, batch, threads) for each in contestants]
        results = [each for each in made if isinstance(each, dict)]
        return benchmarking.Contest(results, [each for each in made if isinstance(each, str)])

    monkeypatch.setattr(benchmarking, "contest", contest)


def test_it_lists_its_workloads(capsys):
    assert cli.main(["bench", "--list"]) == 0
    text = capsys.readouterr().out
    assert all(re.search(rf"^{name} +\d", text, re.MULTILINE) for name in benchmarking.WORKLOADS)


@pytest.mark.parametrize(
    "words, message",
    [
        (["--workload", "nothing"], "unknown workload 'nothing'; known: function, predict"),
        (["--peer", "tensorflow"], "unknown peer 'tensorflow'; known: torch, torch-compile, jax, tf-keras"),
        (["--json", "--markdown"], "--json and --markdown cannot both be printed"),
        (["--threads", "1", "0"], "a positive integer is needed, got '0'"),
        (["--time-limit", "0"], "a positive number is needed, got '0'"),
    ],
)
def test_wrong_words_leave_with_2(home, capsys, words, message):
    try:
        assert cli.main(["bench", *words]) == 2
    except SystemExit as left:  # what argparse itself refuses
        assert left.code == 2
    assert message in capsys.readouterr().err


def test_it_measures_in_fresh_processes(home, limits, capsys):
    numbers = ["--seconds", "0.05", "--batch", "1", "7", "--threads", "1"]
    words = ["--workload", "function", "--executor", "numpy", *numbers]
    assert cli.main(["bench", *words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["roofline"] == [{"threads": 1, **LIMITS}] and found["machine"]["threads"] == [1]
    assert found["command"] == "symgraph bench " + (
        "--workload function --executor numpy --batch 1 7 --threads 1 --seconds 0.05"
    )
    assert found["begin"]["time"] < found["end"]["time"] and not found["interrupted"]
    one, seven = found["results"]
    assert (one["batch"], seven["batch"]) == (1, 7)
    for each in (one, seven):
        assert (each["workload"], each["contestant"], each["threads"]) == ("function", "numpy", 1)
        assert 0 < each["step_fastest_seconds"] <= each["step_seconds"] < each["import_seconds"] + 1
        assert each["first_step_cold_seconds"] > 0 and each["first_step_cached_seconds"] > 0
        assert 10 < each["peak_megabytes"] < 2000
        assert len(each["losses"]) == 10 and each["loss_agrees"]
        assert "times_best_peer" not in each
    assert one["losses"] != seven["losses"]


def test_executors_do_the_same_work(home):
    """The tiny perceptron loses the same on both, after ten steps of training."""
    contestants = [processes.own("numpy"), processes.own("numba")]
    results, failures, _ = benchmarking.contest("mlp-small", contestants, seconds=0.01, batch=4, threads=2, cold=False)
    assert failures == []
    first, second = (each["losses"] for each in results)
    assert first[0] > first[-1] and first == pytest.approx(second, rel=1e-4)


@pytest.mark.parametrize("name", ["torch", "torch-compile", "jax", "tf-keras"])
def test_peers_do_the_same_work(home, name):
    found, reason = processes.find_peer(name)
    if not found or name == "torch-compile":
        pytest.skip(reason or "compiling takes half a minute")
    both = [processes.own("numpy"), *found]
    results, failures, _ = benchmarking.contest("mlp-small", both, seconds=0.01, threads=1, cold=False)
    assert failures == []
    ours, theirs = (each["losses"] for each in results)
    assert ours == pytest.approx(theirs, rel=0.02) and ours[0] == pytest.approx(theirs[0], rel=1e-5)


def test_a_contestant_that_cannot_run_is_a_line_not_a_traceback(home):
    with pytest.raises(cli.CommandError, match="function, batch 2, on no-such-executor: .*no-such-"):
        benchmarking.measure("function", "no-such-executor", 0.0)


def test_failures_are_reported_and_the_rest_is_shown(home, limits, capsys, monkeypatch):
    contests(monkeypatch, lambda name, who, batch, threads: "mlp on numpy: out of order" if name == "mlp" else result())
    assert cli.main(["bench", "--workload", "mlp", "--workload", "function", "--executor", "numpy"]) == 1
    captured = capsys.readouterr()
    assert "mlp on numpy: out of order" in captured.err
    assert re.search(r"^function +2 +2 +numba +500\.00 ms", captured.out, re.MULTILINE)
    assert "multiplies matrices at 100 GFLOP/s and copies at 10.0 GB/s" in captured.out


def test_an_interrupted_run_shows_what_it_has(home, limits, capsys, monkeypatch):
    def contest(name, *rest):
        if name == "mlp":
            raise KeyboardInterrupt
        return benchmarking.Contest([result(name)], [])

    monkeypatch.setattr(benchmarking, "contest", contest)
    assert cli.main(["bench", "--workload", "function", "--workload", "mlp", "--executor", "numpy"]) == 130
    assert re.search(r"^function +2 +2 +numba", capsys.readouterr().out, re.MULTILINE)


def test_an_interrupt_during_the_turns_keeps_what_was_measured(home, monkeypatch):
    """The process that was asked is not interrupted: it ends its turn, and then says how much memory it needed."""
    turns, ask = [], processes.Running.steps

    def steps(process, seconds):
        turns.append(process.name)
        if len(turns) == 4:  # the second process's second turn: it has been asked, its answer was not waited for
            process._process.stdin.write(f"{seconds!r}\n")
            process._process.stdin.flush()
            raise KeyboardInterrupt
        return ask(process, seconds)

    monkeypatch.setattr(processes.Running, "steps", steps)
    contestants = [processes.own("numpy"), processes.own("numpy")._replace(name="another")]
    results, failures, interrupted = benchmarking.contest("function", contestants, 0.01, threads=1, cold=False)
    assert interrupted and failures == []
    assert turns == [f"function, batch 2, on {name}" for name in ("numpy", "another")] * 2
    assert [each["contestant"] for each in results] == ["numpy", "another"]
    assert all(each["step_seconds"] > 0 and each["peak_megabytes"] > 10 for each in results)


def test_a_contestant_that_is_too_slow_or_dies_is_a_line(home, monkeypatch):
    slow = benchmarking.contest("function", [processes.own("numpy")], 0.01, threads=1, cold=False, patience=0.01)
    assert slow == benchmarking.Contest([], ["function, batch 2, on numpy: no answer within 0.01 seconds"])
    finish = processes.Running.finish

    def die(process):
        process._process.kill()
        process._process.wait()
        return finish(process)

    monkeypatch.setattr(processes.Running, "finish", die)
    dead = benchmarking.contest("function", [processes.own("numpy")], 0.01, threads=1, cold=False)
    assert dead == benchmarking.Contest([], ["function, batch 2, on numpy: exit code -9"])


def test_numbers_of_threads_are_measured_one_after_another(home, limits, capsys, monkeypatch, tmp_path):
    """Each has limits of its own; tables in Markdown say who was the best peer and who the smallest."""
    steps = {"numba": 1e-3, "torch": 3e-3, "jax": 2e-3}
    peaks = {"numba": 100.0, "torch": 90.0, "jax": 200.0}
    monkeypatch.setattr(
        processes, "find_peer", lambda name, pythons: ([processes.Contestant(name, "", sys.executable)], "")
    )

    def make(name, who, batch, threads):
        return {**result(name, who, steps[who] / threads, 2.5, batch, threads), "peak_megabytes": peaks[who]}

    contests(monkeypatch, make)
    monkeypatch.setattr(roofline, "measure", lambda threads: {name: threads * rate for name, rate in LIMITS.items()})
    words = ["bench", "--workload", "function", "--executor", "numba", "--peer", "torch", "--peer", "jax"]
    words += ["--threads", "1", "2", "--batch", "2", "7"]
    files = [str(tmp_path / name) for name in ("run.json", "run.md")]
    assert cli.main([*words, "--json", files[0], "--markdown", files[1], "--peer-python", "/secret/python"]) == 0
    shown = capsys.readouterr().out
    assert "1 thread: this machine multiplies matrices at 100 GFLOP/s" in shown
    assert "2 threads: this machine multiplies matrices at 200 GFLOP/s" in shown
    whole = json.loads(Path(files[0]).read_text())
    assert [(each["threads"], each["batch"]) for each in whole["results"][::3]] == [(1, 2), (1, 7), (2, 2), (2, 7)]
    shares = [each["roofline_share"] for each in whole["results"] if each["batch"] == 2]
    assert shares == pytest.approx(2 * [6.4e-9 / steps[who] for who in steps])
    text = Path(files[1]).read_text()
    assert text.startswith("`symgraph bench --workload function --executor numba --peer torch --peer jax --batch 2 7 ")
    assert "secret" not in text and "load averages" in text and "symgraph 1, torch 1, jax 1." in text
    assert "| function | 7 | 2 | numba | 500.0 us | 1.00 ms jax | 2.00 | 2.00 | 100 MB | 90 MB torch |" in text
    assert text.count("| function | ") == 4 + 12
    assert cli.main([*words, "--markdown"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("| function | ") == 4 + 12 and "warm step  spread" not in printed
    assert cli.main([*words, "--history", files[0]]) == 0
    assert len(re.findall(r"^function .* 1\.00$", capsys.readouterr().out, re.MULTILINE)) == 12


def test_files_are_written_after_each_workload(home, limits, capsys, monkeypatch, tmp_path):
    file = tmp_path / "run.json"

    def contest(name, *rest):
        assert file.exists() == (name == "mlp")
        if name == "mlp":
            assert [each["workload"] for each in json.loads(file.read_text())["results"]] == ["function"]
        return benchmarking.Contest([result(name)], [], interrupted=name == "mlp")

    contests(monkeypatch, lambda name, who, batch, threads: result(name, who))
    lost = str(tmp_path / "no" / "run.json")
    assert cli.main(["bench", "--workload", "function", "--executor", "numpy", "--json", lost]) == 1
    assert f"{lost}: cannot be written: No such file" in capsys.readouterr().err
    monkeypatch.setattr(benchmarking, "contest", contest)
    names = ["--workload", "function", "--workload", "mlp", "--workload", "mnist"]
    words = ["bench", "--executor", "numpy", *names, "--json", str(file)]
    assert cli.main([*words, "--markdown", str(tmp_path / "run.md")]) == 130
    whole = json.loads(file.read_text())
    assert [each["workload"] for each in whole["results"]] == ["function", "mlp"] and whole["interrupted"]
    assert (tmp_path / "run.md").read_text().rstrip().endswith("Interrupted: the rest was not measured.")


def test_ratios_shares_and_losses_are_compared(home, limits, capsys, monkeypatch, tmp_path):
    steps = {"numba": 1e-3, "torch": 3e-3, "jax": 2e-3}
    losses = {"numba": 2.5, "torch": 2.5 + 1e-5, "jax": 2.6}
    monkeypatch.setattr(
        processes, "find_peer", lambda name, pythons: ([processes.Contestant(name, "", sys.executable)], "")
    )
    contests(monkeypatch, lambda name, who, batch, threads: result(name, who, steps[who], losses[who], batch, threads))
    file = tmp_path / "run.json"
    words = ["--executor", "numba", "--peer", "torch", "--peer", "jax", "--workload", "function", "--threads", "2"]
    assert cli.main(["bench", *words, "--json", str(file)]) == 1
    captured = capsys.readouterr()
    assert "function, batch 2: the loss of jax is 2.6, not 2.5 as that of numba: they did not do" in captured.err
    found = {each["contestant"]: each for each in json.loads(file.read_text())["results"]}
    assert [found[who]["times_best_peer"] for who in steps] == pytest.approx([2.0, 2 / 3, 1.0])
    assert [found[who]["loss_agrees"] for who in steps] == [True, True, False]
    # 2 rows of 4 numbers, read and written: 64 bytes at 10 GB/s.
    assert found["numba"]["roofline_share"] == pytest.approx(6.4e-9 / 1e-3)
    row = next(line for line in captured.out.splitlines() if " numba " in line)
    assert re.search(r"100 MB +2\.50000 +2\.00 +0%$", row)


def test_an_earlier_run_is_compared_with(home, limits, capsys, monkeypatch, tmp_path):
    file = tmp_path / "before.json"
    words = ["bench", "--workload", "function", "--executor", "numba"]
    contests(monkeypatch, lambda name, who, batch, threads: result(name, who, 3e-3, batch=batch, threads=threads))
    assert cli.main([*words, "--json", str(file)]) == 0
    contests(monkeypatch, lambda name, who, batch, threads: result(name, who, 1e-3, batch=batch, threads=threads))
    assert cli.main([*words, "--batch", "2", "3", "--history", str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if line.startswith("function")]
    assert re.search(r"3\.00 ms +3\.00$", rows[-2])
    assert re.search(r"- +-$", rows[-1])  # there was no batch of 3


@pytest.mark.parametrize("text, reason", [("[]", "not what"), ("{", "not what"), (None, "cannot be read: No such")])
def test_a_wrong_history_is_refused_before_anything_is_measured(home, capsys, tmp_path, text, reason):
    file = tmp_path / "before.json"
    if text is not None:
        file.write_text(text)
    assert cli.main(["bench", "--history", str(file)]) == 1
    assert f"--history {file}: {reason}" in capsys.readouterr().err


def test_a_peer_that_is_not_installed_is_left_out_with_the_reason(home, limits, capsys, monkeypatch):
    monkeypatch.setitem(processes.PEERS, "torch", processes._Peer("torch_contestant", ("no_such_module_anywhere",)))
    contests(monkeypatch, lambda name, who, batch, threads: result(name, who))
    assert cli.main(["bench", "--workload", "function", "--peer", "torch", "--peer-python", sys.executable]) == 0
    captured = capsys.readouterr()
    assert f"torch is left out: no_such_module_anywhere not found in this interpreter, {sys.executable}" in captured.err
    assert " torch " not in captured.out


def test_another_interpreter_is_asked_for_what_it_has(tmp_path):
    other = tmp_path / "python"
    other.symlink_to(sys.executable)
    assert processes._has(str(other), ("json",)) and not processes._has(str(other), ("json", "no_such_module_anywhere"))
    with pytest.raises(cli.CommandError, match="does not run"):
        processes._has(str(tmp_path / "nothing"), ("json",))
    with pytest.raises(cli.CommandError, match="no Python interpreter"):
        processes._has("/bin/false", ("json",))


def test_the_machine_is_measured():
    found = roofline.measure(1)
    assert 1e8 < found["flops_per_second"] < 1e13 and 1e7 < found["bytes_per_second"] < 1e13


def test_the_picture(home, limits, capsys, monkeypatch, tmp_path):
    if importlib.util.find_spec("matplotlib") is None:
        assert cli.main(["bench", "--plot", str(tmp_path / "a.png")]) == 1
        assert "pip install 'symgraph[plot]'" in capsys.readouterr().err
        return
    results = [result(), result(contestant="torch"), result("mlp", batch=7), result(threads=1)]
    report.draw(results, str(tmp_path / "a.png"))
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(cli.CommandError, match="--plot"):
        report.draw([result()], str(tmp_path / "no" / "a.png"))
