"""Helpers of training under the names that Keras gives them: checking data, cutting batches, weighting losses.

The training loop has its own, in `data` and `objective`; these are for code that calls Keras' directly.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from symgraph import backend as K
from symgraph import losses as losses_module
from symgraph import metrics as metrics_module
from symgraph.engine.generators import is_generator, is_sequence
from symgraph.engine.loop import _is_validation_epoch
from symgraph.utils.generic_utils import slice_arrays
from symgraph.utils.losses_utils import align_weights

__all__ = [
    "batch_shuffle", "check_array_length_consistency", "check_array_lengths", "check_generator_arguments",
    "check_loss_and_target_compatibility", "check_num_samples", "get_loss_function", "get_metric_name",
    "get_static_batch_size", "is_generator_or_sequence", "is_sequence", "iter_sequence_infinite", "make_batches",
    "should_run_validation", "slice_X", "slice_arrays", "standardize_class_weights", "standardize_input_data",
    "standardize_sample_or_class_weights", "standardize_sample_weights", "standardize_single_array",
    "standardize_weights", "weighted_masked_objective", "weighted_objective",
]


# ---------------------------------------------------------------------------------------------- arrays
def standardize_single_array(x):
    """An array; one of one dimension becomes a column."""
    if x is None or K.is_tensor(x):
        return x
    if hasattr(x, "ndim") and x.ndim == 1:
        return np.expand_dims(x, 1)
    return x


def standardize_input_data(data, names, shapes=None, check_batch_axis=True, exception_prefix=""):
    """The user's arrays as a list in the order of `names`, checked against shapes.

    # Arguments
        data: an array, a list of arrays or a dictionary by name.
        names: names of the inputs.
        shapes: expected shapes with the batch, or None.
        check_batch_axis: whether the batch size is checked too.
        exception_prefix: what the data are, for messages.

    # Raises
        ValueError: missing or surplus arrays, or a wrong shape.
    """
    if not names:
        if data is not None and hasattr(data, "__len__") and len(data):
            raise ValueError(f"Error when checking model {exception_prefix}: expected no data, but got: {data}")
        return []
    if data is None:
        return [None] * len(names)
    if isinstance(data, Mapping):
        missing = [name for name in names if name not in data]
        if missing:
            raise ValueError(f'No data provided for "{missing[0]}". Need data for each key in: {names}')
        arrays = [data[name] for name in names]
    elif isinstance(data, (list, tuple)):
        arrays = [np.asarray(item) for item in data] if data and isinstance(data[0], (list, tuple)) else list(data)
        if len(names) == 1 and data and isinstance(data[0], (float, int)):
            arrays = [np.asarray(data)]
    else:
        arrays = [data]
    arrays = [standardize_single_array(getattr(array, "values", array) if type(array).__name__ in {"DataFrame",
                                                                                                   "Series"}
                                       else array) for array in arrays]
    if len(arrays) != len(names):
        shown = f"the following list of {len(arrays)} arrays: {str(data)[:200]}..."
        raise ValueError(f"Error when checking model {exception_prefix}: the list of Numpy arrays that you are "
                         "passing to "
                         f"your model is not the size the model expected. Expected to see {len(names)} array(s), but "
                         f"instead got {shown}")
    for name, array, shape in zip(names, arrays, shapes or [None] * len(names)):
        if shape is None or array is None or K.is_tensor(array):
            continue
        found = np.shape(array)
        if len(found) != len(shape):
            raise ValueError(f"Error when checking {exception_prefix}: expected {name} to have {len(shape)} "
                             "dimensions, "
                             f"but got array with shape {found}")
        start = 0 if check_batch_axis else 1
        if any(wanted is not None and wanted != size for size, wanted in zip(found[start:], shape[start:])):
            raise ValueError(f"Error when checking {exception_prefix}: expected {name} to have shape "
                             f"{tuple(shape[start:])} but got array with shape {found[start:]}")
    return arrays


def standardize_sample_or_class_weights(x_weight, output_names, weight_type):
    """Weights as a list in the order of the outputs.

    # Raises
        ValueError: a list of another length than there are outputs.
        TypeError: neither list nor dictionary for several outputs.
    """
    if x_weight is None or (hasattr(x_weight, "__len__") and len(x_weight) == 0):
        return [None for _ in output_names]
    if len(output_names) == 1:
        if isinstance(x_weight, (list, tuple)) and len(x_weight) == 1:
            return list(x_weight)
        if isinstance(x_weight, Mapping) and output_names[0] in x_weight:
            return [x_weight[output_names[0]]]
        return [x_weight]
    if isinstance(x_weight, (list, tuple)):
        if len(x_weight) != len(output_names):
            raise ValueError(f"Provided `{weight_type}` was a list of {len(x_weight)} elements, but the model has "
                             f"{len(output_names)} outputs. You should provide one `{weight_type}` array per model "
                             "output.")
        return list(x_weight)
    if isinstance(x_weight, Mapping):
        return [x_weight.get(name) for name in output_names]
    raise TypeError(f"The model has multiple outputs, so `{weight_type}` should be either a list or a dict. Provided "
                    f"`{weight_type}` type not understood: {x_weight}")


def standardize_class_weights(class_weight, output_names):
    """Class weights as a list in the order of the outputs."""
    return standardize_sample_or_class_weights(class_weight, output_names, "class_weight")


def standardize_sample_weights(sample_weight, output_names):
    """Sample weights as a list in the order of the outputs."""
    return standardize_sample_or_class_weights(sample_weight, output_names, "sample_weight")


def check_array_length_consistency(inputs, targets, weights=None):
    """Check that all arrays have the same number of samples.

    # Raises
        ValueError: they have not.
    """
    def lengths(arrays: Any) -> set:
        return {0 if array is None else int(array.shape[0]) for array in arrays or [] if not K.is_tensor(array)} - {0}

    sets = {"input": lengths(inputs), "target": lengths(targets), "sample_weight": lengths(weights)}
    for what, found in sets.items():
        if len(found) > 1:
            raise ValueError(f"All {what} arrays (x, y or weights) should have the same number of samples. Got array "
                             f"shapes: {[getattr(array, 'shape', None) for array in inputs]}")
    if sets["input"] and sets["target"] and sets["input"] != sets["target"]:
        raise ValueError(f"Input arrays should have the same number of samples as target arrays. Found "
                         f"{min(sets['input'])} input samples and {min(sets['target'])} target samples.")
    if sets["target"] and sets["sample_weight"] and sets["target"] != sets["sample_weight"]:
        raise ValueError(f"Sample_weight arrays should have the same number of samples as target arrays. Got "
                         f"{min(sets['sample_weight'])} sample_weight samples and {min(sets['target'])} target "
                         "samples.")


def check_array_lengths(X, Y, W):
    """Check that all arrays have the same number of samples (the name in Keras 1)."""
    check_array_length_consistency(X, Y, W)


def check_loss_and_target_compatibility(targets, loss_fns, output_shapes):
    """Check that the shapes of targets suit the losses.

    # Raises
        ValueError: class numbers for categorical crossentropy, or a target of another shape than the output.
    """
    like_outputs = {losses_module.mean_squared_error, losses_module.binary_crossentropy,
                    losses_module.categorical_crossentropy}
    classes = (losses_module.MeanSquaredError, losses_module.BinaryCrossentropy, losses_module.CategoricalCrossentropy)
    for target, loss, shape in zip(targets, loss_fns, output_shapes):
        if target is None or loss is None or K.is_tensor(target):
            continue
        if losses_module.is_categorical_crossentropy(loss) and target.shape[-1] == 1:
            raise ValueError(
                f"You are passing a target array of shape {target.shape} while using as loss "
                "`categorical_crossentropy`. "
                "`categorical_crossentropy` expects targets to be binary matrices (1s and 0s) of shape (samples, "
                "classes). If your targets are integer classes, use `to_categorical` on them, or the loss "
                "`sparse_categorical_crossentropy`, which expects integer targets."
            )
        if isinstance(loss, classes) or getattr(loss, "fn", loss) in like_outputs:
            for size, wanted in zip(target.shape[1:], shape[1:]):
                if wanted is not None and size != wanted:
                    name = getattr(loss, "name", None) or getattr(loss, "__name__", type(loss).__name__)
                    raise ValueError(f"A target array with shape {target.shape} was passed for an output of shape "
                                     f"{shape} "
                                     f"while using as loss `{name}`. This loss expects targets to have the same "
                                     "shape as "
                                     "the output.")


def check_generator_arguments(y=None, sample_weight=None, validation_split=None):
    """Check that nothing is given beside a generator that its batches say.

    # Raises
        ValueError: something is.
    """
    for name, value in (("y", y), ("sample_weight", sample_weight), ("validation_split", validation_split)):
        if value is not None and not (name == "validation_split" and not value):
            raise ValueError(f"`{name}` argument is not supported when data is a generator or Sequence instance. "
                             "Instead "
                             "pass it with the batches of the generator.")


# ---------------------------------------------------------------------------------------------- batches
def batch_shuffle(index_array, batch_size):
    """Shuffle whole batches of indices; a last one that is not full stays where it is."""
    batches = len(index_array) // batch_size
    last = index_array[batches * batch_size:]
    order = np.asarray(index_array[:batches * batch_size]).reshape((batches, batch_size))
    np.random.shuffle(order)
    return np.append(order.flatten(), last)


def make_batches(size, batch_size):
    """`(start, stop)` of each batch."""
    return [(start, min(size, start + batch_size)) for start in range(0, size, batch_size)]


def slice_X(X, start=None, stop=None):  # noqa: N802
    """Rows of an array or of each array of a list (the name in Keras 1)."""
    return slice_arrays(X, start, stop)


def check_num_samples(ins, batch_size=None, steps=None, steps_name="steps"):
    """The number of samples, or None where the number of steps is given.

    # Raises
        ValueError: neither can be found, or both a batch size and steps are given.
    """
    if steps is not None:
        if batch_size is not None:
            raise ValueError(f"If {steps_name} is set, the `batch_size` must be None.")
        return None
    if not ins or any(K.is_tensor(array) for array in ins):
        raise ValueError(f"If your data is in the form of symbolic tensors, you should specify the `{steps_name}` "
                         "argument "
                         "(instead of the `batch_size` argument).")
    return int(ins[0].shape[0]) if hasattr(ins[0], "shape") else None


def iter_sequence_infinite(seq: Any) -> Iterator:
    """The items of a `Sequence`, over and over."""
    return itertools.chain.from_iterable(seq for _ in itertools.count())


def is_generator_or_sequence(x):
    """Whether `x` gives batches."""
    return is_generator(x) or hasattr(x, "send")


def should_run_validation(validation_freq, epoch):
    """Whether to validate after an epoch (counted from 0)."""
    return _is_validation_epoch(validation_freq, epoch)


def get_static_batch_size(layer):
    """The fixed batch size of the first input of a model, or None."""
    shape = getattr(layer, "batch_input_shape", None) or (layer.input_shape if getattr(layer, "inputs", None) else None)
    return shape[0] if shape else None


# --------------------------------------------------------------------------------------------- weights, losses, metrics
def standardize_weights(y, sample_weight=None, class_weight=None, sample_weight_mode=None):
    """One weight for each sample (or each time step).

    # Arguments
        y: targets.
        sample_weight: weights, or None.
        class_weight: class number -> weight, or None.
        sample_weight_mode: 'temporal' for a weight a time step.

    # Raises
        ValueError: weights of another shape than the targets, or classes without a weight.
    """
    if sample_weight_mode not in {None, "temporal"}:
        raise ValueError(f'"sample_weight_mode" should be None or "temporal", got {sample_weight_mode!r}.')
    wanted = 2 if sample_weight_mode == "temporal" else 1
    if sample_weight_mode == "temporal" and np.ndim(y) < 3:
        raise ValueError(f"Found a target array with shape {np.shape(y)}. Timestep-wise sample weighting "
                         '(sample_weight_mode="temporal") is only supported for data with at least 3 dimensions.')
    if sample_weight is not None and np.ndim(sample_weight) != wanted:
        mode = "temporal" if wanted == 2 else None
        raise ValueError(f"Found a sample_weight array with shape {np.shape(sample_weight)}; with sample_weight_mode="
                         f"{mode!r} {wanted}-D weights are needed. For weights of time steps compile with "
                         'sample_weight_mode="temporal".')
    if sample_weight is not None and np.shape(sample_weight)[0] != np.shape(y)[0]:
        raise ValueError(f"Found a sample_weight array for {np.shape(sample_weight)[0]} samples, while the targets "
                         "have "
                         f"{np.shape(y)[0]}.")
    by_class = None
    if isinstance(class_weight, Mapping):
        if np.ndim(y) > 2:
            raise ValueError("`class_weight` not supported for 3+ dimensional targets.")
        numbers = np.argmax(y, axis=1) if np.ndim(y) == 2 and np.shape(y)[1] > 1 else np.reshape(y, np.shape(y)[0])
        missing = set(np.unique(numbers).tolist()) - set(class_weight)
        if missing:
            raise ValueError(f"`class_weight` must contain all classes in the data. The classes {missing} exist in "
                             "the data "
                             "but not in `class_weight`.")
        by_class = np.asarray([class_weight[number] for number in numbers.tolist()], dtype=K.floatx())
    if by_class is not None:
        return by_class if sample_weight is None else np.asarray(sample_weight) * by_class
    if sample_weight is not None:
        return sample_weight
    return np.ones(np.shape(y)[:wanted], dtype=K.floatx())


def weighted_masked_objective(fn):
    """The loss function with mask and weights: `(y_true, y_pred, weights, mask) -> number`.

    The mean divides by the part of the samples that the mask keeps.
    """
    if fn is None:
        return None

    def weighted(y_true: Any, y_pred: Any, weights: Any, mask: Any = None) -> Any:
        values = fn(y_true, y_pred)
        if mask is not None:
            mask = K.cast(mask, K.dtype(values))
            values = values * align_weights(values, mask)
            values = values / (K.mean(mask) + K.epsilon())
        if weights is not None:
            while K.ndim(values) > K.ndim(weights):
                values = K.mean(values, axis=-1)
            values = values * weights
            values = values / K.mean(K.cast(K.not_equal(weights, 0), K.dtype(values)))
        return K.mean(values)

    return weighted


def weighted_objective(fn):
    """The loss function with mask and weights (the name in Keras 1)."""
    return weighted_masked_objective(fn)


def get_loss_function(loss: Any) -> Any:
    """The `Loss` of a name, function, class or instance; None stays."""
    found = losses_module.get(loss)
    if found is None or isinstance(found, losses_module.Loss):
        return found
    return losses_module.LossFunctionWrapper(found, name=getattr(found, "__name__", None))


def get_metric_name(metric: Any, weighted: bool = False) -> str:
    """The name that a metric has in the results."""
    if isinstance(metric, str):
        return metric
    found: Callable | Any = metrics_module.get(metric)
    return getattr(found, "name", None) or found.__name__
