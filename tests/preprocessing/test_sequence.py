"""Sequences: padding, skip-grams and windows, against arrays worked out by hand."""

import numpy as np
import pytest

from symgraph.preprocessing import sequence as s


def test_padding_and_cutting():
    given = [[1], [1, 2], [1, 2, 3]]
    np.testing.assert_array_equal(s.pad_sequences(given), [[0, 0, 1], [0, 1, 2], [1, 2, 3]])
    np.testing.assert_array_equal(s.pad_sequences(given, padding="post", value=9), [[1, 9, 9], [1, 2, 9], [1, 2, 3]])
    np.testing.assert_array_equal(s.pad_sequences(given, maxlen=2), [[0, 1], [1, 2], [2, 3]])
    np.testing.assert_array_equal(s.pad_sequences(given, maxlen=2, truncating="post"), [[0, 1], [1, 2], [1, 2]])
    assert s.pad_sequences([[], [1]]).tolist() == [[0], [1]]
    assert s.pad_sequences(given, maxlen=0).shape == (3, 0)
    vectors = s.pad_sequences([[[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]]], dtype="float32")
    assert vectors.shape == (2, 2, 2) and vectors[0, 0].tolist() == [0, 0] and vectors[1, 1].tolist() == [5, 6]


@pytest.mark.parametrize("arguments, text", [
    ({"padding": "middle"}, 'Padding type "middle"'), ({"truncating": "middle"}, 'Truncating type "middle"'),
    ({"value": "x"}, "dtype=object")])
def test_padding_refuses(arguments, text):
    with pytest.raises(ValueError, match=text):
        s.pad_sequences([[1]], **arguments)


def test_padding_needs_lists_of_one_kind():
    with pytest.raises(ValueError, match="non-iterable: 3"):
        s.pad_sequences([[1], 3])
    with pytest.raises(ValueError, match="Shape of sample"):
        s.pad_sequences([[[1, 2]], [[1, 2, 3]]])


def test_pairs_of_words():
    couples, labels = s.skipgrams([1, 2, 0, 3], 5, window_size=1, negative_samples=0.0, shuffle=False)
    assert couples == [[1, 2], [2, 1]] and labels == [1, 1]
    couples, labels = s.skipgrams(range(5), 10, window_size=2, negative_samples=1.0, categorical=True)
    assert len(couples) == len(labels) and labels.count([0, 1]) == labels.count([1, 0])
    assert all(1 <= word < 10 for couple in couples for word in couple)


def test_frequent_words_are_left_out_more_often():
    table = s.make_sampling_table(100, sampling_factor=1e-3)
    assert table.shape == (100,) and np.all(np.diff(table[1:]) >= 0) and 0 < table[1] < table[99] <= 1


def test_windows_over_a_series():
    data = np.arange(50).reshape(-1, 1)
    generator = s.TimeseriesGenerator(data, data, length=10, sampling_rate=2, batch_size=2)
    assert len(generator) == 20
    samples, targets = generator[0]
    np.testing.assert_array_equal(samples[..., 0], [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9]])
    np.testing.assert_array_equal(targets[:, 0], [10, 11])
    again = s.timeseries_generator_from_json(generator.to_json())
    np.testing.assert_array_equal(again[3][0], generator[3][0])
    backwards = s.TimeseriesGenerator(data, data, length=3, reverse=True)
    assert backwards[0][0][0, :, 0].tolist() == [2, 1, 0]
    with pytest.raises(ValueError, match="same length"):
        s.TimeseriesGenerator(data, data[1:], length=3)
    with pytest.raises(ValueError, match="no part of the sequence"):
        s.TimeseriesGenerator(data, data, length=60)
