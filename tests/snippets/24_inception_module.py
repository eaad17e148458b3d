# Inception module ('same' pooling with stride 1, concat on channels).
import numpy as np
from keras import backend as K
getattr(K, 'set_image_dim_ordering', lambda o: K.set_image_data_format('channels_first'))('th')
from keras.layers import merge, Convolution2D, MaxPooling2D, Input

input_img = Input(shape=(3, 256, 256))

tower_1 = Convolution2D(64, 1, 1, border_mode='same', activation='relu')(input_img)
tower_1 = Convolution2D(64, 3, 3, border_mode='same', activation='relu')(tower_1)

tower_2 = Convolution2D(64, 1, 1, border_mode='same', activation='relu')(input_img)
tower_2 = Convolution2D(64, 5, 5, border_mode='same', activation='relu')(tower_2)

tower_3 = MaxPooling2D((3, 3), strides=(1, 1), border_mode='same')(input_img)
tower_3 = Convolution2D(64, 1, 1, border_mode='same', activation='relu')(tower_3)

output = merge([tower_1, tower_2, tower_3], mode='concat', concat_axis=1)

from keras.models import Model
model = Model(input=input_img, output=output)
assert model.output_shape == (None, 192, 256, 256)
# the same module at a size that runs in seconds
i = Input(shape=(3, 16, 16))
small = Model(input=i, output=model(i))
assert small.predict(np.random.random((2, 3, 16, 16))).shape == (2, 192, 16, 16)
