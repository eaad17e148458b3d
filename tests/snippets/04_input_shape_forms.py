# Three strictly equivalent ways to give the first layer its input
# shape, for Dense and for LSTM.
from keras.models import Sequential
from keras.layers import Dense, LSTM

shapes = []
model = Sequential()
model.add(Dense(32, input_shape=(784,)))
shapes.append((model.input_shape, model.output_shape, model.count_params()))

model = Sequential()
model.add(Dense(32, batch_input_shape=(None, 784)))
# note that batch dimension is "None" here,
# so the model will be able to process batches of any size.
shapes.append((model.input_shape, model.output_shape, model.count_params()))

model = Sequential()
model.add(Dense(32, input_dim=784))
shapes.append((model.input_shape, model.output_shape, model.count_params()))

assert shapes[0] == shapes[1] == shapes[2] == ((None, 784), (None, 32), 784 * 32 + 32), shapes

shapes = []
model = Sequential()
model.add(LSTM(32, input_shape=(10, 64)))
shapes.append((model.input_shape, model.output_shape, model.count_params()))

model = Sequential()
model.add(LSTM(32, batch_input_shape=(None, 10, 64)))
shapes.append((model.input_shape, model.output_shape, model.count_params()))

model = Sequential()
model.add(LSTM(32, input_length=10, input_dim=64))
shapes.append((model.input_shape, model.output_shape, model.count_params()))

assert shapes[0] == shapes[1] == shapes[2], shapes
assert shapes[0] == ((None, 10, 64), (None, 32), 4 * (64 * 32 + 32 * 32 + 32)), shapes[0]
