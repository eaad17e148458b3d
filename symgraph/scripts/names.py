"""Which names and arguments each dialect offers, for `symgraph check` and the choice of a dialect."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from symgraph.engine.layer import COMMON_ARGUMENTS, Layer
from symgraph.keras1._signatures import TABLE
from symgraph.legacy.modules import KERAS2_MODULES
from symgraph.legacy.rules import RULES

__all__ = ["arguments_of", "in_keras1", "in_keras2", "takes", "value_of"]

#: Layers that Keras 2 did not have, though this package has them beside the others: they tell a program of Keras 1.
_ONLY_IN_KERAS1 = frozenset({"ParametricSoftplus", "SReLU", "TimeDistributedDense"})
_faces: dict[str, dict[str, Any]] = {}


def _modules(dialect: str) -> dict[str, Any]:
    if dialect not in _faces:
        from symgraph import install

        _faces[dialect] = install._keras1("1.2.2") if dialect == "1" else install._keras2()
    return _faces[dialect]


@functools.cache
def value_of(dialect: str, module: str, name: str) -> tuple | None:
    """`(object,)` for a name of a Keras module in a dialect, or None where it is not offered."""
    face = _modules(dialect).get(module)
    if face is None:
        return None
    if not name:
        return (face,)
    try:
        return (getattr(face, name),)
    except (AttributeError, ImportError):
        return None


def in_keras1(module: str, name: str) -> bool:
    """Whether Keras 1 has a module, or a name in it."""
    known = module in TABLE or module in {"keras.backend.common", "keras.backend.tensorflow_backend",
                                          "keras.backend.theano_backend"}
    if not known or not name:
        return known
    listed = TABLE.get(module if module in TABLE else "keras.backend", {})
    return name in listed or f"{module}.{name}" in TABLE or value_of("1", module, name) is not None


def in_keras2(module: str, name: str) -> bool:
    """Whether Keras 2 has a module, or a name in it, as far as it is offered here."""
    if module != "keras" and module not in KERAS2_MODULES:
        return False
    if not name:
        return True
    if module == "keras.layers" and name == "merge":
        return False  # a module there, which no script imports by this way to call it
    if module.startswith("keras.layers") and name in _ONLY_IN_KERAS1:
        return False
    return f"{module}.{name}" in KERAS2_MODULES or value_of("2", module, name) is not None


def arguments_of(value: Any) -> tuple[frozenset[str], bool]:
    """The keywords that an object can be called with, and whether it takes any."""
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return frozenset(), True
    names = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    open_ended = any(p.kind == p.VAR_KEYWORD for p in parameters)
    if isinstance(value, type) and issubclass(value, Layer) and open_ended:
        names |= set(COMMON_ARGUMENTS)
        open_ended = False
        if issubclass(value, _recurrent()):
            names |= {"return_sequences", "return_state", "go_backwards", "stateful", "unroll", "consume_less",
                      "implementation", "weights"}
    rule = getattr(value.__init__ if isinstance(value, type) else value, "_rule", None)
    if rule:
        names |= RULES[rule].old_names
    return frozenset(names), open_ended


def _recurrent() -> type:
    from symgraph import layers

    return getattr(layers, "RNN", Layer)


def takes(dialect: str, module: str, name: str, keyword: str) -> bool | None:
    """Whether a name of a dialect can be called with a keyword; None where that is not known."""
    if module:
        found = value_of(dialect, module, name)
        if found is None:
            return None
        value = found[0]
    else:
        model = value_of(dialect, "keras.models", "Model") or value_of(dialect, "keras.engine.training", "Model")
        if model is None:
            return None
        value = getattr(model[0], name)
    if not callable(value):
        return None
    names, open_ended = arguments_of(value)
    return True if keyword in names else (None if open_ended else False)


