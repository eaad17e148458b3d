"""`install_as_keras`: `import keras` - and `import tensorflow` for `tf.keras` - without either.

Every public module of the chosen Keras version becomes a module object in `sys.modules`. Old scripts and test-suites
then find their names, can patch them, and run on symgraph. Nothing is installed on disk; `uninstall()` undoes it.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Callable, Iterable

from symgraph.legacy.face import Face
from symgraph.legacy.modules import (
    KERAS2_MODULES,
    KERAS2_NAMES,
    KERAS2_OWN_NAMES,
    KERAS2_SOURCES,
    TENSORFLOW_HINTS,
    THEANO_HINTS,
)

__all__ = ["VERSIONS", "installed_version", "install_as_keras", "uninstall"]

#: What may be asked for, and the version whose names and meanings it gets.
VERSIONS = {"2.3.1": "2.3.1", "2": "2.3.1", "1.2.2": "1.2.2", "1.2": "1.2.2", "1": "1.2.2", "1.1.2": "1.1.2"}

_PACKAGES = ("keras", "keras_preprocessing", "keras_applications", "tensorflow", "theano")
_installed: dict[str, types.ModuleType] = {}
_version: str | None = None


def installed_version() -> str | None:
    """The Keras version that `import keras` gives at the moment, or None."""
    return _version


def install_as_keras(version: str = "2.3.1", tf_keras: bool = False) -> types.ModuleType:
    """Make `import keras` find symgraph, in this process.

    # Arguments
        version: "2.3.1" or "2" for the names and meanings of Keras 2; "1.1.2", "1.2.2" or "1" for those of Keras 1.
        tf_keras: whether `import tensorflow as tf` gives a module that has `tf.keras` (and nothing more).

    # Returns
        The module `keras`.

    # Raises
        ValueError: a version that is not offered.
        RuntimeError: a real Keras (or TensorFlow, with `tf_keras`) is imported already.
    """
    global _version
    if version not in VERSIONS:
        raise ValueError(f"install_as_keras: unknown version {version!r}; known: {', '.join(VERSIONS)}")
    wanted = VERSIONS[version]
    wants_tensorflow = tf_keras and "tensorflow" not in _installed
    if _version == wanted and not wants_tensorflow:
        return _installed["keras"]
    _refuse_real(("keras", "keras_preprocessing", "keras_applications", *(("tensorflow",) if tf_keras else ())))
    if _version is not None and _version != wanted:
        uninstall()
    if _version is None:
        modules = _keras2() if wanted == "2.3.1" else _keras1(wanted)
        _enter(modules)
        _version = wanted
    if tf_keras and "tensorflow" not in _installed:
        _enter(_tensorflow())
    return _installed["keras"]


def uninstall() -> None:
    """Undo `install_as_keras`: `import keras` finds again what is installed on disk, if anything."""
    global _version
    for name, module in _installed.items():
        if sys.modules.get(name) is module:
            del sys.modules[name]
    _installed.clear()
    _version = None


def explain_missing(names: Iterable[str] = ("tensorflow", "theano")) -> None:
    """Let `import tensorflow` and `import theano` succeed where they are not installed.

    Each of their names then raises an error that says what to use instead.
    """
    hints = {"tensorflow": TENSORFLOW_HINTS, "theano": THEANO_HINTS}
    for name in names:
        if name not in sys.modules and importlib.util.find_spec(name) is None:
            _enter({name: Face(name, explain=_hint(name, hints[name]))})


# ---------------------------------------------------------------------------------------------- making the modules
def _refuse_real(names: Iterable[str]) -> None:
    for name in names:
        module = sys.modules.get(name)
        if module is not None and _installed.get(name) is not module:
            where = getattr(module, "__file__", None) or "unknown place"
            raise RuntimeError(
                f"install_as_keras: {name!r} is imported already, from {where}. Two of them in one process would mix "
                "their classes: call `symgraph.install_as_keras()` before anything imports it (start a new process)."
            )


def _enter(modules: dict[str, types.ModuleType]) -> None:
    for name, module in modules.items():
        parent, _, child = name.rpartition(".")
        owner = modules.get(parent) or _installed.get(parent)
        if isinstance(owner, Face):
            owner._add_child(child, module)
    sys.modules.update(modules)
    _installed.update(modules)


def _source(name: str) -> tuple[str, ...]:
    """Where the names of a module live: in the module of the same name here, or in what holds that one."""
    if name in KERAS2_SOURCES:
        return KERAS2_SOURCES[name]
    here = name
    for old, new in (("keras_preprocessing", "symgraph.preprocessing"), ("keras_applications", "symgraph.applications"),
                     ("keras", "symgraph")):
        if name == old or name.startswith(old + "."):
            here = new + name[len(old):]
            break
    parent = here.rpartition(".")[0]
    return (here,) if parent == "symgraph" else (here, parent)


def _keras2(prefix: str = "keras") -> dict[str, types.ModuleType]:
    modules: dict[str, types.ModuleType] = {}
    for name in ("keras", *KERAS2_MODULES):
        if prefix != "keras":
            if name != "keras" and not name.startswith("keras."):
                continue
            shown = prefix + name[len("keras"):]
        else:
            shown = name
        names = {} if name in {"keras", "keras_preprocessing", "keras_applications"} else {
            key: place.replace("keras.", f"{prefix}.", 1) if prefix != "keras" else place
            for key, place in {**KERAS2_NAMES, **KERAS2_OWN_NAMES.get(name, {})}.items()}
        modules[shown] = Face(shown, _source(name), names)
    modules[prefix].__dict__["__version__"] = "2.3.1"
    return modules


def _keras1(version: str) -> dict[str, types.ModuleType]:
    from symgraph import keras1

    modules = keras1.modules("keras")
    modules["keras"].__dict__["__version__"] = version
    return modules


def _tensorflow() -> dict[str, types.ModuleType]:
    modules: dict[str, types.ModuleType] = {
        "tensorflow": Face("tensorflow", explain=_hint("tensorflow", TENSORFLOW_HINTS)),
        "tensorflow.python": Face("tensorflow.python", explain=_hint("tensorflow", TENSORFLOW_HINTS)),
    }
    modules["tensorflow"].__dict__["__version__"] = "1.15.0"
    modules.update(_keras2("tensorflow.keras"))
    for name in [name for name in modules if name.startswith("tensorflow.keras")]:
        modules[name.replace("tensorflow.keras", "tensorflow.python.keras", 1)] = modules[name]
    return modules


def _hint(package: str, hints: dict[str, str]) -> Callable[[str], str]:
    short = {"tensorflow": "tf"}.get(package, package)

    def explain(name: str) -> str:
        text = f"{short}.{name} is not offered: symgraph runs Keras programs without {package}"
        return f"{text}; {hints[name]}." if name in hints else f"{text}. Use the functions of `keras.backend`."

    return explain
