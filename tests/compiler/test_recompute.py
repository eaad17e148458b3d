"""Values that are made again: which, the same bits, and less memory at once."""

import numpy as np
import pytest

import symgraph
from symgraph import backend as K
from symgraph import config
from symgraph.graph.type import evaluate
from symgraph.keras1 import layers as keras1_layers
from symgraph.layers import (
    LSTM,
    Activation,
    AlphaDropout,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianDropout,
    GaussianNoise,
    SpatialDropout2D,
)  # fmt: skip
from symgraph.models import Sequential
from symgraph.runtime.executor import use
from symgraph.runtime.function import Function

RANDOM = np.random.RandomState(0)


@pytest.fixture
def memory():
    """Sets the choice between time and memory, and puts back what was."""
    before = config.memory()
    yield config.set_memory
    config.set_memory(before)


def arena(function: Function) -> int:
    """The bytes of the temporaries of the last call."""
    variant, sizes = function.example()
    nbytes = [evaluate(buffer.nbytes, sizes) for buffer in variant.program.buffers]
    return sum(max(nbytes[number] for number in slot) for slot in variant.program.plan.slots)


NETWORKS = {
    "dropout": lambda: [Dense(64, activation="relu", input_dim=12), Dropout(0.4), Dense(64, activation="tanh"),
                        Dropout(0.2), Dense(3)],
    "noise": lambda: [Dense(64, input_dim=12), GaussianNoise(0.1), GaussianDropout(0.3), AlphaDropout(0.2),
                      Activation("relu"), Dense(3)],
    "Keras 1": lambda: [keras1_layers.Dense(64, input_dim=12), keras1_layers.Dropout(0.5),
                        keras1_layers.Activation("relu"), keras1_layers.GaussianNoise(0.1), keras1_layers.Dense(3)],
    "pictures": lambda: [Conv2D(8, 3, input_shape=(9, 9, 2)), BatchNormalization(), Activation("relu"),
                         SpatialDropout2D(0.3), Dropout(0.25), Flatten(), Dense(3)],
    "recurrent": lambda: [LSTM(6, dropout=0.3, recurrent_dropout=0.2, input_shape=(5, 4)), Dropout(0.3), Dense(3)],
}  # fmt: skip


def trained(layers, executor):
    """Losses and weights after some steps, and the function of a training step."""
    np.random.seed(1)
    with use(executor):
        model = Sequential(layers())
        model.compile("sgd", "mse")
        generator = np.random.RandomState(2)
        x = generator.randn(16, *model.input_shape[1:]).astype("float32")
        y = generator.randn(16, 3).astype("float32")
        losses = [np.float32(model.train_on_batch(x, y)) for _ in range(3)]
        (step,) = (value for key, value in model._functions.items() if key[0] == "train")
        return losses, model.get_weights(), step


def function_of(step):
    return step if isinstance(step, Function) else step.function


@pytest.mark.parametrize("executor", ["numba", "numpy"])
@pytest.mark.parametrize("network", NETWORKS)
def test_small_gives_the_same_bits_in_less_memory(network, executor, memory):
    found = {}
    for choice in ("fast", "small"):
        memory(choice)
        found[choice] = trained(NETWORKS[network], executor)
    (losses, weights, fast), (others, other_weights, small) = found["fast"], found["small"]
    assert [each.tobytes() for each in losses] == [each.tobytes() for each in others]
    for one, two in zip(weights, other_weights, strict=True):
        assert one.tobytes() == two.tobytes()
    assert arena(function_of(small)) <= arena(function_of(fast))
    if network in ("dropout", "noise", "Keras 1"):
        assert arena(function_of(small)) < arena(function_of(fast))


def stored(outputs, inputs, arrays, choice, memory):
    """The program of a function and the numbers that it gives."""
    memory(choice)
    with use("numba"):
        function = K.function(inputs, outputs)
        results = function(arrays)
    return function, [np.array(each) for each in results]


def test_a_distance_is_made_again_without_being_asked(memory):
    """Of one array no larger, by one instruction: it is not written in the forward pass for the backward pass."""
    x = K.placeholder(shape=(None, 50))
    centred = x - K.mean(x, axis=0, keepdims=True)
    weights = K.sum(centred * K.sin(x), axis=0, keepdims=True)
    function, (made,) = stored([centred * weights], [x], [RANDOM.randn(30, 50)], "fast", memory)
    program = function.example()[0].program
    written = [view for step in program.steps for view in step.outputs if len(view.shape) == 2 and view.shape[0] != 1]
    assert [program.buffers[view.buffer].kind for view in written] == ["output"]
    assert "1 values made again, 6000 bytes not kept" in symgraph.explain(function)
    assert np.isfinite(made).all()


def test_what_is_read_by_others_or_costs_much_is_kept(memory):
    x = K.placeholder(shape=(None, 50))
    powers = K.exp(x)
    outside = x * 2.0
    total = K.sum(powers * outside, axis=0, keepdims=True)
    function, _ = stored([outside, powers * total], [x], [RANDOM.randn(30, 50)], "small", memory)
    assert "made again" not in symgraph.explain(function)


def test_random_numbers_are_made_again_where_memory_counts(memory):
    x = K.placeholder(shape=(None, 50))
    mask = K.cast(K.greater(K.random_uniform(K.shape(x), seed=4), 0.5), "float32")
    total = K.sum(mask * x, axis=0, keepdims=True)
    values = RANDOM.randn(30, 50)
    kept, one = stored([mask * total], [x], [values], "fast", memory)
    again, two = stored([mask * total], [x], [values], "small", memory)
    assert "made again" not in symgraph.explain(kept) and "made again" in symgraph.explain(again)
    assert arena(again) < arena(kept) and one[0].shape == two[0].shape


def test_unknown_words_are_errors(memory):
    with pytest.raises(config.ConfigurationError, match="memory must be one of 'fast', 'small'; got 'smal'"):
        memory("smal")
