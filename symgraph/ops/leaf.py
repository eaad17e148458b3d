"""Leaves of the graph: placeholders, variables and constants."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph.graph.node import Constant, Node
from symgraph.graph.type import DimLike, TensorType, dtype_name, numpy_dtype
from symgraph.ops.op import declare

_UID = itertools.count()

placeholder_op = declare("placeholder", kind="leaf", infer=lambda uid, type: type)
variable_op = declare("variable", kind="leaf", infer=lambda uid, type: type)
constant_op = declare(
    "constant", kind="leaf", infer=lambda value: TensorType(dtype_name(value.value.dtype), value.value.shape)
)


def placeholder(shape: Sequence[DimLike], dtype: str) -> Node:
    """Return a new placeholder node."""
    return placeholder_op(uid=next(_UID), type=TensorType(dtype, tuple(shape)))


def variable(shape: Sequence[int], dtype: str) -> Node:
    """Return a new variable node; its value lives in `symgraph.runtime.state`."""
    return variable_op(uid=next(_UID), type=TensorType(dtype, tuple(shape)))


def constant(value: Any, dtype: str | None = None) -> Node:
    """Return the node of a constant array, in the given element type."""
    array = np.asarray(value)
    if dtype is not None and dtype_name(array.dtype) != dtype:
        with np.errstate(over="ignore"):
            array = array.astype(numpy_dtype(dtype))
    return constant_op(value=Constant(array))
