"""Random numbers and places as expressions (the codegen gives `{place}`, the number of the element)."""

from __future__ import annotations

from symgraph.backends.cpu.table import ELEMENTWISE, converter


def _words(numbers: str) -> str:
    return f"threefry2x32(uint32({{seed}}), uint32({{stream}}), uint32({{place}}), {{0}}){numbers}"


def _uniform(result: str, arguments: tuple[str, ...]) -> str:
    words = _words("")
    if result == "float64":
        return f"uniform_float64(*{words})"
    value = f"uniform_float32({words}[0])"
    if result in ("float16", "bfloat16"):  # keep the interval half open when rounding to a half float
        scale = 2048 if result == "float16" else 256
        return f"(floor_float32({value} * float32({scale}.0)) * float32({1 / scale!r}))"
    return value


def _normal(result: str, arguments: tuple[str, ...]) -> str:
    kind = "float64" if result == "float64" else "float32"
    return f"normal_{kind}(*{_words('')})"


ELEMENTWISE["random_uniform"] = _uniform
ELEMENTWISE["random_normal"] = _normal
ELEMENTWISE["iota"] = lambda result, arguments: f"{converter(result)}({{place}})"
ELEMENTWISE["dim_value"] = lambda result, arguments: "{size}"
