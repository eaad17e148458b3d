"""Models recorded from another implementation: the same outputs, losses, metrics and weights, step by step."""

import json
from pathlib import Path

import numpy as np
import pytest

from symgraph import layers, losses, metrics, optimizers

FOLDER = Path(__file__).parent / "recorded"
NAMES = sorted(path.stem for path in FOLDER.glob("*.npz"))


def numbered(arrays, prefix):
    found = []
    while f"{prefix}{len(found)}" in arrays:
        found.append(arrays[f"{prefix}{len(found)}"])
    return found


def one_or_list(items):
    return items[0] if len(items) == 1 else items


def flat(values):
    return np.concatenate([np.ravel(value) for value in (values if isinstance(values, (list, tuple)) else [values])])


def loss_of(stored):
    if isinstance(stored, dict) and "class_name" in stored:
        return losses.deserialize(stored)
    if isinstance(stored, dict):
        return {name: loss_of(one) for name, one in stored.items()}
    return [loss_of(one) for one in stored] if isinstance(stored, list) else stored


def metric_of(stored):
    if isinstance(stored, list):
        return [metric_of(one) for one in stored]
    if isinstance(stored, dict) and "function" in stored:
        return metrics.MeanMetricWrapper(metrics.get(stored["function"]), name=stored["name"])
    return metrics.deserialize(stored) if isinstance(stored, dict) else stored


def load(arrays, about):
    model = layers.deserialize({"class_name": about["class_name"], "config": about["config"]})
    model.set_weights(numbered(arrays, "start_"))
    if about["steps"]:
        given = dict(about["compile"])
        for name, read in (("loss", loss_of), ("metrics", metric_of), ("weighted_metrics", metric_of)):
            if name in given:
                given[name] = read(given[name])
        model.compile(optimizers.deserialize(given.pop("optimizer")), **given)
        state = numbered(arrays, "state_")
        if state:
            model._make_train_function()
            model.optimizer.set_weights(state)
    return model


def weights_of(model, prefix=""):
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from weights_of(layer, f"{prefix}{layer.name}/")
        else:
            for number, value in enumerate(layer.get_weights()):
                yield f"w/{prefix}{layer.name}/{number}", value


def test_the_recordings_are_there():
    assert len(NAMES) >= 38


@pytest.mark.parametrize("name", NAMES)
def test_replay(name):
    with np.load(FOLDER / f"{name}.npz") as file:
        arrays = {key: file[key] for key in file.files}
    about = json.loads(arrays.pop("about").tobytes())

    def same(got, want, what):
        np.testing.assert_allclose(got, want, rtol=about["rtol"], atol=about["atol"], err_msg=what)

    model = load(arrays, about)
    inputs = numbered(arrays, "x0_")
    outputs = model.predict(one_or_list(inputs))
    for number, got in enumerate(outputs if isinstance(outputs, list) else [outputs]):
        same(got, arrays[f"out0_{number}"], f"output {number}")
    if not about["steps"]:
        return
    x = one_or_list(numbered(arrays, "tx_") or inputs)
    y = one_or_list(numbered(arrays, "ty_"))
    weights = numbered(arrays, "tsw_")
    more = {"sample_weight": one_or_list(weights)} if weights else {}
    training = dict(more)
    if about["class_weight"]:
        training["class_weight"] = {int(key): value for key, value in about["class_weight"].items()}
    same(flat(model.test_on_batch(x, y, **more)), arrays["loss_before"].ravel(), "before training")
    for step in range(about["steps"]):
        same(flat(model.train_on_batch(x, y, **training)), arrays["step_metrics"][step].ravel(), f"step {step}")
    found = dict(weights_of(model))
    assert set(found) == {key for key in arrays if key.startswith("w/")}
    for key, got in found.items():
        same(got, arrays[key], key)
    same(flat(model.test_on_batch(x, y, **more)), arrays["loss_after"].ravel(), "after training")
    if "evaluate" in arrays:
        fresh = load(arrays, about)
        got = fresh.evaluate(x, y, batch_size=about["evaluate_batch_size"], verbose=0, **more)
        same(flat(got), arrays["evaluate"].ravel(), "evaluate")
