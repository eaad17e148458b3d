# fit_generator over a text file (Keras 1 argument
# names); evaluate_generator, predict_generator.
import os
import tempfile
import numpy as np
np.random.seed(30)
from keras.models import Sequential
from keras.layers import Dense
path = os.path.join(tempfile.mkdtemp(), 'my_file.txt')
with open(path, 'w') as g:
    for _ in range(40):
        v = np.random.random(4)
        g.write(' '.join('%.4f' % q for q in list(v) + [v.sum()]) + '\n')


def process_line(line):
    v = np.array([float(q) for q in line.split()])
    return v[None, :4], v[None, 4:]


def generate_arrays_from_file(path):
    while 1:
        f = open(path)
        for line in f:
            # create numpy arrays of input data
            # and labels, from each line in the file
            x, y = process_line(line)
            yield (x, y)
        f.close()

model = Sequential()
model.add(Dense(1, input_dim=4))
model.compile(optimizer='sgd', loss='mse')
hist = model.fit_generator(generate_arrays_from_file(path),
                    samples_per_epoch=40, nb_epoch=4)
l = hist.history['loss']
assert len(l) == 4 and np.all(np.isfinite(l)) and l[-1] < l[0]


def batches():
    for a in generate_arrays_from_file(path):
        yield a
r = model.evaluate_generator(batches(), val_samples=40)
assert np.isfinite(r)
p = model.predict_generator(batches(), val_samples=40)
assert p.shape == (40, 1)
