# Masking before an LSTM with per-sample masked steps,
# noise_shape of Dropout, SpatialDropout1D/2D/3D, ActivityRegularization.
import numpy as np
np.random.seed(73)
from keras import backend as K
K.set_image_data_format('channels_last')
from keras.models import Sequential
from keras.layers import (Masking, LSTM, Dropout, SpatialDropout1D, SpatialDropout2D, SpatialDropout3D,
                          ActivityRegularization, Dense)
timesteps, features = 7, 3
x = np.random.random((4, timesteps, features)).astype('float32')
# set x[0, 3, :] = 0. and x[2, 5, :] = 0.
x[0, 3, :] = 0.
x[2, 5, :] = 0.

model = Sequential()
model.add(Masking(mask_value=0., input_shape=(timesteps, features)))
model.add(LSTM(32))

ref = Sequential()
ref.add(LSTM(32, input_shape=(timesteps - 1, features)))
ref.set_weights(model.get_weights())
p = model.predict(x)
assert np.allclose(p[0:1], ref.predict(np.delete(x[0:1], 3, 1)), atol=1e-5)
assert np.allclose(p[2:3], ref.predict(np.delete(x[2:3], 5, 1)), atol=1e-5)


def train_mode(layer, shape):
    m = Sequential([layer])
    f = K.function([m.layers[0].input, K.learning_phase()], [m.layers[0].output])
    v = np.ones(shape, 'float32')
    assert np.allclose(m.predict(v), v)                             # test phase: identity
    return f([v, 1])[0]

t = train_mode(SpatialDropout1D(0.5, input_shape=(6, 40)), (3, 6, 40))
assert all(len(np.unique(t[i, :, c])) == 1 for i in range(3) for c in range(40)) and 0.2 < (t == 0).mean() < 0.8
t = train_mode(SpatialDropout2D(0.5, data_format='channels_last', input_shape=(4, 5, 40)), (3, 4, 5, 40))
assert all(len(np.unique(t[i, :, :, c])) == 1 for i in range(3) for c in range(40))
t = train_mode(SpatialDropout3D(0.5, data_format='channels_first', input_shape=(40, 2, 3, 4)), (3, 40, 2, 3, 4))
assert all(len(np.unique(t[i, c])) == 1 for i in range(3) for c in range(40))
t = train_mode(Dropout(0.5, noise_shape=(3, 1, 40), input_shape=(6, 40)), (3, 6, 40))
assert np.allclose(t, t[:, :1]) and 0.2 < (t == 0).mean() < 0.8     # the same mask at every timestep

m = Sequential([Dense(5, input_dim=4), ActivityRegularization(l1=0.1, l2=0.2)])
m.compile('sgd', 'mse')
v = np.random.randn(8, 4)
out = m.predict(v)
loss = m.evaluate(v, out, batch_size=8, verbose=0)                  # mse is 0: only the penalty is left
full = 0.1 * abs(out).sum() + 0.2 * (out ** 2).sum()
assert min(abs(loss - full), abs(loss - full / 8)) < 1e-3 * full, (loss, full, full / 8)
