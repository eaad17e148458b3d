"""The descriptions of the workloads: shapes, weights, data and costs, against what is known of the networks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from symgraph.benchmarking.contestants.workloads import FIT_BATCHES, WORKLOADS, cost, data, shapes, weights

#: Numbers of weights as published.
PARAMETERS = {"vgg16": 138_357_544, "resnet50": 25_636_712, "mlp": 669_706, "mnist": 1_199_882, "cats-dogs": 1_212_513}


@pytest.mark.parametrize("name", PARAMETERS)
def test_networks_have_the_published_number_of_weights(name):
    network = WORKLOADS[name].network
    assert sum(array.size for _, arrays in weights(network) for array in arrays) == PARAMETERS[name]


@pytest.mark.parametrize("name", [name for name, each in WORKLOADS.items() if each.network and "resnet" not in name])
def test_shapes_are_those_of_the_layers(name):
    """What the descriptions say is what symgraph's own layers come to."""
    import sys
    from pathlib import Path

    from symgraph.benchmarking import contestants

    sys.path.insert(0, str(Path(contestants.__file__).parent))
    try:
        import symgraph_contestant
    finally:
        sys.path.pop(0)
    network = WORKLOADS[name].network
    small = network._replace(layers=network.layers[:12])
    model = symgraph_contestant.build(small)
    for layer in small.layers:
        assert model.get_layer(layer.name).output_shape[1:] == shapes(network)[layer.name]


def test_weights_and_data_are_the_same_each_time():
    workload = WORKLOADS["lstm"]
    first, second = dict(weights(workload.network)), dict(weights(workload.network))
    assert all(np.array_equal(a, b) for name in first for a, b in zip(first[name], second[name]))
    assert [array.shape for array in first["lstm_1"]] == [(128, 512), (128, 512), (512,)]
    x, y = data(workload, 3)
    assert x.shape == (3, 80) and x.dtype == np.int32 and 0 <= x.min() <= x.max() < 20000
    assert y.shape == (3, 1) and set(np.unique(y)) <= {0.0, 1.0}
    assert np.array_equal(x, data(workload, 3)[0])


def test_fit_has_many_batches_and_the_others_one():
    assert data(WORKLOADS["fit"], 16)[0].shape == (16 * FIT_BATCHES, 20)
    assert data(WORKLOADS["mlp-small"], 16)[1].sum(axis=1).tolist() == [1.0] * 16
    assert data(WORKLOADS["vgg16"], 2)[1] is None


def test_every_workload_names_its_parts():
    for name, workload in WORKLOADS.items():
        assert workload.mode in ("train", "fit", "predict", "formula"), name
        assert (workload.network is None) == (workload.mode == "formula") == bool(workload.formula), name
        assert bool(workload.optimizer) == bool(workload.loss) == (workload.mode in ("train", "fit")), name
        if workload.network:
            names = [layer.name for layer in workload.network.layers]
            assert len(set(names)) == len(names), name


def test_costs():
    units = (784, 512, 512, 10)
    products = [a * b for a, b in zip(units, units[1:])]
    flops, moved = cost("mlp", 128)
    assert flops == 2 * 128 * (2 * products[0] + 3 * products[1] + 3 * products[2])
    parameters = sum(products) + sum(units[1:])
    assert moved == 4 * (4 * parameters + 128 * (784 + 10))
    # ResNet50 with strides in the first convolution of a block: 3.86 G multiplications and additions a picture.
    assert cost("resnet50", 8)[0] / 16 == pytest.approx(3.86e9, rel=0.01)
    assert cost("vgg16", 1)[0] / 2 == pytest.approx(15.47e9, rel=0.01)
    assert cost("elementwise", 1024) == (12 * 2**20, 2 * 4 * 2**20)
    lstm, _ = cost("lstm", 32)
    assert lstm == 3 * 2 * 32 * 80 * 2 * 128 * 512 + 3 * 2 * 32 * math.prod((128, 1))
