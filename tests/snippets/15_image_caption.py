# Image captioning: CNN + GRU joined by Merge. Sizes reduced from
# (100x100, vocabulary 10000); the weight file is one we write first; one missing ')' fixed.
import os
import tempfile
import numpy as np
np.random.seed(11)
from keras import backend as K
getattr(K, 'set_image_dim_ordering', lambda o: K.set_image_data_format('channels_first'))('th')
from keras.models import Sequential
from keras.layers import (Dense, Activation, Convolution2D, MaxPooling2D, Flatten, Embedding, GRU,
                          TimeDistributed, RepeatVector, Merge)
SIZE = 20
max_caption_len = 5
vocab_size = 50


def make_image_model():
    # first, let's define an image model that
    # will encode pictures into 128-dimensional vectors.
    # it should be initialized with pre-trained weights.
    image_model = Sequential()
    image_model.add(Convolution2D(32, 3, 3, border_mode='valid', input_shape=(3, SIZE, SIZE)))
    image_model.add(Activation('relu'))
    image_model.add(Convolution2D(32, 3, 3))
    image_model.add(Activation('relu'))
    image_model.add(MaxPooling2D(pool_size=(2, 2)))

    image_model.add(Convolution2D(64, 3, 3, border_mode='valid'))
    image_model.add(Activation('relu'))
    image_model.add(Convolution2D(64, 3, 3))
    image_model.add(Activation('relu'))
    image_model.add(MaxPooling2D(pool_size=(2, 2)))

    image_model.add(Flatten())
    image_model.add(Dense(128))
    return image_model

weight_file = os.path.join(tempfile.mkdtemp(), 'weight_file.h5')
donor = make_image_model()
donor.save_weights(weight_file)

image_model = make_image_model()
# Let's load the weights from a save file.
image_model.load_weights(weight_file)
for a, b in zip(donor.get_weights(), image_model.get_weights()):
    assert np.allclose(a, b)

# next, Let's define a RNN model that encodes sequences of words
# into sequences of 128-dimensional word vectors.
language_model = Sequential()
language_model.add(Embedding(vocab_size, 256, input_length=max_caption_len))
language_model.add(GRU(output_dim=128, return_sequences=True))
language_model.add(TimeDistributed(Dense(128)))

# Let's repeat the image vector to turn it into a sequence.
image_model.add(RepeatVector(max_caption_len))

# the output of both models will be tensors of shape (samples, max_caption_len, 128).
assert image_model.output_shape == language_model.output_shape == (None, max_caption_len, 128)
# Let's concatenate these 2 vector sequences.
model = Sequential()
model.add(Merge([image_model, language_model], mode='concat', concat_axis=-1))
# Let's encode this vector sequence into a single vector
model.add(GRU(256, return_sequences=False))
# which will be used to compute a probability
# distribution over what the next word in the caption should be!
model.add(Dense(vocab_size))
model.add(Activation('softmax'))

model.compile(loss='categorical_crossentropy', optimizer='rmsprop')

# "images" is a numpy float array of shape (nb_samples, nb_channels=3, width, height).
# "captions" is a numpy integer array of shape (nb_samples, max_caption_len)
# containing word index sequences representing partial captions.
# "next_words" is a numpy float array of shape (nb_samples, vocab_size)
# containing a categorical encoding (0s and 1s) of the next word in the corresponding
# partial caption.
images = np.random.random((16, 3, SIZE, SIZE)).astype('float32')
partial_captions = np.random.randint(0, vocab_size, (16, max_caption_len))
next_words = np.eye(vocab_size)[np.random.randint(0, vocab_size, 16)]
hist = model.fit([images, partial_captions], next_words, batch_size=16, nb_epoch=3)

assert model.layers[0].output_shape == (None, max_caption_len, 256)
assert model.output_shape == (None, vocab_size)
assert np.all(np.isfinite(hist.history['loss'])) and hist.history['loss'][-1] < hist.history['loss'][0]
