"""Matrix products by cuBLAS."""

from __future__ import annotations

from symgraph.backends.gpu.calls import Call, Product
from symgraph.backends.gpu.table import register
from symgraph.compiler.program import Step
from symgraph.graph.type import size_of


@register("matmul")
def matmul(step: Step) -> list[Call]:
    """One call, for a stack of matrices too. Half floats are multiplied with sums in float; float32 without TF32."""
    (x, y), (out,) = step.inputs, step.outputs
    inner = x.shape[-2] if step.attrs["transpose_x"] else x.shape[-1]
    return [
        Product(
            x, y, out,
            rows=out.shape[-2], inner=inner, columns=out.shape[-1], batch=size_of(out.shape[:-2]),
            transpose_x=step.attrs["transpose_x"], transpose_y=step.attrs["transpose_y"],
        )
    ]  # fmt: skip
