"""The steps of compiling, training and saving, under the names that Keras gives them."""

import h5py
import numpy as np
import pytest

from symgraph import backend as K
from symgraph import losses, metrics
from symgraph.engine import compile_steps, saving_steps, training_loops
from symgraph.layers import GRU, LSTM, Bidirectional, CuDNNGRU, CuDNNLSTM, Dense, Input
from symgraph.models import Model, Sequential

RNG = np.random.default_rng(5)
X, Y, W = RNG.normal(size=(10, 3)), RNG.normal(size=(10, 2)), RNG.uniform(size=10)


def model():
    made = Sequential([Dense(2, input_dim=3, name="out")])
    made.compile("sgd", "mse", metrics=["mae"])
    made._make_train_function()
    made._make_test_function()
    made._make_predict_function()
    return made


# ---------------------------------------------------------------------------------------------- loops
def test_loops_over_arrays():
    first, second = model(), model()
    second.set_weights(first.get_weights())
    history = training_loops.fit_loop(first, first.train_function, [X, Y, W, 1.0], batch_size=4, epochs=2, verbose=0,
                                      shuffle=False, val_function=first.test_function, val_inputs=[X, Y, W])
    expected = second.fit(X, Y, sample_weight=W, batch_size=4, epochs=2, verbose=0, shuffle=False,
                          validation_data=(X, Y, W))
    assert history.history.keys() == expected.history.keys()
    for name, values in expected.history.items():
        np.testing.assert_allclose(history.history[name], values, rtol=1e-5)
    found = training_loops.test_loop(first, first.test_function, [X, Y, W], batch_size=4)
    np.testing.assert_allclose(found, second.evaluate(X, Y, sample_weight=W, verbose=0), rtol=1e-5)
    np.testing.assert_allclose(training_loops.predict_loop(first, first.predict_function, [X], batch_size=3),
                               second.predict(X), rtol=1e-5)


def test_loops_say_what_they_need():
    made = model()
    with pytest.raises(ValueError, match="out_labels"):
        training_loops.fit_loop(made, made.train_function, [X, Y, W], out_labels=["other"])
    with pytest.raises(ValueError, match="steps"):
        training_loops.predict_loop(made, made.predict_function, [], steps=None)
    with pytest.raises(ValueError, match="batch_size"):
        training_loops.test_loop(made, made.test_function, [X, Y, W], batch_size=2, steps=3)


# ---------------------------------------------------------------------------------------------- compile
def test_losses_and_weights_of_outputs():
    found = compile_steps.prepare_loss_functions({"a": "mse", "b": None}, ["a", "b"])
    assert found[1] is None and found[0].fn is losses.mean_squared_error
    assert compile_steps.prepare_loss_weights(["a", "b"]) == [1.0, 1.0]
    assert compile_steps.prepare_loss_weights(["a", "b"], {"b": 0.5}) == [1.0, 0.5]
    for bad, error in (([1.0], ValueError), ({"c": 1.0}, ValueError), (0.5, TypeError)):
        with pytest.raises(error):
            compile_steps.prepare_loss_weights(["a", "b"], bad)
    weights, modes = compile_steps.prepare_sample_weights(["a", "b", "c"], ["temporal", None, None], [1])
    assert [None if w is None else K.ndim(w) for w in weights] == [2, None, 1] and modes == ["temporal", None, None]
    with pytest.raises(ValueError, match='"b" missing'):
        compile_steps.prepare_sample_weights(["a", "b"], {"a": None}, [])


def test_metrics_of_outputs():
    assert compile_steps.get_metric_function("acc", (None, 1)) is metrics.binary_accuracy
    assert compile_steps.get_metric_function("acc", (None, 3), losses.SparseCategoricalCrossentropy()) is (
        metrics.sparse_categorical_accuracy)
    found = compile_steps.collect_per_output_metric_info({"a": "mae"}, ["a", "b"], [(None, 2)] * 2, ["mse", "mse"])
    assert list(found[0]) == ["mae"] and list(found[1]) == []
    result = compile_steps.call_metric_function(found[0]["mae"], K.constant(Y), K.constant(Y + 2.0),
                                                mask=K.constant([1.0] * 4 + [0.0] * 6))
    assert K.eval(result) == pytest.approx(2.0)
    assert compile_steps.collect_metrics({"b": "mae"}, ["a", "b"]) == [[], ["mae"]]
    assert compile_steps.get_input_shape_and_dtype(model()) == ((None, 3), "float32")


# ---------------------------------------------------------------------------------------------- saving
@pytest.mark.parametrize(("plain", "cudnn"), [(LSTM, CuDNNLSTM), (GRU, CuDNNGRU)])
@pytest.mark.parametrize("both", [False, True])
def test_weights_between_kinds_of_layers(plain, cudnn, both):
    arguments = {"reset_after": True} if plain is GRU else {}
    x = Input((5, 3))
    first, second = plain(4, recurrent_activation="sigmoid", **arguments), cudnn(4)
    if both:
        first, second = Bidirectional(first), Bidirectional(second)
    one, other = Model(x, first(x)), Model(x, second(x))
    data = RNG.normal(size=(2, 5, 3))
    second.set_weights(saving_steps.preprocess_weights_for_loading(second, first.get_weights()))
    np.testing.assert_allclose(one.predict(data), other.predict(data), rtol=1e-4, atol=1e-6)
    other.set_weights([weight * 1.5 for weight in other.get_weights()])
    one.set_weights(saving_steps.preprocess_weights_for_loading(one, other.get_weights()))
    np.testing.assert_allclose(one.predict(data), other.predict(data), rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError):
        saving_steps.preprocess_weights_for_loading(second, first.get_weights()[:-1])


def test_groups_of_files():
    first, second = model(), model()
    with h5py.File("in memory", "w", driver="core", backing_store=False) as file:
        saving_steps.save_weights_to_hdf5_group(file, first.layers)
        saving_steps.load_weights_from_hdf5_group(file, second.layers)
        np.testing.assert_array_equal(first.get_weights()[0], second.get_weights()[0])
        other = Sequential([Dense(2, input_dim=3, name="other")])
        before = other.get_weights()[0]
        saving_steps.load_weights_from_hdf5_group_by_name(file, other.layers)
        np.testing.assert_array_equal(other.get_weights()[0], before)
        names = [f"name {number:06d}" for number in range(20000)]
        saving_steps.save_attributes_to_hdf5_group(file, "names", [name.encode() for name in names])
        assert "names1" in file.attrs and saving_steps.load_attributes_from_hdf5_group(file, "names") == names
        with pytest.raises(RuntimeError, match="too long"):
            saving_steps.save_attributes_to_hdf5_group(file, "long", ["x" * 70000])


def test_a_model_as_a_dictionary():
    made = model()
    again = saving_steps.unpickle_model(saving_steps.pickle_model(made))
    np.testing.assert_allclose(again.predict(X), made.predict(X), rtol=1e-6)
    assert again.metrics_names == made.metrics_names
