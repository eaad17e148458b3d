"""Writing files so that they are whole or not there at all, and the pieces of the HDF5 layout of Keras.

A crash, a full disk or a lost power supply in the middle of a write leaves the file that was there before as it was:
the new one is written beside it, flushed to the disk, renamed over the old one, and the rename flushed too.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from symgraph.utils.io_utils import HDF5_OBJECT_HEADER_LIMIT

if TYPE_CHECKING:
    import h5py

__all__ = ["atomic_file", "hdf5_target", "write_arrays", "write_names", "write_text"]

#: An attribute list longer than this is stored in pieces.
PIECE = HDF5_OBJECT_HEADER_LIMIT


@contextmanager
def atomic_file(path: Any) -> Iterator[Any]:
    """An open binary file that takes the place of `path` when the block ends without an error.

    The name may be a link to a file: then that file is replaced. The permissions of an old file are kept.

    # Raises
        OSError: the folder cannot be written, the disk is full ...; the old file is then as it was.
    """
    target = os.path.realpath(os.path.expanduser(os.fspath(path)))
    folder = os.path.dirname(target)
    if os.path.isdir(target):
        raise IsADirectoryError(f"Cannot save to {target}: it is a directory.")
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"Cannot save to {target}: the folder {folder} does not exist.")
    descriptor, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(target)[:100]}.", suffix=".part", dir=folder)
    try:
        with os.fdopen(descriptor, "w+b") as stream:
            os.chmod(temporary, _permissions(target))
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, target)
    except BaseException:
        try:
            os.unlink(temporary)
        except FileNotFoundError:
            pass  # the error came after the rename
        raise
    _flush_folder(folder)


def _permissions(target: str) -> int:
    """The permissions of the file that is there, or those that a new file gets."""
    try:
        return os.stat(target).st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def _flush_folder(folder: str) -> None:
    if os.name != "posix":
        return  # elsewhere a folder cannot be opened, and a rename needs no flush of its own
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Careful(io.RawIOBase):
    """A file for the HDF5 library, which does not survive a failed write: the first error is kept and raised later."""

    def __init__(self, stream: Any):
        self._stream = stream
        self.error: OSError | None = None

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def readinto(self, buffer: Any) -> int:
        return self._stream.readinto(buffer)

    def _attempt(self, action: Any, *arguments: Any) -> None:
        if self.error is None:
            try:
                action(*arguments)
            except OSError as error:
                self.error = error

    def write(self, data: Any) -> int:
        self._attempt(self._stream.write, data)
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        self._attempt(self._stream.truncate, size)
        return size if size is not None else self._stream.tell()

    def flush(self) -> None:
        if getattr(self, "_stream", None) is not None and not self._stream.closed:
            self._attempt(self._stream.flush)


@contextmanager
def hdf5_target(target: Any) -> Iterator[h5py.Group]:
    """A group to write a model to.

    # Arguments
        target: a path (written atomically), an open binary file, or an open `h5py.File` or `h5py.Group`.

    # Raises
        OSError: the file cannot be written; an old file of that name is then as it was.
    """
    if hasattr(target, "create_group"):  # of h5py
        yield target
    elif isinstance(target, (str, os.PathLike)):
        with atomic_file(target) as stream, _written(stream) as file:
            yield file
    elif hasattr(target, "write"):
        image = io.BytesIO()
        with _written(image) as file:
            yield file
        target.write(image.getvalue())
    else:
        raise TypeError(f"Cannot save to {target!r}: expected a path, an open binary file or an h5py.File.")


@contextmanager
def _written(stream: Any) -> Iterator[h5py.File]:
    import h5py  # here: it takes longer to import than most models to save

    careful = _Careful(stream)
    with h5py.File(careful, "w") as file:
        yield file
    if careful.error is not None:
        raise careful.error


def write_text(group: Any, name: str, text: str) -> None:
    """Store a text as an attribute; as bytes, which every version of Keras reads."""
    group.attrs[name] = text.encode("utf-8")


def write_names(group: Any, name: str, names: Iterable[str]) -> None:
    """Store a list of names as an attribute, in pieces where it is too long for one.

    # Raises
        ValueError: a single name that is too long.
    """
    encoded = [item.encode("utf-8") for item in names]
    too_long = [item for item in encoded if len(item) > PIECE]
    if too_long:
        raise ValueError(f"A name of {len(too_long[0])} bytes is too long for an HDF5 file: {too_long[0][:80]!r}... "
                         f"At most {PIECE} fit.")
    # All names of an array take the room of the longest.
    width = max((len(item) for item in encoded), default=1)
    at_once = max(1, PIECE // max(1, width))
    if len(encoded) <= at_once:
        group.attrs[name] = np.array(encoded, dtype=f"S{width}") if encoded else np.zeros(0)
        return
    for index, start in enumerate(range(0, len(encoded), at_once)):
        group.attrs[f"{name}{index}"] = np.array(encoded[start:start + at_once], dtype=f"S{width}")


def write_arrays(group: Any, names: list[str], arrays: list[np.ndarray]) -> None:
    """Store arrays under their names, and the list of names as the attribute `weight_names`.

    Names that occur twice, or that stand in each other's way, are numbered.
    """
    taken: set[str] = set()
    above: set[str] = set()  # the groups that the names need
    used: list[str] = []
    for name in names:
        free, number = name, 1
        while free in taken or free in above or any(folder in taken for folder in _folders(free)):
            head, colon, tail = name.rpartition(":")
            free = f"{head}_{number}:{tail}" if colon else f"{name}_{number}"
            number += 1
        taken.add(free)
        above.update(_folders(free))
        used.append(free)
    write_names(group, "weight_names", used)
    for name, array in zip(used, arrays):
        group.create_dataset(name, data=_plain(array))


def _folders(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _plain(array: np.ndarray) -> np.ndarray:
    """The array in an element type that HDF5 knows (bfloat16 becomes float32, which holds all its values)."""
    array = np.asarray(array)
    return array if array.dtype.kind in "biuf" else array.astype("float32")
