"""Arrays of more than 2^31 elements: no kernel counts in 32 bits.

The arrays are pages of zeros that nobody wrote: reading them costs time but no memory, so that a test needs less than
200 MB. A number stands where a place that was cut to 32 bits could not be.
"""

from __future__ import annotations

import mmap
import sys

import numpy as np
import pytest

from symgraph import backend as K
from symgraph import config

pytestmark = [
    pytest.mark.skipif(config.executor_name() != "numba", reason="about the executor numba"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="pages without memory are asked for as on Linux"),
]
#: Linux's flag for pages that nothing is set aside for; the module mmap names it in newer versions of Python only.
NORESERVE = 0x4000
MANY = 2**31 + 2**20


def sparse(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Zeros that take no memory until they are written."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    try:
        pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NORESERVE)
    except OSError as error:
        pytest.skip(f"the system gives no {size} bytes of addresses: {error}")
    return np.frombuffer(pages, dtype).reshape(shape)


@pytest.fixture(scope="module")
def image():
    """An image of 65536 x 65536: what windows 4096 apart see lies up to 2^32 numbers away."""
    made = sparse((1, 65536, 65536, 1), "float32")
    made[0, 61440, 61440, 0] = 2
    made[0, 12288, 4096, 0] = 3
    return made


@pytest.fixture
def pixels():
    return K.placeholder(shape=(None, None, None, 1))


def the_two(first: float, second: float) -> np.ndarray:
    wanted = np.zeros((1, 16, 16, 1), np.float32)
    wanted[0, 15, 15], wanted[0, 3, 1] = first, second
    return wanted


def test_rows_of_a_table():
    table = sparse((2**26 + 4096, 33), "int8")
    table[2**26 + 4000] = np.arange(33)
    x, numbers = K.placeholder(shape=(None, 33), dtype="int8"), K.placeholder(shape=(None,), dtype="int64")
    found = K.function([x, numbers], [K.gather(x, numbers)])([table, np.array([2**26 + 4000, 5, 2**26 + 4095])])[0]
    np.testing.assert_array_equal(found, [np.arange(33), np.zeros(33), np.zeros(33)])


def test_elements_far_apart():
    numbers = sparse((MANY,), "float32")
    numbers[-1], numbers[2**31] = 3, 5
    x = K.placeholder(shape=(None,))
    last, forwards, backwards = K.function([x], [x[-2:] * 2.0, x[:: 2**20] + 1.0, x[:: -(2**20)] * 1.0])([numbers])
    assert last.tolist() == [0, 6]
    assert forwards.shape == backwards.shape == (2049,)
    assert forwards[2048] == 6 and (forwards[:2048] == 1).all()
    assert backwards[0] == 3 and not backwards[1:].any()


def test_the_last_of_many():
    numbers = sparse((MANY + 7,), "int8")
    numbers[-1] = 3
    x = K.placeholder(shape=(None,), dtype="int8")
    greatest, place = K.function([x], [K.max(x), K.argmax(x)])([numbers])
    assert greatest == 3 and place == MANY + 6


@pytest.mark.parametrize("window", [1, 3])
def test_convolution(image, pixels, window):
    kernel = K.placeholder(shape=(window, window, 1, 2))
    weights = np.zeros((window, window, 1, 2), np.float32)
    weights[0, 0] = [2, -1]
    (found,) = K.function([pixels, kernel], [K.conv2d(pixels, kernel, strides=(4096, 4096))])([image, weights])
    np.testing.assert_array_equal(found, np.concatenate([the_two(4, 6), the_two(-2, -3)], axis=-1))


@pytest.mark.parametrize("mode, share", [("max", 1), ("avg", 1 / 4)])
def test_windows(image, pixels, mode, share):
    (found,) = K.function([pixels], [K.pool2d(pixels, (2, 2), strides=(4096, 4096), pool_mode=mode)])([image])
    np.testing.assert_array_equal(found, the_two(2 * share, 3 * share))


def test_sums_of_numbers_far_apart(image, pixels):
    some = pixels[:, ::4096, ::4096]
    rows, total = K.function([pixels], [K.sum(some, axis=(2, 3)), K.sum(some)])([image])
    assert total == 5 and rows.shape == (1, 16) and rows[0, 15] == 2 and rows[0, 3] == 3
