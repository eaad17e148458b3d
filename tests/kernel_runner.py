"""Run the text of a kernel natively or in checked mode on NumPy arrays: for the tests of the CPU executor's base."""

from __future__ import annotations

import ctypes

import numpy as np

from symgraph.backends.cpu import language, mathematics, objects

NATIVE = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)


def table(*entries) -> np.ndarray:
    """An argument table: arrays become addresses, floats their bits, integers themselves."""
    words = []
    for entry in entries:
        if isinstance(entry, np.ndarray):
            words.append(entry.ctypes.data)
        elif isinstance(entry, float):
            words.append(int(np.float64(entry).view(np.int64)))
        else:
            words.append(int(entry))
    return np.array(words, np.int64)


def call(source: str, *entries, thread: int = 0, threads: int = 1, checked: bool = False, name: str = "kernel") -> None:
    """Run ``source`` once over a table of ``entries``."""
    arguments = table(*entries)
    if checked:
        language.run_checked(source, name, thread, threads, arguments.ctypes.data)
    else:
        NATIVE(objects.compile_kernel(source, name))(thread, threads, arguments.ctypes.data)


def elementwise(word: str, *arrays, checked: bool = False, pointer: str = "independent"):
    """The function ``word`` of mathematics.py over arrays, by a kernel that loops over them."""
    function = mathematics.FUNCTIONS[word]
    given = [f"a{i}" for i in range(len(function.arguments))]
    made = [f"r{i}" for i in range(len(function.results))]
    lines = ["def kernel(thread, threads, args):", "    n = load(args, 0)"]
    for place, (local, dtype) in enumerate(zip(given + made, function.arguments + function.results), 1):
        lines.append(f"    {local} = {pointer}_{dtype}(load(args, {place}), n)")
    lines.append("    for i in range(n):")
    lines.append(f"        {', '.join('v' + one for one in made)} = {word}({', '.join(one + '[i]' for one in given)})")
    lines += [f"        {one}[i] = v{one}" for one in made]
    inputs = [np.ascontiguousarray(array, dtype) for array, dtype in zip(arrays, function.arguments)]
    outputs = [np.empty(len(inputs[0]), dtype) for dtype in function.results]
    call("\n".join(lines), len(inputs[0]), *inputs, *outputs, checked=checked, name=word)
    return outputs[0] if len(outputs) == 1 else tuple(outputs)
