"""Event files that TensorBoard reads: scalars, histograms, images and graphs.

A file is a sequence of records (length, checksum of the length, data, checksum of the data); the data are protocol
buffers of a few fixed kinds, which are written here by hand. Field numbers are those of TensorFlow's `event.proto`,
`summary.proto` and `graph.proto`.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["EventWriter", "crc32c"]


def _table() -> list[int]:
    """CRC-32C of each byte (Castagnoli's polynomial, reflected)."""
    rows = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        rows.append(value)
    return rows


_CRC = _table()


def crc32c(data: bytes) -> int:
    """The CRC-32C checksum (RFC 3720) of bytes."""
    value = 0xFFFFFFFF
    for byte in data:
        value = _CRC[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF


def _masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


# ---------------------------------------------------------------------------------------------- protocol buffers
def _varint(value: int) -> bytes:
    value &= 0xFFFFFFFFFFFFFFFF
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _integer(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _float(field: int, value: float) -> bytes:
    return _varint(field << 3 | 5) + struct.pack("<f", value)


def _bytes(field: int, value: bytes | str) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(raw)) + raw


def _doubles(field: int, values: Iterable[float]) -> bytes:
    return _bytes(field, np.asarray(list(values), "<f8").tobytes())


def _histogram(values: np.ndarray) -> bytes:
    """A HistogramProto: counts between the edges of TensorFlow's exponential scale."""
    flat = np.asarray(values, "float64").ravel()
    flat = flat[np.isfinite(flat)]
    if not flat.size:
        flat = np.zeros(1)
    positive = 1e-12 * 1.1 ** np.arange(774)
    edges = np.concatenate([-positive[::-1], [0.0], positive, [np.finfo("float64").max]])
    counts = np.bincount(np.searchsorted(edges, flat), minlength=edges.size)
    used = np.flatnonzero(counts)
    first, last = max(int(used[0]) - 1, 0), int(used[-1]) + 1
    return (_double(1, flat.min()) + _double(2, flat.max()) + _double(3, flat.size) + _double(4, flat.sum())
            + _double(5, float((flat**2).sum())) + _doubles(6, edges[first:last]) + _doubles(7, counts[first:last]))


def _graph(nodes: Iterable[tuple[str, str, list[str]]]) -> bytes:
    """A GraphDef of `(name, operation, names of inputs)`."""
    definition = b""
    for name, operation, inputs in nodes:
        node = _bytes(1, name) + _bytes(2, operation) + b"".join(_bytes(3, source) for source in inputs)
        definition += _bytes(1, node)
    return definition + _bytes(4, _integer(1, 22))


def _png(image: np.ndarray) -> bytes:
    """A greyscale image of 8 bits as PNG."""
    import zlib

    height, width = image.shape
    rows = b"".join(b"\0" + row.tobytes() for row in image.astype(np.uint8))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


class EventWriter:
    """Writes one event file into a folder.

    # Arguments
        folder: the folder; it is made if it is not there.
    """

    def __init__(self, folder: Any):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        stamp = f"{time.time():.6f}"
        self.path = self.folder / f"events.out.tfevents.{stamp}.{socket.gethostname()}.{os.getpid()}"
        self._file = open(self.path, "wb")  # noqa: SIM115 - closed by `close`
        self._event(_bytes(3, "brain.Event:2"), None)

    def _event(self, content: bytes, step: int | None) -> None:
        data = _double(1, time.time()) + (b"" if step is None else _integer(2, step)) + content
        length = struct.pack("<Q", len(data))
        self._file.write(length + _masked(length) + data + _masked(data))

    def scalars(self, values: dict[str, float], step: int) -> None:
        """Write numbers by their names."""
        summary = b"".join(_bytes(1, _bytes(1, name) + _float(2, float(value))) for name, value in values.items())
        self._event(_bytes(5, summary), step)

    def histogram(self, name: str, values: np.ndarray, step: int) -> None:
        """Write how values are distributed."""
        self._event(_bytes(5, _bytes(1, _bytes(1, name) + _bytes(5, _histogram(values)))), step)

    def image(self, name: str, image: np.ndarray, step: int) -> None:
        """Write a two-dimensional array as an image, its smallest value black and its largest white."""
        low, high = float(image.min()), float(image.max())
        grey = np.round((image - low) * (255.0 / (high - low or 1.0)))
        height, width = image.shape
        content = _integer(1, height) + _integer(2, width) + _integer(3, 1) + _bytes(4, _png(grey))
        self._event(_bytes(5, _bytes(1, _bytes(1, name) + _bytes(4, content))), step)

    def graph(self, nodes: Iterable[tuple[str, str, list[str]]]) -> None:
        """Write a graph of `(name, operation, names of inputs)`."""
        self._event(_bytes(4, _graph(nodes)), None)

    def flush(self) -> None:
        """Make what was written visible to readers."""
        self._file.flush()

    def close(self) -> None:
        """End the file."""
        self._file.close()
