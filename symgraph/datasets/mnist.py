"""Handwritten digits: 60,000 pictures of 28x28 pixels to learn from, 10,000 to test (Y. LeCun and others, 1998)."""

from __future__ import annotations

from typing import Any

from symgraph.datasets.stored import load_npz, load_pickle
from symgraph.utils.data_utils import get_file

__all__ = ["load_data"]

_ORIGIN = "https://s3.amazonaws.com/img-datasets/"
_HASHES = {"mnist.npz": "8a61469f7ea1b51cbae51d4f78837e45"}


def load_data(path: str = "mnist.npz") -> tuple:
    """The digits.

    # Arguments
        path: name of the file in the folder of data sets: `mnist.npz`, or `mnist.pkl.gz`, as Keras 1 stored them.

    # Returns
        `(x_train, y_train), (x_test, y_test)`: bytes of shapes (60000, 28, 28) and (60000,), and so on.
    """
    pickled = str(path).endswith((".pkl", ".pkl.gz"))
    name = "mnist.pkl.gz" if pickled else "mnist.npz"
    file = get_file(path, origin=_ORIGIN + name, file_hash=_HASHES.get(name))
    if pickled:
        train, test = load_pickle(file)
        return tuple(train), tuple(test)
    parts: list[Any] = load_npz(file, "x_train", "y_train", "x_test", "y_test")
    return (parts[0], parts[1]), (parts[2], parts[3])
