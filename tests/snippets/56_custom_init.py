# init by name; a callable(shape, name) that returns a K.variable;
# keras.initializations inside a callable. Ranges of the predefined ones.
import numpy as np
np.random.seed(43)
from keras.models import Sequential
from keras.layers import Dense

from keras import backend as K
import numpy as np

model = Sequential()
model.add(Dense(64, init='uniform', input_dim=30))

def my_init(shape, name=None):
    value = np.random.random(shape)
    return K.variable(value, name=name)

model.add(Dense(64, init=my_init))
W = model.layers[-1].get_weights()[0]
assert W.shape == (64, 64) and 0 <= W.min() and W.max() <= 1 and 0.4 < W.mean() < 0.6

from keras import initializations

def my_init(shape, name=None):
    return initializations.normal(shape, scale=0.01, name=name)

model.add(Dense(64, init=my_init))
W = model.layers[-1].get_weights()[0]
assert 0.008 < W.std() < 0.012 and abs(W.mean()) < 0.002

fan_in, fan_out = 200, 100
lim = {'uniform': 0.05, 'lecun_uniform': np.sqrt(3. / fan_in),
       'glorot_uniform': np.sqrt(6. / (fan_in + fan_out)), 'he_uniform': np.sqrt(6. / fan_in)}
std = {'normal': 0.05, 'glorot_normal': np.sqrt(2. / (fan_in + fan_out)), 'he_normal': np.sqrt(2. / fan_in)}
for name in sorted(lim):
    W = Sequential([Dense(fan_out, input_dim=fan_in, init=name)]).get_weights()[0]
    assert abs(W).max() <= lim[name] * 1.0001 and abs(W).max() > lim[name] * 0.95, name
for name in sorted(std):
    W = Sequential([Dense(fan_out, input_dim=fan_in, init=name)]).get_weights()[0]
    assert abs(W.std() / std[name] - 1) < 0.05, (name, W.std())
W = Sequential([Dense(20, input_dim=20, init='identity')]).get_weights()[0]
assert np.allclose(W, np.eye(20))
W = Sequential([Dense(20, input_dim=20, init='zero')]).get_weights()[0]
assert not W.any()
W = Sequential([Dense(20, input_dim=20, init='orthogonal')]).get_weights()[0]
g = W.dot(W.T)
assert np.allclose(g, np.eye(20) * g[0, 0], atol=1e-3)         # rows orthogonal (Keras 1 scales by 1.1)
