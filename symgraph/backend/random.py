"""Random tensors: counter-based, so the same seed gives the same numbers on every executor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph import config
from symgraph.compiler.graph import rebuild
from symgraph.graph.convert import as_float, as_node
from symgraph.graph.node import Node
from symgraph.graph.tensor import Tensor, Variable
from symgraph.graph.traverse import rewrite, topological_order
from symgraph.ops import elementwise as e
from symgraph.ops import random as ops
from symgraph.ops.leaf import constant

__all__ = [
    "dropout", "random_binomial", "random_normal", "random_normal_variable", "random_uniform",
    "random_uniform_variable", "truncated_normal",
]  # fmt: skip

_STEP: list[Variable] = []


def random_step() -> Variable:
    """Return the counter that every function with random tensors advances by one at each call."""
    if not _STEP:
        from symgraph.backend.creation import variable

        step = variable(0, "uint32", "random_step")
        step.trainable = False
        _STEP.append(step)
    return _STEP[0]


def with_step(outputs: Sequence[Tensor], updates: Sequence[Any]) -> list[Any]:
    """Add the advance of the random step to updates, where anything random is computed."""
    if not _STEP or not isinstance(outputs, (list, tuple)):
        return list(updates)
    roots = [tensor.node for tensor in outputs if isinstance(tensor, Tensor)]
    roots += [pair[1].node for pair in updates if isinstance(pair, (tuple, list)) and isinstance(pair[-1], Tensor)]
    step = _STEP[0]
    if step.node not in topological_order(roots) or any(pair[0] is step for pair in updates):
        return list(updates)
    return [*updates, (step, step + np.uint32(1))]


def with_own_step(
    outputs: Sequence[Tensor], updates: Sequence[Any], step: Variable
) -> tuple[list[Tensor], list[Any]]:
    """Return outputs and updates whose random tensors count by `step` instead of the common counter, and its advance.

    What else was computed before then makes no difference to the numbers.
    """
    pairs = [tuple(pair) for pair in updates]
    if not _STEP:
        return list(outputs), pairs
    common = _STEP[0].node
    roots = [tensor.node for tensor in outputs] + [as_node(value) for _, value in pairs]
    if common not in topological_order(roots):
        return list(outputs), pairs
    new = rewrite(roots, lambda node, inputs: step.node if node is common else rebuild(node, inputs))
    pairs = [(target, Tensor(new[root])) for (target, _), root in zip(pairs, roots[len(outputs):], strict=True)]
    return [Tensor(new[tensor.node], tensor.name) for tensor in outputs], [*pairs, (step, step + np.uint32(1))]


def _seed(seed: int | None) -> int:
    """Return a 32-bit seed; without one, a draw from NumPy's global generator, which np.random.seed governs."""
    if seed is None:
        seed = int(np.random.randint(2**31 - 1))
    return int(seed) % 2**32


def _draw(op: Any, shape: Any, dtype: str | None, seed: int | None) -> Node:
    from symgraph.backend.shape import as_sizes

    dtype = dtype or config.floatx()
    # Drawn seeds differ, which keeps two tensors apart; a count of tensors would make a second run in the same process
    # differ from the first although NumPy's seed is the same.
    return ops.draw(op, random_step().node, seed=_seed(seed), stream=0, shape=as_sizes(shape), dtype=dtype)


def random_uniform(
    shape: Any, minval: float = 0.0, maxval: float = 1.0, dtype: str | None = None, seed: int | None = None
) -> Tensor:
    """Return numbers uniform on [minval, maxval), whole ones for a dtype of whole numbers."""
    if dtype is not None and dtype.startswith(("int", "uint")):
        # 53 bits: each whole number of a range as large as int32's is as likely as any other.
        node = _draw(ops.random_uniform, shape, "float64", seed) * (maxval - minval) + minval
        return Tensor(e.cast(e.floor(node), dtype), "random_uniform")
    node = _draw(ops.random_uniform, shape, dtype, seed)
    return Tensor(node * (maxval - minval) + minval, "random_uniform")


def _first(op: Any, shape: Sequence[int], dtype: str | None, seed: int | None) -> Node:
    """The numbers that a seed gives at the first step, whatever has been drawn before."""
    sizes = tuple(int(size) for size in shape)
    return op(constant(0, "uint32"), seed=_seed(seed), stream=0, shape=sizes, dtype=dtype or config.floatx())


def random_uniform_variable(
    shape: Sequence[int],
    low: float,
    high: float,
    dtype: str | None = None,
    name: str | None = None,
    seed: int | None = None,
) -> Variable:
    """Return a variable whose first value is uniform on [low, high)."""
    from symgraph.backend.creation import variable

    value = Tensor(_first(ops.random_uniform, shape, dtype, seed) * (high - low) + low)
    return variable(value, dtype, name)


def random_normal_variable(
    shape: Sequence[int],
    mean: float,
    scale: float,
    dtype: str | None = None,
    name: str | None = None,
    seed: int | None = None,
) -> Variable:
    """Return a variable whose first value is normally distributed."""
    from symgraph.backend.creation import variable

    return variable(Tensor(_first(ops.random_normal, shape, dtype, seed) * scale + mean), dtype, name)


def random_normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: str | None = None, seed: int | None = None
) -> Tensor:
    """Return normally distributed numbers."""
    return Tensor(_draw(ops.random_normal, shape, dtype, seed) * stddev + mean, "random_normal")


def random_binomial(shape: Any, p: float = 0.0, dtype: str | None = None, seed: int | None = None) -> Tensor:
    """Return 1 with probability p, else 0."""
    dtype = dtype or config.floatx()
    node = _draw(ops.random_uniform, shape, "float32" if dtype.endswith("float16") else dtype, seed)
    return Tensor(e.cast(e.less(node, constant(p, node.dtype)), dtype), "random_binomial")


def truncated_normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: str | None = None, seed: int | None = None
) -> Tensor:
    """Return normally distributed numbers, those beyond two standard deviations drawn again.

    Computed by inverting the distribution: the normal quantile of a uniform number between the quantiles of -2 and 2
    (Acklam's rational approximation, then one step of Halley's method).
    """
    dtype = dtype or config.floatx()
    uniform = _draw(ops.random_uniform, shape, "float64" if dtype == "float64" else "float32", seed)
    node = _normal_quantile(uniform * 0.9544997361036416 + 0.02275013194817921)
    limit = constant(2.0, node.dtype)
    node = e.minimum(e.maximum(node, -limit), limit)
    return Tensor(e.cast(node * stddev + mean, dtype), "truncated_normal")


def _normal_quantile(p: Node) -> Node:
    """The inverse of the normal distribution function on [0.02275, 0.97725]."""
    q = p - 0.5
    r = q * q
    numerator = constant(-3.969683028665376e1, p.dtype)
    for factor in (
        2.209460984245205e2, -2.759285104469687e2, 1.383577518672690e2, -3.066479806614716e1, 2.506628277459239
    ):  # fmt: skip
        numerator = numerator * r + factor
    denominator = constant(-5.447609879822406e1, p.dtype)
    for factor in (1.615858368580409e2, -1.556989798598866e2, 6.680131188771972e1, -1.328068155288572e1, 1.0):
        denominator = denominator * r + factor
    x = q * numerator / denominator
    error = (e.erf(x * 0.7071067811865476) * 0.5 + 0.5) - p
    step = error * 2.5066282746310002 * e.exp(e.square(x) * 0.5)
    return x - step / (x * step * 0.5 + 1)


def dropout(x: Any, level: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None) -> Tensor:
    """Set a fraction of the elements to 0 and scale the others so that the expected sum stays.

    Args:
        x: a tensor.
        level: the fraction to drop, 0 <= level < 1.
        noise_shape: shape of the mask, broadcast to that of x; None in it stands for the size of x.
        seed: makes the mask the same in every program.
    """
    if not 0.0 <= level < 1.0:
        raise ValueError(f"dropout: expected 0 <= level < 1, got {level}")
    node = as_float(x)
    if level == 0:
        return Tensor(node)
    shape: Any = node.shape
    if noise_shape is not None:
        if len(noise_shape) != node.rank:
            raise ValueError(f"dropout: noise_shape {tuple(noise_shape)} must have {node.rank} sizes")
        shape = tuple(
            dim if size is None else size for size, dim in zip(noise_shape, node.shape, strict=True)
        )
    uniform = _draw(ops.random_uniform, shape, "float64" if node.dtype == "float64" else "float32", seed)
    kept = e.greater_equal(uniform, constant(level, uniform.dtype))
    return Tensor(e.where(kept, node * (1.0 / (1.0 - level)), e.zero(node)), "dropout")
