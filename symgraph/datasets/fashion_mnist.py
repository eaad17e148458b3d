"""Pictures of clothes: 60,000 of 28x28 pixels to learn from, 10,000 to test, in ten classes (Zalando Research)."""

from __future__ import annotations

from symgraph.datasets.stored import load_idx
from symgraph.utils.data_utils import get_file

__all__ = ["load_data"]

_ORIGIN = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
#: Name and MD5 checksum of each file, as its authors publish them.
_FILES = (("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
          ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
          ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
          ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"))


def load_data() -> tuple:
    """The clothes.

    # Returns
        `(x_train, y_train), (x_test, y_test)`: bytes of shapes (60000, 28, 28) and (60000,), and so on.
    """
    y_train, x_train, y_test, x_test = (
        load_idx(get_file(name, origin=_ORIGIN + name, cache_subdir="datasets/fashion-mnist", file_hash=checksum))
        for name, checksum in _FILES)
    return (x_train, y_train), (x_test, y_test)
