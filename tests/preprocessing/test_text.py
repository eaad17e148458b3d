"""Texts as words, numbers and rows."""

import numpy as np
import pytest

from symgraph.keras1.preprocessing import text as old_text
from symgraph.preprocessing import text as t

TEXTS = ["The cat sat on the mat.", "The dog sat on the log.", "Dogs and cats living together."]


def test_words():
    assert t.text_to_word_sequence("Hello, world! a-b") == ["hello", "world", "a", "b"]
    assert t.text_to_word_sequence("A B", lower=False) == ["A", "B"]
    assert t.text_to_word_sequence("x::y", filters="", split="::") == ["x", "y"]


def test_hashes_lie_in_their_range():
    numbers = t.hashing_trick(TEXTS[0], 5, "md5")
    assert len(numbers) == 6 and set(numbers) <= {1, 2, 3, 4} and numbers[0] == numbers[4]
    assert len(t.one_hot(TEXTS[0], 5)) == 6


def test_a_vocabulary():
    tokenizer = t.Tokenizer()
    tokenizer.fit_on_texts(TEXTS)
    assert tokenizer.word_index["the"] == 1 and tokenizer.word_counts["the"] == 4 and tokenizer.word_docs["the"] == 2
    assert tokenizer.document_count == 3
    numbers = tokenizer.texts_to_sequences(["the cat unknown"])
    assert numbers == [[1, tokenizer.word_index["cat"]]]
    assert tokenizer.sequences_to_texts(numbers) == ["the cat"]


def test_unknown_words_and_limits():
    tokenizer = t.Tokenizer(num_words=3, oov_token="<?>")
    tokenizer.fit_on_texts(TEXTS)
    assert tokenizer.word_index["<?>"] == 1
    assert tokenizer.texts_to_sequences(["the cat"]) == [[2, 1]]


@pytest.mark.parametrize("mode, row", [
    ("count", [0, 2, 1]), ("binary", [0, 1, 1]), ("freq", [0, 2 / 3, 1 / 3]),
    ("tfidf", [0, (1 + np.log(2)) * np.log(1 + 2 / 2), np.log(1 + 2 / 3)])])
def test_rows(mode, row):
    tokenizer = t.Tokenizer(num_words=3)
    tokenizer.fit_on_texts(["b", "b a a a"])  # a: 1, b: 2
    np.testing.assert_allclose(tokenizer.texts_to_matrix(["a a b"], mode)[0], row)


def test_refusals():
    with pytest.raises(ValueError, match="Specify a dimension"):
        t.Tokenizer().sequences_to_matrix([[1]])
    with pytest.raises(ValueError, match="Unknown vectorization mode"):
        t.Tokenizer(num_words=3).sequences_to_matrix([[1]], "other")
    with pytest.raises(TypeError, match="words"):
        t.Tokenizer(words=3)


def test_characters_and_json():
    tokenizer = t.Tokenizer(char_level=True)
    tokenizer.fit_on_texts(["aab"])
    again = t.tokenizer_from_json(tokenizer.to_json())
    assert again.texts_to_sequences(["ba"]) == tokenizer.texts_to_sequences(["ba"]) == [[2, 1]]


def test_the_words_of_keras_1():
    assert t.Tokenizer(nb_words=7).num_words == 7
    tokenizer = old_text.Tokenizer(nb_words=7)
    assert tokenizer.nb_words == 7
    assert old_text.text_to_word_sequence("a, b", old_text.base_filter()) == ["a", "b"]
