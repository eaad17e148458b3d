"""The generated kernels of some canonical programs, stored as text: whatever changes them shows as a difference.

    python tests/backends/cpu/replay.py            compare with what is stored; the differences are printed
    python tests/backends/cpu/replay.py --write    store what is generated now: look at the difference before committing

A text has the rows of the program's tape, then each kernel once. It does not depend on the machine: the processor is
taken to be one with AVX2, the threads to be two, and nothing is compiled.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("replay")


def pretend() -> None:
    """Make this process generate for one certain machine; it must not have imported the executor yet."""
    os.environ["KERAS_BACKEND"] = "numba"
    os.environ["KERAS_HOME"] = str(FOLDER)  # no settings lie there
    from symgraph import config
    from symgraph.backends.cpu import objects, vector

    config.set_threads(2)
    config.set_exact(False)
    vector.host = lambda: vector.AVX2  # type: ignore[assignment]
    objects.compile_kernels = lambda kernels: [0] * len(list(kernels))  # type: ignore[assignment]


def _training(layers: list[Any], loss: str, optimizer: Any) -> Any:
    """The function of a training step."""
    from symgraph.models import Sequential

    model = Sequential(layers)
    model.compile(loss=loss, optimizer=optimizer)
    model._make_train_function()
    return model._functions["train", (False,)]


def _of(make: Callable[[Any, Any], Any], *shapes: tuple[int | None, ...], dtype: str = "float32") -> Any:
    """The function of some placeholders that `make(K, them)` gives: a tensor, or (a tensor, what to derive it by)."""
    from symgraph import backend

    inputs = [backend.placeholder(shape=shape, dtype=dtype) for shape in shapes]
    made = make(backend, inputs)
    return backend.function(inputs, made if isinstance(made, list) else [made])


def programs(small: bool = False) -> dict[str, Callable[[], Any]]:
    """The canonical programs: name -> function that builds one; `small`, for less data, where Python interprets it."""
    from symgraph import layers as L
    from symgraph.optimizers import SGD, Adam

    def size(usual: int, least: int) -> int:
        return least if small else usual

    def gradients(backend: Any, tensors: list[Any], value: Any) -> list[Any]:
        return [value, *backend.gradients(backend.sum(value), tensors)]

    return {
        "elementwise": lambda: _of(
            lambda K, x: K.tanh(x[0] * 1.1 + 0.3) * K.sigmoid(x[1]) + K.sqrt(K.abs(x[0]) + 1.0) - K.exp(-x[0] * x[0]),
            (None, 100), (None, 1),
        ),
        "elementwise_half": lambda: _of(lambda K, x: K.relu(x[0] + x[1]) * 2.0, (None, 7), (7,), dtype="float16"),
        "reductions": lambda: _of(
            lambda K, x: [K.sum(x[0], axis=1), K.max(x[0], axis=-1), K.mean(x[0]), K.var(x[0], axis=0), K.argmax(x[0])],
            (None, 5, 6),
        ),
        "normalise_softmax": lambda: _of(
            lambda K, x: K.softmax((x[0] - K.mean(x[0], -1, True)) / K.sqrt(K.var(x[0], -1, True) + 1e-5)),
            (None, size(1000, 100)),
        ),
        "crossentropy_gradient": lambda: _of(
            lambda K, x: gradients(K, x[1:], K.categorical_crossentropy(x[0], K.softmax(x[1]))), (None, 10), (None, 10)
        ),
        "products_float64": lambda: _of(
            lambda K, x: gradients(K, x, K.dot(x[0], x[1])), (None, 30), (30, 20), dtype="float64"
        ),
        "attention": lambda: _of(
            lambda K, x: K.batch_dot(K.softmax(K.batch_dot(x[0], x[1], axes=[2, 2])), x[2]), *[(None, 16, 32)] * 3
        ),
        "shapes": lambda: _of(
            lambda K, x: K.concatenate([K.permute_dimensions(x[0], (0, 2, 1)), K.reverse(x[1], 1)[:, 1:]], axis=1),
            (None, 4, 6), (None, 5, 4),
        ),
        "perceptron": lambda: _training(
            [L.Dense(64, activation="relu", input_shape=(20,)), L.Dense(10, activation="softmax")],
            "categorical_crossentropy", "rmsprop",
        ),
        "perceptron_clipped": lambda: _training(
            [L.Dense(48, activation="tanh", input_shape=(20,)), L.Dropout(0.5), L.Dense(1)],
            "mse", Adam(clipnorm=1.0, decay=0.01),
        ),
        "images": lambda: _training(
            [
                L.Conv2D(32, 3, activation="relu", input_shape=(size(28, 6), size(28, 6), 1)),
                L.Conv2D(64, 3, activation="relu"),
                L.MaxPooling2D(2),
                L.Flatten(),
                L.Dense(10, activation="softmax"),
            ],
            "categorical_crossentropy", "adam",
        ),
        "images_strided": lambda: _training(
            [
                L.Conv2D(16, 5, strides=2, padding="same", input_shape=(size(32, 8), size(32, 8), 3)),
                L.BatchNormalization(),
                L.Activation("relu"),
                L.SeparableConv2D(24, 3, padding="same"),
                L.AveragePooling2D(2),
                L.Conv2D(8, 1),
                L.GlobalAveragePooling2D(),
            ],
            "mse", SGD(0.01, momentum=0.9),
        ),
        "volumes": lambda: _training(
            [L.Conv3D(8, 3, input_shape=(size(8, 4),) * 3 + (2,)), L.MaxPooling3D(2), L.Flatten(), L.Dense(1)],
            "mse", "sgd",
        ),
        "words_lstm": lambda: _training(
            [L.Embedding(size(1000, 50), 32, input_length=size(20, 3)), L.LSTM(24), L.Dense(1, activation="sigmoid")],
            "binary_crossentropy", "adam",
        ),
        "masked_gru": lambda: _training(
            [L.Masking(input_shape=(size(12, 3), 8)), L.GRU(16, return_sequences=True), L.TimeDistributed(L.Dense(4))],
            "mse", "rmsprop",
        ),
        "convolution_1d": lambda: _training(
            [L.Conv1D(12, 3, dilation_rate=2, padding="causal", activation="elu", input_shape=(size(40, 9), 5)),
             L.GlobalMaxPooling1D(), L.Dense(2, activation="softmax")],
            "sparse_categorical_crossentropy", "adagrad",
        ),
    }  # fmt: skip


def text_of(function: Any) -> str:
    """The rows of a function's tape and the text of each of its kernels."""
    from symgraph.runtime.function import Function

    inner = getattr(function, "function", function)
    assert isinstance(inner, Function)
    runner = inner.example()[0].runner
    names: dict[tuple[str, str], str] = {}
    numbers: dict[str, int] = {}
    lines: list[str] = []

    def rows(which: list[Any], indent: str) -> None:
        for each in which:
            if each.call is None:
                lines.append(f"{indent}repeat")
                rows(each.body, indent + "    ")
                continue
            kernel = (each.call.source, each.call.name)
            if kernel not in names:
                numbers[each.call.name] = number = numbers.get(each.call.name, 0) + 1
                names[kernel] = each.call.name if number == 1 else f"{each.call.name} ({number})"
            label = names[kernel]
            how = "" if each.call.shared else ", on one thread"
            lines.append(f"{indent}{label}: {len(each.call.arguments)} arguments{how}")

    rows(runner.rows, "")
    for (source, _), label in names.items():
        lines += ["", f"---- {label}", source.strip("\n")]
    return "\n".join(line.rstrip() for line in "\n".join(lines).split("\n")) + "\n"


def generate() -> dict[str, str]:
    """All texts by name (in a process that has called `pretend`)."""
    return {name: text_of(build()) for name, build in programs().items()}


def stored() -> dict[str, str]:
    """The stored texts by name."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.txt"))}


def main(words: list[str]) -> int:
    """Compare or write; returns 1 where the texts differ."""
    if words not in ([], ["--write"]):
        print(__doc__, file=sys.stderr)
        return 2
    pretend()
    found, before = generate(), stored()
    if words:
        FOLDER.mkdir(exist_ok=True)
        for name in before.keys() - found.keys():
            (FOLDER / f"{name}.txt").unlink()
        for name, text in found.items():
            (FOLDER / f"{name}.txt").write_text(text, encoding="utf-8")
        return 0
    different = sorted(name for name in found.keys() | before.keys() if found.get(name) != before.get(name))
    for name in different:
        old, new = before.get(name, "").splitlines(), found.get(name, "").splitlines()
        print("\n".join(difflib.unified_diff(old, new, f"stored {name}", f"generated {name}", n=1, lineterm="")))
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
