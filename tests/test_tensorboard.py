"""Event files, read back by a reader of our own that checks every checksum and field."""

import struct

import numpy as np
import pytest

from symgraph import callbacks
from symgraph.engine import Sequential
from symgraph.layers import Dense, Embedding, Flatten
from symgraph.utils.event_files import crc32c

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 3)).astype("float32"), RNG.normal(size=(12, 2)).astype("float32")


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(path):
    raw = path.read_bytes()
    at = 0
    while at < len(raw):
        length, = struct.unpack_from("<Q", raw, at)
        assert struct.unpack_from("<I", raw, at + 8)[0] == masked(raw[at:at + 8])
        data = raw[at + 12:at + 12 + length]
        assert struct.unpack_from("<I", raw, at + 12 + length)[0] == masked(data)
        yield data
        at += length + 16


def fields(data):
    """`(field number, value)` of a protocol buffer."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = varint()
        kind = key & 7
        if kind == 0:
            value = varint()
        elif kind == 1:
            value, = struct.unpack_from("<d", data, at)
            at += 8
        elif kind == 5:
            value, = struct.unpack_from("<f", data, at)
            at += 4
        else:
            size = varint()
            value, at = data[at:at + size], at + size
        yield key >> 3, value


def events(folder):
    """`(step, name, kind, content)` of each value; kind is the field number in Summary.Value."""
    path, = folder.glob("events.out.tfevents.*")
    first, *rest = records(path)
    assert dict(fields(first))[3] == b"brain.Event:2"
    for record in rest:
        event = dict(fields(record))
        assert event[1] > 1e9
        if 4 in event:
            yield None, "graph", 4, event[4]
            continue
        for _, value in fields(event[5]):
            entry = dict(fields(value))
            kind = next(number for number in (2, 4, 5) if number in entry)
            yield event[2], entry[1].decode(), kind, entry[kind]


def test_checksum():
    assert crc32c(b"123456789") == 0xE3069283  # the check value of CRC-32C
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, B.4


def fit(callback, epochs=3, **kwargs):
    model = Sequential([Dense(4, name="a", input_shape=(3,)), Dense(2, name="b")])
    model.compile("sgd", "mse", metrics=["mae"])
    return model.fit(X, Y, epochs=epochs, batch_size=4, verbose=0, callbacks=[callback], **kwargs), model


def test_scalars_and_graph(tmp_path):
    history, _ = fit(callbacks.TensorBoard(tmp_path / "logs"), validation_data=(X, Y))
    found = list(events(tmp_path / "logs"))
    for name, values in history.history.items():
        written = [(step, content) for step, tag, kind, content in found if tag == name and kind == 2]
        assert [step for step, _ in written] == [0, 1, 2]
        np.testing.assert_allclose([value for _, value in written], values, rtol=1e-6)
    graph = next(content for _, name, _, content in found if name == "graph")
    nodes = [[(n, v.decode()) for n, v in fields(value)] for number, value in fields(graph) if number == 1]
    assert [(2, "Dense") in node for node in nodes] == [False, True, True]
    assert nodes[1] == [(1, "a"), (2, "Dense"), (3, "a_input")] and (3, "a") in nodes[2]


def test_histograms_images_and_gradients(tmp_path):
    board = callbacks.TensorBoard(tmp_path, histogram_freq=2, write_grads=True, write_images=True, batch_size=12)
    _, model = fit(board, validation_data=(X, Y))
    found = {(step, name, kind): content for step, name, kind, content in events(tmp_path)}
    for name, value in zip(["a/kernel_0", "a/bias_0"], model.get_weights()):
        histogram = dict(fields(found[2, name, 5]))
        limits, counts = (np.frombuffer(histogram[number]) for number in (6, 7))
        np.testing.assert_allclose([histogram[1], histogram[2], histogram[3], histogram[4], histogram[5]],
                                   [value.min(), value.max(), value.size, value.sum(), (value**2).sum()], rtol=1e-5)
        assert counts.sum() == value.size and len(limits) == len(counts) and (np.diff(limits) > 0).all()
        assert limits[-1] >= value.max()
    assert (1, "a/kernel_0", 5) not in found and (0, "b_out", 5) in found
    image = dict(fields(found[2, "a/kernel_0", 4]))
    assert (image[1], image[2], image[3]) == (3, 4, 1) and image[4].startswith(b"\x89PNG")
    kernel, bias = model.layers[1].get_weights()
    hidden = X @ model.get_weights()[0] + model.get_weights()[1]
    grad = hidden.T @ (2 * (hidden @ kernel + bias - Y) / Y.size)
    written = dict(fields(found[2, "b/kernel_0_grad", 5]))
    np.testing.assert_allclose([written[1], written[2]], [grad.min(), grad.max()], rtol=1e-3)


def test_values_of_batches(tmp_path):
    fit(callbacks.TensorBoard(tmp_path, update_freq=8), epochs=2)
    steps = [step for step, name, *_ in events(tmp_path) if name == "batch_loss"]
    assert steps == [8, 16, 24]


def test_vectors_for_the_projector(tmp_path):
    model = Sequential([Embedding(6, 3, input_length=2, name="words"), Flatten(), Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.zeros((4, 2)), np.zeros((4, 1)), verbose=0,
              callbacks=[callbacks.TensorBoard(tmp_path, embeddings_freq=1, embeddings_metadata="labels.tsv")])
    np.testing.assert_allclose(np.loadtxt(tmp_path / "words.tsv"), model.get_weights()[0], rtol=1e-5)
    text = (tmp_path / "projector_config.pbtxt").read_text()
    assert 'tensor_path: "words.tsv"' in text and 'metadata_path: "labels.tsv"' in text


def test_tensorboard_itself_reads_it(tmp_path):
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    history, _ = fit(callbacks.TensorBoard(tmp_path, histogram_freq=1), validation_data=(X, Y))
    accumulator = reading.EventAccumulator(str(tmp_path))
    accumulator.Reload()
    values = [event.value for event in accumulator.Scalars("loss")]
    np.testing.assert_allclose(values, history.history["loss"], rtol=1e-6)
    assert "a/kernel_0" in accumulator.Tags()["histograms"]


def test_histograms_need_validation_data(tmp_path):
    with pytest.raises(ValueError, match="validation_data must be provided"):
        fit(callbacks.TensorBoard(tmp_path, histogram_freq=1))
