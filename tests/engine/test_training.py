"""compile, fit, evaluate, predict: what they compute and what they refuse."""

import numpy as np
import pytest

from symgraph import backend as K
from symgraph import losses, metrics, optimizers
from symgraph.callbacks import Callback
from symgraph.engine import Input, Model, Sequential
from symgraph.layers import Activation, Dense, Dropout, Flatten, Lambda, Masking, TimeDistributed

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 4)).astype("float32")
Y = RNG.normal(size=(20, 2)).astype("float32")
LABELS = RNG.integers(0, 3, size=20)


def linear(outputs=2, **kwargs):
    return Sequential([Dense(outputs, input_shape=(4,), **kwargs)])


def two_outputs():
    x = Input((4,), name="x")
    return Model(x, [Dense(2, name="a")(x), Dense(1, name="b")(x)])


def GaussianLambda():  # noqa: N802 - a layer
    return Lambda(lambda t: t + K.random_normal(K.shape(t)))


def test_one_step_is_gradient_descent():
    model = linear()
    model.compile("sgd", "mse")
    kernel, bias = (w.astype("float64") for w in model.get_weights())
    error = X @ kernel + bias - Y
    loss = model.train_on_batch(X, Y)
    np.testing.assert_allclose(loss, (error**2).mean(), rtol=1e-5)
    grad = 2 * error / error.size
    new_kernel, new_bias = model.get_weights()
    np.testing.assert_allclose(new_kernel, kernel - 0.01 * X.T @ grad, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(new_bias, bias - 0.01 * grad.sum(0), rtol=1e-5, atol=1e-6)


def test_fit_is_steps_over_batches_in_order():
    model, other = linear(), linear()
    other.set_weights(model.get_weights())
    for each in (model, other):
        each.compile("adam", "mse")
    history = model.fit(X, Y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    values = [[float(other.train_on_batch(X[i:i + 8], Y[i:i + 8])) for i in (0, 8, 16)] for _ in range(2)]
    for a, b in zip(model.get_weights(), other.get_weights()):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(history.history["loss"], np.array(values) @ [8, 8, 4] / 20, rtol=1e-6)
    assert history.epoch == [0, 1] and model.history is history


def test_fit_learns():
    np.random.seed(0)
    centres = RNG.normal(size=(3, 4)) * 3
    x = centres[LABELS] + RNG.normal(size=(20, 4)) * 0.1
    model = Sequential([Dense(16, activation="relu", input_shape=(4,)), Dense(3, activation="softmax")])
    model.compile("rmsprop", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, LABELS, epochs=60, batch_size=5, verbose=0)
    assert history.history["accuracy"][-1] > 0.95 and history.history["loss"][-1] < history.history["loss"][0]
    assert history.history["acc"] == history.history["accuracy"] and "acc" in history.history
    assert (model.predict_classes(x) == LABELS).mean() > 0.95


def test_the_seed_of_numpy_governs_everything():
    def run():
        np.random.seed(3)
        model = Sequential([Dense(8, input_shape=(4,)), Dropout(0.5), Dense(2), GaussianLambda()])
        model.compile("sgd", "mse")
        return model.fit(X, Y, epochs=2, batch_size=4, verbose=0).history["loss"]

    first = run()
    K.eval(K.random_normal((3,)))  # what else is drawn makes no difference
    assert first == run()
    assert first[0] != first[1]


@pytest.mark.parametrize("loss, outputs, target, want", [
    ("mse", 2, Y, "mae"), ("categorical_crossentropy", 3, np.eye(3)[LABELS], None),
    ("sparse_categorical_crossentropy", 3, LABELS, None), ("binary_crossentropy", 1, LABELS > 0, None),
])
def test_accuracy_is_chosen_by_loss_and_shape(loss, outputs, target, want):
    model = Sequential([Dense(outputs, input_shape=(4,)), Activation("softmax" if outputs == 3 else "sigmoid")])
    model.compile("sgd", loss, metrics=["accuracy", "acc", "mae"] if want else ["accuracy"])
    out = model.predict(X)
    values = dict(zip(model.metrics_names, model.evaluate(X, target, verbose=0)))
    if loss == "mse":
        hits = out.argmax(-1) == Y.argmax(-1)
        np.testing.assert_allclose(values["mae"], np.abs(out - Y).mean(), rtol=1e-5)
        assert values["acc"] == values["accuracy"]
    elif outputs == 3:
        hits = out.argmax(-1) == LABELS
    else:
        hits = (out[:, 0] > 0.5) == (LABELS > 0)
    np.testing.assert_allclose(values["accuracy"], hits.mean(), rtol=1e-6)


def test_evaluate_averages_over_samples_and_predict_keeps_the_order():
    model = linear()
    model.compile("sgd", "mse", metrics=["mae"])
    out = model.predict(X, batch_size=7)
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(out, X @ kernel + bias, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.evaluate(X, Y, batch_size=7, verbose=0), [((out - Y) ** 2).mean(),
                                                                                np.abs(out - Y).mean()], rtol=1e-5)
    np.testing.assert_allclose(model.test_on_batch(X, Y), model.evaluate(X, Y, verbose=0), rtol=1e-6)
    np.testing.assert_allclose(model.predict_on_batch(X), out, rtol=1e-6)
    assert isinstance(linear_loss(model), float)


def linear_loss(model):
    model.compile("sgd", "mse")
    return model.evaluate(X, Y, verbose=0)


@pytest.mark.parametrize("form", ["list", "dict", "one", "partial"])
def test_several_outputs(form):
    model = two_outputs()
    compiled = {"list": ["mse", "mae"], "dict": {"a": "mse", "b": "mae"}, "one": "mse", "partial": ["mse", None]}[form]
    model.compile("sgd", compiled, loss_weights=None if form == "partial" else [1.0, 0.25], metrics={"a": "mae"})
    a, b = model.predict(X)
    target = [Y, Y[:, :1]]
    first = ((a - target[0]) ** 2).mean()
    second = ((b - target[1]) ** 2).mean() if form == "one" else np.abs(b - target[1]).mean()
    mae = np.abs(a - target[0]).mean()
    if form == "partial":
        values = model.evaluate(X, Y, verbose=0)
        assert model.metrics_names == ["loss", "a_loss", "a_mae"]
        np.testing.assert_allclose(values, [first, first, mae], rtol=1e-5)
        return
    given = dict(zip("ab", target)) if form == "dict" else target
    assert model.metrics_names == ["loss", "a_loss", "b_loss", "a_mae"]
    np.testing.assert_allclose(model.evaluate(X, given, verbose=0), [first + 0.25 * second, first, second, mae],
                               rtol=1e-5)
    history = model.fit({"x": X}, given, verbose=0, validation_data=(X, given))
    assert set(history.history) == {"loss", "a_loss", "b_loss", "a_mae", "val_loss",
                                       "val_a_loss", "val_b_loss", "val_a_mae"}


def test_a_missing_loss_warns_and_a_wrong_name_raises():
    model = two_outputs()
    with pytest.warns(UserWarning, match='Output "b" missing from loss dictionary'):
        model.compile("sgd", {"a": "mse"})
    with pytest.raises(ValueError, match=r"Unknown entries in the loss dictionary: \['c'\].*'a', 'b'"):
        model.compile("sgd", {"a": "mse", "c": "mse"})
    with pytest.raises(ValueError, match="one entry per model output"):
        model.compile("sgd", ["mse"])
    with pytest.raises(TypeError, match=r"metrics=\['accuracy'\]"):
        linear().compile("sgd", "mse", metrics="accuracy")


def test_sample_weights():
    model = linear()
    model.compile("sgd", "mse", metrics=["mae"], weighted_metrics=["mae"])
    weights = RNG.uniform(size=20).astype("float32")
    out = model.predict(X)
    each, absolute = ((out - Y) ** 2).mean(-1), np.abs(out - Y).mean(-1)
    assert model.metrics_names == ["loss", "mae", "mae_1"]
    want = [(each * weights).mean(), absolute.mean(), (absolute * weights).sum() / weights.sum()]
    np.testing.assert_allclose(model.evaluate(X, Y, sample_weight=weights, verbose=0), want, rtol=1e-5)
    np.testing.assert_allclose(model.test_on_batch(X, Y), [each.mean(), absolute.mean(), absolute.mean()], rtol=1e-5)
    with pytest.raises(ValueError, match="19 sample weights for 20 samples"):
        model.fit(X, Y, sample_weight=weights[:19])
    with pytest.raises(ValueError, match="sample_weight_mode='temporal'"):
        model.fit(X, Y, sample_weight=np.ones((20, 2)))


def test_zero_weights_leave_the_weights_alone():
    model = linear()
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(X, Y, sample_weight=np.zeros(20), verbose=0)
    for a, b in zip(before, model.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_class_weights_are_for_training_alone():
    model = Sequential([Dense(3, activation="softmax", input_shape=X.shape[1:])])
    model.compile(optimizers.SGD(lr=0.0), "categorical_crossentropy")
    targets, weights = np.eye(3)[LABELS], np.linspace(0.5, 2.0, len(X))
    history = model.fit(X, targets, class_weight={0: 9.0, 1: 0.1, 2: 3.0}, sample_weight=weights, validation_split=0.25,
                        verbose=0).history
    split = int(len(X) * 0.75)
    want = model.evaluate(X[split:], targets[split:], sample_weight=weights[split:], verbose=0)
    np.testing.assert_allclose(history["val_loss"], [want], rtol=1e-5)


def test_a_compiled_model_inside_keeps_its_metrics_to_itself():
    """The discriminator of an adversarial pair: compiled with metrics, then used in a model without."""
    inner = Sequential([Dense(1, activation="sigmoid", input_shape=X.shape[1:])])
    inner.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    inner.trainable = False
    outer = Sequential([Dense(X.shape[1], input_shape=X.shape[1:]), inner])
    outer.compile("sgd", "binary_crossentropy")
    assert outer.metrics_names == ["loss"]
    assert np.ndim(outer.train_on_batch(X, np.ones((len(X), 1)))) == 0
    assert TimeDistributed(inner).metrics == []


def test_class_weights():
    model = Sequential([Dense(3, activation="softmax", input_shape=(4,))])
    model.compile("sgd", "categorical_crossentropy")
    table = {0: 0.5, 1: 2.0, 2: 1.0}
    out = model.predict(X).astype("float64")
    each = -np.log(out[np.arange(20), LABELS])
    want = (each * np.array([table[k] for k in LABELS])).mean()
    np.testing.assert_allclose(model.train_on_batch(X, np.eye(3)[LABELS], class_weight=table), want, rtol=1e-5)
    with pytest.raises(ValueError, match=r"classes \[2\] exist in the data"):
        model.fit(X, np.eye(3)[LABELS], class_weight={0: 1.0, 1: 1.0}, verbose=0)


def test_weights_of_time_steps():
    model = Sequential([Dense(2, input_shape=(5, 4))])
    model.compile("sgd", "mse", sample_weight_mode="temporal")
    x, y, w = RNG.normal(size=(6, 5, 4)), RNG.normal(size=(6, 5, 2)), RNG.uniform(size=(6, 5))
    want = (((model.predict(x) - y) ** 2).mean(-1) * w).mean()
    np.testing.assert_allclose(model.evaluate(x, y, sample_weight=w, verbose=0), want, rtol=1e-5)
    with pytest.raises(ValueError, match="samples, timesteps"):
        model.evaluate(x, y, sample_weight=w[:, 0], verbose=0)
    with pytest.raises(ValueError, match="at least three dimensions"):
        linear().compile("sgd", "mse", sample_weight_mode="temporal")


def test_a_mask_reaches_loss_and_metrics():
    model = Sequential([Masking(input_shape=(5, 4)), Dense(2)])
    model.compile("sgd", "mse", metrics=["mae"])
    x = RNG.normal(size=(6, 5, 4))
    x[:, 3:] = 0
    y = RNG.normal(size=(6, 5, 2))
    kept = np.broadcast_to(np.arange(5) < 3, (6, 5))
    out = model.predict(x)
    want = [(((out - y) ** 2).mean(-1) * kept).mean(), np.abs(out - y).mean(-1)[kept].mean()]
    np.testing.assert_allclose(model.evaluate(x, y, verbose=0), want, rtol=1e-5)


def test_losses_of_ones_own():
    def loss(y_true, y_pred):
        return K.mean(K.abs(y_true - y_pred) * 3.0, axis=-1)

    class Cubed(losses.Loss):
        def call(self, y_true, y_pred):
            return K.mean(K.pow(K.abs(y_true - y_pred), 3.0), axis=-1)

    model = linear()
    out = model.predict(X)
    model.compile("sgd", loss)
    np.testing.assert_allclose(model.evaluate(X, Y, verbose=0), 3 * np.abs(out - Y).mean(), rtol=1e-5)
    model.compile("sgd", Cubed())
    np.testing.assert_allclose(model.evaluate(X, Y, verbose=0), (np.abs(out - Y) ** 3).mean(), rtol=1e-5)


def test_a_loss_of_ones_own_takes_targets_of_any_shape():
    def loss(y_true, y_pred):
        return K.sparse_categorical_crossentropy(y_true, y_pred)

    model = Sequential([Dense(3, activation="softmax", input_shape=(4,))])
    model.compile("sgd", loss)
    want = -np.log(model.predict(X)[np.arange(20), LABELS]).mean()
    np.testing.assert_allclose(model.evaluate(X, LABELS, verbose=0), want, rtol=1e-5)


def test_metrics_of_ones_own():
    def mean_pred(y_true, y_pred):
        return K.mean(y_pred)

    def extremes(y_true, y_pred):
        return {"low": K.min(y_pred), "high": K.max(y_pred)}

    model = linear()
    model.compile("sgd", "mse", metrics=[mean_pred, extremes, metrics.MeanAbsoluteError(name="mine")])
    out = model.predict(X)
    values = model.evaluate(X, Y, batch_size=20, verbose=0)
    assert len(values) == len(model.metrics_names) == len(model.train_on_batch(X, Y))
    named = dict(zip(model.metrics_names, values))
    assert set(named) == {"loss", "mean_pred", "low", "high", "mine"}
    np.testing.assert_allclose([named["mean_pred"], named["low"], named["high"], named["mine"]],
                               [out.mean(), out.min(), out.max(), np.abs(out - Y).mean()], rtol=1e-4, atol=1e-6)


def test_validation():
    model = linear()
    model.compile("sgd", "mse")
    seen = []

    class Spy(Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append((np.array(self.validation_data[0]), self.model.evaluate(X[-4:], Y[-4:], verbose=0), logs))

    history = model.fit(X, Y, validation_split=0.2, epochs=2, verbose=0, callbacks=[Spy()])
    for epoch, (held_out, value, logs) in enumerate(seen):
        np.testing.assert_array_equal(held_out, X[-4:])  # the tail, before any shuffling
        assert logs["val_loss"] == pytest.approx(value, rel=1e-6) == history.history["val_loss"][epoch]
    history = model.fit(X, Y, validation_data=(X, Y, np.zeros(20)), epochs=4, validation_freq=2, verbose=0)
    assert history.history["val_loss"] == [0, 0]
    history = model.fit(X, Y, validation_data=(X, Y), epochs=3, validation_freq=[1], verbose=0)
    assert len(history.history["val_loss"]) == 1
    with pytest.raises(ValueError, match="leaves no samples"):
        model.fit(X[:1], Y[:1], validation_split=0.5)
    with pytest.raises(ValueError, match="2 .x_val, y_val. or 3"):
        model.fit(X, Y, validation_data=[X])


@pytest.mark.parametrize("shuffle, ordered", [(False, True), (True, False), ("batch", False)])
def test_shuffling(shuffle, ordered):
    model = Sequential([Dense(1, kernel_initializer="ones", use_bias=False, trainable=False, input_shape=(1,))])
    model.compile("sgd", "mse")
    x = np.arange(20.0)[:, None]
    orders = []

    class Order(Callback):
        def on_batch_end(self, batch, logs=None):
            orders.append(round(logs["loss"] ** 0.5))

    model.fit(x, np.zeros((20, 1)), batch_size=1, shuffle=shuffle, epochs=2, verbose=0, callbacks=[Order()])
    first, second = orders[:20], orders[20:]
    assert sorted(first) == sorted(second) == list(range(20))
    assert (first == list(range(20))) is ordered and (first == second) is ordered


def test_shuffle_batch_keeps_batches_together():
    model = Sequential([Lambda(lambda t: t, input_shape=(1,))])
    model.compile("sgd", "mse")
    seen = []

    class Order(Callback):
        def on_batch_end(self, batch, logs=None):
            seen.append(round(logs["loss"], 3))

    x = np.arange(12.0)[:, None]
    model.fit(x, np.zeros((12, 1)), batch_size=4, shuffle="batch", verbose=0, callbacks=[Order()])
    wanted = [round(float((np.arange(k, k + 4.0) ** 2).mean()), 3) for k in (0, 4, 8)]
    assert sorted(seen) == sorted(wanted)


def test_epochs_and_steps():
    model = linear()
    model.compile("sgd", "mse")
    assert model.fit(X, Y, epochs=5, initial_epoch=3, verbose=0).epoch == [3, 4]
    assert model.fit(X, Y, nb_epoch=2, verbose=0).epoch == [0, 1]
    batches = []

    class Count(Callback):
        def on_train_batch_end(self, batch, logs=None):
            batches.append(logs["size"])

    model.fit(X, Y, batch_size=8, steps_per_epoch=4, epochs=2, verbose=0, callbacks=[Count()])
    assert batches == [8, 8, 4, 8, 8, 4, 8, 8]


def test_freezing_needs_compile():
    model = Sequential([Dense(3, input_shape=(4,)), Dense(2)])
    model.compile("sgd", "mse")
    model.layers[0].trainable = False
    with pytest.warns(UserWarning, match="Discrepancy"):
        model.train_on_batch(X, Y)
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.train_on_batch(X, Y)
    changed = [bool(np.abs(a - b).max() > 0) for a, b in zip(before, model.get_weights())]
    assert changed == [False, False, True, True]


def test_dropout_only_in_training():
    model = Sequential([Dropout(0.5, input_shape=(1000,))])
    model.compile("sgd", "mse")
    ones = np.ones((3, 1000))
    np.testing.assert_array_equal(model.predict(ones), ones)
    assert model.evaluate(ones, ones, verbose=0) == 0
    loss = model.train_on_batch(ones, ones)  # each number is 0 or 2 then
    assert loss == pytest.approx(1)


def test_metrics_go_on_without_reset():
    model = linear()
    model.compile("sgd", "mse", metrics=["mae"])
    out = model.predict(X)
    absolute = np.abs(out - Y).mean(-1)
    model.test_on_batch(X[:5], Y[:5], reset_metrics=False)
    np.testing.assert_allclose(model.test_on_batch(X[5:], Y[5:])[1], absolute.mean(), rtol=1e-5)
    np.testing.assert_allclose(model.test_on_batch(X[5:], Y[5:])[1], absolute[5:].mean(), rtol=1e-5)


def test_the_loss_as_a_tensor():
    model = linear()
    model.compile("sgd", "mse")
    grads = K.gradients(model.total_loss, model.trainable_weights)
    function = K.function([*model.inputs, *model.sample_weights, *model.targets, K.learning_phase()], grads)
    kernel, bias = model.get_weights()
    error = X @ kernel + bias - Y
    np.testing.assert_allclose(function([X, np.ones(20), Y, 0])[0], X.T @ (2 * error / error.size),
                               rtol=1e-4, atol=1e-5)


def test_target_tensors():
    model = linear()
    x = model.inputs[0]
    model.compile("sgd", "mse", target_tensors=[x[:, :2]])
    out = model.predict(X)
    np.testing.assert_allclose(model.evaluate(X, None, verbose=0), ((out - X[:, :2]) ** 2).mean(), rtol=1e-5)


@pytest.mark.parametrize("call, message", [
    (lambda m: m.fit(X[:, :3], Y), r"expected dense_\d+_input to have shape \(4,\) but got array with shape \(3,\)"),
    (lambda m: m.fit(X[0], Y), "shape"),
    (lambda m: m.fit(X[:, :, None], Y), r"to have 2 dimensions, but got array with shape \(20, 4, 1\)"),
    (lambda m: m.fit(X, Y[:, :1]), r"target array with shape \(20, 1\).*output of shape \(None, 2\)"),
    (lambda m: m.fit(X, Y[:10]), "20 input samples, 10 target samples"),
    (lambda m: m.fit([X, X], Y), "Expected to see 1 array"),
    (lambda m: m.fit({"wrong": X}, Y), r"No data provided for 'dense_\d+_input'.*\['wrong'\]"),
    (lambda m: m.fit(X), "targets `y` are needed"),
    (lambda m: m.fit(X, Y, batch_size=0), "batch_size"),
    (lambda m: m.predict(np.array([["a"] * 4])), "expected numbers"),
])
def test_wrong_data(call, message):
    model = linear()
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=message):
        call(model)


def test_class_numbers_for_one_hot_targets():
    model = Sequential([Dense(3, activation="softmax", input_shape=(4,))])
    model.compile("sgd", "categorical_crossentropy")
    with pytest.raises(ValueError, match="to_categorical.*sparse_categorical_crossentropy"):
        model.fit(X, LABELS)


def test_not_compiled():
    with pytest.raises(RuntimeError, match="must compile your model"):
        linear().fit(X, Y)
    with pytest.raises(TypeError, match="unknown arguments.*losss"):
        linear().compile("sgd", losss="mse")


def test_a_fixed_batch_size():
    model = Sequential([Flatten(batch_input_shape=(5, 4)), Dense(2)])
    model.compile("sgd", "mse")
    assert model.predict(X).shape == (20, 2)
    with pytest.raises(ValueError, match="incompatible with the batch size 5"):
        model.predict(X, batch_size=4)


def test_models_without_inputs_from_other_threads():
    import threading

    model = linear()
    model.compile("sgd", "mse")
    want, found = model.predict(X), []
    threads = [threading.Thread(target=lambda: found.append(model.predict(X))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and all(np.array_equal(got, want) for got in found)


def test_compiling_anew_forgets_the_old_metrics():
    model = linear()
    model.compile("sgd", "mse", metrics=[metrics.MeanAbsoluteError(name="first")])
    model.fit(X, Y, verbose=0)
    model.compile("sgd", "mse", metrics=[metrics.MeanAbsoluteError(name="second")])
    assert model.metrics_names == ["loss", "second"] and len(model.evaluate(X, Y, verbose=0)) == 2


def test_a_stack_that_grows_needs_compile():
    model = linear()
    model.compile("sgd", "mse")
    model.add(Dense(1))
    with pytest.raises(RuntimeError, match="must compile"):
        model.fit(X, Y[:, :1], verbose=0)
    model.compile("sgd", "mse")
    model.fit(X, Y[:, :1], verbose=0)


def test_nested_lists_are_data():
    model = linear()
    model.compile("sgd", "mse")
    want = model.predict(X[:1])
    np.testing.assert_allclose(model.predict(X[:1].tolist()), want, rtol=1e-6)
    np.testing.assert_allclose(model.predict([X[:1]]), want, rtol=1e-6)
    np.testing.assert_allclose(model.predict(X[:3].tolist())[:1], want, rtol=1e-5)


def test_predictions_of_some_steps():
    model = linear()
    want = model.predict(X)
    np.testing.assert_allclose(model.predict(X, batch_size=6, steps=2), want[:12], rtol=1e-6)
    np.testing.assert_allclose(model.predict(X, batch_size=20, steps=2), np.concatenate([want, want]), rtol=1e-6)
    np.testing.assert_allclose(model.predict(X, batch_size=12, steps=3), np.concatenate([want, want[:12]]), rtol=1e-6)


def test_no_samples():
    model = linear()
    model.compile("sgd", "mse")
    assert model.predict(X[:0]).shape == model.predict_on_batch(X[:0]).shape == (0, *model.predict(X[:1]).shape[1:])
    before = model.get_weights()
    for call in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match="no batches: the data are empty"):
            call(X[:0], Y[:0], verbose=0)
    with pytest.raises(ValueError, match="the batch is empty"):
        model.train_on_batch(X[:0], Y[:0])
    for a, b in zip(model.get_weights(), before):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="No input data `x`"):
        model.fit(None, Y, verbose=0)


def test_data_in_variables():
    data = Input(tensor=K.variable(X))
    model = Model(data, Dense(Y.shape[1])(data))
    model.compile("sgd", "mse", target_tensors=[K.variable(Y)])
    other = Sequential([Dense(Y.shape[1], input_shape=X.shape[1:])])
    other.compile("sgd", "mse")
    other.set_weights(model.get_weights())
    got = model.fit(epochs=2, steps_per_epoch=3, verbose=0).history["loss"]
    want = [np.mean([other.train_on_batch(X, Y) for _ in range(3)]) for _ in range(2)]
    np.testing.assert_allclose(got, want, rtol=1e-5)
    assert model.evaluate(steps=2, verbose=0) == pytest.approx(other.evaluate(X, Y, verbose=0), rel=1e-5)
    np.testing.assert_allclose(model.predict(None, steps=2), np.concatenate([other.predict(X)] * 2), rtol=1e-5)
    with pytest.raises(ValueError, match="gets its data from tensors.*steps_per_epoch"):
        model.fit(verbose=0)


def test_nothing_to_optimize():
    with pytest.raises(ValueError, match="no loss to optimize"):
        linear().compile("sgd")


def test_models_outlive_a_cleared_session():
    model = Sequential([Dense(8, input_shape=X.shape[1:]), Dropout(0.5), Dense(Y.shape[1])])
    model.compile("sgd", "mse")
    K.clear_session()
    model.fit(X, Y, verbose=0)
    run = K.function([model.input, K.learning_phase()], [model.output])
    np.testing.assert_allclose(run([X, 0])[0], model.predict(X), rtol=1e-5)
    assert np.abs(run([X, 1])[0] - model.predict(X)).max() > 1e-3
