"""The words of convolutions: against what they mean in checked mode, and their code for processors of other kinds."""

import ctypes

import llvmlite.binding as llvm
import numpy as np
import pytest

from symgraph.backends.cpu import language, native_vector, objects, vector
from symgraph.backends.cpu.formula import NumpyMachine
from symgraph.backends.cpu.microkernels import ADD, BIAS, RELU, panel_width
from symgraph.backends.cpu.winograd import TRANSFORMATIONS

RANDOM = np.random.RandomState(2)


def data(*shape):
    return RANDOM.standard_normal(shape).astype("float32")


def kernel(name):
    """The text of a kernel whose argument table holds the arguments of a word; a pointer is followed by its size."""
    given, k = [], 0
    for letter in (kind[0] for kind in vector.MICROKERNELS[name].arguments):
        given.append(f"pointer_float32(load(args, {k}), load(args, {k + 1}))" if letter == "p" else f"load(args, {k})")
        k += 2 if letter == "p" else 1
    return f"def kernel(thread, threads, args):\n    {name}({', '.join(given)})\n"


def both(name, *arguments):
    """Run a word in native code and in checked mode, on copies of the arrays: the arrays of each."""
    results = []
    for checked in (False, True):
        arrays = [one.copy() if isinstance(one, np.ndarray) else one for one in arguments]
        table = []
        for one in arrays:
            table += [one.ctypes.data, one.size] if isinstance(one, np.ndarray) else [one]
        numbers = np.array(table, np.int64)
        if checked:
            language.run_checked(kernel(name), name, 0, 1, numbers.ctypes.data)
        else:
            native = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 3)(objects.compile_kernel(kernel(name), name))
            native(0, 1, numbers.ctypes.data)
        results.append([one for one in arrays if isinstance(one, np.ndarray)])
    return results


@pytest.mark.parametrize("flags", [0, ADD, BIAS, RELU, ADD + BIAS + RELU])
@pytest.mark.parametrize("sizes", [
    (6, 16, 5, 1, 1), (7, 20, 5, 2, 3), (1, 1, 1, 1, 1), (13, 50, 9, 2, 1), (0, 16, 1, 1, 1), (5, 0, 2, 2, 2),
    (3, 16, 0, 1, 1), (10, 33, 3, 3, 2), (9, 8, 4, 1, 2), (4, 24, 3, 0, 1),
])  # fmt: skip
def test_products(sizes, flags):
    rows, width, n0, n1, n2 = sizes
    panel, panels = panel_width(), -(-width // panel_width())
    a, b = data(max(rows, 1), n2, n1, n0 + 2), data(max(panels, 1), n2, n1, max(n0, 1), panel)
    c, bias = data(max(rows, 1), width + 3), data(max(width, 1))

    def step(array, axis):
        return array.strides[axis] // 4

    native, checked = both(
        "multiply_windows", rows, width, a, step(a, 0), b, step(b, 0), c, width + 3, n0, 1, panel, n1, step(a, 2),
        step(b, 2), n2, step(a, 1), step(b, 1), bias, flags,
    )  # fmt: skip
    np.testing.assert_allclose(native[2], checked[2], rtol=1e-4, atol=1e-4)
    wanted = np.einsum("rkji,pkjie->rpe", a[..., :n0], b[:, :, :, :n0], dtype="float64").reshape(len(a), -1)[
        :rows, :width
    ]
    wanted = wanted + c[:rows, :width] * bool(flags & ADD) + bias[:width] * bool(flags & BIAS)
    wanted = np.maximum(wanted, 0) if flags & RELU else wanted
    np.testing.assert_allclose(native[2][:rows, :width], wanted, rtol=1e-4, atol=1e-4)
    untouched = native[2].copy(), c.copy()
    for one in untouched:
        one[:rows, :width] = 0
    np.testing.assert_array_equal(*untouched)


#: Where a window of at most 6x6 places begins and ends to lie in the array: all of it; less on each side; nothing.
WINDOWS = [(0, 0, 6, 6), (-3, -1, 9, 7), (1, 2, 6, 6), (0, 0, 3, 5), (2, 1, 3, 4), (6, 0, 9, 6), (0, -4, 6, -1)]


def check_transformation(name, channels, inside=(0, 0, 6, 6), flags=0):
    formula, size, result = TRANSFORMATIONS[name]
    source, target, bias = data(size, size, channels + 1), data(result, result, channels + 2), data(channels)
    zeros, spare = np.zeros(channels, "float32"), data(channels)
    rows, columns = (
        [low <= k < high for k in range(6)] for low, high in ((inside[0], inside[2]), (inside[1], inside[3]))
    )
    read, written = source[..., :channels].copy(), np.ones((result, result), bool)
    rest = ()
    if name in ("winograd_input", "winograd_gradient"):
        read *= np.outer(rows[:size], columns[:size])[..., None]
        rest = (*inside, zeros)
    elif name == "winograd_result":
        written = np.outer(rows[:result], columns[:result])
        rest = (*inside[2:], spare, bias, flags)
    places = source, size * (channels + 1), channels + 1, target, result * (channels + 2), channels + 2
    native, checked = both(name, *places, channels, *rest)
    np.testing.assert_allclose(native[1], checked[1], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(native[1][..., channels:], target[..., channels:])
    np.testing.assert_array_equal(native[1][~written], target[~written])
    matrix = np.array(formula(NumpyMachine(), list(np.eye(size))), "float64")
    wanted = np.einsum("ia,abc,jb->ijc", matrix, read, matrix)
    wanted = wanted + bias * bool(flags & BIAS)
    wanted = np.maximum(wanted, 0) if flags & RELU else wanted
    np.testing.assert_allclose(native[1][written, :channels], wanted[written], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", TRANSFORMATIONS)
@pytest.mark.parametrize("channels", [1, 8, 19, 32])
def test_transformations(name, channels):
    check_transformation(name, channels)


@pytest.mark.parametrize("inside", WINDOWS)
def test_windows_that_lie_partly_outside(inside):
    for name in ("winograd_input", "winograd_gradient"):
        check_transformation(name, 11, inside)
    check_transformation("winograd_result", 11, (0, 0, *inside[2:]))


@pytest.mark.parametrize("flags", [BIAS, RELU, BIAS + RELU])
def test_finished_results(flags):
    check_transformation("winograd_result", 19, flags=flags)


def test_outside_of_an_array_nothing_is_read():
    """In checked mode an access there raises; here the window hangs over all four sides of what there is."""
    x, zeros = data(2, 3, 8), np.zeros(8, "float32")
    text = (
        "def kernel(thread, threads, args):\n"
        "    x = pointer_float32(load(args, 0), 48)\n"
        "    y = pointer_float32(load(args, 1), 288)\n"
        "    zeros = pointer_float32(load(args, 2), 8)\n"
        "    winograd_input(shift(x, -40), 24, 8, y, 48, 8, 8, 1, 2, 3, 5, zeros)\n"
    )
    y = np.zeros((6, 6, 8), "float32")
    table = np.array([one.ctypes.data for one in (x, y, zeros)], np.int64)
    language.run_checked(text, "windows", 0, 1, table.ctypes.data)
    matrix = np.array(TRANSFORMATIONS["winograd_input"][0](NumpyMachine(), list(np.eye(6))))
    around = np.pad(x, ((1, 3), (2, 1), (0, 0)))
    np.testing.assert_allclose(y, np.einsum("ia,abc,jb->ijc", matrix, around, matrix), rtol=1e-4, atol=1e-5)


def test_relu_of_special_numbers():
    tile = np.zeros((6, 6, 8), "float32")
    tile[0, 0] = [np.nan, np.inf, -np.inf, -0.0, 1e-42, -1e-42, 3, -3]
    native, checked = both(
        "winograd_result", tile, 48, 8, data(4, 4, 8), 32, 8, 8, 4, 4, data(8), np.zeros(8, "float32"), BIAS + RELU
    )
    np.testing.assert_array_equal(native[1][0, 0, :4], [np.nan, np.inf, 0, 0])
    np.testing.assert_array_equal(checked[1][0, 0, :4], native[1][0, 0, :4])
    assert native[1][0, 0, 6] == 3 and native[1][0, 0, 7] == 0


@pytest.mark.parametrize(("at", "lines", "columns"), [
    ((0, 0, 0), 4, 5), ((-1, -1, -2), 3, 9), ((0, 2, 3), 5, 7), ((1, -7, 0), 3, 2), ((0, 0, 9), 2, 3),
    ((0, 0, -9), 2, 3),
])  # fmt: skip
def test_lines_with_zeros_around(at, lines, columns):
    x = data(3, 4, 5, 2)
    native, checked = both("copy_lines", x, *at, 3, 4, 5, 2, 2, lines, columns, 2, data(2, lines, columns, 2))
    np.testing.assert_array_equal(native[1], checked[1])
    for t, i, j in np.ndindex(2, lines, columns):
        place = at[0] + 2 * t, at[1] + i, at[2] + j
        inside = all(0 <= one < size for one, size in zip(place, x.shape, strict=False))
        np.testing.assert_array_equal(native[1][t, i, j], x[place] if inside else 0)


def test_checked_mode_names_what_leaves_its_array():
    with pytest.raises(IndexError, match="winograd_kernel"):
        both("winograd_kernel", data(3, 3, 4)[:2].copy(), 12, 4, data(6, 6, 4), 24, 4, 4)


MACHINES = [
    ("x86_64-unknown-linux-gnu", "x86-64", vector.SSE2, "mulps", "%xmm"),
    ("x86_64-unknown-linux-gnu", "x86-64-v3", vector.AVX2, "vfmadd", "%ymm"),
    ("x86_64-unknown-linux-gnu", "x86-64-v4", vector.AVX512, "vfmadd", "%zmm"),
    ("aarch64-unknown-linux-gnu", "generic", vector.NEON, "fmla", ".4s"),
]


@pytest.mark.parametrize(("triple", "processor", "target", "instruction", "register"), MACHINES,
                         ids=[one[1] for one in MACHINES])  # fmt: skip
def test_words_are_made_for_every_processor(triple, processor, target, instruction, register):
    """Assembly for other processors than this one, with their own vectors and instructions."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=processor, opt=3)
    module = native_vector.module_of(["multiply_windows", "copy_lines", "copy_numbers", *TRANSFORMATIONS], target)
    made = llvm.parse_assembly(str(module))
    made.triple, made.data_layout = triple, str(machine.target_data)
    made.verify()
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=1))
    builder.getModulePassManager().run(made, builder)
    text = machine.emit_assembly(made)
    assert text.count(instruction) > 100 and text.count(register) > 1000
