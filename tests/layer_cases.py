"""The cases of the layer contract: for each public class its argument sets, with the shapes of the inputs."""

from __future__ import annotations

import numpy as np

from symgraph import layers
from symgraph.engine import Input, Model
from symgraph.legacy import layers as legacy

SEQUENCE = (5, 3)
IMAGE = (6, 5, 2)
VOLUME = (4, 5, 4, 2)
MOVIE = (3, 5, 4, 2)


def first(shape):
    """A shape with its channels first."""
    return (shape[-1], *shape[:-1])


PENALTIES = {"kernel_regularizer": "l2", "bias_regularizer": "l1", "kernel_constraint": "max_norm",
             "bias_constraint": "non_neg", "kernel_initializer": "he_normal", "bias_initializer": "ones"}

#: class name -> list of (arguments, shape of the input without the batch, or a list of shapes). The inner layer of a
#: wrapper and the cell of a loop are functions that make one.
CASES = {
    "Activation": [({"activation": "tanh"}, (4,)), ({"activation": "softmax"}, (3, 4))],
    "ActivityRegularization": [({"l1": 0.1, "l2": 0.2}, (4,))],
    "Add": [({}, [(4,), (4,)]), ({}, [(3, 4), (3, 4), (4,)])],
    "AdditiveAttention": [({}, [(3, 4), (5, 4)]), ({"use_scale": False, "causal": True}, [(3, 4), (3, 2), (3, 4)])],
    "AlphaDropout": [({"rate": 0.3}, (4,)), ({"rate": 0.3, "noise_shape": (None, 1, 4), "seed": 1}, (3, 4))],
    "Attention": [({}, [(3, 4), (5, 4)]), ({"use_scale": True, "causal": True, "dropout": 0.1}, [(3, 4), (3, 2), (3,
                                                                                                                  4)])],
    "Average": [({}, [(4,), (4,), (4,)])],
    "AveragePooling1D": [({}, SEQUENCE), ({"pool_size": 3, "strides": 1, "padding": "same"}, SEQUENCE),
                         ({"data_format": "channels_first"}, first(SEQUENCE))],
    "AveragePooling2D": [({}, IMAGE), ({"pool_size": 3, "strides": 2, "padding": "same"}, IMAGE)],
    "AveragePooling3D": [({}, VOLUME), ({"pool_size": (2, 3, 2), "strides": 1, "padding": "same"}, VOLUME)],
    "BatchNormalization": [({}, (4,)), ({"axis": 1, "scale": False}, (3, 4)), ({"center": False}, IMAGE)],
    "Bidirectional": [
        ({"layer": lambda: layers.LSTM(2)}, SEQUENCE),
        ({"layer": lambda: layers.GRU(2, return_sequences=True), "merge_mode": "sum"}, SEQUENCE),
        ({"layer": lambda: layers.SimpleRNN(2, return_sequences=True), "merge_mode": "mul"}, SEQUENCE),
        ({"layer": lambda: layers.SimpleRNN(2), "merge_mode": "ave"}, SEQUENCE),
        ({"layer": lambda: layers.SimpleRNN(2, return_sequences=True), "merge_mode": None}, SEQUENCE),
        ({"layer": lambda: layers.GRU(2, return_state=True)}, SEQUENCE),
        ({"layer": lambda: layers.RNN([layers.LSTMCell(2), layers.GRUCell(3)])}, SEQUENCE),
        ({"layer": lambda: layers.CuDNNGRU(2)}, SEQUENCE),
    ],
    "Concatenate": [({}, [(4,), (2,)]), ({"axis": 1}, [(3, 4), (2, 4)])],
    "Conv1D": [({"filters": 2, "kernel_size": 3}, SEQUENCE),
               ({"filters": 2, "kernel_size": 2, "padding": "causal", "dilation_rate": 2}, SEQUENCE),
               ({"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same", "use_bias": False}, SEQUENCE),
               ({"filters": 2, "kernel_size": 3, "data_format": "channels_first"}, first(SEQUENCE))],
    "Conv2D": [({"filters": 3, "kernel_size": 3}, IMAGE),
               ({"filters": 3, "kernel_size": (2, 3), "strides": 2, "padding": "same", "use_bias": False}, IMAGE),
               ({"filters": 2, "kernel_size": 2, "dilation_rate": 2, "activation": "relu"}, IMAGE),
               ({"filters": 3, "kernel_size": 3, "data_format": "channels_first", **PENALTIES}, first(IMAGE))],
    "Conv2DTranspose": [({"filters": 3, "kernel_size": 3}, IMAGE),
                        ({"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same", "use_bias": False}, IMAGE),
                        ({"filters": 2, "kernel_size": 3, "strides": (2, 3), "output_padding": 1}, IMAGE),
                        ({"filters": 2, "kernel_size": 2, "dilation_rate": 2}, IMAGE),
                        ({"filters": 3, "kernel_size": 2, "data_format": "channels_first"}, first(IMAGE))],
    "Conv3D": [({"filters": 2, "kernel_size": 2}, VOLUME),
               ({"filters": 2, "kernel_size": (1, 2, 3), "strides": 2, "padding": "same"}, VOLUME),
               ({"filters": 2, "kernel_size": 2, "data_format": "channels_first"}, first(VOLUME))],
    "Conv3DTranspose": [({"filters": 2, "kernel_size": 2}, VOLUME),
                        ({"filters": 2, "kernel_size": 2, "strides": 2, "padding": "same"}, VOLUME),
                        ({"filters": 2, "kernel_size": 2, "data_format": "channels_first"}, first(VOLUME))],
    "ConvLSTM2D": [({"filters": 2, "kernel_size": 2}, MOVIE),
                   ({"filters": 2, "kernel_size": (2, 3), "padding": "same", "return_sequences": True, "strides": 2,
                     "dropout": 0.2, "recurrent_dropout": 0.2}, MOVIE),
                   ({"filters": 2, "kernel_size": 2, "data_format": "channels_first", "go_backwards": True,
                     "use_bias": False, "return_state": True, "dilation_rate": 2}, (3, 2, 5, 4))],
    "ConvRNN2D": [({"cell": lambda: layers.ConvLSTM2DCell(2, 2)}, MOVIE)],
    "Cropping1D": [({}, SEQUENCE), ({"cropping": (0, 2)}, SEQUENCE)],
    "Cropping2D": [({"cropping": ((1, 0), (2, 1))}, IMAGE), ({"cropping": 1}, IMAGE),
                   ({"cropping": (1, 2), "data_format": "channels_first"}, first(IMAGE))],
    "Cropping3D": [({}, VOLUME), ({"cropping": ((1, 0), (0, 1), (1, 1)), "data_format": "channels_first"},
                                  first(VOLUME))],
    "CuDNNGRU": [({"units": 2}, SEQUENCE), ({"units": 2, "return_sequences": True, "return_state": True}, SEQUENCE)],
    "CuDNNLSTM": [({"units": 2}, SEQUENCE), ({"units": 2, "return_sequences": True, "unit_forget_bias": False},
                                             SEQUENCE)],
    "Dense": [({"units": 3}, (4,)), ({"units": 3, "activation": "relu", "use_bias": False}, (5, 4)),
              ({"units": 2, "activity_regularizer": "l1", **PENALTIES}, (4,))],
    "DepthwiseConv2D": [({"kernel_size": 3}, IMAGE),
                        ({"kernel_size": 2, "depth_multiplier": 2, "strides": 2, "padding": "same"}, IMAGE),
                        ({"kernel_size": 2, "dilation_rate": 2, "use_bias": False}, IMAGE),
                        ({"kernel_size": 2, "depth_multiplier": 2, "data_format": "channels_first"}, first(IMAGE))],
    "Dot": [({"axes": 1}, [(4,), (4,)]), ({"axes": (2, 1), "normalize": True}, [(3, 4), (4, 2)]),
            ({"axes": -1}, [(3, 4), (4,)])],
    "Dropout": [({"rate": 0.5}, (4,)), ({"rate": 0.3, "noise_shape": (None, 1, 4), "seed": 3}, (3, 4))],
    "ELU": [({"alpha": 0.5}, (4,))],
    "Embedding": [({"input_dim": 6, "output_dim": 2}, (4,)),
                  ({"input_dim": 6, "output_dim": 2, "input_length": 4, "mask_zero": True,
                    "embeddings_constraint": "unit_norm", "embeddings_regularizer": "l2"}, (4,))],
    "Flatten": [({}, (3, 4)), ({"data_format": "channels_first"}, IMAGE)],
    "GRU": [({"units": 2}, SEQUENCE),
            ({"units": 2, "reset_after": True, "return_sequences": True, "return_state": True}, SEQUENCE),
            ({"units": 2, "implementation": 1, "dropout": 0.3, "recurrent_dropout": 0.2, "go_backwards": True},
             SEQUENCE),
            ({"units": 2, "dropout": 0.3, "recurrent_dropout": 0.2, "unroll": True, "use_bias": False}, SEQUENCE)],
    "GaussianDropout": [({"rate": 0.3}, (4,))],
    "GaussianNoise": [({"stddev": 0.3}, (4,))],
    "GlobalAveragePooling1D": [({}, SEQUENCE), ({"data_format": "channels_first"}, first(SEQUENCE))],
    "GlobalAveragePooling2D": [({}, IMAGE), ({"data_format": "channels_first"}, IMAGE)],
    "GlobalAveragePooling3D": [({}, VOLUME), ({"data_format": "channels_first"}, VOLUME)],
    "GlobalMaxPooling1D": [({}, SEQUENCE), ({"data_format": "channels_first"}, first(SEQUENCE))],
    "GlobalMaxPooling2D": [({}, IMAGE)],
    "GlobalMaxPooling3D": [({}, VOLUME)],
    "GroupNormalization": [({"groups": 2}, (3, 4)), ({"groups": -1, "axis": 1, "center": False}, IMAGE)],
    "LSTM": [({"units": 2}, SEQUENCE),
             ({"units": 2, "return_sequences": True, "return_state": True, "unit_forget_bias": False}, SEQUENCE),
             ({"units": 2, "implementation": 1, "dropout": 0.3, "recurrent_dropout": 0.2}, SEQUENCE),
             ({"units": 2, "go_backwards": True, "activation": "relu", "recurrent_activation": "hard_sigmoid",
               "recurrent_regularizer": "l2", "recurrent_constraint": "max_norm", **PENALTIES}, SEQUENCE)],
    "Lambda": [({"function": lambda x: x * 2.0}, (4,))],
    "LayerNormalization": [({}, (4,)), ({"axis": (1, 2), "scale": False}, (3, 4)), ({"axis": 1, "epsilon": 0.1}, (3,
                                                                                                                  4))],
    "LeakyReLU": [({"alpha": 0.2}, (4,))],
    "LocallyConnected1D": [({"filters": 2, "kernel_size": 2}, SEQUENCE),
                           ({"filters": 2, "kernel_size": 3, "strides": 2, "data_format": "channels_first",
                             "activation": "tanh"}, first(SEQUENCE)),
                           ({"filters": 2, "kernel_size": 3, "padding": "same", "implementation": 2}, SEQUENCE)],
    "LocallyConnected2D": [({"filters": 2, "kernel_size": 3}, IMAGE),
                           ({"filters": 2, "kernel_size": (2, 3), "strides": (2, 1), "data_format": "channels_first",
                             "use_bias": False}, first(IMAGE)),
                           ({"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same", "implementation": 2},
                            IMAGE),
                           ({"filters": 2, "kernel_size": 3, "implementation": 2, "data_format": "channels_first"},
                            first(IMAGE))],
    "Masking": [({"mask_value": 0.5}, (3, 4))],
    "MaxPooling1D": [({}, SEQUENCE), ({"pool_size": 3, "strides": 2, "padding": "same"}, SEQUENCE)],
    "MaxPooling2D": [({}, IMAGE), ({"pool_size": (3, 2), "strides": 1, "padding": "same"}, IMAGE),
                     ({"data_format": "channels_first"}, first(IMAGE))],
    "MaxPooling3D": [({}, VOLUME), ({"data_format": "channels_first", "strides": 1}, first(VOLUME))],
    "Maximum": [({}, [(4,), (4,)])],
    "Minimum": [({}, [(4,), (4,)])],
    "MultiHeadAttention": [({"num_heads": 2, "key_dim": 3}, [(3, 4), (5, 2)]),
                           ({"num_heads": 2, "key_dim": 3, "value_dim": 2, "output_shape": 5, "use_bias": False,
                             "dropout": 0.1}, [(3, 4), (5, 2), (5, 3)]),
                           ({"num_heads": 2, "key_dim": 3, "attention_axes": (2,), "output_shape": (2, 3)},
                            [(2, 3, 4), (2, 5, 4)])],
    "Multiply": [({}, [(4,), (4,)])],
    "PReLU": [({}, (4,)), ({"shared_axes": [1, 2], "alpha_initializer": "ones"}, IMAGE)],
    "Permute": [({"dims": (2, 1)}, (3, 4))],
    "RNN": [({"cell": lambda: layers.SimpleRNNCell(2)}, SEQUENCE),
            ({"cell": lambda: [layers.LSTMCell(2), layers.GRUCell(3, dropout=0.2)], "return_sequences": True,
              "return_state": True}, SEQUENCE),
            ({"cell": lambda: layers.StackedRNNCells([layers.GRUCell(2, reset_after=True), layers.LSTMCell(2)]),
              "go_backwards": True}, SEQUENCE)],
    "ReLU": [({"max_value": 1.0, "negative_slope": 0.1, "threshold": 0.2}, (4,))],
    "RepeatVector": [({"n": 3}, (4,))],
    "Reshape": [({"target_shape": (2, -1)}, (3, 4))],
    "SeparableConv1D": [({"filters": 2, "kernel_size": 3}, SEQUENCE),
                        ({"filters": 2, "kernel_size": 2, "depth_multiplier": 2, "padding": "causal",
                          "activation": "tanh"}, SEQUENCE)],
    "SeparableConv2D": [({"filters": 2, "kernel_size": 3}, IMAGE),
                        ({"filters": 3, "kernel_size": 2, "depth_multiplier": 2, "strides": 2, "padding": "same",
                          "use_bias": False}, IMAGE),
                        ({"filters": 2, "kernel_size": 2, "data_format": "channels_first", "dilation_rate": 2},
                         first(IMAGE))],
    "SimpleRNN": [({"units": 2}, SEQUENCE),
                  ({"units": 2, "return_sequences": True, "return_state": True, "use_bias": False,
                    "activation": "relu"}, SEQUENCE),
                  ({"units": 2, "dropout": 0.3, "recurrent_dropout": 0.3, "activity_regularizer": "l2"}, SEQUENCE)],
    "Softmax": [({"axis": 1}, (3, 4))],
    "SpatialDropout1D": [({"rate": 0.5}, SEQUENCE)],
    "SpatialDropout2D": [({"rate": 0.5}, IMAGE), ({"rate": 0.5, "data_format": "channels_first"}, first(IMAGE))],
    "SpatialDropout3D": [({"rate": 0.5}, VOLUME)],
    "Subtract": [({}, [(4,), (4,)])],
    "ThresholdedReLU": [({"theta": 0.1}, (4,))],
    "TimeDistributed": [({"layer": lambda: layers.Dense(2)}, SEQUENCE),
                        ({"layer": lambda: layers.Conv2D(2, 2)}, MOVIE),
                        ({"layer": lambda: layers.LSTM(2)}, (3, *SEQUENCE)),
                        ({"layer": lambda: _inner_model()}, SEQUENCE),
                        ({"layer": lambda: layers.BatchNormalization()}, SEQUENCE),
                        ({"layer": lambda: layers.Embedding(6, 2)}, (3, 2)),
                        ({"layer": lambda: layers.Dot(1)}, [SEQUENCE, SEQUENCE])],
    "UpSampling1D": [({}, SEQUENCE), ({"size": 3}, SEQUENCE)],
    "UpSampling2D": [({"size": (2, 3)}, IMAGE), ({"interpolation": "bilinear"}, IMAGE),
                     ({"data_format": "channels_first"}, first(IMAGE))],
    "UpSampling3D": [({}, VOLUME), ({"size": (1, 2, 3), "data_format": "channels_first"}, first(VOLUME))],
    "ZeroPadding1D": [({}, SEQUENCE), ({"padding": (0, 2)}, SEQUENCE)],
    "ZeroPadding2D": [({"padding": ((1, 0), (2, 1))}, IMAGE), ({"padding": (1, 2)}, IMAGE),
                      ({"data_format": "channels_first"}, first(IMAGE))],
    "ZeroPadding3D": [({}, VOLUME), ({"padding": ((1, 0), (0, 1), (2, 1)), "data_format": "channels_first"},
                                     first(VOLUME))],
}

LEGACY_CASES = {
    "Highway": [({}, (4,)), ({"activation": "tanh", "bias": False, "W_regularizer": "l2", "transform_bias": -1}, (4,))],
    "MaxoutDense": [({"output_dim": 2}, (4,)), ({"output_dim": 2, "nb_feature": 3, "bias": False}, (4,))],
    "Merge": [({"mode": mode}, [(4,), (4,)]) for mode in ("sum", "mul", "ave", "max", "concat", "dot", "cos")]
    + [({"mode": lambda x: x[0] - x[1]}, [(4,), (4,)]), ({"mode": "dot", "dot_axes": (2, 2)}, [(3, 4), (2, 4)])],
    "ParametricSoftplus": [({}, (4,))],
    "SReLU": [({"a_right_init": "uniform"}, (4,)), ({"t_left_init": "normal", "a_right_init": "uniform"}, (3, 4))],
    "TimeDistributedDense": [({"output_dim": 2}, SEQUENCE), ({"output_dim": 2, "activation": "tanh"}, SEQUENCE)],
}

#: Classes that are no layers of their own: the bases, and the cells, with the class whose cases hold them.
WITHOUT_CASES = {
    "Layer": None, "InputLayer": None, "Wrapper": None, "Recurrent": None, "ConvRecurrent2D": None,
    "SimpleRNNCell": "RNN", "GRUCell": "RNN", "LSTMCell": "RNN", "StackedRNNCells": "RNN",
    "ConvLSTM2DCell": "ConvRNN2D",
}

ALL = [(name, number) for table in (CASES, LEGACY_CASES) for name, cases in sorted(table.items())
       for number in range(len(cases))]


def _inner_model():
    inputs = Input((3,))
    return Model(inputs, layers.Dense(2, activation="tanh")(layers.Dense(4)(inputs)))


def case(name, number):
    """Class, arguments and input shapes of a case."""
    table, module = (CASES, layers) if name in CASES else (LEGACY_CASES, legacy)
    arguments, shapes = table[name][number]
    made = {key: value() if key in ("layer", "cell") else value for key, value in arguments.items()}
    return getattr(module, name), made, shapes


def takes_numbers(layer):
    return "Embedding" in (type(layer).__name__, type(getattr(layer, "layer", None)).__name__)


def build(name, number, dtype=None):
    """A layer of a case, a model of it, and data for it (a list of arrays)."""
    kind, arguments, shapes = case(name, number)
    layer = kind(**arguments, **({"dtype": dtype} if dtype else {}))
    several = isinstance(shapes, list)
    inputs = [Input(shape, dtype=dtype) for shape in (shapes if several else [shapes])]
    output = layer(inputs if several else inputs[0])
    rng = np.random.default_rng(number)
    data = [rng.integers(0, 6, (4, *shape)).astype("float32") if takes_numbers(layer) else
            rng.normal(size=(4, *shape)).astype("float32") for shape in (shapes if several else [shapes])]
    return layer, Model(inputs, output), data
