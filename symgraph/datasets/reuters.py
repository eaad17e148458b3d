"""News: 11,228 texts of Reuters in 46 topics. A word's number is its place in the order of frequency."""

from __future__ import annotations

import numpy as np

from symgraph.datasets.stored import load_npz, load_pickle
from symgraph.datasets.word_lists import chosen_words, load_word_index, objects, refuse_unknown
from symgraph.legacy.accept import accept_functions
from symgraph.utils.data_utils import get_file

__all__ = ["get_word_index", "load_data"]

_ORIGIN = "https://s3.amazonaws.com/text-datasets/"
_HASHES = {"reuters.npz": "87aedbeb0cb229e378797a632c1997b6",
           "reuters_word_index.json": "4d44cc38712099c9e383dc6e5f11a921"}


def load_data(path: str = "reuters.npz", num_words: int | None = None, skip_top: int = 0, maxlen: int | None = None,
              test_split: float = 0.2, seed: int = 113, start_char: int | None = 1, oov_char: int | None = 2,
              index_from: int = 3, **kwargs) -> tuple:
    """The news as lists of word numbers.

    # Arguments
        path: name of the file in the folder of data sets: `reuters.npz`, or `reuters.pkl`, as Keras 1 stored them.
        num_words: only words below this number (Keras 1: `nb_words`); default: all.
        skip_top: the most frequent words that are left out.
        maxlen: only texts of fewer words, the start mark included.
        test_split: the part that is for testing.
        seed: of the order of the texts.
        start_char: stands before each text, None for nothing.
        oov_char: stands for a word that is left out, None for nothing.
        index_from: added to each number.

    # Returns
        `(x_train, y_train), (x_test, y_test)`: arrays of lists, and of topics.

    # Raises
        TypeError: an unknown argument.
        ValueError: no text is shorter than `maxlen`.
    """
    refuse_unknown(kwargs)
    pickled = str(path).endswith(".pkl")
    name = "reuters.pkl" if pickled else "reuters.npz"
    file = get_file(path, origin=_ORIGIN + name, file_hash=_HASHES.get(name))
    texts, labels = load_pickle(file, encoding="latin1") if pickled else load_npz(file, "x", "y")
    order = np.arange(len(texts))
    np.random.RandomState(seed).shuffle(order)
    texts, labels = chosen_words([texts[row] for row in order], [labels[row] for row in order], num_words, skip_top,
                                 maxlen, start_char, oov_char, index_from)
    split = int(len(texts) * (1 - test_split))
    return ((objects(texts[:split]), np.array(labels[:split])), (objects(texts[split:]), np.array(labels[split:])))


def get_word_index(path: str = "reuters_word_index.json") -> dict[str, int]:
    """Word -> number (before `index_from` is added).

    # Arguments
        path: name of the file in the folder of data sets: JSON, or `reuters_word_index.pkl`, as Keras 1 stored it.
    """
    name = "reuters_word_index.pkl" if str(path).endswith(".pkl") else "reuters_word_index.json"
    return load_word_index(get_file(path, origin=_ORIGIN + name, file_hash=_HASHES.get(name)))


accept_functions(globals())  # the arguments that Keras 1 named otherwise
