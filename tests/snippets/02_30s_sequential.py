# Keras 1 form. The 30-second start: build, compile, fit, one batch,
# evaluate, predict_classes / predict_proba.
import numpy as np
np.random.seed(0)

from keras.models import Sequential

model = Sequential()

from keras.layers import Dense, Activation

model.add(Dense(output_dim=64, input_dim=100))
model.add(Activation("relu"))
model.add(Dense(output_dim=10))
model.add(Activation("softmax"))

from keras.optimizers import SGD
model.compile(loss='categorical_crossentropy', optimizer=SGD(lr=0.01, momentum=0.9, nesterov=True))

# -- dummy data
centres = np.random.randn(10, 100)
lab = np.random.randint(0, 10, 256)
X_train = (centres[lab] + 0.3 * np.random.randn(256, 100)).astype('float32')
Y_train = np.eye(10)[lab]
X_test, Y_test = X_train[:64], Y_train[:64]
X_batch, Y_batch = X_train[:32], Y_train[:32]

hist = model.fit(X_train, Y_train, nb_epoch=5, batch_size=32)
loss = model.train_on_batch(X_batch, Y_batch)
loss_and_metrics = model.evaluate(X_test, Y_test, batch_size=32)
classes = model.predict_classes(X_test, batch_size=32)
proba = model.predict_proba(X_test, batch_size=32)

# -- what must hold
losses = hist.history['loss']
assert len(losses) == 5 and np.all(np.isfinite(losses)) and losses[-1] < losses[0]
assert np.isscalar(loss) or np.ndim(loss) == 0
assert np.ndim(loss_and_metrics) == 0 and np.isfinite(loss_and_metrics)   # no metrics: a scalar
assert classes.shape == (64,) and proba.shape == (64, 10)
assert np.allclose(proba.sum(axis=1), 1, atol=1e-5)
assert np.array_equal(classes, proba.argmax(axis=1))
