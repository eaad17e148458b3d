"""`Input` and `InputLayer`: where data enters a model."""

from __future__ import annotations

from typing import Any

from symgraph import backend as K
from symgraph.engine.connectivity import connect
from symgraph.engine.layer import Layer
from symgraph.utils.generic_utils import unpack_singleton

__all__ = ["Input", "InputLayer"]


class InputLayer(Layer):
    """The layer that stands for an input of a model.

    # Arguments
        input_shape: shape without the batch.
        batch_size: size of the batch, None for any.
        batch_input_shape: shape with the batch, in place of both.
        dtype: dtype of the data; default: floatx.
        input_tensor: an existing tensor to wrap instead of a new placeholder.
        sparse: whether the placeholder is sparse.
        name: name of the layer and of the model's input.
    """

    def __init__(self, input_shape: tuple | None = None, batch_size: int | None = None,
                 batch_input_shape: tuple | None = None, dtype: str | None = None, input_tensor: Any = None,
                 sparse: bool = False, name: str | None = None, trainable: bool = False):
        name = name or f"input_{K.get_uid('input')}"
        super().__init__(dtype=dtype, name=name, trainable=trainable)
        if input_shape is not None and batch_input_shape is not None:
            raise ValueError(
                f"InputLayer {name!r}: give either `input_shape` (without the batch) or `batch_input_shape`, not both."
            )
        if batch_input_shape is None:
            if input_shape is None and input_tensor is None:
                raise ValueError(f"InputLayer {name!r}: an input needs `batch_input_shape` or `input_shape`.")
            batch_input_shape = K.int_shape(input_tensor) if input_shape is None else (batch_size, *input_shape)
        self.supports_masking = True
        self.trainable = False
        self.built = True
        self.sparse = sparse
        self.is_placeholder = input_tensor is None or K.is_placeholder(input_tensor)
        self.batch_input_shape = tuple(batch_input_shape)
        if input_tensor is None:
            input_tensor = K.placeholder(shape=self.batch_input_shape, dtype=self.dtype, sparse=sparse, name=name)
        else:
            self.dtype = K.dtype(input_tensor)
            if getattr(input_tensor, "_keras_history", None) is not None:
                input_tensor = K.identity(input_tensor)
        input_tensor._uses_learning_phase = getattr(input_tensor, "_uses_learning_phase", False)
        connect(self, [], [input_tensor], [], [None], [], [self.batch_input_shape])
        # An input is its own source: the node says so, and `layer.input` gives the tensor.
        node = self._inbound_nodes[0]
        node.input_tensors, node.input_masks, node.input_shapes = [input_tensor], [None], [self.batch_input_shape]

    def get_config(self):
        return {"batch_input_shape": self.batch_input_shape, "dtype": self.dtype, "sparse": self.sparse,
                "name": self.name}

    @classmethod
    def from_config(cls, config):
        known = ("batch_input_shape", "input_shape", "batch_size", "dtype", "sparse", "name", "trainable")
        return cls(**{key: value for key, value in config.items() if key in known})


def Input(shape: tuple | None = None, batch_shape: tuple | None = None, name: str | None = None,
          dtype: str | None = None, sparse: bool = False, tensor: Any = None) -> Any:
    """A tensor that stands for the data of one input of a model.

    # Arguments
        shape: shape of one sample; None for a free dimension.
        batch_shape: shape with the batch, in place of `shape`.
        name: name of the input.
        dtype: dtype of the data; default: floatx.
        sparse: whether the placeholder is sparse.
        tensor: an existing tensor to wrap; the model then needs no data for it.

    # Returns
        A tensor.
    """
    if shape is None and batch_shape is None and tensor is None:
        raise ValueError("Please provide to Input either a `shape` or a `batch_shape` argument, e.g. "
                         "Input(shape=(784,)). "
                         "Note that `shape` does not include the batch dimension.")
    if shape is not None and batch_shape is None:
        if isinstance(shape, int):
            raise TypeError(f"Input: `shape` must be a tuple, e.g. ({shape},), got {shape!r}.")
        batch_shape = (None, *shape)
    layer = InputLayer(batch_input_shape=batch_shape, name=name, dtype=dtype, sparse=sparse, input_tensor=tensor)
    return unpack_singleton(layer._inbound_nodes[0].output_tensors)
