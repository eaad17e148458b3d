"""JAX: pure functions under `jax.jit`, whole training steps with donated state, optimizers of Optax."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
import workloads as described
from jax import lax
from workloads import Layer, Network, Workload

#: Arrays by layer: what is trained, and the statistics that are not.
Parameters = dict[str, list[Any]]


def load(threads: int) -> str:
    """JAX takes its threads from the processors of the process; returns the version."""
    return jax.__version__


def _activation(name: str, x: Any) -> Any:
    return {"relu": jax.nn.relu, "softmax": jax.nn.softmax, "sigmoid": jax.nn.sigmoid}.get(name, lambda x: x)(x)


def _lstm(x: Any, values: list[Any], units: int) -> Any:
    kernel, recurrent, bias = values
    projected = jnp.swapaxes(x @ kernel + bias, 0, 1)

    def step(state: Any, z: Any) -> tuple[Any, None]:
        hidden, cell = state
        i, f, c, o = jnp.split(z + hidden @ recurrent, 4, axis=-1)
        cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(c)
        return (jax.nn.sigmoid(o) * jnp.tanh(cell), cell), None

    start = jnp.zeros((x.shape[0], units), x.dtype)
    (hidden, _), _ = lax.scan(step, (start, start), projected)
    return hidden


def _windows(x: Any, layer: Layer) -> Any:
    window, strides = (1, layer.size, layer.size, 1), (1, layer.stride, layer.stride, 1)
    return lax.reduce_window(x, -jnp.inf, lax.max, window, strides, "VALID")


def _normalised(x: Any, values: list[Any], moved: list[Any] | None) -> Any:
    """Batch normalisation; with `moved` of the batch itself, whose statistics are appended there."""
    gamma, beta, mean, variance = values
    if moved is not None:
        mean, variance = jnp.mean(x, (0, 1, 2)), jnp.var(x, (0, 1, 2))
        moved += [0.99 * values[2] + 0.01 * mean, 0.99 * values[3] + 0.01 * variance]
    scale = gamma * lax.rsqrt(variance + 1.001e-5)
    return x * scale + (beta - mean * scale)


def _apply(layer: Layer, values: list[Any], given: list[Any], key: Any, moved: list[Any] | None) -> Any:
    """One layer, without its activation."""
    x = given[0]
    if layer.kind == "dense":
        return x @ values[0] + values[1]
    if layer.kind == "conv":
        padding = "SAME" if layer.same else "VALID"
        strides = (layer.stride, layer.stride)
        return lax.conv_general_dilated(
            x, values[0], strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
        ) + values[1]  # fmt: skip
    if layer.kind == "max_pool":
        return _windows(x, layer)
    if layer.kind == "pad":
        return jnp.pad(x, ((0, 0), (layer.size,) * 2, (layer.size,) * 2, (0, 0)))
    if layer.kind == "dropout":
        if key is None:
            return x
        keep = 1.0 - layer.rate
        return jnp.where(jax.random.bernoulli(key, keep, x.shape), x / keep, 0.0)
    if layer.kind == "batch_norm":
        return _normalised(x, values, moved)
    if layer.kind == "embedding":
        return values[0][x]
    if layer.kind == "lstm":
        return _lstm(x, values, layer.units)
    if layer.kind == "add":
        return x + given[1]
    if layer.kind == "flatten":
        return x.reshape(x.shape[0], -1)
    return x.mean((1, 2)) if layer.kind == "global_average" else x


def _forward(network: Network, parameters: Parameters, x: Any, key: Any, training: bool) -> tuple[Any, Parameters]:
    """The network up to its last activation, and the statistics that a training step moves."""
    known = {"": x}
    moved: Parameters = {}
    for number, layer in enumerate(network.layers):
        mine: list[Any] | None = [] if training else None
        key, part = jax.random.split(key) if key is not None and layer.kind == "dropout" else (key, None)
        given = [known[name] for name in network.inputs_of(number)]
        x = _apply(layer, parameters.get(layer.name, []), given, part, mine)
        if number < len(network.layers) - 1:
            x = _activation(layer.activation, x)
        if mine:
            moved[layer.name] = mine
        known[layer.name] = x
    return x, moved


def _trivial(x: Any) -> Any:
    return x * 2.0 + 1.0


def _elementwise(x: Any) -> Any:
    return jnp.tanh(x * 1.1 + 0.3) * jax.nn.sigmoid(x) + jnp.sqrt(jnp.abs(x) + 1.0) - jnp.exp(-x * x)


def _normalise(x: Any) -> Any:
    mean = x.mean(-1, keepdims=True)
    variance = jnp.square(x - mean).mean(-1, keepdims=True)
    return jax.nn.softmax((x - mean) / jnp.sqrt(variance + 1e-5))


_FORMULAS = {"trivial": _trivial, "elementwise": _elementwise, "normalise": _normalise}


def _optimizer(name: str, rate: float) -> Any:
    if name == "sgd":
        return optax.sgd(rate, momentum=0.9)
    if name == "adam":
        return optax.adam(rate, eps=1e-7)
    return optax.rmsprop(rate, decay=0.9, eps=1e-7, eps_in_sqrt=False)


def _training_step(workload: Workload, network: Network, optimizer: Any) -> Callable[..., Any]:
    """(state, x, y) -> (state, loss), compiled; the old state's memory is used again."""

    def loss_of(parameters: Parameters, x: Any, y: Any, key: Any) -> tuple[Any, Parameters]:
        logits, moved = _forward(network, parameters, x, key, training=True)
        if workload.loss == "binary_crossentropy":
            return optax.sigmoid_binary_cross_entropy(logits, y).mean(), moved
        return optax.softmax_cross_entropy(logits, y).mean(), moved

    def step(state: Any, x: Any, y: Any) -> tuple[Any, Any]:
        parameters, slots, key = state
        key, part = jax.random.split(key)
        (loss, moved), gradients = jax.value_and_grad(loss_of, has_aux=True)(parameters, x, y, part)
        changes, slots = optimizer.update(gradients, slots, parameters)
        parameters = optax.apply_updates(parameters, changes)
        for name, statistics in moved.items():
            parameters[name] = [*parameters[name][:2], *statistics]
        return (parameters, slots, key), loss

    return jax.jit(step, donate_argnums=0)


def prepare(workload: Workload, batch: int) -> Callable[[], Any]:
    """Build a workload; returns a function that does one step and returns its loss or result."""
    import numpy as np

    x, y = described.data(workload, batch)
    network = workload.network
    if network is None:
        function = jax.jit(_FORMULAS[workload.formula])
        return lambda: np.asarray(function(x))
    parameters = {name: [jnp.asarray(value) for value in values] for name, values in described.weights(network)}
    if workload.mode == "predict":
        last = network.layers[-1].activation
        predict = jax.jit(lambda given, rows: _activation(last, _forward(network, given, rows, None, False)[0]))
        return lambda: np.asarray(predict(parameters, x))
    optimizer = _optimizer(workload.optimizer, workload.learning_rate)
    state = (parameters, optimizer.init(parameters), jax.random.key(0))
    one = _training_step(workload, network, optimizer)
    inputs, targets = jnp.asarray(x), jnp.asarray(y)
    if workload.mode == "train":

        def step() -> float:
            nonlocal state
            state, loss = one(state, inputs, targets)
            return float(loss)

        return step
    # A loop over batches as programs write it: host arrays go in, losses are read at the end of the epoch.
    assert y is not None

    def epoch() -> float:
        nonlocal state
        losses = []
        for start in range(0, len(x), batch):
            state, loss = one(state, x[start : start + batch], y[start : start + batch])
            losses.append(loss)
        return float(np.mean([float(loss) for loss in losses]))

    return epoch
