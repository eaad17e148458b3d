"""Which arguments Keras 1 named otherwise: one table for layers, models, optimizers, callbacks and functions.

A key is the name of a class, `Class.method`, or the name of a function. The facts are those of the documented
signatures of Keras 1.1.2 and of the compatibility rules that Keras 2.3.1 documents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from symgraph.legacy import forms

__all__ = ["ORDERINGS", "RULES", "Rule"]


@dataclass(frozen=True)
class Rule:
    """How a call in the words of Keras 1 becomes a call in those of Keras 2.

    # Arguments
        rename: old name -> new name.
        values: old name -> {old value: new value}; other values stay.
        order: the positional arguments of Keras 1, in order.
        shared: how many leading positional arguments mean the same in both generations.
        is_old: tells from the arguments alone that a call is written in the order of Keras 1.
        convert: `(keyword arguments) -> None`, changes what a name for a name cannot say (`nb_row, nb_col`).
        also: further old names, which `convert` takes care of.
        ignored: old name -> why it has no effect.
    """

    rename: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[Any, Any]] = field(default_factory=dict)
    order: Sequence[str] = ()
    shared: int = 0
    is_old: Callable[[tuple, Mapping], bool] | None = None
    convert: Callable[[dict], None] | None = None
    also: tuple[str, ...] = ()
    ignored: Mapping[str, str] = field(default_factory=dict)

    @property
    def old_names(self) -> frozenset[str]:
        """Every keyword that only Keras 1 has."""
        return frozenset((*self.rename, *self.also, *self.ignored))


ORDERINGS: dict[Any, Any] = {"th": "channels_first", "tf": "channels_last", "default": None}

_WEIGHTS = {"init": "kernel_initializer", "W_regularizer": "kernel_regularizer", "b_regularizer": "bias_regularizer",
            "W_constraint": "kernel_constraint", "b_constraint": "bias_constraint", "bias": "use_bias"}
_BOX = {"border_mode": "padding", "dim_ordering": "data_format"}
_BOX_VALUES = {"dim_ordering": ORDERINGS}
_CONV_TAIL = ("activation", "weights", "border_mode", "subsample", "dim_ordering", "W_regularizer", "b_regularizer",
              "activity_regularizer", "W_constraint", "b_constraint", "bias")
_CONV1D_TAIL = ("init", "activation", "weights", "border_mode", "subsample_length", "W_regularizer", "b_regularizer",
                "activity_regularizer", "W_constraint", "b_constraint", "bias", "input_dim", "input_length")

_CONV1D = {"nb_filter": "filters", "filter_length": "kernel_size", "subsample_length": "strides",
           "border_mode": "padding", **_WEIGHTS}
_CONV = {"nb_filter": "filters", "subsample": "strides", **_BOX, **_WEIGHTS}
_RECURRENT = {"output_dim": "units", "init": "kernel_initializer", "inner_init": "recurrent_initializer",
              "inner_activation": "recurrent_activation", "W_regularizer": "kernel_regularizer",
              "U_regularizer": "recurrent_regularizer", "b_regularizer": "bias_regularizer", "dropout_W": "dropout",
              "dropout_U": "recurrent_dropout", "consume_less": "implementation"}
_RECURRENT_TAIL = ("W_regularizer", "U_regularizer", "b_regularizer", "dropout_W", "dropout_U")
#: Keras 1's 'cpu' and 'mem' made one product a gate, 'gpu' one for all gates.
_CONSUME_LESS = {"consume_less": {"cpu": 1, "mem": 1, "gpu": 2}}


def _conv(rank: int, **more: Any) -> Rule:
    sizes = forms.KERNEL_SIZES[rank]
    return Rule(rename={**_CONV, **more.pop("rename", {})}, values=_BOX_VALUES,
                order=("nb_filter", *sizes, "init", *_CONV_TAIL), shared=2,
                is_old=forms.counts(rank + 1), convert=forms.kernel_size(rank), also=(*sizes, *more.pop("also", ())),
                **more)


_POOL = Rule(rename=_BOX, values=_BOX_VALUES, order=("pool_size", "strides", "border_mode", "dim_ordering"), shared=4)
_POOL1D = Rule(rename={"pool_length": "pool_size", "stride": "strides", "border_mode": "padding"},
               order=("pool_length", "stride", "border_mode"), shared=3)
_ORDERED = Rule(rename={"dim_ordering": "data_format"}, values=_BOX_VALUES)
_SPATIAL_DROPOUT = Rule(rename={"p": "rate", "dim_ordering": "data_format"}, values=_BOX_VALUES,
                        order=("p", "dim_ordering"), shared=1)
_CONV1D_RULE = Rule(rename=_CONV1D, order=("nb_filter", "filter_length", *_CONV1D_TAIL), shared=2,
                    convert=forms.sequence_input, also=())
_GENERATOR = {"nb_epoch": "epochs", "nb_val_samples": "validation_steps", "max_q_size": "max_queue_size",
              "nb_worker": "workers", "pickle_safe": "use_multiprocessing"}

RULES: dict[str, Rule] = {
    # ------------------------------------------------------------------------------------------ layers
    "InputLayer": Rule(rename={"input_dtype": "dtype"}),
    "Dense": Rule(rename={"output_dim": "units", **_WEIGHTS},
                  order=("output_dim", "init", "activation", "weights", "W_regularizer", "b_regularizer",
                         "activity_regularizer", "W_constraint", "b_constraint", "bias", "input_dim"), shared=1),
    "Dropout": Rule(rename={"p": "rate"}),
    "SpatialDropout1D": Rule(rename={"p": "rate"}),
    "SpatialDropout2D": _SPATIAL_DROPOUT,
    "SpatialDropout3D": _SPATIAL_DROPOUT,
    "GaussianNoise": Rule(rename={"sigma": "stddev"}),
    "GaussianDropout": Rule(rename={"p": "rate"}),
    "Conv1D": _CONV1D_RULE,
    "LocallyConnected1D": _CONV1D_RULE,
    "Conv2D": _conv(2),
    "LocallyConnected2D": _conv(2),
    "Conv3D": _conv(3),
    "Conv2DTranspose": Rule(
        rename=_CONV, values=_BOX_VALUES,
        order=("nb_filter", "nb_row", "nb_col", "output_shape", "init", *_CONV_TAIL), shared=2,
        is_old=forms.counts(3), convert=forms.deconvolution, also=("nb_row", "nb_col", "output_shape")),
    "SeparableConv2D": Rule(
        rename={**_CONV, "depthwise_init": "depthwise_initializer"}, values=_BOX_VALUES,
        order=("nb_filter", "nb_row", "nb_col", "init", "activation", "weights", "border_mode", "subsample",
               "depth_multiplier", "dim_ordering", "depthwise_regularizer", "pointwise_regularizer", "b_regularizer",
               "activity_regularizer", "depthwise_constraint", "pointwise_constraint", "b_constraint", "bias"),
        shared=2, is_old=forms.counts(3), convert=forms.separable, also=("nb_row", "nb_col")),
    "ConvLSTM2D": Rule(
        rename={**_CONV, "inner_init": "recurrent_initializer", "inner_activation": "recurrent_activation",
                "U_regularizer": "recurrent_regularizer", "dropout_W": "dropout", "dropout_U": "recurrent_dropout"},
        values=_BOX_VALUES,
        order=("nb_filter", "nb_row", "nb_col", "init", "inner_init", "forget_bias_init", "activation",
               "inner_activation", "dim_ordering", "border_mode", "subsample", "W_regularizer", "U_regularizer",
               "b_regularizer", "dropout_W", "dropout_U"),
        shared=2, is_old=forms.counts(3), convert=forms.convolutional_lstm,
        also=("nb_row", "nb_col", "forget_bias_init")),
    "UpSampling1D": Rule(rename={"length": "size"}),
    "UpSampling2D": _ORDERED,
    "UpSampling3D": _ORDERED,
    "ZeroPadding2D": Rule(rename={"dim_ordering": "data_format"}, values=_BOX_VALUES, order=("padding", "dim_ordering"),
                          shared=2, is_old=forms.four_sides, convert=forms.sides_2d),
    "ZeroPadding1D": Rule(order=("padding",), shared=1, is_old=forms.named_sides, convert=forms.sides_1d),
    "ZeroPadding3D": _ORDERED,
    "Cropping2D": _ORDERED,
    "Cropping3D": _ORDERED,
    "MaxPooling1D": _POOL1D,
    "AveragePooling1D": _POOL1D,
    "MaxPooling2D": _POOL,
    "AveragePooling2D": _POOL,
    "MaxPooling3D": _POOL,
    "AveragePooling3D": _POOL,
    "GlobalMaxPooling2D": _ORDERED,
    "GlobalAveragePooling2D": _ORDERED,
    "GlobalMaxPooling3D": _ORDERED,
    "GlobalAveragePooling3D": _ORDERED,
    "SimpleRNN": Rule(rename=_RECURRENT, values=_CONSUME_LESS,
                      order=("output_dim", "init", "inner_init", "activation", *_RECURRENT_TAIL), shared=1,
                      convert=forms.sequence_input),
    "GRU": Rule(rename=_RECURRENT, values=_CONSUME_LESS,
                order=("output_dim", "init", "inner_init", "activation", "inner_activation", *_RECURRENT_TAIL),
                shared=1,
                convert=forms.sequence_input),
    "LSTM": Rule(rename=_RECURRENT, values=_CONSUME_LESS,
                 order=("output_dim", "init", "inner_init", "forget_bias_init", "activation", "inner_activation",
                        *_RECURRENT_TAIL), shared=1,
                 convert=forms.long_short_term, also=("forget_bias_init",)),
    "Embedding": Rule(rename={"init": "embeddings_initializer", "W_regularizer": "embeddings_regularizer",
                              "W_constraint": "embeddings_constraint"},
                      order=("input_dim", "output_dim", "init", "input_length", "W_regularizer", "activity_regularizer",
                             "W_constraint", "mask_zero", "weights", "dropout"), shared=2,
                      ignored={"dropout": "Keras 2 layers do not drop whole words; put SpatialDropout1D after the "
                                          "Embedding, or use symgraph.keras1.layers.Embedding"}),
    "BatchNormalization": Rule(rename={"beta_init": "beta_initializer", "gamma_init": "gamma_initializer"},
                               order=("epsilon", "mode", "axis", "momentum", "weights", "beta_init", "gamma_init",
                                      "gamma_regularizer", "beta_regularizer"),
                               convert=forms.normalization_mode, also=("mode",)),
    "PReLU": Rule(rename={"init": "alpha_initializer"}, order=("init", "weights", "shared_axes"), shared=1),
    # ------------------------------------------------------------------------------------------ models
    "Network": Rule(rename={"input": "inputs", "output": "outputs"}),
    "Model.fit": Rule(rename={"nb_epoch": "epochs"}),
    "Model.fit_generator": Rule(rename=_GENERATOR,
                                order=("self", "generator", "samples_per_epoch", "nb_epoch", "verbose", "callbacks",
                                       "validation_data", "nb_val_samples", "class_weight", "max_q_size", "nb_worker",
                                       "pickle_safe"),
                                shared=6, convert=forms.samples_to_steps, also=("samples_per_epoch",)),
    "Model.evaluate_generator": Rule(rename={**_GENERATOR, "val_samples": "steps"}, convert=forms.evaluation_steps,
                                     shared=9),
    "Model.predict_generator": Rule(rename={**_GENERATOR, "val_samples": "steps"}, convert=forms.evaluation_steps,
                                    shared=9),
    # ------------------------------------------------------------------------------------------ the rest
    "Optimizer.get_updates": Rule(order=("self", "params", "constraints", "loss"), also=("constraints",),
                                  is_old=forms.three_parts, convert=forms.constraints_of_parameters, shared=0),
    "ReduceLROnPlateau": Rule(rename={"epsilon": "min_delta"}),
    "to_categorical": Rule(rename={"nb_classes": "num_classes"}),
    "Tokenizer": Rule(rename={"nb_words": "num_words"}),
    **dict.fromkeys(("NumpyArrayIterator", "DirectoryIterator"), _ORDERED),
    **dict.fromkeys(("random_rotation", "random_shift", "random_shear", "random_zoom"), Rule(rename={
        "row_index": "row_axis", "col_index": "col_axis", "channel_index": "channel_axis"})),
    "random_channel_shift": Rule(rename={"intensity": "intensity_range", "channel_index": "channel_axis"}),
    "ImageDataGenerator": Rule(rename={"dim_ordering": "data_format"}, values=_BOX_VALUES),
    "array_to_img": Rule(rename={"dim_ordering": "data_format"}, values=_BOX_VALUES),
    "img_to_array": Rule(rename={"dim_ordering": "data_format"}, values=_BOX_VALUES),
    "load_data": Rule(rename={"nb_words": "num_words"}),
    "validate_file": Rule(rename={"md5_hash": "file_hash"}),
    # ------------------------------------------------------------------------------------------ K
    "backend.expand_dims": Rule(rename={"dim": "axis"}),
    "backend.one_hot": Rule(rename={"nb_classes": "num_classes"}),
    "backend.random_normal": Rule(rename={"std": "stddev"}),
    "backend.random_uniform": Rule(rename={"low": "minval", "high": "maxval"}),
    "backend.random_normal_variable": Rule(rename={"std": "scale"}),
    "backend.resize_images": Rule(rename={"X": "x", "dim_ordering": "data_format"}, values=_BOX_VALUES),
    "backend.resize_volumes": Rule(rename={"X": "x", "dim_ordering": "data_format"}, values=_BOX_VALUES),
    "backend.spatial_2d_padding": _ORDERED,
    "backend.spatial_3d_padding": _ORDERED,
}
