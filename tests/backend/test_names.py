"""The names and arguments of K: those of Keras 2.3.1, and the names that only Keras 1 has."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import numpy as np
import pytest

from symgraph import backend as K

NAMES = json.loads((Path(__file__).parent / "names.json").read_text())


@pytest.mark.parametrize("name", sorted(NAMES["keras 2.3.1"]))
def test_arguments(name: str) -> None:
    """Same names of arguments in the same order, same defaults; what is added comes after them."""
    function = getattr(K, name)
    namespace: dict = {}
    exec(f"def expected({NAMES['keras 2.3.1'][name]}): pass", namespace)
    wanted = list(inspect.signature(namespace["expected"]).parameters.values())
    given = [each for each in inspect.signature(function).parameters.values() if each.kind is not each.VAR_KEYWORD]
    wanted = [each for each in wanted if each.kind is not each.VAR_KEYWORD]
    assert [each.name for each in given[: len(wanted)]] == [each.name for each in wanted]
    for ours, theirs in zip(given, wanted):
        if theirs.default is not theirs.empty:
            assert ours.default == theirs.default, f"{name}: {ours} should be {theirs}"
    for more in given[len(wanted) :]:
        assert more.default is not more.empty, f"{name}: {more} is required, but Keras does not know it"
    assert inspect.getdoc(function), f"{name} has no docstring"


@pytest.mark.parametrize("name", NAMES["keras 1.1.2, besides"])
def test_names_of_keras_1(name: str) -> None:
    assert callable(getattr(K, name))


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda: K.get_session(), "K.function"),
        (lambda: K.set_session(None), "configuration"),
        (lambda: K.get_graph(), "tensor.node"),
        (lambda: K.control_dependencies([]), "updates"),
        (lambda: K.eager(len), "K.eval"),
    ],
)
def test_names_without_a_meaning_say_what_to_use(call, hint: str) -> None:
    with pytest.raises(RuntimeError, match=hint):
        call()


def test_names_that_do_nothing() -> None:
    assert K.symbolic(len) is len
    assert K.v1_variable_initialization() is None
    assert K.is_symbolic(K.constant(1.0))
    assert not K.is_symbolic(np.ones(3))
    assert K.normalize_data_format(None) == K.image_data_format()
    assert K.normalize_data_format("channels_first") == "channels_first"
    with pytest.raises(ValueError, match="channels_middle"):
        K.normalize_data_format("channels_middle")
