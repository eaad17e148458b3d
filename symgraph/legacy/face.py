"""`Face`: a module that shows, under a Keras path, what lives elsewhere.

A face is a real module object. Its names are looked up when they are first used, in the modules that hold them;
setting a name on the face sets it there too, so that patching `keras.backend.floatx` patches what the engine uses.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = ["Face"]


class Face(types.ModuleType):
    """A module made of other modules.

    # Arguments
        name: full name of the module.
        sources: names of the modules that hold its names, the first has priority.
        names: further names: name -> "module:attribute".
        only: the names it may show; None: every public name of the sources.
        explain: gives the message for a name that nobody has, or None for the usual one.
        resolve: asked for a name before the sources are; gives `(value,)` or None.
    """

    def __init__(self, name: str, sources: Iterable[str] = (), names: Mapping[str, str] | None = None,
                 only: Iterable[str] | None = None, explain: Callable[[str], str | None] | None = None,
                 resolve: Callable[[str], tuple | None] | None = None, documentation: str = ""):
        super().__init__(name, documentation or f"{name}, as symgraph offers it.")
        spec = importlib.machinery.ModuleSpec(name, None, origin="symgraph", is_package=True)
        spec.submodule_search_locations = []
        self.__dict__.update(__spec__=spec, __path__=[], __package__=name, __file__=f"<symgraph as {name}>")
        self.__dict__["_face"] = {
            "sources": tuple(sources), "names": dict(names or {}), "explain": explain, "resolve": resolve,
            "only": None if only is None else frozenset(only), "owners": {}, "children": {},
        }

    # ------------------------------------------------------------------------------------------ names
    def _modules(self) -> list[types.ModuleType]:
        found = []
        for source in self._face["sources"]:
            try:
                found.append(importlib.import_module(source))
            except ModuleNotFoundError as error:
                if error.name is None or not source.startswith(error.name):
                    raise
        return found

    def _add_child(self, name: str, module: types.ModuleType) -> None:
        self._face["children"][name] = module

    def __getattr__(self, name: str) -> Any:
        face = self.__dict__["_face"]
        if name in face["children"]:
            return face["children"][name]
        if name.startswith("__") and name not in {"__all__", "__version__"}:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        if name == "__all__":
            return self.public_names()
        found = face["resolve"](name) if face["resolve"] is not None else None
        if found is not None:
            self.__dict__[name] = found[0]
            return found[0]
        if name in face["names"]:
            place, _, attribute = face["names"][name].partition(":")
            module = importlib.import_module(place)
            value = getattr(module, attribute) if attribute else module
            if attribute == name:
                face["owners"][name] = module
            self.__dict__[name] = value
            return value
        if face["only"] is None or name in face["only"]:
            for module in self._modules():
                try:
                    value = getattr(module, name)
                except AttributeError:
                    continue
                face["owners"][name] = module
                if not name.startswith("_"):  # private names are module state: always asked again
                    self.__dict__[name] = value
                return value
        message = face["explain"](name) if face["explain"] is not None else None
        raise AttributeError(message or f"module {self.__name__!r} has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        owner = self._face["owners"].get(name)
        if owner is not None:
            setattr(owner, name, value)
        self.__dict__[name] = value

    def public_names(self) -> list[str]:
        """The names that `from module import *` brings."""
        face = self._face
        names = {*face["children"], *face["names"]}
        for module in self._modules():
            public = getattr(module, "__all__", None) or [n for n in vars(module) if not n.startswith("_")]
            names.update(public if face["only"] is None else [n for n in public if n in face["only"]])
        if face["only"] is not None and face["resolve"] is not None:
            names.update(face["only"])
        return sorted(name for name in names if self._has(name))

    def _has(self, name: str) -> bool:
        try:
            getattr(self, name)
        except (AttributeError, ImportError):
            return False
        return True

    def __dir__(self) -> list[str]:
        return sorted({*self.public_names(), *(name for name in self.__dict__ if name != "_face")})
