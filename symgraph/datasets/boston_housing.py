"""Prices of houses in Boston: 506 samples of 13 numbers (D. Harrison and D. Rubinfeld, 1978)."""

from __future__ import annotations

import numpy as np

from symgraph.datasets.stored import load_npz
from symgraph.utils.data_utils import get_file

__all__ = ["load_data"]

_ORIGIN = "https://s3.amazonaws.com/keras-datasets/boston_housing.npz"
_HASH = "f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5"


def load_data(path: str = "boston_housing.npz", test_split: float = 0.2, seed: int = 113) -> tuple:
    """The prices.

    # Arguments
        path: name of the file in the folder of data sets.
        test_split: the part that is for testing.
        seed: of the order of the samples.

    # Returns
        `(x_train, y_train), (x_test, y_test)`.

    # Raises
        AssertionError: `test_split` is not in [0, 1).
    """
    assert 0 <= test_split < 1, f"boston_housing: `test_split` must lie in [0, 1), got {test_split}"
    x, y = load_npz(get_file(path, origin=_ORIGIN, file_hash=_HASH), "x", "y")
    order = np.random.RandomState(seed).permutation(len(x))
    x, y = x[order], y[order]
    split = int(len(x) * (1 - test_split))
    return (x[:split], y[:split]), (x[split:], y[split:])
