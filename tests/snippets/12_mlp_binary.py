# MLP for binary classification.
import numpy as np
np.random.seed(8)
from keras.models import Sequential
from keras.layers import Dense, Dropout

model = Sequential()
model.add(Dense(64, input_dim=20, init='uniform', activation='relu'))
model.add(Dropout(0.5))
model.add(Dense(64, activation='relu'))
model.add(Dropout(0.5))
model.add(Dense(1, activation='sigmoid'))

model.compile(loss='binary_crossentropy',
              optimizer='rmsprop',
              metrics=['accuracy'])

w = np.random.randn(20, 1)
x = np.random.randn(400, 20)
y = (x.dot(w) > 0).astype('float32')
hist = model.fit(x, y, nb_epoch=10, batch_size=16, verbose=0)
score = model.evaluate(x, y, batch_size=16, verbose=0)
l = hist.history['loss']
assert np.all(np.isfinite(l)) and l[-1] < l[0] and score[1] > 0.8, score
