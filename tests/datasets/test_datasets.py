"""The loaders, on small files of the published formats, in the words of both generations."""

import gzip
import io
import json
import os
import pickle
import tarfile

import numpy as np
import pytest

from symgraph import backend as K
from symgraph import datasets
from symgraph.datasets import boston_housing, cifar10, cifar100, fashion_mnist, imdb, mnist, reuters, stored
from symgraph.datasets.cifar import load_batch
from symgraph.keras1.datasets import imdb as old_imdb
from symgraph.keras1.datasets import mnist as old_mnist
from symgraph.keras1.datasets import reuters as old_reuters

RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.integers(0, 256, (7, 28, 28)).astype("uint8"), RNG.integers(0, 10, 7).astype("uint8")
TEXTS = [[5, 1, 40], [2, 2], [7, 8, 9, 10, 11], [30], [1, 2, 3, 4]]


@pytest.fixture(autouse=True)
def published(monkeypatch, tmp_path):
    """A folder that stands for the servers, and an empty folder for what is fetched; files have no known checksum."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    folder = tmp_path / "published"
    folder.mkdir()
    for module in (mnist, imdb, reuters):
        monkeypatch.setattr(module, "_ORIGIN", folder.as_uri() + "/")
        monkeypatch.setattr(module, "_HASHES", dict.fromkeys(module._HASHES))
    monkeypatch.setattr(fashion_mnist, "_ORIGIN", folder.as_uri() + "/")
    monkeypatch.setattr(fashion_mnist, "_FILES", [(name, None) for name, _ in fashion_mnist._FILES])
    for module, name in ((boston_housing, "boston_housing.npz"), (cifar10, "cifar-10-python.tar.gz"),
                         (cifar100, "cifar-100-python.tar.gz")):
        monkeypatch.setattr(module, "_ORIGIN", (folder / name).as_uri())
        monkeypatch.setattr(module, "_HASH", None)
    layout = K.image_data_format()
    yield folder
    K.set_image_data_format(layout)


def _lists(texts):
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array


def test_digits(published):
    np.savez(published / "mnist.npz", x_train=IMAGES[:5], y_train=LABELS[:5], x_test=IMAGES[5:], y_test=LABELS[5:])
    with gzip.open(published / "mnist.pkl.gz", "wb") as file:
        pickle.dump(((IMAGES[:5], LABELS[:5]), (IMAGES[5:], LABELS[5:])), file, protocol=2)
    for load in (mnist.load_data, old_mnist.load_data):
        (x, y), (x_test, y_test) = load()
        assert x.dtype == "uint8" and np.array_equal(x, IMAGES[:5]) and np.array_equal(y, LABELS[:5])
        assert np.array_equal(x_test, IMAGES[5:]) and np.array_equal(y_test, LABELS[5:])
    assert sorted(os.listdir(published.parent / "home" / "datasets")) == ["mnist.npz", "mnist.pkl.gz"]


def test_clothes(published):
    for name, rows in (("train", slice(0, 5)), ("t10k", slice(5, 7))):
        for kind, data in (("images-idx3", IMAGES[rows]), ("labels-idx1", LABELS[rows])):
            header = bytes([0, 0, 8, data.ndim]) + np.array(data.shape, ">i4").tobytes()
            with gzip.open(published / f"{name}-{kind}-ubyte.gz", "wb") as file:
                file.write(header + data.tobytes())
    (x, y), (x_test, y_test) = fashion_mnist.load_data()
    assert np.array_equal(x, IMAGES[:5]) and np.array_equal(y, LABELS[:5])
    assert np.array_equal(x_test, IMAGES[5:]) and np.array_equal(y_test, LABELS[5:])
    for damaged in (b"", b"\0\0\x08\x01\0\0\0\x05abc", b"\0\0\x0d\x01\0\0\0\0"):
        with gzip.open(published / "damaged.gz", "wb") as file:
            file.write(damaged)
        with pytest.raises(ValueError, match="no whole IDX file"):
            stored.load_idx(published / "damaged.gz")


def _archive(path, folder, batches):
    with tarfile.open(path, "w:gz") as archive:
        for name, batch in batches.items():
            data = pickle.dumps(batch, protocol=2)
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def test_pictures_in_ten_and_in_hundred_classes(published):
    pixels = RNG.integers(0, 256, (12, 3072)).astype("uint8")
    parts = {f"data_batch_{number + 1}": pixels[2 * number:2 * number + 2] for number in range(5)}
    parts["test_batch"] = pixels[10:]
    _archive(published / "cifar-10-python.tar.gz", "cifar-10-batches-py",
             {name: {b"data": part, b"labels": [3, 9]} for name, part in parts.items()})
    K.set_image_data_format("channels_last")
    (x, y), (x_test, y_test) = cifar10.load_data()
    assert x.shape == (10, 32, 32, 3) and y.shape == (10, 1) and y_test.ravel().tolist() == [3, 9]
    assert np.array_equal(x, pixels[:10].reshape(10, 3, 32, 32).transpose(0, 2, 3, 1))
    K.set_image_data_format("channels_first")
    assert np.array_equal(cifar10.load_data()[1][0], pixels[10:].reshape(2, 3, 32, 32))
    batch = {b"data": pixels, b"fine_labels": list(range(12)), b"coarse_labels": [1] * 12}
    _archive(published / "cifar-100-python.tar.gz", "cifar-100-python", {"train": batch, "test": batch})
    assert cifar100.load_data()[0][1].ravel().tolist() == list(range(12))
    assert cifar100.load_data(label_mode="coarse")[0][1].ravel().tolist() == [1] * 12
    with pytest.raises(ValueError, match="label_mode"):
        cifar100.load_data("rough")
    with pytest.raises(KeyError, match="has no 'labels'"):
        load_batch(published.parent / "home" / "datasets" / "cifar-100-python" / "train")


def test_prices(published):
    x, y = RNG.normal(size=(10, 13)), np.arange(10.0)
    np.savez(published / "boston_housing.npz", x=x, y=y)
    (x_train, y_train), (x_test, y_test) = boston_housing.load_data(test_split=0.3, seed=1)
    assert len(x_train) == 7 and len(x_test) == 3 and y_train.tolist() != y[:7].tolist()
    assert np.array_equal(np.concatenate([x_train, x_test]), x[np.concatenate([y_train, y_test]).astype(int)])
    assert boston_housing.load_data(test_split=0)[1][0].shape == (0, 13)
    with pytest.raises(AssertionError, match="test_split"):
        boston_housing.load_data(test_split=1)


def _reviews(published):
    arrays = {"x_train": _lists(TEXTS[:3]), "y_train": np.array([0, 1, 2]), "x_test": _lists(TEXTS[3:]),
              "y_test": np.array([3, 4])}
    np.savez(published / "imdb.npz", **arrays)
    with open(published / "imdb_full.pkl", "wb") as file:
        pickle.dump(((TEXTS[:3], [0, 1, 2]), (TEXTS[3:], [3, 4])), file, protocol=2)
    np.savez(published / "reuters.npz", x=_lists(TEXTS), y=np.arange(5))
    with open(published / "reuters.pkl", "wb") as file:
        pickle.dump((TEXTS, [0, 1, 2, 3, 4]), file, protocol=2)


def _by_label(data):
    return {int(label): list(text) for part in data for text, label in zip(*part)}


@pytest.mark.parametrize("load", [imdb.load_data, old_imdb.load_data, reuters.load_data, old_reuters.load_data])
def test_texts(published, load):
    _reviews(published)
    words = "nb_words" if load in (old_imdb.load_data, old_reuters.load_data) else "num_words"
    found = load()
    assert _by_label(found) == {label: [1, *(word + 3 for word in text)] for label, text in enumerate(TEXTS)}
    assert [len(part[0]) for part in found] == ([3, 2] if "imdb" in load.__module__ else [4, 1])
    plain = load(start_char=None, oov_char=None, index_from=0)
    assert _by_label(plain) == dict(enumerate(TEXTS))
    chosen = load(**{words: 10}, skip_top=2, start_char=None, index_from=0)
    assert _by_label(chosen)[2] == [7, 8, 9, 2, 2] and _by_label(chosen)[0] == [5, 2, 2]
    dropped = load(**{words: 10}, skip_top=2, start_char=None, oov_char=None, index_from=0)
    assert _by_label(dropped)[2] == [7, 8, 9] and _by_label(dropped)[0] == [5]
    assert set(_by_label(load(maxlen=4))) == {1, 3}
    with pytest.raises(ValueError, match="Increase maxlen"):
        load(maxlen=1)
    with pytest.raises(TypeError, match="words"):
        load(words=1)


def test_the_order_is_that_of_the_seed(published):
    _reviews(published)
    expected = np.arange(5)
    np.random.RandomState(113).shuffle(expected)
    for load in (reuters.load_data, old_reuters.load_data):
        (_, train), (_, test) = load()
        assert [*train, *test] == expected.tolist()
    generator = np.random.RandomState(113)
    first, second = np.arange(3), np.arange(3, 5)
    generator.shuffle(first)
    generator.shuffle(second)
    (_, train), (_, test) = imdb.load_data()
    assert train.tolist() == first.tolist() and test.tolist() == second.tolist()
    assert imdb.load_data(nb_words=10)[0][1].tolist() == train.tolist()


def test_word_numbers(published):
    index = {"the": 1, "café": 2}
    for name in ("imdb", "reuters"):
        (published / f"{name}_word_index.json").write_text(json.dumps(index))
        with open(published / f"{name}_word_index.pkl", "wb") as file:
            pickle.dump(index, file, protocol=2)
    for module in (imdb, reuters, old_imdb, old_reuters):
        assert module.get_word_index() == index


class _Calls:
    def __reduce__(self):
        return os.system, ("echo this must not run",)


def test_no_file_runs_code(published, capfd):
    with open(published / "reuters.pkl", "wb") as file:
        pickle.dump((_Calls(), []), file)
    np.savez(published / "reuters.npz", x=_lists([_Calls()]), y=np.zeros(1))
    for name in ("reuters.pkl", "reuters.npz"):
        with pytest.raises(pickle.UnpicklingError, match="asks for posix.system"):
            reuters.load_data(name)
    assert "must not run" not in capfd.readouterr().out
    for value in (np.arange(6.0).reshape(2, 3), np.float32(1.5), {"a": [1, (2.0, b"x")]}, np.array(["text"])):
        with open(published / "value.pkl", "wb") as file:
            pickle.dump(value, file, protocol=2)
        np.testing.assert_equal(stored.load_pickle(published / "value.pkl", "latin1"), value)
    np.savez(published / "some.npz", x=np.zeros(1))
    with pytest.raises(KeyError, match="no array 'y'"):
        stored.load_npz(published / "some.npz", "y")


def test_the_modules_are_listed():
    assert all(hasattr(getattr(datasets, name), "load_data") for name in datasets.__all__) and dir(datasets)
    with pytest.raises(AttributeError, match="no attribute 'iris'"):
        _ = datasets.iris
