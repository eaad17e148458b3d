"""The networks of Keras 1: its numbers of parameters, its layers and layouts, its weights for both orders."""

import sys
import types

import numpy as np
import pytest

from symgraph import backend as K
from symgraph import keras1
from symgraph.applications import audio_conv_utils
from symgraph.keras1 import _applications as old
from symgraph.keras1.applications import inception_v3, music_tagger_crnn, resnet50, vgg16, xception


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    from symgraph import initializers

    monkeypatch.setattr(initializers, "_uniform", lambda shape, low, high, dtype, seed: np.zeros(shape, "float32"))
    layout = K.image_data_format()
    yield
    K.set_image_data_format(layout)
    K.clear_session()


@pytest.mark.parametrize("order", ["th", "tf"])
def test_networks(order):
    K.set_image_dim_ordering(order)

    def shape(size, channels=3):
        return (None, channels, size, size) if order == "th" else (None, size, size, channels)

    model = resnet50.ResNet50(weights=None)
    assert (model.count_params(), model.input_shape, model.output_shape) == (25_636_712, shape(224), (None, 1000))
    assert isinstance(model, keras1.models.Model)
    kernel = model.get_layer("res2a_branch2a").get_weights()[0].shape
    assert kernel == ((64, 64, 1, 1) if order == "th" else (1, 1, 64, 64))
    assert resnet50.ResNet50(weights=None, include_top=False).output_shape == shape(None, 2048)
    if order == "tf":
        model = inception_v3.InceptionV3(weights=None)
        # That of Keras 2, and as many biases and scales as it has moving means and variances.
        assert (model.count_params(), model.output_shape) == (23_851_784 + 34_432, (None, 1000))
    model = vgg16.VGG16(weights=None, include_top=False)
    assert (model.count_params(), model.output_shape) == (14_714_688, shape(None, 512))
    assert type(model.layers[1]).__name__ == "Convolution2D" and model.layers[1].nb_filter == 64
    with pytest.raises(ValueError, match="`weights`"):
        vgg16.VGG16(weights="no-such-weights")


def test_one_network_is_of_one_order():
    K.set_image_dim_ordering("tf")
    assert xception.Xception(weights=None).count_params() == 22_910_480
    K.set_image_dim_ordering("th")
    with pytest.warns(UserWarning, match="only available for the input data format"):
        model = xception.Xception(weights=None, include_top=False)
    assert model.input_shape == (None, None, None, 3) and K.image_dim_ordering() == "th"


@pytest.mark.parametrize("order", ["th", "tf"])
def test_weights_for_both_orders(order, tmp_path, monkeypatch):
    """Files for 'th' hold kernels as Theano turns them."""
    K.set_image_dim_ordering(order)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))

    def network(weights):
        made = old._construction(False, weights, None, 224)
        x = made.layers.Conv2D(2, (3, 3), name="conv")(made.input)
        addresses = tuple((tmp_path / f"{name}.h5").as_uri() for name in ("th", "tf", "th_notop", "tf_notop"))
        return old._finished(made, x, "small", old._Weights(addresses))

    first = network(None)
    kernel = np.random.default_rng(0).normal(size=first.get_weights()[0].shape).astype("float32")
    first.set_weights([kernel, np.array([1.0, 2.0])])
    first.save_weights(str(tmp_path / f"{order}_notop.h5"))
    loaded = network("imagenet").get_weights()[0]
    np.testing.assert_array_equal(loaded, kernel[:, :, ::-1, ::-1] if order == "th" else kernel)


@pytest.mark.parametrize("order", ["th", "tf"])
def test_the_tagger(order):
    K.set_image_dim_ordering(order)
    model = music_tagger_crnn.MusicTaggerCRNN(weights=None)
    assert model.count_params() == 400_562 and model.output_shape == (None, 50)
    assert model.input_shape == ((None, 1, 96, 1366) if order == "th" else (None, 96, 1366, 1))
    assert music_tagger_crnn.MusicTaggerCRNN(weights=None, include_top=False).output_shape == (None, 32)
    with pytest.raises(ValueError, match="`None` .*or `msd`"):
        music_tagger_crnn.MusicTaggerCRNN(weights="imagenet")


def test_blocks_by_themselves():
    K.set_image_dim_ordering("tf")
    x = keras1.layers.Input(shape=(16, 16, 8))
    assert resnet50.conv_block(x, 3, [4, 4, 12], 2, "x")._keras_shape == (None, 8, 8, 12)
    assert resnet50.identity_block(x, 3, [4, 4, 8], 2, "y")._keras_shape == (None, 16, 16, 8)
    assert inception_v3.conv2d_bn(x, 5, 3, 3, border_mode="valid", subsample=(2, 2))._keras_shape == (None, 7, 7, 5)
    assert resnet50.TF_WEIGHTS_PATH.endswith("/resnet50_weights_tf_dim_ordering_tf_kernels.h5")
    assert callable(vgg16.preprocess_input) and callable(xception.decode_predictions)


def test_tags():
    scores = np.linspace(0, 1, 100).reshape(2, 50)
    found = music_tagger_crnn.decode_predictions(scores, top_n=2)
    assert [[tag for tag, _ in row] for row in found] == [["happy", "House"]] * 2 and found[1][0][1] == 1.0
    assert len(set(audio_conv_utils.TAGS)) == 50
    with pytest.raises(AssertionError, match=r"\(samples, 50\)"):
        audio_conv_utils.decode_predictions(np.zeros((1, 1000)))


@pytest.mark.parametrize("seconds", [10, 29.12, 40])
def test_music(seconds, monkeypatch):
    """Its middle, or all of it and silence; a stand-in for librosa counts windows as librosa does."""
    sound = np.arange(int(seconds * 12000), dtype="float32")
    seen = {}

    def melspectrogram(y, sr, hop_length, n_fft, n_mels):
        seen.update(y=y, sr=sr, n_fft=n_fft)
        return np.full((n_mels, 1 + len(y) // hop_length), 10.0)

    librosa = types.ModuleType("librosa")
    librosa.load = lambda path, sr: (sound, sr)
    librosa.feature = types.SimpleNamespace(melspectrogram=melspectrogram)
    librosa.power_to_db = lambda values, ref: 10 * np.log10(values / ref)
    monkeypatch.setattr(audio_conv_utils, "librosa_exists", lambda: False)
    with pytest.raises(RuntimeError, match="pip install librosa"):
        audio_conv_utils.preprocess_input("a.mp3")
    monkeypatch.setattr(audio_conv_utils, "librosa_exists", lambda: True)
    monkeypatch.setitem(sys.modules, "librosa", librosa)
    first = keras1.applications.audio_conv_utils.preprocess_input("a.mp3", dim_ordering="th")
    assert first.shape == (1, 96, 1366) and np.all(first == 20.0)
    assert audio_conv_utils.preprocess_input("a.mp3", "channels_last").shape == (96, 1366, 1)
    length = int(29.12 * 12000)
    assert len(seen["y"]) == length and seen["sr"] == 12000 and seen["n_fft"] == 512
    if seconds < 29:
        assert np.array_equal(seen["y"][:len(sound)], sound) and not seen["y"][len(sound):].any()
    else:
        assert seen["y"][0] == (len(sound) - length) // 2
    with pytest.raises(ValueError, match="data_format"):
        audio_conv_utils.preprocess_input("a.mp3", "other")
