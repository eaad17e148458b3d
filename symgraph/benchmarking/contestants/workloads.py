"""The workloads: networks described as data, their inputs, their first weights, and what they cost at least.

Every contestant builds the same network from the same description, begins with the same weights and sees the same
data, so that the loss after some steps tells whether all of them did the same work.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

__all__ = ["DEFAULT", "WORKLOADS", "Layer", "Network", "Workload", "cost", "data", "shapes", "weights"]


class Layer(NamedTuple):
    """One layer: a kind, a name of its own, and the numbers that the kind reads.

    Kinds: dense (units), conv (units, size, stride, same), max_pool (size, stride), pad (size: rows and columns on each
    side), global_average, flatten, dropout (rate), batch_norm, add (two inputs), activation, embedding (rows, units),
    lstm (units).  Without `inputs` a layer reads the one before it.
    """

    kind: str
    name: str
    units: int = 0
    size: int = 1
    stride: int = 1
    same: bool = False
    activation: str = "linear"
    rate: float = 0.0
    rows: int = 0
    inputs: tuple[str, ...] = ()


class Network(NamedTuple):
    """The shape of one input row (images: height, width, channels), and the layers."""

    shape: tuple[int, ...]
    layers: tuple[Layer, ...]

    @property
    def is_chain(self) -> bool:
        """Whether each layer reads the one before it."""
        return not any(layer.inputs for layer in self.layers)

    def inputs_of(self, number: int) -> tuple[str, ...]:
        """The names of what a layer reads; '' is the network's input."""
        before = self.layers[number - 1].name if number else ""
        return self.layers[number].inputs or (before,)


class Workload(NamedTuple):
    """What is measured.

    mode: train (a step on one batch), fit (a step inside the framework's own loop over many batches), predict, or
    formula (arrays in, arrays out).  `tolerance` is how far the loss may be from another contestant's, relative to the
    first loss: rounding alone, or, where dropout draws other masks, what these make of it.  Deep networks have small
    learning rates, so that neither grows from step to step.
    """

    description: str
    mode: str
    network: Network | None = None
    formula: str = ""
    shape: tuple[int, ...] = ()
    batches: tuple[int, ...] = (1,)
    optimizer: str = ""
    learning_rate: float = 0.001
    loss: str = ""
    steps: int = 10
    tolerance: float = 0.02


#: Batches in one call of a workload in mode fit.
FIT_BATCHES = 100


def _perceptron(*units: int) -> Network:
    hidden = [Layer("dense", f"dense_{k}", width, activation="relu") for k, width in enumerate(units[1:-1], 1)]
    last = Layer("dense", f"dense_{len(units) - 1}", units[-1], activation="softmax")
    return Network((units[0],), (*hidden, last))


_DIGITS = Network(
    (8, 8, 1),
    (
        Layer("conv", "conv_1", 32, 3, same=True, activation="relu"),
        Layer("conv", "conv_2", 32, 3, same=True, activation="relu"),
        Layer("max_pool", "pool_1", size=2, stride=2),
        Layer("dropout", "dropout_1", rate=0.25),
        Layer("flatten", "flatten_1"),
        Layer("dense", "dense_1", 64, activation="relu"),
        Layer("dropout", "dropout_2", rate=0.5),
        Layer("dense", "dense_2", 10, activation="softmax"),
    ),
)
_MNIST = Network(
    (28, 28, 1),
    (
        Layer("conv", "conv_1", 32, 3, activation="relu"),
        Layer("conv", "conv_2", 64, 3, activation="relu"),
        Layer("max_pool", "pool_1", size=2, stride=2),
        Layer("dropout", "dropout_1", rate=0.25),
        Layer("flatten", "flatten_1"),
        Layer("dense", "dense_1", 128, activation="relu"),
        Layer("dropout", "dropout_2", rate=0.5),
        Layer("dense", "dense_2", 10, activation="softmax"),
    ),
)
_CATS_DOGS = Network(
    (150, 150, 3),
    (
        Layer("conv", "conv_1", 32, 3, activation="relu"),
        Layer("max_pool", "pool_1", size=2, stride=2),
        Layer("conv", "conv_2", 32, 3, activation="relu"),
        Layer("max_pool", "pool_2", size=2, stride=2),
        Layer("conv", "conv_3", 64, 3, activation="relu"),
        Layer("max_pool", "pool_3", size=2, stride=2),
        Layer("flatten", "flatten_1"),
        Layer("dense", "dense_1", 64, activation="relu"),
        Layer("dropout", "dropout_1", rate=0.5),
        Layer("dense", "dense_2", 1, activation="sigmoid"),
    ),
)
_LSTM = Network(
    (80,),
    (
        Layer("embedding", "embedding_1", 128, rows=20000),
        Layer("lstm", "lstm_1", 128),
        Layer("dense", "dense_1", 1, activation="sigmoid"),
    ),
)


def _vgg16() -> Network:
    layers = []
    for block, (filters, repeats) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), 1):
        for k in range(1, repeats + 1):
            layers.append(Layer("conv", f"block{block}_conv{k}", filters, 3, same=True, activation="relu"))
        layers.append(Layer("max_pool", f"block{block}_pool", size=2, stride=2))
    layers.append(Layer("flatten", "flatten"))
    layers.append(Layer("dense", "fc1", 4096, activation="relu"))
    layers.append(Layer("dense", "fc2", 4096, activation="relu"))
    layers.append(Layer("dense", "predictions", 1000, activation="softmax"))
    return Network((224, 224, 3), tuple(layers))


def _resnet50() -> Network:
    layers = [
        Layer("pad", "conv1_pad", size=3),
        Layer("conv", "conv1_conv", 64, 7, 2),
        Layer("batch_norm", "conv1_bn"),
        Layer("activation", "conv1_relu", activation="relu"),
        Layer("pad", "pool1_pad", size=1),
        Layer("max_pool", "pool1_pool", size=3, stride=2),
    ]
    for stack, (filters, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 2):
        for block in range(1, blocks + 1):
            name, before = f"conv{stack}_block{block}", layers[-1].name
            stride = 2 if block == 1 and stack > 2 else 1
            shortcut = before
            if block == 1:
                shortcut = f"{name}_0_bn"
                layers.append(Layer("conv", f"{name}_0_conv", 4 * filters, 1, stride, inputs=(before,)))
                layers.append(Layer("batch_norm", shortcut))
            layers += [
                Layer("conv", f"{name}_1_conv", filters, 1, stride, inputs=(before,)),
                Layer("batch_norm", f"{name}_1_bn"),
                Layer("activation", f"{name}_1_relu", activation="relu"),
                Layer("conv", f"{name}_2_conv", filters, 3, same=True),
                Layer("batch_norm", f"{name}_2_bn"),
                Layer("activation", f"{name}_2_relu", activation="relu"),
                Layer("conv", f"{name}_3_conv", 4 * filters, 1),
                Layer("batch_norm", f"{name}_3_bn"),
                Layer("add", f"{name}_add", inputs=(shortcut, f"{name}_3_bn")),
                Layer("activation", f"{name}_out", activation="relu"),
            ]
    layers.append(Layer("global_average", "avg_pool"))
    layers.append(Layer("dense", "predictions", 1000, activation="softmax"))
    return Network((224, 224, 3), tuple(layers))


_TINY, _VGG16, _RESNET50 = _perceptron(20, 64, 64, 10), _vgg16(), _resnet50()
_SOFTMAX, _SIGMOID = "categorical_crossentropy", "binary_crossentropy"

WORKLOADS: dict[str, Workload] = {
    "function": Workload(
        "K.function of one multiplication and addition on 2x4 numbers: the cost of a call",
        "formula", formula="trivial", shape=(4,), batches=(2,), tolerance=1e-4,
    ),
    "predict": Workload("MLP 20-64-64-10: `predict` of one row", "predict", _TINY, tolerance=1e-3),
    "mlp-small": Workload(
        "MLP 20-64-64-10, batch 16, RMSprop: a training step",
        "train", _TINY, batches=(16,), optimizer="rmsprop", loss=_SOFTMAX,
    ),
    "fit": Workload(
        "MLP 20-64-64-10, batch 16, RMSprop: a training step inside `fit`",
        "fit", _TINY, batches=(16,), optimizer="rmsprop", loss=_SOFTMAX, steps=1,
    ),
    "mlp": Workload(
        "MLP 784-512-512-10, batch 128, RMSprop: a training step",
        "train", _perceptron(784, 512, 512, 10), batches=(128,), optimizer="rmsprop", loss=_SOFTMAX,
        tolerance=0.1,
    ),
    "digits": Workload(
        "CNN 32-32-pool-64 on 8x8 images, batch 32, Adam: a training step",
        "train", _DIGITS, batches=(32,), optimizer="adam", loss=_SOFTMAX, tolerance=0.25,
    ),
    "mnist": Workload(
        "CNN 32-64-pool-128 on 28x28 images, batch 128, Adam: a training step",
        "train", _MNIST, batches=(128,), optimizer="adam", loss=_SOFTMAX, tolerance=0.25,
    ),
    "cats-dogs": Workload(
        "CNN 32-32-64-64 on 150x150x3 images, batch 32, RMSprop: a training step",
        "train", _CATS_DOGS, batches=(32,), optimizer="rmsprop", learning_rate=1e-5, loss=_SIGMOID, tolerance=0.25,
    ),
    "lstm": Workload(
        "Embedding(20000, 128) and LSTM(128) over 80 steps, batch 32, Adam: a training step",
        "train", _LSTM, batches=(32,), optimizer="adam", loss=_SIGMOID,
    ),
    "vgg16": Workload("VGG16, 224x224x3: inference", "predict", _VGG16, batches=(1, 8), steps=2, tolerance=1e-3),
    "resnet50": Workload("ResNet50, 224x224x3: inference", "predict", _RESNET50, batches=(8,), steps=2, tolerance=1e-3),
    "resnet50-train": Workload(
        "ResNet50, 224x224x3, batch 8, SGD with momentum: a training step",
        "train", _RESNET50, batches=(8,), optimizer="sgd", learning_rate=1e-4, loss=_SOFTMAX, steps=3,
    ),
    "elementwise": Workload(
        "tanh(1.1 x + 0.3) sigmoid(x) + sqrt(|x| + 1) - exp(-x^2) of 1,048,576 numbers",
        "formula", formula="elementwise", shape=(1024,), batches=(1024,), tolerance=1e-4,
    ),
    "normalise": Workload(
        "normalise 1024 rows of 1024 numbers to mean 0 and variance 1, then softmax",
        "formula", formula="normalise", shape=(1024,), batches=(1024,), tolerance=1e-4,
    ),
}  # fmt: skip
#: Measured where none is named: what takes seconds rather than minutes.
DEFAULT = ("function", "predict", "mlp-small", "fit", "mlp", "digits", "mnist")


# ---------------------------------------------------------------------------------------------- shapes and weights


def shapes(network: Network) -> dict[str, tuple[int, ...]]:
    """The shape of one row of each layer's output; '' is the network's input."""
    found: dict[str, tuple[int, ...]] = {"": network.shape}
    for number, layer in enumerate(network.layers):
        found[layer.name] = _output_shape(layer, found[network.inputs_of(number)[0]])
    return found


def _output_shape(layer: Layer, given: tuple[int, ...]) -> tuple[int, ...]:
    if layer.kind in ("dense", "lstm"):
        return (layer.units,)
    if layer.kind == "embedding":
        return (*given, layer.units)
    if layer.kind == "flatten":
        return (math.prod(given),)
    if layer.kind == "global_average":
        return given[-1:]
    if layer.kind == "pad":
        return (*(size + 2 * layer.size for size in given[:-1]), given[-1])
    if layer.kind in ("conv", "max_pool"):
        window = layer.stride if layer.same else layer.size
        sizes = tuple((size - window) // layer.stride + 1 for size in given[:-1])
        return (*sizes, layer.units if layer.kind == "conv" else given[-1])
    return given


def _weight_shapes(layer: Layer, given: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The shapes of a layer's weights, in the order and layout of Keras."""
    if layer.kind == "dense":
        return [(given[-1], layer.units), (layer.units,)]
    if layer.kind == "conv":
        return [(layer.size, layer.size, given[-1], layer.units), (layer.units,)]
    if layer.kind == "embedding":
        return [(layer.rows, layer.units)]
    if layer.kind == "lstm":
        return [(given[-1], 4 * layer.units), (layer.units, 4 * layer.units), (4 * layer.units,)]
    if layer.kind == "batch_norm":  # gamma, beta, mean, variance
        return [(given[-1],)] * 4
    return []


def weights(network: Network) -> Iterator[tuple[str, list[np.ndarray]]]:
    """The first weights of each layer that has some, one layer after another: its name, and float32 arrays in the order
    and layout of Keras.

    Kernels are uniform with Glorot's limit (an embedding's within 0.05), drawn from a stream that the layer's name
    seeds; biases, beta and means are 0, gamma and variances 1.
    """
    known = shapes(network)
    for number, layer in enumerate(network.layers):
        wanted = _weight_shapes(layer, known[network.inputs_of(number)[0]])
        if wanted:
            generator = np.random.default_rng(zlib.crc32(layer.name.encode()))
            yield layer.name, [_weight(layer, k, shape, generator) for k, shape in enumerate(wanted)]


def _weight(layer: Layer, number: int, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    if len(shape) == 1:
        value = 1.0 if layer.kind == "batch_norm" and number in (0, 3) else 0.0
        return np.full(shape, value, np.float32)
    window = math.prod(shape[:-2])
    limit = 0.05 if layer.kind == "embedding" else math.sqrt(6.0 / (window * (shape[-2] + shape[-1])))
    values = generator.random(shape, dtype=np.float32)
    values -= np.float32(0.5)
    values *= np.float32(2 * limit)
    return values


def data(workload: Workload, batch: int) -> tuple[np.ndarray, np.ndarray | None]:
    """The inputs and targets of a step (of a whole call in mode fit): x, and y or None."""
    generator = np.random.default_rng(1)
    rows = batch * FIT_BATCHES if workload.mode == "fit" else batch
    network = workload.network
    if network is None:
        return generator.standard_normal((rows, *workload.shape), dtype=np.float32), None
    first = network.layers[0]
    if first.kind == "embedding":
        x = generator.integers(0, first.rows, (rows, *network.shape)).astype(np.int32)
    else:
        x = generator.standard_normal((rows, *network.shape), dtype=np.float32)
    if not workload.loss:
        return x, None
    classes = network.layers[-1].units
    if workload.loss == _SIGMOID:
        return x, generator.integers(0, 2, (rows, classes)).astype(np.float32)
    return x, np.eye(classes, dtype=np.float32)[generator.integers(0, classes, rows)]


# ---------------------------------------------------------------------------------------------- what it costs at least

#: Arrays as large as the weights that an optimizer reads and writes beside them.
_SLOTS = {"": 0, "sgd": 1, "rmsprop": 1, "adam": 2}


def cost(name: str, batch: int) -> tuple[int, int]:
    """Floating-point operations and bytes of memory that one step cannot do without.

    Operations are those of products and convolutions, done directly: two for each multiplication and addition; a
    training step does them for the outputs, for the weights, and - but for the first layer that has weights - for the
    inputs.  Bytes are the input, the output and the weights, read once; in training the weights and the optimizer's
    arrays are read and written.  Formulas count one operation for each of theirs.
    """
    workload = WORKLOADS[name]
    x, _ = data(workload._replace(mode="train"), 1)
    if workload.network is None:
        operations = {"trivial": 2, "elementwise": 12, "normalise": 9}[workload.formula]
        return operations * batch * x.size, 2 * x.nbytes * batch
    known = shapes(workload.network)
    flops = parameters = 0
    first = True
    for number, layer in enumerate(workload.network.layers):
        given = known[workload.network.inputs_of(number)[0]]
        wanted = _weight_shapes(layer, given)
        parameters += sum(math.prod(shape) for shape in wanted)
        if layer.kind not in ("dense", "conv", "lstm"):
            first = first and layer.kind != "embedding"
            continue
        places = given[0] if layer.kind == "lstm" else math.prod(known[layer.name][:-1])
        forward = 2 * batch * places * sum(math.prod(shape) for shape in wanted if len(shape) > 1)
        flops += forward * (1 if not workload.optimizer else 2 if first else 3)
        first = False
    traffic = 4 * parameters * (2 * (1 + _SLOTS[workload.optimizer]) if workload.optimizer else 1)
    return flops, traffic + batch * x.nbytes + 4 * batch * math.prod(known[workload.network.layers[-1].name])
