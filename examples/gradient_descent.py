"""Fit a line by gradient descent with nothing but the backend: placeholders, variables, gradients, updates."""

import numpy as np

from symgraph import backend as K

generator = np.random.default_rng(0)
x_data = generator.uniform(-1, 1, (200, 1))
y_data = 3.0 * x_data - 2.0 + generator.normal(0, 0.01, (200, 1))

x = K.placeholder(shape=(None, 1), name="x")
y = K.placeholder(shape=(None, 1), name="y")
slope = K.variable(np.zeros((1, 1)), name="slope")
offset = K.variable(np.zeros((1,)), name="offset")

loss = K.mean(K.square(K.dot(x, slope) + offset - y))
weights = [slope, offset]
updates = [(weight, weight - 0.5 * gradient) for weight, gradient in zip(weights, K.gradients(loss, weights))]
step = K.function([x, y], [loss], updates=updates)

for number in range(100):
    (value,) = step([x_data, y_data])
    if number % 20 == 0:
        print(f"step {number:3d}  loss {value:.5f}")

print(f"slope {K.get_value(slope).item():.2f}, offset {K.get_value(offset).item():.2f}")
assert abs(K.get_value(slope).item() - 3.0) < 0.02 and abs(K.get_value(offset).item() + 2.0) < 0.02
