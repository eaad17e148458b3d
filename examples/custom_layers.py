"""Layers and cells of one's own: a recurrent cell, a layer in the way of Keras 2, and one in the way of Keras 1.

The task: of ten numbers one is marked; say that number.
"""

import numpy as np

from symgraph import backend as K
from symgraph.keras1.engine.topology import Layer as Keras1Layer
from symgraph.layers import RNN, Dense, Input, Layer
from symgraph.models import Model


class MinimalGatedUnit(Layer):
    """A recurrent cell with a single gate (Zhou et al. 2016)."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.state_size = units

    def build(self, input_shape):
        features = input_shape[-1]
        self.gate = self.add_weight("gate", (features + self.units, self.units), initializer="glorot_uniform")
        self.gate_bias = self.add_weight("gate_bias", (self.units,), initializer="ones")
        self.new = self.add_weight("new", (features + self.units, self.units), initializer="glorot_uniform")
        self.built = True

    def call(self, inputs, states):
        old = states[0]
        forget = K.sigmoid(K.dot(K.concatenate([inputs, old]), self.gate) + self.gate_bias)
        proposal = K.tanh(K.dot(K.concatenate([inputs, forget * old]), self.new))
        output = (1 - forget) * old + forget * proposal
        return output, [output]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class Scale(Layer):
    """Multiplies each feature by a number that is learned: a layer as Keras 2 documents it."""

    def build(self, input_shape):
        self.factor = self.add_weight(name="factor", shape=(input_shape[-1],), initializer="ones")
        super().build(input_shape)

    def call(self, x):
        return x * self.factor


class Shift(Keras1Layer):
    """Adds a number that is learned to each feature: a layer as Keras 1 documents it."""

    def build(self, input_shape):
        self.offset = K.variable(np.zeros(input_shape[-1]))
        self.trainable_weights = [self.offset]

    def call(self, x, mask=None):
        return x + self.offset

    def get_output_shape_for(self, input_shape):
        return input_shape


generator = np.random.default_rng(1)
np.random.seed(1)
numbers = generator.uniform(-1, 1, (2000, 10))
marked = generator.integers(0, 10, 2000)
x = np.stack([numbers, np.eye(10)[marked]], axis=-1)
y = numbers[np.arange(2000), marked][:, None]

sequence = Input(shape=(None, 2))
remembered = RNN(MinimalGatedUnit(24))(sequence)
model = Model(sequence, Shift()(Scale()(Dense(1)(remembered))))
model.compile(loss="mse", optimizer="adam")
history = model.fit(x[:1800], y[:1800], batch_size=32, epochs=20, verbose=0)
print(f"loss: {history.history['loss'][0]:.3f} in the first epoch, {history.history['loss'][-1]:.4f} in the last")

error = float(np.mean((model.predict(x[1800:]) - y[1800:]) ** 2))
print(f"mean squared error on new sequences: {error:.4f} (saying 0 each time: {np.mean(y ** 2):.3f})")
assert error < 0.05, "the network did not learn the task"

again = Model.from_config(model.get_config(), custom_objects={
    "MinimalGatedUnit": MinimalGatedUnit, "Scale": Scale, "Shift": Shift})
again.set_weights(model.get_weights())
assert np.array_equal(again.predict(x[1800:]), model.predict(x[1800:]))
print(f"rebuilt from its configuration: the same predictions, {again.count_params()} parameters")
