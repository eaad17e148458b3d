"""Loops over time: one operation that holds an inner graph.

A scan has three kinds of slot: *sequences*, read one slice an iteration along their first axis; *states*, carried from
one iteration to the next; and *outputs*, written one slice an iteration. What the body needs besides - weights, masks
that do not change - is captured: it enters the loop once.

The result of the node is a tuple: the final states, then the outputs stacked along a new first axis. Besides the
outputs that were asked for, a scan offers the states before each iteration and the costly intermediate results; they
are what its gradient reads, and the compiler drops those that nobody reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from symgraph.graph.node import Node
from symgraph.graph.traverse import consumers, rewrite, topological_order
from symgraph.graph.type import DimLike, TensorType, TupleType, equal
from symgraph.ops import linalg, reduction
from symgraph.ops.elementwise import add
from symgraph.ops.leaf import placeholder
from symgraph.ops.op import ShapeError, declare, define
from symgraph.ops.random import draw, drawn_inside
from symgraph.ops.shape import broadcast_to, full, is_reversed, reshape, reverse


@dataclass(frozen=True)
class Body:
    """The inner graph of a scan.

    Attributes:
        sequences, states, captured: placeholder nodes, in the order of the inputs of the scan node.
        next_states: the new value of each state.
        outputs: what is written at each iteration.
    """

    sequences: tuple[Node, ...]
    states: tuple[Node, ...]
    captured: tuple[Node, ...]
    next_states: tuple[Node, ...]
    outputs: tuple[Node, ...]

    @property
    def results(self) -> tuple[Node, ...]:
        return self.next_states + self.outputs

    def split(self, values: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any]]:
        """Split the inputs of the scan node into sequences, initial states and captured values."""
        first, second = len(self.sequences), len(self.sequences) + len(self.states)
        return values[:first], values[first:second], values[second:]

    def rebuilt(self, rule: Callable[[Node, tuple[Node, ...]], Node]) -> Body:
        """Return the body with a rewrite rule applied to every node."""
        replaced = rewrite((*self.sequences, *self.states, *self.captured, *self.results), rule)
        parts = (self.sequences, self.states, self.captured, self.next_states, self.outputs)
        return Body(*(tuple(replaced[node] for node in part) for part in parts))


def _infer_scan(*types: TensorType, body: Body, length: DimLike) -> TupleType:
    sequences, states, captured = body.split(types)
    for type, node in zip(sequences, body.sequences, strict=True):
        if type.rank == 0 or not equal(type.shape[0], length):
            raise ShapeError(f"a sequence {type} has not the length {length} of the loop")
        if type.dtype != node.dtype or type.shape[1:] != node.shape:
            raise ShapeError(f"the body expects slices {node.type} of a sequence, got the sequence {type}")
    for type, node, new in zip(states, body.states, body.next_states, strict=True):
        if not (type == node.type == new.type):
            raise ShapeError(f"a state must keep its type: it begins as {type} and becomes {new.type}")
    for type, node in zip(captured, body.captured, strict=True):
        if type != node.type:
            raise ShapeError(f"the body expects {node.type}, got {type}")
    stacked = (TensorType(node.dtype, (length, *node.shape)) for node in body.outputs)
    return TupleType((*states, *stacked))


item_op = declare("item", kind="structure", infer=lambda x, index: x.items[index])


def item(node: Node, index: int) -> Node:
    """Return one result of a node that has several."""
    return item_op(node, index=index)


@define("scan", kind="structure", infer=_infer_scan, reads=("sequences", "states", "captured", "output"))
def scan_op(node, grads):
    """Backwards through time: another scan, over the reversed sequences.

    The gradient of a captured matrix that enters through a product is not summed iteration by iteration: the factors
    are collected and multiplied once for all iterations.
    """
    from symgraph.autodiff import backward

    body: Body = node.attrs["body"]
    length = node.attrs["length"]
    sequences, _, captured = body.split(node.inputs)
    states = len(body.states)

    # Slices that the backward body reads: what the forward body read, and what it left for us.
    saved = {item_node: reverse(item(node, states + k), (0,)) for k, item_node in enumerate(body.outputs)}
    for inner, outer in zip(body.sequences, sequences, strict=True):
        saved[inner] = reverse(outer, (0,))
    slices: dict[Node, Node] = {}

    def read_saved(inner: Node, inputs: tuple[Node, ...]) -> Node:
        if inner in saved and inner not in body.captured:
            if inner not in slices:
                slices[inner] = placeholder(inner.shape, inner.dtype)
            return slices[inner]
        return inner if inputs == inner.inputs else inner.op(*inputs, **inner.attrs)

    # The gradient of the loss with respect to the next state is the state of the backward loop.
    carried = [placeholder(state.shape, state.dtype) for state in body.states]
    given: list[tuple[Node, Node]] = list(zip(body.next_states, carried, strict=True))
    sequence_grads: list[tuple[Node, Node]] = []  # (slice placeholder, outer sequence)
    for inner, outer in zip(body.outputs, grads[states:], strict=True):
        if outer is not None:
            piece = placeholder(inner.shape, inner.dtype)
            sequence_grads.append((piece, reverse(broadcast_to(outer, (length, *inner.shape)), (0,))))
            given.append((inner, piece))
    # Differentiate the inner graph as it was, then read saved values in place of recomputed ones.
    inner_wrt = [*body.sequences, *body.states, *body.captured]
    inner_grads = backward([out for out, _ in given], [grad for _, grad in given], inner_wrt)
    replaced = rewrite([grad for grad in inner_grads if grad is not None], read_saved)
    results = [None if grad is None else replaced[grad] for grad in inner_grads]
    for_sequences, for_states, for_captured = body.split(results)

    known = {*slices.values(), *(piece for piece, _ in sequence_grads)}
    outputs: list[Node] = [grad for grad in for_sequences if grad is not None]
    is_backwards = any(map(is_reversed, sequences))
    finish: list[Callable[[Callable[[Node], Node]], Node] | None] = []
    accumulators: list[tuple[Node, Node]] = []  # (state placeholder, its next value)
    for inner, grad in zip(body.captured, for_captured, strict=True):
        finish.append(None if grad is None else _collect(inner, grad, known, outputs, accumulators, is_backwards))

    slice_of = {placeholder_node: saved[inner] for inner, placeholder_node in slices.items()}
    slice_of.update(dict(sequence_grads))
    next_states = [_zeros(state) if grad is None else grad for state, grad in zip(body.states, for_states, strict=True)]
    initial = [
        full(state.shape, 0, state.dtype) if grad is None else broadcast_to(grad, state.shape)
        for state, grad in zip(body.states, grads[:states], strict=True)
    ]
    loop = build(
        length=length,
        sequences=slice_of,
        states=dict(
            zip(
                [*carried, *(state for state, _ in accumulators)],
                [*initial, *(full(state.shape, 0, state.dtype) for state, _ in accumulators)],
                strict=True,
            )
        ),
        captured=dict(zip(body.captured, captured, strict=True)),
        next_states=[*next_states, *(value for _, value in accumulators)],
        outputs=outputs,
    )

    def stacked(inner: Node) -> Node:
        """All slices of a value of the backward body: an output of the loop, or a sequence it reads."""
        if inner in slice_of:
            return slice_of[inner]
        return item(loop, loop_states + outputs.index(inner))

    loop_states = len(carried) + len(accumulators)
    position = {state: len(carried) + k for k, (state, _) in enumerate(accumulators)}
    for_inputs: list[Node | None] = []
    for grad in for_sequences:
        for_inputs.append(None if grad is None else reverse(stacked(grad), (0,)))
    for_inputs += [item(loop, k) for k in range(states)]
    for completion in finish:
        if completion is None:
            for_inputs.append(None)
        else:
            for_inputs.append(
                completion(lambda inner: item(loop, position[inner]) if inner in position else stacked(inner))
            )
    return tuple(for_inputs)


def _zeros(like: Node) -> Node:
    return full(like.shape, 0, like.dtype)


def _terms(node: Node) -> list[Node]:
    """The summands of a sum of nodes of one shape."""
    if node.op is add and all(part.type == node.type for part in node.inputs):
        return [term for part in node.inputs for term in _terms(part)]
    return [node]


def _collect(
    captured: Node,
    grad: Node,
    known: set[Node],
    outputs: list[Node],
    accumulators: list[tuple[Node, Node]],
    is_backwards: bool,
) -> Callable[[Callable[[Node], Node]], Node]:
    """Arrange for the sum over iterations of the gradient of a captured value.

    Products and sums over the batch are left to one product or sum over all iterations; the rest is accumulated in a
    state of the backward loop. Returns a function that builds the total, given the stacked slices of inner values.
    `known` are the slices of sequences; other values that are needed become outputs of the loop. Products read them in
    the order of time, as those of the gradients of sequences do: that of the backward loop if the forward loop
    `is_backwards`, else the opposite.
    """
    rest: list[Node] = []
    builders: list[Callable[[Callable[[Node], Node]], Node]] = []

    def wanted(value: Node) -> Node:
        if value not in known and value not in outputs:
            outputs.append(value)
        return value

    for term in _terms(grad):
        if (
            term.op is linalg.matmul_op
            and term.rank == 2
            and term.attrs["transpose_x"]
            and not term.attrs["transpose_y"]
        ):
            left, right = map(wanted, term.inputs)

            def product(stacked, left=left, right=right):
                rows, columns = stacked(left), stacked(right)
                if not is_backwards:
                    rows, columns = reverse(rows, (0,)), reverse(columns, (0,))
                count = rows.shape[0] * rows.shape[1]
                return linalg.matmul(
                    reshape(rows, (count, rows.shape[2])), reshape(columns, (count, columns.shape[2])), True, False
                )

            builders.append(product)
        elif term.op is reduction.sum_op and term.attrs["axes"] == (0,) and not term.attrs["keepdims"]:
            inner = wanted(term.inputs[0])

            def batch_sum(stacked, inner=inner):
                return reduction.sum_(stacked(inner), (0, 1))

            builders.append(batch_sum)
        else:
            rest.append(term)
    if rest:
        total = rest[0]
        for term in rest[1:]:
            total = total + term
        state = placeholder(captured.shape, captured.dtype)
        accumulators.append((state, state + total))
        builders.append(lambda stacked: stacked(state))

    def build_total(stacked: Callable[[Node], Node]) -> Node:
        total = builders[0](stacked)
        for builder in builders[1:]:
            total = total + builder(stacked)
        return total

    return build_total


def build(
    *,
    length: DimLike,
    sequences: dict[Node, Node],
    states: dict[Node, Node],
    captured: dict[Node, Node],
    next_states: Sequence[Node],
    outputs: Sequence[Node],
) -> Node:
    """Build a scan node from inner placeholders (keys) with what feeds them (values).

    Whatever else the inner graph reads is captured, after everything that does not depend on the iteration has been
    moved out of the loop.
    """
    inner = {**sequences, **states, **captured}
    varying: set[Node] = set()
    captured = dict(captured)
    results = [*next_states, *outputs]
    order = topological_order(results)
    for node in order:
        if node in sequences or node in states or any(read in varying for read in node.inputs):
            varying.add(node)

    def outside(node: Node) -> Node:
        """The value of a node that does not vary, in terms of the outer graph."""
        return rewrite([node], lambda n, i: inner.get(n, n if i == n.inputs else n.op(*i, **n.attrs)))[node]

    hoisted: dict[Node, Node] = {}

    def enter(node: Node, inputs: tuple[Node, ...]) -> Node:
        if node in inner or node in varying:
            if node in inner:
                return node
            entered = tuple(
                hoist(old) if old not in varying and old not in inner else new
                for old, new in zip(node.inputs, inputs, strict=True)
            )
            return node if entered == node.inputs else node.op(*entered, **node.attrs)
        return node

    def hoist(node: Node) -> Node:
        if node.op.name == "constant" and node.rank == 0:
            return node  # a number is part of the kernel
        if node not in hoisted:
            value = outside(node)
            hoisted[node] = placeholder(value.shape, value.dtype)
            captured[hoisted[node]] = value
        return hoisted[node]

    replaced = rewrite(results, enter)

    def result(node: Node) -> Node:
        return hoist(node) if node not in varying and node not in inner else replaced[node]

    body_states = tuple(states)
    next_results = tuple(map(result, next_states))
    body_outputs = tuple(map(result, outputs))
    order = topological_order((*next_results, *body_outputs))
    costly = [node for node in order if node.op.kind == "general" and isinstance(node.type, TensorType)]
    readers = consumers(order)
    offered = [_sum_of(node, readers) for node in costly if node not in captured]
    offered += [node for node in order if node.op.name in _KEPT]
    extra = [node for node in dict.fromkeys((*offered, *body_states)) if node not in body_outputs]
    body = Body(
        sequences=tuple(sequences),
        states=body_states,
        captured=tuple(captured),
        next_states=next_results,
        outputs=(*body_outputs, *extra),
    )
    return scan_op(*sequences.values(), *states.values(), *captured.values(), body=body, length=length)


#: Elementwise operations that cost more than to write and read a number, and whose gradients read their results.
_KEPT = frozenset(("exp", "expm1", "pow", "sigmoid", "tanh"))


def _sum_of(node: Node, readers: dict[Node, list[Node]]) -> Node:
    """The sum that alone reads a costly result, if there is one: gradients need no more, and it is made with it."""
    if len(readers.get(node, ())) == 1:
        (reader,) = readers[node]
        if reader.op is add and reader.type == node.type and reader.inputs[0] is not reader.inputs[1]:
            return reader
    return node


def _replacing(old: Node, new: Node) -> Callable[[Node, tuple[Node, ...]], Node]:
    """Return the rewrite rule that puts one node in the place of another."""

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        if node is old:
            return new
        return node if inputs == node.inputs else node.op(*inputs, **node.attrs)

    return rule


def scan(
    step: Callable[[list[Node], list[Node]], tuple[Sequence[Node], Sequence[Node]]],
    sequences: Sequence[Node],
    initial: Sequence[Node],
    length: DimLike | None = None,
) -> tuple[list[Node], list[Node]]:
    """Loop over time.

    Args:
        step: called once with the slices (as nodes) and the states; returns (next states, outputs).
        sequences: nodes whose first axis is time.
        initial: the states before the first iteration.
        length: the number of iterations, needed where there is no sequence.

    Returns:
        (final states, outputs stacked along a new first axis).

    Raises:
        ShapeError: lengths differ, or a state changes its type.
    """
    if length is None:
        if not sequences:
            raise ShapeError("a scan without sequences needs its length")
        if sequences[0].rank == 0:
            raise ShapeError("a loop runs along the first axis of what it is given, and a scalar has none")
        length = sequences[0].shape[0]
    slices = [placeholder(sequence.shape[1:], sequence.dtype) for sequence in sequences]
    states = [placeholder(state.shape, state.dtype) for state in initial]
    with drawn_inside() as drawn:
        next_states, outputs = step(slices, states)
    for node in dict.fromkeys(drawn):  # one draw for all iterations, each reading its slice
        attrs = {**node.attrs, "shape": (length, *node.shape)}
        sequences = [*sequences, draw(node.op, node.inputs[0], **attrs)]
        slices.append(placeholder(node.shape, node.dtype))
        replaced = rewrite([*next_states, *outputs], _replacing(node, slices[-1]))
        next_states = [replaced[each] for each in next_states]
        outputs = [replaced[each] for each in outputs]
    if len(next_states) != len(states):
        raise ShapeError(f"the step returned {len(next_states)} states, but there are {len(states)}")
    node = build(
        length=length,
        sequences=dict(zip(slices, sequences, strict=True)),
        states=dict(zip(states, initial, strict=True)),
        captured={},
        next_states=list(next_states),
        outputs=list(outputs),
    )
    final = [item(node, k) for k in range(len(states))]
    return final, [item(node, len(states) + k) for k in range(len(outputs))]
