# ruff: noqa: SIM905 - long lists of words are easier to read as text
"""Which modules Keras has, and where their names live here: data for `symgraph.install`."""

from __future__ import annotations

__all__ = ["KERAS2_MODULES", "KERAS2_NAMES", "KERAS2_OWN_NAMES", "KERAS2_SOURCES", "TENSORFLOW_HINTS", "THEANO_HINTS"]

#: Every public module of Keras 2.3.1, and those of the two packages that belong to it.
KERAS2_MODULES = tuple(
    f"keras.{name}" for name in """
    activations constraints initializers losses metrics models objectives optimizers regularizers applications
    applications.densenet applications.imagenet_utils applications.inception_resnet_v2 applications.inception_v3
    applications.mobilenet applications.mobilenet_v2 applications.nasnet applications.resnet
    applications.resnet50 applications.resnet_v2 applications.vgg16 applications.vgg19 applications.xception
    backend backend.cntk_backend backend.common backend.load_backend backend.numpy_backend
    backend.tensorflow_backend backend.theano_backend callbacks callbacks.callbacks callbacks.tensorboard_v1
    callbacks.tensorboard_v2 datasets datasets.boston_housing datasets.cifar datasets.cifar10 datasets.cifar100
    datasets.fashion_mnist datasets.imdb datasets.mnist datasets.reuters engine engine.base_layer
    engine.input_layer engine.network engine.saving engine.sequential engine.topology engine.training
    engine.training_arrays engine.training_generator engine.training_utils layers layers.advanced_activations
    layers.convolutional layers.convolutional_recurrent layers.core layers.cudnn_recurrent layers.embeddings
    layers.local layers.merge layers.noise layers.normalization layers.pooling layers.recurrent layers.wrappers
    legacy legacy.interfaces legacy.layers preprocessing preprocessing.image preprocessing.sequence
    preprocessing.text utils utils.conv_utils utils.data_utils utils.generic_utils utils.io_utils
    utils.layer_utils utils.losses_utils utils.metrics_utils utils.multi_gpu_utils utils.np_utils
    utils.test_utils utils.vis_utils wrappers wrappers.scikit_learn
    """.split()
) + tuple("""
    keras_preprocessing keras_preprocessing.sequence keras_preprocessing.text keras_preprocessing.image
    keras_preprocessing.image.affine_transformations keras_preprocessing.image.dataframe_iterator
    keras_preprocessing.image.directory_iterator keras_preprocessing.image.image_data_generator
    keras_preprocessing.image.iterator keras_preprocessing.image.numpy_array_iterator
    keras_preprocessing.image.utils keras_applications keras_applications.densenet
    keras_applications.imagenet_utils keras_applications.inception_resnet_v2 keras_applications.inception_v3
    keras_applications.mobilenet keras_applications.mobilenet_v2 keras_applications.nasnet
    keras_applications.resnet keras_applications.resnet50 keras_applications.resnet_common
    keras_applications.resnet_v2 keras_applications.resnext keras_applications.vgg16 keras_applications.vgg19
    keras_applications.xception
    """.split())

_BACKEND = ("symgraph.backend", "symgraph.config")
_ENGINE = ("symgraph.engine.layer", "symgraph.engine.input_layer", "symgraph.engine.network",
           "symgraph.engine.connectivity", "symgraph.engine.input_spec", "symgraph.engine.model",
           "symgraph.engine.sequential", "symgraph.utils.layer_utils", "symgraph.utils.generic_utils")

#: Where to look for the names of a module, where it is not the module of the same name here (and what holds that).
KERAS2_SOURCES: dict[str, tuple[str, ...]] = {
    "keras": ("symgraph",),
    "keras.objectives": ("symgraph.losses",),
    "keras.models": ("symgraph.models", "symgraph.utils.generic_utils"),
    "keras.backend": _BACKEND,
    **{f"keras.backend.{name}": ("symgraph.legacy.backend_names", *_BACKEND) for name in (
        "cntk_backend", "common", "load_backend", "numpy_backend", "tensorflow_backend", "theano_backend")},
    "keras.callbacks.callbacks": ("symgraph.callbacks", "symgraph.utils.generic_utils"),
    "keras.callbacks.tensorboard_v1": ("symgraph.callbacks",),
    "keras.callbacks.tensorboard_v2": ("symgraph.callbacks",),
    "keras.engine": ("symgraph.engine", *_ENGINE),
    "keras.engine.base_layer": _ENGINE,
    "keras.engine.input_layer": ("symgraph.engine.input_layer", *_ENGINE),
    "keras.engine.network": ("symgraph.engine.network", *_ENGINE),
    "keras.engine.saving": ("symgraph.engine.saving", "symgraph.engine.saving_steps", "symgraph.models",
                            "symgraph.utils.generic_utils", "symgraph.utils.io_utils"),
    "keras.engine.topology": _ENGINE,
    "keras.engine.training": ("symgraph.engine.model", "symgraph.engine.training_utils", *_ENGINE),
    "keras.engine.training_arrays": ("symgraph.engine.training_loops", "symgraph.engine.training_utils"),
    "keras.engine.training_generator": ("symgraph.engine.training_loops", "symgraph.engine.training_utils"),
    "keras.engine.training_utils": ("symgraph.engine.training_utils", "symgraph.engine.compile_steps"),
    "keras.layers": ("symgraph.layers", "symgraph.legacy.layers"),
    "keras.layers.convolutional": ("symgraph.layers.convolutional", "symgraph.layers", "symgraph.legacy.layers"),
    "keras.layers.recurrent": ("symgraph.layers.recurrent", "symgraph.layers", "symgraph.legacy.recurrent"),
    "keras.layers.convolutional_recurrent": ("symgraph.layers.convolutional_recurrent", "symgraph.layers",
                                             "symgraph.legacy.recurrent"),
    "keras.layers.core": ("symgraph.layers.core", "symgraph.layers"),
    "keras.legacy": (),
    "keras.legacy.interfaces": ("symgraph.legacy.interfaces",),
    "keras.legacy.layers": ("symgraph.legacy.layers", "symgraph.layers"),
    "keras.utils": ("symgraph.utils", "symgraph.utils.np_utils", "symgraph.utils.generic_utils",
                    "symgraph.utils.data_utils", "symgraph.utils.io_utils", "symgraph.utils.layer_utils",
                    "symgraph.utils.vis_utils", "symgraph.utils.multi_gpu_utils"),
    "keras_applications": ("symgraph.applications",),
    "keras_preprocessing": ("symgraph.preprocessing",),
}

#: Names that a module imports for itself and that scripts take from there: name -> "module:attribute".
KERAS2_NAMES = {
    "K": "keras.backend:", "activations": "keras.activations:", "initializers": "keras.initializers:",
    "regularizers": "keras.regularizers:", "constraints": "keras.constraints:", "losses": "keras.losses:",
    "metrics_module": "keras.metrics:", "optimizers": "keras.optimizers:", "conv_utils": "keras.utils.conv_utils:",
    "generic_utils": "keras.utils.generic_utils:", "losses_utils": "keras.utils.losses_utils:",
    "training_utils": "keras.engine.training_utils:", "training_arrays": "keras.engine.training_arrays:",
    "training_generator": "keras.engine.training_generator:", "interfaces": "keras.legacy.interfaces:",
    "saving": "keras.engine.saving:",
}

_PARTS = {"backend": "keras.backend:", "layers": "keras.layers:", "models": "keras.models:"}
#: The same for single modules.
KERAS2_OWN_NAMES: dict[str, dict[str, str]] = {
    "keras.applications": {**_PARTS, "utils": "keras.utils:", "keras_applications": "keras_applications:"},
    "keras.preprocessing": {"backend": "keras.backend:", "utils": "keras.utils:",
                            "keras_preprocessing": "keras_preprocessing:"},
    **{name: {**_PARTS, "keras_utils": "keras.utils:"} for name in KERAS2_MODULES
       if name.startswith("keras_applications.")},
}

#: What to use instead of what TensorFlow and Theano have.
TENSORFLOW_HINTS = {
    "Session": "there are no sessions: build `K.function(inputs, outputs)` and call it, or use `K.get_value(x)`",
    "InteractiveSession": "there are no sessions: use `K.function`, `K.eval` and `K.get_value`",
    "ConfigProto": "there are no sessions to configure: choose the executor with KERAS_BACKEND=numba|cupy|numpy",
    "GPUOptions": "GPU memory is taken as it is needed; choose the GPU executor with KERAS_BACKEND=cupy",
    "placeholder": "use `K.placeholder(shape=...)`, or `Input(shape=...)` in a model",
    "Variable": "use `K.variable(value)`",
    "constant": "use `K.constant(value)`",
    "global_variables_initializer": "variables have their values when they are made; nothing has to be initialised",
    "initialize_all_variables": "variables have their values when they are made; nothing has to be initialised",
    "device": "the executor is chosen for the whole process: KERAS_BACKEND=cupy for the GPU",
    "set_random_seed": "use `numpy.random.seed(n)`; weights and dropout follow it",
    "gradients": "use `K.gradients(loss, variables)`",
    "train": "use the optimizers of `keras.optimizers`",
    "nn": "use the functions of `keras.backend`",
    "Graph": "there is one graph; `K.clear_session()` starts a new one",
    "get_default_graph": "there is one graph; `K.clear_session()` starts a new one",
    "reset_default_graph": "use `K.clear_session()`",
    "compat": "only `tf.keras` is offered",
    "data": "feed arrays, generators or `keras.utils.Sequence` objects",
}
THEANO_HINTS = {
    "function": "use `K.function(inputs, outputs, updates=...)`",
    "shared": "use `K.variable(value)`",
    "tensor": "use the functions of `keras.backend`",
    "config": "set floatx with `K.set_floatx('float32')` or in keras.json",
    "grad": "use `K.gradients(loss, variables)`",
    "scan": "use `K.rnn`, `K.map_fn`, `K.foldl` or `K.foldr`",
    "sandbox": "use `K.random_uniform`, `K.random_normal` and `K.dropout`",
    "ifelse": "use `K.switch(condition, then_expression, else_expression)`",
}
