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
    "networks with published weights are not there yet": {
        "2.3.1": {
            "keras.applications": "all",
            "keras.applications.densenet": "all",
            "keras.applications.imagenet_utils": "all",
            "keras.applications.inception_resnet_v2": "all",
            "keras.applications.inception_v3": "all",
            "keras.applications.mobilenet": "all",
            "keras.applications.mobilenet_v2": "all",
            "keras.applications.nasnet": "all",
            "keras.applications.resnet": "all",
            "keras.applications.resnet50": "all",
            "keras.applications.resnet_v2": "all",
            "keras.applications.vgg16": "all",
            "keras.applications.vgg19": "all",
            "keras.applications.xception": "all",
            "keras_applications": "get_submodules_from_kwargs correct_pad",
            "keras_applications.densenet": "all",
            "keras_applications.imagenet_utils": "all",
            "keras_applications.inception_resnet_v2": "all",
            "keras_applications.inception_v3": "all",
            "keras_applications.mobilenet": "all",
            "keras_applications.mobilenet_v2": "all",
            "keras_applications.nasnet": "all",
            "keras_applications.resnet": "all",
            "keras_applications.resnet50": "all",
            "keras_applications.resnet_common": "all",
            "keras_applications.resnet_v2": "all",
            "keras_applications.resnext": "all",
            "keras_applications.vgg16": "all",
            "keras_applications.vgg19": "all",
            "keras_applications.xception": "all",
        },
        "1.1.2": {
            "keras.applications": "all",
            "keras.applications.audio_conv_utils": "all",
            "keras.applications.imagenet_utils": "all",
            "keras.applications.inception_v3": "all",
            "keras.applications.music_tagger_crnn": "all",
            "keras.applications.resnet50": "all",
            "keras.applications.vgg16": "all",
            "keras.applications.vgg19": "all",
            "keras.applications.xception": "all",
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
            "keras.backend.tensorflow_backend": "py_all",
            "keras.backend.theano_backend": (
                "py_all ctc_interleave_blanks ctc_create_skip_idxs ctc_update_log_p ctc_path_probs ctc_cost"
            ),
        },
    },
    "downloads of data are not there yet": {
        "2.3.1": {
            "keras.datasets.boston_housing": "all",
            "keras.datasets.cifar": "all",
            "keras.datasets.cifar10": "all",
            "keras.datasets.cifar100": "all",
            "keras.datasets.fashion_mnist": "all",
            "keras.datasets.imdb": "all",
            "keras.datasets.mnist": "all",
            "keras.datasets.reuters": "all",
        },
        "1.1.2": {
            "keras.datasets.cifar": "all",
            "keras.datasets.cifar10": "all",
            "keras.datasets.cifar100": "all",
            "keras.datasets.imdb": "all",
            "keras.datasets.mnist": "all",
            "keras.datasets.reuters": "all",
        },
    },
    "a decorator for Keras' own attribute tracking": {
        "2.3.1": {
            "keras.engine.base_layer": "disable_tracking",
        },
    },
    "pieces of Keras' reader and writer of files; here one guarded reader does it all": {
        "2.3.1": {
            "keras.engine.saving": (
                "HDF5_OBJECT_HEADER_LIMIT allow_write_to_gcs allow_read_from_gcs pickle_model "
                "unpickle_model save_attributes_to_hdf5_group load_attributes_from_hdf5_group "
                "save_weights_to_hdf5_group preprocess_weights_for_loading load_weights_from_hdf5_group "
                "load_weights_from_hdf5_group_by_name"
            ),
        },
    },
    "one of Keras' copies of the training loop; there is one loop here": {
        "2.3.1": {
            "keras.engine.training_arrays": "all",
            "keras.engine.training_generator": "all",
        },
    },
    "a step of Keras' compile, which is made otherwise here": {
        "2.3.1": {
            "keras.engine.training_utils": (
                "get_input_shape_and_dtype get_output_sample_weight_and_mode prepare_sample_weights "
                "prepare_loss_functions prepare_loss_weights collect_per_output_metric_info "
                "get_metric_function call_metric_function"
            ),
        },
        "1.1.2": {
            "keras.engine.training": "collect_metrics generator_queue",
        },
    },
    "parts of how Keras found its two packages; there is one here": {
        "2.3.1": {
            "keras.preprocessing": "backend utils keras_preprocessing",
        },
    },
    "pictures listed in data frames, and small helpers, are not there yet": {
        "2.3.1": {
            "keras.preprocessing.image": "DataFrameIterator",
            "keras_preprocessing.image": "DataFrameIterator validate_filename",
            "keras_preprocessing.image.dataframe_iterator": "all",
            "keras_preprocessing.image.iterator": "IteratorType BatchFromFilesMixin",
            "keras_preprocessing.image.utils": "validate_filename",
        },
        "1.1.2": {
            "keras.preprocessing.image": "random_barrel_transform apply_transform",
        },
    },
    "not there yet, see the module that it comes from": {
        "2.3.1": {
            "keras.utils": (
                "H5Dict get_file GeneratorEnqueuer OrderedEnqueuer convert_all_kernels_in_model "
                "model_to_dot plot_model multi_gpu_model"
            ),
            "keras.utils.conv_utils": "convert_kernel",
            "keras.utils.layer_utils": "convert_all_kernels_in_model convert_dense_weights_data_format",
        },
    },
    "downloads, and Keras' own queues of batches: reading ahead is done in engine.generators": {
        "2.3.1": {
            "keras.utils.data_utils": (
                "get_file _hash_file validate_file init_pool get_index SequenceEnqueuer OrderedEnqueuer "
                "init_pool_generator next_sample GeneratorEnqueuer"
            ),
        },
        "1.1.2": {
            "keras.utils.data_utils": "all",
        },
    },
    "a helper of Keras' files; the guarded reader does it": {
        "2.3.1": {
            "keras.utils.io_utils": (
                "HDF5_OBJECT_HEADER_LIMIT ask_to_proceed_with_overwrite H5Dict h5dict load_from_binary_h5py "
                "save_to_binary_h5py"
            ),
        },
        "1.1.2": {
            "keras.utils.io_utils": "save_array load_array ask_to_proceed_with_overwrite",
        },
    },
    "an internal of Keras' loss classes": {
        "2.3.1": {
            "keras.utils.losses_utils": "squeeze_or_expand_dimensions reduce_weighted_loss broadcast_weights",
        },
    },
    "an internal of Keras' metric classes": {
        "2.3.1": {
            "keras.utils.metrics_utils": "all",
        },
    },
    "training on several GPUs of one process is not there": {
        "2.3.1": {
            "keras.utils.multi_gpu_utils": "all",
        },
    },
    "a helper of Keras' own test-suite": {
        "2.3.1": {
            "keras.utils.test_utils": "all",
        },
        "1.1.2": {
            "keras.utils.test_utils": "all",
        },
    },
    "drawings of models are not there yet": {
        "2.3.1": {
            "keras.utils.vis_utils": "all",
        },
        "1.1.2": {
            "keras.utils.visualize_util": "all",
        },
    },
    "parts of how that package found its Keras; there is one here": {
        "2.3.1": {
            "keras_preprocessing": "all",
            "keras_preprocessing.sequence": "_remove_long_seq",
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
    "the argument has another name": {
        "2.3.1": {
            "keras.engine.training_utils": "is_sequence",
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
