"""The README says what is true: its programs run, its output is what they print, its commands and files exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[tuple[int, str, str | None]]:
    """(line, text, the output shown right after it or None) of each fenced block in a language."""
    found = []
    for match in _FENCE.finditer(README):
        if match.group(1) == language:
            found.append((README.count("\n", 0, match.start()) + 1, match.group(2), match.group(3)))
    return found


def run_program(program: list[str], folder: Path, home: Path) -> subprocess.CompletedProcess:
    environment = {**os.environ, "KERAS_HOME": str(home), "KERAS_BACKEND": "numba"}
    return subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


PROGRAMS = blocks("python")


def test_the_readme_has_programs():
    assert len(PROGRAMS) >= 3
    assert any(output for _, _, output in PROGRAMS)


@pytest.mark.parametrize("line, text, output", PROGRAMS, ids=[f"line-{line}" for line, _, _ in PROGRAMS])
def test_programs_run_as_printed(line, text, output, tmp_path):
    done = run_program([sys.executable, "-W", "error", "-c", text], tmp_path, tmp_path)
    assert done.returncode == 0, f"README.md, line {line}:\n{done.stderr}"
    if output is not None:
        assert done.stdout.splitlines() == output.splitlines()


def test_the_executor_of_another_package_runs(tmp_path):
    """The README's package, installed as an installer would, is found by its entry point, and chosen by its name."""
    (module,) = [text for _, text, _ in PROGRAMS if text.startswith("# counting.py")]
    ((_, entry, _),) = [block for block in blocks("toml") if "entry-points" in block[1]]
    (tmp_path / "counting.py").write_text(module)
    (tmp_path / "counting-1.0.dist-info").mkdir()
    (tmp_path / "counting-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: counting\nVersion: 1.0\n"
    )
    text = entry.replace('[project.entry-points."symgraph.backends"]', "[symgraph.backends]").replace('"', "")
    (tmp_path / "counting-1.0.dist-info" / "entry_points.txt").write_text(text)
    program = (
        "from symgraph import backend as K\n"
        "x = K.placeholder(shape=(None,))\n"
        "print(K.function([x], [x + 1.0])([[1.0]])[0].tolist())"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "KERAS_HOME": str(tmp_path), "KERAS_BACKEND": "counting"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["a program of 1 steps", "[2.0]"]
    assert done.stderr == "Using counting backend.\n"


EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_examples_run(path, tmp_path):
    done = run_program([sys.executable, "-W", "error", str(path)], tmp_path, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_every_example_is_mentioned():
    assert [path.name for path in EXAMPLES if f"examples/{path.name}" not in README] == []


def test_commands_exist():
    from symgraph import cli

    shell = "\n".join(text for language in ("bash", "console") for _, text, _ in blocks(language))
    words = {match.split()[0] for match in re.findall(r"^(?:\w+=\S+ )*symgraph (.+)$", shell, re.MULTILINE)}
    assert words >= {"demo", "doctor"}
    for name in words:
        with pytest.raises(SystemExit) as left:
            cli.main([name, "--help"])
        assert left.value.code == 0
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make (\w+)", shell, re.MULTILINE)) <= targets


def test_paths_exist():
    """Every `path/with/slash.py` or `folder/` in the text is there."""
    named = set(re.findall(r"`((?:symgraph|layers|backends|tests|benchmarks|examples|\.ci)/[\w./-]*)`", README))
    named = {path for path in named if not path.endswith("...")}
    assert len(named) > 10
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


def test_links_inside_the_page_lead_somewhere():
    titles = re.findall(r"^#+ (.+)$", README, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([\w-]+)\)", README)) <= anchors


def test_every_dependency_is_justified():
    text = (ROOT / "pyproject.toml").read_text()
    required = re.search(r"^dependencies = \[(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    names = [
        re.match(r"[\w-]+", line.strip().strip('",')).group() for line in required.group(1).split("\n") if line.strip()
    ]
    assert len(names) > 3
    assert [name for name in names if f"| {name} |" not in README] == []
    extras = re.search(r"^\[project.optional-dependencies\]\n(.*?)\n\n", text, re.MULTILINE | re.DOTALL).group(1)
    assert [name for name in re.findall(r"^([\w-]+) =", extras, re.MULTILINE) if f"`{name}`" not in README] == []
