# A custom layer with build / call / get_output_shape_for. The
# document's listing has three slips (output_dim without self., build() without its argument,
# a + in the output shape); fixed here. Also K.in_train_phase in call.
import numpy as np
np.random.seed(36)
from keras import backend as K
from keras.engine.topology import Layer
from keras.models import Sequential

class MyLayer(Layer):
    def __init__(self, output_dim, **kwargs):
        self.output_dim = output_dim
        super(MyLayer, self).__init__(**kwargs)

    def build(self, input_shape):
        input_dim = input_shape[1]
        initial_weight_value = np.random.random((input_dim, self.output_dim))
        self.W = K.variable(initial_weight_value)
        self.trainable_weights = [self.W]
        super(MyLayer, self).build(input_shape) # be sure you call this somewhere!

    def call(self, x, mask=None):
        return K.dot(x, self.W)

    def get_output_shape_for(self, input_shape):
        return (input_shape[0], self.output_dim)

model = Sequential()
model.add(MyLayer(5, input_shape=(4,)))
model.compile('sgd', 'mse')
assert model.output_shape == (None, 5) and model.layers[-1].built
x = np.random.random((6, 4))
W = model.get_weights()[0]
assert W.shape == (4, 5) and np.allclose(model.predict(x), x.dot(W), atol=1e-5)
model.train_on_batch(x, np.zeros((6, 5)))
assert not np.allclose(W, model.get_weights()[0])


class MyDropout(Layer):
    def __init__(self, p, **kwargs):
        self.p = p
        self.uses_learning_phase = True
        super(MyDropout, self).__init__(**kwargs)
        self.uses_learning_phase = True

    def call(self, x, mask=None):
        return K.in_train_phase(K.dropout(x, level=self.p), x)

m = Sequential()
m.add(MyDropout(0.5, input_shape=(50,)))
v = np.ones((20, 50))
assert np.allclose(m.predict(v), 1)                          # test phase: identity
f = K.function([m.layers[-1].input, K.learning_phase()], [m.layers[-1].output])
t = f([v, 1])[0]
assert 0.3 < (t == 0).mean() < 0.7 and np.allclose(f([v, 0])[0], 1)
