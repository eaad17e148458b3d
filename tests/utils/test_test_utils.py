"""The check of layers, on layers that keep the contract and on layers that break it in one place each."""

import numpy as np
import pytest

from symgraph import backend as K
from symgraph import keras1, layers
from symgraph.keras1.utils import test_utils as old
from symgraph.layers import Dense, Layer
from symgraph.utils import test_utils


class Scale(Layer):
    """Multiplies by a weight."""

    def __init__(self, start=2.0, **kwargs):
        super().__init__(**kwargs)
        self.start = start

    def build(self, input_shape):
        self.factor = self.add_weight(name="factor", shape=(1,), initializer="ones")
        super().build(input_shape)

    def call(self, inputs):
        return inputs * self.factor * self.start

    def get_config(self):
        return {**super().get_config(), "start": self.start}


class Forgetful(Scale):
    def get_config(self):
        config = super().get_config()
        del config["start"]
        return config


class WrongShape(Scale):
    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 7)


class WrongDtype(Scale):
    def call(self, inputs):
        return K.cast(super().call(inputs), "float64")


def test_layers_that_keep_the_contract():
    result = test_utils.layer_test(Dense, {"units": 3}, input_shape=(2, None, 4))
    assert result.shape[0] == 2 and result.shape[2] == 3
    x = np.arange(6.0).reshape(2, 3)
    test_utils.layer_test(Scale, {"start": 3.0}, input_data=x, expected_output=3 * x)
    test_utils.layer_test(Scale, {"start": 3.0}, input_data=x, expected_output=3 * x, fixed_batch_size=True)
    test_utils.layer_test(layers.Embedding, {"input_dim": 12, "output_dim": 3}, input_shape=(3, 2),
                          input_dtype="int32", expected_output_dtype="float32")


@pytest.mark.parametrize("layer, message", [
    (Forgetful, "configuration"), (WrongShape, r"states \(2, 7\)"), (WrongDtype, "dtype float64, expected float32"),
])
def test_layers_that_break_it(layer, message):
    with pytest.raises(AssertionError, match=message):
        test_utils.layer_test(layer, {"start": 5.0}, input_shape=(2, 4))


def test_another_output_than_expected():
    with pytest.raises(AssertionError, match="Scale: the output"):
        test_utils.layer_test(Scale, {}, input_data=np.ones((2, 3)), expected_output=np.ones((2, 3)))
    with pytest.raises(AssertionError, match="input_shape"):
        test_utils.layer_test(Scale)


def test_the_layers_of_keras_1():
    result = old.layer_test(keras1.layers.Dense, {"output_dim": 3}, input_shape=(2, 4))
    assert result.shape == (2, 3)
    old.layer_test(keras1.layers.Convolution2D, {"nb_filter": 2, "nb_row": 2, "nb_col": 3, "dim_ordering": "th"},
                   input_shape=(2, 3, 5, 6))
    old.layer_test(keras1.layers.Embedding, {"input_dim": 11, "output_dim": 3}, input_shape=(2, 3),
                   input_dtype="int32", expected_output_dtype="float32")


def test_data():
    np.random.seed(3)
    (x, y), (x_test, y_test) = test_utils.get_test_data(200, 50, (4,), num_classes=3)
    assert x.shape == (200, 4) and x_test.shape == (50, 4) and set(y) | set(y_test) == {0, 1, 2}
    for number in range(3):
        assert abs(x[y == number].mean() - number) < 0.2
    np.random.seed(3)
    again = old.get_test_data(nb_train=200, nb_test=50, input_shape=(4,), nb_class=3)
    assert np.array_equal(again[0][0], x)
    (x, y), _ = test_utils.get_test_data(300, 1, (4,), (2, 3), classification=False)
    assert y.shape == (300, 2, 3) and np.corrcoef(x.mean(1), y.mean((1, 2)))[0, 1] > 0.1


def test_a_test_leaves_no_graph():
    @old.keras_test
    def test(a, b=2):
        Dense(1)(layers.Input((3,)))
        return a + b

    assert test(1) == 3 and test.__name__ == "test"
    assert Dense(1).name == "dense_1"
