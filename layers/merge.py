"""Layers that join several tensors, and their functional forms."""

from __future__ import annotations

from typing import Any

from symgraph import backend as K
from symgraph.engine.layer import Layer

__all__ = [
    "Add", "Average", "Concatenate", "Dot", "Maximum", "Minimum", "Multiply", "Subtract", "add", "average",
    "concatenate", "dot", "maximum", "minimum", "multiply", "subtract",
]


def _check_list(layer: Layer, shapes: Any, least: int = 2) -> None:
    if not isinstance(shapes, list) or len(shapes) < least:
        raise ValueError(f"A merge layer should be called on a list of at least {least} inputs. "
                         f"{type(layer).__name__} {layer.name!r} got {shapes!r}.")


def _check_masks(layer: Layer, inputs: Any, mask: Any) -> None:
    if not isinstance(mask, list):
        raise ValueError(f"{type(layer).__name__} {layer.name!r}: `mask` should be a list, got {mask!r}.")
    if not isinstance(inputs, list):
        raise ValueError(f"{type(layer).__name__} {layer.name!r}: `inputs` should be a list, got {inputs!r}.")
    if len(mask) != len(inputs):
        raise ValueError(f"{type(layer).__name__} {layer.name!r}: `mask` should have one item for each of the "
                         f"{len(inputs)} inputs, got {len(mask)}.")


class _Merge(Layer):
    """Common part of the elementwise merges: shapes are broadcast, missing axes are added after the batch."""

    _wants_list = True

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape):
        _check_list(self, input_shape)
        batches = {shape[0] for shape in input_shape if shape and shape[0] is not None}
        if len(batches) > 1:
            raise ValueError(f"{type(self).__name__}: cannot merge tensors with different batch sizes, got the shapes "
                             f"{input_shape}.")
        rank = max(len(shape) for shape in input_shape)
        padded = [(1,) * (rank - len(shape)) + tuple(shape[1:]) for shape in input_shape]
        for sizes in zip(*padded):
            fixed = {size for size in sizes if size not in (1, None)}
            if len(fixed) > 1:
                raise ValueError(f"{type(self).__name__}: the inputs cannot be broadcast together: shapes "
                                 f"{input_shape}.")
        self.built = True

    def call(self, inputs):
        _check_list(self, inputs)
        rank = max(K.ndim(tensor) for tensor in inputs)
        same = []
        for tensor in inputs:
            while K.ndim(tensor) < rank:
                tensor = K.expand_dims(tensor, 1)
            same.append(tensor)
        return self._merge_function(same)

    def _merge_function(self, inputs: list) -> Any:
        output = inputs[0]
        for tensor in inputs[1:]:
            output = self._combine(output, tensor)
        return output

    def _combine(self, first: Any, second: Any) -> Any:
        raise TypeError(f"{type(self).__name__} must define `_combine` or `_merge_function`.")

    def compute_mask(self, inputs, mask=None):
        """A step counts where it counts in all inputs that have a mask."""
        if mask is None:
            return None
        _check_masks(self, inputs, mask)
        masks = [one for one in mask if one is not None]
        if not masks:
            return None
        joined = masks[0]
        for one in masks[1:]:
            joined = joined & one if K.dtype(joined) == "bool" == K.dtype(one) else (
                K.cast(joined, "bool") & K.cast(one, "bool"))
        return joined


class Add(_Merge):
    """The sum of the inputs."""

    def _combine(self, first, second):
        return first + second


class Subtract(_Merge):
    """The first of two inputs minus the second."""

    def build(self, input_shape):
        super().build(input_shape)
        if len(input_shape) != 2:
            raise ValueError(f"A `Subtract` layer should be called on exactly 2 inputs, got {len(input_shape)}.")

    def _combine(self, first, second):
        return first - second


class Multiply(_Merge):
    """The product of the inputs, element by element."""

    def _combine(self, first, second):
        return first * second


class Average(_Merge):
    """The mean of the inputs."""

    def _merge_function(self, inputs):
        output = inputs[0]
        for tensor in inputs[1:]:
            output = output + tensor
        return output / len(inputs)


class Maximum(_Merge):
    """The largest of the inputs, element by element."""

    def _combine(self, first, second):
        return K.maximum(first, second)


class Minimum(_Merge):
    """The smallest of the inputs, element by element."""

    def _combine(self, first, second):
        return K.minimum(first, second)


class Concatenate(_Merge):
    """The inputs one after the other along an axis.

    # Arguments
        axis: the axis; the other sizes must agree.
    """

    def __init__(self, axis: int = -1, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = axis

    def build(self, input_shape):
        _check_list(self, input_shape)
        rank = len(input_shape[0])
        axis = self.axis % rank
        for shape in input_shape[1:]:
            agree = len(shape) == rank and all(
                a == b or None in (a, b) for i, (a, b) in enumerate(zip(shape, input_shape[0])) if i != axis)
            if not agree:
                raise ValueError("A `Concatenate` layer requires inputs with matching shapes except for the concat "
                                 "axis "
                                 f"{self.axis}. Got inputs shapes: {input_shape}.")
        self.built = True

    def call(self, inputs):
        _check_list(self, inputs)
        return K.concatenate(inputs, axis=self.axis)

    def compute_mask(self, inputs, mask=None):
        if mask is None:
            return None
        _check_masks(self, inputs, mask)
        if all(one is None for one in mask):
            return None
        masks = []
        for tensor, one in zip(inputs, mask):
            if one is None:
                masks.append(K.cast(K.ones_like(tensor), "bool"))
            elif K.ndim(one) < K.ndim(tensor):
                masks.append(K.cast(K.ones_like(tensor), "bool") & K.expand_dims(one, -1))
            else:
                masks.append(one)
        return K.all(K.concatenate(masks, axis=self.axis), axis=-1, keepdims=False)

    def get_config(self):
        return {**super().get_config(), "axis": self.axis}


class Dot(_Merge):
    """The products of the samples of two tensors, summed over an axis of each.

    # Arguments
        axes: the axis to sum over, or one for each input.
        normalize: whether both are divided by their length along the axis before: the result then is the cosine of the
            angle between them.

    # Output
        (batch, rest of the first, rest of the second); (batch, 1) for two vectors.
    """

    def __init__(self, axes: Any, normalize: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        whole = hasattr(axes, "__index__")
        if not whole and not isinstance(axes, (list, tuple)):
            raise TypeError(f"Dot: `axes` must be an integer or two integers, got {axes!r}.")
        if not whole and (len(axes) != 2 or not all(hasattr(axis, "__index__") for axis in axes)):
            raise ValueError(f"Dot: `axes` must be an integer or two integers, got {axes!r}.")
        self.axes = int(axes) if whole else tuple(int(axis) for axis in axes)
        self.normalize = normalize

    def _positive(self, shapes: list) -> list[int]:
        axes = [self.axes] * 2 if isinstance(self.axes, int) else list(self.axes)
        for axis, shape in zip(axes, shapes):
            if not -len(shape) <= axis < len(shape) or axis % len(shape) == 0:
                raise ValueError(f"Dot {self.name!r}: cannot sum over axis {axis} of an input of shape {tuple(shape)} "
                                 f"(axis 0 "
                                 "is the batch).")
        return [axis % len(shape) for axis, shape in zip(axes, shapes)]

    def build(self, input_shape):
        _check_list(self, input_shape)
        if len(input_shape) != 2:
            raise ValueError(f"A `Dot` layer should be called on exactly 2 inputs, got {len(input_shape)}.")
        first, second = self._positive(input_shape)
        sizes = (input_shape[0][first], input_shape[1][second])
        if None not in sizes and sizes[0] != sizes[1]:
            raise ValueError(f"Dimension incompatibility: {sizes[0]} != {sizes[1]}. Layer shapes: {input_shape[0]}, "
                             f"{input_shape[1]}. Chosen axes: {first}, {second}.")
        self.built = True

    def call(self, inputs):
        _check_list(self, inputs)
        axes = self._positive([K.int_shape(tensor) for tensor in inputs])
        if self.normalize:
            inputs = [K.l2_normalize(tensor, axis=axis) for tensor, axis in zip(inputs, axes)]
        return K.batch_dot(inputs[0], inputs[1], axes)

    def compute_mask(self, inputs, mask=None):
        return None

    def get_config(self):
        return {**super().get_config(), "axes": self.axes, "normalize": self.normalize}


def dot(inputs: list, axes: Any, normalize: bool = False, **kwargs: Any) -> Any:
    """The products of two tensors, summed over axes; arguments go to `Dot`."""
    return Dot(axes=axes, normalize=normalize, **kwargs)(inputs)


def add(inputs: list, **kwargs: Any) -> Any:
    """The sum of tensors; arguments go to `Add`."""
    return Add(**kwargs)(inputs)


def subtract(inputs: list, **kwargs: Any) -> Any:
    """The difference of two tensors; arguments go to `Subtract`."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs: list, **kwargs: Any) -> Any:
    """The product of tensors; arguments go to `Multiply`."""
    return Multiply(**kwargs)(inputs)


def average(inputs: list, **kwargs: Any) -> Any:
    """The mean of tensors; arguments go to `Average`."""
    return Average(**kwargs)(inputs)


def maximum(inputs: list, **kwargs: Any) -> Any:
    """The largest of tensors; arguments go to `Maximum`."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: list, **kwargs: Any) -> Any:
    """The smallest of tensors; arguments go to `Minimum`."""
    return Minimum(**kwargs)(inputs)


def concatenate(inputs: list, axis: int = -1, **kwargs: Any) -> Any:
    """Tensors one after the other along an axis; arguments go to `Concatenate`."""
    return Concatenate(axis=axis, **kwargs)(inputs)
