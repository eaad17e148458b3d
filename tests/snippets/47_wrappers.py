# TimeDistributed(Dense), TimeDistributed(Convolution2D),
# Bidirectional(LSTM).
import numpy as np
np.random.seed(35)
from keras import backend as K
getattr(K, 'set_image_dim_ordering', lambda o: K.set_image_data_format('channels_first'))('th')
from keras.models import Sequential
from keras.layers import TimeDistributed, Bidirectional, Dense, Activation, LSTM, Convolution2D

# as the first layer in a model
model = Sequential()
model.add(TimeDistributed(Dense(8), input_shape=(10, 16)))
# now model.output_shape == (None, 10, 8)
assert model.output_shape == (None, 10, 8)
v = np.random.random((32, 10, 16))
p = model.predict(v)
assert p.shape == (32, 10, 8)
W, b = model.get_weights()
assert np.allclose(p, v.dot(W) + b, atol=1e-4)

# subsequent layers: no need for input_shape
model.add(TimeDistributed(Dense(32)))
# now model.output_shape == (None, 10, 32)
assert model.output_shape == (None, 10, 32)

model = Sequential()
model.add(TimeDistributed(Convolution2D(64, 3, 3), input_shape=(10, 3, 299, 299)))
assert model.output_shape == (None, 10, 64, 297, 297)

model = Sequential()
model.add(Bidirectional(LSTM(10, return_sequences=True), input_shape=(5, 10)))
model.add(Bidirectional(LSTM(10)))
model.add(Dense(5))
model.add(Activation('softmax'))
model.compile(loss='categorical_crossentropy', optimizer='rmsprop')
assert model.layers[0].output_shape == (None, 5, 20) and model.layers[1].output_shape == (None, 20)
x = np.random.random((16, 5, 10)); y = np.eye(5)[np.random.randint(0, 5, 16)]
a = model.train_on_batch(x, y)
for _ in range(10):
    c = model.train_on_batch(x, y)
assert np.isfinite(a) and c < a

# merge modes of Bidirectional
base = LSTM(4, return_sequences=True)
w = None
vals = {}
for mode in ('sum', 'mul', 'ave', 'concat'):
    m = Sequential()
    m.add(Bidirectional(LSTM(4, return_sequences=True), merge_mode=mode, input_shape=(5, 10)))
    w = w or m.get_weights()
    m.set_weights(w)
    vals[mode] = m.predict(x)
f, r = vals['concat'][..., :4], vals['concat'][..., 4:]
assert np.allclose(vals['sum'], f + r, atol=1e-5) and np.allclose(vals['mul'], f * r, atol=1e-5)
assert np.allclose(vals['ave'], (f + r) / 2, atol=1e-5)
