"""Pictures as networks want them, against formulas in NumPy; names of classes from a file of the published form."""

import json

import numpy as np
import pytest

from symgraph import backend as K
from symgraph.applications import densenet, imagenet_utils, resnet_v2, vgg16
from symgraph.keras1.applications import imagenet_utils as old

X = np.random.default_rng(0).uniform(0, 255, (2, 4, 5, 3)).astype("float32")
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
EXPECTED = {"caffe": X[..., ::-1] - np.array([103.939, 116.779, 123.68]), "tf": X / 127.5 - 1,
            "torch": (X / 255 - MEAN) / DEVIATION}


@pytest.mark.parametrize("mode", EXPECTED)
def test_pictures(mode):
    before = X.copy()

    def same(found, expected=EXPECTED[mode]):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)

    same(imagenet_utils.preprocess_input(X, "channels_last", mode))
    same(imagenet_utils.preprocess_input(X[0], "channels_last", mode), EXPECTED[mode][0])
    first = imagenet_utils.preprocess_input(X.transpose(0, 3, 1, 2), "channels_first", mode)
    same(first.transpose(0, 2, 3, 1))
    same(K.eval(imagenet_utils.preprocess_input(K.variable(X), "channels_last", mode)))
    same(K.eval(imagenet_utils.preprocess_input(K.variable(X.transpose(0, 3, 1, 2)), "channels_first", mode)),
         EXPECTED[mode].transpose(0, 3, 1, 2))
    whole = imagenet_utils.preprocess_input(X.astype("uint8"), "channels_last", mode)
    assert whole.dtype == "float32" and np.array_equal(X, before)
    symbolic = imagenet_utils.preprocess_input(K.variable(X.astype("int32"), dtype="int32"), "channels_last", mode)
    np.testing.assert_allclose(K.eval(symbolic), whole, rtol=1e-4, atol=1e-4)


def test_each_network_has_its_own():
    K.set_image_data_format("channels_last")
    np.testing.assert_allclose(vgg16.preprocess_input(X), EXPECTED["caffe"], rtol=1e-5)
    np.testing.assert_allclose(resnet_v2.preprocess_input(X), EXPECTED["tf"], atol=1e-6)
    np.testing.assert_allclose(densenet.preprocess_input(X), EXPECTED["torch"], rtol=1e-4, atol=1e-5)
    first = old.preprocess_input(X.transpose(0, 3, 1, 2), dim_ordering="th")
    np.testing.assert_allclose(first.transpose(0, 2, 3, 1), EXPECTED["caffe"], rtol=1e-5)
    with pytest.raises(ValueError, match="Unknown data_format other"):
        imagenet_utils.preprocess_input(X, "other")
    with pytest.raises(ValueError, match="Unknown mode 'other'"):
        imagenet_utils.preprocess_input(X, mode="other")
    with pytest.raises(TypeError, match="moode"):
        imagenet_utils.preprocess_input(X, moode="tf")


def test_names_of_classes(tmp_path, monkeypatch):
    index = {str(number): [f"n{number:08d}", f"class_{number}"] for number in range(1000)}
    (tmp_path / "index.json").write_text(json.dumps(index))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(imagenet_utils, "CLASS_INDEX_PATH", (tmp_path / "index.json").as_uri())
    monkeypatch.setattr(imagenet_utils, "_CLASS_INDEX_HASH", None)
    monkeypatch.setattr(imagenet_utils, "CLASS_INDEX", None)
    scores = np.zeros((2, 1000))
    scores[0, [3, 7, 999]] = 0.1, 0.5, 0.3
    scores[1, 0] = 1.0
    found = imagenet_utils.decode_predictions(scores, top=3)
    assert found[0] == [("n00000007", "class_7", 0.5), ("n00000999", "class_999", 0.3), ("n00000003", "class_3", 0.1)]
    assert found[1][0] == ("n00000000", "class_0", 1.0) and len(imagenet_utils.decode_predictions(scores)[0]) == 5
    for wrong in (np.zeros((1, 7)), np.zeros(1000)):
        with pytest.raises(ValueError, match=r"2D array of shape \(samples, 1000\)"):
            imagenet_utils.decode_predictions(wrong)
