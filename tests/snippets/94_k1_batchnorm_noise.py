# BatchNormalization: normalises a training
# batch, moving statistics, weight order; GaussianNoise / GaussianDropout only in training.
import numpy as np
np.random.seed(80)
from keras import backend as K
from keras.models import Sequential
from keras.layers import BatchNormalization, GaussianNoise, GaussianDropout, Dense
X = (np.random.randn(512, 10) * 3 + 7).astype('float32')

m = Sequential()
m.add(BatchNormalization(mode=0, momentum=0.8, input_shape=(10,)))
f = K.function([m.layers[0].input, K.learning_phase()], [m.layers[0].output])
o = f([X, 1])[0]
assert abs(o.mean(0)).max() < 1e-2 and abs(o.std(0) - 1).max() < 1e-2
g, b, mean, std = m.layers[0].get_weights()                  # [gamma, beta, mean, std]
assert np.allclose(g, 1) and np.allclose(b, 0) and np.allclose(mean, 0)
m.compile('sgd', 'mse')
m.fit(X, X, nb_epoch=12, verbose=0)
g, b, mean, var = m.layers[0].get_weights()
assert abs(mean - X.mean(0)).max() < 0.6, mean - X.mean(0)
p = m.predict(X)
s = (X - mean) / np.sqrt(var + 1e-3) * g + b
s1 = (X - mean) / np.sqrt(var + 1e-5) * g + b
s2 = (X - mean) / (var + 1e-5) * g + b                       # should running_std hold a deviation
assert min(abs(p - t).max() for t in (s, s1, s2)) < 2e-2
m.layers[0].set_weights([g * 0 + 2, b * 0 + 3, mean * 0, var * 0 + 1])
assert np.allclose(m.predict(X), X * 2 + 3, atol=0.05)

for layer, check in ((GaussianNoise(sigma=1., input_shape=(10,)), lambda t: 0.8 < (t - X).std() < 1.2),
                     (GaussianDropout(p=0.5, input_shape=(10,)), lambda t: 0.8 < (t / X).std() < 1.2 and 0.9 < (t / X).mean() < 1.1)):
    m = Sequential(); m.add(layer)
    assert np.allclose(m.predict(X), X)
    f = K.function([m.layers[0].input, K.learning_phase()], [m.layers[0].output])
    assert check(f([X, 1])[0]) and np.allclose(f([X, 0])[0], X), layer
