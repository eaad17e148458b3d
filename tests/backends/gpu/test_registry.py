"""Every declared operation can run on the GPU."""

from __future__ import annotations

from symgraph.backends.gpu import lower  # noqa: F401  fills the table
from symgraph.backends.gpu.prelude import COMPUTE, STORAGE
from symgraph.backends.gpu.table import ELEMENTWISE, LOWERINGS, REDUCTIONS
from symgraph.compiler.decompose import FREE
from symgraph.graph.type import DTYPES
from symgraph.ops.op import REGISTRY

#: The compiler makes these for executors that lower them, and for no others.
ON_REQUEST = {"fused_conv", "fused_conv_input_gradient", "fused_matmul", "fused_sweep", "max_pool_places",
              "max_pool_places_gradient"}  # fmt: skip


def test_every_operation_has_a_lowering_or_a_decomposition():
    missing = [
        name
        for name, op in REGISTRY.items()
        if op.kind not in FREE and not LOWERINGS.has(op) and op.decompose is None and name not in ON_REQUEST
    ]
    assert not missing, f"no lowering for the GPU and no decomposition: {', '.join(missing)}"


def test_the_table_names_no_unknown_operation():
    unknown = [name for name in (*ELEMENTWISE, *REDUCTIONS, *LOWERINGS.table) if name not in REGISTRY]
    assert not unknown, f"lowered for the GPU, but not declared: {', '.join(unknown)}"


def test_every_kind_stands_in_its_table():
    """Fusion reads the kinds, so an elementwise operation must be an expression and a reduction a reduction."""
    for name, op in REGISTRY.items():
        if op.kind in ("elementwise", "generator"):
            assert name in ELEMENTWISE, name
        if op.kind == "reduction":
            assert name in REDUCTIONS, name


def test_every_element_type_has_a_c_type():
    assert set(STORAGE) == set(COMPUTE) == set(DTYPES)
