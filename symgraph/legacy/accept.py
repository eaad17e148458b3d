"""The one mechanism that accepts the arguments of Keras 1: a thin layer around what `rules.RULES` names.

A call in the words of Keras 2 passes through untouched; only one that uses an old word, or has an old form, is
translated. Unknown arguments reach the function itself, whose error names them and the known ones.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from symgraph.legacy.rules import RULES, Rule

__all__ = ["accept_functions", "accept_methods", "accepting", "translate", "translate_config"]


def translate(name: str, args: tuple, keywords: Mapping[str, Any], new_order: tuple[str, ...] = (),
              is_old: bool = False) -> tuple[tuple, dict[str, Any]]:
    """The arguments of a call in the words of Keras 2.

    # Arguments
        name: key of the rule in `RULES`.
        args: positional arguments (for a method with `self`).
        keywords: keyword arguments.
        new_order: names of the positional arguments in Keras 2, where `args` may be in that order.
        is_old: whether the positional arguments are in the order of Keras 1.

    # Raises
        TypeError: an argument given twice, under its old and its new name.
    """
    rule = RULES[name]
    result = dict(keywords)
    if is_old or (rule.order and len(args) > rule.shared + 1 and not rule.is_old):
        names = ("self", *rule.order) if rule.order[:1] != ("self",) else tuple(rule.order)
        if len(args) > len(names):
            raise TypeError(f"{name}: at most {len(names) - 1} positional arguments, got {len(args) - 1}")
        extra = names[1:len(args)]
        values = args[1:]
        args = args[:1]
    else:
        # The converters look at names: give those of Keras 2 to what came by position.
        extra = new_order[1:len(args)] if new_order and rule.convert else ()
        values = args[1:len(extra) + 1]
        if extra:
            args = (args[0], *args[len(extra) + 1:])
    for key, value in zip(extra, values):
        if key in result:
            raise TypeError(f"{name}: the argument {key!r} was given twice, by position and by name")
        result[key] = value
    for old, reason in rule.ignored.items():
        if result.pop(old, None):
            warnings.warn(f"{name}: `{old}` has no effect. {reason}.", stacklevel=4)
    if rule.convert is not None:
        rule.convert(result)
    for old, new in rule.rename.items():
        if old in result and old != new:
            value = result.pop(old)
            if new in result:
                raise TypeError(f"{name}: `{old}` is the old name of `{new}`; give one of them, not both")
            choices = rule.values.get(old)
            result[new] = choices.get(value, value) if choices and isinstance(value, str) else value
    return args, result


def accepting(function: Callable, name: str) -> Callable:
    """The function, made to accept the old words that `RULES[name]` lists. Its signature stays what it was."""
    rule: Rule = RULES[name]
    old_names = rule.old_names
    is_old = rule.is_old
    signature = inspect.signature(function)
    order = tuple(p.name for p in signature.parameters.values() if p.kind == p.POSITIONAL_OR_KEYWORD)
    # Old names that the function itself has (K functions that take both) are its own affair.
    old_names = old_names - set(order)
    method = order[:1] == ("self",)

    @functools.wraps(function)
    def accepts(*args: Any, **keywords: Any) -> Any:
        if old_names.isdisjoint(keywords) and (is_old is None or not is_old(args, keywords)):
            return function(*args, **keywords)
        positional = args if method else (None, *args)
        old_form = is_old is not None and is_old(args, keywords)
        positional, keywords = translate(name, positional, keywords, order if method else ("", *order), old_form)
        return function(*(positional if method else positional[1:]), **keywords)

    accepts.__signature__ = signature  # type: ignore[attr-defined]
    accepts._rule = name  # type: ignore[attr-defined]
    return accepts


def accept_methods(cls: type) -> None:
    """Make the constructor and the methods of a class of this package accept their old words."""
    if not cls.__module__.startswith("symgraph.") or cls.__module__.startswith("symgraph.keras1"):
        return  # the classes of the Keras-1 dialect speak the old words themselves
    if cls.__name__ in RULES:
        current = cls.__init__  # type: ignore[misc]
        if getattr(current, "_rule", None) != cls.__name__:
            cls.__init__ = accepting(getattr(current, "__wrapped__", current)  # type: ignore[misc]
                                     if getattr(current, "_rule", None) else current, cls.__name__)
    for method in _METHODS.get(cls.__name__, ()):
        if method in cls.__dict__:
            setattr(cls, method, accepting(cls.__dict__[method], f"{cls.__name__}.{method}"))


_METHODS: dict[str, tuple[str, ...]] = {}
for _key in RULES:
    _owner, _, _method = _key.partition(".")
    if _method and _owner != "backend":
        _METHODS[_owner] = (*_METHODS.get(_owner, ()), _method)


def accept_functions(namespace: dict[str, Any], prefix: str = "") -> None:
    """Make the functions and classes of a module accept their old words.

    # Arguments
        namespace: the module's `globals()`.
        prefix: 'backend.' for the functions of K.
    """
    for name, value in list(namespace.items()):
        if isinstance(value, type):
            if not prefix:
                accept_methods(value)
        elif prefix + name in RULES and callable(value) and getattr(value, "_rule", None) != prefix + name:
            namespace[name] = accepting(value, prefix + name)


def translate_config(class_name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """A layer's configuration in the words of Keras 2; one that is in those words already stays as it is."""
    rule = RULES.get(class_name)
    if rule is None or rule.old_names.isdisjoint(config):
        return dict(config)
    return translate(class_name, (None,), config)[1]
