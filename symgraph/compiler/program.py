"""The program: what an executor gets.

A program is a list of steps over numbered buffers. Sizes, strides and offsets may hold symbols (the batch size); they
get their values when the program is bound to inputs, and nothing has to be compiled for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from symgraph.graph.node import Attributes, Constant, Node
from symgraph.graph.type import Dim, DimLike, Shape, TensorType, numpy_dtype, size_of
from symgraph.ops.op import Op


def contiguous_strides(shape: Sequence[DimLike]) -> Shape:
    """Return the strides, in elements, of an array in row-major order without gaps."""
    strides: list[DimLike] = []
    stride: DimLike = 1
    for dim in reversed(shape):
        strides.append(stride)
        stride = stride * dim
    return tuple(reversed(strides))


@dataclass(frozen=True)
class View:
    """A strided window on a buffer.

    Attributes:
        buffer: the number of the buffer.
        dtype: element type.
        shape: sizes.
        strides: distance in elements between neighbours along each axis; 0 repeats, negative numbers run backwards.
        offset: the place of the first element in the buffer, in elements.
    """

    buffer: int
    dtype: str
    shape: Shape
    strides: Shape
    offset: DimLike = 0

    @property
    def size(self) -> DimLike:
        return size_of(self.shape)

    @property
    def is_contiguous(self) -> bool:
        expected = contiguous_strides(self.shape)
        return all(
            dim == 1 or stride == wanted for dim, stride, wanted in zip(self.shape, self.strides, expected, strict=True)
        )

    def with_layout(self, shape: Shape, strides: Shape, offset: DimLike | None = None) -> View:
        """Return another window on the same buffer."""
        return replace(self, shape=shape, strides=strides, offset=self.offset if offset is None else offset)

    def contiguous_as(self, shape: Shape) -> View:
        """Return the same elements in another shape; only for contiguous views."""
        return self.with_layout(shape, contiguous_strides(shape))

    def broadcast_to(self, shape: Shape) -> View:
        """Return the view repeated to a shape by NumPy's rule."""
        extra = len(shape) - len(self.shape)
        strides: list[DimLike] = [0] * extra
        for dim, stride, target in zip(self.shape, self.strides, shape[extra:], strict=True):
            strides.append(0 if dim == 1 and target != 1 else stride)
        return self.with_layout(shape, tuple(strides))

    def slice_first(self, index: DimLike) -> View:
        """Return the view of one element of the first axis."""
        return self.with_layout(self.shape[1:], self.strides[1:], self.offset + index * self.strides[0])

    def __str__(self) -> str:
        layout = "" if self.is_contiguous and self.offset == 0 else f" strides {self.strides} offset {self.offset}"
        return f"b{self.buffer}:{TensorType(self.dtype, self.shape)}{layout}"


#: Where the memory of a buffer comes from.
INPUT, CONSTANT, VARIABLE, OUTPUT, TEMPORARY = "input", "constant", "variable", "output", "temporary"


@dataclass(frozen=True)
class Buffer:
    """A piece of memory.

    Attributes:
        kind: "input" (the caller's array), "constant", "variable" (its value lives in `symgraph.runtime.state`),
            "output" (returned to the caller) or "temporary" (in the arena, planned).
        dtype: element type.
        size: number of elements.
        node: the leaf it holds, for inputs, constants and variables.
    """

    kind: str
    dtype: str
    size: DimLike
    node: Node | None = None

    @property
    def nbytes(self) -> DimLike:
        return self.size * numpy_dtype(self.dtype).itemsize

    @property
    def constant(self) -> Constant | None:
        """The value of a constant buffer."""
        return self.node.attrs["value"] if self.node is not None and self.kind == CONSTANT else None


@dataclass(frozen=True)
class Loop:
    """Steps to repeat.

    Attributes:
        index: the symbol of the iteration number; offsets of views inside may hold it.
        length: the number of iterations.
        steps: the body.
    """

    index: Dim
    length: DimLike
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Step:
    """One operation on views.

    Attributes:
        op: the operation.
        attrs: its attributes.
        inputs, outputs: what it reads and writes.
        scratch: working memory that the executor's lowering asked for.
        loop: what a scan repeats.
        source: "file:line" of the user's code it comes from, or None.
        in_loop: True in the body of a loop.
    """

    op: Op
    attrs: Attributes
    inputs: tuple[View, ...]
    outputs: tuple[View, ...]
    scratch: tuple[View, ...] = ()
    loop: Loop | None = None
    source: str | None = None
    in_loop: bool = False

    @property
    def name(self) -> str:
        return self.op.name

    def views(self) -> tuple[View, ...]:
        """Everything the step touches, without the body of a loop."""
        return (*self.inputs, *self.outputs, *self.scratch)

    @property
    def is_loop_nest(self) -> bool:
        """Whether it computes an expression place by place, so that a result may take the place of what dies there."""
        return self.op.name in ("fused", "fused_matmul")

    @property
    def read_elsewhere(self) -> frozenset[int]:
        """The numbers of the inputs of a loop nest that are read at other places than results are written."""
        tables: frozenset[int] = self.attrs["expression"].tables
        count = len(self.inputs)
        return tables | {count - 2, count - 1} if self.op.name == "fused_matmul" else tables

    def all_views(self) -> list[View]:
        """Everything the step touches, at any depth."""
        found = list(self.views())
        for inner in self.loop.steps if self.loop else ():
            found += inner.all_views()
        return found


@dataclass(frozen=True)
class MemoryPlan:
    """Where temporaries live: buffers with the same slot share memory, since they are never alive together.

    Attributes:
        slot_of: buffer number -> slot number, for temporaries.
        slots: for each slot the buffers in it; its size is the largest of theirs.
    """

    slot_of: dict[int, int]
    slots: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Program:
    """A compiled graph (see the module).

    Attributes:
        buffers: all pieces of memory.
        inputs: the buffer of each input, in order; None for an input that is not read.
        outputs: the view of each output.
        steps: in order of execution.
        updates: the variable buffers that the steps write.
        plan: where temporaries live; None before memory is planned.
    """

    buffers: tuple[Buffer, ...]
    inputs: tuple[int | None, ...]
    outputs: tuple[View, ...]
    steps: tuple[Step, ...]
    updates: tuple[int, ...] = ()
    plan: MemoryPlan | None = field(default=None, compare=False)

    def of_kind(self, kind: str) -> list[int]:
        """Return the numbers of the buffers of one kind."""
        return [number for number, buffer in enumerate(self.buffers) if buffer.kind == kind]
