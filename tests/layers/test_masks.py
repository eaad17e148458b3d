"""Masks through every layer that knows them: what it gives to the next one, gradients, the same on the executors."""

import numpy as np
import pytest
from layer_cases import CASES, case

from symgraph import backend as K
from symgraph import layers
from symgraph.engine import Input, Layer
from symgraph.runtime import executor

MASK = np.array([[1, 1, 1, 0, 0], [0, 0, 1, 1, 1], [1, 0, 1, 1, 0], [1, 1, 1, 1, 1]], bool)


def knows_masks(name, number):
    return not type(case(name, number)[1].get("layer")).__name__.startswith("CuDNN")


LOOPS = [(name, number) for name in ("SimpleRNN", "GRU", "LSTM", "RNN", "Bidirectional", "ConvLSTM2D", "ConvRNN2D")
         for number in range(len(CASES[name])) if knows_masks(name, number)]


class Masked(Layer):
    """Passes its first input on, with the second one as its mask."""

    def call(self, inputs):
        return inputs[0] * 1.0

    def compute_mask(self, inputs, mask=None):
        return inputs[1]


def masked_function(name, number):
    """Loss and gradients of a masked call, with its data."""
    kind, arguments, shape = case(name, number)
    layer = kind(**arguments)
    data = np.random.default_rng(number).normal(size=(4, *shape)).astype(K.floatx())
    x, mask = Input(shape), Input(shape[:1], dtype="bool")
    outputs = layer(Masked()([x, mask]))
    outputs = outputs if isinstance(outputs, list) else [outputs]
    rng = np.random.default_rng(7)
    loss = sum(K.sum(output * K.constant(rng.normal(size=(4, *K.int_shape(output)[1:])))) for output in outputs)
    wrt = [x, *layer.trainable_weights]
    function = K.function([x, mask, K.learning_phase()], [loss, *K.gradients(loss, wrt)])
    return layer, wrt, function, [data, MASK[:, :shape[0]], 0]


@pytest.fixture
def in_float64():
    K.set_floatx("float64")
    yield
    K.set_floatx("float32")


@pytest.mark.parametrize("name, number", LOOPS)
def test_gradients_of_masked_loops(name, number, in_float64):
    with executor.use("numpy"):
        _, wrt, function, data = masked_function(name, number)
        _, *grads = function(data)
        steps = MASK[:, :data[0].shape[1]]
        np.testing.assert_array_equal(grads[0][~steps], 0)  # what is masked does not matter
        rng = np.random.default_rng(3)
        for tensor, grad in zip(wrt, grads):
            direction = rng.normal(size=grad.shape)
            direction /= np.linalg.norm(direction)
            values = []
            for sign in (1, -1):
                move = sign * 1e-6 * direction
                if K.is_variable(tensor):
                    old = K.get_value(tensor)
                    K.set_value(tensor, old + move)
                    values.append(float(function(data)[0]))
                    K.set_value(tensor, old)
                else:
                    values.append(float(function([data[0] + move, *data[1:]])[0]))
            assert float((grad * direction).sum()) == pytest.approx((values[0] - values[1]) / 2e-6, abs=2e-7, rel=2e-6)


@pytest.mark.parametrize("other", ["numba", pytest.param("cupy", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("name, number", LOOPS)
def test_executors_agree_on_masked_loops(name, number, other):
    with executor.use("numpy"):
        layer, _, function, data = masked_function(name, number)
        want = function(data)
        weights = layer.get_weights()
    with executor.use(other):
        layer, _, function, data = masked_function(name, number)
        layer.set_weights(weights)
        for got, expected in zip(function(data), want):
            np.testing.assert_allclose(got, expected, rtol=2e-4, atol=2e-5)


PASSED_ON = ["Activation", "ActivityRegularization", "AlphaDropout", "BatchNormalization", "Dense", "Dropout", "ELU",
             "GaussianDropout", "GaussianNoise", "LayerNormalization", "LeakyReLU", "Masking", "PReLU", "ReLU",
             "Softmax", "SpatialDropout1D", "ThresholdedReLU", "TimeDistributed"]
ENDED = ["Conv1D", "Cropping1D", "CuDNNGRU", "CuDNNLSTM", "Flatten", "GlobalMaxPooling1D", "LocallyConnected1D",
         "MaxPooling1D", "AveragePooling1D", "Permute", "Reshape", "SeparableConv1D", "UpSampling1D", "ZeroPadding1D"]


@pytest.mark.parametrize("name", PASSED_ON)
def test_masks_are_passed_on(name):
    kind, arguments, _ = case(name, 0)
    layer = kind(**arguments)
    x, mask = Input((5, 4)), Input((5,), dtype="bool")
    layer(Masked()([x, mask]))
    with executor.use("numpy"):
        given = K.function([x, mask], [layer.get_output_mask_at(0)])([np.ones((4, 5, 4)), MASK])[0]
    np.testing.assert_array_equal(given, np.ones_like(MASK) if name == "Masking" else MASK)


@pytest.mark.parametrize("name", ENDED)
def test_a_layer_that_knows_no_masks_raises(name):
    kind, arguments, _ = case(name, 0)
    if name == "Reshape":
        arguments["target_shape"] = (20,)
    with pytest.raises((TypeError, ValueError), match="[Mm]asking"):
        kind(**arguments)(Masked()([Input((5, 4)), Input((5,), dtype="bool")]))


def test_masks_of_merged_tensors():
    first, second = Input((5, 4)), Input((5, 4))
    masks = [Input((5,), dtype="bool") for _ in range(2)]
    a, b = Masked()([first, masks[0]]), Masked()([second, masks[1]])
    other = MASK[::-1]
    with executor.use("numpy"):
        for layer, want in ((layers.Add(), MASK & other), (layers.Concatenate(axis=1), np.concatenate([MASK, other],
                                                                                                      1)),
                            (layers.Concatenate(), MASK & other)):
            layer([a, b])
            ones = np.ones((4, 5, 4))
            given = K.function([first, second, *masks], [layer.get_output_mask_at(0)])([ones, ones, MASK, other])[0]
            np.testing.assert_array_equal(given, want)
        layer = layers.Dot(2)
        layer([a, b])
        assert layer.get_output_mask_at(0) is None
