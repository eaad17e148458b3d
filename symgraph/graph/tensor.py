"""The handles that users hold: tensors and variables.

A handle points to a node. Nodes are shared between equal expressions; handles are not, so two layers that compute the
same thing still have two outputs, each with its own name and history.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, NoReturn

from symgraph.graph.node import Node
from symgraph.graph.traverse import topological_order
from symgraph.graph.type import TensorType
from symgraph.ops.op import user_location

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np


class Tensor:
    """A symbolic array.

    Attributes:
        node: what it computes.
        name: for people; need not be unique.
        dtype: element type, such as "float32".
        shape: sizes, with None where a size is known only when a function is called.
        source: "file:line" where the user made it, or None.
        _keras_history: (layer, node index, tensor index) once a layer has produced it.
        _keras_shape: the shape as layers see it.
    """

    __array_priority__ = 100.0  # NumPy leaves `array + tensor` to the tensor

    def __init__(self, node: Node, name: str | None = None) -> None:
        self.node = node
        self.name = name if name is not None else node.op.name
        self.source = user_location()
        if node.source is None:
            node.source = self.source
        self._keras_shape = node.tensor_type.static_shape

    @property
    def type(self) -> TensorType:
        return self.node.tensor_type

    @property
    def dtype(self) -> str:
        return self.node.dtype

    @property
    def shape(self) -> tuple[int | None, ...]:
        return self.node.tensor_type.static_shape

    @property
    def ndim(self) -> int:
        return self.node.rank

    @property
    def _uses_learning_phase(self) -> bool:
        """Whether the value differs between training and testing."""
        return depends_on_marked(self.node)

    @_uses_learning_phase.setter
    def _uses_learning_phase(self, value: bool) -> None:
        """Accepted for scripts that set it; what the graph says is what counts."""

    def get_shape(self) -> tuple[int | None, ...]:
        """The static shape (the name old scripts use)."""
        return self.shape

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} shape={self.shape} dtype={self.dtype}>"

    # ------------------------------------------------------------------------- what a symbolic array cannot do

    def __bool__(self) -> NoReturn:
        raise TypeError(
            f"the truth value of the symbolic tensor {self.name!r} is not known while the graph is built; use K.switch "
            "or comparison operations, and K.eval to compute it now"
        )

    def __len__(self) -> NoReturn:
        raise TypeError(f"the symbolic tensor {self.name!r} has no len(); use K.int_shape(x)[0] or K.shape(x)[0]")

    def __iter__(self) -> NoReturn:
        raise TypeError(
            f"the symbolic tensor {self.name!r} cannot be iterated over while the graph is built; use K.map_fn or "
            "K.rnn, or index it: x[0], x[1], ..."
        )

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(
            f"the symbolic tensor {self.name!r} is no array: it has no value until a function computes it. Use K "
            "functions instead of NumPy's, or K.eval to compute it now"
        )

    def __float__(self) -> NoReturn:
        raise TypeError(f"the symbolic tensor {self.name!r} has no value yet; use K.eval to compute it now")

    __int__ = __index__ = __float__

    # --------------------------------------------------------------------------------------------- operators

    def __add__(self, other: Any) -> Tensor:
        return _operate("add", self, other)

    def __radd__(self, other: Any) -> Tensor:
        return _operate("add", other, self)

    def __sub__(self, other: Any) -> Tensor:
        return _operate("sub", self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return _operate("sub", other, self)

    def __mul__(self, other: Any) -> Tensor:
        return _operate("mul", self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return _operate("mul", other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return _operate("div", self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return _operate("div", other, self)

    def __floordiv__(self, other: Any) -> Tensor:
        return _operate("floordiv", self, other)

    def __rfloordiv__(self, other: Any) -> Tensor:
        return _operate("floordiv", other, self)

    def __mod__(self, other: Any) -> Tensor:
        return _operate("mod", self, other)

    def __rmod__(self, other: Any) -> Tensor:
        return _operate("mod", other, self)

    def __pow__(self, other: Any) -> Tensor:
        return _operate("pow", self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return _operate("pow", other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return _operate("matmul", self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return _operate("matmul", other, self)

    def __neg__(self) -> Tensor:
        return _operate("neg", self)

    def __pos__(self) -> Tensor:
        return self

    def __abs__(self) -> Tensor:
        return _operate("abs", self)

    def __invert__(self) -> Tensor:
        return _operate("logical_not", self)

    def __and__(self, other: Any) -> Tensor:
        return _operate("logical_and", self, other)

    def __or__(self, other: Any) -> Tensor:
        return _operate("logical_or", self, other)

    def __lt__(self, other: Any) -> Tensor:
        return _operate("less", self, other)

    def __le__(self, other: Any) -> Tensor:
        return _operate("less_equal", self, other)

    def __gt__(self, other: Any) -> Tensor:
        return _operate("greater", self, other)

    def __ge__(self, other: Any) -> Tensor:
        return _operate("greater_equal", self, other)

    # == and != stay identity: tensors are keys of dictionaries and members of lists. K.equal compares elements.

    def __getitem__(self, key: Any) -> Tensor:
        return _operate("getitem", self, key)


class Variable(Tensor):
    """A tensor with a value that stays: weights, optimizer state, counters.

    Attributes:
        trainable: whether training changes it.
        constraint: a function applied to the value after each update of an optimizer, or None.
    """

    def __init__(self, node: Node, name: str | None = None, constraint: Callable[[Any], Any] | None = None) -> None:
        super().__init__(node, name)
        self.trainable = True
        self.constraint = constraint
        self._uid = node.attrs["uid"]

    @property
    def value(self) -> np.ndarray:
        """A copy of the current value."""
        from symgraph.runtime import state

        return state.get(self.node)


def _operate(name: str, *values: Any) -> Tensor:
    from symgraph.graph import operators

    return operators.operate(name, *values)


#: Placeholders whose value makes the difference between training and testing.
_MARKED: weakref.WeakSet[Node] = weakref.WeakSet()
_DEPENDS: weakref.WeakKeyDictionary[Node, bool] = weakref.WeakKeyDictionary()


def mark(node: Node) -> None:
    """Note that a placeholder is a learning phase."""
    _MARKED.add(node)
    _DEPENDS[node] = True


def depends_on_marked(node: Node) -> bool:
    """Return whether a node depends on a learning phase."""
    known = _DEPENDS.get(node)
    if known is None:
        for each in topological_order([node], stop=_DEPENDS):
            if each not in _DEPENDS:
                body = each.attrs.get("body")
                inner = any(depends_on_marked(result) for result in body.results) if body is not None else False
                _DEPENDS[each] = inner or any(_DEPENDS[read] for read in each.inputs)
        known = _DEPENDS[node]
    return known
