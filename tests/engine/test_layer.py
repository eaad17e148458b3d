"""The base class of layers: names, weights, shapes, masks, messages."""

import numpy as np
import pytest

from symgraph import backend as K
from symgraph.engine import Input, InputSpec, Layer, Model, Sequential
from symgraph.layers import Activation, Concatenate, Dense, Dropout, Flatten, Lambda, Masking, Reshape


class Scale(Layer):
    """A layer of a user's own, as the documentation shows it."""

    def __init__(self, factor=2.0, **kwargs):
        self.factor = factor  # before super().__init__, as old code does
        super().__init__(**kwargs)

    def build(self, input_shape):
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1],), initializer="ones")
        self.offset = self.add_weight(name="offset", shape=(input_shape[-1],), initializer="zeros", trainable=False)
        super().build(input_shape)

    def call(self, inputs):
        return inputs * self.kernel * self.factor + self.offset

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


def test_weights_in_the_order_of_keras_1():
    layer = Layer(name="mine")
    layer.add_weight((2, 3), initializer="ones", name="by_name", regularizer=K.sum)
    layer.add_weight((2,), "zeros", "by_place", False)
    assert [weight.name for weight in layer.weights] == ["mine/by_name:0", "mine/by_place:0"]
    assert [weight.name for weight in layer.trainable_weights] == ["mine/by_name:0"] and len(layer.losses) == 1
    with pytest.raises(TypeError, match=r"\['shape'\] given twice"):
        layer.add_weight((2,), shape=(3,))


def test_a_list_of_one_output_is_that_output():
    """As `K.gradients` in a Lambda gives it."""
    x = Input((3,))
    slope = Lambda(lambda t: K.gradients(K.sum(K.square(t)), t))(x)
    assert K.is_tensor(slope)
    np.testing.assert_allclose(Model(x, slope).predict(np.ones((2, 3))), np.full((2, 3), 2.0))


def test_default_names_count_by_class():
    K.reset_uids()
    assert [Dense(1).name, Dense(1).name, Scale().name, Dense(1, name="mine").name] == [
        "dense_1", "dense_2", "scale_1", "mine"]


def test_an_unknown_keyword_names_the_layer_and_what_is_known():
    with pytest.raises(TypeError, match=r"Dense: unknown keyword argument 'unitz'.*units.*kernel_initializer.*name"):
        Dense(3, unitz=4)


@pytest.mark.parametrize("given", [
    {"input_shape": (7,)}, {"batch_input_shape": (None, 7)}, {"input_dim": 7},
])
def test_three_ways_to_say_the_input_shape(given):
    model = Sequential([Dense(2, **given)])
    assert (model.input_shape, model.output_shape, model.count_params()) == ((None, 7), (None, 2), 16)


def test_a_fixed_batch_size():
    model = Sequential([Dense(2, input_shape=(3,), batch_size=4)])
    assert model.input_shape == (4, 3)


def test_node_bookkeeping():
    a, b = Input((4,)), Input((4,))
    layer = Dense(3)
    first = layer(a)
    assert layer.output is first and layer.input is a
    assert layer.input_shape == (None, 4) and layer.output_shape == (None, 3)
    second = layer(b)
    with pytest.raises(AttributeError, match="multiple inbound nodes.*get_output_at"):
        _ = layer.output
    assert layer.get_output_at(0) is first and layer.get_output_at(1) is second
    assert layer.get_input_at(1) is b
    assert layer.get_input_shape_at(1) == (None, 4) and layer.get_output_shape_at(0) == (None, 3)
    assert layer.output_shape == (None, 3)  # the same at each node
    with pytest.raises(ValueError, match="only 2 inbound nodes"):
        layer.get_output_at(2)
    assert first._keras_history == (layer, 0, 0) and second._keras_history == (layer, 1, 0)
    assert len(layer._inbound_nodes) == 2 and layer._inbound_nodes[0].inbound_layers == [a._keras_history[0]]


def test_shapes_that_differ_between_nodes_are_ambiguous():
    layer = Activation("relu")
    layer(Input((4,)))
    layer(Input((5,)))
    with pytest.raises(AttributeError, match="different input shapes.*get_input_shape_at"):
        _ = layer.input_shape
    assert layer.get_output_shape_at(1) == (None, 5)


def test_a_layer_that_was_never_called():
    layer = Dense(3)
    with pytest.raises(AttributeError, match="not connected"):
        _ = layer.output
    with pytest.raises(RuntimeError, match="isn't built"):
        layer.count_params()


def test_weights_of_a_custom_layer():
    layer = Scale()
    layer(Input((3,)))
    assert [w.name.split("/")[1] for w in layer.weights] == ["kernel:0", "offset:0"]
    assert layer.trainable_weights == [layer.kernel] and layer.non_trainable_weights == [layer.offset]
    layer.trainable = False
    assert layer.trainable_weights == [] and layer.non_trainable_weights == [layer.kernel, layer.offset]
    assert layer.weights == [layer.kernel, layer.offset]
    layer.trainable = True
    assert layer.count_params() == 6
    layer.set_weights([np.arange(3.0), np.ones(3)])
    kernel, offset = layer.get_weights()
    np.testing.assert_array_equal(kernel, np.arange(3))
    np.testing.assert_array_equal(offset, np.ones(3))


def test_set_weights_says_what_does_not_fit():
    layer = Dense(2, name="fc")
    layer(Input((3,)))
    with pytest.raises(ValueError, match=r"'fc'.*2 weights.*fc/kernel"):
        layer.set_weights([np.zeros((3, 2))])
    with pytest.raises(ValueError, match=r"'fc'.*\(3, 2\).*\(2, 3\)"):
        layer.set_weights([np.zeros((2, 3)), np.zeros(2)])


def test_initial_weights():
    kernel, bias = np.arange(6.0).reshape(3, 2), np.array([1.0, 2.0])
    model = Sequential([Dense(2, weights=[kernel, bias], input_shape=(3,))])
    np.testing.assert_allclose(model.predict(np.eye(3)), kernel + bias)


def test_variables_and_layers_set_as_attributes_belong_to_the_layer():
    class Two(Layer):
        def build(self, input_shape):
            self.own = K.variable(np.ones(2))
            self.inner = Dense(2)
            super().build(input_shape)

        def call(self, inputs):
            return self.inner(inputs) * self.own

    layer = Two()
    model = Sequential()
    model.add(Dense(2, input_shape=(3,)))
    model.add(layer)
    assert len(layer.trainable_weights) == 3 and layer.count_params() == 2 + 4 + 2
    model.compile("sgd", "mse")
    before = layer.get_weights()
    model.train_on_batch(np.ones((4, 3)), np.zeros((4, 2)))
    assert all(np.abs(a - b).max() > 0 for a, b in zip(before, layer.get_weights()))


def test_weights_may_be_assigned_as_a_list():
    class Old(Layer):
        def build(self, input_shape):
            self.W = K.variable(np.ones((input_shape[1], 2)))
            self.trainable_weights = [self.W]
            super().build(input_shape)

        def call(self, x, mask=None):
            return K.dot(x, self.W)

        def get_output_shape_for(self, input_shape):
            return (input_shape[0], 2)

    model = Sequential([Old(input_shape=(3,))])
    assert model.output_shape == (None, 2) and len(model.trainable_weights) == 1
    np.testing.assert_allclose(model.predict(np.eye(3)), np.ones((3, 2)))


def test_compute_output_shape_is_derived_and_leaves_no_trace():
    layer = Dense(5)
    assert layer.compute_output_shape((None, 3)) == (None, 5)
    assert not layer.built and layer.weights == [] and layer._inbound_nodes == []
    assert Flatten().compute_output_shape((None, 3, 4)) == (None, 12)
    assert Reshape((-1, 2)).compute_output_shape((None, 6)) == (None, 3, 2)
    assert Concatenate().compute_output_shape([(None, 3), (None, 4)]) == (None, 7)
    layer(Input((3,)))
    assert layer.compute_output_shape((7, 3)) == (7, 5)


def test_a_composite_layer_is_inferred_without_building_its_parts():
    class Wrapper(Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.inner = Dense(4)

        def call(self, inputs):
            return self.inner(inputs)

    layer = Wrapper()
    assert layer.compute_output_shape((None, 3)) == (None, 4)
    assert not layer.inner.built and layer.weights == []


def test_the_users_output_shape_fills_in_what_the_graph_cannot_know():
    class Half(Layer):
        def call(self, inputs):
            return inputs

        def compute_output_shape(self, input_shape):
            return (input_shape[0], 8, input_shape[2])

    x = Input((None, 3))
    assert Half()(x)._keras_shape == (None, 8, 3)


def test_input_spec():
    layer = Activation("relu")
    layer.input_spec = InputSpec(min_ndim=3, axes={-1: 4})
    with pytest.raises(ValueError, match=r"incompatible with layer.*min_ndim=3.*\(None, 4\)"):
        layer(Input((4,)))
    with pytest.raises(ValueError, match="axis -1 .* value 4"):
        layer(Input((2, 5)))
    layer(Input((2, 4)))
    dense = Dense(2)
    dense(Input((3,)))
    with pytest.raises(ValueError, match="axis -1"):
        dense(Input((4,)))


def test_arrays_are_not_symbolic():
    with pytest.raises(ValueError, match="isn't a symbolic tensor.*Input"):
        Dense(2, name="fc")(np.zeros((2, 3)))


def test_errors_in_a_call_name_layer_shapes_and_line():
    class Broken(Layer):
        def call(self, inputs):
            return K.dot(inputs, K.variable(np.zeros((5, 2))))

    x = Input((3,))
    with pytest.raises(ValueError, match=r"in layer 'wrong' \(Broken\).*\(None, 3\).*test_layer.py:\d+"):
        Broken(name="wrong")(x)


def test_a_call_that_returns_no_tensor():
    class Nothing(Layer):
        def call(self, inputs):
            return None

    with pytest.raises(TypeError, match="returned None"):
        Nothing()(Input((3,)))


def test_a_mask_needs_support():
    class Plain(Layer):
        def call(self, inputs):
            return inputs

    masked = Masking()(Input((4, 2)))
    with pytest.raises(TypeError, match="does not support masking"):
        Plain()(masked)
    assert Plain()(Lambda(lambda x: x)(masked)) is not None


def test_masks_are_passed_on():
    seen = []

    class Listens(Layer):
        supports_masking = True

        def call(self, inputs, mask=None):
            seen.append(mask)
            return inputs

    x = Input((4, 2))
    masked = Masking()(x)
    dropped = Dropout(0.5)(masked)
    out = Listens()(dropped)
    assert seen[0] is not None
    mask = out._keras_history[0].get_output_mask_at(0)
    data = np.array([[[1, 2], [0, 0], [0, 3], [0, 0]]], "float32")
    np.testing.assert_array_equal(K.function([x], [mask])([data])[0], [[True, False, True, False]])


def test_penalties_of_weights_and_activations():
    model = Sequential([Dense(2, kernel_regularizer="l2", activity_regularizer="l1", input_shape=(3,))])
    model.compile("sgd", "mse")
    x, y = np.arange(6.0).reshape(2, 3), np.zeros((2, 2))
    out = model.predict(x)
    kernel = model.get_weights()[0]
    want = np.mean(out**2) + 0.01 * np.sum(kernel**2) + 0.01 * np.abs(out).sum()
    np.testing.assert_allclose(model.evaluate(x, y, verbose=0), want, rtol=1e-5)
    assert len(model.losses) == 2


def test_add_loss_and_add_metric_of_a_layer():
    class Watched(Layer):
        def call(self, inputs):
            self.add_loss(K.sum(inputs) * 0.5, inputs)
            self.add_metric(K.mean(inputs), name="mean_input")
            return inputs

    model = Sequential([Dense(2, input_shape=(3,)), Watched()])
    model.compile("sgd", "mse")
    x, y = np.arange(6.0).reshape(2, 3), np.zeros((2, 2))
    out = model.predict(x)
    assert model.metrics_names == ["loss", "mean_input"]
    values = model.evaluate(x, y, verbose=0)
    np.testing.assert_allclose(values, [np.mean(out**2) + 0.5 * out.sum(), out.mean()], rtol=1e-5, atol=1e-5)


def test_the_same_output_gets_a_handle_of_its_own():
    x = Input((3,))
    same = Lambda(lambda t: t)(x)
    assert same is not x and same._keras_history[0] is not x._keras_history[0]
    model = Model(x, same)
    data = np.ones((2, 3))
    np.testing.assert_array_equal(model.predict(data), data)


def test_several_outputs():
    class Split(Layer):
        def call(self, inputs):
            return [inputs[:, :2], inputs[:, 2:]]

    x = Input((5,))
    left, right = Split()(x)
    assert left._keras_shape == (None, 2) and right._keras_shape == (None, 3)
    assert right._keras_history[2] == 1
    model = Model(x, [left, right])
    data = np.arange(10.0).reshape(2, 5)
    a, b = model.predict(data)
    np.testing.assert_array_equal(a, data[:, :2])
    np.testing.assert_array_equal(b, data[:, 2:])
