"""Reads a script, without running it: which Keras names and arguments it uses, and which dialect it is written in."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from symgraph.keras1._signatures import TABLE
from symgraph.legacy.modules import KERAS2_MODULES
from symgraph.legacy.rules import RULES

__all__ = ["Script", "Use", "choose", "read"]

_PACKAGES = ("keras", "keras_preprocessing", "keras_applications", "tensorflow.keras")
#: Methods of models and layers whose keywords tell the dialect, wherever their object comes from.
METHODS = ("fit", "fit_generator", "evaluate_generator", "predict_generator")


class Use(NamedTuple):
    """One use of a Keras name.

    # Attributes
        line: line in the script.
        module, name: where the name is from: `keras.layers`, `Dense`; a bare module has no name,
        a method of some object
            the module ''.
        keywords: the keyword arguments of a call.
        positional: the kinds of its positional arguments: 'int', 'str', 'tuple', or ''.
        called: whether it is a call.
    """

    line: int
    module: str
    name: str
    keywords: tuple[str, ...] = ()
    positional: tuple[str, ...] = ()
    called: bool = False


@dataclass
class Script:
    """What a script uses."""

    path: Path
    uses: list[Use] = field(default_factory=list)
    foreign: list[Use] = field(default_factory=list)
    #: Lines and names of methods that layers of one generation have.
    methods: list[tuple[int, str]] = field(default_factory=list)

    def modules(self) -> list[tuple[int, str]]:
        """The Keras modules that are imported, with their lines."""
        return [(use.line, use.module) for use in self.uses if not use.name]


def read(path: Path, source: str | None = None) -> Script:
    """Analyse a script.

    # Raises
        SyntaxError: the script is no Python 3.
    """
    text = path.read_bytes() if source is None else source
    tree = ast.parse(text, filename=str(path))
    reader = _Reader(path)
    reader.visit(tree)
    return reader.script


class _Reader(ast.NodeVisitor):
    def __init__(self, path: Path):
        self.script = Script(path)
        self.names: dict[str, str] = {}  # local name -> dotted Keras path
        self.others: dict[str, str] = {}  # local name -> dotted path of TensorFlow or Theano
        self._seen: set[int] = set()

    def visit_Import(self, node: ast.Import) -> None:  # noqa: N802
        for alias in node.names:
            root = alias.name.partition(".")[0]
            if _is_keras(alias.name):
                self.names[alias.asname or root] = alias.name if alias.asname else root
                self.script.uses.append(Use(node.lineno, alias.name, ""))
            elif root in {"tensorflow", "theano"}:
                self.others[alias.asname or root] = alias.name if alias.asname else root

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:  # noqa: N802
        module = node.module or ""
        if node.level or not module:
            return
        for alias in node.names:
            full = f"{module}.{alias.name}"
            if _is_keras(module) or _is_keras(full):
                if alias.name == "*":
                    self.script.uses.append(Use(node.lineno, module, ""))
                    continue
                self.names[alias.asname or alias.name] = full
                self.script.uses.append(_use_of(full, node.lineno))
            elif module.partition(".")[0] in {"tensorflow", "theano"}:
                self.others[alias.asname or alias.name] = full
                self.script.foreign.append(Use(node.lineno, module, alias.name))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:  # noqa: N802
        if node.name in {"get_output_shape_for", "compute_output_shape"}:
            self.script.methods.append((node.lineno, node.name))
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:  # noqa: N802
        keywords = tuple(keyword.arg for keyword in node.keywords if keyword.arg)
        positional = tuple(_kind(argument) for argument in node.args)
        path = self._path(node.func)
        if path:
            self._seen.add(id(node.func))
            use = _use_of(path, node.lineno)
            if not use.name:  # a call of what is a module in one generation: `merge(...)`
                module, _, name = use.module.rpartition(".")
                use = use._replace(module=module, name=name)
            self.script.uses.append(use._replace(keywords=keywords, positional=positional, called=True))
        elif isinstance(node.func, ast.Attribute) and node.func.attr in METHODS and not self._other(node.func):
            self.script.uses.append(Use(node.lineno, "", node.func.attr, keywords, positional, True))
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:  # noqa: N802
        if id(node) not in self._seen:
            path = self._path(node)
            if path:
                self.script.uses.append(_use_of(path, node.lineno))
            else:
                other = self._other(node)
                if other and not _is_keras(other):
                    package, _, rest = other.partition(".")
                    self.script.foreign.append(Use(node.lineno, package, rest.partition(".")[0]))
                elif other:
                    self.script.uses.append(_use_of(other, node.lineno))
                else:
                    self.visit(node.value)
                    return
        inner = node.value
        while isinstance(inner, ast.Attribute):
            inner = inner.value
        if not isinstance(inner, ast.Name):
            self.visit(inner)

    def _path(self, node: ast.AST) -> str | None:
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self.names:
            return None
        return ".".join([self.names[node.id], *reversed(parts)])

    def _other(self, node: ast.AST) -> str | None:
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self.others:
            return None
        return ".".join([self.others[node.id], *reversed(parts)])


def _is_keras(path: str) -> bool:
    return any(path == package or path.startswith(package + ".") for package in _PACKAGES)


def _kind(node: ast.AST) -> str:
    if isinstance(node, ast.Constant):
        return type(node.value).__name__
    return "tuple" if isinstance(node, (ast.Tuple, ast.List)) else ""


def _normal(path: str) -> str:
    return path.replace("tensorflow.keras", "keras", 1)


def _known_modules() -> set[str]:
    return {"keras", *TABLE, *KERAS2_MODULES}


def _use_of(path: str, line: int) -> Use:
    """Split a dotted path into its module and the name in it; what follows the name is left out."""
    known = _known_modules()
    parts = _normal(path).split(".")
    for count in range(len(parts), 0, -1):
        module = ".".join(parts[:count])
        if module in known:
            return Use(line, module, parts[count] if count < len(parts) else "")
    return Use(line, ".".join(parts[:-1]), parts[-1])


# ---------------------------------------------------------------------------------------------- the dialect
def choose(script: Script) -> tuple[str, str]:
    """The dialect of a script, '1' or '2', and why.

    Modules and names that only one generation has weigh most, then arguments; without any sign it is 2.
    """
    from symgraph.scripts.names import in_keras1, in_keras2

    strong: dict[str, list[str]] = {"1": [], "2": []}
    weak: dict[str, list[str]] = {"1": [], "2": []}
    for use in script.uses:
        if use.module:
            old, new = in_keras1(use.module, use.name), in_keras2(use.module, use.name)
            shown = f"{use.module}.{use.name}" if use.name else use.module
            if old and not new:
                strong["1"].append(f"line {use.line}: only Keras 1 has {shown}")
            elif new and not old:
                strong["2"].append(f"line {use.line}: only Keras 2 has {shown}")
        if use.called:
            for keyword in use.keywords:
                if keyword in _old_words(use.name):
                    weak["1"].append(f"line {use.line}: {use.name}({keyword}=)")
                elif keyword in _new_words(use.name):
                    weak["2"].append(f"line {use.line}: {use.name}({keyword}=)")
            if use.name.startswith(("Convolution2D", "Conv2D")) and use.positional[:3] == ("int", "int", "int"):
                weak["1"].append(f"line {use.line}: {use.name}({', '.join(['n'] * 3)})")
            if use.name == "merge" and "mode" in use.keywords:
                strong["1"].append(f"line {use.line}: merge(mode=)")
    for line, method in script.methods:
        strong["1" if method == "get_output_shape_for" else "2"].append(f"line {line}: a layer with {method}")
    for signs in (strong, weak):
        if len(signs["1"]) != len(signs["2"]):
            best = "1" if len(signs["1"]) > len(signs["2"]) else "2"
            other = signs["2" if best == "1" else "1"]
            reasons = list(dict.fromkeys(signs[best]))
            text = "; ".join(reasons[:3]) + (f" and {len(reasons) - 3} more" if len(reasons) > 3 else "")
            return best, text + (f" (against: {other[0]})" if other else "")
    return "2", "nothing in the script is of one generation only"


def _rules_of(name: str) -> list:
    aliases = {"Convolution1D": "Conv1D", "Convolution2D": "Conv2D", "Convolution3D": "Conv3D", "Model": "Network",
               "AtrousConvolution1D": "Conv1D", "AtrousConvolution2D": "Conv2D",
               "Deconvolution2D": "Conv2DTranspose", "SeparableConvolution2D": "SeparableConv2D"}
    keys = (name, aliases.get(name, name), f"Model.{name}", f"backend.{name}")
    return [RULES[key] for key in dict.fromkeys(keys) if key in RULES]


def _old_words(name: str) -> frozenset[str]:
    return frozenset(word for rule in _rules_of(name) for word in rule.old_names) | (
        frozenset({"mode", "concat_axis", "dot_axes"}) if name in {"merge", "Merge"} else frozenset())


def _new_words(name: str) -> frozenset[str]:
    found = frozenset(word for rule in _rules_of(name) for word in rule.rename.values())
    old = frozenset(TABLE_WORDS.get(name, ()))
    extra = {"fit_generator": {"steps_per_epoch"}, "Conv2D": {"kernel_size"}, "Convolution2D": {"kernel_size"}}
    return (found | frozenset(extra.get(name, ()))) - old


def _table_words() -> dict[str, frozenset[str]]:
    from symgraph.legacy.names import signature

    found: dict[str, frozenset[str]] = {}
    for entries in TABLE.values():
        for name, entry in entries.items():
            if entry.arguments:
                found[name] = found.get(name, frozenset()) | frozenset(signature(entry.arguments).parameters)
    return found


TABLE_WORDS = _table_words()
