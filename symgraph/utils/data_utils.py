"""`Sequence`: data that come batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["Sequence"]


class Sequence:
    """Base of data sets that give their batches by number, safe to read from several threads.

    A subclass gives `__getitem__(index)`, a batch `(inputs, targets)` or `(inputs, targets, sample weights)`, and
    `__len__`, the number of batches. `on_epoch_end` is called after each epoch. Where a batch may take minutes, set the
    attribute `timeout` to the seconds after which the workers are taken to hang (None: never).
    """

    use_sequence_api = True

    def __getitem__(self, index: int) -> Any:
        raise TypeError(f"{type(self).__name__} must define `__getitem__(self, index)`.")

    def __len__(self) -> int:
        raise TypeError(f"{type(self).__name__} must define `__len__(self)`: its number of batches.")

    def on_epoch_end(self) -> None:
        """Called after each epoch."""

    def __iter__(self) -> Iterator[Any]:
        for index in range(len(self)):
            yield self[index]
