"""Reads the batches of the CIFAR data sets (A. Krizhevsky, 2009)."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from symgraph import config
from symgraph.datasets.stored import load_pickle

__all__ = ["load_batch"]


def load_batch(fpath: Any, label_key: str = "labels") -> tuple[np.ndarray, list]:
    """The pictures and labels of a batch.

    # Arguments
        fpath: the file.
        label_key: which labels: 'labels', or 'fine_labels' and 'coarse_labels' of CIFAR-100.

    # Returns
        Bytes of shape (pictures, 3, 32, 32), and a list of class numbers.

    # Raises
        KeyError: the file has no such labels.
    """
    batch = {key.decode("utf8") if isinstance(key, bytes) else key: value for key, value in load_pickle(fpath).items()}
    for name in ("data", label_key):
        if name not in batch:
            raise KeyError(f"{fpath} has no {name!r}; it has {', '.join(map(str, batch))}.")
    data = np.asarray(batch["data"])
    return data.reshape(len(data), 3, 32, 32), batch[label_key]


def load_batches(folder: Any, train: list[str], test: str, label_key: str) -> tuple:
    """`(x_train, y_train), (x_test, y_test)` of a folder of batches, in the configured image layout."""
    parts = []
    for names in (train, [test]):
        batches = [load_batch(os.path.join(folder, name), label_key) for name in names]
        pictures = np.concatenate([one for one, _ in batches])
        labels = np.concatenate([np.asarray(one, dtype="uint8") for _, one in batches]).reshape(-1, 1)
        if config.image_data_format() == "channels_last":
            pictures = pictures.transpose(0, 2, 3, 1)
        parts.append((pictures, labels))
    return tuple(parts)
