# input_shape with one node, get_input_shape_at with two.
from keras import backend as K
getattr(K, 'set_image_dim_ordering', lambda o: K.set_image_data_format('channels_first'))('th')
from keras.layers import Input, Convolution2D

a = Input(shape=(3, 32, 32))
b = Input(shape=(3, 64, 64))

conv = Convolution2D(16, 3, 3, border_mode='same')
convded_a = conv(a)

# only one input so far, the following will work:
assert conv.input_shape == (None, 3, 32, 32)

convded_b = conv(b)
# now the `.input_shape` property wouldn't work, but this does:
assert conv.get_input_shape_at(0) == (None, 3, 32, 32)
assert conv.get_input_shape_at(1) == (None, 3, 64, 64)

assert conv.get_output_shape_at(0) == (None, 16, 32, 32)
assert conv.get_output_shape_at(1) == (None, 16, 64, 64)
for prop in ('input_shape', 'output_shape'):
    try:
        getattr(conv, prop)
    except Exception:
        pass
    else:
        raise AssertionError('%s must raise: the nodes have different shapes' % prop)
