"""The CPU executor: kernels compiled by Numba, run as one native call a step on a thread pool.

What is in this room, in the order in which a program goes through it:

- *A program becomes a tape of kernel calls.*  ``executor`` loads and runs programs; ``table`` is what it can lower,
  with the arguments of kernels; ``lower/`` makes the kernels' texts, a family of operations a file; ``nest`` and
  ``loops`` are the loop nests and the shared iterations that these texts are made of.
- *The kernel language.*  ``language`` says which words a text may use, and runs it as Python with each access checked;
  ``checked`` does so with a whole program.  ``mathematics`` are the functions, as formulas in ``elementary`` and
  ``arithmetic`` over the machine of ``formula``; ``blas`` the matrix products.
- *Vectors.*  ``vector`` has the processors' vectors and what a formula over memory, a microkernel, may do with them.
  ``microkernels`` are the tile kernel of products and convolutions and its copies, ``winograd`` the transformations of
  small windows, ``product`` the ways of a matrix product.
- *Native code.*  ``native`` and ``native_functions``, ``native_vector``, ``native_blas`` are the same words as LLVM
  instructions; ``front`` brings a text through Numba and ``build`` through LLVM; ``helpers`` are processes that share
  this work, ``background`` waits for them while the program goes on; ``objects`` keeps and loads the results;
  ``symbols`` are the functions from outside that they call.
- *Threads.*  ``pool`` runs a tape on all threads; ``limits`` lets threadpoolctl set their number.
"""
