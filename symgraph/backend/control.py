"""Functions, gradients, updates, the learning phase, and choices."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from symgraph import autodiff
from symgraph.backend import creation
from symgraph.graph import tensor as handles
from symgraph.graph.convert import as_node, operands
from symgraph.graph.tensor import Tensor, Variable
from symgraph.ops import elementwise, leaf, scan
from symgraph.ops.shape import expand, reverse, transpose
from symgraph.runtime.function import Function

__all__ = [
    "Function", "Update", "clear_session", "eval", "foldl", "foldr", "function", "gradients", "in_test_phase",
    "in_train_phase", "learning_phase", "manual_variable_initialization", "map_fn", "moving_average_update", "rnn",
    "set_learning_phase", "switch", "update", "update_add", "update_sub",
]  # fmt: skip


# --------------------------------------------------------------------------------------------- learning phase

_PHASE: dict[str, Any] = {"tensor": None, "fixed": None}


def _phase_tensor() -> Tensor:
    if _PHASE["tensor"] is None:
        node = leaf.placeholder((), "int32")
        handles.mark(node)
        _PHASE["tensor"] = Tensor(node, "keras_learning_phase")
    return _PHASE["tensor"]


def learning_phase() -> Any:
    """Return the learning phase: a tensor to feed (0 test, 1 train), or the number that it has been fixed to."""
    return _phase_tensor() if _PHASE["fixed"] is None else _PHASE["fixed"]


def set_learning_phase(value: int) -> None:
    """Fix the learning phase for graphs that are built from now on: 0 = test, 1 = train."""
    if value not in (0, 1):
        raise ValueError(f"set_learning_phase: expected 0 (test) or 1 (train), got {value!r}")
    _PHASE["fixed"] = int(value)


def clear_session() -> None:
    """Forget names and a fixed learning phase; graphs that nobody holds any more are freed by themselves.

    The learning phase stays the same tensor: models from before go on to train and to predict.
    """
    creation.reset_uids()
    _PHASE["fixed"] = None


def manual_variable_initialization(value: bool) -> None:
    """Accepted for old scripts: variables always start with their value, there is no session to initialise them."""
    if not isinstance(value, bool):
        raise TypeError(f"manual_variable_initialization: expected True or False, got {value!r}")


def in_train_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """Return x in training and alt in testing; both may be tensors or functions that make them.

    Args:
        x: the tensor for training, or a function without arguments that builds it.
        alt: the same for testing.
        training: overrides the learning phase: a bool, a number or a tensor.
    """
    phase = learning_phase() if training is None else training
    if not isinstance(phase, Tensor):
        chosen = x if phase else alt
        return chosen() if callable(chosen) else chosen
    return switch(phase, x, alt)


def in_test_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """Return x in testing and alt in training (see in_train_phase)."""
    return in_train_phase(alt, x, training)


def switch(condition: Any, then_expression: Any, else_expression: Any) -> Tensor:
    """Choose element by element, or as a whole if the condition is a scalar.

    Args:
        condition: bool or number; its shape leads the shape of the results, missing trailing axes are added.
        then_expression: a tensor, or a function without arguments that builds it.
        else_expression: the same, where the condition is false.
    """
    chosen = [each() if callable(each) and not isinstance(each, Tensor) else each
              for each in (then_expression, else_expression)]  # fmt: skip
    test = as_node(condition)
    if test.dtype != "bool":
        test = elementwise.not_equal(test, elementwise.zero(test))
    x, y = operands(*chosen)
    rank = builtins.max(x.rank, y.rank)
    if 0 < test.rank < rank:
        test = expand(test, range(test.rank, rank))
    elif test.rank > rank:
        raise ValueError(f"switch: the condition has {test.rank} dimensions, the expressions only {rank}")
    return Tensor(elementwise.where(test, x, y), "switch")


# ------------------------------------------------------------------------------------------ functions, updates


class Update(NamedTuple):
    """An assignment that a function makes at each call."""

    variable: Variable
    value: Any


def update(x: Variable, new_x: Any) -> Update:
    """Return the update of a variable to a new value, for the `updates` of K.function or `Layer.add_update`."""
    if not isinstance(x, Variable):
        raise TypeError(f"update: expected a variable, got {type(x).__name__} {x!r}")
    return Update(x, new_x)


def update_add(x: Variable, increment: Any) -> Update:
    """Return the update of a variable by an increment."""
    return update(x, x + increment)


def update_sub(x: Variable, decrement: Any) -> Update:
    """Return the update of a variable by a decrement."""
    return update(x, x - decrement)


def moving_average_update(x: Variable, value: Any, momentum: float) -> Update:
    """Return the update x * momentum + value * (1 - momentum)."""
    return update(x, x * momentum + value * (1.0 - momentum))


def function(
    inputs: Sequence[Tensor], outputs: Sequence[Tensor], updates: Sequence[Any] | None = None, **kwargs: Any
) -> Function:
    """Compile a function from tensors.

    Args:
        inputs: tensors to feed, K.learning_phase() among them where the graph depends on it (else it is 0).
        outputs: tensors to return.
        updates: (variable, new value) pairs, such as K.update makes; every read sees the old values.
        name: for messages.
        learning_phase: its value where it is not among the inputs: 0 (test) or 1 (train).

    Returns:
        A callable: list of arrays in, list of arrays out.

    Raises:
        TypeError: an argument that is not known or not of the right kind.
    """
    name = kwargs.pop("name", None)
    value = kwargs.pop("learning_phase", 0)
    if kwargs:
        known = "inputs, outputs, updates, name and learning_phase"
        raise TypeError(f"function: unknown arguments {sorted(kwargs)}; known are {known}")
    numbers = isinstance(inputs, (list, tuple)) and any(isinstance(value, (int, np.integer)) for value in inputs)
    if numbers and _PHASE["fixed"] is not None:
        # K.learning_phase() is a plain number once it has been fixed; feeding it has no effect then.
        return _IgnoringPhase(list(inputs), outputs, updates or (), name)
    from symgraph.backend.printing import PrintingFunction, printed_nodes
    from symgraph.backend.random import with_step

    phase = _PHASE["tensor"]
    phases = {} if phase is None else {phase: value}
    all_updates = with_step(outputs, updates or ())
    printed = printed_nodes(outputs, all_updates)
    if printed:
        return PrintingFunction(inputs, outputs, all_updates, name, phases, printed)
    return Function(inputs, outputs, all_updates, name, phases)


class _IgnoringPhase:
    """A function whose caller still feeds a learning phase that has been fixed."""

    def __init__(self, inputs: list[Any], outputs: Sequence[Tensor], updates: Sequence[Any], name: str | None) -> None:
        self.kept = [k for k, value in enumerate(inputs) if isinstance(value, Tensor)]
        self.count = len(inputs)
        self.function = function([inputs[k] for k in self.kept], outputs, updates, name=name)

    def __call__(self, inputs: Sequence[Any]) -> list[np.ndarray]:
        fed = [inputs[k] for k in self.kept] if len(inputs) == self.count else inputs
        return self.function(fed)


def eval(x: Any) -> Any:
    """Compute a tensor that depends on no placeholder.

    Args:
        x: a tensor; an update, such as K.update makes, which is made and gives the new value; what a metric returns,
            which makes the metric's updates; a list of any of these; an array or a number, which is its own value.

    Returns:
        An array, or a list of arrays for a list.
    """
    if isinstance(x, Variable):
        return x.value
    if isinstance(x, Tensor):
        return function([], [x], updates=getattr(x, "_updates", None), name="eval")([])[0]
    if isinstance(x, Update):
        function([], [], updates=[x], name="eval")([])
        return x.variable.value
    if isinstance(x, list) and builtins.all(isinstance(each, Update) for each in x):
        function([], [], updates=x, name="eval")([])  # together: each of them reads the old values
        return [each.variable.value for each in x]
    if isinstance(x, list) and builtins.any(isinstance(each, Tensor) for each in x):
        return [eval(each) for each in x]
    if isinstance(x, (np.ndarray, np.generic, int, float, list)):
        return np.asarray(x)
    raise TypeError(f"eval: expected a tensor, got {type(x).__name__} {x!r}")


def gradients(loss: Tensor, variables: Any) -> list[Tensor | None]:
    """Return the gradients of the sum of `loss` with respect to each tensor of a list (or to one).

    Returns:
        A list, with None for a tensor that does not matter. It is a list for a single tensor too, as programs that
        write `K.gradients(loss, x)[0]` expect.

    Raises:
        symgraph.autodiff.GradientError: no gradient exists; the operation and the line are named.
    """
    wrt = [variables] if isinstance(variables, Tensor) else list(variables)
    grads = autodiff.gradients(as_node(loss), [each.node for each in wrt])
    return [
        None if grad is None else Tensor(grad, f"gradient of {each.name}")
        for grad, each in zip(grads, wrt, strict=True)
    ]


# -------------------------------------------------------------------------------------------------- loops


def map_fn(fn: Callable[[Any], Any], elems: Any, name: str | None = None, dtype: str | None = None) -> Any:
    """Apply a function to each element along the first axis and stack the results.

    Args:
        fn: gets one element (a list of them, if `elems` is a list).
        elems: a tensor, or a list of tensors of equal length.
        name: of the result.
        dtype: element type of the result, if it is to be cast.
    """
    many = isinstance(elems, (list, tuple))
    nodes = [as_node(each) for each in elems] if many else [as_node(elems)]

    def step(slices: list[Any], states: list[Any]) -> tuple[list[Any], list[Any]]:
        handed = [Tensor(each) for each in slices]
        value = as_node(fn(handed if many else handed[0]))
        return [], [elementwise.cast(value, dtype) if dtype else value]

    return Tensor(scan.scan(step, nodes, [])[1][0], name)


def foldl(fn: Callable[[Any, Any], Any], elems: Any, initializer: Any = None, name: str | None = None) -> Tensor:
    """Reduce along the first axis from the left: fn(accumulated, element).

    Args:
        fn: combines the accumulated value and one element.
        elems: a tensor.
        initializer: the first accumulated value; the first element by default.
        name: of the result.
    """
    node = as_node(elems)
    if initializer is None:
        if node.rank == 0 or node.shape[0] == 0:
            raise ValueError("foldl: there is no first element; give an initializer")
        tensor = Tensor(node)
        first, node = tensor[0].node, tensor[1:].node
    else:
        first = as_node(initializer)

    def step(slices: list[Any], states: list[Any]) -> tuple[list[Any], list[Any]]:
        return [elementwise.cast(as_node(fn(Tensor(states[0]), Tensor(slices[0]))), first.dtype)], []

    return Tensor(scan.scan(step, [node], [first])[0][0], name)


def foldr(fn: Callable[[Any, Any], Any], elems: Any, initializer: Any = None, name: str | None = None) -> Tensor:
    """Reduce along the first axis from the right (see foldl)."""
    return foldl(fn, Tensor(reverse(as_node(elems), (0,))), initializer, name)


def rnn(
    step_function: Callable[[Tensor, list[Tensor]], tuple[Tensor, list[Tensor]]],
    inputs: Any,
    initial_states: Sequence[Any],
    go_backwards: bool = False,
    mask: Any = None,
    constants: Sequence[Any] | None = None,
    unroll: bool = False,
    input_length: int | None = None,
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Iterate over the time axis of a batch of sequences.

    Args:
        step_function: (input of one time step (batch, ...), states + constants) -> (output, new states).
        inputs: (batch, time, ...), at least three dimensions.
        initial_states: tensors (batch, ...).
        go_backwards: begin with the last time step.
        mask: (batch, time) or (batch, time, 1): where it is false, states stay and the previous output is repeated.
        constants: tensors handed to every step after the states.
        unroll: the loop is compiled either way and gives the same numbers; the number of steps must be known then.
        input_length: accepted; the number of time steps is that of the inputs.

    Returns:
        (last output (batch, ...), outputs (batch, time, ...), final states).

    Raises:
        ValueError: inputs with fewer than three dimensions, or `unroll` without a known number of time steps.
    """
    data = as_node(inputs)
    if data.rank < 3:
        raise ValueError(f"rnn: inputs need at least 3 dimensions (batch, time, ...), got shape {Tensor(data).shape}")
    if unroll and Tensor(data).shape[1] is None:
        raise ValueError("rnn: unrolling requires a fixed number of time steps; give the inputs a shape that says it")
    fixed = [each if isinstance(each, Tensor) else Tensor(as_node(each)) for each in constants or ()]
    sequences = [_time_first(data)]
    if mask is not None:
        node = as_node(mask)
        if node.dtype != "bool":
            node = elementwise.not_equal(node, elementwise.zero(node))
        if node.rank == 2:
            node = expand(node, (2,))
        sequences.append(_time_first(node))
    if go_backwards:
        sequences = [reverse(each, (0,)) for each in sequences]
    states = [as_node(each) for each in initial_states]

    def call(x: Any, held: Sequence[Any]) -> tuple[Any, list[Any]]:
        output, new = step_function(Tensor(x), [*map(Tensor, held), *fixed])
        return as_node(output), [as_node(each) for each in new]

    state_of_output: int | None = None  # which state is the output too, if one is
    if mask is None:

        def step(slices: list[Any], held: list[Any]) -> tuple[list[Any], list[Any]]:
            nonlocal state_of_output
            output, new = call(slices[0], held)
            kept = [_kept(each, old) for each, old in zip(new, held, strict=True)]
            state_of_output = kept.index(output) if output in kept else None
            return kept, [output]

        final, outputs = scan.scan(step, sequences, states)
    else:
        output, _ = call(_first(sequences[0]), states)  # tells the shape of the output, which starts as zeros
        blank = creation.zeros_like(Tensor(output)).node

        def step(slices: list[Any], held: list[Any]) -> tuple[list[Any], list[Any]]:
            output, new = call(slices[0], held[:-1])
            chosen = _masked(slices[1], output, held[-1])
            return [*(_masked(slices[1], n, o) for n, o in zip(new, held[:-1], strict=True)), chosen], [chosen]

        final, outputs = scan.scan(step, sequences, [*states, blank])
        state_of_output = len(states)
    # The last of all outputs, but of a state that goes on from step to step: then its gradient does so, too.
    last = Tensor(outputs[0])[-1] if state_of_output is None else Tensor(final[state_of_output])
    final = final[: len(states)]
    return last, Tensor(_time_first(outputs[0])), [Tensor(each) for each in final]


def _time_first(node: Any) -> Any:
    """Exchange the first two axes."""
    return transpose(node, (1, 0, *range(2, node.rank)))


def _first(node: Any) -> Any:
    return Tensor(node)[0].node


def _kept(new: Any, old: Any) -> Any:
    """Give a new state the type of the old one."""
    from symgraph.ops.shape import broadcast_to

    new = elementwise.cast(new, old.dtype)
    if new.shape == old.shape:
        return new
    try:
        return broadcast_to(new, old.shape)
    except ValueError:
        raise ValueError(
            f"rnn: a state begins with shape {Tensor(old).shape}, but the step makes it {Tensor(new).shape}; the "
            "initial states need the shape that the step returns, batch included (K.zeros_like(x[:, 0]) has that of "
            "the input)"
        ) from None


def _masked(mask: Any, new: Any, old: Any) -> Any:
    test = mask
    if test.rank < new.rank:
        test = expand(test, range(test.rank, new.rank))
    return _kept(elementwise.where(test, elementwise.cast(new, old.dtype), old), old)
