"""Models with a `call` of their own."""

import numpy as np
import pytest

from symgraph import backend as K
from symgraph.engine import Input, Model
from symgraph.layers import BatchNormalization, Dense, Dropout

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(20, 4)).astype("float32"), RNG.normal(size=(20, 2)).astype("float32")


class Net(Model):
    def __init__(self, normalize=False, **kwargs):
        super().__init__(**kwargs)
        self.hidden = Dense(5, activation="tanh", kernel_regularizer="l2")
        self.normalize = BatchNormalization(momentum=0.5) if normalize else None
        self.drop = Dropout(0.5)
        self.out = Dense(2)

    def call(self, inputs):
        x = self.hidden(inputs)
        if self.normalize is not None:
            x = self.normalize(x)
        return self.out(self.drop(x))


def test_it_is_built_by_its_first_data():
    model = Net(name="net")
    model.compile("adam", "mse", metrics=["mae"])
    with pytest.raises(RuntimeError, match="model.build"):
        _ = model.metrics_names
    history = model.fit(X, Y, epochs=3, validation_split=0.2, verbose=0)
    assert set(history.history) == {"loss", "mae", "val_loss", "val_mae"}
    assert len(model.trainable_weights) == 4 and len(model.layers) == 3
    assert model.count_params() == 4 * 5 + 5 + 5 * 2 + 2


def test_predictions_and_losses():
    model = Net()
    model.compile("sgd", "mse")
    model.build((None, 4))
    w1, b1, w2, b2 = (w.astype("float64") for w in model.get_weights())
    want = np.tanh(X @ w1 + b1) @ w2 + b2
    np.testing.assert_allclose(model.predict(X), want, rtol=1e-4, atol=1e-5)
    loss = ((want - Y) ** 2).mean() + 0.01 * (w1**2).sum()
    np.testing.assert_allclose(model.evaluate(X, Y, verbose=0), loss, rtol=1e-4)


def test_updates_of_inner_layers_run():
    model = Net(normalize=True)
    model.compile("sgd", "mse")
    model.train_on_batch(X, Y)
    assert len(model.updates) == 2
    assert np.abs(model.normalize.get_weights()[2]).max() > 0


def test_it_may_be_called_on_tensors_and_used_in_a_model():
    inner = Net()
    x = Input((4,))
    outer = Model(x, Dense(1)(inner(x)))
    outer.compile("sgd", "mse")
    before = inner.get_weights()[0]
    outer.train_on_batch(X, Y[:, :1])
    assert len(outer.trainable_weights) == 6 and np.abs(inner.get_weights()[0] - before).max() > 0


def test_several_inputs_and_outputs():
    class Two(Model):
        def __init__(self):
            super().__init__()
            self.shared = Dense(3)

        def call(self, inputs):
            first, second = (self.shared(tensor) for tensor in inputs)
            return [first + second, K.sum(first * second, axis=-1, keepdims=True)]

    model = Two()
    model.compile("sgd", ["mse", "mae"])
    values = model.train_on_batch([X, X], [np.zeros((20, 3)), np.zeros((20, 1))])
    assert len(values) == 3 and model.metrics_names == ["loss", "output_1_loss", "output_2_loss"]
    assert [out.shape for out in model.predict([X, X])] == [(20, 3), (20, 1)]


def test_there_is_no_configuration():
    with pytest.raises(NotImplementedError, match="call.*get_config"):
        Net().get_config()


def test_weights_move_between_two():
    one, two = Net(), Net()
    for model in (one, two):
        model.build((None, 4))
    two.set_weights(one.get_weights())
    np.testing.assert_array_equal(one.predict(X), two.predict(X))


@pytest.mark.parametrize("kind", ["generator", "iterable"])
def test_the_first_batch_of_a_generator_builds_it(kind):
    batches = [(X[:2], Y[:2]), (X[2:4], Y[2:4])]
    models = [Net(), Net()]
    for model in models:
        model.compile("sgd", "mse")
    models[1].build(X.shape)

    class Batches:
        def __iter__(self):
            yield from batches

    data = Batches() if kind == "iterable" else iter(Batches())
    models[0].fit(data, steps_per_epoch=2, verbose=0)
    models[1].set_weights(models[0].get_weights())
    np.testing.assert_allclose(models[0].predict(X), models[1].predict(X), rtol=1e-6)
    fresh = Net()
    assert fresh.predict(iter([X[:2], X[2:4]]), steps=2).shape[0] == 4  # the batch that built it is not lost
    lines = []
    fresh.summary(print_fn=lines.append)
    assert any("Total params" in line for line in lines)
