# class_weight, sample_weight,
# temporal sample weights, loss_weights.
import numpy as np
np.random.seed(84)
from keras.models import Sequential
from keras.layers import Dense, TimeDistributed
from keras.optimizers import SGD
x = np.random.random((40, 4)); lab = np.random.randint(0, 2, 40); y = np.eye(2)[lab]
m = Sequential([Dense(2, input_dim=4, activation='softmax')])
m.compile(SGD(lr=0.), 'categorical_crossentropy')
p = m.predict(x)
each = -np.log(p[np.arange(40), lab])
w = np.where(lab == 1, 3., 1.)
a = float(m.train_on_batch(x, y, class_weight={0: 1., 1: 3.}))
b = float(m.train_on_batch(x, y, sample_weight=w))
assert abs(a - b) < 1e-5 and abs(a - (each * w).mean()) < 1e-4, (a, b, (each * w).mean())
z = np.random.random(40)
z[:20] = 0
c = float(m.train_on_batch(x, y, sample_weight=z))
# Keras 1 divides by the fraction of non-zero weights, Keras 2.3 by the batch size
assert min(abs(c - (each * z).mean()), abs(c - (each * z).sum() / 20)) < 1e-4
assert abs(float(m.evaluate(x, y, batch_size=40, verbose=0, sample_weight=w)) - (each * w).mean()) < 1e-4

s = Sequential([TimeDistributed(Dense(1), input_shape=(3, 4))])
s.compile(SGD(lr=0.), 'mse', sample_weight_mode='temporal')
xs, ys = np.random.random((8, 3, 4)), np.random.random((8, 3, 1))
tw = np.random.random((8, 3)) + 0.1
e = ((s.predict(xs) - ys) ** 2)[..., 0]
l = float(s.train_on_batch(xs, ys, sample_weight=tw))
assert abs(l - (e * tw).mean()) < 1e-4, (l, (e * tw).mean())
s.compile(SGD(lr=0.), 'mse')
try:
    s.train_on_batch(xs, ys, sample_weight=tw)
except Exception:
    pass
else:
    raise AssertionError('2D weights need sample_weight_mode=temporal')
