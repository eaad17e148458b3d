"""Noise layers: nothing in testing, the stated distribution in training."""

import numpy as np
import pytest

from symgraph import backend as K
from symgraph.engine import Input
from symgraph.layers import (
    AlphaDropout,
    Embedding,
    GaussianDropout,
    GaussianNoise,
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
)
from symgraph.runtime import executor


@pytest.fixture(autouse=True)
def on_the_reference_executor():
    with executor.use("numpy"):
        yield


def in_both_phases(layer, data):
    x = Input(data.shape[1:])
    function = K.function([x, K.learning_phase()], [layer(x)])
    np.testing.assert_array_equal(function([data, 0])[0], data)
    first, second = function([data, 1])[0], function([data, 1])[0]
    assert not np.array_equal(first, second)
    return first


DATA = np.random.default_rng(0).normal(size=(200, 500)).astype("float32")


def test_gaussian_noise():
    noise = in_both_phases(GaussianNoise(0.5), DATA) - DATA
    assert abs(noise.mean()) < 5 * 0.5 / np.sqrt(DATA.size)
    assert noise.std() == pytest.approx(0.5, rel=0.01)


def test_gaussian_dropout():
    factor = in_both_phases(GaussianDropout(0.2), np.ones_like(DATA))
    assert factor.mean() == pytest.approx(1, abs=5 * 0.5 / np.sqrt(DATA.size))
    assert factor.std() == pytest.approx(np.sqrt(0.2 / 0.8), rel=0.01)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_alpha_dropout_keeps_mean_and_variance(rate):
    dropped = in_both_phases(AlphaDropout(rate), DATA)
    assert abs(dropped.mean()) < 0.02 and dropped.std() == pytest.approx(1, abs=0.02)
    low = dropped[0, 0] if dropped[0, 0] == dropped.min() else np.unique(dropped, return_counts=True)[0][
        np.unique(dropped, return_counts=True)[1].argmax()]
    assert (dropped == low).mean() == pytest.approx(rate, abs=0.02)  # what is dropped has one value


@pytest.mark.parametrize("layer, shape, shared", [
    (SpatialDropout1D(0.5), (20, 7, 30), (1,)),
    (SpatialDropout2D(0.5, data_format="channels_last"), (20, 3, 4, 30), (1, 2)),
    (SpatialDropout2D(0.5, data_format="channels_first"), (20, 30, 3, 4), (2, 3)),
    (SpatialDropout3D(0.5, data_format="channels_last"), (20, 2, 3, 2, 30), (1, 2, 3)),
])
def test_spatial_dropout_drops_whole_channels(layer, shape, shared):
    dropped = in_both_phases(layer, np.ones(shape, "float32"))
    assert set(np.unique(dropped)) == {0, 2}
    np.testing.assert_array_equal(dropped.min(shared), dropped.max(shared))
    assert 0.4 < (dropped == 0).mean() < 0.6


def test_masks_go_through():
    for layer in (GaussianNoise(0.5), GaussianDropout(0.2), AlphaDropout(0.2), SpatialDropout1D(0.2)):
        layer(Embedding(5, 3, mask_zero=True)(Input((4,))))
        assert layer.get_output_mask_at(0) is not None


def test_no_rate_no_noise():
    x = Input((4,))
    for layer in (GaussianDropout(0.0), AlphaDropout(0)):
        np.testing.assert_array_equal(K.function([x, K.learning_phase()], [layer(x)])([DATA[:, :4], 1])[0], DATA[:, :4])
