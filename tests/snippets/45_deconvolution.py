# Transposed convolution with an explicit output_shape, channels first.
import numpy as np
np.random.seed(33)
from keras import backend as K
getattr(K, 'set_image_dim_ordering', lambda o: K.set_image_data_format('channels_first'))('th')
from keras.models import Sequential
from keras.layers import Deconvolution2D

# apply a 3x3 transposed convolution with stride 1x1 and 3 output filters on a 12x12 image:
model = Sequential()
model.add(Deconvolution2D(3, 3, 3, output_shape=(None, 3, 14, 14), border_mode='valid', input_shape=(3, 12, 12)))
# output_shape will be (None, 3, 14, 14)
assert model.output_shape == (None, 3, 14, 14), model.output_shape

# apply a 3x3 transposed convolution with stride 2x2 and 3 output filters on a 12x12 image:
model = Sequential()
model.add(Deconvolution2D(3, 3, 3, output_shape=(None, 3, 25, 25), subsample=(2, 2), border_mode='valid',
input_shape=(3, 12, 12)))
model.summary()
# output_shape will be (None, 3, 25, 25)
assert model.output_shape == (None, 3, 25, 25), model.output_shape
# o = s (i - 1) + a + k - 2p with s=2, i=12, k=3, p=0, a=0
assert 2 * (12 - 1) + 0 + 3 - 0 == 25

# It is the transpose of the convolution with the same kernel: <conv(u), v> == <u, deconv(v)>.
# Concrete batch size (Theano needs it for this layer).
small = Sequential()
small.add(Deconvolution2D(2, 3, 3, output_shape=(2, 2, 7, 7), subsample=(2, 2), border_mode='valid',
                          bias=False, batch_input_shape=(2, 1, 3, 3)))
v = np.random.random((2, 1, 3, 3)).astype('float32')
y = small.predict(v, batch_size=2)
assert y.shape == (2, 2, 7, 7)
# stride 2, kernel 3: neighbouring windows overlap in one row/column; sums are preserved
W = small.get_weights()[0]
per_filter = y.sum(axis=(2, 3))                             # = (sum of the kernel) * (sum of the input)
ws = np.sort([W[:, j].sum() if W.shape[1] == 2 else W[j].sum() for j in range(2)]) if W.shape[:2] in ((1, 2), (2, 1)) \
    else np.sort(W.sum(axis=(0, 1)).ravel())
assert np.allclose(np.sort(per_filter / v.sum(axis=(1, 2, 3))[:, None], axis=1), np.stack([ws, ws]), atol=1e-4)
