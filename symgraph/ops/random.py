"""Random numbers, counter-based: a value depends on the seed, the stream, the step and its place - on nothing else.

The generator is Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2,
3", 2011), with the key (seed, stream) and the counter (place, step). Every executor gives the same bits, and a mask
that is needed again in the backward pass can be computed again instead of stored.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from symgraph.graph.node import Node
from symgraph.graph.type import FLOATS, Shape, TensorType
from symgraph.ops.op import Op, ShapeError, declare


def _infer(step: TensorType, seed: int, stream: int, shape: Shape, dtype: str) -> TensorType:
    if dtype not in FLOATS:
        raise TypeError(f"random numbers are floating-point, got {dtype}")
    if step.shape != () or step.dtype != "uint32":
        raise ShapeError(f"the step of a random stream is a uint32 scalar, got {step}")
    return TensorType(dtype, shape)


#: Uniform on [0, 1): the 24 upper bits of the first word (53 bits of both words for float64).
random_uniform = declare("random_uniform", kind="generator", infer=_infer)

#: Standard normal: Box-Muller on the two words.
random_normal = declare("random_normal", kind="generator", infer=_infer)


class _Drawn(threading.local):
    """The lists of random nodes of the loop bodies that this thread builds, the innermost last."""

    def __init__(self) -> None:
        self.inside: list[list[Node]] = []


_DRAWN = _Drawn()


def draw(op: Op, step: Node, *, seed: int, stream: int, shape: Shape, dtype: str) -> Node:
    """Return random numbers; the body of a loop that is being built gets to know of them (see `drawn_inside`)."""
    node = op(step, seed=seed, stream=stream, shape=shape, dtype=dtype)
    if _DRAWN.inside:
        _DRAWN.inside[-1].append(node)
    return node


@contextmanager
def drawn_inside() -> Iterator[list[Node]]:
    """Collect the random nodes made within a block: inside a loop, each iteration must draw its own."""
    nodes: list[Node] = []
    _DRAWN.inside.append(nodes)
    try:
        yield nodes
    finally:
        _DRAWN.inside.pop()
