# The backend by hand: placeholders, variables, a few operations.
import numpy as np
np.random.seed(50)
from keras import backend as K

input = K.placeholder(shape=(2, 4, 5))
assert K.ndim(input) == 3 and K.int_shape(input) == (2, 4, 5) if hasattr(K, 'int_shape') else True
# also works:
input = K.placeholder(shape=(None, 4, 5))
assert K.ndim(input) == 3
# also works:
input = K.placeholder(ndim=3)
assert K.ndim(input) == 3

val = np.random.random((3, 4, 5))
var = K.variable(value=val)
assert np.allclose(K.eval(var), val, atol=1e-6) and K.dtype(var) == 'float32'

# all-zeros variable:
var = K.zeros(shape=(3, 4, 5))
assert not K.eval(var).any() and K.eval(var).shape == (3, 4, 5)
# all-ones:
var = K.ones(shape=(3, 4, 5))
assert (K.eval(var) == 1).all()

b0, c0, d0 = [np.random.randn(3, 4) for _ in range(3)]
b, c, d = K.variable(b0), K.variable(c0), K.variable(d0)
a = b + c * K.abs(d)
assert np.allclose(K.eval(a), b0 + c0 * abs(d0), atol=1e-5)
c = K.dot(a, K.transpose(b))
assert np.allclose(K.eval(c), (b0 + c0 * abs(d0)).dot(b0.T), atol=1e-4)
e0 = np.random.randn(2, 3, 4)
a = K.sum(K.variable(e0), axis=2)
assert np.allclose(K.eval(a), e0.sum(2), atol=1e-5)
a = K.softmax(b)
e = np.exp(b0 - b0.max(1, keepdims=True))
assert np.allclose(K.eval(a), e / e.sum(1, keepdims=True), atol=1e-5)
a = K.concatenate([b, d], axis=-1)
assert np.allclose(K.eval(a), np.concatenate([b0, d0], -1), atol=1e-6)

# the numbers the reference part gives
x = K.variable(np.array([[1, 2], [3, 4]])); y = K.variable(np.array([[5, 6], [7, 8]]))
r = K.eval(K.batch_dot(x, y, axes=1))
assert np.allclose(np.ravel(r), [17, 53]) and r.shape == (2, 1)          # line 7370
xx = K.variable(np.ones((2, 3))); yy = K.variable(np.ones((4, 3, 5)))
assert K.eval(K.dot(xx, yy)).shape == (2, 4, 5)                            # line 7362
assert K.eval(K.repeat_elements(K.variable(np.ones((2, 3, 4))), 2, axis=1)).shape == (2, 6, 4)
assert K.eval(K.repeat(K.variable(np.ones((3, 5))), 2)).shape == (3, 2, 5)
assert K.eval(K.batch_flatten(K.variable(np.ones((2, 3, 4))))).shape == (2, 12)
# one_hot of an (n)-d integer tensor
oh = K.eval(K.one_hot(K.variable(np.array([[0, 2], [1, 1]]), dtype='int32'), 3))
assert np.array_equal(oh, np.eye(3)[np.array([[0, 2], [1, 1]])])
# function with updates; gradients
v = K.variable(np.array([3.]))
p = K.placeholder(shape=(1,))
f = K.function([p], [p * v], updates=[(v, v + 1.)])
assert np.allclose(f([np.array([2.])])[0], 6) and np.allclose(K.get_value(v), 4)
g = K.gradients(K.sum(K.square(v)), [v])[0]
assert np.allclose(K.eval(g), 8)
# map / fold
e = np.random.rand(5, 3).astype('float32')
assert np.allclose(K.eval(K.map_fn(lambda t: K.sum(t), K.variable(e))), e.sum(1), atol=1e-5)
assert np.allclose(K.eval(K.foldl(lambda acc, t: acc + t, K.variable(e))), e.sum(0), atol=1e-5)
assert np.allclose(K.eval(K.foldr(lambda acc, t: acc - t, K.variable(e))), e[4] - e[3] - e[2] - e[1] - e[0], atol=1e-5)
# rnn: (last_output, outputs, new_states)
z = np.random.rand(2, 4, 3).astype('float32')
last, outs, states = K.rnn(lambda t, s: (s[0] + t, [s[0] + t]), K.variable(z), [K.variable(np.zeros((2, 3)))])
assert np.allclose(K.eval(last), z.sum(1), atol=1e-5) and np.allclose(K.eval(outs), z.cumsum(1), atol=1e-5)
assert len(states) == 1
assert K.floatx() == 'float32' and 0 < K.epsilon() < 1e-3
assert K.backend() in ('theano', 'tensorflow', 'cntk') or isinstance(K.backend(), str)
