"""The GPU executor: fused CUDA kernels generated as text and compiled by NVRTC, matrix products by cuBLAS, through CuPy.

This is the only folder that imports CuPy, and it does so when the executor is created, not when it is imported.
"""
