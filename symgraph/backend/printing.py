"""Printing values while functions run, and the names of Keras that have no meaning here."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from symgraph.graph.convert import as_node
from symgraph.graph.node import Node
from symgraph.graph.tensor import Tensor
from symgraph.graph.traverse import topological_order
from symgraph.ops import printing
from symgraph.runtime.function import Function

__all__ = [
    "control_dependencies", "eager", "get_graph", "get_session", "is_symbolic", "print_tensor", "set_session",
    "symbolic", "v1_variable_initialization",
]  # fmt: skip


def print_tensor(x: Any, message: str = "") -> Tensor:
    """Return x; a function that computes it prints the message and the value at each call.

    The value is printed to the standard error stream once the function has run. What is inside of a loop (K.rnn,
    K.map_fn, K.foldl) is not printed.
    """
    return Tensor(printing.print_tensor(as_node(x), message=str(message)), "print_tensor")


def printed_nodes(outputs: Sequence[Any], updates: Sequence[Any]) -> list[Node]:
    """Return the nodes that a function with these outputs and updates has to print."""
    if not isinstance(outputs, (list, tuple)):
        return []
    values = [*outputs, *(update[-1] for update in updates if isinstance(update, (tuple, list)) and update)]
    roots = [value.node for value in values if isinstance(value, Tensor)]
    return [node for node in topological_order(roots) if node.op is printing.print_tensor]


class PrintingFunction(Function):
    """A function that prints some of what it computes."""

    _at_once = False

    def __init__(
        self,
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor],
        updates: Sequence[Any],
        name: str | None,
        phases: Any,
        nodes: Sequence[Node],
    ) -> None:
        super().__init__(inputs, [*outputs, *map(Tensor, nodes)], updates, name, phases)
        self._messages = [node.attrs["message"] for node in nodes]

    def __call__(self, inputs: Sequence[Any] = ()) -> list[np.ndarray]:
        results = super().__call__(inputs)
        count = len(results) - len(self._messages)
        for message, value in zip(self._messages, results[count:], strict=True):
            print(f"{message} {value}".lstrip(), file=sys.stderr)
        return results[:count]


# ------------------------------------------------------------------------------------------ names of another engine


def is_symbolic(x: Any) -> bool:
    """Return whether x is a tensor of a graph."""
    return isinstance(x, Tensor)


def symbolic(func: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function itself: every graph is symbolic here."""
    return func


def eager(func: Callable[..., Any]) -> NoReturn:
    """Raise an error: there is no eager mode."""
    raise RuntimeError("eager: graphs are always symbolic here; use K.eval, or K.function and call it")


def get_session() -> NoReturn:
    """Raise an error that says what to use instead of a session."""
    raise RuntimeError(
        "get_session: there are no sessions; use K.function or K.eval to compute, K.get_value and K.set_value for "
        "variables, and K.clear_session to start anew"
    )


def set_session(session: Any) -> NoReturn:
    """Raise an error that says what to use instead of a session."""
    raise RuntimeError(
        "set_session: there are no sessions; threads and the executor are set in the configuration "
        "(see symgraph.config), values by K.set_value"
    )


def get_graph() -> NoReturn:
    """Raise an error: tensors hold their graph themselves."""
    raise RuntimeError("get_graph: there is no global graph; a tensor leads to all it is computed from (tensor.node)")


def control_dependencies(control_inputs: Any) -> NoReturn:
    """Raise an error that says how an order is expressed."""
    raise RuntimeError(
        "control_dependencies: the order of computation follows from what reads what; updates of one function are all "
        "made after every read (pass them to K.function, or use Layer.add_update)"
    )


def v1_variable_initialization() -> None:
    """Accepted for old scripts: variables have their first value from the start."""
