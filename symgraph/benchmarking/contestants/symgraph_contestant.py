"""symgraph itself, on the executor that KERAS_BACKEND names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import workloads as described
from workloads import Layer, Network, Workload


def load(threads: int) -> str:
    """Import what a program would import; returns the version."""
    import symgraph
    from symgraph import backend, config

    config.set_threads(threads)
    backend.floatx()
    return symgraph.__version__


def _layer(layer: Layer) -> Any:
    from symgraph import layers

    padding = "same" if layer.same else "valid"
    if layer.kind == "dense":
        return layers.Dense(layer.units, activation=layer.activation, name=layer.name)
    if layer.kind == "conv":
        return layers.Conv2D(
            layer.units, layer.size, strides=layer.stride, padding=padding, activation=layer.activation, name=layer.name
        )
    if layer.kind == "max_pool":
        return layers.MaxPooling2D(layer.size, strides=layer.stride, padding=padding, name=layer.name)
    if layer.kind == "pad":
        return layers.ZeroPadding2D(layer.size, name=layer.name)
    if layer.kind == "dropout":
        return layers.Dropout(layer.rate, name=layer.name)
    if layer.kind == "embedding":
        return layers.Embedding(layer.rows, layer.units, name=layer.name)
    if layer.kind == "lstm":
        return layers.LSTM(layer.units, name=layer.name)
    if layer.kind == "activation":
        return layers.Activation(layer.activation, name=layer.name)
    if layer.kind == "batch_norm":
        return layers.BatchNormalization(epsilon=1.001e-5, name=layer.name)
    plain = {"flatten": layers.Flatten, "global_average": layers.GlobalAveragePooling2D, "add": layers.Add}
    return plain[layer.kind](name=layer.name)


def build(network: Network) -> Any:
    """The network as a model with its first weights: Sequential for a chain, else functional."""
    from symgraph.layers import Input
    from symgraph.models import Model, Sequential

    dtype = "int32" if network.layers[0].kind == "embedding" else None
    known = {"": Input(shape=network.shape, dtype=dtype)}
    built = [_layer(layer) for layer in network.layers]
    for number, (layer, made) in enumerate(zip(network.layers, built)):
        given = [known[name] for name in network.inputs_of(number)]
        known[layer.name] = made(given if len(given) > 1 else given[0])
    model = Model(known[""], known[network.layers[-1].name])
    if network.is_chain:
        model = Sequential([model.layers[0], *built])
    for name, values in described.weights(network):
        model.get_layer(name).set_weights(values)
    return model


def _optimizer(name: str, rate: float) -> Any:
    from symgraph import optimizers

    if name == "sgd":
        return optimizers.SGD(rate, momentum=0.9)
    return optimizers.Adam(rate) if name == "adam" else optimizers.RMSprop(rate)


def _formula(workload: Workload) -> Any:
    from symgraph import backend

    x = backend.placeholder(shape=(None, *workload.shape))
    if workload.formula == "trivial":
        y = x * 2.0 + 1.0
    elif workload.formula == "elementwise":
        y = backend.tanh(x * 1.1 + 0.3) * backend.sigmoid(x) + backend.sqrt(backend.abs(x) + 1.0)
        y = y - backend.exp(-x * x)
    else:
        mean = backend.mean(x, axis=-1, keepdims=True)
        variance = backend.mean(backend.square(x - mean), axis=-1, keepdims=True)
        y = backend.softmax((x - mean) / backend.sqrt(variance + 1e-5))
    return backend.function([x], [y])


def prepare(workload: Workload, batch: int) -> Callable[[], Any]:
    """Build a workload; returns a function that does one step and returns its loss or result."""
    x, y = described.data(workload, batch)
    if workload.network is None:
        function, given = _formula(workload), [x]
        return lambda: function(given)[0]
    model = build(workload.network)
    if workload.mode == "predict":
        return lambda: model.predict(x, batch_size=batch)
    model.compile(loss=workload.loss, optimizer=_optimizer(workload.optimizer, workload.learning_rate))
    if workload.mode == "fit":
        return lambda: model.fit(x, y, batch_size=batch, epochs=1, verbose=0, shuffle=False).history["loss"][-1]
    return lambda: model.train_on_batch(x, y)
