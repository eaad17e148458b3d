# Every initializer shown there, on Dense(512) over 784 inputs, with the
# formulas the document gives.
import numpy as np
np.random.seed(68)
from keras.models import Sequential
from keras.layers import Activation, Dense
from keras import initializers
fan_in, fan_out = 784, 512


def kernel(my_init):
    model = Sequential()
    model.add(Dense(512, activation = 'relu', input_shape = (784,),
       kernel_initializer = my_init))
    w = model.get_weights()[0]
    assert w.shape == (784, 512)
    return w

assert not kernel(initializers.Zeros()).any()
assert (kernel(initializers.Ones()) == 1).all()
assert not kernel(initializers.Constant(value = 0)).any()
assert (kernel(initializers.Constant(value = 5)) == 5).all()
w = kernel(initializers.RandomNormal(mean=0.0, stddev = 0.05, seed = None))
assert abs(w.mean()) < 1e-3 and abs(w.std() - 0.05) < 1e-3
w = kernel(initializers.RandomUniform(minval = -0.05, maxval = 0.05, seed = None))
assert -0.05 <= w.min() < -0.049 and 0.049 < w.max() <= 0.05
w = kernel(initializers.TruncatedNormal(mean = 0.0, stddev = 0.05, seed = None))
assert abs(w).max() <= 0.1 + 1e-6 and abs(w).max() > 0.09                    # cut at two sigma
w = kernel(initializers.VarianceScaling(scale = 1.0, mode = 'fan_in', distribution = 'normal', seed = None))
assert abs(w.std() / np.sqrt(1. / fan_in) - 1) < 0.15                        # stddev = sqrt(scale / n)
for mode, n in (('fan_in', fan_in), ('fan_out', fan_out), ('fan_avg', (fan_in + fan_out) / 2.)):
    w = kernel(initializers.VarianceScaling(scale=2.0, mode=mode, distribution='uniform'))
    lim = np.sqrt(3 * 2.0 / n)                                               # limit = sqrt(3 * scale / n)
    assert lim * 0.98 < abs(w).max() <= lim * 1.0001, mode
for f, std in ((initializers.lecun_normal, np.sqrt(1. / fan_in)),
               (initializers.glorot_normal, np.sqrt(2. / (fan_in + fan_out))),
               (initializers.he_normal, np.sqrt(2. / fan_in))):
    w = kernel(f(seed=None))
    assert abs(w.std() / std - 1) < 0.15, f
for f, lim in ((initializers.lecun_uniform, np.sqrt(3. / fan_in)),
               (initializers.glorot_uniform, np.sqrt(6. / (fan_in + fan_out))),
               (initializers.he_uniform, np.sqrt(6. / fan_in))):
    w = kernel(f(seed = None))
    assert lim * 0.98 < abs(w).max() <= lim * 1.0001, f
w = kernel(initializers.Orthogonal(gain = 1.0, seed = None))
assert np.allclose(w.T.dot(w), np.eye(512), atol=1e-4)
m = Sequential([Dense(20, input_shape=(20,), kernel_initializer=initializers.Identity(gain = 1.0))])
assert np.allclose(m.get_weights()[0], np.eye(20))
# by name
for name in ('zeros', 'ones', 'random_normal', 'random_uniform', 'truncated_normal', 'orthogonal',
             'lecun_uniform', 'lecun_normal', 'glorot_uniform', 'glorot_normal', 'he_uniform', 'he_normal'):
    assert kernel(name).shape == (784, 512)
