# Augmented pictures written to preview/ (load_img, img_to_array, flow
# with save_to_dir).
import os
import tempfile
import numpy as np
np.random.seed(59)
os.chdir(tempfile.mkdtemp())
os.makedirs('data/train/cats')
os.makedirs('preview')
from PIL import Image
Image.fromarray(np.random.randint(0, 255, (30, 30, 3)).astype('uint8')).save('data/train/cats/cat.0.jpg')
from keras import backend as K
getattr(K, 'set_image_dim_ordering', lambda o: K.set_image_data_format('channels_first'))('th')

from keras.preprocessing.image import ImageDataGenerator, array_to_img, img_to_array, load_img

datagen = ImageDataGenerator(
    rotation_range=40,
    width_shift_range=0.2,
    height_shift_range=0.2,
    shear_range=0.2,
    zoom_range=0.2,
    horizontal_flip=True,
    fill_mode='nearest')

img = load_img('data/train/cats/cat.0.jpg') # this is a PIL image
x = img_to_array(img) # this is a Numpy array with shape (3, 150, 150)
assert x.shape == (3, 30, 30)
x = x.reshape((1,) + x.shape) # this is a Numpy array with shape (1, 3, 150, 150)

# the .flow() command below generates batches of randomly transformed images
# and saves the results to the `preview/` directory
i = 0
for batch in datagen.flow(x, batch_size=1,
                          save_to_dir='preview', save_prefix='cat', save_format='jpeg'):
    i += 1
    assert batch.shape == (1, 3, 30, 30)
    if i > 20:
        break # otherwise the generator would loop indefinitely

names = os.listdir('preview')
assert 1 <= len(names) <= 21 and all(n.startswith('cat') and n.endswith('.jpeg') for n in names), names
back = array_to_img(x[0])
assert back.size == (30, 30)
