# ImageDataGenerator.fit and .flow in fit_generator, and the manual
# loop (the document calls model.train there; that is train_on_batch; its `break` belongs inside).
import numpy as np
np.random.seed(37)
from keras import backend as K
getattr(K, 'set_image_dim_ordering', lambda o: K.set_image_data_format('channels_first'))('th')
from keras.preprocessing.image import ImageDataGenerator
from keras.utils import np_utils
from keras.models import Sequential
from keras.layers import Dense, Flatten, Convolution2D
nb_classes, nb_epoch = 10, 2
X_train = np.random.random((64, 3, 16, 16)).astype('float32') * 255
y_train = np.random.randint(0, 10, (64, 1))
Y_train = np_utils.to_categorical(y_train, nb_classes)
model = Sequential()
model.add(Convolution2D(4, 3, 3, activation='relu', input_shape=(3, 16, 16)))
model.add(Flatten())
model.add(Dense(nb_classes, activation='softmax'))
model.compile('sgd', 'categorical_crossentropy')

datagen = ImageDataGenerator(
    featurewise_center=True,
    featurewise_std_normalization=True,
    rotation_range=20,
    width_shift_range=0.2,
    height_shift_range=0.2,
    horizontal_flip=True)

# compute quantities required for featurewise normalization
# (std, mean, and principal components if ZCA whitening is applied)
datagen.fit(X_train)

# fits the model on batches with real-time data augmentation:
hist = model.fit_generator(datagen.flow(X_train, Y_train, batch_size=32),
                    samples_per_epoch=len(X_train), nb_epoch=nb_epoch)
assert len(hist.history['loss']) == nb_epoch and np.all(np.isfinite(hist.history['loss']))

# here's a more "manual" example
seen = 0
for e in range(nb_epoch):
    print('Epoch', e)
    batches = 0
    for X_batch, Y_batch in datagen.flow(X_train, Y_train, batch_size=32):
        loss = model.train_on_batch(X_batch, Y_batch)
        assert X_batch.shape == (32, 3, 16, 16) and Y_batch.shape == (32, 10) and np.isfinite(loss)
        seen += len(X_batch)
        batches += 1
        if batches >= len(X_train) / 32:
            # we need to break the loop by hand because
            # the generator loops indefinitely
            break
assert seen == nb_epoch * len(X_train)

plain = ImageDataGenerator(featurewise_center=True, featurewise_std_normalization=True)
plain.fit(X_train)
b = next(plain.flow(X_train, Y_train, batch_size=64, shuffle=False))[0]
assert abs(b.mean()) < 0.05 and abs(b.std() - 1) < 0.05
