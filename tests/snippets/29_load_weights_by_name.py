# load_weights(by_name=True) into a partly different architecture.
import os
import tempfile
import numpy as np
np.random.seed(22)
from keras.models import Sequential
from keras.layers import Dense
fname = os.path.join(tempfile.mkdtemp(), 'w.h5')

model = Sequential()
model.add(Dense(2, input_dim=3, name="dense_1"))
model.add(Dense(3, name="dense_2"))
model.save_weights(fname)
first = model

# new model
model = Sequential()
model.add(Dense(2, input_dim=3, name="dense_1")) # will be loaded
model.add(Dense(10, name="new_dense")) # will not be loaded
before = model.layers[1].get_weights()

# Load weights from first model; will only affect the first layer, dense_1.
model.load_weights(fname, by_name=True)

assert np.allclose(model.layers[0].get_weights()[0], first.layers[0].get_weights()[0])
assert np.allclose(model.layers[1].get_weights()[0], before[0])
# (Loading by position into other shapes: TensorFlow raised; Keras 1.1.2 on Theano did not check.)
