"""What every layer must keep: configuration, weights and files round-trip, the shape it declares, a step of training,
gradients that finite differences confirm, the same numbers on the executors."""

import inspect
import re

import numpy as np
import pytest
from layer_cases import ALL, CASES, LEGACY_CASES, WITHOUT_CASES, build, case, takes_numbers

from symgraph import backend as K
from symgraph import layers
from symgraph.engine import Layer, Model
from symgraph.legacy import layers as legacy
from symgraph.runtime import executor


def as_list(value):
    return list(value) if isinstance(value, (list, tuple)) else [value]


def layer_classes(module):
    """The classes of layers among the public names of a module, each by its own name."""
    public = [getattr(module, name) for name in module.__all__]
    assert {name for name, value in vars(module).items() if inspect.isclass(value) and issubclass(value, Layer)
            and value.__module__.startswith(module.__name__) and not name.startswith("_")} <= set(module.__all__)
    return {value.__name__ for value in public if inspect.isclass(value) and issubclass(value, Layer)}


def test_every_layer_has_cases():
    """By name: which public layers have none, and which cases are of no public layer."""
    public = layer_classes(layers) | layer_classes(legacy)
    cases = {*CASES, *LEGACY_CASES, *WITHOUT_CASES}
    assert public - cases == set() and cases - public == set()
    assert len(cases) == len(CASES) + len(LEGACY_CASES) + len(WITHOUT_CASES)


@pytest.mark.parametrize("cell, loop", [(cell, loop) for cell, loop in WITHOUT_CASES.items() if loop])
def test_every_cell_stands_in_a_case(cell, loop):
    found = set()
    for number in range(len(CASES[loop])):
        made = case(loop, number)[1]["cell"]
        made = layers.StackedRNNCells(made) if isinstance(made, list) else made
        found |= {type(one).__name__ for one in (made, *getattr(made, "cells", []))}
    assert cell in found


@pytest.mark.parametrize("name", [*CASES, *LEGACY_CASES, *(cell for cell, loop in WITHOUT_CASES.items() if loop)])
def test_every_argument_is_documented(name):
    kind = getattr(layers, name, None) or getattr(legacy, name)
    words = set(re.findall(r"\w+", inspect.getdoc(kind)))
    assert {n for n in inspect.signature(kind).parameters if n != "kwargs"} - words == set()


@pytest.mark.parametrize("name, number", ALL)
def test_contract(name, number):
    with executor.use("numpy"):
        _contract(name, number)


def _contract(name, number):
    layer, model, data = build(name, number)
    want = as_list(model.predict(data))

    # the shape it says, after and before the call
    shapes = case(name, number)[2]
    batched = [(None, *s) for s in shapes] if isinstance(shapes, list) else (None, *shapes)
    real = [(None, *value.shape[1:]) for value in want]
    for said in (model.output_shape, layer.output_shape):
        assert (said if isinstance(said, list) else [said]) == real
    fresh = type(layer).from_config(layer.get_config())
    said = fresh.compute_output_shape(batched)
    assert [tuple(shape) for shape in (said if isinstance(said, list) else [said])] == real
    assert not fresh.weights or name == "TimeDistributed"  # a whole model has its weights from the start

    # configuration and weights
    assert fresh.get_config() == layer.get_config()
    again = Model.from_config(model.get_config(), custom_objects=vars(legacy))
    again.set_weights(model.get_weights())
    for value, expected in zip(as_list(again.predict(data)), want):
        np.testing.assert_array_equal(value, expected)
    assert [w.shape for w in layer.get_weights()] == [K.int_shape(w) for w in layer.weights]

    # every constructor argument is in the configuration
    arguments = [n for n in inspect.signature(type(layer).__init__).parameters if n not in ("self", "kwargs")]
    missing = {n for n in arguments if n not in layer.get_config()}
    assert missing <= {"mask", "weights", "layers", "node_indices", "tensor_indices", "output_mask"}, missing

    # training changes what is trainable, and nothing else
    rng = np.random.default_rng(5)
    targets = [rng.normal(size=value.shape) for value in want]
    model.compile("sgd", "mse")
    before = {id(w): K.get_value(w) for w in model.weights}
    model.train_on_batch(data, targets)
    for weight in model.trainable_weights:
        assert np.abs(K.get_value(weight) - before[id(weight)]).max() > 0, weight.name
    layer.trainable = False
    model.compile("sgd", "mse")
    before = {id(w): K.get_value(w) for w in model.weights}
    model.train_on_batch(data, targets)
    for weight in model.weights:
        np.testing.assert_array_equal(K.get_value(weight), before[id(weight)])


def holds_code(name, number):
    """Whether a layer has a function without a name, which a file does not hold."""
    return any(getattr(value, "__name__", "") == "<lambda>" and key in {"function", "mode"}
               for key, value in case(name, number)[1].items())


@pytest.mark.parametrize("name, number", [one for one in ALL if not holds_code(*one)])
def test_saved_and_loaded(name, number, tmp_path):
    from symgraph.models import load_model

    with executor.use("numpy"):
        _, model, data = build(name, number)
        want = as_list(model.predict(data))
        model.save(str(tmp_path / "model.h5"))
        again = load_model(str(tmp_path / "model.h5"), compile=False,
                           custom_objects={n: getattr(legacy, n) for n in LEGACY_CASES})
        for value, expected in zip(as_list(again.predict(data)), want):
            np.testing.assert_array_equal(value, expected)


def function_of(layer, model, number):
    """Loss and gradients of a random combination of the outputs."""
    rng = np.random.default_rng(number)
    loss = 0.0
    for output in model.outputs:
        shape = (4, *K.int_shape(output)[1:])
        loss = loss + K.sum(output * K.constant(rng.normal(size=shape), K.dtype(output)))
    wrt = [*([] if takes_numbers(layer) else model.inputs), *layer.trainable_weights]
    gradients = K.gradients(loss, wrt) if wrt else []
    return wrt, K.function([*model.inputs, K.learning_phase()], [loss, *model.outputs, *gradients])


@pytest.mark.parametrize("other", ["numba", pytest.param("cupy", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("name, number", ALL)
def test_executors_agree(name, number, other):
    layer, model, data = build(name, number)
    results = []
    for which in ("numpy", other):
        with executor.use(which):
            _, function = function_of(layer, model, number)
            results.append(function([*data, 0]))
    for index, (left, right) in enumerate(zip(*results)):
        assert left.dtype == right.dtype == "float32"
        np.testing.assert_allclose(left, right, rtol=2e-4, atol=2e-5, err_msg=f"result {index}")


@pytest.mark.parametrize("name, number", [
    one for one in ALL if not {"layer", "cell"} & set(case(*one)[1])])  # an inner layer has a dtype of its own
def test_a_dtype_of_its_own(name, number):
    """A layer in float64 in a program whose floatx is float32 computes in float64."""
    with executor.use("numpy"):
        layer, model, data = build(name, number, "float64")
        assert all(K.dtype(weight) == "float64" for weight in layer.weights)
        assert layer.get_config()["dtype"] == "float64"
        for output in model.outputs:
            assert K.dtype(output) == "float64"
        _, function = function_of(layer, model, number)
        assert all(result.dtype == "float64" for result in function([*data, 1])[1:])


@pytest.fixture
def in_float64():
    K.set_floatx("float64")
    yield
    K.set_floatx("float32")


@pytest.mark.parametrize("name, number", ALL)
def test_gradients_by_finite_differences(name, number, in_float64):
    with executor.use("numpy"):
        layer, model, data = build(name, number)
        data = [value.astype("float64") for value in data]
        wrt, function = function_of(layer, model, number)
        value, *rest = function([*data, 0])
        outputs, grads = rest[:len(model.outputs)], rest[len(model.outputs):]
        assert all(output.dtype == "float64" for output in outputs)
        rng = np.random.default_rng(7)
        step = 1e-6
        for tensor, grad in zip(wrt, grads):
            direction = rng.normal(size=grad.shape)
            direction /= np.linalg.norm(direction)
            values = []
            for sign in (1, -1):
                moved = list(data)
                if K.is_variable(tensor):
                    old = K.get_value(tensor)
                    K.set_value(tensor, old + sign * step * direction)
                else:
                    index = next(k for k, one in enumerate(model.inputs) if one is tensor)
                    moved[index] = data[index] + sign * step * direction
                values.append(float(function([*moved, 0])[0]))
                if K.is_variable(tensor):
                    K.set_value(tensor, old)
            slope = (values[0] - values[1]) / (2 * step)
            assert float((grad * direction).sum()) == pytest.approx(slope, abs=2e-7, rel=2e-6), tensor.name
