# Sequential from a list of layers, and by .add()
from keras.models import Sequential
from keras.layers import Dense, Activation

model = Sequential([
    Dense(32, input_dim=784),
    Activation('relu'),
    Dense(10),
    Activation('softmax'),
])

assert model.output_shape == (None, 10) and len(model.layers) == 4

model = Sequential()
model.add(Dense(32, input_dim=784))
model.add(Activation('relu'))

assert model.output_shape == (None, 32) and len(model.layers) == 2
