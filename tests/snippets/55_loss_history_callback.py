# A LossHistory callback; ModelCheckpoint(save_best_only).
import os
import tempfile
import numpy as np
np.random.seed(42)
os.chdir(tempfile.mkdtemp())
import keras
from keras.models import Sequential
from keras.layers import Dense, Activation
lab = np.random.randint(0, 10, 512)
X_train = np.random.randn(10, 784)[lab] + 0.5 * np.random.randn(512, 784)
Y_train = np.eye(10)[lab]
X_test, Y_test = X_train[:100], Y_train[:100]

class LossHistory(keras.callbacks.Callback):
    def on_train_begin(self, logs={}):
        self.losses = []

    def on_batch_end(self, batch, logs={}):
        self.losses.append(logs.get('loss'))

model = Sequential()
model.add(Dense(10, input_dim=784, init='uniform'))
model.add(Activation('softmax'))
model.compile(loss='categorical_crossentropy', optimizer='rmsprop')

history = LossHistory()
model.fit(X_train, Y_train, batch_size=128, nb_epoch=20, verbose=0, callbacks=[history])

print(history.losses)
# outputs
# [0.66047596406559383, 0.3547245744908703, ..., 0.25953155204159617, 0.25901699725311789]
assert len(history.losses) == 20 * 4 and np.all(np.isfinite(history.losses))
assert history.losses[-1] < history.losses[0]

from keras.callbacks import ModelCheckpoint

model = Sequential()
model.add(Dense(10, input_dim=784, init='uniform'))
model.add(Activation('softmax'))
model.compile(loss='categorical_crossentropy', optimizer='rmsprop')

'''
saves the model weights after each epoch if the validation loss decreased
'''

checkpointer = ModelCheckpoint(filepath="weights.hdf5", verbose=1, save_best_only=True)
hist = model.fit(X_train, Y_train, batch_size=128, nb_epoch=5, verbose=0, validation_data=(X_test, Y_test), callbacks=
[checkpointer])
from keras.models import load_model
best = load_model('weights.hdf5')
assert abs(best.evaluate(X_test, Y_test, verbose=0) - min(hist.history['val_loss'])) < 1e-3

# a file name with placeholders for the epoch and any logged value
ck = ModelCheckpoint('weights.{epoch:02d}-{val_loss:.2f}.hdf5', save_weights_only=True)
model.fit(X_train, Y_train, batch_size=128, nb_epoch=2, verbose=0, validation_data=(X_test, Y_test), callbacks=[ck])
names = sorted(n for n in os.listdir('.') if n.startswith('weights.0'))
assert len(names) == 2, names
