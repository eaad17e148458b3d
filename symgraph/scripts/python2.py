"""Scripts written for Python 2: what gives them away, and a corrected copy."""

from __future__ import annotations

import importlib
import re
import warnings
from pathlib import Path
from typing import Any

__all__ = ["corrected", "message", "problems"]

_SIGNS = (
    (r"^\s*print\s+[^(=\s]", "a print statement"),
    (r"^\s*print\s*$", "a print statement"),
    (r"^\s*print\s*>>", "a print statement"),
    (r"^\s*exec\s+[\"']", "an exec statement"),
    (r"^\s*except\s+[\w.()\s,]+,\s*\w+\s*:", "`except Error, name`"),
    (r"^\s*raise\s+[\w.]+\s*,", "`raise Error, text`"),
    (r"<>", "`<>`"),
    (r"\b0[0-7]+\b(?!\.)", "an old octal number"),
    (r"\b\d+[lL]\b", "a long integer"),
    (r"(^|\W)ur[\"']", "a ur'' string"),
    (r"`[^`]+`", "backquotes for repr"),
)


def problems(source: bytes, path: Path) -> list[tuple[int, str, str]]:
    """The lines that are no Python 3, as `(line number, what it is, text)`; empty for a script that is Python 3.

    # Raises
        SyntaxError: the script is neither Python 3 nor recognisably Python 2.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(source, str(path), "exec")
    except (SyntaxError, ValueError) as error:
        text = source.decode("utf-8", "replace")
        found = []
        for number, line in enumerate(text.splitlines(), 1):
            code = line.split("#")[0] if "'" not in line and '"' not in line else line
            for pattern, what in _SIGNS:
                if re.search(pattern, code):
                    found.append((number, what, line.strip()))
                    break
        if not found and isinstance(error, TabError):
            found = [(error.lineno or 1, "tabs and blanks mixed in an indentation", (error.text or "").strip())]
        if not found:
            raise
        return found
    return []


def message(path: Path, found: list[tuple[int, str, str]]) -> str:
    """What to tell the user about a Python-2 script."""
    lines = [f"{path} is written for Python 2:"]
    lines += [f"  line {number}: {what}: {text}" for number, what, text in found[:10]]
    if len(found) > 10:
        lines.append(f"  ... and {len(found) - 10} more lines")
    lines.append(f"Run a corrected copy with: symgraph run --fix-python2 {path}")
    return "\n".join(lines)


def corrected(source: str, name: str) -> str:
    """The source in Python 3.

    # Raises
        ImportError: no package that can do it is installed.
        ValueError: the source cannot be parsed as Python 2 either.
    """
    refactor, pgen_parse = _converter()
    package = refactor.__name__.partition(".")[0]
    fixers = [fixer for fixer in refactor.get_fixers_from_package(f"{package}.fixes")
              if not fixer.endswith(("fix_import", "fix_asserts", "fix_buffer"))]
    tool = refactor.RefactoringTool(fixers)
    text = source.expandtabs(8) if "\t" in source else source
    try:
        return str(tool.refactor_string(text if text.endswith("\n") else text + "\n", name))
    except pgen_parse.ParseError as error:
        raise ValueError(f"{name}: this is no Python 2 either: {error}") from error


def _converter() -> tuple[Any, Any]:
    for package in ("fissix", "lib2to3"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return (importlib.import_module(f"{package}.refactor"),
                        importlib.import_module(f"{package}.pgen2.parse"))
        except ImportError:
            continue
    raise ImportError("--fix-python2 needs the package fissix: pip install 'symgraph[python2]'")
