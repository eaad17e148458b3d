# The node concept: .output with one node, the error with two,
# get_output_at.
from keras.layers import Input, LSTM

a = Input(shape=(140, 256))

lstm = LSTM(32)
encoded_a = lstm(a)

assert lstm.output is encoded_a                       # the document writes ==

a = Input(shape=(140, 256))
b = Input(shape=(140, 256))

lstm = LSTM(32)
encoded_a = lstm(a)
encoded_b = lstm(b)

try:
    lstm.output
except Exception as e:
    print('%s: %s' % (type(e).__name__, e))
    assert 'multiple inbound nodes' in str(e), e
    assert 'get_output_at' in str(e), e
else:
    raise AssertionError('lstm.output must raise when the layer has several inbound nodes')

assert lstm.get_output_at(0) is encoded_a
assert lstm.get_output_at(1) is encoded_b
assert lstm.get_input_at(0) is a and lstm.get_input_at(1) is b
try:
    lstm.get_output_at(2)
except Exception:
    pass
else:
    raise AssertionError('there is no node 2')
assert lstm.output_shape == (None, 32)                # same shape at every node: unambiguous
