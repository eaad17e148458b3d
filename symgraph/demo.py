"""``symgraph demo``: a small convolutional network learns handwritten digits, from data to test accuracy."""

from __future__ import annotations

import time

import numpy as np

from symgraph import config
from symgraph.cli import CommandError

__all__ = ["REQUIRED_ACCURACY", "build_model", "load_digits", "run"]

REQUIRED_ACCURACY = 0.97


def load_digits(seed: int = 7) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Scikit-learn's 1,797 images of handwritten digits, shuffled; a fifth is kept for the test.

    # Returns
        ((x, y), (x, y)) for training and test: x (samples, 8, 8, 1) from 0 to 1, y (samples, 10) one-hot.

    # Raises
        CommandError: scikit-learn, whose package holds the images, is not installed.
    """
    try:
        from sklearn import datasets
    except ImportError as error:
        raise CommandError(
            "the demo's images come with scikit-learn, which cannot be imported "
            f"({error}); install it with: pip install 'symgraph[sklearn]'"
        ) from None
    digits = datasets.load_digits()
    order = np.random.default_rng(seed).permutation(len(digits.images))
    x = (digits.images[order, :, :, None] / 16.0).astype(config.floatx())
    y = np.eye(10, dtype=config.floatx())[digits.target[order]]
    test = len(x) // 5
    return (x[test:], y[test:]), (x[:test], y[:test])


def build_model():
    """The demo's network: two convolutions, pooling, dropout, two dense layers; compiled with Adam."""
    from symgraph.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
    from symgraph.models import Sequential

    model = Sequential(name="digits")
    model.add(Conv2D(32, (3, 3), padding="same", activation="relu", input_shape=(8, 8, 1)))
    model.add(Conv2D(32, (3, 3), activation="relu"))
    model.add(MaxPooling2D((2, 2)))
    model.add(Dropout(0.25))
    model.add(Flatten())
    model.add(Dense(64, activation="relu"))
    model.add(Dropout(0.25))
    model.add(Dense(10, activation="softmax"))
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model


def run(epochs: int = 15, seed: int = 7, verbose: int = 1) -> int:
    """Train, test, and say what to try next.

    # Arguments
        epochs: passes over the training images.
        seed: of weights, dropout masks and the order of the images.
        verbose: 1 for progress bars, 2 for one line an epoch.

    # Returns
        The exit code: 0 if the accuracy on the test images is above 0.97, else 1.
    """
    train, test = load_digits(seed)

    np.random.seed(seed)
    model = build_model()
    model.summary()
    print(f"\nTraining on {len(train[0])} images of handwritten digits, testing on {len(test[0])} others.")
    print(
        "Compiling the training step (the first time here it takes a while; kernels are then kept on disk) ...",
        flush=True,
    )
    start = time.perf_counter()
    model.train_on_batch(train[0][:1], train[1][:1])
    first = time.perf_counter() - start
    start = time.perf_counter()
    model.fit(*train, batch_size=32, epochs=epochs, validation_data=test, verbose=verbose)
    seconds = time.perf_counter() - start
    loss, accuracy = (float(value) for value in model.evaluate(*test, verbose=0))
    wrong = int(round((1.0 - accuracy) * len(test[0])))
    print(f"\nTest accuracy: {accuracy:.4f} (loss {loss:.4f}; {wrong} of {len(test[0])} images wrong)")
    print(f"Compiling and the first step took {first:.2f} s, {epochs} epochs {seconds:.1f} s.")
    learned = accuracy > REQUIRED_ACCURACY
    if not learned:
        print(f"That is not above {REQUIRED_ACCURACY}: more epochs are needed (15 are enough), or something is wrong.")
    _advise()
    return 0 if learned else 1


def _advise() -> None:
    name = config.executor_name()
    print(f"\nThis ran on the executor {name!r}. To choose another one:")
    purposes = {
        "numba": "compiled for the CPU",
        "cupy": "compiled for an NVIDIA GPU",
        "numpy": "interpreted: slow, for checking",
    }
    for other in config.known_executors():
        if other != name:
            print(f"    KERAS_BACKEND={other} symgraph demo".ljust(40) + f" # {purposes.get(other, '')}".rstrip(" #"))
    print('or write {"backend": "NAME"} into ' + f"{config.configuration_file()}; `symgraph doctor` says what can run.")
