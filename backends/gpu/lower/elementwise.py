"""Elementwise operations as C expressions, and the kernel of a fused group of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from symgraph.backends.gpu.calls import Call, Kernel, blocks_for
from symgraph.backends.gpu.codegen import ExpressionText, domain_view, fused_body
from symgraph.backends.gpu.lower.transposed import turned, turned_kernel
from symgraph.backends.gpu.prelude import COMPUTE
from symgraph.backends.gpu.table import ELEMENTWISE, register
from symgraph.compiler.program import Step
from symgraph.graph.type import FLOATS
from symgraph.ops.fused import Instruction

_FUNCTIONS = {
    "add": 2, "sub": 2, "mul": 2, "div": 2, "pow": 2, "floordiv": 2, "mod": 2, "neg": 1, "abs": 1, "square": 1,
    "maximum": 2, "minimum": 2, "sign": 1, "relu": 1, "rsqrt": 1, "sigmoid": 1, "softplus": 1, "is_nan": 1,
    "is_finite": 1, "where": 3,
}  # fmt: skip

for _name, _count in _FUNCTIONS.items():
    ELEMENTWISE[_name] = f"op_{_name}({', '.join(['{0}', '{1}', '{2}'][:_count])})"
for _name in ("floor", "ceil", "exp", "expm1", "log", "log1p", "sqrt", "tanh", "erf", "sin", "cos"):
    ELEMENTWISE[_name] = f"m_{_name}({{0}})"
ELEMENTWISE["round"] = "m_rint({0})"
ELEMENTWISE["stop_gradient"] = "{0}"
for _name, _sign in {
    "equal": "==", "not_equal": "!=", "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=",
    "logical_and": "&&", "logical_or": "||",
}.items():  # fmt: skip
    ELEMENTWISE[_name] = f"({{0}} {_sign} {{1}})"
ELEMENTWISE["logical_not"] = "(!{0})"


def converted(value: str, source: str, target: str) -> str:
    """Return the C expression that converts a value between graph element types."""
    if source == target:
        return value
    if target == "bool":
        return f"({value} != 0)"
    if target == "float16":
        return f"round_f16({value})" if source in FLOATS else f"round_f16((float){value})"
    if target == "bfloat16":
        return f"round_b16((float){value})"
    if target in FLOATS or source not in FLOATS:
        return f"({COMPUTE[target]}){value}"
    return f"to_integer<{COMPUTE[target]}>({value})"


def _cast(instruction: Instruction, arguments: Sequence[str], text: ExpressionText) -> str:
    return converted(arguments[0], text.dtype_of(instruction.arguments[0]), instruction.dtype)


ELEMENTWISE["cast"] = _cast


def _rows_at(instruction: Instruction, arguments: Sequence[str], text: ExpressionText) -> str:
    pointer, apart, inside = text.tables[instruction.arguments[0]]
    return f"load({pointer}, (position){arguments[1]} * {apart} + {inside})"


ELEMENTWISE["rows_at"] = _rows_at


@register("fused", strided=True)
def fused(step: Step) -> list[Call]:
    """One kernel: a thread an element, striding over the grid; or tiles, where axes are turned around."""
    shape = step.attrs["shape"]
    how = turned(step)
    if how is not None and how.fits:
        return [turned_kernel(how, step.inputs[0], step.outputs[0])]
    body, arguments = fused_body(step.attrs["expression"], shape, step.inputs, step.outputs)
    domain = domain_view(shape)
    views = (domain, *step.inputs, *step.outputs)
    plain = Kernel("fused", body, tuple(arguments.words), blocks_for(domain.size), views)
    if how is None or how.fits is False:
        return [plain]
    return [
        turned_kernel(how, step.inputs[0], step.outputs[0]),
        replace(plain, when=lambda sizes: not how.fits_at(sizes)),
    ]
