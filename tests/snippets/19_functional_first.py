# First functional model; a model called like a layer; TimeDistributed
# over a model.
import numpy as np
np.random.seed(15)
lab = np.random.randint(0, 10, 128)
data = np.random.randn(10, 784)[lab] + 0.1 * np.random.randn(128, 784)
labels = np.eye(10)[lab]

from keras.layers import Input, Dense
from keras.models import Model

# this returns a tensor
inputs = Input(shape=(784,))

# a layer instance is callable on a tensor, and returns a tensor
x = Dense(64, activation='relu')(inputs)
x = Dense(64, activation='relu')(x)
predictions = Dense(10, activation='softmax')(x)

# this creates a model that includes
# the Input Layer and three Dense layers
model = Model(input=inputs, output=predictions)
model.compile(optimizer='rmsprop',
              loss='categorical_crossentropy',
              metrics=['accuracy'])
hist = model.fit(data, labels) # starts training

assert len(model.layers) == 4
assert np.all(np.isfinite(hist.history['loss'])) and hist.history['loss'][-1] <= hist.history['loss'][0]
n_epochs = len(hist.history['loss'])
assert n_epochs in (1, 10), n_epochs            # Keras 1 default nb_epoch=10, Keras 2 default epochs=1

x = Input(shape=(784,))
# this works, and returns the 10-way softmax we defined above.
y = model(x)

again = Model(input=x, output=y)
assert np.allclose(again.predict(data[:8]), model.predict(data[:8]), atol=1e-5)
assert len(again.trainable_weights) == 6         # structure and weights are both reused

from keras.layers import TimeDistributed

# input tensor for sequences of 20 timesteps,
# each containing a 784-dimensional vector
input_sequences = Input(shape=(20, 784))

# this applies our previous model to every timestep in the input sequences.
# the output of the previous model was a 10-way softmax,
# so the output of the layer below will be a sequence of 20 vectors of size 10.
processed_sequences = TimeDistributed(model)(input_sequences)

seq = Model(input=input_sequences, output=processed_sequences)
assert seq.output_shape == (None, 20, 10)
s = np.random.randn(2, 20, 784)
out = seq.predict(s)
assert out.shape == (2, 20, 10)
assert np.allclose(out[1, 7], model.predict(s[1, 7:8])[0], atol=1e-4)
