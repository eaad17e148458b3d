# compile() with names, and custom metrics: a
# function, and a function that returns a dict of tensors.
import numpy as np
np.random.seed(3)
from keras.models import Sequential
from keras.layers import Dense


def net(n, act):
    m = Sequential()
    m.add(Dense(n, input_dim=8, activation=act))
    return m

x = np.random.random((40, 8))
yb = np.random.randint(2, size=(40, 1))
yc = np.eye(3)[np.random.randint(3, size=40)]

# for a multi-class classification problem
model = net(3, 'softmax')
model.compile(optimizer='rmsprop',
              loss='categorical_crossentropy',
              metrics=['accuracy'])
r = model.evaluate(x, yc, verbose=0)
assert len(r) == 2 and model.metrics_names in (['loss', 'acc'], ['loss', 'accuracy'])

# for a binary classification problem
model = net(1, 'sigmoid')
model.compile(optimizer='rmsprop',
              loss='binary_crossentropy',
              metrics=['accuracy'])
r = model.evaluate(x, yb, verbose=0)
p = model.predict(x)
assert abs(r[1] - np.mean((p > 0.5) == yb)) < 1e-5

# for a mean squared error regression problem
model = net(1, 'linear')
model.compile(optimizer='rmsprop',
              loss='mse')
r = model.evaluate(x, yb, verbose=0)
assert np.ndim(r) == 0 and abs(r - np.mean((model.predict(x) - yb) ** 2)) < 1e-4

# for custom metrics
import keras.backend as K

def mean_pred(y_true, y_pred):
    return K.mean(y_pred)

def false_rates(y_true, y_pred):
    pos = K.round(y_pred)                      # the document leaves the two values open ("...")
    false_neg = K.mean(y_true * (1. - pos))
    false_pos = K.mean((1. - y_true) * pos)
    return {
        'false_neg': false_neg,
        'false_pos': false_pos,
    }

model = net(1, 'sigmoid')
model.compile(optimizer='rmsprop',
              loss='binary_crossentropy',
              metrics=['accuracy', mean_pred, false_rates])
names = model.metrics_names
vals = dict(zip(names, model.evaluate(x, yb, batch_size=40, verbose=0)))
p = model.predict(x, batch_size=40)
key = [n for n in names if n.endswith('mean_pred')][0]
assert abs(vals[key] - p.mean()) < 1e-4
fn = [n for n in names if n.endswith('false_neg')][0]
fp = [n for n in names if n.endswith('false_pos')][0]
assert abs(vals[fn] - np.mean(yb * (p <= 0.5))) < 1e-4
assert abs(vals[fp] - np.mean((1 - yb) * (p > 0.5))) < 1e-4
