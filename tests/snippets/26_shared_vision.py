# A vision model reused on two digits.
import numpy as np
np.random.seed(19)
from keras import backend as K
getattr(K, 'set_image_dim_ordering', lambda o: K.set_image_data_format('channels_first'))('th')
from keras.layers import merge, Convolution2D, MaxPooling2D, Input, Dense, Flatten
from keras.models import Model

# first, define the vision modules
digit_input = Input(shape=(1, 27, 27))
x = Convolution2D(64, 3, 3)(digit_input)
x = Convolution2D(64, 3, 3)(x)
x = MaxPooling2D((2, 2))(x)
out = Flatten()(x)

vision_model = Model(digit_input, out)

# then define the tell-digits-apart model
digit_a = Input(shape=(1, 27, 27))
digit_b = Input(shape=(1, 27, 27))

# the vision model will be shared, weights and all
out_a = vision_model(digit_a)
out_b = vision_model(digit_b)

concatenated = merge([out_a, out_b], mode='concat')
out = Dense(1, activation='sigmoid')(concatenated)

classification_model = Model([digit_a, digit_b], out)

assert vision_model.output_shape == (None, 64 * 11 * 11)
assert len(classification_model.trainable_weights) == 6
classification_model.compile('rmsprop', 'binary_crossentropy')
a = np.random.random((8, 1, 27, 27)); b = np.random.random((8, 1, 27, 27))
y = np.random.randint(0, 2, (8, 1))
w0 = vision_model.get_weights()[0].copy()
l = classification_model.train_on_batch([a, b], y)
assert np.isfinite(l)
assert not np.allclose(w0, vision_model.get_weights()[0])     # trained through the other model
