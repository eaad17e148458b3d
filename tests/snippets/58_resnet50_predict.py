# ResNet50 classification of one picture. weights=None and a synthetic
# picture here; decode_predictions needs the class list from the network, so it is not called.
# HEAVY-ish: 25.6 M parameters.
import os
import tempfile
import numpy as np
np.random.seed(45)
os.chdir(tempfile.mkdtemp())
from PIL import Image
Image.fromarray(np.random.randint(0, 255, (60, 80, 3)).astype('uint8')).save('elephant.jpg')

from keras.applications.resnet50 import ResNet50
from keras.preprocessing import image
from keras.applications.resnet50 import preprocess_input, decode_predictions
import numpy as np

model = ResNet50(weights=None)

img_path = 'elephant.jpg'
img = image.load_img(img_path, target_size=(224, 224))
x = image.img_to_array(img)
raw = x.copy()
x = np.expand_dims(x, axis=0)
x = preprocess_input(x)

preds = model.predict(x)

assert preds.shape == (1, 1000) and np.allclose(preds.sum(), 1, atol=1e-3)
# 25,636,712 with BatchNormalization's moving statistics counted (Keras 1 count_params included them too)
assert model.count_params() in (25636712, 25583592), model.count_params()
# Caffe-style preprocessing: RGB -> BGR and the ImageNet means subtracted
from keras import backend as K
order = K.image_dim_ordering() if hasattr(K, 'image_dim_ordering') else \
    {'channels_first': 'th', 'channels_last': 'tf'}[K.image_data_format()]
bgr = (x[0] if order == 'tf' else x[0].transpose(1, 2, 0))
rgb = (raw if order == 'tf' else raw.transpose(1, 2, 0))
assert np.allclose(bgr, rgb[..., ::-1] - np.array([103.939, 116.779, 123.68]), atol=1e-2)
try:
    decode_predictions(np.zeros((1, 7)))
except Exception:
    pass
else:
    raise AssertionError('decode_predictions wants (samples, 1000)')
