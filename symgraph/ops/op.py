"""How an operation is declared, and the registry of all of them.

One declaration says everything about an operation that does not depend on where it runs: its name, the type of its
result, its gradient, what that gradient reads, and - where it has one - how it is made of simpler operations. Each
executor has one entry for the name in its table of lowerings, or none where the operation decomposes.

    @define("tanh", infer=elementwise_float, kind="elementwise", reads=("output",))
    def tanh(node, grad):
        return (grad * (1 - node * node),)

The decorated function is the gradient: it gets the node and the gradient of its result, and returns one gradient
(or None: no dependence) for each input. What `define` leaves under the name is the operation itself, a callable that
builds nodes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Union

from symgraph.graph.node import Node, make_node
from symgraph.graph.type import TensorType, Type

Gradient = Callable[[Node, Any], Sequence[Union[Node, None]]]

#: Every declared operation by name.
REGISTRY: dict[str, Op] = {}

KINDS = ("leaf", "elementwise", "generator", "reduction", "view", "structure", "general")


class Op:
    """A declared operation; calling it builds a node.

    Attributes:
        name: the name in the registry, in the tables of lowerings and in the tests.
        kind: how the compiler may treat it: "leaf" (no computation), "elementwise" (one value from the values at the
            same place, after broadcasting), "generator" (one value from the place alone, made anew wherever it is
            read), "reduction", "view" (the same memory seen through another shape and strides), "structure" (placing
            and repeating, which the schedule spells out in copies and loops) or "general".
        infer: gives the type of the result from the types of the inputs and the attributes, or raises `ShapeError`.
        gradient: see the module; None where the derivative is zero everywhere it exists.
        reads: what the gradient reads: names of inputs, or "output".
        decompose: builds the same result from simpler operations, or None.
        view: for views: the strided view of the result, given that of the input (see `symgraph.compiler.program`).
        has_gradient: False where asking for a gradient is an error.
        checks: True where it refuses bad values (an index out of range): no variable is written before it.
    """

    def __init__(
        self,
        name: str,
        *,
        infer: Callable[..., Type],
        kind: str = "general",
        reads: tuple[str, ...] = (),
        gradient: Gradient | None = None,
        decompose: Callable[..., Node] | None = None,
        view: Callable[..., Any] | None = None,
        has_gradient: bool = True,
        checks: bool = False,
        documentation: str | None = None,
    ) -> None:
        if name in REGISTRY:
            raise ValueError(f"the operation {name!r} is declared twice")
        if kind not in KINDS:
            raise ValueError(f"operation {name!r}: kind {kind!r} is not one of {KINDS}")
        self.name, self.infer, self.kind, self.reads, self.gradient = name, infer, kind, reads, gradient
        self.decompose, self.view, self.has_gradient, self.checks = decompose, view, has_gradient, checks
        self.__doc__ = documentation
        REGISTRY[name] = self

    def __call__(self, *inputs: Node, **attrs: Any) -> Node:
        for node in inputs:
            if not isinstance(node, Node):
                raise TypeError(f"{self.name}: expected a graph node, got {type(node).__name__}")
        return make_node(self, inputs, attrs, self.infer(*(node.type for node in inputs), **attrs))

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return lookup, (self.name,)


class ShapeError(ValueError):
    """The inputs of an operation do not fit together."""


def define(name: str, **options: Any) -> Callable[[Gradient], Op]:
    """Declare an operation whose gradient is the decorated function (see `Op` for the options)."""

    def declare_with_gradient(gradient: Gradient) -> Op:
        return Op(name, gradient=gradient, documentation=gradient.__doc__, **options)

    return declare_with_gradient


def declare(name: str, **options: Any) -> Op:
    """Declare an operation whose derivative is zero wherever it exists - or, with has_gradient=False, has none."""
    return Op(name, gradient=None, **options)


def lookup(name: str) -> Op:
    """Return the operation of this name."""
    return REGISTRY[name]


_ROOT = str(Path(__file__).resolve().parents[2])
_OURS = tuple(str(Path(_ROOT, *parts)) for parts in (("symgraph",), ("layers",), ("backends",)))


def user_location() -> str | None:
    """Return "file:line" of the innermost frame that is not the package's own, or None."""
    frame = sys._getframe(1)
    while frame is not None:
        filename = frame.f_code.co_filename
        if not filename.startswith(_OURS) and not filename.startswith("<"):
            return f"{filename}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return None


def static(types: Sequence[TensorType]) -> str:
    """Describe input types for an error message."""
    return ", ".join(str(type) for type in types)
