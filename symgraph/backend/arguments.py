"""What the functions on sequences, images and volumes have in common: checking and bringing arguments to one form."""

from __future__ import annotations

from typing import Any

from symgraph.backend.nn import channels_first
from symgraph.graph.convert import as_node
from symgraph.graph.node import Node
from symgraph.graph.tensor import Tensor
from symgraph.ops import shape as s
from symgraph.ops.op import ShapeError


def per_axis(function: str, argument: str, value: Any, axes: int) -> tuple[int, ...]:
    """Return one positive number for each spatial axis."""
    numbers = (value,) * axes if isinstance(value, int) else tuple(value)
    if len(numbers) != axes or any(isinstance(n, bool) or int(n) != n or n < 1 for n in numbers):
        raise ValueError(f"{function}: {argument} must be {axes} positive whole numbers, got {value!r}")
    return tuple(map(int, numbers))


def padding_mode(function: str, padding: Any, causal: bool = False) -> str:
    known = ("valid", "same", "causal") if causal else ("valid", "same")
    mode = padding.lower() if isinstance(padding, str) else padding
    if mode not in known:
        raise ValueError(f"{function}: padding must be {' or '.join(map(repr, known))}, got {padding!r}")
    return mode


def of_rank(function: str, argument: str, node: Node, rank: int) -> Node:
    if node.rank != rank:
        raise ShapeError(
            f"{function}: {argument} must have {rank} dimensions, got shape {node.tensor_type.static_shape}"
        )
    return node


def channels_to_last(node: Node, first: bool) -> Node:
    """Move the channels to the end, where they stand at axis 1."""
    return s.transpose(node, (0, *range(2, node.rank), 1)) if first else node


def channels_back(node: Node, first: bool) -> Tensor:
    """Move the channels back to axis 1."""
    return Tensor(s.transpose(node, (0, node.rank - 1, *range(1, node.rank - 1))) if first else node)


def reject(function: str, arguments: dict[str, Any]) -> None:
    if arguments:
        raise TypeError(f"{function}: unknown arguments {sorted(arguments)}")


def old_arguments(function: str, arguments: dict[str, Any], padding: Any, data_format: Any) -> tuple[Any, Any, bool]:
    """Take the spellings of Keras 1 out of the keyword arguments.

    Returns:
        (padding, data_format, whether kernels come in the layout that Keras 1 has for channels first).
    """
    for ignored in ("image_shape", "filter_shape", "volume_shape"):
        arguments.pop(ignored, None)  # shapes of the operands, which are known here
    padding = arguments.pop("border_mode", padding)
    ordering = arguments.pop("dim_ordering", None)
    if ordering is None:
        return padding, data_format, False
    return padding, ordering, channels_first(function, None, ordering)


def from_old_layout(kernel: Any, old: bool) -> Any:
    """Bring a kernel (filters, channels, *window) to (*window, channels, filters)."""
    if not old:
        return kernel
    node = as_node(kernel)
    return Tensor(s.transpose(node, (*range(2, node.rank), 1, 0)))
