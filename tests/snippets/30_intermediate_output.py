# K.function for an intermediate output, with and without
# K.learning_phase(); and the functional way (a second Model on the same tensors).
import numpy as np
np.random.seed(23)
from keras.models import Sequential, Model
from keras.layers import Dense, Dropout, Activation, Input

model = Sequential()
model.add(Dense(8, input_dim=6))
model.add(Activation('relu'))
model.add(Dense(5))
model.add(Activation('tanh'))
X = np.random.random((16, 6)).astype('float32')

from keras import backend as K

# with a Sequential model
get_3rd_layer_output = K.function([model.layers[0].input],
                                   [model.layers[3].output])
layer_output = get_3rd_layer_output([X])[0]
assert layer_output.shape == (16, 5)
assert np.allclose(layer_output, model.predict(X), atol=1e-5)

model = Sequential()
model.add(Dense(8, input_dim=6))
model.add(Activation('relu'))
model.add(Dense(50, activation='sigmoid'))
model.add(Dropout(0.5))

get_3rd_layer_output = K.function([model.layers[0].input, K.learning_phase()],
                                   [model.layers[3].output])

# output in test mode = 0
layer_output = get_3rd_layer_output([X, 0])[0]
test_mode = layer_output

# output in train mode = 1
layer_output = get_3rd_layer_output([X, 1])[0]

assert np.allclose(test_mode, model.predict(X), atol=1e-5)
zeros = np.mean(layer_output == 0)
assert 0.3 < zeros < 0.7, zeros                       # dropout is on
kept = layer_output != 0
assert np.allclose(layer_output[kept], 2 * test_mode[kept], atol=1e-4)   # scaled by 1/(1-p)

inputs = Input(shape=(784,))
encoded = Dense(32, activation='relu')(inputs)
decoded = Dense(784)(encoded)
model = Model(input=inputs, output=decoded)

X = np.random.random((10, 784))
encoder = Model(input=inputs, output=encoded)
X_encoded = encoder.predict(X)
assert X_encoded.shape == (10, 32) and (X_encoded >= 0).all()
W, b = model.layers[1].get_weights()
assert np.allclose(X_encoded, np.maximum(X.dot(W) + b, 0), atol=1e-4)
