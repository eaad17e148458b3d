# The split takes
# the LAST part of the data before any shuffling; validation data are never shuffled; training
# data are reshuffled every epoch unless shuffle=False.
import numpy as np
np.random.seed(25)
from keras.models import Sequential
from keras.layers import Dense, Lambda
from keras import backend as K
from keras.callbacks import Callback

seen = []
model = Sequential()
model.add(Dense(1, input_dim=1, init='one', bias=False, trainable=False))
model.compile('sgd', 'mse')
X = np.arange(20).reshape(20, 1).astype('float32')
y = np.zeros((20, 1))


class Spy(Callback):
    def on_epoch_end(self, epoch, logs={}):
        vd = getattr(self, 'validation_data', None) or getattr(self.model, 'validation_data', None)
        if vd is not None:
            seen.append(np.array(vd[0]).ravel())

model.fit(X, y, validation_split=0.1, verbose=0, callbacks=[Spy()], **{'nb_epoch': 1})
if seen and seen[0].size:
    assert seen[0].tolist() == [18., 19.], seen[0]          # the last 10 %, in order

# order of the training samples: a metric that shows what a batch held
first = []


class Order(Callback):
    def on_batch_end(self, batch, logs={}):
        first.append(round(float(logs['loss']) ** 0.5))

model.fit(X, y, validation_split=0.1, batch_size=1, shuffle=False, verbose=0, callbacks=[Order()],
          **{'nb_epoch': 1})
assert first == list(range(18)), first
del first[:]
model.fit(X, y, validation_split=0.1, batch_size=1, shuffle=True, verbose=0, callbacks=[Order()],
          **{'nb_epoch': 2})
e1, e2 = first[:18], first[18:]
assert sorted(e1) == sorted(e2) == list(range(18))           # never a validation sample
assert e1 != list(range(18)) and e1 != e2                    # reshuffled each epoch
