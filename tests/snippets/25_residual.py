# Residual connection over a convolution.
import numpy as np
np.random.seed(18)
from keras import backend as K
getattr(K, 'set_image_dim_ordering', lambda o: K.set_image_data_format('channels_first'))('th')
from keras.layers import merge, Convolution2D, Input

# input tensor for a 3-channel 256x256 image
x = Input(shape=(3, 256, 256))
# 3x3 conv with 3 output channels(same as input channels)
y = Convolution2D(3, 3, 3, border_mode='same')(x)
# this returns x + y.
z = merge([x, y], mode='sum')

from keras.models import Model
both = Model(input=x, output=[y, z])
assert both.output_shape == [(None, 3, 256, 256)] * 2
i = Input(shape=(3, 12, 12))
small = Model(input=i, output=both(i))
v = np.random.random((2, 3, 12, 12)).astype('float32')
yv, zv = small.predict(v)
assert np.allclose(zv, v + yv, atol=1e-5)
