"""The thread pool and the tape driver."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from kernel_runner import table
from llvmlite import binding as llvm
from llvmlite import ir

from symgraph.backends.cpu import native, objects, pool
from symgraph.backends.cpu.pool import ALONE, CHECKED, SHARED, Pool, row

#: Adds 1 to its share of the n numbers at an address.
ADD = """
def kernel(thread, threads, args):
    n = load(args, 0)
    x = pointer_int64(load(args, 1), n)
    start, stop = span(n, thread, threads)
    for i in range(start, stop):
        x[i] = x[i] + load(args, 2)
"""
#: Sums all numbers of x, as each thread reads them, into its share of y.
SUM = """
def kernel(thread, threads, args):
    n = load(args, 0)
    x = pointer_int64(load(args, 1), n)
    y = pointer_int64(load(args, 2), n)
    start, stop = span(n, thread, threads)
    for i in range(start, stop):
        total = 0
        for j in range(n):
            total += x[j]
        y[i] = total
"""
WHO = """
def kernel(thread, threads, args):
    x = pointer_int64(load(args, 0), 8)
    x[thread] = threads
"""


@pytest.fixture(scope="module")
def kernels():
    return dict(zip(("add", "sum", "who"), objects.compile_kernels([("add", ADD), ("sum", SUM), ("who", WHO)])))


@pytest.fixture(scope="module")
def four():
    made = Pool(4)
    yield made
    made.close()


def tape(*rows) -> np.ndarray:
    return np.array(rows, np.int64)


def run(made: Pool, rows: np.ndarray, threads: int | None = None) -> None:
    made.run(rows.ctypes.data, len(rows), threads)


@pytest.mark.parametrize("threads", [1, 2, 3, 4])
def test_shared_rows_run_on_every_thread_and_lone_rows_on_one(kernels, four, threads):
    shared, alone = np.zeros(8, np.int64), np.zeros(8, np.int64)
    first, second = table(shared), table(alone)
    run(
        four,
        tape(row(kernels["who"], first.ctypes.data, SHARED), row(kernels["who"], second.ctypes.data, ALONE)),
        threads,
    )
    assert shared.tolist() == [threads] * threads + [0] * (8 - threads)
    assert alone.tolist() == [1] + [0] * 7


def test_a_caller_without_workers_does_every_part(kernels):
    """Nobody is waited for: a part that no worker has begun is done by whoever has time, as the same part."""
    made = Pool(4)
    made._workers.words[pool._FORKED] = 1  # no worker is woken
    parts, total, x = np.zeros(8, np.int64), np.zeros(8, np.int64), np.arange(8)
    args = table(parts), table(8, x, total)
    rows = tape(row(kernels["who"], args[0].ctypes.data), row(kernels["sum"], args[1].ctypes.data))
    for _ in range(3):
        total[:] = parts[:] = 0
        run(made, rows)
        assert parts.tolist() == [4] * 4 + [0] * 4 and total.tolist() == [28] * 8
    made.close()


def test_rows_without_a_barrier_are_one_phase(kernels, four):
    """A part goes through all rows up to the barrier; a lone row among them runs once, in the order of the rows."""
    x, y = np.zeros(64, np.int64), np.zeros(64, np.int64)
    args = [table(64, x, 1), table(64, x, 10), table(64, y, 1), table(64, x, y)]
    rows = tape(
        row(kernels["add"], args[0].ctypes.data, barrier=0),
        row(kernels["add"], args[2].ctypes.data, ALONE, barrier=0),
        row(kernels["add"], args[1].ctypes.data, barrier=1),
        row(kernels["sum"], args[3].ctypes.data, barrier=0),
    )
    for repeat in range(1, 100):
        run(four, rows)
        assert (x == 11 * repeat).all() and (y == 64 * 11 * repeat).all()
        y[:] = 0


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_a_tape_as_the_body_of_a_loop(kernels, four, threads):
    """The number of iterations is that of the call, and addresses that go on are back at their start after it."""
    x, y = np.zeros((9, 40), np.int64), np.zeros(8, np.int64)
    add, inner = table(40, x, 1), table(8, y, 3)
    rows = tape(row(kernels["add"], add.ctypes.data), row(count=2, rows=1), row(kernels["add"], inner.ctypes.data))
    patches = np.array([[add.ctypes.data + 8, x[0].nbytes]], np.int64)
    repeat = four.prepare_loop(rows, patches, threads)
    rows[:] = 0  # they have been copied
    expected = np.zeros(9, np.int64)
    for count in (1, 9, 4, 9):
        repeat(count)
        expected[:count] += 1
        assert (x == expected[:, None]).all() and add[1] == x.ctypes.data
    assert (y == 6 * expected.sum()).all()


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_barriers_order_what_threads_read_of_each_other(kernels, four, threads):
    n = 61
    x, y = np.zeros(n, np.int64), np.zeros(n, np.int64)
    add_x, sum_y, add_y, sum_x = table(n, x, 1), table(n, x, y), table(n, y, 1), table(n, y, x)
    rows = tape(
        *[
            row(kernels[name], args.ctypes.data)
            for name, args in (("add", add_x), ("sum", sum_y), ("add", add_y), ("sum", sum_x))
        ]
    )
    for _ in range(200):
        x[:] = np.arange(n)
        run(four, rows, threads)
        total = (np.arange(n) + 1).sum() + 1
        assert (x == total * n).all()


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("count", [0, 1, 7])
def test_a_loop_patches_and_restores_its_arguments(kernels, four, threads, count):
    x = np.zeros((10, 3), np.int64)
    args = table(3, x, 1)
    before = args.copy()
    patches = np.array([[args.ctypes.data + 8, 24], [args.ctypes.data + 16, 10]], np.int64)
    rows = tape(
        row(count=count, rows=1, patches=patches.ctypes.data, patch_count=2),
        row(kernels["add"], args.ctypes.data, barrier=0),
        row(kernels["add"], args.ctypes.data),
    )
    for repeat in (1, 2, 3):
        run(four, rows, threads)
        expected = np.zeros((10, 3), np.int64)
        expected[:count] = (1 + 10 * np.arange(count))[:, None]
        expected[0] += 1
        np.testing.assert_array_equal(x, expected * repeat)
        np.testing.assert_array_equal(args, before)


@pytest.mark.parametrize("threads", [1, 3])
def test_loops_nest_and_may_be_skipped_inside(kernels, four, threads):
    x = np.zeros((4, 5, 2), np.int64)
    args = table(2, x, 1)
    address = args.ctypes.data + 8
    inner, outer = np.array([[address, 16]], np.int64), np.array([[address, 80]], np.int64)
    other = np.zeros(3, np.int64)
    skipped, outside = table(3, other, 1), table(3, other, 7)
    rows = tape(
        row(count=4, rows=4, patches=outer.ctypes.data, patch_count=1),
        row(count=5, rows=1, patches=inner.ctypes.data, patch_count=1),
        row(kernels["add"], args.ctypes.data),
        row(count=0, rows=1),
        row(kernels["add"], skipped.ctypes.data),
        row(kernels["add"], outside.ctypes.data),
    )
    run(four, rows, threads)
    assert (x == 1).all() and (other == 7).all() and args[1] == x.ctypes.data


def test_a_recurrence_steps_through_time(kernels, four):
    """x[t + 1] = sum of x[t], over threads that read each other's part of the last step."""
    x = np.zeros((12, 4), np.int64)
    x[0] = 1
    args = np.array([4, x.ctypes.data, x.ctypes.data + 32], np.int64)
    patches = np.array([[args.ctypes.data + 8, 32], [args.ctypes.data + 16, 32]], np.int64)
    rows = tape(
        row(count=11, rows=1, patches=patches.ctypes.data, patch_count=2), row(kernels["sum"], args.ctypes.data)
    )
    for _ in range(50):
        x[1:] = -1
        run(four, rows)
        np.testing.assert_array_equal(x[:, 0], 4 ** np.arange(12))


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("mode", [ALONE, SHARED])
def test_a_checked_row_may_end_the_tape(kernels, four, threads, mode):
    x, after = np.zeros(50, np.int64), np.zeros(50, np.int64)
    first, second = table(50, x, 1), table(50, after, 1)
    status = np.zeros(1, np.int64)
    rows = tape(
        row(kernels["add"], first.ctypes.data, mode=mode + CHECKED, patches=status.ctypes.data),
        row(kernels["add"], second.ctypes.data),
    )
    run(four, rows, threads)
    assert (x == 1).all() and (after == 1).all()
    status[0] = 1
    run(four, rows, threads)
    assert (x == 2).all() and (after == 1).all()
    status[0] = 0
    run(four, rows, threads)
    assert (x == 3).all() and (after == 2).all()


def test_an_empty_tape_and_an_empty_loop_return(kernels, four):
    run(four, tape(row())[:0])
    run(four, tape(row(count=3, rows=0)))


def test_prepared_calls_do_the_same_as_run(kernels, four):
    x = np.zeros(100, np.int64)
    args = table(100, x, 1)
    rows = tape(row(kernels["add"], args.ctypes.data))
    for job in (four.prepare(rows.ctypes.data, 1), four.prepare(rows.ctypes.data, 1, 1)):
        for _ in range(100):
            job()
    assert (x == 200).all()


def test_workers_that_went_to_sleep_wake_up(kernels, four):
    x = np.zeros(100, np.int64)
    args = table(100, x, 1)
    rows = tape(row(kernels["add"], args.ctypes.data))
    for pause in (0.0, 0.001, 0.003, 0.02) * 10:
        time.sleep(pause)
        run(four, rows)
    assert (x == 40).all()


def test_many_python_threads_may_call(kernels, four):
    x = np.zeros(500, np.int64)
    args = table(500, x, 1)
    rows = tape(*[row(kernels["add"], args.ctypes.data)] * 3)
    jobs = [four.prepare(rows.ctypes.data, 3, threads) for threads in (1, 2, 4)]

    def many(job):
        for _ in range(100):
            job()

    callers = [threading.Thread(target=many, args=(job,)) for job in jobs * 2]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
    assert (x == 6 * 100 * 3).all()


def test_far_more_threads_than_processors(kernels):
    made = Pool(4 * (os.cpu_count() or 1) + 3)
    x = np.zeros(1000, np.int64)
    args = table(1000, x, 1)
    rows = tape(*[row(kernels["add"], args.ctypes.data)] * 20)
    for _ in range(5):
        run(made, rows)
    assert (x == 100).all()
    made.close()


def test_wrong_numbers_of_threads_are_refused(four):
    with pytest.raises(ValueError, match="1 to 4 threads"):
        four.run(0, 0, 5)
    with pytest.raises(ValueError, match="1 to 4 threads"):
        four.prepare(0, 0, 0)
    with pytest.raises(ValueError, match="at least one"):
        Pool(0)


def test_a_closed_pool_runs_nothing_and_its_threads_end(kernels):
    made = Pool(3)
    threads = list(made._workers.threads)
    x = np.zeros(9, np.int64)
    args = table(9, x, 1)
    rows = tape(row(kernels["add"], args.ctypes.data))
    prepared = made.prepare(rows.ctypes.data, 1)
    made.close()
    made.close()
    assert not any(thread.is_alive() for thread in threads)
    with pytest.raises(RuntimeError, match="closed"):
        run(made, rows)
    prepared()  # on the calling thread: nobody waits for workers that are gone
    assert (x == 1).all()


def test_a_forgotten_pool_ends_its_threads():
    made = Pool(3)
    threads = list(made._workers.threads)
    del made
    gc.collect()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)


BUSY = "import os, sys\nwhile os.getppid() == int(sys.argv[1]): sum(range(100000))"


@pytest.fixture
def busy():
    """A process that computes on each processor."""
    command = [sys.executable, "-c", BUSY, str(os.getpid())]
    others = [subprocess.Popen(command) for _ in range(os.cpu_count() or 1)]
    time.sleep(0.2)
    yield
    for each in others:
        each.kill()
        each.wait()


def test_tapes_that_come_and_go_on_a_busy_machine(kernels, four, busy):
    """Workers that come late must find neither the memory of an old tape gone nor work of it to do."""
    x, other = np.zeros(50, np.int64), np.zeros((40, 50), np.int64)
    args = table(50, x, 1)
    patches = np.array([[args.ctypes.data + 8, 0]], np.int64)
    add = row(kernels["add"], args.ctypes.data)
    before = 0
    for number in range(600):
        length = number % 37 + 1
        loop = row(count=length, rows=2, patches=patches.ctypes.data, patch_count=1)
        run(four, tape(*[add] * length, loop, add, add), threads=number % 4 + 1)
        before += 3 * length
        assert (x == before).all()
    assert (other == 0).all()


def test_a_busy_machine_slows_but_does_not_stop_the_threads(kernels, busy):
    """With another process on every processor, all threads together are not much slower than one alone."""
    made = Pool(max(2, os.cpu_count() or 1))
    n = 400
    x, y = np.zeros(n, np.int64), np.zeros(n, np.int64)
    args = table(n, x, y)
    rows = tape(*[row(kernels["sum"], args.ctypes.data)] * 60)
    jobs = [made.prepare(rows.ctypes.data, 60, threads) for threads in (1, made.threads)]
    times = np.zeros(2)
    for _ in range(100):
        for k, job in enumerate(jobs):
            start = time.perf_counter()
            job()
            times[k] += time.perf_counter() - start
    made.close()
    assert times[1] < 6 * times[0]


#: Each thread doubles its share of the numbers.
DOUBLE = """
def kernel(thread, threads, args):
    n = load(args, 0)
    x = pointer_float32(load(args, 1), n)
    start, stop = span(n, thread, threads)
    for i in range(start, stop):
        x[i] = x[i] + x[i]
"""


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_denormal_numbers_are_zero_while_a_tape_runs(four, threads):
    """Read ones and those that would come out; the caller computes with them as before."""
    (double,) = objects.compile_kernels([("double", DOUBLE)])
    x = np.array([1e-40, -1e-44, 1.0, 1.2e-38] * 4, np.float32)
    run(four, tape(row(double, table(16, x).ctypes.data)), threads)
    np.testing.assert_array_equal(x, np.array([0, -0.0, 2, 2.4e-38] * 4, np.float32))
    assert np.float32(1e-40) * np.float32(2) > 0


@pytest.mark.parametrize("threads", [1, 4])
def test_denormal_numbers_are_kept_where_they_are_wanted(four, threads):
    """One pool runs tapes of both kinds in turn."""
    (double,) = objects.compile_kernels([("double", DOUBLE)])
    given = np.array([1e-40, -1e-44, 1.0, 1.2e-38] * 4, np.float32)
    x = given.copy()
    arguments = table(16, x)
    rows = tape(row(double, arguments.ctypes.data))
    keeping = four.prepare(rows.ctypes.data, len(rows), threads, denormals=True)
    flushing = four.prepare(rows.ctypes.data, len(rows), threads)
    for _ in range(20):
        x[:] = given
        keeping()
        np.testing.assert_array_equal(x, given * np.float32(2))
        x[:] = given
        flushing()
        np.testing.assert_array_equal(x, np.array([0, -0.0, 2, 2.4e-38] * 4, np.float32))


@pytest.mark.parametrize(
    "triple, instructions",
    [
        ("x86_64-unknown-linux-gnu", ["stmxcsr", "$32832,", "ldmxcsr"]),
        ("aarch64-unknown-linux-gnu", ["FPCR", "#0x1000000", "msr\tFPCR, x8"]),
        ("riscv64-unknown-linux-gnu", []),
    ],
)
def test_denormal_numbers_on_every_processor(triple, instructions):
    """The state is set, and set back, in each processor's way; one that has none is left alone."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    module = ir.Module()
    module.triple = triple
    function = ir.Function(module, ir.FunctionType(ir.IntType(64), [ir.IntType(64)]), "state")
    builder = ir.IRBuilder(function.append_basic_block())
    before = native._RULES["set_denormals"][1](None)[1](builder, None, function.args[0])
    native._RULES["restore_denormals"][1](None)[1](builder, None, before)
    builder.ret(before)
    made = llvm.parse_assembly(str(module))
    made.verify()
    text = llvm.Target.from_triple(triple).create_target_machine().emit_assembly(made)
    assert all(each in text for each in instructions), text


FORK = """
import os, sys, warnings
import numpy as np
from symgraph.backends.cpu import objects, pool
warnings.simplefilter("ignore", DeprecationWarning)
source = %r
kernel = objects.compile_kernel(source, "add")
x = np.zeros(1000, np.int64)
args = np.array([1000, x.ctypes.data, 1])
rows = np.array([pool.row(kernel, args.ctypes.data)] * 3, np.int64)
made = pool.Pool(3)
job = made.prepare(rows.ctypes.data, 3)
made.run(rows.ctypes.data, 3)
child = os.fork()
if child == 0:
    assert made.forked
    job()  # alone
    made.run(rows.ctypes.data, 3)  # with workers of its own
    assert not made.forked and len([t for t in made._workers.threads if t.is_alive()]) == 2
    job()
    os._exit(0 if (x == 12).all() else 1)
_, status = os.waitpid(child, 0)
made.run(rows.ctypes.data, 3)
assert (x == 6).all()
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_child_gets_workers_of_its_own():
    subprocess.run([sys.executable, "-c", FORK % ADD], check=True, timeout=60)


def test_the_interpreter_ends_with_a_pool_open():
    text = "from symgraph.backends.cpu.pool import Pool; made = Pool(4); made.run(0, 0)"
    assert subprocess.run([sys.executable, "-c", text], timeout=60, capture_output=True).stderr == b""


def test_idle_workers_use_no_processor_time():
    text = (
        "import time; from symgraph.backends.cpu.pool import Pool; made = Pool(4); made.run(0, 0); time.sleep(0.2); "
        "start = time.process_time(); time.sleep(0.5); assert time.process_time() - start < 0.2"
    )
    subprocess.run([sys.executable, "-c", text], check=True, timeout=60)


def test_the_row_table_matches_the_driver():
    assert row(1, 2, 3, 4, 5, 6, 7, 8) == [1, 2, 3, 4, 5, 6, 7, 8] and pool.ROW == 8
