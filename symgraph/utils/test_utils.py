"""Data to try training with, and a check of the whole contract of a layer."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from symgraph import backend as K
from symgraph.utils.generic_utils import has_arg

__all__ = ["check_layer", "get_test_data", "keras_test", "layer_test"]


def get_test_data(num_train: int = 1000, num_test: int = 500, input_shape: tuple = (10,), output_shape: tuple = (2,),
                  classification: bool = True, num_classes: int = 2) -> tuple:
    """Random data that a model can learn: normally distributed numbers whose mean is the class (or the target).

    # Arguments
        num_train, num_test: numbers of samples.
        input_shape: shape of a sample.
        output_shape: shape of a target, without classification.
        classification: whether the targets are class numbers.
        num_classes: how many there are.

    # Returns
        `(x_train, y_train), (x_test, y_test)`.
    """
    samples = num_train + num_test
    if classification:
        y = np.random.randint(0, num_classes, size=(samples,))
        centres: np.ndarray = y
    else:
        centres = np.random.random((samples,))
        y = np.zeros((samples, *output_shape), dtype="float32")
    x = np.zeros((samples, *input_shape), dtype="float32")
    for row in range(samples):
        x[row] = np.random.normal(loc=centres[row], scale=0.7, size=input_shape)
        if not classification:
            y[row] = np.random.normal(loc=centres[row], scale=0.7, size=output_shape)
    return (x[:num_train], y[:num_train]), (x[num_train:], y[num_train:])


def keras_test(func: Callable) -> Callable:
    """The test, after which the graph is empty again."""

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return func(*args, **kwargs)
        finally:
            K.clear_session()

    return wrapper


def layer_test(layer_cls: Any, kwargs: dict = {}, input_shape: Any = None,  # noqa: B006 - as Keras has it
               input_dtype: str | None = None, input_data: Any = None, expected_output: Any = None,
               expected_output_dtype: str | None = None, fixed_batch_size: bool = False) -> np.ndarray:
    """Check that a layer keeps the contract of layers.

    Its weights and its configuration make the same layer again; its output has the shape and dtype it states; as a
    part of a `Model` and of a `Sequential` it computes the same after it was made again; and it can be trained.

    # Arguments
        layer_cls: the class.
        kwargs: its arguments.
        input_shape: shape of the input with samples; None stands for a random size.
        input_dtype: dtype of the input; default: floatx, or that of `input_data`.
        input_data: the input; default: random.
        expected_output: what it must give.
        expected_output_dtype: dtype of the output; default: that of the input.
        fixed_batch_size: whether the input layer knows the number of samples.

    # Returns
        The output.

    # Raises
        AssertionError: the layer breaks the contract; the message says where.
    """
    from symgraph import layers, models

    return check_layer(layers, models, layer_cls, kwargs, input_shape, input_dtype, input_data, expected_output,
                       expected_output_dtype, fixed_batch_size)


def check_layer(layers: Any, models: Any, layer_cls: Any, kwargs: dict, input_shape: Any, input_dtype: str | None,
                input_data: Any, expected_output: Any, expected_output_dtype: str | None,
                fixed_batch_size: bool) -> np.ndarray:
    """`layer_test` for the layers and models of a dialect."""
    data, shape, dtype = _input(input_shape, input_dtype, input_data)
    name = layer_cls.__name__

    layer = layer_cls(**kwargs)
    x = layers.Input(batch_shape=shape, dtype=dtype) if fixed_batch_size else layers.Input(shape=shape[1:], dtype=dtype)
    y = layer(x)
    weights = layer.get_weights()
    layer.set_weights(weights)
    if has_arg(layer_cls.__init__, "weights") and weights:
        again = layer_cls(**{**kwargs, "weights": weights})
        _same(f"{name}(weights=...).get_weights()", _built(again, layers, shape, dtype).get_weights(), weights)
    wanted = expected_output_dtype or dtype
    assert K.dtype(y) == wanted, f"{name}: the output has the dtype {K.dtype(y)}, expected {wanted}"

    model = models.Model(x, y)
    stated = (layer.get_output_shape_for if hasattr(layer, "get_output_shape_for") else layer.compute_output_shape)(
        tuple(shape))
    found = model.predict(data)
    _fits(f"{name}: the output", found.shape, stated)
    _fits(f"{name}: the symbolic output", K.int_shape(y), stated)
    if expected_output is not None:
        np.testing.assert_allclose(found, expected_output, rtol=1e-3, atol=1e-6, err_msg=f"{name}: the output")

    recovered = models.Model.from_config(model.get_config(), **_known(layer_cls))
    if model.weights:
        recovered.set_weights(model.get_weights())
        _same(f"{name}: a Model of its configuration", recovered.predict(data), found)
    model.compile("rmsprop", "mse")
    model.train_on_batch(data, found)

    config = layer.get_config()
    config["batch_input_shape"] = tuple(shape) if fixed_batch_size else (None, *shape[1:])
    copy = type(layer).from_config(config)
    assert copy.name == layer.name, f"{name}: the configuration keeps the name {layer.name!r}, gave {copy.name!r}"
    sequential = models.Sequential()
    sequential.add(_with_input(copy, layers, config["batch_input_shape"], dtype, sequential))
    if weights:
        sequential.set_weights(weights)
    result = sequential.predict(data)
    _fits(f"{name}: the output of a Sequential", result.shape, stated)
    _same(f"{name}: the output of a Sequential of its configuration", result, found)
    recovered = models.Sequential.from_config(sequential.get_config(), **_known(layer_cls))
    if sequential.weights:
        recovered.set_weights(sequential.get_weights())
        _same(f"{name}: a Sequential of its configuration", recovered.predict(data), result)
    sequential.compile("rmsprop", "mse")
    sequential.train_on_batch(data, found)
    return found


def _input(shape: Any, dtype: str | None, data: Any) -> tuple[np.ndarray, tuple, str]:
    """The data, their shape as it was given, their dtype."""
    if data is not None:
        data = np.asarray(data)
        kind = dtype or (data.dtype.name if data.dtype != np.float64 else K.floatx())
        return data, tuple(data.shape if shape is None else shape), kind
    assert shape, "layer_test: give `input_shape`, or `input_data`"
    dtype = dtype or K.floatx()
    sizes = [np.random.randint(1, 4) if size is None else size for size in shape]
    values = 10 * np.random.random(sizes)
    if dtype.startswith("float"):
        values -= 0.5
    return values.astype(dtype), tuple(shape), dtype


def _built(layer: Any, layers: Any, shape: tuple, dtype: str) -> Any:
    """The layer, called on an input."""
    layer(layers.Input(batch_shape=(None, *shape[1:]), dtype=dtype))
    return layer


def _with_input(layer: Any, layers: Any, shape: tuple, dtype: str, sequential: Any) -> Any:
    """The layer, behind an input of another dtype than it would make itself."""
    if dtype != K.floatx():
        sequential.add(layers.InputLayer(batch_input_shape=shape, **{
            "dtype" if has_arg(layers.InputLayer.__init__, "dtype") else "input_dtype": dtype}))
    return layer


def _known(layer_cls: Any) -> dict:
    """What makes a class of the user's known to `from_config`."""
    return {} if layer_cls.__module__.startswith("symgraph.") else {"custom_objects": {layer_cls.__name__: layer_cls}}


def _fits(what: str, found: Any, stated: tuple) -> None:
    fits = len(found) == len(stated) and all(
        size is None or real is None or size == real for real, size in zip(found, stated))
    assert fits, f"{what} has the shape {tuple(found)}, the layer states {tuple(stated)}"


def _same(what: str, found: Any, expected: Any) -> None:
    pairs = list(zip(found, expected)) if isinstance(expected, list) else [(found, expected)]
    assert not isinstance(expected, list) or len(found) == len(expected), f"{what}: {len(found)} arrays"
    for one, other in pairs:
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-6, err_msg=what)
