"""Embedding: numbers become vectors."""

from __future__ import annotations

from typing import Any

from symgraph import backend as K
from symgraph import constraints, initializers, regularizers
from symgraph.engine.layer import Layer
from symgraph.utils.generic_utils import to_list

__all__ = ["Embedding"]


class Embedding(Layer):
    """A table of vectors, one for each whole number below `input_dim`.

    # Arguments
        input_dim: number of rows of the table: one more than the largest input.
        output_dim: size of a vector.
        embeddings_initializer, embeddings_regularizer, embeddings_constraint: of the table.
        activity_regularizer: penalty on the output.
        mask_zero: whether the number 0 stands for padding; the layers after it then skip it.
        input_length: length of the sequences, where it is fixed (needed before Flatten and Dense).

    # Input
        (batch, ...) whole numbers
    # Output
        (batch, ..., output_dim)
    # Errors
        A number outside the table is an error when the model runs.
    """

    def __init__(self, input_dim: int, output_dim: int, embeddings_initializer: Any = "uniform",
                 embeddings_regularizer: Any = None, activity_regularizer: Any = None,
                 embeddings_constraint: Any = None, mask_zero: bool = False, input_length: Any = None, **kwargs: Any):
        if "input_shape" not in kwargs and "batch_input_shape" not in kwargs:
            kwargs["input_shape"] = tuple(to_list(input_length, allow_tuple=True)) if input_length else (None,)
        super().__init__(**kwargs)
        for name, value in (("input_dim", input_dim), ("output_dim", output_dim)):
            if not hasattr(value, "__index__") or value < 1:
                raise ValueError(f"Embedding: `{name}` must be a positive integer, got {value!r}.")
        self.input_dim, self.output_dim = int(input_dim), int(output_dim)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero = mask_zero
        self.supports_masking = mask_zero
        self.input_length = input_length

    def build(self, input_shape):
        self.embeddings = self.add_weight(name="embeddings", shape=(self.input_dim, self.output_dim),
                                          initializer=self.embeddings_initializer,
                                          regularizer=self.embeddings_regularizer,
                                          constraint=self.embeddings_constraint)
        self.built = True

    def compute_mask(self, inputs, mask=None):
        return K.not_equal(inputs, 0) if self.mask_zero else None

    def compute_output_shape(self, input_shape):
        return (*self._lengths(input_shape), self.output_dim)

    def _lengths(self, input_shape: tuple) -> tuple:
        """The input shape with the sizes that `input_length` tells."""
        if self.input_length is None:
            return tuple(input_shape)
        said = to_list(self.input_length, allow_tuple=True)
        found = input_shape[1:]
        if len(said) != len(found) or any(a is not None and b is not None and a != b for a, b in zip(said, found)):
            raise ValueError(f"Embedding {self.name!r}: `input_length` is {self.input_length}, but received input has "
                             f"shape "
                             f"{tuple(input_shape)}.")
        return (input_shape[0], *(b if a is None else a for a, b in zip(said, found)))

    def call(self, inputs):
        self._lengths(K.int_shape(inputs))
        if K.dtype(inputs) != "int32":
            inputs = K.cast(inputs, "int32")
        return K.gather(self.embeddings, inputs)

    def get_config(self):
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "embeddings_initializer": initializers.serialize(self.embeddings_initializer),
            "embeddings_regularizer": regularizers.serialize(self.embeddings_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "embeddings_constraint": constraints.serialize(self.embeddings_constraint),
            "mask_zero": self.mask_zero,
            "input_length": self.input_length,
        }
