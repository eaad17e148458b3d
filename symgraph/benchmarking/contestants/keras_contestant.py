"""Keras 3 on TensorFlow: its own `fit`, `train_on_batch` and compiled functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import workloads as described
from workloads import Layer, Network, Workload


def load(threads: int) -> str:
    """Set the number of threads; returns the versions."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1 if threads == 1 else 2)
    return f"{keras.__version__} on TensorFlow {tf.__version__}"


def _layer(layer: Layer) -> Any:
    layers = keras.layers
    padding = "same" if layer.same else "valid"
    if layer.kind == "dense":
        return layers.Dense(layer.units, activation=layer.activation, name=layer.name)
    if layer.kind == "conv":
        return layers.Conv2D(
            layer.units, layer.size, layer.stride, padding, activation=layer.activation, name=layer.name
        )
    if layer.kind == "max_pool":
        return layers.MaxPooling2D(layer.size, layer.stride, padding, name=layer.name)
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
    """The network with its first weights."""
    dtype = "int32" if network.layers[0].kind == "embedding" else None
    known = {"": keras.Input(network.shape, dtype=dtype)}
    for number, layer in enumerate(network.layers):
        given = [known[name] for name in network.inputs_of(number)]
        known[layer.name] = _layer(layer)(given if len(given) > 1 else given[0])
    model = keras.Model(known[""], known[network.layers[-1].name])
    for name, values in described.weights(network):
        model.get_layer(name).set_weights(values)
    return model


def _trivial(x: Any) -> Any:
    return x * 2.0 + 1.0


def _elementwise(x: Any) -> Any:
    return tf.tanh(x * 1.1 + 0.3) * tf.sigmoid(x) + tf.sqrt(tf.abs(x) + 1.0) - tf.exp(-x * x)


def _normalise(x: Any) -> Any:
    mean = tf.reduce_mean(x, -1, keepdims=True)
    variance = tf.reduce_mean(tf.square(x - mean), -1, keepdims=True)
    return tf.nn.softmax((x - mean) / tf.sqrt(variance + 1e-5))


_FORMULAS = {"trivial": _trivial, "elementwise": _elementwise, "normalise": _normalise}


def _optimizer(name: str, rate: float) -> Any:
    if name == "sgd":
        return keras.optimizers.SGD(rate, momentum=0.9)
    return keras.optimizers.Adam(rate) if name == "adam" else keras.optimizers.RMSprop(rate)


def prepare(workload: Workload, batch: int) -> Callable[[], Any]:
    """Build a workload; returns a function that does one step and returns its loss or result."""
    x, y = described.data(workload, batch)
    if workload.network is None:
        function, given = tf.function(_FORMULAS[workload.formula]), tf.constant(x)
        return lambda: function(given).numpy()
    model = build(workload.network)
    if workload.mode == "predict":
        # XLA is left out here and below: on a CPU its convolutions are several times slower than TensorFlow's own.
        model.compile(jit_compile=False)
        return lambda: model.predict_on_batch(x)
    model.compile(
        loss=workload.loss, optimizer=_optimizer(workload.optimizer, workload.learning_rate), jit_compile=False
    )
    if workload.mode == "fit":
        return lambda: model.fit(x, y, batch_size=batch, epochs=1, verbose=0, shuffle=False).history["loss"][-1]

    def step() -> float:
        # `train_on_batch` returns a running mean of the losses; the metrics are set back to get this step's.
        model.reset_metrics()
        return float(np.asarray(model.train_on_batch(x, y)))

    return step
