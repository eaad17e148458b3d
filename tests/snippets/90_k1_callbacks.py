# The six hooks and their logs,
# LearningRateScheduler, ReduceLROnPlateau, CSVLogger, LambdaCallback, EarlyStopping.
import os
import tempfile
import numpy as np
np.random.seed(76)
os.chdir(tempfile.mkdtemp())
from keras import backend as K
from keras import callbacks
from keras.models import Sequential
from keras.layers import Dense
x = np.random.random((20, 4)); y = np.eye(2)[np.random.randint(0, 2, 20)]


def net():
    m = Sequential()
    m.add(Dense(2, input_dim=4, activation='softmax'))
    m.compile('sgd', 'categorical_crossentropy', metrics=['accuracy'])
    return m

calls = []


class Spy(callbacks.Callback):
    def on_train_begin(self, logs={}):
        calls.append('train_begin')
        assert self.model is not None and 'batch_size' in self.params

    def on_train_end(self, logs={}):
        calls.append('train_end')

    def on_epoch_begin(self, epoch, logs={}):
        calls.append('epoch_begin %d' % epoch)

    def on_epoch_end(self, epoch, logs={}):
        calls.append('epoch_end %d' % epoch)
        keys = set(logs)
        assert {'loss', 'val_loss'} <= keys and ({'acc', 'val_acc'} <= keys or {'accuracy', 'val_accuracy'} <= keys), keys

    def on_batch_begin(self, batch, logs={}):
        calls.append('batch_begin %d' % batch)
        assert logs['size'] in (8, 4)

    def on_batch_end(self, batch, logs={}):
        calls.append('batch_end %d' % batch)
        assert 'loss' in logs and ('acc' in logs or 'accuracy' in logs)

net().fit(x, y, batch_size=8, nb_epoch=2, verbose=0, validation_data=(x, y), callbacks=[Spy()])
one = ['batch_%s %d' % (w, b) for b in range(3) for w in ('begin', 'end')]
assert calls == ['train_begin'] + sum([['epoch_begin %d' % e] + one + ['epoch_end %d' % e] for e in range(2)], []) + ['train_end'], calls

m = net()
rates = []
m.fit(x, y, nb_epoch=3, verbose=0, callbacks=[
    callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1)),
    callbacks.LambdaCallback(on_epoch_end=lambda e, l: rates.append(float(K.get_value(m.optimizer.lr))))])
assert np.allclose(rates, [0.1, 0.05, 0.1 / 3], atol=1e-6), rates

m = net()
m.fit(x, y, nb_epoch=6, verbose=0, validation_data=(x, y), callbacks=[
    callbacks.ReduceLROnPlateau(monitor='val_loss', factor=0.1, epsilon=10, patience=1, cooldown=0)
    if 'epsilon' in callbacks.ReduceLROnPlateau.__init__.__code__.co_varnames else
    callbacks.ReduceLROnPlateau(monitor='val_loss', factor=0.1, min_delta=10, patience=1, cooldown=0)])
assert float(K.get_value(m.optimizer.lr)) < 0.01 * 0.5

m = net()
m.fit(x, y, nb_epoch=3, verbose=0, callbacks=[callbacks.CSVLogger('log.csv', separator=',')])
rows = open('log.csv').read().strip().splitlines()
assert len(rows) == 4 and 'epoch' in rows[0] and 'loss' in rows[0]
h = net().fit(x, y, nb_epoch=2, verbose=0)
assert isinstance(h, callbacks.History) and h.epoch == [0, 1] and len(h.history['loss']) == 2
