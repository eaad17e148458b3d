# MLP with dropout and Nesterov SGD (Keras 1: init='uniform').
import numpy as np
np.random.seed(6)
# -- dummy data
c = np.random.randn(10, 20)
lab = np.random.randint(0, 10, 400)
X_train = (c[lab] * 2 + 0.2 * np.random.randn(400, 20))
y_train = np.eye(10)[lab]
X_test, y_test = X_train[:96], y_train[:96]

from keras.models import Sequential
from keras.layers import Dense, Dropout, Activation
from keras.optimizers import SGD

model = Sequential()
# Dense(64) is a fully-connected layer with 64 hidden units.
# in the first layer, you must specify the expected input data shape:
# here, 20-dimensional vectors.
model.add(Dense(64, input_dim=20, init='uniform'))
model.add(Activation('tanh'))
model.add(Dropout(0.5))
model.add(Dense(64, init='uniform'))
model.add(Activation('tanh'))
model.add(Dropout(0.5))
model.add(Dense(10, init='uniform'))
model.add(Activation('softmax'))

sgd = SGD(lr=0.1, decay=1e-6, momentum=0.9, nesterov=True)
model.compile(loss='categorical_crossentropy',
              optimizer=sgd,
              metrics=['accuracy'])

hist = model.fit(X_train, y_train,
        nb_epoch=20,
        batch_size=16, verbose=2)
score = model.evaluate(X_test, y_test, batch_size=16)

W = Sequential([Dense(64, input_dim=20, init='uniform')]).get_weights()[0]
assert abs(W).max() <= 0.05 + 1e-6                  # 'uniform' is U(-0.05, 0.05)
l = hist.history['loss']
assert np.all(np.isfinite(l)) and l[-1] < l[0]
assert len(score) == 2 and score[1] > 0.8, score
