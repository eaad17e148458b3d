# get_config/from_config, to_json, to_yaml, get/set_weights.
import json
import numpy as np
np.random.seed(28)
from keras.models import Sequential, Model
from keras.layers import Dense, Input, Dropout

i = Input(shape=(4,))
o = Dense(3, activation='tanh', name='hidden')(i)
o = Dropout(0.25)(o)
model = Model(i, o)

config = model.get_config()
model2 = Model.from_config(config)
# or, for Sequential
seq = Sequential([Dense(5, input_dim=4, activation='relu'), Dense(2)])
seq2 = Sequential.from_config(seq.get_config())

x = np.random.random((6, 4))
model2.set_weights(model.get_weights())
seq2.set_weights(seq.get_weights())
assert np.allclose(model.predict(x), model2.predict(x), atol=1e-6)
assert np.allclose(seq.predict(x), seq2.predict(x), atol=1e-6)
assert all(isinstance(w, np.ndarray) for w in model.get_weights())
try:
    seq2.set_weights([w[..., :1] for w in seq.get_weights()])
except Exception:
    pass
else:
    raise AssertionError('set_weights must check shapes')

from keras.models import model_from_json

json_string = model.to_json()
model = model_from_json(json_string)

from keras.models import model_from_yaml

yaml_string = model.to_yaml()
model = model_from_yaml(yaml_string)

assert isinstance(json.loads(json_string), dict) and 'hidden' in json_string and 'hidden' in yaml_string
assert model.get_layer('hidden').output_shape == (None, 3)
assert not np.allclose(model.get_weights()[0], model2.get_weights()[0])   # architecture only
model.summary()
