"""The layers, by family: core, convolutional, pooling, normalization, merge ..."""
# ruff: noqa: E402 - the guard comes before the imports
if __name__ != "symgraph.layers":  # a bare `import layers` from the repository root would load a second copy
    raise ImportError(
        f"this folder is the package symgraph.layers: write `import symgraph.layers`, not `import {__name__}`"
    )

from collections.abc import Mapping
from typing import Any

from symgraph.engine.input_layer import Input, InputLayer
from symgraph.engine.input_spec import InputSpec
from symgraph.engine.layer import Layer
from symgraph.layers.advanced_activations import (
    ELU,
    LeakyReLU,
    PReLU,
    ReLU,
    Softmax,
    ThresholdedReLU,
)
from symgraph.layers.attention import AdditiveAttention, Attention, MultiHeadAttention
from symgraph.layers.convolutional import (
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Conv3D,
    Conv3DTranspose,
    Cropping1D,
    Cropping2D,
    Cropping3D,
    DepthwiseConv2D,
    SeparableConv1D,
    SeparableConv2D,
    UpSampling1D,
    UpSampling2D,
    UpSampling3D,
    ZeroPadding1D,
    ZeroPadding2D,
    ZeroPadding3D,
)
from symgraph.layers.convolutional_recurrent import (
    ConvLSTM2D,
    ConvLSTM2DCell,
    ConvRNN2D,
)
from symgraph.layers.core import (
    Activation,
    ActivityRegularization,
    Dense,
    Dropout,
    Flatten,
    Lambda,
    Masking,
    Permute,
    RepeatVector,
    Reshape,
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
)
from symgraph.layers.cudnn_recurrent import (
    CuDNNGRU,
    CuDNNLSTM,
)
from symgraph.layers.embeddings import (
    Embedding,
)
from symgraph.layers.local import (
    LocallyConnected1D,
    LocallyConnected2D,
)
from symgraph.layers.merge import (
    Add,
    Average,
    Concatenate,
    Dot,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    dot,
    maximum,
    minimum,
    multiply,
    subtract,
)
from symgraph.layers.noise import (
    AlphaDropout,
    GaussianDropout,
    GaussianNoise,
)
from symgraph.layers.normalization import BatchNormalization, GroupNormalization, LayerNormalization
from symgraph.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    GlobalMaxPooling3D,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
)
from symgraph.layers.recurrent import (
    GRU,
    LSTM,
    RNN,
    GRUCell,
    LSTMCell,
    SimpleRNN,
    SimpleRNNCell,
    StackedRNNCells,
)
from symgraph.layers.wrappers import (
    Bidirectional,
    TimeDistributed,
    Wrapper,
)
from symgraph.utils.generic_utils import deserialize_keras_object

# The other names that Keras gives some layers.
Convolution1D = Conv1D
Convolution2D = Conv2D
Convolution3D = Conv3D
SeparableConvolution1D = SeparableConv1D
SeparableConvolution2D = SeparableConv2D
Convolution2DTranspose = Deconvolution2D = Deconv2D = Conv2DTranspose
Convolution3DTranspose = Deconvolution3D = Deconv3D = Conv3DTranspose
MaxPool1D = MaxPooling1D
MaxPool2D = MaxPooling2D
MaxPool3D = MaxPooling3D
AvgPool1D = AveragePooling1D
AvgPool2D = AveragePooling2D
AvgPool3D = AveragePooling3D
GlobalMaxPool1D = GlobalMaxPooling1D
GlobalMaxPool2D = GlobalMaxPooling2D
GlobalMaxPool3D = GlobalMaxPooling3D
GlobalAvgPool1D = GlobalAveragePooling1D
GlobalAvgPool2D = GlobalAveragePooling2D
GlobalAvgPool3D = GlobalAveragePooling3D

__all__ = [
    "Activation", "ActivityRegularization", "Add", "AdditiveAttention", "AlphaDropout", "Attention", "Average",
    "AveragePooling1D", "AveragePooling2D", "AveragePooling3D", "AvgPool1D", "AvgPool2D", "AvgPool3D",
    "BatchNormalization", "Bidirectional", "Concatenate", "Conv1D", "Conv2D", "Conv2DTranspose", "Conv3D",
    "Conv3DTranspose", "ConvLSTM2D", "ConvLSTM2DCell", "ConvRNN2D", "Convolution1D", "Convolution2D",
    "Convolution2DTranspose", "Convolution3D", "Convolution3DTranspose", "Cropping1D", "Cropping2D", "Cropping3D",
    "CuDNNGRU", "CuDNNLSTM", "Deconv2D", "Deconv3D", "Deconvolution2D", "Deconvolution3D", "Dense", "DepthwiseConv2D",
    "Dot", "Dropout", "ELU", "Embedding", "Flatten", "GRU", "GRUCell", "GaussianDropout", "GaussianNoise",
    "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D", "GlobalAvgPool1D", "GlobalAvgPool2D",
    "GlobalAvgPool3D", "GlobalMaxPool1D", "GlobalMaxPool2D", "GlobalMaxPool3D", "GlobalMaxPooling1D",
    "GlobalMaxPooling2D", "GlobalMaxPooling3D", "GroupNormalization", "Input", "InputLayer", "InputSpec", "LSTM",
    "LSTMCell", "Lambda", "Layer", "LayerNormalization", "LeakyReLU", "LocallyConnected1D", "LocallyConnected2D",
    "Masking", "MaxPool1D", "MaxPool2D", "MaxPool3D", "MaxPooling1D", "MaxPooling2D", "MaxPooling3D", "Maximum",
    "Minimum", "MultiHeadAttention", "Multiply", "PReLU", "Permute", "RNN", "ReLU", "RepeatVector", "Reshape",
    "SeparableConv1D", "SeparableConv2D", "SeparableConvolution1D", "SeparableConvolution2D", "SimpleRNN",
    "SimpleRNNCell", "Softmax", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "StackedRNNCells",
    "Subtract", "ThresholdedReLU", "TimeDistributed", "UpSampling1D", "UpSampling2D", "UpSampling3D", "Wrapper",
    "ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D", "add", "average", "concatenate", "deserialize", "dot",
    "maximum", "minimum", "multiply", "serialize", "subtract",
]

#: Layers that only Keras 1 has, in a file that stands on this one.
_OF_KERAS1 = ("AtrousConv1D", "AtrousConv2D", "AtrousConvolution1D", "AtrousConvolution2D", "ConvRecurrent2D",
              "Highway", "MaxoutDense", "Merge", "ParametricSoftplus", "Recurrent", "SReLU", "TimeDistributedDense")
__all__ += [*_OF_KERAS1, "deserialize_keras_object"]


def __getattr__(name: str) -> Any:
    if name in _OF_KERAS1:
        from symgraph.legacy import layers as old_layers

        return getattr(old_layers, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _known() -> dict[str, Any]:
    """Every class that a configuration may name."""
    from symgraph.engine.model import Model
    from symgraph.engine.network import Network
    from symgraph.engine.sequential import Sequential
    from symgraph.legacy import layers as old_layers
    from symgraph.legacy.file_layers import CLASSES

    old = {name: value for name in old_layers.__all__ if isinstance(value := getattr(old_layers, name), type)}
    known = {name: value for name, value in globals().items() if isinstance(value, type) and issubclass(value, Layer)}
    # tf.keras calls a functional model "Functional".
    models = {"Model": Model, "Functional": Model, "Network": Network, "Sequential": Sequential}
    return {**old, **known, **CLASSES, **models}


def serialize(layer: Layer) -> dict:
    """The configuration of a layer: `{'class_name', 'config'}`."""
    return {"class_name": type(layer).__name__, "config": layer.get_config()}


def deserialize(config: Mapping, custom_objects: Mapping | None = None) -> Any:
    """The layer (or model) of a configuration."""
    return deserialize_keras_object(config, _known(), custom_objects, "layer")
