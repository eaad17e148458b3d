"""The state of Python objects as arrays and JSON: what a run that goes on later needs of callbacks and of data.

State are numbers, texts, arrays, random generators, and lists, tuples, sets and dictionaries of them. Everything else
an object refers to - functions, open files, models - is made anew by the program and is no state. Nothing that is read
back can name code.
"""

from __future__ import annotations

import hashlib
import json
import random
from typing import Any

import numpy as np

__all__ = ["LARGEST", "digest", "restored", "state_of", "stored"]

#: Arrays with more bytes than this are data, not state.
LARGEST = 1 << 24


def state_of(item: Any, place: str, arrays: dict, leave_out: frozenset[str] | set[str], private: bool) -> dict:
    """The attributes of an object that are state.

    # Arguments
        item: the object.
        place: where in `arrays` its arrays are put.
        arrays: dictionary to put arrays into.
        leave_out: names of attributes that are no state.
        private: whether attributes that begin with an underscore are state.
    """
    kept = {}
    for key, value in getattr(item, "__dict__", {}).items():
        if key in leave_out or (key.startswith("_") and not private):
            continue
        taken: dict[str, np.ndarray] = {}
        try:
            kept[key] = stored(value, f"{place}/{key}", taken)
        except TypeError:
            continue
        arrays.update(taken)
    return kept


def stored(value: Any, place: str, arrays: dict) -> Any:
    """A value as JSON; its arrays are put into `arrays`, under names that begin with `place`.

    # Raises
        TypeError: the value is no state.
    """
    if isinstance(value, np.ndarray):
        if isinstance(value, np.memmap) or value.nbytes > LARGEST or value.dtype.hasobject:
            raise TypeError("data")
        arrays[place] = value
        return {"array": place}
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple, set)):
        kind = next(kind.__name__ for kind in (list, tuple, set) if isinstance(value, kind))
        return {kind: [stored(item, f"{place}/{number}", arrays) for number, item in enumerate(value)]}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: stored(item, f"{place}/{key}", arrays) for key, item in dict.items(value)}}
    if isinstance(value, np.random.RandomState):
        return {"random": stored(value.get_state(legacy=False), place, arrays)}
    if isinstance(value, np.random.Generator):
        return {"random": stored(value.bit_generator.state, place, arrays)}
    if isinstance(value, random.Random):
        return {"random": stored(value.getstate(), place, arrays)}
    raise TypeError(f"no state: {type(value).__name__}")


def restored(value: Any, current: Any, arrays: dict) -> Any:
    """What `stored` stored.

    # Arguments
        value: the JSON.
        current: what stands in its place now: random generators are set, dictionaries keep their class.
        arrays: the arrays.
    """
    if not isinstance(value, dict):
        return value
    (kind, content), = value.items()
    if kind == "array":
        return np.array(arrays[content])
    if kind == "dict":
        items = {key: restored(item, None, arrays) for key, item in content.items()}
        # A dictionary of a class of its own (the history's) stays one.
        return type(current)(items) if isinstance(current, dict) else items
    if kind == "random":
        state = restored(content, None, arrays)
        if isinstance(current, np.random.RandomState):
            current.set_state(state)
        elif isinstance(current, np.random.Generator):
            current.bit_generator.state = state
        elif isinstance(current, random.Random):
            current.setstate(state)
        return current
    return {"list": list, "tuple": tuple, "set": set}[kind](restored(item, None, arrays) for item in content)


def digest(value: Any, arrays: dict) -> bytes:
    """A short text that differs where two stored values differ, wherever their arrays are put."""
    sums = hashlib.blake2b(digest_size=16)

    def take(item: Any) -> Any:
        if isinstance(item, dict) and set(item) == {"array"}:
            array = arrays[item["array"]]
            sums.update(f"{array.dtype}{array.shape}".encode())
            sums.update(np.ascontiguousarray(array).view(np.uint8).reshape(-1).data if array.size else b"")
            return "array"
        if isinstance(item, dict):
            return {key: take(one) for key, one in item.items()}
        return [take(one) for one in item] if isinstance(item, list) else item

    shown = json.dumps(take(value))
    sums.update(shown.encode())
    return sums.digest()
