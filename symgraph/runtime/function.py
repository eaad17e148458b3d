"""K.function: from tensors to something that can be called with arrays."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from symgraph import config
from symgraph.compiler.graph import Graph, rebuild
from symgraph.compiler.pipeline import Context, Record, compile_graph
from symgraph.compiler.program import Program
from symgraph.compiler.specialise import Decided, decide, relations_of
from symgraph.graph.node import Node
from symgraph.graph.tensor import Tensor, Variable
from symgraph.graph.traverse import topological_order
from symgraph.graph.type import Atom, Dim, DimLike, Relation, evaluate, numpy_dtype
from symgraph.ops.leaf import placeholder
from symgraph.runtime.executor import Bound, Executor, Runner, current, host
from symgraph.runtime.executor import evaluate as evaluate_node
from symgraph.runtime.first_steps import FirstSteps

#: Bound programs kept for different input sizes; the oldest goes first.
MOST_BOUND = 32


class InputError(ValueError):
    """A function was called with arrays that do not fit its placeholders."""


class UpdateError(ValueError):
    """An update cannot be done."""


@dataclass
class Variant:
    """The program for one learning phase and one way in which sizes relate."""

    program: Program
    runner: Runner
    records: list[Record]


@dataclass
class _Phase:
    """The graph for one value of the fixed inputs, and its variants."""

    graph: Graph
    relations: list[tuple[Relation, Node]]
    variants: dict[tuple[Decided, ...], Variant] = field(default_factory=dict)


class Function:
    """A compiled function: a list of arrays in, a list of arrays out.

    Args:
        inputs: the tensors to feed. Usually placeholders; any other tensor may be fed too and is then not computed.
        outputs: the tensors to return; inputs, constants and variables are allowed.
        updates: (variable, new value) pairs, applied at each call after everything has been read.
        name: for messages.
        phases: learning-phase tensors with the value they have, 0 or 1, where they are not among the inputs.
        executor: runs it; by default the one that is current when the function is first called.

    Raises:
        TypeError, UpdateError, ValueError: an argument is not what it should be; says which and what was expected.
    """

    #: Whether several batches may be one native call: nothing else has to be done after each of them.
    _at_once = True

    def __init__(
        self,
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor],
        updates: Sequence[Any] = (),
        name: str | None = None,
        phases: Mapping[Tensor, int] | None = None,
        executor: Executor | None = None,
    ) -> None:
        self.name = name or "function"
        self.inputs = _tensors("inputs", inputs, self.name)
        self.outputs = _tensors("outputs", outputs, self.name)
        self.updates = _updates(updates, self.name)
        self._executor = executor
        self._lock = threading.RLock()
        self._phases = {tensor.node: value for tensor, value in (phases or {}).items()}
        self._prepare()

    def _prepare(self) -> None:
        """Put placeholders in the place of fed tensors, and see which inputs decide the learning phase."""
        nodes = [tensor.node for tensor in self.inputs]
        if len(set(nodes)) != len(nodes):
            raise ValueError(f"{self.name}: a tensor is given twice among the inputs")
        fed = {node: node if node.op.name == "placeholder" else placeholder(node.shape, node.dtype) for node in nodes}
        graph = Graph(
            tuple(fed.values()),
            tuple(tensor.node for tensor in self.outputs),
            tuple((target.node, _fitted(target, value, self.name)) for target, value in self.updates),
        )
        if any(old is not new for old, new in fed.items()):
            swapped = graph.rewritten(lambda node, inputs: fed.get(node) or rebuild(node, inputs))
            graph = Graph(graph.inputs, swapped.outputs, swapped.updates)
        missing = [
            node
            for node in topological_order(graph.roots)
            if node.op.name == "placeholder" and node not in graph.inputs and node not in self._phases
        ]
        if missing:
            places = ", ".join(f"a {node.type} made at {node.source}" for node in missing)
            raise ValueError(f"{self.name}: the outputs need placeholders that are not among the inputs: {places}")
        self._graph = graph
        self._phase_inputs = [k for k, node in enumerate(graph.inputs) if node in self._phases]
        self._fed = [k for k in range(len(graph.inputs)) if k not in self._phase_inputs]
        self._dtypes = [numpy_dtype(node.dtype) for node in graph.inputs]
        self._plain = not self._phase_inputs
        self._by_phase: dict[tuple[int, ...], _Phase] = {}
        self._bound: dict[Any, Bound] = {}

    # ----------------------------------------------------------------------------------------------- calling

    def __call__(self, inputs: Sequence[Any] = ()) -> list[np.ndarray]:
        """Compute the outputs and apply the updates.

        Args:
            inputs: one value for each input of the function: an array or anything that becomes one.

        Raises:
            InputError: number, element type, rank or size of an input is wrong; nothing has been changed then.
            TypeError: something else than a list or tuple; an array would be taken for its rows.
        """
        if type(inputs) is not list and not isinstance(inputs, (list, tuple)):
            raise TypeError(f"{self.name}: `inputs` should be a list or tuple of arrays, one for each input, got "
                            f"{type(inputs).__name__}. For a single input: f([array]).")
        if len(inputs) != len(self._dtypes):
            self._complain_about_number(inputs)
        arrays = []
        for value, dtype in zip(inputs, self._dtypes, strict=True):
            if type(value) is np.ndarray and value.dtype == dtype and value.flags.c_contiguous:
                arrays.append(value)
            else:
                arrays.append(self._converted(len(arrays), value, dtype))
        if self._plain:
            phase: tuple[int, ...] = ()
            fed = arrays
        else:
            phase = tuple(self._phase_value(k, arrays[k]) for k in self._phase_inputs)
            fed = [arrays[k] for k in self._fed]
        key = (phase, *[array.shape for array in fed])
        bound = self._bound.get(key)
        if bound is None:
            bound = self._bind(key, phase, fed)
        return bound(fed)

    def batches(self, inputs: Sequence[Any], size: int, count: int) -> Iterator[tuple[int, list[np.ndarray]]]:
        """Call the function on one batch after the other, in fewer native calls than batches where that can be done.

        Results and variables have the bits that calls batch by batch give them. An error is the one of the bad batch;
        the batches before it have been done.

        Args:
            inputs: one array for each input of the function, with the rows of all batches.
            size: rows of a batch.
            count: number of batches.

        Yields:
            How many batches have been done since, and the outputs, each with these batches along a new first axis.

        Raises:
            InputError: as a call; or an array has another number of rows than the batches together.
        """
        for k, value in enumerate(inputs):
            if np.shape(value)[:1] != (size * count,):
                raise InputError(f"{self.name}: input {k} should have {count} batches of {size} rows, {size * count} "
                                 f"in all, got shape {np.shape(value)}")  # fmt: skip
        at_once = self._at_once and self._plain and count > 1 and len(inputs) == len(self._dtypes)
        for value, dtype in zip(inputs, self._dtypes) if at_once else ():  # noqa: B905 - the numbers are equal
            at_once = at_once and type(value) is np.ndarray and value.dtype == dtype and value.flags.c_contiguous
        key = ((), *[np.shape(value[:size]) for value in inputs])
        done = 0
        while done < count:
            # Asked again each time: a call may have bound the function anew.
            run = getattr(self._bound.get(key), "batches", None) if at_once else None
            if run is None:
                now, outputs = 1, self([value[done * size : (done + 1) * size] for value in inputs])
                outputs = [output[None] for output in outputs]
            else:
                now, outputs = run(inputs, done, count - done)
            done += now
            yield now, outputs

    def _phase_value(self, k: int, array: np.ndarray) -> int:
        if array.size != 1:
            raise InputError(f"{self.name}: the learning phase is one number, 0 or 1, got shape {array.shape}")
        return 1 if array.reshape(-1)[0] else 0

    def _describe(self, k: int) -> str:
        tensor = self.inputs[k]
        made = f", made at {tensor.source}" if tensor.source else ""
        return f"{self.name}: input {k} ({tensor.name!r}, {tensor.dtype}, shape {tensor.shape}{made})"

    def _complain_about_number(self, inputs: Sequence[Any]) -> None:
        names = ", ".join(f"{tensor.name!r} {tensor.shape}" for tensor in self.inputs) or "none"
        raise InputError(f"{self.name}: expected {len(self._dtypes)} inputs ({names}), got {len(inputs)}")

    def _converted(self, k: int, value: Any, dtype: np.dtype) -> np.ndarray:
        """Return a value as a contiguous array of the element type of an input."""
        if isinstance(value, Tensor):
            raise InputError(f"{self._describe(k)}: expected an array, got the symbolic tensor {value.name!r}")
        try:
            if type(value).__module__.startswith("scipy.sparse"):
                value = value.toarray()
            given = np.asarray(value)
            if given.dtype == dtype:
                return np.ascontiguousarray(given).reshape(given.shape)
            if given.dtype.kind not in "biuf" and given.dtype.name != "bfloat16":
                raise TypeError(f"arrays of {given.dtype} cannot be fed")
            array = np.ascontiguousarray(given, dtype=dtype).reshape(given.shape)
            if dtype.kind in "iu" and given.dtype.kind in "iuf" and not np.array_equal(array, given):
                raise TypeError(f"values of the {given.dtype} array cannot be held as {dtype}")
        except (TypeError, ValueError) as error:
            raise InputError(f"{self._describe(k)}: cannot be fed with {type(value).__name__}: {error}") from error
        return array

    # ----------------------------------------------------------------------------------------------- binding

    @property
    def executor(self) -> Executor:
        """The executor that runs this function (chosen at the first call)."""
        if self._executor is None:
            self._executor = current()
        return self._executor

    def _bind(self, key: Any, phase: tuple[int, ...], arrays: Sequence[np.ndarray]) -> Bound:
        """Find or compile the program for these sizes and bind it to them."""
        with self._lock:
            sizes = self._sizes(arrays)
            variant = self._variant(phase, sizes)
            bound = variant.runner.bind(sizes)
            if len(self._bound) >= MOST_BOUND:
                self._bound.pop(next(iter(self._bound)))
            self._bound[key] = bound
            return bound

    def _sizes(self, arrays: Sequence[np.ndarray]) -> dict[Atom, int]:
        """Return the value of each symbol, or complain about a wrong rank or size."""
        sizes: dict[Atom, int] = {}
        later: list[tuple[int, int, DimLike, int]] = []
        for k, array in zip(self._fed, arrays, strict=True):
            shape = self._graph.inputs[k].shape
            if array.ndim != len(shape):
                raise InputError(f"{self._describe(k)}: expected {len(shape)} dimensions, got shape {array.shape}")
            for axis, (dim, size) in enumerate(zip(shape, array.shape, strict=True)):
                symbol = dim.symbol if isinstance(dim, Dim) else None
                if symbol is None or symbol in sizes:
                    later.append((k, axis, dim, size))
                else:
                    sizes[symbol] = size
        for k, axis, dim, size in later:
            expected = evaluate(dim, sizes)
            if expected != size:
                given = arrays[self._fed.index(k)].shape
                raise InputError(f"{self._describe(k)}: expected size {expected} along axis {axis}, got shape {given}")
        return sizes

    def _variant(self, phase: tuple[int, ...], sizes: Mapping[Atom, int]) -> Variant:
        entry = self._by_phase.get(phase)
        if entry is None:
            entry = self._by_phase[phase] = _Phase(self._graph, relations_of(self._graph))
        decided = decide(entry.relations, sizes)
        variant = entry.variants.get(decided)
        if variant is None:
            fixed = dict(self._phases)
            fixed.update({self._graph.inputs[k]: value for k, value in zip(self._phase_inputs, phase, strict=True)})
            context = Context(self.executor.lowerings, evaluate_node, decided, fixed, sizes, config.memory())
            records: list[Record] = []
            fed = Graph(tuple(self._graph.inputs[k] for k in self._fed), self._graph.outputs, self._graph.updates)
            program = compile_graph(fed, context, check=CHECK, records=records)
            variant = Variant(program, self._load(program, fed, context), records)
            entry.variants[decided] = variant
        return variant

    def _load(self, program: Program, graph: Graph, context: Context) -> Runner:
        """Load a program; where that takes long and first steps may be interpreted, begin to."""
        executor: Any = self.executor
        if not hasattr(executor, "begin") or config.first_steps() == "compile":
            return executor.load(program)
        runner = executor.begin(program)

        def interpreted() -> Runner:
            other = host()
            return other.load(compile_graph(graph, replace(context, lowerings=other.lowerings), check=CHECK))

        return runner if runner.ready() else FirstSteps(runner, interpreted, executor.lock)

    def bound(self) -> Bound:
        """Return the program as it was bound last."""
        return next(reversed(self._bound.values()))

    def variants(self) -> list[Variant]:
        """Return what has been compiled so far."""
        return [variant for entry in self._by_phase.values() for variant in entry.variants.values()]

    def example(self) -> tuple[Variant, dict[Atom, int]]:
        """Return a variant with sizes to describe it by: the last ones called with, or small numbers."""
        sizes: dict[Atom, int] = {}
        if self._bound:
            key = next(reversed(self._bound))
            sizes = self._sizes([np.empty(shape, np.uint8) for shape in key[1:]])
            return self._variant(key[0], sizes), sizes
        for node in (self._graph.inputs[k] for k in self._fed):
            for dim in node.shape:
                if isinstance(dim, Dim) and dim.symbol is not None:
                    sizes.setdefault(dim.symbol, 32)
        return self._variant(tuple(0 for _ in self._phase_inputs), sizes), sizes


#: Called with the result of each pass; tests set it to `symgraph.compiler.verify.verify`.
CHECK: Any = None


def _tensors(what: str, values: Sequence[Any], name: str) -> list[Tensor]:
    if isinstance(values, Tensor) or not isinstance(values, (list, tuple)):
        raise TypeError(f"{name}: {what} must be a list of tensors, got {type(values).__name__}")
    for k, value in enumerate(values):
        if not isinstance(value, Tensor):
            raise TypeError(f"{name}: {what}[{k}] must be a tensor, got {type(value).__name__} {value!r}")
    return list(values)


def _updates(updates: Sequence[Any], name: str) -> list[tuple[Variable, Tensor]]:
    result: list[tuple[Variable, Tensor]] = []
    for k, update in enumerate(updates):
        if not isinstance(update, (tuple, list)) or len(update) != 2:
            raise UpdateError(f"{name}: updates[{k}] must be a pair (variable, new value), got {update!r}")
        target, value = update
        if not isinstance(target, Variable):
            raise UpdateError(f"{name}: updates[{k}] must begin with a variable, got {target!r}")
        result.append((target, value))
    seen: dict[Node, str] = {}
    for target, _ in result:
        if target.node in seen:
            raise UpdateError(f"{name}: the variable {target.name!r} is updated twice in one function")
        seen[target.node] = target.name
    return result


def _fitted(target: Variable, value: Any, name: str) -> Node:
    """Return the node of a new value in the element type of the variable, or complain about its shape."""
    from symgraph.graph.convert import as_node
    from symgraph.graph.type import broadcast_shapes
    from symgraph.ops.elementwise import cast

    node = cast(as_node(value, target.dtype), target.dtype)
    shape = broadcast_shapes(node.shape, target.node.shape)
    if shape is None or len(node.shape) > target.ndim:
        raise UpdateError(
            f"{name}: the update of {target.name!r} has shape {node.tensor_type.static_shape}, expected {target.shape}"
        )
    return node

