"""Initializers: ranges, moments, seeds."""

import numpy as np
import pytest

from symgraph import backend as K
from symgraph import initializers
from symgraph.engine import Sequential
from symgraph.layers import Dense

SHAPE = (200, 100)
FAN_IN, FAN_OUT = SHAPE

UNIFORM = {
    "uniform": 0.05, "random_uniform": 0.05, "lecun_uniform": np.sqrt(3 / FAN_IN),
    "glorot_uniform": np.sqrt(6 / (FAN_IN + FAN_OUT)), "he_uniform": np.sqrt(6 / FAN_IN),
}
NORMAL = {
    "normal": 0.05, "random_normal": 0.05, "truncated_normal": 0.05 * 0.8796, "lecun_normal": np.sqrt(1 / FAN_IN),
    "glorot_normal": np.sqrt(2 / (FAN_IN + FAN_OUT)), "he_normal": np.sqrt(2 / FAN_IN),
}


@pytest.mark.parametrize("name", UNIFORM)
def test_uniform(name):
    values = initializers.get(name)(SHAPE)
    limit = UNIFORM[name]
    assert values.dtype == np.float32 and np.abs(values).max() <= limit * 1.0001
    assert abs(values.mean()) < limit * 0.02
    np.testing.assert_allclose(values.std(), limit / np.sqrt(3), rtol=0.02)


@pytest.mark.parametrize("name", NORMAL)
def test_normal(name):
    values = initializers.get(name)(SHAPE)
    assert abs(values.mean()) < NORMAL[name] * 0.03
    np.testing.assert_allclose(values.std(), NORMAL[name], rtol=0.03)
    if name not in {"normal", "random_normal"}:
        assert np.abs(values).max() <= 2 * NORMAL[name] / 0.8796 * 1.001  # nothing beyond two standard deviations


def test_fixed_values():
    np.testing.assert_array_equal(initializers.get("zeros")((2, 3)), np.zeros((2, 3)))
    np.testing.assert_array_equal(initializers.get("one")((2,)), np.ones(2))
    np.testing.assert_array_equal(initializers.Constant(3.0)((2, 2)), np.full((2, 2), 3.0))
    np.testing.assert_array_equal(initializers.Constant([1.0, 2.0])((3, 2)), [[1, 2]] * 3)
    np.testing.assert_array_equal(initializers.Identity(2.0)((3, 3)), 2 * np.eye(3))
    np.testing.assert_array_equal(initializers.Identity()((2, 3)), np.eye(2, 3))
    with pytest.raises(ValueError, match="matrices only"):
        initializers.Identity()((2, 3, 3))


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (2, 3, 4)])
def test_orthogonal(shape):
    matrix = initializers.Orthogonal(gain=2.0)(shape).reshape(-1, shape[-1]).astype("float64")
    small = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    np.testing.assert_allclose(small @ small.T, 4 * np.eye(len(small)), atol=1e-5)


def test_seeds():
    a = initializers.RandomNormal(seed=3)
    np.testing.assert_array_equal(a((4, 4)), initializers.RandomNormal(seed=3)((4, 4)))
    np.random.seed(1)
    first = initializers.glorot_uniform()((4, 4))
    second = initializers.glorot_uniform()((4, 4))
    assert not np.array_equal(first, second)
    np.random.seed(1)
    np.testing.assert_array_equal(initializers.glorot_uniform()((4, 4)), first)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16"])
def test_dtypes(dtype):
    for name in ("zeros", "glorot_uniform", "he_normal", "orthogonal"):
        assert initializers.get(name)((4, 4), dtype=dtype).dtype.name == dtype


def test_fans_of_convolution_kernels():
    assert initializers._compute_fans((3, 3, 4, 8)) == (36, 72)
    assert initializers._compute_fans((8, 4, 3, 3), data_format="channels_first") == (36, 72)
    with pytest.raises(ValueError, match="data_format"):
        initializers._compute_fans((3, 3, 4, 8), data_format="first")


def test_configurations():
    for name in [*UNIFORM, *NORMAL, "zeros", "ones", "orthogonal", "identity", "constant"]:
        initializer = initializers.get(name)
        again = initializers.deserialize(initializers.serialize(initializer))
        assert type(again) is type(initializer) and again.get_config() == initializer.get_config()
    assert initializers.get({"class_name": "GlorotUniform", "config": {"seed": None}}).mode == "fan_avg"
    assert initializers.get(None) is None
    with pytest.raises(ValueError, match="Unknown initializer: 'glorot_unifrom'.*glorot_uniform"):
        initializers.get("glorot_unifrom")
    with pytest.raises(ValueError, match="`scale` must be a positive"):
        initializers.VarianceScaling(scale=0)
    with pytest.raises(ValueError, match="fan_in"):
        initializers.VarianceScaling(mode="fan")


def test_functions_of_ones_own():
    def halves(shape, dtype=None):
        return np.full(shape, 0.5, dtype)

    def tensor(shape, dtype=None):
        return K.ones(shape, dtype=dtype) * 2.0

    def variable(shape, name=None):
        return K.variable(np.full(shape, 3.0), name=name)

    for function, want in ((halves, 0.5), (tensor, 2.0), (variable, 3.0)):
        layer = Dense(2, kernel_initializer=function, input_shape=(3,))
        Sequential([layer])
        np.testing.assert_array_equal(layer.get_weights()[0], np.full((3, 2), want))
