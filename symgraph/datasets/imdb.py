"""Reviews of films: 25,000 to learn from and 25,000 to test, each good or bad (A. Maas and others, 2011).

A word's number is its place in the order of frequency: 3 is the third most frequent word.
"""

from __future__ import annotations

import numpy as np

from symgraph.datasets.stored import load_npz, load_pickle
from symgraph.datasets.word_lists import chosen_words, load_word_index, objects, refuse_unknown
from symgraph.legacy.accept import accept_functions
from symgraph.utils.data_utils import get_file

__all__ = ["get_word_index", "load_data"]

_ORIGIN = "https://s3.amazonaws.com/text-datasets/"
_HASHES = {"imdb.npz": "599dadb1135973df5b59232a0e9a887c", "imdb_word_index.json": "bfafd718b763782e994055a2d397834f",
           "imdb_full.pkl": "d091312047c43cf9e4e38fef92437263",
           "imdb_word_index.pkl": "72d94b01291be4ff843198d3b0e1e4d7"}


def load_data(path: str = "imdb.npz", num_words: int | None = None, skip_top: int = 0, maxlen: int | None = None,
              seed: int = 113, start_char: int | None = 1, oov_char: int | None = 2, index_from: int = 3,
              **kwargs) -> tuple:
    """The reviews as lists of word numbers.

    # Arguments
        path: name of the file in the folder of data sets: `imdb.npz`, or `imdb_full.pkl`, as Keras 1 stored them.
        num_words: only words below this number (Keras 1: `nb_words`); default: all.
        skip_top: the most frequent words that are left out.
        maxlen: only reviews of fewer words, the start mark included.
        seed: of the order of the reviews.
        start_char: stands before each review, None for nothing.
        oov_char: stands for a word that is left out, None for nothing.
        index_from: added to each number.

    # Returns
        `(x_train, y_train), (x_test, y_test)`: arrays of lists, and of 0 and 1.

    # Raises
        TypeError: an unknown argument.
        ValueError: no review is shorter than `maxlen`.
    """
    refuse_unknown(kwargs)
    pickled = str(path).endswith(".pkl")
    name = "imdb_full.pkl" if pickled else "imdb.npz"
    file = get_file(path, origin=_ORIGIN + name, file_hash=_HASHES[name])
    if pickled:
        parts = [part for pair in load_pickle(file, encoding="latin1") for part in pair]
    else:
        parts = load_npz(file, "x_train", "y_train", "x_test", "y_test")
    # One stream of random numbers for both parts; Keras 1 had another seed for the second.
    generator = np.random.RandomState(seed)
    texts: list = []
    labels: list = []
    for part in (0, 2):
        order = np.arange(len(parts[part]))
        (np.random.RandomState(seed * 2) if pickled and part else generator).shuffle(order)
        texts += [parts[part][row] for row in order]
        labels += [parts[part + 1][row] for row in order]
    count = len(parts[0])
    # As in Keras: the first reviews are for learning, as many as there were before short ones were chosen.
    texts, labels = chosen_words(texts, labels, num_words, skip_top, maxlen, start_char, oov_char, index_from)
    return ((objects(texts[:count]), np.array(labels[:count])), (objects(texts[count:]), np.array(labels[count:])))


def get_word_index(path: str = "imdb_word_index.json") -> dict[str, int]:
    """Word -> number (before `index_from` is added).

    # Arguments
        path: name of the file in the folder of data sets: JSON, or `imdb_word_index.pkl`, as Keras 1 stored it.
    """
    name = "imdb_word_index.pkl" if str(path).endswith(".pkl") else "imdb_word_index.json"
    return load_word_index(get_file(path, origin=_ORIGIN + name, file_hash=_HASHES[name]))


accept_functions(globals())  # the arguments that Keras 1 named otherwise
