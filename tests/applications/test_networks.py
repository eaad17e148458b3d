"""Each network: the published number of parameters, the shapes, the names in the weight files.

The numbers are those that the documents of Keras print for each network.
"""

import numpy as np
import pytest

from symgraph import applications
from symgraph import backend as K
from symgraph.applications import densenet, inception_resnet_v2, mobilenet_v2, nasnet, resnet, resnet_common, vgg16
from symgraph.applications.building import Construction
from symgraph.layers import Conv2D, Input, Lambda
from symgraph.models import Model, load_model

PARAMETERS = {
    "VGG16": 138_357_544, "VGG19": 143_667_240, "ResNet50": 25_636_712, "ResNet101": 44_707_176,
    "ResNet152": 60_419_944, "ResNet50V2": 25_613_800, "ResNet101V2": 44_675_560, "ResNet152V2": 60_380_648,
    "ResNeXt50": 25_097_128, "ResNeXt101": 44_315_560, "InceptionV3": 23_851_784, "InceptionResNetV2": 55_873_736,
    "Xception": 22_910_480, "MobileNet": 4_253_864, "MobileNetV2": 3_538_984, "DenseNet121": 8_062_504,
    "DenseNet169": 14_307_880, "DenseNet201": 20_242_984, "NASNetMobile": 5_326_716, "NASNetLarge": 88_949_818,
}
FEATURES = {"VGG16": 512, "VGG19": 512, "InceptionResNetV2": 1536, "MobileNet": 1024, "MobileNetV2": 1280,
            "DenseNet121": 1024, "DenseNet169": 1664, "DenseNet201": 1920, "NASNetMobile": 1056, "NASNetLarge": 4032}
SIZES = {"InceptionV3": 299, "InceptionResNetV2": 299, "Xception": 299, "NASNetLarge": 331}
#: Some of the names that the published files have.
NAMES = {
    "VGG16": "block1_conv1 block5_conv3 block5_pool flatten fc1 fc2 predictions",
    "VGG19": "block4_pool block5_conv4 fc2",
    "ResNet50": "conv1 bn_conv1 res2a_branch1 bn2a_branch2c res4f_branch2b bn5c_branch2c avg_pool fc1000",
    "ResNet101": "conv1_conv conv2_block1_0_bn conv4_block23_3_conv conv5_block3_out probs",
    "ResNet152": "conv4_block36_add conv3_block8_1_relu",
    "ResNet50V2": "conv2_block1_preact_bn conv3_block4_2_pad conv5_block3_out post_bn post_relu",
    "ResNet101V2": "conv4_block23_2_conv", "ResNet152V2": "conv4_block36_2_conv",
    "ResNeXt50": "conv2_block1_0_conv conv3_block4_2_conv conv5_block3_3_bn", "ResNeXt101": "conv4_block23_2_reduce",
    "InceptionV3": "mixed0 mixed8 mixed9_0 mixed9 mixed9_1 mixed10 avg_pool predictions",
    "InceptionResNetV2": "mixed_5b block35_10_conv mixed_6a block17_20_mixed mixed_7a block8_9_ac block8_10 conv_7b_bn",
    "Xception": "block1_conv2_bn block4_sepconv2_act block12_sepconv3_bn block13_pool block14_sepconv2_act",
    "MobileNet": "conv1_pad conv1_relu conv_dw_6_bn conv_pw_13_relu conv_preds reshape_2 act_softmax",
    "MobileNetV2": "Conv1_pad bn_Conv1 expanded_conv_project_BN block_13_pad block_15_add block_16_project Logits",
    "DenseNet121": "conv1/conv conv2_block1_0_bn pool2_conv conv5_block16_concat bn relu fc1000",
    "DenseNet169": "conv4_block32_2_conv", "DenseNet201": "conv4_block48_2_conv",
    "NASNetMobile": "stem_conv1 reduction_conv_1_stem_1 adjust_bn_stem_2 normal_concat_0 reduction_concat_reduce_4 "
                    "separable_conv_1_normal_left1_0 normal_bn_1_12 predictions",
    "NASNetLarge": "reduction_pad_1_reduce_6 normal_concat_18",
}


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    """Weights of zeros: drawing a hundred million random numbers tells nothing here."""
    from symgraph import initializers

    monkeypatch.setattr(initializers, "_uniform", lambda shape, low, high, dtype, seed: np.zeros(shape, "float32"))
    monkeypatch.setattr(initializers, "_normal", lambda shape, *args, **words: np.zeros(shape, "float32"))
    layout = K.image_data_format()
    K.set_image_data_format("channels_last")
    yield
    K.set_image_data_format(layout)
    K.clear_session()


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_network(name):
    model = getattr(applications, name)(weights=None)
    size = SIZES.get(name, 224)
    assert model.count_params() == PARAMETERS[name]
    assert model.input_shape == (None, size, size, 3) and model.output_shape == (None, 1000)
    names = [layer.name for layer in model.layers]
    assert set(NAMES[name].split()) <= set(names) and len(set(names)) == len(names)


@pytest.mark.parametrize("name", ["VGG16", "VGG19", "ResNet50", "InceptionV3", "MobileNet", "MobileNetV2",
                                  "DenseNet121", "NASNetMobile", "ResNet50V2", "ResNeXt50"])
def test_a_network_without_its_top(name):
    network, features = getattr(applications, name), FEATURES.get(name, 2048)
    assert network(weights=None, include_top=False, pooling="max", input_shape=(96, 96, 1)).output_shape == (
        None, features)
    K.set_image_data_format("channels_first")
    if name == "NASNetMobile":  # its parts must fit together: the size is known
        shape = network(weights=None, include_top=False).output_shape
        assert shape == (None, 1056, 7, 7)
    else:
        assert network(weights=None, include_top=False).output_shape == (None, features, None, None)


def test_a_network_of_published_names_has_the_parameters_of_its_blocks():
    model = vgg16.VGG16(weights=None, include_top=False)
    assert model.count_params() == 14_714_688 and set(NAMES["VGG16"].split()[:3]) <= {x.name for x in model.layers}


def test_on_a_tensor_with_other_classes():
    start = Input(shape=(64, 64, 3))
    features = Conv2D(3, 1, name="before")(start)
    model = applications.ResNet50(weights=None, input_tensor=features, classes=7)
    assert model.inputs[0] is start and model.get_layer("before") is model.layers[1] and model.output_shape == (None, 7)
    variable = K.variable(np.zeros((2, 64, 64, 3)))
    assert applications.MobileNet(weights=None, include_top=False, input_tensor=variable).input_shape[1:] == (64, 64, 3)


@pytest.mark.parametrize("words, message", [
    ({"weights": "somewhere"}, "`weights` argument should be either `None`.*no file 'somewhere'"),
    ({"weights": "imagenet", "classes": 10}, "`classes` should be 1000"),
    ({"weights": "imagenet", "input_shape": (32, 32, 3)}, r"`input_shape` should be \(224, 224, 3\)"),
    ({"weights": None, "include_top": False, "input_shape": (31, 40, 3)}, "at least 32x32"),
    ({"weights": None, "include_top": False, "input_shape": (3, 40)}, "tuple of three integers"),
    ({"weights": "imagenet", "include_top": False, "input_shape": (40, 40, 1)}, "must have 3 channels"),
    ({"weights": None, "input_shape": (None, None, 3)}, "static `input_shape`"),
    ({"weights": None, "pooling": "sum"}, "`pooling` should be None, 'avg' or 'max', got 'sum'"),
])
def test_arguments_that_do_not_fit(words, message):
    with pytest.raises(ValueError, match=message):
        applications.DenseNet121(**words)


def test_more_arguments_that_do_not_fit():
    with pytest.raises(TypeError, match="Invalid keyword argument: classs"):
        applications.VGG16(weights=None, classs=3)
    with pytest.warns(UserWarning, match="1 or 3 input channels"):
        applications.MobileNetV2(weights=None, include_top=False, input_shape=(32, 32, 4))
    with pytest.raises(ValueError, match="multiple of 24"):
        nasnet.NASNet(penultimate_filters=100)
    with pytest.raises(ValueError, match="must be static"):
        nasnet.NASNetMobile((None, None, 3))
    with pytest.raises(ValueError, match="only be loaded with NASNetLarge"):
        nasnet.NASNet(weights="imagenet")
    with pytest.raises(ValueError, match="depth multiplier must be 1"):
        applications.MobileNet(depth_multiplier=2)
    with pytest.raises(ValueError, match="alpha can be one of"):
        applications.MobileNet(alpha=0.3)
    with pytest.raises(ValueError, match="alpha can be one of"):
        applications.MobileNetV2(alpha=0.3)
    with pytest.raises(ValueError, match="block_type|block type"):
        inception_resnet_v2.inception_resnet_block(Input((8, 8, 3)), 0.1, "block3", 1)
    with pytest.raises(ValueError, match="no published weights"):
        densenet.DenseNet([1, 1, 1, 1], weights="imagenet", include_top=False).get_weights()


def test_published_weights_are_fetched_and_loaded(tmp_path, monkeypatch):
    """The whole way, with a small network of the same construction and a server that is a folder."""
    published = tmp_path / "published"
    published.mkdir()

    def network(weights):
        made = Construction(False, weights, None, (32, 32, 3), None, 1000, {}, 224, 32)
        x = made.layers.Conv2D(2, 3, name="conv", kernel_initializer="ones", bias_initializer="zeros")(made.input)
        from symgraph.applications.building import Published

        here = (published / "small_notop.h5").as_uri()
        return made.model(made.pooled(x), "small", Published(here, None, here, None, ("kept.h5", "kept_no_top.h5")))

    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    first = network(None)
    first.set_weights([np.arange(54.0).reshape(3, 3, 3, 2), np.array([1.0, 2.0])])
    first.save_weights(published / "small_notop.h5")
    for weights in ("imagenet", str(published / "small_notop.h5")):
        for one, other in zip(network(weights).get_weights(), first.get_weights()):
            np.testing.assert_array_equal(one, other)
    assert (tmp_path / "home" / "models" / "kept_no_top.h5").exists()


def test_addresses_of_published_weights(monkeypatch):
    asked = []

    def refuse(name, address, cache_subdir, file_hash):
        asked.append((name, address, cache_subdir, file_hash))
        raise OSError("no network in tests")

    monkeypatch.setattr("symgraph.applications.building.get_file", refuse)
    for name, words in (("MobileNet", {"input_shape": (160, 160, 3), "alpha": 0.5}), ("MobileNetV2", {}),
                        ("ResNet50V2", {}), ("NASNetMobile", {"include_top": False}), ("DenseNet121", {})):
        with pytest.raises(OSError, match="no network"):
            getattr(applications, name)(**words)
    assert [one[0] for one in asked] == [
        "mobilenet_5_0_160_tf.h5", "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5",
        "resnet50v2_weights_tf_dim_ordering_tf_kernels.h5", "nasnet_mobile_no_top.h5",
        "densenet121_weights_tf_dim_ordering_tf_kernels.h5"]
    assert all(address.startswith("https://github.com/") and where == "models" for _, address, where, _ in asked)
    assert asked[2][3] == resnet_common.WEIGHTS_HASHES["resnet50v2"][0] and asked[0][3] is None


def test_the_groups_of_a_grouped_convolution():
    """Depthwise, then summed within groups: a convolution of each group by itself."""
    inside, groups, rng = 3, 4, np.random.default_rng(0)
    x = rng.normal(size=(2, 5, 6, groups * inside * inside)).astype("float32")
    expected = x.reshape(2, 5, 6, groups, inside, inside).sum(4).reshape(2, 5, 6, groups * inside)
    for first in (False, True):
        shape = (groups * inside * inside, None, None) if first else (None, None, groups * inside * inside)
        start = Input(shape=shape)
        summed = Lambda(resnet_common.sums_in_groups, arguments={"inside": inside, "axis": 1 if first else 3})(start)
        given = x.transpose(0, 3, 1, 2) if first else x
        found = Model(start, summed).predict(given)
        np.testing.assert_allclose(found.transpose(0, 2, 3, 1) if first else found, expected, rtol=1e-5)


@pytest.mark.parametrize("network", [
    lambda shape: densenet.DenseNet((2, 1), weights=None, include_top=False, pooling="avg", input_shape=shape),
    lambda shape: applications.MobileNetV2(shape, 0.35, weights=None, classes=5),
], ids=["DenseNet", "MobileNetV2"])
def test_both_layouts_give_the_same(network):
    rng = np.random.default_rng(0)
    last = network((32, 32, 3))
    weights = [rng.normal(size=w.shape) * np.sqrt(2 / np.prod(w.shape[:-1])) if w.ndim > 1
               else rng.uniform(0.8, 1.2, w.shape) for w in last.get_weights()]
    last.set_weights(weights)
    x = rng.uniform(-1, 1, (2, 32, 32, 3)).astype("float32")
    expected = last.predict(x)
    K.set_image_data_format("channels_first")
    first = network((3, 32, 32))
    first.set_weights(weights)
    np.testing.assert_allclose(first.predict(x.transpose(0, 3, 1, 2)), expected, rtol=1e-3, atol=1e-4)
    assert expected.std() > 1e-3  # the signal has not died away


def test_a_network_is_saved_and_loaded(tmp_path):
    """Also one with functions of its own, which the file names."""
    x = Input((8, 8, 32))
    y = inception_resnet_v2.inception_resnet_block(resnet_common.stack3(x, 32, 1, 1, name="a"), 0.5, "block35", 1)
    model = Model(x, y)
    model.save(tmp_path / "model.h5")
    again = load_model(tmp_path / "model.h5", compile=False)
    data = np.random.default_rng(0).normal(size=(2, 8, 8, 32)).astype("float32")
    np.testing.assert_allclose(again.predict(data), model.predict(data), rtol=1e-5, atol=1e-6)


def test_padding_for_strides_fits_odd_and_even_sizes():
    assert applications.correct_pad(K, K.placeholder((None, 224, 75, 3)), 3) == ((0, 1), (1, 1))
    assert applications.correct_pad(K, K.placeholder((None, None, None, 3)), (5, 7)) == ((1, 2), (2, 3))
    K.set_image_data_format("channels_first")
    assert applications.correct_pad(K, K.placeholder((None, 3, 8, 9)), 3) == ((0, 1), (1, 1))
    assert [mobilenet_v2._make_divisible(value) for value in (16 * 0.35, 24 * 0.35, 91, 1.0)] == [8, 8, 88, 8]


def test_the_modules_of_keras_applications():
    from symgraph import backend, layers, models, utils

    assert applications.get_submodules_from_kwargs({}) == (backend, layers, models, utils)

    @applications.keras_modules_injection
    def network(size, **modules):
        return size, modules

    assert network(3) == (3, {"backend": backend, "layers": layers, "models": models, "utils": utils})
    assert resnet.ResNet50(weights=None, layers=layers, include_top=False).name == "resnet50"
    x = Input((16, 16, 3))
    assert resnet_common.stack1(x, 4, 2, name="a")._keras_shape == (None, 8, 8, 16)
    assert resnet_common.stack2(x, 4, 2, name="b")._keras_shape == (None, 8, 8, 16)
    assert resnet_common.stack3(x, 32, 2, name="c")._keras_shape == (None, 8, 8, 64)
