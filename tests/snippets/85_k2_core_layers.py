# Dense, Flatten, Input, Reshape, Permute, RepeatVector in Keras 2 form.
import numpy as np
np.random.seed(71)
from keras import backend as K
K.set_image_data_format('channels_first')        # the Flatten example assumes it
from keras.models import Sequential, Model
from keras.layers import Dense, Conv2D, Flatten, Input, Reshape, Permute, RepeatVector

# First layer in the sequential model:
model = Sequential()
model.add(Dense(32, input_shape=(16,)))
# The model takes the input as arrays of shape (*, 16) and output arrays of shape (*, 32)
# After the first layer, you don't need to specify the size of the input:
model.add(Dense(32))
assert model.input_shape == (None, 16) and model.output_shape == (None, 32)
# an input of rank > 2: (batch, ..., input_dim) -> (batch, ..., units)
m = Sequential([Dense(7, input_shape=(5, 3))])
assert m.output_shape == (None, 5, 7)
v = np.random.random((2, 5, 3)); W, b = m.get_weights()
assert np.allclose(m.predict(v), v.dot(W) + b, atol=1e-5)

model = Sequential()
model.add(Conv2D(64, (3, 3),
                 input_shape=(3, 32, 32), padding='same',))
# Now: model.output_shape == (None, 64, 32, 32)
assert model.output_shape == (None, 64, 32, 32)

model.add(Flatten())
# Now: model.output_shape == (None, 65536)
assert model.output_shape == (None, 65536)

# Logistic regression in Keras
x = Input(shape=(32,))
y = Dense(16, activation='softmax')(x)
model = Model(x, y)
assert model.output_shape == (None, 16)
assert x._keras_shape == (None, 32) and x._keras_history[0].name.startswith('input')
assert Input(batch_shape=(10, 32))._keras_shape == (10, 32)
assert K.dtype(Input(shape=(3,), dtype='int32')) == 'int32'

# First layer in a Sequential model
model = Sequential()
model.add(Reshape((3, 4), input_shape=(12,)))
# Now: model.output_shape == (None, 3, 4)
# Note: Here `None` represents the batch dimension
assert model.output_shape == (None, 3, 4)

# An intermediate layer in a Sequential model
model.add(Reshape((6, 2)))
# Now: model.output_shape == (None, 6, 2)
assert model.output_shape == (None, 6, 2)

# It also supports shape inference using `-1` as a dimension
model.add(Reshape((-1, 2, 2)))
# Now: model.output_shape == (None, 3, 2, 2)
assert model.output_shape == (None, 3, 2, 2)
v = np.arange(24).reshape(2, 12).astype('float32')
assert np.array_equal(model.predict(v), v.reshape(2, 3, 2, 2))

model = Sequential()
model.add(Permute((2, 1), input_shape=(10, 64)))
# now: model.output_shape == (None, 64, 10)
# note: `None` is the batch dimension
assert model.output_shape == (None, 64, 10)

model = Sequential()
model.add(Dense(32, input_dim=32))
# now: model.output_shape == (None, 32)
# note: `None` is the batch dimension
assert model.output_shape == (None, 32)

model.add(RepeatVector(3))
# now: model.output_shape == (None, 3, 32)
assert model.output_shape == (None, 3, 32)
