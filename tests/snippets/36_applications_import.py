# The four application constructors; VGG16 with its top.
# weights=None here (the ImageNet weights are a download). HEAVY: VGG16 has 138 M parameters.
from keras.applications.vgg16 import VGG16
from keras.applications.vgg19 import VGG19
from keras.applications.resnet50 import ResNet50
from keras.applications.inception_v3 import InceptionV3

model = VGG16(weights=None, include_top=True)

assert model.output_shape == (None, 1000)
assert model.count_params() == 138357544
assert [l.name for l in model.layers][-4:] == ['flatten', 'fc1', 'fc2', 'predictions']
try:
    VGG16(weights='no-such-weights')
except ValueError:
    pass
else:
    raise AssertionError('weights must be None or imagenet (or a file, in Keras 2)')
