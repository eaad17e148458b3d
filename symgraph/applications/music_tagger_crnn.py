"""MusicTaggerCRNN (K. Choi and others: Convolutional recurrent neural networks for music classification, 2016)."""

from __future__ import annotations

from typing import Any

from symgraph.applications.audio_conv_utils import TAGS

__all__ = ["body_of_tagger"]


def body_of_tagger(layers: Any, x: Any, first: bool, include_top: bool) -> Any:
    """The network from the spectrum (see `audio_conv_utils`) to the tags, or to 32 features.

    # Arguments
        layers: the module of layers.
        x: tensor of spectra with one channel.
        first: whether the channel stands first.
        include_top: whether it ends in the tags.
    """
    channel, time = (1, 3) if first else (3, 2)
    x = layers.ZeroPadding2D(padding=(0, 37))(x)
    x = layers.BatchNormalization(axis=time, name="bn_0_freq")(x)
    for number, (filters, pool) in enumerate(((64, (2, 2)), (128, (3, 3)), (128, (4, 4)), (128, (4, 4))), 1):
        x = layers.Conv2D(filters, (3, 3), padding="same", name=f"conv{number}")(x)
        x = layers.ELU()(layers.BatchNormalization(axis=channel, name=f"bn{number}")(x))
        x = layers.MaxPooling2D(pool, strides=pool, name=f"pool{number}")(x)
    if first:
        x = layers.Permute((3, 1, 2))(x)
    x = layers.Reshape((15, 128))(x)
    x = layers.GRU(32, return_sequences=True, name="gru1")(x)
    x = layers.GRU(32, return_sequences=False, name="gru2")(x)
    return layers.Dense(len(TAGS), activation="sigmoid", name="output")(x) if include_top else x
