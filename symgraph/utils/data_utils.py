"""Files from elsewhere: fetched once, checked, unpacked. And `Sequence`: data that come batch by batch."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from symgraph import config
from symgraph.utils.enqueuers import GeneratorEnqueuer, OrderedEnqueuer, SequenceEnqueuer
from symgraph.utils.progress import Progbar

__all__ = ["GeneratorEnqueuer", "OrderedEnqueuer", "Sequence", "SequenceEnqueuer", "get_file", "validate_file"]

#: Seconds without a byte after which a download has failed.
_PATIENCE = 60.0
_PIECE = 1 << 16


class Sequence:
    """Base of data sets that give their batches by number, safe to read from several threads.

    A subclass gives `__getitem__(index)`, a batch `(inputs, targets)` or `(inputs, targets, sample weights)`, and
    `__len__`, the number of batches. `on_epoch_end` is called after each epoch. Where a batch may take minutes, set the
    attribute `timeout` to the seconds after which the workers are taken to hang (None: never).
    """

    use_sequence_api = True

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define `__getitem__(self, index)`.")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} must define `__len__(self)`: its number of batches.")

    def on_epoch_end(self) -> None:
        """Called after each epoch."""

    def __iter__(self) -> Iterator[Any]:
        for index in range(len(self)):
            yield self[index]


# ---------------------------------------------------------------------------------------------- files
def get_file(fname: str, origin: str, untar: bool = False, md5_hash: str | None = None, file_hash: str | None = None,
             cache_subdir: str = "datasets", hash_algorithm: str = "auto", extract: bool = False,
             archive_format: Any = "auto", cache_dir: Any = None) -> str:
    """The path of a file that is fetched when it is not there yet, or is not the one that was meant.

    # Arguments
        fname: its name; an absolute path says where it lies.
        origin: its URL (http, https, ftp or file).
        untar: whether the file is a tar archive named `fname + '.tar.gz'`, which unpacks to `fname`. Keras 1's way to
            say `extract`.
        md5_hash: Keras 1's way to say `file_hash`.
        file_hash: MD5 or SHA-256 checksum in hexadecimal digits. A file that does not have it is fetched again; a
            download that does not have it is an error.
        cache_subdir: folder in `cache_dir`, or an absolute path.
        hash_algorithm: 'md5', 'sha256', or 'auto': by the length of the checksum.
        extract: whether to unpack the archive beside it, if it is one.
        archive_format: 'auto', 'tar' (compressed or not), 'zip', or a list of them; None: it is not unpacked.
        cache_dir: default: the folder of `keras.json`, or one for temporary files where that cannot be written.

    # Returns
        The path of the file; with `untar` of what it holds.

    # Raises
        Exception: the download failed (as Keras raises it), or has another checksum.
        ValueError: an archive with a member that would lie outside the folder, or an unknown algorithm or format.

    The file takes its name when it is complete and checked: whoever is interrupted leaves no half of one. The archive
    is unpacked into a temporary folder first.
    """
    if md5_hash is not None and file_hash is None:
        file_hash, hash_algorithm = md5_hash, "md5"
    folder = _cache_folder(cache_dir, cache_subdir)
    unpacked = folder / fname
    path = folder / f"{fname}.tar.gz" if untar else unpacked
    path.parent.mkdir(parents=True, exist_ok=True)
    wanted = True
    if path.exists():
        wanted = file_hash is not None and not validate_file(path, file_hash, algorithm=hash_algorithm)
        if wanted:
            print(f"A local file was found, but it seems to be incomplete or outdated because the "
                  f"{_algorithm(file_hash, hash_algorithm)} file hash does not match the original value of "
                  f"{file_hash} so we will re-download the data.")
    if wanted:
        print(f"Downloading data from {origin}")
        _download(origin, path, file_hash, hash_algorithm)
    if untar:
        if not unpacked.exists():
            _extract_archive(path, folder, "tar")
        return str(unpacked)
    if extract:
        _extract_archive(path, folder, archive_format)
    return str(path)


def _cache_folder(cache_dir: Any, cache_subdir: str) -> Path:
    """The folder for a file; where the user's own cannot be written, one for temporary files."""
    base = config.keras_home() if cache_dir is None else Path(cache_dir).expanduser()
    try:
        base.mkdir(parents=True, exist_ok=True)
        writable = os.access(base, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        base = Path(tempfile.gettempdir()) / ".keras"
    folder = base / cache_subdir
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _download(origin: str, path: Path, file_hash: str | None, algorithm: str) -> None:
    """Fetch a file: beside its place, checked, then named."""
    from symgraph.engine.hdf5_writer import atomic_file  # here: the engine reads data with this module's help

    with atomic_file(path) as file:
        try:
            _fetch(origin, file)
        except urllib.error.HTTPError as error:
            raise Exception(f"URL fetch failure on {origin}: {error.code} -- {error.msg}") from error
        except urllib.error.URLError as error:
            number = getattr(error.reason, "errno", None)
            raise Exception(f"URL fetch failure on {origin}: {number} -- {error.reason}") from error
        except OSError as error:
            raise Exception(f"URL fetch failure on {origin}: {error}") from error
        if file_hash is not None:
            kind = _algorithm(file_hash, algorithm)
            file.seek(0)
            found = _digest(file, kind)
            if found != str(file_hash).lower():
                raise Exception(f"get_file: {origin} gave a file with the {kind} checksum {found}, expected "
                                f"{file_hash}. It was not kept: it is another file, or was damaged on the way.")


def _fetch(origin: str, file: Any) -> None:
    """Write what a URL gives, with a bar."""
    with urllib.request.urlopen(origin, timeout=_PATIENCE) as answer:
        length = answer.headers.get("Content-Length")
        total = int(length) if length and length.isdigit() and not answer.headers.get("Content-Encoding") else None
        bar, done = Progbar(total), 0
        while piece := answer.read(_PIECE):
            file.write(piece)
            done += len(piece)
            bar.update(done)
        bar.close()
        if total is not None and done != total:
            raise OSError(f"it ended after {done} of {total} bytes")


def _algorithm(file_hash: str | None, algorithm: str) -> str:
    if algorithm == "auto":
        return "sha256" if len(file_hash or "") == 64 else "md5"
    if algorithm not in {"md5", "sha256"}:
        raise ValueError(f"Unknown checksum algorithm {algorithm!r}: expected 'md5', 'sha256' or 'auto'.")
    return algorithm


def _hash_file(fpath: Any, algorithm: str = "sha256", chunk_size: int = 65535) -> str:
    """The checksum of a file in hexadecimal digits; 'auto' is SHA-256."""
    with open(fpath, "rb") as file:
        return _digest(file, algorithm, chunk_size)


def _digest(file: Any, algorithm: str, chunk_size: int = _PIECE) -> str:
    """The checksum of the rest of an open file."""
    # MD5 finds damage here, not attacks: the published checksums are of this kind.
    digest = hashlib.md5(usedforsecurity=False) if algorithm == "md5" else hashlib.sha256()
    while piece := file.read(chunk_size):
        digest.update(piece)
    return digest.hexdigest()


def validate_file(fpath: Any, file_hash: str, algorithm: str = "auto", chunk_size: int = 65535) -> bool:
    """Whether a file has a checksum.

    # Arguments
        fpath: the file.
        file_hash: hexadecimal digits.
        algorithm: 'md5', 'sha256', or 'auto': by the length of the checksum.
        chunk_size: bytes that are read at a time.
    """
    return _hash_file(fpath, _algorithm(file_hash, algorithm), chunk_size) == str(file_hash).lower()


def _extract_archive(file_path: Any, path: Any = ".", archive_format: Any = "auto") -> bool:
    """Unpack an archive into a folder.

    # Returns
        Whether the file is an archive of one of the formats.

    # Raises
        ValueError: a member would lie outside the folder, or the format is unknown.
    """
    if archive_format is None:
        return False
    formats = ["tar", "zip"] if archive_format == "auto" else (
        [archive_format] if isinstance(archive_format, str) else list(archive_format))
    for kind in formats:
        if kind not in {"tar", "zip"}:
            raise ValueError(f"Unknown archive format {kind!r}: expected 'tar', 'zip', 'auto' or None.")
        if (tarfile.is_tarfile if kind == "tar" else zipfile.is_zipfile)(file_path):
            _unpack(file_path, Path(path), kind)
            return True
    return False


def _unpack(archive: Any, folder: Path, kind: str) -> None:
    """Unpack into a temporary folder beside, then move what came out."""
    with tempfile.TemporaryDirectory(prefix=".unpack-", dir=folder) as name:
        beside = Path(name)
        if kind == "zip":
            with zipfile.ZipFile(archive) as packed:
                for member in packed.namelist():
                    if not (beside / member).resolve().is_relative_to(beside.resolve()):
                        raise ValueError(f"{archive}: the member {member!r} would lie outside the folder; nothing was "
                                         "unpacked.")
                packed.extractall(beside)
        else:
            if not hasattr(tarfile, "data_filter"):
                raise RuntimeError("Unpacking tar archives safely needs Python 3.10.12, 3.11.4 or newer: update "
                                   f"Python, or unpack {archive} yourself.")
            with tarfile.open(archive) as packed_tar:
                try:
                    packed_tar.extractall(beside, filter="data")
                except tarfile.FilterError as error:
                    raise ValueError(f"{archive}: {error}; nothing was unpacked.") from error
        for item in beside.iterdir():
            target = folder / item.name
            if item.is_dir() and target.is_dir():
                shutil.copytree(item, target, symlinks=True, dirs_exist_ok=True)
            else:
                os.replace(item, target)
