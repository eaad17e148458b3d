"""`import keras` that finds symgraph: real module objects, refused beside a real Keras, undone without a trace."""

import importlib
import sys
import types

import pytest

import symgraph
from symgraph import backend as K
from symgraph import install


@pytest.fixture(autouse=True)
def nothing_installed():
    install.uninstall()
    before = K.image_data_format()
    yield
    install.uninstall()
    K.set_image_data_format(before)
    assert not [name for name in sys.modules if name.split(".")[0] in {"keras", "keras_applications"}]


def test_modules_of_keras_2():
    keras = symgraph.install_as_keras("2.3.1")
    assert isinstance(keras, types.ModuleType) and keras.__version__ == "2.3.1"
    assert sys.modules["keras"] is keras and install.installed_version() == "2.3.1"
    from keras.layers import Dense
    from keras.layers.core import Dense as SameDense

    assert Dense is SameDense is symgraph.layers.Dense
    core = importlib.import_module("keras.layers.core")
    assert isinstance(core, types.ModuleType) and keras.layers.core is core
    assert core.__name__ == "keras.layers.core" and core.K is sys.modules["keras.backend"]
    assert importlib.import_module("keras.engine.topology").Layer is symgraph.layers.Layer
    assert importlib.import_module("keras.objectives").mse is symgraph.losses.mse


def test_star_imports_bring_the_public_names():
    symgraph.install_as_keras("2")
    names: dict = {}
    exec("from keras.layers import *\nfrom keras.models import *", names)
    assert {"Dense", "Conv2D", "LSTM", "Sequential", "Model"} <= set(names)


def test_patching_a_module_patches_what_the_engine_uses(monkeypatch):
    symgraph.install_as_keras("2.3.1")
    keras_backend = importlib.import_module("keras.backend")
    original = K.square
    with monkeypatch.context() as patch:
        patch.setattr(keras_backend, "square", lambda x: x)
        assert K.square is not original and keras_backend.square is K.square
    assert K.square is original and keras_backend.square is original


def test_a_missing_name_or_module_is_the_usual_error():
    symgraph.install_as_keras("2.3.1")
    with pytest.raises(ImportError, match="cannot import name 'Dennse'"):
        exec("from keras.layers import Dennse")
    with pytest.raises(ModuleNotFoundError, match="keras.no_such_module"):
        importlib.import_module("keras.no_such_module")


@pytest.mark.parametrize("asked, version", [("1", "1.2.2"), ("1.1.2", "1.1.2"), ("1.2.2", "1.2.2"), ("2", "2.3.1")])
def test_versions(asked, version):
    assert symgraph.install_as_keras(asked).__version__ == version
    # Asking again is no change, another version replaces it.
    assert symgraph.install_as_keras(asked) is sys.modules["keras"]
    assert symgraph.install_as_keras("2.3.1").__version__ == "2.3.1"


def test_unknown_versions_are_named():
    with pytest.raises(ValueError, match="'3'; known: 2.3.1, 2, 1.2.2"):
        symgraph.install_as_keras("3")


def test_a_real_keras_is_not_replaced(monkeypatch):
    real = types.ModuleType("keras")
    real.__file__ = "/somewhere/keras/__init__.py"
    monkeypatch.setitem(sys.modules, "keras", real)
    with pytest.raises(RuntimeError, match=r"'keras' is imported already, from /somewhere/keras"):
        symgraph.install_as_keras()
    assert sys.modules["keras"] is real and install.installed_version() is None


def test_undone():
    symgraph.install_as_keras("2.3.1")
    importlib.import_module("keras.layers")
    symgraph.uninstall()
    assert install.installed_version() is None
    assert not [name for name in sys.modules if name.split(".")[0] in {"keras", "keras_preprocessing"}]


def test_tf_keras_and_nothing_more(monkeypatch):
    if "tensorflow" in sys.modules:
        pytest.skip("TensorFlow is imported in this process")
    symgraph.install_as_keras("2.3.1", tf_keras=True)
    tf = importlib.import_module("tensorflow")
    assert tf.keras.layers.Dense is symgraph.layers.Dense
    assert importlib.import_module("tensorflow.keras.models").Sequential is symgraph.Sequential
    with pytest.raises(AttributeError, match=r"tf\.Session is not offered.*K\.function"):
        tf.Session  # noqa: B018
    install.uninstall()
    assert "tensorflow" not in sys.modules


def test_theano_says_what_to_use_instead():
    if importlib.util.find_spec("theano"):
        pytest.skip("Theano is installed")
    install.explain_missing(["theano"])
    theano = importlib.import_module("theano")
    with pytest.raises(AttributeError, match=r"theano\.function is not offered.*K\.function"):
        theano.function  # noqa: B018


def test_keras_1_has_its_own_names_only():
    symgraph.install_as_keras("1")
    keras = importlib.import_module("keras")
    assert importlib.import_module("keras.initializations").uniform
    assert callable(keras.layers.merge)  # a function there, a module in Keras 2
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("keras.initializers")
    with pytest.raises(AttributeError):
        keras.layers.DepthwiseConv2D  # noqa: B018


@pytest.mark.parametrize("version", ["1.1.2", "2.3.1"])
def test_names_that_scripts_take_from_where_keras_imports_them(version):
    symgraph.install_as_keras(version)
    from keras import backend as K
    from keras.backend.common import _EPSILON
    from keras.layers.core import InputSpec, Layer
    from keras.layers.recurrent import InputSpec as SameSpec

    assert pytest.approx(K.epsilon()) == _EPSILON
    assert SameSpec is InputSpec and issubclass(importlib.import_module("keras.layers").Dense, Layer)
    if version[0] == "1":
        from keras.layers.core import Merge

        assert Merge is importlib.import_module("keras.layers").Merge
