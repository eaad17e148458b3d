# Sparse autoencoder: an L1 activity regularizer on the code.
import numpy as np
np.random.seed(53)
from keras.layers import Input, Dense
from keras.models import Model
from keras import regularizers
x = (np.random.random((10, 784)) > 0.8)[np.random.randint(0, 10, 256)].astype('float32')

encoding_dim = 32

input_img = Input(shape=(784,))
# add a Dense layer with a L1 activity regularizer
encoded = Dense(encoding_dim, activation='relu',
                 activity_regularizer=regularizers.activity_l1(10e-5))(input_img)
decoded = Dense(784, activation='sigmoid')(encoded)

autoencoder = Model(input=input_img, output=decoded)

from keras.optimizers import SGD
autoencoder.compile(optimizer=SGD(lr=0.), loss='binary_crossentropy')
total = float(autoencoder.train_on_batch(x, x))                  # training mode: the penalty is in it
code = Model(input=input_img, output=encoded).predict(x)
p = np.clip(autoencoder.predict(x), 1e-7, 1 - 1e-7)
bce = -(x * np.log(p) + (1 - x) * np.log(1 - p)).mean()
pen = total - bce
assert pen > 0, (total, bce)
# its size: 1e-4 * sum|code| averaged over the samples (or, in some Keras 2 versions, not averaged)
s = 10e-5 * abs(code).sum()
assert min(abs(pen - s) / s, abs(pen - s / 256) / (s / 256)) < 0.05, (pen, s, s / 256)

autoencoder.compile(optimizer='adadelta', loss='binary_crossentropy')
hist = autoencoder.fit(x, x, nb_epoch=4, batch_size=64, verbose=0)
assert np.all(np.isfinite(hist.history['loss'])) and hist.history['loss'][-1] < hist.history['loss'][0]
