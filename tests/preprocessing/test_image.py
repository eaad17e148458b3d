"""Pictures: changes worked out by hand, statistics by NumPy, files written and read again."""

import numpy as np
import pytest

from symgraph import backend as K
from symgraph.keras1.preprocessing import image as old_image
from symgraph.preprocessing import image as im
from symgraph.preprocessing.image import iterator

pytest.importorskip("PIL")
RNG = np.random.default_rng(0)
PICTURES = RNG.uniform(0, 255, size=(10, 6, 8, 3)).astype("float32")


@pytest.fixture(autouse=True)
def order_of_pictures():
    before = K.image_data_format()
    K.set_image_data_format("channels_last")
    yield
    K.set_image_data_format(before)


def test_a_shift_and_a_quarter_turn():
    x = np.arange(16.0).reshape(4, 4, 1)
    moved = im.apply_affine_transform(x, tx=1, fill_mode="constant", cval=-1)
    np.testing.assert_allclose(moved[:3], x[1:])
    assert np.all(moved[3] == -1)
    turned = im.apply_affine_transform(x, theta=90)
    np.testing.assert_allclose(turned[..., 0], np.rot90(x[..., 0], -1), atol=1e-6)
    first = im.apply_affine_transform(x.transpose(2, 0, 1), tx=1, row_axis=1, col_axis=2, channel_axis=0)
    np.testing.assert_allclose(first[0, :3], x[1:, :, 0])
    assert im.apply_affine_transform(x) is x


def test_random_changes_stay_in_their_range():
    np.random.seed(0)
    x = PICTURES[0].transpose(2, 0, 1)
    for change in (im.random_rotation(x, 30), im.random_shift(x, 0.2, 0.2), im.random_shear(x, 20),
                   im.random_zoom(x, (0.5, 1.5)), im.random_channel_shift(x, 20)):
        assert change.shape == x.shape and x.min() - 1e-3 <= change.min() and change.max() <= x.max() + 1e-3
        assert not np.allclose(change, x)
    with pytest.raises(ValueError, match="zoom_range"):
        im.random_zoom(x, (1,))


def test_statistics():
    generator = im.ImageDataGenerator(featurewise_center=True, featurewise_std_normalization=True)
    with (pytest.warns(UserWarning, match="`featurewise_std_normalization`, but it hasn't been fit"),
          pytest.warns(UserWarning, match="`featurewise_center`, but it hasn't been fit")):
        np.testing.assert_array_equal(generator.standardize(PICTURES[0]), PICTURES[0])
    generator.fit(PICTURES)
    np.testing.assert_allclose(generator.mean.ravel(), PICTURES.mean((0, 1, 2)), rtol=1e-4)
    batch = next(generator.flow(PICTURES, batch_size=10, shuffle=False))
    np.testing.assert_allclose(batch.mean((0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(batch.std((0, 1, 2)), 1, rtol=1e-4)
    with pytest.warns(UserWarning, match="`zca_whitening`, which overrides setting of `featurewise_center`"):
        white = im.ImageDataGenerator(zca_whitening=True, zca_epsilon=1e-3)
    small = RNG.normal(size=(300, 2, 2, 1)).astype("float32")
    white.fit(small)
    flat = np.stack([white.standardize(one).ravel() for one in small])
    np.testing.assert_allclose(np.cov(flat.T), np.eye(4), atol=0.05)


def test_batches_of_an_array():
    generator = im.ImageDataGenerator(rescale=0.5, validation_split=0.2)
    flow = generator.flow(PICTURES, np.arange(10), batch_size=4, shuffle=False, sample_weight=np.ones(10))
    assert len(flow) == 3 and flow.n == 10
    x, y, weights = flow[1]
    np.testing.assert_allclose(x, PICTURES[4:8] * 0.5)
    assert y.tolist() == [4, 5, 6, 7] and weights.shape == (4,)
    assert [len(next(flow)[0]) for _ in range(4)] == [4, 4, 2, 4]
    labels = np.array([0, 1] * 5)
    assert next(generator.flow(PICTURES, labels, shuffle=False, subset="validation"))[1].tolist() == [0, 1]
    with pytest.raises(ValueError, match="different number of classes after the split"):
        generator.flow(PICTURES, np.arange(10), subset="validation")
    assert generator.flow(PICTURES, subset="training").n == 8
    seen = [next(generator.flow(PICTURES, np.arange(10), batch_size=10, seed=3))[1].tolist() for _ in range(2)]
    assert seen[0] == seen[1] != list(range(10)) and sorted(seen[0]) == list(range(10))
    with pytest.raises(ValueError, match="same length"):
        generator.flow(PICTURES, np.arange(9))
    with pytest.raises(ValueError, match="rank 4"):
        generator.flow(PICTURES[0])


def test_chosen_changes():
    generator = im.ImageDataGenerator(horizontal_flip=True, vertical_flip=True, width_shift_range=2)
    np.testing.assert_allclose(generator.apply_transform(PICTURES[0], {"flip_horizontal": True}), PICTURES[0][:, ::-1])
    np.testing.assert_allclose(generator.apply_transform(PICTURES[0], {"flip_vertical": True}), PICTURES[0][::-1])
    first, second = (generator.get_random_transform((6, 8, 3), seed=5) for _ in range(2))
    assert first == second and first["ty"] in {-2.0, -1.0, 0.0, 1.0, 2.0} and first["tx"] == 0


def test_files(tmp_path):
    picture = np.round(PICTURES[0])
    im.save_img(tmp_path / "a.png", picture, scale=False)
    np.testing.assert_array_equal(im.img_to_array(im.load_img(tmp_path / "a.png")), picture)
    assert im.img_to_array(im.load_img(tmp_path / "a.png", grayscale=True)).shape == (6, 8, 1)
    assert im.load_img(tmp_path / "a.png", target_size=(3, 5), interpolation="bilinear").size == (5, 3)
    assert im.img_to_array(im.load_img(tmp_path / "a.png"), dim_ordering="th").shape == (3, 6, 8)
    with pytest.raises(ValueError, match="color_mode"):
        im.load_img(tmp_path / "a.png", color_mode="blue")
    with pytest.raises(ValueError, match="channel number: 2"):
        im.array_to_img(np.zeros((3, 3, 2)))


def test_folders_are_classes(tmp_path, capsys):
    for number, name in enumerate(("cats", "dogs")):
        (tmp_path / name).mkdir()
        for index in range(3):
            im.save_img(tmp_path / name / f"{index}.png", np.full((4, 4, 3), 100.0 * number), scale=False)
    flow = im.ImageDataGenerator().flow_from_directory(str(tmp_path), target_size=(4, 4), batch_size=6, shuffle=False)
    assert "Found 6 images belonging to 2 classes." in capsys.readouterr().out
    assert flow.class_indices == {"cats": 0, "dogs": 1} and flow.filenames[0].endswith("0.png")
    x, y = next(flow)
    np.testing.assert_array_equal(y, np.eye(2)[[0, 0, 0, 1, 1, 1]])
    np.testing.assert_array_equal(x.mean((1, 2, 3)), [0, 0, 0, 100, 100, 100])
    numbers = im.ImageDataGenerator().flow_from_directory(str(tmp_path), (4, 4), class_mode="binary", shuffle=False)
    assert next(numbers)[1].tolist() == [0, 0, 0, 1, 1, 1]
    with pytest.raises(ValueError, match="class_mode"):
        im.ImageDataGenerator().flow_from_directory(str(tmp_path), class_mode="other")


def test_the_words_of_keras_1():
    assert im.ImageDataGenerator(dim_ordering="th").data_format == "channels_first"
    assert old_image.ImageDataGenerator(dim_ordering="th").data_format == "channels_first"
    assert old_image.ImageDataGenerator(False, False, False, False, False, 15.0).rotation_range == 15.0
    assert old_image.random_rotation(PICTURES[0], 10, row_index=0, col_index=1, channel_index=2).shape == (6, 8, 3)


def test_normalisations_that_need_each_other():
    with pytest.warns(UserWarning, match="`samplewise_std_normalization`, which overrides.*`samplewise_center`"):
        assert im.ImageDataGenerator(samplewise_std_normalization=True).samplewise_center
    with pytest.warns(UserWarning, match="`featurewise_std_normalization`, which overrides.*`featurewise_center`"):
        assert im.ImageDataGenerator(featurewise_std_normalization=True).featurewise_center
    with pytest.warns(UserWarning, match="`zca_whitening`, which overrides.*`featurewise_std_normalization`"):
        white = im.ImageDataGenerator(True, featurewise_std_normalization=True, zca_whitening=True)
    assert not white.featurewise_std_normalization
    old = old_image.ImageDataGenerator(featurewise_std_normalization=True, zca_whitening=True, shear_range=np.pi / 6)
    assert old.featurewise_std_normalization and not old.featurewise_center and old.interpolation_order == 0
    assert abs(old.shear_range - 30) < 1e-9 and old.dim_ordering == "tf"


def test_the_nearest_pixel_of_keras_1():
    x = np.arange(16.0).reshape(4, 4, 1)
    moved = old_image.apply_transform(x, np.array([[1, 0, 1], [0, 1, 0.4], [0, 0, 1]]), channel_index=2)
    np.testing.assert_array_equal(moved[:3], x[1:])
    for change in (old_image.random_rotation(x, 30, 0, 1, 2), old_image.random_shift(x, 0.5, 0.5, 0, 1, 2),
                   old_image.random_shear(x, 0.5, 0, 1, 2), old_image.random_zoom(x, (0.5, 2), 0, 1, 2)):
        assert change.shape == x.shape and set(change.ravel()) <= set(x.ravel())
    assert not hasattr(im, "apply_transform")


def test_batches_in_the_words_of_keras_1(tmp_path):
    generator = old_image.ImageDataGenerator(dim_ordering="tf", rescale=0.5)
    generator.fit(X=PICTURES)
    x, y = next(generator.flow(PICTURES, np.arange(10), 4, False, 3, str(tmp_path)))
    assert y.tolist() == [0, 1, 2, 3] and len(list(tmp_path.glob("*.jpeg"))) == 4
    np.testing.assert_allclose(x, PICTURES[:4] * 0.5)
    (tmp_path / "a").mkdir()
    im.save_img(tmp_path / "a" / "1.png", PICTURES[0])
    assert generator.flow_from_directory(str(tmp_path), (6, 8), "rgb", None, None, 1, False).save_format == "jpeg"


def test_pictures_that_may_be_of_the_other_layout():
    with pytest.warns(UserWarning, match=r"channels on axis 1\), i.e. expected either 1, 3, or 4.*\(6 channels\)"):
        im.ImageDataGenerator(data_format="channels_first").flow(PICTURES)
    with pytest.warns(UserWarning, match=r"ImageDataGenerator.fit is set to use.*\(6 channels\)"):
        im.ImageDataGenerator(data_format="channels_first").fit(PICTURES)


def test_a_class_that_gives_no_batches():
    with pytest.raises(NotImplementedError, match="_get_batches_of_transformed_samples"):
        im.Iterator(3, 2, False, None).next()

    class Files(iterator.BatchFromFilesMixin, im.Iterator):
        pass

    files = Files(3, 2, False, None)
    for name in ("filepaths", "labels", "sample_weight"):
        with pytest.raises(NotImplementedError, match=name):
            getattr(files, name)
    with pytest.raises(ValueError, match="Invalid subset name: half"):
        files.set_processing_attrs(im.ImageDataGenerator(), (2, 2), "rgb", None, None, "", "png", "half", "nearest")
