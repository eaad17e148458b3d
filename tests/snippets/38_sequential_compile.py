# compile, evaluate returns and metrics_names.
import numpy as np
np.random.seed(29)
from keras.models import Sequential
from keras.layers import Dense
model = Sequential()
model.add(Dense(32, input_shape=(500,)))
model.add(Dense(10, activation='softmax'))
model.compile(optimizer='rmsprop',
              loss='categorical_crossentropy',
              metrics=['accuracy'])
x = np.random.random((20, 500)); y = np.eye(10)[np.random.randint(0, 10, 20)]
r = model.evaluate(x, y, verbose=0)
assert isinstance(r, list) and len(r) == len(model.metrics_names) == 2 and model.metrics_names[0] == 'loss'
t = model.test_on_batch(x, y)
assert np.allclose(t, r, atol=1e-4)
p = model.predict_on_batch(x)
assert p.shape == (20, 10) and np.allclose(p, model.predict(x), atol=1e-5)
want = -np.log(p[np.arange(20), y.argmax(1)]).mean()
assert abs(r[0] - want) < 1e-3
