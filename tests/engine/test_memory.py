"""A long life: predicting again and again, and making models anew, does not make the process larger."""

import gc
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest

from symgraph.layers import Dense
from symgraph.models import Sequential
from symgraph.runtime import executor

#: Each model has 270,000 numbers in its weights and Adam's state, and as many again in gradients: 2 MB.
PROGRAM = """
import gc
import numpy as np
from symgraph.layers import Dense, Dropout
from symgraph.models import Sequential

def megabytes():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20

x, y = np.random.rand(32, 20).astype("float32"), np.random.rand(32, 3)

def model():
    made = Sequential([Dense(256, activation="relu", input_shape=(20,)), Dropout(0.5), Dense(256, activation="relu"),
                       Dense(3)])
    made.compile("adam", "mse", metrics=["mae"])
    made.fit(x, y, epochs=1, verbose=0)
    made.predict(x)
    return made

for _ in range(25):  # until the allocator has found its size
    model()
before = megabytes()
for _ in range(50):
    model()
print(megabytes() - before)
last = model()
for _ in range(100):
    last.predict(x[:1])
before = megabytes()
for _ in range(1000):
    last.predict(x[:1])
print(megabytes() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
def test_the_process_does_not_grow():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    rebuilt, predicted = map(float, done.stdout.split())
    assert rebuilt < 10  # 50 models that stay would be 100 MB
    assert predicted < 1


def test_a_model_that_nobody_holds_is_gone():
    with executor.use("numpy"):
        model = Sequential([Dense(3, input_shape=(4,))])
        model.compile("adam", "mse")
        model.fit(np.ones((4, 4)), np.ones((4, 3)), verbose=0)
        model.predict(np.ones((4, 4)))
        gone = weakref.ref(model)
        weight = weakref.ref(model.weights[0])
        del model
        gc.collect()
        assert gone() is None and weight() is None
