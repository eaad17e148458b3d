"""Kernels turned by half a circle, and dense weights for the other layout of pictures."""

import numpy as np
import pytest

from symgraph.layers import Conv1D, Conv2D, Conv2DTranspose, Conv3D, Dense, Flatten, Permute
from symgraph.models import Sequential
from symgraph.utils import convert_all_kernels_in_model
from symgraph.utils.conv_utils import convert_kernel
from symgraph.utils.layer_utils import convert_dense_weights_data_format


def test_a_kernel():
    for rank in (1, 2, 3):
        kernel = np.random.normal(size=(*(3, 2, 4)[:rank], 5, 6))
        turned = convert_kernel(kernel)
        np.testing.assert_array_equal(turned[(0,) * rank], kernel[(-1,) * rank])
        np.testing.assert_array_equal(convert_kernel(turned), kernel)
    with pytest.raises(ValueError, match="Invalid kernel shape"):
        convert_kernel(np.zeros((3, 3)))


@pytest.mark.parametrize("layer, shape", [(Conv1D, (8, 2)), (Conv2D, (8, 7, 2)), (Conv3D, (8, 7, 6, 2)),
                                          (Conv2DTranspose, (8, 7, 2))])
def test_all_kernels_of_a_model(layer, shape):
    model = Sequential([Sequential([layer(3, 3, input_shape=shape)]), Flatten(), Dense(1)])
    before = model.get_weights()
    convert_all_kernels_in_model(model)
    np.testing.assert_array_equal(model.get_weights()[0], convert_kernel(before[0]))
    for one, other in zip(model.get_weights()[1:], before[1:]):
        np.testing.assert_array_equal(one, other)


def test_dense_weights_of_the_other_layout():
    x = np.random.normal(size=(3, 4, 5, 2)).astype("float32")
    last = Sequential([Permute((1, 2, 3), input_shape=(4, 5, 2)), Flatten("channels_last"), Dense(3)])
    # The pictures channels first, flattened as they lie.
    first = Sequential([Permute((1, 2, 3), input_shape=(2, 4, 5)), Flatten("channels_last"), Dense(3)])
    first.set_weights(last.get_weights())
    convert_dense_weights_data_format(first.layers[-1], (2, 4, 5), "channels_first")
    expected = last.predict(x)
    np.testing.assert_allclose(first.predict(x.transpose(0, 3, 1, 2)), expected, rtol=1e-4, atol=1e-5)
    convert_dense_weights_data_format(first.layers[-1], (4, 5, 2), "channels_last")
    np.testing.assert_array_equal(first.get_weights()[0], last.get_weights()[0])
    with pytest.raises(AssertionError, match="target_data_format"):
        convert_dense_weights_data_format(first.layers[-1], (4, 5, 2), "other")
