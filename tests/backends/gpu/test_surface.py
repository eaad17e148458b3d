"""What the executor uses of CuPy is there in the CuPy that is installed; no device is needed to see that."""

from __future__ import annotations

import pytest

cupy = pytest.importorskip("cupy", reason="CuPy is not installed", exc_type=ImportError)


@pytest.mark.parametrize(
    "name",
    ["getDeviceCount", "getDevice", "setDevice", "memGetInfo", "memcpyAsync", "memsetAsync", "CUDARuntimeError"],
)
def test_runtime(name):
    assert hasattr(cupy.cuda.runtime, name)


def test_constants():
    assert (cupy.cuda.runtime.memcpyHostToDevice, cupy.cuda.runtime.memcpyDeviceToHost) == (1, 2)


def test_memory_streams_and_modules():
    assert issubclass(cupy.cuda.memory.OutOfMemoryError, Exception)
    for function in (cupy.cuda.alloc, cupy.cuda.alloc_pinned_memory, cupy.cuda.Stream, cupy.RawModule):
        assert callable(function)
    assert {"synchronize", "__enter__", "__exit__"} <= set(dir(cupy.cuda.Stream))
    assert callable(cupy.cuda.device.get_cublas_handle)


def test_blas_takes_the_arguments_that_it_is_given():
    cublas = pytest.importorskip("cupy.cuda.cublas", reason="cuBLAS is not installed", exc_type=ImportError)
    plain, stacked = cublas.gemmEx.__doc__, cublas.gemmStridedBatchedEx.__doc__
    assert plain.count(",") == 18 and stacked.count(",") == 22
    assert "intptr_t handle, int transa, int transb, int m, int n, int k, size_t alpha, size_t A" in stacked
    assert (cublas.CUBLAS_COMPUTE_32F, cublas.CUBLAS_COMPUTE_64F) == (68, 70)
