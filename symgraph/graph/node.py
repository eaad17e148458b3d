"""Nodes of the graph: immutable and interned.

Building the same operation on the same inputs twice gives the same object, so common sub-expressions cost nothing and
identity is equality. What users hold is not a node but a handle (`symgraph.graph.tensor.Tensor`) that points to one.
"""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from symgraph.graph.type import TensorType, TupleType, Type, dtype_name

if TYPE_CHECKING:
    from symgraph.ops.op import Op


class Attributes(dict):
    """An immutable, hashable mapping of attribute names to hashable values."""

    __slots__ = ("_hash",)

    def __init__(self, items: Mapping[str, Any]) -> None:
        super().__init__(sorted(items.items()))
        self._hash = hash(tuple(self.items()))

    def __hash__(self) -> int:  # type: ignore[override]
        return self._hash

    def __setitem__(self, key, value):
        raise TypeError("the attributes of a node are immutable")

    __delitem__ = update = pop = popitem = clear = setdefault = __setitem__  # type: ignore[assignment]


class Constant:
    """An array as an attribute: compared by content."""

    __slots__ = ("_digest", "value")

    def __init__(self, value: np.ndarray) -> None:
        self.value = np.array(value, order="C", copy=True)
        self.value.flags.writeable = False
        self._digest = hashlib.sha1(self.value.tobytes()).digest()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Constant):
            return NotImplemented
        same = self.value.dtype == other.value.dtype and self.value.shape == other.value.shape
        return same and self._digest == other._digest

    def __hash__(self) -> int:
        return hash((self._digest, self.value.shape))

    def __repr__(self) -> str:
        value = self.value
        if value.size <= 4:
            return f"{dtype_name(value.dtype)} {value.tolist()}"
        return f"{dtype_name(value.dtype)}{list(value.shape)}#{self._digest.hex()[:12]}"


class Node:
    """One operation of the graph.

    Attributes:
        op: the declaration of the operation.
        inputs: the nodes it reads.
        attrs: its fixed arguments.
        type: element type and shape of its result (`TupleType` where it has several).
        source: "file:line" of the user's code that first asked for it, or None.
    """

    __slots__ = ("__weakref__", "attrs", "inputs", "op", "source", "type")
    op: Op
    inputs: tuple[Node, ...]
    attrs: Attributes
    type: Type
    source: str | None

    def __repr__(self) -> str:
        return f"<{self.op.name} {self.type}>"

    @property
    def tensor_type(self) -> TensorType:
        """The type of a node with one result."""
        assert isinstance(self.type, TensorType), f"{self!r} has several results"
        return self.type

    @property
    def shape(self) -> tuple:
        return self.tensor_type.shape

    @property
    def dtype(self) -> str:
        return self.tensor_type.dtype

    @property
    def rank(self) -> int:
        return len(self.tensor_type.shape)

    @property
    def constant(self) -> np.ndarray | None:
        """The value of a constant node, else None."""
        return self.attrs["value"].value if self.op.name == "constant" else None

    def __add__(self, other: Operand) -> Node:
        return _arithmetic("add", self, other)

    def __radd__(self, other: Operand) -> Node:
        return _arithmetic("add", other, self)

    def __sub__(self, other: Operand) -> Node:
        return _arithmetic("sub", self, other)

    def __rsub__(self, other: Operand) -> Node:
        return _arithmetic("sub", other, self)

    def __mul__(self, other: Operand) -> Node:
        return _arithmetic("mul", self, other)

    def __rmul__(self, other: Operand) -> Node:
        return _arithmetic("mul", other, self)

    def __truediv__(self, other: Operand) -> Node:
        return _arithmetic("div", self, other)

    def __rtruediv__(self, other: Operand) -> Node:
        return _arithmetic("div", other, self)

    def __neg__(self) -> Node:
        return _arithmetic("neg", self)


Operand = Union[Node, int, float]


def _arithmetic(name: str, *operands: Operand) -> Node:
    """Build an elementwise node; numbers take the element type of the node they meet."""
    from symgraph.ops import elementwise
    from symgraph.ops.leaf import constant

    dtype = next(operand.dtype for operand in operands if isinstance(operand, Node))
    nodes = [operand if isinstance(operand, Node) else constant(operand, dtype) for operand in operands]
    return getattr(elementwise, name)(*nodes)


_NODES: weakref.WeakValueDictionary[tuple, Node] = weakref.WeakValueDictionary()


def make_node(op: Op, inputs: Sequence[Node], attrs: Mapping[str, Any], type: Type, source: str | None = None) -> Node:
    """Return the one node for this operation on these inputs."""
    inputs = tuple(inputs)
    frozen = attrs if isinstance(attrs, Attributes) else Attributes(attrs)
    key = (op.name, tuple(map(id, inputs)), frozen, type)
    node = _NODES.get(key)
    if node is None:
        node = Node.__new__(Node)
        node.op, node.inputs, node.attrs, node.type, node.source = op, inputs, frozen, type, source
        node = _NODES.setdefault(key, node)  # another thread may have been faster
    elif node.source is None:
        node.source = source
    return node


def items_of(type: Type) -> tuple[TensorType, ...]:
    """Return the types of all results."""
    return type.items if isinstance(type, TupleType) else (type,)
