"""Every public module and name of Keras 1.1.2 and 2.3.1 resolves, with its documented signature, or is listed.

`api_*.txt` are the lists; `exceptions.py` says what is left out and why. An exception that resolves, or whose signature
fits, fails the test: the list only shrinks.
"""

import importlib
import inspect
import sys
from pathlib import Path

import pytest

import symgraph
from symgraph import install
from symgraph.keras1._signatures import is_prefix
from symgraph.legacy.names import parse, signature

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
exceptions = importlib.import_module("name_exceptions")
sys.path.remove(str(HERE))


@pytest.fixture(params=["2.3.1", "1.1.2"])
def keras(request):
    """(version, names of its modules, the installed modules)"""
    install.uninstall()
    symgraph.install_as_keras(request.param)
    yield request.param, parse((HERE / f"api_{request.param}.txt").read_text())
    install.uninstall()


def _excepted(table: dict, module: str, name: str) -> bool:
    """Whether a name is listed: its module as a whole, or the name."""
    return name in table.get(module, ()) or table.get(module) == "all"


def test_every_module_is_there(keras):
    version, modules = keras
    for module in modules:
        assert importlib.import_module(module).__name__ == module


def test_every_name_resolves_or_is_listed(keras):
    version, modules = keras
    missing, resolved = [], []
    for module, names in modules.items():
        for name in names:
            found = hasattr(sys.modules[module], name)
            listed = _excepted(exceptions.MISSING[version], module, name)
            if not found and not listed:
                missing.append(f"{module}.{name}")
            if found and name in exceptions.MISSING[version].get(module, ()) and listed:
                resolved.append(f"{module}.{name}")
    assert not missing, f"neither there nor listed: {missing}"
    assert not resolved, f"listed as missing, but there: {resolved}"


def test_modules_left_out_as_a_whole_are_empty(keras):
    version, modules = keras
    for module, what in exceptions.MISSING[version].items():
        if what == "all":
            found = [name for name in modules[module] if hasattr(sys.modules[module], name)]
            assert not found, f"{module} is listed as missing, but has {found}"


def test_signatures_are_the_documented_ones(keras):
    version, modules = keras
    wrong, right = [], []
    for module, names in modules.items():
        for name, entry in names.items():
            if entry.arguments is None or not hasattr(sys.modules[module], name):
                continue
            fits = _fits(getattr(sys.modules[module], name), entry.arguments)
            listed = name in exceptions.SIGNATURES[version].get(module, ())
            if not fits and not listed:
                wrong.append(f"{module}.{name}{inspect.signature(getattr(sys.modules[module], name))} "
                             f"is documented as ({entry.arguments})")
            if fits and listed:
                right.append(f"{module}.{name}")
    assert not wrong, "\n".join(wrong)
    assert not right, f"listed as different, but as documented: {right}"


def _fits(value, arguments: str) -> bool:
    try:
        return is_prefix(signature(arguments), inspect.signature(value))
    except (TypeError, ValueError):
        return False


def test_each_exception_is_justified():
    for table in (exceptions.MISSING, exceptions.SIGNATURES):
        for version, modules in table.items():
            for module, names in modules.items():
                for name in [module] if names == "all" else names:
                    reason = exceptions.reason(version, module, name)
                    assert len(reason) > 10, f"{version} {module}.{name}: no reason"


def test_the_comparison_of_signatures_can_fail():
    def documented(x, axis=-1):
        """The one of the list."""

    def renamed(x, dim=-1):
        """Another name."""

    def another_default(x, axis=0):
        """Another default."""

    def extended(x, axis=-1, keepdims=False):
        """One more, which nobody has to give."""

    def demanding(x, axis, keepdims):
        """One more, which must be given."""

    assert _fits(documented, "x, axis=-1") and _fits(extended, "x, axis=-1")
    assert not any(_fits(other, "x, axis=-1") for other in (renamed, another_default, demanding))
