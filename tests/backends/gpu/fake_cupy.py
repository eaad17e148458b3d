"""The part of CuPy that the GPU executor uses, on the host.

Kernels are compiled as C++ and run by `host_kernels`; cuBLAS is NumPy with cuBLAS' rules about columns. What CUDA does
later is done later here too: calls on a stream wait until somebody synchronises, and a copy reads pinned memory only
then, so that host memory that is written too early shows.
"""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import Any

import numpy as np
from host_kernels import HostKernel, HostModule

from symgraph.graph.type import numpy_dtype


class OutOfMemoryError(MemoryError):
    pass


class CUDARuntimeError(RuntimeError):
    pass


class Stream:
    """Work in order, done when somebody waits for it."""

    def __init__(self, non_blocking: bool = False) -> None:
        self.ptr = id(self)
        self.waiting: list[Any] = []
        _STREAMS[self.ptr] = self

    def __enter__(self) -> Stream:
        _CURRENT.append(self)
        return self

    def __exit__(self, *details: Any) -> None:
        _CURRENT.pop()

    def add(self, work: Any) -> None:
        self.waiting.append(work)

    def synchronize(self) -> None:
        waiting, self.waiting = self.waiting, []
        for work in waiting:
            work()


_STREAMS: dict[int, Stream] = {}
_CURRENT: list[Stream] = []


class Memory:
    """Device memory: full of a pattern, so that reading what was never written shows."""

    def __init__(self, nbytes: int) -> None:
        self.bytes = np.full(nbytes + 512, 0xA5, np.uint8)
        start = self.bytes.ctypes.data
        self.ptr = start + (-start % 512)


class Pinned(np.ndarray):
    """Pinned host memory."""


class FakeCupy:
    """The module, with what was asked of it counted.

    Attributes:
        allocations: the sizes of device memory that was asked for, in bytes.
        launches: the names of the kernels that were launched.
        modules: the texts that were compiled.
        copies: (kind, bytes) of each copy.
        capacity: allocations beyond this many bytes in one piece fail.
    """

    def __init__(self) -> None:
        self.allocations: list[int] = []
        self.launches: list[str] = []
        self.copies: list[tuple[str, int]] = []
        self.modules: list[str] = []
        self.capacity = 2**32
        self.pinned: list[tuple[int, int]] = []
        _CURRENT[:] = []
        runtime = SimpleNamespace(
            CUDARuntimeError=CUDARuntimeError,
            memcpyHostToDevice=1,
            memcpyDeviceToHost=2,
            getDeviceCount=lambda: 1,
            getDevice=lambda: 0,
            setDevice=lambda device: None,
            memGetInfo=lambda: (self.capacity, self.capacity),
            memcpyAsync=self._copy,
            memsetAsync=self._set,
        )
        self.cuda = SimpleNamespace(
            runtime=runtime,
            Stream=Stream,
            alloc=self._allocate,
            alloc_pinned_memory=self._pin,
            memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
            device=SimpleNamespace(get_cublas_handle=lambda: 7),
            cublas=SimpleNamespace(gemmEx=self._multiply, gemmStridedBatchedEx=self._multiply_many),
        )

    def RawModule(self, code: str, options: tuple, backend: str) -> Any:
        assert backend == "nvrtc" and all(option.startswith("-") for option in options)
        module = HostModule(code)
        self.modules.append(code)
        return SimpleNamespace(get_function=lambda name: self._function(name, module.get_function(name)))

    def _function(self, name: str, kernel: HostKernel) -> Any:

        def launch(grid: tuple, block: tuple, arguments: tuple) -> None:
            assert all(0 < size < 2**31 for size in grid) and grid[1] < 65536 and block[0] <= 1024
            assert all(argument.size == 1 for argument in arguments), "only arrays of one element go by value"
            self.launches.append(name)
            held = tuple(argument.copy() for argument in arguments)  # CUDA copies arguments when it launches
            _CURRENT[-1].add(lambda: kernel(grid, block, held))

        return launch

    def _allocate(self, nbytes: int) -> Memory:
        if nbytes > self.capacity:
            raise OutOfMemoryError(f"no room for {nbytes} bytes")
        self.allocations.append(nbytes)
        return Memory(nbytes)

    def _pin(self, nbytes: int) -> np.ndarray:
        memory = np.full(nbytes, 0x5A, np.uint8)
        self.pinned.append((memory.ctypes.data, nbytes))
        return memory

    def _is_pinned(self, address: int) -> bool:
        return any(start <= address < start + nbytes for start, nbytes in self.pinned)

    def _copy(self, target: int, source: int, nbytes: int, kind: int, stream: int) -> None:
        self.copies.append(("in" if kind == 1 else "out", nbytes))
        host = source if kind == 1 else target
        queue = _STREAMS[stream]
        if self._is_pinned(host):
            queue.add(lambda: ctypes.memmove(target, source, nbytes))
        elif kind == 1:  # pageable memory has been read when the call returns
            held = ctypes.string_at(source, nbytes)
            queue.add(lambda: ctypes.memmove(target, held, nbytes))
        else:
            queue.add(lambda: ctypes.memmove(target, source, nbytes))
            queue.synchronize()

    def _set(self, target: int, value: int, nbytes: int, stream: int) -> None:
        _STREAMS[stream].add(lambda: ctypes.memset(target, value, nbytes))

    def _multiply(self, handle, ta, tb, m, n, k, alpha, a, type_a, lda, b, type_b, ldb, beta, c, type_c, ldc, *how):
        factors = ((a, ta, lda, 0), (b, tb, ldb, 0), (c, 0, ldc, 0))
        self._products((m, n, k), factors, (alpha, beta), (type_a, type_b, type_c), 1, how)

    def _multiply_many(
        self, handle, ta, tb, m, n, k, alpha, a, type_a, lda, stride_a, b, type_b, ldb, stride_b, beta, c, type_c, ldc,
        stride_c, batch, *how,
    ) -> None:  # fmt: skip
        factors = ((a, ta, lda, stride_a), (b, tb, ldb, stride_b), (c, 0, ldc, stride_c))
        self._products((m, n, k), factors, (alpha, beta), (type_a, type_b, type_c), batch, how)

    def _products(self, sizes, factors, scalars, kinds, batch, how) -> None:
        """C = alpha op(A) op(B) + beta C, on matrices that are stored column by column; a factor is (address,
        transposed, leading dimension, distance of neighbours in a batch)."""
        m, n, k = sizes
        (a, ta, lda, stride_a), (b, tb, ldb, stride_b), (c, _, ldc, stride_c) = factors
        compute, algorithm = how
        assert algorithm == -1 and kinds[0] == kinds[1]
        kinds = (kinds[0], kinds[2])
        self.launches.append("gemm")
        names = {0: "float32", 1: "float64", 2: "float16", 14: "bfloat16"}
        dtype, out_dtype = (numpy_dtype(names[kind]) for kind in kinds)
        assert kinds[0] == kinds[1] or (kinds[0] in (2, 14) and kinds[1] == 0), "cuBLAS has no such combination"
        wide = np.float64 if kinds[0] == 1 else np.float32
        assert compute == (70 if kinds[0] == 1 else 68)
        assert lda >= max(1, k if ta else m) and ldb >= max(1, n if tb else k) and ldc >= max(1, m)
        factor, old = (_array(address, 1, wide)[0] for address in scalars)

        def columns(address: int, rows: int, cols: int, lead: int, dtype: np.dtype = dtype) -> np.ndarray:
            """A matrix that is stored column by column, `lead` elements apart."""
            return _array(address, lead * cols, dtype).reshape(cols, lead)[:, :rows].T

        def work() -> None:
            for number in range(batch):
                left = columns(a + number * stride_a * dtype.itemsize, *((k, m) if ta else (m, k)), lda)
                right = columns(b + number * stride_b * dtype.itemsize, *((n, k) if tb else (k, n)), ldb)
                result = columns(c + number * stride_c * out_dtype.itemsize, m, n, ldc, out_dtype)
                left, right = left.T if ta else left, right.T if tb else right
                value = factor * (left.astype(wide) @ right.astype(wide))
                if old:
                    value = value + old * result.astype(wide)
                result[...] = value.astype(out_dtype)

        _CURRENT[-1].add(work)


def _array(address: int, count: int, dtype: Any) -> np.ndarray:
    """Return memory as an array that can be written."""
    dtype = np.dtype(dtype)
    raw = (ctypes.c_uint8 * (count * dtype.itemsize)).from_address(address) if count else b""
    return np.frombuffer(raw, np.uint8).view(dtype)
