"""The functions of K that mean something else in Keras 1; all others are those of `symgraph.backend`."""

from __future__ import annotations

from typing import Any

from symgraph import backend as K

__all__ = ["FUNCTIONS", "RENAMES"]

_old_weight_ordering = False


def categorical_crossentropy(output, target, from_logits=False):
    """Crossentropy of one-hot targets: the output comes first."""
    return K.categorical_crossentropy(target, output, from_logits=from_logits)


def sparse_categorical_crossentropy(output, target, from_logits=False):
    """Crossentropy of class numbers: the output comes first."""
    return K.sparse_categorical_crossentropy(target, output, from_logits=from_logits)


def binary_crossentropy(output, target, from_logits=False):
    """Crossentropy of yes/no targets: the output comes first."""
    return K.binary_crossentropy(target, output, from_logits=from_logits)


def pack(x):
    """Stack tensors along a new first axis."""
    return K.stack(x)


def temporal_padding(x, padding=1):
    """`padding` zeros before and after the steps of a (samples, steps, features) tensor."""
    return K.temporal_padding(x, (padding, padding))


def _pairs(padding: Any) -> tuple:
    return tuple((size, size) for size in padding)


def spatial_2d_padding(x, padding=(1, 1), dim_ordering="default"):
    """Zeros around rows and columns."""
    return K.spatial_2d_padding(x, _pairs(padding), data_format=_format(dim_ordering))


def spatial_3d_padding(x, padding=(1, 1, 1), dim_ordering="default"):
    """Zeros around the three spatial axes."""
    return K.spatial_3d_padding(x, _pairs(padding), data_format=_format(dim_ordering))


def _ordering(dim_ordering: Any) -> str:
    if dim_ordering in {"default", None}:
        return K.image_dim_ordering()
    if dim_ordering not in {"th", "tf"}:
        raise ValueError(f"Unknown dim_ordering {dim_ordering!r}; expected 'th', 'tf' or 'default'.")
    return dim_ordering


def _format(dim_ordering: Any) -> str:
    return "channels_first" if _ordering(dim_ordering) == "th" else "channels_last"


def asymmetric_spatial_2d_padding(x, top_pad=1, bottom_pad=1, left_pad=1, right_pad=1, dim_ordering="default"):
    """Zeros around rows and columns, a number for each side."""
    return K.spatial_2d_padding(x, ((top_pad, bottom_pad), (left_pad, right_pad)), data_format=_format(dim_ordering))


def conv1d(x, kernel, stride=1, border_mode="valid", image_shape=None, filter_shape=None):
    """Convolution over steps."""
    return K.conv1d(x, kernel, strides=stride, padding=border_mode)


def conv2d(x, kernel, strides=(1, 1), border_mode="valid", dim_ordering="default", image_shape=None, filter_shape=None,
           filter_dilation=(1, 1)):
    """2-D convolution; with 'th' kernels are (outputs, inputs, rows, columns)."""
    return K.conv2d(x, kernel, strides=strides, border_mode=border_mode, dim_ordering=_ordering(dim_ordering),
                    dilation_rate=filter_dilation)


def deconv2d(x, kernel, output_shape, strides=(1, 1), border_mode="valid", dim_ordering="default", image_shape=None,
             filter_shape=None):
    """Transposed 2-D convolution."""
    return K.conv2d_transpose(x, kernel, output_shape, strides=strides, border_mode=border_mode,
                              dim_ordering=_ordering(dim_ordering))


def atrous_conv2d(x, kernel, rate=1, border_mode="valid", dim_ordering="default", image_shape=None, filter_shape=None):
    """2-D convolution with a kernel that is spread by `rate`."""
    return conv2d(x, kernel, border_mode=border_mode, dim_ordering=dim_ordering, filter_dilation=(rate, rate))


def conv3d(x, kernel, strides=(1, 1, 1), border_mode="valid", dim_ordering="default", volume_shape=None,
           filter_shape=None):
    """3-D convolution; with 'th' kernels are (outputs, inputs, *window)."""
    return K.conv3d(x, kernel, strides=strides, border_mode=border_mode, dim_ordering=_ordering(dim_ordering))


def separable_conv2d(x, depthwise_kernel, pointwise_kernel, strides=(1, 1), border_mode="valid",
                     dim_ordering="default"):
    """2-D convolution of each channel, then one over the channels."""
    return K.separable_conv2d(x, depthwise_kernel, pointwise_kernel, strides=strides, border_mode=border_mode,
                              dim_ordering=_ordering(dim_ordering))


def random_uniform(shape, low=0.0, high=1.0, dtype=None, seed=None):
    """Uniform numbers from `low` to `high`."""
    return K.random_uniform(shape, low, high, dtype=dtype, seed=seed)


def random_normal(shape, mean=0.0, std=1.0, dtype=None, seed=None):
    """Normal numbers."""
    return K.random_normal(shape, mean, std, dtype=dtype, seed=seed)


def in_train_phase(x, alt):
    """`x` in training, else `alt`."""
    return K.in_train_phase(x, alt)


def in_test_phase(x, alt):
    """`x` in testing, else `alt`."""
    return K.in_test_phase(x, alt)


def legacy_weight_ordering():
    """Whether weights are loaded in the order of files from before Keras 1.0.3."""
    return _old_weight_ordering


def set_legacy_weight_ordering(value):
    """Set the order in which weights are loaded.

    # Raises
        AssertionError: no boolean.
    """
    global _old_weight_ordering
    assert value in {True, False}, f"expected True or False, got {value!r}"
    _old_weight_ordering = value


class Function:
    """Runs a computation graph, see `K.function`.

    # Arguments
        inputs: list of placeholders.
        outputs: list of tensors.
        updates: list of updates.
    """

    def __init__(self, inputs, outputs, updates=[]):  # noqa: B006
        self.inputs, self.outputs, self.updates = inputs, outputs, updates
        self._function = K.function(list(inputs), list(outputs), updates=list(updates))

    def __call__(self, inputs):
        return self._function(list(inputs))


def function(inputs, outputs, updates=[], **kwargs):  # noqa: B006
    """A function from lists of arrays to lists of arrays; see `symgraph.backend.function`."""
    return K.function(list(inputs), list(outputs), updates=list(updates))


FUNCTIONS = {name: value for name, value in list(globals().items())
             if callable(value) and getattr(value, "__module__", "") == __name__ and not name.startswith("_")}

#: Arguments with other names, for functions that mean the same: function -> {old: new}.
RENAMES: dict[str, dict[str, str]] = {
    "batch_get_value": {"xs": "ops"},
    "moving_average_update": {"variable": "x"},
    "standardize_input_data": {"check_batch_dim": "check_batch_axis"},
    "check_loss_and_target_compatibility": {"losses": "loss_fns"},
}
#: The names that Keras 2 gave some functions.
NEW_NAMES = {"lesser": "less", "lesser_equal": "less_equal"}
