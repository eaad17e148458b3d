"""Saving and loading: whole models and weights, in HDF5 and safetensors; copies and pickles."""

import copy
import io
import json
import pickle

import h5py
import ml_dtypes
import numpy as np
import pytest

from symgraph import backend as K
from symgraph import losses, metrics, optimizers
from symgraph.engine.hdf5_reader import open_model_file
from symgraph.engine.hdf5_writer import hdf5_target, write_arrays, write_names
from symgraph.layers import (
    GRU,
    LSTM,
    BatchNormalization,
    Bidirectional,
    CuDNNGRU,
    CuDNNLSTM,
    Dense,
    Dropout,
    Embedding,
    Input,
    Lambda,
    Layer,
    TimeDistributed,
    add,
)
from symgraph.models import Model, Sequential, clone_model, load_model, model_from_json, model_from_yaml, save_model
from symgraph.utils.generic_utils import CustomObjectScope

RANDOM = np.random.RandomState(7)
X = RANDOM.randn(12, 3).astype("float32")
Y = np.eye(2, dtype="float32")[RANDOM.randint(0, 2, 12)]


def small(optimizer="adam", trained=True):
    model = Sequential([Dense(4, activation="relu", input_shape=(3,)), BatchNormalization(),
                        Dense(2, activation="softmax")])
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy", metrics.Precision()])
    if trained:
        model.fit(X, Y, epochs=2, verbose=0, shuffle=False)
    return model


def same_steps(one, other, x=X, y=Y, steps=3):
    for _ in range(steps):
        np.testing.assert_array_equal(one.train_on_batch(x, y), other.train_on_batch(x, y))
    for a, b in zip(one.get_weights(), other.get_weights()):
        np.testing.assert_array_equal(a, b)


# ---------------------------------------------------------------------------------------------- whole models
@pytest.mark.parametrize("optimizer", [
    optimizers.SGD(0.1, momentum=0.9, nesterov=True, decay=0.1), optimizers.RMSprop(0.01), optimizers.Adagrad(0.05),
    optimizers.Adadelta(), optimizers.Adam(0.02, amsgrad=True), optimizers.Adamax(), optimizers.Nadam(clipnorm=1.0),
], ids=lambda optimizer: type(optimizer).__name__)
def test_training_goes_on(tmp_path, optimizer):
    model = small(optimizer)
    model.save(tmp_path / "model.h5")
    again = load_model(tmp_path / "model.h5")
    assert type(again) is Sequential and again.metrics_names == model.metrics_names
    assert again.optimizer.get_config() == optimizer.get_config()
    assert len(again.optimizer.get_weights()) == len(optimizer.get_weights())
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    same_steps(model, again)


def functional():
    text, numbers = Input((5,), dtype="int32", name="text"), Input((3,), name="numbers")
    read = Bidirectional(LSTM(3))(Embedding(7, 4, mask_zero=True)(text))
    inner = Sequential([Dense(6, activation="tanh", input_shape=(3,)), BatchNormalization(name="inner_bn")],
                       name="inner")
    shared = Dense(6, name="shared")
    joined = add([shared(inner(numbers)), shared(read)])
    model = Model([text, numbers], [Dense(1, name="value")(joined),
                                    Dense(2, activation="softmax", name="kind")(joined)])
    model.compile("sgd", {"value": losses.Huber(0.5), "kind": "categorical_crossentropy"},
                  metrics={"kind": ["accuracy"]}, loss_weights={"value": 0.3, "kind": 2.0})
    return model


def test_functional_model(tmp_path):
    model = functional()
    x = [RANDOM.randint(0, 7, (8, 5)), RANDOM.randn(8, 3)]
    y = [RANDOM.randn(8, 1), np.eye(2)[RANDOM.randint(0, 2, 8)]]
    model.train_on_batch(x, y)
    model.save(str(tmp_path / "model.h5"))
    again = load_model(str(tmp_path / "model.h5"))
    assert again.metrics_names == model.metrics_names
    same_steps(model, again, x, y)


def test_time_distributed_model_inside(tmp_path):
    inner = Model(*(lambda source: (source, Dense(2)(BatchNormalization()(source))))(Input((3,))))
    outer = Sequential([TimeDistributed(inner, input_shape=(4, 3)), LSTM(2)])
    outer.save(tmp_path / "model.h5")
    again = load_model(tmp_path / "model.h5", compile=False)
    x = RANDOM.randn(2, 4, 3)
    np.testing.assert_array_equal(again.predict(x), outer.predict(x))


def test_without_optimizer(tmp_path):
    model = small()
    model.save(tmp_path / "model.h5", include_optimizer=False)
    with h5py.File(tmp_path / "model.h5") as file:
        assert "training_config" not in file.attrs and "optimizer_weights" not in file
    with pytest.warns(UserWarning, match="not.* compiled"):
        again = load_model(tmp_path / "model.h5")
    assert again.optimizer is None
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_the_layout_is_that_of_keras(tmp_path):
    model = small()
    model.save(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5") as file:
        assert file.attrs["keras_version"] == "2.3.1" and file.attrs["backend"] == "tensorflow"
        assert json.loads(file.attrs["model_config"])["class_name"] == "Sequential"
        assert json.loads(file.attrs["training_config"])["loss"] == "categorical_crossentropy"
        weights = file["model_weights"]
        names = [name.decode() for name in weights.attrs["layer_names"]]
        assert names == [layer.name for layer in model.layers]
        stored = weights[names[0]]
        found = [name.decode() for name in stored.attrs["weight_names"]]
        assert found == [f"{names[0]}/kernel:0", f"{names[0]}/bias:0"]
        np.testing.assert_array_equal(stored[f"{names[0]}/kernel:0"][()], model.layers[0].get_weights()[0])
        state = file["optimizer_weights"]
        values = [state[name.decode()][()] for name in state.attrs["weight_names"]]
        assert values[0] == 2  # iterations


def test_objects_of_h5py_and_open_files(tmp_path):
    model = small()
    with h5py.File(tmp_path / "many.h5", "w") as file:
        save_model(model, file.create_group("first"))
    with h5py.File(tmp_path / "many.h5", "r") as file:
        np.testing.assert_array_equal(load_model(file["first"]).predict(X), model.predict(X))
    with open(tmp_path / "plain.h5", "wb") as stream:
        model.save(stream)
    with open(tmp_path / "plain.h5", "rb") as stream:
        np.testing.assert_array_equal(load_model(stream).predict(X), model.predict(X))
    memory = io.BytesIO()
    model.save(memory)
    np.testing.assert_array_equal(load_model(memory.getvalue()).predict(X), model.predict(X))


def test_overwrite(tmp_path):
    model = small(trained=False)
    model.save(tmp_path / "model.h5")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        model.save(tmp_path / "model.h5", overwrite=False)
    model.save_weights(tmp_path / "new.h5", overwrite=False)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))],
                         ids=["deepcopy", "pickle"])
def test_duplicates(duplicate):
    model = small()
    same_steps(model, duplicate(model))
    bare = Sequential([Dense(1, input_shape=(3,))])
    np.testing.assert_array_equal(duplicate(bare).predict(X), bare.predict(X))


def test_texts():
    model = small(trained=False)
    for again in (model_from_json(model.to_json()), model_from_yaml(model.to_yaml())):
        again.set_weights(model.get_weights())
        np.testing.assert_array_equal(again.predict(X), model.predict(X))


# ---------------------------------------------------------------------------------------------- own classes
class Scale(Layer):
    """A layer of the user's own."""

    def __init__(self, factor=1.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, input_shape):
        self.scale = self.add_weight(name="scale", shape=(input_shape[-1],), initializer="ones")
        super().build(input_shape)

    def call(self, inputs):
        return inputs * self.scale * self.factor

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


def steep(x):
    """An activation of the user's own."""
    return K.tanh(3.0 * x)


def far(y_true, y_pred):
    """A loss of the user's own."""
    return K.mean(K.abs(y_true - y_pred) ** 3.0, axis=-1)


def test_all_unknown_names_are_listed(tmp_path):
    model = Sequential([Dense(2, activation=steep, input_shape=(3,)), Scale(2.0)])
    model.compile("sgd", far)
    model.save(tmp_path / "model.h5")
    with pytest.raises(ValueError, match="not known") as caught:
        load_model(tmp_path / "model.h5")
    assert all(name in str(caught.value) for name in ("Scale", "steep", "far", "custom_objects="))
    own = {"Scale": Scale, "steep": steep, "far": far}
    again = load_model(tmp_path / "model.h5", custom_objects=own)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert again.layers[1].factor == 2.0 and again.loss is far
    with CustomObjectScope(own):
        load_model(tmp_path / "model.h5")
    assert isinstance(pickle.loads(pickle.dumps(Sequential([Scale(input_shape=(3,))]))).layers[0], Scale)


# ---------------------------------------------------------------------------------------------- weights
@pytest.mark.parametrize("name", ["weights.h5", "weights.safetensors"])
def test_weights(tmp_path, name):
    model = small()
    model.save_weights(tmp_path / name)
    again = clone_model(model)
    assert not np.array_equal(again.predict(X), model.predict(X))
    again.load_weights(tmp_path / name)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_weights_out_of_a_whole_model(tmp_path):
    model = small()
    model.save(tmp_path / "model.h5")
    again = clone_model(model)
    again.load_weights(tmp_path / "model.h5")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def named(units=2, last="last", size=3):
    return Sequential([Dense(4, input_shape=(size,), name="first"), Dense(units, name=last)])


@pytest.mark.parametrize("name", ["weights.h5", "weights.safetensors"])
def test_by_name(tmp_path, name):
    model = named()
    model.save_weights(tmp_path / name)
    other = named(last="other")
    before = other.layers[1].get_weights()
    other.load_weights(tmp_path / name, by_name=True)
    np.testing.assert_array_equal(other.layers[0].get_weights()[0], model.layers[0].get_weights()[0])
    np.testing.assert_array_equal(other.layers[1].get_weights()[0], before[0])
    wider = named(units=5)
    with pytest.raises(ValueError, match="last"):
        wider.load_weights(tmp_path / name, by_name=True)
    with pytest.warns(UserWarning, match="last"):
        wider.load_weights(tmp_path / name, by_name=True, skip_mismatch=True)
    np.testing.assert_array_equal(wider.layers[0].get_weights()[0], model.layers[0].get_weights()[0])


def test_nothing_changes_where_something_does_not_fit(tmp_path):
    named().save_weights(tmp_path / "weights.h5")
    wider = named(units=5)
    before = wider.get_weights()
    with pytest.raises(ValueError, match=r"last.*\(4, 5\).*\(4, 2\)"):
        wider.load_weights(tmp_path / "weights.h5")
    deeper = Sequential([Dense(4, input_shape=(3,)), Dense(2), Dense(2)])
    with pytest.raises(ValueError, match="2 layers into a model with 3"):
        deeper.load_weights(tmp_path / "weights.h5")
    for a, b in zip(before, wider.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_reshape(tmp_path):
    model = Sequential([Dense(4, input_shape=(3,))])
    model.save_weights(tmp_path / "weights.h5")
    with h5py.File(tmp_path / "weights.h5", "r+") as file:
        name = model.layers[0].name
        kernel = file[name][f"{name}/kernel:0"][()]
        del file[name][f"{name}/kernel:0"]
        file[name].create_dataset(f"{name}/kernel:0", data=kernel.reshape(1, 3, 4))
    other = clone_model(model)
    with pytest.raises(ValueError, match="do not fit"):
        other.load_weights(tmp_path / "weights.h5")
    other.load_weights(tmp_path / "weights.h5", reshape=True)
    np.testing.assert_array_equal(other.get_weights()[0], kernel)


def test_frozen_layers_inside_do_not_change_the_order(tmp_path):
    def build():
        inner = Sequential([Dense(3, input_shape=(3,), name="a"), BatchNormalization(name="b"), Dense(3, name="c")],
                           name="inner")
        return Sequential([inner, Dense(1, name="d")])

    model = build()
    model.layers[0].layers[0].trainable = False  # as saved: its weights stand among those that are not trained
    model.save_weights(tmp_path / "weights.h5")
    other = build()
    other.load_weights(tmp_path / "weights.h5")
    np.testing.assert_array_equal(other.predict(X), model.predict(X))


def test_cudnn_lstm_weights_become_plain_ones_and_back(tmp_path):
    units, size = 3, 3
    plain = Sequential([LSTM(units, input_shape=(4, size), recurrent_activation="sigmoid", name="rnn")])
    kernel, recurrent, bias = plain.get_weights()
    first = RANDOM.randn(*bias.shape).astype("float32")
    # What cuDNN stores: each gate transposed, and two biases of which the sum counts.
    stored = [np.concatenate([gate.T.reshape(gate.shape) for gate in np.split(kernel, 4, axis=1)], axis=1),
              np.concatenate([gate.T for gate in np.split(recurrent, 4, axis=1)], axis=1),
              np.concatenate([first, bias - first])]
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        write_names(file, "layer_names", ["rnn"])
        file.attrs["keras_version"] = "2.3.1"
        write_arrays(file.create_group("rnn"), ["rnn/kernel:0", "rnn/recurrent_kernel:0", "rnn/bias:0"], stored)
    other = Sequential([LSTM(units, input_shape=(4, size), recurrent_activation="sigmoid", name="rnn")])
    other.load_weights(tmp_path / "weights.h5")
    for a, b in zip(other.get_weights(), (kernel, recurrent, bias)):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("around", [lambda layer: layer, Bidirectional,
                                    lambda layer: Bidirectional(layer, merge_mode="sum")],
                         ids=["alone", "both_ways", "summed"])
@pytest.mark.parametrize("fast, plain", [(CuDNNLSTM, lambda **more: LSTM(3, **more)),
                                         (CuDNNGRU, lambda **more: GRU(3, reset_after=True, **more))],
                         ids=["lstm", "gru"])
@pytest.mark.parametrize("by_name", [False, True])
def test_weights_go_from_cudnn_layers_to_plain_ones_and_back(tmp_path, fast, plain, around, by_name):
    def build(layer):
        model = Sequential([Dense(2, input_shape=(4, 2)), around(layer), Dense(1)])
        for each, name in zip(model.layers, ("first", "rnn", "last")):
            each.name = name
        return model

    sequences = RANDOM.randn(5, 4, 2).astype("float32")
    cudnn = build(fast(3, return_sequences=True))
    cudnn.set_weights([RANDOM.randn(*weight.shape) / 2 for weight in cudnn.get_weights()])
    want = cudnn.predict(sequences)
    ordinary, back = build(plain(return_sequences=True)), build(fast(3, return_sequences=True))
    cudnn.save_weights(tmp_path / "cudnn.h5")
    ordinary.load_weights(tmp_path / "cudnn.h5", by_name=by_name)
    np.testing.assert_allclose(ordinary.predict(sequences), want, rtol=1e-5, atol=1e-6)
    ordinary.save_weights(tmp_path / "plain.h5")
    back.load_weights(tmp_path / "plain.h5", by_name=by_name)
    np.testing.assert_allclose(back.predict(sequences), want, rtol=1e-5, atol=1e-6)
    assert [w.shape for w in back.get_weights()] == [w.shape for w in cudnn.get_weights()]


def test_a_gru_that_cudnn_does_not_compute_is_told_apart(tmp_path):
    fast = Sequential([CuDNNGRU(3, input_shape=(4, 2))])
    plain = Sequential([GRU(3, input_shape=(4, 2))])
    for source, target in ((fast, plain), (plain, fast)):
        source.save_weights(tmp_path / "weights.h5")
        before = target.get_weights()
        with pytest.raises(ValueError, match="reset_after=True"):
            target.load_weights(tmp_path / "weights.h5")
        for a, b in zip(target.get_weights(), before):
            np.testing.assert_array_equal(a, b)


# ---------------------------------------------------------------------------------------------- formats
def test_long_lists_of_names_are_stored_in_pieces(tmp_path):
    names = [f"layer_with_quite_a_long_name_{number:06d}" for number in range(4000)]
    with hdf5_target(tmp_path / "names.h5") as file:
        write_names(file, "layer_names", names)
        write_names(file, "none", [])
        write_arrays(file.create_group("g"), ["a/b:0", "a/b:0", "a", "a/b:0/c"], [np.arange(n) for n in range(4)])
    with h5py.File(tmp_path / "names.h5") as file:
        assert "layer_names" not in file.attrs and len(file.attrs["layer_names0"]) > 1000
    with open_model_file(tmp_path / "names.h5") as root:
        assert root.names("layer_names") == names
        assert root.names("none") == [] and root.names("absent") is None
        stored = root.group("g").names("weight_names")
        assert [root.array(f"g/{name}").shape for name in stored] == [(0,), (1,), (2,), (3,)]
    with pytest.raises(ValueError, match="too long"), hdf5_target(io.BytesIO()) as file:
        write_names(file, "layer_names", ["x" * 70_000])


@pytest.mark.parametrize("version", ["earliest", ("v108", "v108"), ("v110", "v110"), "latest"], ids=str)
def test_every_form_of_groups_and_attributes_is_read(version):
    memory, arrays = io.BytesIO(), {}
    with h5py.File(memory, "w", libver=version) as file:
        for number in range(40):  # many links and attributes lie in heaps and trees
            for part in range(3):
                name = f"group{number}/w/{part}"
                arrays[name] = RANDOM.randn(number % 4, part + 1).astype(["<f4", ">f8", "<f2"][part])
                file.create_dataset(name, data=arrays[name])
            file.attrs[f"attribute{number}"] = f"text {number}"
        file.attrs["names"] = ["x", "yé" * 9]
        file.attrs["fixed"] = np.array([b"ab", b"c"])
        arrays["scalar"] = file.create_dataset("scalar", data=np.int64(-5))[()]
        arrays["flags"] = file.create_dataset("flags", data=np.array([True, False]))[()]
        numbers = np.arange(600, dtype="<i2").reshape(20, 30)
        for name, options in {
                "chunks": {"chunks": (7, 9), "compression": "gzip", "shuffle": True, "fletcher32": True},
                "plain": {"chunks": (7, 9)}, "one": {"chunks": (20, 30), "compression": "gzip"},
                "single": {"chunks": (20, 30)}, "many": {"chunks": (1, 1), "compression": "gzip"},
                "pages": {"chunks": (1, 1)}}.items():
            shown = np.tile(numbers, (3, 1)) if name in {"many", "pages"} else numbers
            arrays[name] = file.create_dataset(name, data=shown, **options)[()]
        sparse = file.create_dataset("sparse", (60, 60), "<f4", chunks=(1, 1))
        sparse[59, 3], sparse[0, 0] = 2.5, 1.5
        arrays["sparse"] = sparse[()]
        early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        early.set_chunk((7, 9))
        early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        made = h5py.h5d.create(file.id, b"early", h5py.h5t.STD_I16LE, h5py.h5s.create_simple((20, 30)), early)
        h5py.Dataset(made)[...] = arrays["early"] = numbers
        short = h5py.h5t.IEEE_F32LE.copy()
        short.set_fields(15, 7, 8, 0, 7)
        short.set_size(2)
        short.set_ebias(127)
        brain = np.array([1.0, -2.5, 3e38, 0.0]).astype(ml_dtypes.bfloat16)
        made = h5py.h5d.create(file.id, b"brain", short, h5py.h5s.create_simple((4,)))
        h5py.Dataset(made)[...] = arrays["brain"] = brain.astype("float32")
    with open_model_file(memory.getvalue()) as root:
        for number in range(40):
            assert root.text(f"attribute{number}") == f"text {number}"
        assert root.names("names") == ["x", "yé" * 9] and root.names("fixed") == ["ab", "c"]
        for name, values in arrays.items():
            np.testing.assert_array_equal(root.array(name).read(limit=5000), values)


def test_safetensors_of_the_reference_implementation(tmp_path):
    reference = pytest.importorskip("safetensors.numpy")
    model = named()
    model.save_weights(tmp_path / "ours.safetensors")
    arrays = reference.load_file(tmp_path / "ours.safetensors")
    np.testing.assert_array_equal(arrays["first/kernel"], model.get_weights()[0])
    reference.save_file({name: array + 1 for name, array in arrays.items()}, tmp_path / "theirs.safetensors")
    model.load_weights(tmp_path / "theirs.safetensors")
    np.testing.assert_array_equal(model.get_weights()[0], arrays["first/kernel"] + 1)


def test_safetensors_holds_weights_only(tmp_path):
    with pytest.raises(ValueError, match="save_weights"):
        named().save(tmp_path / "model.safetensors")


def test_dropout_and_lambda_survive_a_copy():
    model = Sequential([Lambda(lambda x: 2 * x, input_shape=(3,)), Dropout(0.5), Dense(1)])
    np.testing.assert_array_equal(copy.deepcopy(model).predict(X), model.predict(X))


def test_losses_are_stored_by_the_names_that_every_keras_knows(tmp_path):
    model = small()
    model.compile("sgd", losses.cosine_proximity, metrics=[metrics.cosine_proximity, "mae"])
    model.save(tmp_path / "cosine.h5")
    with h5py.File(tmp_path / "cosine.h5") as file:
        stored = json.loads(file.attrs["training_config"])
    assert stored["loss"] == "cosine_similarity" and stored["metrics"] == ["cosine_similarity", "mae"]
    again = load_model(tmp_path / "cosine.h5")
    assert again.evaluate(X, Y, verbose=0) == pytest.approx(model.evaluate(X, Y, verbose=0))


def test_a_model_without_a_weight_to_train(tmp_path):
    model = Sequential([Dense(2, input_shape=(3,), trainable=False)])
    model.compile("adam", "mse")
    x, y = np.ones((4, 3)), np.ones((4, 2))
    before = model.train_on_batch(x, y)
    model.save(tmp_path / "frozen.h5")
    assert load_model(tmp_path / "frozen.h5").train_on_batch(x, y) == before


def test_an_optimizer_with_options_of_others(tmp_path):
    small().save(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5", "a") as file:
        training = json.loads(file.attrs["training_config"])
        training["optimizer_config"] = {"class_name": "Custom>RMSprop", "config": {"momentum": 0.5, "centered": True}}
        file.attrs["training_config"] = json.dumps(training)
    with pytest.raises(ValueError, match="RMSprop: .*momentum.*Load it with compile=False"):
        load_model(tmp_path / "model.h5")
    assert load_model(tmp_path / "model.h5", compile=False).predict(X).shape == (12, 2)
