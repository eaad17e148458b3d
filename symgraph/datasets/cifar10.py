"""CIFAR-10: 60,000 colour pictures of 32x32 pixels in ten classes (A. Krizhevsky, 2009)."""

from __future__ import annotations

from symgraph.datasets.cifar import load_batches
from symgraph.utils.data_utils import get_file

__all__ = ["load_data"]

_ORIGIN = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
_HASH = "c58f30108f718f92721af3b95e74349a"


def load_data() -> tuple:
    """The pictures, in the configured image layout.

    # Returns
        `(x_train, y_train), (x_test, y_test)`: bytes of shapes (50000, 32, 32, 3) and (50000, 1), and 10,000 to test.
    """
    folder = get_file("cifar-10-batches-py", origin=_ORIGIN, untar=True, file_hash=_HASH)
    return load_batches(folder, [f"data_batch_{number}" for number in range(1, 6)], "test_batch", "labels")
