"""Reads lists of public names (`keras1_names.NAMES`): what each module has, and with which arguments."""

from __future__ import annotations

import functools
import inspect
import re
from typing import NamedTuple

__all__ = ["Entry", "parse", "signature"]


#: What separates words in a text, where nothing else is said.
BASE_FILTER = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'


class Entry(NamedTuple):
    """One public name.

    # Attributes
        kind: 'function', 'class', 'alias' (`target` names another one of the module), 'import' (`target` is the module
            it comes from) or 'data'.
        arguments: the text of the arguments of a function or constructor; None for a class that lists none.
        target: see `kind`.
    """

    kind: str
    arguments: str | None = None
    target: str = ""


def parse(text: str) -> dict[str, dict[str, Entry]]:
    """Module -> name -> entry, of a list as `keras1_names.NAMES` is one."""
    modules: dict[str, dict[str, Entry]] = {}
    current: dict[str, Entry] = {}
    for line in re.sub(r"\n +", " ", text).strip().splitlines():
        if line.startswith("["):
            current = modules.setdefault(line.strip("[]"), {})
        elif line.startswith("class "):
            name, _, rest = line[6:].partition("(")
            current[name] = Entry("class", rest[:-1] if rest else None)
        elif match := re.match(r"(\w+)\((.*)\)$", line):
            current[match[1]] = Entry("function", match[2])
        elif " = " in line:
            name, target = line.split(" = ", 1)
            current[name] = Entry("alias", target=target)
        elif " from " in line:
            name, target = line.split(" from ", 1)
            current[name] = Entry("import", target=target)
        else:
            current[line.partition(":")[0]] = Entry("data")
    return modules


@functools.cache
def signature(arguments: str) -> inspect.Signature:
    """The signature that a text of arguments describes; defaults that read a setting become None."""
    plain = re.sub(r"=\s*(_FLOATX|floatx\(\)|K\.floatx\(\))", "=None", arguments)
    plain = plain.replace("base_filter()", repr(BASE_FILTER))
    plain = re.sub(r"(losses_utils\.)?Reduction\.SUM_OVER_BATCH_SIZE", "'sum_over_batch_size'", plain)
    # The text is data of this package: literals as defaults, nothing else.
    return inspect.signature(eval(f"lambda {plain}: None", {"__builtins__": {}}))
