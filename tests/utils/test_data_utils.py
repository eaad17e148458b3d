"""`get_file` with files of this machine and a server of this process: whole, checked, kept, unpacked with care."""

import http.server
import io
import os
import tarfile
import threading
import zipfile
from hashlib import md5, sha256
from pathlib import Path

import pytest

from symgraph import config
from symgraph.keras1.utils import data_utils as old
from symgraph.utils import data_utils, get_file
from symgraph.utils.data_utils import _extract_archive, _hash_file, validate_file

CONTENT = bytes(range(256)) * 1000


@pytest.fixture
def server():
    """A server that gives `CONTENT`; `/short` promises more than it gives. Yields (address, requests it got)."""
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append(self.path)
            if self.path == "/none":
                self.send_error(404, "Not Found")
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT) + (10 if self.path == "/short" else 0)))
            self.end_headers()
            self.wfile.write(CONTENT)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}", seen
        running.shutdown()
        thread.join()


def _tar(path, members):
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def test_a_file_is_fetched_once_and_kept(server, tmp_path, capsys):
    address, seen = server
    path = get_file("a.bin", f"{address}/a", cache_dir=tmp_path, cache_subdir="some")
    assert path == str(tmp_path / "some" / "a.bin") and Path(path).read_bytes() == CONTENT
    assert f"Downloading data from {address}/a" in capsys.readouterr().out
    assert get_file("a.bin", f"{address}/a", cache_dir=tmp_path, cache_subdir="some") == path
    assert seen == ["/a"] and os.listdir(tmp_path / "some") == ["a.bin"]
    at = get_file("b.bin", f"{address}/b")
    assert Path(at) == config.keras_home() / "datasets" / "b.bin"
    assert get_file(str(tmp_path / "c.bin"), f"{address}/c") == str(tmp_path / "c.bin")


def test_the_checksum_decides(server, tmp_path, capsys):
    address, seen = server
    for number, (digest, words) in enumerate((
            (md5(CONTENT).hexdigest(), {"file_hash": md5(CONTENT).hexdigest()}),
            (md5(CONTENT).hexdigest(), {"md5_hash": md5(CONTENT).hexdigest()}),
            (sha256(CONTENT).hexdigest(), {"file_hash": sha256(CONTENT).hexdigest(), "hash_algorithm": "sha256"}))):
        path = Path(get_file(f"{number}", f"{address}/{number}", cache_dir=tmp_path, **words))
        assert validate_file(path, digest) and validate_file(path, digest.upper())
        path.write_bytes(b"damaged")
        assert not validate_file(path, digest)
        get_file(f"{number}", f"{address}/{number}", cache_dir=tmp_path, **words)
        assert path.read_bytes() == CONTENT and seen.count(f"/{number}") == 2
    assert "does not match the original value" in capsys.readouterr().out
    with pytest.raises(Exception, match="checksum"):
        get_file("wrong", f"{address}/w", cache_dir=tmp_path, file_hash="0" * 32)
    assert "wrong" not in os.listdir(tmp_path / "datasets")
    with pytest.raises(ValueError, match="crc"):
        validate_file(path, "0", algorithm="crc")
    assert _hash_file(path) == _hash_file(path, "auto", 7) == sha256(CONTENT).hexdigest()


@pytest.mark.parametrize("page, message", [("none", "404 -- Not Found"), ("short", "ended after 256000 of 256010")])
def test_a_download_that_fails_leaves_nothing(server, tmp_path, page, message):
    with pytest.raises(Exception, match=f"URL fetch failure on .*{message}"):
        get_file("a", f"{server[0]}/{page}", cache_dir=tmp_path)
    with pytest.raises(Exception, match="URL fetch failure"):
        get_file("a", (tmp_path / "nothing").as_uri(), cache_dir=tmp_path)
    assert os.listdir(tmp_path / "datasets") == []


def test_archives_are_unpacked(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    _tar(source / "things.tar.gz", {"things/a.txt": b"A", "things/sub/b.txt": b"B"})
    with zipfile.ZipFile(source / "things.zip", "w") as archive:
        archive.writestr("packed.txt", "C")
    path = Path(get_file("things", (source / "things.tar.gz").as_uri(), untar=True, cache_dir=tmp_path))
    assert path == tmp_path / "datasets" / "things" and (path / "sub" / "b.txt").read_bytes() == b"B"
    assert (tmp_path / "datasets" / "things.tar.gz").exists()
    kept = get_file("things.zip", (source / "things.zip").as_uri(), extract=True, cache_dir=tmp_path)
    assert kept.endswith("things.zip") and (tmp_path / "datasets" / "packed.txt").read_bytes() == b"C"
    (path / "mine.txt").write_text("kept")
    assert _extract_archive(source / "things.tar.gz", tmp_path / "datasets")
    assert (path / "mine.txt").read_text() == "kept"
    assert not _extract_archive(source / "things.tar.gz", tmp_path, None)
    assert not _extract_archive(source / "things.tar.gz", tmp_path, "zip")
    with pytest.raises(ValueError, match="archive format 'rar'"):
        _extract_archive(source / "things.zip", tmp_path, ["rar"])


@pytest.mark.parametrize("name", ["../outside.txt", "inside/../../outside.txt"])
def test_no_member_leaves_the_folder(tmp_path, name):
    folder = tmp_path / "folder"
    folder.mkdir()
    _tar(tmp_path / "a.tar", {"fine.txt": b"1", name: b"2"})
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(name, "2")
    for archive in ("a.tar", "a.zip"):
        with pytest.raises(ValueError, match="nothing was unpacked"):
            _extract_archive(tmp_path / archive, folder)
    with tarfile.open(tmp_path / "link.tar", "w") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        archive.addfile(link)
    with pytest.raises(ValueError, match="nothing was unpacked"):
        _extract_archive(tmp_path / "link.tar", folder)
    assert not list(folder.iterdir()) and not (tmp_path / "outside.txt").exists()


def test_a_home_that_cannot_be_written_is_replaced(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("x")
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "temporary"))
    path = get_file("a", (tmp_path / "a").as_uri(), cache_dir=tmp_path / "file")
    assert path == str(tmp_path / "temporary" / ".keras" / "datasets" / "a")


def test_the_words_of_keras_1(tmp_path):
    (tmp_path / "a").write_bytes(CONTENT)
    digest = md5(CONTENT).hexdigest()
    path = old.get_file("copy", (tmp_path / "a").as_uri(), False, digest, str(tmp_path))
    assert path == str(tmp_path / "copy")
    assert old.validate_file(path, digest) and old.validate_file(path, md5_hash=digest)
    assert not old.validate_file(path, "0" * 32)


def test_a_sequence_says_what_it_lacks():
    with pytest.raises(NotImplementedError, match="__getitem__"):
        data_utils.Sequence()[0]
    with pytest.raises(NotImplementedError, match="__len__"):
        len(data_utils.Sequence())
