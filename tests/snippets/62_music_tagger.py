# MusicTaggerCRNN (Keras 1 only): tags and 32 features. weights=None;
# preprocess_input needs librosa, so a random mel-spectrogram stands in.
import numpy as np
np.random.seed(49)
try:
    from keras.applications.music_tagger_crnn import MusicTaggerCRNN
except ImportError:
    print('SKIP: no music_tagger_crnn here (Keras 2 removed it)')
    raise SystemExit(0)
from keras import backend as K

# 1. Tagging
model = MusicTaggerCRNN(weights=None)

melgram = np.random.random((1, 96, 1366) if K.image_dim_ordering() == 'th' else (96, 1366, 1))
melgrams = np.expand_dims(melgram, axis=0)

preds = model.predict(melgrams)
print('Predicted:')
assert preds.shape == (1, 50) and (preds >= 0).all() and (preds <= 1).all()

from keras.applications.music_tagger_crnn import decode_predictions
tags = decode_predictions(preds)
assert len(tags) == 1 and isinstance(tags[0][0][0], str)

# 2. Feature extraction
model = MusicTaggerCRNN(weights=None, include_top=False)
feats = model.predict(melgrams)
print('Features:')
print(feats[0, :10])
assert feats.shape == (1, 32)
