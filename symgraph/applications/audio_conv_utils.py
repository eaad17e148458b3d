"""Music as `MusicTaggerCRNN` wants it, and the names of its fifty tags."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import numpy as np

from symgraph import config

__all__ = ["TAGS", "decode_predictions", "librosa_exists", "preprocess_input"]

TAGS = [
    "rock", "pop", "alternative", "indie", "electronic", "female vocalists", "dance", "00s", "alternative rock", "jazz",
    "beautiful", "metal", "chillout", "male vocalists", "classic rock", "soul", "indie rock", "Mellow", "electronica",
    "80s", "folk", "90s", "chill", "instrumental", "punk", "oldies", "blues", "hard rock", "ambient", "acoustic",
    "experimental", "female vocalist", "guitar", "Hip-Hop", "70s", "party", "country", "easy listening", "sexy",
    "catchy", "funk", "electro", "heavy metal", "Progressive rock", "60s", "rnb", "indie pop", "sad", "House", "happy",
]
#: Samples a second, samples a window and between windows, bands, seconds.
_RATE, _WINDOW, _HOP, _BANDS, _SECONDS = 12000, 512, 256, 96, 29.12


def librosa_exists() -> bool:
    """Whether librosa, which reads music, is installed."""
    return importlib.util.find_spec("librosa") is not None


def preprocess_input(audio_path: Any, data_format: str | None = None) -> np.ndarray:
    """The middle 29 seconds of a piece of music as a spectrum over time: 96 bands, 1366 steps.

    # Arguments
        audio_path: the file. Shorter music is followed by silence.
        data_format: whether the one channel stands first or last; None: as configured.

    # Returns
        Decibels, of shape (96, 1366, 1), or (1, 96, 1366).

    # Raises
        RuntimeError: librosa is not installed.
        ValueError: another layout.
    """
    layout = config.image_data_format() if data_format is None else data_format
    if layout not in {"channels_first", "channels_last"}:
        raise ValueError(f"`data_format` must be 'channels_first' or 'channels_last', got {data_format!r}.")
    if not librosa_exists():
        raise RuntimeError("Reading music needs librosa: pip install librosa")
    librosa = importlib.import_module("librosa")
    sound, _ = librosa.load(audio_path, sr=_RATE)
    length = int(_SECONDS * _RATE)
    if len(sound) < length:
        sound = np.concatenate([sound, np.zeros(length - len(sound), sound.dtype)])
    start = (len(sound) - length) // 2
    bands = librosa.feature.melspectrogram(y=sound[start:start + length], sr=_RATE, hop_length=_HOP, n_fft=_WINDOW,
                                           n_mels=_BANDS)
    # The network was trained with the square of the power.
    values = librosa.power_to_db(bands**2, ref=1.0)
    return np.expand_dims(values, 0 if layout == "channels_first" else -1)


def decode_predictions(preds: Any, top_n: int = 5) -> list[list[tuple]]:
    """The most likely tags of predictions.

    # Arguments
        preds: array of shape (samples, 50).
        top_n: how many.

    # Returns
        A list for each sample of tuples `(tag, score)`, the best first.

    # Raises
        AssertionError: another shape.
    """
    preds = np.asarray(preds)
    assert preds.ndim == 2 and preds.shape[1] == len(TAGS), (
        f"`decode_predictions` expects an array of shape (samples, {len(TAGS)}), got {preds.shape}")
    best = np.argsort(preds, axis=1)[:, ::-1][:, :max(top_n, 0)]
    return [[(TAGS[number], row[number]) for number in numbers] for row, numbers in zip(preds, best)]
