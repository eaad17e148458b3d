"""What holds while a model is made from a configuration: how much memory its weights may take, and more."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

__all__ = ["Allowance", "building_from_configuration", "from_configuration", "weights_allowed",
           "weights_from_file"]


class Allowance:
    """How many numbers the weights of a model may have that is made for a file which holds so many."""

    def __init__(self, numbers: int):
        self.given = self.left = numbers

    def take(self, layer: Any, name: str, shape: tuple) -> None:
        """Count a weight.

        # Raises
            ValueError: the file does not hold as many numbers as its configuration asks for.
        """
        for size in shape:
            if not isinstance(size, (int, np.integer)) or size < 0:
                raise ValueError(f"Layer {layer.name!r}: the weight {name!r} cannot have the shape {shape}.")
        self.left -= math.prod(int(size) for size in shape)
        if self.left < 0:
            raise ValueError(
                f"The file's configuration does not belong to its weights: with the weight {name!r} of shape {shape} "
                f"the model is larger than the {self.given} numbers that the file holds."
            )


_FROM_FILE: ContextVar[Allowance | None] = ContextVar("weights_from_file", default=None)


def weights_allowed() -> Allowance | None:
    """The allowance in force, None outside of loading."""
    return _FROM_FILE.get()


@contextmanager
def weights_from_file(numbers: int) -> Iterator[None]:
    """For the length of a `with` block weights start as zeros, for a file gives their values, and are counted.

    # Arguments
        numbers: how many numbers the file holds; a model that asks for more is refused before it takes the memory.
    """
    token = _FROM_FILE.set(Allowance(numbers))
    try:
        yield
    finally:
        _FROM_FILE.reset(token)


_FROM_CONFIGURATION: ContextVar[bool] = ContextVar("from_configuration", default=False)


def from_configuration() -> bool:
    """Whether a model is being made from a configuration."""
    return _FROM_CONFIGURATION.get()


@contextmanager
def building_from_configuration() -> Iterator[None]:
    """For the length of a `with` block the layers that are called belong to a model that somebody stored."""
    token = _FROM_CONFIGURATION.set(True)
    try:
        yield
    finally:
        _FROM_CONFIGURATION.reset(token)
