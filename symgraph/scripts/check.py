"""`symgraph check script.py`: every Keras name and argument of a script, and in which dialect it is offered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from symgraph.legacy.modules import TENSORFLOW_HINTS, THEANO_HINTS
from symgraph.scripts.analysis import Script, choose, read
from symgraph.scripts.names import in_keras1, in_keras2, takes, value_of

__all__ = ["report", "run"]


def report(script: Script) -> list[dict[str, Any]]:
    """One row a name or argument: line, what, whether each dialect offers it, a remark."""
    rows: list[dict[str, Any]] = []
    known: dict[tuple, dict[str, Any]] = {}

    def add(line: int, what: str, one: bool, two: bool, remark: str = "") -> None:
        key = (what, one, two, remark)
        if key in known:
            known[key]["lines"].append(line)
            return
        known[key] = {"lines": [line], "what": what, "keras1": one, "keras2": two, "remark": remark}
        rows.append(known[key])

    for use in script.uses:
        shown = ".".join(part for part in (use.module, use.name) if part) or use.name
        if not use.module:
            shown = f"model.{use.name}"
            one = two = True
        else:
            one = in_keras1(use.module, use.name) and (not use.name or value_of("1", use.module, use.name) is not None)
            two = in_keras2(use.module, use.name)
        if use.module:
            add(use.line, shown, one, two, "" if one or two else "not offered")
        for keyword in use.keywords:
            old, new = (takes(dialect, use.module, use.name, keyword) if offered else False
                        for dialect, offered in (("1", one), ("2", two)))
            if old is None and new is None:
                continue
            add(use.line, f"{shown}({keyword}=)", old is not False and one, new is not False and two)
    for use in script.foreign:
        hints = TENSORFLOW_HINTS if use.module.startswith("tensorflow") else THEANO_HINTS
        name = use.name or use.module
        add(use.line, f"{use.module}.{use.name}" if use.name else use.module, False, False,
            hints.get(name, "not offered: symgraph runs without it"))
    return rows


def run(path: Path, as_json: bool = False) -> int:
    """Print the report of a script.

    # Returns
        0 where the script's own dialect offers everything, else 1.
    """
    from symgraph.cli import CommandError, print_table
    from symgraph.scripts import python2

    source = path.read_bytes()
    problems = python2.problems(source, path)
    if problems:
        raise CommandError(python2.message(path, problems))
    script = read(path)
    dialect, reason = choose(script)
    rows = report(script)
    missing = [row for row in rows if not row[f"keras{dialect}"]]
    if as_json:
        print(json.dumps({"script": str(path), "dialect": dialect, "reason": reason, "names": rows}, indent=2))
        return 1 if missing else 0
    if not rows:
        print(f"{path}: uses no Keras names")
        return 0
    print(f"{path}: Keras {dialect} ({reason})")
    table = [(_lines(row["lines"]), row["what"], _word(row["keras1"]), _word(row["keras2"]),
              row["remark"]) for row in rows]
    print_table(("line", "name or argument", "Keras 1", "Keras 2", ""), table)
    print(f"{len(rows) - len(missing)} of {len(rows)} are offered in Keras {dialect}"
          + (f"; missing: {', '.join(row['what'] for row in missing[:8])}" if missing else ""))
    return 1 if missing else 0


def _word(offered: bool) -> str:
    return "yes" if offered else "no"


def _lines(lines: list[int]) -> str:
    shown = sorted(set(lines))
    return ", ".join(map(str, shown[:4])) + (" ..." if len(shown) > 4 else "")
