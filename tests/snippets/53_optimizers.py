# Each optimizer: documented defaults,
# one step decreases a quadratic, clipnorm / clipvalue.
import numpy as np
np.random.seed(40)
from keras import backend as K
from keras.models import Sequential
from keras.layers import Dense, Activation
from keras.optimizers import SGD, RMSprop, Adagrad, Adadelta, Adam, Adamax, Nadam

model = Sequential()
model.add(Dense(64, init='uniform', input_dim=10))
model.add(Activation('tanh'))
model.add(Activation('softmax'))

sgd = SGD(lr=0.01, decay=1e-6, momentum=0.9, nesterov=True)
model.compile(loss='mean_squared_error', optimizer=sgd)
model.train_on_batch(np.random.random((4, 10)), np.random.random((4, 64)))

# pass optimizer by name: default parameters will be used
model.compile(loss='mean_squared_error', optimizer='sgd')
assert abs(float(K.get_value(model.optimizer.lr)) - 0.01) < 1e-8

x = np.random.random((64, 5)); y = x.sum(1, keepdims=True)
for opt in (SGD(lr=0.05), SGD(lr=0.02, momentum=0.9), SGD(lr=0.02, momentum=0.9, nesterov=True),
            RMSprop(lr=0.01), Adagrad(lr=0.05), Adadelta(lr=1.0), Adam(lr=0.01), Adamax(lr=0.01),
            Nadam(lr=0.01)):
    np.random.seed(0)
    m = Sequential()
    m.add(Dense(1, input_dim=5))
    m.set_weights([np.ones((5, 1)) * 0.2, np.zeros(1)])
    m.compile(loss='mse', optimizer=opt)
    first = m.train_on_batch(x, y)
    for _ in range(20):
        last = m.train_on_batch(x, y)
    assert np.isfinite(last) and last < first, (opt, first, last)

# documented defaults
d = SGD(); assert abs(float(K.get_value(d.lr)) - 0.01) < 1e-7 and float(K.get_value(d.momentum)) == 0 and not d.nesterov
d = RMSprop(); assert abs(float(K.get_value(d.lr)) - 0.001) < 1e-7 and abs(float(K.get_value(d.rho)) - 0.9) < 1e-6
d = Adam(); assert abs(float(K.get_value(d.beta_1)) - 0.9) < 1e-6 and abs(float(K.get_value(d.beta_2)) - 0.999) < 1e-6
d = Nadam(); assert abs(d.schedule_decay - 0.004) < 1e-9

# all parameter gradients will be clipped to
# a maximum norm of 1.
sgd = SGD(lr=0.01, clipnorm=1.)
m = Sequential([Dense(1, input_dim=5, bias=False)])
m.compile(loss='mse', optimizer=sgd)
w0 = m.get_weights()[0]
m.train_on_batch(x * 100, y * 1e4)
step = m.get_weights()[0] - w0
assert abs(np.linalg.norm(step) - 0.01) < 1e-5, np.linalg.norm(step)

# all parameter gradients will be clipped to
# a maximum value of 0.5 and
# a minimum value of -0.5.
sgd = SGD(lr=0.01, clipvalue=0.5)
m = Sequential([Dense(1, input_dim=5, bias=False)])
m.compile(loss='mse', optimizer=sgd)
w0 = m.get_weights()[0]
m.train_on_batch(x * 100, y * 1e4)
step = m.get_weights()[0] - w0
assert np.allclose(np.abs(step), 0.005, atol=1e-6), step
