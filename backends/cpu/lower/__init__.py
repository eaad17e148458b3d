"""How each operation becomes kernels: one file a family. Importing this package fills the table."""

from symgraph.backends.cpu.lower import (  # noqa: F401
    conv,
    ctc,
    cumulate,
    elementwise,
    fused,
    indexing,
    linalg,
    pool,
    random,
    reduction,
    sweep,
)
