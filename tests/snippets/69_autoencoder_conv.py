# Convolutional autoencoder, channels first, TensorBoard callback.
# (32 samples, 1 epoch; the TensorBoard callback is used where it can be made.)
import os
import tempfile
import numpy as np
np.random.seed(55)
from keras import backend as K
getattr(K, 'set_image_dim_ordering', lambda o: K.set_image_data_format('channels_first'))('th')
from keras.layers import Input, Dense, Convolution2D, MaxPooling2D, UpSampling2D
from keras.models import Model

input_img = Input(shape=(1, 28, 28))

x = Convolution2D(16, 3, 3, activation='relu', border_mode='same')(input_img)
x = MaxPooling2D((2, 2), border_mode='same')(x)
x = Convolution2D(8, 3, 3, activation='relu', border_mode='same')(x)
x = MaxPooling2D((2, 2), border_mode='same')(x)
x = Convolution2D(8, 3, 3, activation='relu', border_mode='same')(x)
encoded = MaxPooling2D((2, 2), border_mode='same')(x)

# at this point the representation is (8, 4, 4) i.e. 128-dimensional

x = Convolution2D(8, 3, 3, activation='relu', border_mode='same')(encoded)
x = UpSampling2D((2, 2))(x)
x = Convolution2D(8, 3, 3, activation='relu', border_mode='same')(x)
x = UpSampling2D((2, 2))(x)
x = Convolution2D(16, 3, 3, activation='relu')(x)
x = UpSampling2D((2, 2))(x)
decoded = Convolution2D(1, 3, 3, activation='sigmoid', border_mode='same')(x)

autoencoder = Model(input_img, decoded)

autoencoder.compile(optimizer='adadelta', loss='binary_crossentropy')

encoder = Model(input_img, encoded)
assert encoder.output_shape == (None, 8, 4, 4), encoder.output_shape
assert autoencoder.output_shape == (None, 1, 28, 28), autoencoder.output_shape

x_train = np.random.randint(0, 255, (32, 28, 28)).astype('uint8')
x_test = x_train[:8]
x_train = x_train.astype('float32') / 255.
x_test = x_test.astype('float32') / 255.
x_train = np.reshape(x_train, (len(x_train), 1, 28, 28))
x_test = np.reshape(x_test, (len(x_test), 1, 28, 28))

logs = tempfile.mkdtemp()
callbacks = []
try:
    from keras.callbacks import TensorBoard
    callbacks = [TensorBoard(log_dir=logs)]
except Exception as e:
    print('no TensorBoard callback on this backend:', e)

hist = autoencoder.fit(x_train, x_train,
                nb_epoch=1,
                batch_size=16,
                shuffle=True,
                validation_data=(x_test, x_test),
                callbacks=callbacks)

decoded_imgs = autoencoder.predict(x_test)
assert decoded_imgs.shape == (8, 1, 28, 28) and np.isfinite(hist.history['loss'][0])
if callbacks:
    assert os.listdir(logs), 'TensorBoard wrote nothing'
# the codes, as the document reshapes them for display
codes = encoder.predict(x_test)
assert codes[0].reshape(4, 4 * 8).T.shape == (32, 4)
