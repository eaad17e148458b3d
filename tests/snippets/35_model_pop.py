# model.pop()
import numpy as np
from keras.models import Sequential
from keras.layers import Dense

model = Sequential()
model.add(Dense(32, activation='relu', input_dim=784))
model.add(Dense(32, activation='relu'))

print(len(model.layers)) # "2"
assert len(model.layers) == 2

model.pop()
print(len(model.layers)) # "1"
assert len(model.layers) == 1 and model.output_shape == (None, 32)

model.add(Dense(5))                                  # and it goes on from there
model.compile('sgd', 'mse')
assert model.predict(np.zeros((2, 784))).shape == (2, 5)
model.pop(); model.pop()
try:
    model.pop()
except Exception:
    pass
else:
    raise AssertionError('pop on an empty model must raise')
