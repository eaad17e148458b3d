# Also layer.updates (9822-9828), trainable_weights
# (9834-9840), uses_learning_phase (9718), and the same layer called on two inputs (9804-9815).
import numpy as np
np.random.seed(63)
from keras import backend as K
from keras.layers import Input, Dense, Dropout, BatchNormalization, LSTM
from keras.models import Model, Sequential

previous_model = Sequential()
previous_model.add(Dense(6, input_dim=4, activation='relu'))
previous_model.add(BatchNormalization())
previous_model.add(Dropout(0.5))
previous_model.add(Dense(2))
x = np.random.random((5, 4))
ref = previous_model.predict(x)
if hasattr(previous_model, 'uses_learning_phase'):
    assert previous_model.uses_learning_phase
bn = previous_model.layers[1]
assert len(bn.updates) == 2                     # moving mean and moving variance
assert len(bn.trainable_weights) == 2 and len(bn.non_trainable_weights) == 2
assert len(previous_model.trainable_weights) == 6

lstm = LSTM(32)
a, b = Input(shape=(20, 64)), Input(shape=(20, 64))
# encode the two tensors with the *same* LSTM weights
n0 = None
a_encoded = lstm(a)
n0 = len(lstm.trainable_weights)
b_encoded = lstm(b)
assert len(lstm.trainable_weights) == n0

K.set_learning_phase(0) # all new operations will be in test mode from now on

# serialize the model and get its weights, for quick re-building
config = previous_model.get_config()
weights = previous_model.get_weights()

# re-build a model where the Learning phase is now hard-coded to 0
try:
    from keras.models import model_from_config
    new_model = model_from_config({'class_name': 'Sequential', 'config': config})
except Exception:
    new_model = Sequential.from_config(config)
new_model.set_weights(weights)
assert np.allclose(new_model.predict(x), ref, atol=1e-5)
f = K.function([new_model.layers[0].input], [new_model.layers[-1].output])   # no phase to feed
assert np.allclose(f([x])[0], ref, atol=1e-5)
assert K.learning_phase() == 0
