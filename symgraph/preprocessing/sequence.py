"""Sequences of numbers: padding, skip-grams, windows over a series."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np

from symgraph.utils.data_utils import Sequence

__all__ = ["TimeseriesGenerator", "make_sampling_table", "pad_sequences", "skipgrams", "timeseries_generator_from_json"]


def _remove_long_seq(maxlen, seq, label):
    """The sequences of fewer than `maxlen` items, and their labels."""
    kept = [(one, mark) for one, mark in zip(seq, label) if len(one) < maxlen]
    return [one for one, _ in kept], [mark for _, mark in kept]


def pad_sequences(sequences, maxlen=None, dtype="int32", padding="pre", truncating="pre", value=0.0):
    """Sequences of different lengths as one array.

    # Arguments
        sequences: list of sequences.
        maxlen: length of the result; default: that of the longest.
        dtype: dtype of the result.
        padding: 'pre' or 'post': where short ones are filled up.
        truncating: 'pre' or 'post': where long ones are cut.
        value: what fills.

    # Returns
        Array (sequences, maxlen, ...).

    # Raises
        ValueError: no list of sequences, samples of different shapes, or an unknown word.
    """
    if not hasattr(sequences, "__len__"):
        raise ValueError("`sequences` must be iterable.")
    for sequence in sequences:
        if not hasattr(sequence, "__len__"):
            raise ValueError(f"`sequences` must be a list of iterables. Found non-iterable: {sequence}")
    if truncating not in {"pre", "post"}:
        raise ValueError(f'Truncating type "{truncating}" not understood')
    if padding not in {"pre", "post"}:
        raise ValueError(f'Padding type "{padding}" not understood')
    if maxlen is None:
        maxlen = max((len(sequence) for sequence in sequences), default=0)
    sample: tuple = next((np.asarray(sequence).shape[1:] for sequence in sequences if len(sequence)), ())
    if isinstance(value, str) and np.dtype(dtype) != object and np.dtype(dtype).kind not in "SU":
        raise ValueError(f"`dtype` {dtype} is not compatible with `value`'s type: {type(value)}. You should set "
                         "`dtype=object` for variable length strings.")
    result = np.full((len(sequences), maxlen, *sample), value, dtype=dtype)
    for row, sequence in enumerate(sequences):
        if not len(sequence):
            continue
        kept = sequence[len(sequence) - min(maxlen, len(sequence)):] if truncating == "pre" else sequence[:maxlen]
        kept = np.asarray(kept, dtype=dtype)
        if kept.shape[1:] != sample:
            raise ValueError(f"Shape of sample {kept.shape[1:]} of sequence at position {row} is different from "
                             "expected "
                             f"shape {sample}")
        if padding == "post":
            result[row, :len(kept)] = kept
        elif len(kept):
            result[row, -len(kept):] = kept
    return result


def make_sampling_table(size, sampling_factor=1e-05):
    """The probability with which the word of each rank is kept, of words that follow Zipf's law (Mikolov et al. 2013).

    # Arguments
        size: number of ranks.
        sampling_factor: how strongly frequent words are left out.
    """
    rank = np.arange(size, dtype="float64")
    rank[0] = 1
    inverse_frequency = rank * (np.log(rank) + 0.5772156649) + 0.5 - 1.0 / (12.0 * rank)
    chance = sampling_factor * inverse_frequency
    return np.minimum(1.0, chance / np.sqrt(chance))


def skipgrams(sequence, vocabulary_size, window_size=4, negative_samples=1.0, shuffle=True, categorical=False,
              sampling_table=None, seed=None):
    """Pairs of words, from one window or at random, and whether they are from one window (Mikolov et al. 2013).

    # Arguments
        sequence: word numbers; 0 stands for no word.
        vocabulary_size: the largest number + 1.
        window_size: how far apart two words of a pair may stand.
        negative_samples: random pairs for each real one.
        shuffle: whether the pairs are mixed.
        categorical: labels [0, 1] and [1, 0] instead of 1 and 0.
        sampling_table: for each number the probability to keep it.
        seed: of the mixing.

    # Returns
        A list of pairs and a list of labels.
    """
    couples, labels = [], []
    for place, word in enumerate(sequence):
        if not word or (sampling_table is not None and sampling_table[word] < random.random()):
            continue
        start, stop = max(0, place - window_size), min(len(sequence), place + window_size + 1)
        for other in range(start, stop):
            if other != place and sequence[other]:
                couples.append([word, sequence[other]])
                labels.append([0, 1] if categorical else 1)
    if negative_samples > 0:
        words = [couple[0] for couple in couples]
        random.shuffle(words)
        for number in range(int(len(labels) * negative_samples)):
            couples.append([words[number % len(words)], random.randint(1, vocabulary_size - 1)])
            labels.append([1, 0] if categorical else 0)
    if shuffle:
        seed = random.randint(0, 10**7) if seed is None else seed
        for values in (couples, labels):
            random.seed(seed)
            random.shuffle(values)
    return couples, labels


class TimeseriesGenerator(Sequence):
    """Windows of a series with the value that follows them, in batches.

    # Arguments
        data, targets: arrays of the same length, time first.
        length: length of a window.
        sampling_rate: every how many steps a window holds a value.
        stride: steps from one window to the next.
        start_index, end_index: the part of the series that is used.
        shuffle: whether windows are drawn at random.
        reverse: whether a window runs backwards.
        batch_size: windows a batch.

    # Raises
        ValueError: lengths that differ, or no room for a window.
    """

    def __init__(self, data, targets, length, sampling_rate=1, stride=1, start_index=0, end_index=None, shuffle=False,
                 reverse=False, batch_size=128):
        if len(data) != len(targets):
            raise ValueError(f"Data and targets have to be of same length. Data length is {len(data)} while target "
                             "length "
                             f"is {len(targets)}")
        self.data, self.targets, self.length = data, targets, length
        self.sampling_rate, self.stride, self.batch_size = sampling_rate, stride, batch_size
        self.start_index = start_index + length
        self.end_index = len(data) - 1 if end_index is None else end_index
        self.shuffle, self.reverse = shuffle, reverse
        if self.start_index > self.end_index:
            raise ValueError(f"`start_index+length={self.start_index} > end_index={self.end_index}` is disallowed, "
                             "as no "
                             "part of the sequence would be left to be used as current step.")

    def __len__(self):
        return (self.end_index - self.start_index + self.batch_size * self.stride) // (self.batch_size * self.stride)

    def __getitem__(self, index):
        if self.shuffle:
            rows = np.random.randint(self.start_index, self.end_index + 1, size=self.batch_size)
        else:
            start = self.start_index + self.batch_size * self.stride * index
            rows = np.arange(start, min(start + self.batch_size * self.stride, self.end_index + 1), self.stride)
        samples = np.array([self.data[row - self.length:row:self.sampling_rate] for row in rows])
        targets = np.array([self.targets[row] for row in rows])
        return (samples[:, ::-1, ...] if self.reverse else samples), targets

    def get_config(self):
        """The arguments, with the series as JSON."""
        def listed(values: Any, name: str) -> str:
            plain = values.tolist() if isinstance(values, np.ndarray) else values
            try:
                return json.dumps(plain)
            except TypeError as error:
                raise TypeError(f"{name} not JSON Serializable: {values!r}") from error

        return {"data": listed(self.data, "Data"), "targets": listed(self.targets, "Targets"), "length": self.length,
                "sampling_rate": self.sampling_rate, "stride": self.stride, "start_index": self.start_index,
                "end_index": self.end_index, "shuffle": self.shuffle, "reverse": self.reverse,
                "batch_size": self.batch_size}

    def to_json(self, **kwargs):
        """The configuration as JSON; `timeseries_generator_from_json` reads it."""
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)


def timeseries_generator_from_json(json_string):
    """The generator that `TimeseriesGenerator.to_json` wrote."""
    config = json.loads(json_string)["config"]
    length = config["length"]
    config.update(data=np.array(json.loads(config["data"])), targets=np.array(json.loads(config["targets"])),
                  start_index=config["start_index"] - length)
    return TimeseriesGenerator(**config)
