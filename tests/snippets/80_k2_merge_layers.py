# The Keras 2 merge layers and their functional forms.
import numpy as np
np.random.seed(66)

import keras
input1 = keras.layers.Input(shape=(16,))
x1 = keras.layers.Dense(8, activation='relu')(input1)
input2 = keras.layers.Input(shape=(32,))
x2 = keras.layers.Dense(8, activation='relu')(input2)
added = keras.layers.Add()([x1, x2]) # equivalent to added = keras.layers.add([x1, x2])
out = keras.layers.Dense(4)(added)
model = keras.models.Model(inputs=[input1, input2], outputs=out)
assert model.output_shape == (None, 4)

# Equivalent to subtracted = keras.layers.subtract([x1, x2])
subtracted = keras.layers.Subtract()([x1, x2])
out = keras.layers.Dense(4)(subtracted)
model = keras.models.Model(inputs=[input1, input2], outputs=out)

L = keras.layers
d1, d2 = np.random.random((5, 16)), np.random.random((5, 32))
a, b = keras.models.Model([input1, input2], [x1, x2]).predict([d1, d2])


def val(t):
    return keras.models.Model([input1, input2], t).predict([d1, d2])

for layer, fn, want in ((L.Add(), L.add, a + b), (L.Subtract(), L.subtract, a - b),
                        (L.Multiply(), L.multiply, a * b), (L.Average(), L.average, (a + b) / 2),
                        (L.Maximum(), L.maximum, np.maximum(a, b)),
                        (L.Concatenate(axis=-1), L.concatenate, np.concatenate([a, b], -1)),
                        (L.Minimum(), L.minimum, np.minimum(a, b))):
    assert np.allclose(val(layer([x1, x2])), want, atol=1e-5), layer
    assert np.allclose(val(fn([x1, x2])), want, atol=1e-5), fn
d = (a * b).sum(1, keepdims=True)
r = val(L.Dot(axes=1)([x1, x2]))
assert r.shape == (5, 1) and np.allclose(r, d, atol=1e-4)               # (batch, n), (batch, n) -> (batch, 1)
assert np.allclose(val(L.dot([x1, x2], axes=-1)), d, atol=1e-4)
n = np.sqrt((a ** 2).sum(1) * (b ** 2).sum(1))[:, None]
assert np.allclose(val(L.dot([x1, x2], axes=1, normalize=True)), d / np.maximum(n, 1e-9), atol=1e-3)
for bad in (lambda: L.Add()([x1]), lambda: L.Subtract()([x1, x1, x2])):
    try:
        bad()
    except ValueError:
        pass
    else:
        raise AssertionError('wrong number of inputs must raise ValueError')
