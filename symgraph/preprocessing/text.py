"""Texts as numbers: words, hashed words, and a tokenizer that learns a vocabulary."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from symgraph.legacy.accept import accept_functions

__all__ = ["Tokenizer", "hashing_trick", "one_hot", "text_to_word_sequence", "tokenizer_from_json"]


def text_to_word_sequence(text, filters='!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n', lower=True, split=" "):
    """The words of a text.

    # Arguments
        text: a string.
        filters: characters that separate words as `split` does.
        lower: whether the words are made lower case.
        split: what separates words.
    """
    if lower:
        text = text.lower()
    return [word for word in text.translate({ord(letter): split for letter in filters}).split(split) if word]


def _number(word: str, n: int, function: Callable[[str], int]) -> int:
    return function(word) % (n - 1) + 1


def hashing_trick(text, n, hash_function=None, filters='!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n', lower=True, split=" "):
    """The words of a text as numbers from 1 to n - 1, by a hash; different words may share one.

    # Arguments
        n: size of the space of numbers.
        hash_function: None for Python's `hash` (which differs between processes), 'md5', or a function.
        text, filters, lower, split: as in `text_to_word_sequence`.
    """
    function: Any = hash_function
    if function is None:
        function = hash
    elif function == "md5":
        def function(word: str) -> int:
            return int(hashlib.md5(word.encode(), usedforsecurity=False).hexdigest(), 16)
    return [_number(word, n, function) for word in text_to_word_sequence(text, filters, lower, split)]


def one_hot(text, n, filters='!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n', lower=True, split=" "):
    """`hashing_trick` with Python's `hash`."""
    return hashing_trick(text, n, hash, filters, lower, split)


class Tokenizer:
    """Learns a vocabulary, and turns texts into numbers or rows of a matrix.

    # Arguments
        num_words: only the words with numbers below this are used; None: all.
        filters, lower, split: as in `text_to_word_sequence`.
        char_level: whether each character is a word.
        oov_token: a word that stands for all unknown ones; it gets number 1.

    The most frequent word has number 1 (or 2, after `oov_token`); 0 is no word's.
    """

    def __init__(self, num_words=None, filters='!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n', lower=True, split=" ",
                 char_level=False, oov_token=None, document_count=0, **kwargs):
        if kwargs:
            raise TypeError(f"Unrecognized keyword arguments: {kwargs}. Known: num_words, filters, lower, split, "
                            "char_level, oov_token, document_count.")
        self.num_words, self.filters, self.lower, self.split = num_words, filters, lower, split
        self.char_level, self.oov_token, self.document_count = char_level, oov_token, document_count
        self.word_counts: dict[str, int] = OrderedDict()
        self.word_docs: Counter = Counter()
        self.index_docs: Counter = Counter()
        self.word_index: dict[str, int] = {}
        self.index_word: dict[int, str] = {}

    def _words(self, text: Any) -> list[str]:
        if self.char_level or isinstance(text, list):
            if not self.lower:
                return list(text)
            return [word.lower() for word in text]
        return text_to_word_sequence(text, self.filters, self.lower, self.split)

    def fit_on_texts(self, texts: Iterable) -> None:
        """Learn the words of texts (strings, or lists of words)."""
        for text in texts:
            self.document_count += 1
            words = self._words(text)
            for word in words:
                self.word_counts[word] = self.word_counts.get(word, 0) + 1
            self.word_docs.update(set(words))
        ranked = sorted(self.word_counts, key=lambda word: -self.word_counts[word])
        if self.oov_token is not None:
            ranked = [self.oov_token, *(word for word in ranked if word != self.oov_token)]
        self.word_index = {word: number for number, word in enumerate(ranked, 1)}
        self.index_word = {number: word for word, number in self.word_index.items()}
        self.index_docs = Counter({self.word_index[word]: count for word, count in self.word_docs.items()})

    def fit_on_sequences(self, sequences: Iterable) -> None:
        """Count documents that are numbers already; needed before `sequences_to_matrix` in mode 'tfidf'."""
        for sequence in sequences:
            self.document_count += 1
            self.index_docs.update(set(sequence))

    def texts_to_sequences(self, texts: Iterable) -> list[list[int]]:
        """Each text as a list of numbers; unknown words are left out, or are `oov_token`."""
        return list(self.texts_to_sequences_generator(texts))

    def texts_to_sequences_generator(self, texts: Iterable) -> Iterator[list[int]]:
        """As `texts_to_sequences`, one by one."""
        unknown = self.word_index.get(self.oov_token) if self.oov_token is not None else None
        for text in texts:
            numbers = []
            for word in self._words(text):
                number = self.word_index.get(word, unknown)
                if number is not None and self.num_words and number >= self.num_words:
                    number = unknown
                if number is not None:
                    numbers.append(number)
            yield numbers

    def sequences_to_texts(self, sequences: Iterable) -> list[str]:
        """Numbers as texts again, words separated by blanks."""
        return list(self.sequences_to_texts_generator(sequences))

    def sequences_to_texts_generator(self, sequences: Iterable) -> Iterator[str]:
        """As `sequences_to_texts`, one by one."""
        unknown = self.oov_token
        for sequence in sequences:
            words = []
            for number in sequence:
                word = self.index_word.get(number, unknown)
                if word is not None and self.num_words and number >= self.num_words:
                    word = unknown
                if word is not None:
                    words.append(word)
            yield " ".join(words)

    def texts_to_matrix(self, texts: Iterable, mode: str = "binary") -> np.ndarray:
        """A row for each text, a column for each word; see `sequences_to_matrix`."""
        return self.sequences_to_matrix(self.texts_to_sequences(texts), mode=mode)

    def sequences_to_matrix(self, sequences: list, mode: str = "binary") -> np.ndarray:
        """A row for each sequence, a column for each word.

        # Arguments
            sequences: lists of numbers.
            mode: 'binary' (is it there), 'count', 'freq' (count over length) or 'tfidf'.

        # Raises
            ValueError: an unknown mode, or nothing was fitted.
        """
        if not self.num_words and not self.word_index:
            raise ValueError("Specify a dimension (`num_words` argument), or fit on some text data first.")
        if mode not in {"binary", "count", "freq", "tfidf"}:
            raise ValueError(f"Unknown vectorization mode: {mode}. Known: binary, count, freq, tfidf.")
        if mode == "tfidf" and not self.document_count:
            raise ValueError("Fit the Tokenizer on some data before using tfidf mode.")
        columns = self.num_words or len(self.word_index) + 1
        matrix = np.zeros((len(sequences), columns))
        for row, sequence in enumerate(sequences):
            for number, count in Counter(number for number in sequence if number < columns).items():
                if mode == "count":
                    matrix[row, number] = count
                elif mode == "freq":
                    matrix[row, number] = count / len(sequence)
                elif mode == "binary":
                    matrix[row, number] = 1
                else:
                    frequency = 1 + np.log(count)
                    rarity = np.log(1 + self.document_count / (1 + self.index_docs.get(number, 0)))
                    matrix[row, number] = frequency * rarity
        return matrix

    def get_config(self) -> dict:
        """The arguments and what was learned; the tables as JSON."""
        return {"num_words": self.num_words, "filters": self.filters, "lower": self.lower, "split": self.split,
                "char_level": self.char_level, "oov_token": self.oov_token, "document_count": self.document_count,
                "word_counts": json.dumps(self.word_counts), "word_docs": json.dumps(self.word_docs),
                "index_docs": json.dumps(self.index_docs), "index_word": json.dumps(self.index_word),
                "word_index": json.dumps(self.word_index)}

    def to_json(self, **kwargs: Any) -> str:
        """The tokenizer as JSON; `tokenizer_from_json` reads it."""
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)


def tokenizer_from_json(json_string):
    """The tokenizer that `Tokenizer.to_json` wrote."""
    config = json.loads(json_string)["config"]
    tables = {name: json.loads(config.pop(name)) for name in ("word_counts", "word_docs", "index_docs", "index_word",
                                                              "word_index")}
    tokenizer = Tokenizer(**config)
    tokenizer.word_counts = OrderedDict(tables["word_counts"])
    tokenizer.word_docs = Counter(tables["word_docs"])
    tokenizer.index_docs = Counter({int(key): value for key, value in tables["index_docs"].items()})
    tokenizer.word_index = tables["word_index"]
    tokenizer.index_word = {int(key): value for key, value in tables["index_word"].items()}
    return tokenizer


accept_functions(globals())  # the arguments that Keras 1 named otherwise
