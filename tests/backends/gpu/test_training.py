"""Models of layers trained on the GPU executor: the weights become those that the reference executor finds."""

from __future__ import annotations

import numpy as np
import pytest
from host_kernels import needs_compiler

from symgraph import layers
from symgraph.models import Sequential
from symgraph.runtime.executor import use

pytestmark = needs_compiler


def _images():
    rng = np.random.RandomState(0)
    model = [
        layers.Conv2D(4, 3, activation="relu", input_shape=(8, 8, 1)),
        layers.BatchNormalization(),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(5, activation="softmax"),
    ]
    return model, rng.rand(24, 8, 8, 1), np.eye(5)[rng.randint(0, 5, 24)], "categorical_crossentropy"


def _sequences():
    rng = np.random.RandomState(0)
    model = [
        layers.Embedding(20, 6, input_length=7),
        layers.LSTM(5, return_sequences=True),
        layers.GRU(4),
        layers.Dense(1, activation="sigmoid"),
    ]
    return model, rng.randint(0, 20, (20, 7)), rng.randint(0, 2, (20, 1)), "binary_crossentropy"


def _windows():
    rng = np.random.RandomState(0)
    model = [
        layers.SeparableConv2D(6, 3, padding="same", input_shape=(7, 7, 2)),
        layers.DepthwiseConv2D(3),
        layers.Conv2DTranspose(3, 3, strides=2, padding="same"),
        layers.AveragePooling2D(3, 2, padding="same"),
        layers.GlobalMaxPooling2D(),
    ]
    return model, rng.rand(12, 7, 7, 2), rng.rand(12, 3), "mse"


@pytest.mark.parametrize("make", [_images, _sequences, _windows])
def test_training_agrees_with_the_reference(gpu, make):
    start: list[np.ndarray] = []
    found = {}
    for name in ("numpy", "cupy"):
        with use(name):
            np.random.seed(0)
            stack, x, y, loss = make()
            model = Sequential(stack)
            start = start or model.get_weights()
            model.set_weights(start)
            model.compile("sgd", loss)  # Adam would blow rounding up where a gradient is zero
            history = model.fit(x, y, batch_size=8, epochs=2, verbose=0, shuffle=False).history["loss"]
            found[name] = [np.array(history), *model.get_weights(), model.predict(x[:5])]
    for got, wanted in zip(found["cupy"], found["numpy"], strict=True):
        np.testing.assert_allclose(got, wanted, rtol=2e-4, atol=2e-5)
    assert any(not np.array_equal(before, after) for before, after in zip(start, found["cupy"][1:]))
