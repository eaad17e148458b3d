"""The package as it is installed: wheel, editable installation, guards, imports, and rules about who reads what."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest needs it too on Python 3.10

ROOT = Path(__file__).resolve().parent.parent
MAPPED = {"symgraph": "symgraph", "layers": "symgraph.layers", "backends": "symgraph.backends"}
BLOCKING = ["numba", "llvmlite", "cupy", "scipy", "h5py", "yaml", "rich", "torch", "matplotlib", "sklearn", "PIL"]

pytestmark = pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="needs the repository")


def sources() -> list[Path]:
    """Every Python file of the package, in the repository."""
    return [path for folder in MAPPED for path in sorted((ROOT / folder).rglob("*.py"))]


def packages_on_disk() -> set[str]:
    names = set()
    for folder, package in MAPPED.items():
        for path in (ROOT / folder).rglob("__init__.py"):
            names.add(".".join([package, *path.parent.relative_to(ROOT / folder).parts]))
    return names


def modules_on_disk() -> list[str]:
    found = []
    for folder, package in MAPPED.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = [package, *path.relative_to(ROOT / folder).with_suffix("").parts]
            found.append(".".join(part for part in parts if part != "__init__"))
    return found


def run_python(code: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, **options)


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_package_is_listed():
    listed = project()["tool"]["setuptools"]["packages"]
    assert sorted(listed) == listed, "keep the list sorted"
    assert set(listed) == packages_on_disk()


def test_every_folder_with_code_is_a_package():
    folders = {path.parent for path in sources()}
    assert [str(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def test_version_is_the_same_everywhere():
    import symgraph

    version = project()["project"]["version"]
    assert symgraph.__version__ == version
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("folder", ["layers", "backends"])
def test_a_bare_import_of_a_mapped_folder_is_refused(folder):
    done = run_python(f"import {folder}", cwd=ROOT)
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1].startswith(f"ImportError: this folder is the package symgraph.{folder}")


def test_import_loads_no_other_module():
    code = "import sys; before = set(sys.modules); import symgraph; print(*sorted(set(sys.modules) - before))"
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert {name for name in loaded if name.startswith("symgraph")} == {"symgraph"}
    assert not loaded & {"numpy", *BLOCKING}
    assert (done.stderr, len(loaded) < 40) == ("", True)


@pytest.mark.parametrize("module", ["symgraph.backend", "symgraph.models", "symgraph.layers"])
def test_the_user_modules_load_nothing_heavy(module):
    """Numba, SciPy, h5py ... cost more than the rest together: each is loaded when something needs it."""
    code = f"import sys, {module}; print(*sorted(name for name in {BLOCKING} if name in sys.modules))"
    done = run_python(code, env={**os.environ, "KERAS_BACKEND": "numba"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
    assert done.stderr == "Using Numba backend.\n"


def test_public_names_exist():
    import symgraph

    for name in symgraph.__all__:
        assert getattr(symgraph, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'layer'"):
        _ = symgraph.layer


def test_only_the_settings_module_reads_the_environment():
    pattern = re.compile(r"os\.environ|os\.getenv|from os import .*environ|['\"]keras\.json['\"]")
    readers = [str(path.relative_to(ROOT)) for path in sources() if pattern.search(path.read_text())]
    assert readers == ["symgraph/config.py"]


def imported_modules(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return names


def test_only_the_gpu_folder_imports_cupy():
    readers = {path for path in sources() if any(name.split(".")[0] == "cupy" for name in imported_modules(path))}
    strangers = {str(path.relative_to(ROOT)) for path in readers if not path.is_relative_to(ROOT / "backends" / "gpu")}
    assert strangers == set()


def test_nothing_outside_the_executors_asks_which_executor_runs():
    pattern = re.compile(r"(executor_name\(\)|backend\(\)|executor\.name)\s*[!=]=")
    outside = [path for path in sources() if not path.is_relative_to(ROOT / "backends")]
    assert [str(path.relative_to(ROOT)) for path in outside if pattern.search(path.read_text())] == []


# ---------------------------------------------------------------- installation


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """A copy of the repository's files, so that a build leaves nothing in the repository."""
    target = tmp_path_factory.mktemp("clone")
    for name in MAPPED:
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, target / name)
    return target


def build(clone: Path, kind: str, target: Path) -> Path:
    """Unpack what setuptools builds (``build_wheel`` or ``build_editable``) the way an installer would."""
    pytest.importorskip("setuptools", minversion="77")
    code = f"from setuptools import build_meta; print(build_meta.{kind}({str(target)!r}))"
    done = run_python(code, cwd=clone)
    assert done.returncode == 0, done.stderr
    site = target / "site"
    with zipfile.ZipFile(target / done.stdout.splitlines()[-1]) as archive:
        archive.extractall(site)
    return site


def import_everything(site: Path, elsewhere: Path, more: str = "") -> list[Path]:
    """Where the three top packages come from in a fresh interpreter to which `site` was added and nothing else.

    -I and -S keep the current folder, PYTHONPATH and the installation under test away; the dependencies' folders come
    last and without their .pth files.
    """
    code = (
        "import site, sys, sysconfig; site.addsitedir(sys.argv[1])\n"
        "sys.path += [sysconfig.get_path('purelib'), sysconfig.get_path('platlib')]\n"
        f"import symgraph, symgraph.layers, symgraph.backends, symgraph.config {more}\n"
        "for module in (symgraph, symgraph.layers, symgraph.backends): print(module.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(site)], capture_output=True, text=True, cwd=elsewhere, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return [Path(line) for line in done.stdout.splitlines()]


def test_wheel(clone, tmp_path):
    site = build(clone, "build_wheel", tmp_path)
    modules = {
        path.relative_to(site).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
        for path in site.rglob("*.py")
    }
    assert modules == set(modules_on_disk())
    assert (site / "symgraph" / "py.typed").exists()
    assert "symgraph = symgraph.cli:main" in next(site.glob("*.dist-info/entry_points.txt")).read_text()
    files = import_everything(site, tmp_path)
    assert all(file.is_relative_to(site) for file in files), files


def test_editable_installation(clone, tmp_path):
    """An editable wheel holds a finder that leads to the clone: imports follow it, and new modules appear at once."""
    site = build(clone, "build_editable", tmp_path)
    (clone / "backends" / "made_later.py").write_text("")
    try:
        files = import_everything(site, tmp_path, more=", symgraph.backends.made_later")
    finally:
        (clone / "backends" / "made_later.py").unlink()
    assert all(file.is_relative_to(clone) for file in files), files
