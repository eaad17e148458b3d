"""Executors beside each other: the same numbers, moving variables, choosing one, adding one of one's own."""

import os
import re
import threading
from importlib import metadata

import numpy as np
import pytest

from symgraph import backend as K
from symgraph import explain
from symgraph.backends.reference.executor import ReferenceExecutor
from symgraph.graph.type import TensorType
from symgraph.runtime import executor, state


def test_variables_are_shared_by_executors_of_one_memory():
    v = K.variable([1.0, 2.0])
    for name in ("numba", "numpy", "numba"):
        with executor.use(name):
            K.function([], [v], updates=[(v, v * 2)])([])
    np.testing.assert_array_equal(K.get_value(v), [8, 16])


class _FarMemory(ReferenceExecutor):
    """An executor as another package might bring it: its buffers are in a memory of its own."""

    name, space = "far", "far away"

    def empty(self, type: TensorType) -> np.ndarray:
        return super().empty(type)


def test_an_executor_of_another_package_is_found_by_its_entry_point(monkeypatch):
    class Entry:
        name = "far"

        @staticmethod
        def load():
            return _FarMemory

    real = metadata.entry_points
    monkeypatch.setattr(
        metadata, "entry_points", lambda group=None: [Entry] if group == "symgraph.backends" else real(group=group)
    )
    monkeypatch.delitem(executor._LOADED, "far", raising=False)
    v = K.variable([1.0, 2.0])
    near = K.function([], [v], updates=[(v, v + 1)])
    near([])
    with executor.use("far"):
        before = state.epoch
        far = K.function([], [v], updates=[(v, v * 10)])
        far([])
        assert state.epoch > before  # the variable has moved, and bound programs must notice
    near([])  # and moves back
    far([])
    np.testing.assert_array_equal(K.get_value(v), [210, 310])
    monkeypatch.delitem(executor._LOADED, "far")


def test_an_unknown_executor_is_refused_with_the_known_ones():
    with pytest.raises(executor.ExecutorError, match="no executor 'abacus'; known are cupy, numba, numpy"):
        executor.executor("abacus")


def test_several_threads_may_call_at_once():
    x, w = K.placeholder(shape=(None, 64)), K.variable(np.random.RandomState(0).randn(64, 64) / 8)
    f, g = K.function([x], [K.dot(K.maximum(K.dot(x, w), 0.0), w)]), K.function([x], [K.exp(x) + 1])
    matrix = K.get_value(w)
    wrong = []

    def work(seed: int) -> None:
        random = np.random.RandomState(seed)
        for _ in range(25):
            data = random.randn(int(random.randint(1, 300)), 64).astype("float32")
            expected = np.maximum(data @ matrix, 0) @ matrix
            if not np.allclose(f([data])[0], expected, rtol=1e-3, atol=1e-3):
                wrong.append(data.shape)
            if not np.allclose(g([data])[0], np.exp(data) + 1, rtol=1e-5):
                wrong.append(data.shape)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_computes_too():
    x = K.placeholder(shape=(None, 300))
    f = K.function([x], [K.dot(x, K.transpose(x))])
    data = np.random.RandomState(0).randn(300, 300).astype("float32")
    expected = f([data])[0]
    child = os.fork()
    if child == 0:
        os._exit(0 if np.allclose(f([data])[0], expected, rtol=1e-4) else 1)
    assert os.waitpid(child, 0)[1] == 0
    np.testing.assert_allclose(f([data])[0], expected, rtol=1e-5)


def test_explain_shows_passes_steps_and_costs():
    x = K.placeholder(shape=(None, 8))
    w = K.variable(np.ones((8, 4)))
    f = K.function([x], [K.sum(K.tanh(K.dot(x, w)) * 2.0)])
    text = explain(f)
    assert "32" in text  # nothing called yet: an example size
    f([np.ones((5, 8))])
    text = explain(f)
    for part in (
        "specialise",
        "fuse",
        "plan memory",
        "matmul",
        "[tanh mul]",
        "320 flops",
        "one arena",
        "test_executors.py",
    ):
        assert part in text, f"{part!r} is not in\n{text}"
    peak = int(re.search(r"peak .*\((\d+) bytes\) in all", text).group(1))
    needed = 4 * (5 * 8 + 8 * 4 + 5 * 4 + 1)  # input, weights, product, output
    assert needed <= peak < needed + 1000
    with pytest.raises(TypeError, match="expected a function made by K.function"):
        explain(lambda: None)
    steps = K.placeholder(shape=(None, 3, 2))
    loop = K.function([steps], K.rnn(lambda i, s: (i + s[0], [i + s[0]]), steps, [K.zeros_like(steps[:, 0])])[2])
    assert "repeat 3 times" in explain(loop)
