"""Texts as lists of word numbers: what IMDB's and Reuters' loaders have in common."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from symgraph.datasets.stored import load_pickle
from symgraph.preprocessing.sequence import _remove_long_seq

__all__ = ["chosen_words", "load_word_index", "objects", "refuse_unknown"]


def objects(lists: Any) -> np.ndarray:
    """Lists of different lengths as an array of lists."""
    array = np.empty(len(lists), dtype=object)
    for place, one in enumerate(lists):
        array[place] = list(one)
    return array


def chosen_words(texts: Any, labels: Any, num_words: int | None, skip_top: int, maxlen: int | None,
                 start_char: int | None, oov_char: int | None, index_from: int) -> tuple[list, Any]:
    """The texts with shifted numbers, a start mark, and only the words that are wanted.

    # Arguments
        texts, labels: lists of word numbers and their labels.
        num_words: numbers from this one on are left out; None: none are.
        skip_top: numbers below it are left out.
        maxlen: texts must be shorter; None: of any length.
        start_char: stands before each text; None or 0: nothing does.
        oov_char: stands for words that are left out; None: nothing does.
        index_from: added to each number.

    # Raises
        ValueError: no text is shorter than `maxlen`.
    """
    shift = index_from or 0
    start = [start_char] if start_char else []
    texts = [start + [word + shift for word in text] for text in texts]
    if maxlen:
        texts, labels = _remove_long_seq(maxlen, texts, labels)
        if not texts:
            raise ValueError(f"After filtering for sequences shorter than maxlen={maxlen}, no sequence was kept. "
                             "Increase maxlen.")
    if not num_words:
        num_words = max((max(text) for text in texts if text), default=0) + 1
    if oov_char is not None:
        texts = [[word if skip_top <= word < num_words else oov_char for word in text] for text in texts]
    else:
        texts = [[word for word in text if skip_top <= word < num_words] for text in texts]
    return texts, labels


def refuse_unknown(arguments: dict) -> None:
    """Raises TypeError for arguments that `load_data` does not have."""
    if arguments:
        raise TypeError(f"load_data: unrecognized keyword arguments {', '.join(map(repr, arguments))}.")


def load_word_index(path: str) -> dict[str, int]:
    """Word -> number, from a JSON file or, as Keras 1 stored it, a pickle."""
    if str(path).endswith(".pkl"):
        return load_pickle(path, encoding="latin1")
    with open(path, encoding="utf-8") as file:
        return json.load(file)
