"""The executor: memory on the device, loaded kernels, and programs as lists of calls on one stream.

Everything that touches CuPy is in this file. Its surface is kept small - allocate, copy, compile a text, launch,
multiply matrices, wait - so that tests can put another device in its place.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from symgraph.backends.gpu import lower  # noqa: F401  fills the table
from symgraph.backends.gpu.calls import THREADS
from symgraph.backends.gpu.prelude import PRELUDE
from symgraph.backends.gpu.runner import Arena, GPURunner
from symgraph.backends.gpu.table import LOWERINGS
from symgraph.compiler.program import Program
from symgraph.graph.type import TensorType, numpy_dtype
from symgraph.runtime.executor import ExecutorError

#: NVRTC options of every kernel. No fast mathematics; but CuPy adds that float32 numbers too small for the normal range
#: become zero, and contraction to fused multiply-add is the compiler's default.
OPTIONS = ("--std=c++17",)

#: Element types of cuBLAS (cudaDataType_t) and the type in which it computes (cublasComputeType_t).
_BLAS_TYPES = {"float32": 0, "float64": 1, "float16": 2, "bfloat16": 14}
_COMPUTE_32F, _COMPUTE_64F = 68, 70


class DeviceBuffer:
    """An array on the device.

    Attributes:
        shape, dtype: as of a NumPy array.
        memory: what keeps the memory alive.
        address: where it begins.
    """

    __slots__ = ("address", "dtype", "memory", "shape")

    def __init__(self, memory: Any, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.memory, self.shape, self.dtype = memory, shape, dtype
        self.address: int = memory.ptr

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


class GPUExecutor:
    """Runs programs on one CUDA device.

    Calls of functions are serialised: they share one arena and one stream.

    Args:
        cupy: the module.
        device: the number of the device.
    """

    name = "cupy"
    lowerings = LOWERINGS

    def __init__(self, cupy: Any, device: int = 0) -> None:
        self.cupy, self.device = cupy, device
        self.space = f"cuda:{device}"
        self.lock = threading.RLock()
        self.runtime = cupy.cuda.runtime
        self.runtime.setDevice(device)
        self.stream = cupy.cuda.Stream(non_blocking=True)
        self.arena = Arena(self)
        self._functions: dict[str, Any] = {}
        self._blas: Any = None
        # cuBLAS reads alpha and beta from host memory.
        self._scalars = {dtype: np.array([0, 1], dtype) for dtype in ("float32", "float64")}
        self._zero_and_one = {
            dtype: (array.ctypes.data, array.ctypes.data + array.itemsize) for dtype, array in self._scalars.items()
        }

    # ------------------------------------------------------------------------------------------------- memory

    def allocate(self, nbytes: int) -> Any:
        """Return device memory, from CuPy's pool.

        Raises:
            ExecutorError: there is not enough; says how much was asked for and how much is free.
        """
        try:
            with self.stream:
                return self.cupy.cuda.alloc(max(nbytes, 1))
        except self.cupy.cuda.memory.OutOfMemoryError as error:
            free, total = self.runtime.memGetInfo()
            raise ExecutorError(
                f"the GPU {self.space} has no room for {nbytes / 2**20:.1f} MiB: {free / 2**20:.1f} MiB of "
                f"{total / 2**20:.1f} MiB are free; use smaller batches or end other processes on it"
            ) from error

    def pinned(self, nbytes: int) -> np.ndarray:
        """Return host memory that the device copies from and to by itself, as an array of bytes."""
        memory = self.cupy.cuda.alloc_pinned_memory(max(nbytes, 1))
        return np.frombuffer(memory, np.uint8, nbytes)

    def copy(self, target: int, source: int, nbytes: int, to_device: bool) -> None:
        """Start a copy on the stream."""
        kind = self.runtime.memcpyHostToDevice if to_device else self.runtime.memcpyDeviceToHost
        if nbytes:
            self.runtime.memcpyAsync(target, source, nbytes, kind, self.stream.ptr)

    def empty(self, type: TensorType) -> DeviceBuffer:
        """Return an uninitialised buffer."""
        shape = tuple(int(dim) for dim in type.shape)  # type: ignore[arg-type]
        return self._buffer(shape, numpy_dtype(type.dtype))

    def _buffer(self, shape: tuple[int, ...], dtype: np.dtype) -> DeviceBuffer:
        with self.lock:
            self.runtime.setDevice(self.device)
            return DeviceBuffer(self.allocate(int(np.prod(shape, dtype=np.int64)) * dtype.itemsize), shape, dtype)

    def put(self, host: np.ndarray, into: DeviceBuffer | None = None) -> DeviceBuffer:
        """Copy an array to a new buffer, or into an existing one."""
        if into is None:
            into = self._buffer(host.shape, host.dtype)
        array = np.ascontiguousarray(np.broadcast_to(host, into.shape), into.dtype)
        with self.lock:
            self.runtime.setDevice(self.device)
            self.copy(into.address, array.ctypes.data, array.nbytes, to_device=True)
            self.stream.synchronize()  # the array may go away
        return into

    def get(self, buffer: DeviceBuffer) -> np.ndarray:
        """Copy a buffer to a new array."""
        array = np.empty(buffer.shape, buffer.dtype)
        with self.lock:
            self.runtime.setDevice(self.device)
            self.copy(array.ctypes.data, buffer.address, array.nbytes, to_device=False)
            self.stream.synchronize()
        return array

    def synchronize(self) -> None:
        """Wait for all that was started."""
        with self.lock:
            self.runtime.setDevice(self.device)
            self.stream.synchronize()

    # ---------------------------------------------------------------------------------------------- programs

    def load(self, program: Program) -> GPURunner:
        """Generate the kernels of a program and compile those that are not loaded yet."""
        with self.lock:
            self.runtime.setDevice(self.device)
            return GPURunner(self, program)

    def compile(self, texts: Mapping[str, str]) -> None:
        """Load kernels by name and text, those that are new in one module: NVRTC takes longer to start than to compile.

        CuPy keeps compiled modules in its own cache on disk, by content.
        """
        new = {name: texts[name] for name in sorted(texts) if name not in self._functions}
        if new:
            code = PRELUDE + "".join(new.values())
            try:
                module = self.cupy.RawModule(code=code, options=OPTIONS, backend="nvrtc")
                self._functions.update({name: module.get_function(name) for name in new})
            except Exception as error:  # no NVRTC, one that does not know the device, a driver that refuses its code
                raise ExecutorError(f"CuPy cannot compile kernels here ({error}): {_HELP}") from error

    def function(self, name: str, text: str) -> Any:
        """Return the kernel of a text."""
        self.compile({name: text})
        return self._functions[name]

    def launch(self, function: Any, grid: tuple[int, int], words: np.ndarray) -> Callable[[], None]:
        """Return a function that launches a kernel with the words as they are then."""
        # One element of a type as large as all words is passed by value, as a struct.
        arguments = (words.view(f"V{words.nbytes}"),)
        block = (THREADS,)
        return lambda: function(grid, block, arguments)

    def fill(self, nbytes: int, words: np.ndarray) -> Callable[[], None]:
        """Return a function that sets bytes to zero, beginning at the address in the first word."""
        memset = self.runtime.memsetAsync
        return lambda: memset(int(words[0]), 0, nbytes, self.stream.ptr)

    def product(
        self,
        dtypes: tuple[str, str],
        shape: tuple[int, int, int, int],
        transposed: tuple[bool, bool],
        strides: tuple[tuple[int, int], tuple[int, int]],
        add: bool,
        words: np.ndarray,
    ) -> Callable[[], None]:
        """Return a function that multiplies row-major matrices; the words are the addresses of x, y and the result.

        cuBLAS counts in columns: what it takes for the transposed result is the product of the transposed factors in
        the other order.

        Args:
            dtypes: of the factors and of the result.
            shape: rows, inner, columns, batch.
            transposed: whether x and y are.
            strides: for x and y the distance of neighbouring rows and of neighbouring matrices.
            add: whether to add to the result.
            words: see above.
        """
        rows, inner, columns, batch = shape
        blas = self.blas
        kind, out_kind = (_BLAS_TYPES[dtype] for dtype in dtypes)
        wide = "float64" if dtypes[0] == "float64" else "float32"
        compute = _COMPUTE_64F if wide == "float64" else _COMPUTE_32F
        zero, one = self._zero_and_one[wide]
        beta = one if add else zero
        second, first = map(int, transposed)  # CUBLAS_OP_N is 0, CUBLAS_OP_T is 1
        (lead_x, apart_x), (lead_y, apart_y) = strides
        lead_x, lead_y = max(lead_x, 1), max(lead_y, 1)
        handle, default = self.cupy.cuda.device.get_cublas_handle, -1  # CuPy keeps one handle a thread

        def multiply() -> None:
            x, y, out = words.tolist()
            if batch == 1:
                blas.gemmEx(
                    handle(), first, second, columns, rows, inner, one, y, kind, lead_y, x, kind, lead_x,
                    beta, out, out_kind, columns, compute, default,
                )  # fmt: skip
            else:
                blas.gemmStridedBatchedEx(
                    handle(), first, second, columns, rows, inner, one, y, kind, lead_y, apart_y,
                    x, kind, lead_x, apart_x, beta, out, out_kind, columns, rows * columns, batch,
                    compute, default,
                )  # fmt: skip

        return multiply

    def on_host(
        self, function: Callable[[], tuple[np.ndarray, ...]], inputs: Sequence[np.ndarray], words: np.ndarray
    ) -> Callable[[], None]:
        """Return a function that fetches arrays, calls another, and sends its results to the device.

        Args:
            function: reads `inputs` and returns the results.
            inputs: what is fetched, from the addresses in the first words.
            words: then come the addresses of the results.
        """

        def call() -> None:
            addresses = words.tolist()
            for array, address in zip(inputs, addresses):
                self.copy(array.ctypes.data, address, array.nbytes, to_device=False)
            self.stream.synchronize()
            results = [np.ascontiguousarray(result) for result in function()]
            for array, address in zip(results, addresses[len(inputs) :], strict=True):
                self.copy(address, array.ctypes.data, array.nbytes, to_device=True)
            self.stream.synchronize()  # the results go away

        return call

    @property
    def blas(self) -> Any:
        """cuBLAS, loaded when the first program needs it."""
        if self._blas is None:
            try:
                self.cupy.cuda.device.get_cublas_handle()
                self._blas = self.cupy.cuda.cublas
            except ImportError as error:
                raise ExecutorError(f"cuBLAS cannot be loaded ({error}): {_HELP}") from error
        return self._blas


_HELP = (
    'install CuPy with its CUDA libraries, pip install "symgraph[gpu]" (CUDA 13) or "symgraph[gpu-cuda12]", or choose '
    "another executor, for instance KERAS_BACKEND=numba"
)


def create() -> GPUExecutor:
    """Return the executor of the current CUDA device.

    Raises:
        ExecutorError: CuPy is not installed or cannot be loaded, its CUDA does not fit the driver, or there is no
            device. Nothing else is used in its place.
    """
    try:
        import cupy
    except ImportError as error:
        raise ExecutorError(f"the executor 'cupy' needs CuPy, which cannot be imported ({error}): {_HELP}") from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise ExecutorError(
            f"the executor 'cupy' cannot use a GPU: {error}. Without an NVIDIA driver, or with one older than CuPy's "
            f"CUDA, no device answers; {_HELP}"
        ) from error
    if count == 0:
        raise ExecutorError(f"the executor 'cupy' needs a CUDA device, and there is none; {_HELP}")
    return GPUExecutor(cupy, cupy.cuda.runtime.getDevice())
