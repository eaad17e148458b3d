"""Public names of Keras that are not offered, and signatures that differ: each with its reason.

Reason -> version -> module -> names; "all" stands for every name of the module.
"""

from __future__ import annotations

NOT_OFFERED: dict[str, dict[str, dict[str, str]]] = {
    "wraps an optimizer of TensorFlow, which is not there": {
        "2.3.1": {
            "keras.optimizers": "TFOptimizer",
        },
    },
    "an internal of one of Keras' own backends, which K does not have": {
        "2.3.1": {
            "keras.backend.cntk_backend": (
                "dev grad_parameter_dict NAME_SCOPE_STACK classification_error has_seq_axis pad "
                "get_num_dynamic_axis ReshapeBatch ConvertToBatch ConvertToStatic LambdaFunc"
            ),
            "keras.backend.numpy_backend": "normalize_conv depthwise_conv separable_conv conv_transpose pool",
            "keras.backend.tensorflow_backend": "_is_tf_1 _get_available_gpus",
            "keras.backend.theano_backend": (
                "NAME_SCOPE_STACK pattern_broadcast ctc_interleave_blanks ctc_create_skip_idxs "
                "ctc_update_log_p ctc_path_probs ctc_cost"
            ),
        },
        "1.1.2": {
            "keras.backend.theano_backend": (
                "ctc_interleave_blanks ctc_create_skip_idxs ctc_update_log_p ctc_path_probs ctc_cost"
            ),
        },
    },
    "files in Google's cloud storage are reached through TensorFlow, which is not there": {
        "2.3.1": {
            "keras.engine.saving": "allow_write_to_gcs allow_read_from_gcs",
        },
    },
    "a queue that Keras 1 filled for its own loop; see GeneratorEnqueuer": {
        "1.1.2": {
            "keras.engine.training": "generator_queue",
        },
    },
    "a decorator for Keras' own attribute tracking": {
        "2.3.1": {
            "keras.engine.base_layer": "disable_tracking",
        },
    },
    "does nothing in Keras": {
        "1.1.2": {
            "keras.preprocessing.image": "random_barrel_transform",
        },
    },
    "what the worker processes of Keras' queues run": {
        "2.3.1": {
            "keras.utils.data_utils": "init_pool get_index init_pool_generator next_sample",
        },
    },
    "wraps the methods of Keras' metric classes": {
        "2.3.1": {
            "keras.utils.metrics_utils": "update_state_wrapper result_wrapper",
        },
    },
    "a stand-in for a storage of Google's, for Keras' own tests": {
        "2.3.1": {
            "keras.utils.test_utils": "tf_file_io_proxy",
        },
    },
    "parts of how that package found its Keras; there is one here": {
        "2.3.1": {
            "keras_preprocessing": "all",
        },
    },
    "pieces of Theano's CTC, which K.ctc_batch_cost does as a whole": {
        "1.1.2": {
            "keras.backend": (
                "ctc_interleave_blanks ctc_create_skip_idxs ctc_update_log_p ctc_path_probs ctc_cost"
            ),
        },
    },
    "byte code of functions from files is not run": {
        "1.1.2": {
            "keras.utils.generic_utils": "func_reconstruct_closure",
        },
    },
}

OTHER_SIGNATURES: dict[str, dict[str, dict[str, str]]] = {
    "the arguments of K; the backends of Keras differed among themselves": {
        "2.3.1": {
            "keras.backend.cntk_backend": "placeholder moving_average_update Function function batch_get_value",
            "keras.backend.numpy_backend": "conv bias_add l2_normalize pow",
            "keras.backend.theano_backend": "moving_average_update batch_get_value Function function",
        },
        "1.1.2": {
            "keras.backend.theano_backend": "Function conv3d",
        },
    },
    "one TensorBoard for both of Keras' versions: a default of the first": {
        "2.3.1": {
            "keras.callbacks.tensorboard_v2": "TensorBoard",
        },
    },
    "the arguments have their names here": {
        "2.3.1": {
            "keras.engine.network": "Network",
        },
    },
    "Keras 1's `transform_bias` is kept": {
        "2.3.1": {
            "keras.legacy.layers": "Highway",
        },
    },
    "None stands for the configured layout; the number of samples is `n` in both generations": {
        "2.3.1": {
            "keras.preprocessing.image": "ImageDataGenerator",
        },
        "1.1.2": {
            "keras.preprocessing.image": "Iterator",
        },
    },
    "the name of an operation is not needed": {
        "2.3.1": {
            "keras.utils.losses_utils": "compute_weighted_loss",
        },
    },
    "None stands for the configured layout and floatx": {
        "2.3.1": {
            "keras_preprocessing.image.directory_iterator": "DirectoryIterator",
            "keras_preprocessing.image.image_data_generator": "ImageDataGenerator",
            "keras_preprocessing.image.numpy_array_iterator": "NumpyArrayIterator",
            "keras_preprocessing.image.utils": "save_img array_to_img img_to_array",
        },
    },
    "no list as a default value": {
        "1.1.2": {
            "keras.callbacks": "CallbackList",
        },
    },
    "the bar is drawn less often": {
        "1.1.2": {
            "keras.utils.generic_utils": "Progbar",
        },
    },
}


def _by_version(table: dict) -> dict:
    found: dict = {"2.3.1": {}, "1.1.2": {}}
    for versions in table.values():
        for version, modules in versions.items():
            for module, names in modules.items():
                found[version][module] = "all" if names == "all" else names.split()
    return found


MISSING = _by_version(NOT_OFFERED)
SIGNATURES = _by_version(OTHER_SIGNATURES)


def reason(version: str, module: str, name: str) -> str:
    """Why a name is left out, or has another signature."""
    return next((why for table in (NOT_OFFERED, OTHER_SIGNATURES) for why, versions in table.items()
                 if module in versions.get(version, {})), "")
