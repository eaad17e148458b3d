# Conv2D with data_format='channels_first' in a functional graph, then
# MaxPooling2D((2, 2)) (which uses the global data format); Sequential with input_dim.
import numpy as np
np.random.seed(64)
from keras import backend as K
from keras.layers import Input, Conv2D, MaxPooling2D, Dense
from keras.models import Sequential, Model
n_ch, patch_height, patch_width = 3, 8, 8

inputs = Input(shape=(n_ch,patch_height,patch_width))
conv1 = Conv2D(32, (3, 3), activation='relu', padding='same',data_format='channels_first')(inputs)
assert Model(inputs, conv1).output_shape == (None, 32, 8, 8)

pool1 = MaxPooling2D((2, 2))(conv1)
m = Model(inputs, pool1)
want = (None, 32, 4, 4) if K.image_data_format() == 'channels_first' else (None, 16, 4, 8)
assert m.output_shape == want, m.output_shape
assert m.predict(np.random.random((2, 3, 8, 8))).shape == (2,) + want[1:]

model = Sequential()
# Dense(64) is a fully-connected layer with 64 hidden units.
# in the first layer, you must specify the expected input data shape:
# here, 20-dimensional vectors.
model.add(Dense(64, activation='relu', input_dim=20))
assert model.output_shape == (None, 64) and model.input_shape == (None, 20)

try:
    Model(inputs, Conv2D(4, (3, 3), strides=2, dilation_rate=2)(inputs)).predict(np.zeros((1, 3, 8, 8)))
except Exception as e:
    print('strides != 1 with dilation_rate != 1:', type(e).__name__)     # documented as incompatible
else:
    raise AssertionError('strides > 1 together with dilation_rate > 1 must raise')
