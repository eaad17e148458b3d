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
from symgraph.layers.advanced_activations import ELU, LeakyReLU, PReLU, ReLU, Softmax, ThresholdedReLU
from symgraph.layers.convolutional import (
    Conv2D,
    Cropping2D,
    UpSampling2D,
    ZeroPadding2D,
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
)
from symgraph.layers.embeddings import Embedding
from symgraph.layers.merge import (
    Add,
    Average,
    Concatenate,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    maximum,
    minimum,
    multiply,
    subtract,
)
from symgraph.layers.noise import AlphaDropout, GaussianDropout, GaussianNoise
from symgraph.layers.normalization import BatchNormalization
from symgraph.layers.pooling import (
    AveragePooling2D,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    MaxPooling2D,
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
from symgraph.layers.wrappers import Bidirectional, TimeDistributed, Wrapper

# The other names that Keras gives some layers.
Convolution2D = Conv2D
MaxPool2D = MaxPooling2D
AvgPool2D = AveragePooling2D
GlobalMaxPool2D = GlobalMaxPooling2D
GlobalAvgPool2D = GlobalAveragePooling2D

__all__ = sorted(name for name in globals() if not name.startswith("_") and name not in ("Any", "Mapping"))
__all__ += ["deserialize", "serialize"]


def _known() -> dict[str, Any]:
    """Every class that a configuration may name."""
    from symgraph.engine.model import Model
    from symgraph.engine.network import Network
    from symgraph.engine.sequential import Sequential

    known = {name: value for name, value in globals().items() if isinstance(value, type) and issubclass(value, Layer)}
    # tf.keras calls a functional model "Functional".
    return {**known, "Model": Model, "Functional": Model, "Network": Network, "Sequential": Sequential}


def serialize(layer: Layer) -> dict:
    """The configuration of a layer: `{'class_name', 'config'}`."""
    return {"class_name": type(layer).__name__, "config": layer.get_config()}


def deserialize(config: Mapping, custom_objects: Mapping | None = None) -> Any:
    """The layer (or model) of a configuration."""
    from symgraph.utils.generic_utils import deserialize_keras_object

    return deserialize_keras_object(config, _known(), custom_objects, "layer")
