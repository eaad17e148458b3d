"""Random numbers and places as C expressions: the bits are those of every executor (see `symgraph.ops.random`)."""

from __future__ import annotations

from collections.abc import Sequence

from symgraph.backends.gpu.calls import Number
from symgraph.backends.gpu.codegen import ExpressionText
from symgraph.backends.gpu.lower.elementwise import converted
from symgraph.backends.gpu.prelude import COMPUTE
from symgraph.backends.gpu.table import ELEMENTWISE
from symgraph.graph.type import size_of
from symgraph.ops.fused import Instruction


def _counter(instruction: Instruction, arguments: Sequence[str], text: ExpressionText) -> str:
    """The key and the counter: (seed, stream) and (place, step)."""
    seed, stream = text.word(instruction.attrs["seed"]), text.word(instruction.attrs["stream"])
    return f"{seed}, {stream}, (u32){text.place}, {arguments[0]}"


def _uniform(instruction: Instruction, arguments: Sequence[str], text: ExpressionText) -> str:
    counter = _counter(instruction, arguments, text)
    if instruction.dtype in ("float16", "bfloat16"):
        grid = "2048.0f" if instruction.dtype == "float16" else "256.0f"
        return f"uniform_half({counter}, {grid})"
    return f"uniform_{COMPUTE[instruction.dtype]}({counter})"


def _normal(instruction: Instruction, arguments: Sequence[str], text: ExpressionText) -> str:
    value = f"normal_{COMPUTE[instruction.dtype]}({_counter(instruction, arguments, text)})"
    return converted(value, "float32" if instruction.dtype != "float64" else "float64", instruction.dtype)


def _iota(instruction: Instruction, arguments: Sequence[str], text: ExpressionText) -> str:
    shape, axis = instruction.attrs["shape"], instruction.attrs["axis"]
    value = text.place
    inner = size_of(shape[axis + 1 :])
    if inner != 1:
        value = f"({value} / {text.writer.size(inner)})"
    if size_of(shape[:axis]) != 1:
        value = f"({value} % {text.writer.size(shape[axis])})"
    return converted(f"(i64){value}", "int64", instruction.dtype)


def _dim_value(instruction: Instruction, arguments: Sequence[str], text: ExpressionText) -> str:
    return text.writer.argument(Number(instruction.attrs["size"]), "i64")


ELEMENTWISE.update(random_uniform=_uniform, random_normal=_normal, iota=_iota, dim_value=_dim_value)
