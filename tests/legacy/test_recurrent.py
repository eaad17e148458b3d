"""Layers derived from the abstract loops of both generations, written as their documents show, against NumPy."""

import numpy as np
import pytest

from symgraph import backend as K
from symgraph import layers, models
from symgraph.engine.input_spec import InputSpec
from symgraph.keras1 import activations as k1_activations
from symgraph.keras1 import initializations as k1_initializations
from symgraph.keras1 import layers as k1_layers
from symgraph.keras1 import models as k1_models
from symgraph.legacy.layers import ConvRecurrent2D, Recurrent
from symgraph.runtime import executor

RNG = np.random.default_rng(3)
X = RNG.normal(size=(2, 5, 3)).astype("float32")


@pytest.fixture(autouse=True)
def on_numpy():
    with executor.use("numpy"):
        yield


class OldRNN(k1_layers.Recurrent):
    """`tanh(x W + h U * b)` in the protocol of Keras 1: `b` comes as a constant, the products are made at once."""

    def __init__(self, output_dim, init="glorot_uniform", activation="tanh", **kwargs):
        self.output_dim = output_dim
        self.init = k1_initializations.get(init)
        self.activation = k1_activations.get(activation)
        super().__init__(**kwargs)

    def build(self, input_shape):
        self.input_spec = [InputSpec(shape=input_shape)]
        if self.stateful:
            self.reset_states()
        else:
            self.states = [None]
        self.W = self.init((input_shape[2], self.output_dim), name=f"{self.name}_W")
        self.U = self.init((self.output_dim, self.output_dim), name=f"{self.name}_U")
        self.b = K.variable(np.full((self.output_dim,), 0.5), name=f"{self.name}_b")
        self.trainable_weights = [self.W, self.U, self.b]
        if self.initial_weights is not None:
            self.set_weights(self.initial_weights)
            del self.initial_weights

    def reset_states(self):
        assert self.stateful, "Layer must be stateful."
        batch = self.input_spec[0].shape[0]
        if hasattr(self, "states"):
            K.set_value(self.states[0], np.zeros((batch, self.output_dim)))
        else:
            self.states = [K.zeros((batch, self.output_dim))]

    def preprocess_input(self, x):
        return k1_layers.time_distributed_dense(x, self.W, None, None, self.input_spec[0].shape[2], self.output_dim,
                                                self.input_spec[0].shape[1])

    def get_constants(self, x):
        return [self.b]

    def step(self, x, states):
        previous, scale = states
        output = self.activation(x + K.dot(previous, self.U) * scale)
        return output, [output]

    def get_config(self):
        return {**super().get_config(), "output_dim": self.output_dim}


class NewRNN(Recurrent):
    """The same in the protocol of Keras 2 before its cells."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        if isinstance(input_shape, list):
            input_shape = input_shape[0]
        self.input_spec = [InputSpec(shape=input_shape)]
        self.states = [None]
        if self.stateful:
            self.reset_states()
        self.W = self.add_weight(shape=(input_shape[-1], self.units), name="W")
        self.U = self.add_weight(shape=(self.units, self.units), name="U")
        self.b = self.add_weight(shape=(self.units,), name="b", initializer="ones")
        self.built = True

    def preprocess_input(self, inputs, training=None):
        return K.dot(inputs, self.W)

    def get_constants(self, inputs, training=None):
        return [self.b]

    def step(self, inputs, states):
        output = K.tanh(inputs + K.dot(states[0], self.U) * states[1])
        return output, [output]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def run(x, weights, start=None, mask=None):
    """Outputs of all steps."""
    w, u, b = weights
    state = np.zeros((len(x), len(b))) if start is None else start
    outputs, output = [], np.zeros_like(state)
    for t in range(x.shape[1]):
        new = np.tanh(x[:, t] @ w + state @ u * b)
        on = np.ones((len(x), 1), bool) if mask is None else mask[:, t, None]
        state, output = np.where(on, new, state), np.where(on, new, output)
        outputs.append(output)
    return np.stack(outputs, 1)


def both(**kwargs):
    yield OldRNN(4, **kwargs), k1_models
    yield NewRNN(4, **kwargs), models


@pytest.mark.parametrize("options", [{}, {"return_sequences": True}, {"go_backwards": True}])
def test_a_loop_of_ones_own(options):
    for layer, module in both(input_shape=(5, 3), **options):
        model = module.Sequential([layer])
        want = run(X[:, ::-1] if layer.go_backwards else X, layer.get_weights())
        got = model.predict(X)
        np.testing.assert_allclose(got, want if layer.return_sequences else want[:, -1], rtol=1e-5, atol=1e-6)
        assert model.output_shape == ((None, 5, 4) if layer.return_sequences else (None, 4))
        again = type(layer).from_config(layer.get_config())
        assert again.get_config() == layer.get_config()


def test_its_masks():
    x = X.copy()
    x[0, 2:] = x[1, 0] = 0
    for layer, module in both(return_sequences=True):
        model = module.Sequential([layers.Masking(input_shape=(5, 3)) if module is models
                                   else k1_layers.Masking(input_shape=(5, 3)), layer])
        np.testing.assert_allclose(model.predict(x), run(x, layer.get_weights(), mask=(x != 0).any(-1)), rtol=1e-5,
                                   atol=1e-6)


def test_it_learns_as_the_layer_of_this_package():
    for layer, module in both(input_shape=(5, 3)):
        model = module.Sequential([layer])
        twin = models.Sequential([layers.SimpleRNN(4, use_bias=False, input_shape=(5, 3))])
        weights = layer.get_weights()
        layer.set_weights([*weights[:2], np.ones(4)])
        twin.set_weights(weights[:2])
        y = RNG.normal(size=(2, 4))
        for each in (model, twin):
            each.compile("sgd", "mse")
            each.train_on_batch(X, y)
        for a, b in zip(layer.get_weights(), twin.get_weights()):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
        assert np.abs(layer.get_weights()[2] - 1).max() > 0


def test_its_states_stay():
    for layer, module in both(stateful=True, batch_input_shape=(2, 5, 3)):
        model = module.Sequential([layer])
        first, second = model.predict(X, batch_size=2), model.predict(X, batch_size=2)
        weights = layer.get_weights()
        want = run(X, weights)[:, -1]
        np.testing.assert_allclose(first, want, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(second, run(X, weights, want)[:, -1], rtol=1e-5, atol=1e-6)
        model.reset_states()
        np.testing.assert_array_equal(model.predict(X, batch_size=2), first)
    layer.reset_states(np.full((2, 4), 0.25))
    np.testing.assert_allclose(model.predict(X, batch_size=2), run(X, weights, np.full((2, 4), 0.25))[:, -1],
                               rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r"State 0 of layer .* has the shape \(2, 4\)"):
        layer.reset_states(np.zeros((2, 3)))


def test_its_initial_state_and_what_it_returns():
    start = layers.Input((4,))
    sequence = layers.Input((5, 3))
    layer = NewRNN(4, return_state=True)
    model = models.Model([sequence, start], layer(sequence, initial_state=start))
    state = RNG.normal(size=(2, 4)).astype("float32")
    output, final = model.predict([X, state])
    want = run(X, layer.get_weights(), state)[:, -1]
    np.testing.assert_allclose(output, want, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(output, final)
    with pytest.raises(ValueError, match="has 1 states but was passed 2 initial states"):
        layer(sequence, initial_state=[start, start])


def test_starting_weights_and_files(tmp_path):
    weights = [RNG.normal(size=shape).astype("float32") for shape in ((3, 4), (4, 4), (4,))]
    model = k1_models.Sequential([OldRNN(4, weights=weights, input_dim=3, input_length=5)])
    for a, b in zip(model.get_weights(), weights):
        np.testing.assert_array_equal(a, b)
    model.compile("sgd", "mse")
    model.save(tmp_path / "model.h5")
    again = k1_models.load_model(tmp_path / "model.h5", custom_objects={"OldRNN": OldRNN})
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_what_is_missing_is_said():
    class Nothing(Recurrent):
        units = 2

    with pytest.raises(NotImplementedError, match="Nothing must define `step"):
        Nothing()(layers.Input((5, 3)))
    with pytest.raises(AttributeError, match="must be stateful"):
        NewRNN(4).reset_states()
    with pytest.raises(ValueError, match="cannot unroll"):
        NewRNN(4, unroll=True)(layers.Input((None, 3)))


def test_todays_loops_are_recurrent():
    assert isinstance(layers.LSTM(2), Recurrent) and isinstance(k1_layers.LSTM(2), k1_layers.Recurrent)
    assert issubclass(layers.ConvLSTM2D, ConvRecurrent2D) and not isinstance(layers.Dense(2), Recurrent)


def test_a_step_that_would_not_be_called_is_refused():
    class Mine(k1_layers.LSTM):
        def step(self, x, states):
            return x, states

    with pytest.raises(TypeError, match="Mine: `step` .* derive it from `Recurrent`"):
        Mine(3)


# ---------------------------------------------------------------------------------------------- pictures
class OldConvRNN(k1_layers.ConvRecurrent2D):
    def build(self, input_shape):
        self.states = [None]
        self.W = K.variable(RNG.normal(size=(2, 2, input_shape[-1], self.nb_filter)))
        self.trainable_weights = [self.W]

    def step(self, x, states):
        output = K.conv2d(x, self.W, padding="valid", data_format="channels_last") + 0.5 * states[0]
        return output, [output]


class NewConvRNN(ConvRecurrent2D):
    def build(self, input_shape):
        self.states = [None]
        self.W = self.add_weight(name="W", shape=(*self.kernel_size, input_shape[-1], self.filters))
        self.built = True

    def step(self, inputs, states):
        output = K.conv2d(inputs, self.W, padding=self.padding, data_format=self.data_format) + 0.5 * states[0]
        return output, [output]


def test_a_loop_over_pictures():
    movie = RNG.normal(size=(2, 3, 5, 4, 2)).astype("float32")
    for layer, module in (
            (OldConvRNN(nb_row=2, nb_col=2, nb_filter=3, dim_ordering="tf", return_sequences=True,
                        input_shape=movie.shape[1:]), k1_models),
            (NewConvRNN(3, 2, return_sequences=True, input_shape=movie.shape[1:]), models)):
        model = module.Sequential([layer])
        assert model.output_shape == (None, 3, 4, 3, 3)
        kernel = layer.get_weights()[0]
        state = np.zeros((2, 4, 3, 3))
        for t, got in enumerate(np.moveaxis(model.predict(movie), 1, 0)):
            windows = np.lib.stride_tricks.sliding_window_view(movie[:, t], (2, 2), (1, 2))
            state = np.einsum("nrcfij,ijfo->nrco", windows, kernel) + 0.5 * state
            np.testing.assert_allclose(got, state, rtol=1e-4, atol=1e-5)
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()
