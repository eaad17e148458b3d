# get_config of a layer and layer_from_config (Keras 1:
# the config is a {'class_name', 'config'} dict); get/set_weights; input/output attributes.
import numpy as np
from keras.layers import Dense, Input
from keras.utils.layer_utils import layer_from_config

layer = Dense(4, activation='tanh', name='d')
i = Input(shape=(3,))
o = layer(i)
config = {'class_name': 'Dense', 'config': layer.get_config()}
new = layer_from_config(config)
assert isinstance(new, Dense) and new.name == 'd'
assert new.get_config() == layer.get_config()

assert layer.input is i and layer.output is o
assert layer.input_shape == (None, 3) and layer.output_shape == (None, 4)
assert layer.get_input_at(0) is i and layer.get_output_at(0) is o
assert layer.get_input_shape_at(0) == (None, 3) and layer.get_output_shape_at(0) == (None, 4)
W, b = layer.get_weights()
layer.set_weights([W * 2, b + 1])
assert np.allclose(layer.get_weights()[0], W * 2) and np.allclose(layer.get_weights()[1], 1)
try:
    layer.set_weights([W])
except Exception:
    pass
else:
    raise AssertionError('a wrong number of weights must raise')
