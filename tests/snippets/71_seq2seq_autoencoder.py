# LSTM autoencoder (the document's LSTM(input, ...) means LSTM(input_dim, ...)).
import numpy as np
np.random.seed(57)
timesteps, input_dim, latent_dim = 6, 4, 8
from keras.layers import Input, LSTM, RepeatVector
from keras.models import Model

inputs = Input(shape=(timesteps, input_dim))
encoded = LSTM(latent_dim)(inputs)

decoded = RepeatVector(timesteps)(encoded)
decoded = LSTM(input_dim, return_sequences=True)(decoded)

sequence_autoencoder = Model(inputs, decoded)
encoder = Model(inputs, encoded)

assert sequence_autoencoder.output_shape == (None, timesteps, input_dim)
assert encoder.output_shape == (None, latent_dim)
sequence_autoencoder.compile('rmsprop', 'mse')
x = np.random.random((32, timesteps, input_dim))
a = sequence_autoencoder.train_on_batch(x, x)
for _ in range(15):
    b = sequence_autoencoder.train_on_batch(x, x)
assert np.isfinite(b) and b < a
