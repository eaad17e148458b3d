"""Symbolic dimensions: one form for equal expressions, evaluation, substitution, relations."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symgraph.graph.type import (
    Dim,
    broadcast_shapes,
    collect_relations,
    dtype_name,
    equal,
    evaluate,
    maximum,
    minimum,
    new_symbol,
    promote,
    source,
    substitute,
    symbols,
)

N, M = new_symbol("n"), new_symbol("m")


def test_equal_expressions_are_one_object():
    assert N * 10 // 10 is N
    assert (N + M) * 2 is M * 2 + 2 * N
    assert N - N == 0
    assert (N * 6 + 12) // 6 is N + 2
    assert (N * M) // M is N
    assert (N * 4) % 2 == 0
    assert N + 1 is not N


def test_a_size_that_is_not_known_has_no_truth_value():
    with pytest.raises(TypeError, match="known only when the function is called"):
        bool(N)


def _expressions():
    leaves = st.sampled_from([N, M, 1, 2, 3, 7])
    return st.recursive(
        leaves,
        lambda inner: st.tuples(st.sampled_from("+-*/%<>"), inner, inner),
        max_leaves=8,
    )


def _build(tree, leaf):
    if not isinstance(tree, tuple):
        return leaf(tree)
    operation, left, right = tree[0], _build(tree[1], leaf), _build(tree[2], leaf)
    if operation in "/%" and isinstance(right, int) and right == 0:
        return left
    return {
        "+": lambda: left + right,
        "-": lambda: left - right,
        "*": lambda: left * right,
        "/": lambda: left // right,
        "%": lambda: left % right,
        "<": lambda: minimum(left, right),
        ">": lambda: maximum(left, right),
    }[operation]()


@settings(max_examples=200, deadline=None)
@given(_expressions(), st.integers(1, 50), st.integers(1, 50))
def test_expressions_have_the_value_that_python_gives(tree, n, m):
    numbers = {id(N): n, id(M): m}

    def plain(node):
        if not isinstance(node, tuple):
            return numbers.get(id(node), node)
        left, right = plain(node[1]), plain(node[2])
        if node[0] in "/%":
            return left // right if node[0] == "/" else left % right
        return {"+": left + right, "-": left - right, "*": left * right, "<": min(left, right), ">": max(left, right)}[
            node[0]
        ]

    try:
        dim, expected = _build(tree, lambda leaf: leaf), plain(tree)
    except ZeroDivisionError:
        return
    values = {N.symbol: n, M.symbol: m}
    try:
        value = evaluate(dim, values)
    except ZeroDivisionError:
        return
    if min(n, m) >= 0 and not _has_negative_maximum(tree, plain):
        assert value == expected
    names = {N.symbol: "n", M.symbol: "m"}
    assert eval(source(dim, names), {"n": n, "m": m, "max": max}) == value
    assert evaluate(substitute(dim, {N.symbol: M}), {M.symbol: m}) == evaluate(dim, {N.symbol: m, M.symbol: m}) or (
        isinstance(dim, int)
    )


def _has_negative_maximum(tree, plain):
    """maximum() takes sizes, which are not negative: max(0, x) is x there."""
    if not isinstance(tree, tuple):
        return False
    inside = _has_negative_maximum(tree[1], plain) or _has_negative_maximum(tree[2], plain)
    return inside or (tree[0] in "<>" and min(plain(tree[1]), plain(tree[2])) < 0)


def test_symbols_of_an_expression():
    assert symbols((N * 2 + 1) // M) == {N.symbol, M.symbol}
    assert symbols(7) == set()


def test_broadcasting_of_unknown_sizes_is_noted_not_guessed():
    with collect_relations() as relations:
        shape = broadcast_shapes((N, 3), (M, 1))
    assert isinstance(shape[0], Dim) and shape[1] == 3
    assert [(each.kind, each.left, each.right) for each in relations] == [("broadcast", N, M)]
    assert broadcast_shapes((N, 3), (N, 4)) is None
    assert broadcast_shapes((N, 3), (3,)) == (N, 3)
    assert equal(N, N) and not equal(3, 4)


def test_dtypes():
    assert dtype_name(np.float32) == dtype_name("f4") == "float32"
    with pytest.raises(TypeError, match="complex64"):
        dtype_name(np.complex64)
    for a, b in itertools.product(["float16", "float32", "int8", "uint8", "int64", "bool"], repeat=2):
        assert promote(a, b) == np.result_type(np.dtype(a), np.dtype(b)).name
    assert promote("bfloat16", "float16") == "float32" and promote("bfloat16", "int64") == "bfloat16"
