# "How CNNs see the world": VGG16's convolutional part as a Sequential,
# weights loaded layer by layer from an old-format HDF5 file, gradient ascent in input space.
# 128 -> 32 pixels; the weight file is one we write in the same format; scipy.misc.imsave -> PIL.
import os
import tempfile
import numpy as np
np.random.seed(51)
os.chdir(tempfile.mkdtemp())
from keras import backend as K
getattr(K, 'set_image_dim_ordering', lambda o: K.set_image_data_format('channels_first'))('th')

from keras.models import Sequential
from keras.layers import Convolution2D, ZeroPadding2D, MaxPooling2D

img_width, img_height = 32, 32

# build the VGG16 network
model = Sequential()
model.add(ZeroPadding2D((1, 1), batch_input_shape=(1, 3, img_width, img_height)))
first_layer = model.layers[-1]
# this is a placeholder tensor that will contain our generated images
input_img = first_layer.input

# build the rest of the network
model.add(Convolution2D(64, 3, 3, activation='relu', name='conv1_1'))
model.add(ZeroPadding2D((1, 1)))
model.add(Convolution2D(64, 3, 3, activation='relu', name='conv1_2'))
model.add(MaxPooling2D((2, 2), strides=(2, 2)))

model.add(ZeroPadding2D((1, 1)))
model.add(Convolution2D(128, 3, 3, activation='relu', name='conv2_1'))
model.add(ZeroPadding2D((1, 1)))
model.add(Convolution2D(128, 3, 3, activation='relu', name='conv2_2'))
model.add(MaxPooling2D((2, 2), strides=(2, 2)))

model.add(ZeroPadding2D((1, 1)))
model.add(Convolution2D(256, 3, 3, activation='relu', name='conv3_1'))
model.add(ZeroPadding2D((1, 1)))
model.add(Convolution2D(256, 3, 3, activation='relu', name='conv3_2'))
model.add(ZeroPadding2D((1, 1)))
model.add(Convolution2D(256, 3, 3, activation='relu', name='conv3_3'))
model.add(MaxPooling2D((2, 2), strides=(2, 2)))

model.add(ZeroPadding2D((1, 1)))
model.add(Convolution2D(512, 3, 3, activation='relu', name='conv4_1'))
model.add(ZeroPadding2D((1, 1)))
model.add(Convolution2D(512, 3, 3, activation='relu', name='conv4_2'))
model.add(ZeroPadding2D((1, 1)))
model.add(Convolution2D(512, 3, 3, activation='relu', name='conv4_3'))
model.add(MaxPooling2D((2, 2), strides=(2, 2)))

model.add(ZeroPadding2D((1, 1)))
model.add(Convolution2D(512, 3, 3, activation='relu', name='conv5_1'))
model.add(ZeroPadding2D((1, 1)))
model.add(Convolution2D(512, 3, 3, activation='relu', name='conv5_2'))
model.add(ZeroPadding2D((1, 1)))
model.add(Convolution2D(512, 3, 3, activation='relu', name='conv5_3'))
model.add(MaxPooling2D((2, 2), strides=(2, 2)))

# get the symbolic outputs of each "key" Layer (we gave them unique names).
layer_dict = dict([(layer.name, layer) for layer in model.layers])

assert model.output_shape == (1, 512, 1, 1) and len(model.layers) == 31
assert layer_dict['conv5_1'].output_shape == (1, 512, 2, 2)

import h5py

weights_path = 'vgg16_weights.h5'
# -- dummy weight file in the old format: layer_k/param_p, plus two layers beyond the model
with h5py.File(weights_path, 'w') as f:
    f.attrs['nb_layers'] = len(model.layers) + 2
    for k in range(len(model.layers) + 2):
        g = f.create_group('layer_{}'.format(k))
        ws = model.layers[k].get_weights() if k < len(model.layers) else [np.zeros((2, 2))]
        g.attrs['nb_params'] = len(ws)
        for p, w in enumerate(ws):
            g['param_{}'.format(p)] = w * 1.5 if w.ndim == 4 else w + 0.01

f = h5py.File(weights_path, 'r')
for k in range(f.attrs['nb_layers']):
    if k >= len(model.layers):
        # we don't look at the last (fully-connected) layers in the savefile
        break
    g = f['layer_{}'.format(k)]
    weights = [g['param_{}'.format(p)] for p in range(g.attrs['nb_params'])]
    model.layers[k].set_weights(weights)
f.close()
print('Model loaded.')

from keras import backend as K

layer_name = 'conv5_1'
filter_index = 0 # can be any integer from 0 to 511, as there are 512 filters in that layer

# build a loss function that maximizes the activation
# of the nth filter of the layer considered
layer_output = layer_dict[layer_name].output
loss = K.mean(layer_output[:, filter_index, :, :])

# compute the gradient of the input picture wrt this loss
grads = K.gradients(loss, input_img)[0] if isinstance(K.gradients(loss, input_img), list) \
    else K.gradients(loss, input_img)

# normalization trick: we normalize the gradient
grads /= (K.sqrt(K.mean(K.square(grads))) + 1e-5)

# this function returns the loss and grads given the input picture
iterate = K.function([input_img], [loss, grads])

import numpy as np

step = 1.
# we start from a gray image with some noise
input_img_data = np.random.random((1, 3, img_width, img_height)) * 20 + 128.
losses = []
# run gradient ascent for 20 steps
for i in range(20):
    loss_value, grads_value = iterate([input_img_data])
    input_img_data += grads_value * step
    losses.append(float(loss_value))

assert grads_value.shape == (1, 3, img_width, img_height) and np.all(np.isfinite(losses))
assert losses[-1] > losses[0] or losses[0] == 0, losses

# util function to convert a tensor into a valid image
def deprocess_image(x):
    # normalize tensor: center on 0., ensure std is 0.1
    x -= x.mean()
    x /= (x.std() + 1e-5)
    x *= 0.1

    # clip to [0, 1]
    x += 0.5
    x = np.clip(x, 0, 1)

    # convert to RGB array
    x *= 255
    x = x.transpose((1, 2, 0))
    x = np.clip(x, 0, 255).astype('uint8')
    return x

img = input_img_data[0]
img = deprocess_image(img)
from PIL import Image
Image.fromarray(img).save('%s_filter_%d.png' % (layer_name, filter_index))
assert img.shape == (img_width, img_height, 3) and img.dtype == np.uint8
