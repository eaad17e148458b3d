"""The CPU executor around its programs: threads, forks, signals, many callers, memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest

from symgraph import backend as K
from symgraph import config
from symgraph.backends.cpu.executor import LONGEST_RUN
from symgraph.layers import Conv2D, Dense, Flatten, MaxPooling2D
from symgraph.models import Sequential
from symgraph.runtime.executor import executor

pytestmark = pytest.mark.skipif(config.executor_name() != "numba", reason="about the executor numba")


@pytest.fixture
def threads():
    """Set the number of threads of this test; what held before holds after it."""
    before = config._store.chosen.get("threads")
    yield config.set_threads
    config.set_threads(before or config._usable_processors())
    if before is None:
        config._store.chosen.pop("threads")


def network(seed: int = 1) -> Sequential:
    """A small network of images whose step is worth sharing among threads."""
    np.random.seed(seed)
    layers = [Conv2D(16, 3, activation="relu", input_shape=(20, 20, 1)), Conv2D(32, 3), MaxPooling2D(2), Flatten()]
    model = Sequential([*layers, Dense(32, activation="relu"), Dense(4, activation="softmax")])
    model.compile(loss="categorical_crossentropy", optimizer="adam")
    return model


def batch(rows: int = 32) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    x = generator.standard_normal((rows, 20, 20, 1), dtype=np.float32)
    return x, np.eye(4, dtype=np.float32)[generator.integers(0, 4, rows)]


def used_threads(function) -> int:
    """On how many threads the last program of a function runs."""
    return getattr(function, "function", function).bound().threads


def heavy():
    """A function that is worth sharing among threads, and its input."""
    x = K.placeholder(shape=(None, 1000))
    return K.function([x], [K.sum(K.exp(K.sin(x)), axis=-1)]), [np.ones((2000, 1000), np.float32)]


def test_threads_set_by_the_program_hold_from_the_next_call_on(threads):
    threads(3)
    function, given = heavy()
    (first,) = function(given)
    assert used_threads(function) == 3
    for number in (1, 2, 3):
        threads(number)
        np.testing.assert_allclose(function(given)[0], first, rtol=1e-5)
        assert used_threads(function) == number and executor("numba").pool.threads == number


def test_a_program_keeps_to_the_threads_that_it_was_compiled_for(threads):
    """Memory of its own for each thread is laid out when it is compiled."""
    threads(1)
    model, (x, y) = network(), batch()
    losses = [model.train_on_batch(x, y) for _ in range(3)]
    threads(4)
    other = network()
    again = [other.train_on_batch(x, y) for _ in range(3)]
    np.testing.assert_allclose(again, losses, rtol=1e-4)
    assert np.isfinite([model.train_on_batch(x, y) for _ in range(3)]).all()
    assert used_threads(next(iter(model._functions.values()))) == 1
    assert used_threads(next(iter(other._functions.values()))) == 4


def test_small_work_runs_on_one_thread(threads):
    threads(4)
    x = K.placeholder(shape=(None, 10))
    function = K.function([x], [x * 2.0])
    function([np.ones((4, 10), np.float32)])
    assert used_threads(function) == 1


def test_threadpoolctl_limits_the_threads(threads):
    threadpoolctl = pytest.importorskip("threadpoolctl")
    threads(3)
    function, given = heavy()
    (first,) = function(given)
    (info,) = [each for each in threadpoolctl.threadpool_info() if each["user_api"] == "symgraph"]
    assert info["num_threads"] == 3
    with threadpoolctl.threadpool_limits(1):
        np.testing.assert_allclose(function(given)[0], first, rtol=1e-5)
        assert used_threads(function) == 1 and config.threads() == 1
    function(given)
    assert used_threads(function) == 3 and config.threads() == 3
    with threadpoolctl.threadpool_limits(2, user_api="symgraph"):
        function(given)
        assert used_threads(function) == 2


def test_the_same_step_has_the_same_bits_each_time(threads):
    threads(2)
    x, y = batch()
    runs = []
    for _ in range(2):
        model = network()
        runs.append([model.train_on_batch(x, y) for _ in range(5)])
    assert runs[0] == runs[1]


def test_a_run_of_batches_on_several_threads_has_the_bits_of_calls(threads):
    threads(2)
    x, y = batch(96)
    model, other = network(), network()
    step = model._function("train", (False,))
    losses = [float(step([x[k : k + 16], y[k : k + 16]])[0]) for k in range(0, 96, 16)]
    runs = list(other._function("train", (False,)).batches([x, y], 16, 6))
    assert used_threads(step) == 2 and max(count for count, _ in runs) > 1
    assert np.concatenate([outputs[0] for _, outputs in runs]).tolist() == losses
    for mine, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_run_of_batches_ends_when_it_has_lasted_long():
    x = K.placeholder((None, 4))
    function = K.function([x], [K.sum(x, axis=1)])
    rows = np.arange(4000, dtype=np.float32).reshape(1000, 4)
    list(function.batches([rows], 2, 500))
    bound = function.bound()
    bound.pace = LONGEST_RUN / 7.5
    done, (sums,) = bound.batches([rows], 100, 400)
    assert done == 7 and bound.pace < LONGEST_RUN / 8
    np.testing.assert_array_equal(sums, rows[200:214].sum(axis=1).reshape(7, 2))
    bound.pace = 2 * LONGEST_RUN
    assert bound.batches([rows], 499, 1)[0] == 1


def test_an_interrupt_after_a_run_of_batches_leaves_a_function_that_computes():
    """The table of arguments is in the middle of the data then."""
    x = K.placeholder((None, 4))
    function = K.function([x], [x * 2.0])
    rows = np.arange(400, dtype=np.float32).reshape(100, 4)
    list(function.batches([rows], 2, 50))
    bound = function.bound()
    repeat = bound.repeat

    def interrupted(count):
        repeat(count)
        raise KeyboardInterrupt

    bound.repeat = interrupted
    with pytest.raises(KeyboardInterrupt):
        list(function.batches([rows], 2, 50))
    np.testing.assert_array_equal(function([rows[:2]])[0], rows[:2] * 2)
    result = np.concatenate([outputs[0] for _, outputs in function.batches([rows], 2, 50)])
    np.testing.assert_array_equal(result.reshape(100, 4), rows * 2)


def test_many_python_threads_train_and_predict_at_once(threads):
    """Models of their own for each thread, and one model that all of them ask."""
    threads(2)
    x, y = batch()
    shared = network(5)
    expected = shared.predict(x)
    alone = [network(seed) for seed in (1, 2, 3)]
    losses = [[model.train_on_batch(x, y) for _ in range(4)] for model in alone]
    together = [network(seed) for seed in (1, 2, 3)]
    found: dict[int, list[float]] = {}
    wrong: list[object] = []

    def work(number: int) -> None:
        try:
            found[number] = [together[number].train_on_batch(x, y) for _ in range(4)]
            for _ in range(5):
                if not np.array_equal(shared.predict(x), expected):
                    wrong.append(number)
        except BaseException as error:
            wrong.append(error)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert not wrong and [found[number] for number in range(3)] == losses


def test_a_step_allocates_nothing():
    """Neither arrays (NumPy reports them to tracemalloc) nor fresh pages: its memory is laid out once."""
    resource = pytest.importorskip("resource")
    model, (x, y) = network(), batch()
    for _ in range(10):
        model.train_on_batch(x, y)
    tracemalloc.start()
    try:
        model.train_on_batch(x, y)
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(20):
            model.train_on_batch(x, y)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < 20_000  # the loss, lists, frames: the activations alone are 3 MB
    rounds = []
    for _ in range(3):
        # A thread that gets its first part late, on a busy machine, touches its stack for the first time.
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(50):
            model.train_on_batch(x, y)
        rounds.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults)
    assert min(rounds) < 100, rounds


TRAINING = """
import numpy as np, os, signal, sys, threading, time
from symgraph.layers import Dense
from symgraph.models import Sequential
model = Sequential([Dense(256, activation="relu", input_dim=100), Dense(256, activation="relu"), Dense(10)])
model.compile(loss="mse", optimizer="sgd")
x, y = np.ones((256, 100), "float32"), np.zeros((256, 10), "float32")
model.fit(x, y, epochs=2, batch_size=128, verbose=0)
"""
INTERRUPTED = (
    TRAINING
    + """
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    model.fit(x, y, epochs=10**6, batch_size=128, verbose=0)
except KeyboardInterrupt:
    before = model.evaluate(x, y, verbose=0)
    model.fit(x, y, epochs=2, batch_size=128, verbose=0)
    assert np.isfinite(before) and np.isfinite(model.evaluate(x, y, verbose=0))
    sys.exit(7)
"""
)
FORKED = (
    TRAINING
    + """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
expected = model.predict(x)
child = os.fork()
if child == 0:
    same = np.array_equal(model.predict(x), expected)
    model.fit(x, y, epochs=2, batch_size=128, verbose=0)
    os._exit(0 if same and np.isfinite(model.predict(x)).all() else 1)
_, status = os.waitpid(child, 0)
assert np.array_equal(model.predict(x), expected)
sys.exit(os.waitstatus_to_exitcode(status))
"""
)
ENDING = (
    TRAINING
    + """
threading.Thread(target=lambda: model.fit(x, y, epochs=10**6, batch_size=128, verbose=0), daemon=True).start()
time.sleep(0.3)
"""
)


def end_of(text: str) -> subprocess.CompletedProcess:
    environment = config.child_environment(SYMGRAPH_NUM_THREADS="3")
    return subprocess.run([sys.executable, "-c", text], env=environment, capture_output=True, text=True, timeout=120)


def test_an_interrupt_stops_training_and_the_model_goes_on():
    done = end_of(INTERRUPTED)
    assert done.returncode == 7, done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_child_trains_and_so_does_its_parent():
    done = end_of(FORKED)
    assert done.returncode == 0, done.stderr


def test_the_interpreter_ends_while_another_thread_trains():
    done = end_of(ENDING)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not hasattr(signal, "SIGTERM") or os.name != "posix", reason="signals of POSIX")
def test_a_signal_ends_a_training_process_at_once():
    text = TRAINING + "print('on', flush=True)\nmodel.fit(x, y, epochs=10**6, batch_size=128, verbose=0)"
    environment = config.child_environment(SYMGRAPH_NUM_THREADS="3")
    process = subprocess.Popen(
        [sys.executable, "-c", text], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert process.stdout.readline() == b"on\n"
        process.terminate()
        assert process.wait(30) == -signal.SIGTERM
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def huge_pages_allowed() -> bool:
    try:
        with open("/sys/kernel/mm/transparent_hugepage/enabled") as setting:
            return "[never]" not in setting.read()
    except OSError:
        return False


@pytest.mark.skipif(not huge_pages_allowed(), reason="the system gives no huge pages")
def test_the_arena_has_huge_pages():
    """A large program's memory comes in pages of 2 MB where the system has them."""
    text = """
import numpy as np
from symgraph import backend as K
x = K.placeholder(shape=(None, 1000))
function = K.function([x], [K.sum(K.dot(x, K.transpose(x)), axis=0)])
function([np.ones((4000, 1000), "float32")])
with open("/proc/self/smaps_rollup") as maps:
    print(next(line for line in maps if line.startswith("AnonHugePages")).split()[1])
"""
    done = end_of(text)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 32 << 10
