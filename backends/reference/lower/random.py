"""Random numbers and places in NumPy: Threefry-2x32-20 (see `symgraph.ops.random`)."""

from __future__ import annotations

import numpy as np

from symgraph.backends.reference.table import ELEMENTWISE
from symgraph.graph.type import numpy_dtype

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def threefry2x32(k0: int, k1: int, c0: np.ndarray, c1: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return two words of random bits for each counter (Salmon et al. 2011, 20 rounds)."""
    keys = np.array([k0, k1, k0 ^ k1 ^ 0x1BD11BDA], np.uint32)
    with np.errstate(over="ignore"):
        x0 = np.asarray(c0, np.uint32) + keys[0]
        x1 = np.asarray(c1, np.uint32) + keys[1]
        for block in range(5):
            for rotation in _ROTATIONS[block % 2]:
                x0 = x0 + x1
                x1 = (x1 << np.uint32(rotation)) | (x1 >> np.uint32(32 - rotation))
                x1 = x1 ^ x0
            x0 = x0 + keys[(block + 1) % 3]
            x1 = x1 + keys[(block + 2) % 3] + np.uint32(block + 1)
    return x0, x1


def _words(attrs, step):
    count = int(np.prod(attrs["shape"], dtype=np.int64))
    places = np.arange(count, dtype=np.uint64)
    low = (places & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    stream = attrs["stream"]
    return threefry2x32(attrs["seed"], stream, low, np.broadcast_to(np.asarray(step, np.uint32), low.shape))


def _uniform(attrs, step):
    first, second = _words(attrs, step)
    dtype = numpy_dtype(attrs["dtype"])
    if attrs["dtype"] == "float64":
        value = ((first >> np.uint32(5)) * 67108864.0 + (second >> np.uint32(6))) * 2.0**-53
    else:
        value = (first >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)
        if dtype.itemsize == 2:  # keep the interval half open when rounding to a half float
            bits = 11 if attrs["dtype"] == "float16" else 8
            value = np.floor(value * np.float32(2.0**bits)) * np.float32(2.0**-bits)
    return value.reshape(attrs["shape"]).astype(dtype)


def _normal(attrs, step):
    first, second = _words(attrs, step)
    wide = np.float64 if attrs["dtype"] == "float64" else np.float32
    scale, bits = (2.0**-32, 0) if wide is np.float64 else (2.0**-24, 8)
    radius = ((first >> np.uint32(bits)).astype(wide) + wide(1)) * wide(scale)
    angle = (second >> np.uint32(bits)).astype(wide) * wide(scale)
    value = np.sqrt(wide(-2) * np.log(radius)) * np.cos(wide(2 * np.pi) * angle)
    return value.reshape(attrs["shape"]).astype(numpy_dtype(attrs["dtype"]))


def _iota(attrs):
    shape = attrs["shape"]
    along = np.arange(shape[attrs["axis"]]).astype(numpy_dtype(attrs["dtype"]))
    return np.broadcast_to(along.reshape([-1 if axis == attrs["axis"] else 1 for axis in range(len(shape))]), shape)


ELEMENTWISE["random_uniform"] = _uniform
ELEMENTWISE["random_normal"] = _normal
ELEMENTWISE["iota"] = _iota
ELEMENTWISE["dim_value"] = lambda attrs: np.int64(attrs["size"])
