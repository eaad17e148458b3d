"""Pictures that a table lists: each mode of targets, names of no picture, subsets, and columns that do not fit."""

import numpy as np
import pytest

from symgraph import backend as K
from symgraph.preprocessing import image as im

pytest.importorskip("PIL")
pandas = pytest.importorskip("pandas")


@pytest.fixture(autouse=True)
def order_of_pictures():
    before = K.image_data_format()
    K.set_image_data_format("channels_last")
    yield
    K.set_image_data_format(before)


@pytest.fixture
def table(tmp_path):
    """Six pictures, the brightness of each ten times its number, and one name without a file."""
    for number in range(6):
        im.save_img(tmp_path / f"{number}.png", np.full((4, 4, 3), 10.0 * number), scale=False)
    return tmp_path, pandas.DataFrame({
        "filename": [f"{number}.png" for number in range(6)] + ["none.png"],
        "class": ["b", "a", "b", "a", "b", "a", "a"],
        "several": [["b"], ["a", "b"], ("c",), ["a"], "b", ["c", "a"], ["a"]],
        "value": np.arange(7.0), "other": np.arange(7) * 2, "weight": np.arange(7) / 10.0,
    })


def _flow(table, generator=None, **words):
    folder, frame = table
    generator = generator or im.ImageDataGenerator()
    with pytest.warns(UserWarning, match=r"Found 1 invalid image filename\(s\) in x_col=\"filename\""):
        return generator.flow_from_dataframe(frame, str(folder), **{"target_size": (4, 4), "shuffle": False, **words})


def test_one_hot(table, capsys):
    flow = _flow(table, weight_col="weight", batch_size=4)
    assert "Found 6 validated image filenames belonging to 2 classes." in capsys.readouterr().out
    x, y, weights = flow[0]
    np.testing.assert_allclose(x.mean((1, 2, 3)), [0, 10, 20, 30])
    np.testing.assert_array_equal(y, np.eye(2)[[1, 0, 1, 0]])
    np.testing.assert_allclose(weights, [0, 0.1, 0.2, 0.3])
    assert flow.class_indices == {"a": 0, "b": 1} and len(flow) == 2 and flow.filepaths[5].endswith("5.png")
    assert flow.labels == [1, 0, 1, 0, 1, 0] and len(flow.sample_weight) == 6
    assert flow.get_classes(table[1], "class") == [1, 0, 1, 0, 1, 0, 0]


@pytest.mark.parametrize("mode, column, expected", [
    ("binary", "class", [1, 0, 1, 0, 1, 0]), ("sparse", "class", [1, 0, 1, 0, 1, 0]),
    ("raw", "value", [0, 1, 2, 3, 4, 5]), ("raw", ["value", "other"], [[k, 2 * k] for k in range(6)]),
    ("categorical", "several", [[0, 1, 0], [1, 1, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0], [1, 0, 1]]),
])
def test_targets(table, mode, column, expected):
    x, y = next(_flow(table, class_mode=mode, y_col=column))
    np.testing.assert_array_equal(y, expected)


def test_other_targets(table):
    x, (value, other) = next(_flow(table, class_mode="multi_output", y_col=["value", "other"]))
    assert value.tolist() == [0, 1, 2, 3, 4, 5] and other.tolist() == [0, 2, 4, 6, 8, 10]
    x, same = next(_flow(table, class_mode="input"))
    assert np.array_equal(x, same) and x is not same
    assert next(_flow(table, class_mode=None)).shape == (6, 4, 4, 3)
    with pytest.warns(DeprecationWarning, match="please use `class_mode` .raw."):
        assert next(_flow(table, class_mode="other", y_col="value"))[1].tolist() == [0, 1, 2, 3, 4, 5]


def test_chosen_classes_and_subsets(table):
    flow = _flow(table, classes=["c", "a"], y_col="several")
    assert flow.class_indices == {"c": 0, "a": 1} and [name[0] for name in flow.filenames] == list("1235")
    np.testing.assert_array_equal(next(flow)[1], [[0, 1], [1, 0], [0, 1], [1, 1]])
    generator = im.ImageDataGenerator(validation_split=0.34)
    assert [name[0] for name in _flow(table, generator, subset="validation").filenames] == ["0", "1"]
    training = _flow(table, generator, subset="training", weight_col="weight")
    assert [name[0] for name in training.filenames] == list("2345") and len(training[0][2]) == 4
    assert training.labels == [1, 0, 1, 0]


def test_whole_paths_that_are_not_looked_at(table):
    folder, frame = table
    frame = frame.assign(filename=[str(folder / name) for name in frame["filename"]])
    flow = im.DataFrameIterator(frame, target_size=(4, 4), shuffle=False, validate_filenames=False)
    assert flow.n == 7
    with pytest.raises(FileNotFoundError):
        flow[0]


@pytest.mark.parametrize("words, error, message", [
    ({"class_mode": "some"}, ValueError, "Invalid class_mode: some"),
    ({"x_col": "value"}, TypeError, "x_col=value must be strings"),
    ({"y_col": "nothing"}, ValueError, "no column 'nothing'; it has 'filename'"),
    ({"y_col": "value"}, TypeError, 'class_mode="categorical", y_col="value" column values must be type string'),
    ({"class_mode": "sparse", "y_col": "value"}, TypeError, "column values must be strings"),
    ({"class_mode": "binary", "classes": ["a"]}, ValueError, "1 class/es were given"),
    ({"class_mode": "binary", "y_col": "filename"}, ValueError, "Found 7 classes"),
    ({"class_mode": "multi_output", "y_col": "value"}, TypeError, "y_col must be a list. Received str"),
    ({"weight_col": "class"}, TypeError, "weight_col=class must be numeric"),
    ({"color_mode": "blue"}, ValueError, "Invalid color mode: blue"),
    ({"has": 1}, TypeError, "unknown arguments 'has'"),
])
def test_columns_that_do_not_fit(table, words, error, message):
    with pytest.raises(error, match=message):
        im.ImageDataGenerator().flow_from_dataframe(table[1], str(table[0]), **words)


def test_arguments_that_are_gone(table):
    with pytest.warns(DeprecationWarning, match="`sort` is deprecated, batches will be created"):
        _flow(table, sort=True)
    with pytest.warns(UserWarning, match="`classes` will be ignored"):
        _flow(table, class_mode=None, classes=["a"])
