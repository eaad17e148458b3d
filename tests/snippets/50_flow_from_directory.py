# Directory iterators for training and validation (tiny pictures, few
# samples; the document: 150x150, 2000/800 samples, 50 epochs).
import os
import tempfile
import numpy as np
np.random.seed(38)
from PIL import Image
os.chdir(tempfile.mkdtemp())
for part, n in (('train', 12), ('validation', 6)):
    for k, cls in enumerate(('cats', 'dogs')):
        os.makedirs('data/%s/%s' % (part, cls))
        for i in range(n):
            a = np.clip(np.random.randint(0, 60, (20, 20, 3)) + 150 * k, 0, 255).astype('uint8')
            Image.fromarray(a).save('data/%s/%s/%03d.png' % (part, cls, i))
from keras import backend as K
getattr(K, 'set_image_dim_ordering', lambda o: K.set_image_data_format('channels_first'))('th')
from keras.preprocessing.image import ImageDataGenerator
from keras.models import Sequential
from keras.layers import Dense, Flatten

train_datagen = ImageDataGenerator(
    rescale=1./255,
    shear_range=0.2,
    zoom_range=0.2,
    horizontal_flip=True)

test_datagen = ImageDataGenerator(rescale=1./255)

train_generator = train_datagen.flow_from_directory(
    'data/train',
    target_size=(15, 15),
    batch_size=8,
    class_mode='binary')

validation_generator = test_datagen.flow_from_directory(
    'data/validation',
    target_size=(15, 15),
    batch_size=4,
    class_mode='binary')

model = Sequential()
model.add(Flatten(input_shape=(3, 15, 15)))
model.add(Dense(1, activation='sigmoid'))
model.compile('rmsprop', 'binary_crossentropy', metrics=['accuracy'])

hist = model.fit_generator(
    train_generator,
    samples_per_epoch=24,
    nb_epoch=5,
    validation_data=validation_generator,
    nb_val_samples=12)

h = hist.history
assert len(h['loss']) == 5 and np.all(np.isfinite(h['loss'] + h['val_loss'])) and h['loss'][-1] < h['loss'][0]
x, y = next(train_generator)
assert x.shape[1:] == (3, 15, 15) and y.ndim == 1 and set(np.unique(y)) <= {0, 1}
assert 0 <= x.min() and x.max() <= 1 + 1e-5
assert train_generator.class_indices == {'cats': 0, 'dogs': 1}
for mode, shape in (('categorical', (4, 2)), ('sparse', (4,))):
    g = test_datagen.flow_from_directory('data/validation', target_size=(15, 15), batch_size=4, class_mode=mode)
    assert next(g)[1].shape == shape, mode
g = test_datagen.flow_from_directory('data/validation', target_size=(15, 15), batch_size=4, class_mode=None)
assert next(g).shape == (4, 3, 15, 15)
g = test_datagen.flow_from_directory('data/validation', target_size=(15, 15), batch_size=4,
                                     color_mode='grayscale', class_mode=None)
assert next(g).shape == (4, 1, 15, 15)
