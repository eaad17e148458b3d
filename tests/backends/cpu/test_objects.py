"""The kernel cache: what it keeps, what it refuses, and what it survives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from kernel_runner import NATIVE, table

from symgraph.backends.cpu import build, helpers, objects, symbols, vector
from symgraph.backends.cpu.build import KernelError

DOUBLE = """
def kernel(thread, threads, args):
    n = load(args, 0)
    x = pointer_float32(load(args, 1), n)
    for i in range(n):
        x[i] = x[i] * float32({factor})
"""


@pytest.fixture
def directory(tmp_path):
    """An empty cache of this test's own; the process forgets the kernels that it loaded meanwhile."""
    kept, memory = dict(objects._addresses), dict(objects._memory)
    objects._addresses.clear()
    objects.set_cache_directory(tmp_path / "kernels")
    yield tmp_path / "kernels"
    objects.set_cache_directory(None)
    objects._addresses.clear()
    objects._addresses.update(kept)
    objects._memory.clear()
    objects._memory.update(memory)


def run(factor: int = 2) -> None:
    x = np.arange(5, dtype=np.float32)
    arguments = table(5, x)
    NATIVE(objects.compile_kernel(DOUBLE.format(factor=factor), "double"))(0, 1, arguments.ctypes.data)
    np.testing.assert_array_equal(x, factor * np.arange(5, dtype=np.float32))


def compiled() -> int:
    return objects.statistics["compiled"]


def forget() -> None:
    objects._addresses.clear()


def entry(directory):
    (path,) = directory.glob("*.kernel")
    return path


def test_a_kernel_is_compiled_once_and_then_loaded(directory):
    before = compiled()
    run()
    run()
    assert compiled() == before + 1
    forget()
    run()
    assert compiled() == before + 1
    assert os.stat(directory).st_mode & 0o777 == 0o700
    assert entry(directory).stat().st_mode & 0o077 == 0


def test_one_batch_may_name_a_kernel_twice(directory):
    pairs = [
        ("double", DOUBLE.format(factor=2)),
        ("double", DOUBLE.format(factor=3)),
        ("double", DOUBLE.format(factor=2)),
    ]
    first, second, third = objects.compile_kernels(pairs)
    assert first == third != second


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-7],
        lambda data: data[:40],
        lambda data: b"",
        lambda data: b"something else entirely" * 9,
        lambda data: data[:-100] + bytes([data[-100] ^ 1]) + data[-99:],
        lambda data: data[:25] + bytes([data[25] ^ 255]) + data[26:],
    ],
    ids=["truncated", "headless", "empty", "foreign", "a flipped bit", "a changed checksum"],
)
def test_a_damaged_entry_is_replaced(directory, damage):
    run()
    path = entry(directory)
    good = path.read_bytes()
    path.write_bytes(damage(good))
    forget()
    before = compiled()
    run()
    assert compiled() == before + 1
    assert entry(directory).read_bytes() == good


def test_an_entry_under_anothers_name_is_not_run(directory):
    run(2)
    two = entry(directory)
    run(3)
    (three,) = set(directory.glob("*.kernel")) - {two}
    three.write_bytes(two.read_bytes())
    forget()
    run(3)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="owners and modes are POSIX")
@pytest.mark.parametrize("mode", [0o755, 0o770, 0o707])
def test_a_directory_that_others_may_enter_is_not_used(directory, mode):
    directory.mkdir(mode=0o700)
    directory.chmod(mode)
    with pytest.warns(RuntimeWarning, match="others have access"):
        run(5)
    assert not list(directory.glob("*"))
    objects._warned.clear()


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="owners and modes are POSIX")
def test_a_directory_of_another_user_is_not_used(directory, monkeypatch):
    directory.mkdir(mode=0o700)
    monkeypatch.setattr(os, "getuid", lambda: os.stat(directory).st_uid + 1)
    with pytest.warns(RuntimeWarning, match="belongs to user"):
        run(6)
    objects._warned.clear()


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="owners and modes are POSIX")
def test_an_entry_that_others_may_write_is_compiled_again(directory):
    run()
    entry(directory).chmod(0o666)
    forget()
    before = compiled()
    run()
    assert compiled() == before + 1


def test_a_link_in_place_of_the_directory_or_an_entry_is_refused(directory, tmp_path):
    run()
    path = entry(directory)
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    forget()
    before = compiled()
    run()
    assert compiled() == before + 1 and not entry(directory).is_symlink()
    link = tmp_path / "link"
    link.symlink_to(directory)
    objects.set_cache_directory(link)
    with pytest.warns(RuntimeWarning, match="a link"):
        assert objects.cache_directory() is None
    objects._warned.clear()


def test_a_home_that_cannot_be_written_means_memory_only(directory, tmp_path):
    (tmp_path / "file").write_text("in the way")
    objects.set_cache_directory(tmp_path / "file" / "kernels")
    before = compiled()
    with pytest.warns(RuntimeWarning, match="cannot be made"):
        run(7)
    forget()
    run(7)  # from memory, and without a second warning
    assert compiled() == before + 1
    assert not objects.cache_state()["usable"]
    objects._warned.clear()


def test_a_full_disk_means_memory_only(directory, monkeypatch):
    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(RuntimeWarning, match="No space left"):
        run(8)
    assert not list(directory.iterdir())
    objects._warned.clear()


def test_the_key_covers_text_name_and_versions(directory, monkeypatch):
    first = objects.kernel_key("text", "name")
    assert first != objects.kernel_key("text ", "name")
    assert first != objects.kernel_key("text", "name2")
    objects._base_key.cache_clear()
    monkeypatch.setattr(objects, "_version", lambda _distribution: "0")
    assert first != objects.kernel_key("text", "name")
    objects._base_key.cache_clear()


def test_a_faulty_kernel_shows_its_source(directory):
    with pytest.raises(KernelError, match=r"   3      y = nonsense\(args\)") as caught:
        objects.compile_kernel("\ndef kernel(thread, threads, args):\n    y = nonsense(args)\n", "faulty")
    assert "'faulty'" in str(caught.value)
    with pytest.raises(KernelError, match="defines neither"):
        objects.compile_kernel("x = 1\n", "nothing")


def test_undefined_symbols_are_read_from_the_object(directory):
    source = """
def kernel(thread, threads, args):
    x = pointer_float64(load(args, 0), 1)
    x[0] = erfc_float64(x[0])
"""
    code = objects.object_code(source, "special")
    if code[:4] == b"\x7fELF":
        assert "erfc" in symbols.undefined(code, "special")
        with pytest.raises(ValueError, match="malformed"):
            symbols.undefined(code[: len(code) // 3], "special")
    with pytest.raises(RuntimeError, match="no_such_function_anywhere, which no loaded library provides"):
        symbols.provide("special", {"erfc", "no_such_function_anywhere"})


def test_left_over_temporary_files_are_swept(directory):
    run()
    (directory / ".writing-dead.tmp").write_bytes(b"half an entry")
    os.utime(directory / ".writing-dead.tmp", (1, 1))
    (directory / ".writing-alive.tmp").write_bytes(b"half an entry")
    assert objects.sweep(directory, time.time() - 3600) == 1
    assert (directory / ".writing-alive.tmp").exists()


def script(directory, text: str) -> list[str]:
    program = """
        import ctypes, os, sys, time
        import numpy as np
        from symgraph.backends.cpu import objects
        objects.set_cache_directory(DIRECTORY)
        SOURCE = TEXT
        NATIVE = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
        def check(factor):
            x = np.arange(5, dtype=np.float32)
            arguments = np.array([5, x.ctypes.data])
            NATIVE(objects.compile_kernel(SOURCE.format(factor=factor), "double"))(0, 1, arguments.ctypes.data)
            assert x.tolist() == [factor * i for i in range(5)]
    """
    program = textwrap.dedent(program).replace("DIRECTORY", repr(str(directory))).replace("TEXT", repr(DOUBLE))
    return [sys.executable, "-c", program + textwrap.dedent(text)]


def test_a_warm_process_does_not_import_numba(directory):
    run(2)
    subprocess.run(
        script(
            directory,
            """
        check(2)
        assert objects.statistics == {"compiled": 0, "loaded": 1}, objects.statistics
        assert "numba" not in sys.modules
    """,
        ),
        check=True,
    )


def test_five_processes_at_once(directory):
    processes = [subprocess.Popen(script(directory, "for factor in (2, 3, 4): check(factor)")) for _ in range(5)]
    assert [process.wait(120) for process in processes] == [0] * 5
    assert len(list(directory.glob("*.kernel"))) == 3
    assert not list(directory.glob(".writing-*"))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="SIGKILL is POSIX")
def test_a_process_killed_in_the_middle_of_writing_leaves_no_trace_that_matters(directory):
    process = subprocess.Popen(
        script(
            directory,
            """
        def stop(handle):
            print("writing", flush=True)
            time.sleep(60)
        objects.os.fsync = stop
        check(2)
    """,
        ),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline().strip() == "writing"
    process.kill()
    process.wait()
    process.stdout.close()
    assert not list(directory.glob("*.kernel")) and len(list(directory.glob(".writing-*"))) == 1
    before = compiled()
    run(2)
    assert compiled() == before + 1 and entry(directory)


def batch(count: int) -> list[tuple[str, str]]:
    return [(f"double{factor}", DOUBLE.format(factor=factor)) for factor in range(2, 2 + count)]


def check_batch(addresses) -> None:
    for factor, address in enumerate(addresses, 2):
        x = np.arange(5, dtype=np.float32)
        arguments = table(5, x)
        NATIVE(address)(0, 1, arguments.ctypes.data)
        np.testing.assert_array_equal(x, factor * np.arange(5, dtype=np.float32))


def test_helper_processes_share_the_work(directory, monkeypatch):
    started = []
    real = helpers._Helper

    def counting(jobs, waiting, done, background):
        helper = real(jobs, waiting, done, background)
        started.append((helper, done))
        # The caller waits for the first kernel of the helper, so that the test sees both at work.
        deadline = time.monotonic() + 60
        while not done and time.monotonic() < deadline:
            time.sleep(0.01)
        return helper

    monkeypatch.setattr(helpers, "helpers_for", lambda count: 1)
    monkeypatch.setattr(helpers, "_Helper", counting)
    check_batch(objects.compile_kernels(batch(12)))
    assert len(started) == 1 and started[0][0].process.returncode is not None
    assert len(list(directory.glob("*.kernel"))) == 12


def test_what_takes_longest_is_compiled_first(monkeypatch):
    """The text of a shared microkernel is short, but not what it stands for."""
    order = []
    monkeypatch.setattr(build, "build", lambda source, name, symbol: order.append(name) or (b"", []))
    jobs = [("short", "text", ""), ("long", "text" * 9, ""), ("tile", vector.shared_text("multiply_windows"), "")]
    helpers.compile_together(jobs, 0)
    assert order == ["tile", "long", "short"]


@pytest.mark.parametrize(
    "program", ["raise SystemExit(3)", "print('!', end='', flush=True); input(); print('rubbish')"]
)
def test_a_helper_that_fails_costs_nothing_but_time(directory, monkeypatch, program):
    real = subprocess.Popen
    monkeypatch.setattr(helpers, "helpers_for", lambda count: 1)
    monkeypatch.setattr(subprocess, "Popen", lambda _command, **rest: real([sys.executable, "-c", program], **rest))
    check_batch(objects.compile_kernels(batch(3)))


def test_no_processes_to_be_had(directory, monkeypatch):
    def refuse(*_arguments, **_rest):
        raise OSError("no more processes")

    monkeypatch.setattr(helpers, "helpers_for", lambda count: 2)
    monkeypatch.setattr(subprocess, "Popen", refuse)
    check_batch(objects.compile_kernels(batch(2)))


def test_a_faulty_kernel_in_a_shared_batch_is_reported(directory, monkeypatch):
    monkeypatch.setattr(helpers, "helpers_for", lambda count: 1)
    with pytest.raises(KernelError, match="'faulty'"):
        objects.compile_kernels([*batch(2), ("faulty", "def kernel(thread, threads, args):\n    nonsense()\n")])


def test_helpers_are_started_only_where_they_pay(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(8)), raising=False)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.2, 0, 0), raising=False)
    assert [helpers.helpers_for(count) for count in (1, 9, 10, 45, 1000)] == [0, 0, 1, 4, 7]
    monkeypatch.setattr(os, "getloadavg", lambda: (1.5, 0, 0), raising=False)
    assert helpers.helpers_for(1000) == 7, "this process is no hindrance to itself"
    monkeypatch.setattr(os, "getloadavg", lambda: (6.5, 0, 0), raising=False)
    assert helpers.helpers_for(1000) == 2
    monkeypatch.setattr(os, "getloadavg", lambda: (9.0, 0, 0), raising=False)
    assert helpers.helpers_for(1000) == 0
    monkeypatch.setattr(sys, "executable", "")
    assert helpers.helpers_for(1000) == 0


def test_numba_still_works_for_the_program_beside_us(directory):
    """Kernels are compiled with a part of Numba; what a program compiles before and after is not touched by that."""
    text = """
        import numba
        @numba.njit
        def before(a):
            return np.linalg.norm(a @ a)
        if sys.argv[1:]:
            assert before(np.eye(4)) == 2
        check(2)
        @numba.njit
        def after(a):
            return np.sum(np.sqrt(np.abs(a))) + len([str(1)])
        assert after(np.ones((2, 2))) == 5 and before(np.eye(4)) == 2
        check(3)
    """
    for arguments in ([], ["first"]):
        for path in directory.glob("*.kernel"):
            path.unlink()
        subprocess.run([*script(directory, text), *arguments], check=True)
