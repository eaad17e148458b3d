"""First steps that are interpreted while kernels are compiled; the compiling is held up, so that nothing is timed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from symgraph import backend as K
from symgraph import config
from symgraph.backends.cpu import background, build, objects
from symgraph.layers import Dense, Dropout
from symgraph.models import Sequential
from symgraph.runtime import executor, first_steps
from symgraph.runtime.first_steps import FirstSteps

ADDRESSES = objects.compile_kernels


class Gate:
    """Holds background compilations up until it is opened; `failure` is what they then raise."""

    def __init__(self):
        self.opened, self.begun, self.failure = threading.Event(), 0, None

    def compile_kernels(self, kernels, background=False):
        if background:
            self.begun += 1
            assert self.opened.wait(120)
            if self.failure is not None:
                raise self.failure
        return ADDRESSES(kernels)

    def open(self):
        """Let compilations go on, and wait until they have ended."""
        self.opened.set()
        for one in list(background._running):
            one._thread.join(120)


@pytest.fixture
def gate(monkeypatch):
    made = Gate()
    monkeypatch.setattr(objects, "are_compiled", lambda kernels: False)
    monkeypatch.setattr(objects, "compile_kernels", made.compile_kernels)
    monkeypatch.setattr(config._store, "chosen", {**config._store.chosen, "first_steps": "interpret"})
    with executor.use("numba"):
        yield made
    made.open()


def counter():
    """A function that adds its input to a variable and gives the sum before."""
    x, total = K.placeholder(shape=(None, 3)), K.variable(np.zeros(3))
    return K.function([x], [total + 0.0], updates=[(total, total + K.sum(x, axis=0))]), total


def test_steps_before_and_after_the_change_share_variables(gate):
    function, total = counter()
    ones = np.ones((2, 3), "float32")
    for step in range(3):
        np.testing.assert_array_equal(function([ones])[0], np.full(3, 2.0 * step))
    assert gate.begun == 1 and isinstance(function.variants()[0].runner, FirstSteps)
    assert "NumPy" in function.variants()[0].runner.describe({})[0]
    gate.open()
    for step in range(3, 6):
        np.testing.assert_array_equal(function([ones])[0], np.full(3, 2.0 * step))
    np.testing.assert_array_equal(K.get_value(total), np.full(3, 12.0))
    assert function.bound().compiled() is not None and function.bound().batches is not None


def test_another_size_uses_what_is_there(gate):
    function, _ = counter()
    function([np.ones((2, 3), "float32")])
    function([np.ones((5, 3), "float32")])
    assert gate.begun == 1
    gate.open()
    np.testing.assert_array_equal(function([np.ones((7, 3), "float32")])[0], np.full(3, 7.0))
    assert type(function.bound()).__name__ == "BoundProgram"
    np.testing.assert_array_equal(function([np.ones((2, 3), "float32")])[0], np.full(3, 14.0))


def trained(gate, change_after):
    """The losses of some steps with dropout, kernels being ready after `change_after` of them."""
    K.clear_session()
    np.random.seed(3)
    model = Sequential([Dense(16, activation="tanh", input_dim=5), Dropout(0.5, seed=7), Dense(1)])
    model.set_weights([np.random.RandomState(k).randn(*w.shape) for k, w in enumerate(model.get_weights())])
    model.compile("adam", "mse")
    x, y = np.random.RandomState(8).randn(32, 5), np.random.RandomState(9).randn(32, 1)
    losses = []
    for step in range(6):
        if gate is not None and step == change_after:
            gate.open()
        losses.append(float(model.train_on_batch(x, y)))
    return losses


def test_the_random_stream_and_the_optimizer_go_on(gate):
    mixed = trained(gate, 3)
    gate.opened.set()
    np.testing.assert_allclose(mixed, trained(gate, 0), rtol=1e-5)
    with executor.use("numpy"):
        np.testing.assert_allclose(mixed, trained(None, 0), rtol=1e-5)


def test_fit_takes_up_the_compiled_program(gate):
    model = Sequential([Dense(1, input_dim=2)])
    model.compile("sgd", "mse")
    x, y = np.ones((64, 2)), np.ones((64, 1))
    first = model.fit(x, y, batch_size=8, epochs=1, verbose=0).history["loss"][0]
    gate.open()
    assert model.fit(x, y, batch_size=8, epochs=1, verbose=0).history["loss"][0] <= first


def test_several_functions_and_threads(gate):
    functions = [counter() for _ in range(3)]
    ones = np.ones((1, 3), "float32")

    def run(function):
        for _ in range(20):
            function([ones])

    threads = [threading.Thread(target=run, args=(function,)) for function, _ in functions for _ in range(2)]
    for thread in threads:
        thread.start()
    gate.open()
    for thread in threads:
        thread.join(120)
    for _, total in functions:
        np.testing.assert_array_equal(K.get_value(total), np.full(3, 40.0))


def test_a_kernel_that_does_not_compile_is_the_error_of_each_next_call(gate):
    function, total = counter()
    ones = np.ones((1, 3), "float32")
    function([ones])
    gate.failure = build.KernelError("kernel 'add' does not compile: planted")
    gate.open()
    for _ in range(2):
        with pytest.raises(build.KernelError, match="planted"):
            function([ones])
    np.testing.assert_array_equal(K.get_value(total), np.ones(3))


def test_it_is_said_once(gate, capsys, monkeypatch):
    monkeypatch.setattr(first_steps, "_told", set())
    for _ in range(2):
        counter()[0]([np.ones((1, 3), "float32")])
    assert capsys.readouterr().err.count("Interpreting the first steps with NumPy") == 1


def test_kernels_in_the_cache_are_used_at_once(gate, monkeypatch):
    monkeypatch.setattr(objects, "are_compiled", lambda kernels: True)
    function, _ = counter()
    function([np.ones((1, 3), "float32")])
    assert gate.begun == 0 and type(function.bound()).__name__ == "BoundProgram"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_compiles_for_itself(gate):
    function, _ = counter()
    ones = np.ones((1, 3), "float32")
    function([ones])
    child = os.fork()
    if child == 0:
        code = 1
        try:
            gate.opened.set()
            function([ones])
            gate.open()
            code = 0 if function([ones])[0][0] == 2 and function.bound().compiled() is not None else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    np.testing.assert_array_equal(function([ones])[0], np.ones(3))


PROGRAM = """
import numpy as np
from symgraph import backend as K
x = K.placeholder(shape=(None, 3))
function = K.function([x], [K.tanh(x), K.softmax(x), K.sum(x, 0), K.max(x, 1), K.cumsum(x, 0), K.argmax(x)])
function([np.ones((2, 3), "float32")])
print("a step is done", flush=True)
if WAIT:
    function.variants()[0].runner.compiled._compilation.wait()
    assert type(function.bound()).__name__ == "_Bound"
    function([np.ones((2, 3), "float32")])
    assert function.bound().compiled() is not None
if INTERRUPT:
    import os, signal
    os.kill(os.getpid(), signal.SIGINT)
"""


@pytest.mark.parametrize(("wait", "interrupt"), [(False, False), (True, False), (False, True)])
def test_a_process_may_end_or_be_interrupted_while_helpers_compile(tmp_path, wait, interrupt):
    program = PROGRAM.replace("WAIT", str(wait)).replace("INTERRUPT", str(interrupt))
    tmp_path.chmod(0o700)
    environment = config.child_environment(
        SYMGRAPH_CACHE=str(tmp_path), SYMGRAPH_FIRST_STEPS="interpret", KERAS_BACKEND="numba", KERAS_HOME=str(tmp_path)
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=300
    )
    assert "a step is done" in done.stdout, done.stderr
    assert (done.returncode == 0) != interrupt, done.stderr
    assert "Interpreting the first steps" in done.stderr
    assert interrupt == ("KeyboardInterrupt" in done.stderr)
