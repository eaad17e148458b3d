# to_categorical with and without a class count.
import numpy as np
from keras.utils.np_utils import to_categorical
int_labels = [0, 2, 1, 2]

categorical_labels = to_categorical(int_labels, nb_classes=None)

assert np.array_equal(categorical_labels, np.eye(3)[[0, 2, 1, 2]])
assert to_categorical([0, 1], 4).shape == (2, 4)
assert to_categorical(np.array([[0], [1], [3]])).shape == (3, 4)
