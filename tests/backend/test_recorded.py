"""K against what another implementation of its functions computed: values and gradients in float64.

recorded.json lists the calls ("$x" stands for the array x, "@f" for a function below); recorded.npz holds inputs,
outputs, a weight for each element of an output (cot), and the gradients of the weighted sum (d_x). They come from NumPy
in float64 and were compared with TensorFlow's Keras when they were made.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from symgraph import backend as K
from symgraph.runtime.executor import use

HERE = Path(__file__).parent
CASES = json.loads((HERE / "recorded.json").read_text())
ARRAYS = np.load(HERE / "recorded.npz")

#: Cases that are computed in native code as well; the rest of it is the business of tests/ops.
NATIVE = ("rnn/", "ctc_", "batch_normalization/", "separable_conv/", "higher_order/", "categorical_crossentropy/")

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "square_plus": lambda t: K.square(t) + 1.0,
    "sum": lambda t: K.sum(t),
    "add": lambda a, t: a + t,
    "decay_add": lambda a, t: 0.5 * a + t,
}


@pytest.fixture(autouse=True)
def double():
    """Numbers of Python are float64 constants here."""
    before = K.floatx()
    K.set_floatx("float64")
    yield
    K.set_floatx(before)


def _step(kind: str, weights: list[Any]) -> Callable[..., Any]:
    def simple(x: Any, states: list[Any]) -> Any:
        h = K.tanh(K.dot(x, weights[0]) + K.dot(states[0], weights[1]))
        return h, [h]

    def two(x: Any, states: list[Any]) -> Any:
        c = 0.5 * states[1] + K.dot(x, weights[0])
        h = K.tanh(c + K.dot(states[0], weights[1]))
        return h, [h, c]

    def const(x: Any, states: list[Any]) -> Any:
        h = K.tanh(K.dot(x, weights[0]) + K.dot(states[0], weights[1]) + states[1])
        return h, [h]

    return {"simple": simple, "two": two, "const": const}[kind]


def _flat(value: Any) -> list[Any]:
    return [each for part in value for each in _flat(part)] if isinstance(value, (list, tuple)) else [value]


def _call(case: dict[str, Any], tensors: dict[str, Any]) -> list[Any]:
    def resolved(value: Any) -> Any:
        if isinstance(value, str) and value.startswith("$"):
            return tensors[value[1:]]
        if isinstance(value, str) and value.startswith("@"):
            return FUNCTIONS[value[1:]]
        if isinstance(value, list):
            items = [resolved(each) for each in value]
            return items if any(isinstance(each, str) and each.startswith("$") for each in value) else tuple(items)
        return value

    arguments = [resolved(each) for each in case["args"]]
    named = {name: resolved(value) for name, value in case["kwargs"].items()}
    if case["fn"] == "rnn":
        if named.get("mask") is not None:
            named["mask"] = K.cast(named["mask"], "bool")
        step = _step(case["step"], [tensors[name] for name in case["weights"]])
        return _flat(K.rnn(step, arguments[0], list(arguments[1]), **named))
    return _flat(getattr(K, case["fn"])(*arguments, **named))


def _pairs() -> list[Any]:
    return [
        pytest.param(case, executor, id=f"{case['id']}-{executor}")
        for case in CASES
        for executor in ("numpy", "numba")
        if executor == "numpy" or case["id"].startswith(NATIVE)
    ]


@pytest.mark.parametrize(("case", "executor"), _pairs())
def test_recorded(case: dict[str, Any], executor: str) -> None:
    def array(name: str) -> np.ndarray:
        return ARRAYS[f"{case['id']}/{name}"]

    fed = {name: array(name) for name in case["inputs"]}
    tensors = {name: K.placeholder(shape=value.shape, dtype=str(value.dtype)) for name, value in fed.items()}
    outputs = _call(case, tensors)
    wanted = [f"out{k}" for k in range(len(outputs))]
    weighted = [k for k in range(len(outputs)) if f"{case['id']}/cot{k}" in ARRAYS]
    grads = []
    if case["diff"] and weighted:
        loss = sum(K.sum(outputs[k] * K.constant(array(f"cot{k}"))) for k in weighted)
        grads = K.gradients(loss, [tensors[name] for name in case["diff"]])
        wanted += [f"d_{name}" for name in case["diff"]]
    with use(executor):
        results = K.function(list(tensors.values()), [*outputs, *grads])(list(fed.values()))
    for output, result in zip(outputs, results):
        assert all(size in (None, real) for size, real in zip(output.shape, result.shape)), "the static shape is wrong"
    for k, (name, result) in enumerate(zip(wanted, results, strict=True)):
        expected = array(name)
        if k < case.get("ctc_paths", 0):  # how far paths are padded is not recorded
            width = max(result.shape[-1], expected.shape[-1])
            result, expected = (
                np.pad(each, ((0, 0), (0, width - each.shape[-1])), constant_values=-1) for each in (result, expected)
            )
        assert result.shape == expected.shape, name
        # The recorded gradients of this loss are right to 1e-7; finite differences agree with ours.
        atol = 2e-6 if case["fn"] == "ctc_batch_cost" else case["atol"]
        np.testing.assert_allclose(result, expected, rtol=case["rtol"], atol=atol, err_msg=name)
