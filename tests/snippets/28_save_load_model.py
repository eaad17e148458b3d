# model.save / load_model (architecture, weights, compile state,
# optimizer state), JSON, YAML, weight files.
import os
import tempfile
import numpy as np
np.random.seed(21)
os.chdir(tempfile.mkdtemp())
from keras.models import Sequential
from keras.layers import Dense

x = np.random.random((32, 5)); y = np.random.random((32, 3))
model = Sequential()
model.add(Dense(4, input_dim=5, activation='tanh'))
model.add(Dense(3))
model.compile(optimizer='rmsprop', loss='mse', metrics=['accuracy'])
model.train_on_batch(x, y)
ref = model.predict(x)

from keras.models import load_model

model.save('my_model.h5') # creates a HDF5 file 'my_model.h5'
keep = model
del model # deletes the existing model

# returns a compiled model
# identical to the previous one
model = load_model('my_model.h5')

assert np.allclose(model.predict(x), ref, atol=1e-6)
a = keep.train_on_batch(x, y)
b = model.train_on_batch(x, y)                     # compiled; and the optimizer went on from its state
assert np.allclose(a, b, atol=1e-5)
for u, v in zip(keep.get_weights(), model.get_weights()):
    assert np.allclose(u, v, atol=1e-5)

# save as JSON
json_string = model.to_json()

# save as YAML
yaml_string = model.to_yaml()

# model reconstruction from JSON:
from keras.models import model_from_json
w = model.get_weights()
model = model_from_json(json_string)
assert model.output_shape == (None, 3) and len(model.get_weights()) == 4

# model reconstruction from YAML
from keras.models import model_from_yaml
model2 = model_from_yaml(yaml_string)
assert model2.output_shape == (None, 3)

model.set_weights(w)
model.save_weights('my_model_weights.h5')
model2.load_weights('my_model_weights.h5')
for u, v in zip(w, model2.get_weights()):
    assert np.allclose(u, v)
model.load_weights('my_model_weights.h5', by_name=True)
import json
assert json.loads(json_string)['class_name'] == 'Sequential'
