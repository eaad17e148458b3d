"""Damaged and hostile model files: each gives a clear error; none runs code, reads elsewhere, hangs or takes memory."""

import errno
import io
import json
import os
import random
import resource
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from symgraph.engine import hdf5_writer
from symgraph.engine.hdf5_reader import ModelFileError, open_model_file
from symgraph.engine.safetensors import open_tensors, save_tensors
from symgraph.layers import Dense, Lambda
from symgraph.models import Sequential, load_model, model_from_json, model_from_yaml

FILES = Path(__file__).parent / "files"
MODEL = FILES / "tf" / "mlp_selu_sigmoid_elu.h5"


def edited(tmp_path, change, path=MODEL):
    """A copy of a model file with a change made by h5py."""
    copy = tmp_path / "edited.h5"
    copy.write_bytes(path.read_bytes())
    with h5py.File(copy, "r+") as file:
        change(file)
    return copy


def kernel_of(file):
    group = file["model_weights/" + "dense"]
    return group, "dense/kernel:0"


# ---------------------------------------------------------------------------------------------- code
def test_code_runs_only_when_allowed(tmp_path):
    model = Sequential([Lambda(lambda x: 2 * x, input_shape=(3,)), Dense(1)])
    model.save(tmp_path / "model.h5")
    with pytest.raises(ValueError, match="allow_unsafe=True"):
        load_model(tmp_path / "model.h5")
    again = load_model(tmp_path / "model.h5", compile=False, allow_unsafe=True)
    x = np.ones((2, 3))
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    with pytest.raises(ValueError, match="allow_unsafe=True"):
        load_model(tmp_path / "model.h5")  # it counted for that call alone


def twice(x):
    return 2 * x


def test_named_functions_must_be_registered(tmp_path):
    model = Sequential([Lambda(twice, input_shape=(3,))])
    model.save(tmp_path / "model.h5")
    with pytest.raises(ValueError, match="twice"):
        load_model(tmp_path / "model.h5", compile=False)
    load_model(tmp_path / "model.h5", compile=False, custom_objects={"twice": twice})


@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "subprocess.Popen", "__import__"])
def test_a_configuration_names_no_code(name):
    entry = {"class_name": name, "config": {"name": "x"}, "module": name.rpartition(".")[0], "registered_name": name}
    with pytest.raises(ValueError, match="not known"):
        model_from_json(json.dumps({"class_name": "Sequential", "config": {"name": "m", "layers": [entry]}}))


def test_yaml_is_plain_data():
    import yaml

    with pytest.raises(yaml.YAMLError):
        model_from_yaml("!!python/object/apply:os.system ['true']")


# ---------------------------------------------------------------------------------------------- elsewhere
@pytest.mark.parametrize("link, word", [(h5py.ExternalLink("/etc/hostname", "/x"), "external link"),
                                        (h5py.SoftLink("/model_weights/dense_1/dense_1/kernel:0"), "soft link")],
                         ids=["external", "soft"])
def test_links_are_refused(tmp_path, link, word):
    def change(file):
        group, name = kernel_of(file)
        del group[name]
        group[name] = link

    with pytest.raises(ModelFileError, match=word):
        load_model(edited(tmp_path, change))


def test_virtual_datasets_are_refused(tmp_path):
    def change(file):
        group, name = kernel_of(file)
        layout = h5py.VirtualLayout(group[name].shape, group[name].dtype)
        layout[:] = h5py.VirtualSource(str(MODEL), f"model_weights/dense/{name}", group[name].shape)
        del group[name]
        group.create_virtual_dataset(name, layout)

    with pytest.raises(ModelFileError, match="virtual"):
        load_model(edited(tmp_path, change))


def test_external_storage_is_refused(tmp_path):
    def change(file):
        group, name = kernel_of(file)
        shape = group[name].shape
        del group[name]
        group.create_dataset(name, shape, "<f4", external=[("/etc/passwd", 0, int(np.prod(shape)) * 4)])

    with pytest.raises(ModelFileError, match="another file"):
        load_model(edited(tmp_path, change))


def test_objects_are_refused(tmp_path):
    def change(file):
        group, name = kernel_of(file)
        del group[name]
        group.create_dataset(name, data=["text"] * 3, dtype=h5py.string_dtype())

    with pytest.raises(ModelFileError, match="numbers|text"):
        load_model(edited(tmp_path, change))


# ---------------------------------------------------------------------------------------------- bombs
def test_a_shape_without_numbers_is_refused(tmp_path):
    def change(file):
        group, name = kernel_of(file)
        del group[name]
        group.create_dataset(name, (1 << 20, 1 << 20), "<f4")  # four terabytes that were never written

    with pytest.raises(ModelFileError, match="claims the shape|do not fit|larger"):
        load_model(edited(tmp_path, change))


def test_a_compressed_bomb_is_refused_before_it_is_read(tmp_path):
    def change(file):
        group, name = kernel_of(file)
        del group[name]
        group.create_dataset(name, (1 << 20, 1 << 10), "<f4", chunks=(1 << 10, 1 << 10), compression="gzip")

    with pytest.raises(ModelFileError, match="do not fit"):
        load_model(edited(tmp_path, change))


def test_a_configuration_larger_than_the_file_is_refused(tmp_path):
    def change(file):
        config = json.loads(file.attrs["model_config"])
        for entry in config["config"]["layers"]:
            if entry["class_name"] == "Dense":
                entry["config"]["units"] = 10**9
        file.attrs["model_config"] = json.dumps(config)

    with pytest.raises(ValueError, match="larger than"):
        load_model(edited(tmp_path, change))


def test_a_deep_configuration_is_refused(tmp_path):
    def change(file):
        file.attrs["model_config"] = '{"class_name": ' + "[" * 200_000 + "]" * 200_000 + "}"

    with pytest.raises(ModelFileError, match="JSON|does not describe"):
        load_model(edited(tmp_path, change))


# ---------------------------------------------------------------------------------------------- damage
@pytest.mark.parametrize("data, word", [(b"", "empty"), (b"PK\x03\x04" + b"0" * 600, "zip"),
                                        (b"hello" * 300, "not an HDF5"),
                                        (b"\x89HDF\r\n\x1a\n", "damaged")], ids=["empty", "zip", "text", "signature"])
def test_other_files(tmp_path, data, word):
    path = tmp_path / "other.h5"
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match=word):
        load_model(path)


def test_missing_parts(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "absent.h5")
    with pytest.raises(ModelFileError, match="directory"):
        load_model(tmp_path)
    Sequential([Dense(1, input_shape=(2,))]).save_weights(tmp_path / "weights.h5")
    with pytest.raises(ModelFileError, match="load_weights"):
        load_model(tmp_path / "weights.h5")


def damaged(data, seed):
    """A file with a few bytes changed, overwritten, moved, or cut off."""
    choose = random.Random(seed)
    data, place = bytearray(data), choose.randrange(len(data))
    kind = seed % 5
    if kind == 0:
        return bytes(data[:place])
    if kind == 1:
        for _ in range(choose.randrange(1, 6)):
            data[choose.randrange(len(data))] ^= 1 << choose.randrange(8)
    elif kind == 2:
        for _ in range(choose.randrange(1, 20)):
            data[choose.randrange(len(data))] = choose.choice([0, 1, 127, 128, 255, choose.randrange(256)])
    elif kind == 3:
        count = choose.choice([1, 2, 4, 8, 64, 512])
        data[place:place + count] = bytes([choose.choice([0, 255])]) * len(data[place:place + count])
    else:
        start, count = choose.randrange(len(data)), choose.choice([8, 16, 64, 256])
        data[place:place + count] = data[start:start + count]
    return bytes(data)


def indexed():
    """A file whose arrays lie in chunks, found in each of the ways that there are."""
    memory = io.BytesIO()
    with h5py.File(memory, "w", libver=("v110", "v110")) as file:
        for number, options in enumerate([{"chunks": (7, 9), "compression": "gzip", "shuffle": True},
                                          {"chunks": (20, 30), "compression": "gzip"}, {"chunks": (7, 9)},
                                          {"chunks": (1, 1)}, {"chunks": (1, 1), "fletcher32": True}]):
            rows = 60 if options["chunks"] == (1, 1) else 20
            file.create_dataset(f"array{number}", data=np.ones((rows, 30), "<i2"), **options)
    return memory.getvalue()


def visit(root):
    """Read all that a loader would read."""
    if "array0" in root:
        for number in range(5):
            root.array(f"array{number}").read(limit=2_000)
        return
    for name in ("keras_version", "model_config", "training_config", "backend"):
        root.text(name)
    weights = root.group("model_weights")
    for layer in weights.names("layer_names") or []:
        group = weights.group(layer)
        for name in group.names("weight_names") or []:
            group.array(name).read(limit=100_000)


@pytest.mark.parametrize("name", ["tf/mlp_selu_sigmoid_elu", "k1/opt_nadam", "k2/opt_nadam", "new", "chunks"])
def test_damaged_files(name):
    if name == "chunks":
        data = indexed()
    elif name == "new":  # groups and attributes as newer libraries store them
        memory = io.BytesIO()
        with h5py.File(memory, "w", libver="latest") as file, h5py.File(MODEL) as old:
            for key, value in old.attrs.items():
                file.attrs[key] = value
            old.copy("model_weights", file)
            for number in range(30):
                file.attrs[f"more{number}"] = number
        data = memory.getvalue()
    else:
        data = (FILES / f"{name}.h5").read_bytes()

    def too_slow(*_):
        raise AssertionError(f"a damaged file took more than 5 seconds: seed {seed}")

    before = signal.signal(signal.SIGALRM, too_slow)
    refused = 0
    try:
        for seed in range(300):
            signal.alarm(5)
            try:
                with open_model_file(damaged(data, seed)) as root:
                    visit(root)
            except ModelFileError:
                refused += 1
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert 60 < refused < 300


def test_an_array_that_may_grow_is_refused_with_what_to_do():
    memory = io.BytesIO()
    with h5py.File(memory, "w", libver=("v110", "v110")) as file:
        file.create_dataset("rows", data=np.ones((4, 3)), chunks=(2, 3), maxshape=(None, 3))
        file.create_dataset("both", data=np.ones((4, 3)), chunks=(2, 3), maxshape=(None, None))
    with open_model_file(memory.getvalue()) as root:
        for name in ("rows", "both"):
            with pytest.raises(ModelFileError, match="an array of it may grow.*without `maxshape`"):
                root.array(name)


# ---------------------------------------------------------------------------------------------- safetensors
def test_damaged_safetensors(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_tensors(path, {"a": np.arange(6.0).reshape(2, 3), "b": np.ones(3, "float32")})
    data, refused = path.read_bytes(), 0
    for seed in range(300):
        path.write_bytes(damaged(data, seed))
        try:
            with open_tensors(path) as tensors:
                for tensor in tensors.values():
                    tensor.read()
        except ModelFileError:
            refused += 1
    assert refused > 60


def raw_safetensors(header, data=b""):
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


@pytest.mark.parametrize("entry", [
    {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 4]},
    {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]},
    {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}, {"dtype": "X9", "shape": [1], "data_offsets": [0, 4]},
    {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
], ids=["huge", "gap", "negative", "type", "beyond the end"])
def test_hostile_safetensors(tmp_path, entry):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(raw_safetensors({"a": entry}, b"\0" * 4))
    with pytest.raises(ModelFileError), open_tensors(path):
        pass


# ---------------------------------------------------------------------------------------------- failed writes
def bigger():
    return Sequential([Dense(300, input_shape=(300,)), Dense(300)])


@pytest.mark.parametrize("name", ["model.h5", "weights.safetensors"])
def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch, name):
    small, large = Sequential([Dense(2, input_shape=(2,))]), bigger()
    save = "save" if name.endswith(".h5") else "save_weights"
    getattr(small, save)(tmp_path / name)
    before = (tmp_path / name).read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(hdf5_writer.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        getattr(large, save)(tmp_path / name)
    assert (tmp_path / name).read_bytes() == before
    assert os.listdir(tmp_path) == [name]


_LIMITED = """
import resource, signal, sys
from symgraph.layers import Dense
from symgraph.models import Sequential
model = Sequential([Dense(300, input_shape=(300,)), Dense(300)])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    model.save(sys.argv[1])
except OSError as error:
    print("refused:", error.strerror)
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="the system cannot limit the size of files")
def test_a_disk_that_is_full_in_the_middle(tmp_path):
    Sequential([Dense(2, input_shape=(2,))]).save(tmp_path / "model.h5")
    before = (tmp_path / "model.h5").read_bytes()
    done = subprocess.run([sys.executable, "-c", _LIMITED, str(tmp_path / "model.h5")], capture_output=True, text=True,
                          timeout=120, env={**os.environ, "KERAS_BACKEND": "numpy"})
    assert done.returncode == 0 and "refused: File too large" in done.stdout, done.stderr
    assert (tmp_path / "model.h5").read_bytes() == before
    assert os.listdir(tmp_path) == ["model.h5"]


def test_a_link_and_the_permissions_stay(tmp_path):
    model = Sequential([Dense(2, input_shape=(2,))])
    model.save(tmp_path / "real.h5")
    os.chmod(tmp_path / "real.h5", 0o640)
    (tmp_path / "link.h5").symlink_to("real.h5")
    model.save(tmp_path / "link.h5")
    assert (tmp_path / "link.h5").is_symlink()
    assert (tmp_path / "real.h5").stat().st_mode & 0o777 == 0o640
    with pytest.raises(FileNotFoundError, match="folder"):
        model.save(tmp_path / "absent" / "model.h5")
