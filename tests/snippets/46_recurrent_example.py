# The document's comment says (None, 10, 32) for LSTM(32); without
# return_sequences it is (None, 32), and the following LSTM(16) needs return_sequences=True.
import numpy as np
np.random.seed(34)
from keras.models import Sequential
from keras.layers import LSTM, GRU, SimpleRNN

# as the first layer in a Sequential model
model = Sequential()
model.add(LSTM(32, input_shape=(10, 64)))
assert model.output_shape == (None, 32)

# the following is identical:
model = Sequential()
model.add(LSTM(32, input_dim=64, input_length=10, return_sequences=True))
assert model.output_shape == (None, 10, 32)

# for subsequent layers, not need to specify the input size:
model.add(LSTM(16))
assert model.output_shape == (None, 16)
x = np.random.random((3, 10, 64))
assert model.predict(x).shape == (3, 16)
try:
    m = Sequential()
    m.add(LSTM(32, input_shape=(10, 64)))
    m.add(LSTM(16))                                   # 2D input: must raise
except Exception:
    pass
else:
    raise AssertionError('an LSTM on 2D input must raise')

# all three layers; go_backwards; unroll; consume_less: same numbers whatever the route
for cls in (SimpleRNN, GRU, LSTM):
    ref, outs = None, []
    for kw in ({}, {'unroll': True}, {'consume_less': 'mem'}, {'consume_less': 'gpu'}):
        if cls is SimpleRNN and kw.get('consume_less') == 'gpu':
            continue
        m = Sequential()
        m.add(cls(4, input_shape=(5, 3), **kw))
        w = m.get_weights()
        if ref is None:
            ref = [np.random.randn(*a.shape) * 0.3 for a in w]
            xx = np.random.random((2, 5, 3))
        if [a.shape for a in w] == [a.shape for a in ref]:
            m.set_weights(ref)
            outs.append(m.predict(xx))
    assert len(outs) >= 3
    for o in outs[1:]:
        assert np.allclose(o, outs[0], atol=1e-5), cls
    b = Sequential(); b.add(cls(4, input_shape=(5, 3), go_backwards=True)); b.set_weights(ref)
    assert np.allclose(b.predict(xx[:, ::-1]), outs[0], atol=1e-5)
