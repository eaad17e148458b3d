"""Elementwise operations as expressions of the kernel language."""

from __future__ import annotations

from collections.abc import Callable

from symgraph.backends.cpu.table import ELEMENTWISE, compute_type, converter
from symgraph.graph.type import is_float

Template = Callable[[str, tuple[str, ...]], str]


def _same(text: str) -> Template:
    """A template that needs no types."""
    return lambda result, arguments: text


def _arithmetic(operator: str) -> Template:
    """An operator; integers are brought back to their type, since the language widens them."""

    def template(result: str, arguments: tuple[str, ...]) -> str:
        text = f"({{0}} {operator} {{1}})"
        return text if is_float(result) else f"{converter(result)}{text}"

    return template


def _function(name: str) -> Template:
    """A function of the language with one version for each type."""

    def template(result: str, arguments: tuple[str, ...]) -> str:
        places = ", ".join(f"{{{k}}}" for k in range(len(arguments)))
        return f"{name}_{compute_type(arguments[0])}({places})"

    return template


def _floating_function(name: str) -> Template:
    """A function of floats; on integers it does nothing."""
    function = _function(name)
    return lambda result, arguments: function(result, arguments) if is_float(arguments[0]) else "{0}"


def _negative(result: str, arguments: tuple[str, ...]) -> str:
    return "(-{0})" if is_float(result) else f"{converter(result)}(-{{0}})"


def _square(result: str, arguments: tuple[str, ...]) -> str:
    return "({0} * {0})" if is_float(result) else f"{converter(result)}({{0}} * {{0}})"


def _relu(result: str, arguments: tuple[str, ...]) -> str:
    kind = compute_type(result)
    return f"maximum_{kind}({{0}}, {converter(kind)}(0))"


def _cast(result: str, arguments: tuple[str, ...]) -> str:
    source = arguments[0]
    if result == "bool":
        return f"({{0}} != {converter(compute_type(source))}(0))" if source != "bool" else "{0}"
    if result in ("float16", "bfloat16"):
        return f"round_{result}(float32({{0}}))"
    return f"{converter(result)}({{0}})"


_TEMPLATES: dict[str, Template] = {
    "add": _arithmetic("+"), "sub": _arithmetic("-"), "mul": _arithmetic("*"), "div": _arithmetic("/"),
    "floordiv": _function("floor_divide"), "mod": _function("modulo"), "pow": _function("pow"),
    "neg": _negative, "abs": _function("absolute"), "square": _square,
    "maximum": _function("maximum"), "minimum": _function("minimum"), "sign": _function("sign"),
    "floor": _floating_function("floor"), "ceil": _floating_function("ceil"), "round": _floating_function("round"),
    "exp": _function("exp"), "expm1": _function("expm1"), "log": _function("log"), "log1p": _function("log1p"),
    "sqrt": _function("sqrt"), "rsqrt": _function("rsqrt"), "tanh": _function("tanh"),
    "sigmoid": _function("sigmoid"), "softplus": _function("softplus"), "erf": _function("erf"),
    "sin": _function("sin"), "cos": _function("cos"), "relu": _relu,
    "equal": _same("({0} == {1})"), "not_equal": _same("({0} != {1})"), "less": _same("({0} < {1})"),
    "less_equal": _same("({0} <= {1})"), "greater": _same("({0} > {1})"), "greater_equal": _same("({0} >= {1})"),
    "logical_and": _same("({0} & {1})"), "logical_or": _same("({0} | {1})"), "logical_not": _same("({0} == bool_(0))"),
    "is_nan": _same("({0} != {0})"), "is_finite": _same("({0} - {0} == {0} - {0})"),
    "where": _same("select({0}, {1}, {2})"), "cast": _cast, "rows_at": _same("{table}[{place}]"),
}  # fmt: skip

ELEMENTWISE.update(_TEMPLATES)
