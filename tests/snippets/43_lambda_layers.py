# Lambda: x**2 and the
# antirectifier with an explicit output-shape function.
import numpy as np
np.random.seed(32)
from keras import backend as K
from keras.models import Sequential
from keras.layers import Lambda, Dense

# add a x -> x^2 layer
model = Sequential()
model.add(Dense(4, input_dim=4))
model.add(Lambda(lambda x: x ** 2))
v = np.random.randn(5, 4)
d = Sequential([model.layers[0]])
assert model.output_shape == (None, 4)
assert np.allclose(model.predict(v), d.predict(v) ** 2, atol=1e-5)

# add a layer that returns the concatenation
# of the positive part of the input and
# the opposite of the negative part
def antirectifier(x):
    x -= K.mean(x, axis=1, keepdims=True)
    x = K.l2_normalize(x, axis=1)
    pos = K.relu(x)
    neg = K.relu(-x)
    return K.concatenate([pos, neg], axis=1)

def antirectifier_output_shape(input_shape):
    shape = list(input_shape)
    assert len(shape) == 2 # only valid for 2D tensors
    shape[-1] *= 2
    return tuple(shape)

model = Sequential()
model.add(Dense(6, input_dim=4))
model.add(Lambda(antirectifier, output_shape=antirectifier_output_shape))
assert model.output_shape == (None, 12)
z = Sequential([model.layers[0]]).predict(v)
z = z - z.mean(1, keepdims=True)
z /= np.sqrt((z ** 2).sum(1, keepdims=True))
assert np.allclose(model.predict(v), np.concatenate([np.maximum(z, 0), np.maximum(-z, 0)], 1), atol=1e-4)
model.add(Dense(1))
model.compile('sgd', 'mse')
assert np.isfinite(model.train_on_batch(v, np.ones((5, 1))))    # gradients pass through

# extra keyword arguments
model = Sequential()
model.add(Lambda(lambda x, k: x * k, arguments={'k': 3.}, input_shape=(4,), output_shape=(4,)))
assert np.allclose(model.predict(v), 3 * v, atol=1e-5)
