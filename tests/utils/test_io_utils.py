"""Dictionaries in files, asking before a file is replaced, arrays in files."""

import io

import h5py
import numpy as np
import pytest

from symgraph.keras1.utils import io_utils as old
from symgraph.layers import Dense
from symgraph.models import Sequential, load_model
from symgraph.utils import H5Dict, io_utils

LONG = [f"{number:01000d}" for number in range(200)]


@pytest.mark.parametrize("place", ["file", "group", "dictionary"])
def test_what_is_put_in_comes_out(place, tmp_path):
    def values(dictionary):
        group = dictionary["group"]
        assert isinstance(group, H5Dict) and "group" in dictionary and len(dictionary) == 2
        np.testing.assert_array_equal(group["array"], np.arange(6.0).reshape(2, 3))
        assert group["number"] == 3 and np.asarray(group["scalar"]) == 2.5
        text = dictionary["text"]
        assert text in ("words", b"words") and b"text" in dictionary
        names = [name.decode() if isinstance(name, bytes) else name for name in dictionary["names"]]
        assert names == LONG
        assert dictionary.get("nothing") is None and dictionary.get("text") == text and "nothing" not in dictionary
        assert sorted(dictionary) == sorted(dictionary.iter())

    if place == "file":
        with H5Dict(str(tmp_path / "a.h5"), mode="w") as dictionary:
            _fill(dictionary)
        with h5py.File(tmp_path / "a.h5") as file:
            assert "names0" in file.attrs and "names" not in file.attrs
            assert file["group"]["array"].shape == (2, 3)
        # Names, numbers and texts are attributes: only groups and arrays are counted.
        with H5Dict(tmp_path / "a.h5", mode="r") as dictionary:
            assert len(dictionary) == 2
            values(dictionary)
            with pytest.raises(ValueError, match="Cannot create group in read-only mode"):
                dictionary["new"]
            with pytest.raises(ValueError, match="Cannot set item in read-only mode"):
                dictionary["new"] = 1
    elif place == "group":
        with h5py.File(tmp_path / "b.h5", "w") as file:
            dictionary = H5Dict(file.create_group("inside"))
            _fill(dictionary)
            values(dictionary)
            with pytest.raises(KeyError, match='Group with name "group" exists'):
                dictionary["group"] = 1
    else:
        plain: dict = {}
        _fill(H5Dict(plain))
        dictionary = H5Dict(plain)
        assert len(dictionary) == 4
        assert dictionary["group"]["number"] == 3 and dictionary["names"] == LONG
        np.testing.assert_array_equal(dictionary["group"]["array"], np.arange(6.0).reshape(2, 3))


def _fill(dictionary):
    group = dictionary["group"]
    group["array"] = np.arange(6.0).reshape(2, 3)
    group["number"] = 3
    group["scalar"] = np.float64(2.5)
    dictionary["text"] = "words"
    dictionary["names"] = LONG
    dictionary["other"]


def test_other_kinds_are_refused(tmp_path):
    with pytest.raises(TypeError, match="Required Group, str or dict"):
        H5Dict([])
    assert H5Dict.is_supported_type({}) and not H5Dict.is_supported_type(3)
    with H5Dict(tmp_path / "a.h5") as dictionary:
        with pytest.raises(RuntimeError, match="larger than 64512 bytes"):
            dictionary["names"] = ["x" * 70000]
        with pytest.raises(NotImplementedError, match="update"):
            dictionary.update({"a": 1})
        assert dictionary.filename.endswith("a.h5")


def test_asking(monkeypatch, capsys):
    answers = iter(["maybe", "y"])
    monkeypatch.setattr("builtins.input", lambda question: next(answers))
    assert io_utils.ask_to_proceed_with_overwrite("a.h5")
    assert "overwrite=True" in capsys.readouterr().out
    monkeypatch.setattr("builtins.input", lambda question: "n")
    assert not old.ask_to_proceed_with_overwrite("a.h5")

    def nobody(question):
        raise EOFError

    monkeypatch.setattr("builtins.input", nobody)
    with pytest.raises(FileExistsError, match="a.h5 exists already"):
        io_utils.ask_to_proceed_with_overwrite("a.h5")


def test_models_in_streams():
    model = Sequential([Dense(2, input_dim=3)])
    stream = io.BytesIO()
    io_utils.save_to_binary_h5py(model.save, stream)
    stream.seek(0)
    again = io_utils.load_from_binary_h5py(lambda file: load_model(file, compile=False), stream)
    for one, other in zip(again.get_weights(), model.get_weights()):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(TypeError, match="open binary file"):
        io_utils.save_to_binary_h5py(model.save, "name")


def test_arrays(tmp_path):
    array = np.arange(6).reshape(2, 3)
    old.save_array(array, str(tmp_path / "a.h5"))
    np.testing.assert_array_equal(old.load_array(str(tmp_path / "a.h5")), array)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["other"] = 1
    with pytest.raises(KeyError, match="no array 'data'; it has other"):
        old.load_array(tmp_path / "b.h5")
