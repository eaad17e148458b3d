"""The GPU executor: CUDA kernels made as text and compiled by NVRTC, products by cuBLAS, through CuPy.

    lower/<family>.py   operation -> calls; a call names its arguments, with symbols where sizes are not known yet
    codegen.py          expressions over strided views -> the text of a kernel
    prelude.py          what every text begins with: types, and scalar operations with NumPy's meaning
    calls.py            kernels, products, fills, loops; binding them to sizes and addresses
    runner.py           memory of a program, and how a call of it goes
    executor.py         everything that touches CuPy

To lower a new operation, add its C expression to `ELEMENTWISE` (elementwise and generator operations), or enter a
function `(step) -> list of calls` with `register` (the others), on the shelf of its family; one that decomposes needs
neither. CuPy is imported when the executor is created, never when this package is, and nowhere else in the project.
"""
