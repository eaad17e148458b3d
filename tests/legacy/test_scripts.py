"""`symgraph run` and `symgraph check`: the dialect, Python-2 scripts, failures, and what is not offered."""

import json
import sys
from pathlib import Path

import pytest

from symgraph import cli, install
from symgraph.scripts import analysis, python2


@pytest.fixture(autouse=True)
def nothing_installed():
    install.uninstall()
    yield
    install.uninstall()


@pytest.fixture
def script(tmp_path):
    def write(text: str, name: str = "script.py") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def _chosen(text: str) -> tuple[str, str]:
    return analysis.choose(analysis.read(Path("script.py"), text))


@pytest.mark.parametrize("text, dialect, why", [
    ("from keras.layers import Dense\nDense(output_dim=3)", "1", "line 2: Dense(output_dim=)"),
    ("from keras.layers import Dense\nDense(units=3)", "2", "line 2: Dense(units=)"),
    ("import keras\nmodel.fit(x, y, nb_epoch=3)", "1", "line 2: fit(nb_epoch=)"),
    ("import keras\nmodel.fit(x, y, epochs=3)", "2", "line 2: fit(epochs=)"),
    ("from keras.layers import Convolution2D\nConvolution2D(64, 3, 3)", "1", "Convolution2D(n, n, n)"),
    ("from keras.layers import Conv2D\nConv2D(64, (3, 3), padding='same')", "2", "Conv2D(padding=)"),
    ("from keras.layers import merge\nmerge([a, b], mode='sum')", "1", "only Keras 1 has keras.layers.merge"),
    ("import keras.initializations", "1", "only Keras 1 has keras.initializations"),
    ("from keras import initializers", "2", "only Keras 2 has keras.initializers"),
    ("from keras import backend as K\nK.image_data_format()", "2", ""),
    ("from tensorflow.keras.layers import Dense\nDense(3, use_bias=False)", "2", "use_bias"),
    ("class L:\n    def get_output_shape_for(self, s): return s\nimport keras", "1", "a layer with "
                                                                                     "get_output_shape_for"),
    ("from keras.layers import Dense", "2", "nothing in the script is of one generation only"),
])
def test_the_dialect_is_read_from_the_script(text, dialect, why):
    found, reason = _chosen(text)
    assert found == dialect and why in reason


def test_names_outweigh_arguments():
    text = ("from keras.layers import Concatenate, Dense\nDense(output_dim=3)\nDense(output_dim=3, init='zero')\n"
            "Concatenate()")
    assert _chosen(text)[0] == "2"  # Keras 2 takes the old arguments; Keras 1 has no Concatenate


OLD_SCRIPT = """
import sys
from keras.models import Sequential
from keras.layers import Dense
import numpy as np
model = Sequential([Dense(output_dim=1, input_dim=2)])
model.compile('sgd', 'mse')
history = model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
print(len(history.history['loss']), sys.argv[1:], __name__, __file__.endswith('script.py'))
"""


def test_run_in_the_dialect_of_the_script(script, capsys):
    assert cli.main(["run", str(script(OLD_SCRIPT)), "--flag", "3"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "10 ['--flag', '3'] __main__ True\n"  # 10 epochs: Keras 1
    assert "Keras 1 (line 6: Dense(output_dim=))" in shown.err


def test_run_in_the_dialect_that_is_asked_for(script, capsys):
    assert cli.main(["run", "--keras", "2", str(script(OLD_SCRIPT))]) == 0
    assert capsys.readouterr().out.startswith("1 []")
    assert install.installed_version() == "2.3.1"


def test_the_exit_code_is_the_scripts(script, capsys):
    assert cli.main(["run", str(script("import sys\nsys.exit(3)"))]) == 3
    assert cli.main(["run", str(script("import sys\nsys.exit('no data')"))]) == 1
    assert "no data" in capsys.readouterr().err
    assert cli.main(["run", "/no/such/script.py"]) == 1
    assert "no such script" in capsys.readouterr().err


def test_arguments_and_path_are_put_back(script):
    before = sys.argv[:], sys.path[:], sys.modules["__main__"]
    cli.main(["run", str(script("import keras")), "x"])
    assert (sys.argv, sys.path, sys.modules["__main__"]) == before


def test_a_failure_shows_the_scripts_own_lines(script, capsys):
    path = script("from keras.layers import Dense\n\ndef make():\n    return Dense(3, colour='red')\n\nmake()\n")
    assert cli.main(["run", "--keras", "2", str(path)]) == 1
    text = capsys.readouterr().err
    assert f'File "{path}", line 6' in text and f'File "{path}", line 4, in make' in text
    assert "unknown keyword argument 'colour'" in text and "engine/layer.py" not in text
    assert "frames inside libraries" in text and "try `--keras 1`" in text
    assert cli.main(["run", "--keras", "2", "--traceback", str(path)]) == 1
    assert "layer.py" in capsys.readouterr().err


def test_modules_beside_the_script_are_found(script):
    script("value = 5\n", "helper_of_script.py")
    assert cli.main(["run", str(script("import helper_of_script\nassert helper_of_script.value == 5"))]) == 0
    del sys.modules["helper_of_script"]


PYTHON2 = """
from keras.layers import Dense
print "layers", Dense
try:
    raise ValueError, "text"
except ValueError, error:
    print error
for key in {"a": 1}.iterkeys():
    print key,
print
"""


def test_python_2_is_named_line_by_line(script, capsys):
    assert cli.main(["run", str(script(PYTHON2))]) == 1
    text = capsys.readouterr().err
    assert "written for Python 2" in text and "line 3: a print statement" in text
    assert "line 6: `except Error, name`" in text and "--fix-python2" in text


def test_python_2_runs_as_a_corrected_copy(script, capsys):
    path = script(PYTHON2)
    assert cli.main(["run", "--fix-python2", str(path)]) == 0
    shown = capsys.readouterr()
    assert "layers <class" in shown.out and "text\n" in shown.out
    assert "stays as it is" in shown.err and path.read_text() == PYTHON2


def test_what_is_no_python_at_all_is_a_syntax_error(script, capsys):
    assert cli.main(["run", str(script("def f(:\n    pass\n"))]) == 1
    assert "SyntaxError" in capsys.readouterr().err


def test_python_3_has_no_problems():
    assert python2.problems(b"print('a')\nx = 10\n", Path("x.py")) == []


@pytest.mark.parametrize("line, text", [
    ("import tensorflow as tf\ntf.Session()", r"tf.Session is not offered"),
    ("import theano\ntheano.function([], [])", r"theano.function is not offered"),
])
def test_foreign_names_say_what_to_use(script, capsys, line, text):
    name = line.split()[1]
    import importlib.util

    if name in sys.modules or importlib.util.find_spec(name):
        pytest.skip(f"{name} is installed")
    assert cli.main(["run", str(script(line))]) == 1
    shown = capsys.readouterr().err
    assert text in shown and "K.function" in shown


def test_check_lists_names_and_arguments(script, capsys):
    path = script("from keras.layers import Dense, Merge, Nothing\nDense(output_dim=3, colour=2)\n"
                  "import tensorflow as tf\ntf.Session()\nmodel.fit(x, nb_epoch=2)\n")
    assert cli.main(["check", "--json", str(path)]) == 1
    report = json.loads(capsys.readouterr().out)
    rows = {row["what"]: row for row in report["names"]}
    assert report["dialect"] == "1"
    assert rows["keras.layers.Dense"]["keras1"] and rows["keras.layers.Dense"]["keras2"]
    assert rows["keras.layers.Dense(output_dim=)"]["keras1"] and rows["keras.layers.Dense(output_dim=)"]["keras2"]
    assert not rows["keras.layers.Dense(colour=)"]["keras2"]
    assert not rows["keras.layers.Nothing"]["keras1"] and rows["keras.layers.Nothing"]["remark"] == "not offered"
    assert "K.function" in rows["tensorflow.Session"]["remark"]
    assert rows["model.fit(nb_epoch=)"]["keras1"] and rows["model.fit(nb_epoch=)"]["keras2"]
    assert cli.main(["check", str(path)]) == 1
    assert "keras.layers.Nothing" in capsys.readouterr().out


def test_check_of_a_script_that_is_offered_whole(script, capsys):
    path = script("from keras.layers import Dense\nfrom keras.models import Sequential\nSequential([Dense(3)])\n")
    assert cli.main(["check", str(path)]) == 0
    assert "are offered in Keras 2" in capsys.readouterr().out
    assert install.installed_version() is None  # nothing was installed for looking


def test_check_runs_nothing(script, tmp_path):
    mark = tmp_path / "ran"
    path = script(f"import keras\nopen({str(mark)!r}, 'w')\n")
    assert cli.main(["check", str(path)]) == 0
    assert not mark.exists()
