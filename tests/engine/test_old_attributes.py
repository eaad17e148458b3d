"""Attributes under which programs look inside layers and models."""

import warnings

import numpy as np
import pytest

from symgraph import backend as K
from symgraph.layers import Add, Concatenate, Dense, Dropout, Input, InputLayer
from symgraph.models import Model, Sequential, clone_model

RNG = np.random.default_rng(3)


def branched():
    a, b = Input((3,), name="a"), Input((3,), name="b")
    shared = Dense(4, name="shared", kernel_regularizer="l2", bias_constraint="non_neg")
    joined = Add(name="joined")([shared(a), shared(b)])
    return Model([a, b], [joined, Dropout(0.5, name="dropped")(shared.get_output_at(0))])


def test_nodes_and_ends_of_a_network():
    model = branched()
    shared = model.get_layer("shared")
    assert [node.inbound_layers[0].name for node in shared.inbound_nodes] == ["a", "b"]
    assert [node.outbound_layer.name for node in shared.outbound_nodes] == ["joined", "joined", "dropped"]
    assert [layer.name for layer in model.input_layers] == ["a", "b"]
    assert model.output_layers_node_indices == model.output_layers_tensor_indices == [0, 0]
    assert {depth: [layer.name for layer in layers] for depth, layers in model.layers_by_depth.items()} == {
        0: ["joined", "dropped"], 1: ["shared"], 2: ["a", "b"]}
    assert model.container_nodes == {"a_ib-0", "b_ib-0", "shared_ib-0", "shared_ib-1", "joined_ib-0", "dropped_ib-0"}
    assert len(model.nodes_by_depth[1]) == 2 and model.internal_output_shapes == [(None, 4), (None, 4)]


def test_penalties_and_constraints_of_a_network():
    model = branched()
    shared = model.get_layer("shared")
    assert model.regularizers == [shared.kernel_regularizer]
    assert model.constraints == {shared.bias: shared.bias_constraint}


def test_a_class_of_the_users_may_use_the_names():
    class Own(Dense):
        def __init__(self, units, **kwargs):
            super().__init__(units, **kwargs)
            self.regularizers = ["mine"]

    assert Own(2).regularizers == ["mine"] and Dense(2).regularizers == []


def test_functions_of_a_compiled_model():
    model = branched()
    model.compile("sgd", ["mse", None], loss_weights=[0.5, 1.0])
    assert model.train_function is None and model.skip_target_indices == [1] and model.loss_weights_list[0] == 0.5
    arrays = [RNG.normal(size=(5, 3)), RNG.normal(size=(5, 3)), RNG.normal(size=(5, 4)), np.ones(5)]
    expected = model.test_on_batch(arrays[:2], arrays[2])[0]
    np.testing.assert_allclose(model.test_function([*arrays, 0])[0], expected, rtol=1e-5)
    model._make_train_function()
    before = model.get_weights()[0]
    np.testing.assert_allclose(model.train_function([*arrays, 1.0])[0], expected, rtol=1e-5)
    assert abs(model.get_weights()[0] - before).max() > 0
    with pytest.raises(ValueError, match="takes 4 arrays"):
        model.train_function(arrays[:2])
    with pytest.raises(ValueError, match="learning phase built in"):
        model.train_function([*arrays, 0])


def test_losses_and_updates_that_are_numbers():
    layer, x = Dense(1), Input((2,))
    layer.add_loss(0, inputs=x)
    layer.add_loss(1)
    layer.add_update(0, inputs=x)
    layer.add_update(1)
    assert layer.get_losses_for(x) == [0] and layer.get_losses_for(None) == [1]
    assert layer.get_updates_for(x) == [0] and layer.get_updates_for(None) == [1]
    assert list(layer._per_input_losses.values()) == [[0]]


def test_a_placeholder_as_target_is_fed():
    x = Input((3,))
    model = Model(x, Dense(4, name="out")(x))
    target = K.placeholder((None, 4))
    for form in (target, [target], {"out": target}):
        model.compile("sgd", "mse", target_tensors=form)
        assert model.targets == [target]
        rows, wanted = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 4))
        found = model.train_on_batch(rows, wanted, sample_weight=np.full(5, 2.0))
        model.compile("sgd", "mse")
        assert found > 0
    with pytest.raises(TypeError, match="`target_tensors` must be a tensor"):
        model.compile("sgd", "mse", target_tensors={target})
    values = K.variable(RNG.normal(size=(5, 4)))
    model.compile("sgd", "mse", target_tensors=values)
    assert model.train_on_batch(rows, None) > 0


def test_summary_warns_where_a_change_of_trainable_waits_for_compile():
    model = Sequential([Dense(2, input_dim=3)])
    model.compile("sgd", "mse")
    model.trainable = False
    with pytest.warns(UserWarning, match="Discrepancy between trainable weights"):
        model.summary(print_fn=lambda line: None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Sequential([InputLayer((3,)), Dense(2)]).summary(print_fn=lambda line: None)


def test_clone_wants_a_model():
    with pytest.raises(ValueError, match="expected a Model"):
        clone_model(lambda x: x)
    with pytest.raises(ValueError, match="one input, but 2"):
        clone_model(Sequential([Dense(2, input_dim=3)]), input_tensors=[Input((3,)), Input((3,))])


@pytest.mark.parametrize("layer", [Add(), Concatenate()])
def test_masks_of_merges_come_in_lists(layer):
    a, b = Input((3,)), Input((3,))
    for inputs, mask in ((a, [None, None]), ([a, b], a), ([a, b], [None] * 3)):
        with pytest.raises(ValueError, match="should"):
            layer.compute_mask(inputs, mask)
