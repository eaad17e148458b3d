"""Settings: where each comes from, which source wins, and errors that name source, value and what is possible."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from symgraph import config


@pytest.fixture
def home(fresh_settings):
    return fresh_settings


def write(home, **values):
    (home / "keras.json").write_text(json.dumps(values), encoding="utf-8")


def test_defaults(home):
    assert config.floatx() == "float32"
    assert config.epsilon() == 1e-7
    assert config.image_data_format() == "channels_last"
    assert config.image_dim_ordering() == "tf"
    assert config.executor_name() == "numba"
    assert not list(home.iterdir()), "the user's folder must not be written"


def test_file_of_keras_2(home):
    write(home, floatx="float64", epsilon=1e-5, backend="numpy", image_data_format="channels_first")
    assert (config.floatx(), config.epsilon(), config.executor_name()) == ("float64", 1e-5, "numpy")
    assert config.image_data_format() == "channels_first"
    assert config.image_dim_ordering() == "th"


def test_file_of_keras_1(home):
    write(home, image_dim_ordering="th", epsilon=1e-07, floatx="float32", backend="theano")
    assert config.image_data_format() == "channels_first"
    assert config.executor_name() == "numba"


def test_contradicting_layouts_warn_and_the_newer_word_wins(home):
    write(home, image_dim_ordering="th", image_data_format="channels_last")
    with pytest.warns(UserWarning, match="image_dim_ordering"):
        assert config.image_data_format() == "channels_last"


def test_the_file_is_never_rewritten(home):
    text = '{ "backend": "tensorflow",\n   "floatx": "float64" }\n'
    (home / "keras.json").write_text(text)
    config.executor_name(), config.floatx(), config.set_floatx("float16"), config.settings()
    assert (home / "keras.json").read_text() == text
    assert [path.name for path in home.iterdir()] == ["keras.json"]


def test_byte_order_mark_is_accepted(home):
    (home / "keras.json").write_bytes(b'\xef\xbb\xbf{"floatx": "float64"}')
    assert config.floatx() == "float64"


@pytest.mark.parametrize(
    "text, position",
    [
        ('{"floatx": "float32",\n "epsilon": }', "line 2, column 13"),
        ("", "line 1, column 1"),
        ("[1]", "line 1, column 1"),
    ],
)
def test_broken_file_names_file_line_and_column(home, text, position):
    (home / "keras.json").write_text(text)
    with pytest.raises(config.ConfigurationError) as caught:
        config.floatx()
    assert str(home / "keras.json") in str(caught.value)
    assert position in str(caught.value)


def test_file_of_other_encoding_is_an_error(home):
    (home / "keras.json").write_bytes('{"floatx": "été"}'.encode("latin-1"))
    with pytest.raises(config.ConfigurationError, match="UTF-8"):
        config.floatx()


def test_unreadable_file_is_an_error_that_names_it(home):
    (home / "keras.json").mkdir()
    with pytest.raises(config.ConfigurationError, match="keras.json: cannot be read"):
        config.floatx()


@pytest.mark.parametrize(
    "values, expected",
    [
        ({"floatx": "float"}, "'floatx' must be one of 'float16', 'float32', 'float64'; got 'float'"),
        ({"floatx": 32}, "'floatx' must be one of"),
        ({"epsilon": "1e-7"}, "'epsilon' must be a positive number, got '1e-7'"),
        ({"epsilon": True}, "'epsilon' must be a positive number, got True"),
        ({"epsilon": 0}, "'epsilon' must be a positive, finite number, got 0"),
        ({"epsilon": float("nan")}, "'epsilon' must be a positive, finite number"),
        ({"image_data_format": "channel_last"}, "did you mean 'channels_last'?"),
        ({"image_dim_ordering": "channels_last"}, "'image_dim_ordering' must be one of 'tf', 'th'"),
        ({"backend": 3}, "'backend' must be a string"),
    ],
)
def test_wrong_values_are_named(home, values, expected):
    write(home, **values)
    with pytest.raises(config.ConfigurationError) as caught:
        config.settings()
    assert expected in str(caught.value)
    assert "keras.json" in str(caught.value)


def test_unknown_keys_warn_and_are_named(home):
    write(home, flaotx="float64", floatx="float16")
    with pytest.warns(UserWarning, match=r"'flaotx' \(did you mean 'floatx'\?\)"):
        assert config.floatx() == "float16"


@pytest.mark.parametrize(
    "given, name",
    [("numba", "numba"), ("cpu", "numba"), ("cupy", "cupy"), ("gpu", "cupy"), ("numpy", "numpy"), (" NumPy ", "numpy")],
)
def test_environment_wins_over_the_file(home, monkeypatch, given, name):
    write(home, backend="cupy" if name != "cupy" else "numpy")
    monkeypatch.setenv("KERAS_BACKEND", given)
    assert config.executor_name() == name
    assert config.settings()[0] == ("backend", name, "KERAS_BACKEND")


def test_empty_variable_counts_as_unset(home, monkeypatch):
    write(home, backend="numpy")
    monkeypatch.setenv("KERAS_BACKEND", "")
    assert config.executor_name() == "numpy"


@pytest.mark.parametrize("other", ["tensorflow", "theano", "cntk", "jax", "torch"])
def test_backends_of_another_keras_mean_the_default_and_one_line(home, monkeypatch, capsys, other):
    write(home, backend=other)
    assert config.executor_name() == "numba"
    config.announce()
    config.announce()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert repr(other) in lines[0] and "keras.json" in lines[0]
    assert lines[1] == "Using Numba backend."
    config.reset()
    monkeypatch.setenv("KERAS_BACKEND", other)
    assert config.executor_name() == "numba"
    config.announce()
    assert "KERAS_BACKEND" in capsys.readouterr().err


@pytest.mark.parametrize("name, label", [("numba", "Numba"), ("cupy", "CuPy"), ("numpy", "NumPy")])
def test_announcement(home, monkeypatch, capsys, name, label):
    monkeypatch.setenv("KERAS_BACKEND", name)
    config.announce()
    captured = capsys.readouterr()
    assert captured.err == f"Using {label} backend.\n"
    assert captured.out == ""


@pytest.mark.parametrize("source", ["file", "environment"])
def test_unknown_backend_lists_the_known(home, monkeypatch, source):
    if source == "file":
        write(home, backend="nubma")
    else:
        monkeypatch.setenv("KERAS_BACKEND", "nubma")
    with pytest.raises(config.ConfigurationError) as caught:
        config.executor_name()
    message = str(caught.value)
    assert "'nubma'" in message and "did you mean 'numba'?" in message
    assert all(known in message for known in ("numba", "cpu", "cupy", "gpu", "numpy"))
    assert ("keras.json" if source == "file" else "KERAS_BACKEND") in message


def test_executor_of_another_package_is_known(home, monkeypatch):
    point = EntryPoint(name="abacus", value="abacus:Executor", group="symgraph.backends")
    monkeypatch.setattr(
        "importlib.metadata.entry_points", lambda group: [point] if group == "symgraph.backends" else []
    )
    monkeypatch.setenv("KERAS_BACKEND", "abacus")
    assert config.executor_name() == "abacus"
    assert config.known_executors() == ["numba", "cupy", "numpy", "abacus"]
    config.reset()
    monkeypatch.setenv("KERAS_BACKEND", "other")
    with pytest.raises(config.ConfigurationError, match="abacus"):
        config.executor_name()


def test_setters(home):
    config.set_floatx("float16")
    config.set_epsilon(np.float32(0.5))
    config.set_image_data_format("channels_first")
    assert (config.floatx(), config.epsilon(), config.image_dim_ordering()) == ("float16", 0.5, "th")
    config.set_image_dim_ordering("tf")
    assert config.image_data_format() == "channels_last"
    assert config.cast_to_floatx([1, 2]).dtype == np.float16
    assert isinstance(config.epsilon(), float)


@pytest.mark.parametrize(
    "setter, value",
    [
        (config.set_floatx, "bfloat"),
        (config.set_floatx, np.float32),
        (config.set_epsilon, -1),
        (config.set_epsilon, None),
        (config.set_image_data_format, "th"),
        (config.set_image_dim_ordering, "channels_first"),
        (config.set_threads, 0),
        (config.set_threads, 2.0),
        (config.set_threads, True),
    ],
)
def test_setters_refuse(home, setter, value):
    with pytest.raises(ValueError, match="must be"):
        setter(value)


def test_setters_win_over_the_file(home):
    write(home, floatx="float64")
    config.set_floatx("float16")
    assert config.floatx() == "float16"
    assert ("floatx", "float16", "set by the program (set_floatx)") in config.settings()


def test_threads(home, monkeypatch):
    assert 1 <= config.threads() <= (os.cpu_count() or 1)
    monkeypatch.setenv("OMP_NUM_THREADS", "3,2")
    assert config.threads() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert config._threads().where == "CPUs this process may use"
    monkeypatch.setenv("SYMGRAPH_NUM_THREADS", "5")
    assert config.threads() == 5
    config.set_threads(7)
    assert config.threads() == 7
    config.reset()
    monkeypatch.setenv("SYMGRAPH_NUM_THREADS", "0")
    with pytest.raises(config.ConfigurationError, match="SYMGRAPH_NUM_THREADS must be a positive integer, got '0'"):
        config.threads()


def test_threads_stay_within_a_containers_share(home, monkeypatch):
    monkeypatch.setattr(config, "_processor_share", lambda: 0.5)
    assert config.threads() == 1


def test_kernel_cache_directory(home, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "shared"))
    if sys.platform.startswith("linux"):
        assert config.kernel_cache_directory() == tmp_path / "shared" / "symgraph" / "kernels"
        monkeypatch.setenv("XDG_CACHE_HOME", "relative")
        assert config.kernel_cache_directory().parts[-3:] == (".cache", "symgraph", "kernels")
    monkeypatch.setenv("SYMGRAPH_CACHE", str(tmp_path / "own"))
    assert config.kernel_cache_directory() == tmp_path / "own"
    assert not (tmp_path / "own").exists(), "asking for the folder must not make it"


def test_settings_tell_where_each_value_comes_from(home):
    write(home, epsilon=1e-6, backend="jax")
    found = {setting.name: setting for setting in config.settings()}
    assert found["epsilon"].where == str(home / "keras.json")
    assert found["floatx"].where == "default"
    assert "'jax'" in found["backend"].where
    assert found["configuration_file"].where == "KERAS_HOME; read"


def test_importing_reads_and_prints_nothing(tmp_path):
    """A broken file and an unknown executor must not matter before a setting is asked for."""
    (tmp_path / "keras.json").write_text("{")
    environment = {**os.environ, "KERAS_HOME": str(tmp_path), "KERAS_BACKEND": "nonsense", "SYMGRAPH_NUM_THREADS": "x"}
    done = subprocess.run(
        [sys.executable, "-c", "import symgraph, symgraph.config"], env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_set_executor(home, capsys):
    config.set_executor("cpu")
    assert config.settings()[0] == ("backend", "numba", "the program (set_executor)")
    config.set_executor("numpy")
    config.announce()
    assert capsys.readouterr().err == "Using NumPy backend.\n"
    config.set_executor("numpy")
    with pytest.raises(RuntimeError, match="runs on 'numpy' already"):
        config.set_executor("numba")
    for unknown in ("tensorflow", "nunpy"):
        with pytest.raises(config.ConfigurationError, match=unknown):
            config.set_executor(unknown)
    assert config.find_executor("gpu") == "cupy"


def test_child_environment(home):
    environment = config.child_environment(KERAS_BACKEND="numpy")
    assert environment["KERAS_BACKEND"] == "numpy" and environment["KERAS_HOME"] == str(home)
    assert "KERAS_BACKEND" not in os.environ


def test_first_steps(home, monkeypatch):
    assert config.first_steps() == "compile"
    write(home, first_steps="interpret")
    config.reset()
    assert config.first_steps() == "interpret"
    monkeypatch.setenv("SYMGRAPH_FIRST_STEPS", "compile")
    assert ("first_steps", "compile", "SYMGRAPH_FIRST_STEPS") in config.settings()
    config.set_first_steps("interpret")
    assert ("first_steps", "interpret", "set by the program (set_first_steps)") in config.settings()
    with pytest.raises(config.ConfigurationError, match="did you mean 'interpret'"):
        config.set_first_steps("interpreted")
    config.reset()
    monkeypatch.setenv("SYMGRAPH_FIRST_STEPS", "wait")
    with pytest.raises(config.ConfigurationError, match="SYMGRAPH_FIRST_STEPS must be one of 'compile', 'interpret'"):
        config.first_steps()
