# The six advanced activation layers by value.
import numpy as np
np.random.seed(79)
from keras.models import Sequential
from keras.layers.advanced_activations import LeakyReLU, PReLU, ELU, ParametricSoftplus, ThresholdedReLU, SReLU
v = np.random.randn(6, 5).astype('float32') * 2


def run(layer):
    m = Sequential()
    m.add(layer)
    assert m.output_shape == (None, 5)
    return m.predict(v), [w for w in m.get_weights()]

assert np.allclose(run(LeakyReLU(alpha=0.3, input_shape=(5,)))[0], np.where(v < 0, 0.3 * v, v), atol=1e-5)
a = np.random.random(5).astype('float32')
out, w = run(PReLU(weights=[a], input_shape=(5,)))
assert np.allclose(out, np.where(v < 0, a * v, v), atol=1e-5) and w[0].shape == (5,)
assert np.allclose(run(PReLU(input_shape=(5,)))[0], np.maximum(v, 0), atol=1e-5)         # init zero
assert np.allclose(run(ELU(alpha=1.0, input_shape=(5,)))[0], np.where(v < 0, np.expm1(v), v), atol=1e-5)
out, w = run(ParametricSoftplus(alpha_init=0.2, beta_init=5.0, input_shape=(5,)))
assert np.allclose(out, 0.2 * np.log1p(np.exp(5.0 * v)), atol=1e-3) and len(w) == 2
assert np.allclose(run(ThresholdedReLU(theta=1.0, input_shape=(5,)))[0], np.where(v > 1, v, 0), atol=1e-6)
m = Sequential()
m.add(SReLU(t_left_init='zero', a_left_init='glorot_uniform', t_right_init='glorot_uniform', a_right_init='one', input_shape=(5,)))
w = m.get_weights()
assert len(w) == 4 and m.output_shape == (None, 5)
tl, al, tr, ar = w[0] - 0.2, abs(w[1]), w[2] + 0.5, w[3]     # (a negative left slope is treated differently by the two backends)
m.set_weights([tl, al, tr, ar])
tra = tl + abs(tr)
want = np.where(v < tl, tl + al * (v - tl), np.where(v >= tra, tra + ar * (v - tra), v))
assert np.allclose(m.predict(v), want, atol=1e-4)
