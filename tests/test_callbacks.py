"""Callbacks: what they hear, and what they do."""

import csv

import numpy as np
import pytest

from symgraph import backend as K
from symgraph import callbacks
from symgraph.engine import Sequential
from symgraph.layers import Dense

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 3)).astype("float32"), RNG.normal(size=(12, 2)).astype("float32")


def model(**kwargs):
    made = Sequential([Dense(2, input_shape=(3,))])
    made.compile(kwargs.pop("optimizer", "sgd"), "mse", **kwargs)
    return made


class Scripted(callbacks.Callback):
    """Puts given values into the logs of the epochs, so that what follows them can be seen exactly."""

    def __init__(self, **values):
        super().__init__()
        self.values = values

    def on_epoch_end(self, epoch, logs=None):
        logs.update({name: series[epoch] for name, series in self.values.items()})


def run(callback, epochs=8, **values):
    made = model()
    history = made.fit(X, Y, epochs=epochs, verbose=0, callbacks=[Scripted(**values), callback])
    return made, history


def test_events_in_order():
    heard = []

    class Spy(callbacks.Callback):
        def __getattribute__(self, name):
            if name.startswith("on_") and "predict" not in name:
                heard.append(name)
            return super().__getattribute__(name)

        def on_train_batch_begin(self, batch, logs=None):
            assert logs["batch"] == batch and logs["size"] == 6

        def on_train_batch_end(self, batch, logs=None):
            assert set(logs) == {"batch", "size", "loss"}

        def on_test_batch_end(self, batch, logs=None):
            assert set(logs) == {"batch", "size", "loss"} and logs["size"] == 6

    spy = Spy()
    made = model()
    heard.clear()
    made.fit(X, Y, batch_size=6, epochs=1, verbose=0, callbacks=[spy], validation_data=(X, Y))
    order = [name for name in heard if not name.startswith("on_batch")]
    first = {name: order.index(name) for name in set(order)}
    assert first["on_train_begin"] < first["on_epoch_begin"] < first["on_epoch_end"] < first["on_train_end"]
    assert first["on_epoch_begin"] < first["on_test_begin"] < first["on_test_end"] < first["on_epoch_end"]
    assert spy.model is made and spy.params["samples"] == 12 and spy.params["metrics"] == ["loss", "val_loss"]
    assert spy.params["epochs"] == 1 and spy.params["do_validation"] is True


@pytest.mark.parametrize("names", [("on_batch_begin", "on_batch_end"), ("on_train_batch_begin", "on_train_batch_end")])
def test_both_names_of_batch_events(names):
    calls = []
    spy = type("Spy", (callbacks.Callback,), {
        name: lambda self, batch, logs=None, name=name: calls.append((name, batch)) for name in names})()
    model().fit(X, Y, batch_size=6, verbose=0, callbacks=[spy])
    assert calls == [(names[0], 0), (names[1], 0), (names[0], 1), (names[1], 1)]


def test_evaluate_and_predict_have_events():
    calls = []

    class Spy(callbacks.Callback):
        def on_test_begin(self, logs=None):
            calls.append("test")

        def on_test_batch_end(self, batch, logs=None):
            calls.append(round(logs["loss"], 6))

        def on_predict_batch_end(self, batch, logs=None):
            calls.append(("predict", batch, logs["size"]))

    made = model()
    value = made.evaluate(X, Y, verbose=0, callbacks=[Spy()])
    made.predict(X, batch_size=8, callbacks=[Spy()])
    assert calls == ["test", round(value, 6), ("predict", 0, 8), ("predict", 1, 4)]


@pytest.mark.parametrize("validation", ["arrays", "split", "batches"])
def test_validation_has_the_events_of_evaluate(validation):
    calls = []

    class Spy(callbacks.Callback):
        def on_test_begin(self, logs=None):
            calls.append("begin")

        def on_test_batch_end(self, batch, logs=None):
            calls.append(batch)

        def on_test_end(self, logs=None):
            calls.append("end")

    data = {"arrays": {"validation_data": (X, Y)}, "split": {"validation_split": 0.5},
            "batches": {"validation_data": iter([(X, Y)] * 9), "validation_steps": 2}}[validation]
    model().fit(X, Y, batch_size=6, verbose=0, epochs=2, callbacks=[Spy()], **data)
    assert calls == ["begin", *range(1 if validation == "split" else 2), "end"] * 2


def test_a_callback_may_stop_training():
    class Stop(callbacks.Callback):
        def on_batch_end(self, batch, logs=None):
            if batch == 1:
                self.model.stop_training = True

    seen = []
    count = callbacks.LambdaCallback(on_batch_end=lambda batch, logs: seen.append(batch))
    history = model().fit(X, Y, batch_size=2, epochs=5, verbose=0, callbacks=[Stop(), count])
    assert history.epoch == [0] and seen == [0, 1]


def test_early_stopping():
    made, history = run(callbacks.EarlyStopping("val", patience=2), val=[5, 4, 3, 3.5, 3.2, 1, 1, 1])
    assert history.epoch == [0, 1, 2, 3, 4]
    _, history = run(callbacks.EarlyStopping("val_acc", patience=1), val_acc=[0.1, 0.3, 0.2, 0.4, 1, 1, 1, 1])
    assert history.epoch == [0, 1, 2]
    _, history = run(callbacks.EarlyStopping("val", min_delta=0.5, patience=1), val=[5, 4.8, 4.7, 1, 1, 1, 1, 1])
    assert history.epoch == [0, 1]
    _, history = run(callbacks.EarlyStopping("val", baseline=1.0, patience=2), val=[3, 2, 0.5, 1, 1, 1, 1, 1])
    assert history.epoch == [0, 1]
    with pytest.warns(RuntimeWarning, match="`missing`, which is not available.*loss"):
        model().fit(X, Y, verbose=0, callbacks=[callbacks.EarlyStopping("missing")])


@pytest.mark.parametrize("epochs", [3, 8])  # stopped or not, the best weights come back
def test_early_stopping_restores_the_best_weights(epochs):
    kept = []
    keep = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: kept.append(made.get_weights()))
    made = model()
    stop = callbacks.EarlyStopping("val", patience=3, restore_best_weights=True)
    made.fit(X, Y, epochs=epochs, verbose=0, callbacks=[Scripted(val=[3, 1, 2, 2, 2, 2, 2, 2]), keep, stop])
    for got, want in zip(made.get_weights(), kept[1]):
        np.testing.assert_array_equal(got, want)


def test_the_best_weights_are_back_before_training_ends():
    """Callbacks that come after it in the epoch see them."""
    kept, made = [], model()
    keep = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: kept.append(made.get_weights()))
    stop = callbacks.EarlyStopping("val", patience=1, restore_best_weights=True)
    made.fit(X, Y, epochs=8, verbose=0, callbacks=[Scripted(val=[3, 1, 2]), keep, stop, keep])
    assert len(kept) == 6
    np.testing.assert_array_equal(kept[5][0], kept[2][0])


def test_reduce_on_plateau():
    made, history = run(callbacks.ReduceLROnPlateau("val", factor=0.5, patience=2, min_delta=0, cooldown=1),
                        val=[3, 2, 2, 2, 2, 2, 2, 2])
    np.testing.assert_allclose(history.history["lr"], [0.01, 0.01, 0.01, 0.01, 0.005, 0.005, 0.0025, 0.0025], rtol=1e-6)
    assert float(K.get_value(made.optimizer.lr)) == pytest.approx(0.00125)  # again after the last epoch
    made, _ = run(callbacks.ReduceLROnPlateau("val", factor=0.1, patience=1, min_lr=0.005), val=[1] * 8)
    assert float(K.get_value(made.optimizer.lr)) == pytest.approx(0.005)
    with pytest.raises(ValueError, match="factor >= 1"):
        callbacks.ReduceLROnPlateau(factor=1.0)


def test_learning_rate_scheduler():
    made = model()
    history = made.fit(X, Y, epochs=3, verbose=0,
                       callbacks=[callbacks.LearningRateScheduler(lambda epoch: 0.1 / (1 + epoch))])
    np.testing.assert_allclose(history.history["lr"], [0.1, 0.05, 0.1 / 3], rtol=1e-6)
    made.fit(X, Y, epochs=2, verbose=0, callbacks=[callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5)])
    assert float(K.get_value(made.optimizer.lr)) == pytest.approx(0.1 / 12)
    with pytest.raises(ValueError, match="should be float"):
        made.fit(X, Y, verbose=0, callbacks=[callbacks.LearningRateScheduler(lambda epoch: "fast")])


def test_terminate_on_nan(capsys):
    made = model()
    x = X.copy()
    x[5] = np.nan
    history = made.fit(x, Y, batch_size=2, shuffle=False, epochs=4, verbose=0, callbacks=[callbacks.TerminateOnNaN()])
    assert history.epoch == [0] and "Batch 2: Invalid loss" in capsys.readouterr().out


def test_csv_logger(tmp_path):
    path = tmp_path / "log.csv"
    logger = callbacks.CSVLogger(path)
    made = model(metrics=["mae"])
    first = made.fit(X, Y, epochs=2, verbose=0, callbacks=[logger]).history
    made.fit(X, Y, epochs=3, initial_epoch=2, verbose=0, callbacks=[callbacks.CSVLogger(path, append=True)])
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    np.testing.assert_allclose([float(row["loss"]) for row in rows[:2]], first["loss"])
    assert set(rows[0]) == {"epoch", "loss", "mae"}


def test_lambda_callback():
    events = []
    made = model()
    made.fit(X, Y, batch_size=6, epochs=2, verbose=0, callbacks=[callbacks.LambdaCallback(
        on_train_begin=lambda logs: events.append("begin"), on_epoch_end=lambda epoch, logs: events.append(epoch),
        on_batch_begin=lambda batch, logs: events.append(f"b{batch}"), on_train_end=lambda logs: events.append("end"))])
    assert events == ["begin", "b0", "b1", 0, "b0", "b1", 1, "end"]


def test_base_logger_averages_by_size():
    logger = callbacks.BaseLogger(stateful_metrics=["mae"])
    logger.set_params({"metrics": ["loss", "mae"]})
    logger.on_epoch_begin(0)
    for size, loss in ((4, 1.0), (4, 2.0), (2, 5.0)):
        logger.on_batch_end(0, {"size": size, "loss": loss, "mae": loss})
    logs = {}
    logger.on_epoch_end(0, logs)
    assert logs == {"loss": pytest.approx(2.2), "mae": 5.0}


def test_history_answers_to_both_names_of_accuracy():
    history = model(metrics=["accuracy"]).fit(X, Y, verbose=0, validation_data=(X, Y)).history
    assert history["val_acc"] == history["val_accuracy"] and list(history) == ["loss", "accuracy", "val_loss",
                                                                              "val_accuracy"]
    assert history.get("acc") == history["accuracy"] and "acc" in history and "mae" not in history
    with pytest.raises(KeyError, match="'mae' was not recorded"):
        history["mae"]


@pytest.mark.parametrize("verbose, wanted, unwanted", [
    (0, [], ["Epoch", "loss"]),
    (1, ["Epoch 2/2", "12/12", "loss: ", "val_loss: ", "12 samples"], ["\r", "ETA"]),
    (2, ["Epoch 2/2", "loss: ", "val_loss: "], ["\r", "12/12"]),
])
def test_what_a_log_file_shows(capsys, verbose, wanted, unwanted):
    model().fit(X, Y, batch_size=4, epochs=2, verbose=verbose, validation_data=(X, Y))
    text = capsys.readouterr().out
    assert all(part in text for part in wanted), text
    assert not any(part in text for part in unwanted), text
    if verbose:
        assert text.count("\n") == 5  # one line on the data, two an epoch


def test_a_terminal_sees_one_line_that_moves(monkeypatch):
    import io

    from symgraph.utils.progress import Progbar

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stdout", screen)
    bar = Progbar(10, interval=0)
    for step in range(1, 11):
        bar.update(step, [("loss", float(step))])
    text = screen.getvalue()
    assert "loss: 5.5" in text  # the mean over the steps
    assert "10/10" in text and text.endswith("\n")


def test_an_interrupted_training_ends_cleanly(tmp_path):
    path = tmp_path / "log.csv"

    class Interrupt(callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    ended = []
    made = model()
    kept = callbacks.EarlyStopping("val", patience=9, restore_best_weights=True)
    weights = []
    keep = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: weights.append(made.get_weights()),
                                    on_train_end=lambda logs: ended.append(1))
    with pytest.raises(KeyboardInterrupt):
        made.fit(X, Y, epochs=5, verbose=0,
                 callbacks=[Scripted(val=[1, 2, 3, 4, 5]), keep, kept, callbacks.CSVLogger(path), Interrupt()])
    assert made.history.epoch == [0, 1] and ended == [1] and len(path.read_text().splitlines()) == 3
    for got, want in zip(made.get_weights(), weights[0]):
        np.testing.assert_array_equal(got, want)


class Saved:
    """Stands for a model's `save` methods."""

    def __init__(self):
        self.paths = []

    def save(self, path, overwrite):
        self.paths.append(path)

    def save_weights(self, path, overwrite):
        self.paths.append(f"weights:{path}")


def test_checkpoints():
    def run(values, *args, **kwargs):
        saved = Saved()
        checkpoint = callbacks.ModelCheckpoint(*args, **kwargs)
        checkpoint.set_model(saved)
        for epoch, value in enumerate(values):
            checkpoint.on_epoch_end(epoch, {"loss": 1.0, "val_loss": value, "val_accuracy": value})
        return saved.paths

    assert run([3, 2.5, 1], "m.{epoch:02d}-{val_loss:.1f}.h5") == ["m.01-3.0.h5", "m.02-2.5.h5", "m.03-1.0.h5"]
    assert run([0.3], "{val_acc:.1f}-{val_accuracy:.1f}") == ["0.3-0.3"]
    assert run([3, 2, 2.5, 1], "m{epoch}", save_best_only=True) == ["m1", "m2", "m4"]
    assert run([0.3, 0.2, 0.5], "m{epoch}", monitor="val_acc", save_best_only=True) == ["m1", "m3"]
    assert run([3, 2, 1, 1], "m{epoch}", period=2, save_weights_only=True) == ["weights:m2", "weights:m4"]
    with pytest.raises(KeyError, match="asks for .*mae.* was not recorded.*val_loss"):
        run([1], "m-{mae}.h5")


def test_checkpoints_after_so_many_samples(tmp_path):
    paths = []

    class Checkpoint(callbacks.ModelCheckpoint):
        def _save(self, epoch, logs):
            paths.append((epoch, self._path(epoch, logs)))
            super()._save(epoch, logs)

    made = model()
    made.fit(X, Y, batch_size=4, epochs=3, verbose=0, callbacks=[
        Checkpoint(str(tmp_path / "{epoch}-{loss:.3f}.h5"), save_freq=8, save_weights_only=True)])
    assert [epoch for epoch, _ in paths] == [0, 1, 1, 2]  # after 8, 16, 24 and 32 samples of 12 an epoch
    assert sorted(str(path) for path in tmp_path.iterdir()) == sorted({path for _, path in paths})
    with pytest.raises(ValueError, match="save_freq must be"):
        callbacks.ModelCheckpoint("m", save_freq=0)


def test_remote_monitor():
    import http.server
    import json
    import threading
    import urllib.parse

    received = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):  # noqa: N802
            received.append((self.path, self.rfile.read(int(self.headers["Content-Length"])).decode()))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        root = f"http://127.0.0.1:{server.server_port}"
        for as_json in (False, True):
            model().fit(X, Y, verbose=0, callbacks=[callbacks.RemoteMonitor(root, send_as_json=as_json)])
        server.shutdown()
        thread.join()
    assert [path for path, _ in received] == ["/publish/epoch/end/"] * 2
    form = json.loads(urllib.parse.parse_qs(received[0][1])["data"][0])
    assert set(form) == set(json.loads(received[1][1])) == {"epoch", "loss"}
    with pytest.warns(UserWarning, match="Could not reach"):
        model().fit(X, Y, verbose=0, callbacks=[callbacks.RemoteMonitor("http://127.0.0.1:9")])
