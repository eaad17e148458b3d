"""What means something else in Keras 1: against NumPy, and beside the Keras-2 namespace."""

import inspect

import numpy as np
import pytest

import symgraph.keras1  # noqa: F401
from symgraph import backend as K
from symgraph import layers as new_layers
from symgraph.keras1 import backend as K1
from symgraph.keras1 import (
    callbacks,
    constraints,
    initializations,
    layers,
    metrics,
    models,
    objectives,
    optimizers,
    regularizers,
)
from symgraph.runtime import executor


@pytest.fixture(autouse=True)
def order_of_pictures():
    before = K.image_data_format()
    yield
    K.set_image_data_format(before)


@pytest.fixture
def on_numpy():
    with executor.use("numpy"):
        yield


def _model(*stack, **compiled):
    model = models.Sequential(list(stack))
    model.compile(**{"optimizer": "sgd", "loss": "mse", **compiled})
    return model


# ---------------------------------------------------------------------------------------------- K
def test_the_output_comes_first_in_crossentropies():
    output = np.array([[0.2, 0.8], [0.6, 0.4]], "float32")
    target = np.array([[0.0, 1.0], [1.0, 0.0]], "float32")
    expected = -np.log([0.8, 0.6])
    found = K.eval(K1.categorical_crossentropy(K.constant(output), K.constant(target)))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    found = K.eval(K.categorical_crossentropy(K.constant(target), K.constant(output)))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    found = K.eval(K1.binary_crossentropy(K.constant(output), K.constant(target)))
    np.testing.assert_allclose(found, -np.log(np.where(target == 1, output, 1 - output)), rtol=1e-5)
    found = K.eval(K1.sparse_categorical_crossentropy(K.constant(output), K.constant([[1], [0]], dtype="int32")))
    np.testing.assert_allclose(np.ravel(found), expected, rtol=1e-5)


def test_old_words_of_k():
    x = K.placeholder((2, 3, 4))
    assert K.int_shape(K1.temporal_padding(x, 2)) == (2, 7, 4)
    assert K.int_shape(K1.expand_dims(x, dim=0)) == (1, 2, 3, 4)
    np.testing.assert_array_equal(K.eval(K1.one_hot(K.constant([1], dtype="int32"), nb_classes=3)), [[0, 1, 0]])
    images = K.placeholder((1, 2, 3, 3))
    assert K.int_shape(K1.resize_images(images, 2, 2, "th")) == (1, 2, 6, 6)
    assert K.int_shape(K1.spatial_2d_padding(images, (1, 2), "th")) == (1, 2, 5, 7)
    assert K.int_shape(K1.pack([x, x])) == (2, 2, 3, 4)
    with pytest.raises(AttributeError):
        K1.depthwise_conv2d  # noqa: B018 - Keras 1 has none


def test_kernels_of_th_have_the_outputs_first():
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(1, 2, 5, 5)).astype("float32"), rng.normal(size=(3, 2, 2, 2)).astype("float32")
    K.set_image_dim_ordering("th")
    found = K.eval(K1.conv2d(K.constant(x), K.constant(kernel)))
    expected = np.zeros((1, 3, 4, 4))
    for i in range(4):
        for j in range(4):
            expected[0, :, i, j] = np.einsum("chw,ochw->o", x[0, :, i:i + 2, j:j + 2], kernel)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


# ---------------------------------------------------------------------------------------------- layers
def test_signatures_and_defaults_are_those_of_keras_1():
    parameters = inspect.signature(layers.Dense).parameters
    assert list(parameters)[:3] == ["output_dim", "init", "activation"]
    assert inspect.signature(layers.LSTM).parameters["inner_activation"].default == "hard_sigmoid"
    assert inspect.signature(new_layers.LSTM).parameters["recurrent_activation"].default == "sigmoid"
    assert inspect.signature(optimizers.Adam).parameters["epsilon"].default == 1e-8
    assert inspect.signature(models.Model.fit).parameters["nb_epoch"].default == 10


def test_configurations_are_in_the_words_of_keras_1():
    layer = layers.Convolution2D(4, 3, 2, W_regularizer=regularizers.l2(0.5), dim_ordering="th", input_shape=(2, 5, 5))
    config = layer.get_config()
    assert config["nb_filter"] == 4 and config["nb_row"] == 3 and config["nb_col"] == 2
    assert config["W_regularizer"] == {"name": "WeightRegularizer", "l1": 0.0, "l2": 0.5}
    assert "filters" not in config and "kernel_size" not in config
    again = layers.Convolution2D.from_config(config)
    assert again.get_config() == config
    assert isinstance(layer, new_layers.Conv2D) and layer.nb_row == 3 and layer.dim_ordering == "th"


@pytest.mark.parametrize("make, shape, weights", [
    (lambda: layers.Convolution2D(4, 3, 2, dim_ordering="th"), (1, 5, 6, 6), [(4, 5, 3, 2), (4,)]),
    (lambda: layers.Convolution2D(4, 3, 2, dim_ordering="tf"), (1, 6, 6, 5), [(3, 2, 5, 4), (4,)]),
    (lambda: layers.Convolution1D(4, 3), (1, 6, 5), [(3, 1, 5, 4), (4,)]),
    (lambda: layers.Convolution3D(2, 2, 2, 2, dim_ordering="th"), (1, 3, 4, 4, 4), [(2, 3, 2, 2, 2), (2,)]),
    (lambda: layers.Deconvolution2D(4, 3, 3, (None, 4, 8, 8), dim_ordering="th"), (1, 5, 6, 6), [(4, 5, 3, 3), (4,)]),
    (lambda: layers.LSTM(2), (1, 4, 3), [(3, 2), (2, 2), (2,)] * 4),
    (lambda: layers.LSTM(2, consume_less="gpu"), (1, 4, 3), [(3, 8), (2, 8), (8,)]),
    (lambda: layers.GRU(2), (1, 4, 3), [(3, 2), (2, 2), (2,)] * 3),
    (lambda: layers.SimpleRNN(2), (1, 4, 3), [(3, 2), (2, 2), (2,)]),
    (lambda: layers.BatchNormalization(), (1, 3), [(3,)] * 4),
])
def test_weights_are_laid_out_as_in_keras_1(make, shape, weights):
    layer = make()
    model = models.Sequential()
    layer.batch_input_shape = (None, *shape[1:])
    model.add(layer)
    assert [w.shape for w in layer.get_weights()] == weights
    rng = np.random.default_rng(1)
    values = [rng.normal(size=size).astype("float32") for size in weights]
    layer.set_weights(values)
    for found, value in zip(layer.get_weights(), values):
        np.testing.assert_array_equal(found, value)
    for found, value in zip(model.get_weights(), values):
        np.testing.assert_array_equal(found, value)


def test_an_lstm_of_twelve_arrays_against_numpy():
    rng = np.random.default_rng(2)
    model = models.Sequential([layers.LSTM(2, input_shape=(3, 4))])
    weights = [rng.normal(size=w.shape).astype("float32") for w in model.get_weights()]
    model.set_weights(weights)
    x = rng.normal(size=(1, 3, 4)).astype("float32")

    def gate(z):
        return np.clip(0.2 * z + 0.5, 0, 1)  # hard_sigmoid

    h = c = np.zeros((1, 2))
    for step in range(3):
        z = [x[:, step] @ weights[k] + h @ weights[k + 1] + weights[k + 2] for k in (0, 3, 6, 9)]
        c = gate(z[2]) * c + gate(z[0]) * np.tanh(z[1])
        h = gate(z[3]) * np.tanh(c)
    np.testing.assert_allclose(model.predict(x), h, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_modes_of_batch_normalization(mode):
    x = np.random.default_rng(3).normal(3.0, 2.0, size=(16, 4)).astype("float32")
    model = _model(layers.BatchNormalization(mode=mode, epsilon=1e-5, momentum=0.5, input_shape=(4,)))
    if mode == 1:
        expected = (x - x.mean(1, keepdims=True)) / (np.sqrt(x.var(1, keepdims=True) + 1e-5) + 1e-5)
    elif mode == 2:
        expected = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)
    else:
        expected = x / np.sqrt(1 + 1e-5)
    np.testing.assert_allclose(model.predict(x, batch_size=16), expected, rtol=1e-3, atol=1e-4)
    model.train_on_batch(x, x)
    moved = model.get_weights()[2:]
    if mode == 0:
        np.testing.assert_allclose(moved[0], 0.5 * x.mean(0), rtol=1e-4)
        np.testing.assert_allclose(moved[1], 0.5 + 0.5 * x.var(0), rtol=1e-4)  # biased
    else:
        np.testing.assert_array_equal(moved[0], np.zeros(4))


def test_whole_words_are_dropped():
    layer = layers.Embedding(50, 3, dropout=0.5, input_length=50)
    model = models.Sequential([layer])
    x = np.arange(50)[None]
    matrix = layer.get_weights()[0]
    np.testing.assert_allclose(model.predict(x)[0], matrix, rtol=1e-6)
    train = K.function([model.inputs[0], K.learning_phase()], [model.outputs[0]])
    rows = train([x, 1])[0][0]
    dropped = np.all(rows == 0, axis=1)
    assert 5 < dropped.sum() < 45
    np.testing.assert_allclose(rows[~dropped], 2 * matrix[~dropped], rtol=1e-5)


def test_merge_is_a_function_and_a_first_layer():
    a, b = layers.Input((3,)), layers.Input((3,))
    model = models.Model(input=[a, b], output=layers.merge([a, b], mode=lambda pair: pair[0] - pair[1],
                                                            output_shape=lambda shapes: shapes[0]))
    x = np.ones((2, 3), "float32")
    np.testing.assert_array_equal(model.predict([3 * x, x]), 2 * x)
    branches = [models.Sequential([layers.Dense(2, input_dim=3)]),
                models.Sequential([layers.BatchNormalization(input_shape=(2,))])]
    joined = _model(layers.Merge(branches, mode="concat", concat_axis=1), layers.Dense(1))
    assert joined.output_shape == (None, 1) and len(joined.get_weights()) == 8 and len(joined.updates) == 2
    again = models.model_from_json(joined.to_json())
    again.set_weights(joined.get_weights())
    data = [x, np.ones((2, 2), "float32")]
    np.testing.assert_array_equal(again.predict(data), joined.predict(data))


@pytest.mark.parametrize("by_adding", [False, True])
def test_a_layer_written_in_the_keras_1_way(by_adding):
    class Scale(layers.Layer):
        def build(self, input_shape):
            self.W = K1.variable(np.full(input_shape[1:], 2.0), name="w")
            penalty = regularizers.l2(0.5)
            penalty.set_param(self.W)
            if by_adding:
                self.regularizers.append(penalty)
                self.constraints[self.W] = constraints.maxnorm(1.0)
            else:
                self.regularizers = [penalty]
                self.constraints = {self.W: constraints.maxnorm(1.0)}
            self.trainable_weights = [self.W]

        def call(self, x, mask=None):
            return x * self.W

        def get_output_shape_for(self, input_shape):
            return input_shape

    model = _model(Scale(input_shape=(3,)))
    x = np.ones((4, 3), "float32")
    np.testing.assert_allclose(model.predict(x), 2 * x)
    loss = model.train_on_batch(x, 2 * x)
    np.testing.assert_allclose(loss, 0.5 * 12.0, rtol=1e-5)  # the penalty alone
    assert np.linalg.norm(model.get_weights()[0]) <= 1.0 + 1e-5


def test_initializations_make_variables():
    np.random.seed(0)
    value = K.get_value(initializations.uniform((200, 50), scale=0.3))
    assert abs(value).max() <= 0.3 and abs(value.std() - 0.3 / np.sqrt(3)) < 0.01
    value = K.get_value(initializations.glorot_normal((200, 50)))
    assert abs(value.std() - np.sqrt(2 / 250)) < 0.005
    value = K.get_value(initializations.orthogonal((20, 10)))
    np.testing.assert_allclose(value.T @ value, 1.21 * np.eye(10), atol=1e-5)
    assert initializations.get_fans((8, 3, 5, 5), "th") == (75, 200)
    with pytest.raises(ValueError, match="Invalid initialization: 'nothing'"):
        layers.Dense(3, init="nothing")

    def mine(shape, name=None):
        assert name
        return initializations.normal(shape, scale=0.01, name=name)

    assert abs(models.Sequential([layers.Dense(50, init=mine, input_dim=50)]).get_weights()[0].std() - 0.01) < 0.002


# ---------------------------------------------------------------------------------------------- models
def test_penalties_count_in_training_only():
    model = _model(layers.Dense(1, init="one", W_regularizer=regularizers.l2(0.5), input_dim=2))
    x, y = np.ones((4, 2), "float32"), np.full((4, 1), 2.0, "float32")
    assert model.evaluate(x, y, verbose=0) == pytest.approx(0.0)
    assert model.train_on_batch(x, y) == pytest.approx(1.0)  # 0.5 * (1 + 1)
    assert model.test_on_batch(x, y) < 1.0


def test_penalties_on_activations_are_sums_over_the_batch():
    model = _model(layers.Dense(2, init="one", activity_regularizer=regularizers.activity_l1(0.5), input_dim=2))
    x = np.ones((4, 2), "float32")
    assert model.train_on_batch(x, np.full((4, 2), 2.0)) == pytest.approx(0.5 * 4 * (2 + 2))


def test_the_weighted_mean_divides_by_the_weights_that_are_not_zero():
    model = _model(layers.Dense(1, init="one", input_dim=1))
    x, y = np.array([[1.0], [2.0], [3.0], [4.0]]), np.zeros((4, 1))
    weights = np.array([1.0, 0.0, 2.0, 0.0])
    expected = np.mean(np.array([1, 4, 9, 16]) * weights) / 0.5
    assert model.evaluate(x, y, sample_weight=weights, verbose=0) == pytest.approx(expected)


def test_ten_epochs_and_acc():
    model = _model(layers.Dense(3, activation="softmax", input_dim=4), loss="categorical_crossentropy",
                   metrics=["accuracy", "mse"])
    history = model.fit(np.ones((6, 4)), np.eye(3)[[0, 1, 2, 0, 1, 2]], verbose=0, validation_split=0.5)
    assert len(history.history["loss"]) == 10
    assert {"acc", "val_acc", "mean_squared_error"} <= set(history.history)
    assert model.metrics_names == ["loss", "acc", "mean_squared_error"]


def test_samples_per_epoch_counts_samples():
    model = _model(layers.Dense(1, input_dim=2))
    taken = []

    def batches():
        while True:
            taken.append(5)
            yield np.ones((5, 2)), np.ones((5, 1))

    model.fit_generator(batches(), 12, 2, verbose=0, nb_worker=0)
    assert len(taken) == 6


def test_optimizers_take_parameters_constraints_and_loss():
    value = K.variable([3.0, -1.0])
    loss = K.sum(K.square(value))
    updates = optimizers.SGD(lr=0.25).get_updates([value], {value: constraints.nonneg()}, loss)
    K.function([], [loss], updates=updates)([])
    np.testing.assert_allclose(K.get_value(value), [1.5, 0.0])
    config = optimizers.Adam(lr=0.5).get_config()
    assert set(config) == {"lr", "beta_1", "beta_2", "epsilon", "decay"}
    again = optimizers.optimizer_from_config({"class_name": "Adam", "config": config})
    assert again.get_config() == config

    class Mine(optimizers.Optimizer):
        def get_updates(self, params, constraints, loss):
            gradients = self.get_gradients(loss, params)
            return [K.update(p, p - 0.5 * g) for p, g in zip(params, gradients)]

    model = _model(layers.Dense(1, init="zero", bias=False, input_dim=1), optimizer=Mine())
    model.train_on_batch(np.ones((2, 1)), np.ones((2, 1)))
    np.testing.assert_allclose(model.get_weights()[0], [[1.0]])


def test_metrics_are_one_number():
    y_true, y_pred = K.constant([[0.0, 1.0], [1.0, 0.0]]), K.constant([[0.2, 0.9], [0.4, 0.1]])
    assert np.shape(K.eval(metrics.categorical_accuracy(y_true, y_pred))) == ()
    assert K.eval(metrics.precision(y_true, y_pred)) == pytest.approx(1.0, abs=1e-5)
    assert K.eval(metrics.recall(y_true, y_pred)) == pytest.approx(0.5, abs=1e-5)
    assert K.eval(metrics.fmeasure(y_true, y_pred)) == pytest.approx(2 / 3, abs=1e-5)
    # 1 hit, 2 right refusals, 0 false alarms, 1 miss
    assert K.eval(metrics.matthews_correlation(y_true, y_pred)) == pytest.approx(2 / np.sqrt(1 * 2 * 2 * 3), abs=1e-5)
    np.testing.assert_allclose(K.eval(objectives.hinge(K.constant([[0.0, 1.0]]), K.constant([[0.5, 0.5]]))), [0.75])


def test_regularizers_change_the_loss_in_training():
    penalty = regularizers.WeightRegularizer(l1=0.1, l2=0.2)
    penalty.set_param(K.variable([1.0, -2.0]))
    loss = penalty(K.constant(1.0))
    function = K.function([K.learning_phase()], [loss])
    assert function([1])[0] == pytest.approx(1.0 + 0.1 * 3 + 0.2 * 5)
    assert function([0])[0] == pytest.approx(1.0)
    matrix = np.random.default_rng(4).normal(size=(4, 3)).astype("float32")
    eigen = regularizers.EigenvalueRegularizer(0.5)
    eigen.set_param(K.variable(matrix))
    expected = 0.5 * np.sqrt(np.linalg.eigvalsh(matrix.T @ matrix).max())
    assert K.function([K.learning_phase()], [eigen(K.constant(0.0))])([1])[0] == pytest.approx(expected, rel=0.05)


def test_callbacks_see_the_names_of_keras_1():
    seen = {}

    class Look(callbacks.Callback):
        def on_train_begin(self, logs={}):  # noqa: B006
            seen.update(self.params)

    model = _model(layers.Dense(1, input_dim=2))
    model.fit(np.ones((4, 2)), np.ones((4, 1)), nb_epoch=2, verbose=0, callbacks=[Look()])
    assert seen["nb_epoch"] == 2 and seen["nb_sample"] == 4
    assert callbacks.ReduceLROnPlateau(epsilon=0.5).min_delta == 0.5


def test_both_dialects_stand_beside_each_other():
    old, new = models.Sequential([layers.LSTM(2, input_shape=(3, 4))]), None
    from symgraph.models import Sequential

    new = Sequential([new_layers.LSTM(2, recurrent_activation="hard_sigmoid", input_shape=(3, 4))])
    arrays = old.get_weights()
    new.set_weights([np.concatenate([arrays[k] for k in (0, 6, 3, 9)], 1), np.concatenate([arrays[k] for k in (1, 7,
                                                                                                               4,
                                                                                                               10)], 1),
                     np.concatenate([arrays[k] for k in (2, 8, 5, 11)])])
    x = np.random.default_rng(5).normal(size=(2, 3, 4)).astype("float32")
    np.testing.assert_allclose(old.predict(x), new.predict(x), rtol=1e-5)


# ---------------------------------------------------------------------------------------------- files
@pytest.mark.parametrize("stack", [
    lambda: [layers.Dense(3, W_regularizer=regularizers.l1l2(0.1, 0.2), W_constraint=constraints.maxnorm(2),
                          activity_regularizer=regularizers.activity_l2(0.1), input_dim=4)],
    lambda: [layers.Convolution2D(2, 2, 2, dim_ordering="th", border_mode="same", input_shape=(2, 5, 5)),
             layers.BatchNormalization(axis=1), layers.Flatten(), layers.Dense(2)],
    lambda: [layers.LSTM(3, return_sequences=True, input_shape=(5, 2)),
             layers.GRU(2, consume_less="gpu", U_regularizer="l2")],
    lambda: [layers.BatchNormalization(mode=1, input_shape=(4,)), layers.BatchNormalization(mode=2)],
    lambda: [layers.Highway(W_regularizer="l2", input_dim=4), layers.MaxoutDense(3)],
    lambda: [layers.TimeDistributed(layers.Dense(3, W_regularizer="l2"), input_shape=(5, 2)),
             layers.Bidirectional(layers.SimpleRNN(2)), layers.Dense(1)],
    lambda: [layers.Embedding(5, 3, input_length=4, input_dtype="int32"), layers.Flatten(), layers.SReLU()],
])
def test_a_model_of_keras_1_is_read_in_both_dialects(tmp_path, stack, on_numpy):
    from symgraph import models as new_models

    model = _model(*stack())
    x = np.random.default_rng(0).integers(0, 5, (3, *model.input_shape[1:])).astype("float32")
    y = np.zeros((3, *model.output_shape[1:]), "float32")
    model.train_on_batch(x, y)
    model.save(tmp_path / "model.h5")
    want = model.predict(x)
    losses = [model.train_on_batch(x, y) for _ in range(2)]
    for module in (models, new_models):
        again = module.load_model(tmp_path / "model.h5")
        np.testing.assert_array_equal(again.predict(x), want)
        np.testing.assert_allclose([again.train_on_batch(x, y) for _ in range(2)], losses, rtol=1e-5)
    for layer in model.layers:
        again = type(layer).from_config(layer.get_config())
        assert again.get_config() == layer.get_config()


def test_layers_of_keras_1_alone_have_their_biases():
    for layer, count in ((layers.Highway(input_dim=4), 4), (layers.MaxoutDense(3, input_dim=4), 2),
                         (layers.TimeDistributedDense(3, input_shape=(5, 4)), 2)):
        _model(layer)
        assert len(layer.get_weights()) == count and layer.b is not None and layer.bias is True


def test_a_frozen_normalization_goes_on_counting():
    layer = layers.BatchNormalization(input_dim=3)
    layer.trainable = False
    model = _model(layer, layers.Dense(1))
    model.train_on_batch(np.full((4, 3), 5.0), np.zeros((4, 1)))
    np.testing.assert_allclose(layer.get_weights()[2], 0.05, rtol=1e-5)


def test_a_metric_of_one_number_counts_as_often_as_its_batch_has_samples():
    """5 samples in batches of 4 and 1: the mean over the batches, weighted by their samples."""
    model = _model(layers.Dense(1, init="one", bias=False, input_dim=1), metrics=["precision", "mse"])
    x = np.array([[1.0], [1.0], [0.0], [1.0], [1.0]])
    y = np.array([[1.0], [1.0], [0.0], [0.0], [0.0]])
    loss, precision, error = model.evaluate(x, y, batch_size=4, verbose=0)
    assert precision == pytest.approx((4 * 2 / 3 + 1 * 0) / 5, rel=1e-5)
    assert error == pytest.approx(loss) == pytest.approx(2 / 5)


# ---------------------------------------------------------------------------------------------- attributes
def test_attributes_of_layers():
    from symgraph.keras1 import layers as old
    from symgraph.keras1 import regularizers

    dense = old.Dense(3, input_dim=4, W_regularizer=regularizers.l2(0.1), b_constraint="nonneg", init="uniform")
    dense.create_input_layer((None, 4))
    assert len(dense.regularizers) == 1 and dense.constraints == {dense.b: dense.b_constraint}
    assert dense.input_dim == 4 and dense.inbound_nodes[0].output_shapes == [(None, 3)]
    assert K.int_shape(dense.init((2, 2))) == (2, 2)
    lstm = old.LSTM(3, input_shape=(5, 4), dropout_W=0.5)
    lstm.create_input_layer((None, 5, 4))
    assert lstm.dropout_W == 0.5 and lstm.input_length == 5
    for gate, weights in zip("icfo", np.array_split(np.arange(12), 4)):
        for letter, index in zip("WUb", weights):
            np.testing.assert_array_equal(K.eval(getattr(lstm, f"{letter}_{gate}")), lstm.get_weights()[index])
    conv = old.Convolution2D(6, 3, 2, dim_ordering="th", input_shape=(4, 8, 8))
    conv.create_input_layer((None, 4, 8, 8))
    assert conv.W_shape == (6, 4, 3, 2)
    padding = old.ZeroPadding2D((1, 2, 3, 4))
    assert [padding.top_pad, padding.bottom_pad, padding.left_pad, padding.right_pad] == [1, 2, 3, 4]


def test_the_layout_of_global_pooling_is_kept():
    from symgraph.keras1 import layers as old

    config = old.GlobalMaxPooling2D(dim_ordering="th").get_config()
    assert config["dim_ordering"] == "th"
    assert old.GlobalMaxPooling2D.from_config(config).get_output_shape_for((None, 3, 8, 8)) == (None, 3)


def test_convolution_in_a_loop_has_no_ways_to_choose():
    from symgraph.keras1 import layers as old

    layer = old.ConvLSTM2D(3, 2, 2, dim_ordering="tf", input_shape=(4, 6, 6, 2))
    assert layer.get_output_shape_for((None, 4, 6, 6, 2)) == (None, 5, 5, 3)
    again = old.ConvLSTM2D.from_config(layer.get_config())
    assert again.get_config() == layer.get_config() and "consume_less" not in layer.get_config()


def test_lambda_from_its_configuration():
    from symgraph.keras1 import layers as old

    layer = old.Lambda(lambda x, scale: x * scale, arguments={"scale": 3.0}, output_shape=lambda shape: shape)
    again = old.Lambda.from_config(layer.get_config())
    assert K.eval(again.call(K.constant([2.0]))).tolist() == [6.0]


def test_a_fixed_batch_goes_with_the_batch_size_of_32():
    from symgraph.keras1 import layers as old
    from symgraph.keras1.models import Sequential as Old

    model = Old([old.Dense(2, batch_input_shape=(3, 4))])
    assert model.predict(np.ones((6, 4))).shape == (6, 2)
    with pytest.raises(ValueError, match="incompatible with the batch size"):
        model.predict(np.ones((6, 4)), batch_size=2)


def test_a_layer_called_by_its_inbound_layers():
    from symgraph.keras1 import layers as old

    x = old.Input(shape=(4,))
    first, second = old.Dense(3), old.Dense(2)
    first(x)
    second.add_inbound_node(first)
    assert second.output_shape == (None, 2) and second.inbound_nodes[0].inbound_layers == [first]


def test_a_regularizer_of_ones_own_set_by_hand():
    from symgraph.keras1 import layers as old
    from symgraph.keras1 import regularizers
    from symgraph.keras1.models import Sequential as Old

    class Twice(regularizers.Regularizer):
        def __call__(self, loss):
            return loss + 2.0 * K.sum(self.p)

    class Scaled(old.Layer):
        def build(self, input_shape):
            self.W = K.variable(np.ones(input_shape[1]))
            self.trainable_weights = [self.W]
            penalty = Twice()
            penalty.set_param(self.W)
            self.regularizers = [penalty]

        def call(self, x, mask=None):
            return x * self.W

    model = Old([Scaled(input_shape=(3,))])
    model.compile("sgd", "mse")
    assert model.train_on_batch(np.zeros((2, 3)), np.zeros((2, 3))) == pytest.approx(6.0)


def test_a_branch_in_two_merges_stays_one_model(tmp_path):
    """The memory network of the examples: the question is matched with the story, and joined to the answer."""
    from symgraph.keras1.layers import LSTM, Dense, Embedding, Merge, Permute
    from symgraph.keras1.models import Sequential, load_model

    story, question, other = (Sequential([Embedding(9, size, input_length=length)])
                              for size, length in ((4, 5), (4, 3), (3, 5)))
    match = Sequential([Merge([story, question], mode="dot", dot_axes=[2, 2])])
    response = Sequential([Merge([match, other], mode="sum"), Permute((2, 1))])
    answer = Sequential([Merge([response, question], mode="concat"), LSTM(4), Dense(2)])
    answer.compile("rmsprop", "mse")
    random = np.random.RandomState(0)
    x = [random.randint(0, 9, (6, length)) for length in (5, 3, 5)]
    answer.train_on_batch(x, random.rand(6, 2))
    answer.save(str(tmp_path / "answer.h5"))
    loaded = load_model(str(tmp_path / "answer.h5"))
    assert len(loaded.inputs) == 3 and loaded.count_params() == answer.count_params()
    np.testing.assert_allclose(loaded.predict(x), answer.predict(x), rtol=1e-5)


def test_the_first_layer_of_a_sequential_says_its_shape():
    from symgraph.keras1 import layers as old
    from symgraph.keras1.models import Sequential as Old

    model = Old()
    with pytest.raises(ValueError, match="must get an `input_shape`"):
        model.add(old.Dense(2))
    model.add(old.Dense(2, input_dim=3))  # the model is as it was
    assert model.output_shape == (None, 2)


def test_flat_layers_and_weights_in_groups_of_files():
    import h5py

    from symgraph.keras1 import layers as old
    from symgraph.keras1.models import Sequential as Old

    def made():
        branches = [Old([old.Dense(2, input_dim=3, name=name)]) for name in "ab"]
        return Old([old.Merge(branches, mode="sum", name="m"), old.Dense(1, name="c")])

    first, second = made(), made()
    assert [layer.name for layer in first.flattened_layers] == ["a", "b", "m", "c"]
    with h5py.File("in memory", "w", driver="core", backing_store=False) as file:
        first.save_weights_to_hdf5_group(file)
        second.load_weights_from_hdf5_group(file)
        for one, other in zip(first.get_weights(), second.get_weights()):
            np.testing.assert_array_equal(one, other)
        second.load_weights_from_hdf5_group_by_name(file)


class Spread(regularizers.Regularizer):
    """A penalty of the user's own, on the outputs of a layer, as Keras 1 asks for them."""

    def __call__(self, loss):
        for index in range(len(self.layer.inbound_nodes)):
            loss = loss + K1.sum(K1.square(self.layer.get_output_at(index))) * 0.25
        return K1.in_train_phase(loss, loss)


@pytest.mark.parametrize("make, factor", [(lambda: regularizers.activity_l2(0.5), 0.5), (Spread, 0.25)])
@pytest.mark.parametrize("name", ["activity_regularizer", "other_name"])
def test_a_layer_of_ones_own_with_a_penalty_on_its_output(make, factor, name):
    class Scale(layers.Layer):
        def build(self, input_shape):
            self.W = K1.variable(np.full(input_shape[1:], 2.0))
            self.trainable_weights = [self.W]
            penalty = make()
            setattr(self, name, penalty)
            penalty.set_layer(self)
            self.regularizers.append(penalty)

        def call(self, x, mask=None):
            return x * self.W

    model = _model(Scale(input_shape=(3,)))
    x = np.arange(6.0).reshape(2, 3)
    assert model.test_on_batch(x, 2 * x) == pytest.approx(0)
    assert model.train_on_batch(x, 2 * x) == pytest.approx(factor * np.sum((2 * x) ** 2))


def test_a_table_of_layers(capsys):
    from symgraph.keras1 import layers as old
    from symgraph.keras1.models import Model as Old
    from symgraph.keras1.utils.layer_utils import print_summary

    x, dense = old.Input(shape=(3,), name="x"), old.Dense(2, name="d")
    model = Old(x, old.merge([dense(x), dense(x)], mode="sum", name="m"))
    print_summary(model.layers, ["x_ib-0", "d_ib-0"], line_length=80)
    lines = capsys.readouterr().out.splitlines()
    assert sum("x[0][0]" in line for line in lines) == 1 and "Total params: 8" in lines
