"""Numba's front end as kernels use it: native code does what the same text does in plain Python."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from symgraph.backends.cpu import build, front, language, objects

NATIVE = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)

NAMES = """
def kernel(thread, threads, args):
    y = pointer_int64(load(args, 0), 40)
    a, b = load(args, 1), load(args, 2)
    c, d = a, b
    if a > 0:
        a, b = b, a
        c, d = d, c
    y[0], y[1], y[2], y[3] = a, b, c, d
    rest = a + 100
    first = rest % b * 3 - 1
    rest = rest // b
    y[4], y[5], y[6] = first, rest, rest % b
    p = q = a + b
    p += 1
    y[7], y[8] = p, q
    k = 0
    k += 9
    y[k] = k
    e = 11
    for k in range(0, 7, 3):
        for m in range(k):
            if m == 2:
                continue
            if m == 4:
                break
            y[e] = 10 * k + m
            e += 1
    for k in range(5, 2):
        y[e] = k
    while True:
        e += 1
        if e > 25:
            break
    y[e] = e
    y[e + 1] = k
"""

TYPES = """
def kernel(thread, threads, args):
    x = pointer_int32(load(args, 0), 2)
    z = pointer_float64(load(args, 1), 2)
    old = x[0]
    x[1] = old + int32(1)
    old = z[0]
    z[1] = old + 0.5
"""

DIVISIONS = """
def kernel(thread, threads, args):
    n = load(args, 0)
    a, b = pointer_int64(load(args, 1), n), pointer_int64(load(args, 2), n)
    y, z = pointer_int64(load(args, 3), n), pointer_int64(load(args, 4), n)
    for i in range(n):
        y[i] = a[i] // b[i]
        z[i] = a[i] % b[i]
"""


def run(source, *arguments):
    """Call a kernel with arrays and numbers."""
    table = np.array([one.ctypes.data if isinstance(one, np.ndarray) else one for one in arguments], np.int64)
    NATIVE(objects.compile_kernel(source, "kernel"))(0, 1, table.ctypes.data)


@pytest.mark.parametrize("pair", [(3, 5), (-3, 5), (0, 7)])
def test_names_that_are_given_several_values(pair):
    got, want = np.zeros(40, np.int64), np.zeros(40, np.int64)
    run(NAMES, got, *pair)
    table = np.array([want.ctypes.data, *pair], np.int64)
    language.run_checked(NAMES, "kernel", 0, 1, table.ctypes.data)
    np.testing.assert_array_equal(got, want)


def test_a_name_may_hold_numbers_of_several_types():
    """A value is not widened to the type that would hold both: 2**31 - 1 has no neighbour as a float32."""
    x, z = np.array([2**31 - 2, 0], np.int32), np.array([0.25, 0])
    run(TYPES, x, z)
    assert x[1] == 2**31 - 1 and z[1] == 0.75
    texts, _ = front.typed_text(TYPES, "kernel", "symgraph_types")
    assert "sitofp" not in texts[0]


def test_divisions_round_as_in_python_and_stop_nowhere():
    random = np.random.RandomState(0)
    few = np.array([-(1 << 63), -(1 << 63) + 1, -7, -2, -1, 0, 1, 2, 7, (1 << 63) - 1])
    a = np.concatenate([np.repeat(few, len(few)), random.randint(-1000, 1000, 500), random.randint(0, 1 << 62, 500)])
    b = np.concatenate([np.tile(few, len(few)), random.randint(-30, 30, 500), random.randint(1, 1 << 40, 500)])
    y, z = np.empty_like(a), np.empty_like(a)
    run(DIVISIONS, len(a), a, b, y, z)
    for i in range(len(a)):
        one, other = int(a[i]), int(b[i])
        quotient, rest = divmod(one, other) if other else (0, 0)
        assert (y[i], z[i]) == ((quotient + (1 << 63)) % (1 << 64) - (1 << 63), rest), (one, other)


def test_loops_and_divisions_have_few_branches():
    texts, _ = front.typed_text(DIVISIONS, "kernel", "symgraph_divisions")
    assert texts[0].count("br i1") == 1 and "numba_exception_output" not in texts[0]


def test_an_error_names_the_kernel_and_shows_its_lines():
    with pytest.raises(build.KernelError, match="wrong") as caught:
        build.build("def kernel(thread, threads, args):\n    y = undefined_word(3)\n", "wrong", "symgraph_wrong")
    assert "does not compile" in str(caught.value) and "2      y = undefined_word(3)" in str(caught.value)


def test_other_users_of_numba_see_no_difference():
    import numba

    front.contexts()

    @numba.njit
    def down(n):
        total = 0
        for k in range(n, 0, -2):
            total += k
        return total, -n // 2, -n % 3

    assert down(7) == (16, -4, 2)
    with pytest.raises(ZeroDivisionError):
        numba.njit(lambda a, b: a // b)(1, 0)
