"""The CPU executor: kernels compiled by Numba, run as one native call a step on a thread pool."""
