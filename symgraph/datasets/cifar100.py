"""CIFAR-100: 60,000 colour pictures of 32x32 pixels in 100 classes of 20 groups (A. Krizhevsky, 2009)."""

from __future__ import annotations

from symgraph.datasets.cifar import load_batches
from symgraph.utils.data_utils import get_file

__all__ = ["load_data"]

_ORIGIN = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
_HASH = "eb9058c3a382ffc7106e4002c42a8d85"


def load_data(label_mode: str = "fine") -> tuple:
    """The pictures, in the configured image layout.

    # Arguments
        label_mode: 'fine' (100 classes) or 'coarse' (20 groups).

    # Returns
        `(x_train, y_train), (x_test, y_test)`: bytes of shapes (50000, 32, 32, 3) and (50000, 1), and 10,000 to test.

    # Raises
        ValueError: another label mode.
    """
    if label_mode not in {"fine", "coarse"}:
        raise ValueError(f"`label_mode` must be one of `'fine'`, `'coarse'`, got {label_mode!r}.")
    folder = get_file("cifar-100-python", origin=_ORIGIN, untar=True, file_hash=_HASH)
    return load_batches(folder, ["train"], "test", f"{label_mode}_labels")
