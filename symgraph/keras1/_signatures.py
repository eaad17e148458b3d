"""The documented signatures of Keras 1, and functions that speak them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from symgraph.legacy.keras1_names import NAMES
from symgraph.legacy.names import Entry, parse, signature

__all__ = ["TABLE", "entry", "of", "speaking", "with_self"]

TABLE: dict[str, dict[str, Entry]] = parse(NAMES)


def entry(module: str, name: str) -> Entry | None:
    """What Keras 1 has under a name of a module (`keras.layers.core`), or None."""
    return TABLE.get(module, {}).get(name)


def of(module: str, name: str) -> inspect.Signature:
    """The signature of a function or constructor."""
    found = entry(module, name)
    return signature((found.arguments if found else None) or "")


def with_self(old: inspect.Signature) -> inspect.Signature:
    """The signature of a method."""
    return old.replace(parameters=[*signature("self").parameters.values(), *old.parameters.values()])


def constructor(arguments: str, run: Callable[[Any, dict[str, Any]], None]) -> Callable:
    """An `__init__` with these arguments, also for code that looks at them; it calls `run(self, given)`."""
    old = signature(arguments)
    names = [name for name, p in old.parameters.items() if p.kind != p.VAR_KEYWORD]
    rest = next((f", **{name}" for name, p in old.parameters.items() if p.kind == p.VAR_KEYWORD), "")
    given = ", ".join(f"{name!r}: {name}" for name in names)
    shown = ", ".join(names)
    space: dict[str, Any] = {"run": run}
    # The text is data of this package: names of arguments.
    exec(f"def __init__(self, {shown}{rest}):\n    run(self, {{{given}{rest}}})\n", space)
    made = space["__init__"]
    defaults = [p.default for p in old.parameters.values() if p.kind != p.VAR_KEYWORD and p.default is not p.empty]
    made.__defaults__ = tuple(defaults) or None
    return made


def is_prefix(old: inspect.Signature, new: inspect.Signature) -> bool:
    """Whether every call in the old words means the same in the new ones: same names, same places, same defaults.

    The new signature may have more arguments, and defaults where the old one has none.
    """
    mine, theirs = list(old.parameters.values()), list(new.parameters.values())
    if mine and mine[-1].kind == mine[-1].VAR_KEYWORD and theirs and theirs[-1].kind == theirs[-1].VAR_KEYWORD:
        mine, theirs = mine[:-1], theirs[:-1]  # what stands between the named arguments and **kwargs is extra
    if len(theirs) < len(mine):
        return False
    for one, other in zip(mine, theirs):
        if one.name != other.name or one.kind != other.kind:
            return False
        if one.default is not one.empty and not _same(one.default, other.default):
            return False
    return all(p.default is not p.empty or p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) for p in theirs[len(mine):])


def _same(first: Any, second: Any) -> bool:
    return first is second or (type(first) is type(second) and first == second)


def speaking(native: Callable, old: inspect.Signature, name: str, rename: Mapping[str, str],
             values: Mapping[str, Mapping] | None = None) -> Callable:
    """The function, called in the words of Keras 1.

    # Arguments
        native: the function that does the work.
        old: the signature of Keras 1.
        name: its name there.
        rename: old name -> new name.
        values: old name -> {old value: new value}.
    """
    new = inspect.signature(native)
    if is_prefix(old, new):
        return native
    catches_all = any(p.kind == p.VAR_KEYWORD for p in new.parameters.values())

    @functools.wraps(native)
    def speaks(*args: Any, **kwargs: Any) -> Any:
        bound = old.bind(*args, **kwargs)
        bound.apply_defaults()
        words: dict[str, Any] = {}
        for key, value in bound.arguments.items():
            kind = old.parameters[key].kind
            if kind == inspect.Parameter.VAR_KEYWORD:
                words.update(value)
                continue
            target = rename.get(key, key)
            if values and key in values and isinstance(value, str):
                value = values[key].get(value, value)
            if target in new.parameters or catches_all:
                words[target] = value
            elif key in kwargs or not _same(value, old.parameters[key].default):
                raise TypeError(f"{name}: the argument {key!r} has no counterpart here")
        return native(**words)

    speaks.__name__ = speaks.__qualname__ = name
    speaks.__signature__ = old  # type: ignore[attr-defined]
    return speaks
