# Denoising convolutional autoencoder (32 samples, 2 epochs).
import numpy as np
np.random.seed(56)
from keras import backend as K
getattr(K, 'set_image_dim_ordering', lambda o: K.set_image_data_format('channels_first'))('th')
from keras.layers import Input, Convolution2D, MaxPooling2D, UpSampling2D
from keras.models import Model

x_train = (np.random.random((32, 28, 28)) > 0.7).astype('float32')
x_test = x_train[:8]
x_train = np.reshape(x_train, (len(x_train), 1, 28, 28))
x_test = np.reshape(x_test, (len(x_test), 1, 28, 28))

noise_factor = 0.5
x_train_noisy = x_train + noise_factor * np.random.normal(loc=0.0, scale=1.0, size=x_train.shape)
x_test_noisy = x_test + noise_factor * np.random.normal(loc=0.0, scale=1.0, size=x_test.shape)

x_train_noisy = np.clip(x_train_noisy, 0., 1.)
x_test_noisy = np.clip(x_test_noisy, 0., 1.)

input_img = Input(shape=(1, 28, 28))

x = Convolution2D(32, 3, 3, activation='relu', border_mode='same')(input_img)
x = MaxPooling2D((2, 2), border_mode='same')(x)
x = Convolution2D(32, 3, 3, activation='relu', border_mode='same')(x)
encoded = MaxPooling2D((2, 2), border_mode='same')(x)

# at this point the representation is (32, 7, 7)

x = Convolution2D(32, 3, 3, activation='relu', border_mode='same')(encoded)
x = UpSampling2D((2, 2))(x)
x = Convolution2D(32, 3, 3, activation='relu', border_mode='same')(x)
x = UpSampling2D((2, 2))(x)
decoded = Convolution2D(1, 3, 3, activation='sigmoid', border_mode='same')(x)

autoencoder = Model(input_img, decoded)
autoencoder.compile(optimizer='adadelta', loss='binary_crossentropy')
assert Model(input_img, encoded).output_shape == (None, 32, 7, 7)

hist = autoencoder.fit(x_train_noisy, x_train,
               nb_epoch=2,
               batch_size=16,
               shuffle=True,
               validation_data=(x_test_noisy, x_test))

h = hist.history
assert np.all(np.isfinite(h['loss'] + h['val_loss'])) and h['loss'][-1] < h['loss'][0]
assert autoencoder.predict(x_test_noisy).shape == (8, 1, 28, 28)
