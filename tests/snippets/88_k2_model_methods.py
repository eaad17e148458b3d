# The model methods and attributes it lists, Keras 2 form.
import os
import tempfile
import numpy as np
np.random.seed(74)
os.chdir(tempfile.mkdtemp())
import keras
from keras.models import Sequential, Model, model_from_json, model_from_yaml, load_model
from keras.layers import Dense, Input, LSTM

model = keras.models.Sequential()
model.add(Dense(6, input_dim=4, activation='tanh', name='one'))
model.add(Dense(3, activation='softmax'))
model.add(Dense(3, activation='softmax'))
model.pop()
model.compile('adam', 'categorical_crossentropy', metrics=['accuracy'])
x = np.random.random((40, 4)); y = np.eye(3)[np.random.randint(0, 3, 40)]
model.summary()
assert isinstance(model.get_config(), (dict, list)) and model.get_layer('one') is model.layers[0]
hist = model.fit(x, y, epochs=3, validation_split=0.25, verbose=0)
assert len(hist.history['val_loss']) == 3
assert len(model.evaluate(x, y, verbose=0)) == 2
p = model.predict(x)
assert p.shape == (40, 3) and np.allclose(model.predict_proba(x), p, atol=1e-6)
assert np.array_equal(model.predict_classes(x), p.argmax(1))
assert np.all(np.isfinite(model.train_on_batch(x, y))) and np.all(np.isfinite(model.test_on_batch(x, y)))
assert model.predict_on_batch(x).shape == (40, 3)


def gen():
    while 1:
        yield x[:20], y[:20]
h = model.fit_generator(gen(), steps_per_epoch=2, epochs=2, verbose=0)
assert len(h.history['loss']) == 2
assert len(model.evaluate_generator(gen(), steps=2)) == 2
assert model.predict_generator((b[0] for b in gen()), steps=2).shape == (40, 3)
w = model.get_weights()
model.set_weights(w)
model.save_weights('w.h5'); model.load_weights('w.h5')
model.save('m.h5')
for m2 in (model_from_json(model.to_json()), model_from_yaml(model.to_yaml()), load_model('m.h5')):
    m2.set_weights(w)
    assert np.allclose(m2.predict(x), model.predict(x), atol=1e-5)
i = Input(shape=(5, 4))
lay = LSTM(32)
m = Model(inputs=i, outputs=lay(i))
assert len(m.layers) == 2 and len(m.inputs) == 1 and len(m.outputs) == 1 and lay.output is not None
j = Input(shape=(5, 4))
second = lay(j)
assert lay.get_output_at(1) is second
