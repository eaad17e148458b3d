"""The GPU executor: fused CUDA kernels made as text and compiled by NVRTC, products by cuBLAS, through CuPy.

This is the only folder that imports CuPy, and it does so when the executor is created, not when it is imported.
"""
