"""Files that Keras 1.1.2, Keras 2.3.1 and tf.keras wrote: they load, predict and train on as their writers did."""

import importlib
import json
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from symgraph import backend as K
from symgraph.models import load_model

FOLDER = Path(__file__).parent / "files"
LAYOUTS = {"th": "channels_first", "tf": "channels_last"}


def entries(kind):
    return json.loads((FOLDER / kind / "index.json").read_text())


def numbered(arrays, prefix):
    names = [name for name in arrays.files if name.startswith(prefix) and name[len(prefix):].isdigit()]
    return [arrays[name] for name in sorted(names, key=lambda name: int(name[len(prefix):]))]


def one(arrays):
    return arrays[0] if len(arrays) == 1 else list(arrays)


def many(values):
    return values if isinstance(values, list) else [values]


@pytest.fixture(autouse=True)
def own_layout():
    before = K.image_data_format()
    yield
    K.set_image_data_format(before)


def norm(weights):
    return np.sqrt(sum(np.sum(np.square(np.asarray(weight, "float64"))) for weight in weights))


def agree(got, want, tolerance):
    if [np.shape(weight) for weight in got] == [weight.shape for weight in want]:
        for a, b in zip(got, want):
            np.testing.assert_allclose(a, b, tolerance, tolerance)
    else:  # other packing of the gates
        np.testing.assert_allclose(norm(got), norm(want), tolerance, tolerance)


@pytest.mark.parametrize("kind, entry, dialect", [
    pytest.param(kind, entry, dialect, id=f"{kind}-{entry['name']}-{dialect}")
    for kind, dialect in (("k1", "symgraph"), ("k1", "symgraph.keras1"), ("k2", "symgraph"))
    for entry in entries(kind)])
def test_old_keras(kind, entry, dialect):
    """Keras 1's files are read in the words of Keras 2, and in those of their writer."""
    models = importlib.import_module(f"{dialect}.models")
    optimizers = importlib.import_module(f"{dialect}.optimizers")
    arrays = np.load(FOLDER / kind / f"{entry['name']}.npz", allow_pickle=False)
    path = FOLDER / kind / f"{entry['name']}.h5"
    if entry["image_dim_ordering"]:
        K.set_image_data_format(LAYOUTS[entry["image_dim_ordering"]])
    if entry["saved_with"] == "model.save":
        model = models.load_model(path)
    else:
        compiled = entry["compile"]
        model = models.model_from_json(str(arrays["model_json"].reshape(-1)[0]))
        model.load_weights(path)
        optimizer = getattr(optimizers, compiled["optimizer"])(**(compiled["optimizer_args"] or {}))
        model.compile(optimizer, compiled["loss"])
    if not entry["conv_kernel_flip"]:
        agree(model.get_weights(), numbered(arrays, "s"), 1e-6)
    predictions = many(model.predict(one(numbered(arrays, "in")), batch_size=entry["batch_size"]))
    for got, want in zip(predictions, numbered(arrays, "out")):
        np.testing.assert_allclose(got, want, 1e-5, 1e-5)
    x, y = one(numbered(arrays, "x")), one(numbered(arrays, "y"))
    losses = [np.ravel(model.train_on_batch(x, y))[0] for _ in range(3)]
    np.testing.assert_allclose(losses, arrays["losses"].reshape(3, -1)[:, 0], 1e-4, 1e-4)
    if not entry["conv_kernel_flip"]:
        agree(model.get_weights(), numbered(arrays, "w"), 2e-4)


@pytest.mark.parametrize("entry", [pytest.param(entry, id=entry["name"]) for entry in entries("tf")])
def test_tf_keras(entry):
    arrays = np.load(FOLDER / "tf" / f"{entry['name']}.npz", allow_pickle=False)
    close = {"rtol": entry["rtol"], "atol": entry["atol"]}

    def recorded(name):
        return arrays[f"k231/{name}" if f"k231/{name}" in arrays.files else name]

    with pytest.warns(UserWarning, match=entry["warns"]) if "warns" in entry else nullcontext():
        model = load_model(FOLDER / "tf" / f"{entry['name']}.h5")
    inputs = numbered(arrays, "x0_")
    for index, got in enumerate(many(model.predict(one(inputs), batch_size=len(inputs[0])))):
        np.testing.assert_allclose(got, recorded(f"out0_{index}"), **close)
    x = one(numbered(arrays, "tx_") or inputs)
    y, weights = one(numbered(arrays, "ty_")), numbered(arrays, "tsw_")
    for step in range(entry["steps"]):
        got = model.train_on_batch(x, y, sample_weight=one(weights) if weights else None)
        np.testing.assert_allclose(np.hstack(many(got)), recorded("step_metrics")[step], **close)
    for index, got in enumerate(many(model.predict(x))):
        np.testing.assert_allclose(got, recorded(f"after_{index}"), **close)


def test_what_was_read_is_written_in_the_words_of_today(tmp_path):
    model = load_model(FOLDER / "k1" / "lstm_cpu_tfbackend.h5")
    model.save(tmp_path / "new.h5")
    again = load_model(tmp_path / "new.h5")
    inputs = np.load(FOLDER / "k1" / "lstm_cpu_tfbackend.npz")["in0"]
    np.testing.assert_array_equal(again.predict(inputs), model.predict(inputs))
    config = json.loads(again.to_json())["config"]["layers"][0]
    assert config["class_name"] == "LSTM"
    assert "units" in config["config"] and "output_dim" not in config["config"]
    assert len(again.layers[0].get_weights()) == 3


LATER = sorted(path.stem for path in (FOLDER / "later").glob("*.h5") if "branches" not in path.stem)


@pytest.mark.parametrize("name", LATER)
def test_the_state_of_optimizers_that_name_their_slots(name):
    """Files of tf.keras 2.11 and later, and of Keras 3: three more steps are those of the writer's run."""
    arrays = np.load(FOLDER / "later" / f"{name}.npz", allow_pickle=False)
    model = load_model(FOLDER / "later" / f"{name}.h5")
    assert int(K.get_value(model.optimizer.iterations)) == 3
    losses = [model.train_on_batch(arrays["x"], arrays["y"]) for _ in range(3)]
    np.testing.assert_allclose(losses, arrays["losses"], 1e-6, 1e-6)
    agree(model.get_weights(), numbered(arrays, "w"), 1e-6)


def test_the_branches_of_a_model_of_keras_3():
    """Shared layers and models, states and values given by name, two outputs."""
    arrays = np.load(FOLDER / "later" / "keras3_branches.npz", allow_pickle=False)
    model = load_model(FOLDER / "later" / "keras3_branches.h5")
    inputs, targets = numbered(arrays, "x"), numbered(arrays, "y")
    for got, want in zip(model.predict(inputs), numbered(arrays, "out")):
        np.testing.assert_allclose(got, want, 1e-5, 1e-5)
    losses = [model.train_on_batch(inputs, targets)[0] for _ in range(3)]
    np.testing.assert_allclose(losses, arrays["losses"], 1e-5, 1e-5)


def test_what_keras_3_says_and_a_model_here_cannot():
    from symgraph.legacy.keras3_configs import model_of_keras3

    node = {"args": [{"class_name": "__keras_tensor__", "config": {"keras_history": ["a", 0, 0]}}, 0.5], "kwargs": {}}
    config = {"name": "m", "layers": [{"class_name": "NotEqual", "name": "not_equal", "config": {},
                                       "inbound_nodes": [node]}], "input_layers": [], "output_layers": []}
    with pytest.raises(ValueError, match="'not_equal' was called by Keras 3 with"):
        model_of_keras3({"class_name": "Functional", "config": config})
    layer = {"class_name": "LSTM", "config": {"name": "lstm", "units": 2}}
    other = {"class_name": "LSTM", "config": {"name": "back", "units": 3, "go_backwards": True}}
    from symgraph.legacy.configs import modern_config

    with pytest.raises(ValueError, match="was saved with its own backward layer"):
        modern_config({"class_name": "Bidirectional", "config": {"name": "b", "layer": layer, "backward_layer": other}})
