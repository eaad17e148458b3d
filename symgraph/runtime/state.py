"""Where the values of variables live: one home each, in the memory of the executor that used it last."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from symgraph.graph.node import Node
from symgraph.graph.type import numpy_dtype

if TYPE_CHECKING:
    from symgraph.runtime.executor import Executor

#: Grows whenever a buffer moves; bound programs compare it to know whether their addresses still hold.
epoch = 0


class _Home:
    """The buffer of one variable, and the executor whose memory it is in."""

    __slots__ = ("buffer", "executor")

    def __init__(self, buffer: Any, executor: Executor) -> None:
        self.buffer, self.executor = buffer, executor


_HOMES: weakref.WeakKeyDictionary[Node, _Home] = weakref.WeakKeyDictionary()


def create(node: Node, value: np.ndarray) -> None:
    """Give a new variable its first value."""
    from symgraph.runtime.executor import host

    memory = host()
    _HOMES[node] = _Home(memory.put(np.asarray(value, numpy_dtype(node.dtype))), memory)


def get(node: Node) -> np.ndarray:
    """Return a copy of the value."""
    home = _HOMES[node]
    return home.executor.get(home.buffer)


def set(node: Node, value: np.ndarray) -> None:
    """Write a new value of the same shape and element type."""
    home = _HOMES[node]
    home.executor.put(value, into=home.buffer)


def acquire(node: Node, executor: Executor) -> Any:
    """Return the buffer of a variable in the memory of an executor, moving the value there if need be."""
    global epoch
    home = _HOMES[node]
    if home.executor.space != executor.space:
        home.buffer = executor.put(home.executor.get(home.buffer))
        home.executor = executor
        epoch += 1
    return home.buffer
