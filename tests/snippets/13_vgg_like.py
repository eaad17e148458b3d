# VGG-like convnet, channels first. The document uses 100x100
# images; 24x24 here (SIZE), everything else as printed.
import numpy as np
np.random.seed(9)
from keras import backend as K
getattr(K, 'set_image_dim_ordering', lambda o: K.set_image_data_format('channels_first'))('th')
SIZE = 24

from keras.models import Sequential
from keras.layers import Dense, Dropout, Activation, Flatten
from keras.layers import Convolution2D, MaxPooling2D
from keras.optimizers import SGD

model = Sequential()
# input: 100x100 images with 3 channels -> (3, 100, 100) tensors.
# this applies 32 convolution filters of size 3x3 each.
model.add(Convolution2D(32, 3, 3, border_mode='valid', input_shape=(3, SIZE, SIZE)))
model.add(Activation('relu'))
model.add(Convolution2D(32, 3, 3))
model.add(Activation('relu'))
model.add(MaxPooling2D(pool_size=(2, 2)))
model.add(Dropout(0.25))

model.add(Convolution2D(64, 3, 3, border_mode='valid'))
model.add(Activation('relu'))
model.add(Convolution2D(64, 3, 3))
model.add(Activation('relu'))
model.add(MaxPooling2D(pool_size=(2, 2)))
model.add(Dropout(0.25))

model.add(Flatten())
# Note: Keras does automatic shape inference.
model.add(Dense(256))
model.add(Activation('relu'))
model.add(Dropout(0.5))

model.add(Dense(10))
model.add(Activation('softmax'))

sgd = SGD(lr=0.1, decay=1e-6, momentum=0.9, nesterov=True)
model.compile(loss='categorical_crossentropy', optimizer=sgd)

assert model.layers[0].output_shape == (None, 32, SIZE - 2, SIZE - 2)
assert [l.output_shape for l in model.layers if l.__class__.__name__ == 'Flatten'] == \
    [(None, 64 * ((((SIZE - 4) // 2) - 4) // 2) ** 2)]

X_train = np.random.random((32, 3, SIZE, SIZE)).astype('float32')
Y_train = np.eye(10)[np.random.randint(0, 10, 32)]
hist = model.fit(X_train, Y_train, batch_size=32, nb_epoch=1)
assert np.isfinite(hist.history['loss'][0])
assert model.predict(X_train[:4]).shape == (4, 10)

# what the document's own size gives, by shape inference alone
m = Sequential()
m.add(Convolution2D(32, 3, 3, border_mode='valid', input_shape=(3, 100, 100)))
assert m.output_shape == (None, 32, 98, 98)
