"""A batch in parts: the same results, whatever its size; and the errors where there are no GPUs."""

import numpy as np
import pytest

from symgraph.layers import Add, Dense, Input
from symgraph.models import Model, Sequential
from symgraph.utils import multi_gpu_model, multi_gpu_utils


def test_no_gpus():
    model = Sequential([Dense(1, input_dim=2)])
    for gpus in (None, 0, 1, [0]):
        with pytest.raises(ValueError, match="with `gpus >= 2`"):
            multi_gpu_model(model, gpus)
    with pytest.raises(ValueError, match=r"`gpus=2`.*'/gpu:0', '/gpu:1'\]. However this machine only has: \['/cpu:0'"):
        multi_gpu_model(model, 2)


def test_names_of_devices():
    for name in ("/gpu:1", "/device:GPU:1", "/job:localhost/replica:0/task:0/device:GPU:1", "GPU:1"):
        assert multi_gpu_utils._normalize_device_name(name) == "/gpu:1"


@pytest.mark.parametrize("relocated", [False, True])
def test_parts_of_a_batch(relocated, monkeypatch):
    monkeypatch.setattr(multi_gpu_utils, "_get_available_devices", lambda: ["/cpu:0", "/gpu:0", "/gpu:1", "/gpu:2"])
    a, b = Input((3,)), Input((3,))
    hidden = Add(name="total")([Dense(4)(a), Dense(4)(b)])
    model = Model([a, b], [hidden, Dense(2, name="last")(hidden)])
    parallel = multi_gpu_model(model, cpu_relocation=relocated)
    assert [x.name for x in parallel.layers].count(model.name) == 1 and parallel.output_names == ["total", "last"]
    if not relocated:
        assert parallel.weights == model.weights
        for rows in (3, 7, 8, 31):
            x = np.random.normal(size=(2, rows, 3)).astype("float32")
            for one, other in zip(parallel.predict(list(x), batch_size=31), model.predict(list(x))):
                np.testing.assert_allclose(one, other, rtol=1e-5)
    parallel.compile("sgd", "mse")
    before = parallel.get_weights()[0].copy()
    parallel.train_on_batch([np.ones((5, 3)), np.ones((5, 3))], [np.ones((5, 4)), np.ones((5, 2))])
    assert not np.allclose(before, parallel.get_weights()[0])
    same = np.allclose(model.get_weights()[0], parallel.get_weights()[0])
    assert same is not relocated
