"""Placeholders, variables, constants, and what can be asked about tensors."""

from __future__ import annotations

import sys
import threading
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from symgraph import config
from symgraph.graph.convert import as_node
from symgraph.graph.node import Node
from symgraph.graph.tensor import Tensor, Variable
from symgraph.graph.type import Dim, Shape, dtype_name, new_symbol, numpy_dtype
from symgraph.ops import elementwise, leaf
from symgraph.ops.elementwise import cast as cast_node
from symgraph.ops.shape import dims, full
from symgraph.runtime import state

__all__ = [
    "batch_get_value", "batch_set_value", "cast", "constant", "count_params", "dtype", "eye", "get_uid",
    "get_value", "get_variable_shape", "identity", "int_shape", "is_keras_tensor", "is_placeholder", "is_sparse",
    "is_tensor", "is_variable", "name_scope", "ndim", "ones", "ones_like", "placeholder", "reset_uids", "set_value",
    "shape", "size", "stop_gradient", "to_dense", "variable", "zeros", "zeros_like",
]  # fmt: skip

_UIDS: dict[str, int] = defaultdict(int)


class _Scopes(threading.local):
    """The names of the scopes that are open in this thread."""

    def __init__(self) -> None:
        self.names: list[str] = []


_SCOPES = _Scopes()
_PLACEHOLDERS: weakref.WeakSet[Node] = weakref.WeakSet()
#: Tensors that stand for scipy.sparse matrices.
_SPARSE: weakref.WeakSet[Tensor] = weakref.WeakSet()


def get_uid(prefix: str = "") -> int:
    """Return 1, 2, 3, ... for each prefix: the numbers in the names of layers."""
    _UIDS[prefix] += 1
    return _UIDS[prefix]


def reset_uids() -> None:
    """Begin counting names anew."""
    _UIDS.clear()


@contextmanager
def name_scope(name: str) -> Iterator[str]:
    """Prefix the names of tensors made within a block with `name/`."""
    _SCOPES.names.append(name)
    try:
        yield "/".join(_SCOPES.names)
    finally:
        _SCOPES.names.pop()


def _named(name: str | None, kind: str) -> str:
    if name is None:
        name = f"{kind}_{get_uid('/' + kind)}"
    return "/".join((*_SCOPES.names, name))


def _dims_of(shape: Sequence[int | None], what: str) -> Shape:
    """Return a shape with a new symbol for each None."""
    result: list[Any] = []
    for size in shape:
        if size is None:
            result.append(new_symbol("n"))
        elif isinstance(size, Dim):
            result.append(size)
        else:
            number = int(size)
            if number < 0:
                raise ValueError(f"{what}: sizes are not negative, got shape {tuple(shape)}")
            result.append(number)
    return tuple(result)


def placeholder(
    shape: Sequence[int | None] | None = None,
    ndim: int | None = None,
    dtype: str | None = None,
    sparse: bool = False,
    name: str | None = None,
) -> Tensor:
    """Return a tensor that is fed when a function is called.

    Args:
        shape: sizes; None for those that differ from call to call.
        ndim: number of dimensions, instead of a shape.
        dtype: element type; floatx by default.
        sparse: whether scipy.sparse matrices will be fed. They are made dense when they are: there are no sparse
            tensors, and the flag only makes K.is_sparse say so.
        name: for messages.
    """
    if shape is None:
        if ndim is None:
            raise ValueError("placeholder: give a shape, or the number of dimensions as ndim")
        shape = (None,) * ndim
    kind = dtype_name(dtype or config.floatx())
    node = leaf.placeholder(_dims_of(shape, "placeholder"), kind)
    _PLACEHOLDERS.add(node)
    return marked_sparse(Tensor(node, _named(name, "placeholder")), sparse)


def variable(
    value: Any, dtype: str | None = None, name: str | None = None, constraint: Callable[[Any], Any] | None = None
) -> Variable:
    """Return a variable: a tensor whose value stays between calls and can be updated.

    Args:
        value: the first value: an array, a number, a scipy.sparse matrix, or a tensor that can be evaluated.
        dtype: element type; floatx by default.
        name: for people and files.
        constraint: applied to the value after each update by an optimizer.
    """
    if isinstance(value, Tensor):
        from symgraph.backend.control import eval as evaluate

        value = evaluate(value)
    sparse = sys.modules.get("scipy.sparse")  # a sparse matrix can only come from a program that has loaded it
    is_matrix = sparse is not None and sparse.issparse(value)
    if is_matrix:
        value = value.toarray()
    kind = dtype_name(dtype or config.floatx())
    array = np.asarray(value)
    if array.dtype == object:
        raise TypeError(f"variable: cannot make an array of numbers from {type(value).__name__} {value!r}")
    array = array.astype(numpy_dtype(kind), copy=False)  # the variable's own memory is the copy
    node = leaf.variable(array.shape, kind)
    state.create(node, array)
    result = Variable(node, _named(name, "variable"), constraint)
    marked_sparse(result, is_matrix)
    return result


def constant(
    value: Any, dtype: str | None = None, shape: Sequence[int] | None = None, name: str | None = None
) -> Tensor:
    """Return a tensor with a fixed value, repeated to `shape` if it is a single one."""
    array = np.asarray(value, numpy_dtype(dtype_name(dtype or config.floatx())))
    if shape is not None:
        array = np.broadcast_to(array, tuple(shape)) if array.size == 1 else array.reshape(tuple(shape))
    return Tensor(leaf.constant(array), _named(name, "constant"))


def _filled(shape: Any, value: float, dtype: str | None, name: str | None) -> Tensor:
    """Return a variable of one value - or a tensor, where a size is known only at run time."""
    kind = dtype_name(dtype or config.floatx())
    if isinstance(shape, (int, np.integer)):
        shape = (int(shape),)
    sizes = tuple(shape)
    if all(isinstance(size, (int, np.integer)) for size in sizes):
        return variable(np.full(sizes, value, numpy_dtype(kind)), kind, name)
    from symgraph.backend.shape import as_sizes

    return Tensor(full(as_sizes(sizes), value, kind), _named(name, "filled"))


def zeros(shape: Any, dtype: str | None = None, name: str | None = None) -> Tensor:
    """Return a variable of zeros."""
    return _filled(shape, 0, dtype, name)


def ones(shape: Any, dtype: str | None = None, name: str | None = None) -> Tensor:
    """Return a variable of ones."""
    return _filled(shape, 1, dtype, name)


def eye(size: Any, dtype: str | None = None, name: str | None = None) -> Variable:
    """Return a variable with ones on the diagonal; `size` is n for (n, n), or (n, m)."""
    rows, columns = size if isinstance(size, (tuple, list)) else (size, size)
    return variable(np.eye(rows, columns), dtype, name)


def zeros_like(x: Any, dtype: str | None = None, name: str | None = None) -> Tensor:
    """Return zeros of the shape of another tensor."""
    node = as_node(x)
    return Tensor(full(node.shape, 0, dtype_name(dtype or node.dtype)), name)


def ones_like(x: Any, dtype: str | None = None, name: str | None = None) -> Tensor:
    """Return ones of the shape of another tensor."""
    node = as_node(x)
    return Tensor(full(node.shape, 1, dtype_name(dtype or node.dtype)), name)


def identity(x: Any, name: str | None = None) -> Tensor:
    """Return a tensor with the same value and a handle of its own."""
    return Tensor(as_node(x), name)


def cast(x: Any, dtype: str) -> Tensor:
    """Return x in another element type."""
    return Tensor(cast_node(as_node(x), dtype_name(dtype)))


def stop_gradient(variables: Any) -> Any:
    """Return the tensors as constants for K.gradients."""
    if isinstance(variables, (list, tuple)):
        return [stop_gradient(each) for each in variables]
    return Tensor(elementwise.stop_gradient(as_node(variables)))


# ------------------------------------------------------------------------------------------------- questions


def is_tensor(x: Any) -> bool:
    """Return whether x is a symbolic tensor."""
    return isinstance(x, Tensor)


def is_variable(x: Any) -> bool:
    """Return whether x is a variable."""
    return isinstance(x, Variable)


def is_placeholder(x: Any) -> bool:
    """Return whether x is a placeholder."""
    return isinstance(x, Tensor) and x.node in _PLACEHOLDERS


def is_sparse(tensor: Any) -> bool:
    """Return whether a tensor stands for a scipy.sparse matrix; its values are dense all the same."""
    return isinstance(tensor, Tensor) and tensor in _SPARSE


def marked_sparse(tensor: Tensor, sparse: bool) -> Tensor:
    """Note that a tensor stands for a scipy.sparse matrix, if it does; returns the tensor."""
    if sparse:
        _SPARSE.add(tensor)
    return tensor


def to_dense(tensor: Any) -> Tensor:
    """Return the tensor, no longer marked as sparse; its values are dense already."""
    return identity(tensor, tensor.name) if is_sparse(tensor) else tensor


def size(x: Any, name: str | None = None) -> Tensor:
    """Return the number of elements as an int64 scalar."""
    return Tensor(dims((as_node(x).tensor_type.size,), scalar=True), name)


def is_keras_tensor(x: Any) -> bool:
    """Return whether a layer (or Input) has made x.

    Raises:
        ValueError: x is no symbolic tensor at all.
    """
    if not isinstance(x, Tensor):
        raise ValueError(f"expected a symbolic tensor, got {type(x).__name__} {x!r}")
    return hasattr(x, "_keras_history")


def int_shape(x: Any) -> tuple[int | None, ...] | None:
    """Return the shape as a tuple of numbers, None for sizes known only at run time."""
    if isinstance(x, Tensor):
        return tuple(x._keras_shape)
    return tuple(np.shape(x))


def ndim(x: Any) -> int:
    """Return the number of dimensions."""
    return x.ndim if isinstance(x, Tensor) else np.ndim(x)


def dtype(x: Any) -> str:
    """Return the element type as a name."""
    return x.dtype if isinstance(x, Tensor) else dtype_name(np.asarray(x).dtype)


def shape(x: Any) -> Tensor:
    """Return the shape as an int64 tensor; its elements may be used as sizes in K.reshape, K.zeros and so on."""
    return Tensor(dims(as_node(x).shape))


def get_variable_shape(x: Any) -> tuple[int | None, ...] | None:
    """Return the shape of a variable (an older name of int_shape)."""
    return int_shape(x)


def count_params(x: Any) -> int:
    """Return the number of elements of a variable."""
    return int(np.prod([size or 0 for size in int_shape(x) or ()], dtype=np.int64))


# --------------------------------------------------------------------------------------------------- values


def get_value(x: Any) -> np.ndarray:
    """Return the value of a variable as an array (see K.eval, which takes any tensor without inputs)."""
    if isinstance(x, Variable):
        return x.value
    from symgraph.backend.control import eval as evaluate

    return evaluate(x)


def set_value(x: Variable, value: Any) -> None:
    """Write the value of a variable.

    Raises:
        ValueError: the shape differs; the variable is unchanged.
    """
    if not isinstance(x, Variable):
        raise TypeError(f"set_value: expected a variable, got {type(x).__name__} {x!r}")
    array = np.asarray(value, numpy_dtype(x.dtype))
    if array.shape != x.shape:
        raise ValueError(f"set_value: the variable {x.name!r} has shape {x.shape}, got a value of shape {array.shape}")
    state.set(x.node, array)


def batch_get_value(ops: Sequence[Any]) -> list[np.ndarray]:
    """Return the values of several variables."""
    return [get_value(x) for x in ops]


def batch_set_value(tuples: Sequence[tuple[Variable, Any]]) -> None:
    """Write the values of several variables: (variable, value) pairs; nothing is written if one does not fit."""
    for x, value in tuples:
        if np.shape(value) != x.shape:
            raise ValueError(
                f"batch_set_value: the variable {x.name!r} has shape {x.shape}, got a value of shape {np.shape(value)}"
            )
    for x, value in tuples:
        set_value(x, value)
