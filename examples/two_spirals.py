"""Separate two spirals with a functional model that has two branches, then look inside it."""

import numpy as np

from symgraph import backend as K
from symgraph.layers import Concatenate, Dense, Input
from symgraph.models import Model


def spirals(samples, generator):
    """Points on two arms that turn around each other: (samples, 2) coordinates and (samples, 1) labels."""
    label = generator.integers(0, 2, samples)
    turn = np.sqrt(generator.uniform(0.05, 1, samples)) * 3 * np.pi
    angle = turn + np.pi * label
    points = np.stack([turn * np.cos(angle), turn * np.sin(angle)], axis=1) / 10
    return points + generator.normal(0, 0.01, points.shape), label[:, None]


np.random.seed(1)
generator = np.random.default_rng(1)
x_train, y_train = spirals(2000, generator)
x_test, y_test = spirals(500, generator)

point = Input(shape=(2,))
smooth = Dense(64, activation="tanh")(point)
edged = Dense(64, activation="relu")(point)
hidden = Dense(64, activation="tanh", name="hidden")(Concatenate()([smooth, edged]))
answer = Dense(1, activation="sigmoid")(Dense(32, activation="tanh")(hidden))
model = Model(inputs=point, outputs=answer)
model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=50, epochs=60, verbose=0)

loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
print(f"test accuracy {accuracy:.3f}")
assert accuracy > 0.97

look = K.function([model.input], [model.get_layer("hidden").output])
(activity,) = look([x_test])
print(f"the hidden layer gives {activity.shape[1]} numbers a point, from {activity.min():.2f} to {activity.max():.2f}")
