"""Keras-1 arguments on the classes of Keras 2: each old call gives the layer that the new call gives."""

import inspect

import numpy as np
import pytest

from symgraph import backend as K
from symgraph import layers, optimizers
from symgraph.legacy.accept import accepting, translate_config
from symgraph.legacy.rules import RULES
from symgraph.models import Model, Sequential
from symgraph.utils.np_utils import to_categorical


def _same(old, new):
    first, second = old.get_config(), new.get_config()
    for config in (first, second):
        config.pop("name")
        config.pop("kernel_regularizer", None)
    assert first == second


CASES = [
    (lambda: layers.Dense(output_dim=3, init="uniform", bias=False, W_constraint="nonneg"),
     lambda: layers.Dense(3, kernel_initializer="uniform", use_bias=False, kernel_constraint="nonneg")),
    (lambda: layers.Dense(3, "uniform", "relu", b_constraint="nonneg"),
     lambda: layers.Dense(3, activation="relu", kernel_initializer="uniform", bias_constraint="nonneg")),
    (lambda: layers.Dropout(p=0.25), lambda: layers.Dropout(0.25)),
    (lambda: layers.Convolution2D(4, 3, 5, border_mode="same", subsample=(2, 1), dim_ordering="th"),
     lambda: layers.Conv2D(4, (3, 5), strides=(2, 1), padding="same", data_format="channels_first")),
    (lambda: layers.Convolution2D(4, 3, 5), lambda: layers.Conv2D(4, (3, 5))),
    (lambda: layers.Convolution2D(4, 3, 5, "uniform", "relu"),
     lambda: layers.Conv2D(4, (3, 5), kernel_initializer="uniform", activation="relu")),
    (lambda: layers.Conv2D(nb_filter=4, nb_row=3, nb_col=5, dim_ordering="tf"),
     lambda: layers.Conv2D(4, (3, 5), data_format="channels_last")),
    (lambda: layers.Conv2D(4, (3, 5), border_mode="same"), lambda: layers.Conv2D(4, (3, 5), padding="same")),
    (lambda: layers.MaxPooling2D((2, 2), (1, 1), border_mode="same", dim_ordering="default"),
     lambda: layers.MaxPooling2D((2, 2), (1, 1), padding="same")),
    (lambda: layers.ZeroPadding2D((1, 2, 3, 4)), lambda: layers.ZeroPadding2D(((1, 2), (3, 4)))),
    (lambda: layers.ZeroPadding2D({"top_pad": 1, "left_pad": 2}), lambda: layers.ZeroPadding2D(((1, 0), (2, 0)))),
    (lambda: layers.Cropping2D(((1, 1), (2, 0)), dim_ordering="th"),
     lambda: layers.Cropping2D(((1, 1), (2, 0)), data_format="channels_first")),
    (lambda: layers.Conv1D(nb_filter=4, filter_length=3, subsample_length=2, border_mode="same"),
     lambda: layers.Conv1D(4, 3, strides=2, padding="same")),
    (lambda: layers.MaxPooling1D(pool_length=3, stride=1, border_mode="same"),
     lambda: layers.MaxPooling1D(3, 1, padding="same")),
    (lambda: layers.UpSampling1D(length=3), lambda: layers.UpSampling1D(3)),
    (lambda: layers.GaussianNoise(sigma=0.5), lambda: layers.GaussianNoise(0.5)),
    (lambda: layers.PReLU(init="ones"), lambda: layers.PReLU(alpha_initializer="ones")),
    (lambda: layers.BatchNormalization(mode=0, beta_init="ones"),
     lambda: layers.BatchNormalization(beta_initializer="ones")),
    (lambda: layers.Embedding(5, 3, init="glorot_uniform", W_constraint="nonneg"),
     lambda: layers.Embedding(5, 3, embeddings_initializer="glorot_uniform", embeddings_constraint="nonneg")),
    (lambda: layers.LSTM(output_dim=4, inner_activation="hard_sigmoid", consume_less="gpu", dropout_W=0.2,
                         dropout_U=0.1,
                         forget_bias_init="one", inner_init="glorot_uniform", input_dim=3),
     lambda: layers.LSTM(4, recurrent_activation="hard_sigmoid", implementation=2, dropout=0.2, recurrent_dropout=0.1,
                         recurrent_initializer="glorot_uniform", input_shape=(None, 3))),
    (lambda: layers.LSTM(4, "glorot_normal", "glorot_uniform", "zero", "relu", "sigmoid", dropout_W=0.5),
     lambda: layers.LSTM(4, "relu", "sigmoid", kernel_initializer="glorot_normal", unit_forget_bias=False,
                         recurrent_initializer="glorot_uniform", dropout=0.5)),
    (lambda: layers.GRU(output_dim=4, consume_less="mem", inner_activation="hard_sigmoid"),
     lambda: layers.GRU(4, implementation=1, recurrent_activation="hard_sigmoid")),
]


@pytest.mark.parametrize("old, new", CASES)
def test_old_arguments_make_the_new_layer(old, new):
    _same(old(), new())


def test_every_rule_names_something_that_exists():
    import symgraph.callbacks

    for key, rule in RULES.items():
        owner, _, method = key.partition(".")
        if owner == "backend":
            function = getattr(K, method, None)
        elif owner in {"Network", "Model"}:
            function = getattr(Model, method) if method else Model.__init__
        elif owner == "Optimizer":
            function = optimizers.Optimizer.get_updates
        else:
            function = getattr(layers, owner, None) or getattr(symgraph.callbacks, owner, None)
            if function is None:
                continue  # to_categorical and the readers of pictures and texts: checked where they live
        if function is None:
            continue
        parameters = inspect.signature(function).parameters
        for old, new in rule.rename.items():
            if any(p.kind == p.VAR_KEYWORD for p in parameters.values()) or key in {"Model.evaluate_generator",
                                                                                   "Model.predict_generator"}:
                continue
            assert new in parameters, f"{key}: {old} -> {new}, which it does not take"


def test_the_signature_stays_that_of_keras_2():
    assert next(iter(inspect.signature(layers.Dense).parameters)) == "units"
    assert inspect.getfullargspec(layers.Dense.__init__).args[:3] == ["self", "units", "activation"]


def test_unknown_arguments_name_the_class_and_what_it_knows():
    with pytest.raises(TypeError, match=r"Dense: unknown keyword argument 'outptu_dim'.*units"):
        layers.Dense(3, outptu_dim=4)


def test_an_argument_under_both_names():
    with pytest.raises(TypeError, match="`init` is the old name of `kernel_initializer`"):
        layers.Dense(3, init="uniform", kernel_initializer="zeros")
    with pytest.raises(TypeError, match="nb_col is missing"):
        layers.Conv2D(nb_filter=3, nb_row=2)


def test_what_cannot_be_translated_says_so():
    with pytest.raises(TypeError, match="mode=2 does not exist in Keras 2"):
        layers.BatchNormalization(mode=2)
    with pytest.warns(UserWarning, match="`dropout` has no effect"):
        layers.Embedding(4, 2, dropout=0.5)


def test_subclasses_of_the_users_pass_old_arguments_on():
    class Mine(layers.Dense):
        def __init__(self, size, **kwargs):
            super().__init__(output_dim=size, init="zeros", **kwargs)

    layer = Mine(3)
    assert layer.units == 3 and layer.kernel_initializer.__class__.__name__ == "Zeros"


def test_models_take_both_spellings():
    x = layers.Input((3,))
    model = Model(input=x, output=layers.Dense(2)(x))
    assert model.output_shape == (None, 2)
    with pytest.raises(TypeError, match="old name"):
        Model(input=x, inputs=x, outputs=x)


def _batches(size):
    while True:
        yield np.ones((size, 3)), np.ones((size, 1))


def test_samples_become_steps():
    model = Sequential([layers.Dense(1, input_shape=(3,))])
    model.compile("sgd", "mse")
    seen = []

    def counting():
        for batch in _batches(4):
            seen.append(1)
            yield batch

    history = model.fit_generator(counting(), samples_per_epoch=10, nb_epoch=2, verbose=0, nb_worker=0, max_q_size=1)
    assert len(history.history["loss"]) == 2
    assert len(seen) == 6  # ceil(10 / 4) batches an epoch
    assert model.predict_generator(_batches(4), val_samples=8, nb_worker=0).shape == (8, 1)
    assert np.isfinite(model.evaluate_generator(_batches(4), val_samples=8, nb_worker=0))
    # In the words of Keras 2 nothing is counted again.
    seen.clear()
    model.fit_generator(counting(), steps_per_epoch=2, epochs=1, verbose=0, workers=0)
    assert len(seen) == 2
    assert len(model.fit(np.ones((4, 3)), np.ones((4, 1)), nb_epoch=3, verbose=0).history["loss"]) == 3


def test_updates_in_the_order_of_keras_1():
    value = K.variable([2.0, -3.0])
    loss = K.sum(K.square(value))
    updates = optimizers.SGD(lr=0.5).get_updates([value], {value: lambda x: K.maximum(x, 0.25)}, loss)
    K.function([], [loss], updates=updates)([])
    np.testing.assert_allclose(K.get_value(value), [0.25, 0.25])


def test_functions_of_k():
    x = K.placeholder((2, 3))
    assert K.int_shape(K.expand_dims(x, dim=0)) == (1, 2, 3)
    np.testing.assert_array_equal(K.eval(K.one_hot(K.constant([1], dtype="int32"), nb_classes=3)), [[0, 1, 0]])
    assert to_categorical([0, 2], nb_classes=4).shape == (2, 4)


def test_configurations_in_old_words():
    config = {"name": "d", "output_dim": 3, "init": "uniform", "bias": True}
    assert translate_config("Dense", config) == {"name": "d", "units": 3, "kernel_initializer": "uniform",
                                                 "use_bias": True}
    assert translate_config("Dense", {"units": 3}) == {"units": 3}
    assert translate_config("NoSuchLayer", {"p": 1}) == {"p": 1}


def test_calls_in_new_words_are_not_touched():
    calls = []

    def Dense(self, units, **kwargs):  # noqa: N802
        calls.append((units, kwargs))

    wrapped = accepting(Dense, "Dense")
    wrapped(None, 3, activation="relu")
    wrapped(None, output_dim=4)
    assert calls == [(3, {"activation": "relu"}), (4, {})]


@pytest.mark.parametrize(("made", "size"), [
    (lambda: layers.Convolution2D(5, 3, nb_col=2), (3, 2)),
    (lambda: layers.Convolution3D(5, 3, 2, kernel_dim3=4), (3, 2, 4)),
    (lambda: layers.Convolution3D(5, 3, kernel_dim2=2, kernel_dim3=4), (3, 2, 4)),
])
def test_sizes_of_kernels_by_position_and_by_name(made, size):
    layer = made()
    assert layer.kernel_size == size and set(layer.strides) == {1}


def test_a_size_that_is_missing_is_named():
    with pytest.raises(TypeError, match="nb_row is missing"):
        layers.Convolution2D(5, nb_col=3)
