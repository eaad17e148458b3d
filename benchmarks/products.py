"""Matrix products of float32 numbers on one thread: our microkernels against the library, in turns in one process.

    python benchmarks/products.py [rounds]

Prints a table: the shape (m x n x k, with T where an operand is stored transposed), the rate of each in GFLOP/s and
the ratio of the times, all of the fastest of the rounds. backends/cpu/product.py chooses its ways by this table.
"""

from __future__ import annotations

import ctypes
import sys
import time

import numpy as np

from symgraph.backends.cpu import blas, objects

KERNEL = """
def kernel(thread, threads, args):
    turned_a = load(args, 0) != 0
    turned_b = load(args, 1) != 0
    a = pointer_float32(load(args, 5), 0)
    b = pointer_float32(load(args, 6), 0)
    c = pointer_float32(load(args, 7), 0)
    for _ in range(load(args, 10)):
        WORD(turned_a, turned_b, load(args, 2), load(args, 3), load(args, 4), float32(1), a, load(args, 8),
             b, load(args, 9), float32(0), c, load(args, 3))
"""
WORDS = ("gemm_float32", "library_gemm_float32")
#: What the product is for, its sizes m, n and k, which operands are stored transposed.
CASES = [
    ("layer, batch 128", 128, 512, 784, False, False), ("layer, batch 33", 33, 512, 784, False, False),
    ("layer, batch 16", 16, 512, 784, False, False), ("layer, batch 7", 7, 512, 784, False, False),
    ("layer, batch 4", 4, 512, 784, False, False), ("layer, batch 2", 2, 512, 784, False, False),
    ("layer, batch 1", 1, 512, 784, False, False), ("gradient of weights", 784, 512, 128, True, False),
    ("gradient of weights, batch 1", 784, 512, 1, True, False), ("gradient of inputs", 128, 512, 512, False, True),
    ("gradient of inputs, batch 1", 1, 784, 512, False, True), ("ten classes", 128, 10, 512, False, False),
    ("its weights", 512, 10, 128, True, False), ("its inputs", 128, 512, 10, False, True),
    ("one number", 128, 1, 512, False, False), ("small layer", 16, 64, 64, False, False),
    ("small layer, weights", 64, 64, 16, True, False), ("small layer, inputs", 16, 64, 64, False, True),
    ("very small", 4, 16, 16, False, False), ("windows of images", 3136, 64, 576, False, False),
    ("square", 512, 512, 512, False, False), ("square, both transposed", 512, 512, 512, True, True),
    ("large layer, batch 1", 1, 4096, 4096, False, False), ("large layer, batch 2", 2, 4096, 4096, False, False),
    ("large layer transposed, batch 1", 1, 4096, 4096, False, True),
]  # fmt: skip


def main(rounds: int) -> None:
    """Measure and print every case."""
    native = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
    kernels = {word: native(objects.compile_kernel(KERNEL.replace("WORD", word), word)) for word in WORDS}
    random = np.random.default_rng(0)
    print("| product | m x n x k | ours, GFLOP/s | library, GFLOP/s | times as fast |\n|---|---|---|---|---|")
    blas.enter()
    try:
        for name, m, n, k, turned_a, turned_b in CASES:
            a = random.random((k, m) if turned_a else (m, k), np.float32)
            b = random.random((n, k) if turned_b else (k, n), np.float32)
            c = np.empty((m, n), np.float32)
            repeats = max(1, 4_000_000 // (m * n * k))
            places = [one.ctypes.data for one in (a, b, c)]
            table = np.array([turned_a, turned_b, m, n, k, *places, a.shape[1], b.shape[1], repeats], np.int64)
            best = dict.fromkeys(kernels, float("inf"))
            for _ in range(rounds):
                for word, kernel in kernels.items():
                    start = time.perf_counter()
                    kernel(0, 1, table.ctypes.data)
                    best[word] = min(best[word], (time.perf_counter() - start) / repeats)
            ours, theirs = best.values()
            flops = 2e-9 * m * n * k
            shape = f"{m}{'T' * turned_a} x {n}{'T' * turned_b} x {k}"
            print(f"| {name} | {shape} | {flops / ours:.1f} | {flops / theirs:.1f} | {theirs / ours:.2f} |", flush=True)
    finally:
        blas.leave()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
