# Every activation by name in Dense(512).
import numpy as np
np.random.seed(70)
from keras.models import Sequential
from keras.layers import Activation, Dense

lin = Sequential()
lin.add(Dense(512, activation = 'linear', input_shape = (784,)))
x = np.random.randn(4, 784)
z = lin.predict(x)
e = np.exp(z - z.max(1, keepdims=True))
want = {'elu': np.where(z > 0, z, np.expm1(z)),
        'selu': 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * np.expm1(z)),
        'relu': np.maximum(z, 0), 'softmax': e / e.sum(1, keepdims=True), 'softplus': np.log1p(np.exp(z)),
        'softsign': z / (1 + abs(z)), 'tanh': np.tanh(z), 'sigmoid': 1 / (1 + np.exp(-z)),
        'hard_sigmoid': np.clip(0.2 * z + 0.5, 0, 1), 'exponential': np.exp(z), 'linear': z}
for name in sorted(want):
    model = Sequential()
    model.add(Dense(512, activation = name, input_shape = (784,)))
    model.set_weights(lin.get_weights())
    assert np.allclose(model.predict(x), want[name], atol=1e-4, rtol=1e-4), name
